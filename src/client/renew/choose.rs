//! Which key is to be renewed.

use crate::client::{Failure, unknown};
use crate::protocol::{KeyStanding, KeyStatus, Status, those_there_are};

/// The key of that name; without one the only one, or the only one that needs it. The second value is true
/// where credd has chosen among several.
pub fn choose<'s>(status: &'s Status, name: Option<&str>) -> Result<(&'s KeyStatus, bool), Failure> {
    let names = || status.keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>();
    if let Some(name) = name {
        let found = status.keys.iter().find(|key| key.name == name);
        return found.map(|key| (key, false)).ok_or_else(|| unknown("key", name, &names()));
    }
    if let [only] = &status.keys[..] {
        return Ok((only, false));
    }
    let mut needy = status
        .keys
        .iter()
        .filter(|key| matches!(key.state, KeyStanding::Due | KeyStanding::Expired | KeyStanding::Rejected | KeyStanding::Missing));
    match (needy.next(), needy.next()) {
        (Some(one), None) => Ok((one, true)),
        _ => Err(Failure::usage("name the key to renew: credd renew NAME").hint(those_there_are(names().into_iter()))),
    }
}

/// What stands in the way of renewing it, known before anybody is asked for anything.
pub fn check(key: &KeyStatus, file: &str) -> Result<(), Failure> {
    let why = key.detail.as_deref().unwrap_or("its value can't be told");
    match key.state {
        KeyStanding::Unreadable => Err(Failure::failed(format!("{file} can't be read: {why}")).hint("mend that, then: credd renew")),
        KeyStanding::Dynamic => {
            let message = format!("what {} is in {file} can't be told: {why}", key.variable);
            Err(Failure::failed(message).hint(format!("write it there as export {}='…', then: credd renew", key.variable)))
        }
        _ => Ok(()),
    }
}
