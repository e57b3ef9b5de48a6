//! All keys of a database, one after another or one at random: SCAN, KEYS, RANDOMKEY, DBSIZE.

use alloc::vec::Vec;

use super::entry::Entry;
use super::keys::Keys;

/// RANDOMKEY looks at this many buckets before it takes the first key it finds.
const RANDOM_TRIES: usize = 128;

impl Keys<'_> {
    /// How many keys there are, expired ones that nobody has met yet included.
    pub fn len(&self) -> usize {
        self.keyspace.databases[self.db].len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some key, each about as likely; expired ones are not told apart.
    pub fn random(&self, mut next: impl FnMut(u64) -> u64) -> Option<Entry<'_>> {
        let shards = &self.keyspace.databases[self.db].shards;
        let mut index = next(self.len() as u64);
        let shard = shards.iter().find(|shard| {
            let len = shard.len() as u64;
            index < len || {
                index -= len;
                false
            }
        })?;
        let buckets = shard.table().buckets();
        for _ in 0..RANDOM_TRIES {
            let bucket = usize::try_from(next(buckets as u64)).unwrap_or(0);
            let count = shard.chain(bucket).count();
            if count > 0 {
                let pick = usize::try_from(next(count as u64)).unwrap_or(0);
                return shard.chain(bucket).nth(pick);
            }
        }
        (0..buckets).find_map(|bucket| shard.chain(bucket).next())
    }

    /// Hands all entries to `each`, in no order.
    pub fn for_each<'s>(&'s self, mut each: impl FnMut(Entry<'s>)) {
        for shard in &self.keyspace.databases[self.db].shards {
            for bucket in 0..shard.table().buckets() {
                shard.chain(bucket).for_each(&mut each);
            }
        }
    }

    /// One step of a walk over all keys: hands at least `count` entries to `each` if there are so many, and returns the
    /// cursor to go on from, 0 when the walk is over.
    ///
    /// A key that is there during the whole walk is seen at least once, however the table changes in between.
    pub fn scan<'s>(&'s self, cursor: u64, count: usize, mut each: impl FnMut(Entry<'s>)) -> u64 {
        let (bits, shards) = (self.keyspace.shard_bits, &self.keyspace.databases[self.db].shards);
        let mut shard_index = usize::try_from(cursor & ((1 << bits) - 1)).unwrap_or(0);
        let mut position = cursor >> bits;
        let mut seen = 0;
        let mut buckets_left = count.saturating_mul(10);
        while let Some(shard) = shards.get(shard_index) {
            let (visited, next) = shard.table().scan_step(position);
            for bucket in visited.into_iter().flatten() {
                for entry in shard.chain(bucket) {
                    seen += 1;
                    each(entry);
                }
            }
            position = next;
            if position == 0 {
                shard_index += 1;
            }
            buckets_left = buckets_left.saturating_sub(1);
            if seen >= count || buckets_left == 0 {
                break;
            }
        }
        if shard_index >= shards.len() { 0 } else { position << bits | shard_index as u64 }
    }

    /// Whether an entry's time has come.
    pub fn is_expired(&self, entry: Entry<'_>) -> bool {
        entry.expire_at().is_some_and(|at| self.now.is_over(at))
    }

    /// Removes the expired ones of these keys, unless they are to stay.
    pub fn purge_expired(&mut self, keys: &[Vec<u8>]) {
        if self.now.keeps_expired {
            return;
        }
        for bytes in keys {
            let key = self.key(bytes);
            self.find(key);
        }
    }
}
