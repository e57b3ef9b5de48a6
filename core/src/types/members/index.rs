//! The member index: from a member's hash to its handle, in buckets of one cache line.
//!
//! ```text
//! bucket (64 bytes)  ┌ next ┬ tag × 11 ┬ 0 ┬ handle × 11 ┐   next: the chain's next bucket, if any
//! ```
//! All tags (a byte of each hash, 0 for an empty slot) are compared at once. Linear hashing as in the keyspace's table
//! (Litwin, 1980): of `n` buckets the next one to be split is `n - 2^floor(log2 n)`, so an insertion or a removal
//! moves the handles of one or two chains and nothing is ever rehashed as a whole. The index knows handles
//! only: who calls it says how to hash one and which one is meant. At nine handles a bucket on average one costs
//! 8.5 to 9.1 bytes, by where between two powers of two the set is.
//!
//! Invariant: a chain's handles fill its buckets from the front; only the last bucket has empty slots.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::chunks::Chunks;
use super::handle::Handle;
use crate::rng::Rng;

/// Buckets of a chunk.
const CHUNK_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 4 } else { 256 };
/// Handles a bucket on average before the index grows.
const GROW_LOAD: usize = 9;
/// Handles a bucket on average below which it shrinks.
const SHRINK_LOAD: usize = 6;
const SLOTS: usize = 11;
/// Buckets that are freed at once.
const BUCKETS_AT_ONCE: usize = 12;
/// Handles of a chain that a random choice takes into account: three buckets.
const CHAIN_MAX: u64 = 3 * SLOTS as u64;
const LOW_BITS: u128 = 0x0101_0101_0101_0101_0101_0101;
const HIGH_BITS: u128 = LOW_BITS << 7;

#[derive(Debug)]
#[repr(C, align(64))]
struct Bucket {
    next: Option<Box<Bucket>>,
    /// The last one is always 0.
    tags: [u8; SLOTS + 1],
    handles: [Handle; SLOTS],
}

#[cfg(target_pointer_width = "64")]
static_assertions::assert_eq_size!(Bucket, [u8; 64]);

/// What the handles stand for.
pub(in crate::types) trait Keys {
    /// The hash that a handle was added with.
    fn hash(&self, handle: Handle) -> u64;
    /// Asks the processor to fetch what will be hashed.
    fn prefetch(&self, handle: Handle);
}

/// The index.
#[derive(Clone, Debug)]
pub(in crate::types) struct MemberIndex {
    buckets: Chunks<Bucket, CHUNK_LEN>,
    len: usize,
    overflow: usize,
}

/// A byte of the hash that the bucket's number does not use; never 0.
#[inline]
fn tag_of(hash: u64) -> u8 {
    hash.to_le_bytes()[7].max(1)
}

impl Bucket {
    const fn empty() -> Self {
        Self { next: None, tags: [0; SLOTS + 1], handles: [Handle::NONE; SLOTS] }
    }

    /// Slots whose tag is `tag`: the top bit of byte `i` for slot `i`. May name others too, seldom.
    #[inline]
    fn candidates(&self, tag: u8) -> u128 {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.tags;
        let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let tags = u128::from(low) | u128::from(u32::from_le_bytes([i, j, k, l])) << 64;
        let differing = tags ^ (u128::from(tag) * LOW_BITS);
        differing.wrapping_sub(LOW_BITS) & !differing & HIGH_BITS
    }

    /// How many slots are taken.
    #[inline]
    fn len(&self) -> usize {
        self.tags.iter().position(|&tag| tag == 0).unwrap_or(SLOTS)
    }

    fn slot_of(&self, handle: Handle) -> Option<usize> {
        self.handles[..self.len()].iter().position(|&other| other == handle)
    }

    /// Takes the last handle out.
    fn pop(&mut self) -> Option<(u8, Handle)> {
        let slot = self.len().checked_sub(1)?;
        Some((core::mem::take(&mut self.tags[slot]), self.handles[slot]))
    }
}

impl Clone for Bucket {
    /// A copy of the whole chain, from its end on, so that no chain is too long for the stack.
    fn clone(&self) -> Self {
        let chain: Vec<&Self> = core::iter::successors(Some(self), |bucket| bucket.next.as_deref()).collect();
        let copy = |bucket: &Self, next| Self { next, tags: bucket.tags, handles: bucket.handles };
        let later = chain.iter().skip(1).rev().fold(None, |next, bucket| Some(Box::new(copy(bucket, next))));
        copy(self, later)
    }
}

/// Handles of a chain.
fn handles(first: Option<&Bucket>) -> impl Iterator<Item = Handle> + '_ {
    core::iter::successors(first, |bucket| bucket.next.as_deref())
        .flat_map(|bucket| bucket.handles[..bucket.len()].iter().copied())
}

impl MemberIndex {
    pub(in crate::types) const fn new() -> Self {
        Self { buckets: Chunks::new(), len: 0, overflow: 0 }
    }

    /// Memory of buckets and directory.
    pub(in crate::types) fn bytes(&self) -> usize {
        self.buckets.bytes() + self.overflow * size_of::<Bucket>()
    }

    /// How many handles there are.
    #[inline]
    pub(in crate::types) fn len(&self) -> usize {
        self.len
    }

    /// The bucket of a hash, among `count` of them.
    #[inline]
    fn position(&self, hash: u64) -> usize {
        let count = self.buckets.len();
        let mask = count.next_power_of_two() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
        let position = hash as usize & mask;
        if position < count { position } else { position & (mask >> 1) }
    }

    /// Asks the processor to fetch the bucket of a hash.
    #[inline]
    pub(in crate::types) fn prefetch(&self, hash: u64) {
        if let Some(bucket) = self.buckets.get(self.position(hash)) {
            crate::prefetch::prefetch_slice(core::slice::from_ref(bucket));
        }
    }

    /// Hands over the handles that its bucket, which is there by now, may have for a hash; or asks for the next bucket.
    #[inline]
    pub(in crate::types) fn probe(&self, hash: u64, mut fetch: impl FnMut(Handle)) {
        let Some(bucket) = self.buckets.get(self.position(hash)) else { return };
        let mut hits = bucket.candidates(tag_of(hash));
        if let (0, Some(next)) = (hits, bucket.next.as_deref()) {
            crate::prefetch::prefetch_slice(core::slice::from_ref(next));
        }
        while hits != 0 {
            if let Some(&handle) = bucket.handles.get((hits.trailing_zeros() / 8) as usize) {
                fetch(handle);
            }
            hits &= hits - 1;
        }
    }

    /// The handle of a hash that `is_it`.
    #[inline]
    pub(in crate::types) fn find(&self, hash: u64, mut is_it: impl FnMut(Handle) -> bool) -> Option<Handle> {
        let tag = tag_of(hash);
        let mut bucket = self.buckets.get(self.position(hash))?;
        loop {
            let mut hits = bucket.candidates(tag);
            while hits != 0 {
                let slot = (hits.trailing_zeros() / 8) as usize;
                if bucket.tags[slot] == tag
                    && let Some(&handle) = bucket.handles.get(slot)
                    && is_it(handle)
                {
                    return Some(handle);
                }
                hits &= hits - 1;
            }
            bucket = bucket.next.as_deref()?;
        }
    }

    /// Adds a handle that is not there.
    pub(in crate::types) fn insert(&mut self, hash: u64, handle: Handle, keys: &impl Keys) {
        self.len += 1;
        if self.len > GROW_LOAD * self.buckets.len() {
            self.split_one(keys);
        }
        self.push(self.position(hash), tag_of(hash), handle);
    }

    /// Takes a handle out that is there.
    pub(in crate::types) fn remove(&mut self, hash: u64, handle: Handle, keys: &impl Keys) {
        self.take(self.position(hash), handle);
        self.len -= 1;
        if self.len < SHRINK_LOAD * (self.buckets.len() - 1) {
            self.merge_one(keys);
        }
    }

    /// Puts another handle in the place of one that is there, for the same hash.
    pub(in crate::types) fn replace(&mut self, hash: u64, old: Handle, new: Handle) {
        self.put_in_place(self.position(hash), old, tag_of(hash), new);
    }

    /// Adds a bucket: that half of another one's handles which the next bit of their hashes sends there.
    #[cold]
    fn split_one(&mut self, keys: &impl Keys) {
        let high = self.buckets.len();
        self.buckets.push(Bucket::empty());
        let Some(bit) = high.checked_ilog2() else { return };
        let low = high - (1 << bit);
        let chain = core::mem::replace(&mut self.buckets[low], Bucket::empty());
        self.push_chain(chain, keys);
        // The next splits, each some insertions after the other, are those of the buckets behind it.
        handles(self.buckets.get(low + 1)).for_each(|handle| keys.prefetch(handle));
        let overflow = self.buckets.get(low + 2).and_then(|bucket| bucket.next.as_deref());
        for bucket in overflow.into_iter().chain(self.buckets.get(low + 3)) {
            crate::prefetch::prefetch_slice(core::slice::from_ref(bucket));
        }
    }

    /// Undoes the last split.
    #[cold]
    fn merge_one(&mut self, keys: &impl Keys) {
        let Some(chain) = self.buckets.pop() else { return };
        self.push_chain(chain, keys);
    }

    /// Puts each handle of a chain where it belongs now.
    fn push_chain(&mut self, chain: Bucket, keys: &impl Keys) {
        // Hashing them one by one would wait for memory each time.
        handles(Some(&chain)).for_each(|handle| keys.prefetch(handle));
        let mut rest = Some(chain);
        while let Some(mut bucket) = rest {
            for slot in 0..bucket.len() {
                let hash = keys.hash(bucket.handles[slot]);
                self.push(self.position(hash), bucket.tags[slot], bucket.handles[slot]);
            }
            rest = bucket.next.take().map(|next| {
                self.overflow -= 1;
                *next
            });
        }
    }

    fn push(&mut self, index: usize, tag: u8, handle: Handle) {
        let mut bucket = &mut self.buckets[index];
        let mut slot = bucket.len();
        while slot == SLOTS {
            let overflow = &mut self.overflow;
            bucket = bucket.next.get_or_insert_with(|| {
                *overflow += 1;
                Box::new(Bucket::empty())
            });
            slot = bucket.len();
        }
        bucket.tags[slot] = tag;
        bucket.handles[slot] = handle;
    }

    /// Takes a handle out of a chain and fills its place with the chain's last one.
    fn take(&mut self, index: usize, handle: Handle) {
        let (tag, last) = self.pop(index);
        if last != handle {
            self.put_in_place(index, handle, tag, last);
        }
    }

    fn put_in_place(&mut self, index: usize, old: Handle, tag: u8, new: Handle) {
        let mut bucket = Some(&mut self.buckets[index]);
        while let Some(here) = bucket {
            if let Some(slot) = here.slot_of(old) {
                (here.tags[slot], here.handles[slot]) = (tag, new);
                return;
            }
            bucket = here.next.as_deref_mut();
        }
        unreachable!("a handle is in its bucket")
    }

    /// Takes a chain's last handle out; an overflow bucket that becomes empty goes.
    fn pop(&mut self, index: usize) -> (u8, Handle) {
        let mut bucket = &mut self.buckets[index];
        while bucket.next.as_ref().is_some_and(|next| next.next.is_some()) {
            let Some(next) = bucket.next.as_deref_mut() else { unreachable!("it has a next one") };
            bucket = next;
        }
        let popped = match &mut bucket.next {
            Some(last) => last.pop(),
            None => bucket.pop(),
        };
        if bucket.next.as_ref().is_some_and(|last| last.tags[0] == 0) {
            bucket.next = None;
            self.overflow -= 1;
        }
        let Some(popped) = popped else { unreachable!("a chain that is searched is not empty") };
        popped
    }

    /// Handles of a bucket's chain.
    pub(in crate::types) fn chain(&self, index: usize) -> impl Iterator<Item = Handle> + '_ {
        handles(self.buckets.get(index))
    }

    /// A handle, each as likely as any other; `None` when there is none.
    ///
    /// A bucket drawn is taken as often as its chain is long. Chains longer than [`CHAIN_MAX`] are so rare that what
    /// they lose is not to be noticed. Buckets have six handles on average at least, so a few draws are enough.
    pub(in crate::types) fn random(&self, rng: &mut Rng) -> Option<Handle> {
        let buckets = self.buckets.len() as u64;
        if self.len == 0 {
            return None;
        }
        loop {
            let index = usize::try_from(rng.below(buckets)).unwrap_or(0);
            let count = self.chain(index).count() as u64;
            let pick = rng.below(count.max(CHAIN_MAX));
            if pick < count {
                return self.chain(index).nth(usize::try_from(pick).unwrap_or(0));
            }
        }
    }

    /// The buckets that a step of a scan at this cursor visits, and the cursor after it (0: all visited).
    ///
    /// Cursors count through the buckets of the smaller power of two in reversed-bit order, so that growth and
    /// shrinking in between split or join only what was visited or will be. A bucket that is split already is
    /// visited together with its other half.
    pub(in crate::types) fn scan_step(&self, cursor: u64) -> ([Option<usize>; 2], u64) {
        let Some(bit) = self.buckets.len().checked_ilog2() else { return ([None; 2], 0) };
        let mask = (1u64 << bit) - 1;
        let index = usize::try_from(cursor & mask).unwrap_or(0);
        let other = Some(index + (1 << bit)).filter(|&other| other < self.buckets.len());
        let next = (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits();
        ([Some(index), other], next)
    }

    /// One step of a walk over all elements: hands about `count` handles to `each`, those of ten times as many buckets at
    /// the most, and returns the cursor to go on from, 0 when the walk is over.
    ///
    /// An element that is there during the whole walk is seen at least once, however the index changes in between.
    pub(in crate::types) fn scan(&self, mut cursor: u64, count: usize, mut each: impl FnMut(Handle)) -> u64 {
        let mut seen = 0;
        for _ in 0..count.saturating_mul(10).max(1) {
            let (visited, next) = self.scan_step(cursor);
            for handle in visited.into_iter().flatten().flat_map(|bucket| self.chain(bucket)) {
                each(handle);
                seen += 1;
            }
            cursor = next;
            if cursor == 0 || seen >= count {
                break;
            }
        }
        cursor
    }

    /// About how many allocations it is made of.
    pub(in crate::types) fn allocations(&self) -> usize {
        self.overflow + self.buckets.len().div_ceil(CHUNK_LEN)
    }

    /// Frees some of the last buckets of an index that is being torn down: about as many as a page of elements has handles
    /// in. Returns about how many allocations that were; 0 when nothing is left.
    pub(in crate::types) fn dismantle_buckets(&mut self) -> usize {
        let before = self.overflow;
        let count = BUCKETS_AT_ONCE.min(self.buckets.len());
        for _ in 0..count {
            let bucket = self.buckets.pop();
            let links = core::iter::successors(bucket.as_ref(), |bucket| bucket.next.as_deref());
            self.overflow -= links.count().saturating_sub(1);
        }
        before - self.overflow + usize::from(count > 0)
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(in crate::types) fn check(&self, len: usize, keys: &impl Keys) {
        let (mut seen, mut overflow) = (0, 0);
        for index in 0..self.buckets.len() {
            for handle in self.chain(index) {
                seen += 1;
                let hash = keys.hash(handle);
                assert_eq!(self.position(hash), index);
                assert_eq!(self.find(hash, |other| other == handle), Some(handle));
            }
            let mut bucket = &self.buckets[index];
            while let Some(next) = bucket.next.as_deref() {
                assert!(bucket.len() == SLOTS && next.len() > 0);
                overflow += 1;
                bucket = next;
            }
        }
        assert_eq!((seen, self.len, overflow), (len, len, self.overflow));
    }
}
