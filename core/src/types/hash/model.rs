//! A model test of hashes: random operations on a hash and on a map, compared after each.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{FieldSet, Found, Hash, Lifetime, Rules, TimeCondition, TimeSet};
use crate::keyspace::{HashSeed, KeyHasher};
use crate::rng::Rng;
use crate::types::listpack::Element;

/// An operation on field number `n`.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the variants are the methods of the same names")]
pub enum Op {
    Set { n: u8, len: u16, lifetime: Lifetime },
    Remove { n: u8 },
    ExpireAt { n: u8, at: i64, condition: TimeCondition },
    Persist { n: u8 },
    Wait { ms: u8 },
    Expire { count_max: u8 },
    Copy,
}

/// Values and expiries by name.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

/// A hash and its model.
#[derive(Debug)]
pub struct Pair {
    hash: Hash,
    model: Model,
    rules: Rules,
    stamp: u64,
}

fn name_of(n: u8) -> Vec<u8> {
    let mut name = alloc::format!("f{n}").into_bytes();
    // One name in eight does not fit a slot.
    name.resize(name.len() + if n % 8 == 7 { 300 } else { usize::from(n % 8) }, b'x');
    name
}

impl Pair {
    /// Both empty; a table from the first field on if the listpack may have no entries.
    pub fn new(listpack_entries: usize) -> Self {
        let hasher = KeyHasher::new(HashSeed([7; 16]));
        let rules = Rules { listpack_entries, listpack_value: 64, hasher, now_ms: 0, past_ms: 0 };
        Self { hash: Hash::new(), model: Model::new(), rules, stamp: 0 }
    }

    fn is_live(&self, name: &[u8]) -> bool {
        self.model.get(name).is_some_and(|(_, at)| at.is_none_or(|at| self.rules.now_ms <= at))
    }

    /// A random operation.
    pub fn some_op(&self, rng: &mut Rng) -> Op {
        let [n, a, b, c, d, ..] = rng.next_u64().to_le_bytes();
        let at = self.rules.now_ms + i64::from(a) - 20;
        match b % 16 {
            0..6 => {
                let len = if c < 10 { 1000 } else { u16::from(c) };
                let until = if a == 0 { i64::MAX } else { at };
                let lifetime = [Lifetime::Endless, Lifetime::Keep, Lifetime::Until(until)];
                Op::Set { n, len, lifetime: lifetime[usize::from(d % 3)] }
            }
            6..10 => Op::Remove { n },
            10..12 => {
                let [none, any, earlier, later] = [c % 8 == 0, c % 8 == 1, c % 8 == 2, c % 8 == 3];
                Op::ExpireAt { n, at, condition: TimeCondition { none, any, earlier, later } }
            }
            12 => Op::Persist { n },
            13 => Op::Wait { ms: c % 8 },
            14 => Op::Expire { count_max: c % 16 },
            _ if c < 16 => Op::Copy,
            _ => Op::Wait { ms: 0 },
        }
    }

    /// Applies an operation to both.
    ///
    /// # Panics
    /// When they differ.
    pub fn apply(&mut self, op: Op) {
        let now_ms = self.rules.now_ms;
        match op {
            Op::Set { n, len, lifetime } => self.set(&name_of(n), usize::from(len), lifetime),
            Op::Remove { n } => {
                let name = name_of(n);
                let expected = self.is_live(&name);
                assert_eq!(self.hash.remove(&name, now_ms), expected);
                if expected {
                    self.model.remove(&name);
                }
            }
            Op::ExpireAt { n, at, condition } => self.expire_at(&name_of(n), at, condition),
            Op::Persist { n } => {
                let name = name_of(n);
                let live = self.is_live(&name);
                let time = self.model.get_mut(&name).filter(|_| live).map(|(_, at)| at);
                let expected = time.map(|at| at.take().is_some());
                assert_eq!(self.hash.persist(&name, now_ms), expected);
            }
            Op::Wait { ms } => {
                self.rules.now_ms += i64::from(ms);
                self.rules.past_ms = self.rules.now_ms;
            }
            Op::Expire { count_max } => {
                let mut due: Vec<(i64, Vec<u8>)> = self
                    .model
                    .iter()
                    .filter_map(|(name, (_, at))| Some((at.filter(|&at| at < now_ms)?, name.clone())))
                    .collect();
                due.sort();
                let count = self.hash.expire(now_ms, usize::from(count_max));
                assert_eq!(count, due.len().min(usize::from(count_max)));
                // Of those of one time any may go first.
                let gone: Vec<_> =
                    due.iter().filter(|(_, name)| self.hash.get(name, i64::MIN).is_none()).collect();
                assert_eq!(gone.len(), count);
                assert!(gone.iter().zip(&due).all(|(gone, due)| gone.0 == due.0));
                for (_, name) in gone {
                    self.model.remove(name);
                }
            }
            Op::Copy => self.hash = self.hash.clone(),
        }
    }

    fn set(&mut self, name: &[u8], len: usize, lifetime: Lifetime) {
        self.stamp += 1;
        let mut value = self.stamp.to_le_bytes().to_vec();
        value.resize(len, 0);
        let old = self.model.get(name).map(|(_, at)| *at);
        let is_over = old.flatten().is_some_and(|at| at <= self.rules.now_ms);
        let at = match lifetime {
            Lifetime::Endless => None,
            Lifetime::Until(at) => Some(at),
            Lifetime::Keep => old.flatten().filter(|_| !is_over),
        };
        let expected = match old {
            None => FieldSet::Added,
            Some(_) if is_over => FieldSet::Revived,
            Some(_) => FieldSet::Updated,
        };
        assert_eq!(self.hash.set(name, &value, lifetime, &self.rules), expected);
        self.model.insert(name.to_vec(), (value, at));
    }

    fn expire_at(&mut self, name: &[u8], at: i64, condition: TimeCondition) {
        let result = self.hash.expire_at(name, at, condition, &self.rules);
        if !self.is_live(name) {
            assert_eq!(result, TimeSet::Missing);
            return;
        }
        let Some((_, old)) = self.model.get_mut(name) else { return };
        let (none, any) = (old.is_none(), old.is_some());
        let met = (!condition.none || none)
            && (!condition.any || any)
            && (!condition.earlier || old.is_some_and(|old| at > old))
            && (!condition.later || old.is_none_or(|old| at < old));
        let expected = match (met, at <= self.rules.now_ms) {
            (false, _) => TimeSet::Unmet,
            (true, true) => TimeSet::Removed,
            (true, false) => TimeSet::Done,
        };
        assert_eq!(result, expected);
        match expected {
            TimeSet::Done => *old = Some(at),
            TimeSet::Removed => {
                self.model.remove(name);
            }
            TimeSet::Missing | TimeSet::Unmet => {}
        }
    }

    /// Compares both.
    ///
    /// # Panics
    /// When they differ.
    pub fn check(&self, rng: &mut Rng) {
        let now_ms = self.rules.now_ms;
        self.hash.check();
        assert_eq!((self.hash.len(), self.hash.is_empty()), (self.model.len(), self.model.is_empty()));
        assert_eq!(self.hash.next_due(), self.model.values().filter_map(|(_, at)| *at).min());
        assert_eq!(self.hash.timed_len(), self.model.values().filter(|(_, at)| at.is_some()).count());
        let live: BTreeMap<&[u8], &[u8]> = self
            .model
            .iter()
            .filter(|(name, _)| self.is_live(name))
            .map(|(name, (value, _))| (&name[..], &value[..]))
            .collect();
        for (name, (value, at)) in &self.model {
            let found = Found { value: Element::from(&value[..]), expire_at: *at };
            let expected = live.contains_key(&name[..]).then_some(found);
            assert_eq!(self.hash.get(name, now_ms), expected);
        }
        assert_eq!(self.hash.live_len(now_ms), live.len());
        let mut seen = BTreeMap::new();
        self.hash.for_each(now_ms, |(name, value)| {
            assert!(seen.insert(bytes(name), bytes(value)).is_none());
        });
        assert_eq!(seen, live);
        let (mut scanned, mut cursor) = (BTreeMap::new(), 0);
        loop {
            cursor = self.hash.scan(cursor, 3, now_ms, |(name, value)| {
                scanned.insert(bytes(name), bytes(value));
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(scanned, live);
        if let Some((name, value)) = self.hash.random(rng, now_ms) {
            assert_eq!(live.get(bytes(name)), Some(&bytes(value)));
        } else {
            assert!(live.len() * 20 <= self.model.len(), "{} of {}", live.len(), self.model.len());
        }
    }
}

/// Neither names nor values of the model are texts of integers.
fn bytes(element: Element<'_>) -> &[u8] {
    match element {
        Element::Bytes(bytes) => bytes,
        Element::Int(_) => unreachable!("no text of an integer was stored"),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Lifetime, Op, Pair};
    use crate::rng::Rng;

    #[test]
    fn agrees_with_a_map() {
        let rounds = if cfg!(miri) { 60 } else { 12_000 };
        for (seed, listpack_entries) in [(1, 0), (2, 100), (3, 512)] {
            let (mut pair, mut rng) = (Pair::new(listpack_entries), Rng::new(seed));
            for round in 0..rounds {
                let op = pair.some_op(&mut rng);
                pair.apply(op);
                if round % 16 == 0 {
                    pair.check(&mut rng);
                }
            }
        }
    }

    #[test]
    fn a_listpack_stays_one_without_expiries() {
        let (mut pair, mut rng) = (Pair::new(512), Rng::new(4));
        for round in 0..if cfg!(miri) { 100 } else { 3000 } {
            let n = rng.next_u64().to_le_bytes()[0] & 0xf7;
            let set = Op::Set { n: n & !7, len: 20, lifetime: Lifetime::Endless };
            pair.apply(if rng.below(2) == 0 { set } else { Op::Remove { n: n & !7 } });
            if round % 16 == 0 {
                pair.check(&mut rng);
            }
        }
        assert_eq!(pair.hash.encoding(), "listpack");
        pair.apply(Op::Set { n: 0, len: 65, lifetime: Lifetime::Endless });
        assert_eq!(pair.hash.encoding(), "hashtable");
        pair.check(&mut rng);
    }

    #[test]
    fn a_hash_is_dismantled_in_steps() {
        let mut pair = Pair::new(0);
        for n in 0..=255 {
            pair.apply(Op::Set { n, len: u16::from(n) * 4, lifetime: Lifetime::Until(i64::from(n)) });
        }
        let mut memory = Vec::new();
        while pair.hash.dismantle(1) == 0 {
            memory.push(pair.hash.memory());
        }
        assert!(memory.len() > 10 && memory.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_field_costs_little() {
        let mut pair = Pair::new(0);
        let count = if cfg!(miri) { 200u32 } else { 20_000 };
        for number in 0..count {
            let name = alloc::format!("{number:09}");
            pair.hash.set(name.as_bytes(), b"0123456789abcdef", Lifetime::Endless, &pair.rules);
        }
        // Pages and chunks are tiny under test, so that their heads weigh.
        assert!(pair.hash.memory() < 60 * count as usize, "{}", pair.hash.memory());
        for number in 0..count * 9 / 10 {
            let name = alloc::format!("{:09}", (number * 7919) % count);
            pair.hash.remove(name.as_bytes(), 0);
        }
        assert!(pair.hash.memory() < 25 * count as usize, "{}", pair.hash.memory());
        pair.hash.check();
    }
}
