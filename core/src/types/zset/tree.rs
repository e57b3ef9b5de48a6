//! The order of a sorted set: a counted B+ tree of handles.
//!
//! Every node counts the elements under its children, so ranks are found, and looked up, on the way down. Changes go
//! down without coming back: an insertion splits full nodes on its way; a removal is one walk that fills sparse nodes
//! on the path of its rank, one that takes out handles of one leaf, and one that tells the nodes on the path what
//! they begin with now. Leaves filled in rising or falling order are full, others three quarters on average.
//! Cost of a step: O(log n), and at most half a node moved on each of the levels, of which a hundred million
//! elements need five.
//!
//! A large range is removed by cutting it off in whole nodes, which are taken to pieces later ([`Tree::detach`]).
//!
//! Source: the B+ tree with counts in inner nodes (Knuth, TAOCP 6.2.4), split on the way down (Guibas and Sedgewick,
//! 1978).
//!
//! Invariants: elements rise from left to right; a child's summary is true; all leaves are equally deep; no node
//! but the root is empty, and an inner root has two children or more.

use alloc::vec::Vec;
use core::ops::Range;

use super::Score;
use super::elements::{Elements, Handle};
#[cfg(any(test, fuzzing))]
use super::node::Summary;
use super::node::{
    INNER_LEN_MAX, Inner, LEAF_LEN_MAX, Node, Split, drain_leaf, insert_handle, leaf_find, leaf_of,
    leaf_position,
};

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    len: usize,
    bytes: usize,
    /// Nodes that were cut off. Their elements are no longer in order with those in the tree, nor are they in it.
    detached: Vec<Node>,
    detached_len: usize,
}

impl Clone for Tree {
    fn clone(&self) -> Self {
        let mut bytes = 0;
        let root = self.root.copy(&mut bytes);
        let detached = self.detached.iter().map(|node| node.copy(&mut bytes)).collect();
        Self { root, len: self.len, bytes, detached, detached_len: self.detached_len }
    }
}

impl Tree {
    pub(super) const fn new() -> Self {
        Self { root: Node::Leaf(Vec::new()), len: 0, bytes: 0, detached: Vec::new(), detached_len: 0 }
    }

    /// The tree of elements that rise. O(n).
    pub(super) fn of(elements: &Elements, handles: &[Handle]) -> Self {
        let mut tree = Self::new();
        let mut nodes: Vec<Node> =
            handles.chunks(LEAF_LEN_MAX).map(|handles| leaf_of(&mut tree.bytes, handles)).collect();
        while nodes.len() > 1 {
            let mut parents = Vec::with_capacity(nodes.len().div_ceil(INNER_LEN_MAX));
            let mut left = nodes.into_iter().peekable();
            while left.peek().is_some() {
                let mut parent = Inner::new(&mut tree.bytes);
                for (index, node) in left.by_ref().take(INNER_LEN_MAX).enumerate() {
                    let summary = node.summary(elements);
                    parent.insert(&mut tree.bytes, index, node, summary);
                }
                parents.push(Node::Inner(parent));
            }
            nodes = parents;
        }
        if let Some(root) = nodes.pop() {
            (tree.root, tree.len) = (root, handles.len());
        }
        tree
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Elements that were cut off.
    #[inline]
    pub(super) fn detached_len(&self) -> usize {
        self.detached_len
    }

    /// Memory of the nodes, those that were cut off included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many elements are `before` something; they are the first ones.
    pub(super) fn partition_point(
        &self,
        elements: &Elements,
        before: impl Fn(Score, Handle) -> bool,
    ) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let at = |handle| before(elements.get(handle).score, handle);
                    return rank + leaf_position(leaf, elements, at);
                }
                Node::Inner(inner) => {
                    let index = inner.child_behind(&before);
                    rank += inner.count_before(index);
                    node = &inner.children[index];
                }
            }
        }
    }

    /// The rank of an element that is in the tree, its leaf, and its place there.
    pub(super) fn locate(&self, elements: &Elements, handle: Handle) -> (usize, &[Handle], usize) {
        let (score, reaches) = (elements.get(handle).score, reaches(elements, handle));
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let Some(at) = leaf_find(leaf, handle) else { unreachable!("an element is in its leaf") };
                    return (rank + at, leaf, at);
                }
                Node::Inner(inner) => {
                    let index = inner.child_of(score, &reaches);
                    rank += inner.count_before(index);
                    node = &inner.children[index];
                }
            }
        }
    }

    /// Whether an element is in the tree; one that was cut off is not.
    pub(super) fn contains(&self, elements: &Elements, handle: Handle) -> bool {
        let (score, reaches) = (elements.get(handle).score, reaches(elements, handle));
        let mut node = &self.root;
        while let Node::Inner(inner) = node {
            node = &inner.children[inner.child_of(score, &reaches)];
        }
        matches!(node, Node::Leaf(leaf) if leaf_find(leaf, handle).is_some())
    }

    /// Cuts a range of ranks off. O(log n).
    pub(super) fn detach(&mut self, elements: &Elements, ranks: Range<usize>) {
        let (len, count) = (self.len, ranks.len());
        self.len -= count;
        self.detached_len += count;
        if count == len {
            self.detached.push(core::mem::replace(&mut self.root, Node::Leaf(Vec::new())));
            return;
        }
        self.root.cut(&mut self.bytes, ranks, elements, &mut self.detached);
        self.lower_root();
    }

    /// Takes a leaf of what was cut off; `None` when nothing is left of that.
    pub(super) fn take_detached_leaf(&mut self) -> Option<Vec<Handle>> {
        loop {
            match self.detached.pop()? {
                Node::Leaf(leaf) => {
                    self.bytes -= leaf.capacity() * size_of::<Handle>();
                    self.detached_len -= leaf.len();
                    return Some(leaf);
                }
                Node::Inner(mut inner) => {
                    let child = inner.children.pop();
                    inner.summaries.pop();
                    let mut node = Node::Inner(inner);
                    match child {
                        None => node.clear(&mut self.bytes),
                        Some(child) => self.detached.extend([node, child]),
                    }
                }
            }
        }
    }

    /// Puts another handle in the place of one that is in the tree; both name the same score and member.
    pub(super) fn replace(&mut self, elements: &Elements, old: Handle, new: Handle) {
        let (score, reaches) = (elements.get(old).score, reaches(elements, old));
        let mut node = &mut self.root;
        while let Node::Inner(inner) = node {
            let index = inner.child_of(score, &reaches);
            if inner.summaries[index].first == old {
                inner.summaries[index].first = new;
            }
            node = &mut inner.children[index];
        }
        if let Node::Leaf(leaf) = node {
            leaf.iter_mut().filter(|handle| **handle == old).for_each(|handle| *handle = new);
        }
    }

    /// The leaf that holds a rank, and the place in it.
    #[inline]
    pub(super) fn leaf_at(&self, mut rank: usize) -> Option<(&[Handle], usize)> {
        let mut node = &self.root;
        while let Node::Inner(inner) = node {
            let (index, rest) = inner.child_of_rank(rank)?;
            (node, rank) = (&inner.children[index], rest);
        }
        match node {
            Node::Leaf(leaf) if rank < leaf.len() => Some((leaf, rank)),
            _ => None,
        }
    }

    /// The element of a rank.
    pub(super) fn at(&self, rank: usize) -> Option<Handle> {
        self.leaf_at(rank).map(|(leaf, at)| leaf[at])
    }

    /// Adds an element that is not there.
    pub(super) fn insert(&mut self, elements: &Elements, handle: Handle) {
        let element = elements.get(handle);
        let before = |score: Score, other: Handle| {
            score < element.score || (score == element.score && elements.get(other).member < element.member)
        };
        // A leaf that a split made for the element is said to begin with it.
        let (score, reaches) = (element.score, reaches(elements, handle));
        if self.root.is_full() {
            self.raise_root(elements);
        }
        self.len += 1;
        let (bytes, mut node, mut edges) =
            (&mut self.bytes, &mut self.root, Edges { start: true, end: true });
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let at = leaf_position(leaf, elements, |other| before(elements.get(other).score, other));
                    return insert_handle(bytes, leaf, at, handle);
                }
                Node::Inner(inner) => {
                    let mut index = inner.child_of(score, &reaches);
                    if inner.children[index].is_full() {
                        let split = edges
                            .of(inner, index)
                            .split(inner, index, |other| before(elements.get(other).score, other));
                        inner.split_child(bytes, index, split, elements, handle);
                        index = inner.child_of(score, &reaches);
                    }
                    edges = edges.of(inner, index);
                    let summary = &mut inner.summaries[index];
                    summary.count += 1;
                    if index == 0 && !before(summary.score, summary.first) {
                        (summary.first, summary.score) = (handle, element.score);
                    }
                    node = &mut inner.children[index];
                }
            }
        }
    }

    /// Puts a full root under a new one.
    #[cold]
    fn raise_root(&mut self, elements: &Elements) {
        let (mut inner, summary) = (Inner::new(&mut self.bytes), self.root.summary(elements));
        let old = core::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
        inner.insert(&mut self.bytes, 0, old, summary);
        self.root = Node::Inner(inner);
    }

    /// Takes an inner root away that has a single child, or none.
    fn lower_root(&mut self) {
        while let Node::Inner(inner) = &mut self.root
            && inner.children.len() < 2
        {
            let only = inner.children.pop().unwrap_or(Node::Leaf(Vec::new()));
            self.root.clear(&mut self.bytes);
            self.root = only;
        }
    }

    /// Makes the way to a rank fit for a removal: no node on it is sparse. Returns how many elements from that rank on
    /// lie in one leaf.
    pub(super) fn fill_path(&mut self, elements: &Elements, mut rank: usize) -> usize {
        let (bytes, mut node) = (&mut self.bytes, &mut self.root);
        let len = loop {
            match node {
                Node::Leaf(leaf) => break leaf.len().saturating_sub(rank),
                Node::Inner(inner) => {
                    let Some((mut index, mut rest)) = inner.child_of_rank(rank) else { return 0 };
                    if inner.fill_child(bytes, index, elements) {
                        let Some(found) = inner.child_of_rank(rank) else { return 0 };
                        (index, rest) = found;
                    }
                    (node, rank) = (&mut inner.children[index], rest);
                }
            }
        };
        self.lower_root();
        len
    }

    /// Takes out `len` elements from a rank on, all in one leaf as [`Self::fill_path`] says, and hands them over to
    /// `each`, which may free them. Returns whether a leaf began with them: then [`Self::refresh_first`] has to put right
    /// what nodes begin with.
    pub(super) fn take_run(&mut self, mut rank: usize, len: usize, mut each: impl FnMut(Handle)) -> bool {
        let (bytes, mut node) = (&mut self.bytes, &mut self.root);
        self.len -= len;
        let count = u32::try_from(len).unwrap_or(u32::MAX);
        loop {
            match node {
                Node::Leaf(leaf) => {
                    drain_leaf(bytes, leaf, rank..rank + len, &mut each);
                    self.lower_root();
                    return rank == 0;
                }
                Node::Inner(inner) => {
                    let Some((index, rest)) = inner.child_of_rank(rank) else {
                        unreachable!("ranks below the length are under some child")
                    };
                    inner.summaries[index].count -= count;
                    if inner.summaries[index].count == 0 {
                        // A node that is not sparse has several children, so what empties is a leaf.
                        let mut gone = inner.remove(bytes, index);
                        if let Node::Leaf(leaf) = &mut gone {
                            leaf.drain(..).for_each(&mut each);
                        }
                        gone.clear(bytes);
                        self.lower_root();
                        return true;
                    }
                    (node, rank) = (&mut inner.children[index], rest);
                }
            }
        }
    }

    /// Tells the nodes on the path of a rank which element it is, where a child begins with it.
    pub(super) fn refresh_first(&mut self, elements: &Elements, mut rank: usize) {
        let Some(first) = self.at(rank) else { return };
        let score = elements.get(first).score;
        let mut node = &mut self.root;
        while let Node::Inner(inner) = node {
            let Some((index, rest)) = inner.child_of_rank(rank) else { return };
            if rest == 0 {
                let summary = &mut inner.summaries[index];
                (summary.first, summary.score) = (first, score);
            }
            (node, rank) = (&mut inner.children[index], rest);
        }
    }

    /// Frees the last leaf of a tree that is being torn down; `false` when nothing is left.
    pub(super) fn dismantle_leaf(&mut self) -> bool {
        if self.root.is_bare()
            && let Some(node) = self.detached.pop()
        {
            self.root = node;
        }
        let had_any = !self.root.is_bare();
        let (bytes, mut node) = (&mut self.bytes, &mut self.root);
        while node.has_children() {
            let Node::Inner(inner) = node else { unreachable!("leaves have no children") };
            if inner.children.last().is_some_and(Node::is_bare) {
                inner.children.pop();
                return true;
            }
            let last = inner.children.len() - 1;
            node = &mut inner.children[last];
        }
        node.clear(bytes);
        had_any
    }
}

#[cfg(any(test, fuzzing))]
impl Tree {
    /// Recounts everything.
    pub(super) fn check(&self, elements: &Elements) {
        let mut bytes = 0;
        let mut handles = Vec::new();
        let mut depths = Vec::new();
        check_node(&self.root, 0, &mut bytes, &mut handles, &mut depths);
        let (mut detached, mut ignored) = (Vec::new(), Vec::new());
        // As if they hung off a root: a leaf of its own may be empty there, but none is.
        self.detached.iter().for_each(|node| check_node(node, 1, &mut bytes, &mut detached, &mut ignored));
        assert_eq!((handles.len(), bytes), (self.len, self.bytes));
        assert_eq!(detached.len(), self.detached_len);
        assert!(detached.iter().all(|&handle| !self.contains(elements, handle)));
        assert!(handles.iter().all(|&handle| self.contains(elements, handle)));
        assert!(depths.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(handles.windows(2).all(|pair| elements.get(pair[0]).is_before(elements.get(pair[1]))));
        assert!(!matches!(&self.root, Node::Inner(inner) if inner.children.len() < 2));
    }
}

/// Whether an element of the same score is this one, or before it: a child that begins so may hold it.
fn reaches(elements: &Elements, handle: Handle) -> impl Fn(Handle) -> bool + '_ {
    let member = elements.get(handle).member;
    move |other| other == handle || elements.get(other).member < member
}

/// Whether a node, or the way to it, lies at an end of the tree.
#[derive(Clone, Copy)]
struct Edges {
    start: bool,
    end: bool,
}

impl Edges {
    /// The same for a child.
    fn of(self, parent: &Inner, index: usize) -> Self {
        Self { start: self.start && index == 0, end: self.end && index + 1 == parent.children.len() }
    }

    /// How to split a full child for an element that belongs under it.
    fn split(self, parent: &Inner, index: usize, before: impl Fn(Handle) -> bool) -> Split {
        if self.end && last_of(&parent.children[index]).is_some_and(&before) {
            Split::End
        } else if self.start && !before(parent.summaries[index].first) {
            Split::Start
        } else {
            Split::Middle
        }
    }
}

/// The last element under a node.
fn last_of(mut node: &Node) -> Option<Handle> {
    while let Node::Inner(inner) = node {
        node = inner.children.last()?;
    }
    match node {
        Node::Leaf(leaf) => leaf.last().copied(),
        Node::Inner(_) => None,
    }
}

#[cfg(any(test, fuzzing))]
fn check_node(
    node: &Node,
    depth: usize,
    bytes: &mut usize,
    handles: &mut Vec<Handle>,
    depths: &mut Vec<usize>,
) {
    match node {
        Node::Leaf(leaf) => {
            assert!(!leaf.is_empty() || depth == 0);
            *bytes += leaf.capacity() * size_of::<Handle>();
            handles.extend_from_slice(leaf);
            depths.push(depth);
        }
        Node::Inner(inner) => {
            assert_eq!(inner.children.len(), inner.summaries.len());
            *bytes += size_of::<Inner>() + inner.summaries.capacity() * size_of::<Summary>();
            *bytes += inner.children.capacity() * size_of::<Node>();
            for (child, summary) in inner.children.iter().zip(&inner.summaries) {
                let start = handles.len();
                check_node(child, depth + 1, bytes, handles, depths);
                assert_eq!(handles.len() - start, summary.count as usize);
                assert_eq!(handles[start], summary.first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::Tree;
    use crate::types::zset::Score;
    use crate::types::zset::elements::Elements;
    use crate::types::zset::node::LEAF_LEN_MAX;

    #[test]
    fn trees_are_made_of_what_rises() {
        for count in [0, 1, LEAF_LEN_MAX, LEAF_LEN_MAX + 1, 70 * LEAF_LEN_MAX + 1] {
            let mut elements = Elements::new();
            let scores = (0..count).map(|number| Score::new(number as f64).unwrap());
            let handles: Vec<_> = scores.map(|score| elements.insert(score, b"member").unwrap()).collect();
            let mut tree = Tree::of(&elements, &handles);
            tree.check(&elements);
            assert!((0..count).all(|rank| tree.at(rank) == Some(handles[rank])));
            // And it goes on as any other.
            let last = elements.insert(Score::new(0.5).unwrap(), b"another").unwrap();
            tree.insert(&elements, last);
            tree.check(&elements);
        }
    }

    #[test]
    fn rising_and_falling_scores_fill_the_leaves() {
        for sign in [1.0, -1.0] {
            let (mut tree, mut elements, count) = (Tree::new(), Elements::new(), 50 * LEAF_LEN_MAX);
            for number in 0..count {
                let score = Score::new(sign * f64::from(u32::try_from(number).unwrap())).unwrap();
                let handle = elements.insert(score, b"member").unwrap();
                tree.insert(&elements, handle);
            }
            tree.check(&elements);
            let leaf_lens = (0..count).step_by(LEAF_LEN_MAX).map(|rank| tree.leaf_at(rank).unwrap());
            assert!(leaf_lens.into_iter().all(|(leaf, at)| leaf.len() == LEAF_LEN_MAX && at == 0));
        }
    }
}
