//! What somebody asks for, and the answers.

use jiff::{SignedDuration, Timestamp};

use super::{ConsumerName, Effect, KeyName, Machine, Phase, Reply, Step, Subject, Ticket, Why};
use crate::core::event::{Denial, Request};
use crate::core::order;
use crate::core::record::{Issued, IssuedSource};

/// A look at a consumer is fresh for so long.
const FRESH: SignedDuration = SignedDuration::from_millis(900);

impl Machine {
    pub(super) fn request(&mut self, ticket: Ticket, request: Request, step: &mut Step) {
        let denied = match request {
            Request::Refresh => return self.refresh(ticket, step),
            Request::Apply(name, force) => match self.ask(ticket, &name, force, step) {
                Some(()) => return,
                None => Some(Denial::UnknownConsumer(name)),
            },
            Request::Issued(name, at) => self.declare(&name, at, step).err(),
            Request::Verify(name) => match self.verify(ticket, name, step) {
                Ok(()) => return,
                Err(denial) => Some(denial),
            },
            Request::Renewed(name, print) => match self.renewed(ticket, name, print, step) {
                Ok(()) => return,
                Err(denial) => Some(denial),
            },
            Request::Renew(name) => match self.renew(ticket, name, step) {
                Ok(()) => return,
                Err(denial) => Some(denial),
            },
            Request::Snooze(name, until) => self.quiet(name, until, step).err(),
        };
        step.effects.push(Effect::Reply(ticket, denied.map_or(Reply::Done, Reply::Denied)));
    }

    fn quiet(&mut self, name: KeyName, until: Option<Timestamp>, step: &mut Step) -> Result<(), Denial> {
        let Some(key) = self.keys.get(&name) else { return Err(Denial::UnknownKey(name)) };
        if until.is_some_and(|until| until <= step.now) {
            return Err(refused("that time has passed", "give a time in the future, such as 3d, or --clear"));
        }
        let ended = key.life().and_then(|life| life.expires_at).is_some_and(|end| end <= step.now);
        if until.is_some() && ended {
            return Err(refused("the key has expired: there are no more reminders of it", "put a new key into its env file"));
        }
        self.snooze(&name, until, step).ok_or_else(|| refused("no key is known to be snoozed", "put the key into its env file first"))
    }

    fn declare(&mut self, name: &KeyName, at: Timestamp, step: &mut Step) -> Result<(), Denial> {
        let key = self.keys.get_mut(name).ok_or_else(|| Denial::UnknownKey(name.clone()))?;
        if at > step.now {
            return Err(refused(
                "that date is in the future",
                "give the day on which the key was made, such as 2026-10-28 or \"25 days ago\"",
            ));
        }
        let Some(known) = key.record.known_now() else {
            return Err(refused("no key is known whose date could be recorded", "put the key into its env file first"));
        };
        if known.issued.source > IssuedSource::Declared {
            let who = if known.issued.source == IssuedSource::Key { "the key itself" } else { "IAM" };
            return Err(refused(&format!("{who} says that it was issued at {}", known.issued.at), "there is nothing to record"));
        }
        let issued = Issued { at, source: IssuedSource::Declared };
        let print = known.fingerprint;
        let popup = key.set_issued(issued, &self.settings.days, step.now);
        self.dates.insert(print, issued);
        step.close(popup);
        step.tell("issued-declared", Some(name), None, Some(print), format!("the user says that it was issued at {at}"));
        step.save.insert(Subject::Key(name.clone()));
        self.dirty.insert(Subject::Key(name.clone()));
        Ok(())
    }

    /// Has a consumer take up the keys that are in its files now, be they changed only just.
    fn ask(&mut self, ticket: Ticket, name: &ConsumerName, force: bool, step: &mut Step) -> Option<()> {
        let files = order::each_once(self.keys_of(self.consumers.get(name)?).map(|key| key.spec.env_file.clone()));
        for path in files {
            self.with_file(&path, |file| file.read_now(step.now));
        }
        let awaits = self.awaits_files(self.consumers.get(name)?);
        let consumer = self.consumers.get_mut(name)?;
        self.dirty.insert(Subject::Consumer(name.clone()));
        match &mut consumer.phase {
            Phase::Applying { again, .. } => {
                consumer.waiting_for_next.push(ticket);
                // The apply that is under way may be all that is wanted.
                *again = (*again).max(Some(if force { Why::Force } else { Why::Change }));
            }
            phase => {
                consumer.waiting_for_apply.push(ticket);
                let why = if force { Why::Force } else { Why::Asked };
                if awaits && *phase == Phase::Idle {
                    consumer.owed = consumer.owed.max(Some(why));
                } else {
                    self.look(name, why, step);
                }
            }
        }
        Some(())
    }

    /// A process that starts is not told of by the kernel, so who asks while a consumer isn't running
    /// as it should has it looked at. The end of a known process is told of.
    fn refresh(&mut self, ticket: Ticket, step: &mut Step) {
        for file in self.files.values_mut() {
            if file.mind_git(step.now) {
                self.dirty.insert(Subject::File(file.path.clone()));
            }
        }
        let unsettled: Vec<_> = self
            .consumers
            .values()
            .filter(|consumer| match &consumer.phase {
                Phase::Looking { .. } => true,
                Phase::Applying { .. } => false,
                Phase::Idle => {
                    let fresh = consumer.looked_at.is_some_and(|at| at <= step.now && step.now.duration_since(at) < FRESH);
                    !fresh && consumer.holds(&self.targets(consumer)) != Some(true)
                }
            })
            .map(|consumer| consumer.spec.name.clone())
            .collect();
        if unsettled.is_empty() {
            step.effects.push(Effect::Reply(ticket, Reply::Done));
            return;
        }
        self.looks_awaited.insert(ticket, unsettled.len());
        for name in unsettled {
            let Some(consumer) = self.consumers.get_mut(&name) else { continue };
            consumer.waiting_for_look.push(ticket);
            if consumer.phase == Phase::Idle {
                self.look(&name, Why::Look, step);
            }
        }
    }
}

fn refused(message: &str, hint: &str) -> Denial {
    Denial::Refused { message: message.into(), hint: hint.into() }
}
