//! Which of IAM's records is the key in a file.

use credd::core::CredentialStatus;
use credd::worker::job::{Answer, IamOrder, Job};

use crate::rig::{Rig, USER};

#[test]
fn the_first_key_and_the_second_are_told_apart() {
    let rig = Rig::new();
    let first = rig.iam.add_key(USER, Some(5));
    let second = rig.iam.add_key(USER, None);
    assert_ne!(first.alias, second.alias);
    rig.set_key(&first);
    let found = rig.found();
    assert_eq!((found.id, found.user.as_str(), found.expires_at), (first.id, USER, first.expires_at));
    assert_eq!((found.created_at, found.status), (first.created_at, CredentialStatus::Active));
    // Its name isn't that of a user, so that all are looked through, on several pages.
    rig.iam.page(1);
    rig.set_key(&second);
    let found = rig.found();
    assert_eq!((found.id, found.expires_at), (second.id.clone(), None));
    rig.iam.set_status(&second.id, "Inactive");
    assert_eq!(rig.found().status, CredentialStatus::Inactive);
}

#[test]
fn an_unknown_key_is_nobodys() {
    let rig = Rig::new();
    let key = rig.iam.add_key(USER, Some(30));
    rig.set_key(&key);
    // The user has exactly one active key, of another name: it isn't taken for this one.
    rig.iam.set_alias(&key.id, "BedrockAPIKey-ab12+7-at-123456789012");
    let trouble = rig.trouble(Some("dev"));
    assert!(trouble.detail.contains("none of the keys") && trouble.detail.contains("certainly"), "{trouble:?}");
}

#[test]
fn other_keys_are_none_of_iams() {
    let rig = Rig::new();
    for value in ["ABSK-planted-001", "bedrock-api-key-planted", "opaque"] {
        rig.set_value(value);
        assert!(rig.trouble(Some("dev")).detail.contains("IAM knows no such keys"), "{value}");
    }
    assert!(rig.iam.asked().is_empty());
}

#[test]
fn another_value_than_was_asked_about_is_left_alone() {
    let rig = Rig::new();
    rig.set_key(&rig.iam.add_key(USER, Some(30)));
    let order = IamOrder { key: rig.target(), profile: None };
    rig.set_value("another");
    let job = Job::AskIam { state_dir: rig.state_dir(), orders: vec![order] };
    assert!(matches!(rig.work(&job).as_slice(), [Answer::IamSaid { report: None, .. }]));
    assert!(rig.iam.asked().is_empty());
}
