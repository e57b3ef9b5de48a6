//! The keyspace: databases of shards of keys.
//!
//! Commands never see a shard: they get a [`Keys`] guard, which routes by hash. With one executor the guard is
//! free; with several it will hold the locks of the keys that a command declared.
//!
//! Invariant: only this folder changes an entry.

mod access;
mod entry;
mod expiry;
mod hash;
mod keys;
#[cfg(any(test, fuzzing))]
pub mod model;
mod shard;
mod slab;
mod table;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

pub use self::access::AccessPolicy;
pub use self::entry::{Encoding, Entry, Kind, SharedBytes, StringView};
pub(crate) use self::expiry::{ExpiryIndex, Stamp};
pub use self::hash::{HashSeed, Key, KeyHasher};
pub use self::keys::{Copied, ExpireChange, Keys};

use self::shard::Shard;

/// How the keyspace is divided.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Databases, numbered from 0.
    pub databases: u32,
    /// Shards of a database, as a power of two.
    pub shard_bits: u8,
}

/// When a command runs, and how it leaves its mark on the keys it uses.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Wall clock, ms since 1970.
    pub unix_ms: i64,
    /// How access is kept.
    pub access: AccessPolicy,
    /// Reads leave a mark.
    pub touch: bool,
}

/// Counters of the keyspace.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyspaceStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys that went because their time had come.
    pub expired: u64,
}

/// Which of the cache misses of a look-up to take in advance; each needs what the one before has fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefetch {
    /// The bucket.
    First,
    /// The entry, or the overflow bucket.
    Second,
    /// The rest of the entry, or the entry behind the overflow bucket.
    Third,
}

/// Memory of a database, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatabaseBytes {
    /// Entries.
    pub entries: usize,
    /// Tables.
    pub table: usize,
    /// Expiry indexes.
    pub expiry: usize,
}

/// What became of a step of expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireStep {
    /// Keys removed.
    pub expired: usize,
    /// When the next key is due; `None` when no key has an expiry.
    pub next_due_ms: Option<i64>,
}

/// The data of one database.
#[derive(Debug)]
pub(crate) struct Database {
    shards: Box<[Shard]>,
}

/// All databases.
#[derive(Debug)]
pub struct Keyspace {
    databases: Vec<Database>,
    hasher: KeyHasher,
    shard_bits: u8,
    /// Shards of flushed databases, freed in steps.
    flushed: VecDeque<Shard>,
    /// Counters.
    pub stats: KeyspaceStats,
    /// State of the cheap random numbers of the LFU counter.
    random: u64,
    keeps_garbage: bool,
}

impl Database {
    fn new(hasher: KeyHasher, shard_bits: u8) -> Self {
        Self { shards: (0..1 << shard_bits).map(|_| Shard::new(hasher)).collect() }
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard {
        &self.shards[self.shard_index(hash)]
    }

    #[inline]
    fn shard_mut(&mut self, hash: u64) -> &mut Shard {
        let index = self.shard_index(hash);
        &mut self.shards[index]
    }

    /// Bits of the hash that neither the tag nor, below 2^40 buckets, the bucket's number uses.
    #[inline]
    fn shard_index(&self, hash: u64) -> usize {
        usize::from(hash.to_le_bytes()[6]) & (self.shards.len() - 1)
    }

    fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    fn expires_len(&self) -> usize {
        self.shards.iter().map(Shard::expires_len).sum()
    }
}

impl Keyspace {
    /// Empty databases.
    pub fn new(layout: Layout, seed: HashSeed) -> Self {
        let hasher = KeyHasher::new(seed);
        let shard_bits = layout.shard_bits.min(8);
        let databases = (0..layout.databases.max(1)).map(|_| Database::new(hasher, shard_bits)).collect();
        let (flushed, stats) = (VecDeque::new(), KeyspaceStats::default());
        Self {
            databases,
            hasher,
            shard_bits,
            flushed,
            stats,
            random: 0x2545_f491_4f6c_dd1d,
            keeps_garbage: false,
        }
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.databases.len()
    }

    /// Keys of a database.
    pub fn len(&self, db: usize) -> usize {
        self.databases.get(db).map_or(0, Database::len)
    }

    /// Keys of a database that have an expiry.
    pub fn expires_len(&self, db: usize) -> usize {
        self.databases.get(db).map_or(0, Database::expires_len)
    }

    /// No database has a key.
    pub fn is_empty(&self) -> bool {
        self.databases.iter().all(|database| database.len() == 0)
    }

    /// Memory of a database.
    pub fn bytes(&self, db: usize) -> DatabaseBytes {
        let mut sum = DatabaseBytes::default();
        for shard in self.databases.get(db).iter().flat_map(|database| &database.shards) {
            let (entries, table, expiry) = shard.bytes();
            sum.entries += entries;
            sum.table += table;
            sum.expiry += expiry;
        }
        sum
    }

    /// Bytes of all slots in use; they lie in blocks, which whoever counts allocations leaves out.
    pub fn slot_bytes(&self) -> u64 {
        let shards = self.databases.iter().flat_map(|database| &database.shards).chain(&self.flushed);
        shards.map(|shard| shard.slot_bytes() as u64).sum()
    }

    /// Buckets of a database's tables.
    pub fn buckets(&self, db: usize) -> usize {
        let shards = self.databases.get(db).map_or(&[][..], |database| &database.shards);
        shards.iter().map(|shard| shard.table().buckets()).sum()
    }

    /// Lengths of all chains of a database, for DEBUG HTSTATS.
    pub fn chain_lens(&self, db: usize) -> impl Iterator<Item = usize> + '_ {
        let shards = self.databases.get(db).map_or(&[][..], |database| &database.shards);
        shards.iter().flat_map(|shard| shard.table().chain_lens())
    }

    /// How long the keys of a database that expire live on average, ms; between the first and the last of them.
    pub fn average_ttl_ms(&self, db: usize, now_ms: i64) -> i64 {
        let shards = self.databases.get(db).map_or(&[][..], |database| &database.shards);
        let ends = shards.iter().filter_map(Shard::expiry_ends);
        let (count, sum) = ends.fold((0, 0i64), |(count, sum), (first, last)| {
            (count + 1, sum.saturating_add((first / 2 + last / 2).saturating_sub(now_ms)))
        });
        if count == 0 { 0 } else { (sum / count).max(0) }
    }

    /// When the next key is due, ms since 1970.
    pub fn next_due_ms(&self) -> Option<i64> {
        let shards = self.databases.iter().flat_map(|database| &database.shards);
        shards.filter_map(|shard| shard.first_expiry().map(|(at, _)| at)).min()
    }

    /// The keys of a database, as a command at `now` sees them.
    #[inline]
    pub fn keys(&mut self, db: usize, now: Now) -> Keys<'_> {
        Keys::new(self, db, now)
    }

    /// What hashes its keys.
    pub fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    /// Fetches part of what the look-up of a key's hash will read into the cache; nothing where there is no such
    /// database.
    #[inline]
    pub fn prefetch(&self, db: usize, hash: u64, step: Prefetch) {
        if let Some(database) = self.databases.get(db) {
            let table = database.shard(hash).table();
            match step {
                Prefetch::First => table.prefetch_bucket(hash),
                Prefetch::Second => table.prefetch_second(hash),
                Prefetch::Third => table.prefetch_third(hash),
            }
        }
    }

    /// Whether large values that are removed are kept for [`Self::take_garbage`] instead of being freed at once.
    pub fn keep_garbage(&mut self, keeps: bool) {
        self.keeps_garbage = keeps;
        self.databases
            .iter_mut()
            .flat_map(|database| &mut database.shards)
            .for_each(|shard| shard.keep_garbage(keeps));
    }

    /// Adds the large values that were removed, for somebody else to free.
    pub fn take_garbage(&mut self, into: &mut Vec<SharedBytes>) {
        for shard in self.databases.iter_mut().flat_map(|database| &mut database.shards) {
            into.append(shard.garbage());
        }
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.databases.swap(a, b);
    }

    /// Empties a database. The memory is freed by [`Self::reclaim_step`]. Returns how many keys it had.
    pub fn flush(&mut self, db: usize) -> usize {
        let mut fresh = Database::new(self.hasher, self.shard_bits);
        fresh.shards.iter_mut().for_each(|shard| shard.keep_garbage(self.keeps_garbage));
        let Some(database) = self.databases.get_mut(db) else { return 0 };
        let old = core::mem::replace(database, fresh);
        let count = old.len();
        self.flushed.extend(old.shards.into_iter().filter(|shard| shard.len() > 0));
        count
    }

    /// Frees about `budget` keys of flushed databases; `false` when nothing is left.
    pub fn reclaim_step(&mut self, budget: usize) -> bool {
        let mut steps = budget / 4 + 1;
        while let Some(shard) = self.flushed.front_mut() {
            if steps == 0 {
                return true;
            }
            steps -= 1;
            if !shard.dismantle_step() {
                self.flushed.pop_front();
            }
        }
        false
    }

    /// Keys of flushed databases that are not freed yet.
    pub fn flushed_len(&self) -> usize {
        self.flushed.iter().map(Shard::len).sum()
    }

    /// Removes keys whose time has come, the earliest of each shard first, at most `budget` of them.
    pub fn expire_step(&mut self, now_ms: i64, mut budget: usize) -> ExpireStep {
        let mut step = ExpireStep { expired: 0, next_due_ms: None };
        for shard in self.databases.iter_mut().flat_map(|database| &mut database.shards) {
            while let Some((at, entry)) = shard.first_expiry() {
                if at >= now_ms || budget == 0 {
                    step.next_due_ms = Some(step.next_due_ms.map_or(at, |next| next.min(at)));
                    break;
                }
                let hash = self.hasher.key(shard.view(entry).key()).hash;
                shard.remove(hash, entry);
                step.expired += 1;
                budget -= 1;
            }
        }
        self.stats.expired += step.expired as u64;
        step
    }

    fn next_random(&mut self) -> u64 {
        // Marsaglia's xorshift64*: a few instructions, good enough to thin out counter rises.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub fn check(&self) {
        self.databases.iter().flat_map(|database| &database.shards).for_each(Shard::check);
    }
}
