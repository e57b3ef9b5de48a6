//! Reading any bytes as a listpack ends without a panic, and what is read can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| vireo_core::types::listpack::check::check_listpack(data));
