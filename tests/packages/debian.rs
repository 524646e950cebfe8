//! The .deb: by lintian's judgement, and in a machine with a systemd.

use std::path::Path;
use std::time::Duration;

use crate::support::guest::Guest;
use crate::support::{run, said, wait};
use crate::{VERSION, made, tool};

/// The drop-in that `credd install` lays over the package's unit.
const DROP_IN: &str = "/home/tester/.config/systemd/user/credd.service.d/10-credd-install.conf";

#[test]
fn lintian_has_nothing_to_say() {
    let mut lintian = tool("lintian");
    lintian.args(["--allow-root", "--display-info", "--pedantic", "--show-overrides", "--fail-on=none"]).arg(made("credd_", ".deb"));
    let output = lintian.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // An override is shown as `O:`, with its reason in the file.
    let found: Vec<_> = text.lines().filter(|line| !line.starts_with("O:") && !line.starts_with("N:")).collect();
    assert!(found.is_empty() && output.status.success(), "{}", said(&output));
}

#[test]
fn it_is_installed_works_and_is_removed() {
    let guest = Guest::boot();
    let root = |line: &str| {
        let output = guest.root(&["sh", "-c", line]);
        assert!(output.status.success(), "{line}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    let package = made("credd_", ".deb");
    std::fs::copy(&package, guest.share().join("credd.deb")).unwrap();
    // Images of containers have one that forbids to start services.
    root("rm -f /usr/sbin/policy-rc.d");
    root("dpkg --install /share/credd.deb");
    let files = root("dpkg --listfiles credd | while read -r path; do [ -d \"$path\" ] || echo \"$path\"; done");
    assert!(files.contains("/usr/bin/credd\n"), "{files}");
    assert_eq!(root("dpkg --verify credd"), "");

    // By hand, as with any other package.
    assert_eq!(guest.shell("credd --version"), format!("credd {VERSION}"));
    guest.shell("echo 'export AWS_BEARER_TOKEN_BEDROCK=value' >~/.backlog-toolkit-env; chmod 600 ~/.backlog-toolkit-env");
    guest.shell("systemctl --user daemon-reload && systemctl --user enable --now credd");
    answers(&guest);
    assert!(guest.shell("credd status").contains("bedrock"));
    is_explained_and_completed(&guest);

    // By its own command: it uses the package's unit.
    let out = guest.shell("credd install");
    assert!(out.contains(&format!("Wrote {DROP_IN}")), "{out}");
    assert_eq!(guest.shell("systemctl --user show -P FragmentPath credd"), "/usr/lib/systemd/user/credd.service");
    assert!(guest.shell("systemctl --user show -P Environment credd").contains("PATH="));
    answers(&guest);
    let out = guest.shell("credd install");
    assert!(out.contains("nothing to do"), "{out}");
    let findings = guest.shell("credd doctor --json || true");
    assert!(
        !["\"service-", "\"other-program\"", "\"not-on-path\"", "\"daemon-outdated\""].iter().any(|code| findings.contains(code)),
        "{findings}"
    );

    // Installed anew, as at an upgrade: what runs is what is there.
    let before = guest.shell("systemctl --user show -P MainPID credd");
    root("dpkg --install /share/credd.deb");
    answers(&guest);
    assert_ne!(guest.shell("systemctl --user show -P MainPID credd"), before);

    let out = guest.shell("credd uninstall");
    assert!(out.contains("credd is stopped") && out.contains("Left where it is: /usr/lib/systemd/user/credd.service"), "{out}");
    assert_eq!(guest.shell("systemctl --user is-enabled credd || true"), "disabled");
    guest.shell(&format!("! test -e {}", Path::new(DROP_IN).parent().unwrap().display()));
    let out = guest.shell("credd uninstall");
    assert!(out.contains("isn't enabled: nothing to do"), "{out}");

    // Removed under a daemon that runs: it isn't left behind without its program.
    guest.shell("systemctl --user enable --now credd");
    let pid = guest.shell("systemctl --user show -P MainPID credd");
    root("dpkg --remove credd");
    wait::until_true("the daemon ends with its package", Duration::from_secs(20), || !guest.root(&["kill", "-0", &pid]).status.success());
    root("dpkg --purge credd");
    root(&format!("! dpkg --status credd 2>/dev/null && for path in {}; do [ ! -e $path ] || exit 1; done", files.replace('\n', " ")));
    guest.shell("! command -v credd");
}

/// Its daemon does, within a time.
fn answers(guest: &Guest) {
    wait::until_true("credd status is live", Duration::from_secs(20), || {
        let output = guest.user(&["credd", "status", "--json"]);
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\"live\": true")
    });
}

/// Nothing is named but what the system finds by itself.
fn is_explained_and_completed(guest: &Guest) {
    let page = guest.shell("man -w credd");
    assert_eq!(page, "/usr/share/man/man1/credd.1.gz");
    assert!(guest.shell("MANWIDTH=80 man credd-status | col -b").contains("credd"));
    let bash = ". /usr/share/bash-completion/bash_completion; _completion_loader credd; complete -p credd";
    assert!(guest.shell(bash).contains(" credd"), "bash");
    let zsh = "zsh -fc 'autoload -U compinit && compinit -u -d ~/.dump && print $_comps[credd]'";
    assert_eq!(guest.shell(zsh), "_credd");
    let fish = guest.shell("fish -c 'complete -C\"credd st\"'");
    assert!(fish.lines().any(|line| line.starts_with("status")), "{fish}");
}

/// What a package promises about the files in it, of a glance at its list.
#[test]
fn it_holds_what_it_should_and_no_more() {
    let list = run(tool("dpkg-deb").arg("--contents").arg(made("credd_", ".deb")));
    for line in list.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let (mode, path) = (words[0], *words.last().unwrap());
        let wanted = if mode.starts_with('d') || path == "./usr/bin/credd" { "rwxr-xr-x" } else { "rw-r--r--" };
        assert_eq!(&mode[1..], wanted, "{line}");
        assert_eq!(words[1], "root/root", "{line}");
    }
    let doc = "./usr/share/doc/credd";
    let docs = ["copyright", "changelog.Debian.gz", "README.md", "SECURITY.md", "credd.cdx.json.gz", "THIRD-PARTY.gz"];
    for path in docs {
        assert!(list.lines().any(|line| line.ends_with(&format!("{doc}/{path}"))), "no {path}: {list}");
    }
}
