//! The keyspace: databases of shards of keys.
//!
//! Commands never see a shard: they get a [`Keys`] guard, which routes by hash. With one executor the guard is
//! free; with several it will hold the locks of the keys that a command declared.
//!
//! Invariant: only this folder changes an entry.

mod access;
mod address;
mod bucket;
mod chunks;
mod due;
mod entry;
mod expiry;
mod hash;
mod keys;
mod kind;
mod large;
mod loan;
#[cfg(any(test, fuzzing))]
pub mod model;
mod reclaim;
mod sample;
mod shard;
mod slab;
mod table;
mod value;
mod walk;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use self::access::AccessPolicy;
pub use self::entry::Entry;
use self::expiry::Earlier;
pub(crate) use self::expiry::{ExpiryIndex, Stamp, Timed};
pub use self::hash::{HashSeed, Key, KeyHasher};
pub use self::keys::{Copied, ExpireChange, Keys, WrongType};
pub use self::kind::{Encoding, Kind};
pub use self::large::{LargeBytes, SharedBytes};
pub use self::loan::Loan;
pub use self::reclaim::ReclaimMark;
pub use self::sample::SamplesAhead;
pub use self::value::{Garbage, StringView};

use self::loan::Loans;
use self::reclaim::Reclaim;
use self::shard::Shard;
use crate::types::{MemberArg, Object};

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
    /// Reads do not remove what has expired, though they do not see it.
    pub keeps_expired: bool,
    /// What has expired is there all the same.
    pub sees_expired: bool,
}

impl Now {
    /// Returns a moment that nothing special holds for: reads leave their mark, what has expired goes.
    #[inline]
    pub const fn new(unix_ms: i64, access: AccessPolicy) -> Self {
        Self { unix_ms, access, touch: true, keeps_expired: false, sees_expired: false }
    }

    /// The moment that expiries are held against, ms since 1970: one before all of them where what has expired is there
    /// all the same.
    #[inline]
    pub fn seen_ms(&self) -> i64 {
        if self.sees_expired { i64::MIN } else { self.unix_ms }
    }

    /// A key with this expiry is not there any more.
    #[inline]
    pub(super) fn is_over(&self, at: i64) -> bool {
        self.seen_ms() > at
    }
}

/// Something that happens to a key without a command asking for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each names the database and the key")]
pub enum KeyEvent {
    /// Its time had come.
    Expired { db: u32, key: Vec<u8> },
    /// It was created.
    New { db: u32, key: Vec<u8> },
    /// It was read and was not there.
    Missed { db: u32, key: Vec<u8> },
    /// The time of some of its fields had come.
    FieldsExpired { db: u32, key: Vec<u8> },
    /// It went with the last of them.
    Emptied { db: u32, key: Vec<u8> },
}

/// Which events are written down.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyLog {
    /// Keys that expire.
    pub expired: bool,
    /// Fields that expire.
    pub fields_expired: bool,
    /// New keys.
    pub new: bool,
    /// Keys that a read did not find.
    pub missed: bool,
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
    /// Fields of hashes that went because their time had come.
    pub expired_fields: u64,
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
    /// Same, without a string's value: nobody reads it, or another thread does.
    ThirdOfKey,
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
    /// Keys and fields removed.
    pub expired: usize,
    /// Keys whose time, or whose fields' time, had been put off, and which have their place in the index anew.
    pub caught_up: usize,
    /// When the next key or field is due; `None` when none has an expiry.
    pub next_due_ms: Option<i64>,
}

impl ExpireStep {
    /// What it has done, of its budget.
    pub fn done(&self) -> usize {
        self.expired + self.caught_up
    }

    fn is_due_at(&mut self, at: i64) {
        self.next_due_ms = Some(self.next_due_ms.map_or(at, |next| next.min(at)));
    }
}

/// So many keys of a shard that were put off are looked at for the one that expires next.
const CAUGHT_UP_MAX: usize = 16;

/// So many fields go in one step at the most; those of one hash with one event.
const FIELDS_AT_ONCE_MAX: usize = 256;

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
    /// Values that replies hold.
    loans: Arc<Loans>,
    earlier: Earlier,
    /// When the next key or field is due; that may since be gone.
    next_due_ms: Option<i64>,
    /// What waits to be freed.
    reclaim: Reclaim,
    /// Bytes that may become a value as they are.
    offered: Option<SharedBytes>,
    /// Counters.
    pub stats: KeyspaceStats,
    /// What is written down to `log`.
    pub logs: KeyLog,
    /// What has happened to keys, to be taken after each command.
    pub log: Vec<KeyEvent>,
    /// State of the cheap random numbers of the LFU counter.
    random: u64,
    keeps_garbage: bool,
    /// Large objects are freed in steps, or by another thread; otherwise at once.
    pub frees_lazily: bool,
    /// Same, of those that expire.
    pub expires_lazily: bool,
}

/// Bits of the hash that neither the tag nor, below 2^40 buckets, the bucket's number uses.
#[inline]
fn shard_index(hash: u64, shards: usize) -> usize {
    usize::from(hash.to_le_bytes()[6]) & (shards - 1)
}

impl Database {
    fn new(hasher: KeyHasher, shard_bits: u8, loans: &Arc<Loans>, earlier: &Earlier) -> Self {
        Self { shards: (0..1 << shard_bits).map(|_| Shard::new(hasher, loans, earlier)).collect() }
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard {
        match &*self.shards {
            [only] => only,
            shards => &shards[shard_index(hash, shards.len())],
        }
    }

    #[inline]
    fn shard_mut(&mut self, hash: u64) -> &mut Shard {
        match &mut *self.shards {
            [only] => only,
            shards => &mut shards[shard_index(hash, shards.len())],
        }
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
        let (loans, earlier) = (Arc::default(), Earlier::default());
        let database = |_| Database::new(hasher, shard_bits, &loans, &earlier);
        let databases = (0..layout.databases.max(1)).map(database).collect();
        Self {
            databases,
            hasher,
            shard_bits,
            loans,
            earlier,
            next_due_ms: None,
            reclaim: Reclaim::default(),
            offered: None,
            stats: KeyspaceStats::default(),
            logs: KeyLog::default(),
            log: Vec::new(),
            random: 0x2545_f491_4f6c_dd1d,
            keeps_garbage: false,
            frees_lazily: true,
            expires_lazily: true,
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

    /// Hashes of a database that have fields with an expiry.
    pub fn timed_hashes_len(&self, db: usize) -> usize {
        let shards = self.databases.get(db).map_or(&[][..], |database| &database.shards);
        shards.iter().map(Shard::timed_hashes_len).sum()
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

    /// Bytes in use of what lies in blocks, which whoever counts allocations leaves out: slots of entries, buckets.
    pub fn slot_bytes(&self) -> u64 {
        let shards = self.databases.iter().flat_map(|database| &database.shards);
        shards.map(|shard| shard.slot_bytes() as u64).sum::<u64>() + self.reclaim.flushed_slot_bytes()
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

    /// When the next key or field is due, ms since 1970, or a time before that which has not come yet.
    #[inline]
    pub fn next_due_ms(&mut self, now_ms: i64) -> Option<i64> {
        // Each shard is asked again only when one was given an earlier time, or the earliest has come.
        if self.earlier.take() || self.next_due_ms.is_some_and(|at| at < now_ms) {
            let shards = self.databases.iter_mut().flat_map(|database| &mut database.shards);
            self.next_due_ms = shards.filter_map(Shard::watch_first_due).min();
        }
        self.next_due_ms
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
    /// database. After the third step: whether the key has an object, or a large string that is wanted.
    #[inline]
    pub fn prefetch(&self, db: usize, hash: u64, step: Prefetch) -> bool {
        if let Some(database) = self.databases.get(db) {
            let table = database.shard(hash).table();
            match step {
                Prefetch::First => table.prefetch_bucket(hash),
                Prefetch::Second => table.prefetch_second(hash),
                Prefetch::Third => return table.prefetch_third(hash, true),
                Prefetch::ThirdOfKey => return table.prefetch_third(hash, false),
            }
        }
        false
    }

    /// Same, for many hashes with their databases, in a loop as small as can be, so that the processor has as many of them under
    /// way as it can: each may have to walk through the page tables first.
    /// Returns whether one of them had more, after the third step.
    pub fn prefetch_all(&self, places: &[(usize, u64)], step: Prefetch) -> bool {
        places.iter().fold(false, |has_more, &(db, hash)| self.prefetch(db, hash, step) | has_more)
    }

    /// Asks the processor to fetch what the object keeps, or how the large string begins, that [`Prefetch::Third`] has found.
    pub fn prefetch_object<'m>(
        &self,
        db: usize,
        hash: u64,
        member: impl FnOnce(MemberArg) -> Option<&'m [u8]>,
    ) -> Option<u64> {
        let entry = self.databases.get(db)?.shard(hash).table().probable(hash)?;
        let Some(object) = entry.object() else {
            entry.large()?.prefetch();
            return None;
        };
        object.prefetch(member)
    }

    /// Asks the processor to fetch a member of that object, of which [`Self::prefetch_object`] has returned this.
    pub fn prefetch_member(&self, db: usize, hash: u64, member_hash: u64) {
        let database = self.databases.get(db);
        let entry = database.and_then(|database| database.shard(hash).table().probable(hash));
        if let Some(object) = entry.and_then(Entry::object) {
            object.prefetch_member(member_hash);
        }
    }

    /// A loan that nothing is part of yet.
    pub fn new_loan(&self) -> Loan {
        Loan::new(&self.loans)
    }

    /// A loan is of this keyspace.
    pub(crate) fn is_own(&self, loan: &Loan) -> bool {
        loan.is_of(&self.loans)
    }

    /// Frees removed entries that no reply holds any more: some of each database.
    pub fn settle_loans(&mut self) {
        for shard in self.databases.iter_mut().flat_map(|database| &mut database.shards) {
            shard.settle_some();
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

    /// The key that expires next, with its database; `None` when there is none, or too many have been put off that would have been
    /// before it.
    pub fn first_to_expire(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut shards = self.databases.iter_mut().flat_map(|database| &mut database.shards);
        if !shards.all(|shard| shard.catch_up_first(CAUGHT_UP_MAX)) {
            return None;
        }
        let shards = self
            .databases
            .iter()
            .zip(0..)
            .flat_map(|(database, db)| database.shards.iter().map(move |shard| (db, shard)));
        let firsts = shards
            .filter_map(|(db, shard)| shard.first_indexed().map(|(at, entry)| (at, db, shard.view(entry))));
        firsts.min_by_key(|&(at, db, _)| (at, db)).map(|(_, db, entry)| (db, entry.key().to_vec()))
    }

    /// Removes keys whose time has come, the earliest of each shard first, at most `budget` of them, those included that were put
    /// off and get their place in the index now; where that was enough, such fields of hashes too.
    pub fn expire_step(&mut self, now_ms: i64, mut budget: usize) -> ExpireStep {
        let mut step = ExpireStep { expired: 0, caught_up: 0, next_due_ms: None };
        let mut garbage = Vec::new();
        let log = self.logs.expired;
        let shards = self
            .databases
            .iter_mut()
            .zip(0..)
            .flat_map(|(database, db)| database.shards.iter_mut().map(move |shard| (db, shard)));
        for (db, shard) in shards {
            while let Some((at, entry)) = shard.first_indexed() {
                if at >= now_ms || budget == 0 {
                    step.is_due_at(at);
                    break;
                }
                budget -= 1;
                if shard.view(entry).expire_at().is_some_and(|at| at >= now_ms) {
                    shard.catch_up(entry);
                    step.caught_up += 1;
                    continue;
                }
                let key = shard.view(entry).key();
                let hash = self.hasher.key(key).hash;
                if log {
                    self.log.push(KeyEvent::Expired { db, key: key.to_vec() });
                }
                shard.remove(hash, entry);
                garbage.append(shard.garbage());
                step.expired += 1;
            }
        }
        self.stats.expired += step.expired as u64;
        self.frees_lazily = self.expires_lazily;
        self.put_garbage(garbage);
        self.expire_fields(now_ms, if budget > 0 { FIELDS_AT_ONCE_MAX } else { 0 }, &mut step);
        step
    }

    /// Removes fields whose time has come, the earliest of each shard first, at most `budget` of them, and hashes of which
    /// nothing is left.
    fn expire_fields(&mut self, now_ms: i64, mut budget: usize, step: &mut ExpireStep) {
        let mut garbage = Vec::new();
        for (database, db) in self.databases.iter_mut().zip(0..) {
            for shard in &mut database.shards {
                while let Some((at, entry)) = shard.first_timed_hash() {
                    if at >= now_ms || budget == 0 {
                        step.is_due_at(at);
                        break;
                    }
                    let count = shard.expire_fields(entry, now_ms, budget);
                    let view = shard.view(entry);
                    let (key, is_empty) = (view.key(), view.object().is_some_and(Object::is_empty));
                    if self.logs.fields_expired && count > 0 {
                        self.log.push(KeyEvent::FieldsExpired { db, key: key.to_vec() });
                        if is_empty {
                            self.log.push(KeyEvent::Emptied { db, key: key.to_vec() });
                        }
                    }
                    if is_empty {
                        let hash = self.hasher.key(key).hash;
                        shard.remove(hash, entry);
                        garbage.append(shard.garbage());
                    }
                    step.expired += count;
                    step.caught_up += usize::from(count == 0);
                    self.stats.expired_fields += count as u64;
                    budget -= count.max(1);
                }
            }
        }
        self.put_garbage(garbage);
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
        let shards = || self.databases.iter().flat_map(|database| &database.shards);
        shards().for_each(Shard::check);
        let first = shards().filter_map(Shard::first_due).min();
        assert!(
            self.earlier.is_told() || first.is_none_or(|at| self.next_due_ms.is_some_and(|next| next <= at))
        );
    }
}
