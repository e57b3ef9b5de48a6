//! The list: a sequence of strings that is short at its ends.
//!
//! A small list is one listpack, a larger one a quicklist: a deque of listpacks, with nodes of their own for long
//! strings. When a list changes its form follows the reference, which decides before elements are added and after
//! elements were removed, by command and not by element. So a command calls [`List::grow`] with all it is about to
//! add, then the operations, then [`List::shrink`] if it removed or replaced something; the operations themselves change
//! nothing about the form. Between the two bounds lies half the limit, so that a list that grows and shrinks
//! by turns stays as it is.
//!
//! The ends are reached in O(1), an index in O(nodes) and a walk through half a node. Nodes far from the ends may be compressed
//! (`list-compress-depth`, see `quicklist.rs`): elements are therefore lent to functions where they may be in such a node
//! ([`List::read`], [`List::for_each`]) and borrowed from the list only at its ends ([`List::peek`]).
//!
//! Invariant: the elements are in the order in which the operations put them, whatever the form.
//!
//! Source: Valkey `t_list.c` for the rules of conversion.

#[cfg(any(test, fuzzing))]
pub mod check;
mod compressed;
mod limits;
mod node;
mod quicklist;
#[cfg(test)]
mod transcript;
mod walk;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

pub use self::limits::ListLimits;
pub use crate::types::listpack::{Direction, Element};

use self::limits::Bounds;
use self::node::Node;
use self::quicklist::Quicklist;
use super::listpack::{Listpack, Position};
use crate::lzf;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The left one, with index 0.
    Head,
    /// The right one, with index -1.
    Tail,
}

/// A side of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Towards the head.
    Before,
    /// Towards the tail.
    After,
}

/// What is about to be added to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Lengths of the strings together.
    pub len_bytes: usize,
    /// How many.
    pub count: usize,
}

/// What a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A listpack.
    Packed,
    /// One string.
    Plain,
}

/// A node's bytes as they lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeBytes<'a> {
    /// Those of the listpack or the string.
    Raw(&'a [u8]),
    /// Those in LZF.
    Lzf {
        /// The stream.
        stream: &'a [u8],
        /// How many bytes were compressed.
        raw_len: usize,
    },
}

/// A node as it is dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeView<'a> {
    /// What it holds.
    pub kind: NodeKind,
    /// Its bytes.
    pub bytes: NodeBytes<'a>,
}

impl NodeView<'_> {
    /// Returns how many bytes the listpack or the string has.
    pub fn raw_len(&self) -> usize {
        match self.bytes {
            NodeBytes::Raw(bytes) => bytes.len(),
            NodeBytes::Lzf { raw_len, .. } => raw_len,
        }
    }

    /// Returns the bytes of the listpack or the string; `None` when the stream is not what the list made it, which is a fault
    /// of ours.
    pub fn to_raw(&self) -> Option<Vec<u8>> {
        match self.bytes {
            NodeBytes::Raw(bytes) => Some(bytes.to_vec()),
            NodeBytes::Lzf { stream, raw_len } => {
                let mut raw = vec![0; raw_len];
                lzf::decompress(stream, &mut raw).ok().map(|()| raw)
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Repr {
    Listpack(Listpack),
    Quicklist(Box<Quicklist>),
}

/// A sequence of strings.
#[derive(Clone, Debug)]
pub struct List(Repr);

static_assertions::assert_eq_size!(List, [usize; 2]);

impl End {
    fn of(self, listpack: &Listpack) -> Option<Position> {
        match self {
            Self::Head => listpack.first(),
            Self::Tail => listpack.last(),
        }
    }
}

impl Growth {
    /// Returns what these strings add.
    pub fn of<'a>(strings: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let add =
            |sum: Self, string: &[u8]| Self { len_bytes: sum.len_bytes + string.len(), count: sum.count + 1 };
        strings.into_iter().fold(Self::default(), add)
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// Returns an empty list, a listpack.
    pub fn new() -> Self {
        Self(Repr::Listpack(Listpack::new()))
    }

    /// Returns an empty quicklist, to be filled and then settled.
    pub fn new_quicklist(limits: ListLimits) -> Self {
        Self(Repr::Quicklist(Box::new(Quicklist::new(limits))))
    }

    /// Returns how many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.len(),
            Repr::Quicklist(list) => list.len(),
        }
    }

    /// Returns whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.is_empty(),
            Repr::Quicklist(list) => list.len() == 0,
        }
    }

    /// Returns the name that OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Listpack(_) => "listpack",
            Repr::Quicklist(_) => "quicklist",
        }
    }

    /// Returns the heap memory it holds.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.memory(),
            Repr::Quicklist(list) => list.memory(),
        }
    }

    /// Returns the settings that a quicklist was made with.
    pub fn quicklist_limits(&self) -> Option<ListLimits> {
        match &self.0 {
            Repr::Listpack(_) => None,
            Repr::Quicklist(list) => Some(list.limits()),
        }
    }

    /// Returns the nodes in order; a listpack is one.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeView<'_>> {
        let count = match &self.0 {
            Repr::Listpack(_) => 1,
            Repr::Quicklist(list) => list.nodes().len(),
        };
        (0..count).map(|index| match &self.0 {
            Repr::Listpack(listpack) => {
                NodeView { kind: NodeKind::Packed, bytes: NodeBytes::Raw(listpack.as_bytes()) }
            }
            Repr::Quicklist(list) => list.nodes()[index].view(),
        })
    }

    /// Makes a listpack a quicklist if it would be too large with what is about to be added.
    pub fn grow(&mut self, added: Growth, limits: ListLimits) {
        if let Repr::Listpack(listpack) = &mut self.0 {
            let bytes = listpack.bytes_len().saturating_add(added.len_bytes);
            if limits.exceeded_by(bytes, listpack.len().saturating_add(added.count)) {
                let node = Node::from_listpack(core::mem::take(listpack));
                let mut list = Quicklist::new(limits);
                if node.len() > 0 {
                    list.append_node(node);
                }
                self.0 = Repr::Quicklist(Box::new(list));
            }
        }
    }

    /// Makes a quicklist a listpack if that is at most half as large as it may be. For after a removal.
    pub fn shrink(&mut self, limits: ListLimits) {
        let Bounds { bytes, entries } = limits.bounds();
        self.pack(Bounds { bytes: bytes / 2, entries: entries / 2 });
    }

    /// Gives a list that has been filled the form that it should have.
    pub fn settle(&mut self, limits: ListLimits) {
        match &self.0 {
            Repr::Listpack(_) => self.grow(Growth::default(), limits),
            Repr::Quicklist(_) => self.pack(limits.bounds()),
        }
    }

    fn pack(&mut self, bounds: Bounds) {
        let Repr::Quicklist(list) = &mut self.0 else { return };
        let Some(node @ Node::Packed { .. }) = list.nodes().front() else { return };
        if list.nodes().len() > 1 || node.bytes_len() > bounds.bytes || list.len() > bounds.entries {
            return;
        }
        if let Some(Node::Packed { listpack, .. }) = list.take_only_node() {
            self.0 = Repr::Listpack(listpack);
        }
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push<'e>(&mut self, end: End, element: impl Into<Element<'e>>) {
        let element = element.into();
        match (&mut self.0, end) {
            (Repr::Listpack(listpack), End::Head) => listpack.push_front(element),
            (Repr::Listpack(listpack), End::Tail) => listpack.push_back(element),
            (Repr::Quicklist(list), _) => list.push(end, element),
        }
    }

    /// Asks the processor to fetch a listpack.
    pub(crate) fn prefetch(&self) {
        if let Repr::Listpack(listpack) = &self.0 {
            listpack.prefetch();
        }
    }

    /// Returns the element at an end. O(1).
    #[inline]
    pub fn peek(&self, end: End) -> Option<Element<'_>> {
        match &self.0 {
            Repr::Listpack(listpack) => end.of(listpack).map(|position| listpack.at(position)),
            Repr::Quicklist(list) => list.peek(end),
        }
    }

    /// Removes the element at an end, and returns what `use_it` makes of it before.
    #[inline]
    pub fn pop<R>(&mut self, end: End, use_it: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let result = self.peek(end).map(use_it)?;
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                if let Some(position) = end.of(listpack) {
                    listpack.delete(position);
                }
            }
            Repr::Quicklist(list) => list.delete_end(end),
        }
        Some(result)
    }

    /// Returns what `use_it` makes of the element with this index, from the tail when it is negative.
    pub fn read<R>(&self, index: i64, use_it: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.get(index).map(use_it),
            Repr::Quicklist(list) => list.read(self.absolute(index)?, use_it),
        }
    }

    /// Puts an element in the place of the one with this index; `false` when there is none.
    pub fn set<'e>(&mut self, index: i64, element: impl Into<Element<'e>>) -> bool {
        let absolute = self.absolute(index);
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                let position = listpack.seek(index);
                position.map(|position| listpack.replace(position, element)).is_some()
            }
            Repr::Quicklist(list) => {
                let spot = absolute.and_then(|index| list.seek(index));
                spot.map(|spot| list.replace(spot, element.into())).is_some()
            }
        }
    }

    /// Adds an element beside the first that is `pivot`; `false` when there is none. O(n).
    pub fn insert<'e>(&mut self, pivot: &[u8], side: Side, element: impl Into<Element<'e>>) -> bool {
        let element = element.into();
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                let Some(position) = listpack.find(pivot, 0) else { return false };
                match side {
                    Side::Before => listpack.insert_before(position, element),
                    Side::After => listpack.insert_after(position, element),
                };
            }
            Repr::Quicklist(list) => {
                let Some(spot) = list.find(pivot) else { return false };
                match side {
                    Side::Before => list.insert_before(spot, element),
                    Side::After => list.insert_after(spot, element),
                }
            }
        }
        true
    }

    /// Removes elements that are these bytes: the first `count`, from the tail when it is negative, or all when it is
    /// 0. Returns how many. O(n).
    pub fn remove(&mut self, bytes: &[u8], count: i64) -> usize {
        let direction = if count < 0 { Direction::Backward } else { Direction::Forward };
        let limit = match usize::try_from(count.unsigned_abs()) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        };
        match &mut self.0 {
            Repr::Listpack(listpack) => listpack.delete_equal(bytes, limit, direction),
            Repr::Quicklist(list) => list.delete_equal(bytes, limit, direction),
        }
    }

    /// Removes up to `count` elements from an end. Returns how many.
    pub fn delete_end(&mut self, end: End, count: usize, cut: &mut Vec<Self>) -> usize {
        let len = self.len();
        let count = count.min(len);
        match end {
            End::Head => self.delete_range(0..count, cut),
            End::Tail => self.delete_range(len - count..len, cut),
        }
    }

    /// Removes the elements with these indexes, as far as there are any. Returns how many. O(nodes), no more than a few of
    /// which are freed: the others are put into `cut`.
    pub fn delete_range(&mut self, range: Range<usize>, cut: &mut Vec<Self>) -> usize {
        let before = self.len();
        let range = range.start..range.end.min(before);
        if range.is_empty() {
            return 0;
        }
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                let start = i64::try_from(range.start).unwrap_or(i64::MAX);
                listpack.delete_range(start, range.len());
            }
            Repr::Quicklist(list) => {
                let rest = list.delete_range(range.start, range.len());
                cut.extend(rest.map(|rest| Self(Repr::Quicklist(Box::new(rest)))));
            }
        }
        before - self.len()
    }

    /// Keeps only the elements with these indexes. Returns how many are gone. As [`Self::delete_range`].
    pub fn trim(&mut self, keep: Range<usize>, cut: &mut Vec<Self>) -> usize {
        let len = self.len();
        if keep.is_empty() {
            return self.delete_range(0..len, cut);
        }
        self.delete_range(keep.end..len, cut) + self.delete_range(0..keep.start, cut)
    }

    /// Adds a listpack's elements at the tail, as a node; for quicklists that are being filled. An empty one adds
    /// nothing.
    pub fn append_listpack(&mut self, listpack: Listpack) {
        match &mut self.0 {
            Repr::Listpack(own) => own.append(&listpack),
            Repr::Quicklist(_) if listpack.is_empty() => {}
            Repr::Quicklist(list) => list.append_node(Node::from_listpack(listpack)),
        }
    }

    /// Adds a string at the tail, as a node; for quicklists that are being filled.
    pub fn append_plain(&mut self, bytes: Vec<u8>) {
        match &mut self.0 {
            Repr::Listpack(own) => own.push_back(&bytes[..]),
            Repr::Quicklist(list) => list.append_node(Node::Plain(bytes.into_boxed_slice())),
        }
    }

    /// Frees at most so many nodes from the tail. Returns what is left of the budget: more than 0 only when no node is left.
    pub fn dismantle(&mut self, budget: usize) -> usize {
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                *listpack = Listpack::new();
                budget
            }
            Repr::Quicklist(list) => {
                let count = budget.min(list.nodes().len());
                (0..count).for_each(|_| list.dismantle_node());
                budget - count
            }
        }
    }

    /// An index from the head, if there is such an element.
    fn absolute(&self, index: i64) -> Option<usize> {
        let (len, distance) = (self.len(), usize::try_from(index.unsigned_abs()).ok()?);
        if index < 0 { len.checked_sub(distance) } else { Some(distance).filter(|&index| index < len) }
    }
}
