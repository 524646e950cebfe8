//! The service as a unit of the user's systemd.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{InstallOptions, Managed, Result, ServiceError, file, has_control, words, words_of};

/// The unit's name.
pub const UNIT: &str = "credd.service";

/// The unit as packages ship it.
const SHIPPED: &str = include_str!("../../systemd/credd.service");

/// What names program, options and `PATH`, line by line.
fn own_lines(exe: &str, arguments: &[String], search_path: &str) -> Result<[String; 2]> {
    // systemd 252 refuses the unit ("Executable name contains special characters").
    if has_control(exe) || exe.contains(['"', '\'', '\\']) {
        return Err(ServiceError::Unfit {
            what: format!("{exe:?}"),
            why: "systemd allows no quotes, backslashes and control characters in a program's path",
        });
    }
    let mut start = format!("ExecStart=\"{}\"", exe.replace('%', "%%"));
    for word in arguments {
        start.push_str(" \"");
        start.push_str(&escape(word).replace('$', "$$"));
        start.push('"');
    }
    start.push_str(" run");
    Ok([start, format!("Environment=\"PATH={}\"", escape(search_path))])
}

/// The unit for this program, these options and this `PATH`.
pub(super) fn render(exe: &str, arguments: &[String], search_path: &str) -> Result<String> {
    let [start, environment] = own_lines(exe, arguments, search_path)?;
    let mut text = format!(
        "# {}. `credd install` writes this file again: put changes of\n\
         # your own into a drop-in (systemctl --user edit credd).\n",
        file::MARKER
    );
    // Instead of the comment that the shipped unit begins with.
    for line in SHIPPED.lines().skip_while(|line| line.starts_with('#')) {
        if line.starts_with("ExecStart=") {
            text.push_str(&start);
            text.push('\n');
            text.push_str(&environment);
        } else if line.starts_with("Documentation=man:") {
            // Packages bring the page along; this command doesn't, and systemd-analyze would miss it.
            continue;
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    Ok(text)
}

/// What is laid over a package's unit.
pub(super) fn render_drop_in(exe: &str, arguments: &[String], search_path: &str) -> Result<String> {
    let [start, environment] = own_lines(exe, arguments, search_path)?;
    // An empty one takes back the package's.
    let start = if arguments.is_empty() { String::new() } else { format!("ExecStart=\n{start}\n") };
    Ok(format!(
        "# {}. `credd install` writes this file again, `credd uninstall` removes it.\n[Service]\n{start}{environment}\n",
        file::MARKER
    ))
}

/// For between double quotes (systemd.syntax(7)), `%` being the sign of a specifier (systemd.unit(5)).
/// `$` is left: it has a meaning in arguments, and none in `Environment=` and in a program's path.
fn escape(word: &str) -> String {
    word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

fn unescape(word: &str) -> String {
    word.replace("%%", "%").replace("\\\"", "\"").replace("\\\\", "\\")
}

/// The program that a unit starts, and the `PATH` that it gives it.
pub(super) fn parts(unit: &str) -> (Option<String>, Option<String>) {
    let after = |before: &str| unit.lines().find_map(|line| line.strip_prefix(before));
    let program = after("ExecStart=").map(|rest| match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default().replace("%%", "%"),
        // As packages have it.
        None => rest.split(' ').next().unwrap_or_default().to_owned(),
    });
    let search_path = after("Environment=\"PATH=").and_then(|rest| rest.strip_suffix('"')).map(unescape);
    (program, search_path)
}

/// What says how the unit stands.
pub(super) fn showing() -> Vec<String> {
    systemctl(["show", "-p", "LoadState,UnitFileState,ActiveState,FragmentPath", UNIT])
}

/// Reads what that says; the second is where the unit's file is.
pub(super) fn shown(said: &str) -> Option<(Managed, Option<PathBuf>)> {
    let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    let managed = Managed {
        known: value("LoadState") == "loaded",
        enabled: value("UnitFileState").starts_with("enabled"),
        active: value("ActiveState") == "active",
    };
    let file = Some(value("FragmentPath")).filter(|path| !path.is_empty()).map(PathBuf::from);
    said.contains("LoadState=").then_some((managed, file))
}

fn systemctl<const N: usize>(list: [&str; N]) -> Vec<String> {
    let mut command = words(["systemctl", "--user"]);
    command.extend(list.map(str::to_owned));
    command
}

/// What starts it. `start` and `restart` return once the daemon has said that it is ready.
pub(super) fn starting(current: bool) -> Vec<Vec<String>> {
    let verb = if current { "start" } else { "restart" };
    vec![systemctl(["daemon-reload"]), systemctl(["enable", UNIT]), systemctl([verb, UNIT]), systemctl(["is-active", UNIT])]
}

/// What stops it.
pub(super) fn stopping() -> Vec<Vec<String>> {
    vec![systemctl(["disable", "--now", UNIT])]
}

pub(super) fn runs(options: &InstallOptions) -> bool {
    standing().iter().all(|command| says_yes(options, command))
}

pub(super) fn is_wanted(options: &InstallOptions) -> bool {
    standing().iter().any(|command| says_yes(options, command))
}

fn standing() -> [Vec<String>; 2] {
    [systemctl(["is-enabled", UNIT]), systemctl(["is-active", UNIT])]
}

fn says_yes(options: &InstallOptions, command: &[String]) -> bool {
    options.run(command).is_ok_and(|output| output.status.success())
}

/// Whether what runs is another program than the one that stands there now: its file was changed after
/// the start. (That the daemon's `/proc/PID/exe` could tell is denied: it keeps out debuggers.)
pub(super) fn is_outdated(options: &InstallOptions) -> bool {
    let mut show = systemctl(["show", "--timestamp=us+utc", "-P", "ExecMainStartTimestamp"]);
    show.push(UNIT.to_owned());
    let Ok(output) = options.run(&show) else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    // `Sun 2026-11-22 15:51:35.721017 UTC`
    let mut words = text.split_whitespace().skip(1);
    let started = format!("{}T{}Z", words.next().unwrap_or_default(), words.next().unwrap_or_default()).parse::<jiff::Timestamp>();
    let changed = std::fs::metadata(&options.exe)
        .and_then(|data| jiff::Timestamp::new(data.ctime(), i32::try_from(data.ctime_nsec()).unwrap_or(0)).map_err(std::io::Error::other));
    matches!((started, changed), (Ok(started), Ok(changed)) if changed > started)
}

pub(super) fn start(options: &InstallOptions, path: &Path, current: bool) -> Result<()> {
    let not_started = |reason: String| ServiceError::NotStarted {
        path: path.to_owned(),
        reason,
        next: "Log in as this user (or run: loginctl enable-linger), then: \
               systemctl --user daemon-reload && systemctl --user enable --now credd"
            .to_owned(),
    };
    for command in starting(current) {
        let output = match options.run(&command) {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ServiceError::NotStarted {
                    path: path.to_owned(),
                    reason: "there is no systemctl here to start it".to_owned(),
                    next: "Have credd run started at login".to_owned(),
                });
            }
            Err(error) => return Err(not_started(format!("systemctl can't be run ({error})"))),
        };
        if output.status.success() {
            continue;
        }
        let said = words_of(&output);
        if has_no_manager(&said) {
            return Err(not_started(format!("your systemd can't be reached ({said})")));
        }
        return Err(ServiceError::Manager { command: command.join(" "), said, next: "See: journalctl --user -u credd -n 20".to_owned() });
    }
    Ok(())
}

/// systemctl's words where the user has no session, and where systemd isn't what runs the machine.
fn has_no_manager(said: &str) -> bool {
    said.contains("connect to bus") || said.contains("has not been booted with systemd")
}

pub(super) fn stop(options: &InstallOptions) -> std::result::Result<(), String> {
    for command in stopping() {
        match options.run(&command) {
            Ok(output) if output.status.success() => {}
            Ok(output) => return Err(words_of(&output)),
            Err(error) => return Err(format!("systemctl can't be run ({error})")),
        }
    }
    Ok(())
}

/// Has systemd read its files again. Where it can't be asked, it reads them when it starts.
pub(super) fn reload(options: &InstallOptions) {
    let _ = options.run(&systemctl(["daemon-reload"]));
}

/// What follows the removal of the file.
pub(super) fn forget(options: &InstallOptions) {
    // Only tidies up: a unit without a file goes by itself once it is stopped.
    reload(options);
    let _ = options.run(&systemctl(["reset-failed", UNIT]));
}

pub(super) fn advice() -> Vec<String> {
    words(["systemctl --user status credd", "journalctl --user -u credd -f"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_names_program_options_and_path() {
        let options = ["--config", "/x$HOME/y%z/q\"w/back\\slash"].map(str::to_owned);
        let unit = render("/opt/a $b%c é/credd", &options, "/x$HOME/y%z/q\"w:/bin").unwrap();
        let lines: Vec<_> = unit.lines().collect();
        assert!(lines[0].starts_with("# Installed by credd"), "{unit}");
        // As systemd 252 was seen to read it.
        assert!(lines.contains(&r#"ExecStart="/opt/a $b%%c é/credd" "--config" "/x$$HOME/y%%z/q\"w/back\\slash" run"#));
        assert!(lines.contains(&r#"Environment="PATH=/x$HOME/y%%z/q\"w:/bin""#));
        assert_eq!(unit.matches("ExecStart=").count(), 1);
        assert!(!unit.contains("man:"), "{unit}");
        assert!(unit.contains("\n[Install]\n") && unit.ends_with('\n'));
    }

    #[test]
    fn what_is_laid_over_a_package_s_unit_says_no_more_than_it_must() {
        let text = render_drop_in("/usr/bin/credd", &[], "/x:/bin").unwrap();
        assert!(text.starts_with("# Installed by credd"), "{text}");
        assert!(text.ends_with("\n[Service]\nEnvironment=\"PATH=/x:/bin\"\n"), "{text}");
        let text = render_drop_in("/usr/bin/credd", &["-v".to_owned()], "/bin").unwrap();
        assert!(text.contains("\n[Service]\nExecStart=\nExecStart=\"/usr/bin/credd\" \"-v\" run\nEnvironment="), "{text}");
    }

    #[test]
    fn what_systemd_can_t_start_is_refused() {
        for exe in ["/a\"b/credd", "/a'b/credd", "/a\\b/credd", "/a\nb/credd"] {
            assert!(render(exe, &[], "/bin").is_err(), "{exe:?}");
        }
    }
}
