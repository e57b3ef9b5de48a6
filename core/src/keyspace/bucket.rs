//! A bucket of the hash table: one cache line of tags and entries, and the overflow buckets that hang off it.
//!
//! ```text
//! bucket (64 bytes)  ┌ tag × 9 ┬ chained ┬ slot × 9 ┐   chained = 1: the last slot points to another bucket
//! ```
//! A tag is a byte of the entry's hash, 0 for an empty slot. A slot has the six bytes of an `address.rs`.
//!
//! Invariant: a chain's pointers came from [`Bucket::put`] and `Box::into_raw`, and each is in one slot only.
#![expect(unsafe_code, reason = "entries and overflow buckets hang off addresses in a bucket's slots")]

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::address;
use super::entry::EntryPtr;

const SLOTS: usize = 9;
/// The slot that another bucket may hang off.
const LAST: usize = SLOTS - 1;
/// Where it says that one does.
const CHAINED: usize = SLOTS;

#[repr(C, align(64))]
pub(super) struct Bucket([u8; 64]);

static_assertions::assert_eq_size!(Bucket, [u8; 64]);
static_assertions::const_assert!(CHAINED + 1 + SLOTS * address::LEN == 64);
static_assertions::const_assert!((align_of::<Bucket>() as u64).is_multiple_of(address::UNIT));

/// A bucket without entries.
pub(super) const EMPTY: Bucket = Bucket([0; 64]);

impl core::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bucket").field("tags", &&self.0[..SLOTS]).finish_non_exhaustive()
    }
}

/// A byte of the hash that the bucket's number does not use; never 0.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    hash.to_le_bytes()[7].max(1)
}

/// Which bytes are this one: bit `i` for byte `i`.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
#[inline]
fn equal_bytes(bytes: [u8; 8], byte: u8) -> u32 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_cvtsi64_si128, _mm_movemask_epi8, _mm_set1_epi8};

    #[target_feature(enable = "sse2")]
    fn compare(bytes: [u8; 8], byte: u8) -> i32 {
        let word = _mm_cvtsi64_si128(i64::from_le_bytes(bytes));
        _mm_movemask_epi8(_mm_cmpeq_epi8(word, _mm_set1_epi8(byte.cast_signed())))
    }
    // SAFETY: every processor of this target has SSE2, by the condition above.
    unsafe { compare(bytes, byte) }.cast_unsigned() & 0xff
}

/// Same; a byte behind one that is equal may be named too, seldom.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(miri))))]
#[inline]
fn equal_bytes(bytes: [u8; 8], byte: u8) -> u32 {
    const LOW_BITS: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH_BITS: u64 = LOW_BITS << 7;
    /// Multiplied by this, bit `8 * i` comes to bit `56 + i`.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let differing = u64::from_le_bytes(bytes) ^ (u64::from(byte) * LOW_BITS);
    let equal = differing.wrapping_sub(LOW_BITS) & !differing & HIGH_BITS;
    u32::from((equal >> 7).wrapping_mul(GATHER).to_le_bytes()[7])
}

impl Bucket {
    #[inline]
    fn is_chained(&self) -> bool {
        self.0[CHAINED] != 0
    }

    /// Entries it can hold itself.
    #[inline]
    fn room(&self) -> usize {
        SLOTS - usize::from(self.is_chained())
    }

    /// The eight bytes that end where a slot ends: two of others, and its own.
    #[inline]
    fn word(&self, slot: usize) -> u64 {
        let end = CHAINED + 1 + (slot + 1) * address::LEN;
        self.0[..end].last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// The address in a slot.
    #[inline]
    fn units(&self, slot: usize) -> u64 {
        self.word(slot) >> 16
    }

    #[inline]
    fn pointer(&self, slot: usize) -> *mut u8 {
        address::pointer_of(self.units(slot))
    }

    #[inline]
    fn set_units(&mut self, slot: usize, units: u64) {
        let word = units << 16 | self.word(slot) & 0xffff;
        let end = CHAINED + 1 + (slot + 1) * address::LEN;
        if let Some(bytes) = self.0[..end].last_chunk_mut() {
            *bytes = word.to_le_bytes();
        }
    }

    /// The overflow bucket.
    #[inline]
    pub(super) fn next(&self) -> Option<&Bucket> {
        if !self.is_chained() {
            return None;
        }
        // SAFETY: a chained bucket's last slot points to a live bucket that it owns.
        Some(unsafe { &*self.pointer(LAST).cast::<Bucket>() })
    }

    #[inline]
    fn next_mut(&mut self) -> Option<&mut Bucket> {
        if !self.is_chained() {
            return None;
        }
        // SAFETY: a chained bucket's last slot points to a live bucket that it owns.
        Some(unsafe { &mut *self.pointer(LAST).cast::<Bucket>() })
    }

    /// The entry in a slot, if any.
    #[inline]
    pub(super) fn entry(&self, slot: usize) -> Option<EntryPtr> {
        if self.0[slot] == 0 {
            return None;
        }
        // SAFETY: `put` stored the address of an entry here.
        unsafe { EntryPtr::from_units(self.units(slot)) }
    }

    #[inline]
    fn put(&mut self, slot: usize, tag: u8, entry: EntryPtr) {
        self.0[slot] = tag;
        self.set_units(slot, entry.units());
    }

    /// Slots whose tag is `tag`: bit `i` for slot `i`. May name others too, seldom.
    #[inline]
    pub(super) fn candidates(&self, tag: u8) -> u32 {
        let [a, b, c, d, e, f, g, h, last, ..] = self.0;
        equal_bytes([a, b, c, d, e, f, g, h], tag) | u32::from(last == tag) << LAST
    }

    /// The first entry that has the tag of a hash.
    #[inline]
    pub(super) fn candidate(&self, hash: u64) -> Option<EntryPtr> {
        let hits = self.candidates(tag_of(hash));
        if hits == 0 { None } else { self.entry(hits.trailing_zeros() as usize) }
    }

    /// Entries in its own slots.
    pub(super) fn entries(&self) -> impl Iterator<Item = EntryPtr> + '_ {
        (0..SLOTS).filter_map(|slot| self.entry(slot))
    }

    /// Same, with their tags.
    fn tagged(&self) -> impl Iterator<Item = (u8, EntryPtr)> + '_ {
        (0..SLOTS).filter_map(|slot| Some((self.0[slot], self.entry(slot)?)))
    }

    /// Puts another entry in the place of one that is in the chain.
    pub(super) fn replace(&mut self, old: EntryPtr, tag: u8, new: EntryPtr) {
        let mut bucket = Some(self);
        while let Some(here) = bucket {
            if let Some(slot) = (0..SLOTS).find(|&slot| here.entry(slot) == Some(old)) {
                here.put(slot, tag, new);
                return;
            }
            bucket = here.next_mut();
        }
        unreachable!("an entry is in its bucket");
    }

    /// Adds an entry to the chain. Returns how many overflow buckets that took.
    pub(super) fn push(&mut self, tag: u8, entry: EntryPtr) -> usize {
        let mut bucket = self;
        loop {
            let room = bucket.room();
            if let Some(slot) = bucket.0[..room].iter().position(|&tag| tag == 0) {
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
        if let Some(moved) = bucket.entry(LAST) {
            fresh.put(0, bucket.0[LAST], moved);
        }
        fresh.put(1, tag, entry);
        bucket.0[LAST] = 0;
        bucket.0[CHAINED] = 1;
        bucket.set_units(LAST, address::units_of(Box::into_raw(fresh).cast()));
        1
    }

    /// Takes an entry out of the chain and fills its place with the chain's last one. Returns how many overflow buckets
    /// that freed.
    pub(super) fn take(&mut self, entry: EntryPtr) -> usize {
        let (tag, filler, freed) = self.pop();
        if filler != entry {
            self.replace(entry, tag, filler);
        }
        freed
    }

    /// Takes the last entry of the chain out; an overflow bucket that becomes empty goes.
    fn pop(&mut self) -> (u8, EntryPtr, usize) {
        let links = core::iter::successors(Some(&*self), |bucket| bucket.next()).count() - 1;
        let last = self.follow(links);
        let (tag, entry) = last.pop_own();
        if links == 0 || last.0[..SLOTS] != EMPTY.0[..SLOTS] {
            return (tag, entry, 0);
        }
        drop(self.follow(links - 1).unlink_next());
        (tag, entry, 1)
    }

    /// The bucket so many links down the chain.
    fn follow(&mut self, links: usize) -> &mut Bucket {
        let mut bucket = self;
        for _ in 0..links {
            let Some(next) = bucket.next_mut() else { unreachable!("the links were counted") };
            bucket = next;
        }
        bucket
    }

    fn pop_own(&mut self) -> (u8, EntryPtr) {
        let slot = self.0[..SLOTS].iter().rposition(|&tag| tag != 0);
        let Some((slot, entry)) = slot.and_then(|slot| Some((slot, self.entry(slot)?))) else {
            unreachable!("a chain that is searched is not empty");
        };
        (core::mem::take(&mut self.0[slot]), entry)
    }

    /// Cuts the overflow bucket off.
    fn unlink_next(&mut self) -> Option<Box<Bucket>> {
        if !self.is_chained() {
            return None;
        }
        self.0[CHAINED] = 0;
        // SAFETY: a chained bucket's last slot came from Box::into_raw, and the mark is gone.
        Some(unsafe { Box::from_raw(self.pointer(LAST).cast::<Bucket>()) })
    }

    /// Empties the chain into a list of tags and entries. Returns how many overflow buckets that freed.
    pub(super) fn take_all(&mut self, all: &mut Vec<(u8, EntryPtr)>) -> usize {
        all.extend(self.tagged());
        let mut next = self.unlink_next();
        *self = EMPTY;
        let mut freed = 0;
        while let Some(mut bucket) = next {
            freed += 1;
            all.extend(bucket.tagged());
            next = bucket.unlink_next();
        }
        freed
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{EMPTY, SLOTS};
    use crate::keyspace::entry::EntryPtr;
    use crate::keyspace::slab::Slab;
    use crate::keyspace::value::NewValue;

    #[test]
    fn a_chain_gives_back_what_was_put_in() {
        let mut slab = Slab::new();
        let mut bucket = EMPTY;
        let mut entries: Vec<(u8, EntryPtr)> = (0..3 * SLOTS)
            .map(|number| {
                // Some in slots, some with the allocator's own addresses.
                let key = [u8::try_from(number).unwrap(); 16].repeat(if number % 3 == 0 { 100 } else { 1 });
                (
                    u8::try_from(number % 7 + 1).unwrap(),
                    EntryPtr::new(&mut slab, &key, None, NewValue::Int(1), 0),
                )
            })
            .collect();
        let mut links = 0;
        for (count, &(tag, entry)) in entries.iter().enumerate() {
            links += bucket.push(tag, entry);
            let chain = core::iter::successors(Some(&bucket), |bucket| bucket.next());
            let there: Vec<EntryPtr> = chain.flat_map(|bucket| bucket.entries()).collect();
            assert!(entries[..=count].iter().all(|(_, entry)| there.contains(entry)));
            assert_eq!(
                (there.len(), links),
                (count + 1, count / (SLOTS - 1) - usize::from(count % (SLOTS - 1) == 0 && count > 0))
            );
            let candidates = bucket.candidates(tag);
            assert!(bucket.next().is_some() || candidates >> count & 1 == 1);
        }
        while let Some((_, entry)) = entries.pop() {
            links -= bucket.take(entry);
            // SAFETY: it came from this slab and is in no bucket any more.
            assert!(unsafe { entry.free(&mut slab) }.is_none());
        }
        assert_eq!((links, &bucket.0[..=SLOTS]), (0, &EMPTY.0[..=SLOTS]));
    }

    #[test]
    fn slots_leave_each_other_alone() {
        let mut bucket = EMPTY;
        bucket.0[..=SLOTS].fill(0xa5);
        let units = |slot: usize| 0xe246_8acf_1357 + slot as u64 * 0x1111;
        for slot in (0..SLOTS).chain((0..SLOTS).rev()) {
            bucket.set_units(slot, units(slot));
        }
        assert!((0..SLOTS).all(|slot| bucket.units(slot) == units(slot)));
        assert!(bucket.0[..=SLOTS].iter().all(|&byte| byte == 0xa5));
    }
}
