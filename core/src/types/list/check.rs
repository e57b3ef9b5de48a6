//! The list against a naive oracle: the same function is the unit test and the fuzz target.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use super::quicklist::NODES_AT_ONCE;
use super::{Direction, Element, End, Growth, List, ListLimits, NodeBytes, NodeKind, Repr, Side};
use crate::rng::Rng;
use crate::types::listpack::Listpack;

/// An operation on a list. Indexes are taken modulo what there is where they must exist.
#[derive(Clone, Debug)]
pub enum Op {
    /// LPUSH or RPUSH.
    Push(End, Vec<Vec<u8>>),
    /// LPOP or RPOP.
    Pop(End),
    /// LPOP or RPOP with a count.
    PopMany(End, usize),
    /// LSET.
    Set(i64, Vec<u8>),
    /// LINSERT beside the element that has an index, or beside one that is not there.
    Insert(Option<usize>, Side, Vec<u8>),
    /// LREM of the element that has an index.
    Remove(usize, i64),
    /// LTRIM.
    Trim(usize, usize),
    /// Some in a row, from an index on.
    DeleteRange(usize, usize),
    /// LMOVE within the list.
    Rotate(End, End),
    /// Through the nodes of a dump.
    Reload,
}

type Model = VecDeque<Vec<u8>>;

fn string(element: Element<'_>) -> Vec<u8> {
    element.text(&mut itoa::Buffer::new()).to_vec()
}

/// Runs operations on both, compares after each, and takes the list to pieces.
///
/// # Panics
/// When they disagree.
pub fn run(ops: &[Op], limits: ListLimits) {
    let (mut list, mut model) = (List::new(), Model::new());
    for op in ops {
        apply(&mut list, &mut model, op, limits);
        compare(&list, &model);
    }
    let (mut steps, nodes, mut memory) = (1, list.nodes().len(), list.memory());
    while list.dismantle(2) == 0 {
        assert!(list.memory() < memory, "nothing is opened that is going to be freed");
        memory = list.memory();
        steps += 1;
    }
    assert!(list.is_empty() && steps <= nodes / 2 + 1);
}

/// Removes elements, and looks at what is cut off: no more than a few nodes were freed at once.
fn cutting(list: &mut List, gone: usize, remove: impl FnOnce(&mut List, &mut Vec<List>) -> usize) {
    let (mut cut, nodes) = (Vec::new(), list.nodes().len());
    assert_eq!(remove(list, &mut cut), gone);
    cut.iter().for_each(verify);
    let left = list.nodes().len() + cut.iter().map(|piece| piece.nodes().len()).sum::<usize>();
    assert!(nodes - left <= 2 * NODES_AT_ONCE, "{nodes} {left}");
    assert!(cut.iter().map(List::len).sum::<usize>() <= gone);
}

fn compare(list: &List, model: &Model) {
    assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
    let (len, middle) = (model.len(), model.len() / 3);
    for range in [0..len + 1, middle..len, middle..len - middle, len..len] {
        let inside = range.start.min(len)..range.end.min(len);
        let expected: Vec<&Vec<u8>> = model.range(inside).collect();
        assert!(strings(list, range.clone(), Direction::Forward).iter().eq(expected.iter().copied()));
        assert!(strings(list, range, Direction::Backward).iter().eq(expected.iter().rev().copied()));
    }
    for direction in [Direction::Forward, Direction::Backward] {
        let mut left = middle;
        let stopped = list.try_for_each(0..len, direction, |element| match left.checked_sub(1) {
            Some(less) => {
                left = less;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(string(element)),
        });
        let at = if direction == Direction::Forward { Some(middle) } else { len.checked_sub(middle + 1) };
        assert_eq!(stopped.break_value().as_ref(), at.and_then(|at| model.get(at)));
    }
    for index in [0, 1, middle, len.saturating_sub(1), len] {
        let (signed, back) = (to_signed(index), -1 - to_signed(index));
        assert_eq!(list.read(signed, string).as_ref(), model.get(index));
        assert_eq!(list.read(back, string).as_ref(), model.iter().rev().nth(index));
    }
    assert_eq!(list.peek(End::Head).map(string).as_ref(), model.front());
    assert_eq!(list.peek(End::Tail).map(string).as_ref(), model.back());
    let own: usize = list
        .nodes()
        .map(|node| match node.bytes {
            NodeBytes::Raw(bytes) => bytes.len(),
            NodeBytes::Lzf { stream, raw_len } => {
                assert!(raw_len >= 48 && stream.len() + 8 < raw_len);
                stream.len()
            }
        })
        .sum();
    assert!(list.memory() >= own);
    verify(list);
}

fn strings(list: &List, range: Range<usize>, direction: Direction) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    list.for_each(range, direction, |element| all.push(string(element)));
    all
}

fn to_signed(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// Recounts everything, and walks through it.
pub(in crate::types) fn verify(list: &List) {
    match &list.0 {
        Repr::Listpack(listpack) => crate::types::listpack::check::verify(listpack),
        Repr::Quicklist(list) => list.verify(),
    }
    let mut walked = 0;
    list.for_each(0..list.len(), Direction::Forward, |_| walked += 1);
    assert_eq!(walked, list.len());
}

/// The encoding that a command leaves after it added something to a listpack.
fn expect_grown(list: &List, added: &[Vec<u8>], limits: ListLimits) -> &'static str {
    let Repr::Listpack(listpack) = &list.0 else { return "quicklist" };
    let bytes = listpack.bytes_len() + added.iter().map(Vec::len).sum::<usize>();
    let entries = listpack.len() + added.len();
    let fits = match limits.max_listpack_size {
        size @ ..0 => bytes <= 2048 << size.max(-5).unsigned_abs(),
        size => bytes <= 8192 && entries <= usize::try_from(size).unwrap_or(0).max(1),
    };
    if fits { "listpack" } else { "quicklist" }
}

fn grow(list: &mut List, added: &[Vec<u8>], limits: ListLimits) {
    let expected = expect_grown(list, added, limits);
    list.grow(Growth::of(added.iter().map(Vec::as_slice)), limits);
    assert_eq!(list.encoding(), expected);
}

fn shrink(list: &mut List, limits: ListLimits) {
    let before = list.encoding();
    list.shrink(limits);
    if before == "listpack" {
        assert_eq!(list.encoding(), before);
    } else if list.encoding() == "listpack" {
        let size = usize::try_from(limits.max_listpack_size).unwrap_or(usize::MAX);
        assert!(list.len() <= size / 2);
    }
}

fn apply(list: &mut List, model: &mut Model, op: &Op, limits: ListLimits) {
    match op {
        Op::Push(end, strings) => {
            grow(list, strings, limits);
            for string in strings {
                list.push(*end, &string[..]);
                push(model, *end, string.clone());
            }
        }
        Op::Pop(end) => {
            assert_eq!(list.pop(*end, string), pop(model, *end));
            shrink(list, limits);
        }
        Op::PopMany(end, count) => {
            let gone = (0..*count).map_while(|_| pop(model, *end)).count();
            cutting(list, gone, |list, cut| list.delete_end(*end, *count, cut));
            shrink(list, limits);
        }
        Op::Set(index, value) => {
            grow(list, core::slice::from_ref(value), limits);
            let len = to_signed(model.len());
            let at = usize::try_from(if *index < 0 { len + index } else { *index });
            let slot = at.ok().and_then(|at| model.get_mut(at));
            assert_eq!(list.set(*index, &value[..]), slot.is_some());
            slot.into_iter().for_each(|slot| slot.clone_from(value));
            shrink(list, limits);
        }
        Op::Insert(pivot, side, value) => {
            grow(list, core::slice::from_ref(value), limits);
            let pivot = pivot.filter(|_| !model.is_empty()).map(|index| model[index % model.len()].clone());
            let pivot = pivot.unwrap_or_else(|| b"not there".to_vec());
            let found = model.iter().position(|string| *string == pivot);
            assert_eq!(list.insert(&pivot, *side, &value[..]), found.is_some());
            if let Some(at) = found {
                model.insert(at + usize::from(*side == Side::After), value.clone());
            }
        }
        Op::Remove(index, count) if !model.is_empty() => {
            let bytes = model[index % model.len()].clone();
            assert_eq!(list.remove(&bytes, *count), remove(model, &bytes, *count));
            shrink(list, limits);
        }
        Op::Remove(..) => assert_eq!(list.remove(b"", 0), 0),
        Op::Trim(from, len) => {
            let before = model.len();
            model.truncate(from + len);
            model.drain(..if *len == 0 { model.len() } else { model.len().min(*from) });
            cutting(list, before - model.len(), |list, cut| list.trim(*from..from + len, cut));
            shrink(list, limits);
        }
        Op::DeleteRange(from, len) => {
            let inside = model.len().min(*from)..model.len().min(from + len);
            let gone = model.drain(inside).count();
            cutting(list, gone, |list, cut| list.delete_range(*from..from + len, cut));
            shrink(list, limits);
        }
        Op::Rotate(from, to) => {
            let Some(value) = list.pop(*from, string) else { return };
            shrink(list, limits);
            grow(list, core::slice::from_ref(&value), limits);
            list.push(*to, &value[..]);
            if let Some(value) = pop(model, *from) {
                push(model, *to, value);
            }
        }
        Op::Reload => reload(list, limits),
    }
}

fn reload(list: &mut List, limits: ListLimits) {
    let mut copy = List::new_quicklist(limits);
    for node in list.nodes() {
        let raw = node.to_raw().unwrap_or_default();
        match node.kind {
            NodeKind::Packed => copy.append_listpack(Listpack::from_bytes(raw).unwrap_or_default()),
            NodeKind::Plain => copy.append_plain(raw),
        }
    }
    assert!(list.is_empty() || copy.nodes().eq(list.nodes()));
    verify(&copy);
    assert_eq!(copy.quicklist_limits(), Some(limits.kept()));
    copy.settle(limits);
    *list = copy.clone();
}

fn push(model: &mut Model, end: End, string: Vec<u8>) {
    match end {
        End::Head => model.push_front(string),
        End::Tail => model.push_back(string),
    }
}

fn pop(model: &mut Model, end: End) -> Option<Vec<u8>> {
    match end {
        End::Head => model.pop_front(),
        End::Tail => model.pop_back(),
    }
}

fn remove(model: &mut Model, bytes: &[u8], count: i64) -> usize {
    let limit = if count == 0 { u64::MAX } else { count.unsigned_abs() };
    let mut removed = 0;
    while (removed as u64) < limit {
        let mut places = (0..model.len()).filter(|&at| model[at] == bytes);
        let Some(at) = (if count < 0 { places.next_back() } else { places.next() }) else { break };
        model.remove(at);
        removed += 1;
    }
    removed
}

fn below(rng: &mut Rng, bound: u64) -> usize {
    usize::try_from(rng.below(bound)).unwrap_or(0)
}

fn some_string(rng: &mut Rng, long: usize) -> Vec<u8> {
    match rng.below(12) {
        0..6 => alloc::format!("{}", rng.below(9)).into_bytes(),
        6 => alloc::format!("{}", rng.next_u64().cast_signed() >> rng.below(64)).into_bytes(),
        7 => vec![b'x'; long + below(rng, 9) - 4],
        8 => vec![b'y'; below(rng, long as u64)],
        _ => vec![b'a'; below(rng, 6)],
    }
}

/// A random operation, with strings about as long as these, at least 4.
pub fn some_op(rng: &mut Rng, long: usize) -> Op {
    let end = if rng.below(2) == 0 { End::Head } else { End::Tail };
    let side = if rng.below(2) == 0 { Side::Before } else { Side::After };
    match rng.below(32) {
        0..8 => Op::Push(end, (0..rng.below(4)).map(|_| some_string(rng, long)).collect()),
        8..12 => Op::Pop(end),
        12 => Op::PopMany(end, below(rng, 8)),
        13..18 => Op::Set(rng.below(60).cast_signed() - 30, some_string(rng, long)),
        18 => Op::Insert(None, side, some_string(rng, long)),
        19..26 => Op::Insert(Some(below(rng, 1000)), side, some_string(rng, long)),
        26 => Op::DeleteRange(below(rng, 30), below(rng, 12)),
        27 => Op::Remove(below(rng, 1000), rng.below(7).cast_signed() - 3),
        28 => Op::Trim(below(rng, 4), below(rng, 40)),
        29 => Op::Trim(below(rng, 2), 1000),
        30 => Op::Rotate(end, side_end(side)),
        _ => Op::Reload,
    }
}

fn side_end(side: Side) -> End {
    if side == Side::Before { End::Head } else { End::Tail }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::{End, List, ListLimits, NodeBytes, NodeKind, Op, Side, run, some_op};
    use crate::rng::Rng;
    use crate::types::list::NodeView;

    /// Which nodes are compressed: `z`; plain ones: `Z`, `P` when not.
    fn picture(list: &List) -> String {
        let sign = |node: NodeView<'_>| match (node.kind, node.bytes) {
            (NodeKind::Packed, NodeBytes::Raw(_)) => '-',
            (NodeKind::Packed, NodeBytes::Lzf { .. }) => 'z',
            (NodeKind::Plain, NodeBytes::Raw(_)) => 'P',
            (NodeKind::Plain, NodeBytes::Lzf { .. }) => 'Z',
        };
        list.nodes().map(sign).collect()
    }

    #[test]
    fn nodes_further_from_both_ends_than_the_depth_are_compressed() {
        let limits = ListLimits { max_listpack_size: 1, plain_len_min: 200, compress_depth: 2 };
        let mut list = List::new_quicklist(limits);
        let pictures = ["-", "--", "---", "----", "--z--", "--zz--", "--zzz--"];
        for picture in pictures {
            list.push(End::Tail, &[b'x'; 60][..]);
            assert_eq!(self::picture(&list), picture);
        }
        list.push(End::Head, &[b'x'; 200][..]);
        assert_eq!(picture(&list), "P-zzzz--");
        // Few bytes, and bytes that are no fewer when they are compressed, stay.
        list.set(3, &[b'y'; 38][..]);
        list.set(4, &core::array::from_fn::<u8, 100, _>(|at| u8::try_from(at).unwrap_or(0))[..]);
        list.set(5, &[b'y'; 41][..]);
        assert_eq!(picture(&list), "P-z--z--");
        list.insert(&[b'y'; 41], Side::After, &[b'Y'; 500][..]);
        assert_eq!(picture(&list), "P-z--zZ--");
        list.remove(&[b'Y'; 500], 0);
        let mut copy = list.clone();
        assert_eq!(picture(&copy), "P-z--z--");
        for picture in ["----z--", "---z--", "--z--", "----"] {
            copy.pop(End::Head, |_| ());
            assert_eq!(self::picture(&copy), picture);
        }
        list.trim(2..6, &mut Vec::new());
        assert_eq!(picture(&list), "----");
    }

    #[test]
    fn agrees_with_a_deque() {
        let mut rng = Rng::new(29);
        let limits = |max_listpack_size, plain_len_min| ListLimits {
            max_listpack_size,
            plain_len_min,
            compress_depth: 0,
        };
        let all = [(limits(-1, 0), 4096), (limits(-2, 0), 8192), (limits(-5, 0), 65_536), (limits(-1, 7), 9)];
        let counted = [0, 1, 2, 3, 5, 16].map(|count| (limits(count, 0), 40));
        let mixed = [(limits(4, 0), 8192), (limits(3, 6), 8), (limits(1, 1), 8), (limits(128, 0), 300)];
        // Nodes that are worth compressing, and many of them.
        let many = [(limits(1, 0), 100), (limits(2, 60), 90), (limits(6, 0), 70)];
        let depths: &[u16] = if cfg!(miri) { &[1] } else { &[0, 1, 2, 3, 1] };
        for (limits, long) in all.into_iter().chain(counted).chain(mixed).chain(many) {
            for &compress_depth in depths {
                if cfg!(miri) && long > 1000 {
                    continue;
                }
                let limits = ListLimits { compress_depth, ..limits };
                let steps = if cfg!(miri) { 20 } else { 250 };
                let ops: Vec<Op> = (0..steps).map(|_| some_op(&mut rng, long)).collect();
                run(&ops, limits);
            }
        }
    }
}
