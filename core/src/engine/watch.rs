//! Who watches which key (WATCH), so that a change makes its transaction fail.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::session::{ClientSlot, Clients, Session, SessionFlags};

/// A key in its database.
pub(super) type DbKey = (u32, Vec<u8>);

/// A key that a session watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its database.
    pub db: u32,
    /// The key.
    pub key: Vec<u8>,
    /// It had expired already, so that its removal is no change.
    pub was_expired: bool,
}

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
    let Some(watched) = session.watched.iter_mut().find(|own| own.db == place.0 && own.key == place.1) else {
        return;
    };
    if change == Change::Expired && core::mem::take(&mut watched.was_expired) {
        return;
    }
    session.flags.insert(SessionFlags::DIRTY_CAS);
}

/// All watched keys.
///
/// Invariant: a slot stands under a key exactly once for each session that has the key in its list.
#[derive(Debug, Default)]
pub struct Watches {
    by_key: BTreeMap<DbKey, Vec<ClientSlot>>,
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

    /// A session watches a key from now on.
    pub fn watch(&mut self, session: &mut Session, key: Watched) {
        if session.watched.iter().any(|watched| watched.db == key.db && watched.key == key.key) {
            return;
        }
        self.by_key.entry((key.db, key.key.clone())).or_default().push(session.slot);
        session.watched.push(key);
    }

    /// A session watches nothing more.
    pub fn unwatch(&mut self, session: &mut Session) {
        for watched in core::mem::take(&mut session.watched) {
            let place = (watched.db, watched.key);
            if let Some(slots) = self.by_key.get_mut(&place) {
                slots.retain(|&slot| slot != session.slot);
                if slots.is_empty() {
                    self.by_key.remove(&place);
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
        for (place, change) in self.own.drain(..) {
            note(session, &place, change);
        }
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
