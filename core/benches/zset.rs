//! The large sorted set: nanoseconds of its operations and bytes of an element, at a million nine-byte members.
//!
//! `cargo bench -p vireo-core --bench zset`. One thread, one run of each; members come in random order.
#![allow(clippy::disallowed_methods, reason = "a program that measures reads the clock")]
#![allow(missing_docs, reason = "a program")]

use core::hint::black_box;
use std::time::Instant;

use vireo_core::keyspace::{HashSeed, KeyHasher};
use vireo_core::rng::Rng;
use vireo_core::types::zset::{Score, Side, SortedSet};

const LEN: u32 = 1_000_000;

fn measure(name: &str, run: impl FnOnce()) {
    let began = Instant::now();
    run();
    println!("{name:<32} {:7.1} ns", began.elapsed().as_secs_f64() * 1e9 / f64::from(LEN));
}

fn score(value: u64) -> Score {
    Score::new(f64::from(u32::try_from(value).unwrap_or(u32::MAX))).expect("a number")
}

/// Members in random order.
fn members(rng: &mut Rng) -> Vec<String> {
    let mut numbers: Vec<u32> = (0..LEN).collect();
    for end in (1..numbers.len()).rev() {
        numbers.swap(end, usize::try_from(rng.below(end as u64 + 1)).expect("an index"));
    }
    numbers.into_iter().map(|number| format!("m{number:08}")).collect()
}

fn bytes_each(set: &SortedSet) -> f64 {
    let bytes = u32::try_from(set.memory()).expect("below 4 GB");
    f64::from(bytes) / f64::from(u32::try_from(set.len()).expect("a million"))
}

fn main() {
    let hasher = KeyHasher::new(HashSeed([1; 16]));
    let mut rng = Rng::new(1);
    let names = members(&mut rng);
    let mut set = SortedSet::new(hasher);
    let (mut worst, mut next) = (0f64, 10_000);
    measure("insert, random scores", || {
        for name in &names {
            set.insert(name.as_bytes(), score(rng.below(1 << 30)));
            if set.len() == next {
                next += next / 50;
                worst = worst.max(bytes_each(&set));
            }
        }
    });
    println!("bytes of an element {:.1}, at most {worst:.1} on the way", bytes_each(&set));
    measure("walk forwards", || {
        black_box(set.iter(0..set.len()).map(|(member, score)| member.len() as f64 + score).sum::<f64>());
    });
    measure("walk backwards", || {
        black_box(
            set.iter(0..set.len()).rev().map(|(member, score)| member.len() as f64 + score).sum::<f64>(),
        );
    });
    let names = members(&mut rng);
    measure("score of a member", || {
        names.iter().for_each(|name| {
            black_box(set.score(name.as_bytes()));
        });
    });
    measure("rank of a member", || {
        names.iter().for_each(|name| {
            black_box(set.rank(name.as_bytes()));
        });
    });
    measure("element of a rank", || {
        (0..LEN).for_each(|_| {
            black_box(set.at(usize::try_from(rng.below(u64::from(LEN))).unwrap_or(0)));
        });
    });
    measure("rank of a score", || {
        (0..LEN).for_each(|_| {
            black_box(set.rank_of_score(score(rng.below(1 << 30)), Side::Before));
        });
    });
    measure("another score, far away", || {
        for name in &names {
            set.insert(name.as_bytes(), score(rng.below(1 << 30)));
        }
    });
    println!("bytes of an element {:.1}", bytes_each(&set));
    measure("remove", || {
        for name in &names {
            set.remove(name.as_bytes());
        }
    });
    measure("insert, rising scores", || {
        for (name, value) in names.iter().zip(0..) {
            set.insert(name.as_bytes(), score(value));
        }
    });
    println!("bytes of an element {:.1}", bytes_each(&set));
    measure("remove all by rank", || set.remove_range(0..usize::MAX, |_, _| {}));
    for (name, value) in names.iter().zip(0..) {
        set.insert(name.as_bytes(), score(value));
    }
    measure("dismantle", || while set.dismantle(1000) == 0 {});
}
