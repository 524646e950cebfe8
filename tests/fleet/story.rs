//! From a key that is due on some machine to whoever is on call, and back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use super::stack::{LONG, Stack};
use super::support::bedrock::BedrockStandIn;
use super::support::daemon::{Daemon, SOON};
use super::support::home::Home;
use super::support::{run, wait};
use super::{CONSUMER, CREDD, KEY, OTHER, deadline, tree};

#[test]
fn a_due_key_is_told_of_and_a_dead_daemon_noticed() {
    let bedrock = BedrockStandIn::start([KEY, OTHER]);
    let home = Home::new().asking(&bedrock.url());
    home.set_key(KEY);
    run(Command::new("touch").args(["-d", "25 days ago"]).arg(home.env_file()));
    // A problem, for the dashboard's list of them.
    fs::set_permissions(home.env_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let stack = Stack::start(&home.socket());
    let textfile = stack.textfiles().join("user.prom");
    // It has something to do every three seconds, instead of every six hours.
    home.write_config(&format!(
        "[alerts]\ndesktop = false\ncommand = [\"true\"]\n[metrics]\ntextfile = {textfile:?}\n[[keys]]\nprobe = \"*/3 * * * * *\"\n{CONSUMER}"
    ));

    let mut daemon = Daemon::start(CREDD, &home);
    let due = stack.wait_for("CreddKeyDue", "firing");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!((&due["labels"]["key"], &due["labels"]["host"]), (&"bedrock".into(), &host.trim_end().into()), "{due}");
    let summary = due["annotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with(&format!("bedrock on {} expires in 4d 23h 5", host.trim_end())), "{summary}");

    understood_as_open_metrics(&stack);
    every_expression_of_the_dashboard_gives_something(&stack);

    home.set_key(OTHER);
    daemon.until("the new key", SOON, |status| status["keys"][0]["state"] == "ok");
    stack.wait_for("CreddKeyDue", "resolved");

    // While Bedrock is asked about the new key, the daemon has more time.
    wait::until_true("the next probe to be near", SOON, || {
        deadline(&textfile).is_some_and(|at| at < jiff::Timestamp::now().as_second() + 5)
    });
    daemon.kill();
    let down = stack.wait_for("CreddDown", "firing");
    assert_eq!(down["labels"]["host"], host.trim_end(), "{down}");
    let mut daemon = Daemon::start(CREDD, &home);
    stack.wait_for("CreddDown", "resolved");
    daemon.stop();
    stack.wait_for("CreddDown", "firing");
    fs::remove_file(textfile).unwrap();
    stack.wait_for("CreddGone", "firing");
}

/// Prometheus asks for `OpenMetrics`, and reads it strictly.
fn understood_as_open_metrics(stack: &Stack) {
    wait::until_true("the socket to be scraped", LONG, || !stack.query("credd_up{job=\"socket\"} == 1").is_empty());
    let counters = stack.query("credd_applies_total{job=\"socket\",consumer=\"litellm\"}");
    assert_eq!(counters.len(), 4, "{counters:?}");
    let metadata = stack.get("/api/v1/targets/metadata?metric=credd_applies");
    assert_eq!(metadata["data"][0]["type"], "counter", "{metadata}");
    let metadata = stack.get("/api/v1/targets/metadata?metric=credd_applies_total");
    assert_eq!(metadata["data"][0]["type"], "counter", "of the text file: {metadata}");
    assert!(stack.query("node_textfile_scrape_error == 0").len() == 1);
}

fn every_expression_of_the_dashboard_gives_something(stack: &Stack) {
    let dashboard: Value = serde_json::from_slice(&fs::read(tree("packaging/grafana/credd.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap().replace("$host", ".*");
            wait::until_true(&format!("{}: {expression}", panel["title"]), SOON, || !stack.query(&expression).is_empty());
        }
    }
    let hosts = stack.query("group by (host) (credd_build_info{host!=\"\"})");
    assert_eq!(hosts.len(), 1, "what the dashboard's list of hosts is filled with: {hosts:?}");
}
