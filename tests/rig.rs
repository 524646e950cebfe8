//! The test rig itself: each part of it does what the other tests rely on.

mod support;

use std::process::Command;
use std::time::Duration;

use support::bedrock::{ANSWER, BedrockStandIn, REJECTION};
use support::desktop::Desktop;
use support::guest::Guest;
use support::home::Home;
use support::litellm::LiteLlm;
use support::{http, is_running, rig_program, run, wait};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn the_stand_in_knows_its_keys() {
    let bedrock = BedrockStandIn::start(["good"]);
    let models = |key| http::request(bedrock.port(), "GET", "/foundation-models", key, None, SOON).unwrap();

    assert_eq!(models(Some("good")).status(), 200);
    assert_eq!(models(None).status(), 403);
    let rejected = models(Some("bad"));
    assert_eq!((rejected.status(), rejected.text()), (403, format!("{{\"Message\":\"{REJECTION}\"}}")));

    bedrock.accept("bad");
    bedrock.revoke("good");
    assert_eq!((models(Some("bad")).status(), models(Some("good")).status()), (200, 403));
    bedrock.fail_with(503);
    assert_eq!(models(Some("bad")).status(), 503);
    bedrock.fail_with(None);
    bedrock.delay(Duration::from_millis(50));
    assert_eq!(models(Some("bad")).status(), 200);

    let seen: Vec<_> = bedrock.requests().into_iter().map(|r| (r.bearer, r.status)).collect();
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[1], (None, 403));
    assert!(bedrock.wait_for(|r| r.status == 503, SOON).is_some());
    assert!(bedrock.wait_for(|r| r.status == 500, Duration::from_millis(1)).is_none());
}

#[test]
fn the_real_litellm_answers_through_the_stand_in() {
    let bedrock = BedrockStandIn::start(["good"]);
    let proxy = LiteLlm::start(&bedrock, "good");

    assert_eq!(proxy.complete().as_deref(), Ok(ANSWER));
    assert_eq!(proxy.complete_streamed().as_deref(), Ok(ANSWER));
    assert_eq!(proxy.key_in_use().as_deref(), Some("good"));
    assert_eq!(proxy.listener(), Some(proxy.pid()));
    let request = bedrock.wait_for(support::bedrock::Request::is_converse, SOON).unwrap();
    assert_eq!((request.bearer.as_deref(), request.status), (Some("good"), 200));

    bedrock.revoke("good");
    let (status, reason) = proxy.complete().unwrap_err();
    assert!(status == 403 && reason.contains(REJECTION), "{status} {reason}");

    proxy.stop();
    assert!(!is_running(proxy.pid()));
    assert_eq!(proxy.listener(), None);
}

#[test]
fn the_desktop_shows_and_tells() {
    let desktop = Desktop::start();
    // The popup of `-A` waits for the user, so it runs beside us.
    let mut waiting = desktop
        .command("notify-send")
        .args(["-a", "rig", "-u", "critical", "-A", "open=Open page", "The key ends", "in <b>5</b> days"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let popup = desktop.wait_until_shown(|n| n.summary == "The key ends", SOON);
    assert_eq!((popup.app.as_str(), popup.urgency), ("rig", Some(2)));
    assert_eq!(popup.body, "in <b>5</b> days");
    assert_eq!(popup.actions, [("open".to_owned(), "Open page".to_owned())]);

    let picture = tempfile::Builder::new().suffix(".png").tempfile().unwrap();
    desktop.screenshot(picture.path());

    desktop.invoke_action(popup.id.unwrap(), "open");
    desktop.wait_until_closed(popup.id.unwrap(), SOON);
    assert!(waiting.wait().unwrap().success());

    let id: u32 = run(desktop.command("notify-send").args(["-p", "Another"])).trim().parse().unwrap();
    assert_eq!(desktop.wait_until_shown(|n| n.summary == "Another", SOON).id, Some(id));
    desktop.dismiss_all();
    desktop.wait_until_closed(id, SOON);
}

#[test]
fn the_notification_server_comes_goes_and_hangs() {
    let desktop = Desktop::start_without_server();
    // One call and no questions before it, which notify-send would ask.
    let send = |summary: &str| {
        let call = "call org.freedesktop.Notifications /org/freedesktop/Notifications \
                    org.freedesktop.Notifications Notify susssasa{sv}i rig 0";
        let mut busctl = Command::new("busctl");
        busctl.arg(format!("--address={}", desktop.bus())).arg("--timeout=1").args(call.split(' '));
        let arguments = ["", summary, "", "0", "1", "urgency", "y", "1", "0"];
        busctl.args(arguments).output().unwrap().status.success()
    };
    assert!(!send("nobody"));
    desktop.start_server();
    assert!(send("somebody"));
    desktop.freeze_server();
    assert!(!send("frozen"));
    desktop.thaw_server();
    let late = desktop.wait_until_shown(|n| n.summary == "frozen", SOON);
    assert_eq!(late.urgency, Some(1));
    desktop.stop_server();
    assert!(!send("nobody"));
}

#[test]
fn a_home_is_empty_and_private() {
    let home = Home::new().on_bus("unix:path=/nowhere");
    home.set_key("first");
    let output = home.command("env").output().unwrap();
    let seen = String::from_utf8(output.stdout).unwrap();
    assert!(seen.contains(&format!("HOME={}\n", home.path().display())));
    assert!(seen.contains("DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere\n"));
    assert!(!seen.contains("CARGO"));
    let value = run(home.command("bash").args(["-c", ". ~/.backlog-toolkit-env; echo $AWS_BEARER_TOKEN_BEDROCK"]));
    assert_eq!(value, "first\n");
    assert!(run(home.command(env!("CARGO_BIN_EXE_credd")).arg("--version")).len() < 100);
}

#[test]
fn a_guest_boots_and_leaves_nothing() {
    let guest = Guest::boot();
    let dir = guest.path().display().to_string();
    let state = guest.root(&["systemctl", "is-system-running"]);
    assert_eq!(String::from_utf8_lossy(&state.stdout), "running\n", "{}", support::said(&state));
    assert_eq!(guest.shell("systemctl --user is-system-running"), "running");
    assert_eq!(guest.user(&["sh", "-c", "exit 7"]).status.code(), Some(7));
    guest.shell("echo from inside > /share/file; test -w $XDG_RUNTIME_DIR; touch /home/tester/file");
    assert_eq!(std::fs::read_to_string(guest.share().join("file")).unwrap(), "from inside\n");
    // The build under test is there.
    guest.shell(&format!("test -x {}", env!("CARGO_BIN_EXE_credd")));

    guest.stop();
    let left = run(Command::new("sh").args(["-c", "grep -lzxF \"CREDD_RIG_DIR=$1\" /proc/[0-9]*/environ 2>/dev/null || true", "sh", &dir]));
    assert_eq!(left, "");
    assert!(!std::path::Path::new("/home/tester/file").exists());
}

#[test]
fn nothing_outlives_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let id = owner.id().to_string();
    run(rig_program("desktop.sh").arg("start").arg(dir.path()).args(["--owner", &id]));
    let pid = std::fs::read_to_string(dir.path().join("dunst.pid")).unwrap();
    let stat = format!("/proc/{}/environ", pid.trim());
    let runs = || std::fs::read(&stat).is_ok_and(|environment| !environment.is_empty());
    assert!(runs());
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait::until_true("the desktop ends", SOON, || !runs());
}
