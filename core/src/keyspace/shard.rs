//! A shard: a table, its expiry index, the memory of its entries. Alone on its cache lines.
//!
//! Invariant: every entry in the index is in the table, has the index's time as its expiry, and every entry
//! with an expiry is in the index.
#![expect(unsafe_code, reason = "frees and lends out the entries it owns")]

use alloc::vec::Vec;

use super::entry::{Entry, EntryPtr, Expiry, NewValue, SharedBytes, StringView};
use super::expiry::{ExpiryIndex, Stamp};
use super::hash::{Key, KeyHasher};
use super::slab::Slab;
use super::table::Table;

/// A table, its expiry index, the memory of its entries.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Shard {
    table: Table,
    expiry: ExpiryIndex<EntryPtr>,
    slab: Slab,
    /// Somebody collects `garbage`.
    keeps_garbage: bool,
    garbage: Vec<SharedBytes>,
}

/// Values from this length on are worth handing to another thread to be freed.
const GARBAGE_LEN_MIN: usize = 16 * 1024;

impl Shard {
    pub(super) fn new(hasher: KeyHasher) -> Self {
        Self {
            table: Table::new(hasher),
            expiry: ExpiryIndex::default(),
            slab: Slab::new(),
            keeps_garbage: false,
            garbage: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn expires_len(&self) -> usize {
        self.expiry.len()
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// Memory of entries, table and index, bytes.
    pub(super) fn bytes(&self) -> (usize, usize, usize) {
        (self.slab.bytes(), self.table.bytes(), self.expiry.bytes())
    }

    /// Bytes of entries in slots.
    #[inline]
    pub(super) fn slot_bytes(&self) -> usize {
        self.slab.slot_bytes()
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
        self.index(entry, expire);
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
        if old_expire.is_some() == expire.is_some() && old.set_value_in_place(&value) {
            self.move_in_time(old, old_expire, expire);
            old.set_access(access);
            return old;
        }
        let new = EntryPtr::new(&mut self.slab, key.bytes, expire, value, access);
        self.put_in_place(key.hash, old, new, expire);
        new
    }

    /// Sets or removes the expiry of a key that is there. Returns where it lies now.
    pub(super) fn set_expire(&mut self, hash: u64, entry: EntryPtr, expire: Option<i64>) -> EntryPtr {
        let old = entry.expire();
        if old.is_some() == expire.is_some() {
            self.move_in_time(entry, old, expire);
            return entry;
        }
        let access = entry.access();
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
        self.put_in_place(hash, entry, new, expire);
        new
    }

    /// The bytes of a large value, to be changed in place.
    pub(super) fn shared_mut(&mut self, entry: EntryPtr) -> Option<&mut Vec<u8>> {
        // SAFETY: the shard is borrowed mutably for as long as the bytes are.
        unsafe { entry.shared_mut() }
    }

    /// The earliest expiry.
    pub(super) fn first_expiry(&self) -> Option<(i64, EntryPtr)> {
        self.expiry.first().map(|stamp| (stamp.at, stamp.id))
    }

    /// The earliest and the latest expiry.
    pub(super) fn expiry_ends(&self) -> Option<(i64, i64)> {
        Some((self.expiry.first()?.at, self.expiry.last()?.at))
    }

    /// Frees part of a shard that nobody uses any more; `false` when nothing is left. A step is one bucket.
    pub(super) fn dismantle_step(&mut self) -> bool {
        let Some(chain) = self.table.dismantle_bucket() else { return false };
        self.expiry = ExpiryIndex::default();
        for entry in chain {
            self.free(entry);
        }
        true
    }

    fn put_in_place(&mut self, hash: u64, old: EntryPtr, new: EntryPtr, expire: Option<i64>) {
        self.table.replace(hash, old, new);
        self.unindex(old);
        self.index(new, expire);
        self.free(old);
    }

    fn free(&mut self, entry: EntryPtr) {
        // SAFETY: the entry came from this slab and the table has let go of it.
        let large = unsafe { entry.free(&mut self.slab) };
        if let Some(large) = large
            && self.keeps_garbage
            && large.len() >= GARBAGE_LEN_MIN
        {
            self.garbage.push(large);
        }
    }

    /// Large values that are freed elsewhere from now on, or here again.
    pub(super) fn keep_garbage(&mut self, keeps: bool) {
        self.keeps_garbage = keeps;
    }

    /// Large values to be freed elsewhere.
    pub(super) fn garbage(&mut self) -> &mut Vec<SharedBytes> {
        &mut self.garbage
    }

    fn index(&mut self, entry: EntryPtr, expire: Option<i64>) {
        if let Some(at) = expire {
            self.expiry.insert(Stamp { at, id: entry });
        }
    }

    #[inline]
    fn unindex(&mut self, entry: EntryPtr) {
        if let Some(at) = entry.expire() {
            self.expiry.remove(Stamp { at, id: entry });
        }
    }

    fn move_in_time(&mut self, entry: EntryPtr, old: Option<i64>, new: Option<i64>) {
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            self.expiry.remove(Stamp { at: old, id: entry });
            self.expiry.insert(Stamp { at: new, id: entry });
            let in_place = entry.set_expire_in_place(Some(new));
            debug_assert!(in_place);
        }
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        let all: Vec<Entry<'_>> = (0..self.table.buckets()).flat_map(|bucket| self.chain(bucket)).collect();
        assert_eq!(all.len(), self.len());
        let mut timed: Vec<_> =
            all.iter().filter_map(|e| Some(Stamp { at: e.expire_at()?, id: e.ptr() })).collect();
        timed.sort();
        assert!(timed.iter().copied().eq(self.expiry.iter()));
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        while self.dismantle_step() {}
    }
}
