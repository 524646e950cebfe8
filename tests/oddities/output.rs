//! A LiteLLM whose output doesn't go to a file: there is no log to follow.

use crate::rig::{Case, NEW};
use crate::support::daemon::SOON;
use crate::support::litellm::{Options, Output};
use crate::support::wait;

/// What LiteLLM says when it starts.
const STARTS: &str = "Started server process";

fn hands_over(output: Output, said: usize) {
    let case = Case::start(&Options { output, ..Options::default() }, "");
    let daemon = case.daemon();
    let client = case.client();
    case.change(&daemon, NEW).is("applied", &["proven by a completion"]);
    assert_eq!(client.stop().failures, []);
    case.serves_with(NEW);
    wait::until_true("what it says to arrive where it did", SOON, || case.proxy.log().matches(STARTS).count() == said);
}

#[test]
fn nothing_is_kept_of_it() {
    hands_over(Output::Nothing, 0);
}

#[test]
fn it_goes_through_a_pipe() {
    hands_over(Output::Pipe, 2);
}

#[test]
fn it_goes_to_a_terminal() {
    hands_over(Output::Terminal, 2);
}
