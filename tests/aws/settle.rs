//! What an interrupted renewal left.

use std::fs;
use std::time::Duration;

use credd::core::{MadeKey, RenewalReport};

use crate::rig::{Rig, USER};
use crate::support::iam::Key;

fn made(rig: &Rig, key: &Key) -> MadeKey {
    let fingerprint = rig.salt.fingerprint(key.value.as_bytes());
    MadeKey { id: key.id.clone(), user: key.user.clone(), fingerprint, expires_at: key.expires_at }
}

#[test]
fn a_key_that_was_made_is_kept_where_the_file_holds_it_and_else_removed() {
    let rig = Rig::new();
    let (old, new) = (rig.iam.add_key(USER, Some(30)), rig.iam.add_key(USER, Some(30)));
    rig.set_key(&new);
    let made = made(&rig, &new);
    let order = || rig.settle_order(vec![old.id.clone()], Some(made.clone()));
    assert_eq!(rig.settle(order()), RenewalReport::Written(made.clone()));
    // Its disk is away.
    let away = rig.path("away");
    fs::rename(rig.env_file(), &away).unwrap();
    let report = rig.settle(order());
    assert!(matches!(&report, RenewalReport::Left(trouble) if trouble.detail.contains("isn't there")), "{report:?}");
    assert_eq!(rig.iam.ids(USER).len(), 2);
    fs::rename(&away, rig.env_file()).unwrap();
    assert_eq!(rig.settle(order()), RenewalReport::Written(made.clone()));
    rig.set_key(&old);
    assert!(matches!(rig.settle(order()), RenewalReport::Undone(_)));
    assert_eq!(rig.iam.ids(USER), [old.id.as_str()]);
    // Done already.
    assert!(matches!(rig.settle(order()), RenewalReport::Undone(_)));
}

#[test]
fn a_key_that_may_have_been_made_is_waited_for() {
    let rig = Rig::new();
    let old = rig.iam.add_key(USER, Some(30));
    rig.set_key(&old);
    let order = || rig.settle_order(vec![old.id.clone()], None);
    // Made, and listed only later.
    rig.iam.lag(Duration::from_secs(6), Duration::ZERO);
    rig.iam.add_fresh_key(USER);
    assert!(matches!(rig.settle(order()), RenewalReport::Undone(_)));
    assert_eq!(rig.iam.ids(USER), [old.id.as_str()]);
    // Several, of which one is the user's own.
    rig.iam.add_key(USER, None);
    rig.iam.add_key(USER, None);
    let report = rig.settle(order());
    assert!(matches!(&report, RenewalReport::Left(trouble) if trouble.fix.contains("list-service-specific")), "{report:?}");
    assert_eq!(rig.iam.keys(USER).len(), 3);
    // One, which the user made later, and may use where credd doesn't look.
    let rig = Rig::new();
    let (old, own) = (rig.iam.add_key(USER, Some(30)), rig.iam.add_key(USER, None));
    rig.set_key(&old);
    let mut order = rig.settle_order(vec![old.id.clone()], None);
    order.begun_at -= jiff::SignedDuration::from_hours(24);
    let report = rig.settle(order);
    assert!(matches!(&report, RenewalReport::Left(_)), "{report:?}");
    assert_eq!(rig.iam.ids(USER), [old.id, own.id]);
    // One, which the user put into the file meanwhile: nothing is removed.
    let rig = Rig::new();
    let own = rig.iam.add_key(USER, None);
    rig.set_key(&own);
    assert!(matches!(rig.settle(rig.settle_order(Vec::new(), None)), RenewalReport::Undone(_)));
    assert_eq!(rig.iam.ids(USER), [own.id]);
}
