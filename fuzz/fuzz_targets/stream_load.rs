//! Reading any nodes and any group as a stream of a data file ends without a panic, and what is read keeps its invariants.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vireo_core::types::stream::model::check_loading;

fuzz_target!(|data: &[u8]| {
    check_loading(data);
});
