//! Making the next key and putting it into the file.

use std::io::{self, BufRead, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::ask::uncertain;
use super::in_use::{InUse, identity, not_iams};
use super::undo::undo;
use super::{Tell, limit, lock};
use crate::aws::iam::{self, Created, Record};
use crate::aws::{Cli, Kind, session};
use crate::consumers::environment;
use crate::core::{MadeKey, ProbeVerdict, RenewalReport, Trouble};
use crate::keys;
use crate::probe;
use crate::rewrite;
use crate::salt::Salt;
use crate::secret::Secret;
use crate::worker::job::{Answer, KeyVariable, RenewOrder};

/// A line that lets the work go on has a few letters.
const LONGEST_LINE: u64 = 4096;
/// Before creating is tried again, where that certainly did nothing.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];

/// Makes the next key and puts it into the file.
///
/// Whatever happens, IAM has one key more than before only if the file holds it, or [`RenewalReport::Left`] says so, or
/// this process was killed (which [`super::settle`] puts right).
pub fn renew(order: &RenewOrder, go_on: &mut dyn BufRead, answer: Tell<'_>) -> io::Result<()> {
    let lock = lock::renewals(&order.state_dir)?;
    let salt = Salt::load(&order.state_dir)?;
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    let cli = Cli::new(order.profile.as_deref()).holding(lock.as_fd());
    let report = Renewal { order, salt, home, cli }.run(go_on, answer).unwrap_or_else(|report| report);
    answer(&Answer::RenewalEnded(report));
    Ok(())
}

struct Renewal<'a> {
    order: &'a RenewOrder,
    salt: Salt,
    home: PathBuf,
    cli: Cli<'a>,
}

impl Renewal<'_> {
    /// Either way a report; an error is one that ended it early.
    fn run(&self, go_on: &mut dyn BufRead, answer: Tell<'_>) -> Result<RenewalReport, RenewalReport> {
        let (user, name) = identity(&self.value()?).ok_or_else(not_iams).map_err(RenewalReport::Undone)?;
        let records = iam::list_around(&self.cli, &user).map_err(|failure| RenewalReport::Undone(failure.trouble))?;
        let old = iam::find(&records, &name);
        if old.is_none() {
            self.expect_account(&name, &user).map_err(RenewalReport::Undone)?;
        }
        let user = old.map_or(user, |record| record.credential.user.clone());
        let own: Vec<&Record> = records.iter().filter(|record| record.credential.user == user).collect();
        let spare = self.spare(&own, old, &user)?;
        if iam::is_history_kept(&self.cli) {
            return Err(RenewalReport::Undone(Trouble {
                detail: "the AWS CLI would keep the new key in its history, readable for whoever reads that file".to_owned(),
                fix: format!("run `{}`, then renew again", self.cli.line(&["configure", "set", "cli_history", "disabled"])),
                sign_in: false,
            }));
        }

        answer(&Answer::RenewalBegins {
            user: user.clone(),
            old: old.map(|record| record.credential.clone()),
            known: own.iter().map(|record| record.credential.id.clone()).collect(),
        });
        if !may_go_on(go_on) {
            return Err(RenewalReport::Undone(nobody_there()));
        }
        drop(self.value()?);
        if let Some(spare) = spare {
            // Once more: a file may have been changed meanwhile.
            self.spare(&own, old, &user)?;
            match iam::delete(&self.cli, &user, &spare.credential.id) {
                Err(failure) if failure.kind != Kind::NoSuchEntity => return Err(RenewalReport::Undone(failure.trouble)),
                _ => {}
            }
        }
        let Created { record, key } = self.create(&own, old, &user, spare.is_some())?;

        let made = MadeKey {
            id: record.credential.id,
            user: record.credential.user,
            fingerprint: self.salt.fingerprint(key.expose()),
            expires_at: record.credential.expires_at,
        };
        answer(&Answer::RenewalMade(made.clone()));
        if !may_go_on(go_on) {
            return Err(undo(&self.cli, &made.user, &made.id, nobody_there()));
        }
        self.prove(&key).map_err(|why| undo(&self.cli, &made.user, &made.id, why))?;
        self.write(&key, made)
    }

    /// The key that is to be replaced, if the file still holds it.
    fn value(&self) -> Result<Secret, RenewalReport> {
        environment::value(&self.order.key, &self.salt, &self.home).map_err(|unfit| {
            let fix = "nothing is to be done: credd goes by what the file holds now".to_owned();
            RenewalReport::Undone(Trouble { detail: unfit.to_string(), fix, sign_in: false })
        })
    }

    /// Where no record is the key's: a user of the same name may be somebody else's in another account.
    fn expect_account(&self, name: &str, user: &str) -> Result<(), Trouble> {
        let account = session::account(&self.cli).map_err(|failure| failure.trouble)?;
        let is_the_keys = name.rsplit_once("-at-").is_some_and(|(_, of_key)| of_key == account);
        if is_the_keys { Ok(()) } else { Err(uncertain(&self.cli, user)) }
    }

    fn spare<'r>(&self, own: &[&'r Record], old: Option<&Record>, user: &str) -> Result<Option<&'r Record>, RenewalReport> {
        if own.len() < limit::MOST {
            return Ok(None);
        }
        let in_use = InUse::read(&self.order.tracked);
        limit::room(own, old, in_use.as_ref(), &self.cli, user).map_err(RenewalReport::Undone)
    }

    fn create(&self, own: &[&Record], old: Option<&Record>, user: &str, is_room_fresh: bool) -> Result<Created, RenewalReport> {
        let mut pauses = PAUSES.iter();
        loop {
            let failure = match iam::create(&self.cli, user, self.order.days) {
                Ok(created) => return Ok(created),
                Err(failure) => failure,
            };
            // Room that was just made isn't seen everywhere at once.
            let is_worth_another = failure.kind == Kind::Throttled || (failure.kind == Kind::LimitExceeded && is_room_fresh);
            match (failure.kind, pauses.next().filter(|_| is_worth_another)) {
                (_, Some(pause)) => thread::sleep(*pause),
                (Kind::Unclear, None) => {
                    return Err(RenewalReport::Left(Trouble {
                        detail: format!("whether IAM made a key for {user} isn't known: {}", failure.trouble.detail),
                        ..failure.trouble
                    }));
                }
                (Kind::LimitExceeded, None) => return Err(RenewalReport::Undone(limit::full(own, old, &self.cli, user))),
                (_, None) => return Err(RenewalReport::Undone(failure.trouble)),
            }
        }
    }

    /// Whether Bedrock accepts the key; it gets the time for that which fresh keys need.
    fn prove(&self, key: &Secret) -> Result<(), Trouble> {
        if keys::anatomy(key.expose()).user.is_none() {
            return Err(Trouble {
                detail: "IAM made a key of another form than credd knows".to_owned(),
                fix: "renew it by hand with `credd renew`".to_owned(),
                sign_in: false,
            });
        }
        let mut is_wanted = |_: &str| self.value().is_ok();
        let report = probe::candidate(key, self.order.endpoint.as_deref(), &self.order.region, &mut is_wanted);
        let why = match report.verdict {
            ProbeVerdict::Works | ProbeVerdict::Denied => return Ok(()),
            ProbeVerdict::Rejected => "Bedrock doesn't accept the new key",
            ProbeVerdict::Unreachable => "Bedrock couldn't be asked about the new key",
            ProbeVerdict::Unknown => "Bedrock didn't say whether the new key works",
        };
        Err(Trouble {
            detail: format!("{why}: {}", report.detail),
            fix: "the old key stays; see with `credd verify` whether Bedrock can be asked, then renew again".to_owned(),
            sign_in: false,
        })
    }

    fn write(&self, key: &Secret, made: MadeKey) -> Result<RenewalReport, RenewalReport> {
        let target = &self.order.key;
        let mut is_old = |value: Option<&[u8]>| value.is_some_and(|value| self.salt.fingerprint(value) == target.fingerprint);
        let Err(refusal) = rewrite::replace(&target.env_file, &target.variable, key, &self.home, &mut is_old) else {
            return Ok(RenewalReport::Written(made));
        };
        // A failure may have come after the file was in its place: what it holds must not be removed.
        let place = KeyVariable { name: target.name.clone(), variable: target.variable.clone(), env_file: target.env_file.clone() };
        match InUse::read(&[place]) {
            Ok(now) if now.has(made.fingerprint, &self.salt) => Ok(RenewalReport::Written(made)),
            Ok(_) => {
                let why = Trouble { detail: refusal.message, fix: refusal.fix, sign_in: false };
                Err(undo(&self.cli, &made.user, &made.id, why))
            }
            // To be settled once it can be read.
            Err(trouble) => Err(RenewalReport::Left(trouble)),
        }
    }
}

/// Waits for a line; `false` where the input ended instead.
fn may_go_on(from: &mut dyn BufRead) -> bool {
    let mut line = Vec::new();
    from.take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|_| line.ends_with(b"\n"))
}

fn nobody_there() -> Trouble {
    Trouble { detail: "credd ended meanwhile".to_owned(), fix: "renew again".to_owned(), sign_in: false }
}
