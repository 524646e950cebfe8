//! Breaking text into lines.

use crate::client::help;
use crate::client::terminal::columns;

/// Programs that users are told to call, besides credd itself.
const PROGRAMS: &[&str] =
    &["aws", "chmod", "export", "git", "journalctl", "launchctl", "loginctl", "sed", "source", "systemctl", "timedatectl"];

/// Breaks at spaces, but not within a command: half of one, copied, does something else. What is too long stands alone.
pub(in crate::client) fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.trim();
    let (mut before, mut filled) = ("", 0);
    while !rest.is_empty() {
        let piece = piece(before, rest);
        let wide = columns(piece);
        match lines.last_mut() {
            Some(last) if filled + 1 + wide <= width => {
                last.push(' ');
                last.push_str(piece);
                filled += 1 + wide;
            }
            _ => {
                lines.push(piece.to_owned());
                filled = wide;
            }
        }
        before = piece;
        rest = rest[piece.len()..].trim_start();
    }
    lines
}

/// The first word; where a command begins with it, all of that.
fn piece<'t>(before: &str, text: &'t str) -> &'t str {
    let is_command = begins_command(before, text);
    let is_between_ticks = text.strip_prefix('`').is_some_and(|rest| rest.contains('`'));
    let (mut end, mut quoted) = (0, false);
    loop {
        let last = word(&text[end..]);
        let first = end == 0;
        end += last.len();
        quoted = is_quoted_behind(last, quoted);
        let next = text[end..].trim_start();
        let goes_on = if is_between_ticks {
            !last[usize::from(first)..].contains('`')
        } else if is_command {
            let is_sentence = last.ends_with('.') && next.starts_with(char::is_uppercase);
            quoted || !(last.ends_with([',', ';', ')']) || is_sentence || next.starts_with('('))
        } else {
            last == "credd" || is_option(next)
        };
        if next.is_empty() || !goes_on {
            return &text[..end];
        }
        end = text.len() - next.len();
    }
}

fn word(text: &str) -> &str {
    text.split(char::is_whitespace).next().unwrap_or_default()
}

/// A command stands first, or behind what introduces it, up to the end of the clause.
fn begins_command(before: &str, text: &str) -> bool {
    let is_introduced = before.is_empty() || before.ends_with([':', ',', ';']) || before == "then";
    if !is_introduced {
        return false;
    }
    let program = word(text);
    let next = word(text[program.len()..].trim_start()).trim_end_matches([',', ';', ')']);
    // Of a program that can't be run, or didn't answer, something is only said.
    if program == "credd" { help::is_command(next) } else { PROGRAMS.contains(&program) && !next.ends_with("n't") }
}

/// `-v`, `--all`: of whatever stands before.
fn is_option(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|name| name.starts_with(|c: char| c == '-' || c.is_ascii_alphabetic()))
}

/// Whether a shell is between single quotes behind a word.
fn is_quoted_behind(word: &str, mut quoted: bool) -> bool {
    let mut escaped = false;
    for c in word.chars() {
        match c {
            '\'' if !escaped => quoted = !quoted,
            '\\' if !escaped && !quoted => {
                escaped = true;
                continue;
            }
            _ => {}
        }
        escaped = false;
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(fold(" several  words of\ttext ", 10), ["several", "words of", "text"]);
        assert_eq!(fold("in ~/文件/文件 and ~/文件", 15), ["in ~/文件/文件", "and ~/文件"]);
        assert_eq!(fold("a-very-long-word here", 5), ["a-very-long-word", "here"]);
        assert!(fold("", 10).is_empty());
    }

    /// Each of these stays whole on any width.
    fn holds(text: &str, commands: &[&str]) {
        for width in [1, 20, 36, 40, 76, 80] {
            let lines = fold(text, width);
            for command in commands {
                assert!(lines.iter().any(|line| line.contains(command)), "{width}: {command:?} is broken in {lines:#?}");
            }
        }
    }

    #[test]
    fn a_command_is_one_piece() {
        holds("chmod 600 '/home/u/my  own, (old) keys; all'", &["chmod 600 '/home/u/my  own, (old) keys; all'"]);
        holds(r"fix: chmod 600 '/home/u/it'\''s mine'", &[r"chmod 600 '/home/u/it'\''s mine'"]);
        holds("put it back, correct env_file in the configuration, or: credd renew bedrock", &["credd renew bedrock"]);
        holds("its alerts come too late; tell credd with: credd issued bedrock WHEN", &["credd issued bedrock WHEN"]);
        holds("start it with: credd install (or, in the foreground: credd run)", &["credd install", "credd run)"]);
        holds("see: credd status, then credd apply litellm", &["credd status,", "credd apply litellm"]);
        holds("2 warnings. credd doctor --fix can repair 1 of them.", &["credd doctor --fix"]);
        assert_eq!(fold("start it: credd install. Then look.", 26), ["start it: credd install.", "Then look."]);
        assert_eq!(fold("a `lone one of these", 6), ["a", "`lone", "one of", "these"]);
        holds("run `aws sso login --profile corp` again", &["`aws sso login --profile corp`"]);
        let aws = "aws iam delete-service-specific-credential --user-name u --service-specific-credential-id ACCA1";
        holds(&format!("once nothing misses it, delete it: {aws}"), &[aws]);
    }

    #[test]
    fn at_forty_columns_a_command_has_a_line_of_its_own() {
        assert_eq!(
            fold("put it back, correct env_file in the configuration, or: credd renew bedrock", 36),
            ["put it back, correct env_file in the", "configuration, or:", "credd renew bedrock"]
        );
        assert_eq!(
            fold("log in again: chmod 600 ~/a/path/that/is/rather/long/by/itself, then look", 40),
            ["log in again:", "chmod 600 ~/a/path/that/is/rather/long/by/itself,", "then look"]
        );
    }

    #[test]
    fn what_is_said_of_a_program_is_text() {
        let most = |text: &str| fold(text, 20).iter().map(String::len).max().unwrap_or_default();
        for text in [
            "credd makes its successor with a third of its life left",
            "~/a doesn't exist yet; credd waits for it to appear there",
            "git didn't say within 5 s whether it has all env files",
            "what isn't there can't be said to be a `",
        ] {
            assert!(most(text) <= 20, "{text}");
        }
    }
}
