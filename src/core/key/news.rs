//! What the user is told about a key besides its end: once, by the channels of alerts.

use jiff::Timestamp;

use super::{Key, popup_id};
use crate::core::alarm::{AlertSent, Channel, PopupRecord};
use crate::core::event::{Facts, Notice, Topic};
use crate::core::policy::Reason;
use crate::core::record::News;

impl Key {
    /// Tells something. The caller saves, then sends. Earlier news that is still up is replaced.
    pub fn tell_news(&mut self, reason: Reason, detail: String, fix: String, channels: &[Channel], now: Timestamp) {
        let tag = self.news_tag();
        let id = self.record.news.take().map_or_else(|| popup_id(&tag), |news| news.popup.id);
        let alert = AlertSent::new(now, reason, channels);
        self.record.news = Some(Box::new(News { detail, fix, alert, popup: PopupRecord { id, tag } }));
        self.news_delivery.start_over();
    }

    /// What was told with this reason is no longer true. Returns the popup to close.
    pub fn withdraw_news(&mut self, reason: Reason) -> Option<PopupRecord> {
        let news = self.record.news.take_if(|news| news.alert.reason == reason)?;
        self.news_delivery.forget();
        Some(news.popup)
    }

    /// The news to be sent now, and the channels to send it by. They are taken to be under way.
    pub fn take_news(&mut self, now: Timestamp) -> Vec<(Channel, Notice)> {
        if let Some(delivery) = self.news_delivery.if_set() {
            delivery.wake(now);
        }
        let Some(news) = &self.record.news else { return Vec::new() };
        let notice = Notice {
            topic: Topic::News(self.spec.name.clone()),
            reason: news.alert.reason,
            popup: news.popup.clone(),
            facts: Facts::News { detail: news.detail.clone(), fix: news.fix.clone() },
        };
        let due = self.news_delivery.due(&news.alert, now);
        due.into_iter()
            .map(|channel| {
                self.news_delivery.started(channel, now);
                (channel, notice.clone())
            })
            .collect()
    }

    /// A channel took the news. Returns whether it was the latest, and a popup that came up too late.
    pub fn news_delivered(&mut self, channel: Channel, id: Option<u32>, now: Timestamp) -> (bool, Option<PopupRecord>) {
        let ours = self.news_delivery.ended(self.record.news.as_mut().map(|news| &mut news.alert), channel, now);
        match (id, &mut self.record.news) {
            (Some(id), Some(news)) => news.popup.id = id,
            (Some(id), None) => return (ours, Some(PopupRecord { id, tag: self.news_tag() })),
            (None, _) => {}
        }
        (ours, None)
    }

    /// When news is to be sent (again).
    pub fn news_deadline(&self) -> Option<Timestamp> {
        self.news_delivery.deadline(&self.record.news.as_ref()?.alert)
    }

    fn news_tag(&self) -> String {
        format!("credd-news-{}", self.spec.name)
    }
}
