//! The large encoding of hashes.
//!
//! Invariant: the index holds exactly the handles of the fields that are there, the order of time those of the fields
//! that have an expiry, each with that.

use super::elements::Elements;
use super::field::{Field, has_come};
use crate::keyspace::{ExpiryIndex, Key, KeyHasher, Stamp};
use crate::rng::Rng;
use crate::types::members::{self, Handle, Keys, MemberIndex};

/// Fields of a pair of buckets among which a random one is chosen; more are next to impossible.
const GROUP_LEN_MAX: u64 = 48;
/// A random choice gives up after so many fields whose time has come.
const RANDOM_TRIES: usize = 100;

/// What became of a field that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Added,
    Replaced,
    /// There is no handle left: nothing was done.
    Full,
}

/// Fields of any number.
#[derive(Debug)]
pub(super) struct FieldTable {
    elements: Elements,
    index: MemberIndex,
    /// Fields that have an expiry.
    times: ExpiryIndex<Handle>,
    len: usize,
    hasher: KeyHasher,
    /// The time under which the keyspace has noted the hash.
    pub(super) noted_due: Option<i64>,
}

impl FieldTable {
    pub(super) fn new(hasher: KeyHasher) -> Self {
        let (elements, index, times) = (Elements::new(), MemberIndex::new(), ExpiryIndex::default());
        Self { elements, index, times, len: 0, hasher, noted_due: None }
    }

    /// Fields, those whose time has come included.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Fields that have an expiry.
    pub(super) fn timed_len(&self) -> usize {
        self.times.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let times = if self.times.len() == 0 { 0 } else { self.times.bytes() };
        self.elements.bytes() + self.index.bytes() + times
    }

    /// When the first of the fields expires.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.times.first().map(|stamp| stamp.at)
    }

    fn find(&self, key: Key<'_>) -> Option<Handle> {
        self.index.find(key.hash, |handle| self.elements.get(handle).name == key.bytes)
    }

    /// Asks the processor to fetch where the index has a field. Returns what [`Self::prefetch_field`] goes on with.
    pub(super) fn prefetch(&self, name: &[u8]) -> u64 {
        let hash = self.hasher.key(name).hash;
        self.index.prefetch(hash);
        hash
    }

    /// Asks the processor to fetch the field of a hash.
    pub(super) fn prefetch_field(&self, hash: u64) {
        self.index.probe(hash, |handle| self.elements.prefetch(handle));
    }

    /// The field of a name, even if its time has come. O(1).
    pub(super) fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        self.find(self.hasher.key(name)).map(|handle| self.elements.get(handle))
    }

    /// Stores a field, in the place of the one of its name. O(1), O(log n) in the number of expiries.
    pub(super) fn put(&mut self, field: Field<'_>) -> Put {
        let key = self.hasher.key(field.name);
        let Some(old) = self.find(key) else { return self.add(key, field) };
        let old_time = self.elements.get(old).expire_at;
        if self.elements.overwrite(old, field) {
            self.restamp((old_time, old), (field.expire_at, old));
            return Put::Replaced;
        }
        let Some(new) = self.elements.insert(field) else { return Put::Full };
        self.index.replace(key.hash, old, new);
        self.restamp((old_time, old), (field.expire_at, new));
        self.elements.remove(old);
        self.compact();
        Put::Replaced
    }

    fn add(&mut self, key: Key<'_>, field: Field<'_>) -> Put {
        let Some(handle) = self.elements.insert(field) else { return Put::Full };
        self.index.insert(key.hash, handle, &Names { elements: &self.elements, hasher: self.hasher });
        self.restamp((None, handle), (field.expire_at, handle));
        self.len += 1;
        Put::Added
    }

    /// Gives a field an expiry, or takes it away.
    pub(super) fn set_time(&mut self, name: &[u8], at: Option<i64>) {
        let Some(handle) = self.find(self.hasher.key(name)) else { return };
        let field = self.elements.get(handle);
        match (field.expire_at, at) {
            (None, None) => {}
            (Some(old), Some(new)) => {
                self.elements.set_time(handle, new);
                self.restamp((Some(old), handle), (Some(new), handle));
            }
            _ => {
                let value = field.value.to_vec();
                self.put(Field { name, value: &value, expire_at: at });
            }
        }
    }

    /// Removes a field, even if its time has come. O(1).
    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        let key = self.hasher.key(name);
        let found = self.find(key);
        if let Some(handle) = found {
            self.take_out(handle, key.hash);
        }
        found.is_some()
    }

    fn take_out(&mut self, handle: Handle, hash: u64) {
        let at = self.elements.get(handle).expire_at;
        self.restamp((at, handle), (None, handle));
        self.index.remove(hash, handle, &Names { elements: &self.elements, hasher: self.hasher });
        self.elements.remove(handle);
        self.len -= 1;
        self.compact();
    }

    /// Removes the first fields whose time has come, at most so many. Returns how many.
    pub(super) fn expire(&mut self, now_ms: i64, count_max: usize) -> usize {
        let mut count = 0;
        while count < count_max
            && let Some(stamp) = self.times.first()
            && has_come(Some(stamp.at), now_ms)
        {
            let hash = self.hasher.key(self.elements.get(stamp.id).name).hash;
            self.take_out(stamp.id, hash);
            count += 1;
        }
        count
    }

    /// All fields, even those whose time has come.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.elements.handles().map(|handle| self.elements.get(handle))
    }

    /// A field whose time has not come, each equally likely; `None` if there seems to be none.
    pub(super) fn random(&self, rng: &mut Rng, now_ms: i64) -> Option<Field<'_>> {
        if self.len == 0 {
            return None;
        }
        let group_len = GROUP_LEN_MAX.min(self.len as u64);
        let mut tries = 0;
        while tries < RANDOM_TRIES {
            let (buckets, _) = self.index.scan_step(rng.next_u64());
            let pick = usize::try_from(rng.below(group_len)).unwrap_or(0);
            let mut group = buckets.into_iter().flatten().flat_map(|bucket| self.index.chain(bucket));
            let Some(handle) = group.nth(pick) else { continue };
            let field = self.elements.get(handle);
            if !has_come(field.expire_at, now_ms) {
                return Some(field);
            }
            tries += 1;
        }
        None
    }

    /// One step of a walk over all fields, even those whose time has come: see [`MemberIndex::scan`].
    pub(super) fn scan<'s>(&'s self, cursor: u64, count: usize, mut each: impl FnMut(Field<'s>)) -> u64 {
        self.index.scan(cursor, count, |handle| each(self.elements.get(handle)))
    }

    /// About how many allocations it is made of.
    pub(super) fn allocations(&self) -> usize {
        // A leaf of times has some 64 to 128 fields.
        self.elements.allocations() + self.index.allocations() + self.times.len().div_ceil(64)
    }

    /// Frees about `budget` allocations of a hash that nobody uses any more. Returns what is left of the budget: more than
    /// 0 only when nothing is left to be freed. Nothing else may be asked of it once this has begun.
    pub(super) fn dismantle(&mut self, budget: usize) -> usize {
        members::dismantle(budget, || {
            let freed = self.elements.dismantle_page() + self.index.dismantle_buckets();
            freed + usize::from(self.times.dismantle_leaf())
        })
    }

    /// Moves a field together with others, if removals have left much room between them.
    ///
    /// One move for each removal is enough: where half the slots are used, a removal leaves two to be given back,
    /// and to empty a page takes half as many moves as it has slots.
    fn compact(&mut self) {
        let Some((old, new)) = self.elements.relocate() else { return };
        let field = self.elements.get(new);
        let (hash, at) = (self.hasher.key(field.name).hash, field.expire_at);
        self.index.replace(hash, old, new);
        self.restamp((at, old), (at, new));
        self.elements.remove(old);
    }

    /// Moves a field in the order of time.
    fn restamp(&mut self, old: (Option<i64>, Handle), new: (Option<i64>, Handle)) {
        if old == new {
            return;
        }
        if let (Some(at), id) = old {
            self.times.remove(Stamp { at, id });
        }
        if let (Some(at), id) = new {
            self.times.insert(Stamp { at, id });
        }
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        self.elements.check(self.len);
        self.index.check(self.len, &Names { elements: &self.elements, hasher: self.hasher });
        assert_eq!(self.elements.handles().count(), self.len);
        let timed =
            self.elements.handles().filter_map(|id| Some(Stamp { at: self.elements.get(id).expire_at?, id }));
        let mut timed: alloc::vec::Vec<_> = timed.collect();
        timed.sort();
        assert!(self.times.iter().eq(timed));
    }
}

impl Clone for FieldTable {
    /// A copy without the room that removals have left in the original.
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.hasher);
        for field in self.fields() {
            copy.put(field);
        }
        copy
    }
}

/// What the index hashes.
struct Names<'a> {
    elements: &'a Elements,
    hasher: KeyHasher,
}

impl Keys for Names<'_> {
    #[inline]
    fn hash(&self, handle: Handle) -> u64 {
        self.hasher.key(self.elements.get(handle).name).hash
    }

    #[inline]
    fn prefetch(&self, handle: Handle) {
        self.elements.prefetch(handle);
    }
}
