//! On a terminal.

use std::fs;

use serde_json::Value;

use crate::rig::{KEY, Rig, WHEN, WHICH};
use crate::support::daemon::SOON;
use crate::support::desktop::Desktop;
use crate::support::home::Home;
use crate::support::iam::IamStandIn;
use crate::support::light::Light;
use crate::support::{installed, wait};

#[test]
fn it_asks_twice_proves_a_popup_and_ends_with_the_status() {
    let desktop = Desktop::start();
    let rig = Rig::in_home(Home::new().on_bus(&desktop.bus()), 3);
    let pane = rig.pane(100);
    pane.enters("credd install; echo code=$?");
    pane.until(WHEN);
    assert!(pane.shown().contains("When was the key bedrock made? ~/.backlog-toolkit-env was last changed on "), "{}", pane.shown());
    rig.is_untouched();
    pane.enters("soon");
    pane.until("\"soon\" is not a date.");
    pane.enters("in the year 3000");
    pane.until_count(WHEN, 3);
    pane.enters("7 days ago");
    pane.until(WHICH);
    pane.enters("99");
    pane.until("Answer with a number from 1 to ");
    rig.is_untouched();
    pane.presses("Enter");
    pane.until("code=0");
    let shown = pane.shown();
    let order = ["Wrote ", "bedrock: issued ", "A test popup was shown by your notification service", "bedrock  ", "23 days left"];
    let places: Vec<_> = order.iter().map(|text| shown.find(text).unwrap_or_else(|| panic!("{text:?} isn't in\n{shown}"))).collect();
    assert!(places.is_sorted(), "{shown}");
    let popup = desktop.wait_until_shown(|popup| popup.summary == "credd: this is where alerts appear", SOON);
    assert_eq!((popup.app.as_str(), popup.timeout, popup.actions.len()), ("credd", 4000, 0));
    desktop.wait_until_closed(popup.id.unwrap(), SOON);
    let key = &rig.status()["keys"][0];
    assert_eq!((&key["issued_source"], key["age_days"].as_f64().unwrap().round()), (&Value::from("declared"), 7.0));
    assert!(!rig.config().exists(), "the defaults are what was chosen");
    pane.is_as_before();
    assert!(!pane.shown().contains(&KEY[10..30]), "{}", pane.shown());

    // The second time there is nothing to ask.
    pane.enters("credd install; echo again=$?");
    pane.until("again=0");
    assert!(pane.shown().contains("nothing to do"), "{}", pane.shown());
    assert_eq!(desktop.notifications().len(), 1, "{:#?}", desktop.notifications());
}

#[test]
fn whoever_goes_away_at_a_question_leaves_all_as_it_was() {
    let rig = Rig::new(3);
    for (answers, last, key, code) in [
        (&[][..], WHEN, "C-c", 130),
        (&["1 day ago"][..], WHICH, "C-c", 130),
        (&[][..], WHEN, "C-d", 1),
        (&["1 day ago"][..], WHICH, "C-d", 1),
    ] {
        let pane = rig.pane(80);
        pane.enters("credd install; echo code=$?");
        for answer in answers {
            pane.until(WHEN);
            pane.enters(answer);
        }
        pane.until(last);
        pane.presses(key);
        pane.until(&format!("code={code}"));
        assert!(pane.shown().contains("\ncredd: nothing was changed\n"), "{}", pane.shown());
        rig.is_untouched();
        pane.is_as_before();
    }
}

#[test]
fn one_of_several_proxies_is_looked_after_alone() {
    let (rig, elsewhere) = (Rig::new(3), Home::new());
    let ours = Light::start(&rig.home, &[("AWS_BEARER_TOKEN_BEDROCK", KEY)]);
    let _other = Light::start(&elsewhere, &[("AWS_BEARER_TOKEN_BEDROCK", "planted-other")]);
    let pane = rig.pane(100);
    pane.enters("credd install; echo code=$?");
    pane.until(WHEN);
    pane.presses("Enter");
    pane.until(WHICH);
    // Other tests' proxies are in the list as well.
    let config = rig.home.path().join("litellm.yaml").display().to_string();
    let item = format!("only litellm --config {config} ");
    let shown = pane.shown();
    let line = shown.lines().find(|line| line.contains(&item)).unwrap_or_else(|| panic!("{item:?} isn't in\n{shown}"));
    pane.enters(line.split_whitespace().next().unwrap());
    pane.until("code=0");
    let text = fs::read_to_string(rig.config()).unwrap();
    assert!(text.ends_with(&format!("\n[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{config}\"]\n")), "{text}");
    assert!(pane.shown().contains(&format!("Wrote {}", rig.config().display())), "{}", pane.shown());
    let pids = ours.pids();
    wait::until_true("it to be found", SOON, || {
        let consumer = &rig.status()["consumers"][0];
        consumer["state"] == "current" && pids.iter().any(|pid| consumer["pid"] == *pid)
    });
    // Without a session bus that is said, and costs nothing else.
    assert!(pane.shown().contains("No test popup could be shown: there is no session bus"), "{}", pane.shown());
    assert_eq!(rig.status()["keys"][0]["issued_source"], "declared");
}

#[test]
fn a_configuration_of_the_user_s_own_is_added_to_only_if_they_say_so() {
    let own = "# mine\n[alerts]\ndesktop = false";
    for (answer, added) in [("n", false), ("", true)] {
        let rig = Rig::new(3);
        rig.home.write_config(own);
        let pane = rig.pane(80);
        pane.enters("credd install; echo code=$?");
        pane.until(WHEN);
        pane.presses("Enter");
        pane.until(WHICH);
        let shown = pane.shown();
        let none = shown.lines().find(|line| line.contains("none: only remind me")).unwrap().split_whitespace().next().unwrap();
        pane.enters(none);
        pane.until("Add it? [Y/n]");
        assert!(pane.shown().contains("This is to be added to your ~/.config/credd/config.toml:\nconsumers = []\n"), "{}", pane.shown());
        assert_eq!(fs::read_to_string(rig.config()).unwrap(), own);
        pane.enters(answer);
        pane.until("code=0");
        let text = fs::read_to_string(rig.config()).unwrap();
        assert_eq!(text, if added { format!("consumers = []\n{own}") } else { own.to_owned() });
        assert_eq!(rig.status()["consumers"].as_array().unwrap().len(), usize::from(!added));
        assert!(!pane.shown().contains("popup"), "none are wanted: {}", pane.shown());
    }
}

#[test]
fn what_the_configuration_says_is_not_asked() {
    let rig = Rig::new(3);
    rig.home.write_config(
        "[alerts]\ndesktop = false\n[[keys]]\nlifetime = \"never\"\n[[consumers]]\nname = \"x\"\nmatch = [\"credd-no-such\"]\n",
    );
    let pane = rig.pane(80);
    pane.enters("credd install; echo code=$?");
    pane.until("code=0");
    assert!(pane.shown().contains("Which proxy to look after, ~/.config/credd/config.toml says."), "{}", pane.shown());
    assert!(!pane.shown().contains(WHEN) && !pane.shown().contains(WHICH), "{}", pane.shown());
}

#[test]
fn what_iam_tells_is_offered() {
    let iam = IamStandIn::start(None);
    let key = iam.add_key("BedrockAPIKey-ab12", None);
    iam.age(&key.id, jiff::SignedDuration::from_hours(9 * 24));
    let rig = Rig::new(3);
    rig.home.set_key(&key.value);
    fs::create_dir(rig.home.path().join(".aws")).unwrap();
    fs::write(rig.home.path().join(".aws/config"), "[default]\nregion = us-east-1\n").unwrap();
    let credentials = "[default]\naws_access_key_id = AKIAPLANTED000000001\naws_secret_access_key = planted/static+secret\n";
    fs::write(rig.home.path().join(".aws/credentials"), credentials).unwrap();
    let pane = rig.pane(100);
    pane.enters(&format!("ln -s {} ~/bin/aws", installed("aws/bin/aws", "aws").display()));
    pane.enters(&format!("export AWS_ENDPOINT_URL_IAM={0} AWS_ENDPOINT_URL_STS={0}", iam.url()));
    pane.enters("clear; credd install; echo code=$?");
    pane.until("When was the key bedrock made? IAM says: ");
    pane.presses("Enter");
    pane.until(WHICH);
    pane.presses("Enter");
    pane.until("code=0");
    let found = &rig.status()["keys"][0];
    assert_eq!(found["issued_at"], Value::from(key_made(&iam)));
    assert!(!pane.shown().contains(&key.value[10..40]), "{}", pane.shown());
}

fn key_made(iam: &IamStandIn) -> String {
    iam.keys("BedrockAPIKey-ab12")[0].created_at.to_string()
}

#[test]
fn forty_columns_are_enough() {
    let rig = Rig::new(3);
    let pane = rig.pane(40);
    pane.enters("credd install; echo code=$?");
    pane.until("When was the key bedrock made?");
    pane.until("or Enter for");
    pane.presses("Enter");
    pane.until(WHICH);
    let screen = pane.shown();
    assert!(screen.lines().any(|line| line.trim_start().starts_with("1  whatever is started as")), "{screen}");
    pane.presses("Enter");
    pane.until("code=0");
}
