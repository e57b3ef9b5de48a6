//! Random samples of keys, for eviction.

use super::entry::Entry;
use super::keys::Keys;
use super::shard::Shard;

/// Buckets looked at for each key that is wanted, before all are, or the index of expiries is asked.
const BUCKETS_A_KEY: usize = 16;

/// Where in a database the next samples will be taken: drawn ahead, so that they are in the processor's caches by then. Any
/// number of keys may come and go meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct SamplesAhead {
    next: Option<Place>,
    after: Option<Place>,
}

/// A shard and a bucket of it.
type Place = (usize, usize);

fn draw(shards: &[Shard], random: &mut impl FnMut(u64) -> u64) -> Option<Place> {
    let index = usize::try_from(random(shards.len() as u64)).ok()?;
    let buckets = shards.get(index)?.table().buckets();
    (buckets > 0).then(|| (index, usize::try_from(random(buckets as u64)).unwrap_or(0)))
}

impl SamplesAhead {
    /// The place of this sample.
    fn take(&mut self, shards: &[Shard], random: &mut impl FnMut(u64) -> u64) -> Option<Place> {
        let drawn = self.next.take();
        let is_there = |&(index, bucket): &Place| {
            shards.get(index).is_some_and(|shard| bucket < shard.table().buckets())
        };
        drawn.filter(is_there).or_else(|| draw(shards, random))
    }

    /// Draws one more, and asks the processor to fetch its bucket, and what is in the one that was drawn before.
    fn advance(&mut self, shards: &[Shard], random: &mut impl FnMut(u64) -> u64) {
        self.next = self.after;
        self.after = draw(shards, random);
        let of = |place: Option<Place>| {
            place.and_then(|(index, bucket)| Some((shards.get(index)?.table(), bucket)))
        };
        if let Some((table, bucket)) = of(self.next) {
            table.prefetch_entries(bucket);
        }
        if let Some((table, bucket)) = of(self.after) {
            table.prefetch_bucket_at(bucket);
        }
    }
}

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
        ahead: &mut SamplesAhead,
        mut random: impl FnMut(u64) -> u64,
        each: impl FnMut(Entry<'s>),
    ) {
        let shards = self.shards();
        let Some((index, bucket)) = ahead.take(shards, &mut random) else { return };
        if let Some(shard) = shards.get(index).filter(|shard| !volatile || shard.expires_len() > 0) {
            sample_shard(shard, bucket, count, volatile, &mut random, each);
        }
        ahead.advance(shards, &mut random);
    }
}

/// Same, of one shard, from a bucket that is as random as any.
fn sample_shard<'s>(
    shard: &'s Shard,
    mut bucket: usize,
    count: usize,
    volatile: bool,
    random: &mut impl FnMut(u64) -> u64,
    mut each: impl FnMut(Entry<'s>),
) {
    let buckets = shard.table().buckets();
    let mut seen = 0;
    let wanted = |entry: &Entry<'_>| !volatile || entry.expire_at().is_some();
    for _ in 0..count * BUCKETS_A_KEY {
        // A bucket's keys are as random as any; of more than are wanted, some.
        let spare = shard.chain(bucket).filter(wanted).count().saturating_sub(count - seen);
        let skipped = usize::try_from(random(spare as u64 + 1)).unwrap_or(0);
        for entry in shard.chain(bucket).filter(wanted).skip(skipped).take(count - seen) {
            seen += 1;
            each(entry);
        }
        if seen == count {
            return;
        }
        bucket = usize::try_from(random(buckets as u64)).unwrap_or(0);
    }
    if seen == 0 && !volatile {
        (0..buckets).flat_map(|bucket| shard.chain(bucket)).take(count).for_each(&mut each);
    }
    if let Some((from, to)) = shard.indexed_ends().filter(|_| volatile) {
        for _ in seen..count {
            let at = from.saturating_add_unsigned(random(to.abs_diff(from).saturating_add(1)));
            shard.expiring_near(at).into_iter().for_each(&mut each);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::keyspace::{AccessPolicy, ExpireChange, HashSeed, Keyspace, Layout, Now, SamplesAhead};
    use crate::rng::Rng;

    #[test]
    fn whatever_is_there_is_found() {
        let mut keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([3; 16]));
        let mut rng = Rng::new(5);
        let mut keys = keyspace.keys(0, Now::new(1000, AccessPolicy::Lru));
        let count: u64 = if cfg!(miri) { 200 } else { 2000 };
        for number in 0..count {
            let bytes = number.to_le_bytes();
            let key = keys.key(&bytes);
            let expire = if number % 50 == 0 {
                ExpireChange::At(5000 + rng.below(1 << 40).cast_signed())
            } else {
                ExpireChange::Clear
            };
            keys.set_string(key, b"v", expire);
        }
        let mut ahead = SamplesAhead::default();
        for volatile in [true, false] {
            loop {
                let mut found = None;
                keys.sample(
                    1,
                    volatile,
                    &mut ahead,
                    |bound| rng.below(bound),
                    |entry| found = Some(entry.key().to_vec()),
                );
                let Some(found) = found else { break };
                let key = keys.key(&found);
                assert_eq!(keys.peek(key).unwrap().expire_at().is_some(), volatile);
                keys.delete(key);
            }
            let left = keys.keyspace().expires_len(0);
            let rest = if volatile { count - count / 50 } else { 0 };
            assert_eq!((left as u64, keys.len() as u64), (0, rest));
        }
    }
}
