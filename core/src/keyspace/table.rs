//! The hash table: buckets of one cache line, grown and shrunk one bucket at a time.
//!
//! **Linear hashing** (Litwin, 1980): with `2^level + split` buckets, bucket `split` is the next to be split in two, or its
//! pair the next to be merged. So there is no second table and no pause: an insertion or a removal takes at most
//! one such step, which touches the entries of one or two chains. A chain has about seven entries, twice as many before it is
//! split; a hash keyed by a secret keeps all of them short (even before their split, one of a million has 36).
//! Buckets (`bucket.rs`) lie in chunks of 16 KiB reached through a directory (`chunks.rs`). The longest single step is the
//! directory's own growth: a copy of eight bytes for each chunk when it doubles, 0.4 ms at a billion keys.
//!
//! At seven entries a bucket a key costs 11 bytes here, overflow buckets included. At eight it is 10.5, at six 11.5: then SET at
//! pipeline 64 over three million keys takes 6 % less time than at eight, for fewer look-ups go through an overflow bucket.
#![expect(unsafe_code, reason = "lends out entries that hang off the table")]

use alloc::vec::Vec;
use core::{hint, ptr};

use super::bucket::{Bucket, tag_of};
use super::chunks::Chunks;
use super::entry::{Entry, EntryPtr};
use super::hash::{Key, KeyHasher};

/// Entries a bucket on average before the table grows.
const GROW_LOAD: usize = 7;
/// Entries a bucket on average below which it shrinks.
const SHRINK_LOAD: usize = 3;

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
    /// Empty; its memory serves one split or merge after the other.
    moving: Vec<(u8, EntryPtr)>,
}

// SAFETY: buckets and what hangs off them belong to the table alone.
unsafe impl Send for Table {}

impl Table {
    pub(super) fn new(hasher: KeyHasher) -> Self {
        Self { chunks: Chunks::default(), mask: 0, split: 0, len: 0, overflow: 0, hasher, moving: Vec::new() }
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
        // No branch could be foreseen: hashes are random.
        hint::select_unpredictable(index < self.split, hash & (self.mask << 1 | 1), index)
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
                if let Some(entry) = bucket.entry(hits.trailing_zeros() as usize)
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
        self.prefetch_bucket_at(self.index(hash));
    }

    /// Asks the processor to fetch a bucket.
    #[inline]
    pub(super) fn prefetch_bucket_at(&self, index: usize) {
        if let Some(bucket) = self.bucket(index) {
            crate::prefetch::prefetch(ptr::from_ref(bucket).cast());
        }
    }

    /// Asks the processor to fetch the entries of a bucket, which is there by now.
    pub(super) fn prefetch_entries(&self, index: usize) {
        self.chain(index).for_each(EntryPtr::prefetch_key);
    }

    /// Asks the processor to fetch what a look-up reads after the bucket, which is there by now: the entry that
    /// probably is the key's or, when only the overflow bucket can have it, that.
    pub(super) fn prefetch_second(&self, hash: u64) {
        let Some(bucket) = self.bucket(self.index(hash)) else { return };
        if let Some(entry) = bucket.candidate(hash) {
            entry.prefetch_head();
        } else if let Some(next) = bucket.next() {
            crate::prefetch::prefetch(ptr::from_ref(next).cast());
        }
    }

    /// Asks the processor to fetch the rest of the entry or, behind an overflow bucket, its beginning. Returns whether
    /// there is an object or a large string.
    #[inline]
    pub(super) fn prefetch_third(&self, hash: u64, with_value: bool) -> bool {
        let Some(bucket) = self.bucket(self.index(hash)) else { return false };
        if let Some(entry) = bucket.candidate(hash) {
            return entry.prefetch_rest(with_value);
        }
        if let Some(entry) = bucket.next().and_then(|next| next.candidate(hash)) {
            entry.prefetch();
        }
        false
    }

    /// The entry that probably is the key's, which is there by now.
    #[inline]
    pub(super) fn probable(&self, hash: u64) -> Option<Entry<'_>> {
        let entry = self.bucket(self.index(hash))?.candidate(hash)?;
        // SAFETY: the entry hangs off this table, which is borrowed.
        Some(unsafe { entry.view() })
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
        self.overflow += self.bucket_mut(index).push(tag_of(hash), entry);
    }

    /// Puts another entry in the place of `old`, for the same key.
    pub(super) fn replace(&mut self, hash: u64, old: EntryPtr, new: EntryPtr) {
        let index = self.index(hash);
        self.bucket_mut(index).replace(old, tag_of(hash), new);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, hash: u64, entry: EntryPtr) {
        let index = self.index(hash);
        self.overflow -= self.bucket_mut(index).take(entry);
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
        let mut moving = self.take_chain(low);
        for (tag, entry) in moving.drain(..) {
            #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
            let hash = self.hash_of(entry) as usize;
            let target = if hash & bit == 0 { low } else { high };
            self.overflow += self.bucket_mut(target).push(tag, entry);
        }
        self.moving = moving;
        self.split += 1;
        if self.split > self.mask {
            self.mask = self.mask << 1 | 1;
            self.split = 0;
        }
        self.prefetch_splits();
    }

    /// Asks the processor to fetch what the next splits will read, as each comes some insertions after the other: the entries of
    /// the next bucket, which lie scattered, the overflow bucket of the one after it, and the bucket after that.
    fn prefetch_splits(&self) {
        self.prefetch_entries(self.split);
        if let Some(overflow) = self.bucket(self.split + 1).and_then(Bucket::next) {
            crate::prefetch::prefetch(ptr::from_ref(overflow).cast());
        }
        self.prefetch_bucket_at(self.split + 2);
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
        let mut moving = self.take_chain(high);
        for (tag, entry) in moving.drain(..) {
            self.overflow += self.bucket_mut(low).push(tag, entry);
        }
        self.moving = moving;
        self.chunks.shrink_to(high);
    }

    fn hash_of(&self, entry: EntryPtr) -> u64 {
        // SAFETY: the entry hangs off this table, which is borrowed.
        let entry: Entry<'_> = unsafe { entry.view() };
        self.hasher.key(entry.key()).hash
    }

    /// A key with its hash.
    #[cfg(any(test, fuzzing))]
    pub(super) fn hashed<'k>(&self, key: &'k [u8]) -> Key<'k> {
        self.hasher.key(key)
    }

    /// Empties a bucket and its overflow buckets.
    fn take_chain(&mut self, index: usize) -> Vec<(u8, EntryPtr)> {
        let mut all = core::mem::take(&mut self.moving);
        self.overflow -= self.bucket_mut(index).take_all(&mut all);
        all
    }

    /// The entries of a bucket's chain.
    pub(super) fn chain(&self, index: usize) -> impl Iterator<Item = EntryPtr> + '_ {
        let first = self.bucket(index).filter(|_| index < self.buckets());
        core::iter::successors(first, |bucket| bucket.next()).flat_map(Bucket::entries)
    }

    /// Empties the last bucket and gives its entries to be freed; `None` when no bucket is left. For tables
    /// that are being torn down: nothing else may be done with them any more.
    pub(super) fn dismantle_bucket(&mut self) -> Option<impl Iterator<Item = EntryPtr> + use<>> {
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
        Some(chain.into_iter().map(|(_, entry)| entry))
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

impl Drop for Table {
    /// Frees the overflow buckets; the entries are freed by the shard, before.
    fn drop(&mut self) {
        for index in 0..self.buckets() {
            self.take_chain(index);
        }
    }
}
