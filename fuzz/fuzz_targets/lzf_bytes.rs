//! Reading any bytes as an LZF stream ends without a panic, and what is compressed is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| vireo_core::lzf::check_lzf(data));
