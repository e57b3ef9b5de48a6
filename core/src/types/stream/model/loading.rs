//! Reading any bytes as the parts of a data file: several nodes, and a group.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::types::listpack::{Element, Listpack};
use crate::types::stream::{
    AddId, ConsumerId, Counters, GroupLoader, LoadError, NodeLimits, Stream, StreamId, StreamLoader,
};

/// Nodes and operations on a group of one run, so that it stays short.
const NODES_MAX: u8 = 6;
const GROUP_OPS_MAX: usize = 400;
/// Entries of a node that is made.
const ENTRIES_MAX: u8 = 24;

/// Checks that reading any nodes and any group ends without a panic, that what is wrong with a group is told as it is, and
/// that a stream that was read keeps its invariants. Returns whether one was read.
///
/// # Panics
/// When it does not.
pub fn check_loading(mut data: &[u8]) -> bool {
    let mut loader = StreamLoader::new();
    let (mut len, mut newest) = (0, StreamId::MIN);
    for _ in 0..take(&mut data) % (NODES_MAX + 1) {
        let (id, bytes) = some_node(&mut data, newest);
        if loader.push_node(id, bytes.clone()).is_ok() {
            len += live(&bytes);
            newest = newest.max(id);
        }
    }
    let odd = take(&mut data);
    let counters = Counters {
        len: len ^ u64::from(odd / 128),
        last_id: if odd.is_multiple_of(128) { newest } else { StreamId::MAX },
        max_deleted_id: StreamId::new(u64::from(odd), 0),
        entries_added: odd.is_multiple_of(2).then(|| u64::from(odd)),
    };
    let mut stream = loader.finish(&counters);
    if let Ok(stream) = &stream {
        assert_eq!(stream.entries().len(), counters.len);
        let ids: Vec<StreamId> = stream.entries().iter().map(|entry| entry.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b) && ids.len() as u64 == counters.len);
        assert!(ids.iter().all(|id| stream.entries().get(*id).is_some()));
    }
    let Some(group) = check_group(data) else { return false };
    let Ok(stream) = &mut stream else { return false };
    assert!(stream.insert_group(b"group", group));
    assert_eq!(stream.validate(), Ok(()));
    true
}

/// The next byte; 0 behind the last.
fn take(data: &mut &[u8]) -> u8 {
    let Some((&first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    first
}

/// How many live entries a node says it has.
fn live(bytes: &[u8]) -> u64 {
    let count = Listpack::from_bytes(bytes.to_vec());
    let count = count.as_ref().and_then(|pack| pack.get(0)).and_then(Element::integer);
    count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

/// A node that comes after `newest`, as it is written or with some bytes changed.
fn some_node(data: &mut &[u8], newest: StreamId) -> (StreamId, Vec<u8>) {
    let (form, count) = (take(data), take(data) % ENTRIES_MAX);
    let mut made = Stream::new();
    let mut id = StreamId::new(newest.ms, newest.seq.saturating_add(u64::from(form % 32)));
    for at in 0..=count {
        let step = take(data);
        id = StreamId::new(
            id.ms.wrapping_add(u64::from(step / 64)),
            id.seq.wrapping_add(u64::from(step % 16)),
        );
        let fields: [&[u8]; 4] = [b"a", &[step], if at % 3 == 0 { b"c" } else { b"b" }, b"17"];
        let fields = fields.iter().take(if step % 8 == 7 { 2 } else { 4 });
        let limits = NodeLimits { bytes: 0, entries: 0 };
        // What does not come after the others is left out.
        let _ = made.entries_mut().append(AddId::Exact(id), 0, fields.copied(), limits);
    }
    let Some((id, bytes)) = made.entries().node_bytes().next() else { return (id, Vec::new()) };
    let mut bytes = bytes.to_vec();
    for _ in 0..form / 64 {
        let (at, change) = (take(data), take(data));
        let len = bytes.len();
        if let Some(byte) = bytes.get_mut(usize::from(at) % len.max(1)) {
            *byte = byte.wrapping_add(change);
        }
    }
    // An ID that is not the node's moves all its entries.
    (if form & 32 != 0 { StreamId::new(id.ms / 2, id.seq) } else { id }, bytes)
}

/// A pending entry: when and how often it was delivered, and to whom.
type Waiting = (i64, u64, Option<ConsumerId>);

/// A group from any bytes, held against what they say.
fn check_group(mut data: &[u8]) -> Option<super::Group> {
    let mut loader = GroupLoader::new(StreamId::new(u64::from(take(&mut data)), 0), None);
    let mut waiting: BTreeMap<StreamId, Waiting> = BTreeMap::new();
    let mut consumers: BTreeMap<u8, ConsumerId> = BTreeMap::new();
    for op in data.as_chunks::<2>().0.iter().take(GROUP_OPS_MAX) {
        let [kind, number] = *op;
        let id = StreamId::new(u64::from(number), 1);
        let owner = consumers.get(&(kind / 4 % 8)).copied();
        match (kind % 4, owner) {
            (0, _) => {
                let (time, count) = (i64::from(kind), u64::from(number));
                let is_new = !waiting.contains_key(&id);
                waiting.entry(id).or_insert((time, count, None));
                let expected = if is_new { Ok(()) } else { Err(LoadError::Duplicate) };
                assert_eq!(loader.pending(id, time, count), expected);
            }
            (1, _) => match loader.consumer(&[number % 8], i64::from(kind), None) {
                Ok(id) => assert_eq!(consumers.insert(number % 8, id), None),
                Err(error) => {
                    assert_eq!((error, consumers.contains_key(&(number % 8))), (LoadError::Duplicate, true));
                }
            },
            (_, Some(owner)) => {
                let expected = match waiting.get_mut(&id) {
                    None => Err(LoadError::NotPending),
                    Some((_, _, Some(_))) => Err(LoadError::Owner),
                    Some((_, _, none)) => {
                        *none = Some(owner);
                        Ok(())
                    }
                };
                assert_eq!(loader.owns(owner, id), expected);
            }
            (_, None) => {}
        }
    }
    let all_owned = waiting.values().all(|(_, _, owner)| owner.is_some());
    let group = loader.finish();
    assert_eq!(group.as_ref().err().copied(), (!all_owned).then_some(LoadError::Owner));
    let group = group.ok()?;
    assert_eq!(group.validate(), Ok(()));
    let read = group.pending_range(StreamId::MIN, StreamId::MAX);
    let read =
        read.map(|(id, entry)| (id, (entry.delivery_time, entry.delivery_count, Some(entry.consumer))));
    assert!(read.eq(waiting));
    Some(group)
}
