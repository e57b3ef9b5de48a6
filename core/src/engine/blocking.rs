//! Clients that wait for a key, or for memory to be given back: who waits for what, until when, and whose turn it is.
//!
//! ```text
//!             nothing to give                      key changed, and there is something to give
//!  command ─────────────────► waits ── ready ──► command runs again ──► reply, goes on with its pipeline
//!                               │                        │ nothing to give: keeps its place
//!                               ├── time over ──► null ──┤
//!                               └── CLIENT UNBLOCK ──────┘
//! ```
//! A waiting client keeps its request. When one of its keys changes, the request simply runs again, in the order in which
//! clients began to wait for that key; so what "something to give" means stays with the command.
//!
//! Invariant: a client stands under each of its keys once, and in the list of deadlines if it has one.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::ops::Range;

use super::context::OwnedArgs;
#[cfg(any(test, fuzzing))]
use super::session::Clients;
use super::session::{ClientSlot, Session};
use super::watch::DbKey;
use crate::keyspace::{Kind, ReclaimMark};
use crate::resp::Reply;

/// What a client is told that may not wait, because its command is part of a transaction. One that has waited in vain gets
/// a null array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A null array.
    NullArray,
    /// A null.
    Null,
    /// What is waited for comes all the same.
    Ok,
}

impl Denied {
    pub(super) fn write(self, reply: &mut Reply<'_>) {
        match self {
            Self::NullArray => reply.null_array(),
            Self::Null => reply.null(),
            Self::Ok => reply.ok(),
        }
    }
}

/// How a key that somebody waits for has become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// Somehow; what it holds may have grown less.
    Changed,
    /// It is new, or a stream has got an entry.
    Given,
}

/// A command that waits.
#[derive(Debug)]
pub struct Blocked {
    /// The request, to be run again.
    pub(super) request: OwnedArgs,
    /// The database it waits in.
    pub(super) db: u32,
    /// The keys it waits for; none: until what was flushed is freed.
    pub(super) keys: Vec<Vec<u8>>,
    /// What they must hold.
    pub(super) kind: Kind,
    /// When it stops to wait, ms since 1970.
    pub(super) deadline_ms: Option<i64>,
    /// A key that goes or becomes another type is told too (XREADGROUP).
    pub(super) wants_deletes: bool,
    /// Its place in the order of those who wait; [`Blocking::add`] gives it.
    pub(super) turn: u64,
}

impl Blocked {
    /// Memory it holds, bytes.
    pub(super) fn memory(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| key.capacity() + size_of::<Vec<u8>>()).sum();
        size_of::<Self>() + self.request.memory() + keys
    }
}

/// What a command asks for that finds nothing to give.
#[derive(Debug)]
pub struct Wait {
    /// The keys it waits for; none: until what was flushed is freed.
    pub keys: Vec<Vec<u8>>,
    /// What they must hold.
    pub kind: Kind,
    /// When it stops to wait, ms since 1970; `None`: never.
    pub deadline_ms: Option<i64>,
    /// What it is told where it may not wait.
    pub denied: Denied,
    /// A key that goes or becomes another type ends the wait too.
    pub wants_deletes: bool,
}

impl Wait {
    /// To wait until what was flushed is freed.
    pub fn for_memory() -> Self {
        let (keys, kind) = (Vec::new(), Kind::String);
        Self { keys, kind, deadline_ms: None, denied: Denied::Ok, wants_deletes: false }
    }
}

/// All who wait.
#[derive(Debug, Default)]
pub struct Blocking {
    /// By their turns, so that thousands may wait for one key.
    by_key: BTreeMap<DbKey, BTreeMap<u64, ClientSlot>>,
    /// The next client's turn.
    next_turn: u64,
    deadlines: BTreeSet<(i64, ClientSlot)>,
    /// Keys whose end somebody wants to know of, and how many do.
    on_deletes: BTreeMap<DbKey, usize>,
    /// Keys that changed and that somebody waits for, in that order.
    ready: VecDeque<DbKey>,
    /// The same keys, to be found, as FLUSHALL may make as many ready as there are; and how they became so.
    is_ready: BTreeMap<DbKey, Ready>,
    /// Who waits for memory to be given back, the first first.
    for_memory: VecDeque<(ClientSlot, ReclaimMark)>,
    len: usize,
}

impl Blocking {
    /// Nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many keys are waited for.
    pub fn keys_len(&self) -> usize {
        self.by_key.len()
    }

    /// How many keys are waited for by somebody who wants to know of their end.
    pub fn keys_on_deletes(&self) -> usize {
        self.on_deletes.len()
    }

    /// How many wait for a limited time.
    pub fn timed(&self) -> usize {
        self.deadlines.len()
    }

    /// When the first who waits stops to.
    pub fn first_deadline_ms(&self) -> Option<i64> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Takes a client in.
    pub(super) fn add(&mut self, session: &mut Session, mut blocked: Box<Blocked>) {
        blocked.turn = self.next_turn;
        self.next_turn += 1;
        for key in &blocked.keys {
            self.by_key.entry((blocked.db, key.clone())).or_default().insert(blocked.turn, session.slot);
            if blocked.wants_deletes {
                *self.on_deletes.entry((blocked.db, key.clone())).or_default() += 1;
            }
        }
        if let Some(at) = blocked.deadline_ms {
            self.deadlines.insert((at, session.slot));
        }
        if blocked.keys.is_empty() {
            self.for_memory.push_back((session.slot, ReclaimMark::default()));
        }
        self.len += 1;
        session.blocked = Some(blocked);
    }

    /// Lets a client go.
    pub(super) fn remove(&mut self, session: &mut Session) -> Option<Box<Blocked>> {
        let blocked = session.blocked.take()?;
        for key in &blocked.keys {
            let place = (blocked.db, key.clone());
            if let Some(waiting) = self.by_key.get_mut(&place) {
                waiting.remove(&blocked.turn);
                if waiting.is_empty() {
                    self.by_key.remove(&place);
                }
            }
            if let Some(count) = self.on_deletes.get_mut(&place) {
                *count -= usize::from(blocked.wants_deletes);
                if *count == 0 {
                    self.on_deletes.remove(&place);
                }
            }
        }
        if let Some(at) = blocked.deadline_ms {
            self.deadlines.remove(&(at, session.slot));
        }
        if blocked.keys.is_empty() {
            self.for_memory.retain(|&(slot, _)| slot != session.slot);
        }
        self.len -= 1;
        Some(blocked)
    }

    /// A key has changed.
    pub(super) fn touch(&mut self, place: &DbKey) {
        self.make_ready(place, Ready::Changed);
    }

    /// A key is new, or a stream has got an entry.
    pub(super) fn give(&mut self, place: &DbKey) {
        self.make_ready(place, Ready::Given);
    }

    fn make_ready(&mut self, place: &DbKey, how: Ready) {
        if !self.by_key.contains_key(place) {
            return;
        }
        match self.is_ready.insert(place.clone(), how) {
            None => self.ready.push_back(place.clone()),
            Some(Ready::Given) => drop(self.is_ready.insert(place.clone(), Ready::Given)),
            Some(Ready::Changed) => {}
        }
    }

    /// A key has changed and its clients were not yet served.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The key that changed first, no longer among those.
    pub(super) fn pop_ready(&mut self) -> Option<(DbKey, Ready)> {
        let place = self.ready.pop_front()?;
        let how = self.is_ready.remove(&place)?;
        Some((place, how))
    }

    /// All keys of a database may have changed.
    pub(super) fn touch_all(&mut self, db: u32) {
        let keys: Vec<DbKey> = self
            .by_key
            .range((db, Vec::new())..)
            .take_while(|(place, _)| place.0 == db)
            .map(|(place, _)| place.clone())
            .collect();
        keys.iter().for_each(|place| self.give(place));
    }

    /// The turn of whoever waits next.
    pub(super) fn next_turn(&self) -> u64 {
        self.next_turn
    }

    /// Who waits for a key and is the first of these turns, with its turn.
    pub(super) fn first_waiting(&self, place: &DbKey, turns: Range<u64>) -> Option<(u64, ClientSlot)> {
        self.by_key.get(place)?.range(turns).next().map(|(&turn, &slot)| (turn, slot))
    }

    /// Somebody who waits for a key wants to know of its end.
    pub(super) fn is_end_awaited(&self, place: &DbKey) -> bool {
        self.on_deletes.contains_key(place)
    }

    /// Somebody waits for memory: what is freed then was not put off.
    pub fn is_memory_awaited(&self) -> bool {
        !self.for_memory.is_empty()
    }

    /// Who is next to wait for memory, and for how much of it.
    pub(super) fn first_for_memory(&mut self) -> Option<&mut (ClientSlot, ReclaimMark)> {
        self.for_memory.front_mut()
    }

    /// Recounts everything; no command runs, and whoever could be served was.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self, clients: &Clients) {
        assert!(self.ready.is_empty() && self.is_ready.is_empty(), "all ready keys were looked at");
        let (mut by_key, mut deadlines, mut on_deletes, mut for_memory) = (
            BTreeMap::<DbKey, BTreeMap<u64, ClientSlot>>::new(),
            BTreeSet::new(),
            BTreeMap::new(),
            BTreeSet::new(),
        );
        let waiting = clients.slots().filter_map(|slot| Some((slot, clients.get(slot)?.blocked.as_ref()?)));
        let mut waiting_len = 0;
        for (slot, blocked) in waiting {
            waiting_len += 1;
            assert!(blocked.turn < self.next_turn);
            deadlines.extend(blocked.deadline_ms.map(|at| (at, slot)));
            for place in blocked.keys.iter().map(|key| (blocked.db, key.clone())) {
                by_key.entry(place.clone()).or_default().insert(blocked.turn, slot);
                if blocked.wants_deletes {
                    *on_deletes.entry(place).or_insert(0usize) += 1;
                }
            }
            if blocked.keys.is_empty() {
                for_memory.insert(slot);
            }
        }
        assert_eq!(self.len, waiting_len);
        assert_eq!(self.by_key, by_key, "keys that are waited for");
        assert_eq!(self.on_deletes, on_deletes, "keys whose end is waited for");
        assert_eq!(self.deadlines, deadlines, "ends of waits");
        assert_eq!(self.for_memory.len(), for_memory.len());
        assert!(self.for_memory.iter().all(|(slot, _)| for_memory.contains(slot)), "who waits for memory");
    }

    /// A client whose time is over.
    pub(super) fn overdue(&self, now_ms: i64) -> Option<ClientSlot> {
        self.deadlines.first().filter(|&&(at, _)| at <= now_ms).map(|&(_, slot)| slot)
    }
}
