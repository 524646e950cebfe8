//! What other systems build from: Homebrew's formula, Arch's PKGBUILD, Nix's expression.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{run, said};
use crate::{VERSION, dist, program, tool};

/// It installs, and passes its own test, with a stand-in of Homebrew's language.
#[test]
fn the_formula_installs_and_tests() {
    let dir = tempfile::tempdir().unwrap();
    let sources = dir.path().join("sources");
    fs::create_dir(&sources).unwrap();
    let archive = dist().join(format!("credd-{VERSION}.tar.gz"));
    run(Command::new("tar").arg("xzf").arg(archive).args(["--strip-components=1", "-C"]).arg(&sources));
    let (file, root) = (dist().join("homebrew/credd.rb"), Path::new(env!("CARGO_MANIFEST_DIR")));
    let mut ruby = tool("ruby");
    ruby.arg("-w").arg(root.join("tests/packages/formula.rb")).arg(file).arg(program()).arg(sources).arg(dir.path());
    let service: serde_json::Value = serde_json::from_str(&run(&mut ruby)).unwrap();
    assert_eq!(service["name"], serde_json::json!({ "macos": "dev.credd.agent", "linux": "credd" }));
    // Homebrew looks for them by these names, and starts what they say.
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let (unit, agent) = (read("credd.service"), read("dev.credd.agent.plist"));
    let program = "/opt/homebrew/opt/credd/bin/credd";
    assert!(unit.contains(&format!("\nExecStart={program} run\nEnvironment=PATH=/opt/homebrew/bin:")), "{unit}");
    let started = format!("<string>{program}</string>\n        <string>run</string>");
    assert!(agent.contains(&started) && agent.contains("/var/log/credd.log") && !agent.contains('@'), "{agent}");
    assert!(!agent.contains("Installed by credd"), "{agent}");
    for file in ["bin/credd", "share/man/man1/credd.1", "share/doc/credd/README.md", "share/credd/credd_secrets.py"] {
        assert!(dir.path().join(file).is_file(), "no {file}");
    }
}

/// By Nix's own reader and evaluator, with a stand-in for its packages that gives back what it is given.
#[test]
fn the_expression_evaluates() {
    let file = dist().join("nix/default.nix");
    let pkgs = "{ rustPlatform.buildRustPackage = x: x; fetchurl = x: x; installShellFiles = 1;
        lib = { licenses.mit = \"MIT\"; platforms = { linux = [ ]; darwin = [ ]; }; }; }";
    let home = tempfile::tempdir().unwrap();
    let mut nix = tool("nix-instantiate");
    nix.args(["--eval", "--strict", "--json", "-E", &format!("import {} {{ pkgs = {pkgs}; }}", file.display())]);
    // It wants a store, if only to look.
    nix.env("HOME", home.path()).env("NIX_STORE_DIR", home.path().join("store")).env("NIX_STATE_DIR", home.path().join("var"));
    nix.env("NIX_LOG_DIR", home.path().join("log")).env("NIX_CONF_DIR", home.path().join("etc"));
    let package: serde_json::Value = serde_json::from_str(&run(&mut nix)).unwrap();
    assert_eq!(package["version"], VERSION);
    assert_eq!(package["src"]["url"], format!("file://{}/credd-{VERSION}.tar.gz", dist().display()));
    // Its postInstall is bash, run by what it names.
    let script = package["postInstall"].as_str().unwrap();
    run(Command::new("bash").args(["-n", "-c", script]));
    let lock = package["cargoLock"]["lockFile"].as_str().unwrap_or_default();
    assert!(lock.ends_with("Cargo.lock") && dist().join("nix/Cargo.lock").is_file(), "{lock}");
}

/// By Arch's own makepkg: the sources are fetched and their checksum compared; what it would then build is put in its place,
/// and packed as the recipe says.
#[test]
fn makepkg_makes_the_package() {
    let dir = tempfile::tempdir().unwrap();
    let build = dir.path().join("aur");
    run(Command::new("cp").arg("-r").arg(dist().join("aur")).arg(&build));
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(dir.path(), 0o755);
    fs::copy(dist().join(format!("credd-{VERSION}.tar.gz")), build.join(format!("credd-{VERSION}.tar.gz"))).unwrap();
    run(Command::new("chown").args(["-R", "nobody"]).arg(dir.path()));
    // It refuses to be root's.
    let makepkg = |words: &[&str]| {
        tool("makepkg");
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "makepkg", "--nodeps", "--nocolor"]).args(words);
        command.current_dir(&build).env("HOME", dir.path()).env("PKGEXT", ".pkg.tar.gz").env("PACKAGER", "a test");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(makepkg(&["--printsrcinfo"]).trim(), fs::read_to_string(build.join(".SRCINFO")).unwrap().trim());
    makepkg(&["--nobuild", "--noprepare"]);
    let release = build.join(format!("src/credd-{VERSION}/target/release"));
    fs::create_dir_all(&release).unwrap();
    fs::copy(program(), release.join("credd")).unwrap();
    // What `--repackage` leaves out.
    let check = ". ./PKGBUILD && cd src && check";
    run(Command::new("bash").args(["-euc", check]).current_dir(&build));
    makepkg(&["--repackage"]);
    let arch = std::env::consts::ARCH;
    let list = run(tool("bsdtar").arg("-tf").arg(build.join(format!("credd-{VERSION}-1-{arch}.pkg.tar.gz"))));
    let wanted = [
        ".PKGINFO",
        "usr/bin/credd",
        "usr/lib/systemd/user/credd.service",
        "usr/share/man/man1/credd.1.gz",
        "usr/share/bash-completion/completions/credd",
        "usr/share/zsh/site-functions/_credd",
        "usr/share/fish/vendor_completions.d/credd.fish",
        "usr/share/licenses/credd/LICENSE",
    ];
    let missing: Vec<_> = wanted.iter().filter(|path| !list.lines().any(|line| line == **path)).collect();
    assert!(missing.is_empty(), "no {missing:?}: {list}");
}
