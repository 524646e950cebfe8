//! What tracked files hold: nothing of that is removed.

use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock;
use crate::consumers::environment;
use crate::core::{Anatomy, Fingerprint, KeyKind, Trouble};
use crate::keys;
use crate::salt::Salt;
use crate::secret::Secret;
use crate::worker::job::KeyVariable;

/// Between two looks that have to agree: a file in the middle of a change holds what it will not hold in a moment.
const QUIET: Duration = Duration::from_millis(300);
/// Before it is believed that a file has no value: an editor may be about to put it back.
const PATIENCE: Duration = Duration::from_secs(5);

/// The values that are in tracked files now.
pub(super) struct InUse {
    values: Vec<Secret>,
}

impl InUse {
    /// Reads the files until they stand still; an error where one can't be read for certain, since it may hold anything.
    pub(super) fn read(tracked: &[KeyVariable]) -> Result<Self, Trouble> {
        let end = clock::monotonic() + PATIENCE;
        let mut before = look(tracked);
        loop {
            if !tracked.is_empty() {
                thread::sleep(QUIET);
            }
            let is_late = clock::monotonic() >= end;
            let now = match (before, look(tracked)) {
                (Err(trouble), Err(_)) => return Err(trouble),
                (Ok(before), Ok(now)) if are_equal(&before, &now) && (is_late || now.iter().all(Option::is_some)) => {
                    return Ok(Self { values: now.into_iter().flatten().collect() });
                }
                (_, now) => now,
            };
            if is_late {
                return Err(Trouble {
                    detail: "env files are being changed all the time, and may hold any key".to_owned(),
                    fix: "wait until they are left alone".to_owned(),
                    sign_in: false,
                });
            }
            before = now;
        }
    }

    /// Whether a file holds the value with this fingerprint.
    pub(super) fn has(&self, fingerprint: Fingerprint, salt: &Salt) -> bool {
        self.values.iter().any(|value| salt.fingerprint(value.expose()) == fingerprint)
    }

    /// Whether a file holds a key with this left half.
    pub(super) fn has_named(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.values.iter().filter_map(identity).any(|(_, name)| is_it(&name))
    }
}

/// What each gives now.
fn look(tracked: &[KeyVariable]) -> Result<Vec<Option<Secret>>, Trouble> {
    let one = |key: &KeyVariable| {
        environment::look(key).map_err(|why| Trouble {
            detail: format!("{} can't be read for certain, and may hold any key: {why}", key.env_file.display()),
            fix: format!("see that it gives {} a plain value, or don't track it", key.variable),
            sign_in: false,
        })
    };
    tracked.iter().map(one).collect()
}

fn are_equal(some: &[Option<Secret>], others: &[Option<Secret>]) -> bool {
    let bytes = |value: &Option<Secret>| value.as_ref().map(|value| Zeroizing::new(value.expose().to_vec()));
    some.iter().map(bytes).eq(others.iter().map(bytes))
}

/// A long-term key's IAM user and its left half, `USER-at-ACCOUNT`.
pub(super) fn identity(value: &Secret) -> Option<(String, String)> {
    match keys::anatomy(value.expose()) {
        Anatomy { kind: KeyKind::BedrockLongTerm, user: Some(user), account: Some(account), .. } => {
            let name = format!("{user}-at-{account}");
            Some((user.into(), name))
        }
        _ => None,
    }
}

/// What is said of a key that isn't one of IAM's.
pub(super) fn not_iams() -> Trouble {
    Trouble {
        detail: "IAM knows no such keys: this isn't a long-term Bedrock key".to_owned(),
        fix: "set iam = \"off\" for it; a short-term key is renewed with kind = \"short-term\" and aws_profile".to_owned(),
        sign_in: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_middle_of_a_change_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let salt = Salt::load_or_create(dir.path()).unwrap();
        let path = dir.path().join("env");
        let tracked = [KeyVariable { name: "k".into(), variable: "KEY".to_owned(), env_file: path.clone() }];
        for half in ["", "export KEY=ABSK-pla", "export OTHER=1\n"] {
            std::fs::write(&path, half).unwrap();
            let editor = {
                let path = path.clone();
                thread::spawn(move || {
                    thread::sleep(QUIET / 2);
                    std::fs::write(path, "export KEY=ABSK-planted-001\n").unwrap();
                })
            };
            assert!(InUse::read(&tracked).unwrap().has(salt.fingerprint(b"ABSK-planted-001"), &salt), "{half}");
            editor.join().unwrap();
        }
    }

    #[test]
    fn a_file_that_is_gone_holds_nothing_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let salt = Salt::load_or_create(dir.path()).unwrap();
        let tracked = [KeyVariable { name: "k".into(), variable: "KEY".to_owned(), env_file: dir.path().join("none") }];
        let start = clock::monotonic();
        assert!(!InUse::read(&tracked).unwrap().has(salt.fingerprint(b""), &salt));
        assert!(start.elapsed() >= PATIENCE);
    }
}
