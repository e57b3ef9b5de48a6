//! Walking through a list.
//!
//! Elements are lent to a function, one after another, and not handed out by an iterator: those of a compressed node lie in
//! a copy that is made of it for the walk, which the next such node reuses. So a walk needs memory for one node, however long it
//! is, and none where nothing is compressed; the nodes stay as they are.

use core::convert::Infallible;
use core::ops::{ControlFlow, Range};

use super::node::Node;
use super::quicklist::{Quicklist, Spot};
use super::{List, Repr};
use crate::types::listpack::{Direction, Element, Listpack};

impl List {
    /// Hands the elements with these indexes to `each`, as far as there are any: from the first on, or from the last back.
    pub fn for_each(&self, range: Range<usize>, direction: Direction, mut each: impl FnMut(Element<'_>)) {
        let ControlFlow::Continue(()) = self.try_for_each(range, direction, |element| {
            each(element);
            ControlFlow::<Infallible>::Continue(())
        });
    }

    /// Same, until `each` breaks off.
    pub fn try_for_each<B>(
        &self,
        range: Range<usize>,
        direction: Direction,
        mut each: impl FnMut(Element<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let range = range.start..range.end.min(self.len());
        match &self.0 {
            _ if range.is_empty() => ControlFlow::Continue(()),
            Repr::Listpack(listpack) => walk_listpack(listpack, range, direction, &mut each),
            Repr::Quicklist(list) => walk_nodes(list, range, direction, each),
        }
    }
}

/// Walks through some entries of a listpack, which there are.
#[inline]
fn walk_listpack<B>(
    listpack: &Listpack,
    range: Range<usize>,
    direction: Direction,
    each: &mut impl FnMut(Element<'_>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let first = match direction {
        Direction::Forward => range.start,
        Direction::Backward => range.end - 1,
    };
    let first = i64::try_from(first).ok().and_then(|first| listpack.seek(first));
    let Some(first) = first else { return ControlFlow::Continue(()) };
    match direction {
        Direction::Forward => {
            listpack.entries_from(first).take(range.len()).try_for_each(|(_, element)| each(element))
        }
        Direction::Backward => {
            listpack.entries_to(first).rev().take(range.len()).try_for_each(|(_, element)| each(element))
        }
    }
}

/// Walks through some elements of a quicklist, which there are.
fn walk_nodes<B>(
    list: &Quicklist,
    range: Range<usize>,
    direction: Direction,
    mut each: impl FnMut(Element<'_>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let first = match direction {
        Direction::Forward => range.start,
        Direction::Backward => range.end - 1,
    };
    let Some(Spot { node: first, index }) = list.seek(first) else { return ControlFlow::Continue(()) };
    let (mut left, mut scratch, mut inner) = (range.len(), Node::scratch(), Some(index));
    let count = list.nodes().len();
    let steps = match direction {
        Direction::Forward => count - first,
        Direction::Backward => first + 1,
    };
    for step in 0..steps {
        let (node, part) = match direction {
            Direction::Forward => {
                let node = &list.nodes()[first + step];
                let start = inner.take().unwrap_or(0);
                (node, start..node.len().min(start.saturating_add(left)))
            }
            Direction::Backward => {
                let node = &list.nodes()[first - step];
                let end = inner.take().map_or(node.len(), |index| index + 1);
                (node, end.saturating_sub(left)..end)
            }
        };
        left -= part.len();
        match node.open_in(&mut scratch) {
            Node::Packed { listpack, .. } => walk_listpack(listpack, part, direction, &mut each)?,
            Node::Plain(bytes) => each(Element::Bytes(bytes))?,
            Node::Compressed { .. } => {}
        }
        if left == 0 {
            break;
        }
    }
    ControlFlow::Continue(())
}
