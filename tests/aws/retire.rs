//! Retiring a key that was replaced.

use credd::core::{RetireReport, RetireStep};
use credd::worker::job::{Answer, Job, RetireOrder};

use crate::rig::{Rig, USER};
use crate::support::iam::Trouble;

#[test]
fn a_key_is_made_inactive_then_deleted_and_never_while_in_use() {
    let rig = Rig::new();
    let (old, new) = (rig.iam.add_key(USER, Some(30)), rig.iam.add_key(USER, Some(30)));
    rig.set_key(&old);
    let step = |step| {
        let order = RetireOrder {
            state_dir: rig.state_dir(),
            profile: Some("dev".to_owned()),
            id: old.id.clone(),
            user: USER.to_owned(),
            fingerprint: rig.salt.fingerprint(old.value.as_bytes()),
            step,
            tracked: vec![rig.variable()],
        };
        match rig.work(&Job::Retire(Box::new(order))).pop() {
            Some(Answer::Retired(report)) => report,
            other => panic!("{other:?}"),
        }
    };
    for one in [RetireStep::Deactivate, RetireStep::Delete] {
        assert_eq!(step(one), RetireReport::InUse);
    }
    assert!(rig.iam.asked().is_empty());
    // A file that may hold anything.
    std::fs::write(rig.env_file(), "export AWS_BEARER_TOKEN_BEDROCK=$(cat key)\n").unwrap();
    assert!(matches!(step(RetireStep::Delete), RetireReport::Trouble(_)));
    rig.set_key(&new);
    rig.iam.trouble("UpdateServiceSpecificCredential", Trouble::Denied);
    let report = step(RetireStep::Deactivate);
    assert!(matches!(&report, RetireReport::Trouble(why) if why.detail.contains("iam:UpdateServiceSpecificCredential")), "{report:?}");
    rig.iam.trouble("UpdateServiceSpecificCredential", None);
    assert_eq!(step(RetireStep::Deactivate), RetireReport::Done);
    assert_eq!(rig.iam.keys(USER)[0].status, "Inactive");
    assert_eq!(step(RetireStep::Delete), RetireReport::Done);
    assert_eq!(rig.iam.ids(USER), [new.id]);
    for one in [RetireStep::Deactivate, RetireStep::Delete] {
        assert_eq!(step(one), RetireReport::Done);
    }
}
