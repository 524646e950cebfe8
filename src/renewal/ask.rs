//! Asking IAM for the true dates of keys.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Tell;
use super::in_use::{identity, not_iams};
use crate::aws::{Cli, iam};
use crate::consumers::environment;
use crate::core::{IamReport, Trouble};
use crate::salt::Salt;
use crate::secret::Secret;
use crate::worker::job::{Answer, IamOrder};

/// Asks IAM about keys, one after another; each gives one [`Answer::IamSaid`].
pub fn ask_iam(state_dir: &Path, orders: Vec<IamOrder>, answer: Tell<'_>) -> io::Result<()> {
    let salt = Salt::load(state_dir)?;
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    for order in orders {
        let value = environment::value(&order.key, &salt, &home).ok();
        let report = value.map(|value| match ask(&value, &Cli::new(order.profile.as_deref())) {
            Ok(report) => report,
            Err(trouble) => IamReport::Trouble(trouble),
        });
        answer(&Answer::IamSaid { key: order.key.name, fingerprint: order.key.fingerprint, report });
    }
    Ok(())
}

fn ask(value: &Secret, cli: &Cli<'_>) -> Result<IamReport, Trouble> {
    let (user, name) = identity(value).ok_or_else(not_iams)?;
    let records = iam::list_around(cli, &user).map_err(|failure| failure.trouble)?;
    iam::find(&records, &name).map(|record| IamReport::Found(record.credential.clone())).ok_or_else(|| uncertain(cli, &user))
}

/// When IAM made this key; `None` where it can't say.
pub fn made_at(value: &Secret, profile: Option<&str>) -> Option<Timestamp> {
    match ask(value, &Cli::new(profile)) {
        Ok(IamReport::Found(credential)) => Some(credential.created_at),
        _ => None,
    }
}

/// No record, however few there are, is taken for a key whose name it doesn't have.
pub(super) fn uncertain(cli: &Cli<'_>, user: &str) -> Trouble {
    Trouble {
        detail: format!("none of the keys that IAM lists for the user {user} is certainly this one"),
        fix: format!(
            "see that the profile belongs to the key's account (`{}`), and which keys there are: {}",
            cli.line(&["sts", "get-caller-identity"]),
            iam::list_line(cli, user)
        ),
        sign_in: false,
    }
}
