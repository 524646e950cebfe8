//! What is measured: LiteLLM's own start-up, and what clients see of a change.

use std::fmt;
use std::time::{Duration, Instant};

use super::support::bedrock::BedrockStandIn;
use super::support::litellm::{LiteLlm, Options, READY_TIMEOUT};
use super::support::load::{Asked, Load};
use super::support::wait;

/// Starts LiteLLM with nobody else at work: how long from there to its first answer.
pub fn start_up(bedrock: &BedrockStandIn, key: &str, options: &Options) -> (LiteLlm, Duration) {
    let proxy = LiteLlm::launch(bedrock, key, options);
    let answered = wait::until("LiteLLM to answer", READY_TIMEOUT, || proxy.complete().ok().map(|_| Instant::now()));
    let took = answered - proxy.begun();
    (proxy, took)
}

/// What clients saw of one change.
pub struct Change {
    pub load: Load,
    /// From the last byte of the edit to the first answer that was got with the new key.
    pub took: Duration,
}

impl Change {
    pub fn of(asked: &[Asked], edited: Instant, bedrock: &BedrockStandIn, new: &str) -> Self {
        let requests = bedrock.requests();
        let with_new: Vec<&str> =
            requests.iter().filter(|request| request.bearer.as_deref() == Some(new)).map(|request| request.body.as_str()).collect();
        let got_with_new = |one: &Asked| one.failure.is_none() && with_new.iter().any(|body| body.contains(&one.question));
        let first = asked.iter().find(|one| got_with_new(one)).expect("an answer with the new key");
        Self { load: Load::of(asked), took: first.answered_at - edited }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { total, failed, outage, gap, failures } = &self.load;
        let (outage, gap, took) = (outage.as_secs_f64(), gap.as_secs_f64(), self.took.as_secs_f64());
        write!(f, "{failed} of {total} failed, outage {outage:.2} s, gap {gap:.2} s, new key after {took:.1} s")?;
        let Some((status, why)) = failures.first() else { return Ok(()) };
        write!(f, "; first failure: {status} {why}")
    }
}
