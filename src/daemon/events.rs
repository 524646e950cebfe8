//! Who follows what happens (`GET /v1/events`), and what each of them is owed.
//!
//! Whoever follows is owed what happened since the last event it took: entries of the history that are still held, and the
//! latest status if that has changed, never the ones before it. It is made when the client has taken what came before, a piece at a
//! time. So one that takes nothing costs no more than one that takes all, and nothing is sent just to see whether it is there.
//!
//! Whether the status has changed is told by its digest, computed only while somebody follows.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::run::Daemon;
use super::server::{Answer, Streamed};
use crate::clock;
use crate::core::HistoryEntry;
use crate::view::{self, Document, Stream};

/// Entries of the history for those who resume; whoever has missed more gets the status.
const MOST_HELD: usize = 32;
/// Changes come in bursts, and a digest of many keys takes its time: one for each burst.
const SETTLING: Duration = Duration::from_millis(50);
/// Not for everybody who comes in a crowd: who begins so soon after a digest may get a status twice.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// What a client has taken of what happened.
#[derive(Debug)]
pub struct Followed {
    /// The last event that was sent.
    taken: u64,
    /// It is owed a status, whether that has changed or not.
    needs_status: bool,
    /// A status that is being sent.
    sending: Option<Streamed>,
}

/// What happened of late, and who waits for more.
pub(super) struct Events {
    /// The id of the latest event. They go on from the daemon's start in milliseconds, so that none is given twice, and those of a
    /// daemon before this one are told from its own.
    last: u64,
    /// All after this one are held.
    forgotten: u64,
    held: VecDeque<(u64, Vec<u8>)>,
    /// Of the status, when it was looked at last.
    digest: Option<u64>,
    /// The event of its last change.
    changed: u64,
    waiting: Vec<(Box<Followed>, oneshot::Sender<Answer>)>,
    /// Something happened since followers were told.
    is_stirred: bool,
    /// When they are told.
    due: Option<Instant>,
    /// When the digest was computed.
    looked_at: Option<std::time::Instant>,
}

impl Events {
    /// Of a daemon that started then.
    pub(super) fn since(started_at: Timestamp) -> Self {
        let first = u64::try_from(started_at.as_millisecond()).unwrap_or_default();
        Self {
            last: first,
            forgotten: first,
            held: VecDeque::new(),
            digest: None,
            changed: first,
            waiting: Vec::new(),
            is_stirred: true,
            due: None,
            looked_at: None,
        }
    }

    /// The status may have changed.
    pub(super) fn stir(&mut self) {
        self.is_stirred = true;
        if !self.waiting.is_empty() && self.due.is_none() {
            self.due = Some(Instant::from_std(clock::monotonic()) + SETTLING);
        }
    }

    /// These were added to the history.
    pub(super) fn told(&mut self, entries: &[HistoryEntry]) {
        for entry in entries {
            self.last += 1;
            let mut event = format!("id: {}\nevent: history\ndata: ", self.last).into_bytes();
            if serde_json::to_writer(&mut event, entry).is_ok() {
                event.extend_from_slice(b"\n\n");
                self.hold(event);
            }
        }
        if !entries.is_empty() {
            self.stir();
        }
    }

    fn hold(&mut self, event: Vec<u8>) {
        if self.held.len() == MOST_HELD
            && let Some((oldest, _)) = self.held.pop_front()
        {
            self.forgotten = oldest;
        }
        self.held.push_back((self.last, event));
    }

    /// Waits until followers are to be told something; for ever where there is nothing to tell, or nobody. Cancel-safe.
    pub(super) async fn settled(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => pending().await,
        }
    }

    /// Notes what the status looks like now.
    fn look(&mut self, digest: u64) {
        (self.is_stirred, self.due) = (false, None);
        if self.digest.replace(digest) != Some(digest) {
            self.last += 1;
            self.changed = self.last;
        }
    }

    /// Somebody who begins: after an event, if all that came after it is known, else with the status.
    fn begin(&self, since: Option<u64>) -> Followed {
        let known = since.filter(|since| (self.forgotten..=self.last).contains(since));
        Followed { taken: known.unwrap_or(self.last), needs_status: known.is_none(), sending: None }
    }

    /// What comes next for `followed`, which is taken then.
    fn next(&self, followed: &mut Followed) -> Next {
        if followed.needs_status || followed.taken < self.forgotten {
            (followed.taken, followed.needs_status) = (self.last, false);
            return Next::Status(self.last);
        }
        let is_next = |id: u64| id > followed.taken && (self.changed <= followed.taken || id < self.changed);
        let mut events = Vec::new();
        let mut taken = followed.taken;
        for (id, event) in self.held.iter().filter(|(id, _)| is_next(*id)) {
            events.extend_from_slice(event);
            taken = *id;
        }
        if !events.is_empty() {
            followed.taken = taken;
            return Next::History(events);
        }
        if self.changed > followed.taken {
            followed.taken = self.changed;
            return Next::Status(self.changed);
        }
        Next::Nothing
    }
}

enum Next {
    History(Vec<u8>),
    /// The latest, as the event of this id.
    Status(u64),
    Nothing,
}

impl Daemon {
    /// The beginning of what is sent to somebody who follows.
    pub(super) fn followed_from(&mut self, since: Option<u64>) -> Answer {
        let is_fresh = |at: std::time::Instant| clock::monotonic().saturating_duration_since(at) < BETWEEN_LOOKS;
        if self.events.is_stirred && !self.events.looked_at.is_some_and(is_fresh) {
            self.look_for_change();
        }
        let followed = Box::new(self.events.begin(since));
        self.next_for(followed).unwrap_or_else(|followed| Answer::events(Vec::new(), followed))
    }

    /// A client has taken all that it was sent.
    pub(super) fn follow_on(&mut self, followed: Box<Followed>, answer: oneshot::Sender<Answer>) {
        match self.next_for(followed) {
            Ok(next) => _ = answer.send(next),
            Err(followed) => {
                self.events.waiting.retain(|(_, answer)| !answer.is_closed());
                self.events.waiting.push((followed, answer));
                if self.events.is_stirred {
                    self.events.stir();
                }
            }
        }
    }

    /// Tells those who wait what has happened.
    pub(super) fn tell_followers(&mut self) {
        self.events.due = None;
        self.events.waiting.retain(|(_, answer)| !answer.is_closed());
        if self.events.waiting.is_empty() {
            return;
        }
        self.look_for_change();
        for (followed, answer) in std::mem::take(&mut self.events.waiting) {
            match self.next_for(followed) {
                Ok(next) => _ = answer.send(next),
                Err(followed) => self.events.waiting.push((followed, answer)),
            }
        }
    }

    fn look_for_change(&mut self) {
        let digest = view::digest(&self.machine, &self.viewpoint(&self.config));
        self.events.look(digest);
        self.events.looked_at = Some(clock::monotonic());
    }

    /// The next piece for a client; itself where there is nothing yet.
    fn next_for(&self, mut followed: Box<Followed>) -> Result<Answer, Box<Followed>> {
        let mut piece = Vec::new();
        if followed.sending.is_none() {
            match self.events.next(&mut followed) {
                Next::Nothing => return Err(followed),
                Next::History(events) => return Ok(Answer::events(events, followed)),
                Next::Status(id) => {
                    piece = format!("id: {id}\nevent: status\ndata: ").into_bytes();
                    followed.sending =
                        Some(Streamed { config: self.config.clone(), document: Document::Status(Stream::new(&self.machine)) });
                }
            }
        }
        if let Some(streamed) = &mut followed.sending {
            match self.write(streamed) {
                Ok(more) => piece.extend_from_slice(&more),
                Err(error) => return Ok(Answer::internal(&error)),
            }
            if streamed.document.is_done() {
                piece.extend_from_slice(b"\n\n");
                followed.sending = None;
            }
        }
        Ok(Answer::events(piece, followed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_000;

    fn entry(n: u64) -> HistoryEntry {
        HistoryEntry {
            at: Timestamp::UNIX_EPOCH,
            event: "test".into(),
            key: None,
            consumer: None,
            fingerprint: None,
            message: n.to_string(),
        }
    }

    fn events() -> Events {
        Events::since(Timestamp::from_millisecond(1_000).unwrap())
    }

    /// All that is owed, in short: `s` and `h` with their ids.
    fn owed(events: &Events, followed: &mut Followed) -> String {
        let mut all = Vec::new();
        loop {
            match events.next(followed) {
                Next::Nothing => return all.join(" "),
                Next::Status(id) => all.push(format!("s{}", id - START)),
                Next::History(text) => {
                    let text = String::from_utf8(text).unwrap();
                    all.extend(text.split("\n\n").filter(|event| !event.is_empty()).map(|event| {
                        let id: u64 = event.strip_prefix("id: ").unwrap().lines().next().unwrap().parse().unwrap();
                        assert!(event.contains("\nevent: history\ndata: {\""), "{event}");
                        format!("h{}", id - START)
                    }));
                }
            }
        }
    }

    #[test]
    fn the_status_comes_first_and_then_what_happens() {
        let mut events = events();
        events.look(1);
        let mut followed = events.begin(None);
        assert_eq!(owed(&events, &mut followed), "s1");
        assert_eq!(owed(&events, &mut followed), "");
        events.look(1);
        assert_eq!(owed(&events, &mut followed), "", "nothing has changed");
        events.told(&[entry(1), entry(2)]);
        events.look(2);
        events.told(&[entry(3)]);
        assert_eq!(owed(&events, &mut followed), "h2 h3 s4 h5");
        // Only the latest status is owed.
        events.look(3);
        events.look(4);
        assert_eq!(owed(&events, &mut followed), "s7");
    }

    #[test]
    fn whoever_resumes_misses_nothing_and_gets_nothing_twice() {
        let mut events = events();
        events.look(1);
        events.told(&[entry(1), entry(2)]);
        events.look(2);
        events.told(&[entry(3)]);
        for (since, rest) in [(1, "h2 h3 s4 h5"), (2, "h3 s4 h5"), (3, "s4 h5"), (4, "h5"), (5, "")] {
            assert_eq!(owed(&events, &mut events.begin(Some(START + since))), rest, "{since}");
        }
        // Of another daemon, or of none.
        for since in [0, START - 1, START + 6] {
            assert_eq!(owed(&events, &mut events.begin(Some(since))), "s5", "{since}");
        }
    }

    #[test]
    fn a_gap_is_made_good_by_the_status() {
        let mut events = events();
        events.look(1);
        let mut slow = events.begin(None);
        assert_eq!(owed(&events, &mut slow), "s1");
        for n in 0..40 {
            events.told(&[entry(n)]);
        }
        assert_eq!(events.held.len(), MOST_HELD);
        assert_eq!(owed(&events, &mut slow), "s41");
        assert_eq!(owed(&events, &mut events.begin(Some(START + 5))), "s41");
        assert_eq!(owed(&events, &mut events.begin(Some(START + 9))).split(' ').count(), MOST_HELD);
    }

    #[test]
    fn nobody_is_waited_for_in_vain() {
        let mut events = events();
        events.stir();
        events.told(&[entry(1)]);
        assert!(events.due.is_none(), "nobody follows");
        let (answer, _wait) = oneshot::channel();
        events.waiting.push((Box::new(events.begin(None)), answer));
        events.stir();
        assert!(events.due.is_some());
        events.look(1);
        assert!(events.due.is_none() && !events.is_stirred);
    }
}
