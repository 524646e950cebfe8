//! A test popup: the only way to tell whether popups are shown is to have one shown.

use std::cell::OnceCell;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::unbounded_channel;

use crate::desktop::{Desktop, DesktopEvent, Expire, Failure, Popup, SOON, Urgency};

type Outcome = Result<(), Failure>;

/// A test popup that was sent.
pub struct Trial {
    answer: Receiver<Outcome>,
    outcome: OnceCell<Outcome>,
    /// GNOME takes a popup away with the connection of whoever sent it.
    up: JoinHandle<()>,
}

impl Trial {
    /// Sends one, which goes away by itself.
    pub fn send() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (told, answer) = mpsc::channel();
        let up = thread::Builder::new().name("popup".into()).spawn(move || {
            runtime.block_on(async {
                let (events, mut inbox) = unbounded_channel();
                let desktop = Desktop::new(events);
                desktop.show(popup());
                while let Some(event) = inbox.recv().await {
                    let outcome = match event {
                        DesktopEvent::Shown { .. } => Ok(()),
                        DesktopEvent::NotShown { reason, .. } => Err(reason),
                        _ => continue,
                    };
                    let shown = outcome.is_ok();
                    // Nobody listens where the program is about to end.
                    let _ = told.send(outcome);
                    if shown {
                        tokio::time::sleep(SOON).await;
                    }
                    return;
                }
            });
        })?;
        Ok(Self { answer, outcome: OnceCell::new(), up })
    }

    /// Whether the notification server took it, which it has a few seconds to say.
    pub fn outcome(&self) -> &Outcome {
        self.outcome.get_or_init(|| self.answer.recv().unwrap_or(Err(Failure::TimedOut)))
    }

    /// Waits until it has gone.
    pub fn linger(self) {
        let _ = self.up.join();
    }
}

fn popup() -> Popup {
    Popup {
        // The server gives it one.
        id: 0,
        tag: "test".into(),
        urgency: Urgency::Normal,
        summary: "credd: this is where alerts appear".into(),
        body: "A test, which goes away by itself.".into(),
        actions: Vec::new(),
        expire: Expire::Soon,
    }
}
