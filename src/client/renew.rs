//! `credd renew`: from asking for the new key to saying which old one is to be revoked.

mod choose;
pub(super) mod consumers;
mod editor;
mod form;
mod issuer;
pub(super) mod progress;
pub(super) mod stage;
mod summary;
mod tty;

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use self::form::Fit;
use self::progress::Progress;
use self::stage::Stage;
use self::summary::Renewed;
use self::tty::Tty;
use super::terminal::clean;
use super::{Failure, http, words};
use crate::clock;
use crate::config::{KeyConfig, KindChoice};
use crate::desktop;
use crate::paths::{Paths, tilde};
use crate::protocol::{KeyStanding, KeyStatus, RenewRequest, RenewalEnd, RenewedRequest, Status};
use crate::rewrite::{self, How};
use crate::salt::Salt;
use crate::secret::Secret;

/// Until the daemon has seen the file with the new key.
const SEEN: Duration = Duration::from_secs(30);
/// Until AWS has made a key, the daemon has proven it, and the file has it.
const MADE: Duration = Duration::from_mins(5);
/// Until IAM has made the old key inactive; the daemon goes on with it anyhow.
const RETIRED: Duration = Duration::from_secs(20);
/// A wrong paste happens; so many in a row are a misunderstanding.
const TRIES: u32 = 3;

/// Arguments of `credd renew`.
#[derive(Clone, Debug, clap::Args)]
pub struct RenewArgs {
    /// The key [default: the only one, or the only one that is due]
    name: Option<String>,
    /// Read the new key from standard input
    #[arg(long)]
    stdin: bool,
    /// Print the address of the console's page without opening it
    #[arg(long)]
    no_browser: bool,
    /// Have IAM make the key, through your AWS profile
    #[arg(long, conflicts_with_all = ["stdin", "no_browser"])]
    iam: bool,
}

/// Takes the new key, puts it into the file, has consumers take it up and says what is left to do.
pub fn run(paths: &Paths, args: &RenewArgs) -> Result<u8, Failure> {
    super::harden();
    let status = http::get::<Status>(&paths.socket, "/v1/status").map_err(|failure| match &args.name {
        Some(name) => super::unless_unknown(failure, paths, "key", name),
        None => failure,
    })?;
    let (key, chosen) = choose::choose(&status, args.name.as_deref())?;
    let spec = configured(paths, &key.name)?;
    let file = tilde(Path::new(&key.env_file), &paths.home);
    choose::check(key, &file)?;
    let minted = spec.kind == KindChoice::ShortTerm;
    if minted && args.stdin {
        return Err(Failure::usage(format!("credd mints {} itself", key.name)).hint(format!("leave --stdin out: credd renew {}", key.name)));
    }
    let stage = Stage::start()?;
    let mut renewal = Renewal { paths, key, spec: &spec, file, progress: Progress::new(&stage), stage };
    if chosen {
        renewal.progress.say(&format!("{}: the one key that is to be renewed", key.name));
    }
    let by_itself = args.iam || minted;
    if by_itself {
        renewal.by_itself()?;
    } else {
        renewal.by_hand(args)?;
    }
    renewal.finish(by_itself)
}

fn configured(paths: &Paths, name: &str) -> Result<KeyConfig, Failure> {
    let config = super::configuration(paths)?;
    let gone = || {
        Failure::usage(format!("{} is not the name of a key in {}", clean(name), paths.config.display()))
            .hint("name the configuration that the daemon has, with --config")
    };
    config.keys.into_iter().find(|key| key.name.as_str() == name).ok_or_else(gone)
}

/// One renewal.
struct Renewal<'a> {
    paths: &'a Paths,
    /// As it was before.
    key: &'a KeyStatus,
    spec: &'a KeyConfig,
    /// As people read it.
    file: String,
    progress: Progress,
    stage: Stage,
}

impl Renewal<'_> {
    /// The user makes the key; credd puts it into the file.
    fn by_hand(&mut self, args: &RenewArgs) -> Result<(), Failure> {
        let salt = Salt::load(&self.paths.state_dir).map_err(|error| {
            let message = format!("nothing was changed, since {} can't be read: {error}", Salt::path(&self.paths.state_dir).display());
            Failure::failed(message).hint("name the daemon's state directory with --state-dir")
        })?;
        let tty = if args.stdin { None } else { Some(Tty::open(&self.stage)?) };
        // Who removed the key from the file may put it back.
        let mut there = self.key.clone();
        if there.state == KeyStanding::Missing {
            there.fingerprint = None;
        }
        let check = |key: &Secret| form::check(key.expose(), salt.fingerprint(key.expose()), &there, clock::now());
        let (new, fit) = match &tty {
            None => {
                let new = tty::from_stdin()?;
                let fit = check(&new).and_then(|fit| fit.doubt.clone().map_or(Ok(fit), Err));
                let wrong =
                    |why| Failure::failed(format!("nothing was changed, since what is on standard input {why}")).hint(tty::GIVE_ALONE);
                let fit = fit.map_err(wrong)?;
                (new, fit)
            }
            Some(tty) => {
                self.announce(args.no_browser);
                taken_from(tty, &check)?
            }
        };
        if let Some(note) = &fit.note {
            self.progress.say(&format!("note: {note}"));
        }
        if issuer::is_askable(self.spec, &fit.anatomy) {
            issuer::ask(&new, &fit.anatomy, self.spec, tty.as_ref(), &mut self.progress)?;
        } else {
            let why = if self.spec.probe.is_none() { "its probe is off" } else { "it is no key of Bedrock's, and no endpoint is named" };
            self.progress.say(&format!("note: nobody was asked whether the new key works: {why}"));
        }
        self.write(&new, &there, &salt)?;
        self.report(salt.fingerprint(new.expose()))
    }

    /// Which key, and where to make the next.
    fn announce(&mut self, no_browser: bool) {
        self.progress.say(&format!("{}: {} in {}", self.key.name, self.key.variable, self.file));
        if !form::is_bedrock_s(self.key) {
            return;
        }
        // A region that is none is the configuration's problem, and no reason not to take a key.
        if let Ok(url) = desktop::console_url(self.region()) {
            let opened = !no_browser && open(&url);
            let how = if opened { "Make the next key on the page that opens:" } else { "Make the next key on this page:" };
            self.progress.say(how);
            self.progress.say(&format!("  {url}"));
        }
    }

    fn region(&self) -> &str {
        self.key.region.as_deref().unwrap_or(&self.spec.region)
    }

    fn write(&mut self, new: &Secret, there: &KeyStatus, salt: &Salt) -> Result<(), Failure> {
        let path = Path::new(&self.key.env_file);
        let mut is_expected = |value: Option<&[u8]>| {
            let value = value.filter(|value| !value.is_empty());
            value.map(|value| salt.fingerprint(value)) == there.fingerprint
        };
        let replaced = self.stage.undisturbed(|| {
            let replaced = rewrite::replace(path, &self.key.variable, new, &self.paths.home, &mut is_expected);
            let said = replaced.is_ok().then(|| (self.is_written(), "the daemon goes on with it; see how far: credd status".to_owned()));
            (replaced, said)
        });
        let replaced =
            replaced.map_err(|refusal| Failure::failed(format!("nothing was changed: {}", refusal.message)).hint(refusal.fix))?;
        let how = match replaced.how {
            How::Replaced => "has the new key",
            How::Appended => "was added, with the new key",
            How::Created => "has the new key, in a new file",
        };
        self.progress.say(&format!("{}: line {} {how}", self.file, replaced.line));
        if !replaced.duplicates.is_empty() {
            let lines: Vec<_> = replaced.duplicates.iter().map(usize::to_string).collect();
            let them = summary::listed(&lines);
            self.progress.say(&format!("note: {} is assigned before, too (line {them}), which doesn't count", self.key.variable));
        }
        if !replaced.derived.is_empty() {
            let them = summary::listed(&replaced.derived);
            self.progress.say(&format!("note: {them} changed with it, being made of it"));
        }
        Ok(())
    }

    /// What is true once the file was written.
    fn is_written(&self) -> String {
        format!("the new key is in {}", self.file)
    }

    /// Tells the daemon, which records the date.
    fn report(&mut self, fingerprint: crate::core::Fingerprint) -> Result<(), Failure> {
        let request = super::path(&["v1", "keys", &self.key.name, "renewed"])?;
        let seen = http::post::<KeyStatus>(&self.paths.socket, &request, &RenewedRequest { fingerprint }, Some(SEEN));
        seen.map(|_| ()).map_err(|failure| self.but(&format!("the daemon didn't take note of it: {}", failure.message), failure.hint))
    }

    /// The daemon has IAM, or the user's profile, make the key.
    fn by_itself(&mut self) -> Result<(), Failure> {
        self.stage.says("the daemon goes on with the renewal", Some("see how far it is: credd status".into()));
        let request = super::path(&["v1", "keys", &self.key.name, "renew"])?;
        let socket = self.paths.socket.clone();
        let (sender, answer) = mpsc::channel();
        thread::spawn(move || {
            // Nobody listens once the program ends.
            let _ = sender.send(http::post::<RenewalEnd>(&socket, &request, &RenewRequest {}, Some(MADE)));
        });
        self.progress.show(&format!("{}: being renewed", self.key.name));
        let answer = loop {
            match answer.recv_timeout(consumers::LOOK) {
                Ok(answer) => break answer?,
                Err(RecvTimeoutError::Disconnected) => return Err(Failure::failed("the renewal can't be followed").hint("credd status")),
                Err(RecvTimeoutError::Timeout) => {
                    let status = http::get::<Status>(&self.paths.socket, "/v1/status").ok();
                    let key = status.and_then(|status| status.keys.into_iter().find(|key| key.name == self.key.name));
                    if let Some(doing) = key.and_then(|key| key.renewal) {
                        self.progress.show(&format!("{}: {doing}", self.key.name));
                    }
                }
            }
        };
        self.progress.clear();
        if !answer.renewed {
            return Err(Failure { code: 1, message: answer.message, hint: answer.hint });
        }
        self.progress.say(&answer.message);
        self.stage.says(self.is_written(), Some("the daemon goes on with it; see how far: credd status".into()));
        Ok(())
    }

    /// Has consumers take it up, and says what is true then.
    fn finish(mut self, by_itself: bool) -> Result<u8, Failure> {
        let taken = consumers::take_up(self.paths, &self.key.name, &mut self.progress)
            .map_err(|failure| self.but(&failure.message, failure.hint.clone()))?;
        if let Some((name, _)) = taken.lacking.first() {
            let each: Vec<_> = taken.lacking.iter().map(|(name, why)| format!("{name} did not take it up: {why}")).collect();
            return Err(self.but(&each.join("; "), Some(format!("see what is wrong with: credd status; then: credd apply {name}"))));
        }
        let new = if by_itself { self.once_retired()? } else { self.now()?.0 };
        let renewed = Renewed {
            new: &new,
            old: self.key,
            file: &self.file,
            taken: &taken,
            region: self.region(),
            profile: self.spec.aws_profile.as_deref(),
        };
        let (line, way) = summary::told(&renewed, &words::local(clock::now()));
        let (line, way) = (clean(&line), way.map(|way| clean(&way)));
        match way {
            None => super::tell(&line)?,
            // It is there to be copied: nothing breaks it.
            Some(way) if io::stdout().is_terminal() => {
                super::tell(&format!("{line}:"))?;
                super::say(&format!("  {way}\n"))?;
            }
            Some(way) => super::tell(&format!("{line}: {way}"))?,
        }
        Ok(0)
    }

    /// The key as it is now, and whether the daemon has yet to retire the one before.
    fn now(&self) -> Result<(KeyStatus, bool), Failure> {
        let status: Status =
            http::get(&self.paths.socket, "/v1/status").map_err(|failure| self.but(&failure.message, failure.hint.clone()))?;
        let failed = status.problems.iter().any(|problem| problem.code == "retire-failed");
        let key = status.keys.into_iter().find(|key| key.name == self.key.name);
        let key = key.ok_or_else(|| self.but("it is no longer configured", Some("see: credd config".into())))?;
        let former = key.former.iter().find(|former| Some(former.fingerprint) == self.key.fingerprint);
        let known = former.is_some_and(|former| former.credential_id.is_some() && former.delete_at.is_none());
        let waits = !failed && (key.renewal.is_some() || known);
        Ok((key, waits))
    }

    /// The same once the daemon has made the old key inactive, as it does unless something is in the way.
    fn once_retired(&mut self) -> Result<KeyStatus, Failure> {
        let start = clock::monotonic();
        loop {
            let (key, waits) = self.now()?;
            if !waits || clock::monotonic().saturating_duration_since(start) > RETIRED {
                self.progress.clear();
                return Ok(key);
            }
            self.progress.show(&format!("{}: making the old key inactive", self.key.name));
            thread::sleep(consumers::LOOK);
        }
    }

    /// Written, but.
    fn but(&self, what: &str, hint: Option<String>) -> Failure {
        Failure { code: 1, message: format!("{}, but {what}", self.is_written()), hint }
    }
}

/// Asks until there is something that can be the key.
fn taken_from(tty: &Tty, check: &dyn Fn(&Secret) -> Result<Fit, String>) -> Result<(Secret, Fit), Failure> {
    for _ in 0..TRIES {
        let entered = tty.ask_for_key()?;
        let fit = if entered.too_long { Err("is longer than any key".into()) } else { check(&entered.key) };
        match fit {
            Ok(fit) => {
                if let Some(doubt) = &fit.doubt {
                    tty.say(&format!("This {doubt}."))?;
                }
                if fit.doubt.is_none() || tty.confirm("Take it?")? {
                    return Ok((entered.key, fit));
                }
            }
            Err(why) => tty.say(&format!("This {why}."))?,
        }
    }
    Err(Failure::failed("nothing was changed: no key was given").hint("copy it from the console, then: credd renew"))
}

/// Opens a page, if there is a way to: without a display, a browser could only take over the terminal.
fn open(url: &str) -> bool {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !cfg!(target_os = "macos") && !["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].iter().any(set) {
        return false;
    }
    let Ok(mut opener) = desktop::opener(url, false).spawn() else { return false };
    // It may become the browser and outlive this program.
    thread::spawn(move || opener.wait());
    true
}
