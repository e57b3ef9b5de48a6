//! A set against a naive oracle: the same function is the unit test and the fuzz target.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Added, Set, SetRules};
use crate::keyspace::{HashSeed, KeyHasher};
use crate::rng::Rng;
use crate::types::listpack::Element;

/// An operation on a small range of members.
#[derive(Clone, Debug)]
pub enum Op {
    /// Adds a member.
    Add(u16),
    /// Adds so many new ones.
    Burst(u8),
    /// Removes a member.
    Remove(u16),
    /// Removes so many members at random.
    Pop(u16),
    /// Asks for so many members at random.
    Sample(u16),
    /// A step of a scan.
    Scan(u8),
    /// Goes on with a copy.
    Copy,
}

/// A scan that is under way: what was there all the time must be seen.
#[derive(Default)]
struct ScanWatch {
    cursor: u64,
    constant: BTreeSet<Vec<u8>>,
    seen: BTreeSet<Vec<u8>>,
}

/// Integers, their neighbours that are none, and strings of all classes of length.
fn member_of(number: u16) -> Vec<u8> {
    let mut member = alloc::format!("{number}").into_bytes();
    let len = match number % 16 {
        0 => 240 + usize::from(number / 16 % 32),
        1 => 60 + usize::from(number % 200),
        2..4 => 9,
        _ => return member,
    };
    member.resize(len.max(member.len()), b'.');
    member
}

fn text(member: Element<'_>) -> Vec<u8> {
    member.text(&mut itoa::Buffer::new()).to_vec()
}

/// Rules under which conversions come soon.
pub fn small_rules() -> SetRules {
    let hasher = KeyHasher::new(HashSeed([3; 16]));
    SetRules { intset_entries: 24, listpack_entries: 16, listpack_value: 64, hasher }
}

/// Runs operations on both and compares after each.
///
/// # Panics
/// When they disagree.
pub fn run(ops: &[Op], rules: &SetRules) {
    let (mut set, mut model, mut scan) = (Set::new(), BTreeSet::new(), ScanWatch::default());
    let (mut rng, mut bursts) = (Rng::new(ops.len() as u64), 0u32);
    for (count, op) in ops.iter().enumerate() {
        match *op {
            Op::Add(number) => add(&mut set, &mut model, &member_of(number), rules),
            Op::Burst(many) => {
                for _ in 0..many {
                    bursts += 1;
                    add(&mut set, &mut model, alloc::format!("b{bursts}").as_bytes(), rules);
                }
            }
            Op::Remove(number) => {
                let member = member_of(number);
                assert_eq!(set.remove(Element::Bytes(&member)), model.remove(&member));
            }
            Op::Pop(many) if usize::from(many) < model.len() => {
                let mut popped = 0;
                set.pop(&mut rng, usize::from(many), rules, |member| {
                    assert!(model.remove(&text(member)));
                    popped += 1;
                });
                assert_eq!(popped, many);
            }
            Op::Pop(_) => {
                let had_any = !model.is_empty();
                let popped = set.pop_one(&mut rng, |member| assert!(model.remove(&text(member))));
                assert_eq!(popped, had_any);
            }
            Op::Sample(many) => {
                let sample: BTreeSet<_> =
                    set.sample(&mut rng, usize::from(many)).into_iter().map(text).collect();
                assert_eq!(sample.len(), usize::from(many).min(model.len()));
                assert!(sample.is_subset(&model));
                assert!(set.random(&mut rng).is_none_or(|member| model.contains(&text(member))));
            }
            Op::Scan(many) => scan_step(&set, &model, &mut scan, usize::from(many)),
            Op::Copy => set = set.clone(),
        }
        scan.constant.retain(|member| model.contains(member));
        assert_eq!(set.len(), model.len());
        if count % 32 == 0 {
            check(&set, &model);
        }
    }
    check(&set, &model);
    while set.dismantle(5) == 0 {}
    if let Set::Table(table) = &set {
        assert_eq!(table.memory(), 0);
    }
}

fn add(set: &mut Set, model: &mut BTreeSet<Vec<u8>>, member: &[u8], rules: &SetRules) {
    let added = if model.insert(member.to_vec()) { Added::New } else { Added::Present };
    assert_eq!(set.add(Element::Bytes(member), rules), added);
    assert!(set.contains(Element::Bytes(member)));
}

fn check(set: &Set, model: &BTreeSet<Vec<u8>>) {
    let members: Vec<Vec<u8>> = set.iter().map(text).collect();
    assert_eq!(members.len(), model.len());
    assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), *model);
    set.check();
}

fn scan_step(set: &Set, model: &BTreeSet<Vec<u8>>, scan: &mut ScanWatch, count: usize) {
    let Set::Table(table) = set else {
        // What is small is seen at once.
        *scan = ScanWatch::default();
        return;
    };
    if scan.cursor == 0 {
        scan.constant.clone_from(model);
        scan.seen.clear();
    }
    scan.cursor = table.scan(scan.cursor, count, |member| {
        scan.seen.insert(member.to_vec());
    });
    if scan.cursor == 0 {
        assert!(scan.constant.is_subset(&scan.seen));
    }
}

/// A random operation on about so many members.
pub fn some_op(rng: &mut Rng, range: u64) -> Op {
    let mut small = |bound| u16::try_from(rng.below(bound)).unwrap_or(0);
    match small(20) {
        0..9 => Op::Add(small(range)),
        9..14 => Op::Remove(small(range)),
        14 => Op::Pop(small(range)),
        15 => Op::Sample(small(range)),
        16 => Op::Burst(small(30).to_le_bytes()[0]),
        17 if small(8) == 0 => Op::Copy,
        _ => Op::Scan(small(20).to_le_bytes()[0]),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Op, run, small_rules, some_op};
    use crate::rng::Rng;
    use crate::types::set::{Added, Element, Set, SetRules};

    #[test]
    fn agrees_with_the_oracle() {
        let (runs, steps) = if cfg!(miri) { (4, 120) } else { (16, 2000) };
        for seed in 0..runs {
            let mut rng = Rng::new(seed);
            let range = [20, 60, 400, 4000][usize::try_from(seed % 4).unwrap()];
            let ops: Vec<Op> = (0..steps).map(|_| some_op(&mut rng, range)).collect();
            run(&ops, &small_rules());
        }
    }

    fn set_of(members: &[&str], rules: &SetRules) -> Set {
        let mut set = Set::with_hint(members[0].as_bytes(), 1, rules);
        for member in members {
            assert_eq!(set.add(Element::Bytes(member.as_bytes()), rules), Added::New);
        }
        set
    }

    #[test]
    fn encodings() {
        let rules = small_rules();
        let long = "x".repeat(65);
        assert_eq!(set_of(&["1", "-2"], &rules).encoding(), "intset");
        assert_eq!(set_of(&["1", "01"], &rules).encoding(), "listpack");
        assert_eq!(set_of(&["1", &long], &rules).encoding(), "hashtable");
        let mut set = Set::new();
        for number in 0..25i64 {
            assert_eq!(set.encoding(), "intset");
            set.add(Element::Int(number), &rules);
        }
        assert_eq!(set.encoding(), "hashtable");
        let mut prepared = set_of(&["a"], &rules);
        prepared.prepare(16, &rules);
        assert_eq!(prepared.encoding(), "listpack");
        prepared.prepare(17, &rules);
        assert_eq!(prepared.encoding(), "hashtable");
        assert!(prepared.contains(Element::Bytes(b"a")));
        set.pop(&mut Rng::new(1), 22, &rules, |_| {});
        assert_eq!((set.len(), set.encoding()), (3, "listpack"));
        set.narrow(&rules);
        assert_eq!((set.len(), set.encoding()), (3, "intset"));
    }

    #[test]
    fn what_a_large_pop_leaves_may_be_too_long_for_a_listpack() {
        if cfg!(miri) {
            return;
        }
        let rules = SetRules { listpack_value: usize::MAX, listpack_entries: 100, ..small_rules() };
        let mut set = Set::table(&rules);
        for letter in b'a'..=b'r' {
            set.add(Element::Bytes(&alloc::vec![letter; 400_000]), &rules);
        }
        set.pop(&mut Rng::new(1), 15, &rules, |_| {});
        assert_eq!((set.len(), set.encoding()), (3, "hashtable"));
        let mut short = set_of(&["a", "b", "c", "d", "e", "f"], &rules);
        short.prepare(101, &rules);
        short.pop(&mut Rng::new(3), 5, &rules, |_| {});
        assert_eq!((short.len(), short.encoding()), (1, "listpack"));
    }

    #[test]
    fn every_member_is_drawn_as_often() {
        let rules = small_rules();
        for count in [10usize, 400] {
            let mut set = Set::table(&rules);
            for number in 0..count {
                set.add(Element::Bytes(alloc::format!("member{number}").as_bytes()), &rules);
            }
            let (mut rng, mut drawn) = (Rng::new(7), alloc::collections::BTreeMap::new());
            let draws = if cfg!(miri) { 2 } else { 500 } * count;
            for _ in 0..draws {
                let member = set.random(&mut rng).unwrap();
                *drawn.entry(super::text(member)).or_insert(0.0f64) += 1.0;
            }
            let expected = draws as f64 / count as f64;
            let chi: f64 = drawn.values().map(|seen| (seen - expected) * (seen - expected) / expected).sum();
            assert!(
                cfg!(miri)
                    || drawn.len() == count && chi < count as f64 + 5.0 * (2.0 * count as f64).sqrt() + 10.0,
                "{chi}"
            );
        }
    }

    #[test]
    fn a_member_of_nine_bytes_costs_little() {
        let rules = small_rules();
        let mut set = Set::table(&rules);
        let count = if cfg!(miri) { 500 } else { 20_000 };
        for number in 0..count {
            set.add(Element::Bytes(alloc::format!("{number:09}").as_bytes()), &rules);
        }
        // Pages are small in tests, so their heads weigh more than the third of a byte they cost else.
        assert!(set.memory() < 34 * count, "{}", set.memory() / count);
    }
}
