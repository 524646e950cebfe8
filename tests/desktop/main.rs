//! Popups on a real session bus, with dunst and with a stand-in for GNOME's server.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod gnome;

use std::process::Command;
use std::time::Duration;

use bench::{Bench, popup};
use credd::desktop::{ANSWER_LIMIT, ActionId, DesktopEvent, Expire, Failure, Urgency};
use support::desktop::Desktop;
use support::{run, wait};

const SOON: Duration = Duration::from_secs(10);

fn shown(event: &DesktopEvent) -> u32 {
    match event {
        DesktopEvent::Shown { id, .. } => *id,
        other => panic!("not shown but {other:?}"),
    }
}

fn not_shown(event: DesktopEvent) -> Failure {
    match event {
        DesktopEvent::NotShown { reason, .. } => reason,
        other => panic!("not refused but {other:?}"),
    }
}

#[test]
fn a_popup_is_shown_as_the_core_wants_it() {
    let desktop = Desktop::start();
    let bench = Bench::on(&desktop.bus());
    let mut asked = popup("key/bedrock", 4_711);
    asked.summary = "a & b\n<c>".to_owned();
    asked.body = "x < y & \u{202e}z\0".to_owned();
    bench.show(&asked);
    let id = shown(&bench.next(SOON));

    let seen = desktop.wait_until_shown(|n| n.app == "credd", SOON);
    assert_eq!(seen.id, Some(id));
    assert_eq!(seen.replaces_id, 4_711);
    assert_eq!(seen.summary, "a & b <c>");
    assert_eq!(seen.body, "x &lt; y &amp; z");
    assert_eq!(seen.urgency, Some(2));
    assert_eq!(seen.timeout, 0);
    let actions = [("default", ""), ("renew", "Renew"), ("tomorrow", "Remind me tomorrow")];
    let actions = actions.map(|(key, label)| (key.to_owned(), label.to_owned()));
    assert_eq!(seen.actions, actions);
    for hint in ["x-dunst-stack-tag", "x-canonical-private-synchronous"] {
        assert_eq!(seen.hints[hint]["data"], "credd-key/bedrock", "{hint}");
    }
}

#[test]
fn a_second_sending_replaces_the_first() {
    let desktop = Desktop::start();
    let first = Bench::on(&desktop.bus());
    first.show(&popup("a", 4_711));
    let id = shown(&first.next(SOON));
    drop(first); // the daemon dies

    let second = Bench::on(&desktop.bus());
    let mut again = popup("a", id);
    again.urgency = Urgency::Low;
    again.expire = Expire::Default;
    second.show(&again);
    assert_eq!(shown(&second.next(SOON)), id);
    let displayed = run(desktop.command("dunstctl").args(["count", "displayed"]));
    let waiting = run(desktop.command("dunstctl").args(["count", "waiting"]));
    assert_eq!((displayed.trim(), waiting.trim()), ("1", "0"));
}

#[test]
fn the_user_s_answer_arrives_and_nobody_else_s() {
    let desktop = Desktop::start();
    let bench = Bench::on(&desktop.bus());
    bench.show(&popup("a", 7));
    let a = shown(&bench.next(SOON));
    bench.show(&popup("b", 8));
    let b = shown(&bench.next(SOON));

    // Any client may send such a signal, to everybody or to us.
    let forged = |arguments: &[&str]| {
        let mut busctl = Command::new("busctl");
        busctl.arg(format!("--address={}", desktop.bus())).arg("emit");
        let name = "org.freedesktop.Notifications";
        busctl.args(arguments).args(["/org/freedesktop/Notifications", name]);
        run(busctl.args(["ActionInvoked", "us", &a.to_string(), "tomorrow"]));
    };
    forged(&[]);
    for name in bench::connections(&desktop.bus()) {
        forged(&[&format!("--destination={name}")]);
    }

    desktop.invoke_action(a, "renew");
    assert_eq!(bench.next(SOON), action("a", ActionId::Renew));
    desktop.invoke_action(b, "tomorrow");
    assert_eq!(bench.next(SOON), action("b", ActionId::Tomorrow));
}

fn action(tag: &str, action: ActionId) -> DesktopEvent {
    let tag = tag.to_owned();
    DesktopEvent::Action { tag, action }
}

#[test]
fn another_process_closes_what_this_one_left() {
    let desktop = Desktop::start();
    let first = Bench::on(&desktop.bus());
    first.show(&popup("a", 7));
    let id = shown(&first.next(SOON));
    drop(first);

    let second = Bench::on(&desktop.bus());
    second.close(id);
    desktop.wait_until_closed(id, SOON);
    // Neither a popup that is gone nor one that never was is an error.
    second.close(id);
    second.close(999);
    second.show(&popup("a", 7));
    shown(&second.next(SOON));
}

#[test]
fn a_connection_lasts_as_long_as_a_popup() {
    let desktop = Desktop::start();
    let bench = Bench::on(&desktop.bus());
    let connected = || bench::connections(&desktop.bus()).len();
    assert_eq!(connected(), 0);
    bench.show(&popup("a", 7));
    let a = shown(&bench.next(SOON));
    bench.show(&popup("b", 8));
    let b = shown(&bench.next(SOON));
    assert_eq!(connected(), 1);
    bench.close(a);
    desktop.wait_until_closed(a, SOON);
    assert_eq!(connected(), 1);
    desktop.dismiss_all();
    desktop.wait_until_closed(b, SOON);
    wait::until_true("the connection ends", SOON, || connected() == 0);
}

#[test]
fn without_a_bus_that_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::on(&format!("unix:path={}/bus", dir.path().display()));
    bench.show(&popup("a", 7));
    let reason = not_shown(bench.next(Duration::from_secs(1)));
    assert!(matches!(reason, Failure::NoBus(_)), "{reason:?}");
}

#[test]
fn a_service_that_comes_later_is_announced_once() {
    let desktop = Desktop::start_without_server();
    let bench = Bench::on(&desktop.bus());
    for tag in ["a", "b"] {
        bench.show(&popup(tag, 7));
        let reason = not_shown(bench.next(Duration::from_secs(2)));
        assert!(matches!(reason, Failure::NoService(_)), "{reason:?}");
    }
    desktop.start_server();
    assert_eq!(bench.next(SOON), DesktopEvent::ServiceAppeared);
    bench.show(&popup("a", 7));
    shown(&bench.next(SOON));
    desktop.stop_server();
    desktop.start_server();
    bench.show(&popup("a", 7));
    shown(&bench.next(SOON)); // and not announced a second time
}

#[test]
fn a_stopped_server_stops_nothing_else() {
    let desktop = Desktop::start();
    let bench = Bench::on(&desktop.bus());
    desktop.freeze_server();
    bench.show(&popup("a", 7));
    let reason = not_shown(bench.next(ANSWER_LIMIT + Duration::from_secs(3)));
    assert_eq!(reason, Failure::TimedOut);
    let gap = bench.worst_gap();
    assert!(gap < Duration::from_secs(1), "the runtime stood still for {gap:?}");

    // It goes on, and shows what it was asked for: that is told, and one popup is all there is.
    desktop.thaw_server();
    let id = shown(&bench.next(SOON));
    bench.show(&popup("a", id));
    assert_eq!(shown(&bench.next(SOON)), id);
    let displayed = run(desktop.command("dunstctl").args(["count", "displayed"]));
    assert_eq!(displayed.trim(), "1");
}

#[test]
fn what_was_closed_before_it_came_up_stays_away() {
    let desktop = Desktop::start();
    let bench = Bench::on(&desktop.bus());
    desktop.freeze_server();
    bench.show(&popup("a", 7));
    desktop.wait_for_notification(|n| n.app == "credd", SOON);
    bench.close(7);
    desktop.thaw_server();
    let seen = desktop.wait_until_shown(|n| n.app == "credd", SOON);
    desktop.wait_until_closed(seen.id.unwrap(), SOON);
}

#[test]
fn waiting_costs_nothing() {
    let desktop = Desktop::start_without_server();
    let bench = Bench::quiet(&desktop.bus());
    let asleep = || {
        // What came last has been dealt with once nothing moves for a moment.
        let mut naps = bench.naps();
        wait::until_true("it comes to rest", SOON, || {
            let before = std::mem::replace(&mut naps, bench.naps());
            wait::try_until(Duration::from_millis(200), || (bench.naps() != before).then_some(())).is_none()
        });
        let before = bench.naps();
        wait::throughout("it sleeps", Duration::from_secs(3), || bench.naps() == before);
    };
    bench.show(&popup("a", 7));
    not_shown(bench.next(SOON));
    asleep(); // until there is a service
    desktop.start_server();
    assert_eq!(bench.next(SOON), DesktopEvent::ServiceAppeared);
    bench.show(&popup("a", 7));
    shown(&bench.next(SOON));
    asleep(); // until the user answers
}

#[test]
fn the_wait_ends_with_the_server() {
    let desktop = Desktop::start();
    let bench = Bench::on(&desktop.bus());
    bench.show(&popup("a", 7));
    shown(&bench.next(SOON));
    assert_eq!(bench::connections(&desktop.bus()).len(), 1);
    desktop.stop_server();
    wait::until_true("the connection ends", SOON, || bench::connections(&desktop.bus()).is_empty());
}

#[test]
fn a_stopped_server_that_dies_makes_room_for_the_next() {
    let desktop = Desktop::start();
    let bench = Bench::on(&desktop.bus());
    desktop.freeze_server();
    bench.show(&popup("a", 7));
    desktop.wait_for_notification(|n| n.app == "credd", SOON);
    desktop.stop_server();
    // The bus answers in its place.
    let reason = not_shown(bench.next(Duration::from_secs(3)));
    assert!(matches!(reason, Failure::NoService(_)), "{reason:?}");
    desktop.start_server();
    assert_eq!(bench.next(SOON), DesktopEvent::ServiceAppeared);
}

#[test]
fn gnome_s_ways_are_known() {
    let desktop = Desktop::start_without_server();
    let gnome = gnome::Server::start(&desktop.bus());
    let bench = Bench::on(&desktop.bus());
    bench.show(&popup("a", 7));
    let id = shown(&bench.next(SOON));
    // Only the connection that showed a popup may replace or close it.
    bench.show(&popup("a", id));
    assert_eq!(shown(&bench.next(SOON)), id);
    // A click is told to that connection alone, right behind another signal.
    for _ in 0..10 {
        gnome.click(id, "renew");
        assert_eq!(bench.next(SOON), action("a", ActionId::Renew));
    }
    bench.close(id);
    wait::until_true("it is closed", SOON, || gnome.up().is_empty());
}
