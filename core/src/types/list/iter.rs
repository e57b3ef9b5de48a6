//! Walking through a list.

use alloc::collections::vec_deque;

use super::node::Node;
use crate::types::listpack::{Direction, Element, Entries};

/// The elements of a list from an index on, in a direction.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    part: Part<'a>,
    /// Nodes that come after the part, or before it.
    nodes: vec_deque::Iter<'a, Node>,
    direction: Direction,
}

/// What is left of a node.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    Packed(Entries<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Part<'a> {
    fn of(node: &'a Node) -> Self {
        match node {
            Node::Packed { listpack, .. } => Self::Packed(listpack.entries()),
            Node::Plain(bytes) => Self::Plain(Some(bytes)),
        }
    }

    #[inline]
    fn next(&mut self, direction: Direction) -> Option<Element<'a>> {
        match self {
            Self::Packed(entries) => {
                let entry = match direction {
                    Direction::Forward => entries.next(),
                    Direction::Backward => entries.next_back(),
                };
                entry.map(|(_, element)| element)
            }
            Self::Plain(bytes) => bytes.take().map(Element::Bytes),
        }
    }
}

impl<'a> Iter<'a> {
    #[inline]
    pub(super) fn new(part: Part<'a>, nodes: vec_deque::Iter<'a, Node>, direction: Direction) -> Self {
        Self { part, nodes, direction }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if let Some(element) = self.part.next(self.direction) {
                return Some(element);
            }
            self.part = Part::of(match self.direction {
                Direction::Forward => self.nodes.next()?,
                Direction::Backward => self.nodes.next_back()?,
            });
        }
    }
}
