//! A new LiteLLM that doesn't come up.

use crate::rig::{Case, NEW, NEWER, NEWEST};
use crate::support::daemon::SOON;
use crate::support::litellm::Options;
use crate::support::wait;

/// Runs before anything of a Python program's own.
const HANGS: &str = "import time\ntime.sleep(100000)\n";

#[test]
fn what_does_not_come_up_is_no_loss() {
    let case = Case::start(&Options::default(), "");
    let daemon = case.daemon();
    let client = case.client();

    // LiteLLM takes this for nobody's key, and ends.
    let ended = case.change_with(&daemon, NEW, "export LITELLM_MASTER_KEY=sk-1234\n");
    let log = case.proxy.dir().join("litellm.log");
    ended.is("rolled-back", &["it was not touched and runs with its old key", "ended before it was ready", log.to_str().unwrap()]);
    case.is_untouched();
    wait::until_true("an alert", SOON, || case.alerts() == ["rolled-back"]);

    case.reconfigure(&daemon, "ready_timeout = \"4s\"");
    case.put("hangs/sitecustomize.py", HANGS);
    let hangs = format!("export PYTHONPATH={}\n", case.proxy.dir().join("hangs").display());
    let ended = case.change_with(&daemon, NEWER, &hangs);
    ended.is("rolled-back", &["it was not touched and runs with its old key", "not ready within 4 s", log.to_str().unwrap()]);
    case.is_untouched();

    case.reconfigure(&daemon, "");
    let ended = case.change(&daemon, NEWEST);
    ended.is("applied", &["proven by a completion"]);
    assert_eq!(ended.states(), ["ok", "current"]);
    assert_eq!(client.stop().failures, []);
    case.serves_with(NEWEST);
}
