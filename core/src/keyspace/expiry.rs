//! The expiry index: all keys with a time to live, in order of time.
//!
//! Keys go on time however many have one: no sampling. Leaves are sorted arrays of (time, identity) pairs of 16
//! bytes, found through a map by the first pair each may hold. Keys whose times only rise fill the leaves
//! wholly; random ones about three quarters, and a leaf's capacity follows its length in steps of 16 pairs: 17 to 20
//! bytes a key. Every operation touches one leaf (at most 2 KiB) and O(log n) of the map.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Pairs of a leaf.
const LEAF_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 8 } else { 128 };
/// Capacity grows by this many pairs.
const STEP: usize = if cfg!(any(miri, fuzzing, test)) { 2 } else { 16 };

/// A time (ms since 1970) and the identity of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp<T> {
    pub(crate) at: i64,
    pub(crate) id: T,
}

/// The index over identities `T`.
#[derive(Debug)]
pub(crate) struct ExpiryIndex<T> {
    leaves: BTreeMap<Stamp<T>, Vec<Stamp<T>>>,
    len: usize,
}

impl<T> Default for ExpiryIndex<T> {
    fn default() -> Self {
        Self { leaves: BTreeMap::new(), len: 0 }
    }
}

impl<T: Copy + Ord> ExpiryIndex<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let leaf = size_of::<Vec<Stamp<T>>>() + size_of::<Stamp<T>>();
        self.leaves.len() * leaf * 3 / 2 + self.len * size_of::<Stamp<T>>() * 9 / 8
    }

    /// A pair of this time or next after it; the last of all when there is none.
    pub(super) fn near(&self, at: i64) -> Option<Stamp<T>> {
        let id = self.first()?.id;
        let from = Stamp { at, id };
        // A leaf's name may be that of a pair that is gone: only what is inside counts.
        let before = self.leaves.range(..=from).next_back().map(|(_, leaf)| leaf);
        let inside = before.and_then(|leaf| leaf.get(leaf.partition_point(|stamp| stamp.at < at)));
        let after = || self.leaves.range(from..).next().and_then(|(_, leaf)| leaf.first());
        inside.or_else(after).copied().or_else(|| self.last())
    }

    /// Adds a pair that is not there.
    pub(crate) fn insert(&mut self, stamp: Stamp<T>) {
        self.len += 1;
        let Some((_, leaf)) = self.leaves.range_mut(..=stamp).next_back() else {
            return self.insert_first(stamp);
        };
        let at = leaf.partition_point(|other| *other < stamp);
        if leaf.len() < LEAF_LEN {
            insert_at(leaf, at, stamp);
            return;
        }
        // At the very end a new leaf begins, so that rising times fill the leaves.
        let upper = if at == leaf.len() { Vec::new() } else { split_half(leaf) };
        self.add_leaf(upper, stamp);
    }

    /// Adds a pair that comes before all leaves: the first leaf takes it, under a new name.
    fn insert_first(&mut self, stamp: Stamp<T>) {
        match self.leaves.pop_first() {
            Some((_, mut leaf)) if leaf.len() < LEAF_LEN => {
                insert_at(&mut leaf, 0, stamp);
                self.leaves.insert(stamp, leaf);
            }
            Some((name, leaf)) => {
                self.leaves.insert(name, leaf);
                self.add_leaf(Vec::new(), stamp);
            }
            None => self.add_leaf(Vec::new(), stamp),
        }
    }

    /// Adds the upper half of a split leaf, and the pair to whichever half it belongs.
    fn add_leaf(&mut self, mut upper: Vec<Stamp<T>>, stamp: Stamp<T>) {
        let Some(first) = upper.first().copied() else {
            insert_at(&mut upper, 0, stamp);
            self.leaves.insert(stamp, upper);
            return;
        };
        self.leaves.insert(first, upper);
        if let Some((_, leaf)) = self.leaves.range_mut(..=stamp).next_back() {
            let at = leaf.partition_point(|other| *other < stamp);
            insert_at(leaf, at, stamp);
        }
    }

    /// Takes a pair out that is there.
    pub(crate) fn remove(&mut self, stamp: Stamp<T>) {
        let Some((&name, leaf)) = self.leaves.range_mut(..=stamp).next_back() else {
            unreachable!("a pair that is removed is there");
        };
        let Ok(at) = leaf.binary_search(&stamp) else { unreachable!("a pair that is removed is there") };
        leaf.remove(at);
        self.len -= 1;
        if leaf.capacity() > leaf.len() + 2 * STEP {
            leaf.shrink_to(leaf.len() + STEP);
        }
        if leaf.is_empty() {
            self.leaves.remove(&name);
        } else if leaf.len() < LEAF_LEN / 4 {
            self.join_next(name);
        }
    }

    /// Joins a sparse leaf with the one after it, if both fit in half a leaf more.
    fn join_next(&mut self, name: Stamp<T>) {
        let mut pair = self.leaves.range(name..);
        let (Some((_, leaf)), Some((&next_name, next))) = (pair.next(), pair.next()) else { return };
        if leaf.len() + next.len() > LEAF_LEN * 3 / 4 {
            return;
        }
        if let Some(next) = self.leaves.remove(&next_name)
            && let Some(leaf) = self.leaves.get_mut(&name)
        {
            leaf.reserve_exact(next.len());
            leaf.extend(next);
        }
    }

    /// Frees a leaf of an index that is being torn down; `false` when none is left.
    pub(crate) fn dismantle_leaf(&mut self) -> bool {
        let leaf = self.leaves.pop_first();
        self.len -= leaf.as_ref().map_or(0, |(_, leaf)| leaf.len());
        leaf.is_some()
    }

    /// The earliest pair.
    pub(crate) fn first(&self) -> Option<Stamp<T>> {
        self.leaves.first_key_value().and_then(|(_, leaf)| leaf.first()).copied()
    }

    /// The latest pair.
    pub(crate) fn last(&self) -> Option<Stamp<T>> {
        self.leaves.last_key_value().and_then(|(_, leaf)| leaf.last()).copied()
    }

    /// All pairs in order.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Stamp<T>> + '_ {
        self.leaves.values().flatten().copied()
    }
}

fn insert_at<T>(leaf: &mut Vec<Stamp<T>>, at: usize, stamp: Stamp<T>) {
    if leaf.len() == leaf.capacity() {
        leaf.reserve_exact(STEP);
    }
    leaf.insert(at, stamp);
}

fn split_half<T: Copy>(leaf: &mut Vec<Stamp<T>>) -> Vec<Stamp<T>> {
    let half = leaf.len() / 2;
    let mut upper = Vec::with_capacity(leaf.len() - half + STEP);
    upper.extend_from_slice(&leaf[half..]);
    leaf.truncate(half);
    leaf.shrink_to(half + STEP);
    upper
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::{ExpiryIndex, Stamp};
    use crate::engine::Rng;

    #[test]
    fn agrees_with_a_sorted_set() {
        let (mut index, mut model, mut rng) = (ExpiryIndex::default(), BTreeSet::new(), Rng::new(3));
        for round in 0..if cfg!(miri) { 500 } else { 20_000 } {
            let stamp = Stamp { at: rng.below(500).cast_signed(), id: rng.below(4) };
            let shrinking = round / 3000 % 2 == 1;
            if model.contains(&stamp) || (shrinking && rng.below(2) == 0 && !model.is_empty()) {
                let gone = *model.range(stamp..).next().or(model.first()).unwrap();
                model.remove(&gone);
                index.remove(gone);
            } else {
                model.insert(stamp);
                index.insert(stamp);
            }
            assert_eq!(index.len(), model.len());
            assert_eq!(index.first(), model.first().copied());
            if round % 97 == 0 {
                assert!(index.iter().eq(model.iter().copied()));
            }
        }
    }

    #[test]
    fn rising_times_fill_the_leaves() {
        let mut index = ExpiryIndex::default();
        (0..8000i64).for_each(|at| index.insert(Stamp { at, id: 0u64 }));
        assert_eq!(index.leaves.len(), 1000);
    }
}
