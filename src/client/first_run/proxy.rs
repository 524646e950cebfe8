//! Which proxy credd is to look after: those that run are shown.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;

use super::config_file::Edit;
use super::dialogue::{Dialogue, Manner};
use crate::client::Failure;
use crate::config::names_consumers;
use crate::consumers::find::{matches, option};
use crate::consumers::lookup::Lookup;
use crate::paths::{Paths, tilde};

/// How the flag is written.
const FLAG: &str = "--consumer WORDS (or --no-consumer)";
/// Of the arguments only these are shown, and told apart by: others may hold anything.
const TELLING: &[&[&str]] = &[&["--config", "-c"], &["--port"], &["--model", "-m"]];

/// A proxy that runs.
struct Proxy {
    argv: Vec<Vec<u8>>,
    pid: i32,
}

/// What is to be written for the user's choice; nothing where the defaults are it.
pub fn choose(paths: &Paths, given: Option<&str>, none: bool, dialogue: &Dialogue) -> Result<Option<Edit>, Failure> {
    let place = tilde(&paths.config, &paths.home);
    let old = match fs::read_to_string(&paths.config) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::failed(format!("{place} can't be read: {error}")).hint("mend that, then: credd install")),
    };
    if old.as_deref().is_some_and(names_consumers) {
        if given.is_some() || none {
            let message = format!("nothing was changed: {place} names consumers already");
            return Err(Failure::usage(message).hint("change them there; see what counts with: credd config"));
        }
        dialogue.say(&format!("Which proxy to look after, {place} says."))?;
        return Ok(None);
    }
    let words = match given {
        Some(words) => Some(words.split_whitespace().map(str::to_owned).collect()),
        None if none => Some(Vec::new()),
        None if dialogue.manner == Manner::Asks => ask(dialogue)?,
        None => None,
    };
    let Some(words) = words.filter(|words| *words != usual()) else { return Ok(None) };
    if given.is_some() && words.is_empty() {
        return Err(Failure::usage("--consumer names no word of a command line").hint("such as: --consumer \"litellm --config a.yaml\""));
    }
    let edit = Edit::plan(paths, old.as_deref(), &words)?;
    if let (Some(added), Manner::Asks, None, false) = (&edit.added, dialogue.manner, given, none) {
        dialogue.say(&format!("This is to be added to your {place}:"))?;
        for line in added.lines() {
            dialogue.say(line)?;
        }
        if !dialogue.agreed("Add it?", FLAG)? {
            dialogue.say(&format!("{place} stays as it is."))?;
            return Ok(None);
        }
    }
    Ok(Some(edit))
}

/// The default of `match`.
fn usual() -> Vec<String> {
    ["litellm", "--config"].map(str::to_owned).into()
}

/// The words of the chosen one, none for none of them; `None` for what is done without a configuration.
fn ask(dialogue: &Dialogue) -> Result<Option<Vec<String>>, Failure> {
    let running = running();
    let mut choices: Vec<(String, Option<Vec<String>>)> = Vec::new();
    let by_default: Vec<&Proxy> = running.iter().filter(|proxy| matches(&usual(), &proxy.argv)).collect();
    let which = match &by_default[..] {
        [] => "none runs now".to_owned(),
        [one] => format!("now {}", shown(one)),
        many => format!("{} run now", many.len()),
    };
    choices.push((format!("whatever is started as litellm --config ... ({which})"), None));
    for proxy in running.iter().filter(|proxy| by_default.len() > 1 || !matches(&usual(), &proxy.argv)) {
        if let Some(words) = telling(proxy, &running) {
            choices.push((format!("only {}", shown(proxy)), Some(words)));
        }
    }
    choices.push(("none: only remind me".into(), Some(Vec::new())));
    writeln!(io::stdout())?;
    dialogue.say("Which proxy is to have a new key at once?")?;
    for (at, (text, _)) in choices.iter().enumerate() {
        dialogue.item(at + 1, text)?;
    }
    let most = choices.len();
    let chosen = dialogue.ask("Number, or Enter for 1: ", FLAG, &|answer| match answer {
        "" => Ok(1),
        answer => answer.parse().ok().filter(|number| (1..=most).contains(number)).ok_or(format!("Answer with a number from 1 to {most}")),
    })?;
    Ok(choices.swap_remove(chosen - 1).1)
}

/// Every LiteLLM of this user's, oldest first.
fn running() -> Vec<Proxy> {
    let words = ["litellm".to_owned()];
    let mut lookup = Lookup::new([&words[..]]);
    let mut held = lookup.find(&words).unwrap_or_default();
    held.extend(lookup.contained(&words).unwrap_or_default());
    held.iter().filter_map(|held| Some(Proxy { argv: held.argv().ok()?, pid: held.pid() })).collect()
}

/// As the user knows it.
fn shown(proxy: &Proxy) -> String {
    let mut text = "litellm".to_owned();
    for names in TELLING {
        if let Some(value) = option(&proxy.argv, names) {
            let _ = write!(text, " {} {}", names[0], value.to_string_lossy());
        }
    }
    format!("{text}, process {}", proxy.pid)
}

/// Words that this one has and none of the others: as few as will do.
fn telling(proxy: &Proxy, all: &[Proxy]) -> Option<Vec<String>> {
    let mut words = vec!["litellm".to_owned()];
    for names in TELLING {
        let Some(value) = option(&proxy.argv, names) else { continue };
        let value = value.as_bytes();
        // As they stand there: `--config x`, or in one argument.
        let at = proxy.argv.iter().position(|argument| {
            argument == value
                || names
                    .iter()
                    .any(|name| argument.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.strip_prefix(b"=") == Some(value)))
        })?;
        let option = proxy.argv[..at].last().filter(|word| names.iter().any(|name| name.as_bytes() == &word[..]));
        for word in option.into_iter().chain([&proxy.argv[at]]) {
            words.push(String::from_utf8(word.clone()).ok()?);
        }
        if all.iter().filter(|other| matches(&words, &other.argv)).count() == 1 {
            return Some(words);
        }
    }
    // What can't be told apart can't be looked after alone.
    (all.len() == 1).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(line: &str) -> Proxy {
        Proxy { argv: line.split(' ').map(|word| word.as_bytes().to_vec()).collect(), pid: 7 }
    }

    #[test]
    fn as_few_words_as_tell_it_from_the_others() {
        let all = [
            proxy("python3 /v/bin/litellm --config a.yaml --port 8000"),
            proxy("litellm --config=b.yaml --api_key sk-planted"),
            proxy("litellm --config a.yaml --port 8001"),
            proxy("litellm --model bedrock/x"),
            proxy("litellm -c c.yaml"),
        ];
        let told = |at: usize| telling(&all[at], &all).map(|words| words.join(" "));
        assert_eq!(told(0).as_deref(), Some("litellm --config a.yaml --port 8000"));
        assert_eq!(told(1).as_deref(), Some("litellm --config=b.yaml"));
        assert_eq!(told(2).as_deref(), Some("litellm --config a.yaml --port 8001"));
        assert_eq!(told(3).as_deref(), Some("litellm --model bedrock/x"));
        assert_eq!(told(4).as_deref(), Some("litellm -c c.yaml"));
        let twins = [proxy("litellm --config a.yaml"), proxy("litellm --config a.yaml")];
        assert_eq!(telling(&twins[0], &twins), None);
        assert_eq!(telling(&proxy("litellm"), &[proxy("litellm")]).unwrap(), ["litellm"]);
        assert_eq!(shown(&all[1]), "litellm --config b.yaml, process 7");
    }
}
