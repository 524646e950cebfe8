//! A LiteLLM whose output doesn't go to a file: there is no log to follow.

use crate::rig::{Case, NEW};
use crate::support::daemon::SOON;
use crate::support::litellm::Options;
use crate::support::wait;

/// What LiteLLM says when it starts.
const STARTS: &str = "Started server process";

/// Has a LiteLLM hand over whose shell prepares and redirects its output so; what it says then arrives in its
/// log so many times.
fn hands_over(prepared: &str, redirected: &str, said: usize) {
    let line = format!("set -m; {prepared}litellm --config \"$PWD/config.yaml\" --port \"$@\" {redirected} & echo $! > litellm.pid");
    let case = Case::start(&Options { line: Some(&line), ..Options::default() }, "");
    let daemon = case.daemon();
    let client = case.client();
    case.change(&daemon, NEW).is("applied", &["proven by a completion"]);
    assert_eq!(client.stop().failures, []);
    case.serves_with(NEW);
    wait::until_true("what it says to arrive where it did", SOON, || case.proxy.log().matches(STARTS).count() == said);
}

#[test]
fn nothing_is_kept_of_it() {
    hands_over("", "> /dev/null 2>&1", 0);
}

#[test]
fn it_goes_through_a_pipe() {
    hands_over("", "> >(cat > litellm.log) 2>&1", 2);
}

/// One that is recorded, and stays when LiteLLM ends.
#[test]
fn it_goes_to_a_terminal() {
    let terminal = "script -qfc 'tty > terminal; exec sleep infinity' litellm.log > /dev/null & \
                    until [ -s terminal ]; do sleep 0.02; done; ";
    hands_over(terminal, "> \"$(cat terminal)\" 2>&1", 2);
}
