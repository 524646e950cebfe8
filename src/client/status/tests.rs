use serde_json::{Value, json};

use super::*;

fn key(fields: &Value) -> Value {
    let mut key = json!({
        "name": "bedrock", "variable": "AWS_BEARER_TOKEN_BEDROCK", "env_file": "/home/u/.backlog-toolkit-env",
        "kind": "bedrock-long-term", "state": "ok", "detail": null, "fingerprint": null,
        "issued_at": null, "issued_source": null, "expires_at": null, "age_days": null, "days_left": null,
        "next_alert_at": null, "first_alert_at": null, "snoozed_until": null, "alerts_sent": [], "probe": null
    });
    for (name, value) in fields.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn due() -> Value {
    key(&json!({
        "state": "due", "issued_at": "2026-10-27T15:00:00Z", "issued_source": "file", "expires_at": "2026-11-26T15:00:00Z",
        "age_days": 26.0, "days_left": 4.0, "next_alert_at": "2026-11-23T10:00:00Z",
        "first_alert_at": "2026-11-21T15:00:00Z",
        "alerts_sent": [{"at": "2026-11-21T15:00:00Z", "reason": "day-25", "delivered": true}]
    }))
}

fn fine() -> Value {
    key(&json!({
        "name": "openai", "variable": "OPENAI_API_KEY", "env_file": "/etc/keys", "issued_at": "2026-11-12T15:00:00Z",
        "issued_source": "declared", "expires_at": "2027-02-10T15:00:00Z", "age_days": 10.0, "days_left": 80.0,
        "next_alert_at": "2027-02-05T15:00:00Z", "first_alert_at": "2027-02-05T15:00:00Z"
    }))
}

fn litellm(state: &str, fields: &Value) -> Value {
    let mut consumer = json!({
        "name": "litellm", "state": state, "pid": 4711, "restart": "process", "key_fingerprints": {}, "last_apply": null
    });
    for (name, value) in fields.as_object().unwrap() {
        consumer[name] = value.clone();
    }
    consumer
}

fn page(keys: &[Value], consumers: &[Value], problems: &Value, width: usize) -> String {
    laid_out(keys, consumers, problems, width, true)
}

fn known(keys: &[Value], consumers: &[Value], problems: &Value) -> Current {
    let document = json!({
        "schema": 1, "live": true, "daemon": null, "keys": keys, "consumers": consumers, "problems": problems
    });
    Current::live(serde_json::from_value(document).unwrap())
}

#[test]
fn times_in_problems_are_those_of_here() {
    let problem = json!({
        "code": "pending-consumer", "severity": "warning", "message": "litellm waits until 2026-11-22T15:04:00Z",
        "fix": "nothing to do: it is tried again at 2026-11-22T15:04:00Z"
    });
    let said = |now: &str| {
        let current = known(&[], &[], &json!([problem])).in_words_at(Path::new("/home/u"), || now.parse().unwrap());
        let [problem] = &current.status.problems[..] else { panic!("{:?}", current.status.problems) };
        [problem.message.clone(), problem.fix.clone()]
    };
    assert_eq!(said("2026-11-22T15:00:00[UTC]"), ["litellm waits until 15:04", "nothing to do: it is tried again at 15:04"]);
    assert_eq!(said("2026-11-23T00:00:00[Asia/Tokyo]")[1], "nothing to do: it is tried again at 00:04");
    assert_eq!(said("2026-11-22T23:59:00[Asia/Tokyo]")[0], "litellm waits until 23 November 2026 00:04");
}

fn laid_out(keys: &[Value], consumers: &[Value], problems: &Value, width: usize, draws: bool) -> String {
    seen(&known(keys, consumers, problems), &StatusArgs::default(), width, draws)
}

fn seen(current: &Current, args: &StatusArgs, width: usize, draws: bool) -> String {
    let paths = Paths { home: "/home/u".into(), config: "/c".into(), config_named: false, state_dir: "/s".into(), socket: "/k".into() };
    let terminal = Terminal { colour: false, unicode: false, width };
    let now = "2026-11-22T15:00:00[UTC]".parse().unwrap();
    let text = full(current, &paths, Layout { terminal, draws }, &now, args);
    for line in text.lines() {
        assert!(line.is_ascii() && !line.ends_with(' '), "{line:?}");
    }
    format!("\n{text}")
}

fn open_to_others() -> Value {
    json!([{
        "code": "env-file-mode", "severity": "warning",
        "message": "~/.backlog-toolkit-env can be read by others (mode 0644)", "fix": "chmod 600 ~/.backlog-toolkit-env"
    }])
}

#[test]
fn the_worst_comes_first() {
    let text = page(&[fine(), due()], &[litellm("current", &json!({}))], &open_to_others(), 80);
    assert_eq!(
        text,
        "
bedrock     due       =========================|----  4 days left
            AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env
            expires Thu 26 Nov 15:00, next reminder tomorrow 10:00
            issued 27 October or earlier (the file's date)
            > credd renew bedrock

openai      ok        ===-------------------------|-  80 days left
            OPENAI_API_KEY in /etc/keys
            expires 10 February 2027, first alert 5 February 2027
            issued 12 November (as you said)

litellm     current   process 4711

warning     ~/.backlog-toolkit-env can be read by others (mode 0644)
            (env-file-mode)
            > chmod 600 ~/.backlog-toolkit-env
"
    );
}

#[test]
fn forty_columns_are_enough() {
    let text = page(&[due()], &[litellm("current", &json!({}))], &open_to_others(), 40);
    assert!(text.lines().all(|line| line.len() <= 40), "{text}");
    assert_eq!(
        text,
        "
bedrock     due       4 days left
  =========================|----
  AWS_BEARER_TOKEN_BEDROCK in
  ~/.backlog-toolkit-env
  expires Thu 26 Nov 15:00
  next reminder tomorrow 10:00
  issued 27 October or earlier (the
  file's date)
  > credd renew bedrock

litellm     current   process 4711

warning
  ~/.backlog-toolkit-env can be read by
  others (mode 0644) (env-file-mode)
  > chmod 600 ~/.backlog-toolkit-env
"
    );
}

#[test]
fn what_can_t_be_told_says_why() {
    let missing = key(&json!({"state": "missing", "detail": "nothing in the file sets it"}));
    let expired = key(&json!({
        "name": "a-name-of-some-length", "state": "expired", "issued_at": "2026-10-22T15:00:00Z", "issued_source": "observed",
        "expires_at": "2026-11-21T15:00:00Z", "age_days": 31.0, "days_left": -1.0
    }));
    let apply = json!({"at": "2026-11-22T14:50:00Z", "outcome": "rolled-back", "seconds": 9.0, "detail": "it ended at once"});
    let stale = litellm("stale", &json!({"last_apply": apply}));
    assert_eq!(
        page(&[missing, expired], &[litellm("absent", &json!({"name": "other"})), stale], &json!([]), 80),
        "
a-name-of-some-length  expired   ==============================  24 hours ago
                    AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env
                    expired yesterday 15:00, issued 22 October (seen to arrive)
                    > credd renew a-name-of-some-length

bedrock             missing
                    AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env
                    nothing in the file sets it
                    > credd renew bedrock

litellm             stale     process 4711
                    could not take up the key 10 min ago, and kept its old one:
                    it ended at once
other               absent    no such process runs
"
    );
}

#[test]
fn what_is_left_of_keys_that_were_replaced() {
    let former = json!([
        {"fingerprint": "00112233445566778899aabbccddeeff", "replaced_at": "2026-11-20T15:00:00Z", "expires_at": null,
         "user": "BedrockAPIKey-abcd", "consumers": ["litellm"], "env_files": ["/home/u/p/.env: KEY"]},
        {"fingerprint": "ffeeddccbbaa99887766554433221100", "replaced_at": "2026-11-19T15:00:00Z", "expires_at": null,
         "consumers": [], "env_files": [], "delete_at": "2026-11-26T15:00:00Z"},
        {"fingerprint": "aaeeddccbbaa99887766554433221100", "replaced_at": "2026-11-03T09:10:00Z", "expires_at": null,
         "consumers": [], "env_files": []}
    ]);
    let key = key(&json!({"former": former, "user": "BedrockAPIKey-efgh", "account": "123456789012", "renewal": "making the next key"}));
    assert_eq!(
        page(&[key], &[], &json!([]), 80),
        "
bedrock     ok        doesn't expire
            AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env
            IAM user BedrockAPIKey-efgh of account 123456789012
            credd is making the next key
            the one before (IAM user BedrockAPIKey-abcd), replaced 2 days ago,
            may still be accepted: keep it until litellm has the new one
            litellm still runs with it, still in /home/u/p/.env: KEY
            an earlier one, replaced 19 November 15:00, is inactive and is
            deleted Thu 26 Nov 15:00
            an earlier one, replaced 3 November 09:10, may still be accepted:
            revoke it
"
    );
}

/// What is to be done about a key that was replaced.
fn about_former(fields: &Value, consumers: &[Value], problems: &Value) -> String {
    let mut with = key(fields);
    with["former"] =
        json!([{"fingerprint": OTHER, "replaced_at": "2026-11-20T15:00:00Z", "expires_at": null, "consumers": [], "env_files": []}]);
    let text = page(&[with], consumers, problems, 200);
    text.split_once("may still be accepted: ").unwrap().1.lines().next().unwrap().to_owned()
}

#[test]
fn a_key_that_was_replaced_is_needed_as_long_as_the_new_one_is_of_no_use() {
    let kept = "keep it until a key that works is in the file";
    let good = json!({"fingerprint": PRINT});
    let about = |fields: &Value| about_former(fields, &[], &json!([]));
    assert_eq!(about(&good), "revoke it");
    assert_eq!(about(&json!({"fingerprint": PRINT, "state": "due"})), "revoke it");
    for state in ["rejected", "expired", "missing", "dynamic", "unreadable"] {
        assert_eq!(about(&json!({"fingerprint": PRINT, "state": state})), kept, "{state}");
    }
    let probe = json!({"verdict": "rejected", "at": "2026-11-22T14:30:00Z", "detail": ""});
    assert_eq!(about(&json!({"fingerprint": PRINT, "probe": probe})), kept);
    // Saved with Windows' line ends, it may be the very same key.
    let spoilt = |name: &str| json!([{"code": "control-character", "severity": "error", "message": "m", "fix": "f", "about": [name]}]);
    assert_eq!(about_former(&good, &[], &spoilt("bedrock")), kept);
    assert_eq!(about_former(&good, &[], &spoilt("other")), "revoke it");
}

#[test]
fn a_key_that_was_replaced_is_needed_until_each_consumer_has_the_new_one() {
    let kept = "keep it until litellm has the new one";
    let about = |consumer: Value| about_former(&json!({"fingerprint": PRINT}), &[consumer], &json!([]));
    let of = |state: &str, print: Value| about(litellm(state, &json!({"key_fingerprints": {"bedrock": print}})));
    assert_eq!(of("current", json!(PRINT)), "revoke it");
    for state in ["stale", "pending", "applying", "failed"] {
        assert_eq!(of(state, json!(OTHER)), kept, "{state}");
        assert_eq!(of(state, json!(null)), kept, "{state}");
        assert_eq!(of(state, json!(PRINT)), "revoke it", "{state}: it lacks another of its keys");
    }
    assert_eq!(about(litellm("failed", &json!({}))), kept);
    assert_eq!(about(litellm("absent", &json!({}))), "revoke it");
    let unseen = litellm("absent", &json!({"detail": "nobody looks at its processes without a daemon"}));
    assert_eq!(about(unseen), "keep it until credd runs, and can tell who has the new one");
    let other = json!({"key_fingerprints": {"home": OTHER, "bedrock": OTHER}, "overruled": {"bedrock": "home"}});
    assert_eq!(about(litellm("stale", &other)), "revoke it");
}

#[test]
fn where_nobody_looked_a_consumer_may_run() {
    let unseen = litellm("absent", &json!({"pid": null, "detail": "nobody looks at its processes without a daemon"}));
    assert_eq!(page(&[], &[unseen], &json!([]), 80), "\nlitellm     unknown\n            nobody looks at its processes without a daemon\n");
}

fn rejected() -> Value {
    key(&json!({"name": "r", "state": "rejected", "detail": "not known to Bedrock", "fingerprint": "00112233445566778899aabbccddeeff"}))
}

#[test]
fn who_uses_a_key_stands_with_it() {
    let prints = |print: &str| json!({"key_fingerprints": {"r": print, "other": null}});
    let mut serving = litellm("current", &prints("00112233445566778899aabbccddeeff"));
    serving["name"] = json!("one");
    let mut stale = litellm("stale", &prints("ffeeddccbbaa99887766554433221100"));
    stale["name"] = json!("two");
    let mut other = rejected();
    (other["name"], other["state"], other["detail"]) = (json!("other"), json!("ok"), json!(null));
    let problem = |key: &str| json!({"code": "rejected-key", "severity": "error", "message": format!("the key {key} is not accepted"), "fix": format!("credd renew {key}")});
    assert_eq!(
        page(&[other, rejected()], &[serving, stale], &json!([problem("r"), problem("elsewhere")]), 80),
        "
r           rejected
            AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env
            not known to Bedrock
            used by two (stale), one (current)
            > credd renew r

other       ok        doesn't expire
            AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env
            used by two (stale)

two         stale     process 4711
one         current   process 4711

error       the key elsewhere is not accepted (rejected-key)
            > credd renew elsewhere
"
    );
}

#[test]
fn where_nothing_is_drawn_the_bar_is_in_words() {
    let text = laid_out(&[due(), fine()], &[], &json!([]), 80, false);
    assert!(text.contains("\nbedrock     due       4 days left, day 27 of 30\n"), "{text}");
    assert!(text.contains("\nopenai      ok        80 days left, day 11 of 90\n"), "{text}");
    assert!(!text.contains("=="), "{text}");
}

#[test]
fn one_line_for_a_bar() {
    let known = known(&[fine(), due()], &[litellm("stale", &json!({}))], &json!([]));
    assert_eq!(short(&known.status, None), "bedrock 4d\n");
    assert_eq!(asked("litellm", known, &StatusArgs { short: true, ..StatusArgs::default() }), "litellm stale\n");
}

/// What is said of one name.
fn asked(name: &str, mut current: Current, args: &StatusArgs) -> String {
    select(&mut current, name, Path::new("/home/u")).unwrap();
    let args = StatusArgs { name: Some(name.into()), ..args.clone() };
    if args.short { short(&current.status, Some(name)) } else { seen(&current, &args, 80, true) }
}

const PRINT: &str = "00112233445566778899aabbccddeeff";
const OTHER: &str = "ffeeddccbbaa99887766554433221100";

#[test]
fn of_one_key_there_is_who_uses_it() {
    let key = |name: &str| key(&json!({"name": name, "fingerprint": PRINT, "env_file": "/home/u/keys"}));
    let problem = |code: &str, message: &str, about: &[&str]| json!({"code": code, "severity": "warning", "message": message, "fix": "mend it", "about": about});
    let problems = json!([
        problem("rejected-key", "the key rej is not accepted", &["rej"]),
        problem("stale-consumer", "other lacks the key key", &["key", "other"]),
        problem("watch-degraded", "~/keys is looked at every 30 s", &[]),
        problem("clock-went-back", "the key to it is the clock", &[]),
    ]);
    let prints = |prints: Value| json!({"key_fingerprints": prints});
    let mut other = litellm("stale", &prints(json!({"key": null})));
    other["name"] = json!("other");
    let known =
        || known(&[key("key"), key("rej")], &[litellm("current", &prints(json!({"key": PRINT, "rej": null}))), other.clone()], &problems);
    assert_eq!(
        asked("key", known(), &StatusArgs::default()),
        "
key         ok        doesn't expire
            AWS_BEARER_TOKEN_BEDROCK in ~/keys
            used by other (stale), litellm (current)

warning     other lacks the key key (stale-consumer)
            > mend it
warning     ~/keys is looked at every 30 s (watch-degraded)
            > mend it
"
    );
    let mut one = known();
    select(&mut one, "rej", Path::new("/home/u")).unwrap();
    let names: Vec<&str> = one.status.consumers.iter().map(|consumer| &*consumer.name).collect();
    assert_eq!(names, ["litellm"], "a script is told who is to have it");
    assert_eq!(asked("litellm", known(), &StatusArgs::default()), "\nlitellm     current   process 4711\n");
}

#[test]
fn nobody_uses_a_key_whose_variable_they_have_from_another() {
    let other = "ffeeddccbbaa99887766554433221100";
    let such = |name: &str, print: &str| key(&json!({"name": name, "fingerprint": print}));
    for state in ["current", "stale"] {
        let fields = json!({"key_fingerprints": {"home": other, "work": other}, "overruled": {"work": "home"}});
        let text = page(&[such("work", PRINT), such("home", other)], &[litellm(state, &fields)], &json!([]), 80);
        assert_eq!(text.matches("used by").count(), 1, "{text}");
        assert!(text.find("used by litellm (current)") > text.find("\nhome "), "{text}");
    }
    // One that holds what was there before, and has no reason to change.
    let text = page(&[such("work", PRINT)], &[litellm("current", &json!({"key_fingerprints": {"work": other}}))], &json!([]), 80);
    assert!(!text.contains("used by"), "{text}");
}

#[test]
fn the_end_is_no_reminder() {
    let mut last = due();
    last["next_alert_at"] = last["expires_at"].clone();
    let text = page(&[last], &[], &json!([]), 80);
    assert!(text.contains("\n            expires Thu 26 Nov 15:00\n            issued 27 October"), "{text}");
}

#[test]
fn what_was_taken_up_before_is_not_the_key_that_is_there_now() {
    let apply = json!({"at": "2026-11-22T14:59:30Z", "outcome": "applied", "seconds": 0.6, "detail": ""});
    let of = |state: &str, print: Value| {
        page(&[], &[litellm(state, &json!({"last_apply": apply, "key_fingerprints": {"k": print}}))], &json!([]), 80)
    };
    for (state, print, what) in [
        ("current", json!(PRINT), "the key"),
        ("pending", json!(PRINT), "an earlier key"),
        ("stale", json!(PRINT), "an earlier key"),
        // It may have all it was given.
        ("stale", json!(null), "a key"),
        ("absent", json!(null), "a key"),
    ] {
        let text = of(state, print);
        assert!(text.contains(&format!("            took up {what} just now, in 0.6 s\n")), "{state}: {text}");
    }
}

#[test]
fn why_it_was_stopped_first_is_said_and_no_more() {
    let since = "it was stopped first, since its workers share one listener";
    let of = |detail: &str| {
        let apply = json!({"at": "2026-11-22T14:59:30Z", "outcome": "applied", "seconds": 0.3, "detail": detail});
        page(&[], &[litellm("current", &json!({"last_apply": apply}))], &json!([]), 80)
    };
    let told = "\nlitellm     current   process 4711\n            took up the key just now, in 0.3 s\n";
    assert_eq!(of("proven by a completion"), told);
    assert_eq!(of(&format!("proven by a completion; {since}")), format!("{told}            {since}\n"));
}

#[test]
fn a_reason_is_said_once() {
    let reason = "litellm was restarted 3 times in ten minutes; it is tried again by itself";
    let problem = |name: &str| {
        json!({"code": "pending-consumer", "severity": "warning", "message": format!("{name} has not taken up the new key: {reason}"),
            "fix": "nothing to do: it is tried again at 15:04"})
    };
    let pending = litellm("pending", &json!({"detail": reason, "retry_at": "2026-11-22T15:04:00Z"}));
    let text = page(&[], &[pending], &json!([problem("litellm")]), 100);
    assert!(text.matches(reason).count() == 1 && text.contains("litellm has not taken up the new key (pending-consumer)\n"), "{text}");
    // Where the consumer itself isn't shown, its problem says it.
    let text = page(&[], &[], &json!([problem("litellm")]), 200);
    assert!(text.contains(reason), "{text}");
}

#[test]
fn of_a_value_that_is_not_there_little_is_said_and_that_it_was_the_last() {
    let of = |state: &str, end: &str| {
        let key = key(&json!({
            "state": state, "detail": "why", "fingerprint": PRINT, "issued_at": "2026-10-22T15:00:00Z", "issued_source": "observed",
            "expires_at": end, "age_days": 31.0, "days_left": -1.0, "next_alert_at": "2026-11-23T10:00:00Z",
            "alerts_sent": [{"at": "2026-11-16T15:00:00Z", "reason": "day-25", "delivered": true}],
            "probe": {"verdict": "works", "at": "2026-11-22T14:59:50Z", "detail": ""}, "user": "u", "account": "123456789012"
        }));
        page(&[key], &[litellm("current", &json!({"key_fingerprints": {"bedrock": PRINT}}))], &json!([]), 200)
    };
    for state in ["missing", "dynamic"] {
        let text = of(state, "2026-11-21T15:00:00Z");
        let last = "the last one: expired yesterday 15:00, issued 22 October (seen to arrive), IAM user u of account";
        assert!(text.contains(last) && !text.contains("accepted") && !text.contains("used by") && !text.contains("reminder"), "{text}");
    }
    let text = of("unreadable", "2026-11-26T15:00:00Z");
    assert!(text.contains("the last one: expires Thu 26 Nov 15:00, next reminder tomorrow 10:00, issued"), "alerts go on: {text}");
}

fn many(width: usize) -> String {
    let mut keys: Vec<Value> = (0..1_300)
        .map(|n| {
            let mut key = fine();
            key["name"] = json!(format!("k{n}"));
            key
        })
        .collect();
    keys[700] = due();
    let consumers: Vec<Value> =
        (0..50).map(|n| litellm(if n == 7 { "stale" } else { "current" }, &json!({"name": format!("c{n}")}))).collect();
    let mut problems = vec![json!({"code": "stale-consumer", "severity": "warning", "message": "c7 is stale", "fix": "credd apply c7"})];
    for n in 0..9 {
        problems.push(json!({
            "code": "env-file-mode", "severity": "warning", "message": format!("/e/{n} can be read by others"), "fix": format!("chmod 600 /e/{n}")
        }));
    }
    page(&keys, &consumers, &json!(problems), width)
}

#[test]
fn of_many_the_worst_are_shown_and_the_rest_summed_up() {
    assert_eq!(
        many(80),
        "
bedrock     due       =========================|----  4 days left
            AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env
            expires Thu 26 Nov 15:00, next reminder tomorrow 10:00
            issued 27 October or earlier (the file's date)
            > credd renew bedrock

k0          ok        ===-------------------------|-  80 days left
            OPENAI_API_KEY in /etc/keys
            expires 10 February 2027, first alert 5 February 2027
            issued 12 November (as you said)

k1          ok        ===-------------------------|-  80 days left
            OPENAI_API_KEY in /etc/keys
            expires 10 February 2027, first alert 5 February 2027
            issued 12 November (as you said)

1,297 more keys: 1,297 ok; the next first alert is 5 February 2027
> credd status NAME shows one, credd status --all shows all

c7          stale     process 4711
c0          current   process 4711
c1          current   process 4711
47 more consumers: 47 current
> credd status NAME shows one, credd status --all shows all

warning     c7 is stale (stale-consumer)
            > credd apply c7
warning     /e/0 can be read by others (env-file-mode)
            > chmod 600 /e/0
warning     /e/1 can be read by others (env-file-mode)
            > chmod 600 /e/1
warning     /e/2 can be read by others (env-file-mode)
            > chmod 600 /e/2
            and 6 more like it (env-file-mode)
            > credd status --all
"
    );
}

#[test]
fn many_in_forty_columns() {
    let text = many(40);
    assert!(text.lines().all(|line| line.len() <= 40), "{text}");
    assert!(text.contains("\n1,297 more keys: 1,297 ok; the next\n"), "{text}");
}

#[test]
fn of_those_that_are_summed_up_the_next_to_end_is_named() {
    let keys: Vec<Value> = (0..20)
        .map(|n| {
            let mut key = due();
            key["name"] = json!(format!("k{n}"));
            key["days_left"] = json!(f64::from(n) / 4.0);
            key["expires_at"] = json!(format!("2026-11-{:02}T15:00:00Z", 22 + n / 4));
            if n > 17 { fine() } else { key }
        })
        .collect();
    let text = page(&keys, &[], &json!([]), 80);
    assert!(
        text.contains("\n10 more keys: 8 due, 2 ok; k10 expires Tue 24 Nov 15:00; the next first alert is\n5 February 2027\n"),
        "{text}"
    );
}

#[test]
fn what_is_long_or_wide_fits_all_the_same() {
    let long = "k".repeat(70);
    let key = key(&json!({"name": long, "days_left": 14.0, "age_days": 16.0}));
    let text = page(&[key], &[litellm("current", &json!({"name": long}))], &json!([]), 80);
    assert!(text.lines().all(|line| line.len() <= 80) && text.contains(&format!("\n{long}\n                    ok\n")), "{text}");
}
