//! Who asks can do nothing else.

use std::fs;
use std::io::{BufReader, Write};
use std::sync::mpsc::channel;

use credd::core::ProbeVerdict::Works;

use crate::rig::{Rig, serve};
use crate::support::http::read_message;

/// The processes below this one that are credd's workers, by what the kernel tells of each: `Name: value`.
fn workers() -> Vec<Vec<String>> {
    let statuses = fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("status")).ok());
    let all: Vec<Vec<String>> = statuses.map(|status| status.lines().map(|line| line.replace('\t', " ")).collect()).collect();
    let is_ours = |status: &&Vec<String>| has(status, "Name: credd-worker");
    let number = |status: &[String], name: &str| status.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let parents: Vec<_> = all
        .iter()
        .filter(is_ours)
        .filter(|status| has(status, &format!("PPid: {}", std::process::id())))
        .filter_map(|status| number(status, "Pid: "))
        .collect();
    let below = |status: &&Vec<String>| number(status, "PPid: ").is_some_and(|parent| parents.contains(&parent));
    all.iter().filter(is_ours).filter(below).cloned().collect()
}

fn has(status: &[String], line: &str) -> bool {
    status.iter().any(|other| other == line)
}

#[test]
fn the_key_is_sent_by_a_process_that_has_given_up_its_rights() {
    let (seen, found) = channel();
    let address = serve(move |mut stream| {
        let _ = read_message(&mut BufReader::new(&stream));
        seen.send(workers()).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"modelSummaries\":[]}");
    });
    let rig = Rig::new();
    rig.expect(Some(&format!("http://{address}")), Works, "");
    let found = found.recv().unwrap();
    // Those of tests beside this one may be on the way there. Which rights these are is the matter of src/confine_tests.rs.
    let confined = found.iter().any(|status| has(status, "Seccomp: 2") && has(status, "NoNewPrivs: 1"));
    assert!(confined, "{found:#?}");
}
