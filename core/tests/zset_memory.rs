//! What an element of a large sorted set costs, with the sizes of nodes and buckets that users get.
#![allow(clippy::unwrap_used, reason = "a test")]

use vireo_core::keyspace::{HashSeed, KeyHasher};
use vireo_core::rng::Rng;
use vireo_core::types::zset::{Score, SortedSet};

/// Over a doubling of the length, as the index is leanest and most wasteful between two powers of two.
#[test]
fn nine_byte_members_cost_at_most_forty_bytes() {
    let (mut set, mut rng) = (SortedSet::new(KeyHasher::new(HashSeed([2; 16]))), Rng::new(6));
    for number in 0..100_000 {
        let score = f64::from(u32::try_from(rng.below(1 << 30)).unwrap());
        set.insert(format!("m{number:08}").as_bytes(), Score::new(score).unwrap());
        if set.len() >= 50_000 && set.len().is_multiple_of(1000) {
            assert!(set.memory() <= 40 * set.len(), "{} bytes for {}", set.memory(), set.len());
        }
    }
    while set.dismantle(1000) == 0 {}
    assert_eq!(set.memory(), 0);
}
