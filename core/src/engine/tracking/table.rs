//! Which clients have read which keys.
//!
//! Two maps hold each pair of key and reader: by key, to tell the readers; by reader, to forget a client that is gone
//! without a walk over all keys. Names are shared between them. What is forgotten at once (a client gone, FLUSHALL) is
//! freed in steps.
//!
//! Invariant: a pair is in both maps or, when its reader is gone, in `by_key` and in `gone`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;

use super::{ClientId, Name};

/// Who has read a key: hardly ever nobody, mostly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    One(ClientId),
    Many(BTreeSet<ClientId>),
}

impl Readers {
    /// Adds one. Returns whether that is new.
    fn insert(&mut self, id: ClientId) -> bool {
        match self {
            Self::One(own) if *own == id => false,
            Self::One(own) => {
                *self = Self::Many(BTreeSet::from([*own, id]));
                true
            }
            Self::Many(ids) => ids.insert(id),
        }
    }

    /// Removes one. Returns whether it was there and whether nobody is left.
    fn remove(&mut self, id: ClientId) -> (bool, bool) {
        match self {
            Self::One(own) => (*own == id, *own == id),
            Self::Many(ids) => (ids.remove(&id), ids.is_empty()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(ids) => ids.len(),
        }
    }

    /// All of them, the oldest client first.
    pub(super) fn iter(&self) -> impl Iterator<Item = ClientId> + '_ {
        let (one, many) = match self {
            Self::One(id) => (Some(*id), None),
            Self::Many(ids) => (None, Some(ids)),
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }
}

type ByKey = BTreeMap<Name, Readers>;
type ByReader = BTreeMap<ClientId, BTreeSet<Name>>;

/// Pairs of keys and readers.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_key: ByKey,
    by_reader: ByReader,
    items: usize,
    /// The key that was given up last: the next one follows it in order, so that each has its turn.
    given_up: Option<Name>,
    /// Readers that are gone and the keys they had read.
    gone: Vec<(ClientId, BTreeSet<Name>)>,
    /// Maps of before a flush.
    flushed: Vec<(ByKey, ByReader)>,
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn keys(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// A client has read a key.
    pub(super) fn remember(&mut self, key: &[u8], id: ClientId) {
        let place = (Bound::Included(key), Bound::Included(key));
        let name = if let Some((name, readers)) = self.by_key.range_mut::<[u8], _>(place).next() {
            if !readers.insert(id) {
                return;
            }
            name.clone()
        } else {
            let name = Name::from(key);
            self.by_key.insert(name.clone(), Readers::One(id));
            name
        };
        self.items += 1;
        self.by_reader.entry(id).or_default().insert(name);
    }

    /// Forgets a key. Returns who had read it.
    pub(super) fn take(&mut self, key: &[u8]) -> Option<(Name, Readers)> {
        let (name, readers) = self.by_key.remove_entry(key)?;
        self.items -= readers.len();
        for id in readers.iter() {
            if let Some(keys) = self.by_reader.get_mut(&id) {
                keys.remove(&name);
                if keys.is_empty() {
                    self.by_reader.remove(&id);
                }
            }
        }
        Some((name, readers))
    }

    /// Forgets some key; one after the other has its turn.
    pub(super) fn take_next(&mut self) -> Option<(Name, Readers)> {
        let from = self.given_up.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.by_key.range::<[u8], _>((from, Bound::Unbounded)).next();
        let name = next.or_else(|| self.by_key.first_key_value()).map(|(name, _)| name.clone())?;
        let taken = self.take(&name);
        self.given_up = Some(name);
        taken
    }

    /// A client is gone.
    pub(super) fn forget(&mut self, id: ClientId) {
        if let Some(keys) = self.by_reader.remove(&id) {
            self.gone.push((id, keys));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.items = 0;
        self.given_up = None;
        if !self.by_key.is_empty() {
            self.flushed.push((core::mem::take(&mut self.by_key), core::mem::take(&mut self.by_reader)));
        }
    }

    pub(super) fn is_cleaning(&self) -> bool {
        !self.gone.is_empty() || !self.flushed.is_empty()
    }

    /// Frees what was forgotten, at most `budget` pairs of it.
    pub(super) fn clean_step(&mut self, budget: usize) {
        for _ in 0..budget {
            if !self.clean_gone() && !self.clean_flushed() {
                return;
            }
        }
    }

    /// Recounts everything; `is_live` tells clients that are not gone.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self, is_live: impl Fn(ClientId) -> bool) {
        let of_key: usize = self.by_key.values().map(Readers::len).sum();
        assert_eq!(self.items(), of_key);
        for (&id, keys) in &self.by_reader {
            assert!(!keys.is_empty() && is_live(id));
            assert!(keys.iter().all(|key| self.by_key[key].iter().any(|reader| reader == id)));
        }
        if !self.is_cleaning() {
            assert_eq!(self.by_reader.values().map(BTreeSet::len).sum::<usize>(), of_key);
        }
    }

    fn clean_gone(&mut self) -> bool {
        let Some((id, keys)) = self.gone.last_mut() else { return false };
        let id = *id;
        let Some(name) = keys.pop_first() else {
            self.gone.pop();
            return true;
        };
        // After a flush the key may be unknown, or known by others alone.
        if let Some(readers) = self.by_key.get_mut(&name) {
            let (was_there, is_last) = readers.remove(id);
            self.items -= usize::from(was_there);
            if is_last {
                self.by_key.remove(&name);
            }
        }
        true
    }

    fn clean_flushed(&mut self) -> bool {
        let Some((by_key, by_reader)) = self.flushed.last_mut() else { return false };
        if by_key.pop_first().is_some() {
            return true;
        }
        match by_reader.first_entry() {
            Some(mut entry) => {
                if entry.get_mut().pop_first().is_none() {
                    entry.remove();
                }
            }
            None => drop(self.flushed.pop()),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::vec::Vec;

    use super::Table;
    use crate::rng::Rng;

    #[derive(Debug)]
    enum Op {
        Remember(Vec<u8>, u64),
        Take(Vec<u8>),
        TakeNext,
        Forget(u64),
        Clear,
        Clean(usize),
    }

    /// The naive table: the pairs whose readers are still there.
    #[derive(Default)]
    struct Oracle {
        by_key: BTreeMap<Vec<u8>, BTreeSet<u64>>,
    }

    fn random_op(rng: &mut Rng, next_id: &mut u64) -> Op {
        let key = |rng: &mut Rng| alloc::vec![b'k', u8::try_from(rng.below(20)).unwrap()];
        let id = |rng: &mut Rng, next_id: u64| next_id - rng.below(5.min(next_id - 1) + 1);
        match rng.below(20) {
            0..10 => Op::Remember(key(rng), id(rng, *next_id)),
            10..14 => Op::Take(key(rng)),
            14..16 => Op::TakeNext,
            16 => {
                *next_id += 1;
                Op::Forget(*next_id - 1 - rng.below(3.min(*next_id - 1)))
            }
            17 if rng.below(5) == 0 => Op::Clear,
            _ => Op::Clean(usize::try_from(rng.below(4)).unwrap()),
        }
    }

    fn apply(table: &mut Table, oracle: &mut Oracle, dead: &mut BTreeSet<u64>, op: &Op) {
        match op {
            // Who is gone reads nothing any more: its number is never given again.
            Op::Remember(_, id) if dead.contains(id) => {}
            Op::Remember(key, id) => {
                table.remember(key, *id);
                oracle.by_key.entry(key.clone()).or_default().insert(*id);
            }
            Op::Take(key) => {
                let got = table.take(key).map(|(_, readers)| readers.iter().collect::<BTreeSet<u64>>());
                let wanted = oracle.by_key.remove(key).unwrap_or_default();
                let got = got.unwrap_or_default();
                assert!(got.iter().filter(|id| !dead.contains(id)).eq(wanted.iter()));
            }
            Op::TakeNext => {
                let before = table.keys();
                match table.take_next() {
                    Some((key, _)) => {
                        oracle.by_key.remove(&key[..]);
                        assert_eq!(table.keys(), before - 1);
                    }
                    None => assert_eq!(before, 0),
                }
            }
            Op::Forget(id) => {
                table.forget(*id);
                dead.insert(*id);
                for ids in oracle.by_key.values_mut() {
                    ids.remove(id);
                }
                oracle.by_key.retain(|_, ids| !ids.is_empty());
            }
            Op::Clear => {
                table.clear();
                oracle.by_key.clear();
            }
            Op::Clean(budget) => table.clean_step(*budget),
        }
    }

    fn check(table: &Table, oracle: &Oracle, dead: &BTreeSet<u64>) {
        table.check(|id| !dead.contains(&id));
        let live: usize = table.by_reader.values().map(BTreeSet::len).sum();
        assert_eq!(live, oracle.by_key.values().map(BTreeSet::len).sum::<usize>());
        if !table.is_cleaning() {
            assert_eq!((table.keys(), table.items()), (oracle.by_key.len(), live));
        }
    }

    #[test]
    fn behaves_like_a_set_of_pairs() {
        for seed in 1..=20 {
            let (mut rng, mut next_id) = (Rng::new(seed), 2);
            let (mut table, mut oracle, mut dead) =
                (Table::default(), Oracle::default(), BTreeSet::<u64>::new());
            for _ in 0..2000 {
                let op = random_op(&mut rng, &mut next_id);
                apply(&mut table, &mut oracle, &mut dead, &op);
                check(&table, &oracle, &dead);
            }
            table.clean_step(usize::MAX);
            assert!(!table.is_cleaning());
            check(&table, &oracle, &dead);
        }
    }

    #[test]
    fn each_key_has_its_turn() {
        let mut table = Table::default();
        for key in [b"a", b"b", b"c"] {
            table.remember(key, 1);
        }
        let next = |table: &mut Table| table.take_next().unwrap().0.to_vec();
        assert_eq!(next(&mut table), b"a");
        table.remember(b"a", 1);
        assert_eq!((next(&mut table), next(&mut table)), (b"b".to_vec(), b"c".to_vec()));
        assert_eq!(next(&mut table), b"a");
        assert!(table.take_next().is_none());
    }
}
