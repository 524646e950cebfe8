//! Puts alerts into words and sends them, and turns what happens on the desktop into events.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::config::Config;
use crate::core::{Channel, ConsumerName, Event, Facts, Notice, PopupRecord, Reason, Topic};
use crate::desktop::{ActionId, Desktop, DesktopEvent, Expire, Popup, Urgency, wording};
use crate::paths::tilde;
use crate::zone;

/// From here on the last days of a key are urgent.
const URGENT: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);

/// Sends alerts to the user.
pub struct Notices {
    desktop: Desktop,
    home: PathBuf,
    from_service: bool,
}

impl Notices {
    /// Sends through `desktop`. A command that is run `from_service` has to be freed of its sandbox.
    pub fn new(desktop: Desktop, home: &Path, from_service: bool) -> Self {
        Self { desktop, home: home.into(), from_service }
    }

    /// Sends one alert by one channel.
    pub fn send(&self, channel: Channel, notice: &Notice, config: &Config, now: Timestamp) {
        let text = self.words(notice, now);
        match channel {
            Channel::Desktop => self.desktop.show(Popup {
                id: notice.popup.id,
                tag: tag(&notice.topic),
                urgency: urgency(notice, now),
                summary: text.summary,
                body: text.body,
                actions: match &notice.topic {
                    // There is no quiet to be had from a key that doesn't work.
                    Topic::Key(_) if notice.reason == Reason::Rejected => {
                        [ActionId::Renew].map(|action| (action, action.label().into())).into()
                    }
                    Topic::Key(_) => [ActionId::Renew, ActionId::Tomorrow].map(|action| (action, action.label().into())).into(),
                    Topic::Consumer(_) | Topic::News(_) => Vec::new(),
                },
                expire: if urgency(notice, now) == Urgency::Critical { Expire::Never } else { Expire::Default },
            }),
            Channel::Command => {
                let input = serde_json::to_vec(&document(notice, &text)).unwrap_or_default();
                self.desktop.run_command(tag(&notice.topic), config.alerts.command.clone(), input, self.from_service);
            }
        }
    }

    /// Closes a popup.
    pub fn close(&self, popup: &PopupRecord) {
        self.desktop.close(popup.id);
    }

    fn words(&self, notice: &Notice, now: Timestamp) -> wording::Text {
        let here = zone::local();
        let zoned = |time: Timestamp| time.to_zoned(here.clone());
        match (&notice.topic, &notice.facts) {
            (Topic::Key(name), Facts::Expiry { variable, env_file, expires_at, .. }) => {
                let env_file = tilde(env_file, &self.home);
                let key = wording::KeyWords { name: name.as_str(), variable, env_file: &env_file };
                wording::expiring(key, &zoned(now), &zoned(*expires_at))
            }
            (Topic::Key(name), Facts::Rejected { variable, env_file, detail, running, kept }) => {
                let env_file = tilde(env_file, &self.home);
                let key = wording::KeyWords { name: name.as_str(), variable, env_file: &env_file };
                if running.is_empty() {
                    let kept: Vec<&str> = kept.iter().map(ConsumerName::as_str).collect();
                    wording::refused(key, &kept, detail)
                } else {
                    let running: Vec<&str> = running.iter().map(ConsumerName::as_str).collect();
                    wording::revoked(key, &running, detail)
                }
            }
            (Topic::Key(topic), Facts::Apply { detail }) => wording::rolled_back(topic.as_str(), detail),
            (Topic::News(name) | Topic::Key(name), Facts::News { detail, fix }) => {
                let what = match notice.reason {
                    Reason::SignIn => "sign in to AWS",
                    Reason::Revoke => "revoke the old key",
                    _ => "key renewed",
                };
                wording::news(name.as_str(), what, detail, fix)
            }
            (Topic::News(name), _) => wording::news(name.as_str(), "news", "", ""),
            (Topic::Consumer(topic), facts) => {
                let detail = match facts {
                    Facts::Apply { detail } => detail.as_str(),
                    Facts::Expiry { .. } | Facts::Rejected { .. } | Facts::News { .. } => "",
                };
                match notice.reason {
                    Reason::TooManyRestarts => wording::too_many_restarts(topic.as_str(), &zoned(now), None),
                    Reason::ApplyFailed => wording::apply_failed(topic.as_str(), detail),
                    _ => wording::rolled_back(topic.as_str(), detail),
                }
            }
        }
    }
}

/// The JSON that `alerts.command` gets on its standard input.
fn document(notice: &Notice, text: &wording::Text) -> serde_json::Value {
    let (key, consumer) = match &notice.topic {
        Topic::Key(name) | Topic::News(name) => (Some(name.as_str()), None),
        Topic::Consumer(name) => (None, Some(name.as_str())),
    };
    let (variable, env_file, expires_at) = match &notice.facts {
        Facts::Expiry { variable, env_file, expires_at, .. } => (Some(&**variable), Some(env_file.display().to_string()), Some(expires_at)),
        Facts::Rejected { variable, env_file, .. } => (Some(&**variable), Some(env_file.display().to_string()), None),
        Facts::Apply { .. } | Facts::News { .. } => (None, None, None),
    };
    let mut document = serde_json::json!({
        "reason": notice.reason.to_string(), "key": key, "consumer": consumer, "variable": variable, "env_file": env_file,
        "expires_at": expires_at, "summary": text.summary, "body": text.body,
    });
    if let Facts::Rejected { detail, running, kept, .. } = &notice.facts {
        document["detail"] = serde_json::json!(detail);
        document["running"] = serde_json::json!(running);
        document["kept"] = serde_json::json!(kept);
    }
    document
}

fn urgency(notice: &Notice, now: Timestamp) -> Urgency {
    match &notice.facts {
        Facts::Expiry { expires_at, .. } if expires_at.duration_since(now) < URGENT => Urgency::Critical,
        Facts::Apply { .. } if notice.reason == Reason::ApplyFailed => Urgency::Critical,
        // Calls fail now.
        Facts::Rejected { running, .. } if !running.is_empty() => Urgency::Critical,
        Facts::Expiry { .. } | Facts::Rejected { .. } | Facts::Apply { .. } | Facts::News { .. } => Urgency::Normal,
    }
}

const KEY_TAG: &str = "credd-key-";
const CONSUMER_TAG: &str = "credd-consumer-";
const NEWS_TAG: &str = "credd-news-";

fn tag(topic: &Topic) -> String {
    match topic {
        Topic::Key(name) => format!("{KEY_TAG}{name}"),
        Topic::Consumer(name) => format!("{CONSUMER_TAG}{name}"),
        Topic::News(name) => format!("{NEWS_TAG}{name}"),
    }
}

fn topic(tag: &str) -> Option<Topic> {
    let key = tag.strip_prefix(KEY_TAG).map(|name| Topic::Key(name.into()));
    let consumer = || tag.strip_prefix(CONSUMER_TAG).map(|name| Topic::Consumer(name.into()));
    key.or_else(consumer).or_else(|| tag.strip_prefix(NEWS_TAG).map(|name| Topic::News(name.into())))
}

/// What to make of something that happened on the desktop.
pub enum Happened {
    /// The core is to know.
    Event(Event),
    /// The page on which this topic's key is renewed is to be opened.
    OpenPage(Topic),
    /// Nothing of ours.
    Nothing,
}

/// Sorts what happened on the desktop. Whatever a button's signal claims (any client of the bus can
/// send it), it leads to a page or to quiet reminders, never to a key.
pub fn sort(event: DesktopEvent) -> Happened {
    let about = |tag: &str, make: &dyn Fn(Topic) -> Happened| topic(tag).map_or(Happened::Nothing, make);
    match event {
        DesktopEvent::Shown { tag, id } => about(&tag, &|topic| Happened::Event(Event::Delivered(topic, Channel::Desktop, Some(id)))),
        DesktopEvent::NotShown { tag, reason } => {
            about(&tag, &|topic| Happened::Event(Event::NotDelivered(topic, Channel::Desktop, reason.to_string())))
        }
        DesktopEvent::Action { tag, action: ActionId::Tomorrow } => about(&tag, &|topic| Happened::Event(Event::RemindTomorrow(topic))),
        DesktopEvent::Action { tag, action: ActionId::Renew } => about(&tag, &Happened::OpenPage),
        DesktopEvent::ServiceAppeared => Happened::Event(Event::NotifierAppeared),
        DesktopEvent::CommandEnded { tag, result } => about(&tag, &|topic| {
            Happened::Event(match &result {
                Ok(()) => Event::Delivered(topic, Channel::Command, None),
                Err(error) => Event::NotDelivered(topic, Channel::Command, error.to_string()),
            })
        }),
    }
}
