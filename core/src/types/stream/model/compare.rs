//! Compares a stream with the oracle through everything that can be asked of it.

use alloc::vec::Vec;

use super::random::some_id;
use super::{Naive, NaiveGroup, Waiting, number, owned};
use crate::rng::Rng;
use crate::types::stream::{Counters, Group, GroupLoader, Pending, Stream, StreamId, StreamLoader};

/// Compares all, and parts chosen by chance.
pub(super) fn compare(stream: &Stream, naive: &Naive, rng: &mut Rng) {
    assert_eq!(stream.validate(), Ok(()));
    let entries = stream.entries();
    let ids: Vec<StreamId> = naive.live().map(|entry| entry.id).collect();
    assert_eq!(entries.len(), ids.len() as u64);
    assert_eq!(entries.nodes(), naive.nodes.len());
    assert_eq!(entries.entries_added(), naive.added);
    assert_eq!((entries.last_id(), entries.max_deleted_id()), (naive.last_id, naive.max_deleted_id));
    assert_eq!(entries.last_entry_id(), ids.last().copied());
    assert_eq!(entries.first_id(), ids.first().copied().unwrap_or_default());
    assert_eq!(entries.first_stored_id(), naive.nodes.first().map(|node| node[0].id));
    assert!(entries.iter().map(owned).eq(naive.live().map(|entry| (entry.id, entry.fields.clone()))));
    let around = naive.last_id.ms;
    let (start, end) = (some_id(rng, around), some_id(rng, around));
    let within = |id: &&StreamId| (start..=end).contains(*id);
    let is_empty = start > end;
    let wanted: Vec<StreamId> = ids.iter().filter(within).copied().filter(|_| !is_empty).collect();
    assert!(entries.range(start, end).map(|entry| entry.id).eq(wanted.iter().copied()));
    assert!(entries.range_back(start, end).map(|entry| entry.id).eq(wanted.iter().rev().copied()));
    let mut finder = entries.finder();
    for _ in 0..4 {
        let id = some_id(rng, around);
        assert_eq!(finder.find(id).map(|entry| entry.id), ids.contains(&id).then_some(id));
        assert_eq!(entries.get(id).is_some(), ids.contains(&id));
    }
    for id in ids.iter().filter(|_| rng.below(3) == 0) {
        assert_eq!(finder.find(*id).map(|entry| entry.id), Some(*id));
    }
    assert!(stream.groups().map(|(name, _)| number(name)).eq(naive.groups.keys().copied()));
    for ((_, group), other) in stream.groups().zip(naive.groups.values()) {
        compare_group(group, other, (start, end));
    }
}

fn compare_group(group: &Group, other: &NaiveGroup, (start, end): (StreamId, StreamId)) {
    let owner =
        |pending: &Pending| number(group.consumer(pending.consumer).map_or(b"", |consumer| consumer.name()));
    let tuple = |(id, pending): (StreamId, &Pending)| {
        (id, (owner(pending), pending.delivery_time, pending.delivery_count))
    };
    let entry = |(id, waiting): (&StreamId, &Waiting)| (*id, *waiting);
    assert_eq!(group.last_id(), other.last_id);
    assert_eq!(group.pending_len(), other.waiting.len());
    assert!(group.pending_range(StreamId::MIN, StreamId::MAX).map(tuple).eq(other.waiting.iter().map(entry)));
    let within = other.waiting.iter().filter(|(id, _)| (start..=end).contains(*id)).map(entry);
    assert!(group.pending_range(start, end).map(tuple).eq(within.clone()));
    let bounds = other.waiting.first_key_value().zip(other.waiting.last_key_value());
    assert_eq!(group.pending_bounds(), bounds.map(|((first, _), (last, _))| (*first, *last)));
    let consumers = group.consumers().map(|(_, consumer)| (number(consumer.name()), consumer.active_time));
    assert!(consumers.eq(other.consumers.iter().map(|(who, active)| (*who, *active))));
    for (id, consumer) in group.consumers() {
        let who = number(consumer.name());
        let owned = within.clone().filter(|(_, waiting)| waiting.0 == who);
        assert!(group.pending_range_of(id, start, end).map(tuple).eq(owned));
        assert_eq!(consumer.pending_len(), other.waiting.values().filter(|waiting| waiting.0 == who).count());
    }
}

/// The stream as it comes back from a data file.
pub(super) fn reloaded(stream: &Stream) -> Stream {
    let entries = stream.entries();
    let mut loader = StreamLoader::new();
    for (id, bytes) in entries.node_bytes() {
        assert_eq!(loader.push_node(id, bytes.to_vec()), Ok(()));
    }
    let mut loaded = loader
        .finish(&Counters {
            len: entries.len(),
            last_id: entries.last_id(),
            max_deleted_id: entries.max_deleted_id(),
            entries_added: Some(entries.entries_added()),
        })
        .unwrap_or_else(|error| unreachable!("{error:?}"));
    for (name, group) in stream.groups() {
        let mut loader = GroupLoader::new(group.last_id(), group.entries_read());
        for (id, pending) in group.pending_range(StreamId::MIN, StreamId::MAX) {
            assert_eq!(loader.pending(id, pending.delivery_time, pending.delivery_count), Ok(()));
        }
        for (_, consumer) in group.consumers() {
            let owner = loader.consumer(consumer.name(), consumer.seen_time, consumer.active_time);
            for id in consumer.pending_ids(StreamId::MIN) {
                assert_eq!(owner.and_then(|owner| loader.owns(owner, id)), Ok(()));
            }
        }
        let group = loader.finish().unwrap_or_else(|error| unreachable!("{error:?}"));
        assert!(loaded.insert_group(name, group));
    }
    loaded
}
