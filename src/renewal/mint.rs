//! Minting a short-term key and putting it into the file.

use std::io;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::{Tell, lock};
use crate::aws::{Cli, mint as signing, session};
use crate::clock;
use crate::consumers::environment;
use crate::core::{MintReport, Trouble};
use crate::rewrite;
use crate::salt::Salt;
use crate::worker::job::{Answer, MintOrder};

/// A key that ends sooner isn't worth a restart of its consumers.
const SHORTEST: SignedDuration = SignedDuration::from_mins(5);

/// Mints a short-term key and puts it into the file.
pub fn mint(order: &MintOrder, answer: Tell<'_>) -> io::Result<()> {
    let _lock = lock::minting(&order.state_dir, &order.key.name)?;
    let salt = Salt::load(&order.state_dir)?;
    answer(&Answer::Minted(written(order, &salt).unwrap_or_else(MintReport::Trouble)));
    Ok(())
}

fn written(order: &MintOrder, salt: &Salt) -> Result<MintReport, Trouble> {
    let is_old = |value: Option<&[u8]>| value.map(|value| salt.fingerprint(value)) == order.old;
    // Before anybody is asked; the one that counts comes with the change.
    match environment::look(&order.key) {
        Ok(value) if !is_old(value.as_ref().map(crate::secret::Secret::expose)) => return Ok(MintReport::Superseded),
        _ => {}
    }
    let cli = Cli::new(Some(&order.profile));
    let credentials = session::credentials(&cli).map_err(|failure| failure.trouble)?;
    let sign_in = session::sign_in(&cli);
    let now = clock::now();
    if let Some(ends_at) = credentials.ends_at
        && ends_at < now + SHORTEST
    {
        return Err(too_short(&cli, ends_at, sign_in.is_some()));
    }
    // The session ends both; the CLI has another one soon, or the user gets one.
    if let (Some(ends_at), Some(before)) = (credentials.ends_at, order.ends_at)
        && ends_at < before + SHORTEST
    {
        return Ok(MintReport::NotYet);
    }
    let key = signing::short_term_key(&credentials, &order.region, now);
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    let replaced = rewrite::replace(&order.key.env_file, &order.key.variable, &key, &home, &mut |value| {
        is_old(value.filter(|value| !value.is_empty()))
    });
    match replaced {
        Ok(_) => Ok(MintReport::Written {
            fingerprint: salt.fingerprint(key.expose()),
            session_ends_at: credentials.ends_at,
            sign_in_by: sign_in.and_then(|sign_in| sign_in.ends_at),
        }),
        Err(refusal) if refusal.superseded => Ok(MintReport::Superseded),
        Err(refusal) => Err(Trouble { detail: refusal.message, fix: refusal.fix, sign_in: false }),
    }
}

fn too_short(cli: &Cli<'_>, ends_at: Timestamp, is_sso: bool) -> Trouble {
    let fix = if is_sso {
        format!("run `{}`", cli.line(&["sso", "login"]))
    } else {
        format!("renew the credentials of the profile; what it has now: {}", cli.line(&["configure", "list"]))
    };
    let profile = cli.profile().unwrap_or("default");
    Trouble { detail: format!("the session of the AWS profile {profile} ends at {ends_at}, too soon for a key"), fix, sign_in: is_sso }
}
