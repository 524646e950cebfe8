//! An old LiteLLM that doesn't go.

use std::thread;
use std::time::Duration;

use crate::rig::{Case, NEW};
use crate::support::daemon::SOON;
use crate::support::is_running;
use crate::support::litellm::Options;

/// LiteLLM waits for its requests after SIGTERM, without a limit of its own.
#[test]
fn one_with_a_request_that_never_ends_is_killed_when_its_time_is_up() {
    let case = Case::start(&Options::default(), "stop_timeout = \"4s\"");
    let daemon = case.daemon();
    thread::scope(|scope| {
        case.bedrock.delay_between_chunks(Duration::from_hours(1));
        let stuck = scope.spawn(|| case.proxy.complete_streamed());
        case.bedrock.wait_for(|request| request.path.ends_with("/converse-stream"), SOON).unwrap();

        let client = case.client();
        let ended = case.change(&daemon, NEW);
        ended.is("applied", &["proven by a completion"]);
        let seconds = ended.status["consumers"][0]["last_apply"]["seconds"].as_f64().unwrap();
        assert!(seconds > 4.0, "it was given its time: {seconds} s");
        assert!(!is_running(case.proxy.pid()));
        assert_eq!(client.stop().failures, []);
        case.serves_with(NEW);
        assert_ne!(stuck.join().unwrap().as_deref(), Ok(crate::support::bedrock::ANSWER));
    });
}
