//! The expiry index: all keys with a time to live, in order of time.
//!
//! Keys go on time however many have one: no sampling. Leaves are sorted arrays of pairs, a time and an identity, found
//! through a map by the first pair each may hold, its name. A pair has the time after its leaf's name in four bytes, and the
//! identity as short as [`Timed`] makes it: ten bytes for a key, eight for a field of a hash. So a leaf spans 49 days at most.
//! Keys whose times only rise fill the leaves wholly; random ones about three quarters, and a leaf's capacity follows its
//! length in steps of 16 pairs: 11 to 13 bytes a key. Every operation touches one leaf (at most 1.3 KiB) and O(log n) of the
//! map.
//!
//! Invariant: a leaf's pairs are sorted and not before its name; the next leaf's name is after them all.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

use crate::prefetch::prefetch_whole;

/// Pairs of a leaf.
const LEAF_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 8 } else { 128 };
/// Capacity grows by this many pairs.
const STEP: usize = if cfg!(any(miri, fuzzing, test)) { 2 } else { 16 };

/// What has a time in the index, and a short form there.
pub(crate) trait Timed: Copy + Ord {
    /// An array of bytes.
    type Packed: Copy + core::fmt::Debug;
    /// The short form.
    fn pack(self) -> Self::Packed;
    /// What has this short form.
    fn unpack(packed: Self::Packed) -> Self;
}

/// A time (ms since 1970) and the identity of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp<T> {
    pub(crate) at: i64,
    pub(crate) id: T,
}

/// A stamp as a leaf keeps it: milliseconds after the leaf's name, and the identity's short form.
#[derive(Clone, Copy, Debug)]
struct Pair<P> {
    after: [u8; 4],
    id: P,
}

/// The pairs of a leaf.
type Pairs<T> = Vec<Pair<<T as Timed>::Packed>>;

static_assertions::assert_eq_size!(Pair<[u8; 6]>, [u8; 10]);

/// The index over identities `T`.
#[derive(Debug)]
pub(crate) struct ExpiryIndex<T: Timed> {
    leaves: BTreeMap<Stamp<T>, Pairs<T>>,
    len: usize,
}

/// Tells a keyspace that a shard was given a time before all it had.
#[derive(Clone, Debug, Default)]
pub(super) struct Earlier(Arc<AtomicBool>);

impl Earlier {
    pub(super) fn tell(&self) {
        // ORDERING: told and asked by the one thread that has the keyspace; what is told guards nothing.
        self.0.store(true, Relaxed);
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn is_told(&self) -> bool {
        // ORDERING: as above.
        self.0.load(Relaxed)
    }

    /// Whether that was told since this was asked the last time. Shards and keyspace are changed by one thread at a time.
    pub(super) fn take(&self) -> bool {
        // ORDERING: as above.
        let is_told = self.0.load(Relaxed);
        if is_told {
            // ORDERING: as above.
            self.0.store(false, Relaxed);
        }
        is_told
    }
}

impl<T: Timed> Clone for ExpiryIndex<T> {
    fn clone(&self) -> Self {
        Self { leaves: self.leaves.clone(), len: self.len }
    }
}

impl<T: Timed> Default for ExpiryIndex<T> {
    fn default() -> Self {
        Self { leaves: BTreeMap::new(), len: 0 }
    }
}

impl<P> Pair<P> {
    fn after(&self) -> u32 {
        u32::from_le_bytes(self.after)
    }

    /// The same time, for a leaf whose name is so much earlier; or later, by what wraps around.
    fn moved(self, earlier: u32) -> Self {
        Self { after: self.after().wrapping_add(earlier).to_le_bytes(), ..self }
    }
}

/// Milliseconds from one time to another, if a pair can hold them.
#[inline]
fn span(from: i64, to: i64) -> Option<u32> {
    to.checked_sub(from).and_then(|span| u32::try_from(span).ok())
}

impl<T: Timed> Stamp<T> {
    /// As a leaf of this name keeps it, if it can.
    #[inline]
    fn packed(self, name: Self) -> Option<Pair<T::Packed>> {
        Some(Pair { after: span(name.at, self.at)?.to_le_bytes(), id: self.id.pack() })
    }

    /// What a leaf of this name keeps.
    #[inline]
    fn unpacked(self, pair: &Pair<T::Packed>) -> Self {
        Self { at: self.at.wrapping_add(i64::from(pair.after())), id: T::unpack(pair.id) }
    }

    /// Where it is in a leaf of this name, or would be.
    #[inline]
    fn place(self, name: Self, leaf: &Pairs<T>) -> Result<usize, usize> {
        leaf.binary_search_by(|pair| name.unpacked(pair).cmp(&self))
    }
}

impl<T: Timed> ExpiryIndex<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let leaf = size_of::<Pairs<T>>() + size_of::<Stamp<T>>();
        self.leaves.len() * leaf * 3 / 2 + self.len * size_of::<Pair<T::Packed>>() * 9 / 8
    }

    /// A pair of about this time, or next after it; the last of all when there is none.
    pub(super) fn near(&self, at: i64) -> Option<Stamp<T>> {
        let id = self.first()?.id;
        let from = Stamp { at, id };
        // A leaf's name may be that of a pair that is gone: only what is inside counts.
        let before = self.leaves.range(..=from).next_back();
        let inside = before.and_then(|(name, leaf)| {
            let place = leaf.partition_point(|pair| name.unpacked(pair).at < at);
            leaf.get(place).map(|pair| name.unpacked(pair))
        });
        let after =
            || self.leaves.range(from..).next().and_then(|(name, leaf)| Some(name.unpacked(leaf.first()?)));
        inside.or_else(after).or_else(|| self.last())
    }

    /// Adds a pair that is not there.
    pub(crate) fn insert(&mut self, stamp: Stamp<T>) {
        self.len += 1;
        self.put(stamp);
    }

    fn put(&mut self, stamp: Stamp<T>) {
        let Some((&name, leaf)) = self.leaves.range_mut(..=stamp).next_back() else {
            return self.insert_first(stamp);
        };
        // Where a leaf cannot reach, a new one begins.
        let Some(pair) = stamp.packed(name) else { return self.begin_leaf(stamp) };
        let (Ok(at) | Err(at)) = stamp.place(name, leaf);
        if leaf.len() < LEAF_LEN {
            return insert_at(leaf, at, pair);
        }
        // And at the very end, so that rising times fill the leaves.
        if at == leaf.len() {
            return self.begin_leaf(stamp);
        }
        let (middle, upper) = split_half(name, leaf);
        self.leaves.insert(middle, upper);
        // Whichever half it belongs to has room now.
        self.put(stamp);
    }

    /// Adds a pair that comes before all leaves: the first leaf takes it, under a new name.
    fn insert_first(&mut self, stamp: Stamp<T>) {
        let takes = |(name, leaf): (&Stamp<T>, &Pairs<T>)| {
            let last = leaf.last().map_or(*name, |pair| name.unpacked(pair));
            (leaf.len() < LEAF_LEN).then_some(())?;
            span(stamp.at, last.at)?;
            span(stamp.at, name.at)
        };
        let earlier = self.leaves.first_key_value().and_then(takes);
        let (Some(earlier), Some(first)) = (earlier, stamp.packed(stamp)) else {
            return self.begin_leaf(stamp);
        };
        if let Some((_, mut leaf)) = self.leaves.pop_first() {
            leaf.iter_mut().for_each(|pair| *pair = pair.moved(earlier));
            insert_at(&mut leaf, 0, first);
            self.leaves.insert(stamp, leaf);
        }
    }

    /// Adds a leaf that begins with a pair.
    fn begin_leaf(&mut self, stamp: Stamp<T>) {
        let mut leaf = Vec::new();
        if let Some(pair) = stamp.packed(stamp) {
            insert_at(&mut leaf, 0, pair);
        }
        self.leaves.insert(stamp, leaf);
    }

    /// Takes a pair out that is there.
    pub(crate) fn remove(&mut self, stamp: Stamp<T>) {
        let Some((&name, leaf)) = self.leaves.range_mut(..=stamp).next_back() else {
            unreachable!("a pair that is removed is there");
        };
        // The search would wait for several lines of it one after another, and half of it is moved after that.
        prefetch_whole(leaf);
        let Ok(at) = stamp.place(name, leaf) else { unreachable!("a pair that is removed is there") };
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

    /// Joins a sparse leaf with the one after it, if both fit in half a leaf more and the first reaches so far.
    fn join_next(&mut self, name: Stamp<T>) {
        let mut pair = self.leaves.range(name..);
        let (Some((_, leaf)), Some((&next_name, next))) = (pair.next(), pair.next()) else { return };
        let end = next.last().map_or(next_name, |pair| next_name.unpacked(pair));
        let Some(later) = span(name.at, end.at).and_then(|_| span(name.at, next_name.at)) else { return };
        if leaf.len() + next.len() > LEAF_LEN * 3 / 4 {
            return;
        }
        if let Some(next) = self.leaves.remove(&next_name)
            && let Some(leaf) = self.leaves.get_mut(&name)
        {
            leaf.reserve_exact(next.len());
            leaf.extend(next.into_iter().map(|pair| pair.moved(later)));
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
        self.leaves.first_key_value().and_then(|(name, leaf)| Some(name.unpacked(leaf.first()?)))
    }

    /// The latest pair.
    pub(crate) fn last(&self) -> Option<Stamp<T>> {
        self.leaves.last_key_value().and_then(|(name, leaf)| Some(name.unpacked(leaf.last()?)))
    }

    /// All pairs in order.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Stamp<T>> + '_ {
        self.leaves.iter().flat_map(|(name, leaf)| leaf.iter().map(|pair| name.unpacked(pair)))
    }
}

fn insert_at<P>(leaf: &mut Vec<P>, at: usize, pair: P) {
    if leaf.len() == leaf.capacity() {
        leaf.reserve_exact(STEP);
    }
    leaf.insert(at, pair);
}

/// Cuts the upper half off a full leaf: a leaf of its own, with its name.
fn split_half<T: Timed>(name: Stamp<T>, leaf: &mut Pairs<T>) -> (Stamp<T>, Pairs<T>) {
    let half = leaf.len() / 2;
    let (first, earlier) = leaf.get(half).map_or((name, 0), |pair| (name.unpacked(pair), pair.after()));
    let mut upper = Vec::with_capacity(leaf.len() - half + STEP);
    upper.extend(leaf[half..].iter().map(|pair| pair.moved(0u32.wrapping_sub(earlier))));
    leaf.truncate(half);
    leaf.shrink_to(half + STEP);
    (first, upper)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::{ExpiryIndex, Stamp, Timed};
    use crate::rng::Rng;

    impl Timed for u64 {
        type Packed = [u8; 8];

        fn pack(self) -> Self::Packed {
            self.to_le_bytes()
        }

        fn unpack(packed: Self::Packed) -> Self {
            Self::from_le_bytes(packed)
        }
    }

    #[test]
    fn agrees_with_a_sorted_set() {
        // Leaves that reach as far as they like, not far enough for their length, and hardly to the next pair.
        [1, 1 << 27, 1 << 30, 1 << 40].into_iter().for_each(agrees_with_times_apart);
    }

    fn agrees_with_times_apart(apart: u64) {
        let (mut index, mut model, mut rng) = (ExpiryIndex::default(), BTreeSet::new(), Rng::new(3));
        for round in 0..if cfg!(miri) { 100 } else { 20_000 } {
            let stamp = Stamp { at: (rng.below(500) * apart).cast_signed(), id: rng.below(4) };
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
            assert_eq!((index.first(), index.last()), (model.first().copied(), model.last().copied()));
            let at = (rng.below(500) * apart).cast_signed();
            let near = index.near(at);
            assert_eq!(near.is_some(), !model.is_empty());
            assert!(near.is_none_or(|near| model.contains(&near) && (near.at >= at || Some(near) == index.last())));
            if round % 97 == 0 {
                assert!(index.iter().eq(model.iter().copied()));
            }
        }
    }

    #[test]
    fn rising_times_fill_the_leaves() {
        let mut index = ExpiryIndex::default();
        let count = if cfg!(miri) { 400 } else { 8000 };
        (0..count).for_each(|at| index.insert(Stamp { at, id: 0u64 }));
        assert_eq!(i64::try_from(index.leaves.len()), Ok(count / 8));
    }

    #[test]
    fn times_at_the_ends_of_their_range() {
        let mut index = ExpiryIndex::default();
        let times = [i64::MAX, i64::MIN, 0, -1, i64::MAX - 1, i64::MIN + 1];
        times.into_iter().for_each(|at| index.insert(Stamp { at, id: 7u64 }));
        assert_eq!(index.iter().map(|stamp| stamp.at).collect::<BTreeSet<_>>(), BTreeSet::from(times));
        times.into_iter().for_each(|at| index.remove(Stamp { at, id: 7u64 }));
        assert_eq!((index.len(), index.first()), (0, None));
    }
}
