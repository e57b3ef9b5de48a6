//! Streams and their groups do what naive ones do, whatever the operations.
#![no_main]

mod seeds;

use libfuzzer_sys::fuzz_target;
use vireo_core::types::stream::model::{run, some_op};

fuzz_target!(|data: &[u8]| {
    let mut count = 0;
    let ops = seeds::ops(data, |rng| {
        count += 1;
        some_op(rng, count)
    });
    run(&ops);
});
