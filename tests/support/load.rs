//! Clients at work through LiteLLM, each asking again as soon as it is answered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::litellm::{LiteLlm, READY_TIMEOUT};
use super::wait;

/// Between a failure and the next question of the same client: about what SDKs wait before they try again.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// One completion that was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was asked, which no other question contains.
    pub question: String,
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
    /// The longest time from the asking of a question that failed to the next answer that anybody got.
    pub outage: Duration,
    /// The longest time between two answers, whoever got them.
    pub gap: Duration,
    pub failures: Vec<(u16, String)>,
}

impl Clients {
    pub fn start(count: usize, proxy: &LiteLlm) -> Self {
        Self::paced(count, Duration::ZERO, proxy)
    }

    /// The same with a pause between an answer and the next question.
    pub fn paced(count: usize, pause: Duration, proxy: &LiteLlm) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let numbers = Arc::new(AtomicUsize::new(1));
        let threads = (0..count)
            .map(|_| {
                let (stop, asked, numbers, client) = (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(&numbers), proxy.client());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        let question = format!("Question {}.", numbers.fetch_add(1, Ordering::SeqCst));
                        let at = Instant::now();
                        let failure = client.answer_to(&question).err();
                        let answered_at = Instant::now();
                        let has_failed = failure.is_some();
                        asked.lock().unwrap().push(Asked { question, at, answered_at, failure });
                        std::thread::sleep(if has_failed { AFTER_FAILURE.max(pause) } else { pause });
                    }
                })
            })
            .collect();
        Self { stop, asked, threads }
    }

    /// Waits until `count` more questions were asked and answered, or failed.
    pub fn go_on_for(&self, count: usize) {
        let so_far = self.asked.lock().unwrap().len();
        wait::until_true("the clients to go on", READY_TIMEOUT, || self.asked.lock().unwrap().len() >= so_far + count);
    }

    pub fn stop(self) -> Load {
        Load::of(&self.finish())
    }

    /// Stops them: all that was asked, in the order of the answers.
    pub fn finish(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort_by_key(|one| one.answered_at);
        asked
    }
}

impl Load {
    /// Of what was asked, in the order of the answers.
    pub fn of(asked: &[Asked]) -> Self {
        let failures: Vec<_> = asked.iter().filter_map(|one| one.failure.clone()).collect();
        let successes: Vec<Instant> = asked.iter().filter(|one| one.failure.is_none()).map(|one| one.answered_at).collect();
        let gaps = successes.windows(2).map(|pair| pair[1] - pair[0]);
        // What is over only after the last question counts up to there.
        let outages = asked.iter().enumerate().filter(|(_, one)| one.failure.is_some()).map(|(at, failed)| {
            let after = &asked[at..];
            let end = after.iter().find(|one| one.failure.is_none()).or(after.last());
            end.map_or(Duration::ZERO, |end| end.answered_at - failed.at)
        });
        Self {
            total: asked.len(),
            failed: failures.len(),
            outage: outages.max().unwrap_or_default(),
            gap: gaps.max().unwrap_or_default(),
            failures,
        }
    }
}
