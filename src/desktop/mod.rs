//! The desktop: notifications, their buttons, the page they open, the user's own alert command.
//!
//! [`Desktop`] takes orders and reports [`DesktopEvent`]s; nothing in here blocks the runtime, and
//! everything that waits for another process is bounded, except the wait for a popup to be answered,
//! which costs nothing. What an answer may do is decided by the core.

mod command;
mod page;
mod text;
pub mod wording;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as backend;

#[cfg(not(target_os = "macos"))]
mod backend;
#[cfg(not(target_os = "macos"))]
mod bus;

use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::task;

pub use command::{CommandFailure, NOT_FOR_CHILDREN};
pub use page::{PageFailure, console_url, open_page, opener};

/// How long a notification server, or the bus, may take to answer.
///
/// Neither has a limit of its own: a stopped server was seen to hold a call for 45 s and more.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long a popup stays that nobody needs to answer.
pub const SOON: Duration = Duration::from_secs(4);

/// What to show: plain data, decided by the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popup {
    /// Chosen and saved before sending, and sent as `replaces_id`: a second sending after a crash
    /// replaces the popup of the first.
    pub id: u32,
    /// What it is about; a server is told by it as well (see [`Popup::id`]) which popups replace each
    /// other. At most one popup of a tag is waited for.
    pub tag: String,
    /// How loud.
    pub urgency: Urgency,
    /// One line, plain text.
    pub summary: String,
    /// Plain text; made safe for servers that read markup.
    pub body: String,
    /// Buttons: what one reports and its label.
    pub actions: Vec<(ActionId, String)>,
    /// How long it stays.
    pub expire: Expire,
}

/// How loud a popup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Doesn't disturb.
    Low,
    /// The usual.
    Normal,
    /// Shown in "do not disturb" too, and stays.
    Critical,
}

/// How long a popup stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// Until it is answered or closed.
    Never,
    /// As the server sees fit.
    Default,
    /// For [`SOON`].
    Soon,
}

/// The buttons there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionId {
    /// Take the user to where the key is renewed. A click on the popup itself means this too.
    Renew,
    /// Be quiet until tomorrow.
    Tomorrow,
}

impl ActionId {
    /// Its name on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Tomorrow => "tomorrow",
        }
    }

    /// The button's usual label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Renew => "Renew",
            Self::Tomorrow => "Remind me tomorrow",
        }
    }

    #[cfg(not(target_os = "macos"))]
    fn parse(name: &str) -> Option<Self> {
        match name {
            "renew" | "default" => Some(Self::Renew),
            "tomorrow" => Some(Self::Tomorrow),
            _ => None,
        }
    }
}

/// Why a popup was not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no session bus. Nothing tells when one appears: try again now and then.
    #[error("there is no session bus: {0}")]
    NoBus(String),
    /// Nobody shows notifications. [`DesktopEvent::ServiceAppeared`] follows once somebody does.
    #[error("no notification service is running: {0}")]
    NoService(String),
    /// The server, or the bus, didn't answer within [`ANSWER_LIMIT`]. The popup may yet come up: then
    /// [`DesktopEvent::Shown`] follows. Where another server takes over,
    /// [`DesktopEvent::ServiceAppeared`] does.
    #[error("the notification service does not answer")]
    TimedOut,
    /// The server answered with an error.
    #[error("the notification service refused it: {0}")]
    Refused(String),
}

/// What happened on the desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesktopEvent {
    /// A popup is up.
    Shown {
        /// Its tag.
        tag: String,
        /// The id the server gave it, which may differ from the one asked for.
        id: u32,
    },
    /// A popup is not up.
    NotShown {
        /// Its tag.
        tag: String,
        /// Why.
        reason: Failure,
    },
    /// The user pressed a button of a popup that is up, or so the notification server says.
    Action {
        /// The popup's tag.
        tag: String,
        /// The button: one that the popup has.
        action: ActionId,
    },
    /// After a popup was not shown: there is a notification service now. Told once.
    ServiceAppeared,
    /// The alert command ended.
    CommandEnded {
        /// As given to [`Desktop::run_command`].
        tag: String,
        /// Whether it did its work.
        result: Result<(), CommandFailure>,
    },
}

/// An order to the task that talks to the desktop.
#[derive(Debug)]
enum Order {
    Show(Popup),
    Close(u32),
}

/// The desktop of the user's session. Dropping it ends its task; GNOME then closes what is up.
#[derive(Debug)]
pub struct Desktop {
    orders: UnboundedSender<Order>,
    events: UnboundedSender<DesktopEvent>,
}

impl Desktop {
    /// The desktop of the session this process belongs to. Must be called within the runtime.
    /// Connects to nothing until there is something to show.
    pub fn new(events: UnboundedSender<DesktopEvent>) -> Self {
        Self::start(None, events)
    }

    /// A desktop whose session bus has this D-Bus address.
    pub fn at(address: String, events: UnboundedSender<DesktopEvent>) -> Self {
        Self::start(Some(address), events)
    }

    fn start(address: Option<String>, events: UnboundedSender<DesktopEvent>) -> Self {
        let (orders, inbox): (_, UnboundedReceiver<Order>) = mpsc::unbounded_channel();
        task::spawn(backend::run(address, inbox, events.clone()));
        Self { orders, events }
    }

    /// Shows a popup, and reports [`DesktopEvent::Shown`] or [`DesktopEvent::NotShown`] within about
    /// [`ANSWER_LIMIT`]; later also what the user answers.
    pub fn show(&self, popup: Popup) {
        self.order(Order::Show(popup));
    }

    /// Closes a popup, also one that an earlier run of the daemon left, if it is still up.
    pub fn close(&self, id: u32) {
        self.order(Order::Close(id));
    }

    /// Runs the user's alert command with `input` on its standard input, and reports
    /// [`DesktopEvent::CommandEnded`]. `from_service` says that the daemon runs as a unit of the user's
    /// systemd, whose sandbox the command is not to inherit.
    pub fn run_command(&self, tag: String, argv: Vec<String>, input: Vec<u8>, from_service: bool) {
        let events = self.events.clone();
        task::spawn(async move {
            let result = if from_service && cfg!(target_os = "linux") {
                let outside = command::outside(&argv, command::LIMIT);
                command::run(&outside, &input, command::LIMIT).await.map_err(|failure| failure.of(&argv))
            } else {
                command::run(&argv, &input, command::LIMIT).await
            };
            // Nobody listens while the daemon shuts down.
            let _ = events.send(DesktopEvent::CommandEnded { tag, result });
        });
    }

    fn order(&self, order: Order) {
        // The task lives as long as this handle, unless the runtime is shutting down.
        let _ = self.orders.send(order);
    }
}
