//! A map ordered by entry ID, made for IDs that rise: nodes of a stream, pending entries.
//!
//! ```text
//! older: BTreeMap ─ name ─► leaf ┌ (id, value) × 1..=64 ┐      tail ┌ (id, value) × 0..=64 ┐
//! ```
//! The newest leaf is kept apart: what comes at the end, and a map of one leaf, never touch the tree. Rising IDs
//! fill the leaves wholly, so that an element costs little more than itself; a tree of single elements costs
//! near twice as much. Any other place works too: O(log n), and moves within one leaf.
//!
//! Invariants: leaves are sorted and not empty, except the tail of an empty map; a leaf's name is not above its
//! first ID and above all IDs of the leaf before; the tail comes after all others.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use super::id::StreamId;

/// Elements of a leaf.
const LEAF_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 8 } else { 64 };
/// What a leaf costs in the tree: its name, its `Vec` and their share of unused slots.
const LEAF_OVERHEAD: usize = (size_of::<StreamId>() + size_of::<Vec<u8>>()) * 11 / 6;

type Leaf<V> = Vec<(StreamId, V)>;

/// The map.
#[derive(Debug)]
pub(super) struct IdMap<V> {
    older: BTreeMap<StreamId, Leaf<V>>,
    tail: Leaf<V>,
    len: usize,
    /// Capacity of the older leaves, in elements.
    older_slots: usize,
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        Self { older: BTreeMap::new(), tail: Vec::new(), len: 0, older_slots: 0 }
    }
}

impl<V: Clone> Clone for IdMap<V> {
    fn clone(&self) -> Self {
        let older = self.older.clone();
        let older_slots = older.values().map(Vec::capacity).sum();
        Self { older, tail: self.tail.clone(), len: self.len, older_slots }
    }
}

impl<V> IdMap<V> {
    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// There is none.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many leaves; an empty map has one.
    pub(super) fn leaves(&self) -> usize {
        self.older.len() + 1
    }

    /// Heap of the map itself, without what values own.
    pub(super) fn memory(&self) -> usize {
        let slots = self.older_slots + self.tail.capacity();
        slots * size_of::<(StreamId, V)>() + self.older.len() * LEAF_OVERHEAD
    }

    /// The value of an ID.
    pub(super) fn get(&self, id: StreamId) -> Option<&V> {
        let leaf = self.leaf(id)?;
        find(leaf, id).ok().and_then(|at| leaf.get(at)).map(|(_, value)| value)
    }

    /// The value of an ID, to be changed.
    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut V> {
        let leaf = if self.is_in_tail(id) {
            &mut self.tail
        } else {
            self.older.range_mut(..=id).next_back().map(|(_, leaf)| leaf)?
        };
        let at = find(leaf, id).ok()?;
        leaf.get_mut(at).map(|(_, value)| value)
    }

    /// The element with the least ID.
    pub(super) fn first(&self) -> Option<(StreamId, &V)> {
        let leaf = self.older.first_key_value().map_or(&self.tail, |(_, leaf)| leaf);
        leaf.first().map(as_pair)
    }

    /// The element with the greatest ID. O(1).
    pub(super) fn last(&self) -> Option<(StreamId, &V)> {
        self.tail.last().map(as_pair)
    }

    /// Same, to be changed. O(1).
    pub(super) fn last_mut(&mut self) -> Option<(StreamId, &mut V)> {
        self.tail.last_mut().map(|(id, value)| (*id, value))
    }

    /// The greatest element that is not above `id`.
    pub(super) fn at_or_before(&self, id: StreamId) -> Option<(StreamId, &V)> {
        if self.is_in_tail(id) {
            return last_up_to(&self.tail, id);
        }
        let mut leaves = self.older.range(..=id);
        // Only the nearest leaf may begin above `id`, its name being below its first ID.
        let nearest = leaves.next_back().and_then(|(_, leaf)| last_up_to(leaf, id));
        nearest.or_else(|| leaves.next_back().and_then(|(_, leaf)| leaf.last().map(as_pair)))
    }

    /// The least element that is not below `id`.
    pub(super) fn at_or_after(&self, id: StreamId) -> Option<(StreamId, &V)> {
        if !self.is_in_tail(id) {
            let nearest = self.older.range(..=id).next_back();
            let here = nearest.and_then(|(_, leaf)| leaf.get(leaf.partition_point(|(other, _)| *other < id)));
            let later = || self.older.range((Bound::Excluded(id), Bound::Unbounded)).next();
            if let Some(found) = here.or_else(|| later().and_then(|(_, leaf)| leaf.first())) {
                return Some(as_pair(found));
            }
        }
        self.tail.get(self.tail.partition_point(|(other, _)| *other < id)).map(as_pair)
    }

    /// All elements from `from` on, in order.
    pub(super) fn range(&self, from: StreamId) -> impl Iterator<Item = (StreamId, &V)> + use<'_, V> {
        let name = self.older.range(..=from).next_back().map_or(StreamId::MIN, |(&name, _)| name);
        let leaves = self.older.range(name..).map(|(_, leaf)| leaf).chain([&self.tail]);
        leaves.flat_map(move |leaf| leaf.iter().skip(leaf.partition_point(|(id, _)| *id < from))).map(as_pair)
    }

    /// All elements in order, to be gone through at once.
    pub(super) fn all(&self) -> impl Iterator<Item = (StreamId, &V)> {
        self.older.values().chain([&self.tail]).flat_map(|leaf| leaf.iter()).map(as_pair)
    }

    /// Same, from the end.
    pub(super) fn all_back(&self) -> impl Iterator<Item = (StreamId, &V)> {
        core::iter::once(&self.tail)
            .chain(self.older.values().rev())
            .flat_map(|leaf| leaf.iter().rev())
            .map(as_pair)
    }

    /// All elements in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (StreamId, &V)> + use<'_, V> {
        self.range(StreamId::MIN)
    }

    /// Sets the value of an ID and returns the one it had. O(1) when the ID is above all others.
    pub(super) fn insert(&mut self, id: StreamId, value: V) -> Option<V> {
        let is_newest = self.tail.last().is_none_or(|(last, _)| *last < id);
        let old = if is_newest {
            if self.tail.len() == LEAF_LEN {
                let full = core::mem::take(&mut self.tail);
                self.add_older(full);
            }
            if self.tail.is_empty() {
                // Most maps stay at one element: a stream of one node, a consumer with one entry.
                self.tail.reserve_exact(1);
            }
            self.tail.push((id, value));
            None
        } else if self.is_in_tail(id) {
            self.insert_in_tail(id, value)
        } else {
            self.insert_in_older(id, value)
        };
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes an element out.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<V> {
        let value = if self.is_in_tail(id) { self.remove_from_tail(id) } else { self.remove_from_older(id) };
        self.len -= usize::from(value.is_some());
        value
    }

    /// Cuts off the elements below an ID that is there; all, when none is named. O(leaves).
    pub(super) fn split_front(&mut self, at: Option<StreamId>) -> Self {
        let Some(at) = at else { return core::mem::take(self) };
        let mut front = Self::default();
        let name = self.older.range(..=at).next_back().map(|(&name, _)| name);
        let upper = if self.is_in_tail(at) {
            let before = self.tail.partition_point(|(id, _)| *id < at);
            let kept = self.tail.split_off(before);
            front.tail = core::mem::replace(&mut self.tail, kept);
            BTreeMap::new()
        } else {
            name.map_or_else(BTreeMap::new, |name| self.older.split_off(&name))
        };
        front.older = core::mem::replace(&mut self.older, upper);
        if front.tail.is_empty() {
            front.tail = self.split_first_leaf(at);
        }
        for map in [&mut front, self] {
            map.older_slots = map.older.values().map(Vec::capacity).sum();
            map.refill_tail();
            map.len = map.older.values().map(Vec::len).sum::<usize>() + map.tail.len();
        }
        front
    }

    /// Takes the elements below an ID out of the first older leaf.
    fn split_first_leaf(&mut self, at: StreamId) -> Leaf<V> {
        let Some((_, mut leaf)) = self.older.pop_first() else { return Vec::new() };
        let kept = leaf.split_off(leaf.partition_point(|(id, _)| *id < at));
        if let Some(&(first, _)) = kept.first() {
            self.older.insert(first, kept);
        }
        leaf
    }

    /// Frees elements from the end, at most `budget`; returns what is left of it.
    pub(super) fn dismantle(&mut self, budget: usize) -> usize {
        for left in (0..budget).rev() {
            if self.tail.pop().is_none() {
                return left + 1;
            }
            self.len -= 1;
            self.refill_tail();
        }
        0
    }

    #[inline]
    fn is_in_tail(&self, id: StreamId) -> bool {
        self.tail.first().is_some_and(|(first, _)| *first <= id)
    }

    fn leaf(&self, id: StreamId) -> Option<&Leaf<V>> {
        if self.is_in_tail(id) {
            return Some(&self.tail);
        }
        self.older.range(..=id).next_back().map(|(_, leaf)| leaf)
    }

    fn add_older(&mut self, leaf: Leaf<V>) {
        if let Some(&(name, _)) = leaf.first() {
            self.older_slots += leaf.capacity();
            self.older.insert(name, leaf);
        }
    }

    fn insert_in_tail(&mut self, id: StreamId, value: V) -> Option<V> {
        let at = match find(&self.tail, id) {
            Ok(at) => return Some(core::mem::replace(&mut self.tail[at].1, value)),
            Err(at) => at,
        };
        if self.tail.len() < LEAF_LEN {
            self.tail.insert(at, (id, value));
            return None;
        }
        let upper = self.tail.split_off(LEAF_LEN / 2);
        let mut lower = core::mem::replace(&mut self.tail, upper);
        lower.shrink_to(LEAF_LEN / 2 + 1);
        if at <= lower.len() {
            lower.insert(at, (id, value));
        } else {
            self.tail.insert(at - lower.len(), (id, value));
        }
        self.add_older(lower);
        None
    }

    /// Adds an element that lies before the tail.
    fn insert_in_older(&mut self, id: StreamId, value: V) -> Option<V> {
        let Some((_, leaf)) = self.older.range_mut(..=id).next_back() else {
            self.insert_before_all(id, value);
            return None;
        };
        let at = match find(leaf, id) {
            Ok(at) => return Some(core::mem::replace(&mut leaf[at].1, value)),
            Err(at) => at,
        };
        let slots = leaf.capacity();
        if leaf.len() < LEAF_LEN {
            leaf.insert(at, (id, value));
            self.older_slots = self.older_slots - slots + leaf.capacity();
            return None;
        }
        // At the very end a new leaf begins, so that rising IDs fill the leaves.
        let mut upper = if at == leaf.len() { Vec::new() } else { leaf.split_off(LEAF_LEN / 2) };
        if at > leaf.len() || upper.is_empty() {
            upper.insert(at - leaf.len(), (id, value));
        } else {
            leaf.insert(at, (id, value));
        }
        self.older_slots = self.older_slots - slots + leaf.capacity();
        self.add_older(upper);
        None
    }

    /// Adds an element whose ID is below all others.
    fn insert_before_all(&mut self, id: StreamId, value: V) {
        let first = self.older.first_key_value().map(|(&name, leaf)| (name, leaf.len()));
        match first {
            None if self.tail.len() < LEAF_LEN => self.tail.insert(0, (id, value)),
            Some((name, len)) if len < LEAF_LEN => {
                if let Some(mut leaf) = self.older.remove(&name) {
                    self.older_slots -= leaf.capacity();
                    leaf.insert(0, (id, value));
                    self.add_older(leaf);
                }
            }
            _ => self.add_older(Vec::from([(id, value)])),
        }
    }

    fn remove_from_tail(&mut self, id: StreamId) -> Option<V> {
        let at = find(&self.tail, id).ok()?;
        let (_, value) = self.tail.remove(at);
        shrink(&mut self.tail);
        self.refill_tail();
        Some(value)
    }

    fn refill_tail(&mut self) {
        if self.tail.is_empty()
            && let Some((_, leaf)) = self.older.pop_last()
        {
            self.older_slots -= leaf.capacity();
            self.tail = leaf;
        }
    }

    fn remove_from_older(&mut self, id: StreamId) -> Option<V> {
        let (&name, leaf) = self.older.range_mut(..=id).next_back()?;
        let at = find(leaf, id).ok()?;
        let slots = leaf.capacity();
        let (_, value) = leaf.remove(at);
        shrink(leaf);
        let len = leaf.len();
        self.older_slots = self.older_slots - slots + leaf.capacity();
        if len == 0 {
            self.older_slots -= self.older.remove(&name).map_or(0, |leaf| leaf.capacity());
        } else if len < LEAF_LEN / 4 {
            self.join_next(name);
        }
        Some(value)
    }

    /// Joins a sparse leaf with the one after it, if both leave a quarter of one leaf free.
    fn join_next(&mut self, name: StreamId) {
        let mut pair = self.older.range(name..);
        let (Some((_, leaf)), Some((&next_name, next))) = (pair.next(), pair.next()) else { return };
        if leaf.len() + next.len() > LEAF_LEN * 3 / 4 {
            return;
        }
        if let Some(next) = self.older.remove(&next_name)
            && let Some(leaf) = self.older.get_mut(&name)
        {
            let slots = leaf.capacity() + next.capacity();
            leaf.extend(next);
            self.older_slots = self.older_slots - slots + leaf.capacity();
        }
    }

    /// Checks the invariants; for tests and tools. O(n).
    pub(super) fn is_sound(&self) -> bool {
        let mut after = None;
        let names_hold = self.older.iter().all(|(name, leaf)| {
            let holds =
                after.is_none_or(|last| last < *name) && leaf.first().is_some_and(|(id, _)| name <= id);
            after = leaf.last().map(|(id, _)| *id);
            holds
        });
        let tail_holds =
            self.tail.first().map_or(self.older.is_empty(), |(id, _)| after.is_none_or(|last| last < *id));
        let leaves = || self.older.values().chain([&self.tail]);
        names_hold
            && tail_holds
            && leaves().all(|leaf| leaf.len() <= LEAF_LEN && leaf.is_sorted_by(|(a, _), (b, _)| a < b))
            && leaves().map(Vec::len).sum::<usize>() == self.len
            && self.older.values().map(Vec::capacity).sum::<usize>() == self.older_slots
    }
}

fn as_pair<V>((id, value): &(StreamId, V)) -> (StreamId, &V) {
    (*id, value)
}

fn find<V>(leaf: &Leaf<V>, id: StreamId) -> Result<usize, usize> {
    leaf.binary_search_by_key(&id, |(id, _)| *id)
}

fn last_up_to<V>(leaf: &Leaf<V>, id: StreamId) -> Option<(StreamId, &V)> {
    let count = leaf.partition_point(|(other, _)| *other <= id);
    leaf.get(count.checked_sub(1)?).map(as_pair)
}

fn shrink<V>(leaf: &mut Leaf<V>) {
    if leaf.capacity() > 8 && leaf.len() < leaf.capacity() / 4 {
        leaf.shrink_to(leaf.capacity() / 2);
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::{IdMap, LEAF_LEN, StreamId};
    use crate::rng::Rng;

    fn id_of(number: u64) -> StreamId {
        StreamId::new(number / 10, number % 10)
    }

    fn compare(map: &IdMap<u64>, model: &BTreeMap<StreamId, u64>, probe: StreamId) {
        let copied = |(id, value): (StreamId, &u64)| (id, *value);
        let entry = |(id, value): (&StreamId, &u64)| (*id, *value);
        assert_eq!(map.len(), model.len());
        assert_eq!(map.get(probe), model.get(&probe));
        assert_eq!(map.first().map(copied), model.first_key_value().map(entry));
        assert_eq!(map.last().map(copied), model.last_key_value().map(entry));
        assert_eq!(map.at_or_before(probe).map(copied), model.range(..=probe).next_back().map(entry));
        assert_eq!(map.at_or_after(probe).map(copied), model.range(probe..).next().map(entry));
        assert!(map.range(probe).map(copied).eq(model.range(probe..).map(entry)));
        assert!(map.is_sound());
    }

    #[test]
    fn agrees_with_a_tree() {
        let (mut map, mut model, mut rng) = (IdMap::default(), BTreeMap::new(), Rng::new(5));
        let mut rising = 0;
        for round in 0..if cfg!(miri) { 400 } else { 20_000u64 } {
            let shrinking = round / 500 % 2 == 1;
            let number = rng.below(400);
            match rng.below(8) {
                0..=2 if !shrinking => {
                    rising += rng.below(3) + 1;
                    assert_eq!(map.insert(id_of(rising), round), model.insert(id_of(rising), round));
                }
                3..=4 if !shrinking => {
                    assert_eq!(map.insert(id_of(number), round), model.insert(id_of(number), round));
                }
                5 => {
                    let (here, there) = (map.get_mut(id_of(number)), model.get_mut(&id_of(number)));
                    assert_eq!(here.as_deref(), there.as_deref());
                    if let (Some(here), Some(there)) = (here, there) {
                        (*here, *there) = (round, round);
                    }
                }
                6 => {
                    let gone = model.range(id_of(number)..).next().map(|(id, _)| *id).unwrap_or_default();
                    assert_eq!(map.remove(gone), model.remove(&gone));
                }
                _ => {
                    let gone = map.first().map(|(id, _)| id).unwrap_or_default();
                    assert_eq!(map.remove(gone), model.remove(&gone));
                }
            }
            compare(&map, &model, id_of(number));
        }
    }

    #[test]
    fn rising_ids_fill_the_leaves_and_go_in_steps() {
        let mut map = IdMap::default();
        let count = LEAF_LEN as u64 * 20;
        (1..=count).for_each(|number| assert!(map.insert(id_of(number), ()).is_none()));
        assert_eq!(map.leaves(), 20);
        let ids: Vec<StreamId> = map.iter().map(|(id, ())| id).collect();
        assert_eq!(ids.len() as u64, count);
        let mut steps = 0;
        while !map.is_empty() {
            assert_eq!(map.dismantle(7), if map.is_empty() { 7 - map_rest(count, steps) } else { 0 });
            steps += 1;
        }
        assert_eq!((map.memory(), map.dismantle(3)), (map.tail.capacity() * 16, 3));
    }

    #[test]
    fn a_front_is_cut_off_anywhere() {
        for cut in 0..=70 {
            let (mut map, mut model) = (IdMap::default(), BTreeMap::new());
            for number in 0..70 {
                map.insert(id_of(number * 2), number);
                model.insert(id_of(number * 2), number);
            }
            // Places of one in three elements, so that leaves have names that are gone.
            for number in (0..70).step_by(3).filter(|number| *number != cut) {
                map.remove(id_of(number * 2));
                model.remove(&id_of(number * 2));
            }
            let at = (cut < 70).then(|| id_of(cut * 2));
            let upper = at.map_or_else(BTreeMap::new, |at| model.split_off(&at));
            let front = map.split_front(at);
            compare(&front, &model, id_of(cut));
            compare(&map, &upper, id_of(cut * 2 + 20));
        }
    }

    fn map_rest(count: u64, steps: u64) -> usize {
        usize::try_from(count - steps * 7).unwrap()
    }
}
