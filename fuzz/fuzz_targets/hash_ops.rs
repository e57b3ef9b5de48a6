//! Hashes do what a map of values and times does, whatever the operations.
#![no_main]

mod seeds;

use libfuzzer_sys::fuzz_target;
use vireo_core::rng::Rng;
use vireo_core::types::hash::model::Pair;

fuzz_target!(|data: &[u8]| {
    let Some((&entries, rest)) = data.split_first() else { return };
    let mut pair = Pair::new(usize::from(entries));
    let mut rng = Rng::new(u64::from(entries));
    // What an operation is depends on the time that those before it let pass.
    for (count, mut own) in seeds::ops(rest, |rng| rng.clone()).into_iter().enumerate() {
        pair.apply(pair.some_op(&mut own));
        if count % 16 == 0 {
            pair.check(&mut rng);
        }
    }
    pair.check(&mut rng);
});
