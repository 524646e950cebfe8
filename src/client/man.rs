//! `credd man`: made from the command line's own definition, and what `help` adds to it.

use std::fmt::Write as _;
use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt as _;

use super::Failure;
use super::help::{self, Page, pairs};

/// Bytes of a line of a manual page, at most.
const LONGEST: usize = 79;

/// Writes a manual page for each command into `dir`.
pub fn run(dir: &Path, command: clap::Command) -> Result<u8, Failure> {
    let said = |error: std::io::Error| Failure::failed(format!("the manual pages can't be written to {}: {error}", dir.display()));
    DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(said)?;
    write_pages(dir, command).map_err(said)?;
    Ok(0)
}

/// Each page whole, by name: a symlink or a hard link in its place isn't written through, as it would be by `clap_mangen`'s
/// own way to write files.
fn write_pages(dir: &Path, command: clap::Command) -> io::Result<()> {
    for (name, text) in pages(command)? {
        let mut file = AtomicWriteFile::options().preserve_mode(false).open(dir.join(name + ".1"))?;
        // Whatever the umask: it is for all to read, and nobody else to write.
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())?;
        file.commit()?;
    }
    Ok(())
}

/// The pages by name: of credd, and of each command.
fn pages(command: clap::Command) -> io::Result<Vec<(String, String)>> {
    let mut command = help::in_full(command).disable_help_subcommand(true);
    command.build();
    let mut pages = vec![("credd".to_owned(), page("credd", "credd", &command)?)];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        // What all commands take stands in credd(1).
        let own = sub.clone().mut_args(|arg| {
            let is_everybodys = arg.is_global_set() || matches!(arg.get_id().as_str(), "help" | "version");
            let is_hidden = arg.is_hide_set();
            arg.hide(is_hidden || is_everybodys)
        });
        let name = format!("credd-{}", sub.get_name());
        pages.push((name.clone(), page(&name, sub.get_name(), &own)?));
    }
    Ok(pages)
}

fn page(name: &str, of: &str, command: &clap::Command) -> io::Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    let man = clap_mangen::Man::new(command.clone());
    let mut made = Vec::new();
    man.render_name_section(&mut made)?;
    synopsis(&mut made, command)?;
    man.render_description_section(&mut made)?;
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut made)?;
    }
    if of == "credd" {
        man.render_subcommands_section(&mut made)?;
    }
    let mut text = format!(".TH {} 1 {} \"credd {version}\" \"credd manual\"\n", name.to_uppercase(), help::DATE);
    tidied(&mut text, &String::from_utf8_lossy(&made));
    if let Some(page) = help::page(of) {
        ours(&mut text, of, &page);
    }
    Ok(text)
}

/// How it is called. (`clap_mangen` leaves the names of options' values out, and what is repeated.)
fn synopsis(made: &mut Vec<u8>, command: &clap::Command) -> io::Result<()> {
    let is_shown = |arg: &&clap::Arg| !arg.is_hide_set() && !arg.is_positional();
    let mut options = String::new();
    for arg in command.get_arguments().filter(is_shown) {
        let short = arg.get_short().filter(|_| arg.get_long().is_some()).map(|short| format!("-{short}|")).unwrap_or_default();
        let whole = arg.to_string();
        let (word, value) = whole.split_at(whole.find([' ', '.']).unwrap_or(whole.len()));
        let (value, again) = if value == "..." { ("", value) } else { (value, "") };
        let _ = write!(options, " [\\fB{}\\fR{}]{again}", plain(&format!("{short}{word}")), plain(value));
    }
    // As clap has it, with the options that each stand for themselves.
    let mut bare = command.clone().mut_args(|arg| {
        let is_option = !arg.is_positional();
        arg.hide(is_option)
    });
    let usage = bare.render_usage().to_string().replace(" [OPTIONS]", "");
    let usage = usage.trim_start_matches("Usage:").trim();
    let name = command.get_bin_name().unwrap_or("credd");
    let rest = usage.strip_prefix(name).unwrap_or(usage);
    writeln!(made, ".SH SYNOPSIS\n\\fB{}\\fR{}", plain(name), options + &plain(rest))
}

/// The sections of which `clap_mangen` knows nothing.
fn ours(text: &mut String, of: &str, page: &Page) {
    list(text, "\"EXIT STATUS\"", &page.exits);
    if of == "credd" {
        list(text, "ENVIRONMENT", &pairs(help::ENVIRONMENT).collect::<Vec<_>>());
        list(text, "FILES", &pairs(help::FILES).collect::<Vec<_>>());
    }
    list(text, "EXAMPLES", &page.examples);
    text.push_str(".SH \"SEE ALSO\"\n");
    let others = page.also.iter().map(|also| format!("credd\\-{also}"));
    let all: Vec<String> = (of != "credd").then(|| "credd".to_owned()).into_iter().chain(others).collect();
    let _ = writeln!(text, ".BR {} (1)", all.join(" (1),\n.BR "));
}

fn list(text: &mut String, title: &str, entries: &[(&str, &str)]) {
    let _ = writeln!(text, ".SH {title}");
    for (word, what) in entries {
        let _ = writeln!(text, ".TP\n\\fB{}\\fR", plain(word));
        fold(text, &plain(what));
    }
}

/// Text as roff has it.
fn plain(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq").replace('~', "\\(ti")
}

/// What `clap_mangen` wrote, without what checkers of manual pages find in it: lines that are too long, blank ones, breaks
/// that break nothing.
fn tidied(text: &mut String, made: &str) {
    let mut before = "";
    for line in made.lines().map(str::trim_end) {
        // Its own definitions of an apostrophe stand once.
        let is_needless = line.is_empty() || line.starts_with(".ie ") || line.starts_with(".el ") || line == ".br";
        if !is_needless {
            let line = line.replace("\\*(Aq", "\\(aq");
            // It would go on in the line of what they are the values of.
            if line == "\\fIPossible values:\\fR" {
                text.push_str(".br\n");
            }
            // The line after .TP is one tag.
            if line.starts_with('.') || before == ".TP" {
                text.push_str(&line);
                text.push('\n');
            } else {
                fold(text, &line);
            }
            before = if line == ".TP" { ".TP" } else { "" };
        }
    }
}

/// Breaks a line of text at spaces.
fn fold(text: &mut String, line: &str) {
    for (number, part) in super::status::fold(line, LONGEST - 2).into_iter().enumerate() {
        // It isn't the beginning of a request.
        if number > 0 && part.starts_with(['.', '\'']) {
            text.push_str("\\&");
        }
        text.push_str(&part);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_text_never_becomes_a_request() {
        let mut text = String::new();
        fold(&mut text, &format!("{} .env 'x", "word ".repeat(15).trim_end()));
        assert!(text.lines().count() == 2 && text.ends_with("\n\\&.env 'x\n"), "{text}");
        text.clear();
        tidied(&mut text, ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TP\n\\fB\\-\\-a\\fR \nit\\*(Aqs\n.br\n\n.br\nmore");
        assert_eq!(text, ".TP\n\\fB\\-\\-a\\fR\nit\\(aqs\nmore\n");
        assert_eq!(plain("a-b \\ '~'"), "a\\-b \\e \\(aq\\(ti\\(aq");
    }

    #[test]
    fn only_commands_that_are_shown_have_a_page() {
        let sub = |name: &'static str| clap::Command::new(name).about("Do it");
        let check = sub("check").args([
            clap::Arg::new("within").long("within").value_name("DUR").help("h"),
            clap::Arg::new("all").short('a').long("all").action(clap::ArgAction::Count).help("h"),
            clap::Arg::new("internal").long("internal").hide(true),
            clap::Arg::new("name").value_name("NAME"),
        ]);
        let command = clap::Command::new("credd").about("x").subcommand(check).subcommand(sub("worker").hide(true));
        let pages = pages(command).unwrap();
        assert_eq!(pages.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["credd", "credd-check"]);
        assert!(
            pages[1].1.contains(".SH SYNOPSIS\n\\fBcredd check\\fR [\\fB\\-\\-within\\fR <DUR>] [\\fB\\-a|\\-\\-all\\fR]... [NAME]\n"),
            "{}",
            pages[1].1
        );
        assert!(!pages[1].1.contains("internal"), "{}", pages[1].1);
        assert!(pages[1].1.contains(".SH EXAMPLES\n.TP\n\\fBcredd check\\fR\nin a script\n"), "{}", pages[1].1);
    }
}
