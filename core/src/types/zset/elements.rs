//! The elements of a sorted set: slots whose heads are scores.

use super::Score;
use crate::types::members::Slots;

pub(super) use crate::types::members::Handle;

/// An element to be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) score: Score,
    pub(super) member: &'a [u8],
}

impl Element<'_> {
    /// Whether it comes before another one.
    #[inline]
    pub(super) fn is_before(self, other: Element<'_>) -> bool {
        let (score, other_score) = (self.score.get(), other.score.get());
        score < other_score || (score == other_score && self.member < other.member)
    }
}

/// All elements of a sorted set.
#[derive(Clone, Debug)]
pub(super) struct Elements(Slots<8>);

impl Elements {
    pub(super) const fn new() -> Self {
        Self(Slots::new())
    }

    /// Memory of all elements.
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Adds an element; `None` when no handle is left for it.
    pub(super) fn insert(&mut self, score: Score, member: &[u8]) -> Option<Handle> {
        self.0.insert(score.to_bytes(), member)
    }

    /// See [`Slots::relocate`].
    pub(super) fn relocate(&mut self) -> Option<(Handle, Handle)> {
        self.0.relocate()
    }

    /// The element of a handle.
    #[inline]
    pub(super) fn get(&self, handle: Handle) -> Element<'_> {
        let (score, member) = self.0.get(handle);
        Element { score: Score::from_bytes(*score), member }
    }

    /// Asks the processor to fetch an element.
    #[inline]
    pub(super) fn prefetch(&self, handle: Handle) {
        self.0.prefetch(handle);
    }

    /// Gives an element another score. Whoever keeps them in order has taken it out before.
    pub(super) fn set_score(&mut self, handle: Handle, score: Score) {
        self.0.head_mut(handle).copy_from_slice(&score.to_bytes());
    }

    /// Removes an element.
    pub(super) fn remove(&mut self, handle: Handle) {
        self.0.remove(handle);
    }

    /// See [`Slots::allocations`].
    pub(super) fn allocations(&self) -> usize {
        self.0.allocations()
    }

    /// See [`Slots::dismantle_page`].
    pub(super) fn dismantle_page(&mut self) -> usize {
        self.0.dismantle_page()
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self, len: usize) {
        self.0.check(len);
    }
}
