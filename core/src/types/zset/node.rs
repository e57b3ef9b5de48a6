//! Nodes of the counted B+ tree: how they are split, joined and evened out.
//!
//! ```text
//! inner node  ┌ score, first, count ┬ score, first, count ┬ ...      of each child: what is under it
//!             ┌ child ┬ child ┬ ...
//! leaf        ┌ handle ┬ handle ┬ ...
//! ```
//! A node's summary of a child names its first element and how many there are, so that a search reads elements only
//! where scores are equal, and at the leaf; summaries lie together, four to a cache line. The capacity of a node
//! follows its length in small steps.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::Score;
use super::elements::{Elements, Handle};

/// Handles of a leaf. With steps of 16, 64 bytes, every capacity is a size class of the usual allocators.
pub(super) const LEAF_LEN_MAX: usize = if cfg!(any(miri, fuzzing, test)) { 8 } else { 128 };
const LEAF_STEP: usize = LEAF_LEN_MAX / 8;
/// Children of an inner node.
pub(super) const INNER_LEN_MAX: usize = if cfg!(any(miri, fuzzing, test)) { 8 } else { 64 };
const INNER_STEP: usize = INNER_LEN_MAX / 8;

/// Counts that are added up before they are compared with a rank.
const COUNTED_TOGETHER: usize = 8;

// What is not sparse still has two children when two of them have been joined.
const _: () = assert!(INNER_LEN_MAX / 4 >= 2);

/// A node. All leaves are equally deep.
#[derive(Debug)]
pub(super) enum Node {
    Leaf(Vec<Handle>),
    Inner(Box<Inner>),
}

/// What a parent knows of a child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    /// The score of `first`.
    pub(super) score: Score,
    /// The first element under it.
    pub(super) first: Handle,
    /// Elements under it.
    pub(super) count: u32,
}

/// An inner node: as many summaries as children.
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) summaries: Vec<Summary>,
    pub(super) children: Vec<Node>,
}

/// Where a node is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// In two halves.
    Middle,
    /// At its end, for elements that come in rising order: the node stays full.
    End,
    /// At its beginning, for elements that come in falling order.
    Start,
}

/// Changes a vector and keeps count of its memory.
pub(super) fn change<T, R>(bytes: &mut usize, vec: &mut Vec<T>, with: impl FnOnce(&mut Vec<T>) -> R) -> R {
    let old = vec.capacity();
    let result = with(vec);
    *bytes = *bytes + vec.capacity() * size_of::<T>() - old * size_of::<T>();
    result
}

/// Makes room for `more` values, in whole steps.
fn reserve<T>(vec: &mut Vec<T>, more: usize, step: usize) {
    let len = vec.len() + more;
    if len > vec.capacity() {
        vec.reserve_exact(len.next_multiple_of(step) - vec.len());
    }
}

/// Gives back what is more than a step too much.
fn shrink<T>(vec: &mut Vec<T>, step: usize) {
    let capacity = vec.len().next_multiple_of(step);
    if vec.capacity() > capacity + step {
        vec.shrink_to(capacity);
    }
}

fn insert<T>(bytes: &mut usize, vec: &mut Vec<T>, at: usize, value: T, step: usize) {
    change(bytes, vec, |vec| {
        reserve(vec, 1, step);
        vec.insert(at, value);
    });
}

fn split_off<T>(bytes: &mut usize, vec: &mut Vec<T>, at: usize, step: usize) -> Vec<T> {
    let mut upper = Vec::new();
    change(bytes, &mut upper, |upper| {
        reserve(upper, vec.len() - at, step);
        upper.extend(vec.drain(at..));
    });
    change(bytes, vec, |vec| shrink(vec, step));
    upper
}

/// Moves values between neighbours until the first has `low_len`.
fn level<T>(bytes: &mut usize, low: &mut Vec<T>, high: &mut Vec<T>, low_len: usize, step: usize) {
    if low_len >= low.len() {
        change(bytes, low, |low| {
            reserve(low, low_len - low.len(), step);
            low.extend(high.drain(..low_len - low.len()));
        });
        change(bytes, high, |high| shrink(high, step));
    } else {
        change(bytes, high, |high| {
            reserve(high, low.len() - low_len, step);
            high.splice(..0, low.drain(low_len..));
        });
        change(bytes, low, |low| shrink(low, step));
    }
}

/// A copy of a vector, with room in whole steps.
fn copy_with<T>(
    bytes: &mut usize,
    vec: &[T],
    step: usize,
    mut copy: impl FnMut(&mut usize, &T) -> T,
) -> Vec<T> {
    let mut new = Vec::new();
    change(bytes, &mut new, |new| reserve(new, vec.len(), step));
    new.extend(vec.iter().map(|value| copy(bytes, value)));
    new
}

/// What the first of two neighbours shall have: all where that fits well, else half.
fn low_len(total: usize, len_max: usize) -> usize {
    if total <= len_max / 4 * 3 { total } else { total / 2 }
}

pub(super) fn insert_handle(bytes: &mut usize, leaf: &mut Vec<Handle>, at: usize, handle: Handle) {
    insert(bytes, leaf, at, handle, LEAF_STEP);
}

/// A leaf of some handles, no more than it can have.
pub(super) fn leaf_of(bytes: &mut usize, handles: &[Handle]) -> Node {
    Node::Leaf(copy_with(bytes, handles, LEAF_STEP, |_, handle| *handle))
}

/// Takes handles out of a leaf and hands them over.
pub(super) fn drain_leaf(
    bytes: &mut usize,
    leaf: &mut Vec<Handle>,
    range: Range<usize>,
    each: impl FnMut(Handle),
) {
    leaf.drain(range).for_each(each);
    change(bytes, leaf, |leaf| shrink(leaf, LEAF_STEP));
}

/// Where a handle is in a leaf.
#[inline]
pub(super) fn leaf_find(leaf: &[Handle], handle: Handle) -> Option<usize> {
    // Groups are compared as a whole, which the compiler does with vectors.
    let is_it = |&other: &Handle| other == handle;
    let group =
        leaf.chunks(16).position(|group| group.iter().fold(false, |found, other| found | is_it(other)))?;
    Some(group * 16 + leaf[group * 16..].iter().position(is_it)?)
}

/// Where an element belongs in a leaf: how many of its handles are `before` it.
///
/// A binary search, which would wait for memory at every step; so every third step asks for all elements that it and the
/// next two may read.
#[inline]
pub(super) fn leaf_position(leaf: &[Handle], elements: &Elements, before: impl Fn(Handle) -> bool) -> usize {
    let (mut low, mut len, mut step) = (0, leaf.len(), 0);
    while len > 0 {
        let half = len.div_ceil(2);
        if step % 3 == 0 {
            let second = (len - half).div_ceil(2);
            let third = (len - half - second).div_ceil(2);
            for at in
                [third, second, second + third, half, half + third, half + second, half + second + third]
            {
                if let Some(&handle) = leaf.get((low + at).wrapping_sub(1)) {
                    elements.prefetch(handle);
                }
            }
        }
        if before(leaf[low + half - 1]) {
            low += half;
        }
        len -= half;
        step += 1;
    }
    low
}

impl Node {
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.len() >= LEAF_LEN_MAX,
            Self::Inner(inner) => inner.children.len() >= INNER_LEN_MAX,
        }
    }

    /// So empty that it wants to be joined with a neighbour.
    fn is_sparse(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.len() <= LEAF_LEN_MAX / 4,
            Self::Inner(inner) => inner.children.len() <= INNER_LEN_MAX / 4,
        }
    }

    /// Whether nothing hangs off it and it holds no memory.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self, Self::Leaf(leaf) if leaf.capacity() == 0)
    }

    pub(super) fn has_children(&self) -> bool {
        matches!(self, Self::Inner(inner) if !inner.children.is_empty())
    }

    /// Gives back what the node holds; it becomes an empty leaf. Its children are gone before.
    pub(super) fn clear(&mut self, bytes: &mut usize) {
        match self {
            Self::Leaf(leaf) => change(bytes, leaf, |leaf| *leaf = Vec::new()),
            Self::Inner(inner) => {
                *bytes -= inner.summaries.capacity() * size_of::<Summary>();
                *bytes -= inner.children.capacity() * size_of::<Self>() + size_of::<Inner>();
                *self = Self::Leaf(Vec::new());
            }
        }
    }

    /// A copy of the node and all below it, as deep as the tree is.
    pub(super) fn copy(&self, bytes: &mut usize) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(copy_with(bytes, leaf, LEAF_STEP, |_, &handle| handle)),
            Self::Inner(inner) => {
                let mut copy = Inner::new(bytes);
                copy.summaries = copy_with(bytes, &inner.summaries, INNER_STEP, |_, &summary| summary);
                copy.children =
                    copy_with(bytes, &inner.children, INNER_STEP, |bytes, child| child.copy(bytes));
                Self::Inner(copy)
            }
        }
    }

    /// Cuts ranks, some but not all, out of what is under the node, as whole nodes where that can be. As deep as the tree
    /// is; on each level no more than two children are cut themselves.
    pub(super) fn cut(
        &mut self,
        bytes: &mut usize,
        ranks: Range<usize>,
        elements: &Elements,
        into: &mut Vec<Self>,
    ) {
        let inner = match self {
            Self::Leaf(leaf) => {
                let mut piece = Vec::new();
                change(bytes, &mut piece, |piece| piece.extend_from_slice(&leaf[ranks.clone()]));
                drain_leaf(bytes, leaf, ranks, |_| {});
                into.push(Self::Leaf(piece));
                return;
            }
            Self::Inner(inner) => inner,
        };
        let (mut start, mut gone) = (0, 0..0);
        for index in 0..inner.children.len() {
            let end = start + inner.summaries[index].count as usize;
            let part = ranks.start.max(start)..ranks.end.min(end);
            if part == (start..end) {
                gone = if gone.is_empty() { index..index + 1 } else { gone.start..index + 1 };
            } else if !part.is_empty() {
                inner.children[index].cut(bytes, part.start - start..part.end - start, elements, into);
                inner.summaries[index] = inner.children[index].summary(elements);
            }
            start = end;
        }
        inner.remove_range(bytes, gone, into);
    }

    /// What the parent of a node that is not empty has to know.
    pub(super) fn summary(&self, elements: &Elements) -> Summary {
        match self {
            Self::Leaf(leaf) => {
                let (first, count) = (leaf[0], u32::try_from(leaf.len()).unwrap_or(u32::MAX));
                Summary { score: elements.get(first).score, first, count }
            }
            Self::Inner(inner) => {
                let count = inner.summaries.iter().map(|summary| summary.count).sum();
                Summary { count, ..inner.summaries[0] }
            }
        }
    }

    /// Splits a full node; this one keeps the lower part.
    fn split(&mut self, bytes: &mut usize, split: Split) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(split_off(bytes, leaf, LEAF_LEN_MAX / 2, LEAF_STEP)),
            Self::Inner(inner) => {
                let at = match split {
                    Split::Middle => INNER_LEN_MAX / 2,
                    Split::End => inner.children.len() - 1,
                    Split::Start => 1,
                };
                let mut upper = Inner::new(bytes);
                upper.summaries = split_off(bytes, &mut inner.summaries, at, INNER_STEP);
                upper.children = split_off(bytes, &mut inner.children, at, INNER_STEP);
                Self::Inner(upper)
            }
        }
    }
}

impl Inner {
    /// A node without children.
    pub(super) fn new(bytes: &mut usize) -> Box<Self> {
        *bytes += size_of::<Self>();
        Box::default()
    }

    pub(super) fn insert(&mut self, bytes: &mut usize, at: usize, node: Node, summary: Summary) {
        insert(bytes, &mut self.children, at, node, INNER_STEP);
        insert(bytes, &mut self.summaries, at, summary, INNER_STEP);
    }

    pub(super) fn remove(&mut self, bytes: &mut usize, at: usize) -> Node {
        self.summaries.remove(at);
        let node = self.children.remove(at);
        change(bytes, &mut self.summaries, |summaries| shrink(summaries, INNER_STEP));
        change(bytes, &mut self.children, |children| shrink(children, INNER_STEP));
        node
    }

    /// Takes children out.
    fn remove_range(&mut self, bytes: &mut usize, gone: Range<usize>, into: &mut Vec<Node>) {
        into.extend(self.children.drain(gone.clone()));
        self.summaries.drain(gone);
        change(bytes, &mut self.summaries, |summaries| shrink(summaries, INNER_STEP));
        change(bytes, &mut self.children, |children| shrink(children, INNER_STEP));
    }

    /// Which child holds a rank, and the rank within it.
    #[inline]
    pub(super) fn child_of_rank(&self, mut rank: usize) -> Option<(usize, usize)> {
        // Whole groups first: to add up a few counts takes less time than to look after each.
        let mut from = 0;
        for group in self.summaries.chunks_exact(COUNTED_TOGETHER) {
            let count = group.iter().map(|summary| summary.count as usize).sum();
            if rank < count {
                break;
            }
            (rank, from) = (rank - count, from + COUNTED_TOGETHER);
        }
        for (index, summary) in self.summaries.iter().enumerate().skip(from) {
            let count = summary.count as usize;
            if rank < count {
                return Some((index, rank));
            }
            rank -= count;
        }
        None
    }

    /// Which child something belongs to: the last one that begins `before` it, else the first.
    #[inline]
    pub(super) fn child_behind(&self, before: impl Fn(Score, Handle) -> bool) -> usize {
        let others = self.summaries.get(1..).unwrap_or_default();
        others.partition_point(|summary| before(summary.score, summary.first))
    }

    /// Which child an element of a score belongs to: same, `before` being asked only of elements with that score.
    #[inline]
    pub(super) fn child_of(&self, score: Score, before: impl Fn(Handle) -> bool) -> usize {
        let others = self.summaries.get(1..).unwrap_or_default();
        // Scores alone can be searched without a branch that the processor has to guess.
        let lower = others.partition_point(|summary| summary.score.get() < score.get());
        let is_equal = |summary: &Summary| summary.score == score;
        let rest = &others[lower..];
        if rest.first().is_some_and(is_equal) {
            lower + rest.partition_point(|summary| is_equal(summary) && before(summary.first))
        } else {
            lower
        }
    }

    /// Elements under the children in front of one.
    #[inline]
    pub(super) fn count_before(&self, index: usize) -> usize {
        self.summaries[..index].iter().map(|summary| summary.count as usize).sum()
    }

    /// Splits a full child in two, for the element that will be added under it next.
    #[cold]
    pub(super) fn split_child(
        &mut self,
        bytes: &mut usize,
        index: usize,
        split: Split,
        elements: &Elements,
        next: Handle,
    ) {
        let child = &mut self.children[index];
        if matches!(child, Node::Leaf(_)) && split != Split::Middle {
            // The new leaf is empty: the element that comes next is its first.
            let summary = Summary { score: elements.get(next).score, first: next, count: 0 };
            let at = if split == Split::End { index + 1 } else { index };
            return self.insert(bytes, at, Node::Leaf(Vec::new()), summary);
        }
        let upper = child.split(bytes, split);
        let summary = upper.summary(elements);
        self.summaries[index].count -= summary.count;
        self.insert(bytes, index + 1, upper, summary);
    }

    /// Joins a sparse child with a neighbour, or takes over part of it. Returns whether anything was done.
    pub(super) fn fill_child(&mut self, bytes: &mut usize, index: usize, elements: &Elements) -> bool {
        if self.children.len() < 2 || !self.children[index].is_sparse() {
            return false;
        }
        let low_index = index.min(self.children.len() - 2);
        let [low, high] = &mut self.children[low_index..low_index + 2] else { return false };
        let joined = match (&mut *low, &mut *high) {
            (Node::Leaf(low), Node::Leaf(high)) => {
                level(bytes, low, high, low_len(low.len() + high.len(), LEAF_LEN_MAX), LEAF_STEP);
                high.is_empty()
            }
            (Node::Inner(low), Node::Inner(high)) => {
                let low_len = low_len(low.children.len() + high.children.len(), INNER_LEN_MAX);
                level(bytes, &mut low.summaries, &mut high.summaries, low_len, INNER_STEP);
                level(bytes, &mut low.children, &mut high.children, low_len, INNER_STEP);
                high.children.is_empty()
            }
            _ => unreachable!("neighbours are equally deep"),
        };
        self.summaries[low_index] = low.summary(elements);
        if joined {
            self.remove(bytes, low_index + 1).clear(bytes);
        } else {
            self.summaries[low_index + 1] = high.summary(elements);
        }
        true
    }
}
