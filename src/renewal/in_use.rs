//! What tracked files hold: nothing of that is removed.

use crate::consumers::environment;
use crate::core::{Anatomy, Fingerprint, KeyKind, Trouble};
use crate::keys;
use crate::salt::Salt;
use crate::secret::Secret;
use crate::worker::job::KeyVariable;

/// The values that are in tracked files now.
pub(super) struct InUse {
    values: Vec<Secret>,
}

impl InUse {
    /// Reads the files; an error where one can't be read for certain, since it may hold anything.
    pub(super) fn read(tracked: &[KeyVariable]) -> Result<Self, Trouble> {
        let values = tracked.iter().filter_map(|key| {
            let found = environment::look(key).map_err(|why| Trouble {
                detail: format!("{} can't be read for certain, and may hold any key: {why}", key.env_file.display()),
                fix: format!("see that it gives {} a plain value, or don't track it", key.variable),
                sign_in: false,
            });
            found.transpose()
        });
        Ok(Self { values: values.collect::<Result<_, _>>()? })
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

/// A long-term key's IAM user and its left half, `USER-at-ACCOUNT`.
pub(super) fn identity(value: &Secret) -> Option<(String, String)> {
    match keys::anatomy(value.expose()) {
        Anatomy { kind: KeyKind::BedrockLongTerm, user: Some(user), account: Some(account), .. } => {
            let name = format!("{user}-at-{account}");
            Some((user, name))
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
