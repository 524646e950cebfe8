//! `credd status --follow`: the page, kept true until the user has seen enough.
//!
//! What happens comes as events of the daemon, read by a thread ([`source`]). In between, ages are counted here: the page is made
//! anew at the next moment at which its text differs, and not before.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Current, Layout, StatusArgs, page, select};
use crate::client::endings::Endings;
use crate::client::{Failure, json, offline, words};
use crate::clock;
use crate::paths::Paths;
use crate::protocol::Status;

mod arrival;
mod screen;
mod source;

use screen::Screen;
use source::{News, Said};

/// The text is looked at anew after so long at the latest: timers stand still while the machine is suspended.
const LONGEST: i64 = 600;

/// Shows each change, up to a signal.
pub fn run(paths: &Paths, args: &StatusArgs) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let news = Arc::new(News::default());
    source::start(&paths.socket, &news)?;
    let code = runtime.block_on(async {
        let signals = Signals::new()?;
        Follower { paths, args, screen: Screen::of_stdout(args)?, current: None, shown: String::new() }.run(&news, signals).await
    });
    // The thread may be waiting for the daemon.
    runtime.shutdown_background();
    code
}

struct Follower<'a> {
    paths: &'a Paths,
    args: &'a StatusArgs,
    /// Where the page is redrawn in place; else it is printed anew.
    screen: Option<Screen>,
    current: Option<Current>,
    /// What was shown last.
    shown: String,
}

impl Follower<'_> {
    async fn run(mut self, news: &News, mut signals: Signals) -> Result<u8, Failure> {
        loop {
            let wait = self.until_text_changes();
            tokio::select! {
                said = news.come() => {
                    if !self.hear(said)? {
                        return Ok(0);
                    }
                }
                () = sleep(wait) => self.show()?,
                what = signals.next() => match what {
                    Told::End(code) => return Ok(code),
                    Told::Resize => self.redraw()?,
                    Told::Stop => {
                        if let Some(screen) = &mut self.screen {
                            screen.leave();
                        }
                        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
                        // Drawing takes the screen again.
                        self.redraw()?;
                    }
                },
            }
        }
    }

    /// Takes what there is to be told. Returns whether anybody wants to know more.
    fn hear(&mut self, said: Said) -> Result<bool, Failure> {
        let mut current = match said {
            Said::Status(text) => {
                if self.args.json && self.args.name.is_none() {
                    print(&json::one_line(&String::from_utf8_lossy(&text)))?;
                    return Ok(true);
                }
                let strange = |error| Failure { code: 3, message: format!("the daemon's answer is strange: {error}"), hint: None };
                Current::live(serde_json::from_slice(&text).map_err(strange)?)
            }
            Said::Offline(failure) => offline::current(self.paths, failure)?,
            Said::End(failure) => return Err(failure),
            Said::Unread => return Ok(false),
        };
        if let Some(name) = &self.args.name {
            select(&mut current, name, &self.paths.home)?;
        }
        if self.args.json {
            let text = serde_json::to_string(&current.status).map_err(|error| Failure::failed(error.to_string()))?;
            print(&json::one_line(&text))?;
        } else {
            self.current = Some(current.in_words(&self.paths.home));
            self.show()?;
        }
        Ok(true)
    }

    /// The size of the terminal may be another.
    fn redraw(&mut self) -> Result<(), Failure> {
        if self.screen.is_some() {
            self.shown.clear();
            self.show()?;
        }
        Ok(())
    }

    fn show(&mut self) -> Result<(), Failure> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let text = text_at(current, self.paths, self.args, clock::now());
        if text == self.shown {
            return Ok(());
        }
        match &mut self.screen {
            Some(screen) => screen.draw(&text)?,
            None => {
                // Pages are set apart.
                let gap = if self.args.short || self.shown.is_empty() { "" } else { "\n" };
                print(&format!("{gap}{text}"))?;
            }
        }
        self.shown = text;
        Ok(())
    }

    /// How long what is shown stays true if nothing happens. Pages that are printed one below the other are so for each event alone.
    fn until_text_changes(&mut self) -> Option<Duration> {
        if self.screen.is_none() && !self.args.short {
            return None;
        }
        let (current, now) = (self.current.as_mut()?, clock::now());
        let mut differs = |seconds: i64| {
            let then = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
            text_at(current, self.paths, self.args, then) != self.shown
        };
        let seconds = first(&mut differs);
        Some(Duration::from_secs(seconds.unsigned_abs()))
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The first second at which something differs, once it does; [`LONGEST`] where it doesn't so soon.
fn first(differs: &mut dyn FnMut(i64) -> bool) -> i64 {
    let (mut same, mut other) = (0, 1);
    while !differs(other) {
        if other == LONGEST {
            return LONGEST;
        }
        (same, other) = (other, (other * 2).min(LONGEST));
    }
    while other - same > 1 {
        let middle = i64::midpoint(same, other);
        if differs(middle) { other = middle } else { same = middle }
    }
    other
}

fn text_at(current: &mut Current, paths: &Paths, args: &StatusArgs, now: Timestamp) -> String {
    age(&mut current.status, now);
    page(current, paths, args, Layout::of_stdout(), &words::local(now))
}

/// Counts the ages anew.
fn age(status: &mut Status, now: Timestamp) {
    let days = |length: SignedDuration| length.as_secs_f64() / 86_400.0;
    for key in &mut status.keys {
        key.age_days = key.issued_at.map(|issued| days(now.duration_since(issued)).max(0.0));
        key.days_left = key.expires_at.map(|expires| days(expires.duration_since(now)));
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// What a signal says.
enum Told {
    /// To end, with this exit code.
    End(u8),
    /// The terminal has another size.
    Resize,
    /// To halt for a while.
    Stop,
}

struct Signals {
    endings: Endings,
    stop: Signal,
    resize: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let stop = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?;
        Ok(Self { endings: Endings::new()?, stop, resize: signal(SignalKind::window_change())? })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            code = self.endings.next() => Told::End(code),
            _ = self.stop.recv() => Told::Stop,
            _ = self.resize.recv() => Told::Resize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_change_is_found_to_the_second() {
        for at in [1, 2, 3, 59, 60, 255, 256, 599, 600] {
            let mut looks = 0;
            let found = first(&mut |seconds| {
                looks += 1;
                seconds >= at
            });
            assert_eq!(found, at);
            assert!(looks < 24, "{looks}");
        }
        assert_eq!(first(&mut |seconds| seconds > LONGEST), LONGEST);
    }
}
