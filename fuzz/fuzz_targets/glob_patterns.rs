//! Patterns match what a naive matcher says they match, in bounded time.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&split, rest)) = data.split_first_chunk() else { return };
    let (pattern, text) = rest.split_at(usize::from(u16::from_le_bytes(split)) % (rest.len() + 1));
    vireo_core::glob::check_glob(pattern, text);
});
