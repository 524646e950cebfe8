//! A notification server with the peculiarities of GNOME's (gnome-shell,
//! `js/dbusServices/notifications/notificationDaemon.js`): a popup belongs to the connection that
//! showed it, which alone may touch it and alone is told of it. A click is announced by
//! `ActivationToken`, as by servers that know Wayland.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the error handling")]

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use zbus::export::futures_core::Stream;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, MessageStream};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

type Popups = Arc<Mutex<HashMap<u32, OwnedUniqueName>>>;
type Click = (u32, String);

/// Runs as long as the process.
pub struct Server {
    up: Popups,
    clicks: tokio::sync::mpsc::UnboundedSender<(Click, Sender<()>)>,
}

impl Server {
    pub fn start(address: &str) -> Self {
        let address = address.to_owned();
        let up = Popups::default();
        let (clicks, mut inbox) = tokio::sync::mpsc::unbounded_channel::<(Click, Sender<()>)>();
        let (ready, is_ready) = channel();
        let popups = Arc::clone(&up);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let builder = zbus::connection::Builder::address(address.as_str());
                let connection = builder.build().await.unwrap();
                let mut calls = MessageStream::from(&connection);
                connection.request_name(NAME).await.unwrap();
                ready.send(()).unwrap();
                loop {
                    tokio::select! {
                        call = poll_fn(|context| Pin::new(&mut calls).poll_next(context)) => {
                            let Some(Ok(call)) = call else { return };
                            answer(&connection, &call, &popups).await;
                        }
                        click = inbox.recv() => {
                            let Some(((id, key), done)) = click else { return };
                            let owner = popups.lock().unwrap().get(&id).cloned().unwrap();
                            for (member, word) in [("ActivationToken", "x"), ("ActionInvoked", &key)] {
                                tell(&connection, &owner, member, &(id, word)).await;
                            }
                            done.send(()).unwrap();
                        }
                    }
                }
            });
        });
        is_ready.recv().unwrap();
        Self { up, clicks }
    }

    /// The ids of the popups that are up.
    pub fn up(&self) -> Vec<u32> {
        self.up.lock().unwrap().keys().copied().collect()
    }

    /// As the user does.
    pub fn click(&self, id: u32, key: &str) {
        let (done, is_done) = channel();
        self.clicks.send(((id, key.to_owned()), done)).unwrap();
        is_done.recv().unwrap();
    }
}

async fn tell<B>(connection: &Connection, owner: &OwnedUniqueName, member: &str, body: &B)
where
    B: serde::Serialize + zbus::DynamicType,
{
    let owner = Some(owner.clone());
    connection.emit_signal(owner, PATH, NAME, member, body).await.unwrap();
}

async fn answer(connection: &Connection, call: &Message, popups: &Popups) {
    let header = call.header();
    if header.message_type() != zbus::message::Type::MethodCall {
        return;
    }
    let sender: OwnedUniqueName = header.sender().unwrap().to_owned().into();
    let member = header.member().unwrap().to_string();
    // (app, replaces_id, …) or (id)
    let body = call.body();
    let id = if member == "Notify" {
        body.deserialize::<(String, u32, String, String, String, Vec<String>, HashMap<String, zbus::Variant<'_>>, i32)>().unwrap().1
    } else {
        body.deserialize::<u32>().unwrap()
    };
    let owner = popups.lock().unwrap().get(&id).cloned();
    if owner.is_some_and(|owner| owner != sender) {
        let name = "org.freedesktop.DBus.Error.InvalidArgs";
        let text = "Invalid notification ID";
        return connection.reply_error(&header, name, &text).await.unwrap();
    }
    if member == "Notify" {
        popups.lock().unwrap().insert(id, sender);
        connection.reply(&header, &id).await.unwrap();
    } else {
        popups.lock().unwrap().remove(&id);
        tell(connection, &sender, "NotificationClosed", &(id, 3_u32)).await;
    }
}
