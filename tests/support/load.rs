//! Clients at work through LiteLLM, each asking again as soon as it is answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::litellm::LiteLlm;

/// Between an answer and the next question of the same client: as a person's tools have it.
const PAUSE: Duration = Duration::from_millis(20);

/// One completion that was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    pub answered_at: Instant,
    /// Why it failed: HTTP status (0 without an answer) and text.
    pub failure: Option<(u16, String)>,
}

/// Clients that go on until they are stopped.
pub struct Clients {
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Asked>>>,
    threads: Vec<JoinHandle<()>>,
}

/// What clients saw.
#[derive(Clone, Debug, Default)]
pub struct Load {
    pub total: usize,
    pub failed: usize,
    /// The longest time without a success, from the first failure or the success before it.
    pub outage: Duration,
    pub failures: Vec<(u16, String)>,
}

impl Clients {
    pub fn start(count: usize, proxy: &LiteLlm) -> Self {
        Self::paced(count, PAUSE, proxy)
    }

    /// The same with another pause between an answer and the next question.
    pub fn paced(count: usize, pause: Duration, proxy: &LiteLlm) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let threads = (0..count)
            .map(|_| {
                let (stop, asked, client) = (Arc::clone(&stop), Arc::clone(&asked), proxy.client());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        let at = Instant::now();
                        let failure = client.complete().err();
                        asked.lock().unwrap().push(Asked { at, answered_at: Instant::now(), failure });
                        std::thread::sleep(pause);
                    }
                })
            })
            .collect();
        Self { stop, asked, threads }
    }

    /// The first answer to a question that was asked after `after`, if there is one by now.
    pub fn answer_after(&self, after: Instant) -> Option<Asked> {
        self.asked.lock().unwrap().iter().find(|one| one.at >= after && one.failure.is_none()).cloned()
    }

    pub fn stop(self) -> Load {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort_by_key(|one| one.answered_at);
        Load::of(&asked)
    }
}

impl Load {
    fn of(asked: &[Asked]) -> Self {
        let failures: Vec<_> = asked.iter().filter_map(|one| one.failure.clone()).collect();
        let successes: Vec<Instant> = asked.iter().filter(|one| one.failure.is_none()).map(|one| one.answered_at).collect();
        let gaps = successes.windows(2).map(|pair| pair[1] - pair[0]);
        Self { total: asked.len(), failed: failures.len(), outage: gaps.max().unwrap_or_default(), failures }
    }
}
