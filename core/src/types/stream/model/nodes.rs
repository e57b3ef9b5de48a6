//! Reading any bytes as a node.

use alloc::vec::Vec;

use crate::types::listpack::{Element, Listpack};
use crate::types::stream::{Counters, Stream, StreamId, StreamLoader, TrimMode, TrimTo};

/// Checks that reading any bytes as a stream's only node ends without a panic, and that what is read can be used.
/// Returns whether they are one.
///
/// # Panics
/// When it cannot.
pub fn check_node(node_id: StreamId, bytes: &[u8], keep: u64) -> bool {
    let Some(mut stream) = load(node_id, bytes) else { return false };
    assert_eq!(stream.validate(), Ok(()));
    let ids: Vec<_> = stream.entries().iter().map(|entry| entry.id).collect();
    assert!(stream.entries().iter().all(|entry| entry.fields.count() == entry.fields.len()));
    let back = stream.entries().range_back(StreamId::MIN, StreamId::MAX).map(|entry| entry.id);
    assert!(back.eq(ids.iter().rev().copied()));
    stream.entries_mut().trim(TrimTo::MaxLen(keep), TrimMode::Exact, &mut Vec::new());
    assert_eq!(stream.validate(), Ok(()));
    for id in ids {
        let is_there = stream.entries().get(id).is_some();
        assert_eq!(stream.entries_mut().delete(id), is_there);
    }
    assert_eq!((stream.entries().len(), stream.validate()), (0, Ok(())));
    true
}

/// A stream of one node, which says itself how many entries it has.
fn load(node_id: StreamId, bytes: &[u8]) -> Option<Stream> {
    let mut loader = StreamLoader::new();
    loader.push_node(node_id, bytes.to_vec()).ok()?;
    let live = Listpack::from_bytes(bytes.to_vec())?.get(0).and_then(Element::integer);
    let counters = Counters {
        len: u64::try_from(live?).ok()?,
        last_id: StreamId::MAX,
        max_deleted_id: StreamId::MIN,
        entries_added: None,
    };
    loader.finish(&counters).ok()
}
