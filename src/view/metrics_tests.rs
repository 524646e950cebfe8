//! Of the text: what it says is tried with a daemon (`tests/fleet`).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::stream::tests::Never;
use super::super::{problem, settings};
use super::*;
use crate::config::{Config, KeyConfig, Surroundings};
use crate::core::Ledger;

/// The pieces of a text about keys that were never seen.
fn pieces(keys: usize, begin: impl FnOnce(&Machine) -> Metrics) -> Vec<String> {
    let mut config = Config::defaults(&Surroundings { home: "/home/u".into() });
    let key = config.keys.remove(0);
    config.keys.extend((0..keys).map(|n| KeyConfig { name: format!("k{n}").as_str().into(), ..key.clone() }));
    let machine = Machine::new(settings(&config), Ledger::default());
    let problems = [("b", Severity::Info), ("a", Severity::Error), ("b", Severity::Info)];
    let at = Viewpoint {
        now: Timestamp::UNIX_EPOCH,
        calendar: &Never,
        config: &config,
        home: "/home/u".as_ref(),
        daemon: None,
        problems: problems.map(|(code, how)| problem(code, how, "what".into(), "fix".into())).to_vec(),
    };
    let mut metrics = begin(&machine);
    let mut pieces = Vec::new();
    while !metrics.is_done() {
        pieces.push(String::from_utf8(metrics.write(&machine, &at).unwrap()).unwrap());
    }
    pieces
}

#[test]
fn families_stand_together_and_no_sample_is_there_twice() {
    let text = pieces(3, Metrics::new).concat();
    let mut families = Vec::new();
    let mut samples = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            families.push(rest.split(' ').next().unwrap());
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(sample.starts_with(families.last().unwrap()), "{line}");
            assert!(value.parse::<i64>().is_ok() && samples.insert(sample), "{line}");
        }
    }
    assert_eq!(families.len(), FAMILIES.len());
    assert_eq!(families.iter().collect::<BTreeSet<_>>().len(), FAMILIES.len());
    assert!(
        text.contains("\ncredd_problems{code=\"a\",severity=\"error\"} 1\ncredd_problems{code=\"b\",severity=\"info\"} 2\n# EOF\n"),
        "{text}"
    );
    assert!(text.contains("\n# TYPE credd_applies counter\ncredd_applies_total{"), "{text}");
}

#[test]
fn a_text_file_has_its_labels_on_all_samples() {
    let text = pieces(1, |machine| Metrics::textfile(machine, &[("host", "a\"b\\c\nd"), ("user", "u")])).concat();
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.len() > 10);
    for sample in samples {
        assert!(sample.rsplit_once(' ').unwrap().0.ends_with(r#"host="a\"b\\c\nd",user="u"}"#), "{sample}");
    }
    assert!(text.contains("\ncredd_up{host="), "{text}");
    assert!(text.contains("\n# TYPE credd_applies_total counter\n") && !text.contains("EOF"), "{text}");
}

#[test]
fn many_keys_are_many_pieces_of_bounded_size() {
    let pieces = pieces(500, Metrics::new);
    let length: usize = pieces.iter().map(String::len).sum();
    assert!(length > 250_000 && pieces.iter().all(|piece| piece.len() < 2 * PIECE), "{length}");
}
