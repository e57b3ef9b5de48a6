//! Random samples of keys, for eviction.

use super::entry::Entry;
use super::keys::Keys;

/// Buckets looked at for each key that is wanted, before all are, or the index of expiries is asked.
const BUCKETS_A_KEY: usize = 16;

impl Keys<'_> {
    /// Hands `count` random keys to `each`, fewer when there are not so many; a key may come twice. With `volatile`, only
    /// keys that have an expiry.
    ///
    /// Where few keys have an expiry, these come from random
    /// points in time instead, so that ones that expire alone are more likely than ones that expire with others.
    pub fn sample<'s>(
        &'s self,
        count: usize,
        volatile: bool,
        mut next: impl FnMut(u64) -> u64,
        mut each: impl FnMut(Entry<'s>),
    ) {
        let shards = self.shards();
        let Some(shard) = usize::try_from(next(shards.len() as u64)).ok().and_then(|index| shards.get(index))
        else {
            return;
        };
        let buckets = shard.table().buckets();
        if buckets == 0 || (volatile && shard.expires_len() == 0) {
            return;
        }
        let mut seen = 0;
        let wanted = |entry: &Entry<'_>| !volatile || entry.expire_at().is_some();
        for _ in 0..count * BUCKETS_A_KEY {
            // A bucket's keys are as random as any; of more than are wanted, some.
            let bucket = usize::try_from(next(buckets as u64)).unwrap_or(0);
            let spare = shard.chain(bucket).filter(wanted).count().saturating_sub(count - seen);
            let skipped = usize::try_from(next(spare as u64 + 1)).unwrap_or(0);
            for entry in shard.chain(bucket).filter(wanted).skip(skipped).take(count - seen) {
                seen += 1;
                each(entry);
            }
            if seen == count {
                return;
            }
        }
        if seen == 0 && !volatile {
            (0..buckets).flat_map(|bucket| shard.chain(bucket)).take(count).for_each(&mut each);
        }
        if let Some((from, to)) = shard.expiry_ends().filter(|_| volatile) {
            for _ in seen..count {
                let at = from.saturating_add_unsigned(next(to.abs_diff(from).saturating_add(1)));
                shard.expiring_near(at).into_iter().for_each(&mut each);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::keyspace::{AccessPolicy, ExpireChange, HashSeed, Keyspace, Layout, Now};
    use crate::rng::Rng;

    #[test]
    fn whatever_is_there_is_found() {
        let mut keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([3; 16]));
        let mut rng = Rng::new(5);
        let mut keys = keyspace.keys(0, Now::new(1000, AccessPolicy::Lru));
        for number in 0..2000u64 {
            let bytes = number.to_le_bytes();
            let key = keys.key(&bytes);
            let expire = if number % 50 == 0 {
                ExpireChange::At(5000 + rng.below(1 << 40).cast_signed())
            } else {
                ExpireChange::Clear
            };
            keys.set_string(key, b"v", expire);
        }
        for volatile in [true, false] {
            loop {
                let mut found = None;
                keys.sample(
                    1,
                    volatile,
                    |bound| rng.below(bound),
                    |entry| found = Some(entry.key().to_vec()),
                );
                let Some(found) = found else { break };
                let key = keys.key(&found);
                assert_eq!(keys.peek(key).unwrap().expire_at().is_some(), volatile);
                keys.delete(key);
            }
            let left = keys.keyspace().expires_len(0);
            assert_eq!((left, keys.len()), if volatile { (0, 1960) } else { (0, 0) });
        }
    }
}
