//! The session bus as far as notifications need it: one connection, its messages in order.
//!
//! notify-rust describes a popup and its hints; the bus is spoken to here, because notify-rust
//! connects anew for each popup and waits for a button in ways that a daemon can't live with:
//!
//! * GNOME refuses to replace or close a popup for any other connection than the one that showed it,
//!   while that one lives (`Invalid notification ID`), sends its signals to that connection alone, and
//!   closes the popup when the connection ends (gnome-shell,
//!   `js/dbusServices/notifications/notificationDaemon.js`). So it takes one connection for all.
//! * notify-rust 4.19 makes a new message stream for each message it waits for and so loses what
//!   came with the last one: of ten clicks that a server announced with `ActivationToken` just before
//!   `ActionInvoked`, ten were lost; without it, none.
//! * It panics where the bus goes away at the wrong moment, and its wait ends neither with the server
//!   nor with the bus.

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::Pin;

use notify_rust::{Hint, Notification, Timeout};
use zbus::connection::Builder;
use zbus::export::futures_core::Stream;
use zbus::message::Flags;
use zbus::{Connection, Message, MessageStream, Variant};

use super::{ActionId, Expire, Failure, Popup, SOON, Urgency, text};

/// The well-known name and the interface of notification servers.
pub(super) const NOTIFICATIONS: &str = "org.freedesktop.Notifications";
const NOTIFICATIONS_PATH: &str = "/org/freedesktop/Notifications";
/// The bus itself: name and interface.
pub(super) const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// Signals to be sent to us besides those addressed to us. The bus checks `sender`, so that other
/// clients' forgeries don't even wake us; [`super::backend`] checks it again for addressed ones.
const RULES: [&str; 3] = [
    "type='signal',sender='org.freedesktop.Notifications',\
     interface='org.freedesktop.Notifications',member='ActionInvoked'",
    "type='signal',sender='org.freedesktop.Notifications',\
     interface='org.freedesktop.Notifications',member='NotificationClosed'",
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
     member='NameOwnerChanged',arg0='org.freedesktop.Notifications'",
];

/// A connection to the session bus.
pub(super) struct Session {
    connection: Connection,
    messages: MessageStream,
}

impl Session {
    /// Connects, to the session bus of this process where no address is given.
    pub(super) async fn open(address: Option<&str>) -> zbus::Result<Self> {
        let builder = address.map_or_else(Builder::session, Builder::address);
        let connection = builder.build().await?;
        let messages = MessageStream::from(&connection);
        for rule in RULES {
            connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", &rule).await?;
        }
        Ok(Self { connection, messages })
    }

    /// The next message, replies included, in the order they came; `None` once the bus is gone.
    pub(super) async fn next(&mut self) -> Option<Message> {
        poll_fn(|context| Pin::new(&mut self.messages).poll_next(context)).await.and_then(Result::ok)
    }

    /// Asks for a popup. The reply, which carries the serial returned, is to come from
    /// [`Session::next`]: so it can't be overtaken by a signal about the same popup.
    pub(super) async fn notify(&self, popup: &Popup) -> zbus::Result<NonZeroU32> {
        let what = describe(popup);
        let hints: HashMap<&str, Variant<'_>> = what.hints.iter().map(Into::into).collect();
        let call = Message::method_call(NOTIFICATIONS_PATH, "Notify").destination(NOTIFICATIONS).interface(NOTIFICATIONS).build(&(
            &what.appname,
            popup.id,
            &what.icon,
            &what.summary,
            &what.body,
            &what.actions,
            hints,
            i32::from(what.timeout),
        ))?;
        self.connection.send(&call).await?;
        Ok(call.primary_header().serial_num())
    }

    /// Asks for the end of a popup. That fails where there is none any more, which is as good: no
    /// reply is asked for, and no server started for it.
    pub(super) async fn close(&self, id: u32) -> zbus::Result<()> {
        let call = Message::method_call(NOTIFICATIONS_PATH, "CloseNotification")
            .destination(NOTIFICATIONS)
            .interface(NOTIFICATIONS)
            .with_flags(Flags::NO_REPLY_EXPECTED | Flags::NO_AUTO_START)
            .build(&id)?;
        self.connection.send(&call).await
    }
}

/// A popup in notify-rust's terms, its text made safe.
fn describe(popup: &Popup) -> Notification {
    let mut what = Notification::new();
    what.appname("credd")
        .summary(&text::line(&popup.summary))
        .body(&text::markup(&popup.body))
        .icon("dialog-password")
        .timeout(match popup.expire {
            Expire::Never => Timeout::Never,
            Expire::Default => Timeout::Default,
            Expire::Soon => SOON.into(),
        })
        .urgency(match popup.urgency {
            Urgency::Low => notify_rust::Urgency::Low,
            Urgency::Normal => notify_rust::Urgency::Normal,
            Urgency::Critical => notify_rust::Urgency::Critical,
        });
    let tag = format!("credd-{}", text::line(&popup.tag));
    // Servers that don't keep an id of ours (it is theirs to give) still replace by these.
    for name in ["x-dunst-stack-tag", "x-canonical-private-synchronous"] {
        // Not through `hint()`, which keeps these two where only notify-rust can read them.
        what.hints.insert(Hint::Custom(name.into(), tag.clone()));
    }
    for (action, label) in &popup.actions {
        if *action == ActionId::Renew {
            // A click on the popup itself. Unnamed, because xfce4-notifyd makes a second button of a name.
            what.action("default", "");
        }
        what.action(action.as_str(), &text::line(label));
    }
    what
}

/// What an error reply to `Notify` means.
pub(super) fn refusal(reply: &Message) -> Failure {
    let header = reply.header();
    let name = header.error_name().map_or("", |name| name.as_str());
    let said = reply.body().deserialize::<&str>().map(text::line);
    let detail = said.unwrap_or_else(|_| name.to_owned());
    let short = name.strip_prefix("org.freedesktop.DBus.Error.");
    match short.unwrap_or("") {
        // Nobody has the name and nobody could be started; or the owner left before it answered.
        "ServiceUnknown" | "NameHasNoOwner" | "NoReply" | "Disconnected" => Failure::NoService(detail),
        other if other.starts_with("Spawn.") => Failure::NoService(detail),
        _ => Failure::Refused(detail),
    }
}
