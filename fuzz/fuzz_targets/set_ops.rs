//! Sets do what an ordered set does, whatever the operations.
#![no_main]

mod seeds;

use libfuzzer_sys::fuzz_target;
use vireo_core::types::set::model::{run, small_rules, some_op};

fuzz_target!(|data: &[u8]| {
    let Some((&range, rest)) = data.split_first() else { return };
    let range = [20, 60, 400, 4000][usize::from(range % 4)];
    run(&seeds::ops(rest, |rng| some_op(rng, range)), &small_rules());
});
