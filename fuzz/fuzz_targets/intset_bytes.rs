//! Reading any bytes as an intset ends without a panic, and what is read can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| vireo_core::types::intset::check_intset(data));
