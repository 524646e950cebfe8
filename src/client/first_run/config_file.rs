//! What is put into the configuration file for an answer: into a new one, or added to the user's own.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use atomic_write_file::AtomicWriteFile;

use crate::client::Failure;
use crate::config::{Config, Surroundings};
use crate::paths::{Paths, tilde};

/// A configuration file to be written.
pub struct Edit {
    /// Where, behind all links.
    pub path: PathBuf,
    /// What is added to one that is there; `None` where there is none.
    pub added: Option<String>,
    text: String,
}

impl Edit {
    /// Of the consumer with these words in its command line; of no consumer at all without any. `old` is the text of the file
    /// that is there, which says nothing of consumers.
    pub fn plan(paths: &Paths, old: Option<&str>, words: &[String]) -> Result<Self, Failure> {
        let lines = if words.is_empty() {
            "consumers = []\n".to_owned()
        } else {
            let listed: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            format!("[[consumers]]\nname = \"litellm\"\nmatch = [{}]\n", listed.join(", "))
        };
        let text = match old {
            None => format!("# Written by credd install. All values, and where each comes from: credd config\n\n{lines}"),
            // Before the first table.
            Some(old) if words.is_empty() => format!("{lines}{old}"),
            Some(old) => format!("{}{}{lines}", old, if old.is_empty() || old.ends_with('\n') { "\n" } else { "\n\n" }),
        };
        // A link leads to where the user keeps it.
        let path = fs::canonicalize(&paths.config).unwrap_or_else(|_| paths.config.clone());
        let surroundings = Surroundings { home: paths.home.clone() };
        let read = Config::parse(&path, &text, &surroundings).map_err(|error| Failure::usage(error.to_string()))?;
        let matches: Vec<_> = read.consumers.iter().map(|consumer| &*consumer.matches).collect();
        let expected: Vec<&[String]> = if words.is_empty() { Vec::new() } else { vec![words] };
        if matches != expected {
            let place = tilde(&path, &paths.home);
            return Err(Failure::failed(format!("nothing was changed: {place} can't be added to")).hint(format!("write into it: {lines}")));
        }
        Ok(Self { path, added: old.map(|_| lines), text })
    }

    /// Writes it, whole or not at all.
    pub fn write(&self) -> Result<(), Failure> {
        let attempt = || {
            if let Some(parent) = self.path.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            let mut file = AtomicWriteFile::open(&self.path)?;
            file.write_all(self.text.as_bytes())?;
            file.commit()
        };
        attempt().map_err(|error: std::io::Error| {
            let message = format!("nothing was changed: {} can't be written: {error}", self.path.display());
            Failure::failed(message).hint("check the directory's owner and mode")
        })
    }
}

/// A basic string of TOML.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn paths(home: &Path) -> Paths {
        Paths {
            home: home.into(),
            config: home.join("c/config.toml"),
            config_named: false,
            state_dir: home.join("s"),
            socket: home.join("socket"),
        }
    }

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn whatever_the_words_they_are_read_again() {
        let home = tempfile::tempdir().unwrap();
        let paths = paths(home.path());
        let odd = words(&["litellm", "--config", "a \"b\"\\c\u{1b}\n'é.yaml"]);
        for old in [None, Some(""), Some("[alerts]\ndays = [20]"), Some("# mine\n[alerts]\ndays = [20]\n")] {
            for words in [&odd[..], &[]] {
                let edit = Edit::plan(&paths, old, words).unwrap();
                assert_eq!(edit.added.is_some(), old.is_some());
                assert!(edit.text.contains(old.unwrap_or_default()));
                edit.write().unwrap();
                let config = Config::load(&paths.config, true, &Surroundings { home: home.path().into() }).unwrap();
                assert_eq!(config.consumers.len(), usize::from(!words.is_empty()));
                assert!(config.consumers.iter().all(|consumer| consumer.matches == odd));
                assert_eq!(config.alerts.days == [20], old.is_some_and(|old| old.contains("days")));
            }
        }
    }

    #[test]
    fn a_file_that_leads_elsewhere_is_written_there() {
        let home = tempfile::tempdir().unwrap();
        let paths = paths(home.path());
        fs::create_dir(home.path().join("c")).unwrap();
        fs::write(home.path().join("dotfile"), "# mine\n").unwrap();
        std::os::unix::fs::symlink("../dotfile", &paths.config).unwrap();
        Edit::plan(&paths, Some("# mine\n"), &words(&["litellm"])).unwrap().write().unwrap();
        assert!(fs::symlink_metadata(&paths.config).unwrap().is_symlink());
        assert!(fs::read_to_string(home.path().join("dotfile")).unwrap().starts_with("# mine\n\n[[consumers]]\n"));
    }
}
