//! The service's file, its managers' commands, and the service itself in a systemd of its own.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod packaged;
mod place;
mod sandbox;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use credd::service::{DropIn, Manager};
use place::Place;
use support::guest::Guest;
use support::{run, said, wait};

const RELOAD: &str = "systemctl --user daemon-reload";
const ENABLE: &str = "systemctl --user enable credd.service";
const ACTIVE: &str = "systemctl --user is-active credd.service";
const SINCE: &str = "systemctl --user show --timestamp=us+utc -P ExecMainStartTimestamp credd.service";
const RESTART: &str = "systemctl --user restart credd.service";

#[test]
fn a_dry_run_touches_nothing() {
    for manager in [Manager::Systemd, Manager::Launchd] {
        let mut place = Place::new(manager);
        place.options.dry_run = true;
        let out = place.install().unwrap();
        assert!(out.contains("Would write") && out.contains("Would run"), "{out}");
        place.uninstall().unwrap();
        assert_eq!(place.commands(), Vec::<String>::new());
        assert!(!place.options.config_home.exists());
        assert!(!place.options.home.join("Library").exists());
    }
}

#[test]
fn installing_writes_the_unit_and_starts_it() {
    let place = Place::new(Manager::Systemd);
    let out = place.install().unwrap();
    let path = place.options.path();
    assert!(out.contains(&format!("Wrote {}", path.display())), "{out}");
    assert!(out.contains("systemctl --user status credd"), "{out}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    let unit = fs::read_to_string(&path).unwrap();
    assert!(unit.starts_with("# Installed by credd"), "{unit}");
    assert!(unit.contains("\" run\n"), "{unit}");
    assert_eq!(place.commands(), [RELOAD, ENABLE, RESTART, ACTIVE]);
}

#[test]
fn installing_twice_does_nothing_even_from_another_terminal() {
    let mut place = Place::new(Manager::Systemd);
    place.install().unwrap();
    let before = fs::metadata(place.options.path()).unwrap().modified().unwrap();
    place.forget();
    place.options.path_env.push(":/another/dir");
    let out = place.install().unwrap();
    assert!(out.contains("nothing to do"), "{out}");
    let asked = ["systemctl --user is-enabled credd.service", ACTIVE, SINCE];
    assert_eq!(place.commands(), asked);
    assert_eq!(fs::metadata(place.options.path()).unwrap().modified().unwrap(), before);

    place.options.force = true;
    assert!(place.install().unwrap().contains("Wrote"));
    let unit = fs::read_to_string(place.options.path()).unwrap();
    assert!(unit.contains(":/another/dir\""), "{unit}");
}

#[test]
fn a_service_that_was_stopped_is_started_and_a_changed_one_restarted() {
    let mut place = Place::new(Manager::Systemd);
    place.install().unwrap();
    place.forget();
    place.manager_says("case $* in *is-active*) [ -e \"$0.started\" ] ;; *start*) : >\"$0.started\" ;; esac");
    place.install().unwrap();
    assert!(place.commands().contains(&"systemctl --user start credd.service".to_owned()));

    place.forget();
    place.options.arguments = vec!["--config".to_owned(), "/etc/x y.toml".to_owned()];
    place.install().unwrap();
    assert_eq!(place.commands(), [RELOAD, ENABLE, RESTART, ACTIVE]);
    let unit = fs::read_to_string(place.options.path()).unwrap();
    assert!(unit.contains("\" \"--config\" \"/etc/x y.toml\" run\n"), "{unit}");
}

#[test]
fn a_service_whose_program_was_replaced_is_restarted() {
    let mut place = Place::new(Manager::Systemd);
    place.install().unwrap();
    let started = |place: &Place, at: &str| place.manager_says(&format!("case $* in *show*) echo '{at}' ;; esac"));

    started(&place, "Fri 2100-01-01 00:00:00.000001 UTC");
    assert!(place.install().unwrap().contains("nothing to do"));
    started(&place, "n/a");
    assert!(place.install().unwrap().contains("nothing to do"));

    started(&place, "Mon 2001-01-01 00:00:00.721017 UTC");
    place.options.dry_run = true;
    assert!(place.install().unwrap().contains(&format!("Would run: {RESTART}")));
    place.options.dry_run = false;
    place.forget();
    let out = place.install().unwrap();
    assert!(out.contains("is another program by now"), "{out}");
    assert_eq!(place.commands()[3..], [RELOAD, ENABLE, RESTART, ACTIVE]);
}

#[test]
fn what_is_not_ours_stays_unless_forced() {
    let mut place = Place::new(Manager::Systemd);
    let path = place.options.path();
    let elsewhere = place.options.home.join("elsewhere");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&elsewhere, "# Installed by credd\n").unwrap();
    for link in [false, true] {
        if link {
            symlink(&elsewhere, &path).unwrap();
        } else {
            fs::write(&path, "[Service]\nExecStart=/bin/true\n").unwrap();
        }
        place.options.force = false;
        for refusal in [place.install(), place.uninstall()] {
            let refusal = refusal.unwrap_err();
            assert!(refusal.contains("--force"), "{refusal}");
        }
        assert_eq!(place.commands(), Vec::<String>::new());
        assert_eq!(fs::symlink_metadata(&path).unwrap().is_symlink(), link);

        place.options.force = true;
        place.install().unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "# Installed by credd\n");
        place.uninstall().unwrap();
        place.forget();
    }
}

#[test]
fn uninstalling_removes_what_was_installed_and_no_more() {
    let mut place = Place::new(Manager::Systemd);
    let state = place.options.home.join("state");
    fs::create_dir(&state).unwrap();
    place.options.kept = vec![state.clone(), place.options.home.join("no-config")];
    place.options.removal = format!("rm -r {}", state.display());
    let removal = format!("To remove what is yours of it: rm -r {}\n", state.display());
    place.install().unwrap();
    place.options.dry_run = true;
    let out = place.uninstall().unwrap();
    assert!(out.ends_with(&format!("Would leave where it is: {}\n{removal}", state.display())), "{out}");
    place.options.dry_run = false;
    place.forget();
    let out = place.uninstall().unwrap();
    assert!(!place.options.path().exists() && state.exists());
    assert!(out.ends_with(&removal), "{out}");
    assert!(out.contains(&format!("Left where it is: {}", state.display())), "{out}");
    assert!(!out.contains("no-config"), "{out}");
    let commands = place.commands();
    assert_eq!(commands[..2], ["systemctl --user disable --now credd.service", RELOAD]);
    let out = place.uninstall().unwrap();
    assert!(out.contains("nothing to do"), "{out}");
}

#[test]
fn uninstalling_takes_keys_back_from_units_that_credd_gave_them() {
    let mut place = Place::new(Manager::Systemd);
    let (config, data) = (place.options.config_home.clone(), place.options.home.join(".local/share"));
    let drop_in = DropIn::of("litellm.service", &config, &data);
    drop_in.write(&drop_in.text().unwrap()).unwrap();
    fs::create_dir_all(drop_in.environment.parent().unwrap()).unwrap();
    fs::write(&drop_in.environment, "K=\"v\"\n").unwrap();
    place.options.dry_run = true;
    let out = place.uninstall().unwrap();
    assert!(out.contains(&format!("Would remove {} and {}", drop_in.path.display(), drop_in.environment.display())), "{out}");
    assert!(drop_in.path.exists() && place.commands().is_empty());
    // Also where credd itself was never a service.
    place.options.dry_run = false;
    let out = place.uninstall().unwrap();
    assert!(out.contains(&format!("Removed {}", drop_in.path.display())), "{out}");
    assert!(!drop_in.path.exists() && !drop_in.environment.exists());
    assert_eq!(place.commands(), [RELOAD]);
}

#[test]
fn without_a_user_s_systemd_the_file_is_written_and_the_rest_said() {
    let place = Place::new(Manager::Systemd);
    place.manager_says("echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    let refusal = place.install().unwrap_err();
    assert!(place.options.path().exists());
    assert!(refusal.contains("No medium found") && refusal.contains("enable-linger"), "{refusal}");

    let mut place = Place::new(Manager::Systemd);
    place.options.path_env = "/nowhere".into();
    let refusal = place.install().unwrap_err();
    assert!(refusal.contains("no systemctl"), "{refusal}");
    assert!(place.options.path().exists());
    assert!(place.uninstall().unwrap().contains("can't be told"));
    assert!(!place.options.path().exists());
}

#[test]
fn systemd_s_own_words_are_passed_on() {
    let place = Place::new(Manager::Systemd);
    place.manager_says("case $* in *restart*) echo 'Job for credd.service failed.' >&2; exit 1 ;; esac");
    let refusal = place.install().unwrap_err();
    assert!(refusal.contains("Job for credd.service failed. See: journalctl"), "{refusal}");
}

#[test]
fn launchd_is_asked_in_the_right_order() {
    let place = Place::new(Manager::Launchd);
    place.manager_says("case $* in bootout*) exit 3 ;; esac");
    place.install().unwrap();
    let uid = rustix::process::getuid().as_raw();
    let path = place.options.path();
    assert_eq!(
        place.commands(),
        [
            format!("launchctl bootout gui/{uid}/dev.credd.agent"),
            format!("launchctl enable gui/{uid}/dev.credd.agent"),
            format!("launchctl bootstrap gui/{uid} {}", path.display()),
        ]
    );
    place.forget();
    assert!(place.install().unwrap().contains("nothing to do"));
    place.manager_says("exit 0");
    place.uninstall().unwrap();
    assert!(!path.exists());
}

#[test]
fn launchd_s_error_5_is_explained() {
    let place = Place::new(Manager::Launchd);
    place.manager_says("case $* in bootstrap*) echo 'Bootstrap failed: 5: Input/output error' >&2; exit 5 ;; esac");
    let refusal = place.install().unwrap_err();
    assert!(refusal.contains("Bootstrap failed: 5: Input/output error"), "{refusal}");
    assert!(refusal.contains("logged in on the screen"), "{refusal}");
}

/// Every key must be one that launchd.plist(5) knows: launchd ignores others without a word.
#[test]
fn the_agent_is_a_property_list_of_known_keys() {
    let mut place = Place::new(Manager::Launchd);
    place.options.arguments = vec!["--config".to_owned(), "/a & <b>".to_owned()];
    let file = place.options.home.join("agent.plist");
    fs::write(&file, place.options.render().unwrap()).unwrap();
    let script = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let json = run(Command::new("python3").args(["-c", script]).arg(&file));
    let agent: serde_json::Value = serde_json::from_str(&json).unwrap();
    let known = [
        "AbandonProcessGroup",
        "EnvironmentVariables",
        "HardResourceLimits",
        "KeepAlive",
        "Label",
        "LimitLoadToSessionType",
        "ProcessType",
        "ProgramArguments",
        "RunAtLoad",
        "StandardErrorPath",
        "ThrottleInterval",
        "Umask",
    ];
    let mut keys: Vec<_> = agent.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, known);
    let exe = place.options.exe.to_str().unwrap();
    assert_eq!(agent["ProgramArguments"], serde_json::json!([exe, "--config", "/a & <b>", "run"]));
    assert_eq!(agent["KeepAlive"], serde_json::json!({"SuccessfulExit": false}));
    assert_eq!(agent["Umask"], 0o077);
    assert_eq!(agent["HardResourceLimits"], serde_json::json!({"Core": 0}));
}

/// It exits 0 on mistyped settings: only what it says counts.
#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let place = Place::new(Manager::Systemd);
    let unit = place.options.home.join("credd.service");
    for text in [place.options.render().unwrap(), include_str!("../../systemd/credd.service").replace("/usr/bin/credd", "/bin/true")] {
        fs::write(&unit, text).unwrap();
        let mut analyse = Command::new("systemd-analyze");
        analyse.args(["--user", "verify", "--man=no"]).arg(&unit);
        analyse.env("XDG_RUNTIME_DIR", &place.options.home);
        let output = analyse.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
    }
}

/// Run by the next test, in the guest: this very program is what installs there.
#[test]
#[ignore = "part of the_service_runs_in_its_sandbox"]
fn inside_the_guest() {
    let home = std::env::var_os("HOME").unwrap();
    let options = place::options(Manager::Systemd, home.as_ref(), "/share/credd".as_ref());
    let mut out = Vec::new();
    let done = match std::env::var("CREDD_TEST_VERB").as_deref() {
        Ok("alert") => return place::alert(),
        Ok("uninstall") => credd::service::uninstall(&options, &mut out),
        _ => credd::service::install(&options, &mut out),
    };
    fs::write("/share/said", out).unwrap();
    done.unwrap();
}

#[test]
fn the_service_runs_in_its_sandbox() {
    let guest = Guest::boot();
    let program = guest.share().join("credd");
    fs::write(&program, include_str!("stand-in.py")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let this = std::env::current_exe().unwrap();
    let verb = |verb: &str| {
        guest.shell(&format!("CREDD_TEST_VERB={verb} {} --exact --ignored inside_the_guest", this.display()));
        fs::read_to_string(guest.share().join("said")).unwrap()
    };
    let show = |property: &str| guest.shell(&format!("systemctl --user show -P {property} credd"));

    // Something of the user's whose environment holds a key.
    let other = "systemd-run --user --quiet --unit=other --setenv=AWS_BEARER_TOKEN_BEDROCK=x sleep 1000";
    guest.shell(other);
    guest.shell("systemctl --user show -P MainPID other >/share/other");
    assert!(verb("install").contains("credd runs"));
    assert_eq!(show("ActiveState"), "active");
    assert_eq!(show("UnitFileState"), "enabled");
    let told = fs::read_to_string(guest.share().join("told")).unwrap();
    let told: Vec<_> = told.lines().collect();
    assert_eq!(
        told,
        [
            "argv: run",
            "NoNewPrivs: 1",
            "Seccomp: 2",
            "umask: 077",
            "core: 0",
            "writable and executable memory: EPERM",
            "netlink: EAFNOSUPPORT",
            "namespace: EPERM",
            "setuid bit: EPERM",
            "personality: EPERM",
            "performance counters: EPERM",
            "internet: allowed",
            "pidfd: allowed",
            "prlimit: allowed",
            "key of another process: allowed",
            "following a process that starts: allowed",
            "a listener of another process: allowed",
            "signal to another process: allowed",
            "outside the sandbox: NoNewPrivs: 0",
            "watchdog: 3600000000",
        ]
    );
    assert!(verb("install").contains("nothing to do"));

    verb("alert");
    let alert = fs::read_to_string(guest.share().join("alert")).unwrap();
    assert!(alert.starts_with("{}\n$HOME %h\n"), "{alert}");
    assert!(alert.contains("/run-"), "not in a unit of its own: {alert}");

    // It comes back, and its child, which might be restarting LiteLLM, has not been touched.
    let child = guest.shell("cat /share/child");
    guest.shell("systemctl --user kill --signal=KILL --kill-whom=main credd");
    wait::until_true("it is restarted", Duration::from_secs(20), || show("NRestarts") == "1" && show("ActiveState") == "active");
    guest.shell(&format!("kill -0 {child}"));
    let child = guest.shell("cat /share/child");
    assert!(verb("uninstall").contains("credd is stopped"));
    guest.shell(&format!("kill -0 {child}"));
    guest.shell("! systemctl --user cat credd 2>/dev/null");
}
