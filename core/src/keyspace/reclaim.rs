//! Memory that nobody uses any more, given back in steps: flushed databases, large values.
//!
//! ```text
//!  key removed, or written over ─► Shard::free ── small ──► freed at once
//!  a command cuts a piece off ─► Keyspace::discard ─┘│ large
//!                                                    ▼
//!  a range cut out inside a value ─► untidy: keys of such values ─► the same steps
//!  FLUSHALL ─► flushed: shards ── their large values ─► objects ──► reclaim_step, or an I/O thread
//! ```
//! Work is counted in allocations that are freed ("units": some 50 to 100 ns each), so that a step takes about as long
//! whatever it frees.
//!
//! Who produces faster than the steps free pays for it: beyond [`BACKLOG_MAX`] values that wait, every further one has a
//! step's work done before it is taken in.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::large::SharedBytes;
use super::shard::{FREE_EFFORT_MAX, Shard};
use super::value::Garbage;
use super::{Database, Keyspace};
use crate::types::Object;

/// Large values that wait to be freed before their number itself is a burden.
const BACKLOG_MAX: usize = if cfg!(any(miri, fuzzing, test)) { 4 } else { 4096 };
/// What is freed then for each further one.
const BACKLOG_UNITS: usize = if cfg!(any(miri, fuzzing, test)) { 8 } else { 1024 };

/// What waits to be freed.
#[derive(Debug, Default)]
pub(super) struct Reclaim {
    /// Shards of flushed databases.
    flushed: VecDeque<Shard>,
    /// Large strings, for another thread.
    strings: Vec<SharedBytes>,
    /// Large objects with the memory that they held when they came.
    objects: VecDeque<(Object, u64)>,
    /// What `objects` still hold, about.
    bytes: u64,
    /// Keys whose objects have something to be freed of what commands removed.
    untidy: VecDeque<(usize, Vec<u8>)>,
    /// Objects that came, and that went, since the start.
    came: u64,
    went: u64,
}

/// A point in the work that somebody waits for: see [`Keyspace::is_reclaimed`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimMark {
    /// So many objects are to be gone; known when the flushed shards are.
    objects: Option<u64>,
}

impl Reclaim {
    fn flushed_len(&self) -> usize {
        self.flushed.iter().map(Shard::held_len).sum()
    }

    pub(super) fn flushed_slot_bytes(&self) -> u64 {
        self.flushed.iter().map(|shard| shard.slot_bytes() as u64).sum()
    }

    fn put(&mut self, garbage: Garbage) {
        match garbage {
            Garbage::Bytes(bytes) => {
                // One that a reply holds, too, is freed when that is sent.
                if SharedBytes::strong_count(&bytes) == 1 {
                    self.bytes += bytes.capacity() as u64;
                }
                self.strings.push(bytes);
            }
            Garbage::Object(object) => {
                if self.objects.len() >= BACKLOG_MAX {
                    self.free_objects(BACKLOG_UNITS);
                }
                let bytes = object.memory_about() as u64;
                self.bytes += bytes;
                self.came += 1;
                self.objects.push_back((object, bytes));
            }
        }
    }

    /// Frees parts of objects; returns what is left of the budget.
    fn free_objects(&mut self, budget: usize) -> usize {
        let mut left = budget;
        while left > 0 {
            let Some((object, held)) = self.objects.front_mut() else { return left };
            left = object.dismantle(left);
            let holds = if left > 0 { 0 } else { (object.memory_about() as u64).min(*held) };
            self.bytes = self.bytes.saturating_sub(*held - holds);
            *held = holds;
            if left > 0 {
                // What is left of it is no more than itself.
                self.objects.pop_front();
                self.went += 1;
                left -= 1;
            }
        }
        0
    }

    /// There are flushed shards, and it is not only loans that keep the first.
    fn can_free_flushed(&mut self) -> bool {
        self.flushed.front_mut().is_some_and(|shard| !shard.is_waiting() || shard.settle_some() > 0)
    }

    /// Frees parts of flushed shards; returns what is left of the budget.
    fn free_flushed(&mut self, budget: usize) -> usize {
        let mut left = budget;
        while left > 0 {
            let Some(shard) = self.flushed.front_mut() else { return left };
            match shard.dismantle_step() {
                Some(units) => left = left.saturating_sub(units),
                None if shard.is_waiting() => return left,
                None => drop(self.flushed.pop_front()),
            }
            if let Some(shard) = self.flushed.front_mut() {
                core::mem::take(shard.garbage()).into_iter().for_each(|garbage| self.put(garbage));
            }
        }
        0
    }
}

impl Keyspace {
    /// Adds the large values that were removed, for somebody else to free. Returns what they hold, bytes.
    pub fn take_garbage(&mut self, into: &mut Vec<Garbage>) -> u64 {
        let reclaim = &mut self.reclaim;
        reclaim.went += reclaim.objects.len() as u64;
        into.extend(reclaim.strings.drain(..).map(Garbage::Bytes));
        into.extend(reclaim.objects.drain(..).map(|(object, _)| Garbage::Object(object)));
        core::mem::take(&mut reclaim.bytes)
    }

    /// Takes values to be freed later, or frees them where that is not to be put off.
    pub fn put_garbage(&mut self, garbage: Vec<Garbage>) {
        if !self.frees_lazily {
            return;
        }
        garbage.into_iter().for_each(|one| self.reclaim.put(one));
    }

    /// Frees an object that no key holds: at once where that is quick, else later.
    pub fn discard(&mut self, object: Object) {
        if object.free_effort() > FREE_EFFORT_MAX {
            self.reclaim.put(Garbage::Object(object));
        }
    }

    /// Empties a database. The memory is freed by [`Self::reclaim_step`]. Returns how many keys it had.
    pub fn flush(&mut self, db: usize) -> usize {
        let mut fresh = Database::new(self.hasher, self.shard_bits, &self.loans, &self.earlier);
        fresh.shards.iter_mut().for_each(|shard| shard.keep_garbage(self.keeps_garbage));
        let Some(database) = self.databases.get_mut(db) else { return 0 };
        let old = core::mem::replace(database, fresh);
        let count = old.len();
        self.reclaim.flushed.extend(old.shards.into_iter().filter(|shard| shard.held_len() > 0));
        count
    }

    /// What values hold that are to be freed: it counts as used until then.
    pub fn garbage_bytes(&self) -> u64 {
        self.reclaim.bytes
    }

    /// Frees about `budget` allocations of flushed databases and large objects; `false` when nothing is left.
    pub fn reclaim_step(&mut self, budget: usize) -> bool {
        let mut left = budget;
        while left > 0 {
            left = self.reclaim.free_objects(left);
            left = self.tidy_some(left);
            if left > 0 && !self.reclaim.can_free_flushed() {
                return false;
            }
            left = self.reclaim.free_flushed(left);
        }
        self.to_reclaim() > 0
    }

    /// Remembers that a key's object has something left to be freed. Nothing happens for one that is gone by then.
    pub(super) fn tidy_later(&mut self, db: usize, key: &[u8]) {
        self.reclaim.untidy.push_back((db, key.to_vec()));
    }

    fn tidy_some(&mut self, budget: usize) -> usize {
        let mut left = budget;
        while left > 0 {
            let Some((db, bytes)) = self.reclaim.untidy.front() else { return left };
            let key = self.hasher.key(bytes);
            let shard = self.databases.get_mut(*db).map(|database| database.shard_mut(key.hash));
            let object = shard.and_then(|shard| shard.find(key).and_then(|entry| shard.object_mut(entry)));
            left = object.map_or(left, |object| object.tidy(left));
            if left > 0 {
                self.reclaim.untidy.pop_front();
                left -= 1;
            }
        }
        0
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.databases.swap(a, b);
        for (db, _) in &mut self.reclaim.untidy {
            *db = if *db == a {
                b
            } else if *db == b {
                a
            } else {
                *db
            };
        }
    }

    /// Keys of flushed databases, large objects and objects with loose ends, that are not freed yet. Something of a database,
    /// its buckets, is left when the last of its keys has gone: that is one, too.
    #[inline]
    pub fn to_reclaim(&self) -> usize {
        self.reclaim.flushed_len().max(self.reclaim.flushed.len())
            + self.reclaim.objects.len()
            + self.reclaim.untidy.len()
    }

    /// Whether all has been freed that was flushed before `mark` was new.
    pub fn is_reclaimed(&self, mark: &mut ReclaimMark) -> bool {
        if !self.reclaim.flushed.is_empty() {
            return false;
        }
        self.reclaim.went >= *mark.objects.get_or_insert(self.reclaim.came)
    }
}

#[cfg(test)]
mod tests {
    use super::{BACKLOG_MAX, Keyspace, ReclaimMark};
    use crate::keyspace::{AccessPolicy, ExpireChange, HashSeed, Layout, Now};
    use crate::types::listpack::Element;
    use crate::types::set::{Set, SetRules};

    const NOW: Now = Now::new(1_000_000, AccessPolicy::Lru);

    fn keyspace() -> Keyspace {
        Keyspace::new(Layout { databases: 2, shard_bits: 0 }, HashSeed([7; 16]))
    }

    /// A set of so many members.
    fn add_set(keyspace: &mut Keyspace, name: &str, len: usize) {
        let (hasher, mut keys) = (keyspace.hasher(), keyspace.keys(0, NOW));
        let rules = SetRules { intset_entries: 0, listpack_entries: 0, listpack_value: 0, hasher };
        let key = keys.key(name.as_bytes());
        let set = keys.write_or_insert::<Set>(key, Set::new).unwrap();
        for member in 0..len {
            set.add(Element::Bytes(alloc::format!("member:{member}").as_bytes()), &rules);
        }
    }

    fn delete(keyspace: &mut Keyspace, name: &str) {
        let mut keys = keyspace.keys(0, NOW);
        let key = keys.key(name.as_bytes());
        assert!(keys.delete(key));
    }

    #[test]
    fn a_step_frees_no_more_keys_than_its_budget() {
        let (mut keyspace, count) = (keyspace(), if cfg!(miri) { 100 } else { 5000 });
        let mut keys = keyspace.keys(0, NOW);
        for number in 0..count {
            let name = alloc::format!("key:{number}");
            keys.set_string(keys.key(name.as_bytes()), b"value", ExpireChange::At(2_000_000 + number));
        }
        let (keys, budget) = (usize::try_from(count).unwrap(), 16);
        assert_eq!((keyspace.flush(0), keyspace.to_reclaim()), (keys, keys));
        let (mut steps, mut before, mut mark) = (1, keys, ReclaimMark::default());
        while keyspace.reclaim_step(budget) {
            // A bucket's chain more, as it is taken whole.
            assert!(before - keyspace.to_reclaim() <= budget + 40);
            assert_eq!(keyspace.is_reclaimed(&mut mark), keyspace.to_reclaim() == 0);
            (steps, before) = (steps + 1, keyspace.to_reclaim());
        }
        // The leaves of the index of expiries are counted too: eight keys in each, here.
        assert!(steps > (keys + keys / 8) / (budget + 40), "{steps}");
        assert!(keyspace.is_reclaimed(&mut mark) && keyspace.slot_bytes() == 0);
    }

    /// Whichever step the last key goes in, who waits for the end is told of it.
    #[test]
    fn a_flush_of_any_size_comes_to_its_end() {
        let mut keyspace = keyspace();
        for count in 0..if cfg!(miri) { 40 } else { 300 } {
            let mut keys = keyspace.keys(0, NOW);
            for number in 0..count {
                let name = alloc::format!("key:{number}");
                keys.set_string(keys.key(name.as_bytes()), b"value", ExpireChange::At(2_000_000 + number));
            }
            keyspace.flush(0);
            let mut mark = ReclaimMark::default();
            keyspace.is_reclaimed(&mut mark);
            while keyspace.reclaim_step(16) {}
            assert!(keyspace.is_reclaimed(&mut mark) && keyspace.slot_bytes() == 0, "{count} keys");
        }
    }

    #[test]
    fn a_large_value_goes_step_by_step() {
        let (mut keyspace, len) = (keyspace(), if cfg!(miri) { 400 } else { 20_000 });
        add_set(&mut keyspace, "large", len);
        delete(&mut keyspace, "large");
        assert_eq!(keyspace.to_reclaim(), 1);
        let (mut steps, mut before) = (1, keyspace.garbage_bytes());
        let share = before / u64::try_from(len / 64).unwrap();
        while keyspace.reclaim_step(8) {
            let freed = before - keyspace.garbage_bytes();
            // A page has eight members here, so that eight allocations hold some hundred of them.
            assert!(freed < 8 * share, "{freed} of {before}");
            (steps, before) = (steps + 1, keyspace.garbage_bytes());
        }
        assert!(steps > len / 100, "{steps}");
        assert_eq!((keyspace.garbage_bytes(), keyspace.to_reclaim()), (0, 0));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes many large sets; the tests before it free in the same ways")]
    fn who_deletes_faster_than_is_freed_pays_for_it() {
        let (mut keyspace, sets) = (keyspace(), 50);
        for number in 0..sets {
            let name = alloc::format!("set:{number}");
            add_set(&mut keyspace, &name, 600);
            delete(&mut keyspace, &name);
        }
        // Without a single step: some have been freed for others to come.
        assert!((BACKLOG_MAX..sets).contains(&keyspace.to_reclaim()), "{}", keyspace.to_reclaim());
        while keyspace.reclaim_step(64) {}
        assert_eq!(keyspace.garbage_bytes(), 0);
    }
}
