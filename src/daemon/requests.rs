//! Answers clients.

use super::run::{Daemon, Then, Waiter};
use super::server::{Answer, Ask, Call, Streamed};
use crate::clock;
use crate::config::Config;
use crate::core::{Calendar as _, Denial, Event, KeyName, Reply, Request, Ticket};
use crate::protocol::{ApplyAnswer, DaemonStatus, Problem, RenewAnswer, RenewalEnd, Severity, SnoozeUntil, those_there_are};
use crate::view::{self, Document, Metrics, Stream, Viewpoint, problem};

impl Daemon {
    pub(super) fn call(&mut self, call: Call) {
        let now = clock::now();
        let (request, then) = match call.ask {
            Ask::History(n) => {
                let answer = match self.history.last(n) {
                    Ok(entries) => Answer::ok(&entries),
                    Err(error) => {
                        Answer::error(500, "history", &format!("the history can't be read: {error}"), "check the state directory")
                    }
                };
                let _ = call.answer.send(answer);
                return;
            }
            Ask::More(streamed) => {
                let _ = call.answer.send(self.piece(*streamed));
                return;
            }
            Ask::Next(followed) => return self.follow_on(followed, call.answer),
            Ask::Status => (Request::Refresh, Then::Status),
            Ask::Events(since) => (Request::Refresh, Then::Follow(since)),
            Ask::Metrics => (Request::Refresh, Then::Metrics),
            Ask::Issued(name, at) => (Request::Issued(name.clone(), at), Then::Recorded(name)),
            Ask::Snooze(name, until) => {
                let until = match until {
                    SnoozeUntil::Tomorrow => Some(self.calendar.tomorrow(now)),
                    SnoozeUntil::At(at) => Some(at),
                    SnoozeUntil::Cleared => None,
                };
                (Request::Snooze(name.clone(), until), Then::Recorded(name))
            }
            Ask::Verify(name) => (Request::Verify(name.clone()), Then::Verify(name)),
            Ask::Renewed(name, print) => (Request::Renewed(name.clone(), print), Then::Key(name)),
            Ask::Renew(name) => (Request::Renew(name.clone()), Then::Renew(name)),
            Ask::Apply(name, force) => (Request::Apply(name.clone(), force), Then::Apply(name)),
        };
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.waiters.retain(|_, waiter| !waiter.answer.is_closed());
        self.waiters.insert(ticket, Waiter { answer: call.answer, then });
        self.step(Event::Request(ticket, request));
    }

    pub(super) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        let Some(waiter) = self.waiters.remove(&ticket) else { return };
        if let Then::Follow(since) = waiter.then {
            let _ = waiter.answer.send(self.followed_from(since));
            return;
        }
        let answer = match (reply, waiter.then) {
            (Reply::Denied(Denial::UnknownKey(name)), _) => {
                Self::unknown("key", name.as_str(), self.config.keys.iter().map(|key| key.name.as_str()))
            }
            (Reply::Denied(Denial::UnknownConsumer(name)), _) => {
                Self::unknown("consumer", name.as_str(), self.config.consumers.iter().map(|consumer| consumer.name.as_str()))
            }
            (Reply::Denied(Denial::Refused { message, hint }), Then::Renew(name)) => self.renew_answer(&name, false, message, Some(hint)),
            (Reply::Renewed, Then::Renew(name)) => self.renew_answer(&name, true, "the new key is in the file".into(), None),
            (Reply::Denied(Denial::Refused { message, hint }), _) => Answer::error(409, "refused", &message, &hint),
            (Reply::Applied(outcome, detail), Then::Apply(consumer)) => {
                Answer::ok(&ApplyAnswer { consumer: consumer.to_string(), outcome, detail })
            }
            (Reply::Verified(report), Then::Verify(name)) => match self.machine.key(&name) {
                Some(key) => {
                    let now = clock::now();
                    let mut key = view::key_status(&self.machine, key, now, &self.calendar);
                    key.not_asked = Some(view::not_asked(&self.machine, &self.config, &name, &report.consumers, now));
                    key.consumers = Some(report.consumers);
                    Answer::ok(&key)
                }
                None => key_is_gone(),
            },
            (_, Then::Recorded(_)) if self.unsaved_since.is_some() => {
                let why = self.unsaved_since.as_ref().map(|(_, why)| why.as_str()).unwrap_or_default();
                let message = format!("it counts from now on, but can't be saved yet ({why}): a restart of credd may forget it");
                Answer::error(503, "not-saved", &message, &self.way_to_save())
            }
            (_, Then::Key(name) | Then::Recorded(name) | Then::Verify(name) | Then::Renew(name)) => match self.machine.key(&name) {
                Some(key) => Answer::ok(&view::key_status(&self.machine, key, clock::now(), &self.calendar)),
                None => key_is_gone(),
            },
            (_, Then::Metrics) => self.begin(Document::Metrics(Metrics::new(&self.machine))).open_metrics(),
            (_, Then::Status | Then::Apply(_) | Then::Follow(_)) => self.begin(Document::Status(Stream::new(&self.machine))),
        };
        // Whoever asked may have gone.
        let _ = waiter.answer.send(answer);
    }

    fn renew_answer(&self, name: &KeyName, renewed: bool, message: String, hint: Option<String>) -> Answer {
        let Some(key) = self.machine.key(name) else { return key_is_gone() };
        let key = view::key_status(&self.machine, key, clock::now(), &self.calendar);
        Answer::ok(&RenewAnswer { key, end: RenewalEnd { renewed, message, hint } })
    }

    fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Answer {
        Answer::error(404, &format!("unknown-{what}"), &format!("no {what} is named {name:?}"), &those_there_are(known))
    }

    /// The first piece of a document.
    fn begin(&self, document: Document) -> Answer {
        self.piece(Streamed { config: self.config.clone(), document })
    }

    /// The next piece of one.
    fn piece(&self, mut streamed: Streamed) -> Answer {
        match self.write(&mut streamed) {
            Ok(piece) => Answer::piece(piece, Some(streamed).filter(|streamed| !streamed.document.is_done())),
            Err(error) => Answer::internal(&error),
        }
    }

    pub(super) fn write(&self, streamed: &mut Streamed) -> serde_json::Result<Vec<u8>> {
        streamed.document.write(&self.machine, &self.viewpoint(&streamed.config))
    }

    /// As seen from here and now, of this configuration.
    pub(super) fn viewpoint<'a>(&'a self, config: &'a Config) -> Viewpoint<'a> {
        let daemon = DaemonStatus { version: env!("CARGO_PKG_VERSION").into(), pid: std::process::id(), started_at: self.started_at };
        Viewpoint {
            now: clock::now(),
            calendar: &self.calendar,
            config,
            home: &self.options.paths.home,
            daemon: Some(daemon),
            problems: self.problems(),
        }
    }

    fn way_to_save(&self) -> String {
        format!("make room for, or allow writing to, {}", self.options.paths.state_dir.display())
    }

    /// Problems that the core doesn't know of.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(error) = &self.config_error {
            let message = format!("the configuration is wrong, the one before stays in force: {error}");
            problems.push(problem("config-invalid", Severity::Error, message, "credd config --check".into()));
        }
        if let Some((_, error)) = &self.unsaved_since {
            let message = format!("the state can't be saved ({error}): after a restart, alerts may come twice");
            problems.push(problem("state-not-saved", Severity::Error, message, self.way_to_save()));
        }
        // Until the user has removed what was kept.
        if let Some(damage) = self.damage.as_ref().filter(|damage| damage.kept.as_ref().is_none_or(|kept| kept.exists())) {
            let kept = damage.kept.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            let fix = format!("check the dates shown here, then remove {kept}");
            problems.push(problem("state-recovered", Severity::Warning, damage.message.clone(), fix));
        }
        if let Some(error) = self.workers.obstacle() {
            let message = format!("credd can't start what reads files, asks issuers and restarts consumers ({error}); it tries again");
            let fix = "raise the user's limits of processes and open files, or end what uses them up".into();
            problems.push(problem("workers-not-started", Severity::Error, message, fix));
        }
        problems.extend(self.textfile.problem());
        if let Some(reason) = &self.degraded {
            problems.push(problem("watch-degraded", Severity::Warning, reason.clone(), "see the README, section Watching".into()));
        }
        problems
    }
}

fn key_is_gone() -> Answer {
    Answer::error(404, "unknown-key", "the key is no longer configured", "see: credd status")
}
