//! Members with scores that are put in order when all of them are known: what unions and intersections are made in.
//!
//! A member that is in several sets gets its score in steps; in a [`SortedSet`] each would move it. While they are put in order a
//! member takes some 20 bytes more.

use alloc::vec::Vec;

use super::elements::{Elements, Handle};
use super::large::{Members, SortedSet};
use super::score::Score;
use super::tree::Tree;
use crate::keyspace::KeyHasher;
use crate::types::members::MemberIndex;

/// There is no handle left for another member: nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHandle;

/// The members so far.
#[derive(Debug)]
pub struct Unordered {
    elements: Elements,
    index: MemberIndex,
    hasher: KeyHasher,
    handles: Vec<Handle>,
}

impl Unordered {
    /// No members, which will be hashed by `hasher`.
    pub fn new(hasher: KeyHasher) -> Self {
        Self { elements: Elements::new(), index: MemberIndex::new(), hasher, handles: Vec::new() }
    }

    /// Gives a member the score that `score` makes of the one it has, if any. O(1).
    ///
    //= valkey 9.1 ZUNION: a score that compares equal is stored, too: the sum of -0 and 0 is 0
    ///
    /// # Errors
    /// There is no room for another member.
    pub fn put(&mut self, member: &[u8], score: impl FnOnce(Option<f64>) -> Score) -> Result<(), NoHandle> {
        let hash = self.hasher.key(member).hash;
        if let Some(handle) = self.index.find(hash, |handle| self.elements.get(handle).member == member) {
            let score = score(Some(self.elements.get(handle).score.get()));
            self.elements.set_score(handle, score);
            return Ok(());
        }
        let handle = self.elements.insert(score(None), member).ok_or(NoHandle)?;
        self.index.insert(hash, handle, &Members { elements: &self.elements, hasher: self.hasher });
        self.handles.push(handle);
        Ok(())
    }

    /// Puts them in order. O(n log n).
    pub fn in_order(self) -> SortedSet {
        let Self { elements, index, hasher, handles } = self;
        let mut scored: Vec<(Score, Handle)> =
            handles.into_iter().map(|handle| (elements.get(handle).score, handle)).collect();
        let member = |handle: Handle| elements.get(handle).member;
        scored.sort_unstable_by(|(score, handle), (other_score, other)| {
            score.cmp(other_score).then_with(|| member(*handle).cmp(member(*other)))
        });
        let handles: Vec<Handle> = scored.into_iter().map(|(_, handle)| handle).collect();
        let tree = Tree::of(&elements, &handles);
        SortedSet::of(elements, index, tree, hasher)
    }
}

#[cfg(test)]
mod tests {
    use super::Unordered;
    use crate::keyspace::{HashSeed, KeyHasher};
    use crate::rng::Rng;
    use crate::types::zset::{Score, SortedSet};

    /// The bits of all scores, in order.
    fn elements(set: &SortedSet) -> alloc::vec::Vec<(&[u8], u64)> {
        set.iter(0..set.len()).map(|(member, score)| (member, score.to_bits())).collect()
    }

    #[test]
    fn what_is_put_in_order_is_what_was_inserted() {
        let (hasher, mut rng) = (KeyHasher::new(HashSeed([5; 16])), Rng::new(8));
        let scores = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 0.25, 7.0, f64::INFINITY]
            .map(|score| Score::new(score).unwrap());
        for members in [1, 5, 40, if cfg!(miri) { 60 } else { 700 }] {
            let (mut unordered, mut inserted) = (Unordered::new(hasher), SortedSet::new(hasher));
            for _ in 0..3 * members {
                let member = rng.below(members).to_le_bytes();
                let score = scores[usize::try_from(rng.below(7)).unwrap()];
                assert_eq!(
                    unordered.put(&member, |old| {
                        assert_eq!(old, inserted.score(&member));
                        score
                    }),
                    Ok(())
                );
                // A zero of the other sign would not be stored.
                inserted.remove(&member);
                inserted.insert(&member, score);
            }
            let mut set = unordered.in_order();
            set.check();
            assert_eq!(elements(&set), elements(&inserted));
            // And it goes on as any other.
            for _ in 0..members {
                let member = rng.below(2 * members).to_le_bytes();
                let score = scores[usize::try_from(rng.below(7)).unwrap()];
                assert_eq!(set.insert(&member, score), inserted.insert(&member, score));
                let member = rng.below(2 * members).to_le_bytes();
                assert_eq!(set.remove(&member), inserted.remove(&member));
            }
            set.remove_ranks(0..set.len() / 2);
            inserted.remove_ranks(0..inserted.len() / 2);
            set.check();
            assert_eq!(elements(&set), elements(&inserted));
        }
    }
}
