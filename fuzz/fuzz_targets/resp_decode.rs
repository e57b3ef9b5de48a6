//! Any split of the bytes gives the same requests, and none a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let pieces = data.len().min(8);
    vireo_core::resp::split_check::check(&data[pieces..], &data[..pieces]);
});
