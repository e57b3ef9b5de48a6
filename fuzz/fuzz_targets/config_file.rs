//! What is taken of any configuration file survives its being written anew.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vireo_core::config::model::check_file;

fuzz_target!(|data: &[u8]| {
    check_file(data);
});
