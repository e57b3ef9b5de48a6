//! Tests of the stream as a whole: the model, what the reference answered, and broken data files.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::model::{check_loading, check_node, run, some_op};
use super::{
    Ack, AddError, AddId, Counters, Group, GroupLoader, LoadError, NodeLimits, SetId, SetIdError, Stream,
    StreamId, StreamLoader, TrimMode, TrimTo,
};
use crate::rng::Rng;

const NO_LIMITS: NodeLimits = NodeLimits { bytes: 0, entries: 0 };

fn id(ms: u64) -> StreamId {
    StreamId::new(ms, 0)
}

fn add(stream: &mut Stream, text: &str, fields: &[&str], limits: NodeLimits) {
    let fields = fields.iter().map(|field| field.as_bytes());
    let id = AddId::parse(text.as_bytes()).unwrap();
    stream.entries_mut().append(id, 0, fields, limits).unwrap();
}

fn numbered(count: u64, limits: NodeLimits) -> Stream {
    let mut stream = Stream::new();
    (1..=count).for_each(|ms| add(&mut stream, &alloc::format!("{ms}-0"), &["a", "b"], limits));
    assert_eq!(stream.validate(), Ok(()));
    stream
}

#[test]
fn agrees_with_the_oracle() {
    for seed in 0..if cfg!(miri) { 1 } else { 30 } {
        let mut rng = Rng::new(seed);
        let ops: Vec<_> =
            (0..if cfg!(miri) { 24 } else { 400 }).map(|count| some_op(&mut rng, count)).collect();
        run(&ops);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
}

/// DUMP of the reference after the same commands, `stream-node-max-entries 3`.
#[test]
fn nodes_are_the_bytes_of_the_reference() {
    let (mut stream, limits) = (Stream::new(), NodeLimits { entries: 3, ..NodeLimits::default() });
    add(&mut stream, "5-1", &["name", "Ann", "age", "31"], limits);
    add(&mut stream, "5-3", &["name", "Bob", "age", "-4000"], limits);
    add(&mut stream, "7-0", &["city", &"x".repeat(64)], limits);
    add(&mut stream, "9223372036854775808-5", &["name", "", "age", "1234567890123"], limits);
    assert!(stream.entries_mut().delete(StreamId::new(5, 3)));
    let nodes: Vec<_> =
        stream.entries().node_bytes().map(|(id, bytes)| (hex(&id.to_be_bytes()), hex(bytes))).collect();
    let first = "8d0000001900020101010201846e616d65058361676504000102010001000183416e6e041f01050103010001020183426f6204\
                 d06002050100010201dfff020101846369747905e040"
        .replace(' ', "")
        + &"78".repeat(64)
        + "420601ff";
    let second =
        "2e0000000c00010100010201846e616d6505836167650400010201000100018001f4cb04fb711f010000090501ff";
    let wanted = [
        (String::from("00000000000000050000000000000001"), first),
        (String::from("80000000000000000000000000000005"), String::from(second)),
    ];
    assert_eq!(nodes, wanted);
}

/// Entries-read and lag of XINFO GROUPS of the reference after each of the same commands.
#[test]
fn counters_and_lag_are_those_of_the_reference() {
    let mut stream = Stream::new();
    assert!(stream.insert_group(b"g", Group::new(StreamId::MIN, None)));
    let seen = |stream: &Stream| {
        assert_eq!(stream.validate(), Ok(()));
        stream
            .group(b"g")
            .map(|group| (group.last_id().ms, group.entries_read(), group.lag(stream.entries())))
            .unwrap()
    };
    let read = |stream: &mut Stream| {
        let mut found = stream.group_mut(b"g").unwrap();
        let _ = found.group.create_consumer(b"c", 1);
        let consumer = found.group.find_consumer(b"c").unwrap();
        found.deliver(consumer, Ack::Wanted, 1).next();
        seen(stream)
    };
    let set = |stream: &mut Stream, ms, entries_read| {
        stream.group_mut(b"g").unwrap().group.set_id(id(ms), entries_read);
        seen(stream)
    };
    let delete = |stream: &mut Stream, ms| {
        assert!(stream.entries_mut().delete(id(ms)));
        seen(stream)
    };
    assert_eq!(seen(&stream), (0, None, Some(0)));
    (1..=5u64).for_each(|ms| add(&mut stream, &alloc::format!("{ms}-0"), &["a", "b"], NO_LIMITS));
    assert_eq!(seen(&stream), (0, None, Some(5)));
    assert_eq!(read(&mut stream), (1, Some(1), Some(4)));
    assert_eq!(read(&mut stream), (2, Some(2), Some(3)));
    assert_eq!(delete(&mut stream, 1), (2, Some(2), Some(3)));
    assert_eq!(delete(&mut stream, 4), (2, Some(2), None));
    assert_eq!(read(&mut stream), (3, None, None));
    assert_eq!(read(&mut stream), (5, Some(5), Some(0)));
    add(&mut stream, "6-0", &["a", "b"], NO_LIMITS);
    assert_eq!(seen(&stream), (5, Some(5), Some(1)));
    assert_eq!(read(&mut stream), (6, Some(6), Some(0)));
    assert_eq!(set(&mut stream, 2, None), (2, None, None));
    assert_eq!(set(&mut stream, 0, None), (0, None, None));
    assert_eq!(stream.entries_mut().trim(TrimTo::MaxLen(1), TrimMode::Exact, &mut Vec::new()), 3);
    assert_eq!(seen(&stream), (0, None, Some(1)));
    assert_eq!(set(&mut stream, 6, None), (6, None, Some(0)));
    assert_eq!(delete(&mut stream, 6), (6, None, Some(0)));
    let ids = SetId { last_id: id(6), entries_added: Some(100), max_deleted_id: Some(StreamId::MIN) };
    assert_eq!(stream.entries_mut().set_id(&ids), Ok(()));
    assert_eq!(set(&mut stream, 3, Some(7)), (3, Some(7), Some(93)));
    add(&mut stream, "8-0", &["a", "b"], NO_LIMITS);
    add(&mut stream, "9-0", &["a", "b"], NO_LIMITS);
    assert_eq!(seen(&stream), (3, Some(7), None));
    assert_eq!(read(&mut stream), (8, Some(101), Some(1)));
    assert_eq!(set(&mut stream, 9, Some(500)), (9, Some(500), Some(-398)));
}

#[test]
fn ids_that_xadd_refuses() {
    let mut stream = Stream::new();
    let next = |stream: &mut Stream, text: &str| {
        let id = AddId::parse(text.as_bytes()).unwrap();
        stream.entries_mut().append(id, 50, [&b"a"[..], b"b"].into_iter(), NO_LIMITS)
    };
    assert_eq!(next(&mut stream, "0-0"), Err(AddError::Zero));
    assert_eq!(next(&mut stream, "0-*"), Ok(StreamId::new(0, 1)));
    assert_eq!(next(&mut stream, "*"), Ok(id(50)));
    assert_eq!(next(&mut stream, "*"), Ok(StreamId::new(50, 1)));
    assert_eq!(next(&mut stream, "50-1"), Err(AddError::NotAbove));
    assert_eq!(next(&mut stream, "49-*"), Err(AddError::NotAbove));
    assert_eq!(next(&mut stream, "50-*"), Ok(StreamId::new(50, 2)));
    assert_eq!(next(&mut stream, "60-18446744073709551615"), Ok(StreamId::new(60, u64::MAX)));
    assert_eq!(next(&mut stream, "60-*"), Err(AddError::NotAbove));
    assert_eq!(next(&mut stream, "*"), Ok(id(61)));
    assert_eq!(next(&mut stream, "18446744073709551615-18446744073709551615"), Ok(StreamId::MAX));
    assert_eq!(next(&mut stream, "*"), Err(AddError::Exhausted));
    assert_eq!(stream.entries().after(StreamId::MAX).count(), 0);
    assert_eq!(stream.entries().get(StreamId::MAX).map(|entry| entry.id), Some(StreamId::MAX));
    assert_eq!(stream.entries().range_back(id(61), StreamId::MAX).count(), 2);
    assert_eq!(stream.validate(), Ok(()));
}

#[test]
fn what_xsetid_refuses() {
    let mut stream = numbered(3, NO_LIMITS);
    let mut set = |ms, entries_added, deleted: Option<u64>| {
        stream.entries_mut().set_id(&SetId {
            last_id: id(ms),
            entries_added,
            max_deleted_id: deleted.map(id),
        })
    };
    assert_eq!(set(5, None, Some(6)), Err(SetIdError::BelowGivenDeleted));
    assert_eq!(set(2, None, None), Err(SetIdError::BelowTop));
    assert_eq!(set(5, Some(2), None), Err(SetIdError::FewerThanEntries));
    assert_eq!(set(5, Some(3), Some(4)), Ok(()));
    assert_eq!(set(3, None, None), Err(SetIdError::BelowDeleted));
    assert_eq!(stream.entries().last_id(), id(5));
}

#[test]
fn limits_close_nodes() {
    for (limits, nodes) in [
        (NodeLimits { bytes: 0, entries: 10 }, 5),
        (NO_LIMITS, 1),
        // The head takes 18 bytes, an entry 11, its texts alone 2: a node is full with the sixth.
        (NodeLimits { bytes: 80, entries: 0 }, 9),
        (NodeLimits { bytes: 1, entries: 0 }, 50),
    ] {
        let stream = numbered(50, limits);
        assert_eq!((stream.entries().nodes(), stream.entries().len()), (nodes, 50), "{limits:?}");
    }
    assert_eq!(TrimMode::nodes_default(NodeLimits::default()), TrimMode::Nodes { limit: Some(10_000) });
    assert_eq!(TrimMode::nodes_default(NO_LIMITS), TrimMode::Nodes { limit: Some(10_000) });
    let many = NodeLimits { bytes: 0, entries: u64::MAX };
    assert_eq!(TrimMode::nodes_default(many), TrimMode::Nodes { limit: Some(1_000_000) });
}

#[test]
fn a_tombstone_above_later_entries_ends_a_trimming_as_in_the_reference() {
    let mut stream = numbered(10, NO_LIMITS);
    for ms in 3..=10 {
        assert!(stream.entries_mut().delete(id(ms)));
    }
    for last in [10, 2] {
        let ids = SetId { last_id: id(last), entries_added: None, max_deleted_id: Some(id(1)) };
        assert_eq!(stream.entries_mut().set_id(&ids), Ok(()));
    }
    add(&mut stream, "3-0", &["a", "b"], NO_LIMITS);
    add(&mut stream, "4-0", &["a", "b"], NO_LIMITS);
    let all: Vec<u64> = stream.entries().iter().map(|entry| entry.id.ms).collect();
    assert_eq!(all, [1, 2, 3, 4]);
    assert!(stream.entries().get(id(3)).is_some() && stream.entries().get(id(5)).is_none());
    assert_eq!(stream.entries_mut().trim(TrimTo::MinId(id(4)), TrimMode::Exact, &mut Vec::new()), 2);
    assert_eq!(stream.entries_mut().trim(TrimTo::MinId(id(4)), TrimMode::Exact, &mut Vec::new()), 0);
    assert_eq!(stream.entries_mut().trim(TrimTo::MaxLen(1), TrimMode::Exact, &mut Vec::new()), 1);
    assert_eq!((stream.entries().first_id(), stream.validate()), (id(4), Ok(())));
}

#[test]
fn memory_is_counted_and_freed_in_steps() {
    if cfg!(miri) {
        return;
    }
    let mut stream = numbered(1000, NodeLimits { bytes: 0, entries: 10 });
    assert_eq!(stream.entries().nodes(), 100);
    let bytes: usize = stream.entries().node_bytes().map(|(_, bytes)| bytes.len()).sum();
    let memory = stream.memory();
    assert!(memory > bytes && memory < 2 * bytes, "{memory} for {bytes}");
    assert!(stream.insert_group(b"group", Group::new(StreamId::MIN, Some(0))));
    let mut found = stream.group_mut(b"group").unwrap();
    for name in [b"a", b"b"] {
        let consumer = found.group.create_consumer(name, 1).unwrap();
        assert_eq!(found.deliver(consumer, Ack::Wanted, 1).take(400).count(), 400);
    }
    assert!(stream.memory() > memory + 800 * (40 + 16));
    let mut steps = 1;
    while stream.dismantle(100) == 0 {
        steps += 1;
    }
    assert_eq!(steps, 1 + 8 + 8 + 1);
    assert!(stream.memory() < 1000);
}

#[test]
fn consumers_that_are_gone_leave_no_memory() {
    let mut group = Group::new(id(1), None);
    let empty = group.memory();
    for round in 0..3 {
        for number in 0..500 {
            assert!(group.create_consumer(alloc::format!("c{number}").as_bytes(), round).is_some());
        }
        assert!(group.memory() > empty + 500 * 40);
        for number in 0..500 {
            let name = alloc::format!("c{number}");
            assert_eq!(group.delete_consumer(name.as_bytes(), &mut Vec::new()), Some(0));
        }
        assert_eq!((group.memory(), group.validate()), (empty, Ok(())));
    }
}

fn counters(len: u64) -> Counters {
    Counters { len, last_id: id(1000), max_deleted_id: StreamId::MIN, entries_added: None }
}

//= security CVE-2026-63639, CVE-2026-104192: a pending entry has one owner, and a file in which it has two is refused
//= security vk#3922, vk#4381, vk#3498: the counts of entries, deleted ones and pending ones are looked up, not believed
#[test]
fn loading_refuses_what_does_not_fit() {
    let stream = numbered(20, NodeLimits { bytes: 0, entries: 10 });
    let nodes: Vec<_> = stream.entries().node_bytes().map(|(id, bytes)| (id, bytes.to_vec())).collect();
    let load = |order: &[usize]| {
        let mut loader = StreamLoader::new();
        order.iter().try_for_each(|&at| loader.push_node(nodes[at].0, nodes[at].1.clone())).map(|()| loader)
    };
    assert_eq!(load(&[1, 0]).err(), Some(LoadError::Order));
    assert_eq!(load(&[0, 0]).err(), Some(LoadError::Order));
    assert_eq!(load(&[0]).unwrap().finish(&counters(20)).err(), Some(LoadError::Length));
    let low = Counters { last_id: id(19), ..counters(20) };
    assert_eq!(load(&[0, 1]).unwrap().finish(&low).err(), Some(LoadError::LastId));
    assert_eq!(load(&[0, 1]).unwrap().finish(&counters(20)).unwrap().validate(), Ok(()));
    let mut loader = StreamLoader::new();
    assert_eq!(loader.push_node(id(1), vec![7, 0, 0, 0, 0, 0, 255]), Err(LoadError::Node));
    let mut loader = GroupLoader::new(id(5), None);
    assert_eq!(loader.pending(id(3), 1, 1), Ok(()));
    assert_eq!(loader.pending(id(3), 1, 1), Err(LoadError::Duplicate));
    let first = loader.consumer(b"a", 1, None).unwrap();
    assert_eq!(loader.consumer(b"a", 1, None), Err(LoadError::Duplicate));
    assert_eq!(loader.owns(first, id(4)), Err(LoadError::NotPending));
    assert_eq!(loader.pending(id(4), 1, 1), Ok(()));
    assert_eq!(loader.owns(first, id(3)), Ok(()));
    assert_eq!(loader.owns(first, id(3)), Err(LoadError::Owner));
    assert_eq!(loader.pending(id(3), 9, 9), Err(LoadError::Duplicate));
    assert_eq!(loader.owns(first, id(3)), Err(LoadError::Owner), "what is refused changes nothing");
    assert_eq!(loader.finish().err(), Some(LoadError::Owner));
}

#[test]
fn other_encodings_of_numbers_are_read_and_changed() {
    // One entry more than what the reference would write: flags as 64 bits, counts and offsets as texts.
    let mut bytes = vec![0, 0, 0, 0, 0xff, 0xff];
    for element in [
        &[0x81, b'2'][..],
        &[0],
        &[1],
        &[0x81, b'a'],
        &[0],
        &[0xf4, 2, 0, 0, 0, 0, 0, 0, 0],
        &[0x81, b'0'],
        &[0],
        &[0x81, b'5'],
        &[4],
        &[0xf3, 2, 0, 0, 0],
        &[3],
        &[0xf1, 0, 0],
        &[6],
        &[0x81, b'4'],
    ] {
        bytes.extend_from_slice(element);
        bytes.push(u8::try_from(element.len()).unwrap());
    }
    bytes.push(0xff);
    let len = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    let mut loader = StreamLoader::new();
    assert_eq!(loader.push_node(id(7), bytes), Ok(()));
    let mut stream = loader.finish(&counters(2)).unwrap();
    let mut trimmed = stream.clone();
    assert!(stream.entries_mut().delete(id(7)));
    assert_eq!(trimmed.entries_mut().trim(TrimTo::MaxLen(1), TrimMode::Exact, &mut Vec::new()), 1);
    for stream in [stream, trimmed] {
        assert_eq!(stream.validate(), Ok(()));
        let left: Vec<_> = stream.entries().iter().map(|entry| (entry.id, entry.fields.count())).collect();
        assert_eq!(left, [(id(10), 1)]);
    }
}

//= security CVE-2026-25243: damaged encodings are refused, or harmless
#[test]
fn broken_nodes_are_refused_or_harmless() {
    let (mut source, mut rng) = (Stream::new(), Rng::new(21));
    add(&mut source, "5-0", &["field", "value", "n", "1"], NO_LIMITS);
    add(&mut source, "6-0", &["field", "other", "n", "-70000"], NO_LIMITS);
    add(&mut source, "7-1", &["else", "1"], NO_LIMITS);
    add(&mut source, "7-2", &["field", "", "n", "12345678901"], NO_LIMITS);
    assert!(source.entries_mut().delete(StreamId::new(6, 0)));
    let (node_id, good) =
        source.entries().node_bytes().map(|(id, bytes)| (id, bytes.to_vec())).next().unwrap();
    let mut accepted = 0;
    for _ in 0..if cfg!(miri) { 60 } else { 20_000 } {
        let mut bytes = good.clone();
        for _ in 0..=rng.below(3) {
            let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
            bytes[at] = if rng.below(2) == 0 { rng.below(4) } else { rng.below(256) }.to_le_bytes()[0];
        }
        accepted += usize::from(check_node(node_id, &bytes, rng.below(3)));
    }
    assert!(cfg!(miri) || accepted > 50);
}

#[test]
fn any_parts_of_a_data_file_are_refused_or_harmless() {
    let mut rng = Rng::new(22);
    let rounds = if cfg!(miri) { 20 } else { 4_000 };
    let mut some = |len: u64| (0..len).map(|_| rng.below(256).to_le_bytes()[0]).collect::<Vec<u8>>();
    let read = (0..rounds).filter(|round| check_loading(&some(round % 200))).count();
    assert!(cfg!(miri) || read > 50, "{read}");
}
