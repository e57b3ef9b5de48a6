//! A consumer group: how far it has read, who reads, and what was delivered and not yet acknowledged.
//!
//! ```text
//! pending    id ─► (consumer, time, count)          every pending entry, once
//! consumers  slot ─► name, times, pending ids       the same IDs, by owner
//! names      name ─► slot                           in order of bytes, as the reference lists them
//! ```
//! An entry that is pending belongs to exactly one consumer: its ID is in the group's map and in that consumer's
//! set, and in no other. The details lie in the group's map alone, so there is nothing to share and nothing to
//! dangle. A slot is used again after its consumer is gone; a [`ConsumerId`] is good until then.
//!
//! Pending entries need not exist any more as entries of the stream: XDEL and XTRIM do not know of groups.
//!
//! Source: Valkey 9.1 `streamCG`, `streamConsumer`, `streamNACK`.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::entries::Entries;
use super::id::StreamId;
use super::id_map::IdMap;

/// What a name costs: its bytes' counters, and its place in the tree.
const NAME_OVERHEAD: usize =
    2 * size_of::<usize>() + (size_of::<Arc<[u8]>>() + size_of::<ConsumerId>()) * 11 / 7;

/// A consumer of a group: its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(usize);

/// The owner of an entry whose owner is not yet known: no slot has this number.
const NOBODY: ConsumerId = ConsumerId(usize::MAX);

/// An entry that was delivered and not yet acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Who has it.
    pub consumer: ConsumerId,
    /// When it was last delivered, ms since 1970.
    pub delivery_time: i64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

impl Pending {
    /// Milliseconds since the last delivery; negative when that lies ahead.
    pub fn idle(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.delivery_time)
    }
}

/// Who reads in a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// When it last asked for entries, ms since 1970.
    pub seen_time: i64,
    /// When it last got some, ms since 1970; the reference writes -1 for never.
    pub active_time: Option<i64>,
    pending: IdMap<()>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries it has pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// IDs of its pending entries from `from` on.
    pub fn pending_ids(&self, from: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.range(from).map(|(id, ())| id)
    }
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    pub(super) last_id: StreamId,
    pub(super) entries_read: Option<i64>,
    pub(super) pending: IdMap<Pending>,
    consumers: Vec<Option<Consumer>>,
    free: Vec<usize>,
    names: BTreeMap<Arc<[u8]>, ConsumerId>,
    name_bytes: usize,
}

impl Group {
    /// A group without consumers that has read up to `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        let (consumers, free) = (Vec::new(), Vec::new());
        let (pending, names) = (IdMap::default(), BTreeMap::new());
        Self { last_id, entries_read, pending, consumers, free, names, name_bytes: 0 }
    }

    /// The last ID that it was given.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// Its logical read counter; the reference writes -1 for unknown.
    pub fn entries_read(&self) -> Option<i64> {
        self.entries_read
    }

    /// What it is yet to get; `None` where that is not known.
    pub fn lag(&self, entries: &Entries) -> Option<i64> {
        entries.lag(self.last_id, self.entries_read)
    }

    /// There are entries that it has not had.
    pub fn has_new(&self, entries: &Entries) -> bool {
        entries.last_entry_id().is_some_and(|last| last > self.last_id)
    }

    /// Sets how far it has read: XGROUP SETID.
    pub fn set_id(&mut self, last_id: StreamId, entries_read: Option<i64>) {
        (self.last_id, self.entries_read) = (last_id, entries_read);
    }

    /// Moves the last ID up, never down: LASTID of XCLAIM. `false` if it stays.
    pub fn raise_last_id(&mut self, id: StreamId) -> bool {
        let is_above = id > self.last_id;
        self.last_id = self.last_id.max(id);
        is_above
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The least and the greatest pending ID.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        Some((self.pending.first()?.0, self.pending.last()?.0))
    }

    /// What is known about a pending entry.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(id)
    }

    /// The pending entries from `start` to `end`, both included.
    pub fn pending_range(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        self.pending.range(start).take_while(move |(id, _)| *id <= end)
    }

    /// Same, of one consumer.
    pub fn pending_range_of(
        &self,
        consumer: ConsumerId,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        let ids = self.consumer(consumer).into_iter().flat_map(move |consumer| consumer.pending_ids(start));
        ids.take_while(move |id| *id <= end).filter_map(|id| Some((id, self.pending.get(id)?)))
    }

    /// Forgets a pending entry: XACK. `false` if there is none.
    pub fn ack(&mut self, id: StreamId) -> bool {
        self.drop_pending(id).is_some()
    }

    /// How many consumers there are.
    pub fn consumers_len(&self) -> usize {
        self.names.len()
    }

    /// All consumers in order of name.
    pub fn consumers(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        self.names.values().filter_map(|&id| Some((id, self.consumer(id)?)))
    }

    /// The consumer of a name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// A consumer; `None` once it is gone.
    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(id.0)?.as_ref()
    }

    /// Adds a consumer; `None` if the name is taken.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> Option<ConsumerId> {
        if self.names.contains_key(name) {
            return None;
        }
        let name: Arc<[u8]> = Arc::from(name);
        let consumer = Consumer {
            name: Arc::clone(&name),
            seen_time: now_ms,
            active_time: None,
            pending: IdMap::default(),
        };
        let slot = self.free.pop().unwrap_or(self.consumers.len());
        match self.consumers.get_mut(slot) {
            Some(free) => *free = Some(consumer),
            None => self.consumers.push(Some(consumer)),
        }
        self.name_bytes += name.len();
        self.names.insert(name, ConsumerId(slot));
        Some(ConsumerId(slot))
    }

    /// Removes a consumer and forgets what it has pending; returns how many entries that were. O(them) where others have
    /// some pending too; else all goes as a piece into `cut`.
    pub fn delete_consumer(&mut self, name: &[u8], cut: &mut Vec<Self>) -> Option<usize> {
        let id = self.names.remove(name)?;
        let consumer = self.consumers.get_mut(id.0)?.take()?;
        self.name_bytes -= name.len();
        self.free.push(id.0);
        if self.names.is_empty() {
            // However many there were once, nothing of them stays.
            (self.consumers, self.free) = (Vec::new(), Vec::new());
        }
        let count = consumer.pending.len();
        if count == self.pending.len() {
            let mut piece = Self::new(StreamId::MIN, None);
            piece.pending = core::mem::take(&mut self.pending);
            piece.consumers.push(Some(consumer));
            cut.push(piece);
        } else {
            for (pending, ()) in consumer.pending.iter() {
                self.pending.remove(pending);
            }
        }
        Some(count)
    }

    /// Notes when a consumer last asked.
    pub fn set_seen(&mut self, consumer: ConsumerId, now_ms: i64) {
        if let Some(consumer) = self.consumer_mut(consumer) {
            consumer.seen_time = now_ms;
        }
    }

    /// Notes when a consumer last got something.
    pub fn set_active(&mut self, consumer: ConsumerId, now_ms: Option<i64>) {
        if let Some(consumer) = self.consumer_mut(consumer) {
            consumer.active_time = now_ms;
        }
    }

    fn consumer_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.get_mut(id.0)?.as_mut()
    }

    /// Makes an entry pending for a consumer, whoever had it before. A consumer that is gone gets nothing.
    pub(super) fn set_pending(&mut self, id: StreamId, pending: Pending) {
        if self.consumer(pending.consumer).is_none() {
            return;
        }
        let before = self.pending.insert(id, pending);
        if before.is_some_and(|before| before.consumer == pending.consumer) {
            return;
        }
        if let Some(owner) = before.and_then(|before| self.consumer_mut(before.consumer)) {
            owner.pending.remove(id);
        }
        if let Some(owner) = self.consumer_mut(pending.consumer) {
            owner.pending.insert(id, ());
        }
    }

    /// Takes a pending entry out of both places.
    pub(super) fn drop_pending(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.pending.remove(id)?;
        if let Some(owner) = self.consumer_mut(pending.consumer) {
            owner.pending.remove(id);
        }
        Some(pending)
    }

    /// Adds a pending entry whose owner is yet to be named, while a group is loaded. `false` if it is there, and stays.
    pub(super) fn add_unowned(&mut self, id: StreamId, delivery_time: i64, delivery_count: u64) -> bool {
        let before = self.pending.insert(id, Pending { consumer: NOBODY, delivery_time, delivery_count });
        if let Some(before) = before {
            self.pending.insert(id, before);
        }
        before.is_none()
    }

    /// Names the owner of such an entry; gives who owned it before, and `None` if it is not pending.
    pub(super) fn name_owner(&mut self, id: StreamId, consumer: ConsumerId) -> Option<Option<ConsumerId>> {
        let pending = self.pending.get_mut(id)?;
        if pending.consumer != NOBODY {
            return Some(Some(pending.consumer));
        }
        let owner = self.consumers.get_mut(consumer.0)?.as_mut()?;
        pending.consumer = consumer;
        owner.pending.insert(id, ());
        Some(None)
    }

    /// The first ID from `from` on that a consumer has pending.
    pub(super) fn next_pending_of(&self, consumer: ConsumerId, from: StreamId) -> Option<StreamId> {
        self.consumer(consumer)?.pending.at_or_after(from).map(|(id, ())| id)
    }

    /// Bytes of heap, those of the consumers' sets by their number of IDs. O(1).
    pub fn memory(&self) -> usize {
        let slots = self.consumers.capacity() * size_of::<Option<Consumer>>()
            + self.free.capacity() * size_of::<usize>();
        let owned = self.pending.len() * size_of::<StreamId>() * 9 / 8;
        self.pending.memory() + owned + slots + self.name_bytes + self.names.len() * NAME_OVERHEAD
    }

    /// About how many allocations go when it is freed. O(1).
    pub fn free_effort(&self) -> usize {
        2 * self.pending.leaves() + 2 * self.consumers.len()
    }

    /// Nothing is left to be freed in steps.
    pub fn is_dismantled(&self) -> bool {
        self.pending.is_empty() && self.consumers.is_empty() && self.names.is_empty()
    }

    /// Frees pending entries and consumers, at most `budget`; returns what is left of it. For groups that are being
    /// torn down: nothing else may be done with them any more.
    pub fn dismantle(&mut self, budget: usize) -> usize {
        let mut left = self.pending.dismantle(budget);
        while left > 0 {
            match self.consumers.last_mut() {
                Some(Some(consumer)) if !consumer.pending.is_empty() => {
                    left = consumer.pending.dismantle(left);
                }
                Some(_) => {
                    self.consumers.pop();
                    left -= 1;
                }
                None if self.names.pop_first().is_some() => left -= 1,
                None => break,
            }
        }
        left
    }

    /// Checks every invariant. O(n).
    ///
    /// # Errors
    /// With the one that does not hold.
    pub fn validate(&self) -> Result<(), &'static str> {
        let require = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
        let live = self.consumers.iter().flatten();
        require(self.pending.is_sound(), "index of pending entries")?;
        require(live.clone().count() == self.names.len(), "names and consumers")?;
        require(self.free.iter().all(|&slot| matches!(self.consumers.get(slot), Some(None))), "free slots")?;
        require(self.free.len() + self.names.len() == self.consumers.len(), "all slots")?;
        let name_of = |id: &ConsumerId| self.consumer(*id).map(|consumer| &consumer.name);
        require(self.names.iter().all(|(name, id)| name_of(id) == Some(name)), "names lead to consumers")?;
        require(
            self.names.keys().map(|name| name.len()).sum::<usize>() == self.name_bytes,
            "bytes of names",
        )?;
        require(live.map(|consumer| consumer.pending.len()).sum::<usize>() == self.pending.len(), "owners")?;
        for (id, consumer) in self.consumers() {
            require(consumer.pending.is_sound(), "index of a consumer")?;
            let owns = |entry| self.pending.get(entry).is_some_and(|pending| pending.consumer == id);
            require(consumer.pending_ids(StreamId::MIN).all(owns), "owner of a pending entry")?;
        }
        Ok(())
    }
}
