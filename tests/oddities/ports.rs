//! Somebody else who wants LiteLLM's port, and the port that LiteLLM itself is particular about.

use crate::rig::{Case, NEW};
use crate::support::litellm::Options;

#[test]
fn port_4000_is_had_again() {
    let free = std::net::TcpListener::bind(("0.0.0.0", 4000));
    assert!(free.is_ok(), "this test needs port 4000, which somebody has: {free:?}");
    drop(free);
    let case = Case::start(&Options { port: Some(4000), ..Options::default() }, "");
    let daemon = case.daemon();
    let ended = case.change(&daemon, NEW);
    ended.is("applied", &["proven by a completion", "it was stopped first, since LiteLLM moves to another port where 4000 is taken"]);
    case.serves_with(NEW);
}
