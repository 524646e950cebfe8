//! The command line: what there is to call, and who does it.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::client::check::CheckArgs;
use crate::client::completions;
use crate::client::status::StatusArgs;
use crate::client::{self, Failure};
use crate::paths::{Named, Paths};
use crate::plain::steers;
use crate::{consumers, daemon, log, worker};

/// Track API keys: be told before one expires, and have LiteLLM restarted when you replace it
#[derive(Debug, Parser)]
#[command(
    name = "credd",
    version,
    arg_required_else_help = false,
    subcommand_required = false,
    propagate_version = true,
    infer_subcommands = false
)]
#[command(
    after_help = "Without a command, credd shows the status.\nEnvironment: CREDD_CONFIG, CREDD_SOCKET, CREDD_STATE_DIR, CREDD_LOG, NO_COLOR"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Default, Args)]
struct Global {
    /// Read this configuration file [default: config.toml in the user's configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Talk over this Unix socket [default: credd/credd.sock in the runtime directory]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Keep the state here [default: credd in the user's state directory]
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Log more (twice: everything)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Log warnings and errors alone
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

impl Global {
    /// With the places that the environment names and the command line doesn't. An empty variable names none, to which clap
    /// would object.
    fn or_environments(self) -> Self {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            config: self.config.or_else(|| named("CREDD_CONFIG")),
            socket: self.socket.or_else(|| named("CREDD_SOCKET")),
            state_dir: self.state_dir.or_else(|| named("CREDD_STATE_DIR")),
            ..self
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground
    Run,
    /// Show what is tracked, how long it lasts, who uses it and what is wrong
    Status(StatusArgs),
    /// Tell by the exit code whether a key is due
    Check(CheckArgs),
    /// Replace a key: take the new one hidden, prove it and have consumers take it up
    Renew(client::renew::RenewArgs),
    /// Record when a key was really issued
    Issued(client::issued::IssuedArgs),
    /// Quiet the reminders of a key for a while
    Snooze(client::snooze::SnoozeArgs),
    /// Ask Bedrock, and each consumer, whether a key works now
    Verify(client::verify::VerifyArgs),
    /// Have consumers take up the key that is in the env file now
    Apply(client::apply::ApplyArgs),
    /// Run a command with the keys of the tracked files
    Exec(client::exec::ExecArgs),
    /// Check everything around the keys, and say how to fix what is wrong
    Doctor(client::doctor::DoctorArgs),
    /// Say why the next alert is when it is, and why one came late or didn't come
    Explain(client::explain::ExplainArgs),
    /// Show what happened
    History(client::history::HistoryArgs),
    /// Print when keys end as iCalendar, with an alarm at the first alert
    Calendar,
    /// Print what a shell's start-up file runs, so that open shells learn of a new key
    Hook(client::hook::HookArgs),
    /// Print metrics for Prometheus
    Metrics,
    /// Check or show the configuration
    Config(client::config::ConfigArgs),
    /// Install the user service and start it
    Install(client::service::InstallArgs),
    /// Stop the user service and remove it
    Uninstall(client::service::UninstallArgs),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// The directory, made if it isn't there
        dir: PathBuf,
    },
}

/// What prompts and bars call all day, and the service, where nothing more is said: clap takes half as long to understand it as all the rest
/// does. `None` for everything else.
fn at_a_glance(arguments: &[OsString]) -> Option<Cli> {
    let words: Vec<&str> = arguments.iter().skip(1).map(|word| word.to_str()).collect::<Option<_>>()?;
    let status = |json, short| Command::Status(StatusArgs { json, short, ..StatusArgs::default() });
    let command = match words[..] {
        [] => None,
        ["status"] => Some(status(false, false)),
        ["status", "--short"] => Some(status(false, true)),
        ["status", "--json"] => Some(status(true, false)),
        ["check"] => Some(Command::Check(CheckArgs::default())),
        ["run"] => Some(Command::Run),
        _ => return None,
    };
    Some(Cli { command, global: Global::default() })
}

/// The command line as clap reads it, which ends the program where it is wrong or help is asked for. Its errors quote the arguments
/// as they are: those that could steer a terminal are told of as all else.
fn understood(arguments: &[OsString]) -> Result<Cli, Failure> {
    if arguments.iter().any(|word| word == "--help") || arguments.get(1).is_some_and(|word| word == "help") {
        let asked = client::help::in_full(Cli::command()).try_get_matches_from(arguments);
        if let Some(help) = asked.err().filter(|error| !error.use_stderr()) {
            help.exit();
        }
    }
    Cli::try_parse_from(arguments).or_else(|error| after_dashes(arguments).ok_or(error)).map_err(|error| {
        if !error.use_stderr() || !arguments.iter().any(|argument| argument.to_string_lossy().chars().any(steers)) {
            error.exit();
        }
        let text = error.render().to_string();
        Failure::usage(text.strip_prefix("error: ").unwrap_or(&text).trim_end())
    })
}

/// The same where a word that begins with a minus and a digit (`credd issued bedrock "-3 days ago"`) is what it can only be: no
/// option. What takes it says what is wrong with it.
fn after_dashes(arguments: &[OsString]) -> Option<Cli> {
    let is_number = |word: &OsString| matches!(word.as_encoded_bytes(), [b'-', b'0'..=b'9', ..]);
    let of = arguments.iter().find(|word| ["issued", "snooze", "exec"].iter().any(|name| word == name))?;
    let at = arguments.iter().position(is_number).filter(|_| of != "exec")?;
    let mut words = arguments.to_vec();
    words.insert(at, "--".into());
    Cli::try_parse_from(words).ok()
}

/// Runs the program; what it ends with is the exit code.
pub fn main() -> u8 {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let done = match arguments.get(1).and_then(|name| name.to_str()) {
        // credd calls these two itself. They talk over pipes and know nothing of places.
        Some("worker") => return worker::run(log::error_prefix()),
        Some("launch") => consumers::launch::launch(),
        Some("--") if std::env::var_os(completions::SHELL).is_some() => complete(arguments.get(2..).unwrap_or_default()),
        _ => at_a_glance(&arguments).map_or_else(|| understood(&arguments), Ok).and_then(perform),
    };
    match done {
        Ok(code) => code,
        // Whoever reads the output may have seen enough: nothing went wrong.
        Err(failure) if failure.code == 0 => 0,
        Err(failure) => {
            failure.report(log::error_prefix());
            failure.code
        }
    }
}

/// What could stand where the Tab key was pressed, on a line of these words.
fn complete(words: &[OsString]) -> Result<u8, Failure> {
    // The line isn't whole yet, but the places named on it count.
    let line = Cli::command().ignore_errors(true).try_get_matches_from(words).ok();
    let global = line.and_then(|line| Global::from_arg_matches(&line).ok()).unwrap_or_default();
    let paths = places(&global.or_environments())?;
    completions::complete(&paths, words, Cli::command())
}

fn places(global: &Global) -> Result<Paths, Failure> {
    let named = Named { config: global.config.clone(), state_dir: global.state_dir.clone(), socket: global.socket.clone() };
    Paths::find(named).map_err(Failure::usage)
}

fn perform(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        // Packagers call these where there is no home.
        Some(Command::Completions { shell }) => completions::script(shell),
        Some(Command::Man { dir }) => client::man::run(&dir, Cli::command()),
        command => dispatch(command, &cli.global.or_environments()),
    }
}

fn dispatch(command: Option<Command>, global: &Global) -> Result<u8, Failure> {
    let paths = places(global)?;
    match command {
        None => client::status::run(&paths, &StatusArgs::default()),
        Some(Command::Run) => run(paths, global),
        Some(Command::Status(args)) => client::status::run(&paths, &args),
        Some(Command::Check(args)) => client::check::run(&paths, &args),
        Some(Command::Renew(args)) => client::renew::run(&paths, &args),
        Some(Command::Issued(args)) => client::issued::run(&paths, &args),
        Some(Command::Snooze(args)) => client::snooze::run(&paths, &args),
        Some(Command::Verify(args)) => client::verify::run(&paths, &args),
        Some(Command::Apply(args)) => client::apply::run(&paths, &args),
        Some(Command::Exec(args)) => client::exec::run(&paths, &args),
        Some(Command::Doctor(args)) => client::doctor::run(&paths, &args),
        Some(Command::Explain(args)) => client::explain::run(&paths, &args),
        Some(Command::History(args)) => client::history::run(&paths, &args),
        Some(Command::Calendar) => client::calendar::run(&paths),
        Some(Command::Hook(args)) => client::hook::run(&paths, &args, &service_args(global)),
        Some(Command::Metrics) => client::metrics::run(&paths),
        Some(Command::Config(args)) => client::config::run(&paths, &args),
        Some(Command::Install(args)) => client::service::install(&paths, &args, &service_args(global)),
        Some(Command::Uninstall(args)) => client::service::uninstall(&paths, &args),
        Some(Command::Completions { .. } | Command::Man { .. }) => Err(Failure::usage("this command is called without places")),
    }
}

fn run(paths: Paths, global: &Global) -> Result<u8, Failure> {
    log::start(global.verbose, global.quiet, std::io::stderr().is_terminal());
    match daemon::run(daemon::Options { paths }) {
        Ok(()) => Ok(0),
        Err(daemon::StartError::Config(error)) => Err(Failure { code: 2, message: error.to_string(), hint: None }),
        Err(daemon::StartError::Other(error)) => {
            let failure = Failure::failed(format!("{error:#}"));
            // What the system refused has a reason to be looked for; all else says what to do.
            let refused = error.chain().any(<dyn std::error::Error>::is::<std::io::Error>);
            let next = "check owner, mode and room there, or name other places with --state-dir and --socket";
            Err(if refused { failure.hint(next) } else { failure })
        }
    }
}

/// Places that the user named are named to the service as well.
fn service_args(global: &Global) -> Vec<String> {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string();
    [("--config", &global.config), ("--socket", &global.socket), ("--state-dir", &global.state_dir)]
        .into_iter()
        .filter_map(|(flag, path)| Some([flag.to_owned(), absolute(path.as_ref()?)]))
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_glance_sees_what_clap_reads() {
        let arguments = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for line in ["credd", "credd status", "credd status --short", "credd status --json", "credd check", "credd run"] {
            let whole = Cli::try_parse_from(arguments(line)).unwrap();
            assert_eq!(format!("{:?}", at_a_glance(&arguments(line)).unwrap()), format!("{whole:?}"), "{line}");
        }
        for line in ["credd -v", "credd -v run", "credd status k", "credd status --help", "credd --version", "credd check k", "credd stat"]
        {
            assert!(at_a_glance(&arguments(line)).is_none(), "{line}");
        }
    }

    #[test]
    fn what_begins_with_a_digit_after_a_minus_is_no_option() {
        let read = |words: &[&str]| after_dashes(&words.iter().map(OsString::from).collect::<Vec<_>>());
        for words in
            [&["credd", "issued", "k", "-3 days ago"][..], &["credd", "issued", "k", "-3", "days"], &["credd", "snooze", "k", "-3d"]]
        {
            assert!(read(words).is_some(), "{words:?}");
        }
        assert!(read(&["credd", "exec", "-5", "--", "env"]).is_none() && read(&["credd", "exec", "issued", "-9"]).is_none());
        assert!(read(&["credd", "history", "-n", "-5"]).is_none() && read(&["credd", "check", "-x"]).is_none());
        assert!(Cli::try_parse_from(["credd", "check", "--within", "-5d"]).is_ok());
    }

    #[test]
    fn every_command_and_argument_is_described() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }
}
