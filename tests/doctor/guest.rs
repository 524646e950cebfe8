//! A service of a real systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::rig::CREDD;
use crate::support::guest::Guest;
use crate::support::{run, said, wait};

#[test]
fn a_service_of_systemd_is_looked_at() {
    let guest = Guest::boot();
    let program = guest.share().join("credd");
    run(Command::new("strip").arg("-o").arg(&program).arg(CREDD));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    guest.shell("mkdir -p ~/.config/credd; printf '[alerts]\\ndesktop = false\\n[[consumers]]\\nname = \"idler\"\\nmatch = [\"sleep\", \"4321\"]\\nrestart = \"none\"\\n' >~/.config/credd/config.toml");
    let findings = || {
        let output = guest.user(&["bash", "-lc", "PATH=/share:$PATH; credd doctor --json"]);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
        let codes = document["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.collect::<Vec<_>>()
    };
    let found = |code: &str| findings().iter().any(|found| found == code);

    assert!(found("service-not-installed"), "{:?}", findings());
    guest.shell("/share/credd install");
    // As timedatectl says it here.
    let synchronised = guest.user(&["timedatectl", "show", "--property=NTPSynchronized", "--value"]);
    let nobody_sets_it = String::from_utf8_lossy(&synchronised.stdout).trim() == "no";
    let codes = findings();
    assert!(codes.iter().all(|code| !code.starts_with("service-") && code != "not-on-path" && code != "no-linger"), "{codes:?}");
    assert_eq!(codes.iter().any(|code| code == "clock-unsynchronised"), nobody_sets_it, "{codes:?}");

    guest.shell("systemctl --user disable credd 2>/dev/null");
    assert!(found("service-not-enabled"), "{:?}", findings());
    guest.shell("/share/credd install");
    guest.shell("sed -i s/RestartSec=5/RestartSec=6/ ~/.config/systemd/user/credd.service && systemctl --user daemon-reload");
    assert!(found("service-outdated"), "{:?}", findings());
    guest.shell("/share/credd install");
    assert!(!found("service-outdated"), "{:?}", findings());

    // A consumer that outlives the session, and a credd that won't.
    guest.shell("systemd-run --user --quiet sleep 4321");
    wait::until_true("the consumer", Duration::from_secs(20), || !guest.shell("/share/credd status --json").contains("\"absent\""));
    assert!(!found("no-linger"), "{:?}", findings());
    // Without it, the user's systemd stops some seconds after the last session.
    run(&mut guest.command("root", &["loginctl", "disable-linger", "tester"]));
    assert!(found("no-linger"), "{:?}", findings());
}
