use serde_json::{Value, json};

use super::*;
use crate::config::Surroundings;

/// A key as the status document has it, in its 27th day.
fn key(fields: &Value) -> Value {
    let mut key = json!({
        "name": "bedrock", "variable": "AWS_BEARER_TOKEN_BEDROCK", "env_file": "/home/u/.backlog-toolkit-env",
        "kind": "bedrock-long-term", "state": "due", "detail": null, "fingerprint": "30313233343536373839616263646566",
        "issued_at": "2026-10-27T15:00:00Z", "issued_source": "observed", "expires_at": "2026-11-26T15:00:00Z",
        "age_days": 26.0, "days_left": 4.0, "next_alert_at": "2026-11-23T10:00:00Z", "snoozed_until": null,
        "alerts_sent": [{"at": "2026-11-21T15:00:00Z", "reason": "day-25", "delivered": true}], "probe": null
    });
    for (name, value) in fields.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

struct Case {
    key: Value,
    history: Value,
    config: &'static str,
    problems: Value,
    live: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self { key: key(&json!({})), history: json!([]), config: "", problems: json!([]), live: true }
    }
}

impl Case {
    fn of(fields: &Value) -> Self {
        Self { key: key(fields), ..Self::default() }
    }

    fn told(self, history: &Value) -> Self {
        Self { history: history.clone(), ..self }
    }

    fn set(self, config: &'static str) -> Self {
        Self { config, ..self }
    }

    fn config(&self) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, self.config).unwrap();
        Config::load(&file, true, &Surroundings { home: "/home/u".into() }).unwrap()
    }

    fn status(&self) -> Status {
        let document =
            json!({"schema": 1, "live": self.live, "daemon": null, "keys": [self.key], "consumers": [], "problems": self.problems});
        serde_json::from_value(document).unwrap()
    }

    /// What is said, a line for each paragraph.
    fn said(&self) -> String {
        let (config, status) = (self.config(), self.status());
        let history: Vec<HistoryEntry> = serde_json::from_value(self.history.clone()).unwrap();
        let grounds = Grounds {
            status: &status,
            alerts: &config.alerts,
            spec: config.keys.iter().find(|spec| spec.name.as_str() == "bedrock"),
            history: history.iter().collect(),
            home: Path::new("/home/u"),
            now: &now(),
        };
        format!("\n{}\n", explained(&status.keys[0], &grounds).join("\n"))
    }

    fn says(&self, what: &str) {
        let said = self.said();
        assert!(said.contains(what), "{what:?} isn't said in: {said}");
    }
}

fn now() -> Zoned {
    "2026-11-22T15:00:00[UTC]".parse().unwrap()
}

#[test]
fn forty_columns_are_enough() {
    let case = Case { live: false, ..Case::of(&json!({"issued_source": "declared", "env_file": "/home/u/\u{1b}[31m"})) };
    let offline = Some(Failure::failed("no daemon answers at /run/user/1000/credd/credd.sock"));
    let current = Current { status: case.status(), offline, keys: vec!["bedrock".into()], consumers: Vec::new() };
    let terminal = Terminal { colour: false, unicode: false, width: 40 };
    let text = page(&current, None, &case.config(), &[], Path::new("/home/u"), &now(), terminal);
    assert_eq!(
        format!("\n{text}"),
        "
no daemon answers at
/run/user/1000/credd/credd.sock: this is
the last saved state, and nothing is
sent

bedrock: due
  It was issued 27 October 15:00, as you
  said (credd issued).
  It ends Thursday 26 November 15:00: 30
  days after that, its lifetime in the
  configuration.
  Its alerts are due on day 25 of its
  life (yesterday 15:00), and at its
  end.
  The alert of day 25 came yesterday
  15:00, when it was due.
  With a daemon, reminders follow remind
  = \"0 0 10 * * *\", up to its end.
"
    );
}

fn event(at: &str, event: &str, message: &str) -> Value {
    json!({"at": at, "event": event, "key": "bedrock", "message": message})
}

/// The first alert came at another time than it was due.
fn came(at: &str) -> Case {
    Case::of(&json!({"alerts_sent": [{"at": at, "reason": "day-25", "delivered": true}]}))
}

#[test]
fn a_key_whose_alert_came_when_it_was_due() {
    assert_eq!(
        Case::default().said(),
        "
It was issued 27 October 15:00, when credd saw it arrive in ~/.backlog-toolkit-env. If it is older, its alerts come too late; tell credd with: credd issued bedrock WHEN
It ends Thursday 26 November 15:00: 30 days after that, its lifetime in the configuration.
Its alerts are due on day 25 of its life (yesterday 15:00), and at its end.
The alert of day 25 came yesterday 15:00, when it was due.
The next reminder comes tomorrow 10:00: they follow remind = \"0 0 10 * * *\" until another key takes its place.
"
    );
}

#[test]
fn a_date_says_who_gave_it() {
    for (source, said) in [
        ("key", "27 October 15:00: the key itself says so."),
        ("iam", "27 October 15:00: IAM says so."),
        ("declared", "27 October 15:00, as you said (credd issued)."),
        ("renewed", "27 October 15:00, when credd put it into ~/.backlog-toolkit-env."),
        ("file", "27 October 15:00 at the latest: that is the date of ~/.backlog-toolkit-env"),
    ] {
        Case::of(&json!({"issued_source": source})).says(&format!("It was issued {said}"));
    }
}

#[test]
fn an_end_says_who_gave_it() {
    Case::of(&json!({"expires_at": "2026-11-26T14:00:00Z"})).says("It ends Thursday 26 November 14:00: the key itself says so");
    let iam = json!({"credential": {"id": "ACCA1", "user": "u", "created_at": "2026-10-27T15:00:00Z",
        "expires_at": "2026-11-26T15:00:00Z", "status": "active"}});
    let by_iam = Case::of(&json!({"iam": iam}));
    by_iam.says("It ends Thursday 26 November 15:00: IAM says so.");
    let never = json!({"expires_at": null, "days_left": null, "next_alert_at": null, "alerts_sent": [], "state": "ok"});
    let never = Case::of(&never).set("[[keys]]\nname = \"bedrock\"\nenv_file = \"~/x\"\nlifetime = \"never\"\n").said();
    assert!(never.contains("It doesn't expire") && never.contains("\"never\"") && !never.contains("due"), "{never}");
    assert!(!never.contains("too late") && never.contains("arrive in ~/.backlog-toolkit-env.\n"), "it has no alerts: {never}");
}

#[test]
fn another_lifetime_moves_the_alert() {
    let long = json!({"issued_at": "2026-10-27T15:00:00Z", "expires_at": "2027-01-25T15:00:00Z", "state": "ok", "alerts_sent": [],
        "next_alert_at": "2027-01-20T15:00:00Z"});
    let long = Case::of(&long).set("[[keys]]\nname = \"bedrock\"\nlifetime = \"90d\"\n").said();
    assert!(
        long.contains("90 days after that")
            && long.contains("due 5 days before its end (Wednesday 20 January 15:00; of a 30-day key that is day 25)"),
        "{long}"
    );
    assert!(long.contains("The next alert comes Wednesday 20 January 15:00, 5 days before its end.\n"), "{long}");
    let short = json!({"issued_at": "2026-11-22T12:00:00Z", "expires_at": "2026-11-23T00:00:00Z", "state": "ok", "alerts_sent": [],
        "issued_source": "key", "next_alert_at": "2026-11-22T22:00:00Z"});
    Case::of(&short).says("due 2 hours before its end (today 22:00; of a 30-day key that is day 25)");
    Case::of(&short).says("The next alert comes today 22:00, 2 hours before its end.");
    let told = json!({"issued_at": "2026-11-22T04:00:00Z", "expires_at": "2026-11-22T16:00:00Z", "issued_source": "key",
        "alerts_sent": [{"at": "2026-11-22T14:00:00Z", "reason": "day-25", "delivered": true}]});
    Case::of(&told).says("The alert 2 hours before its end came today 14:00, when it was due.");
}

#[test]
fn a_late_alert_has_a_reason() {
    let at = "2026-11-22T09:00:00Z";
    came(at).told(&json!([event(at, "alert", "an alert is due (day-25)")])).says("18 hours late: no daemon ran, or the machine was off");
    came(at)
        .told(&json!([event("2026-11-21T15:00:00Z", "alert", "an alert is due (day-25)")]))
        .says("late: nothing took it from yesterday 15:00 on: no notification service was there");
    came(at)
        .told(&json!([
            event("2026-11-20T15:00:00Z", "snoozed", "reminders are quiet until 2026-11-22T09:00:00Z"),
            event(at, "alert", "an alert is due (day-25)")
        ]))
        .says("late: you had asked for quiet until today 09:00.");
    // That quiet was ended before it mattered.
    came(at)
        .told(&json!([
            event("2026-11-19T15:00:00Z", "snoozed", "reminders are quiet until 2026-11-22T09:00:00Z"),
            event("2026-11-20T15:00:00Z", "snoozed", "reminders are no longer quiet"),
            event(at, "alert", "an alert is due (day-25)")
        ]))
        .says("late: no daemon ran");
    came(at)
        .told(&json!([
            event("2026-11-22T08:59:59Z", "issued-declared", "the user says that it was issued at 2026-10-27T15:00:00Z"),
            event(at, "alert", "an alert is due (day-25)")
        ]))
        .says("late: its true date was learned only today 08:59.");
    came(at).says("late: the history no longer says why.");
}

#[test]
fn quiet_is_blamed_for_what_it_put_off_alone() {
    let at = "2026-11-22T09:00:00Z";
    let snoozed = |on: &str, until: &str| event(on, "snoozed", &format!("reminders are quiet until {until}"));
    let lifted = |on: &str| event(on, "snoozed", "reminders are no longer quiet");
    let new = |on: &str| event(on, "key-new", "a new key is in /home/u/.backlog-toolkit-env, line 1");
    let alert = event(at, "alert", "an alert is due (day-25)");
    let blames = |before: &[Value]| {
        let said = came(at).told(&json!([before, std::slice::from_ref(&alert)].concat())).said();
        said.contains("asked for quiet").then(|| said.split("quiet until ").nth(1).unwrap().split('.').next().unwrap().to_owned())
    };
    let day = "2026-11-20T15:00:00Z";
    assert_eq!(blames(&[snoozed(day, "2026-11-22T08:00:00Z")]).unwrap(), "today 08:00");
    assert_eq!(blames(&[snoozed(day, "2026-11-23T09:00:00Z")]), None, "it came before the quiet ended");
    assert_eq!(blames(&[snoozed(day, "2026-11-21T09:00:00Z")]), None, "that ended before it was due");
    assert_eq!(blames(&[snoozed(day, "2026-11-22T09:00:00Z"), lifted("2026-11-21T09:00:00Z")]), None);
    assert_eq!(blames(&[snoozed(day, "2026-11-24T09:00:00Z"), lifted("2026-11-22T07:00:00Z")]).unwrap(), "today 07:00");
    assert_eq!(blames(&[snoozed("2026-11-19T15:00:00Z", "2026-11-22T09:00:00Z"), new(day)]), None, "it was asked for another value");
}

#[test]
fn what_happened_to_another_value_explains_nothing() {
    let mut other = event("2026-11-22T08:59:59Z", "key-new", "a new key is in /home/u/.backlog-toolkit-env, line 1");
    other["fingerprint"] = json!("00000000000000000000000000000000");
    let at = "2026-11-22T09:00:00Z";
    came(at).told(&json!([other, event(at, "alert", "an alert is due (day-25)")])).says("late: no daemon ran");
}

#[test]
fn several_that_were_missed_are_one() {
    let sent = json!({"alerts_sent": [{"at": "2026-11-22T09:00:00Z", "reason": "day-25", "delivered": true}]});
    Case::of(&sent).set("[alerts]\ndays = [20, 25]\n").says(
        "The alert of day 20 was due 16 November 15:00 and not sent by itself: of several that were missed one is sent, the alert of day 25 (today 09:00).",
    );
}

#[test]
fn what_waits_says_for_what() {
    let waits = json!({"alerts_sent": [{"at": "2026-11-21T15:00:00Z", "reason": "day-25", "delivered": false}], "next_alert_at": null});
    let problem =
        json!([{"code": "notifications-unavailable", "severity": "warning", "message": "no popup could be shown: no bus", "fix": ""}]);
    let case = Case { problems: problem, ..Case::of(&waits) };
    case.says("The alert of day 25 is due since yesterday 15:00: it reached nobody yet: no popup could be shown: no bus.");
    case.says("Reminders go on from when that alert has been shown.");
    let quiet = json!({"alerts_sent": [], "snoozed_until": "2026-11-24T09:00:00Z", "next_alert_at": "2026-11-24T09:00:00Z"});
    let case = Case::of(&quiet);
    case.says("The alert of day 25 is due since yesterday 15:00: you asked for quiet until Tuesday 24 November 09:00.");
    case.says("The next alert comes Tuesday 24 November 09:00: you asked for quiet until then. To be reminded again: credd snooze bedrock --clear");
    Case::default().set("[alerts]\ndesktop = false\n").says("Nobody is told of any alert: desktop is false");
}

fn problem(code: &str, message: &str) -> Value {
    json!({"code": code, "severity": "warning", "message": message, "fix": ""})
}

#[test]
fn a_command_that_fails_is_named() {
    let command = problem("alert-command-failed", "the alert command failed (mail ended with exit code 1); it is tried again at 15:04");
    let waits = json!({"alerts_sent": [{"at": "2026-11-21T15:00:00Z", "reason": "day-25", "delivered": false}], "next_alert_at": null});
    let case = Case { problems: json!([command]), ..Case::of(&waits) };
    case.says("it reached nobody yet: the alert command failed (mail ended with exit code 1); it is tried again at 15:04.\n");
    let popup = problem("notifications-unavailable", "no popup could be shown: no bus");
    let case = Case { problems: json!([popup, command]), ..case };
    case.says("it reached nobody yet: no popup could be shown: no bus, and the alert command failed (mail");
    Case::of(&waits).says("it is being shown now");
    Case::of(&waits).set("[alerts]\ndesktop = false\n").says("there is no way to tell you");
}

#[test]
fn an_alert_that_nobody_saw_comes_when_the_quiet_ends() {
    let waits = json!({"alerts_sent": [{"at": "2026-11-21T15:00:00Z", "reason": "day-25", "delivered": false}],
        "snoozed_until": "2026-11-24T09:00:00Z", "next_alert_at": "2026-11-26T15:00:00Z"});
    Case::of(&waits).says("The next alert comes Tuesday 24 November 09:00: you asked for quiet until then.");
    let to_the_end = json!({"alerts_sent": waits["alerts_sent"], "snoozed_until": "2026-11-26T15:00:00Z",
        "next_alert_at": "2026-11-26T15:00:00Z"});
    Case::of(&to_the_end).says("The next alert comes Thursday 26 November 15:00, when it ends");
    // Its end is not put off.
    let ended = json!({"alerts_sent": [{"at": "2026-11-22T14:00:00Z", "reason": "expired", "delivered": false}], "state": "expired",
        "issued_at": "2026-10-23T14:00:00Z", "expires_at": "2026-11-22T14:00:00Z", "next_alert_at": null});
    Case::of(&ended).says("Once that has been shown, nothing is left to say until another key takes its place.");
}

/// A key that its issuer rejects, which nobody was told yet; before any other alert is due, or when one is.
fn rejected(is_due: bool) -> Value {
    let (issued, end) = if is_due { ("2026-10-27", "2026-11-26") } else { ("2026-11-20", "2026-12-20") };
    json!({"alerts_sent": [{"at": "2026-11-22T12:00:00Z", "reason": "rejected", "delivered": false}], "state": "rejected",
        "detail": "Bedrock says \"Authentication failed.\"", "issued_at": format!("{issued}T15:00:00Z"),
        "expires_at": format!("{end}T15:00:00Z"), "next_alert_at": if is_due { end } else { "2026-12-15" }.to_owned() + "T15:00:00Z"})
}

#[test]
fn a_rejection_that_nobody_was_told_of() {
    let problems = json!([problem("notifications-unavailable", "no popup could be shown: no bus")]);
    let mut key = rejected(false);
    key["snoozed_until"] = json!("2026-11-24T09:00:00Z");
    let case = Case { problems, ..Case::of(&key) };
    case.says("\nIt is rejected: Bedrock says \"Authentication failed.\".\n");
    case.says("That its issuer rejects it is due to be told since today 12:00: it reached nobody yet: no popup could be shown: no bus.");
    case.says("The next alert after that comes Tuesday 15 December 15:00.");
    let due = Case::of(&rejected(true));
    due.says("The alert of day 25 was due yesterday 15:00 and not sent by itself: of several that were missed one is sent, the alert that its issuer rejects it (today 12:00).");
    due.says("Reminders go on from when that alert has been shown; the next alert comes Thursday 26 November 15:00 in any case.");
    for is_due in [false, true] {
        let offline = Case { live: false, ..Case::of(&rejected(is_due)) };
        offline.says("That its issuer rejects it is due to be told since today 12:00: no daemon runs that could show it");
        offline.says("With a daemon, the next alert comes at once.");
    }
}

#[test]
fn a_rejection_is_told_of_a_key_without_an_end_too() {
    let mut key = rejected(false);
    for name in ["expires_at", "days_left", "next_alert_at"] {
        key[name] = Value::Null;
    }
    Case::of(&key).says("That its issuer rejects it is due to be told since today 12:00: it is being shown now.");
}

#[test]
fn after_a_rejection_that_was_told_the_next_alert_is_that_of_a_day() {
    let mut key = rejected(false);
    key["alerts_sent"][0]["delivered"] = json!(true);
    let case = Case { live: false, ..Case::of(&key) };
    case.says("That its issuer rejects it was told today 12:00.");
    case.says("With a daemon, the next alert comes Tuesday 15 December 15:00.");
}

#[test]
fn the_last_alert_and_what_comes_after_it() {
    Case::of(&json!({"next_alert_at": "2026-11-26T15:00:00Z"})).says("The next alert comes Thursday 26 November 15:00, when it ends");
    let ended = json!({
        "state": "expired", "issued_at": "2026-10-20T15:00:00Z", "expires_at": "2026-11-19T15:00:00Z", "next_alert_at": null,
        "alerts_sent": [
            {"at": "2026-11-14T15:00:00Z", "reason": "day-25", "delivered": true},
            {"at": "2026-11-15T10:00:00Z", "reason": "reminder", "delivered": true},
            {"at": "2026-11-16T10:00:00Z", "reason": "reminder", "delivered": true},
            {"at": "2026-11-19T15:00:01Z", "reason": "expired", "delivered": true}
        ]
    });
    let case = Case::of(&ended);
    for said in [
        "It ended 19 November 15:00",
        "The alert about its end came 19 November 15:00, when it was due.",
        "the latest reminder came 16 November 10:00",
        "Its end was told, and nothing is left to say until another key takes its place.",
    ] {
        case.says(said);
    }
}

#[test]
fn without_a_daemon_nothing_is_sent() {
    let saved = |fields: &Value| Case { live: false, ..Case::of(fields) };
    let fresh = json!({"issued_at": "2026-11-20T15:00:00Z", "expires_at": "2026-12-20T15:00:00Z", "state": "ok", "alerts_sent": [],
        "next_alert_at": null});
    saved(&fresh).says("With a daemon, the next alert comes Tuesday 15 December 15:00.");
    let due = json!({"alerts_sent": [], "next_alert_at": null});
    saved(&due).says("The alert of day 25 is due since yesterday 15:00: no daemon runs that could show it");
    saved(&due).says("With a daemon, the next alert comes at once.");
    let quiet = json!({"next_alert_at": null, "snoozed_until": "2026-11-24T09:00:00Z"});
    saved(&quiet).says("You asked for quiet until Tuesday 24 November 09:00; with a daemon, alerts come from then on.");
    saved(&json!({"next_alert_at": null})).says("With a daemon, reminders follow remind = \"0 0 10 * * *\", up to its end.");
}

#[test]
fn a_key_that_is_not_there_has_no_alerts() {
    let gone = json!({"state": "missing", "detail": "there is no file yet", "issued_at": null, "issued_source": null, "expires_at": null,
        "age_days": null, "days_left": null, "next_alert_at": null, "alerts_sent": []});
    assert_eq!(Case::of(&gone).said(), "\nNo alert is due while there is no key: there is no file yet.\n");
    let last = |state: &str, why: &str| Case::of(&json!({"state": state, "detail": why, "next_alert_at": null})).said();
    let dates = "It was issued 27 October 15:00, when credd saw it arrive in ~/.backlog-toolkit-env.
It ends Thursday 26 November 15:00: 30 days after that, its lifetime in the configuration.
";
    assert_eq!(
        last("dynamic", "line 3 runs a command"),
        format!("\nNo alert is due while its value can't be told: line 3 runs a command. What follows is of the last one.\n{dates}")
    );
    assert_eq!(
        last("missing", "gone"),
        format!("\nNo alert is due while there is no key: gone. What follows is of the last one.\n{dates}")
    );
    // It may still be there, and alerts about it go on.
    let unreadable = last("unreadable", "Permission denied");
    assert!(unreadable.starts_with(&format!("\nIts file can't be read now: Permission denied. What follows is of the last one.\n{dates}")));
    assert!(unreadable.contains("The alert of day 25 came yesterday 15:00"), "{unreadable}");
}

#[test]
fn what_credd_does_by_itself_is_said() {
    let config = "[[keys]]\nname = \"bedrock\"\niam = \"renew\"\n";
    Case::default().set(config).says("credd makes its successor through IAM when its first alert is due");
    Case::of(&json!({"alerts_sent": [], "renewal": "making the next key"}))
        .set(config)
        .says("The alert of day 25 is due since yesterday 15:00: credd is making the next key, which may make it needless.");
}
