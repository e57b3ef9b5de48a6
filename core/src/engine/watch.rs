//! Who watches which key (WATCH), so that a change makes its transaction fail.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::session::{ClientSlot, Clients, Session, SessionFlags};

/// Memory of a watch besides the key: its place in the session's list and among those who watch the key.
const WATCH_BYTES: usize = 96;

/// A key in its database.
pub(super) type DbKey = (u32, Vec<u8>);

/// A key that a session watches, as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// It had expired already, so that its removal is no change.
    pub was_expired: bool,
}

/// All keys that a session watches, by database and name.
pub type WatchedKeys = BTreeMap<DbKey, Watched>;

/// How a watched key has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// By a command.
    Written,
    /// It expired, or was found to have.
    Expired,
}

//= valkey 9.1 WATCH: the removal of a key that had expired when it began to be watched is no change
fn note(session: &mut Session, place: &DbKey, change: Change) {
    let Some(watched) = session.watched.get_mut(place) else { return };
    if change == Change::Expired && core::mem::take(&mut watched.was_expired) {
        return;
    }
    session.flags.insert(SessionFlags::DIRTY_CAS);
}

/// All watched keys.
///
/// Every step is O(log n): one client may watch very many keys, and one key be watched by very many clients.
///
/// Invariant: a slot stands under the keys that its session has in its list, and no others.
#[derive(Debug, Default)]
pub struct Watches {
    by_key: BTreeMap<DbKey, BTreeSet<ClientSlot>>,
    /// What the client whose command runs watches and has changed; whether by an expiry.
    own: Vec<(DbKey, Change)>,
}

impl Watches {
    /// Nobody watches anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// How many keys are watched.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// A session watches a key of a database from now on; one that it watches already stays as it was found first.
    pub fn watch(&mut self, session: &mut Session, place: (u32, Vec<u8>), found: Watched) {
        if let Entry::Vacant(vacant) = session.watched.entry(place) {
            session.watched_bytes += vacant.key().1.len() + WATCH_BYTES;
            self.by_key.entry(vacant.key().clone()).or_default().insert(session.slot);
            vacant.insert(found);
        }
    }

    /// A session watches nothing more.
    pub fn unwatch(&mut self, session: &mut Session) {
        session.watched_bytes = 0;
        for place in core::mem::take(&mut session.watched).into_keys() {
            if let Entry::Occupied(mut slots) = self.by_key.entry(place) {
                slots.get_mut().remove(&session.slot);
                if slots.get().is_empty() {
                    slots.remove();
                }
            }
        }
        session.flags.remove(SessionFlags::DIRTY_CAS);
    }

    /// A key has changed.
    pub(super) fn touch(&mut self, place: &DbKey, change: Change, clients: &mut Clients) {
        let Some(slots) = self.by_key.get(place) else { return };
        for &slot in slots {
            match clients.get_mut(slot) {
                Some(session) => note(session, place, change),
                None => self.own.push((place.clone(), change)),
            }
        }
    }

    /// Tells the client whose command has run of what it has changed itself.
    #[inline]
    pub(super) fn settle_own(&mut self, session: &mut Session) {
        if self.own.is_empty() {
            return;
        }
        for (place, change) in self.own.drain(..) {
            note(session, &place, change);
        }
    }

    /// Recounts everything; no command runs.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self, clients: &Clients) {
        assert!(self.own.is_empty(), "a command has been told everything");
        let mut by_key: BTreeMap<DbKey, BTreeSet<ClientSlot>> = BTreeMap::new();
        for session in clients.slots().filter_map(|slot| clients.get(slot)) {
            let bytes: usize = session.watched.keys().map(|(_, key)| key.len() + WATCH_BYTES).sum();
            assert_eq!(bytes, session.watched_bytes);
            for place in session.watched.keys() {
                by_key.entry(place.clone()).or_default().insert(session.slot);
            }
        }
        assert_eq!(self.by_key, by_key, "watched keys");
    }

    /// The watched keys of a database.
    pub(super) fn keys_of(&self, db: u32) -> Vec<DbKey> {
        self.by_key
            .range((db, Vec::new())..)
            .take_while(|(place, _)| place.0 == db)
            .map(|(place, _)| place.clone())
            .collect()
    }
}
