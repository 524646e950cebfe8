//! credd's side of a test: its runtime on a thread of its own, as in the daemon.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the error handling")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use credd::clock::monotonic;
use credd::desktop::{ActionId, Desktop, DesktopEvent, Expire, Popup, Urgency};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::support::run;

type Order = Box<dyn FnOnce(&Desktop) + Send>;

/// A [`Desktop`] that works until it is dropped.
pub struct Bench {
    orders: Option<UnboundedSender<Order>>,
    events: Receiver<DesktopEvent>,
    worst_gap: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    id: rustix::thread::Pid,
}

impl Bench {
    pub fn on(address: &str) -> Self {
        Self::start(address, true)
    }

    /// Without what measures [`Bench::worst_gap`], which is a wake-up itself.
    pub fn quiet(address: &str) -> Self {
        Self::start(address, false)
    }

    fn start(address: &str, ticks: bool) -> Self {
        let (orders, mut inbox) = unbounded_channel::<Order>();
        let (outbox, events) = channel();
        let worst_gap = Arc::new(AtomicU64::new(0));
        let (address, gap) = (address.to_owned(), Arc::clone(&worst_gap));
        let (named, name) = channel();
        let thread = thread::spawn(move || {
            named.send(rustix::thread::gettid()).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (tell, mut told) = unbounded_channel();
                let desktop = Desktop::at(address, tell);
                tokio::spawn(async move {
                    while let Some(event) = told.recv().await {
                        let _ = outbox.send(event);
                    }
                });
                if ticks {
                    tokio::spawn(tick(gap));
                }
                while let Some(order) = inbox.recv().await {
                    order(&desktop);
                }
            });
        });
        Self { orders: Some(orders), events, worst_gap, thread: Some(thread), id: name.recv().unwrap() }
    }

    pub fn show(&self, popup: &Popup) {
        let popup = popup.clone();
        self.order(Box::new(|desktop| desktop.show(popup)));
    }

    pub fn close(&self, id: u32) {
        self.order(Box::new(move |desktop| desktop.close(id)));
    }

    fn order(&self, order: Order) {
        assert!(self.orders.as_ref().unwrap().send(order).is_ok());
    }

    /// The next event.
    pub fn next(&self, timeout: Duration) -> DesktopEvent {
        let event = self.events.recv_timeout(timeout);
        event.unwrap_or_else(|_| panic!("no event within {timeout:?}"))
    }

    /// How often the runtime has gone to sleep so far.
    pub fn naps(&self) -> u64 {
        let path = format!("/proc/self/task/{}/status", self.id);
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }

    /// The longest time during which the runtime ran nothing else.
    pub fn worst_gap(&self) -> Duration {
        Duration::from_millis(self.worst_gap.load(Ordering::Relaxed))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.orders.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}

async fn tick(worst: Arc<AtomicU64>) {
    let mut last = monotonic();
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let gap = last.elapsed().as_millis().try_into().unwrap();
        worst.fetch_max(gap, Ordering::Relaxed);
        last = monotonic();
    }
}

/// One with everything.
pub fn popup(tag: &str, id: u32) -> Popup {
    let action = |action: ActionId| (action, action.label().to_owned());
    Popup {
        id,
        tag: tag.to_owned(),
        urgency: Urgency::Critical,
        summary: "bedrock: key expires in 5 days".to_owned(),
        body: "Renew it: credd renew bedrock".to_owned(),
        actions: vec![action(ActionId::Renew), action(ActionId::Tomorrow)],
        expire: Expire::Never,
    }
}

/// The names of this process on a bus.
pub fn connections(bus: &str) -> Vec<String> {
    let address = format!("--address={bus}");
    let all = run(Command::new("busctl").args([&address, "list", "--unique", "--no-legend"]));
    let own = std::process::id().to_string();
    all.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.get(1) == Some(&own.as_str()))
        .map(|words| words[0].to_owned())
        .collect()
}
