//! Lists do what a deque does, whatever the operations and the settings.
#![no_main]

mod seeds;

use libfuzzer_sys::fuzz_target;
use vireo_core::types::list::ListLimits;
use vireo_core::types::list::check::{run, some_op};

fuzz_target!(|data: &[u8]| {
    let Some((&[size, plain], rest)) = data.split_first_chunk() else { return };
    // From -2 to 13: by bytes, by entries, and one alone.
    let max_listpack_size = i32::from(size % 16) - 2;
    let limits = ListLimits {
        max_listpack_size,
        plain_len_min: usize::from(plain % 24),
        compress_depth: u16::from(size / 16 % 4),
    };
    let long = if max_listpack_size < 0 { 2048 << max_listpack_size.unsigned_abs() } else { 40 };
    run(&seeds::ops(rest, |rng| some_op(rng, long)), limits);
});
