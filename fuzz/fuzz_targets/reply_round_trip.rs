//! What is encoded as a reply decodes to the same, and decoding any bytes ends without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| vireo_core::resp::round_trip::check(data));
