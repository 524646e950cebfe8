//! What is known, as the document that `status` shows: the same with a daemon and without.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{Config, KeyConfig, KindChoice, Restart};
use crate::core::consumer::Consumer;
use crate::core::key::{Key, KeyState};
use crate::core::order;

use crate::core::{Calendar, ConsumerName, FileTrack, Fingerprint, Iam, KeyName, KnownKey, Machine, Settings, Stage, Trouble};
use crate::paths::{shell_word, tilde};
use crate::protocol::{
    AlertStatus, DaemonStatus, FormerKey, IamStatus, KeyStanding, KeyStatus, NEVER_SEEN, ProbeStatus, Problem, Severity, Status,
};

mod consumers;
mod digest;
mod document;
mod gone;
mod metrics;
mod stream;
mod untold;
mod verified;

use consumers::consumer_problems;
pub use consumers::consumer_status;
pub use digest::digest;
pub use document::Document;
pub use metrics::Metrics;
pub use stream::Stream;
pub use verified::not_asked;

/// Version of the status document.
const SCHEMA: u32 = 1;

/// The core's part of the configuration.
pub fn settings(config: &Config) -> Settings {
    use crate::core::{Channel, ConsumerSpec, KeySpec};
    let desktop = config.alerts.desktop.then_some(Channel::Desktop);
    let command = (!config.alerts.command.is_empty()).then_some(Channel::Command);
    let spec = |key: &KeyConfig| KeySpec {
        name: key.name.clone(),
        variable: key.variable.clone(),
        env_file: key.env_file.clone(),
        lifetime: key.lifetime,
        probed: key.probe.is_some(),
        endpoint: key.endpoint.clone(),
        region: key.region.clone(),
        iam: key.iam,
        minted: key.kind == KindChoice::ShortTerm,
    };
    let keys = config.keys.iter().map(|key| Arc::new(spec(key))).collect();
    let consumers = config
        .consumers
        .iter()
        .map(|consumer| ConsumerSpec {
            name: consumer.name.clone(),
            keys: consumer.keys.clone(),
            restartable: consumer.restart != Restart::None,
        })
        .collect();
    Settings { days: config.alerts.days.clone(), channels: desktop.into_iter().chain(command).collect(), keys, consumers }
}

/// Where a view is made.
pub struct Viewpoint<'a> {
    /// Now.
    pub now: Timestamp,
    /// The user's cron expressions.
    pub calendar: &'a dyn Calendar,
    /// The configuration in force.
    pub config: &'a Config,
    /// For `~` in texts.
    pub home: &'a Path,
    /// The daemon, if it is asked itself.
    pub daemon: Option<DaemonStatus>,
    /// Problems that the core doesn't know of.
    pub problems: Vec<Problem>,
}

/// The status document, whole.
pub fn status(machine: &Machine, at: Viewpoint) -> Status {
    let holders = Holders::of(machine);
    let keys = at.config.keys.iter().filter_map(|spec| machine.key(&spec.name));
    let keys = keys.map(|key| key_status_among(machine, key, at.now, at.calendar, &holders)).collect();
    let consumers = at.config.consumers.iter().filter_map(|spec| Some(consumer_status(machine, machine.consumer(&spec.name)?, spec)));
    let consumers = consumers.collect();
    let mut problems: Vec<Problem> = (0..subjects(at.config)).flat_map(|n| problems_at(machine, &at, &holders, n)).collect();
    order::sort_by_key(&mut problems, |problem| std::cmp::Reverse(problem.severity));
    Status { schema: SCHEMA, live: at.daemon.is_some(), daemon: at.daemon, keys, consumers, problems }
}

/// What may have problems: all in general, each key, each consumer.
fn subjects(config: &Config) -> usize {
    1 + config.keys.len() + config.consumers.len()
}

/// The problems of one of [`subjects`].
fn problems_at(machine: &Machine, at: &Viewpoint, holders: &Holders, n: usize) -> Vec<Problem> {
    let Some(n) = n.checked_sub(1) else {
        let untold = untold::problems(machine, at.now);
        return at.problems.iter().cloned().chain(clock_problem(machine, at.now)).chain(untold).collect();
    };
    if let Some(spec) = at.config.keys.get(n) {
        let Some(key) = machine.key(&spec.name) else { return Vec::new() };
        // A file's are told with its first key.
        let file = machine.file(&key.spec.env_file).filter(|file| file.keys.first() == Some(&spec.name));
        let mut problems: Vec<Problem> = file.and_then(|file| gone::problem(machine, file, at.home)).into_iter().collect();
        problems.extend(file.map(|file| file_problems(machine, file, at.home)).unwrap_or_default());
        for problem in &mut problems {
            if problem.about.is_empty() {
                problem.about.push(key.spec.env_file.display().to_string());
            }
            if problem.code == "control-character" {
                let keys: Vec<&Key> = problem.about.iter().filter_map(|name| machine.key(&name.as_str().into())).collect();
                let lacking: Vec<String> = keys.into_iter().flat_map(|key| who_lack(machine, key)).map(ToString::to_string).collect();
                problem.about.extend(lacking);
            }
        }
        problems.extend(rejected_key_problem(machine, key, at.home));
        problems.extend(renewal_problems(key));
        problems.extend(region_problems(machine, key));
        problems.extend(shared_key_problem(machine, key, holders, at.home));
        return problems;
    }
    let spec = at.config.consumers.get(n - at.config.keys.len());
    let found = spec.and_then(|spec| Some((spec, machine.consumer(&spec.name)?)));
    found.map(|(spec, consumer)| consumer_problems(machine, consumer, spec, at.now)).unwrap_or_default()
}

/// Which keys hold which value.
#[derive(Debug)]
struct Holders(Box<[(Fingerprint, KeyName)]>);

impl Holders {
    fn of(machine: &Machine) -> Self {
        let mut all: Box<[_]> = machine.keys().filter_map(|key| Some((key.present()?.fingerprint, key.spec.name.clone()))).collect();
        order::sort_by(&mut all, Ord::cmp);
        Self(all)
    }

    /// By name.
    fn holding<'m>(&self, machine: &'m Machine, print: Fingerprint) -> impl Iterator<Item = &'m Key> {
        let first = self.0.partition_point(|(held, _)| *held < print);
        let same = self.0[first..].iter().take_while(move |(held, _)| *held == print);
        same.filter_map(|(_, name)| machine.key(name))
    }
}

/// One key's part of the document.
pub fn key_status(machine: &Machine, key: &Key, now: Timestamp, calendar: &dyn Calendar) -> KeyStatus {
    key_status_among(machine, key, now, calendar, &Holders::of(machine))
}

fn key_status_among(machine: &Machine, key: &Key, now: Timestamp, calendar: &dyn Calendar, holders: &Holders) -> KeyStatus {
    let days = &machine.settings().days;
    let known = key.record.known_now();
    let life = key.life();
    let anatomy = known.map(|known| &known.anatomy);
    let (state, detail) = standing(key, key.state(days, now));
    KeyStatus {
        name: key.spec.name.to_string(),
        variable: key.spec.variable.to_string(),
        env_file: key.spec.env_file.display().to_string(),
        kind: anatomy.map(|anatomy| anatomy.kind),
        state,
        detail,
        fingerprint: known.map(|known| known.fingerprint),
        issued_at: life.map(|life| life.issued_at),
        issued_source: known.map(|known| known.issued.source),
        expires_at: life.and_then(|life| life.expires_at),
        age_days: life.map(|life| round(life.age_days(now))),
        days_left: life.and_then(|life| life.days_left(now)).map(round),
        next_alert_at: key.next_alert_at(days, calendar, now),
        first_alert_at: life.and_then(|life| life.first_alert_at(days)),
        snoozed_until: key.record.snoozed_until.filter(|until| *until > now),
        alerts_sent: known
            .map(|known| {
                known
                    .alerts
                    .iter()
                    .map(|alert| AlertStatus { at: alert.at, reason: alert.reason.to_string(), delivered: alert.delivered })
                    .collect()
            })
            .unwrap_or_default(),
        probe: key.probe().map(|probe| ProbeStatus { verdict: probe.verdict, at: probe.at, detail: probe.detail.clone() }),
        region: anatomy.and_then(|anatomy| anatomy.region.as_deref()).map(Into::into),
        account: anatomy.and_then(|anatomy| anatomy.account.as_deref()).map(Into::into),
        user: anatomy.and_then(|anatomy| anatomy.user.as_deref()).map(Into::into),
        iam: (key.spec.iam != Iam::Off).then(|| IamStatus {
            credential: known.and_then(|known| known.credential.as_deref().cloned()),
            at: key.iam.asked_at,
            trouble: key.iam.trouble.as_deref().cloned(),
        }),
        renewal: renewal_in_words(key),
        consumers: None,
        not_asked: None,
        former: key.former(now).into_iter().map(|known| former_key(machine, key, known, holders)).collect(),
    }
}

/// A key that is signed for one region is of no use in another.
fn region_problems(machine: &Machine, key: &Key) -> Vec<Problem> {
    let Some(region) = key.record.known_now().and_then(|known| known.anatomy.region.as_deref()) else { return Vec::new() };
    let name = &key.spec.name;
    let calls_elsewhere = |consumer: &Consumer| {
        let mut called = consumer.processes.iter().flatten().filter(|process| process.keys.contains_key(name)).flat_map(|one| &one.regions);
        let other = called.find(|called| **called != *region)?;
        let message = format!("the key {name} is for {region} alone, and {} calls Bedrock in {other}", consumer.spec.name);
        let fix = format!("set aws_region_name to {region} in the configuration of {}, or use a key for {other}", consumer.spec.name);
        Some(problem("region-mismatch", Severity::Warning, message, fix).about([name.as_str(), consumer.spec.name.as_str()]))
    };
    machine.consumers().filter_map(calls_elsewhere).collect()
}

/// What is in the way of credd making the next key.
fn renewal_problems(key: &Key) -> Vec<Problem> {
    let name = &key.spec.name;
    let told = |code: &str, what: &str, trouble: &Trouble| {
        let message = format!("{name}: {what}: {}", trouble.detail);
        problem(code, Severity::Warning, message, trouble.fix.clone()).about([name.as_str()])
    };
    let obstacle = key.mint_obstacle();
    let minting = obstacle.as_ref().or(key.minting.trouble.as_deref()).filter(|_| key.spec.minted);
    let renewal = key.renewing.trouble.as_deref();
    let retiring = key.renewing.retire_trouble.as_deref();
    let all = [
        minting.map(|trouble| told("mint-failed", "no short-term key could be minted", trouble)),
        renewal.map(|trouble| told("renewal-failed", "the next key could not be made", trouble)),
        retiring.map(|trouble| told("retire-failed", "the key that was replaced could not be retired", trouble)),
    ];
    all.into_iter().flatten().collect()
}

fn renewal_in_words(key: &Key) -> Option<String> {
    if let Some(renewal) = &key.record.renewal {
        return Some(match &renewal.stage {
            Stage::Making => "making the next key".to_owned(),
            Stage::Made(_) => "asking Bedrock about the next key".to_owned(),
            Stage::Written(_) => "waiting until the next key is taken up".to_owned(),
        });
    }
    (key.renewing.under_way || key.minting.is_under_way()).then(|| "making the next key".to_owned())
}

fn former_key(machine: &Machine, key: &Key, known: &KnownKey, holders: &Holders) -> FormerKey {
    let print = known.fingerprint;
    let runs =
        |consumer: &&Consumer| consumer.processes.iter().flatten().any(|process| process.keys.values().any(|held| *held == Some(print)));
    let holders = holders.holding(machine, print);
    let retiring = key.record.retiring.iter().find(|retiring| retiring.fingerprint == print);
    FormerKey {
        fingerprint: print,
        replaced_at: known.replaced_at.unwrap_or(known.last_seen),
        expires_at: known.expires_at(key.spec.lifetime),
        user: known.anatomy.user.as_deref().map(Into::into),
        account: known.anatomy.account.as_deref().map(Into::into),
        credential_id: retiring.map(|retiring| retiring.id.clone()).or_else(|| known.credential.as_ref().map(|found| found.id.clone())),
        consumers: machine.consumers().filter(runs).map(|consumer| consumer.spec.name.to_string()).collect(),
        env_files: holders.map(|other| format!("{}: {}", other.spec.env_file.display(), other.spec.variable)).collect(),
        delete_at: retiring.and_then(|retiring| retiring.delete_at),
    }
}

/// Fractions of a day to about a second: more digits would pretend to be known.
fn round(days: f64) -> f64 {
    // Plus nothing, so that a negative nothing isn't shown.
    (days * 1e5).round() / 1e5 + 0.0
}

fn standing(key: &Key, state: KeyState) -> (KeyStanding, Option<String>) {
    let why = match key.lack() {
        Some(lack) => Some(lack.why().to_owned()),
        None if state == KeyState::Missing => Some(NEVER_SEEN.into()),
        None => key.rejection().map(|rejection| rejection.detail.clone()),
    };
    let standing = match state {
        KeyState::Ok => KeyStanding::Ok,
        KeyState::Due => KeyStanding::Due,
        KeyState::Expired => KeyStanding::Expired,
        KeyState::Rejected => KeyStanding::Rejected,
        KeyState::Missing => KeyStanding::Missing,
        KeyState::Dynamic => KeyStanding::Dynamic,
        KeyState::Unreadable => KeyStanding::Unreadable,
    };
    (standing, why)
}

/// A problem of the list.
pub fn problem(code: &str, severity: Severity, message: String, fix: String) -> Problem {
    Problem { code: code.into(), severity, message, fix, about: Vec::new() }
}

fn clock_problem(machine: &Machine, now: Timestamp) -> Option<Problem> {
    let before = machine.clock_went_back()?;
    let message = format!("the clock shows {now:.0} but showed {before:.0} before: dates may be wrong");
    Some(problem("clock-went-back", Severity::Warning, message, "timedatectl status".into()))
}

/// What to say of a file that git tracks, in the repository around it or in another for the home directory.
pub fn untrack(path: &str, repository: Option<&str>, home: &Path) -> (String, String) {
    let path = Path::new(path);
    let dir = path.parent().map(|dir| shell_word(dir, home)).unwrap_or_default();
    let name = path.file_name().map(|name| shell_word(name.as_ref(), home)).unwrap_or_default();
    let of_home =
        |repository: &str| format!(" --git-dir {} --work-tree {}", shell_word(Path::new(repository), home), shell_word(home, home));
    let repository = repository.map(of_home).unwrap_or_default();
    let fix = format!(
        "git -C {dir}{repository} rm --cached {name}, name it in .gitignore, commit, and renew its keys: earlier commits keep the old ones"
    );
    (format!("{} is tracked by git", tilde(path, home)), fix)
}

/// Those of one variable are about its keys.
fn file_problems(machine: &Machine, file: &FileTrack, home: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    let path = tilde(&file.path, home);
    let Some(contents) = file.contents() else { return problems };
    if contents.mode & 0o077 != 0 {
        let message = format!("{path} can be read by others (mode {:04o})", contents.mode & 0o7777);
        problems.push(problem("env-file-mode", Severity::Warning, message, format!("chmod 600 {}", shell_word(&file.path, home))));
    }
    if let Some(real) = &contents.tracked {
        let (message, fix) = untrack(real, contents.tracked_in.as_deref(), home);
        problems.push(problem("env-file-tracked", Severity::Error, message, fix));
    }
    if contents.static_aws_keys {
        let message = format!("{path} also sets static AWS keys: they outlive the bearer key and can do more");
        problems.push(problem(
            "static-aws-keys",
            Severity::Warning,
            message,
            format!("remove AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from {path}"),
        ));
    }
    for report in &contents.variables {
        let variable = &report.variable;
        let others = problems.len();
        if !report.duplicates.is_empty() {
            let lines: Vec<_> = report.duplicates.iter().map(usize::to_string).collect();
            let message = format!("{path} assigns {variable} on lines {}: the last one counts", lines.join(", "));
            problems.push(problem(
                "duplicate-assignment",
                Severity::Warning,
                message,
                format!("remove the earlier assignments from {path}"),
            ));
        }
        match &report.finding {
            crate::core::Finding::Empty { line } => {
                let message = format!("{path}:{line} assigns {variable} the empty value, with which AWS clients still try to log in");
                problems.push(problem(
                    "empty-assignment",
                    Severity::Error,
                    message,
                    format!("give it a key, or remove line {line} of {path}"),
                ));
            }
            crate::core::Finding::Present(key) => {
                if key.control_character {
                    let message = format!(
                        "{path}:{} has a control character in {variable} (a Windows line ending?): no issuer accepts that",
                        key.line
                    );
                    problems.push(problem(
                        "control-character",
                        Severity::Error,
                        message,
                        format!("sed -i 's/\\r$//' {}", shell_word(&file.path, home)),
                    ));
                }
                if !key.exported && contents.exports_others {
                    let message = format!("{path}:{} sets {variable} without export, so programs don't get it", key.line);
                    problems.push(problem(
                        "not-exported",
                        Severity::Warning,
                        message,
                        format!("write \"export {variable}=…\" on line {} of {path}", key.line),
                    ));
                }
            }
            _ => {}
        }
        let keys = file.keys.iter().filter(|name| machine.key(name).is_some_and(|key| *key.spec.variable == **variable));
        let keys: Vec<String> = keys.map(ToString::to_string).collect();
        for problem in &mut problems[others..] {
            problem.about.clone_from(&keys);
        }
    }
    problems
}

/// Consumers that run with another value than the file has of a key.
fn who_lack<'m>(machine: &'m Machine, key: &'m Key) -> impl Iterator<Item = &'m ConsumerName> {
    let value = key.record.current.map(|print| (key.spec.name.clone(), print)).into_iter().collect();
    let lacks = move |name: &&ConsumerName| machine.consumer(name).and_then(|consumer| consumer.holds(&value)) == Some(false);
    machine.users_of_key(&key.spec.name).filter(lacks)
}

/// Also about consumers that wait for another, since they aren't given this one.
fn rejected_key_problem(machine: &Machine, key: &Key, home: &Path) -> Option<Problem> {
    let rejection = key.rejection().filter(|_| key.lack().is_none())?;
    let path = tilde(&key.spec.env_file, home);
    let message = format!("the key {} in {path} is not accepted: {}", key.spec.name, rejection.detail);
    let about = who_lack(machine, key).map(ConsumerName::as_str);
    let fix = format!("credd renew {}", key.spec.name);
    Some(problem("rejected-key", Severity::Error, message, fix).about([key.spec.name.as_str()].into_iter().chain(about)))
}

/// Told with the first of the keys that share a value.
fn shared_key_problem(machine: &Machine, key: &Key, holders: &Holders, home: &Path) -> Option<Problem> {
    let keys: Vec<&Key> = holders.holding(machine, key.present()?.fingerprint).collect();
    if keys.len() < 2 || keys[0].spec.name != key.spec.name {
        return None;
    }
    let places: Vec<_> = keys.iter().map(|key| format!("{} ({})", key.spec.name, tilde(&key.spec.env_file, home))).collect();
    let message = format!("the same key is used as {}", places.join(" and "));
    let fix = "make a key of its own for each, so that one can be revoked alone".into();
    Some(problem("shared-key", Severity::Warning, message, fix).about(keys.iter().map(|key| key.spec.name.as_str())))
}
