//! Once nothing has happened for a moment, memory is given back ([`crate::residence`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Without an event for so long, the daemon goes to rest. Events come in bursts: a bar that asks twice, an edit and all
/// that follows from it.
const QUIET: Duration = Duration::from_secs(2);

/// Whether memory is to be given back.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest {
    /// Nothing happened since it was given back last.
    at_rest: bool,
    wanted: Arc<AtomicBool>,
}

impl Rest {
    /// Called by the runtime on its way to sleep: whatever ran after it would bring its own pages back.
    pub(super) fn on_park(&self) -> impl Fn() + Send + Sync + 'static {
        let wanted = self.wanted.clone();
        move || {
            if wanted.swap(false, Ordering::Relaxed) {
                #[cfg(target_os = "linux")]
                crate::residence::give_back();
            }
        }
    }

    /// Waits for quiet, anew with every call; for ever where nothing happened.
    pub(super) async fn come(&self) {
        if self.at_rest {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(QUIET).await;
    }

    /// Something happened.
    pub(super) fn end(&mut self) {
        self.at_rest = false;
    }

    /// The quiet has come.
    pub(super) fn begin(&mut self) {
        self.at_rest = true;
        self.wanted.store(true, Ordering::Relaxed);
    }
}
