//! Members with scores that are put in order when all of them are known: what unions and intersections are made in.
//!
//! A member that is in several sets gets its score in steps; in a [`SortedSet`] each would move it.

use alloc::vec::Vec;

use super::elements::{Elements, Handle};
use super::large::{Change, Members, SortedSet};
use super::score::Score;
use super::tree::Tree;
use crate::keyspace::KeyHasher;
use crate::types::members::MemberIndex;

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
    pub fn put(&mut self, member: &[u8], score: impl FnOnce(Option<f64>) -> Score) -> Change {
        let hash = self.hasher.key(member).hash;
        if let Some(handle) = self.index.find(hash, |handle| self.elements.get(handle).member == member) {
            let score = score(Some(self.elements.get(handle).score.get()));
            self.elements.set_score(handle, score);
            return Change::Updated;
        }
        let Some(handle) = self.elements.insert(score(None), member) else { return Change::Full };
        self.index.insert(hash, handle, &Members { elements: &self.elements, hasher: self.hasher });
        self.handles.push(handle);
        Change::Added
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
