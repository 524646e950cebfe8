//! Popups on macOS: shown, without buttons; the body says the command instead.
//!
//! `osascript` comes first: its popups appear under the name "Script Editor", which macOS knows and
//! has asked the user about, while those of a bare binary, without an application bundle, are dropped
//! without an error (julienXX/terminal-notifier#259, hoodie/notify-rust#132). notify-rust is what
//! remains where `osascript` is missing or fails.

use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::{ANSWER_LIMIT, DesktopEvent, Failure, Order, Popup, command, text};

/// The words come as arguments, so that nothing in them is ever read as a script.
const SCRIPT: &[u8] = b"on run argv\n\
    display notification (item 2 of argv) with title (item 1 of argv)\n\
end run\n";

/// Carries out orders until nobody can give any more. There is no bus whose address could matter.
pub(super) async fn run(_address: Option<String>, mut orders: UnboundedReceiver<Order>, events: UnboundedSender<DesktopEvent>) {
    while let Some(order) = orders.recv().await {
        let Popup { id, tag, summary, body, .. } = match order {
            Order::Show(popup) => popup,
            // A popup of `display notification` has no handle to close it by.
            Order::Close(id) => {
                tracing::debug!(id, "a popup can't be taken back here");
                continue;
            }
        };
        let event = match show(text::line(&summary), text::lines(&body)).await {
            Ok(()) => DesktopEvent::Shown { tag, id },
            Err(reason) => DesktopEvent::NotShown { tag, reason },
        };
        // Nobody listens while the daemon shuts down.
        let _ = events.send(event);
    }
}

async fn show(title: String, body: String) -> Result<(), Failure> {
    let mut script = Command::new("/usr/bin/osascript");
    script.args(["-", &title, &body]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let refused = match command::run_group(&mut script, SCRIPT, ANSWER_LIMIT).await {
        Ok(Some(status)) if status.success() => return Ok(()),
        Ok(Some(status)) => Failure::Refused(format!("osascript: {status}")),
        Ok(None) => return Err(Failure::TimedOut),
        Err(error) => Failure::NoService(format!("osascript: {error}")),
    };
    // It talks to the notification centre with blocking calls.
    let fallback = tokio::task::spawn_blocking(move || {
        let mut popup = notify_rust::Notification::new();
        let shown = popup.appname("credd").summary(&title).body(&body).show();
        shown.map(drop)
    });
    match tokio::time::timeout(ANSWER_LIMIT, fallback).await {
        Ok(Ok(Ok(()))) => Ok(()),
        _ => Err(refused),
    }
}
