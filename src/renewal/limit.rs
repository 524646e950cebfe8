//! IAM's limit of two keys for a user.

use super::in_use::InUse;
use crate::aws::Cli;
use crate::aws::iam::{self, Record};
use crate::core::{CredentialStatus, Trouble};

/// Keys that IAM allows a user for one service.
pub(super) const MOST: usize = 2;

/// What makes room for one more key of a user with these: nothing, or one that is to be removed first; else why not.
///
/// Only what serves nobody any more is removed: expired or inactive, certainly in no tracked file, and not `old`.
/// Where it isn't known which one that is, none.
pub(super) fn room<'r>(
    records: &[&'r Record],
    old: Option<&Record>,
    in_use: Result<&InUse, &Trouble>,
    cli: &Cli<'_>,
    user: &str,
) -> Result<Option<&'r Record>, Trouble> {
    if records.len() < MOST {
        return Ok(None);
    }
    let Some(old) = old else { return Err(full(records, None, cli, user)) };
    let is_free = |record: &&&Record| {
        record.credential.status != CredentialStatus::Active
            && record.credential.id != old.credential.id
            && record.has_name()
            && in_use.is_ok_and(|all| !all.has_named(|name| record.is_named(name)))
    };
    // What can't be made active again first.
    let order = |record: &&&Record| (record.credential.status != CredentialStatus::Expired, record.credential.created_at);
    match records.iter().filter(is_free).min_by_key(order) {
        Some(spare) => Ok(Some(spare)),
        None => Err(
            if others(records, old).all(|other| other.has_name() && in_use.is_ok_and(|all| !all.has_named(|name| other.is_named(name)))) {
                full(records, Some(old), cli, user)
            } else {
                may_be_used(cli, user)
            },
        ),
    }
}

fn others<'r>(records: &[&'r Record], old: &Record) -> impl Iterator<Item = &'r Record> {
    records.iter().copied().filter(|record| record.credential.id != old.credential.id)
}

/// That there is no room, where what could make some may be in a tracked file.
fn may_be_used(cli: &Cli<'_>, user: &str) -> Trouble {
    Trouble {
        detail: format!("IAM allows two keys for a user, and each of {user} is in a tracked file, or may be"),
        fix: format!(
            "put the newer one wherever the older one is, or make a user of its own for each file; which keys there are: {}",
            iam::list_line(cli, user)
        ),
        sign_in: false,
    }
}

/// That there is no room, and how to make some.
pub(super) fn full(records: &[&Record], old: Option<&Record>, cli: &Cli<'_>, user: &str) -> Trouble {
    let other = old.and_then(|old| others(records, old).next());
    let fix = match other {
        Some(other) => format!("revoke one: {}", iam::deletion_line(cli, user, &other.credential.id)),
        None => format!("revoke one that isn't used any more; see which there are: {}", iam::list_line(cli, user)),
    };
    Trouble { detail: format!("IAM allows two keys for a user, and both of {user} are active or in use"), fix, sign_in: false }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::core::Credential;
    use crate::worker::job::KeyVariable;

    fn record(id: &str, status: CredentialStatus) -> Record {
        let credential =
            Credential { id: id.to_owned(), user: "u".to_owned(), created_at: Timestamp::UNIX_EPOCH, expires_at: None, status };
        Record { credential, alias: Some(format!("{id}-at-123456789012")), user_name: None }
    }

    fn of(records: &[Record], old: Option<usize>, in_use: Result<&InUse, &Trouble>) -> Result<Option<String>, String> {
        let all: Vec<&Record> = records.iter().collect();
        let spare = room(&all, old.map(|at| &records[at]), in_use, &Cli::new(None), "u");
        spare.map(|spare| spare.map(|record| record.credential.id.clone())).map_err(|trouble| trouble.fix)
    }

    #[test]
    fn only_what_serves_nobody_makes_room() {
        use CredentialStatus::{Active, Expired, Inactive};
        let none = InUse::read(&[]).unwrap();
        assert_eq!(of(&[record("a", Active)], Some(0), Ok(&none)), Ok(None));
        assert_eq!(of(&[record("a", Active), record("b", Inactive)], Some(0), Ok(&none)), Ok(Some("b".to_owned())));
        assert_eq!(of(&[record("a", Active), record("b", Expired)], Some(0), Ok(&none)), Ok(Some("b".to_owned())));
        let fix = of(&[record("a", Expired), record("b", Active)], Some(0), Ok(&none)).unwrap_err();
        assert!(fix.ends_with("delete-service-specific-credential --user-name u --service-specific-credential-id b"), "{fix}");
        // Which one is in the file isn't known.
        assert!(of(&[record("a", Expired), record("b", Inactive)], None, Ok(&none)).is_err());
        let nameless = Record { alias: None, ..record("b", Inactive) };
        assert!(of(&[record("a", Active), nameless], Some(0), Ok(&none)).is_err());
    }

    #[test]
    fn what_a_file_holds_or_may_hold_is_left() {
        use CredentialStatus::{Active, Inactive};
        use base64::Engine;
        let dir = tempfile::tempdir().unwrap();
        let tracked = |text: &str| {
            std::fs::write(dir.path().join("env"), text).unwrap();
            [KeyVariable { name: "k".into(), variable: "KEY".to_owned(), env_file: dir.path().join("env") }]
        };
        let records = [record("a", Active), record("b", Inactive)];
        let key = format!("ABSK{}", base64::engine::general_purpose::STANDARD.encode("b-at-123456789012:planted"));
        let held = InUse::read(&tracked(&format!("export KEY={key}\n"))).unwrap();
        let fix = of(&records, Some(0), Ok(&held)).unwrap_err();
        assert!(!fix.contains("delete-service-specific-credential"), "what is in use is not to be revoked: {fix}");
        let both = [record("a", Active), record("b", Active)];
        let fix = of(&both, Some(0), Ok(&held)).unwrap_err();
        assert!(!fix.contains("delete-service-specific-credential"), "{fix}");
        let unknown = InUse::read(&tracked("export KEY=$(cat key)\n")).map(drop).unwrap_err();
        assert!(of(&records, Some(0), Err(&unknown)).is_err());
    }
}
