//! Sorted sets do what a sorted vector does, whatever the operations.
#![no_main]

mod seeds;

use libfuzzer_sys::fuzz_target;
use vireo_core::types::zset::model::{run, some_op};

fuzz_target!(|data: &[u8]| {
    let Some((&[scores, growth], rest)) = data.split_first_chunk() else { return };
    let mut count = 0u32;
    let ops = seeds::ops(rest, |rng| {
        count += 1;
        some_op(rng, count % 256 < u32::from(growth))
    });
    run(&ops, [1, 7, 400, 60_000][usize::from(scores % 4)]);
});
