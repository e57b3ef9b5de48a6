//! What follows a change of a key: transactions that fail, clients that are served, keyspace events.

use alloc::vec::Vec;

use super::context::Ctx;
use super::pubsub::Topic;
use super::shared::Shared;
use super::tracking::By;
use super::watch::Change;
use crate::config::NotifyClasses;
use crate::keyspace::{KeyEvent, KeyLog};

impl Shared {
    /// Somebody wants to know which keys change.
    #[inline]
    fn is_anybody_watching(&self) -> bool {
        !self.watches.is_empty() || !self.blocking.is_empty()
    }

    /// Same, or tracks them.
    #[inline]
    fn is_anybody_concerned(&self) -> bool {
        self.is_anybody_watching() || self.tracking.is_in_use()
    }

    /// What the keyspace is to write down by itself.
    pub(super) fn log_wanted(&self) -> KeyLog {
        let notify = self.config.settings().notify;
        let told = notify.intersects(NotifyClasses::KEYSPACE | NotifyClasses::KEYEVENT);
        KeyLog {
            expired: self.is_anybody_concerned() || (told && notify.contains(NotifyClasses::EXPIRED)),
            fields_expired: self.is_anybody_concerned()
                || (told && notify.intersects(NotifyClasses::EXPIRED | NotifyClasses::GENERIC)),
            new: !self.blocking.is_empty() || (told && notify.contains(NotifyClasses::NEW)),
            missed: told && notify.contains(NotifyClasses::KEY_MISS),
        }
    }

    /// A key has changed.
    #[inline]
    pub(super) fn touch(&mut self, db: u32, key: &[u8], by: By) {
        if self.is_anybody_watching() {
            self.touch_watched(db, key);
        }
        if self.tracking.is_in_use() {
            self.key_is_stale(key, by);
        }
    }

    #[cold]
    fn touch_watched(&mut self, db: u32, key: &[u8]) {
        let place = (db, key.to_vec());
        self.watches.touch(&place, Change::Written, &mut self.clients);
        self.blocking.touch(&place);
    }

    /// Tells those who listen of an event.
    #[inline]
    pub(super) fn notify(&mut self, class: NotifyClasses, event: &str, db: u32, key: &[u8]) {
        if self.config.settings().notify.contains(class) && !self.pubsub.is_empty() {
            self.publish_event(event, db, key);
        }
    }

    #[cold]
    fn publish_event(&mut self, event: &str, db: u32, key: &[u8]) {
        let notify = self.config.settings().notify;
        if notify.contains(NotifyClasses::KEYSPACE) {
            let mut channel = alloc::format!("__keyspace@{db}__:").into_bytes();
            channel.extend_from_slice(key);
            self.publish(Topic::Channel, &channel, event.as_bytes());
        }
        if notify.contains(NotifyClasses::KEYEVENT) {
            let channel = alloc::format!("__keyevent@{db}__:{event}");
            self.publish(Topic::Channel, channel.as_bytes(), key);
        }
    }

    /// Acts on what the keyspace has written down.
    #[cold]
    pub(super) fn follow(&mut self, events: Vec<KeyEvent>) {
        for event in events {
            match event {
                KeyEvent::Expired { db, key } => {
                    let place = (db, key);
                    self.watches.touch(&place, Change::Expired, &mut self.clients);
                    self.blocking.touch(&place);
                    if self.tracking.is_in_use() {
                        self.key_is_stale(&place.1, By::Expiry);
                    }
                    self.notify(NotifyClasses::EXPIRED, "expired", db, &place.1);
                }
                KeyEvent::FieldsExpired { db, key } => {
                    self.touch(db, &key, By::Expiry);
                    self.notify(NotifyClasses::EXPIRED, "hexpired", db, &key);
                }
                KeyEvent::Emptied { db, key } => self.notify(NotifyClasses::GENERIC, "del", db, &key),
                KeyEvent::New { db, key } => {
                    let place = (db, key);
                    self.blocking.give(&place);
                    self.notify(NotifyClasses::NEW, "new", db, &place.1);
                }
                KeyEvent::Missed { db, key } => self.notify(NotifyClasses::KEY_MISS, "keymiss", db, &key),
            }
        }
    }
}

impl Ctx<'_> {
    /// Takes note of a change to a key of the selected database.
    #[inline]
    pub fn changed(&mut self, class: NotifyClasses, event: &str, key: &[u8]) {
        let db = u32::try_from(self.keys.db()).unwrap_or(0);
        self.changed_in(db, class, event, key);
    }

    /// Same, in any database.
    #[inline]
    pub fn changed_in(&mut self, db: u32, class: NotifyClasses, event: &str, key: &[u8]) {
        self.shared.stats.dirty += 1;
        self.follow_log();
        self.shared.touch(db, key, By::Client(self.session.id));
        self.shared.notify(class, event, db, key);
    }

    /// Same, for a change that goes with one that is counted.
    pub fn changed_too(&mut self, class: NotifyClasses, event: &str, key: &[u8]) {
        self.changed(class, event, key);
        self.shared.stats.dirty -= 1;
    }

    /// Takes note of a change that sends no event.
    pub fn changed_quietly(&mut self, key: &[u8]) {
        let db = u32::try_from(self.keys.db()).unwrap_or(0);
        self.shared.stats.dirty += 1;
        self.follow_log();
        self.shared.touch(db, key, By::Client(self.session.id));
    }

    /// Adds to the changes that [`Self::changed`] has counted as one.
    #[inline]
    pub fn count_more(&mut self, changes: usize) {
        self.shared.stats.dirty += changes as u64;
    }

    /// Tells those who listen of an event that comes with a change already noted, or with none.
    #[inline]
    pub fn notify(&mut self, class: NotifyClasses, event: &str, key: &[u8]) {
        let db = u32::try_from(self.keys.db()).unwrap_or(0);
        self.follow_log();
        self.shared.notify(class, event, db, key);
    }

    /// Takes note of a change inside a key that is none to those who watch it, and brings nothing to those who wait for it
    /// (most of what consumer groups do).
    pub fn changed_within(&mut self, event: &str, key: &[u8]) {
        self.shared.stats.dirty += 1;
        self.notify(NotifyClasses::STREAM, event, key);
    }

    /// Has all who wait for a key look again, whether it is counted as changed or not.
    pub fn wake(&mut self, key: &[u8]) {
        if !self.shared.blocking.is_empty() {
            let db = u32::try_from(self.keys.db()).unwrap_or(0);
            self.shared.blocking.give(&(db, key.to_vec()));
        }
    }

    /// Takes note that all keys of a database change at once, those for which `concerns` holds.
    pub fn all_changed(&mut self, db: usize, concerns: impl Fn(&mut Self, &[u8]) -> bool) {
        let db = u32::try_from(db).unwrap_or(0);
        for place in self.shared.watches.keys_of(db) {
            if concerns(self, &place.1) {
                self.shared.watches.touch(&place, Change::Written, &mut self.shared.clients);
            }
        }
        self.shared.blocking.touch_all(db);
    }

    #[inline]
    fn follow_log(&mut self) {
        let keyspace = self.keys.keyspace();
        if !keyspace.log.is_empty() {
            let events = core::mem::take(&mut keyspace.log);
            self.shared.follow(events);
        }
    }
}
