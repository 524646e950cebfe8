//! The AWS CLI, where keys need it: it has to be on the PATH that the daemon has.

use std::ffi::OsStr;
use std::time::Duration;

use super::path::called;
use crate::ask;
use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::config::KindChoice;
use crate::core::Iam;

/// A Python that starts for the first time, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let Ok(config) = &situation.config else { return Vec::new() };
    let is_minted = |key: &&crate::config::KeyConfig| key.kind == KindChoice::ShortTerm;
    let minted = config.keys.iter().find(is_minted);
    let Some(needy) = minted.or_else(|| config.keys.iter().find(|key| key.iam != Iam::Off)) else { return Vec::new() };
    let name = &needy.name;
    let ours = std::env::var_os("PATH");
    let service = situation.service.as_ref().and_then(|service| service.search_path.as_deref());
    let path = service.map(OsStr::new).or(ours.as_deref());
    let Some(program) = called("aws", path) else {
        let (whose, fix) = if service.is_some() && called("aws", ours.as_deref()).is_some() {
            ("the service's PATH, though on this terminal's", "credd install --force, in this terminal")
        } else {
            ("the PATH", "install it (https://aws.amazon.com/cli/), then: credd install --force")
        };
        return vec![Finding::warning("aws-cli-missing", &format!("the key {name} needs the AWS CLI, which isn't on {whose}"), fix)];
    };
    let shown = situation.tilde(&program);
    let version = ask::text_within(LIMIT, &[program.as_os_str(), OsStr::new("--version")]).unwrap_or_default();
    let major = version.strip_prefix("aws-cli/").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    let finding = match major {
        None => Finding::warning("aws-cli-unfit", &format!("{shown} doesn't say its version, as an AWS CLI does"), "aws --version"),
        Some(major) if major < 2 && minted.is_some() => {
            let message = format!("{shown} is version {major}, and the key {name} needs version 2");
            Finding::warning("aws-cli-unfit", &message, "install version 2 (https://aws.amazon.com/cli/), then: credd install --force")
        }
        Some(_) => return Vec::new(),
    };
    vec![finding]
}
