//! The service as an agent of the user's launchd.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{InstallOptions, Result, ServiceError, has_control, words, words_of};

/// The agent's label.
pub const LABEL: &str = "dev.credd.agent";

/// The agent but for program, `PATH` and log.
const TEMPLATE: &str = include_str!("../../launchd/dev.credd.agent.plist");

/// A `bootout` is answered before it is done; until then `bootstrap` fails with error 5.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// The agent for this program, these options and this `PATH`.
pub(super) fn render(exe: &str, arguments: &[String], search_path: &str, home: &Path) -> Result<String> {
    let log = log(home);
    let log = log.to_str().filter(|log| !has_control(log));
    let log = log.ok_or_else(|| ServiceError::Unfit {
        what: home.display().to_string(),
        why: "there are characters in its name that a property list can't hold",
    })?;
    if has_control(exe) {
        return Err(ServiceError::Unfit { what: format!("{exe:?}"), why: "there is a control character in its path" });
    }
    let mut text = String::new();
    for line in TEMPLATE.lines() {
        if line.contains("@ARGUMENT@") {
            let options = arguments.iter().map(String::as_str);
            for word in std::iter::once(exe).chain(options).chain(["run"]) {
                text.push_str(&line.replace("@ARGUMENT@", &escape(word)));
                text.push('\n');
            }
        } else {
            let line = line.replace("@PATH@", &escape(search_path));
            text.push_str(&line.replace("@LOG@", &escape(log)));
            text.push('\n');
        }
    }
    Ok(text)
}

fn escape(word: &str) -> String {
    word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The program that an agent starts, and the `PATH` that it gives it.
pub(super) fn parts(plist: &str) -> (Option<String>, Option<String>) {
    let string_after = |key: &str| {
        let (_, rest) = plist.split_once(&format!("<key>{key}</key>"))?;
        let (_, rest) = rest.split_once("<string>")?;
        let (text, _) = rest.split_once("</string>")?;
        Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    };
    (string_after("ProgramArguments"), string_after("PATH"))
}

fn log(home: &Path) -> PathBuf {
    home.join("Library/Logs/credd.log")
}

/// The domain of the user's session on the screen, which alone has notifications.
fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn service() -> String {
    format!("{}/{LABEL}", domain())
}

fn bootout() -> Vec<String> {
    words(["launchctl", "bootout", &service()])
}

/// What starts it. One that is loaded already must go first.
pub(super) fn starting(path: &Path) -> Vec<Vec<String>> {
    let path = path.to_string_lossy();
    vec![bootout(), words(["launchctl", "enable", &service()]), words(["launchctl", "bootstrap", &domain(), &path])]
}

/// What stops it.
pub(super) fn stopping() -> Vec<Vec<String>> {
    vec![bootout()]
}

/// What says whether it is loaded.
pub(super) fn printing() -> Vec<String> {
    words(["launchctl", "print", &service()])
}

pub(super) fn runs(options: &InstallOptions) -> bool {
    let asked = options.run(&printing());
    asked.is_ok_and(|output| output.status.success())
}

pub(super) fn start(options: &InstallOptions, path: &Path) -> Result<()> {
    let missing = |error: &std::io::Error| ServiceError::NotStarted {
        path: path.to_owned(),
        reason: if error.kind() == ErrorKind::NotFound {
            "there is no launchctl here to start it".to_owned()
        } else {
            format!("launchctl can't be run ({error})")
        },
        next: "Have credd run started at login".to_owned(),
    };
    let [bootout, enable, bootstrap] = <[_; 3]>::try_from(starting(path)).unwrap_or_default();
    // It fails where nothing is loaded, and where there is nothing to enable.
    options.run(&bootout).map_err(|error| missing(&error))?;
    options.run(&enable).map_err(|error| missing(&error))?;
    for attempt in 1.. {
        let output = options.run(&bootstrap).map_err(|error| missing(&error))?;
        if output.status.success() {
            break;
        }
        if attempt < ATTEMPTS && output.status.code() == Some(5) {
            thread::sleep(PAUSE);
            continue;
        }
        return Err(ServiceError::Manager {
            command: bootstrap.join(" "),
            said: words_of(&output),
            next: "Error 5 means that nobody is logged in on the screen (over ssh, say) or that the \
                   agent is still loaded: log in there and run credd install again"
                .to_owned(),
        });
    }
    Ok(())
}

pub(super) fn stop(options: &InstallOptions) -> std::result::Result<(), String> {
    match options.run(&bootout()) {
        Ok(output) if output.status.success() || !runs(options) => Ok(()),
        Ok(output) => Err(words_of(&output)),
        Err(error) => Err(format!("launchctl can't be run ({error})")),
    }
}

pub(super) fn advice(home: &Path) -> Vec<String> {
    vec![format!("launchctl print {}", service()), format!("tail -f {}", log(home).display())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_names_program_options_path_and_log() {
        let options = ["--config", "/a & <b>"].map(str::to_owned);
        let home = Path::new("/Users/u");
        let agent = render("/opt/credd", &options, "/usr/bin:/a&b", home).unwrap();
        for line in [
            "        <string>/opt/credd</string>\n        <string>--config</string>",
            "        <string>/a &amp; &lt;b&gt;</string>\n        <string>run</string>",
            "<key>PATH</key><string>/usr/bin:/a&amp;b</string>",
            "<string>/Users/u/Library/Logs/credd.log</string>",
        ] {
            assert!(agent.contains(line), "{line} is missing in {agent}");
        }
        assert!(!agent.contains('@'), "{agent}");
        assert!(agent.contains(&format!("<string>{LABEL}</string>")));
        assert!(render("/a\nb", &[], "/bin", home).is_err());
    }
}
