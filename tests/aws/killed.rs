//! A worker that is killed at any moment of a renewal, and what the next one makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use credd::clock::monotonic;
use credd::core::{MadeKey, RenewalReport};
use credd::worker::job::{Answer, Job};

use crate::rig::Rig;
use crate::support::bedrock::BedrockStandIn;
use crate::support::iam::IamStandIn;
use crate::support::wait::until_true;

/// Side by side: while one waits, another works.
const AT_ONCE: usize = 4;

/// After which answer, and how long after what it was told then, a worker is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Before it said anything.
    AfterStart(Duration),
    /// It waits for leave to make a key.
    AtBegin,
    /// It got leave.
    AfterBegin(Duration),
    /// It waits for leave to go on with the key.
    AtMade,
    /// It got leave.
    AfterMade(Duration),
}

/// Spread over what a step takes.
fn moments(count: usize, of: Duration, make: fn(Duration) -> Moment) -> impl Iterator<Item = Moment> {
    (0..count).map(move |n| make(of * u32::try_from(n).unwrap() / u32::try_from(count).unwrap()))
}

#[test]
#[expect(clippy::print_stderr, reason = "which ways were met, for the reader of a test run")]
fn the_file_is_whole_and_there_is_never_a_surplus_key() {
    let factor = if std::env::var_os("CREDD_LONG").is_some() { 5 } else { 1 };
    let bedrock = Arc::new(BedrockStandIn::start(Vec::<String>::new()));
    let iam = Arc::new(IamStandIn::start(Some(Arc::clone(&bedrock))));
    let begin = measure(&iam, &bedrock);
    let all: Vec<Moment> = moments(8 * factor, begin, Moment::AfterStart)
        .chain([Moment::AtBegin, Moment::AtMade])
        .chain(moments(24 * factor, begin, Moment::AfterBegin))
        .chain(moments(27 * factor, Duration::from_millis(108), Moment::AfterMade))
        .collect();
    assert!(all.len() >= 60);
    let next = AtomicUsize::new(0);
    let outcomes: Vec<(Moment, &str)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = Vec::new();
                    while let Some((number, moment)) = Some(next.fetch_add(1, Ordering::SeqCst)).and_then(|n| Some((n, *all.get(n)?))) {
                        let rig = Rig::beside(&iam, &bedrock, &format!("user-{number}"));
                        seen.push((moment, point(&rig, moment)));
                    }
                    seen
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, outcome) in outcomes {
        *count.entry(outcome).or_default() += 1;
    }
    eprintln!("killed at {} moments: {count:?}", all.len());
    // All ways were met.
    for way in ["old, nothing begun", "old, undone", "new, kept"] {
        assert!(count.contains_key(way), "{way}: {count:?}");
    }
}

/// How long the first step of a renewal takes here and now, with as many at work as later.
fn measure(iam: &Arc<IamStandIn>, bedrock: &Arc<BedrockStandIn>) -> Duration {
    let took = |name: String| {
        let rig = Rig::beside(iam, bedrock, &name);
        rig.set_key(&rig.iam.add_key(&rig.user, Some(30)));
        let start = monotonic();
        let mut worker = rig.start(&Job::Renew(Box::new(rig.renew_order())));
        worker.next();
        let took = start.elapsed();
        worker.hang_up();
        while worker.next().is_some() {}
        worker.end();
        took
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|n| scope.spawn(move || took(format!("measured-{n}")))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    })
}

fn point(rig: &Rig, moment: Moment) -> &'static str {
    let old = rig.iam.add_key(&rig.user, Some(30));
    rig.set_key(&old);
    let mut worker = rig.start(&Job::Renew(Box::new(rig.renew_order())));
    // What a daemon would have saved.
    let mut known: Option<Vec<String>> = None;
    let mut made: Option<MadeKey> = None;
    'killed: {
        if let Moment::AfterStart(pause) = moment {
            thread::sleep(pause);
            break 'killed;
        }
        let Some(Answer::RenewalBegins { known: ids, .. }) = worker.next() else { panic!("{moment:?}: it doesn't begin") };
        known = Some(ids);
        if matches!(moment, Moment::AtBegin) {
            break 'killed;
        }
        worker.go_on();
        if let Moment::AfterBegin(pause) = moment {
            thread::sleep(pause);
            break 'killed;
        }
        let Some(Answer::RenewalMade(key)) = worker.next() else { panic!("{moment:?}: it makes none") };
        made = Some(key);
        if matches!(moment, Moment::AtMade) {
            break 'killed;
        }
        worker.go_on();
        if let Moment::AfterMade(pause) = moment {
            thread::sleep(pause);
        }
    }
    // The CLI that it may have started goes on.
    worker.kill();

    let report = known.map(|known| rig.settle(rig.settle_order(known, made)));
    let (value, keys) = (rig.value(), rig.iam.keys(&rig.user));
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    if value == old.value {
        assert_eq!(ids, [old.id.as_str()], "{moment:?}: {report:?}");
        assert!(matches!(report, None | Some(RenewalReport::Undone(_))), "{moment:?}: {report:?}");
        if report.is_none() { "old, nothing begun" } else { "old, undone" }
    } else {
        assert_eq!((ids.len(), ids[0], &keys[1].value), (2, old.id.as_str(), &value), "{moment:?}: {report:?}");
        assert!(matches!(report, Some(RenewalReport::Written(_))), "{moment:?}: {report:?}");
        "new, kept"
    }
}

#[test]
fn a_cli_that_outlives_its_worker_is_waited_for() {
    let rig = Rig::new();
    let old = rig.iam.add_key(&rig.user, Some(30));
    rig.set_key(&old);
    rig.install_slow("create-service-specific-credential", 4);
    let mut worker = rig.start(&Job::Renew(Box::new(rig.renew_order())));
    worker.next();
    worker.go_on();
    until_true("the CLI to be started", Duration::from_secs(20), || rig.was_run("create-service-specific-credential"));
    worker.kill();
    assert_eq!(rig.iam.ids(&rig.user), [old.id.as_str()]);
    let start = monotonic();
    let report = rig.settle(rig.settle_order(vec![old.id.clone()], None));
    assert!(start.elapsed() > Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(matches!(report, RenewalReport::Undone(_)), "{report:?}");
    assert_eq!((rig.iam.ids(&rig.user), rig.value()), (vec![old.id], old.value));
    assert_eq!(rig.iam.count("CreateServiceSpecificCredential"), 1);
}
