//! A key change in the middle of a long streamed answer: with the real LiteLLM, it arrives whole.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "it times real programs")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, scope, sleep, spawn};
use std::time::{Duration, Instant};

use support::bedrock::{ANSWER, BedrockStandIn};
use support::daemon::{Daemon, SOON};
use support::home::Home;
use support::litellm::{LiteLlm, READY_TIMEOUT};
use support::{is_running, wait};

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const OLD: &str = "ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=";
const NEW: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXctYXQtMTIzNDU2Nzg5MDEyOm5ldy1zZWNyZXQtdmFsdWU=";
/// Eight parts of it make 24 seconds, which is less than `stop_timeout`.
const BETWEEN_CHUNKS: Duration = Duration::from_secs(3);

/// A LiteLLM with the old key, and what credd is told of it.
struct Scene {
    bedrock: BedrockStandIn,
    home: Home,
    proxy: LiteLlm,
}

impl Scene {
    fn new(handover: bool) -> Self {
        let bedrock = BedrockStandIn::start([OLD, NEW]);
        bedrock.delay_between_chunks(BETWEEN_CHUNKS);
        let home = Home::new().asking(&bedrock.url());
        let proxy = LiteLlm::start(&bedrock, OLD);
        // Only the LiteLLM of this test: others may run for other tests at the same time.
        let config = proxy.dir().join("config.yaml");
        home.write_config(&format!(
            "[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\nhandover = {handover}\n",
            config.display()
        ));
        home.set_key(OLD);
        Self { bedrock, home, proxy }
    }

    fn daemon(&self) -> Daemon<'_> {
        let daemon = Daemon::start(CREDD, &self.home);
        daemon.until("LiteLLM to be found", SOON, |status| status["consumers"][0]["state"] == "current");
        daemon
    }

    /// Asks for a long answer, which is under way when this returns.
    fn stream(&self, number: usize) -> Stream {
        let question = format!("Stream {number}.");
        let (client, asked) = (self.proxy.client(), question.clone());
        let answer = spawn(move || {
            let with = client.stream(&asked);
            Ended { at: Instant::now(), with }
        });
        assert!(self.reached(&question).is_some(), "{question} didn't reach the model");
        Stream { question, answer }
    }

    /// The key that a question reached the model with.
    fn reached(&self, question: &str) -> Option<String> {
        self.bedrock.wait_for(|request| request.body.contains(question), SOON)?.bearer
    }
}

struct Stream {
    question: String,
    answer: JoinHandle<Ended>,
}

struct Ended {
    at: Instant,
    with: Result<String, (u16, String)>,
}

impl Stream {
    /// Waits for its end, which is told: it has to be a good one.
    fn end(self) -> Instant {
        let ended = self.answer.join().unwrap();
        assert_eq!(ended.with.as_deref(), Ok(ANSWER), "{}", self.question);
        ended.at
    }
}

/// Streams are begun all the time, because nobody knows when the new LiteLLM will be ready.
#[test]
fn streams_go_on_while_the_new_litellm_answers() {
    let scene = Scene::new(true);
    let daemon = scene.daemon();
    let replaced = scene.proxy.listener().unwrap();
    let is_over = AtomicBool::new(false);
    let (streams, answered) = scope(|scope| {
        let streams = scope.spawn(|| {
            let begun = (1..).take_while(|_| !is_over.load(Ordering::SeqCst)).map(|number| {
                let stream = scene.stream(number);
                sleep(BETWEEN_CHUNKS);
                stream
            });
            begun.collect::<Vec<_>>()
        });
        scene.bedrock.wait_for(|request| request.body.contains("Stream 1."), SOON);
        scene.home.set_key(NEW);
        let answered = (1..).find_map(|number| {
            let question = format!("Question {number}.");
            let answer = scene.proxy.client().answer_to(&question);
            assert_eq!(answer.as_deref(), Ok(ANSWER), "{question}");
            (scene.reached(&question).as_deref() == Some(NEW)).then(Instant::now)
        });
        is_over.store(true, Ordering::SeqCst);
        (streams.join().unwrap(), answered.unwrap())
    });
    let mut under_way = 0;
    for stream in streams {
        let with = scene.reached(&stream.question);
        let ended = stream.end();
        under_way += usize::from(with.as_deref() == Some(OLD) && ended > answered);
    }
    assert!(under_way > 0, "no stream of the old LiteLLM was under way when the new one answered");
    daemon.until("the change to be through", READY_TIMEOUT, |status| status["consumers"][0]["last_apply"]["outcome"] == "applied");
    wait::until_true("the old LiteLLM to end", SOON, || !is_running(replaced));
    assert_eq!(scene.proxy.key_in_use().as_deref(), Some(NEW));
}

#[test]
fn a_stream_ends_before_litellm_is_stopped() {
    let scene = Scene::new(false);
    let daemon = scene.daemon();
    let replaced = scene.proxy.listener().unwrap();
    let stream = scene.stream(1);
    scene.home.set_key(NEW);
    wait::until_true("LiteLLM to be asked to end", SOON, || scene.proxy.listener().is_none());
    assert!(is_running(replaced) && !stream.answer.is_finished());
    stream.end();
    daemon.until("LiteLLM to have the new key", READY_TIMEOUT, |status| {
        status["consumers"][0]["last_apply"]["outcome"] == "applied" && status["consumers"][0]["state"] == "current"
    });
    assert_eq!(scene.proxy.complete().as_deref(), Ok(ANSWER));
    assert_eq!(scene.proxy.key_in_use().as_deref(), Some(NEW));
}
