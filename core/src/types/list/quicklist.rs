//! The large form of a list: a deque of nodes.
//!
//! ```text
//! nodes ┌ packed: 3 ┬ plain ┬ packed: 117 ┬ ...        one listpack, or one long string, behind each
//! ```
//! Listpacks are kept below a size, so that a change in the middle moves little; the nodes lie side by side and carry
//! their counts, so that an index is found by adding up counts (24 bytes a node, from the nearer end).
//! Where an insertion splits a node, neighbours that fit together are joined. Which node takes an element, and what is
//! split and joined, follows the reference, so that the nodes in a dump are the same.
//!
//! With a `compress_depth`, the nodes that are at least so far from both ends are kept compressed, plain ones too, where it
//! gains something:
//! ```text
//! depth 1   raw ┬ LZF ┬ LZF ┬ ... ┬ LZF ┬ raw
//! ```
//! So what is done at the ends never meets a compressed node, and has nothing to ask about them until a node comes or goes. What
//! reads elsewhere opens a copy in a scratch ([`Node::open_in`]) and leaves the node; what changes a node opens it in its
//! place and seals it again ([`Quicklist::edit`]). Each step by which a node changes, comes or goes leaves the rule kept, so at
//! any time no more than the nodes of one step are open. The reference is content with less: it compresses the node it has just
//! left and the first behind either end.
//!
//! Invariant: no node is empty; `count` and `node_memory` are the sums over the nodes; the nodes within the depth are not
//! compressed, and the others are if that gains enough. (But a list that is being freed, and a piece cut off
//! for that, has the nodes it had.)
//!
//! Source: Valkey `quicklist.c`.

use alloc::collections::VecDeque;
use core::ops::Range;

use super::limits::{ENTRY_OVERHEAD, ListLimits};
use super::node::Node;
use super::{End, NodeKind};
use crate::types::listpack::{Direction, Element};

/// The deque gives memory back when it has room for this many nodes more than four times what it holds.
const NODES_SPARE: usize = 64;

/// So many nodes are freed at once; more are handed back to be freed in steps.
pub(super) const NODES_AT_ONCE: usize = if cfg!(any(miri, fuzzing, test)) { 2 } else { 64 };

/// Where an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) node: usize,
    /// Within the node.
    pub(super) index: usize,
}

/// A deque of nodes.
#[derive(Clone, Debug)]
pub(super) struct Quicklist {
    nodes: VecDeque<Node>,
    count: usize,
    node_memory: usize,
    limits: ListLimits,
}

impl Quicklist {
    pub(super) fn new(limits: ListLimits) -> Self {
        Self { nodes: VecDeque::new(), count: 0, node_memory: 0, limits: limits.kept() }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn nodes(&self) -> &VecDeque<Node> {
        &self.nodes
    }

    pub(super) fn limits(&self) -> ListLimits {
        self.limits
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.nodes.capacity() * size_of::<Node>() + self.node_memory
    }

    /// Whether a node is to be compressed.
    fn is_inner(&self, at: usize) -> bool {
        let depth = usize::from(self.limits.compress_depth);
        depth > 0 && at >= depth && at + depth < self.nodes.len()
    }

    /// Gives up its only node.
    pub(super) fn take_only_node(&mut self) -> Option<Node> {
        (self.nodes.len() == 1).then(|| self.remove_node(0))?
    }

    /// Where the element with this index is. O(nodes), from the nearer end.
    pub(super) fn seek(&self, index: usize) -> Option<Spot> {
        let mut behind = self.count.checked_sub(index)?;
        if index < behind {
            let mut left = index;
            for (node, len) in self.nodes.iter().map(Node::len).enumerate() {
                if left < len {
                    return Some(Spot { node, index: left });
                }
                left -= len;
            }
        } else {
            for (node, len) in self.nodes.iter().map(Node::len).enumerate().rev() {
                if behind <= len {
                    return (behind > 0).then(|| Spot { node, index: len - behind });
                }
                behind -= len;
            }
        }
        None
    }

    /// Hands the element with this index to `use_it`.
    pub(super) fn read<R>(&self, index: usize, use_it: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let spot = self.seek(index)?;
        self.nodes[spot.node].open_in(&mut Node::scratch()).get(spot.index).map(use_it)
    }

    /// Where the first element is that is these bytes.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<Spot> {
        let (mut nodes, mut scratch) = (self.nodes.iter().enumerate(), Node::scratch());
        nodes.find_map(|(node, own)| own.open_in(&mut scratch).find(bytes).map(|index| Spot { node, index }))
    }

    #[inline]
    fn end_index(&self, end: End) -> Option<usize> {
        let last = self.nodes.len().checked_sub(1)?;
        Some(if end == End::Head { 0 } else { last })
    }

    /// The element at an end.
    #[inline]
    pub(super) fn peek(&self, end: End) -> Option<Element<'_>> {
        self.nodes[self.end_index(end)?].peek(end)
    }

    /// Adds an element at an end.
    pub(super) fn push(&mut self, end: End, element: Element<'_>) {
        if let Some(at) = self.end_index(end)
            && let Node::Packed { listpack, count } = &mut self.nodes[at]
            && self.limits.leave_room(listpack.bytes_len(), *count as usize, element.len())
        {
            self.node_memory -= listpack.memory();
            Node::push_to(listpack, end, element);
            self.node_memory += listpack.memory();
            *count += 1;
            self.count += 1;
            return;
        }
        let at = if end == End::Head { 0 } else { self.nodes.len() };
        self.insert_node(at, self.node_for(element));
    }

    /// Removes the element at an end.
    pub(super) fn delete_end(&mut self, end: End) {
        let Some(at) = self.end_index(end) else { return };
        match &mut self.nodes[at] {
            Node::Packed { listpack, count: count @ 2.. } => {
                self.node_memory -= listpack.memory();
                if let Some(position) = end.of(listpack) {
                    listpack.delete(position);
                }
                self.node_memory += listpack.memory();
                *count -= 1;
                self.count -= 1;
            }
            _ => drop(self.remove_node(at)),
        }
    }

    /// Adds an element before another.
    pub(super) fn insert_before(&mut self, spot: Spot, element: Element<'_>) {
        let Spot { node, index } = spot;
        if self.has_room(node, element.len()) {
            self.edit(node, |node| node.insert(index, element));
        } else if index > 0 {
            self.split_and_insert(spot, element, End::Tail);
        } else if let Some(before) =
            node.checked_sub(1).filter(|&before| self.has_room(before, element.len()))
        {
            self.edit(before, |node| node.push(End::Tail, element));
        } else {
            self.insert_node(node, self.node_for(element));
        }
    }

    /// Adds an element after another.
    pub(super) fn insert_after(&mut self, spot: Spot, element: Element<'_>) {
        let Spot { node, index } = spot;
        if self.has_room(node, element.len()) {
            self.edit(node, |node| node.insert(index + 1, element));
        } else if index + 1 < self.nodes[node].len() {
            self.split_and_insert(Spot { node, index: index + 1 }, element, End::Head);
        } else if self.has_room(node + 1, element.len()) {
            self.edit(node + 1, |node| node.push(End::Head, element));
        } else {
            self.insert_node(node + 1, self.node_for(element));
        }
    }

    /// Splits a full node and adds an element between its halves: on its own when it is large, and else at this end
    /// of the half that is new.
    fn split_and_insert(&mut self, spot: Spot, element: Element<'_>, end: End) {
        let Spot { node, index } = spot;
        let large = self.limits.is_large(element.len());
        let upper = self.edit(node, |lower| {
            let mut upper = lower.split_off(index);
            match (end, &mut upper) {
                _ if large => {}
                (End::Head, Some(upper)) => upper.push(End::Head, element),
                _ => lower.push(End::Tail, element),
            }
            upper
        });
        if let Some(upper) = upper {
            self.insert_node(node + 1, upper);
        }
        match end {
            _ if large => self.insert_node(node + 1, Node::plain(element)),
            End::Tail => self.join_around(node + 1),
            End::Head => self.join_around(node),
        }
    }

    /// Puts an element in the place of another.
    pub(super) fn replace(&mut self, spot: Spot, element: Element<'_>) {
        let (own, large) = (&self.nodes[spot.node], self.limits.is_large(element.len()));
        match own.kind() {
            NodeKind::Packed if !large && own.would_fit(element.len() + ENTRY_OVERHEAD) => {
                self.edit(spot.node, |node| node.replace(spot.index, element));
            }
            NodeKind::Packed => self.replace_with_node(spot, element),
            NodeKind::Plain if large => {
                self.change(spot.node, |node| *node = Node::plain(element));
                self.seal(spot.node);
            }
            NodeKind::Plain => {
                self.insert_after(spot, element);
                self.remove_node(spot.node);
            }
        }
    }

    /// Puts a node of its own in the place of one of a listpack's elements.
    fn replace_with_node(&mut self, spot: Spot, element: Element<'_>) {
        let Spot { node, index } = spot;
        let upper = self.edit(node, |lower| {
            let upper = if index + 1 < lower.len() { lower.split_off(index + 1) } else { None };
            lower.delete_last();
            upper
        });
        if let Some(upper) = upper {
            self.insert_node(node + 1, upper);
        }
        self.insert_node(node + 1, self.node_for(element));
        if index == 0 {
            self.remove_node(node);
        } else {
            self.join_around(node + 1);
        }
    }

    /// Removes up to `count` elements from an index on. Nodes that go as a whole are handed back where they are many.
    pub(super) fn delete_range(&mut self, index: usize, count: usize) -> Option<Self> {
        let (from, to) = (self.seek(index)?, index.checked_add(count)?);
        let to = self.seek(to).unwrap_or(Spot { node: self.nodes.len(), index: 0 });
        if from.node == to.node {
            self.edit(from.node, |node| node.delete_range(from.index, to.index - from.index));
            return None;
        }
        if to.index > 0 {
            self.edit_open(to.node, |node| node.delete_range(0, to.index));
        }
        let mut first = from.node;
        if from.index > 0 {
            self.edit_open(first, |node| node.delete_range(from.index, usize::MAX));
            first += 1;
        }
        let rest = self.cut(first..to.node);
        // Only now it is known which of the two stay inner ones.
        if from.index > 0 {
            self.seal(first - 1);
        }
        if to.index > 0 {
            self.seal(first);
        }
        rest
    }

    /// Takes nodes out; many of them are handed back, to be freed in steps. What is moved is the smaller part: the nodes that
    /// go or those that stay.
    fn cut(&mut self, gone: Range<usize>) -> Option<Self> {
        if gone.len() <= NODES_AT_ONCE {
            for node in self.nodes.drain(gone) {
                self.count -= node.len();
                self.node_memory -= node.memory();
            }
            self.open_ends();
            self.spare_nodes();
            return None;
        }
        let moved: VecDeque<Node> = if gone.len() <= self.nodes.len() / 2 {
            self.nodes.drain(gone).collect()
        } else {
            let after = self.nodes.split_off(gone.end);
            let mut kept: VecDeque<Node> = self.nodes.drain(..gone.start).collect();
            kept.extend(after);
            core::mem::replace(&mut self.nodes, kept)
        };
        // It is only going to be freed: nobody is to open its ends.
        let rest = Self::of_nodes(moved, ListLimits { compress_depth: 0, ..self.limits });
        self.count -= rest.count;
        self.node_memory -= rest.node_memory;
        self.open_ends();
        self.spare_nodes();
        Some(rest)
    }

    fn of_nodes(nodes: VecDeque<Node>, limits: ListLimits) -> Self {
        let count = nodes.iter().map(Node::len).sum();
        let node_memory = nodes.iter().map(Node::memory).sum();
        Self { nodes, count, node_memory, limits }
    }

    /// Removes the first `limit` elements in a direction that are these bytes. Returns how many. O(bytes).
    pub(super) fn delete_equal(&mut self, bytes: &[u8], limit: usize, direction: Direction) -> usize {
        let (mut deleted, mut emptied, mut last_emptied, len) = (0, 0, 0, self.nodes.len());
        let mut scratch = Node::scratch();
        for step in 0..len {
            let at = if direction == Direction::Forward { step } else { len - 1 - step };
            let own = &self.nodes[at];
            if own.is_compressed() && own.open_in(&mut scratch).find(bytes).is_none() {
                continue;
            }
            let hits = self.edit_open(at, |node| node.delete_equal(bytes, limit - deleted, direction));
            if hits > 0 {
                deleted += hits;
                self.seal(at);
            }
            if self.nodes[at].len() == 0 {
                (emptied, last_emptied) = (emptied + 1, at);
            }
            if deleted == limit {
                break;
            }
        }
        if emptied == 1 {
            // Most often, and then there is no need to look at all others.
            self.remove_node(last_emptied);
        } else if emptied > 1 {
            self.nodes.retain(|node| node.len() > 0);
            self.node_memory = self.nodes.iter().map(Node::memory).sum();
            self.open_ends();
            self.spare_nodes();
        }
        deleted
    }

    /// Adds a node at the end.
    pub(super) fn append_node(&mut self, node: Node) {
        self.insert_node(self.nodes.len(), node);
    }

    /// Frees the last node of a list that goes as a whole.
    pub(super) fn dismantle_node(&mut self) {
        // What comes near the end by it is not worth opening.
        self.limits.compress_depth = 0;
        if let Some(last) = self.nodes.len().checked_sub(1) {
            self.remove_node(last);
        }
    }

    fn node_for(&self, element: Element<'_>) -> Node {
        if self.limits.is_large(element.len()) { Node::plain(element) } else { Node::packed(element) }
    }

    /// Whether there is such a node, and it takes one more element of this length.
    fn has_room(&self, node: usize, len: usize) -> bool {
        match self.nodes.get(node) {
            Some(node) if node.kind() == NodeKind::Packed => {
                self.limits.leave_room(node.bytes_len(), node.len(), len)
            }
            _ => false,
        }
    }

    /// Whether two nodes can be one.
    fn can_join(&self, node: usize) -> bool {
        match (self.nodes.get(node), self.nodes.get(node + 1)) {
            (Some(a), Some(b)) if (a.kind(), b.kind()) == (NodeKind::Packed, NodeKind::Packed) => {
                // One header and one end mark are left out.
                !self.limits.exceeded_by(a.bytes_len() + b.bytes_len() - 7, a.len() + b.len())
            }
            _ => false,
        }
    }

    /// Makes one node of this one and the next, if they fit. Returns whether it did.
    fn try_join(&mut self, node: usize) -> bool {
        let fit = self.can_join(node);
        if fit && let Some(mut next) = self.remove_node(node + 1) {
            next.unpack();
            self.edit(node, |node| node.append(&next));
        }
        fit
    }

    /// Joins the two nodes before a node, the two after it, and it with what is on either side then.
    fn join_around(&mut self, centre: usize) {
        let mut centre = centre;
        if centre >= 2 && self.try_join(centre - 2) {
            centre -= 1;
        }
        self.try_join(centre + 1);
        if centre >= 1 && self.try_join(centre - 1) {
            centre -= 1;
        }
        self.try_join(centre);
    }

    fn insert_node(&mut self, at: usize, node: Node) {
        self.count += node.len();
        self.node_memory += node.memory();
        self.nodes.insert(at, node);
        if self.limits.compress_depth > 0 {
            self.seal_around(at);
        }
    }

    fn remove_node(&mut self, at: usize) -> Option<Node> {
        let node = self.nodes.remove(at)?;
        self.count -= node.len();
        self.node_memory -= node.memory();
        if self.limits.compress_depth > 0 {
            self.open_next();
        }
        self.spare_nodes();
        Some(node)
    }

    /// Changes a node and keeps the sums.
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Node) -> R) -> R {
        let node = &mut self.nodes[at];
        self.count -= node.len();
        self.node_memory -= node.memory();
        let result = change(node);
        self.count += node.len();
        self.node_memory += node.memory();
        result
    }

    /// Changes a node that may be compressed, and leaves it as it should be.
    fn edit<R>(&mut self, at: usize, change: impl FnOnce(&mut Node) -> R) -> R {
        let result = self.edit_open(at, change);
        self.seal(at);
        result
    }

    /// Changes a node that may be compressed, and leaves it open.
    fn edit_open<R>(&mut self, at: usize, change: impl FnOnce(&mut Node) -> R) -> R {
        self.open(at);
        self.change(at, change)
    }

    /// Decompresses a node, if there is one and it is compressed.
    fn open(&mut self, at: usize) {
        if self.nodes.get(at).is_some_and(Node::is_compressed) {
            self.change(at, Node::unpack);
        }
    }

    /// Compresses a node if it is to be.
    fn seal(&mut self, at: usize) {
        if self.is_inner(at) {
            self.change(at, Node::pack);
        }
    }

    /// After a node came: compresses it, and those that are one further from an end by it, and so too far.
    #[cold]
    fn seal_around(&mut self, at: usize) {
        let (depth, last) = (usize::from(self.limits.compress_depth), self.nodes.len() - 1);
        self.seal(at);
        if at < depth {
            self.seal(depth);
        }
        if let Some(first_inner) = last.checked_sub(depth).filter(|&inner| at > inner) {
            self.seal(first_inner);
        }
    }

    /// After a node went: decompresses those that are one nearer to an end by it, and so too near.
    #[cold]
    fn open_next(&mut self) {
        let (depth, len) = (usize::from(self.limits.compress_depth), self.nodes.len());
        self.open(depth - 1);
        if let Some(at) = len.checked_sub(depth) {
            self.open(at);
        }
    }

    /// After many went: decompresses all that are within the depth. O(depth).
    fn open_ends(&mut self) {
        let len = self.nodes.len();
        let depth = usize::from(self.limits.compress_depth).min(len);
        (0..depth).for_each(|at| self.open(at));
        (len - depth..len).for_each(|at| self.open(at));
    }

    #[inline]
    fn spare_nodes(&mut self) {
        if self.nodes.capacity() > 4 * self.nodes.len() + NODES_SPARE {
            self.nodes.shrink_to(2 * self.nodes.len());
        }
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(super) fn verify(&self) {
        let (mut sums, mut scratch) = ((0, 0), Node::scratch());
        for (at, node) in self.nodes.iter().enumerate() {
            assert!(node.len() > 0, "no node is empty");
            let raw = node.open_in(&mut scratch);
            assert_eq!((raw.len(), raw.bytes_len(), raw.kind()), (node.len(), node.bytes_len(), node.kind()));
            if let Node::Packed { listpack, count } = raw {
                assert_eq!(listpack.len(), *count as usize);
                crate::types::listpack::check::verify(listpack);
            }
            if self.limits.compress_depth > 0 {
                let mut packed = raw.clone();
                packed.pack();
                assert_eq!(node.is_compressed(), packed.is_compressed() && self.is_inner(at), "node {at}");
            }
            sums = (sums.0 + node.len(), sums.1 + node.memory());
        }
        assert_eq!(sums, (self.count, self.node_memory));
        assert!(self.nodes.capacity() <= 4 * self.nodes.len() + 2 * NODES_SPARE);
    }
}
