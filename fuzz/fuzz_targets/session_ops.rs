//! Whole sessions on the engine: each request has one whole reply, and nothing is left when all are gone.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| vireo_core::engine::model::run(data));
