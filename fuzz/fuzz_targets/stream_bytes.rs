//! Reading any bytes as a stream's node ends without a panic, and what is read can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vireo_core::types::stream::StreamId;
use vireo_core::types::stream::model::check_node;

fuzz_target!(|data: &[u8]| {
    let Some((&[ms, keep], bytes)) = data.split_first_chunk() else { return };
    check_node(StreamId::new(u64::from(ms), 0), bytes, u64::from(keep));
    // Chance seldom finds a length and an end mark, so that they are added to the same bytes too.
    let Ok(len) = u32::try_from(bytes.len() + 7) else { return };
    let whole = [&len.to_le_bytes()[..], &[0xff, 0xff], bytes, &[0xff]].concat();
    check_node(StreamId::new(u64::from(ms), 0), &whole, u64::from(keep));
});
