//! `credd completions`, and what the Tab key then asks for: commands and options of the command line's own definition, the
//! names of keys and consumers from the configuration.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::Shells;
use rustix::fs::{Access, access};

use super::Failure;
use crate::config::Config;
use crate::core::order;
use crate::paths::{Paths, tilde};

/// The variable in which a shell that completes a line says which it is; the words follow `--`.
pub const SHELL: &str = "_CREDD_COMPLETE";

/// zsh reads a file of completions at the first Tab, and takes it for the function that is to answer it
/// (zshcompsys(1), "Autoloaded files").
const FIRST_TAB_OF_ZSH: &str = "if [[ $funcstack[1] = _credd ]]; then _clap_dynamic_completer_credd \"$@\"; fi\n";

/// Prints what a shell runs to have lines completed.
pub fn script(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&shell.to_string()) {
        shell.write_registration(SHELL, "credd", "credd", "credd", &mut script)?;
    }
    if shell == Shell::Zsh {
        script.extend_from_slice(FIRST_TAB_OF_ZSH.as_bytes());
    }
    std::io::stdout().lock().write_all(&script)?;
    Ok(0)
}

/// Prints what could stand at the cursor, on a line of these words.
pub fn complete(paths: &Paths, words: &[OsString], command: Command) -> Result<u8, Failure> {
    let (shells, shell) = (Shells::builtins(), env::var(SHELL).unwrap_or_default());
    let shell = shells.completer(&shell).ok_or_else(|| Failure::usage("no such shell is known"))?;
    let mut candidates = Vec::new();
    let here = env::current_dir().ok();
    shell.write_complete(&mut with_names(command, words, paths), words.to_vec(), here.as_deref(), &mut candidates)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&candidates)?;
    // They may end in the middle of a line.
    out.flush()?;
    Ok(0)
}

/// The command line, which then knows the names that there are. Its options are offered where nothing else could stand, or
/// when they are begun.
fn with_names(mut command: Command, words: &[OsString], paths: &Paths) -> Command {
    // With a configuration that is wrong nothing has a name.
    let config = super::configuration(paths).ok();
    let (keys, consumers) = config.map(|config| (keys(&config, &paths.home), consumers(&config))).unwrap_or_default();
    let all = [keys.as_slice(), &consumers].concat();
    let before = &words[..cursor(words).min(words.len())];
    // With the arguments that clap adds.
    command.build();
    command.mut_args(hide_option).mut_subcommands(|command| {
        let named = if command.get_name() == "status" { &all } else { &keys };
        command.mut_args(hide_option).mut_args(|arg| match arg.get_id().as_str() {
            // To clap's completions all words of `exec` are of this argument.
            "names" if before.iter().any(|word| word == "--") => match before.last() {
                Some(last) if last == "--" => arg.add(ArgValueCompleter::new(programs)),
                _ => arg.add(ArgValueCompleter::new(PathCompleter::any())),
            },
            "name" | "names" => arg.add(candidates(named)),
            "consumer" => arg.add(candidates(&consumers)),
            _ => arg,
        })
    })
}

/// Which word is being completed: the last, as fish cuts the line there, unless the shell says so.
fn cursor(words: &[OsString]) -> usize {
    let told = env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse().ok());
    told.unwrap_or(words.len().saturating_sub(1))
}

/// clap's completions offer what is hidden where there is nothing else.
fn hide_option(arg: Arg) -> Arg {
    let is_option = !arg.is_positional();
    arg.hide(is_option)
}

/// A name, and what is named so.
type Named = (String, String);

fn keys(config: &Config, home: &Path) -> Vec<Named> {
    config.keys.iter().map(|key| (key.name.to_string(), format!("{} in {}", key.variable, tilde(&key.env_file, home)))).collect()
}

fn consumers(config: &Config) -> Vec<Named> {
    config.consumers.iter().map(|consumer| (consumer.name.to_string(), "consumer".to_owned())).collect()
}

fn candidates(named: &[Named]) -> ArgValueCandidates {
    let named = named.to_vec();
    ArgValueCandidates::new(move || {
        named.iter().map(|(name, what)| CompletionCandidate::new(name).help(Some(what.clone().into()))).collect()
    })
}

/// The programs of PATH whose names begin so, and files where it is a path.
fn programs(begin: &OsStr) -> Vec<CompletionCandidate> {
    if begin.as_bytes().contains(&b'/') {
        return PathCompleter::any().complete(begin);
    }
    let directories: Vec<_> = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let files = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    let names = files
        .filter(|file| file.file_name().as_bytes().starts_with(begin.as_bytes()))
        .filter(|file| file.path().is_file() && access(file.path(), Access::EXEC_OK).is_ok())
        .map(|file| file.file_name());
    order::each_once(names).into_iter().map(CompletionCandidate::new).collect()
}
