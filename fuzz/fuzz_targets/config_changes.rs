//! Several directives are set together or not at all, and what is shown of them can be set again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vireo_core::config::model::check_changes;

fuzz_target!(|data: &[u8]| {
    check_changes(data);
});
