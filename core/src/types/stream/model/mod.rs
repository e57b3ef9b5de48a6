//! The stream against a naive oracle: the same function is the unit test and can be a fuzz target.
//!
//! The oracle keeps every entry ever stored in a list of lists, one for each node, and pending entries in one tree
//! for each group. Read counters are compared with a plain count where they are bound to be right.

mod compare;
mod loading;
mod nodes;
mod random;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{
    Ack, AddId, ClaimRules, Claimed, ConsumerId, CountRule, Entry, Group, GroupMut, Missing, NodeLimits,
    Pending, SetId, Stream, StreamId, TrimMode, TrimTo,
};
use crate::rng::Rng;

pub use self::loading::check_loading;
pub use self::nodes::check_node;
pub use self::random::some_op;

use self::compare::{compare, reloaded};

/// Entries of a node.
const NODE_ENTRIES: u64 = 4;
const LIMITS: NodeLimits = NodeLimits { bytes: 0, entries: NODE_ENTRIES };

/// An operation; groups and consumers by number.
#[derive(Clone, Debug)]
pub enum Op {
    /// XADD.
    Add(AddId, u8),
    /// XDEL.
    Delete(StreamId),
    /// XTRIM.
    Trim(TrimTo, TrimMode),
    /// XSETID.
    SetId(StreamId, Option<StreamId>),
    /// XGROUP CREATE, and SETID if it is there.
    SetGroup(u8, StreamId),
    /// XGROUP DESTROY.
    RemoveGroup(u8),
    /// XGROUP CREATECONSUMER.
    CreateConsumer(u8, u8),
    /// XGROUP DELCONSUMER.
    DeleteConsumer(u8, u8),
    /// XREADGROUP `>`.
    Deliver(u8, u8, usize, Ack),
    /// XREADGROUP.
    History(u8, u8, StreamId, usize),
    /// XACK.
    Ack(u8, StreamId),
    /// XCLAIM.
    Claim(u8, u8, Vec<StreamId>, ClaimRules),
    /// XAUTOCLAIM.
    AutoClaim(u8, u8, StreamId, u64, ClaimRules),
}

type OwnedFields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Clone)]
struct Kept {
    id: StreamId,
    fields: OwnedFields,
    is_live: bool,
}

/// Owner, time, count.
type Waiting = (u8, i64, u64);

#[derive(Default)]
struct NaiveGroup {
    last_id: StreamId,
    waiting: BTreeMap<StreamId, Waiting>,
    consumers: BTreeMap<u8, Option<i64>>,
    counts: bool,
}

#[derive(Default)]
struct Naive {
    nodes: Vec<Vec<Kept>>,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
    has_holes: bool,
    groups: BTreeMap<u8, NaiveGroup>,
}

impl Naive {
    fn live(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.nodes.iter().flatten().filter(|entry| entry.is_live)
    }

    fn has(&self, id: StreamId) -> bool {
        self.live().any(|entry| entry.id == id)
    }

    fn sweep(&mut self) {
        self.nodes.retain(|node| node.iter().any(|entry| entry.is_live));
    }

    fn trim(&mut self, to: TrimTo, mode: TrimMode) -> usize {
        let before = self.live().count();
        while let Some(node) = self.nodes.first() {
            let (len, live) = (self.live().count(), node.iter().filter(|entry| entry.is_live).count());
            let spare = match to {
                TrimTo::MaxLen(most) => len.saturating_sub(usize::try_from(most).unwrap_or(usize::MAX)),
                TrimTo::MinId(_) => usize::MAX,
            };
            let limit = if let TrimMode::Nodes { limit: Some(limit) } = mode { limit } else { u64::MAX };
            if spare == 0 || (before - len + live) as u64 > limit {
                break;
            }
            let goes = |entry: &Kept| {
                matches!(to, TrimTo::MaxLen(_)) || matches!(to, TrimTo::MinId(least) if entry.id < least)
            };
            if live <= spare && node.last().is_some_and(goes) {
                self.nodes.remove(0);
                continue;
            }
            if mode == TrimMode::Exact
                && let Some(node) = self.nodes.first_mut()
            {
                let front = node.iter_mut().take_while(|entry| goes(entry)).filter(|entry| entry.is_live);
                front.take(spare).for_each(|entry| entry.is_live = false);
            }
            break;
        }
        self.sweep();
        before - self.live().count()
    }
}

fn name(number: u8) -> [u8; 2] {
    [b'g', b'a' + number]
}

fn number(name: &[u8]) -> u8 {
    name.last().map_or(0, |letter| letter - b'a')
}

fn fields_of(shape: u8) -> Vec<Vec<u8>> {
    let value = alloc::format!("{}", i64::from(shape) * 977 - 60_000).into_bytes();
    let texts: &[&[u8]] = match shape % 5 {
        0 | 1 => &[b"a", &value],
        2 => &[b"a", &value, b"b", b"text"],
        3 => &[&[b'x'; 70], b"", b"7", b"07", b"-9", &[b'y'; 5000]],
        _ => &[],
    };
    texts.iter().map(|text| text.to_vec()).collect()
}

fn owned(entry: Entry<'_>) -> (StreamId, OwnedFields) {
    let mut buffer = itoa::Buffer::new();
    let mut text = |value: crate::types::listpack::Element<'_>| value.text(&mut buffer).to_vec();
    (entry.id, entry.fields.map(|(name, value)| (text(name), text(value))).collect())
}

/// Runs operations on both and compares after each.
///
/// # Panics
/// When they disagree.
pub fn run(ops: &[Op]) {
    let (mut stream, mut naive, mut rng) = (Stream::new(), Naive::default(), Rng::new(1));
    for (count, op) in ops.iter().enumerate() {
        apply(&mut stream, &mut naive, op, 1000 + i64::try_from(count).unwrap_or(0));
        compare(&stream, &naive, &mut rng);
        if count % 16 == 0 {
            compare(&stream.clone(), &naive, &mut rng);
            compare(&reloaded(&stream), &naive, &mut rng);
        }
    }
    let mut copy = stream.clone();
    while copy.dismantle(3) == 0 {}
    assert_eq!((copy.groups_len(), copy.entries().nodes()), (0, 0));
}

fn apply(stream: &mut Stream, naive: &mut Naive, op: &Op, now: i64) {
    match op {
        Op::Add(id, shape) => add(stream, naive, *id, *shape, now),
        Op::Delete(id) => {
            assert_eq!(stream.entries_mut().delete(*id), naive.has(*id));
            let gone = naive.nodes.iter_mut().flatten().find(|entry| entry.is_live && entry.id == *id);
            if let Some(gone) = gone {
                gone.is_live = false;
                naive.max_deleted_id = naive.max_deleted_id.max(*id);
                naive.has_holes = true;
            }
            naive.sweep();
        }
        Op::Trim(to, mode) => {
            assert_eq!(stream.entries_mut().trim(*to, *mode, &mut Vec::new()), naive.trim(*to, *mode) as u64);
        }
        Op::SetId(id, deleted) => {
            let top = naive.live().next_back().map_or(StreamId::MIN, |entry| entry.id);
            let lowest = top.max(naive.max_deleted_id).max(deleted.unwrap_or_default());
            let set = SetId { last_id: *id, entries_added: None, max_deleted_id: *deleted };
            let done = stream.entries_mut().set_id(&set).is_ok();
            assert_eq!(done, *id >= lowest);
            if done {
                naive.last_id = *id;
                naive.max_deleted_id =
                    deleted.filter(|id| *id != StreamId::MIN).unwrap_or(naive.max_deleted_id);
                naive.has_holes = true;
            }
        }
        Op::SetGroup(group, id) => set_group(stream, naive, *group, *id),
        Op::RemoveGroup(group) => {
            assert_eq!(stream.remove_group(&name(*group)).is_some(), naive.groups.remove(group).is_some());
        }
        _ => apply_in_group(stream, naive, op, now),
    }
}

fn add(stream: &mut Stream, naive: &mut Naive, id: AddId, shape: u8, now: i64) {
    let texts = fields_of(shape);
    let result = stream.entries_mut().append(id, now.unsigned_abs(), texts.iter().map(Vec::as_slice), LIMITS);
    let last = naive.last_id;
    let wanted = match id {
        AddId::Auto => {
            Some(StreamId::new(now.unsigned_abs(), 0)).filter(|id| *id > last).or(last.checked_next())
        }
        AddId::AutoSeq(ms) if ms == last.ms => last.checked_next().filter(|next| next.ms == ms),
        AddId::AutoSeq(ms) => Some(StreamId::new(ms, 0)),
        AddId::Exact(id) => Some(id),
    };
    assert_eq!(result.ok(), wanted.filter(|id| *id > last));
    let Ok(id) = result else { return };
    let fields = texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let entry = Kept { id, fields, is_live: true };
    match naive.nodes.last_mut().filter(|node| (node.len() as u64) < NODE_ENTRIES) {
        Some(node) => node.push(entry),
        None => naive.nodes.push(Vec::from([entry])),
    }
    naive.last_id = id;
    naive.added += 1;
}

fn set_group(stream: &mut Stream, naive: &mut Naive, group: u8, id: StreamId) {
    let counts = id == StreamId::MIN && naive.added == 0;
    let entries_read = counts.then_some(0);
    let is_new = stream.insert_group(&name(group), Group::new(id, entries_read));
    assert_eq!(is_new, !naive.groups.contains_key(&group));
    if let Some(found) = stream.group_mut(&name(group)) {
        found.group.set_id(id, entries_read);
    }
    let found = naive.groups.entry(group).or_default();
    (found.last_id, found.counts) = (id, counts);
}

fn consumer(found: &mut GroupMut<'_>, naive: &mut NaiveGroup, consumer: u8, now: i64) -> ConsumerId {
    let is_new = found.group.create_consumer(&name(consumer), now).is_some();
    assert_eq!(is_new, !naive.consumers.contains_key(&consumer));
    naive.consumers.entry(consumer).or_default();
    found.group.find_consumer(&name(consumer)).unwrap_or_else(|| unreachable!("it was just made"))
}

fn apply_in_group(stream: &mut Stream, naive: &mut Naive, op: &Op, now: i64) {
    let (Op::CreateConsumer(group, who)
    | Op::DeleteConsumer(group, who)
    | Op::Deliver(group, who, ..)
    | Op::History(group, who, ..)
    | Op::Claim(group, who, ..)
    | Op::AutoClaim(group, who, ..)) = op
    else {
        return ack(stream, naive, op);
    };
    let (Some(mut found), Some(mut other)) = (stream.group_mut(&name(*group)), naive.groups.remove(group))
    else {
        return;
    };
    match op {
        Op::DeleteConsumer(..) => {
            let gone = found.group.delete_consumer(&name(*who), &mut Vec::new());
            let owned = other.waiting.values().filter(|waiting| waiting.0 == *who).count();
            assert_eq!(gone, other.consumers.remove(who).map(|_| owned));
            other.waiting.retain(|_, waiting| waiting.0 != *who);
        }
        Op::Deliver(_, _, count, ack) => {
            let id = consumer(&mut found, &mut other, *who, now);
            let given: Vec<_> = found.deliver(id, *ack, now).take(*count).map(owned).collect();
            deliver(&found, naive, &mut other, *who, &given, *ack, now);
        }
        Op::History(_, _, after, count) => {
            let id = consumer(&mut found, &mut other, *who, now);
            let given: Vec<_> = found.history(id, *after, now).take(*count).map(|(id, _)| id).collect();
            let wanted = other.waiting.iter().filter(|(id, waiting)| *id > after && waiting.0 == *who);
            assert!(given.iter().eq(wanted.map(|(id, _)| id).take(*count)));
            for id in given.iter().filter(|id| naive.has(**id)) {
                other.waiting.entry(*id).and_modify(|waiting| (waiting.1, waiting.2) = (now, waiting.2 + 1));
            }
        }
        Op::Claim(_, _, ids, rules) => {
            let id = consumer(&mut found, &mut other, *who, now);
            let mut claims = found.claims(id, *rules);
            for id in ids {
                let claimed = claims.claim(*id);
                check_claim(naive, &mut other, *who, *id, &claimed, rules);
            }
        }
        Op::AutoClaim(_, _, start, count, rules) => {
            let id = consumer(&mut found, &mut other, *who, now);
            auto_claim(&mut found, naive, &mut other, (*who, id), (*start, *count), rules);
        }
        _ => {
            consumer(&mut found, &mut other, *who, now);
        }
    }
    naive.groups.insert(*group, other);
}

fn ack(stream: &mut Stream, naive: &mut Naive, op: &Op) {
    let Op::Ack(group, id) = op else { return };
    let done = stream.group_mut(&name(*group)).is_some_and(|found| found.group.ack(*id));
    let wanted = naive.groups.get_mut(group).and_then(|group| group.waiting.remove(id));
    assert_eq!(done, wanted.is_some());
}

fn deliver(
    found: &GroupMut<'_>,
    naive: &Naive,
    other: &mut NaiveGroup,
    who: u8,
    given: &[(StreamId, OwnedFields)],
    ack: Ack,
    now: i64,
) {
    let wanted = naive.live().filter(|entry| entry.id > other.last_id).take(given.len().max(1));
    assert!(
        given
            .iter()
            .map(|(id, fields)| (*id, fields))
            .eq(wanted.map(|entry| (entry.id, &entry.fields)).take(given.len()))
    );
    let Some((last, _)) = given.last() else { return };
    other.last_id = *last;
    for (id, _) in given.iter().filter(|_| ack == Ack::Wanted) {
        other.waiting.insert(*id, (who, now, 1));
        other.consumers.insert(who, Some(now));
    }
    let left = naive.live().filter(|entry| entry.id > other.last_id).count();
    assert_eq!(found.has_new(), left > 0);
    if other.counts && !naive.has_holes {
        let left = i64::try_from(left).unwrap_or(0);
        assert_eq!(found.group.entries_read(), Some(naive.added.cast_signed() - left));
        assert_eq!(found.group.lag(found.entries), Some(left));
    }
}

fn check_claim(
    naive: &Naive,
    other: &mut NaiveGroup,
    who: u8,
    id: StreamId,
    claimed: &Claimed<'_>,
    rules: &ClaimRules,
) {
    let waiting = other.waiting.get(&id).copied();
    match claimed {
        Claimed::Gone(pending) => {
            assert!(!naive.has(id));
            assert_eq!(other.waiting.remove(&id).map(|(_, time, count)| (time, count)), Some(times(pending)));
        }
        Claimed::Taken(entry, pending) => {
            assert!(naive.has(id) && entry.id == id);
            assert!(waiting.is_some() || rules.missing == Missing::Create);
            let count = waiting.map_or(1, |waiting| waiting.2);
            let count = match rules.count {
                CountRule::Add => count + 1,
                CountRule::Keep => count,
                CountRule::Set(count) => count,
            };
            assert_eq!(times(pending), (rules.delivery_time, count));
            other.waiting.insert(id, (who, rules.delivery_time, count));
            other.consumers.insert(who, Some(rules.now_ms));
        }
        Claimed::Left => {
            let is_young = waiting.is_some_and(|waiting| is_young(&waiting, rules));
            let is_missing = waiting.is_none() && (rules.missing == Missing::Skip || !naive.has(id));
            assert!(is_missing || (is_young && naive.has(id)));
        }
    }
}

fn is_young(waiting: &Waiting, rules: &ClaimRules) -> bool {
    rules.idle_ms_min > 0 && rules.now_ms - waiting.1 < rules.idle_ms_min
}

fn times(pending: &Pending) -> (i64, u64) {
    (pending.delivery_time, pending.delivery_count)
}

fn auto_claim(
    found: &mut GroupMut<'_>,
    naive: &Naive,
    other: &mut NaiveGroup,
    (who, id): (u8, ConsumerId),
    (start, count): (StreamId, u64),
    rules: &ClaimRules,
) {
    let mut claims = found.auto_claim(id, start, count, *rules);
    let given: Vec<_> = claims.by_ref().collect();
    let next_start = claims.next_start();
    let (mut wanted, mut left) = (Vec::new(), count);
    let looked_at: Vec<StreamId> = other.waiting.range(start..).map(|(id, _)| *id).collect();
    let mut passed = 0;
    for id in looked_at.iter().take(usize::try_from(count * 10).unwrap_or(0)) {
        if left == 0 {
            break;
        }
        passed += 1;
        let is_young = is_young(&other.waiting[id], rules);
        if !naive.has(*id) || !is_young {
            wanted.push(*id);
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    assert!(given.iter().map(|(id, _)| id).eq(&wanted));
    assert_eq!(next_start, looked_at.get(passed).copied().unwrap_or_default());
    for (id, claimed) in &given {
        check_claim(naive, other, who, *id, claimed, rules);
    }
}
