//! `--iam`: the real AWS CLI makes the key, at a stand-in for IAM.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use crate::pipe::{code, renew};
use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::iam::IamStandIn;
use crate::support::{installed, said};
use crate::{CREDD, QUIET, env_file, shows_nothing_of};

const USER: &str = "BedrockAPIKey-ab12";

#[test]
fn a_key_is_made_written_and_the_old_one_retired() {
    let bedrock = Arc::new(BedrockStandIn::start(Vec::<String>::new()));
    let iam = IamStandIn::start(Some(Arc::clone(&bedrock)));
    iam.add_user(USER);
    let old = iam.add_key(USER, Some(30));
    let home = Home::new().asking(&bedrock.url());
    home.write_config(&format!("{QUIET}[[keys]]\nname = \"bedrock\"\niam = \"read\"\naws_profile = \"dev\"\n"));
    fs::create_dir_all(home.path().join(".aws")).unwrap();
    fs::create_dir(home.path().join("bin")).unwrap();
    fs::write(home.path().join(".aws/config"), "[profile dev]\nregion = us-east-1\n").unwrap();
    let credentials = format!("[dev]\naws_access_key_id = {}000000001\naws_secret_access_key = planted/static+secret\n", "AKIAPLANTED");
    fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
    fs::set_permissions(home.path().join(".aws/credentials"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink(installed("aws/bin/aws", "aws"), home.path().join("bin/aws")).unwrap();
    home.set_key(&old.value);
    let before = env_file(&home);
    let daemon = Daemon::start_with(CREDD, &home, |command| {
        let path = format!("{}:{}", home.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).envs(iam.environment());
    });
    daemon.until("IAM's word", SOON, |status| status["keys"][0]["iam"]["credential"]["id"] == old.id.as_str());

    let output = renew(&home, &["--iam"], "");
    assert_eq!(code(&output), 0, "{}\n{}", said(&output), daemon.log());
    let keys = iam.keys(USER);
    let new = keys.iter().find(|key| key.id != old.id).unwrap();
    assert_eq!(env_file(&home), before.replace(&old.value, &new.value));
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(line.starts_with("bedrock: the new key is in ~/.backlog-toolkit-env until "), "{line}");
    assert!(line.contains("; the old one is inactive, and credd deletes it on "), "{}\n{}", said(&output), daemon.log());
    assert!(keys.iter().any(|key| key.id == old.id && key.status == "Inactive"), "{keys:?}");
    for key in [&old, new] {
        shows_nothing_of(&key.value, &said(&output));
        shows_nothing_of(&key.value, &daemon.log());
    }
}
