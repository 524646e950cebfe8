//! The configuration in force as TOML, each value with where it came from.

use std::fmt::Write;
use std::path::Path;

use jiff::SignedDuration;
use toml::de::{DeTable, DeValue};

use super::{Config, KindChoice, Verify};

/// Renders `config`, which was read from `text`.
pub fn show(config: &Config, path: &Path, text: &str) -> String {
    // It was read before, so it parses; if the file is changing just now, all is shown as default.
    let table = DeTable::parse(text).map(toml::Spanned::into_inner).unwrap_or_default();
    let mut page = Page { out: String::new(), text, path };
    // None at all is not the default, and has no section to be seen by.
    for (name, none) in [("keys", config.keys.is_empty()), ("consumers", config.consumers.is_empty())] {
        if none {
            page.list(Some(&table), name, &[]);
        }
    }
    let alerts = page.section("[alerts]", section(&table, "alerts"));
    page.value(alerts, "days", &format!("{:?}", config.alerts.days));
    page.string(alerts, "remind", &config.alerts.remind);
    page.value(alerts, "desktop", &config.alerts.desktop.to_string());
    page.list(alerts, "command", &config.alerts.command);
    let metrics = page.section("[metrics]", section(&table, "metrics"));
    page.path(metrics, "textfile", config.metrics.textfile.as_deref());
    for (index, key) in config.keys.iter().enumerate() {
        let at = page.section("[[keys]]", element(&table, "keys", index));
        page.string(at, "name", key.name.as_str());
        page.string(at, "kind", if key.kind == KindChoice::Auto { "auto" } else { "short-term" });
        page.string(at, "variable", &key.variable);
        page.path(at, "env_file", Some(&key.env_file));
        page.string(at, "lifetime", &key.lifetime.map_or_else(|| "never".into(), length));
        page.string(at, "region", &key.region);
        page.string(at, "probe", key.probe.as_deref().unwrap_or("off"));
        page.string(at, "endpoint", key.endpoint.as_deref().unwrap_or_default());
        page.string(
            at,
            "iam",
            match key.iam {
                super::Iam::Off => "off",
                super::Iam::Read => "read",
                super::Iam::Renew => "renew",
            },
        );
        page.string(at, "aws_profile", key.aws_profile.as_deref().unwrap_or_default());
    }
    for (index, consumer) in config.consumers.iter().enumerate() {
        let at = page.section("[[consumers]]", element(&table, "consumers", index));
        let keys: Vec<String> = consumer.keys.iter().map(ToString::to_string).collect();
        let timeout = |timeout| SignedDuration::try_from(timeout).map(length).unwrap_or_default();
        page.string(at, "name", consumer.name.as_str());
        page.list(at, "keys", &keys);
        page.string(at, "restart", consumer.restart.as_str());
        page.value(at, "handover", &consumer.handover.to_string());
        page.list(at, "match", &consumer.matches);
        page.string(at, "url", consumer.url.as_deref().unwrap_or_default());
        page.string(
            at,
            "verify",
            match consumer.verify {
                Verify::Completion => "completion",
                Verify::Readiness => "readiness",
                Verify::None => "none",
            },
        );
        page.string(at, "model", consumer.model.as_deref().unwrap_or_default());
        page.string(at, "master_key_variable", &consumer.master_key_variable);
        page.string(at, "stop_timeout", &timeout(consumer.stop_timeout));
        page.string(at, "ready_timeout", &timeout(consumer.ready_timeout));
        page.path(at, "pid_file", consumer.pid_file.as_deref());
        page.string(at, "unit", consumer.unit.as_deref().unwrap_or_default());
        page.path(at, "compose_file", consumer.compose_file.as_deref());
        page.string(at, "service", consumer.service.as_deref().unwrap_or_default());
        page.list(at, "command", &consumer.command);
    }
    page.out
}

/// A length of time in the largest unit that holds it, as [`super::parse_duration`] reads it.
fn length(duration: SignedDuration) -> String {
    match duration.as_secs() {
        _ if duration.subsec_nanos() != 0 => format!("{duration:#}"),
        s if s >= 86_400 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s >= 3600 && s % 3600 == 0 => format!("{}h", s / 3600),
        s => format!("{s}s"),
    }
}

fn section<'t, 'a>(table: &'t DeTable<'a>, name: &str) -> Option<&'t DeTable<'a>> {
    match table.get(name)?.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

fn element<'t, 'a>(table: &'t DeTable<'a>, name: &str, index: usize) -> Option<&'t DeTable<'a>> {
    match table.get(name)?.get_ref() {
        DeValue::Array(array) => match array.get(index)?.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => None,
        },
        _ => None,
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // None is beyond U+009F, and four digits hold that.
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

struct Page<'a> {
    out: String,
    text: &'a str,
    path: &'a Path,
}

impl Page<'_> {
    fn section<'t, 'a>(&mut self, heading: &str, table: Option<&'t DeTable<'a>>) -> Option<&'t DeTable<'a>> {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let _ = writeln!(self.out, "{heading}");
        table
    }

    fn value(&mut self, table: Option<&DeTable<'_>>, name: &str, value: &str) {
        let origin = match table.and_then(|table| table.get(name)) {
            None => "default".into(),
            Some(found) => {
                let line = self.text[..found.span().start].matches('\n').count() + 1;
                format!("{}:{line}", self.path.display())
            }
        };
        let _ = writeln!(self.out, "{:<44} # {origin}", format!("{name} = {value}"));
    }

    fn string(&mut self, table: Option<&DeTable<'_>>, name: &str, value: &str) {
        self.value(table, name, &quoted(value));
    }

    fn path(&mut self, table: Option<&DeTable<'_>>, name: &str, value: Option<&Path>) {
        self.string(table, name, &value.map(|path| path.display().to_string()).unwrap_or_default());
    }

    fn list(&mut self, table: Option<&DeTable<'_>>, name: &str, values: &[String]) {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.value(table, name, &format!("[{}]", values.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Surroundings;
    use super::*;

    #[test]
    fn none_at_all_is_shown() {
        let surroundings = Surroundings { home: "/home/u".into() };
        let (path, text) = (Path::new("/c.toml"), "keys = []\nconsumers = []\n");
        let config = Config::parse(path, text, &surroundings).unwrap();
        let shown = show(&config, path, text);
        assert!(shown.contains("consumers = []                               # /c.toml:2\n"), "{shown}");
        assert_eq!(Config::parse(path, &shown, &surroundings).unwrap(), config);
    }

    #[test]
    fn strings_read_back_whatever_is_in_them() {
        let text: String = ('\0'..='\u{ff}').chain("…🔑\"\"\"''' ".chars()).collect();
        let shown = format!("a = {}", quoted(&text));
        assert_eq!(DeTable::parse(&shown).unwrap().get_ref()["a"].get_ref().as_str(), Some(text.as_str()));
        assert!(!shown.contains(char::is_control), "{shown}");
        assert_eq!(quoted(r#"C:\ "x""#), r#""C:\\ \"x\"""#);
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_configuration() {
        let surroundings = Surroundings { home: "/home/u".into() };
        let text = "[alerts]\ndays = [20, 25]\n\n[[keys]]\nname = \"a\"\nlifetime = \"36h\"\nprobe = \"off\"\n\n[[keys]]\nname = \"b\"\nlifetime = \"never\"\n\n[[consumers]]\nkeys = [\"b\"]\nrestart = \"command\"\ncommand = [\"a b\", \"it's\"]\nservice = \"proxy\"\nstop_timeout = \"1.5s\"\n";
        let path = Path::new("/c.toml");
        let config = Config::parse(path, text, &surroundings).unwrap();
        let shown = show(&config, path, text);
        assert_eq!(Config::parse(path, &shown, &surroundings).unwrap(), config);
        assert!(shown.contains("stop_timeout = \"1s 500ms\" "), "{shown}");
        assert!(shown.contains("days = [20, 25]                              # /c.toml:2\n"), "{shown}");
        assert!(shown.contains("lifetime = \"36h\"                             # /c.toml:6\n"), "{shown}");
        assert!(shown.contains("desktop = true                               # default\n"), "{shown}");
    }
}
