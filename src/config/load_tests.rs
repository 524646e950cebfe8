use jiff::SignedDuration;

use super::super::parse_duration;
use super::*;

fn surroundings() -> Surroundings {
    Surroundings { home: "/home/u".into() }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/c.toml"), text, &surroundings())
}

fn complaint(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn without_a_file_the_bedrock_key_and_litellm_are_looked_after() {
    let config = Config::defaults(&surroundings());
    assert_eq!(config, parse("").unwrap());
    assert_eq!(config.keys.len(), 1);
    assert_eq!(*config.keys[0].env_file, *Path::new("/home/u/.backlog-toolkit-env"));
    assert_eq!(config.keys[0].lifetime, Some(SignedDuration::from_hours(720)));
    assert_eq!(config.consumers[0].matches, ["litellm", "--config"]);
    assert_eq!(config.alerts.days, [25]);
}

#[test]
fn keys_and_consumers_replace_the_defaults_each_on_its_own() {
    let config = parse(
        "[[keys]]\nname = \"a\"\nenv_file = \"~/a.env\"\nlifetime = \"never\"\n[[keys]]\nname = \"b\"\nvariable = \"B\"\nprobe = \"off\"",
    )
    .unwrap();
    assert_eq!(config.keys.len(), 2);
    assert_eq!(*config.keys[0].env_file, *Path::new("/home/u/a.env"));
    assert_eq!(config.keys[0].lifetime, None);
    assert_eq!(config.keys[1].probe, None);
    assert_eq!(config.consumers[0].name.as_str(), "litellm");
    assert!(parse("consumers = []").unwrap().consumers.is_empty());
}

#[test]
fn errors_have_file_line_and_caret() {
    assert_eq!(
        complaint("[alerts]\ndays = [25]\nremid = \"x\"\n"),
        "/c.toml:3:1: unknown field `remid`, expected one of `days`, `remind`, `desktop`, `command`\n  |\n3 | remid = \"x\"\n  | ^^^^^"
    );
    assert_eq!(
        complaint("[alerts]\nremind = \"never\""),
        "/c.toml:2:10: \"never\" is not a cron expression; a cron expression here is \"second minute hour day month weekday\"\n  |\n2 | remind = \"never\"\n  |          ^^^^^^^"
    );
    assert!(complaint("[alerts]\nremind = \"0 0 0 30 2 *\"").contains("/c.toml:2:10: this cron expression names a day that never comes"));
    assert!(complaint("[[keys]]\nprobe = \"0 0 0 31 4,6 *\"").contains("/c.toml:2:9: this cron expression"));
    assert!(parse("[alerts]\nremind = \"0 0 0 29 2 *\"").is_ok());
    assert!(complaint("[[keys]]\nname = \"a\"\n[[keys]]\nname = \"a\"").contains("/c.toml:4:8: a second key is named \"a\""));
    assert!(complaint("[[keys]]\n[[keys]]").contains("a second key is named \"bedrock\""));
    assert!(complaint("[[consumers]]\nkeys = [\"x\"]").contains("/c.toml:2:9: no key is named \"x\"; there is bedrock"));
    assert!(complaint("[[consumers]]\nrestart = \"command\"").contains("/c.toml:2:11: restart = \"command\" needs command"));
    let compose = "[[consumers]]\nrestart = \"compose\"\ncompose_file = \"/c.yml\"\n";
    assert!(complaint(&format!("{compose}service = \"--rm\"")).contains("/c.toml:4:11: a compose service's name is"));
    assert!(complaint(&format!("{compose}name = \"-x\"")).contains("/c.toml:2:11: this consumer's name is no name"));
    assert!(complaint("[[keys]]\nkind = \"short-term\"").contains("needs aws_profile"));
    assert!(complaint("[[keys]]\nlifetime = \"30\"").contains("is not a length of time"));
    assert!(complaint("[[keys]]\nenv_file = \"x.env\"").contains("is not an absolute path"));
    assert!(complaint("[[keys]]\nendpoint = \"http://example.com\"").contains("http is for loopback alone"));
    assert!(complaint("[alerts]\ndays = [25, 31]").contains("/c.toml:2:13: a day of a 30-day key's life"));
    assert!(complaint("= 3").contains("/c.toml:1:"));
}

#[test]
fn what_is_no_text_has_its_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"[alerts]\ndays = [20] # \xe9\n").unwrap();
    let error = Config::load(file.path(), true, &surroundings()).unwrap_err().to_string();
    assert!(error.contains("line 2 is not UTF-8 text") && error.contains("mend the file"), "{error}");
}

#[test]
fn lengths_of_time() {
    assert_eq!(parse_duration("30d").unwrap(), SignedDuration::from_hours(720));
    assert_eq!(parse_duration("1d 12h").unwrap(), SignedDuration::from_hours(36));
    assert_eq!(parse_duration("90s").unwrap(), SignedDuration::from_secs(90));
    assert_eq!(parse_duration("3652425d").unwrap(), SignedDuration::from_hours(24 * 3_652_425));
    for wrong in ["846383329h1s", "", "30", "d", "-3d", "0s", "2 fortnights", "1 month"] {
        assert!(parse_duration(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn endpoints() {
    for fine in ["http://127.0.0.1:4000", "http://localhost", "http://[::1]:80", "https://bedrock.example/x"] {
        assert!(parse(&format!("[[keys]]\nendpoint = {fine:?}")).is_ok(), "{fine}");
    }
    for wrong in ["ftp://x", "127.0.0.1", "https://", "http://127.0.0.1.evil.example", "http://localhost@evil.example"] {
        assert!(parse(&format!("[[keys]]\nendpoint = {wrong:?}")).is_err(), "{wrong}");
    }
}

#[test]
fn a_value_of_another_type_has_line_and_caret() {
    assert_eq!(
        complaint("[[keys]]\nname = \"a\"\nkind = 3"),
        "/c.toml:3:8: expected a string, found an integer\n  |\n3 | kind = 3\n  |        ^"
    );
    assert!(complaint("[alerts]\ndays = [25, \"x\"]").contains("/c.toml:2:13: expected an integer, found a string"));
    assert!(complaint("[alerts]\ndays = [-1]").contains("/c.toml:2:9: a day of a 30-day key's life"));
    assert!(complaint("[keys]\nname = \"a\"").contains("/c.toml:1:1: expected a list of tables ([[keys]]), found a table"));
    assert!(complaint("[[keys]]\nname = \"a\"\nname = \"b\"").contains("/c.toml:3:1: duplicate key"));
}

#[test]
fn every_field_that_is_known_is_read() {
    for (heading, fields) in [("", DOCUMENT), ("[alerts]", ALERTS), ("[metrics]", METRICS), ("[[keys]]", KEY), ("[[consumers]]", CONSUMER)]
    {
        for field in fields {
            let text = complaint(&format!("{heading}\n{field} = 1.5"));
            assert!(text.contains(&format!("/c.toml:2:{}: expected ", field.len() + 4)) && text.contains(", found a float"), "{text}");
        }
    }
}

#[test]
fn words_are_those_of_the_types() {
    assert!(RESTARTS.iter().all(|(word, restart)| *word == restart.as_str()));
    // A worker gets these as serde writes them.
    for (word, restart) in RESTARTS {
        assert_eq!(serde_json::to_value(restart).unwrap(), *word);
    }
    for (word, verify) in VERIFIES {
        assert_eq!(serde_json::to_value(verify).unwrap(), *word);
    }
    for (word, iam) in IAM {
        assert_eq!(serde_json::to_value(iam).unwrap(), *word);
    }
    let short_term = parse("[[keys]]\nkind = \"short-term\"\naws_profile = \"p\"").unwrap();
    assert_eq!(short_term.keys[0].kind, KindChoice::ShortTerm);
}
