//! Listpacks do what a vector does, whatever the operations.
#![no_main]

mod seeds;

use libfuzzer_sys::fuzz_target;
use vireo_core::types::listpack::check::{run, some_op};

fuzz_target!(|data: &[u8]| run(&seeds::ops(data, some_op)));
