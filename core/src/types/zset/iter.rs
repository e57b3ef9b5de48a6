//! Walking over a range of ranks, from either end.

use core::ops::Range;

use super::elements::Handle;
use super::large::SortedSet;

/// So many elements ahead are asked for: enough to hide the way to memory.
const AHEAD: usize = 8;

/// Members and scores of a range of ranks, in rising order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    set: &'a SortedSet,
    /// What is left.
    ranks: Range<usize>,
    /// The rest of the leaf in front, from `ranks.start` on.
    front: &'a [Handle],
    /// The rest of the leaf at the back, up to `ranks.end`.
    back: &'a [Handle],
}

impl<'a> Iter<'a> {
    pub(super) fn new(set: &'a SortedSet, ranks: Range<usize>) -> Self {
        let end = ranks.end.min(set.len());
        Self { set, ranks: ranks.start.min(end)..end, front: &[], back: &[] }
    }

    #[cold]
    fn next_leaf(&mut self) -> Option<()> {
        let (leaf, at) = self.set.tree().leaf_at(self.ranks.start)?;
        self.front = &leaf[at..];
        self.front.iter().take(AHEAD).for_each(|&handle| self.set.elements().prefetch(handle));
        Some(())
    }

    #[cold]
    fn leaf_before(&mut self) -> Option<()> {
        let (leaf, at) = self.set.tree().leaf_at(self.ranks.end - 1)?;
        self.back = &leaf[..=at];
        self.back.iter().rev().take(AHEAD).for_each(|&handle| self.set.elements().prefetch(handle));
        Some(())
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ranks.is_empty() {
            return None;
        }
        if self.front.is_empty() {
            self.next_leaf()?;
        }
        let (&handle, rest) = self.front.split_first()?;
        self.front = rest;
        self.ranks.start += 1;
        if let Some(&ahead) = rest.get(AHEAD - 1) {
            self.set.elements().prefetch(ahead);
        }
        let element = self.set.elements().get(handle);
        Some((element.member, element.score.get()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.ranks.len(), Some(self.ranks.len()))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.ranks.is_empty() {
            return None;
        }
        if self.back.is_empty() {
            self.leaf_before()?;
        }
        let (&handle, rest) = self.back.split_last()?;
        self.back = rest;
        self.ranks.end -= 1;
        if let Some(&ahead) = rest.len().checked_sub(AHEAD).and_then(|at| rest.get(at)) {
            self.set.elements().prefetch(ahead);
        }
        let element = self.set.elements().get(handle);
        Some((element.member, element.score.get()))
    }
}

impl ExactSizeIterator for Iter<'_> {}
