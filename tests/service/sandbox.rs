//! That every line of the unit's sandbox is in force in a user's systemd, and refuses something that nothing else
//! does: the same unit without that line lets it happen.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the error handling")]

use std::fs;
use std::process::Command;

use crate::support::guest::Guest;
use crate::support::{run, said};

const UNIT: &str = include_str!("../../systemd/credd.service");
/// What Python attempts in credd's place.
const ATTEMPTS: &str = include_str!("attempts.py");

/// What isn't meant to confine anything.
const OTHERS: [&str; 14] = [
    "Type=",
    "ExecStart=",
    "ExecReload=",
    "Restart=",
    "RestartSec=",
    "RestartPreventExitStatus=",
    "TimeoutStartSec=",
    "TimeoutStopSec=",
    "WatchdogSec=",
    "KillMode=",
    "SyslogIdentifier=",
    // How the filters refuse.
    "SystemCallErrorNumber=",
    "Environment=",
    // What is swapped: a matter of the memory controller, which guests don't have.
    "MemorySwapMax=",
];

/// What a line does.
enum Proof {
    /// It refuses these, and nothing else in the unit does.
    Refuses(&'static [&'static str]),
    /// It refuses this also where it is the only line. Others imply it, where systemd was built with them.
    Alone(&'static str),
    /// It allows this, which the line before it refuses.
    Allows(&'static str),
}

/// A line of the unit by its beginning, and what it does.
const PROOFS: &[(&str, Proof)] = &[
    ("UMask=", Proof::Refuses(&["a file readable by others"])),
    ("LimitCORE=", Proof::Refuses(&["a core dump"])),
    ("NoNewPrivileges=", Proof::Alone("the rights of a program's owner")),
    ("RestrictAddressFamilies=", Proof::Refuses(&["a netlink socket"])),
    ("SystemCallArchitectures=", Proof::Refuses(&["a program of another architecture"])),
    ("SystemCallFilter=@", Proof::Refuses(&["a call that services don't make"])),
    (
        "SystemCallFilter=~",
        Proof::Refuses(&[
            "a ring of requests to the kernel",
            "a file's owner by its path",
            "another priority",
            "another user id",
            "page faults to handle",
        ]),
    ),
    ("SystemCallFilter=fchown", Proof::Allows("an open file's group")),
    ("MemoryDenyWriteExecute=", Proof::Refuses(&["writable and executable memory"])),
    ("RestrictNamespaces=", Proof::Refuses(&["a namespace"])),
    ("RestrictSUIDSGID=", Proof::Refuses(&["a setuid bit"])),
    ("LockPersonality=", Proof::Refuses(&["another personality"])),
];

/// What credd has to do there in any case; in a user namespace, which `ProtectHome=` and its like bring, it can't.
const OTHER_PROCESS: &str = "the key of another process";

/// What the process that talks to Bedrock confines itself with.
const CONFINING: [&str; 2] = ["Landlock", "a filter of its own"];

/// The lines of the unit's service that confine.
fn sandbox() -> Vec<&'static str> {
    let service = UNIT.split("[Service]").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap();
    let lines = service.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter(|line| !OTHERS.iter().any(|other| line.starts_with(other))).collect()
}

#[test]
fn every_line_of_the_sandbox_has_its_proof() {
    let lines = sandbox();
    let proven: Vec<_> = lines.iter().map(|line| PROOFS.iter().position(|(start, _)| line.starts_with(start))).collect();
    let expected: Vec<_> = (0..PROOFS.len()).map(Some).collect();
    assert_eq!(proven, expected, "{lines:#?}");
}

/// Units to be started in a guest, and what is attempted in each.
struct Units<'g> {
    guest: &'g Guest,
    names: Vec<String>,
}

impl Units<'_> {
    /// A unit with these lines.
    fn add(&mut self, lines: &[&str], attempts: &[&str]) -> usize {
        let number = self.names.len();
        let attempts: Vec<_> = attempts.iter().map(|attempt| format!("\"{attempt}\"")).collect();
        let start = format!("ExecStart=/usr/bin/python3 /share/attempts.py /share/told-{number} {}", attempts.join(" "));
        let text = format!("[Service]\nType=oneshot\nSystemCallErrorNumber=EPERM\n{start}\n{}\n", lines.join("\n"));
        let name = format!("attempt-{number}.service");
        fs::write(self.guest.share().join(&name), text).unwrap();
        self.names.push(name);
        number
    }

    fn start(&self) {
        let names = self.names.join(" ");
        self.guest.shell(&format!(
            "mkdir -p ~/.config/systemd/user && cp /share/attempt-*.service ~/.config/systemd/user/ && systemctl --user daemon-reload && \
             systemctl --user start {names} || systemctl --user status --no-pager --lines=5 {names}"
        ));
    }

    fn told(&self, number: usize) -> Vec<String> {
        let path = self.guest.share().join(format!("told-{number}"));
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", self.names[number]));
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn every_line_of_the_sandbox_refuses_something_that_nothing_else_does() {
    let guest = Guest::boot();
    fs::write(guest.share().join("attempts.py"), ATTEMPTS).unwrap();
    let prepared = guest.root(&["install", "-m", "4755", "/usr/bin/id", "/usr/local/bin/id-of-root"]);
    assert!(prepared.status.success(), "{}", said(&prepared));
    guest.shell("systemd-run --user --quiet --unit=other --setenv=AWS_BEARER_TOKEN_BEDROCK=x sleep 1000");
    guest.shell("systemctl --user show -P MainPID other >/share/other");

    let lines = sandbox();
    let mut units = Units { guest: &guest, names: Vec::new() };
    let mut expected = Vec::new();
    let mut expect = |unit: usize, attempts: &[&str], allowed: bool| {
        expected.extend(attempts.iter().map(|attempt| (unit, (*attempt).to_owned(), allowed)));
    };
    let in_all = |proof: &Proof| match proof {
        Proof::Refuses(attempts) => (attempts.to_vec(), false),
        Proof::Alone(attempt) => (vec![*attempt], false),
        Proof::Allows(attempt) => (vec![*attempt], true),
    };
    for (at, (_, proof)) in PROOFS.iter().enumerate() {
        let (attempts, allowed) = in_all(proof);
        let whole = units.add(&lines, &attempts);
        expect(whole, &attempts, allowed);
        let (with, without): (Vec<_>, Vec<_>) = match proof {
            Proof::Alone(_) => (vec![lines[at]], Vec::new()),
            _ => (lines.clone(), lines.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, line)| *line).collect()),
        };
        let with = units.add(&with, &attempts);
        expect(with, &attempts, allowed);
        let without = units.add(&without, &attempts);
        expect(without, &attempts, !allowed);
    }
    let needed = [&[OTHER_PROCESS][..], &CONFINING].concat();
    let whole = units.add(&lines, &needed);
    expect(whole, &needed, true);
    for more in ["PrivateUsers=yes", "PrivateUsers=yes\nProtectHome=read-only"] {
        let lines: Vec<_> = lines.iter().copied().chain([more]).collect();
        let in_namespace = units.add(&lines, &[OTHER_PROCESS]);
        expect(in_namespace, &[OTHER_PROCESS], false);
    }
    units.start();

    let wrong: Vec<_> = expected
        .iter()
        .filter_map(|(unit, attempt, allowed)| {
            let told = units.told(*unit);
            let said = told.iter().find_map(|line| line.strip_prefix(attempt.as_str())?.strip_prefix(": "));
            // One that failed for another reason was neither allowed nor refused.
            let fits = said.is_some_and(|said| if *allowed { said == "allowed" } else { said.starts_with('E') });
            (!fits)
                .then(|| format!("{}: {attempt} should be {}: {told:?}", units.names[*unit], if *allowed { "allowed" } else { "refused" }))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What systemd itself thinks of the unit, by the options that it has: less is better.
#[test]
fn systemd_finds_no_more_exposed_than_before() {
    let home = tempfile::tempdir().unwrap();
    let unit = home.path().join("credd.service");
    fs::write(&unit, UNIT).unwrap();
    let mut analyse = Command::new("systemd-analyze");
    analyse.args(["security", "--user", "--offline=true", "--no-pager"]).arg(&unit).env("XDG_RUNTIME_DIR", home.path());
    let text = run(&mut analyse);
    let exposure = text.split("Overall exposure level for credd.service: ").nth(1).and_then(|rest| rest.split(' ').next());
    let exposure: f64 = exposure.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    let held: toml::Table = include_str!("../data/sandbox.toml").parse().unwrap();
    // Another version has other options, and other weights.
    let version = run(Command::new("systemctl").arg("--version"));
    if version.split(' ').nth(1) == held["systemd"].as_str() {
        assert_eq!(Some(exposure), held["exposure"].as_float(), "write it to tests/data/sandbox.toml if it is less\n{text}");
    }
}
