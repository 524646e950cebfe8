//! One file by itself: when a look at it is believed.

use jiff::Timestamp;
use std::sync::Arc;

use crate::core::file::{FileTrack, Verdict};
use crate::core::{Anatomy, FileBody, FileContents, FileReport, Finding, Fingerprint, KeyKind, PresentKey, VariableReport};

fn ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn track() -> FileTrack {
    FileTrack::new(std::path::Path::new("/home/u/.env").into())
}

fn report(body: FileBody) -> FileReport {
    FileReport { path: "/home/u/.env".into(), body }
}

fn contents(finding: Finding) -> FileContents {
    FileContents {
        modified_at: ms(0),
        changed_at: ms(0),
        mode: 0o600,
        empty: false,
        unfinished: false,
        exports_others: false,
        static_aws_keys: false,
        tracked: None,
        tracked_in: None,
        variables: [VariableReport { variable: "K".into(), finding, duplicates: [].into(), cut_short: false }].into(),
    }
}

fn present() -> Finding {
    Finding::Present(Arc::new(PresentKey {
        fingerprint: Fingerprint::new([1; 16]),
        exported: true,
        line: 1,
        control_character: false,
        anatomy: Arc::new(Anatomy { kind: KeyKind::Opaque, issued_at: None, expires_at: None, region: None, account: None, user: None }),
    }))
}

#[test]
fn a_burst_is_read_once_after_it_ends() {
    let mut file = track();
    for t in 0..100 {
        file.stir(ms(t * 10));
    }
    assert!(!file.take_due(ms(1200)));
    assert_eq!(file.deadline(), Some(ms(1240)));
    assert!(file.take_due(ms(1240)));
    assert!(!file.take_due(ms(1240)), "one look at a time");
    let good = report(FileBody::Read(contents(present())));
    assert_eq!(file.judge(good.clone(), &[], ms(1250)), Verdict::Believe(good));
    assert_eq!(file.deadline(), None);
}

#[test]
fn a_change_during_the_look_makes_it_void() {
    let mut file = track();
    file.stir(ms(0));
    assert!(file.take_due(ms(250)));
    file.stir(ms(255));
    assert_eq!(file.judge(report(FileBody::Read(contents(present()))), &[], ms(260)), Verdict::Wait);
    assert_eq!(file.deadline(), Some(ms(510)));
}

#[test]
fn half_a_file_is_given_five_seconds() {
    for body in [
        FileBody::Missing,
        FileBody::Read(FileContents { empty: true, ..contents(Finding::Unset { hint: None }) }),
        FileBody::Read(FileContents { unfinished: true, ..contents(present()) }),
        FileBody::Read(contents(Finding::Unset { hint: None })),
        FileBody::Read(contents(Finding::Empty { line: 1 })),
    ] {
        let mut file = track();
        file.stir(ms(0));
        assert!(file.take_due(ms(250)));
        assert_eq!(file.judge(report(body.clone()), &["K"], ms(300)), Verdict::Wait, "{body:?}");
        assert_eq!(file.deadline(), Some(ms(5300)));
        assert!(file.take_due(ms(5300)));
        assert_eq!(file.judge(report(body.clone()), &["K"], ms(5301)), Verdict::Believe(report(body)));
    }
}

#[test]
fn a_file_that_recovers_meanwhile_is_believed_at_once() {
    let mut file = track();
    file.stir(ms(0));
    assert!(file.take_due(ms(250)));
    assert_eq!(file.judge(report(FileBody::Missing), &["K"], ms(251)), Verdict::Wait);
    file.stir(ms(400));
    assert!(file.take_due(ms(650)));
    let good = report(FileBody::Read(contents(present())));
    assert_eq!(file.judge(good.clone(), &["K"], ms(651)), Verdict::Believe(good));
}

#[test]
fn an_open_file_is_looked_at_again() {
    let mut file = track();
    file.read_now(ms(0));
    assert!(file.take_due(ms(0)));
    assert_eq!(file.judge(report(FileBody::Busy), &[], ms(1)), Verdict::Wait);
    assert_eq!(file.deadline(), Some(ms(2001)));
}

#[test]
fn without_anything_to_lose_a_missing_file_is_believed_at_once() {
    let mut file = track();
    file.read_now(ms(0));
    assert!(file.take_due(ms(0)));
    assert_eq!(file.judge(report(FileBody::Missing), &[], ms(1)), Verdict::Believe(report(FileBody::Missing)));
}

#[test]
fn a_file_that_is_never_quiet_is_believed_once_two_looks_agree() {
    // When a file is believed that always stirs while it is looked at, and is like this at each time.
    let believed = |body: &dyn Fn(i64) -> FileBody| {
        let mut file = track();
        let mut believed = None;
        for t in (0..20_000).step_by(100) {
            file.stir(ms(t));
            if file.take_due(ms(t)) {
                file.stir(ms(t + 1));
                if file.judge(report(body(t)), &[], ms(t + 2)) != Verdict::Wait {
                    believed.get_or_insert(t);
                }
            }
        }
        believed
    };
    let touched = |t| FileBody::Read(FileContents { modified_at: ms(t), changed_at: ms(t), ..contents(present()) });
    for body in [&touched as &dyn Fn(i64) -> FileBody, &|_| FileBody::Missing] {
        let t = believed(body);
        assert!(t.is_some_and(|t| (10_000..12_000).contains(&t)), "{t:?}");
    }
    assert_eq!(believed(&|t| FileBody::Read(contents(Finding::Empty { line: usize::try_from(t).unwrap() }))), None);
    assert_eq!(believed(&|t| if t % 200 == 0 { FileBody::Missing } else { FileBody::Unreadable(String::new()) }), None);
}

#[test]
fn half_a_value_is_not_believed_though_there_is_nothing_to_lose() {
    let mut half = contents(present());
    half.variables[0].cut_short = true;
    for (half, hold) in [(half, 1200), (FileContents { unfinished: true, ..contents(present()) }, 5000)] {
        let mut file = track();
        file.read_now(ms(0));
        assert!(file.take_due(ms(0)));
        assert_eq!(file.judge(report(FileBody::Read(half)), &[], ms(1)), Verdict::Wait);
        assert_eq!(file.deadline(), Some(ms(1 + hold)));
    }
}
