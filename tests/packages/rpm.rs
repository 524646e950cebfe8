//! The .rpm: by rpmlint's judgement, and in a machine. Debian's own `rpm` installs it there, which knows of none of the
//! packages that it needs.

use std::path::Path;

use crate::support::guest::Guest;
use crate::support::{run, said};
use crate::{VERSION, made, tool};

#[test]
fn rpmlint_has_nothing_to_say() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/rpm/rpmlint.toml");
    let output = tool("rpmlint").arg("-c").arg(config).arg(made("credd-", ".rpm")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(" 0 errors, 0 warnings"), "{}", said(&output));
}

#[test]
fn it_needs_a_c_library_and_little_else() {
    let needs = run(tool("rpm").args(["-qp", "--requires"]).arg(made("credd-", ".rpm")));
    assert!(needs.contains("libc.so.6(GLIBC_"), "{needs}");
    let fits = |line: &str| ["lib", "ld-linux", "rtld(", "rpmlib(", "/bin/sh"].iter().any(|start| line.starts_with(start));
    assert!(needs.lines().all(fits), "{needs}");
}

#[test]
fn it_is_installed_works_and_is_removed() {
    let guest = Guest::boot();
    std::fs::copy(made("credd-", ".rpm"), guest.share().join("credd.rpm")).unwrap();
    let root = |line: &str| {
        let output = guest.root(&["sh", "-c", line]);
        assert!(output.status.success(), "{line}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    root("rpm --install --force-debian --nodeps /share/credd.rpm");
    let files = root("rpm --query --list credd | while read -r path; do [ -d \"$path\" ] || echo \"$path\"; done");
    let wanted =
        ["/usr/bin/credd", "/usr/lib/systemd/user/credd.service", "/usr/share/man/man1/credd.1.gz", "/usr/share/licenses/credd/LICENSE"];
    assert!(wanted.iter().all(|path| files.lines().any(|line| line == *path)), "{files}");
    // Size, mode, digest, owner of every file.
    assert_eq!(root("rpm --verify --nodeps credd"), "");

    assert_eq!(guest.shell("credd --version"), format!("credd {VERSION}"));
    guest.shell("systemctl --user daemon-reload && systemctl --user enable --now credd");
    guest.shell("systemctl --user is-active credd && credd status --json | grep -q '\"live\": true'");
    assert!(guest.shell("systemctl --user disable --now credd; credd doctor; true").contains("credd install"));

    root("rpm --erase --force-debian credd");
    root(&format!("for path in {}; do [ ! -e $path ] || exit 1; done", files.replace('\n', " ")));
}
