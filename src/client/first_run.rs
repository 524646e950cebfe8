//! `credd install` by somebody who has no credd yet: asks what it can't know, proves a popup, and ends with the status.
//!
//! All questions come before anything is done: whoever goes away at one of them leaves all as it was.

mod config_file;
mod dates;
mod dialogue;
mod proxy;

use std::io::{self, IsTerminal as _, Write as _};

use self::dialogue::{Dialogue, Manner};
use super::renew::stage::Stage;
use super::status::{self, StatusArgs};
use super::trial::Trial;
use super::{Failure, words};
use crate::clock;
use crate::paths::Paths;
use crate::salt::Salt;
use crate::service::{self, InstallOptions};

/// Answers that were given beforehand.
#[derive(Clone, Debug, clap::Args)]
pub struct Given {
    /// When the key was made, as `credd issued` takes it; of several keys NAME=WHEN
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    issued: Vec<String>,
    /// Look after this proxy, told by words of its command line, such as "litellm --config a.yaml"
    #[arg(long, value_name = "WORDS", conflicts_with = "no_consumer")]
    consumer: Option<String>,
    /// Look after no proxy: only remind
    #[arg(long)]
    no_consumer: bool,
    /// Send no test popup
    #[arg(long)]
    no_popup: bool,
    /// Take what would be offered, without asking
    #[arg(short, long)]
    yes: bool,
}

/// Asks, if there is somebody to ask; then installs, and shows what came of it.
pub fn install(paths: &Paths, options: &InstallOptions, given: &Given) -> Result<u8, Failure> {
    let refused = |error: service::ServiceError| Failure::failed(error.to_string());
    service::is_installable(options).map_err(refused)?;
    // Or nobody could start it then.
    let is_first = !options.path().exists() || !Salt::path(&paths.state_dir).exists();
    let manner = match () {
        () if is_first && given.yes => Manner::Takes,
        () if is_first && io::stdin().is_terminal() && io::stdout().is_terminal() => Manner::Asks,
        () => Manner::Silent,
    };
    let is_plain = manner == Manner::Silent && given.issued.is_empty() && given.consumer.is_none() && !given.no_consumer;
    if is_plain {
        service::install(options, &mut io::stdout().lock()).map_err(refused)?;
        return Ok(0);
    }
    super::harden();
    let dialogue = Dialogue::new(manner, Stage::start()?);
    let config = super::configuration(paths)?;
    let now = words::local(clock::now());
    let dates = dates::choose(paths, &config, &given.issued, &now, &dialogue)?;
    let edit = proxy::choose(paths, given.consumer.as_deref(), given.no_consumer, &dialogue)?;

    if manner == Manner::Asks {
        writeln!(io::stdout())?;
    }
    if let Some(edit) = edit {
        dialogue.stage.says("the configuration is written, and nothing else was done", Some("go on with: credd install".into()));
        edit.write()?;
        super::say(&format!("Wrote {}\n", edit.path.display()))?;
    }
    dialogue.stage.says("credd was being installed", Some("see how far that is with: credd install --dry-run".into()));
    if let Err(error) = service::install(options, &mut io::stdout().lock()) {
        return Err(dates::without_service(paths, &dates, &now, refused(error)));
    }
    dialogue.stage.says("credd is installed", Some("see what it knows with: credd status".into()));
    dates::await_keys(paths);
    dates::record(paths, &dates, &now)?;
    if manner == Manner::Silent {
        return Ok(0);
    }
    writeln!(io::stdout())?;
    let trial = if given.no_popup || !config.alerts.desktop { None } else { Trial::send().ok() };
    if let Some(trial) = &trial {
        dialogue.say(&match trial.outcome() {
            Ok(()) if cfg!(target_os = "macos") => {
                "A test popup was sent. If none came up, allow those of Script Editor in the system's settings.".to_owned()
            }
            Ok(()) => "A test popup was shown by your notification service: alerts come up like it.".to_owned(),
            Err(reason) => format!("No test popup could be shown: {reason}. Alerts wait until they can be; see: credd doctor"),
        })?;
        writeln!(io::stdout())?;
    }
    let code = status::run(paths, &StatusArgs::default())?;
    if let Some(trial) = trial {
        trial.linger();
    }
    Ok(code)
}
