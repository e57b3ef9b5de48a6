//! The large sorted set against a naive oracle: the same function is the unit test and the fuzz target.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::node::LEAF_LEN_MAX;
use super::{Change, Score, Side, SortedSet};
use crate::keyspace::{HashSeed, KeyHasher};
use crate::rng::Rng;

/// An operation on a small set of members and scores.
#[derive(Clone, Debug)]
pub enum Op {
    /// Gives a member a score.
    Insert(u16, u16),
    /// Adds so many members with the highest, or the lowest, scores.
    Burst(u8, bool),
    /// Adds to a member's score.
    Increase(u16, u16),
    /// Removes a member.
    Remove(u16),
    /// Removes so many elements from a rank on.
    RemoveRange(u16, u16),
    /// Removes the first, or the last, element.
    Pop(bool),
    /// Asks where a score begins and ends.
    RankOfScore(u16),
    /// Asks where a member begins and ends, where all scores are equal.
    RankOfLex(u16),
    /// Walks from a rank, from the front so many, from the back so many.
    Walk(u16, u8, u8),
    /// A step of a scan.
    Scan(u8),
}

/// Elements in order, and the score of each member.
#[derive(Default)]
struct Model {
    order: Vec<(Score, Vec<u8>)>,
    scores: BTreeMap<Vec<u8>, Score>,
    bursts: u32,
}

/// A scan that is under way: what was there all the time must be seen.
#[derive(Default)]
struct ScanWatch {
    cursor: u64,
    constant: BTreeSet<Vec<u8>>,
    seen: BTreeSet<Vec<u8>>,
}

impl Model {
    fn insert(&mut self, member: &[u8], score: Score) -> Change {
        let old = self.scores.get(member).copied();
        if old == Some(score) {
            return Change::Unchanged;
        }
        self.remove(member);
        self.scores.insert(member.to_vec(), score);
        let element = (score, member.to_vec());
        let at = self.order.partition_point(|other| *other < element);
        self.order.insert(at, element);
        if old.is_some() { Change::Updated } else { Change::Added }
    }

    fn remove(&mut self, member: &[u8]) -> Option<Score> {
        let score = self.scores.remove(member)?;
        let at = self.rank(member, score);
        self.order.remove(at);
        Some(score)
    }

    fn rank(&self, member: &[u8], score: Score) -> usize {
        self.order.partition_point(|(other, bytes)| (other, &bytes[..]) < (&score, member))
    }
}

/// Members of all classes of length, some of them boxed.
fn member_of(number: u16) -> Vec<u8> {
    let mut member = alloc::format!("{number}").into_bytes();
    let len = match number % 16 {
        0 => 250,
        1 => 60 + usize::from(number % 200),
        2..6 => 16,
        _ => 0,
    };
    member.resize(len.max(member.len()), b'.');
    member
}

fn score_of(number: u16, scores: u16) -> Score {
    let value = match number % scores {
        1 => f64::NEG_INFINITY,
        2 => f64::INFINITY,
        3 => -0.0,
        4 => 0.0,
        other => f64::from(other) / 8.0 - 20.0,
    };
    Score::new(value).unwrap_or(Score::from_bytes([0; 8]))
}

/// Runs operations on both and compares after each. `scores` is how many different scores there are.
///
/// # Panics
/// When they disagree.
pub fn run(ops: &[Op], scores: u16) {
    let mut set = SortedSet::new(KeyHasher::new(HashSeed([3; 16])));
    let (mut model, mut scan) = (Model::default(), ScanWatch::default());
    for (count, op) in ops.iter().enumerate() {
        apply(&mut set, &mut model, &mut scan, op, scores);
        scan.constant.retain(|member| model.scores.contains_key(member));
        compare(&set, &model, count);
        if count % 5 == 0 {
            tidy(&mut set);
        }
        if count % 32 == 0 {
            set.check();
            assert!(elements(&set).eq(model.order.iter().cloned()));
        }
    }
    set.check();
    // What was removed and waits to be freed takes its steps, too.
    let stored = set.stored_len();
    let steps = core::iter::from_fn(|| (set.dismantle(5) == 0).then_some(())).count();
    assert!(steps <= stored + 8, "{steps} steps for {stored} elements");
    assert_eq!(set.memory(), 0);
}

/// Does a little of what removals have left to be done: no more elements are freed than the budget is for, and a leaf more.
fn tidy(set: &mut SortedSet) {
    let before = set.stored_len();
    let left = set.tidy(8);
    assert!(before - set.stored_len() <= 2 + LEAF_LEN_MAX);
    assert!(left == 0 || !set.is_untidy());
}

/// What is cheap to compare, around a place that moves.
fn compare(set: &SortedSet, model: &Model, count: usize) {
    assert_eq!(set.len(), model.order.len());
    let rank = count * 7919 % (model.order.len() + 1);
    let expected = model.order.get(rank).map(|(score, member)| (&member[..], score.get()));
    assert_eq!(set.at(rank), expected);
    if let Some((member, score)) = expected {
        assert_eq!(set.rank(member), Some((rank, score)));
        assert_eq!(set.score(member), Some(score));
    }
}

fn elements(set: &SortedSet) -> impl Iterator<Item = (Score, Vec<u8>)> + '_ {
    set.iter(0..usize::MAX).filter_map(|(member, score)| Some((Score::new(score)?, member.to_vec())))
}

fn apply(set: &mut SortedSet, model: &mut Model, scan: &mut ScanWatch, op: &Op, scores: u16) {
    match *op {
        Op::Insert(number, score) => {
            let (member, score) = (member_of(number), score_of(score, scores));
            assert_eq!(set.insert(&member, score), model.insert(&member, score));
        }
        Op::Burst(count, rising) => {
            for _ in 0..count {
                model.bursts += 1;
                let value = if rising { f64::from(model.bursts) } else { -f64::from(model.bursts) };
                let (member, score) = (alloc::format!("b{}", model.bursts).into_bytes(), Score::new(value));
                let score = score.filter(|_| scores > 1).unwrap_or(score_of(0, scores));
                assert_eq!(set.insert(&member, score), model.insert(&member, score));
            }
        }
        Op::Increase(number, by) => {
            let member = member_of(number);
            // Where there is one score only, it stays one.
            let by = if scores > 1 { f64::from(by % 16) / 64.0 } else { 0.0 };
            let raised = |old: Option<f64>| Score::new(old? + by);
            let new = model.scores.get(&member).and_then(|score| raised(Some(score.get())));
            let expected = new.map_or(Change::Unchanged, |score| model.insert(&member, score));
            assert_eq!(set.update(&member, raised), expected);
        }
        Op::Remove(number) => {
            let member = member_of(number);
            assert_eq!(set.remove(&member), model.remove(&member).map(Score::get));
        }
        Op::RemoveRange(from, count) => {
            let from = usize::from(from) % (model.order.len() + 1);
            let to = (from + usize::from(count)).min(model.order.len());
            if count.is_multiple_of(2) {
                set.remove_ranks(from..from + usize::from(count));
                for (_, member) in model.order.drain(from..to) {
                    model.scores.remove(&member);
                }
            } else {
                remove_range(model, from..to, |each| set.remove_range(from..from + usize::from(count), each));
            }
        }
        Op::Pop(first) => {
            let len = model.order.len();
            let range = if first { 0..len.min(1) } else { len.saturating_sub(1)..len };
            remove_range(model, range, |each| {
                assert_eq!(if first { set.pop_first(each) } else { set.pop_last(each) }, len > 0);
            });
        }
        Op::RankOfScore(score) => {
            let score = score_of(score, scores);
            let (below, to) = (
                model.order.partition_point(|(other, _)| *other < score),
                model.order.partition_point(|(other, _)| *other <= score),
            );
            assert_eq!(set.rank_of_score(score, Side::Before), below);
            assert_eq!(set.rank_of_score(score, Side::After), to);
        }
        Op::RankOfLex(number) => {
            let member = member_of(number);
            if scores == 1 {
                let below = model.order.partition_point(|(_, other)| *other < member);
                let to = model.order.partition_point(|(_, other)| *other <= member);
                assert_eq!(set.rank_of_lex(&member, Side::Before), below);
                assert_eq!(set.rank_of_lex(&member, Side::After), to);
            }
        }
        Op::Walk(from, front, back) => walk(set, model, from, front, back),
        Op::Scan(count) => scan_step(set, model, scan, usize::from(count)),
    }
}

fn remove_range(
    model: &mut Model,
    ranks: core::ops::Range<usize>,
    remove: impl FnOnce(&mut dyn FnMut(&[u8], f64)),
) {
    let mut removed = Vec::new();
    remove(&mut |member, score| removed.push((Score::new(score), member.to_vec())));
    let expected: Vec<_> = model.order.drain(ranks).map(|(score, member)| (Some(score), member)).collect();
    expected.iter().for_each(|(_, member)| {
        model.scores.remove(member);
    });
    assert_eq!(removed, expected);
}

fn walk(set: &SortedSet, model: &Model, from: u16, front: u8, back: u8) {
    let from = usize::from(from) % (model.order.len() + 1);
    let mut ours = set.iter(from..model.order.len());
    let mut theirs = model.order[from..].iter().map(|(score, member)| (&member[..], score.get()));
    for step in 0..u16::from(front) + u16::from(back) {
        assert_eq!(ours.len(), theirs.len());
        if step % 2 == 0 && step / 2 < u16::from(front) {
            assert_eq!(ours.next(), theirs.next());
        } else {
            assert_eq!(ours.next_back(), theirs.next_back());
        }
    }
}

fn scan_step(set: &SortedSet, model: &Model, scan: &mut ScanWatch, count: usize) {
    if scan.cursor == 0 {
        scan.constant = model.scores.keys().cloned().collect();
        scan.seen.clear();
    }
    let seen = &mut scan.seen;
    scan.cursor = set.scan(scan.cursor, count, |member, score| {
        assert_eq!(model.scores.get(member).map(|score| score.get()), Some(score));
        seen.insert(member.to_vec());
    });
    if scan.cursor == 0 {
        let missed: Vec<_> = scan.constant.difference(&scan.seen).collect();
        assert!(missed.is_empty(), "a scan missed {missed:?}");
    }
}

/// A random operation; more of them add elements while the set is to grow.
pub fn some_op(rng: &mut Rng, growing: bool) -> Op {
    let mut below = |bound: u64| u16::try_from(rng.below(bound)).unwrap_or(0);
    let (number, score) = (below(700), below(60_000));
    let small = below(24).to_le_bytes()[0];
    match below(24) {
        0..9 if growing => Op::Insert(number, score),
        0..4 => Op::Remove(number),
        4 => Op::RemoveRange(score, score % 6),
        5 if score % 16 == 0 => Op::RemoveRange(score, score % 300),
        9 if growing && score % 4 == 0 => Op::Burst(small * 2, score % 8 == 0),
        10 | 11 => Op::Remove(number),
        12 => Op::Pop(score % 2 == 0),
        13 | 14 => Op::RankOfScore(score),
        15 => Op::RankOfLex(number),
        16 => Op::Walk(score, small, number.to_le_bytes()[0]),
        17..20 => Op::Increase(number, score),
        20..22 => Op::Scan(small / 4),
        _ => Op::Insert(number, score),
    }
}

/// Operations that a stream of random numbers makes; the mix changes so that the set grows and shrinks.
pub fn random_ops(seed: u64, count: usize) -> Vec<Op> {
    let mut rng = Rng::new(seed);
    (0..count).map(|index| some_op(&mut rng, index / 800 % 2 == 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::{random_ops, run};

    #[test]
    fn random_operations_agree_with_the_oracle() {
        let (seeds, count) = if cfg!(miri) { (3, 60) } else { (6, 4_000) };
        for seed in 0..seeds {
            run(&random_ops(seed, count), [1, 7, 400][usize::try_from(seed % 3).unwrap()]);
        }
    }
}
