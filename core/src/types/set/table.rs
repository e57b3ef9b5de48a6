//! The large encoding of sets.
//!
//! Invariant: the index holds exactly the handles of the members that are there.

use crate::keyspace::{Key, KeyHasher};
use crate::rng::Rng;
use crate::types::members::{self, Handle, Keys, MemberIndex, Members, Slots};

/// What became of a member to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// It was there.
    Present,
    /// It is new, but the set can hold no more (2^31 members): nothing was done.
    Full,
}

/// A set of any size.
#[derive(Clone, Debug)]
pub struct Table {
    slots: Slots<0>,
    index: MemberIndex,
    hasher: KeyHasher,
}

/// What the index hashes.
struct Hashed<'a> {
    slots: &'a Slots<0>,
    hasher: KeyHasher,
}

impl Keys for Hashed<'_> {
    #[inline]
    fn hash(&self, handle: Handle) -> u64 {
        self.hasher.key(self.slots.get(handle).1).hash
    }

    #[inline]
    fn prefetch(&self, handle: Handle) {
        self.slots.prefetch(handle);
    }
}

impl Table {
    /// The empty set, whose members are hashed by `hasher`.
    pub const fn new(hasher: KeyHasher) -> Self {
        Self { slots: Slots::new(), index: MemberIndex::new(), hasher }
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// There is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Bytes of memory it holds on the heap.
    pub fn memory(&self) -> usize {
        self.slots.bytes() + self.index.bytes()
    }

    #[inline]
    fn find(&self, key: Key<'_>) -> Option<Handle> {
        self.index.find(key.hash, |handle| self.slots.get(handle).1 == key.bytes)
    }

    /// Asks the processor to fetch where the index has a member. Returns what [`Self::prefetch_member`] goes on with.
    pub(super) fn prefetch(&self, member: &[u8]) -> u64 {
        let hash = self.hasher.key(member).hash;
        self.index.prefetch(hash);
        hash
    }

    /// Asks the processor to fetch the member of a hash.
    pub(super) fn prefetch_member(&self, hash: u64) {
        self.index.probe(hash, |handle| self.slots.prefetch(handle));
    }

    /// Whether these bytes are a member.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        self.find(self.hasher.key(member)).is_some()
    }

    /// Adds a member.
    pub fn insert(&mut self, member: &[u8]) -> Added {
        let key = self.hasher.key(member);
        if self.find(key).is_some() {
            return Added::Present;
        }
        let Some(handle) = self.slots.insert([], member) else { return Added::Full };
        self.index.insert(key.hash, handle, &Hashed { slots: &self.slots, hasher: self.hasher });
        Added::New
    }

    /// Removes a member. Returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let key = self.hasher.key(member);
        let found = self.find(key);
        if let Some(handle) = found {
            self.take(key.hash, handle);
        }
        found.is_some()
    }

    /// Removes a member, each as likely as any other, and hands it over. Returns whether there was one.
    pub fn pop_random(&mut self, rng: &mut Rng, each: impl FnOnce(&[u8])) -> bool {
        let Some(handle) = self.index.random(rng) else { return false };
        let member = self.slots.get(handle).1;
        each(member);
        let hash = self.hasher.key(member).hash;
        self.take(hash, handle);
        true
    }

    fn take(&mut self, hash: u64, handle: Handle) {
        self.index.remove(hash, handle, &Hashed { slots: &self.slots, hasher: self.hasher });
        self.slots.remove(handle);
        // One move for each removal keeps half of the slots in use: see `Slots::relocate`.
        if let Some((old, new)) = self.slots.relocate() {
            let hash = self.hasher.key(self.slots.get(new).1).hash;
            self.index.replace(hash, old, new);
            self.slots.remove(old);
        }
    }

    /// A member, each as likely as any other.
    pub fn random(&self, rng: &mut Rng) -> Option<&[u8]> {
        self.random_handle(rng).map(|handle| self.member(handle))
    }

    /// Same, to tell two that are drawn apart.
    pub(super) fn random_handle(&self, rng: &mut Rng) -> Option<Handle> {
        self.index.random(rng)
    }

    /// The member of a handle.
    pub(super) fn member(&self, handle: Handle) -> &[u8] {
        self.slots.get(handle).1
    }

    /// The members, in no order.
    pub(super) fn iter(&self) -> Members<'_, 0> {
        self.slots.members()
    }

    /// One step of a walk over all members: hands about `count` of them to `each`, and returns the cursor to go on from, 0
    /// when the walk is over.
    ///
    /// A member that is there during the whole walk is seen at least once, however the set changes in between.
    pub fn scan<'s>(&'s self, cursor: u64, count: usize, mut each: impl FnMut(&'s [u8])) -> u64 {
        self.index.scan(cursor, count, |handle| each(self.member(handle)))
    }

    /// About how many allocations it is made of.
    pub fn allocations(&self) -> usize {
        self.slots.allocations() + self.index.allocations()
    }

    /// Frees about `budget` allocations of a set that nobody uses any more. Returns what is left of the budget: more than
    /// 0 only when nothing is left to be freed. Nothing else may be asked of it once this has begun.
    pub fn dismantle(&mut self, budget: usize) -> usize {
        members::dismantle(budget, || self.slots.dismantle_page() + self.index.dismantle_buckets())
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub fn check(&self) {
        self.slots.check(self.len());
        self.index.check(self.len(), &Hashed { slots: &self.slots, hasher: self.hasher });
    }
}
