//! The large encoding of sorted sets.
//!
//! A large range that is removed is only cut out of the tree: its elements stay in the index and in their slots, but for who
//! looks one up the tree decides whether it is there. They are freed in steps by [`SortedSet::tidy`].
//!
//! Invariant: index and tree hold exactly the handles of the elements that are there, and of those cut off.

use core::ops::Range;

use super::elements::{Element, Elements, Handle};
use super::iter::Iter;
use super::score::Score;
use super::tree::Tree;
use crate::keyspace::{Key, KeyHasher};
use crate::types::members::{self, Keys, MemberIndex};

/// What became of an insertion or a change of score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The member is new.
    Added,
    /// It had another score.
    Updated,
    /// Nothing was to be done.
    Unchanged,
    /// The member is new, but the set can hold no more (2^31 members): nothing was done.
    Full,
}

/// On which side of the elements that equal a bound a rank is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The rank of the first that is equal or greater.
    Before,
    /// The rank of the first that is greater.
    After,
}

/// A sorted set of any size.
#[derive(Clone, Debug)]
pub struct SortedSet {
    elements: Elements,
    index: MemberIndex,
    tree: Tree,
    hasher: KeyHasher,
    /// Moves of elements that removals have put off.
    moves_owed: usize,
}

/// Ranges of more elements are cut off.
const DETACH_MIN: usize = if cfg!(any(miri, fuzzing, test)) { 10 } else { 512 };
/// What it takes to free one of them, in allocations.
const TIDY_UNITS: usize = 4;
/// Elements that are moved before the budget is looked at again.
const MOVES_AT_ONCE: usize = 32;

impl SortedSet {
    /// The empty set, whose members are hashed by `hasher`.
    pub const fn new(hasher: KeyHasher) -> Self {
        Self {
            elements: Elements::new(),
            index: MemberIndex::new(),
            tree: Tree::new(),
            hasher,
            moves_owed: 0,
        }
    }

    /// The set of elements that index and tree hold, all of them and no others.
    pub(super) fn of(elements: Elements, index: MemberIndex, tree: Tree, hasher: KeyHasher) -> Self {
        Self { elements, index, tree, hasher, moves_owed: 0 }
    }

    /// An empty set with the same hash.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.hasher)
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// There is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tree.len() == 0
    }

    /// Bytes of memory it holds on the heap.
    pub fn memory(&self) -> usize {
        self.elements.bytes() + self.index.bytes() + self.tree.bytes()
    }

    /// Adds a member or gives it another score. O(log n).
    pub fn insert(&mut self, member: &[u8], score: Score) -> Change {
        self.update(member, |_| Some(score))
    }

    /// Gives a member the score that `decide` makes of the one it has, if any; `None` leaves things as they are.
    /// O(log n).
    ///
    //= valkey 9.1 ZADD: a score that compares equal is not stored, so 0 does not become -0
    pub fn update(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<Score>) -> Change {
        let key = self.hasher.key(member);
        let Some(handle) = self.find(key) else {
            return decide(None).map_or(Change::Unchanged, |score| self.add(key, score));
        };
        let old = self.elements.get(handle).score;
        match decide(Some(old.get())) {
            Some(score) if score != old => {
                self.move_to(handle, score);
                Change::Updated
            }
            _ => Change::Unchanged,
        }
    }

    /// Removes a member. Returns the score it had. O(log n).
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let handle = self.find(self.hasher.key(member))?;
        let score = self.elements.get(handle).score;
        let (rank, ..) = self.tree.locate(&self.elements, handle);
        self.remove_range(rank..rank + 1, |_, _| {});
        Some(score.get())
    }

    /// Removes a range of ranks: a short one at once, a long one in O(log n), to be freed by [`Self::tidy`].
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        let ranks = ranks.start..ranks.end.min(self.len());
        if ranks.len() < DETACH_MIN {
            return self.remove_range(ranks, |_, _| {});
        }
        self.moves_owed += ranks.len();
        self.tree.detach(&self.elements, ranks);
    }

    /// Something is left to be freed of what was removed.
    pub fn is_untidy(&self) -> bool {
        self.moves_owed > 0
    }

    /// Frees part of what was removed, about as much work as `budget` allocations are. Returns what is left of the budget:
    /// more than 0 only when nothing is left to be done.
    pub fn tidy(&mut self, budget: usize) -> usize {
        let mut left = budget;
        while left > 0 && self.moves_owed > 0 {
            if let Some(leaf) = self.tree.take_detached_leaf() {
                left = left.saturating_sub(TIDY_UNITS * leaf.len().max(1));
                for handle in leaf {
                    let hash = self.hasher.key(self.elements.get(handle).member).hash;
                    let members = Members { elements: &self.elements, hasher: self.hasher };
                    self.index.remove(hash, handle, &members);
                    self.elements.remove(handle);
                }
            } else {
                let moves = self.moves_owed.min(MOVES_AT_ONCE);
                self.moves_owed = if self.compact(moves) { self.moves_owed - moves } else { 0 };
                left = left.saturating_sub(TIDY_UNITS * moves);
            }
        }
        left
    }

    /// Removes a range of ranks, leaf by leaf. Each member is handed over first, with its score.
    pub fn remove_range(&mut self, ranks: Range<usize>, mut each: impl FnMut(&[u8], f64)) {
        let count = ranks.end.min(self.len()).saturating_sub(ranks.start);
        let mut left = count;
        while left > 0 {
            let len = self.tree.fill_path(&self.elements, ranks.start).min(left);
            assert!(len > 0, "a rank below the length is in some leaf");
            let (elements, index, hasher) = (&mut self.elements, &mut self.index, self.hasher);
            let began_leaf = self.tree.take_run(ranks.start, len, |handle| {
                let element = elements.get(handle);
                each(element.member, element.score.get());
                let hash = hasher.key(element.member).hash;
                index.remove(hash, handle, &Members { elements, hasher });
                elements.remove(handle);
            });
            if began_leaf {
                self.tree.refresh_first(&self.elements, ranks.start);
            }
            left -= len;
        }
        if self.is_untidy() {
            // What was cut off must stay in its place.
            self.moves_owed += count;
        } else {
            self.compact(count);
        }
    }

    /// Removes the first element and hands it over. Returns whether there was one.
    pub fn pop_first(&mut self, each: impl FnMut(&[u8], f64)) -> bool {
        let had_any = !self.is_empty();
        self.remove_range(0..1, each);
        had_any
    }

    /// Removes the last element and hands it over. Returns whether there was one.
    pub fn pop_last(&mut self, each: impl FnMut(&[u8], f64)) -> bool {
        let Some(last) = self.len().checked_sub(1) else { return false };
        self.remove_range(last..last + 1, each);
        true
    }

    /// Asks the processor to fetch where the index has a member. Returns what [`Self::prefetch_member`] goes on with.
    pub(super) fn prefetch(&self, member: &[u8]) -> u64 {
        let hash = self.hasher.key(member).hash;
        self.index.prefetch(hash);
        hash
    }

    /// Asks the processor to fetch the element of a hash.
    pub(super) fn prefetch_member(&self, hash: u64) {
        self.index.probe(hash, |handle| self.elements.prefetch(handle));
    }

    /// The score of a member. O(1).
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        let handle = self.find(self.hasher.key(member))?;
        Some(self.elements.get(handle).score.get())
    }

    /// How many elements come before a member, and its score. O(log n).
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let handle = self.find(self.hasher.key(member))?;
        let (rank, ..) = self.tree.locate(&self.elements, handle);
        Some((rank, self.elements.get(handle).score.get()))
    }

    /// The member of a rank, with its score. O(log n).
    pub fn at(&self, rank: usize) -> Option<(&[u8], f64)> {
        let element = self.elements.get(self.tree.at(rank)?);
        Some((element.member, element.score.get()))
    }

    /// The first rank of a score on this side. O(log n).
    pub fn rank_of_score(&self, score: Score, side: Side) -> usize {
        self.tree.partition_point(&self.elements, |other, _| match side {
            Side::Before => other < score,
            Side::After => other <= score,
        })
    }

    /// The first rank of a member's bytes on this side, in a set whose scores are all equal. O(log n).
    pub fn rank_of_lex(&self, member: &[u8], side: Side) -> usize {
        self.tree.partition_point(&self.elements, |_, other| {
            let other = self.elements.get(other).member;
            match side {
                Side::Before => other < member,
                Side::After => other <= member,
            }
        })
    }

    /// Members and scores of a range of ranks, from either end.
    pub fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        Iter::new(self, ranks)
    }

    /// One step of a walk over all members: hands about `count` of them to `each`, and returns the cursor to go on from, 0
    /// when the walk is over.
    ///
    /// A member that is there during the whole walk is seen at least once, however the set changes in between.
    pub fn scan<'s>(&'s self, cursor: u64, count: usize, mut each: impl FnMut(&'s [u8], f64)) -> u64 {
        self.index.scan(cursor, count, |handle| {
            if self.is_there(handle) {
                let element = self.elements.get(handle);
                each(element.member, element.score.get());
            }
        })
    }

    /// About how many allocations it is made of.
    pub fn allocations(&self) -> usize {
        // A leaf of the tree has some 64 to 128 members.
        self.elements.allocations() + self.index.allocations() + self.index.len().div_ceil(64)
    }

    /// Frees about `budget` allocations of a set that nobody uses any more. Returns what is left of the budget: more than
    /// 0 only when nothing is left to be freed. Nothing else may be asked of it once this has begun.
    pub fn dismantle(&mut self, budget: usize) -> usize {
        members::dismantle(budget, || {
            let freed = self.elements.dismantle_page() + self.index.dismantle_buckets();
            freed + usize::from(self.tree.dismantle_leaf())
        })
    }

    pub(super) fn elements(&self) -> &Elements {
        &self.elements
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    #[inline]
    fn find(&self, key: Key<'_>) -> Option<Handle> {
        self.index
            .find(key.hash, |handle| self.elements.get(handle).member == key.bytes && self.is_there(handle))
    }

    /// An element of the index has not been cut off.
    #[inline]
    fn is_there(&self, handle: Handle) -> bool {
        self.tree.detached_len() == 0 || self.tree.contains(&self.elements, handle)
    }

    fn add(&mut self, key: Key<'_>, score: Score) -> Change {
        let Some(handle) = self.elements.insert(score, key.bytes) else { return Change::Full };
        self.index.insert(key.hash, handle, &Members { elements: &self.elements, hasher: self.hasher });
        self.tree.insert(&self.elements, handle);
        Change::Added
    }

    /// Moves elements together, as long as removals have left much room between them.
    ///
    /// One move for each removal is enough: where half the slots are used, a removal leaves two to be given back,
    /// and to empty a page takes half as many moves as it has slots. Returns whether there may be more to move.
    fn compact(&mut self, moves: usize) -> bool {
        for _ in 0..moves {
            let Some((old, new)) = self.elements.relocate() else { return false };
            let hash = self.hasher.key(self.elements.get(new).member).hash;
            self.index.replace(hash, old, new);
            self.tree.replace(&self.elements, old, new);
            self.elements.remove(old);
        }
        true
    }

    /// Gives an element another score; it stays in its place in the tree where its neighbours allow.
    fn move_to(&mut self, handle: Handle, score: Score) {
        let (rank, leaf, at) = self.tree.locate(&self.elements, handle);
        // Most elements have their neighbours in their leaf.
        let below = match at.checked_sub(1) {
            Some(below) => Some(leaf[below]),
            None => rank.checked_sub(1).and_then(|rank| self.tree.at(rank)),
        };
        let above = leaf.get(at + 1).copied().or_else(|| self.tree.at(rank + 1));
        let moved = Element { score, member: self.elements.get(handle).member };
        let fits = below.is_none_or(|below| self.elements.get(below).is_before(moved))
            && above.is_none_or(|above| moved.is_before(self.elements.get(above)));
        if fits {
            let begins_leaf = at == 0;
            self.elements.set_score(handle, score);
            if begins_leaf {
                self.tree.refresh_first(&self.elements, rank);
            }
            return;
        }
        self.tree.fill_path(&self.elements, rank);
        if self.tree.take_run(rank, 1, |_| {}) {
            self.tree.refresh_first(&self.elements, rank);
        }
        self.elements.set_score(handle, score);
        self.tree.insert(&self.elements, handle);
    }

    /// Members that take memory: those that are there, and those that were cut off.
    #[cfg(any(test, fuzzing))]
    pub fn stored_len(&self) -> usize {
        self.index.len()
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub fn check(&self) {
        let all = self.len() + self.tree.detached_len();
        assert!(self.tree.detached_len() == 0 || self.is_untidy());
        self.elements.check(all);
        self.index.check(all, &Members { elements: &self.elements, hasher: self.hasher });
        self.tree.check(&self.elements);
    }
}

/// What the index hashes.
pub(super) struct Members<'a> {
    pub(super) elements: &'a Elements,
    pub(super) hasher: KeyHasher,
}

impl Keys for Members<'_> {
    #[inline]
    fn hash(&self, handle: Handle) -> u64 {
        self.hasher.key(self.elements.get(handle).member).hash
    }

    #[inline]
    fn prefetch(&self, handle: Handle) {
        self.elements.prefetch(handle);
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, SortedSet};
    use crate::keyspace::{HashSeed, KeyHasher};
    use crate::rng::Rng;
    use crate::types::zset::Score;

    #[test]
    fn a_copy_is_a_set_of_its_own() {
        let (mut set, mut rng) = (SortedSet::new(KeyHasher::new(HashSeed([5; 16]))), Rng::new(3));
        let many = if cfg!(miri) { 200 } else { 3000 };
        for number in 0..many {
            let len = usize::try_from(rng.below(400)).unwrap();
            let member = alloc::format!("{number:0len$}");
            set.insert(member.as_bytes(), Score::new(rng.below(50) as f64).unwrap());
        }
        let mut copy = set.clone();
        copy.check();
        assert!(copy.iter(0..copy.len()).eq(set.iter(0..set.len())));
        for number in 0..many {
            copy.insert(alloc::format!("new{number}").as_bytes(), Score::new(rng.below(50) as f64).unwrap());
            copy.pop_first(|_, _| {});
        }
        copy.check();
        set.check();
        assert_eq!(set.len(), many);
    }

    #[test]
    fn a_set_that_shrinks_at_random_gives_memory_back() {
        let (mut set, mut rng) = (SortedSet::new(KeyHasher::new(HashSeed([5; 16]))), Rng::new(9));
        let (many, few) = if cfg!(miri) { (300, 15) } else { (6000, 300) };
        for number in 0..many {
            let (member, score) = (alloc::format!("{number:09}"), rng.below(1000) as f64);
            assert_eq!(set.insert(member.as_bytes(), Score::new(score).unwrap()), Change::Added);
        }
        let full = set.memory();
        while set.len() > few {
            let rank = usize::try_from(rng.below(set.len() as u64)).unwrap();
            let member = set.at(rank).unwrap().0.to_vec();
            assert!(set.remove(&member).is_some());
            assert!(
                set.elements.bytes() <= 60 * set.len() + full / 8 + 500,
                "{} {}",
                set.elements.bytes(),
                set.len()
            );
        }
        set.check();
        assert!(set.memory() < full / 4, "{} of {full}", set.memory());
    }
}
