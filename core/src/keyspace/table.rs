//! The hash table: buckets of one cache line, grown and shrunk one bucket at a time.
//!
//! ```text
//! bucket (64 bytes)  ┌ tag × 7 ┬ meta ┬ entry × 7 ┐   meta = 1: the last slot points to another bucket
//! ```
//! All seven tags (a byte of each entry's hash, 0 for an empty slot) are compared at once. **Linear hashing**
//! (Litwin, 1980): with `2^level + split` buckets, bucket `split` is the next to be split in two, or its pair
//! the next to be merged. So there is no second table and no pause: an insertion or a removal takes at most
//! one such step, which touches the entries of one or two chains. A chain has about six entries; a hash keyed by
//! a secret keeps all of them short (20 entries in one chain happen once in a million buckets).
//! Buckets lie in chunks of 16 KiB reached through a directory (`chunks.rs`). The longest single step is the directory's
//! own growth: a copy of eight bytes for each chunk when it doubles, 0.4 ms at a billion keys.
//!
//! At six entries a bucket a key costs 13.4 bytes here, overflow buckets included.
#![expect(unsafe_code, reason = "overflow buckets and entries hang off raw pointers in a bucket's slots")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ptr::{self, NonNull};

use super::chunks::Chunks;
use super::entry::{Entry, EntryPtr};
use super::hash::{Key, KeyHasher};
use crate::types::Object;

/// Entries a bucket on average before the table grows.
const GROW_LOAD: usize = 6;
/// Entries a bucket on average below which it shrinks.
const SHRINK_LOAD: usize = 2;
const SLOTS: usize = 7;
const LOW_BITS: u64 = 0x0001_0101_0101_0101;
const HIGH_BITS: u64 = 0x0080_8080_8080_8080;

#[repr(C, align(64))]
pub(super) struct Bucket {
    /// Seven tags and, last, `meta`.
    tags: [u8; 8],
    slots: [*mut u8; SLOTS],
}

static_assertions::assert_eq_size!(Bucket, [u8; 64]);

const EMPTY: Bucket = Bucket { tags: [0; 8], slots: [ptr::null_mut(); SLOTS] };

/// The hash table; owns the chains, lends out the entries.
#[derive(Debug)]
pub(super) struct Table {
    chunks: Chunks,
    /// `2^level - 1`.
    mask: usize,
    /// The next bucket to be split.
    split: usize,
    len: usize,
    overflow: usize,
    hasher: KeyHasher,
}

// SAFETY: buckets and what hangs off them belong to the table alone.
unsafe impl Send for Table {}

impl core::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bucket").field("tags", &self.tags).finish_non_exhaustive()
    }
}

/// A byte of the hash that the bucket's number does not use; never 0.
#[inline]
fn tag_of(hash: u64) -> u8 {
    hash.to_le_bytes()[7].max(1)
}

impl Bucket {
    #[inline]
    fn is_chained(&self) -> bool {
        self.tags[7] != 0
    }

    /// Entries it can hold itself.
    #[inline]
    fn room(&self) -> usize {
        SLOTS - usize::from(self.is_chained())
    }

    #[inline]
    fn next(&self) -> Option<&Bucket> {
        if !self.is_chained() {
            return None;
        }
        // SAFETY: a chained bucket's last slot points to a live bucket that it owns.
        Some(unsafe { &*self.slots[6].cast::<Bucket>() })
    }

    #[inline]
    fn next_mut(&mut self) -> Option<&mut Bucket> {
        if !self.is_chained() {
            return None;
        }
        // SAFETY: a chained bucket's last slot points to a live bucket that it owns.
        Some(unsafe { &mut *self.slots[6].cast::<Bucket>() })
    }

    /// The entry in a slot whose tag is not 0.
    #[inline]
    fn entry(&self, slot: usize) -> Option<EntryPtr> {
        debug_assert!(self.tags[slot] != 0);
        let pointer = NonNull::new(self.slots[slot])?;
        // SAFETY: EntryPtr is a transparent pair of brackets around the pointer that `put` stored.
        Some(unsafe { core::mem::transmute::<NonNull<u8>, EntryPtr>(pointer) })
    }

    #[inline]
    fn put(&mut self, slot: usize, tag: u8, entry: EntryPtr) {
        self.tags[slot] = tag;
        // SAFETY: EntryPtr is a transparent pair of brackets around a pointer.
        self.slots[slot] = unsafe { core::mem::transmute::<EntryPtr, *mut u8>(entry) };
    }

    /// Slots whose tag is `tag`: the top bit of byte `i` for slot `i`. May name others too, seldom.
    #[inline]
    fn candidates(&self, tag: u8) -> u64 {
        let differing = (u64::from_le_bytes(self.tags) ^ (u64::from(tag) * LOW_BITS)) & (u64::MAX >> 8);
        differing.wrapping_sub(LOW_BITS) & !differing & HIGH_BITS
    }

    /// The first entry that has the tag of a hash.
    #[inline]
    fn candidate(&self, hash: u64) -> Option<EntryPtr> {
        let hits = self.candidates(tag_of(hash));
        let slot = (hits.trailing_zeros() / 8) as usize;
        if hits != 0 && slot < self.room() { self.entry_at(slot) } else { None }
    }

    /// An empty slot.
    #[inline]
    fn free_slot(&self) -> Option<usize> {
        self.tags[..self.room()].iter().position(|&tag| tag == 0)
    }

    fn entries(&self) -> impl Iterator<Item = EntryPtr> + '_ {
        (0..self.room()).filter(|&slot| self.tags[slot] != 0).filter_map(|slot| self.entry(slot))
    }
}

static_assertions::assert_eq_size!(EntryPtr, *mut u8);

impl Table {
    pub(super) fn new(hasher: KeyHasher) -> Self {
        Self { chunks: Chunks::default(), mask: 0, split: 0, len: 0, overflow: 0, hasher }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Buckets without the overflow ones.
    pub(super) fn buckets(&self) -> usize {
        if self.chunks.room() == 0 { 0 } else { self.mask + 1 + self.split }
    }

    /// Memory of buckets and directory.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.bytes() + self.overflow * size_of::<Bucket>()
    }

    /// Memory that the counting allocator leaves to the keyspace.
    pub(super) fn block_bytes(&self) -> usize {
        self.chunks.block_bytes()
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
        let hash = hash as usize;
        let index = hash & self.mask;
        if index < self.split { hash & (self.mask << 1 | 1) } else { index }
    }

    #[inline]
    fn bucket(&self, index: usize) -> Option<&Bucket> {
        self.chunks.get(index)
    }

    #[inline]
    fn bucket_mut(&mut self, index: usize) -> &mut Bucket {
        self.chunks.get_mut(index)
    }

    /// The entry of a key.
    #[inline]
    pub(super) fn find(&self, key: Key<'_>) -> Option<EntryPtr> {
        let tag = tag_of(key.hash);
        let mut bucket = self.bucket(self.index(key.hash))?;
        loop {
            let mut hits = bucket.candidates(tag);
            while hits != 0 {
                let slot = (hits.trailing_zeros() / 8) as usize;
                if slot < bucket.room()
                    && let Some(entry) = bucket.entry_at(slot)
                    && entry.has_key(key.bytes)
                {
                    return Some(entry);
                }
                hits &= hits - 1;
            }
            bucket = bucket.next()?;
        }
    }

    /// Asks the processor to fetch the bucket of a hash.
    pub(super) fn prefetch_bucket(&self, hash: u64) {
        if let Some(bucket) = self.bucket(self.index(hash)) {
            crate::prefetch::prefetch(ptr::from_ref(bucket).cast());
        }
    }

    /// Asks the processor to fetch what a look-up reads after the bucket, which is there by now: the entry that
    /// probably is the key's or, when only the overflow bucket can have it, that.
    pub(super) fn prefetch_second(&self, hash: u64) {
        let Some(bucket) = self.bucket(self.index(hash)) else { return };
        match (bucket.candidate(hash), bucket.next()) {
            (Some(entry), _) => entry.prefetch(),
            (None, Some(next)) => crate::prefetch::prefetch(ptr::from_ref(next).cast()),
            (None, None) => {}
        }
    }

    /// Asks the processor to fetch the rest of the entry or, behind an overflow bucket, its beginning. Returns whether
    /// there is an object.
    pub(super) fn prefetch_third(&self, hash: u64) -> bool {
        let Some(bucket) = self.bucket(self.index(hash)) else { return false };
        if let Some(entry) = bucket.candidate(hash) {
            return entry.prefetch_value();
        }
        if let Some(entry) = bucket.next().and_then(|next| next.candidate(hash)) {
            entry.prefetch();
        }
        false
    }

    /// The object of the entry that probably is the key's, which is there by now.
    #[inline]
    pub(super) fn probable_object(&self, hash: u64) -> Option<&Object> {
        let entry = self.bucket(self.index(hash))?.candidate(hash)?;
        // SAFETY: the entry hangs off this table, which is borrowed.
        let view: Entry<'_> = unsafe { entry.view() };
        view.object()
    }

    /// Adds an entry whose key is not in the table.
    pub(super) fn insert(&mut self, hash: u64, entry: EntryPtr) {
        if self.chunks.room() == 0 {
            self.chunks.grow();
        }
        self.len += 1;
        if self.len > GROW_LOAD * self.buckets() {
            self.split_one();
        }
        let index = self.index(hash);
        self.overflow += push(self.bucket_mut(index), tag_of(hash), entry);
    }

    /// Puts another entry in the place of `old`, for the same key.
    pub(super) fn replace(&mut self, hash: u64, old: EntryPtr, new: EntryPtr) {
        let index = self.index(hash);
        let mut bucket = Some(self.bucket_mut(index));
        while let Some(here) = bucket {
            if let Some(slot) = (0..here.room()).find(|&slot| here.entry_at(slot) == Some(old)) {
                here.put(slot, tag_of(hash), new);
                return;
            }
            bucket = here.next_mut();
        }
        unreachable!("an entry is in its bucket");
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, hash: u64, entry: EntryPtr) {
        let index = self.index(hash);
        self.overflow -= take(self.bucket_mut(index), entry);
        self.len -= 1;
        if self.len < SHRINK_LOAD * self.buckets() {
            self.merge_one();
        }
    }

    /// Splits bucket `split` in two.
    #[cold]
    fn split_one(&mut self) {
        let (low, bit) = (self.split, self.mask + 1);
        let high = low + bit;
        if high == self.chunks.room() {
            self.chunks.grow();
        }
        let chain = self.take_chain(low);
        for entry in chain {
            let hash = self.hash_of(entry);
            #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
            let target = if hash as usize & bit == 0 { low } else { high };
            self.overflow += push(self.bucket_mut(target), tag_of(hash), entry);
        }
        self.split += 1;
        if self.split > self.mask {
            self.mask = self.mask << 1 | 1;
            self.split = 0;
        }
    }

    /// Undoes the last split.
    #[cold]
    fn merge_one(&mut self) {
        if self.split == 0 {
            if self.mask == 0 {
                return;
            }
            self.mask >>= 1;
            self.split = self.mask + 1;
        }
        self.split -= 1;
        let (low, high) = (self.split, self.split + self.mask + 1);
        for entry in self.take_chain(high) {
            let tag = tag_of(self.hash_of(entry));
            self.overflow += push(self.bucket_mut(low), tag, entry);
        }
        self.chunks.shrink_to(high);
    }

    fn hash_of(&self, entry: EntryPtr) -> u64 {
        // SAFETY: the entry hangs off this table, which is borrowed.
        let entry: Entry<'_> = unsafe { entry.view() };
        self.hasher.key(entry.key()).hash
    }

    /// Empties a bucket and its overflow buckets.
    fn take_chain(&mut self, index: usize) -> Vec<EntryPtr> {
        let bucket = self.bucket_mut(index);
        let mut all: Vec<EntryPtr> = bucket.entries().collect();
        let mut next = unlink_next(bucket);
        *bucket = EMPTY;
        while let Some(mut boxed) = next {
            self.overflow -= 1;
            all.extend(boxed.entries());
            next = unlink_next(&mut boxed);
        }
        all
    }

    /// The entries of a bucket's chain.
    pub(super) fn chain(&self, index: usize) -> impl Iterator<Item = EntryPtr> + '_ {
        let first = self.bucket(index).filter(|_| index < self.buckets());
        core::iter::successors(first, |bucket| bucket.next()).flat_map(Bucket::entries)
    }

    /// Empties the last bucket and gives its entries to be freed; `None` when no bucket is left. For tables
    /// that are being torn down: nothing else may be done with them any more.
    pub(super) fn dismantle_bucket(&mut self) -> Option<Vec<EntryPtr>> {
        let last = self.buckets().checked_sub(1)?;
        let chain = self.take_chain(last);
        self.len -= chain.len();
        if self.split == 0 && self.mask > 0 {
            self.mask >>= 1;
            self.split = self.mask + 1;
        }
        match self.split.checked_sub(1) {
            Some(split) => self.split = split,
            None => debug_assert!(last == 0, "the last bucket of all"),
        }
        self.chunks.shrink_to(last);
        Some(chain)
    }

    /// The buckets that a step of SCAN at this cursor visits, and the cursor after it (0: all visited).
    ///
    /// Cursors count through the buckets of the smaller power of two in reversed-bit order, so that growth and
    /// shrinking in between split or join only what was visited or will be. A bucket that is split already is
    /// visited together with its other half.
    pub(super) fn scan_step(&self, cursor: u64) -> ([Option<usize>; 2], u64) {
        let mask = self.mask as u64;
        let index = usize::try_from(cursor & mask).unwrap_or(0);
        let other = (index < self.split).then_some(index + self.mask + 1);
        let next = (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits();
        ([Some(index), other], next)
    }

    /// Counts chains by their length, for DEBUG HTSTATS.
    pub(super) fn chain_lens(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.buckets()).map(|index| self.chain(index).count())
    }
}

impl Bucket {
    /// The entry in a slot, if any.
    #[inline]
    fn entry_at(&self, slot: usize) -> Option<EntryPtr> {
        if self.tags[slot] == 0 { None } else { self.entry(slot) }
    }
}

/// Adds an entry to a chain. Returns how many overflow buckets that took.
fn push(first: &mut Bucket, tag: u8, entry: EntryPtr) -> usize {
    let mut bucket = first;
    loop {
        if let Some(slot) = bucket.free_slot() {
            bucket.put(slot, tag, entry);
            return 0;
        }
        if !bucket.is_chained() {
            break;
        }
        let Some(next) = bucket.next_mut() else { return 0 };
        bucket = next;
    }
    let mut fresh = Box::new(EMPTY);
    if let Some(moved) = bucket.entry_at(6) {
        fresh.put(0, bucket.tags[6], moved);
    }
    fresh.put(1, tag, entry);
    bucket.tags[6] = 0;
    bucket.tags[7] = 1;
    bucket.slots[6] = Box::into_raw(fresh).cast();
    1
}

/// Takes an entry out of a chain and fills its place with the chain's last one. Returns how many overflow
/// buckets that freed.
fn take(first: &mut Bucket, entry: EntryPtr) -> usize {
    let (tag, filler, freed) = pop_last(first);
    if filler == entry {
        return freed;
    }
    let mut bucket = Some(first);
    while let Some(here) = bucket {
        if let Some(slot) = (0..here.room()).find(|&slot| here.entry_at(slot) == Some(entry)) {
            here.put(slot, tag, filler);
            return freed;
        }
        bucket = here.next_mut();
    }
    unreachable!("an entry is in its bucket");
}

/// Takes the last entry of a chain out; an overflow bucket that becomes empty goes.
fn pop_last(first: &mut Bucket) -> (u8, EntryPtr, usize) {
    let links = core::iter::successors(Some(&*first), |bucket| bucket.next()).count() - 1;
    let last = follow(first, links);
    let (tag, entry) = pop_own(last);
    if links == 0 || last.tags != EMPTY.tags {
        return (tag, entry, 0);
    }
    drop(unlink_next(follow(first, links - 1)));
    (tag, entry, 1)
}

/// The bucket so many links down a chain.
fn follow(first: &mut Bucket, links: usize) -> &mut Bucket {
    let mut bucket = first;
    for _ in 0..links {
        let Some(next) = bucket.next_mut() else { unreachable!("the links were counted") };
        bucket = next;
    }
    bucket
}

fn pop_own(bucket: &mut Bucket) -> (u8, EntryPtr) {
    let slot = bucket.tags[..SLOTS].iter().rposition(|&tag| tag != 0);
    let Some((slot, entry)) = slot.and_then(|slot| Some((slot, bucket.entry(slot)?))) else {
        unreachable!("a chain that is searched is not empty");
    };
    let tag = bucket.tags[slot];
    bucket.tags[slot] = 0;
    (tag, entry)
}

/// Cuts a bucket's overflow bucket off.
fn unlink_next(bucket: &mut Bucket) -> Option<Box<Bucket>> {
    if !bucket.is_chained() {
        return None;
    }
    bucket.tags[7] = 0;
    // SAFETY: a chained bucket's last slot came from Box::into_raw, and the mark is gone.
    Some(unsafe { Box::from_raw(bucket.slots[6].cast::<Bucket>()) })
}

impl Drop for Table {
    /// Frees the overflow buckets; the entries are freed by the shard, before.
    fn drop(&mut self) {
        for index in 0..self.buckets() {
            self.take_chain(index);
        }
    }
}
