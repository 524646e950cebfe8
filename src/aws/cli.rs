//! Running the AWS CLI: bounded in time and output, without input, and never with a secret among its arguments.

use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access;
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use serde::de::DeserializeOwned;

use super::trouble::{Failure, Kind, classify};
use crate::bounded::{self, Ended, Said};
use crate::clock;
use crate::core::Trouble;
use crate::secret::Secret;

/// For one command, its own tries included. Past it, its process group is killed.
const LIMIT: Duration = Duration::from_mins(1);
/// Of the answer: a thousand credentials are a third of it.
const MOST_ANSWER: usize = 1 << 20;
/// Of what it says is wrong.
const MOST_TROUBLE: usize = 16 * 1024;

/// Variables that aren't for it: the key that is tracked would be tried as its credentials, and what follows would
/// change the form of what it says.
const NOT_FOR_IT: &[&str] =
    &["AWS_BEARER_TOKEN_BEDROCK", "AWS_DEFAULT_OUTPUT", "LITELLM_MASTER_KEY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The user's AWS CLI, with a profile.
pub struct Cli<'a> {
    profile: Option<&'a str>,
    held: Option<BorrowedFd<'a>>,
}

/// Whether a command may be sent again by the CLI itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tries {
    /// As often as its configuration says: asking, or doing what is done once however often it is said.
    Several,
    /// One request, whatever comes of it: a second one would make a second key.
    One,
}

impl<'a> Cli<'a> {
    /// With a profile, `None` (or an empty one) for what the environment and its configuration say.
    pub fn new(profile: Option<&'a str>) -> Self {
        Self { profile: profile.filter(|name| !name.is_empty()), held: None }
    }

    /// The same, with a file that stays open in it: a lock that is to last until even a CLI has ended whose worker
    /// was killed.
    #[must_use]
    pub fn holding(self, lock: BorrowedFd<'a>) -> Self {
        Self { held: Some(lock), ..self }
    }

    /// Its profile.
    pub fn profile(&self) -> Option<&'a str> {
        self.profile
    }

    /// A command line for the user to run, such as `aws iam …`.
    pub fn line(&self, words: &[&str]) -> String {
        let profile = self.profile.map(|name| ["--profile", name]).unwrap_or_default();
        let words = ["aws"].iter().chain(words).chain(profile.iter().filter(|word| !word.is_empty()));
        words.map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// Runs a command and reads its answer as JSON.
    pub(super) fn ask<T: DeserializeOwned>(&self, words: &[&str], tries: Tries) -> Result<T, Failure> {
        let said = self.run(words, tries)?;
        self.understand(words, &said)
    }

    /// Reads what a command printed as JSON.
    pub(super) fn understand<T: DeserializeOwned>(&self, words: &[&str], said: &Secret) -> Result<T, Failure> {
        serde_json::from_slice(said.expose()).map_err(|error| {
            // Where, not what: the text may hold a secret.
            let place = format!("line {} column {}", error.line(), error.column());
            Failure {
                kind: Kind::Unclear,
                trouble: Trouble {
                    detail: format!("{} answered something that credd doesn't understand ({place})", command(words)),
                    fix: format!("run it yourself to see what it says: {}", self.line(words)),
                    sign_in: false,
                },
            }
        })
    }

    /// Runs a command to its end: what it printed.
    pub(super) fn run(&self, words: &[&str], tries: Tries) -> Result<Secret, Failure> {
        let program = find().ok_or_else(missing)?;
        let mut argv: Vec<&OsStr> = vec![OsStr::new("aws")];
        argv.extend(words.iter().map(OsStr::new));
        // Not --no-cli-pager and the like: version 1 knows none of these, and their variables are as good.
        argv.extend(["--output", "json", "--color", "off", "--cli-connect-timeout", "10", "--cli-read-timeout", "30"].map(OsStr::new));
        if let Some(profile) = self.profile {
            argv.extend([OsStr::new("--profile"), OsStr::new(profile)]);
        }
        let own = environment(self.profile.is_some(), tries);
        let entries = own.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let say = |error: std::io::Error| Failure {
            kind: Kind::Other,
            trouble: Trouble {
                detail: format!("{} can't be run: {error}", program.display()),
                fix: "see that `aws --version` works in a terminal".to_owned(),
                sign_in: false,
            },
        };
        let (mut out, out_writer) = Said::pipe(MOST_ANSWER).map_err(say)?;
        let (mut err, err_writer) = Said::pipe(MOST_TROUBLE).map_err(say)?;
        let passed = self.held.map(Passed::on);
        let child = bounded::spawn(&program, &argv, Path::new("/"), entries, [out_writer, err_writer]);
        drop(passed);
        let mut child = child.map_err(say)?;
        let ended = bounded::follow(&mut [&mut out, &mut err], clock::monotonic() + LIMIT, || bounded::end_of(&mut child));
        if ended.is_none() {
            if let Ok(leader) = i32::try_from(child.id()) {
                bounded::kill_group(leader);
            }
            let _ = child.wait();
        }
        match ended {
            Some(Ended::Exit(0)) if !out.is_cut() => Ok(Secret::copy(out.bytes())),
            Some(Ended::Exit(0)) => Err(self.unclear(words, "answered with more than a megabyte")),
            Some(Ended::Exit(_)) => Err(classify(&String::from_utf8_lossy(err.bytes()), self, &command(words))),
            Some(other) => Err(self.unclear(words, &other.to_string())),
            None => Err(self.unclear(words, &Ended::Not(LIMIT).to_string())),
        }
    }

    fn unclear(&self, words: &[&str], what: &str) -> Failure {
        Failure {
            kind: Kind::Unclear,
            trouble: Trouble {
                detail: format!("{} {what}", command(words)),
                fix: format!("see what it does in a terminal: {}", self.line(&["sts", "get-caller-identity"])),
                sign_in: false,
            },
        }
    }
}

/// Its name in a message: `aws iam list-users`.
fn command(words: &[&str]) -> String {
    let named = words.iter().take_while(|word| !word.starts_with('-'));
    ["aws"].iter().chain(named).copied().collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=+,@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let is_executable = |file: &PathBuf| file.is_file() && rustix::fs::access(file, Access::EXEC_OK).is_ok();
    std::env::split_paths(&path).filter(|dir| dir.is_absolute()).map(|dir| dir.join("aws")).find(is_executable)
}

fn missing() -> Failure {
    Failure {
        kind: Kind::Other,
        trouble: Trouble {
            detail: "the AWS CLI isn't on credd's PATH".to_owned(),
            fix: "install it (https://aws.amazon.com/cli/), then run `credd install` in a shell in which `aws --version` works, so that \
                  the service gets that PATH"
                .to_owned(),
            sign_in: false,
        },
    }
}

fn environment(has_profile: bool, tries: Tries) -> Vec<(OsString, OsString)> {
    let is_for_it = |name: &OsStr| match name.to_str() {
        // The user's own choice, unless credd was told another.
        Some("AWS_PROFILE" | "AWS_DEFAULT_PROFILE") => !has_profile,
        Some(name) => !NOT_FOR_IT.contains(&name),
        None => true,
    };
    let mut all: Vec<_> = [
        // Nobody could turn the page, or answer what it asks.
        ("AWS_PAGER", ""),
        ("AWS_CLI_AUTO_PROMPT", "off"),
        // What it says is read in English, and its Python must not fail at a letter of a user's name.
        ("LC_ALL", "C.UTF-8"),
        ("PYTHONIOENCODING", "utf-8"),
    ]
    .iter()
    .chain((tries == Tries::One).then_some(&("AWS_MAX_ATTEMPTS", "1")))
    .map(|&(name, value)| (OsString::from(name), OsString::from(value)))
    .collect();
    // Of two entries the first counts.
    all.extend(std::env::vars_os().filter(|(name, _)| is_for_it(name)));
    all
}

/// A file that programs started meanwhile get as well. Nothing else is started then: the worker has one thread.
struct Passed<'a>(BorrowedFd<'a>);

impl<'a> Passed<'a> {
    fn on(file: BorrowedFd<'a>) -> Self {
        let _ = fcntl_getfd(file).and_then(|flags| fcntl_setfd(file, flags - FdFlags::CLOEXEC));
        Self(file)
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        let _ = fcntl_getfd(self.0).and_then(|flags| fcntl_setfd(self.0, flags | FdFlags::CLOEXEC));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_the_user_can_be_pasted() {
        assert_eq!(Cli::new(Some("my corp")).line(&["sso", "login"]), "aws sso login --profile 'my corp'");
        assert_eq!(Cli::new(None).line(&["sso", "login"]), "aws sso login");
        assert_eq!(Cli::new(Some("")).profile(), None);
        assert_eq!(quoted("a'b"), r"'a'\''b'");
        assert_eq!(command(&["iam", "list-users", "--user-name", "u"]), "aws iam list-users");
    }

    #[test]
    fn a_key_is_made_by_one_request() {
        let get = |tries| environment(true, tries).into_iter().find(|(name, _)| name == "AWS_MAX_ATTEMPTS").map(|(_, value)| value);
        assert_eq!(get(Tries::One), Some("1".into()));
        assert_ne!(get(Tries::Several), Some("1".into()));
    }
}
