//! Popups over the session bus: one task, one connection, which lasts while there is something to
//! wait for. It sets no timer but for the answer to a popup just sent, so waiting costs no wake-up.

use std::future::pending;
use std::num::NonZeroU32;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until, timeout};
use zbus::Message;
use zbus::message::Type;

use super::bus::{BUS, NOTIFICATIONS, Session, refusal};
use super::{ANSWER_LIMIT, ActionId, DesktopEvent, Failure, Order, Popup, text};

/// Carries out orders until nobody can give any more.
pub(super) async fn run(address: Option<String>, mut orders: UnboundedReceiver<Order>, events: UnboundedSender<DesktopEvent>) {
    let mut agent = Agent { address, events, session: None, asked: Vec::new(), up: Vec::new(), awaits_service: false };
    loop {
        let deadline = agent.deadline();
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Show(popup)) => agent.show(popup).await,
                Some(Order::Close(id)) => agent.close(id).await,
                None => return,
            },
            message = next(&mut agent.session) => match message {
                Some(message) => agent.hear(&message).await,
                None => agent.lose_bus(),
            },
            () = reached(deadline) => agent.give_up(),
        }
        agent.rest();
    }
}

async fn next(session: &mut Option<Session>) -> Option<Message> {
    match session {
        Some(session) => session.next().await,
        None => pending().await,
    }
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

struct Agent {
    address: Option<String>,
    events: UnboundedSender<DesktopEvent>,
    session: Option<Session>,
    /// Sent, and not answered yet: at most one of a tag.
    asked: Vec<Asked>,
    /// Shown, and not closed as far as we know: at most one of a tag.
    up: Vec<Up>,
    /// [`DesktopEvent::ServiceAppeared`] is owed.
    awaits_service: bool,
}

/// A popup that the server has been asked for.
struct Asked {
    serial: NonZeroU32,
    popup: Popup,
    /// `None` once it has passed and been reported: a stopped server that goes on shows it after all.
    deadline: Option<Instant>,
    /// It was to be closed meanwhile.
    unwanted: bool,
}

/// A popup that is up.
struct Up {
    id: u32,
    tag: String,
    actions: Vec<ActionId>,
    /// The server's connection: the only one that can tell of the popup. (The bus puts the sender's
    /// name on messages, so no other client can pretend.)
    server: String,
}

impl Agent {
    async fn show(&mut self, popup: Popup) {
        let tag = popup.tag.clone();
        // The newer popup's outcome stands for both.
        self.asked.retain(|asked| asked.popup.tag != tag);
        let deadline = Instant::now() + ANSWER_LIMIT;
        let sent = timeout(ANSWER_LIMIT, async { self.connect().await?.notify(&popup).await });
        match sent.await {
            Ok(Ok(serial)) => self.asked.push(Asked { serial, popup, deadline: Some(deadline), unwanted: false }),
            Ok(Err(error)) => {
                // No connection, or none any more.
                self.lose_bus();
                self.not_shown(tag, Failure::NoBus(text::line(&error.to_string())));
            }
            Err(_) => {
                self.lose_bus();
                self.not_shown(tag, Failure::TimedOut);
            }
        }
    }

    async fn close(&mut self, id: u32) {
        self.up.retain(|up| up.id != id);
        for asked in self.asked.iter_mut().filter(|asked| asked.popup.id == id) {
            asked.unwanted = true;
        }
        self.send_close(id).await;
    }

    async fn send_close(&mut self, id: u32) {
        let sent = timeout(ANSWER_LIMIT, async { self.connect().await?.close(id).await });
        match sent.await {
            Ok(Ok(())) => {}
            // Without a bus there are no popups.
            Ok(Err(error)) => tracing::debug!(id, %error, "popup not closed"),
            Err(_) => {
                tracing::debug!(id, "popup not closed: the session bus does not answer");
                self.lose_bus();
            }
        }
    }

    async fn connect(&mut self) -> zbus::Result<&Session> {
        match &mut self.session {
            Some(session) => Ok(session),
            none => Ok(none.insert(Session::open(self.address.as_deref()).await?)),
        }
    }

    async fn hear(&mut self, message: &Message) {
        let header = message.header();
        let sender = header.sender().map_or("", |name| name.as_str());
        match message.message_type() {
            Type::MethodReturn | Type::Error => {
                let of = |asked: &Asked| Some(asked.serial) == header.reply_serial();
                if let Some(place) = self.asked.iter().position(of) {
                    let asked = self.asked.swap_remove(place);
                    self.settle(asked, message, sender).await;
                }
            }
            Type::Signal => {
                let interface = header.interface().map_or("", |name| name.as_str());
                let member = header.member().map_or("", |name| name.as_str());
                match (interface, member) {
                    (NOTIFICATIONS, "ActionInvoked") => self.pressed(message, sender),
                    (NOTIFICATIONS, "NotificationClosed") => self.closed(message, sender),
                    (BUS, "NameOwnerChanged") if sender == BUS => self.owner_changed(message),
                    _ => {}
                }
            }
            Type::MethodCall => {}
        }
    }

    /// The server has answered.
    async fn settle(&mut self, asked: Asked, reply: &Message, server: &str) {
        let tag = asked.popup.tag;
        let id = match (reply.message_type(), reply.body().deserialize::<u32>()) {
            (Type::MethodReturn, Ok(id)) => id,
            (Type::MethodReturn, Err(error)) => {
                let reason = Failure::Refused(text::line(&error.to_string()));
                return self.not_shown(tag, reason);
            }
            _ if asked.deadline.is_none() => return, // it has been reported as not shown
            _ => return self.not_shown(tag, refusal(reply)),
        };
        if asked.unwanted {
            return self.send_close(id).await;
        }
        self.up.retain(|up| up.tag != tag && up.id != id);
        self.up.push(Up {
            id,
            tag: tag.clone(),
            actions: asked.popup.actions.iter().map(|(action, _)| *action).collect(),
            server: server.to_owned(),
        });
        self.tell(DesktopEvent::Shown { tag, id });
    }

    fn pressed(&mut self, signal: &Message, sender: &str) {
        let body = signal.body();
        let Ok((id, name)) = body.deserialize::<(u32, &str)>() else {
            return;
        };
        let Some(up) = self.find(id, sender) else {
            return;
        };
        if let Some(action) = ActionId::parse(name).filter(|action| up.actions.contains(action)) {
            let tag = up.tag.clone();
            self.tell(DesktopEvent::Action { tag, action });
        }
    }

    fn closed(&mut self, signal: &Message, sender: &str) {
        if let Ok((id, _reason)) = signal.body().deserialize::<(u32, u32)>() {
            self.up.retain(|up| up.id != id || up.server != sender);
        }
    }

    fn owner_changed(&mut self, signal: &Message) {
        let body = signal.body();
        let Ok((_name, old, new)) = body.deserialize::<(&str, &str, &str)>() else {
            return;
        };
        // A server takes its popups with it.
        self.up.retain(|up| up.server != old);
        if !new.is_empty() && std::mem::take(&mut self.awaits_service) {
            self.tell(DesktopEvent::ServiceAppeared);
        }
    }

    fn find(&self, id: u32, server: &str) -> Option<&Up> {
        self.up.iter().find(|up| up.id == id && up.server == server)
    }

    /// The earliest time at which an answer is overdue.
    fn deadline(&self) -> Option<Instant> {
        self.asked.iter().filter_map(|asked| asked.deadline).min()
    }

    fn give_up(&mut self) {
        let now = Instant::now();
        let mut overdue = Vec::new();
        for asked in &mut self.asked {
            if asked.deadline.is_some_and(|deadline| deadline <= now) {
                asked.deadline = None;
                overdue.push(asked.popup.tag.clone());
            }
        }
        for tag in overdue {
            self.not_shown(tag, Failure::TimedOut);
        }
    }

    fn lose_bus(&mut self) {
        self.session = None;
        self.up.clear();
        self.awaits_service = false;
        for asked in std::mem::take(&mut self.asked) {
            if asked.deadline.is_some() {
                let reason = Failure::NoBus("it went away".to_owned());
                self.not_shown(asked.popup.tag, reason);
            }
        }
    }

    /// Keeps no connection that nothing is expected from.
    fn rest(&mut self) {
        if self.asked.is_empty() && self.up.is_empty() && !self.awaits_service {
            self.session = None;
        }
    }

    fn not_shown(&mut self, tag: String, reason: Failure) {
        self.awaits_service |= self.session.is_some() && matches!(reason, Failure::NoService(_) | Failure::TimedOut);
        self.tell(DesktopEvent::NotShown { tag, reason });
    }

    fn tell(&self, event: DesktopEvent) {
        // Nobody listens while the daemon shuts down.
        let _ = self.events.send(event);
    }
}
