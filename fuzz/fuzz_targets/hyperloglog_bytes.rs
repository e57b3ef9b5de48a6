//! Whatever is asked of bytes as a HyperLogLog ends without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vireo_core::types::hyperloglog::check::check_value;

fuzz_target!(|data: &[u8]| {
    let (element, value) = data.split_at(data.len().min(4));
    check_value(value, element);
    // Chance seldom finds a header, so that the same bytes are tried as runs too.
    let sparse = [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80", value].concat();
    check_value(&sparse, element);
});
