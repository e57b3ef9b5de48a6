//! A shard: a table, its expiry index, the memory of its entries. Alone on its cache lines.
//!
//! Invariant: every entry in the index is in the table and knows the time that it has there, which is no later than its
//! expiry, and every entry with an expiry is in the index. Every hash has noted the time under which the index of hashes has
//! its entry, which is no later than its first field's.
#![expect(unsafe_code, reason = "frees and lends out the entries it owns")]

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::due::Due;
use super::entry::{Entry, EntryPtr};
use super::expiry::{Earlier, ExpiryIndex, Stamp};
use super::hash::{Key, KeyHasher};
use super::large::LargeBytes;
use super::loan::{Limbo, Loans};
use super::slab::Slab;
use super::table::Table;
use super::value::{Expiry, Garbage, NewValue, StringView};
use crate::types::Object;

/// A table, its expiry index, the memory of its entries.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Shard {
    table: Table,
    expiry: ExpiryIndex<EntryPtr>,
    /// Hashes of which fields expire, by the first of these times.
    timed_hashes: ExpiryIndex<EntryPtr>,
    slab: Slab,
    /// Entries that are removed and may be lent.
    limbo: Limbo,
    /// Nothing is due before that.
    soonest: i64,
    earlier: Earlier,
    /// Large strings are not freed at once either.
    keeps_garbage: bool,
    /// What takes long to free.
    garbage: Vec<Garbage>,
}

/// Values from this length on are worth handing to another thread to be freed.
const GARBAGE_LEN_MIN: usize = 16 * 1024;
/// Removed entries that are looked at together, whether a loan may be of them.
const SETTLE_MAX: usize = 64;
/// Objects of more allocations are freed in steps, or by another thread.
pub(super) const FREE_EFFORT_MAX: usize = 64;

impl Shard {
    pub(super) fn new(hasher: KeyHasher, loans: &Arc<Loans>, earlier: &Earlier) -> Self {
        Self {
            table: Table::new(hasher),
            expiry: ExpiryIndex::default(),
            timed_hashes: ExpiryIndex::default(),
            slab: Slab::new(),
            limbo: Limbo::new(loans),
            soonest: i64::MAX,
            earlier: earlier.clone(),
            keeps_garbage: false,
            garbage: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Keys, and removed entries that are lent.
    pub(super) fn held_len(&self) -> usize {
        self.table.len() + self.limbo.len()
    }

    pub(super) fn expires_len(&self) -> usize {
        self.expiry.len()
    }

    pub(super) fn timed_hashes_len(&self) -> usize {
        self.timed_hashes.len()
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// Memory of entries, table and index, bytes.
    pub(super) fn bytes(&self) -> (usize, usize, usize) {
        (
            self.slab.bytes() - self.limbo.bytes(),
            self.table.bytes(),
            self.expiry.bytes() + self.timed_hashes.bytes(),
        )
    }

    /// Bytes in use of what lies in blocks.
    #[inline]
    pub(super) fn slot_bytes(&self) -> usize {
        self.slab.slot_bytes().saturating_sub(self.limbo.bytes()) + self.table.block_bytes()
    }

    #[inline]
    pub(super) fn find(&self, key: Key<'_>) -> Option<EntryPtr> {
        self.table.find(key)
    }

    /// Lends an entry of this shard out.
    #[inline]
    pub(super) fn view(&self, entry: EntryPtr) -> Entry<'_> {
        // SAFETY: pointers are handed out by this shard's own look-ups and not kept across a change; the
        // borrow of the shard keeps the entry from being changed or freed.
        unsafe { entry.view() }
    }

    /// The entries of a bucket.
    pub(super) fn chain(&self, bucket: usize) -> impl Iterator<Item = Entry<'_>> {
        self.table.chain(bucket).map(|entry| self.view(entry))
    }

    /// Adds a key that is not there.
    pub(super) fn insert(
        &mut self,
        key: Key<'_>,
        value: NewValue<'_>,
        expire: Option<i64>,
        access: u32,
    ) -> EntryPtr {
        let value = value.under_key(key.bytes.len(), Expiry::of(false, expire.is_some()));
        let entry = EntryPtr::new(&mut self.slab, key.bytes, expire, value, access);
        self.table.insert(key.hash, entry);
        self.index(entry);
        entry
    }

    /// Removes a key that is there.
    pub(super) fn remove(&mut self, hash: u64, entry: EntryPtr) {
        self.table.remove(hash, entry);
        self.unindex(entry);
        self.free(entry);
    }

    /// Gives a key that is there another value and expiry. Returns where it lies now.
    pub(super) fn overwrite(
        &mut self,
        key: Key<'_>,
        old: EntryPtr,
        value: NewValue<'_>,
        expire: Option<i64>,
        access: u32,
    ) -> EntryPtr {
        let old_expire = old.expire();
        let value = value.under_key(key.bytes.len(), Expiry::of(old_expire.is_some(), expire.is_some()));
        let stays = old_expire.is_some() == expire.is_some() && !self.limbo.may_be_lent(old);
        if stays && old.set_value_in_place(&value) {
            self.move_in_time(old, expire);
            old.set_access(access);
            return old;
        }
        let new = EntryPtr::new(&mut self.slab, key.bytes, expire, value, access);
        self.put_in_place(key.hash, old, new);
        new
    }

    /// Sets or removes the expiry of a key that is there. Returns where it lies now.
    pub(super) fn set_expire(&mut self, hash: u64, entry: EntryPtr, expire: Option<i64>) -> EntryPtr {
        let old = entry.expire();
        if old.is_some() == expire.is_some() {
            self.move_in_time(entry, expire);
            return entry;
        }
        let access = entry.access();
        self.unindex_fields(entry);
        if let Some(object) = entry.take_object() {
            let key = self.view(entry).key();
            // SAFETY: the old entry is neither changed nor freed before its key is copied.
            let key: &'static [u8] = unsafe { core::slice::from_raw_parts(key.as_ptr(), key.len()) };
            let new = EntryPtr::new(&mut self.slab, key, expire, NewValue::Object(object), access);
            self.put_in_place(hash, entry, new);
            return new;
        }
        let view = self.view(entry);
        // What the new entry copies from belongs to the old one, which lives until it is freed below.
        // SAFETY: the old entry is neither changed nor freed while `view` is in use.
        let view: Entry<'static> = unsafe { view.ptr().view() };
        let value = match (view.shared(), view.string()) {
            (Some(shared), _) => NewValue::Shared(shared),
            (None, StringView::Int(value)) => NewValue::Int(value),
            (None, StringView::Bytes(bytes)) if view.encoding() == super::Encoding::Raw => {
                NewValue::Raw(bytes)
            }
            (None, StringView::Bytes(bytes)) => NewValue::Bytes(bytes),
        };
        let value = match expire {
            Some(_) => value.under_key(view.key().len(), Expiry::Added),
            None => value,
        };
        let new = EntryPtr::new(&mut self.slab, view.key(), expire, value, access);
        self.put_in_place(hash, entry, new);
        new
    }

    /// The bytes of a large value, to be changed in place.
    pub(super) fn shared_mut(&mut self, entry: EntryPtr) -> Option<&mut Vec<u8>> {
        // SAFETY: the shard is borrowed mutably for as long as the bytes are.
        unsafe { entry.shared_mut() }.map(LargeBytes::bytes_mut)
    }

    /// The object of an entry, to be changed.
    pub(super) fn object_mut(&mut self, entry: EntryPtr) -> Option<&mut Object> {
        // SAFETY: the shard is borrowed mutably for as long as the object is.
        unsafe { entry.object_mut() }
    }

    /// Takes the object out of an entry, which is to be removed next.
    pub(super) fn take_object(&mut self, entry: EntryPtr) -> Option<Object> {
        self.unindex_fields(entry);
        entry.take_object()
    }

    /// The first key of the index, and its time there: its expiry, or one before that.
    pub(super) fn first_indexed(&self) -> Option<(i64, EntryPtr)> {
        self.expiry.first().map(|stamp| (stamp.at, stamp.id))
    }

    /// A key that expires at this time or next after it; the last of all when there is none.
    pub(super) fn expiring_near(&self, at: i64) -> Option<Entry<'_>> {
        let stamp = self.expiry.near(at)?;
        Some(self.view(stamp.id))
    }

    /// The hash of which fields expire first, and when.
    pub(super) fn first_timed_hash(&self) -> Option<(i64, EntryPtr)> {
        self.timed_hashes.first().map(|stamp| (stamp.at, stamp.id))
    }

    /// Takes note of when fields of an entry expire, after they were changed.
    pub(super) fn note_fields(&mut self, entry: EntryPtr) {
        self.unindex_fields(entry);
        self.index_fields(entry);
    }

    /// Removes fields of an entry whose time has come, at most so many. Returns how many.
    pub(super) fn expire_fields(&mut self, entry: EntryPtr, now_ms: i64, count_max: usize) -> usize {
        let count = self.object_mut(entry).map_or(0, |object| object.expire_fields(now_ms, count_max));
        self.note_fields(entry);
        count
    }

    /// Gives a key that was put off its place in the index. `false` when it was not.
    pub(super) fn catch_up(&mut self, entry: EntryPtr) -> bool {
        let was_put_off = entry.due().filter(|due| due.indexed_at() < due.at());
        if let Some(due) = was_put_off {
            self.reindex(entry, due, due.at());
        }
        was_put_off.is_some()
    }

    /// Same, with those that come first in the index, until there is one that was not put off, or no key; at most so many. Returns
    /// whether it came to that.
    pub(super) fn catch_up_first(&mut self, count_max: usize) -> bool {
        (0..count_max).any(|_| !self.first_indexed().is_some_and(|(_, entry)| self.catch_up(entry)))
    }

    /// When the first and the last key of the index expire.
    pub(super) fn expiry_ends(&self) -> Option<(i64, i64)> {
        Some((self.expiry.first()?.id.expire()?, self.expiry.last()?.id.expire()?))
    }

    /// The earliest and the latest time of the index.
    pub(super) fn indexed_ends(&self) -> Option<(i64, i64)> {
        Some((self.expiry.first()?.at, self.expiry.last()?.at))
    }

    /// Frees part of a shard that nobody uses any more: a leaf of an index or a bucket. Returns about how many allocations
    /// that were; `None` when nothing is left but what is lent.
    pub(super) fn dismantle_step(&mut self) -> Option<usize> {
        if self.expiry.dismantle_leaf() || self.timed_hashes.dismantle_leaf() {
            return Some(1);
        }
        if let Some(chain) = self.table.dismantle_bucket() {
            return Some(1 + chain.map(|entry| self.free(entry)).sum::<usize>());
        }
        let settled = self.settle_some();
        (settled > 0).then_some(settled)
    }

    /// Nothing is left but entries that are lent.
    pub(super) fn is_waiting(&self) -> bool {
        self.table.buckets() == 0 && self.limbo.len() > 0
    }

    fn put_in_place(&mut self, hash: u64, old: EntryPtr, new: EntryPtr) {
        self.table.replace(hash, old, new);
        self.unindex(old);
        self.index(new);
        self.free(old);
    }

    /// Frees some removed entries that are lent no longer. Returns how many.
    pub(super) fn settle_some(&mut self) -> usize {
        self.settle(SETTLE_MAX)
    }

    fn settle(&mut self, count_max: usize) -> usize {
        for count in 0..count_max {
            let Some(entry) = self.limbo.take() else { return count };
            self.free_now(entry);
        }
        count_max
    }

    /// Frees an entry, later if it may be lent. Returns about how many allocations were freed.
    fn free(&mut self, entry: EntryPtr) -> usize {
        if self.limbo.len() > 0 {
            self.settle(2);
        }
        if self.limbo.may_be_lent(entry) {
            self.limbo.put(entry);
            return 1;
        }
        self.free_now(entry)
    }

    /// Frees an entry; a large value is left in `garbage`. Returns about how many allocations were freed.
    fn free_now(&mut self, entry: EntryPtr) -> usize {
        // SAFETY: the entry came from this slab and the table has let go of it.
        let Some(large) = (unsafe { entry.free(&mut self.slab) }) else { return 1 };
        let (takes_long, effort) = match &large {
            Garbage::Bytes(bytes) => (self.keeps_garbage && bytes.len() >= GARBAGE_LEN_MIN, 1),
            Garbage::Object(object) => {
                let effort = object.free_effort();
                (effort > FREE_EFFORT_MAX, effort)
            }
        };
        if takes_long {
            self.garbage.push(large);
            return 1;
        }
        1 + effort
    }

    /// Large strings are freed elsewhere from now on, or here again.
    pub(super) fn keep_garbage(&mut self, keeps: bool) {
        self.keeps_garbage = keeps;
    }

    /// What is to be freed elsewhere.
    #[inline]
    pub(super) fn garbage(&mut self) -> &mut Vec<Garbage> {
        &mut self.garbage
    }

    /// When the first key or field of all is due.
    pub(super) fn first_due(&self) -> Option<i64> {
        let firsts = [self.first_indexed(), self.first_timed_hash()];
        firsts.into_iter().flatten().map(|(at, _)| at).min()
    }

    /// Same; an earlier time than that is told of from now on.
    pub(super) fn watch_first_due(&mut self) -> Option<i64> {
        let first = self.first_due();
        self.soonest = first.unwrap_or(i64::MAX);
        first
    }

    #[inline]
    fn note_time(&mut self, at: i64) {
        if at < self.soonest {
            self.soonest = at;
            self.earlier.tell();
        }
    }

    fn index(&mut self, entry: EntryPtr) {
        if let Some(due) = entry.due() {
            self.index_at(due.indexed_at(), entry);
        }
        if entry.is_object() {
            self.index_fields(entry);
        }
    }

    fn index_fields(&mut self, entry: EntryPtr) {
        if let Some(object) = self.object_mut(entry)
            && let Some(at) = object.note_fields_due()
        {
            self.note_time(at);
            self.timed_hashes.insert(Stamp { at, id: entry });
        }
    }

    fn unindex_fields(&mut self, entry: EntryPtr) {
        if let Some(at) = self.object_mut(entry).and_then(Object::take_noted_due) {
            self.timed_hashes.remove(Stamp { at, id: entry });
        }
    }

    #[inline]
    fn unindex(&mut self, entry: EntryPtr) {
        if let Some(due) = entry.due() {
            self.expiry.remove(Stamp { at: due.indexed_at(), id: entry });
        }
        if entry.is_object() {
            self.unindex_fields(entry);
        }
    }

    fn index_at(&mut self, at: i64, entry: EntryPtr) {
        self.note_time(at);
        self.expiry.insert(Stamp { at, id: entry });
    }

    /// Gives an entry that has an expiry another.
    fn move_in_time(&mut self, entry: EntryPtr, expire: Option<i64>) {
        let (Some(old), Some(at)) = (entry.due(), expire) else { return };
        if old.at() == at {
            return;
        }
        match old.put_off(at) {
            Some(due) => entry.set_due(due),
            None => self.reindex(entry, old, at),
        }
    }

    /// Gives an entry another expiry and its place in the index.
    fn reindex(&mut self, entry: EntryPtr, old: Due, at: i64) {
        let due = Due::new(at);
        self.expiry.remove(Stamp { at: old.indexed_at(), id: entry });
        entry.set_due(due);
        self.index_at(due.indexed_at(), entry);
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        let all: Vec<Entry<'_>> = (0..self.table.buckets()).flat_map(|bucket| self.chain(bucket)).collect();
        assert_eq!(all.len(), self.len());
        for entry in &all {
            let key = self.table.hashed(entry.key());
            assert_eq!(self.find(key), Some(entry.ptr()), "a key leads to its entry");
            entry.object().into_iter().for_each(Object::check);
        }
        let entries: usize = all.iter().map(|entry| entry.ptr().taken_len()).sum();
        assert_eq!(entries, self.bytes().0, "memory of entries");
        let mut timed: Vec<_> =
            all.iter().filter_map(|e| Some(Stamp { at: e.ptr().due()?.indexed_at(), id: e.ptr() })).collect();
        timed.sort();
        assert!(timed.iter().copied().eq(self.expiry.iter()));
        assert_eq!(timed.len(), self.expires_len());
        let noted = |entry: &Entry<'_>| Some(Stamp { at: entry.object()?.noted_due()?, id: entry.ptr() });
        let mut noted: Vec<_> = all.iter().filter_map(noted).collect();
        noted.sort();
        assert!(noted.iter().copied().eq(self.timed_hashes.iter()));
        assert!(all.iter().filter_map(|entry| entry.object()).all(Object::is_noted_in_time));
        assert_eq!(noted.len(), self.timed_hashes_len());
        assert!(timed.iter().chain(&noted).all(|stamp| stamp.at >= self.soonest));
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // What is lent even now is never freed.
        while self.dismantle_step().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use super::{Earlier, Loans, NewValue, Shard, Stamp};
    use crate::keyspace::{HashSeed, KeyHasher};

    /// A shard with a key that expires.
    fn shard() -> Shard {
        let hasher = KeyHasher::new(HashSeed([9; 16]));
        let mut shard = Shard::new(hasher, &Arc::new(Loans::default()), &Earlier::default());
        shard.insert(hasher.key(b"key"), NewValue::Int(1), Some(5), 0);
        shard.check();
        shard
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn an_expiry_that_is_in_no_index_is_found() {
        let mut shard = shard();
        let (at, id) = shard.first_indexed().unwrap();
        shard.expiry.remove(Stamp { at, id });
        shard.check();
    }

    #[test]
    #[cfg_attr(miri, ignore = "the memory that is found is nobody's, and leaks")]
    #[should_panic(expected = "memory of entries")]
    fn memory_of_no_entry_is_found() {
        let mut shard = shard();
        shard.slab.alloc(20);
        shard.check();
    }
}
