//! The snippets of `packaging/bars`: those of tmux, polybar and waybar in the real programs, of the others what they name is run as
//! the bar would, and its output held to the bar's format. With `CREDD_LONG=1` starship and i3status-rust are real too, which take
//! minutes to build: `tests/setup --only bars`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::daemon::{Daemon, SOON};
use support::desktop::Desktop;
use support::home::Home;
use support::pane::Pane;
use support::{installed, run, said, wait};

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbmUtYXQtMTIzNDU2Nzg5MDEyOm9uZS1zZWNyZXQ=";

fn bar(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/bars").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(bar(name)).unwrap()
}

/// A home with a key of so many days.
fn with_key(days: u32, then: impl FnOnce(&Home)) {
    let home = Home::new();
    home.write_config("consumers = []\n[alerts]\ndesktop = false\n");
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", &format!("{days} days ago")]);
    then(&home);
}

/// With credd on its PATH.
fn command(home: &Home, program: impl AsRef<Path>) -> Command {
    let path = format!("{}:{}", Path::new(CREDD).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = home.command(program);
    command.env("PATH", path).stdin(Stdio::null());
    command
}

fn shell(home: &Home, line: &str) -> Output {
    command(home, "sh").args(["-c", line]).output().unwrap()
}

#[test]
fn scripts_are_clean() {
    for name in ["waybar", "argos.1m.sh", "swiftbar.1m.sh"] {
        run(Command::new("shellcheck").arg(bar(name)));
        run(Command::new(if name == "waybar" { "sh" } else { "bash" }).arg("-n").arg(bar(name)));
        run(Command::new("test").arg("-x").arg(bar(name)));
    }
}

#[test]
fn tmux_shows_it() {
    with_key(26, |home| {
        let pane = Pane::open(home, CREDD, 80);
        pane.enters(&format!("tmux -S {}/inner -f {} new", home.runtime_dir().display(), bar("tmux.conf").display()));
        pane.until("bedrock 4d");
        run(home.command("tmux").arg("-S").arg(home.runtime_dir().join("inner")).arg("kill-server"));
    });
}

#[test]
fn polybar_shows_it() {
    let is_there = Command::new("polybar").arg("--version").output().is_ok();
    assert!(is_there, "polybar is missing: run tests/setup --only shells");
    for (days, shown) in [(1, "bedrock 29d"), (26, "%{F#e5c07b}bedrock 4d%{F-}")] {
        with_key(days, |home| {
            let desktop = Desktop::start_without_server();
            let config = home.path().join("polybar.ini");
            let whole = format!("{}\n[bar/test]\nwidth = 100%\nheight = 20\nmodules-right = credd\n", text("polybar.ini"));
            fs::write(&config, whole).unwrap();
            let out = home.path().join("polybar.log");
            let log = File::create(&out).unwrap();
            let mut polybar = command(home, "polybar");
            polybar.env("DISPLAY", desktop.display()).args(["--stdout", "-c"]).arg(config).arg("test");
            let mut polybar = polybar.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
            let is_shown = wait::try_until(SOON, || fs::read_to_string(&out).unwrap().contains(shown).then_some(()));
            polybar.kill().unwrap();
            polybar.wait().unwrap();
            assert!(is_shown.is_some(), "{}", fs::read_to_string(&out).unwrap());
        });
    }
}

/// waybar's configuration without its comments.
fn waybar_config() -> Value {
    let text: String = text("waybar.jsonc").lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    serde_json::from_str(&text).unwrap()
}

/// As the comment in its configuration says.
fn install_for_waybar(home: &Home) {
    fs::create_dir_all(home.config_dir().join("waybar")).unwrap();
    fs::copy(bar("waybar"), home.config_dir().join("waybar/credd")).unwrap();
}

#[test]
fn waybar_shows_it() {
    for program in ["sway", "waybar", "grim"] {
        let is_there = Command::new("which").arg(program).output().unwrap().status.success();
        assert!(is_there, "{program} is missing: run tests/setup --only shells");
    }
    for (days, shown, hidden) in [(1, COLOUR_OK, COLOUR_DUE), (26, COLOUR_DUE, COLOUR_OK)] {
        with_key(days, |home| {
            install_for_waybar(home);
            let directory = home.config_dir().join("waybar");
            let mut config = waybar_config();
            config["modules-right"] = serde_json::json!(["custom/credd"]);
            fs::write(directory.join("config"), config.to_string()).unwrap();
            let hex = |[red, green, blue]: [u8; 3]| format!("#{red:02x}{green:02x}{blue:02x}");
            let (ok, due) = (hex(COLOUR_OK), hex(COLOUR_DUE));
            let style = format!("#custom-credd.ok {{ background: {ok}; }} #custom-credd.due {{ background: {due}; }}");
            fs::write(directory.join("style.css"), style).unwrap();
            let screen = home.path().join("sway");
            fs::write(&screen, "output HEADLESS-1 resolution 800x100\nexec waybar\n").unwrap();

            // It refuses to be root's.
            let mut sway = command(home, "unshare");
            sway.args(["--user", "--map-user=1000", "--map-group=1000", "sway", "-c"]).arg(screen);
            sway.env("WLR_BACKENDS", "headless").env("WLR_RENDERER", "pixman").env("WLR_LIBINPUT_NO_DEVICES", "1");
            let out = home.path().join("sway.log");
            let log = File::create(&out).unwrap();
            let mut sway = sway.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
            let mut grim = command(home, "grim");
            grim.env("WAYLAND_DISPLAY", "wayland-1").args(["-t", "ppm", "-"]);
            let picture = wait::try_until(SOON, || {
                let picture = grim.output().unwrap().stdout;
                has_colour(&picture, shown).then_some(picture)
            });
            sway.kill().unwrap();
            sway.wait().unwrap();
            let log = || fs::read_to_string(&out).unwrap();
            assert!(picture.is_some_and(|picture| !has_colour(&picture, hidden)), "{days} days: {}", log());
        });
    }
}

const COLOUR_OK: [u8; 3] = [1, 200, 3];
const COLOUR_DUE: [u8; 3] = [200, 2, 3];

/// Whether a picture in the PPM format, whose pixels come last, has a pixel of this colour.
fn has_colour(picture: &[u8], colour: [u8; 3]) -> bool {
    picture.rchunks_exact(3).any(|pixel| pixel == colour)
}

#[test]
fn waybar_gets_json() {
    let config = waybar_config();
    let module = &config["custom/credd"];
    assert_eq!((&module["return-type"], module["interval"].is_u64()), (&"json".into(), true), "{module}");
    let exec = module["exec"].as_str().unwrap();
    for (days, short, class, tooltip) in [
        (1, "bedrock 29d", "ok", ""),
        (26, "bedrock 4d", "due", "bedrock: 4 days left"),
        (31, "bedrock expired", "expired", "bedrock: it has expired"),
    ] {
        with_key(days, |home| {
            install_for_waybar(home);
            let output = shell(home, exec);
            assert!(output.status.success(), "{}", said(&output));
            let line: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(line, serde_json::json!({"text": short, "tooltip": tooltip, "class": class}));
            assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
        });
    }
}

/// Or it would vanish from the bar.
#[test]
fn a_bar_says_that_nothing_can_be_told() {
    let home = Home::new();
    home.write_config("nonsense = 1\n");
    install_for_waybar(&home);
    let shown = |line: &str| String::from_utf8(shell(&home, line).stdout).unwrap();
    let between = |name: &str, start: &str, end: &str| {
        let text = text(name);
        let (_, rest) = text.split_once(start).unwrap();
        shown(rest.split_once(end).unwrap().0)
    };
    let line: Value = serde_json::from_str(&shown(waybar_config()["custom/credd"]["exec"].as_str().unwrap())).unwrap();
    assert_eq!(line, serde_json::json!({"text": "credd ?", "tooltip": "", "class": "unknown"}));
    assert_eq!(between("polybar.ini", "exec = ", "\n"), "%{F#e5c07b}credd ?%{F-}\n");
    assert_eq!(between("tmux.conf", "#(", ")"), "credd ?\n");
    assert_eq!(between("starship.toml", "command = \"", "\"\n"), "credd ?\n");
    let line: Value = serde_json::from_str(&between("i3status-rust.toml", "'''", "'''")).unwrap();
    assert_eq!(line, serde_json::json!({"state": "Critical", "text": "credd ?"}));
}

#[test]
fn starship_is_told_when_and_what() {
    let config: toml::Table = text("starship.toml").parse().unwrap();
    let module = &config["custom"]["credd"];
    assert_eq!(module["shell"][0].as_str(), Some("sh"));
    for (days, is_shown) in [(1, false), (26, true)] {
        with_key(days, |home| {
            assert_eq!(shell(home, module["when"].as_str().unwrap()).status.success(), is_shown);
            let output = shell(home, module["command"].as_str().unwrap());
            assert!(output.stdout.starts_with(b"bedrock "), "{}", said(&output));
        });
    }
}

fn is_long() -> bool {
    std::env::var_os("CREDD_LONG").is_some()
}

/// The first prompt of a real bash with the snippet in starship's configuration, and its colours. credd is where `credd` says.
fn prompt_by_starship(home: &Home, credd: &str) -> String {
    let starship = installed("tools/bin/starship", "bars");
    // The snippet is appended to something. A busy machine may need more than the half second that starship gives a command, and
    // a blank at the end of a line, where it would stand in starship's own format, is not to be seen.
    let config = format!("command_timeout = 20000\nformat = '$directory$custom$character'\n{}", text("starship.toml"));
    fs::write(home.config_dir().join("starship.toml"), config).unwrap();
    let pane = Pane::open(home, credd, 200);
    pane.enters(&format!("clear; eval \"$({} init bash)\"", starship.display()));
    pane.until("❯");
    pane.picture().0
}

#[test]
fn starship_shows_it() {
    if !is_long() {
        return; // starship takes minutes to build
    }
    for (days, shown) in [(26, "bedrock 4d"), (31, "bedrock expired")] {
        with_key(days, |home| {
            let prompt = prompt_by_starship(home, CREDD);
            assert!(prompt.contains(&format!("\x1b[1m\x1b[33m{shown}\x1b[0m")), "{days} days: {prompt:?}");
        });
    }
    // With nothing due there isn't even a blank of it, nor where credd isn't.
    with_key(1, |home| {
        let prompt = prompt_by_starship(home, CREDD);
        assert!(!prompt.contains("bedrock") && !prompt.contains("WARN"), "{prompt:?}");
        assert_eq!(prompt_by_starship(home, "/usr/bin/env"), prompt);
    });
}

/// What the real i3status-rust has i3bar show for the snippet: its text and colour, if anything.
fn shown_by_i3status_rust(mut command: Command, home: &Home) -> Option<(String, String)> {
    let directory = home.config_dir().join("i3status-rust");
    fs::create_dir_all(directory.join("themes")).unwrap();
    fs::write(directory.join("themes/test.toml"), I3STATUS_THEME).unwrap();
    fs::write(directory.join("config.toml"), format!("theme.theme = \"test\"\n{}", text("i3status-rust.toml"))).unwrap();
    let out = home.path().join("i3bar");
    let log = File::create(&out).unwrap();
    let mut bar = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let said = || fs::read_to_string(&out).unwrap();
    // Its first two lines have no block in them; the next is what came of the command.
    let blocks = wait::try_until(SOON, || {
        let lines = said();
        lines.lines().filter_map(|line| serde_json::from_str::<Vec<Value>>(line.trim_end_matches(',')).ok()).nth(2)
    });
    bar.kill().unwrap();
    bar.wait().unwrap();
    let blocks = blocks.unwrap_or_else(|| panic!("{}", said()));
    let part = |block: &Value, name: &str| block[name].as_str().unwrap_or_default().trim().to_owned();
    blocks.first().map(|block| (part(block, "full_text"), part(block, "color")))
}

const I3STATUS_THEME: &str = "good_fg = '#01c803'\nwarning_fg = '#c8b400'\ncritical_fg = '#c80203'\ninfo_fg = '#0a0b0c'\n";

#[test]
fn i3status_rust_shows_it() {
    if !is_long() {
        return; // i3status-rust takes minutes to build
    }
    let program = installed("tools/bin/i3status-rs", "bars");
    for (days, text, colour) in [(1, "bedrock 29d", "#01C803FF"), (26, "bedrock 4d", "#C8B400FF"), (31, "bedrock expired", "#C80203FF")] {
        with_key(days, |home| {
            let shown = shown_by_i3status_rust(command(home, &program), home);
            assert_eq!(shown, Some((text.to_owned(), colour.to_owned())), "{days} days");
        });
    }
    let home = Home::new();
    let shown = shown_by_i3status_rust(command(&home, &program), &home);
    assert_eq!(shown, Some(("credd: nothing known".to_owned(), "#0A0B0CFF".to_owned())));
    // Not even a blank where credd isn't.
    std::os::unix::fs::symlink("/bin/sh", home.path().join("sh")).unwrap();
    let mut without = home.command(&program);
    without.env("PATH", home.path()).stdin(Stdio::null());
    assert_eq!(shown_by_i3status_rust(without, &home), None);
}

#[test]
fn i3status_rust_gets_json() {
    let config: toml::Table = text("i3status-rust.toml").parse().unwrap();
    let block = &config["block"][0];
    assert_eq!((block["block"].as_str(), block["json"].as_bool(), block["shell"].as_str()), (Some("custom"), Some(true), Some("sh")));
    for (days, state, shown) in [(1, "Good", "bedrock 29d"), (26, "Warning", "bedrock 4d"), (31, "Critical", "bedrock expired")] {
        with_key(days, |home| {
            let output = shell(home, block["command"].as_str().unwrap());
            let line: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
            assert_eq!(line, serde_json::json!({"state": state, "text": shown}));
        });
    }
}

/// What the bar is given by such a script: credd as installed for one user, as the PATH of a desktop is short.
fn menu(home: &Home, name: &str) -> String {
    fs::create_dir_all(home.path().join(".cargo/bin")).unwrap();
    std::os::unix::fs::symlink(CREDD, home.path().join(".cargo/bin/credd")).unwrap();
    let output = home.command(bar(name)).env("PATH", "/usr/bin:/bin").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// How each of them is told to show a line of the menu as it is.
const ARGOS_PLAIN: &str = " | font=monospace trim=false useMarkup=false unescape=false emojize=false";
const SWIFTBAR_PLAIN: &str = " | font=Menlo trim=false symbolize=false emojize=false";

#[test]
fn argos_and_swiftbar_get_a_title_and_a_menu() {
    for (days, argos, swiftbar) in [
        (1, "bedrock 29d", "bedrock 29d"),
        (26, "\u{2060}<span color=\"orange\">bedrock 4d</span>", "bedrock 4d | color=orange"),
        (31, "\u{2060}<span color=\"red\">bedrock expired</span>", "bedrock expired | color=red"),
    ] {
        for (name, title, plain) in [("argos.1m.sh", argos, ARGOS_PLAIN), ("swiftbar.1m.sh", swiftbar, SWIFTBAR_PLAIN)] {
            with_key(days, |home| {
                let text = menu(home, name);
                let parts: Vec<&str> = text.split("---\n").collect();
                assert_eq!((parts.len(), parts[0]), (3, &*format!("{title}\n")), "{text}");
                assert!(parts[1].contains(&format!("AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env{plain}\n")), "{text}");
                // One bar in each line begins its attributes.
                assert!(parts[1].lines().chain(parts[2].lines()).all(|line| line.matches('|').count() == 1), "{text}");
                let credd = home.path().join(".cargo/bin/credd").display().to_string();
                let action = match name {
                    "argos.1m.sh" => format!("bash=\"'{credd}' renew\""),
                    _ => format!("bash=\"{credd}\" param1=renew"),
                };
                assert_eq!(parts[2], format!("Renew… | {action} terminal=true\n"));
            });
        }
    }
}

#[test]
fn argos_and_swiftbar_show_what_is_wrong_as_it_is() {
    for (name, title, shown) in [
        ("argos.1m.sh", "<span color=\"red\">credd ?</span>\n---\n", format!(r"1 : keys = 3 # R&D <a:b:c> \t{ARGOS_PLAIN}")),
        ("swiftbar.1m.sh", "credd ? | color=red\n---\n", format!(r"1 : keys = 3 # R&D <a:b:c> \\t{SWIFTBAR_PLAIN}")),
    ] {
        let home = Home::new();
        home.write_config("keys = 3 # R&D <a|b|c> \\t\n");
        let text = menu(&home, name);
        assert!(text.contains(title) && text.lines().any(|line| line == shown), "{text}");
    }
}
