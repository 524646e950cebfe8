//! What is around credd on the machine: popups, the terminal's PATH, the clock, the AWS CLI, LiteLLM's configuration.

use std::fs;
use std::os::unix::fs::symlink;

use crate::rig::{CREDD, Findings, QUIET, Rig};
use crate::support::daemon::{Daemon, SOON};
use crate::support::desktop::Desktop;
use crate::support::home::Home;
use crate::support::light::Light;
use crate::support::{installed, said};

#[test]
fn a_popup_proves_that_popups_are_shown() {
    let desktop = Desktop::start();
    let rig = Rig::in_home(Home::new().on_bus(&desktop.bus()), "popup");
    rig.home.write_config("consumers = []\n");
    let _daemon = rig.daemon();
    assert!(rig.findings().all.is_empty());
    let popup = desktop.wait_until_shown(|popup| popup.app == "credd", SOON);
    assert_eq!((popup.summary.as_str(), popup.timeout), ("credd: this is where alerts appear", 4000));
    desktop.wait_until_closed(popup.id.unwrap(), SOON);
    let text = said(&rig.output(rig.command(&[])));
    assert!(text.ends_with(" checks. A test popup was sent, and has arrived.\n"), "{text}");
    let text = said(&rig.output(rig.command(&["--no-popup"])));
    assert!(text.ends_with(" checks.\n"), "{text}");
    // Repairs are followed by a second look, and no second popup.
    rig.findings_of(&["--json", "--fix", "--yes"]);
    assert_eq!(desktop.notifications().len(), 3);
    rig.findings_of(&["--json", "--no-popup"]);
    rig.home.write_config(QUIET);
    rig.findings();
    assert_eq!(desktop.notifications().len(), 3, "nobody wants one");

    rig.home.write_config("consumers = []\n");
    desktop.freeze_server();
    let findings = rig.findings();
    let (severity, message, _) = findings.one("notifications-unavailable");
    assert_eq!((severity, message), ("warning", "a test popup couldn't be shown: the notification service does not answer"));
    desktop.thaw_server();
}

#[test]
fn without_a_notification_service_or_a_bus_that_is_told() {
    let desktop = Desktop::start_without_server();
    let rig = Rig::in_home(Home::new().on_bus(&desktop.bus()), "unshown");
    rig.home.write_config("consumers = []\n");
    let _daemon = rig.daemon();
    let findings = rig.findings();
    let (severity, message, fix) = findings.one("notifications-unavailable");
    assert!(severity == "warning" && message.contains("no notification service is running"), "{message}");
    assert!(fix.contains("dunst"), "{fix}");
    let mut command = rig.command(&["--json"]);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    let findings = Findings::of(&rig.output(command));
    assert_eq!((findings.codes(), findings.one("notifications-untried").0), (vec!["notifications-untried"], "info"));
}

#[test]
fn a_clock_that_nobody_sets_is_a_note() {
    let rig = Rig::new("clock");
    let _daemon = rig.daemon();
    rig.script("timedatectl", "[ \"$*\" = 'show --property=NTPSynchronized --value' ] && echo no");
    let findings = rig.findings();
    assert_eq!((findings.codes(), findings.one("clock-unsynchronised").0), (vec!["clock-unsynchronised"], "info"));
    for unknown in ["exit 1", "echo", "sleep 60"] {
        rig.script("timedatectl", unknown);
        assert!(rig.findings().all.is_empty(), "{unknown}");
    }
}

#[test]
fn a_terminal_without_credd_or_with_another_is_told() {
    let rig = Rig::new("path");
    let _daemon = rig.daemon();
    let findings = |path: &str| {
        let mut command = rig.command(&["--json"]);
        command.env("PATH", format!("{}:{path}", rig.path("bin").display()));
        Findings::of(&rig.output(command))
    };
    let found = findings("/usr/bin:/bin");
    let (severity, _, fix) = found.one("not-on-path");
    assert_eq!(severity, "info");
    let dir = std::path::Path::new(CREDD).parent().unwrap().display().to_string();
    assert_eq!(fix, format!("add {dir} to PATH in your shell's start-up file"));
    // A link to it is as good.
    symlink(CREDD, rig.path("bin/credd")).unwrap();
    rig.install();
    assert!(findings("/usr/bin:/bin").all_of("other-program").is_empty());
    fs::remove_file(rig.path("bin/credd")).unwrap();
    rig.script("credd", "exit 1");
    let found = findings("/usr/bin:/bin");
    let (severity, message, _) = found.one("other-program");
    assert_eq!((severity, message), ("warning", &*format!("credd is ~/bin/credd in this terminal, and {CREDD} as the service")));
}

#[test]
fn the_service_is_enabled_running_and_this_credd_s() {
    let rig = Rig::new("service");
    let _daemon = rig.daemon();
    let unit = rig.install();
    let says = |load: &str, file: &str, active: &str| {
        rig.script("systemctl", &format!("printf 'LoadState={load}\\nUnitFileState={file}\\nActiveState={active}\\nFragmentPath=\\n'"));
    };
    says("loaded", "enabled", "active");
    assert!(rig.findings().all.is_empty(), "{:#?}", rig.findings().all);
    says("loaded", "disabled", "active");
    assert_eq!(rig.findings().one("service-not-enabled").0, "warning");
    says("loaded", "enabled", "inactive");
    assert_eq!(rig.findings().one("service-not-running").0, "info");
    rig.script("systemctl", "echo 'Failed to connect to bus' >&2; exit 1");
    assert_eq!(rig.findings().one("service-unknown").0, "info");
    says("loaded", "enabled", "active");
    let text = fs::read_to_string(&unit).unwrap();
    let of = |text: &str| {
        fs::write(&unit, text).unwrap();
        let findings = rig.findings();
        assert_eq!(findings.all.len(), 1, "{:#?}", findings.all);
        (findings.codes()[0].to_owned(), findings.all[0]["severity"].as_str().unwrap().to_owned())
    };
    assert_eq!(of(&text.replace("RestartSec=5", "RestartSec=50")), ("service-outdated".into(), "warning".into()));
    assert_eq!(of(&text.replace(CREDD, "/nowhere/credd")), ("service-program-missing".into(), "error".into()));
    assert_eq!(of("[Service]\n"), ("service-foreign".into(), "info".into()));
    fs::remove_file(&unit).unwrap();
    says("not-found", "", "inactive");
    assert_eq!(rig.findings().one("service-not-installed").0, "info");
}

#[test]
fn keys_that_need_the_aws_cli_are_told_where_it_is_missing() {
    let rig = Rig::new("aws");
    let findings = |config: &str| {
        rig.home.write_config(&format!("{QUIET}[[keys]]\n{config}\n"));
        let mut command = rig.command(&["--json"]);
        command.env("PATH", format!("{}:/usr/bin:/bin", rig.path("bin").display()));
        Findings::of(&rig.output(command))
    };
    let (read, minted) = ("iam = \"read\"", "kind = \"short-term\"\naws_profile = \"p\"");
    assert_eq!(findings(read).one("aws-cli-missing").0, "warning");
    assert_eq!(findings("").all_of("aws-cli-missing"), [], "nobody needs it");
    rig.script("aws", "exit 1");
    assert_eq!(findings(read).one("aws-cli-unfit").0, "warning");
    let install = |path: &str| {
        let _ = fs::remove_file(rig.path("bin/aws"));
        symlink(installed(path, "aws"), rig.path("bin/aws")).unwrap();
    };
    install("aws/bin/aws");
    assert_eq!(findings(read).all_of("aws-cli-unfit"), []);
    let found = findings(minted);
    let (_, message, _) = found.one("aws-cli-unfit");
    assert_eq!(message, "~/bin/aws is version 1, and the key bedrock needs version 2");
    install("aws-v2/bin/aws");
    assert_eq!(findings(minted).all_of("aws-cli-unfit"), []);
    // The daemon has the PATH of the terminal that it was installed from.
    let unit = rig.install();
    let text = fs::read_to_string(&unit).unwrap();
    let line = text.lines().find(|line| line.starts_with("Environment=\"PATH=")).unwrap().to_owned();
    fs::write(&unit, text.replace(&line, "Environment=\"PATH=/nowhere\"")).unwrap();
    let found = findings(minted);
    let (_, message, fix) = found.one("aws-cli-missing");
    assert!(message.contains("isn't on the service's PATH, though on this terminal's"), "{message}");
    assert_eq!(fix, "credd install --force, in this terminal");
}

#[test]
fn a_litellm_that_a_new_key_never_reaches_is_told() {
    let rig = Rig::new("litellm");
    let light = Light::start(&rig.home, &[("AWS_BEARER_TOKEN_BEDROCK", &rig.new)]);
    rig.home.write_config(&format!("[alerts]\ndesktop = false\n{}", light.consumer()));
    rig.home.set_key(&rig.new);
    let daemon = Daemon::start(CREDD, &rig.home);
    daemon.until("the proxy", SOON, |status| status["consumers"][0]["state"] == "current");
    assert!(rig.findings().all.is_empty(), "{:#?}", rig.findings().all);
    let model = |parameters: &str| format!("model_list: [{{model_name: cheap, litellm_params: {{model: bedrock/x{parameters}}}}}]\n");
    let planted = &rig.old;
    for (text, code, severity, says) in [
        (model(&format!(", api_key: {planted}")), "litellm-key-in-config", "warning", "has the key of cheap in it"),
        (
            format!("{}environment_variables: {{AWS_BEARER_TOKEN_BEDROCK: {planted}}}\n", model("")),
            "litellm-key-in-config",
            "warning",
            "sets AWS_BEARER_TOKEN_BEDROCK itself",
        ),
        (model(", aws_access_key_id: AKIAX, aws_secret_access_key: planted"), "litellm-aws-keys", "warning", "has AWS keys for cheap"),
        (model(", api_key: os.environ/OTHER"), "litellm-other-key", "info", "has a key from OTHER"),
        (model("").replace("bedrock/", "openai/"), "litellm-without-bedrock", "info", "no model of ~/litellm.yaml is Bedrock's"),
        (format!("model_list: [{planted}"), "litellm-config-unreadable", "warning", "line 2 is no YAML"),
    ] {
        fs::write(rig.path("litellm.yaml"), &text).unwrap();
        let findings = rig.findings();
        let (found, message, _) = findings.one(code);
        assert_eq!(found, severity, "{code}");
        assert!(message.contains(says), "{message}");
        assert_eq!(findings.codes(), [code], "{text}");
    }
    let output = rig.output(rig.command(&[]));
    assert!(said(&output).contains("\n  why: it wouldn't come back from a restart\n"), "{}", said(&output));
}
