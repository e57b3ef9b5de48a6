//! The listpack against a naive oracle, and its reader against any bytes: for tests and fuzzing.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::{COUNT_UNKNOWN, Direction, Element, HEADER_LEN, Listpack};
use crate::rng::Rng;

/// An operation on a listpack. Indexes are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Op {
    /// At the beginning.
    PushFront(Vec<u8>),
    /// At the end.
    PushBack(Vec<u8>),
    /// An integer at the end.
    PushInt(i64),
    /// Before an index.
    InsertBefore(usize, Vec<u8>),
    /// After an index.
    InsertAfter(usize, Vec<u8>),
    /// At an index.
    Replace(usize, Vec<u8>),
    /// At an index.
    Delete(usize),
    /// From an index, which may be negative or out of range, so many.
    DeleteRange(i64, usize),
    /// The first ones in a direction that are an element's bytes.
    DeleteEqual(usize, usize, bool),
    /// Split there, and joined again in this or the other order.
    Split(usize, bool),
    /// To bytes and back.
    Reload,
}

fn strings(listpack: &Listpack) -> Vec<Vec<u8>> {
    listpack.iter().map(|element| element.text(&mut itoa::Buffer::new()).to_vec()).collect()
}

/// Checks everything that is said of a listpack's bytes, and that walking through it works.
///
/// # Panics
/// When something does not hold.
pub fn verify(listpack: &Listpack) {
    assert_eq!(Listpack::from_bytes(listpack.as_bytes().to_vec()).as_ref(), Some(listpack));
    assert!(listpack.memory() >= listpack.bytes_len());
    let forward: Vec<_> = listpack.entries().collect();
    let mut backward: Vec<_> = listpack.entries().rev().collect();
    backward.reverse();
    assert_eq!(forward, backward);
    assert_eq!((listpack.len(), listpack.is_empty()), (forward.len(), forward.is_empty()));
    let next = |position| listpack.next(position);
    let prev = |position| listpack.prev(position);
    assert!(core::iter::successors(listpack.first(), |&p| next(p)).eq(forward.iter().map(|&(p, _)| p)));
    assert!(core::iter::successors(listpack.last(), |&p| prev(p)).eq(forward.iter().rev().map(|&(p, _)| p)));
    for (position, element) in forward {
        assert_eq!(listpack.at(position), element);
        let mut scratch = itoa::Buffer::new();
        let text = element.text(&mut scratch);
        assert!(element.is(text));
        assert_eq!(element.len(), text.len());
    }
}

/// Checks that no element is there twice.
///
/// # Panics
/// When one is.
pub(in crate::types) fn are_different<'e>(elements: impl Iterator<Item = Element<'e>>) {
    let mut seen = BTreeSet::new();
    for element in elements {
        let text = element.text(&mut itoa::Buffer::new()).to_vec();
        assert!(!seen.contains(&text), "{} is there twice", text.escape_ascii());
        seen.insert(text);
    }
}

/// Runs operations on both and compares after each.
///
/// # Panics
/// When they disagree.
pub fn run(ops: &[Op]) {
    let (mut listpack, mut model) = (Listpack::new(), Vec::new());
    for op in ops {
        apply(&mut listpack, &mut model, op);
        assert_eq!(strings(&listpack), model, "{op:?}");
        verify(&listpack);
    }
}

fn apply(listpack: &mut Listpack, model: &mut Vec<Vec<u8>>, op: &Op) {
    let slot = |index: usize| (!model.is_empty()).then(|| index % model.len());
    match op {
        Op::PushFront(bytes) => {
            listpack.push_front(&bytes[..]);
            model.insert(0, bytes.clone());
        }
        Op::PushBack(bytes) => {
            listpack.push_back(&bytes[..]);
            model.push(bytes.clone());
        }
        Op::PushInt(value) => {
            listpack.push_back(*value);
            model.push(alloc::format!("{value}").into_bytes());
        }
        Op::DeleteRange(index, count) => {
            let len = i64::try_from(model.len()).unwrap_or(0);
            let start = if *index < 0 { len + index } else { *index };
            let start = usize::try_from(start).ok().filter(|&start| start < model.len());
            let range = start.map_or(0..0, |start| start..model.len().min(start + count));
            assert_eq!(listpack.delete_range(*index, *count), range.len());
            model.drain(range);
        }
        Op::Split(index, turned) => {
            let index = index % (model.len() + 1);
            let mut tail = listpack.split_off(index);
            let model_tail = model.split_off(index);
            assert_eq!((strings(listpack), strings(&tail)), (model.clone(), model_tail.clone()));
            verify(&tail);
            if *turned {
                core::mem::swap(listpack, &mut tail);
                model.splice(0..0, model_tail);
            } else {
                model.extend(model_tail);
            }
            listpack.append(&tail);
        }
        Op::Reload => {
            listpack.shrink_to_fit();
            *listpack = Listpack::from_bytes(listpack.as_bytes().to_vec()).unwrap_or_default();
        }
        Op::InsertBefore(index, _)
        | Op::InsertAfter(index, _)
        | Op::Replace(index, _)
        | Op::Delete(index)
        | Op::DeleteEqual(index, ..) => {
            if let Some(index) = slot(*index) {
                apply_at(listpack, model, index, op);
            }
        }
    }
}

fn apply_at(listpack: &mut Listpack, model: &mut Vec<Vec<u8>>, index: usize, op: &Op) {
    let signed = i64::try_from(index).unwrap_or(0);
    let Some(position) = listpack.seek(signed) else { panic!("no element {index}") };
    assert_eq!(listpack.seek(signed - i64::try_from(model.len()).unwrap_or(0)), Some(position));
    assert!(listpack.get(signed).is_some_and(|element| element.is(&model[index])));
    assert_eq!(listpack.entries_from(position).count(), model.len() - index);
    assert_eq!(listpack.entries_to(position).count(), index + 1);
    for skip in 0..3 {
        let expected = model.iter().step_by(skip + 1).position(|bytes| *bytes == model[index]);
        let found = listpack.find(&model[index], skip);
        let expected = expected.and_then(|step| listpack.entries().nth(step * (skip + 1)));
        assert_eq!(found, expected.map(|(position, _)| position));
        let unique = listpack.find_unique(&model[index], skip);
        assert_eq!(unique.is_some(), found.is_some());
        assert!(unique.is_none_or(|unique| listpack.at(unique).is(&model[index])));
        assert!(
            unique.is_none_or(|unique| (listpack.entries_to(unique).count() - 1).is_multiple_of(skip + 1))
        );
        assert_eq!(listpack.find_unique(b"not there", skip), None);
    }
    match op {
        Op::InsertBefore(_, bytes) => {
            let at = listpack.insert_before(position, &bytes[..]);
            assert!(listpack.at(at).is(bytes));
            model.insert(index, bytes.clone());
        }
        Op::InsertAfter(_, bytes) => {
            let at = listpack.insert_after(position, &bytes[..]);
            assert!(listpack.at(at).is(bytes));
            model.insert(index + 1, bytes.clone());
        }
        Op::Replace(_, bytes) => {
            listpack.replace(position, &bytes[..]);
            model[index].clone_from(bytes);
        }
        Op::DeleteEqual(_, limit, backward) => {
            let bytes = model[index].clone();
            let direction = if *backward { Direction::Backward } else { Direction::Forward };
            let mut places: Vec<usize> = (0..model.len()).filter(|&at| model[at] == bytes).collect();
            if *backward {
                places.reverse();
            }
            places.truncate(*limit);
            assert_eq!(listpack.delete_equal(&bytes, *limit, direction), places.len());
            let mut at = 0..model.len();
            model.retain(|_| at.next().is_some_and(|at| !places.contains(&at)));
        }
        _ => {
            let next = listpack.delete(position);
            model.remove(index);
            assert_eq!(next.is_some(), index < model.len());
            assert!(next.is_none_or(|next| listpack.at(next).is(&model[index])));
        }
    }
}

/// Checks that reading any bytes as a listpack ends without a panic, and that what is read can be used.
///
/// # Panics
/// When it cannot.
pub fn check_listpack(bytes: &[u8]) {
    try_bytes(bytes.to_vec());
    // Chance seldom finds a header, so that the same bytes are tried as entries too.
    let Ok(len) = u32::try_from(bytes.len() + HEADER_LEN + 1) else { return };
    let mut whole = len.to_le_bytes().to_vec();
    whole.extend_from_slice(&COUNT_UNKNOWN.to_le_bytes());
    whole.extend_from_slice(bytes);
    whole.push(super::END);
    try_bytes(whole);
}

fn try_bytes(bytes: Vec<u8>) {
    let Some(mut listpack) = Listpack::from_bytes(bytes) else { return };
    verify(&listpack);
    let all = strings(&listpack);
    // Whoever wrote it may have chosen longer entries than ours.
    let mut ours = Listpack::new();
    all.iter().for_each(|bytes| ours.push_back(&bytes[..]));
    assert!(ours.bytes_len() <= listpack.bytes_len());
    for (index, bytes) in all.iter().enumerate().take(100) {
        let found = listpack.find(bytes, 0).map(|position| listpack.entries_to(position).count() - 1);
        assert_eq!(found, all[..=index].iter().position(|other| other == bytes));
    }
    if let Some(last) = all.last() {
        let equal = all.iter().filter(|bytes| *bytes == last).count();
        assert_eq!(listpack.clone().delete_equal(last, usize::MAX, Direction::Backward), equal);
        let mut tail = listpack.split_off(all.len() / 2);
        tail.append(&listpack);
        verify(&tail);
        tail.delete_range(0, 1);
        tail.push_front(Element::Bytes(last));
        verify(&tail);
        assert_eq!(tail.len(), all.len());
    }
}

fn below(rng: &mut Rng, bound: u64) -> usize {
    usize::try_from(rng.below(bound)).unwrap_or(0)
}

fn string(rng: &mut Rng) -> Vec<u8> {
    match rng.below(8) {
        0..4 => alloc::format!("{}", rng.below(12)).into_bytes(),
        4 => alloc::format!("{}", rng.next_u64().cast_signed() >> rng.below(64)).into_bytes(),
        5 => vec![b'x'; below(rng, 200)],
        6 if rng.below(20) == 0 => vec![b'y'; below(rng, if cfg!(miri) { 5000 } else { 40_000 })],
        _ => vec![b'a' + rng.below(3).to_le_bytes()[0]; below(rng, 4)],
    }
}

/// A random operation.
pub fn some_op(rng: &mut Rng) -> Op {
    let index = below(rng, 1000);
    match rng.below(22) {
        0..3 => Op::PushFront(string(rng)),
        3..8 => Op::PushBack(string(rng)),
        8 => Op::PushInt(rng.next_u64().cast_signed() >> rng.below(64)),
        9..11 => Op::InsertBefore(index, string(rng)),
        11..13 => Op::InsertAfter(index, string(rng)),
        13..15 => Op::Replace(index, string(rng)),
        15..17 => Op::Delete(index),
        17 => Op::DeleteRange(rng.below(60).cast_signed() - 30, below(rng, 6)),
        18 => Op::DeleteEqual(index, below(rng, 4), rng.below(2) == 0),
        19 => Op::DeleteEqual(index, usize::MAX, rng.below(2) == 0),
        20 => Op::Split(index, rng.below(2) == 0),
        _ => Op::Reload,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Op, below, check_listpack, run, some_op, string};
    use crate::rng::Rng;
    use crate::types::listpack::Listpack;

    #[test]
    fn agrees_with_a_vector() {
        let mut rng = Rng::new(17);
        for _ in 0..if cfg!(miri) { 2 } else { 60 } {
            let ops: Vec<Op> = (0..if cfg!(miri) { 40 } else { 300 }).map(|_| some_op(&mut rng)).collect();
            run(&ops);
        }
    }

    //= security CVE-2026-25243: damaged encodings are refused, or harmless
    #[test]
    fn any_bytes() {
        let mut rng = Rng::new(18);
        for _ in 0..if cfg!(miri) { 30 } else { 20_000 } {
            let mut listpack = Listpack::new();
            (0..rng.below(8)).for_each(|_| listpack.push_back(&string(&mut rng)[..]));
            let mut bytes = listpack.as_bytes().to_vec();
            for _ in 0..rng.below(4) {
                let at = below(&mut rng, bytes.len() as u64);
                bytes[at] = u8::try_from(rng.below(256)).unwrap();
            }
            check_listpack(&bytes);
            let short: Vec<u8> = (0..rng.below(12)).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
            check_listpack(&short);
        }
    }
}
