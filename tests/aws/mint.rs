//! Short-term keys from a profile's credentials, with the CLI's version 2, which alone gives these away.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use credd::aws::mint::short_term_key;
use credd::aws::session::Credentials;
use credd::clock;
use credd::core::{KeyKind, MintReport, Trouble};
use credd::keys::anatomy;
use credd::secret::Secret;
use credd::worker::job::{Answer, Job, MintOrder};
use jiff::{SignedDuration, Timestamp};

use crate::rig::{Rig, VARIABLE, generator};

/// Feeds AWS's generator lines of id, secret, token, region and time.
const GENERATOR: &str = "
import datetime, sys, botocore.auth as auth
from botocore.credentials import Credentials
from aws_bedrock_token_generator import BedrockTokenGenerator
for line in sys.stdin:
    id, secret, token, region, time = line.rstrip('\\n').split('\\t')
    moment = datetime.datetime.strptime(time, '%Y-%m-%dT%H:%M:%SZ')
    auth.get_current_datetime = lambda *_, **__: moment
    print(BedrockTokenGenerator().get_token(Credentials(id, secret, token or None), region))
";

#[test]
fn keys_are_those_of_awss_own_generator() {
    let mut lines = Vec::new();
    let mut own = Vec::new();
    let regions = ["us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "us-gov-west-1", "cn-north-1"];
    for (n, region) in (0_i64..).zip(regions.iter().cycle().take(60)) {
        let time = Timestamp::from_second(1_700_000_000 + n * 7_654_321).unwrap();
        let (id, secret) = (format!("ASIAPLANTED{n:09}"), format!("planted/secret+{n}=~_-."));
        let token = if n % 3 == 0 { String::new() } else { format!("planted//token+{}==", "x/ &%é".repeat(usize::try_from(n).unwrap())) };
        lines.push(format!("{id}\t{secret}\t{token}\t{region}\t{time}"));
        let credentials = Credentials {
            id,
            secret: Secret::copy(secret.as_bytes()),
            token: Some(token).filter(|token| !token.is_empty()).map(|token| Secret::copy(token.as_bytes())),
            ends_at: None,
        };
        own.push(String::from_utf8(short_term_key(&credentials, region, time).expose().to_vec()).unwrap());
    }
    let mut python = generator().args(["-c", GENERATOR]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), own);
}

fn mint(rig: &Rig, profile: &str) -> MintReport {
    let old = fs::read(rig.env_file()).is_ok().then(|| rig.target().fingerprint);
    mint_over(rig, profile, old)
}

fn mint_over(rig: &Rig, profile: &str, old: Option<credd::core::Fingerprint>) -> MintReport {
    let order = MintOrder {
        state_dir: rig.state_dir(),
        key: rig.variable(),
        old,
        ends_at: None,
        profile: profile.to_owned(),
        region: "eu-west-1".to_owned(),
    };
    match rig.work(&Job::Mint(Box::new(order))).pop() {
        Some(Answer::Minted(report)) => report,
        other => panic!("{other:?}"),
    }
}

fn trouble(report: MintReport) -> Trouble {
    match report {
        MintReport::Trouble(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

/// Looks at the key in the file, which a profile gave.
fn expect_key(rig: &Rig, value: &str, id: &str, token: bool) {
    let key = anatomy(value.as_bytes());
    assert_eq!((key.kind, key.region.as_deref()), (KeyKind::BedrockShortTerm, Some("eu-west-1")));
    let decoded = STANDARD.decode(value.strip_prefix("bedrock-api-key-").unwrap()).unwrap();
    let text = String::from_utf8(decoded).unwrap();
    assert!(text.contains(&format!("X-Amz-Credential={id}")) && text.contains("X-Amz-Security-Token") == token, "{text}");
    rig.look_for_secrets();
}

/// Signs in to IAM Identity Center, as `aws sso login` leaves it.
fn sign_in(rig: &Rig, of: &str, start_url: &str, ends_at: Timestamp) {
    let name = Command::new("sha1sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut name = name;
    name.stdin.take().unwrap().write_all(of.as_bytes()).unwrap();
    let sum = String::from_utf8(name.wait_with_output().unwrap().stdout).unwrap();
    let token = serde_json::json!({"startUrl": start_url, "region": "us-east-1", "accessToken": "planted/sso+token",
        "expiresAt": format!("{ends_at:.0}")});
    fs::write(rig.path(&format!(".aws/sso/cache/{}.json", &sum[..40])), token.to_string()).unwrap();
}

#[test]
fn a_key_is_minted_from_a_profile() {
    let rig = Rig::with_version_2();
    // There is no file yet.
    let MintReport::Written { fingerprint, session_ends_at, sign_in_by } = mint(&rig, "dev") else { panic!() };
    assert_eq!((session_ends_at, sign_in_by), (None, None));
    let text = fs::read_to_string(rig.env_file()).unwrap();
    let value = text.split_once(&format!("{VARIABLE}=")).unwrap().1.trim().trim_matches(['"', '\'']).to_owned();
    assert_eq!(fingerprint, rig.salt.fingerprint(value.as_bytes()));
    expect_key(&rig, &value, "AKIAPLANTED000000001", false);
    // Over another key, from a role's session.
    rig.set_value(&value);
    let before = clock::now();
    let MintReport::Written { fingerprint, session_ends_at, .. } = mint(&rig, "role") else { panic!() };
    assert_eq!(fingerprint, rig.salt.fingerprint(rig.value().as_bytes()));
    let length = session_ends_at.unwrap().duration_since(before);
    assert!((SignedDuration::from_mins(59)..SignedDuration::from_mins(61)).contains(&length), "{length}");
    expect_key(&rig, &rig.value(), "ASIAPLANTED000000001", true);
    // Another value is there than the daemon knows of: nobody is asked.
    let value = rig.value();
    assert_eq!(mint_over(&rig, "dev", Some(rig.salt.fingerprint(b"another"))), MintReport::Superseded);
    assert_eq!(mint_over(&rig, "dev", None), MintReport::Superseded);
    assert_eq!(rig.value(), value);
}

#[test]
fn an_sso_session_is_followed_to_its_end() {
    let rig = Rig::with_version_2();
    rig.set_value("ABSK-planted-002");
    let told = trouble(mint(&rig, "sso"));
    assert!(told.sign_in && told.fix == "run `aws sso login --profile sso`", "{told:?}");
    let end = Timestamp::from_second((clock::now() + SignedDuration::from_hours(7)).as_second()).unwrap();
    sign_in(&rig, "corp", "https://corp.awsapps.com/start", end);
    sign_in(&rig, "https://plain.awsapps.com/start", "https://plain.awsapps.com/start", end);
    for profile in ["sso", "sso-plain"] {
        let report = mint(&rig, profile);
        let MintReport::Written { sign_in_by, session_ends_at: Some(_), .. } = report else { panic!("{profile}: {report:?}") };
        assert_eq!(sign_in_by, Some(end), "{profile}");
        expect_key(&rig, &rig.value(), "ASIAPLANTED000000002", true);
    }
    // Revoked at the other end, then ended.
    let _ = fs::remove_dir_all(rig.path(".aws/cli/cache"));
    let value = rig.value();
    rig.iam.session(SignedDuration::from_hours(-1));
    for ends_at in [end, clock::now() - SignedDuration::from_hours(1)] {
        sign_in(&rig, "corp", "https://corp.awsapps.com/start", ends_at);
        let told = trouble(mint(&rig, "sso"));
        assert!(told.sign_in && told.fix.contains("aws sso login --profile sso"), "{told:?}");
    }
    // One whose credentials end too soon.
    sign_in(&rig, "corp", "https://corp.awsapps.com/start", end);
    rig.iam.session(SignedDuration::from_secs(120));
    let told = trouble(mint(&rig, "sso"));
    assert!(told.sign_in && told.fix.contains("aws sso login --profile sso"), "{told:?}");
    assert_eq!(rig.value(), value);
}

#[test]
fn what_version_1_cannot_do_is_said() {
    let rig = Rig::new();
    rig.set_value("ABSK-planted-002");
    let told = trouble(mint(&rig, "dev"));
    assert!(told.detail.contains("aws configure export-credentials") && told.fix.contains("version 2"), "{told:?}");
    assert_eq!(rig.value(), "ABSK-planted-002");
}

#[test]
fn profiles_without_credentials_give_no_key() {
    let rig = Rig::with_version_2();
    rig.set_value("ABSK-planted-002");
    for (profile, detail) in [("bare", "no credentials"), ("nobody", "no profile nobody")] {
        let told = trouble(mint(&rig, profile));
        assert!(told.detail.contains(detail), "{told:?}");
    }
    assert_eq!(rig.value(), "ABSK-planted-002");
}
