//! Making the next key and putting it into the file.

use std::fs;
use std::time::Duration;

use credd::core::RenewalReport;
use credd::worker::job::{Answer, Job};

use crate::rig::{Rig, USER, ended};
use crate::support::iam::Trouble;

const CREATE: &str = "CreateServiceSpecificCredential";
const DELETE: &str = "DeleteServiceSpecificCredential";

fn undone(report: RenewalReport, part: &str) -> String {
    match report {
        RenewalReport::Undone(trouble) if trouble.detail.contains(part) => trouble.fix,
        other => panic!("not {part:?}: {other:?}"),
    }
}

#[test]
fn the_next_key_is_made_proven_and_written() {
    let rig = Rig::new();
    let old = rig.iam.add_key(USER, Some(30));
    rig.set_key(&old);
    // Bedrock knows it only after a while, and so does IAM.
    rig.iam.lag(Duration::from_secs(3), Duration::from_secs(5));
    let answers = rig.work(&Job::Renew(Box::new(rig.renew_order())));
    let [Answer::RenewalBegins { user, old: replaced, known }, Answer::RenewalMade(made), Answer::RenewalEnded(end)] = answers.as_slice()
    else {
        panic!("{answers:?}")
    };
    assert_eq!((user.as_str(), known), (USER, &vec![old.id.clone()]));
    assert_eq!(replaced.as_ref().unwrap().id, old.id);
    assert_eq!(*end, RenewalReport::Written(made.clone()));
    let keys = rig.iam.keys(USER);
    assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), [&old.id, &made.id]);
    assert_eq!((rig.value(), made.expires_at), (keys[1].value.clone(), keys[1].expires_at));
    assert_eq!(made.fingerprint, rig.salt.fingerprint(keys[1].value.as_bytes()));
    let create = rig.iam.asked().into_iter().find(|asked| asked.action == CREATE).unwrap();
    assert_eq!(create.parameters["CredentialAgeDays"], "30");
    assert_eq!(create.parameters["ServiceName"], "bedrock.amazonaws.com");
}

#[test]
fn a_key_that_never_ends_is_made_without_an_age() {
    let rig = Rig::new();
    rig.set_key(&rig.iam.add_key(USER, None));
    let mut order = rig.renew_order();
    order.days = None;
    assert!(matches!(rig.renew(order), RenewalReport::Written(made) if made.expires_at.is_none()));
}

#[test]
fn of_two_keys_only_one_that_serves_nobody_makes_room() {
    // Both active; the other inactive but in a file; then in none.
    let rig = Rig::new();
    let (first, second) = (rig.iam.add_key(USER, Some(30)), rig.iam.add_key(USER, Some(30)));
    rig.set_key(&second);
    let fix = undone(rig.renew(rig.renew_order()), "IAM allows two keys");
    assert!(fix.contains(&first.id), "{fix}");
    rig.iam.set_status(&first.id, "Inactive");
    let mut order = rig.renew_order();
    fs::write(rig.path("second"), format!("export KEY={}\n", first.value)).unwrap();
    let mut elsewhere = rig.variable();
    (elsewhere.variable, elsewhere.env_file) = ("KEY".to_owned(), rig.path("second"));
    order.tracked.push(elsewhere.clone());
    undone(rig.renew(order.clone()), "IAM allows two keys");
    // A file that may hold anything.
    fs::write(rig.path("second"), "export KEY=$(cat key)\n").unwrap();
    undone(rig.renew(order.clone()), "IAM allows two keys");
    assert_eq!(rig.iam.ids(USER), [first.id.as_str(), second.id.as_str()]);
    fs::write(rig.path("second"), "").unwrap();
    let report = rig.renew(order);
    assert!(matches!(report, RenewalReport::Written(_)), "{report:?}");
    assert_eq!(rig.iam.ids(USER)[0], second.id);
    assert_eq!(rig.iam.keys(USER).len(), 2);
}

#[test]
fn an_expired_key_makes_room_and_the_old_one_never() {
    let rig = Rig::new();
    let (first, second) = (rig.iam.add_key(USER, Some(30)), rig.iam.add_key(USER, Some(30)));
    rig.iam.set_status(&second.id, "Expired");
    rig.set_key(&second);
    undone(rig.renew(rig.renew_order()), "IAM allows two keys");
    rig.set_key(&first);
    let report = rig.renew(rig.renew_order());
    assert!(matches!(report, RenewalReport::Written(_)), "{report:?}");
    assert_eq!(rig.iam.ids(USER)[0], first.id);
    // At the limit while nobody knows which one is in the file.
    let rig = Rig::new();
    let (first, second) = (rig.iam.add_key(USER, Some(30)), rig.iam.add_key(USER, Some(30)));
    rig.iam.set_status(&second.id, "Expired");
    rig.iam.set_alias(&first.id, "another-at-123456789012");
    rig.set_key(&first);
    undone(rig.renew(rig.renew_order()), "IAM allows two keys");
}

#[test]
fn a_key_that_bedrock_refuses_for_good_is_removed() {
    let rig = Rig::new();
    let old = rig.iam.add_key(USER, Some(30));
    rig.set_key(&old);
    rig.iam.reject_keys_of(USER);
    undone(rig.renew(rig.renew_order()), "Bedrock doesn't accept the new key");
    assert_eq!((rig.iam.ids(USER), rig.value()), (vec![old.id], old.value));
}

#[test]
fn nothing_is_left_where_nobody_listens_any_more() {
    let rig = Rig::new();
    let old = rig.iam.add_key(USER, Some(30));
    rig.set_key(&old);
    let mut worker = rig.start(&Job::Renew(Box::new(rig.renew_order())));
    assert!(matches!(worker.next(), Some(Answer::RenewalBegins { .. })));
    worker.hang_up();
    undone(ended(vec![worker.next().unwrap()]), "ended meanwhile");
    worker.end();
    assert_eq!(rig.iam.count(CREATE), 0);

    let mut worker = rig.start(&Job::Renew(Box::new(rig.renew_order())));
    worker.next();
    worker.go_on();
    assert!(matches!(worker.next(), Some(Answer::RenewalMade(_))));
    worker.hang_up();
    undone(ended(vec![worker.next().unwrap()]), "ended meanwhile");
    worker.end();
    assert_eq!((rig.iam.ids(USER), rig.value(), rig.iam.count(DELETE)), (vec![old.id], old.value, 1));
}

#[test]
fn a_users_own_edit_stays() {
    let rig = Rig::new();
    let old = rig.iam.add_key(USER, Some(30));
    // While the key is being made: what was made is removed.
    rig.set_key(&old);
    let mut worker = rig.start(&Job::Renew(Box::new(rig.renew_order())));
    worker.next();
    worker.go_on();
    worker.next();
    rig.set_value("ABSK-planted-002");
    worker.go_on();
    let report = ended(vec![worker.next().unwrap()]);
    worker.end();
    assert!(matches!(report, RenewalReport::Undone(_)), "{report:?}");
    assert_eq!((rig.iam.ids(USER), rig.value()), (vec![old.id.clone()], "ABSK-planted-002".to_owned()));
    // Before: nothing is made at all.
    rig.set_key(&old);
    let mut worker = rig.start(&Job::Renew(Box::new(rig.renew_order())));
    worker.next();
    rig.set_value("ABSK-planted-003");
    worker.go_on();
    undone(ended(vec![worker.next().unwrap()]), "no longer assigns");
    worker.end();
    assert_eq!(rig.iam.count(CREATE), 1);
}

#[test]
fn what_iam_refuses_leaves_nothing_and_what_is_unclear_says_so() {
    let rig = Rig::new();
    let old = rig.iam.add_key(USER, Some(30));
    rig.set_key(&old);
    rig.iam.trouble(CREATE, Trouble::Denied);
    let fix = undone(rig.renew(rig.renew_order()), "isn't allowed iam:CreateServiceSpecificCredential");
    assert!(fix.contains("iam:CreateServiceSpecificCredential"), "{fix}");
    // It is asked once by the CLI, and again by the worker since nothing was done.
    rig.iam.trouble(CREATE, Trouble::Throttled(1));
    let before = rig.iam.count(CREATE);
    assert!(matches!(rig.renew(rig.renew_order()), RenewalReport::Written(_)));
    assert_eq!(rig.iam.count(CREATE), before + 2);

    // Made, and nobody was told.
    let rig = Rig::new();
    let old = rig.iam.add_key(USER, Some(30));
    rig.set_key(&old);
    rig.iam.trouble(CREATE, Trouble::DoneUnanswered);
    let report = rig.renew(rig.renew_order());
    assert!(matches!(&report, RenewalReport::Left(trouble) if trouble.detail.contains("isn't known")), "{report:?}");
    assert_eq!((rig.iam.count(CREATE), rig.iam.keys(USER).len()), (1, 2));
    let report = rig.settle(rig.settle_order(vec![old.id.clone()], None));
    assert!(matches!(report, RenewalReport::Undone(_)), "{report:?}");
    assert_eq!(rig.iam.ids(USER), [old.id]);

    // Made, not wanted, and not to be removed.
    let rig = Rig::new();
    rig.set_key(&rig.iam.add_key(USER, Some(30)));
    rig.iam.trouble(DELETE, Trouble::Denied);
    rig.iam.reject_keys_of(USER);
    rig.bedrock.fail_with(404);
    let report = rig.renew(rig.renew_order());
    assert!(matches!(&report, RenewalReport::Left(left) if left.fix.contains("delete-service-specific")), "{report:?}");
}

#[test]
fn a_request_that_hangs_is_given_up_and_unclear() {
    if std::env::var_os("CREDD_LONG").is_none() {
        return; // half a minute of waiting
    }
    let rig = Rig::new();
    rig.set_key(&rig.iam.add_key(USER, Some(30)));
    rig.iam.trouble(CREATE, Trouble::Hangs);
    let report = rig.renew(rig.renew_order());
    assert!(matches!(&report, RenewalReport::Left(left) if left.detail.contains("AWS doesn't answer")), "{report:?}");
    assert_eq!(rig.iam.count(CREATE), 1);
}
