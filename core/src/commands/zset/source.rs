//! What a set operation reads: sorted sets, and plain sets, whose members all have the score 1.

use core::ops::ControlFlow;

use crate::keyspace::{Entry, Kind};
use crate::types::Object;
use crate::types::listpack::Element;
use crate::types::set::Set;
use crate::types::zset::Zset;

/// A key of a set operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// There is no key.
    Missing,
    /// A sorted set.
    Zset(&'a Zset),
    /// A plain set.
    Set(&'a Set),
}

/// Whether a key of this kind may be read.
pub(super) fn accepts(kind: Kind) -> bool {
    matches!(kind, Kind::Zset | Kind::Set)
}

impl<'a> Source<'a> {
    /// The source that a key holds.
    pub(super) fn of(entry: Option<Entry<'a>>) -> Self {
        match entry.and_then(Entry::object) {
            Some(Object::Zset(zset)) => Self::Zset(zset),
            Some(Object::Set(set)) => Self::Set(set),
            _ => Self::Missing,
        }
    }

    /// How many members it has.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Zset(zset) => zset.len(),
            Self::Set(set) => set.len(),
        }
    }

    /// The score of a member.
    pub(super) fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Zset(zset) => zset.score(member),
            Self::Set(set) => set.contains(Element::Bytes(member)).then_some(1.0),
        }
    }

    /// Hands all members over, until one breaks off.
    pub(super) fn each(self, mut each: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
        match self {
            Self::Missing => {}
            Self::Zset(zset) => {
                let mut text = itoa::Buffer::new();
                let _ = zset
                    .iter(0..zset.len())
                    .try_for_each(|(member, score)| each(member.text(&mut text), score));
            }
            Self::Set(set) => {
                let mut text = itoa::Buffer::new();
                let _ = set.iter().try_for_each(|member| each(member.text(&mut text), 1.0));
            }
        }
    }
}
