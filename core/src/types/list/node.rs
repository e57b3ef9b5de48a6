//! A node of a quicklist: a listpack, or one long string.

use alloc::boxed::Box;

use super::End;
use crate::types::listpack::{Direction, Element, Listpack};

/// A node. Never empty, but for the moment before it is removed.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Packed {
        listpack: Listpack,
        /// Entries of the listpack, so that seeking by index does not touch it.
        count: u32,
    },
    Plain(Box<[u8]>),
}

#[cfg(target_pointer_width = "64")]
static_assertions::assert_eq_size!(Node, [u64; 3]);

impl Node {
    pub(super) fn packed(element: Element<'_>) -> Self {
        let mut listpack = Listpack::new();
        listpack.push_back(element);
        Self::Packed { listpack, count: 1 }
    }

    pub(super) fn plain(element: Element<'_>) -> Self {
        Self::Plain(element.text(&mut itoa::Buffer::new()).into())
    }

    pub(super) fn from_listpack(listpack: Listpack) -> Self {
        let count = u32::try_from(listpack.len()).unwrap_or(u32::MAX);
        Self::Packed { listpack, count }
    }

    /// Elements.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Packed { count, .. } => *count as usize,
            Self::Plain(_) => 1,
        }
    }

    /// Bytes of the listpack or of the string.
    #[inline]
    pub(super) fn bytes_len(&self) -> usize {
        match self {
            Self::Packed { listpack, .. } => listpack.bytes_len(),
            Self::Plain(bytes) => bytes.len(),
        }
    }

    /// Heap memory.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Packed { listpack, .. } => listpack.memory(),
            Self::Plain(bytes) => bytes.len(),
        }
    }

    /// The element with this index, which there is.
    pub(super) fn get(&self, index: usize) -> Option<Element<'_>> {
        match self {
            Self::Packed { listpack, .. } => listpack.get(i64::try_from(index).ok()?),
            Self::Plain(bytes) => Some(Element::Bytes(bytes)),
        }
    }

    /// The element at an end.
    #[inline]
    pub(super) fn peek(&self, end: End) -> Option<Element<'_>> {
        match self {
            Self::Packed { listpack, .. } => end.of(listpack).map(|position| listpack.at(position)),
            Self::Plain(bytes) => Some(Element::Bytes(bytes)),
        }
    }

    /// The index of the first element that is these bytes.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Packed { listpack, .. } => {
                let found = listpack.find(bytes, 0)?;
                Some(listpack.entries_to(found).count() - 1)
            }
            Self::Plain(own) => (**own == *bytes).then_some(0),
        }
    }

    /// Adds an element at an end. Not for plain nodes, which stay as they are.
    #[inline]
    pub(super) fn push(&mut self, end: End, element: Element<'_>) {
        if let Self::Packed { listpack, count } = self {
            match end {
                End::Head => listpack.push_front(element),
                End::Tail => listpack.push_back(element),
            }
            *count += 1;
        }
    }

    /// Adds an element that gets this index. Not for plain nodes.
    pub(super) fn insert(&mut self, index: usize, element: Element<'_>) {
        if let Self::Packed { listpack, count } = self {
            match i64::try_from(index).ok().and_then(|index| listpack.seek(index)) {
                Some(position) => drop(listpack.insert_before(position, element)),
                None => listpack.push_back(element),
            }
            *count += 1;
        }
    }

    /// Puts an element in the place of another. Not for plain nodes.
    pub(super) fn replace(&mut self, index: usize, element: Element<'_>) {
        if let Self::Packed { listpack, .. } = self
            && let Some(position) = i64::try_from(index).ok().and_then(|index| listpack.seek(index))
        {
            listpack.replace(position, element);
        }
    }

    /// Removes the element at an end. Not for plain nodes.
    #[inline]
    pub(super) fn delete_end(&mut self, end: End) {
        if let Self::Packed { listpack, count } = self
            && let Some(position) = end.of(listpack)
        {
            listpack.delete(position);
            *count -= 1;
        }
    }

    /// Removes elements. Not for plain nodes.
    pub(super) fn delete_range(&mut self, from: usize, len: usize) {
        if let Self::Packed { listpack, count } = self {
            let deleted = listpack.delete_range(i64::try_from(from).unwrap_or(i64::MAX), len);
            *count -= u32::try_from(deleted).unwrap_or(0);
        }
    }

    /// Removes the first `limit` elements in a direction that are these bytes; from a listpack only. Returns how many.
    pub(super) fn delete_equal(&mut self, bytes: &[u8], limit: usize, direction: Direction) -> usize {
        let Self::Packed { listpack, count } = self else { return 0 };
        let deleted = listpack.delete_equal(bytes, limit, direction);
        *count -= u32::try_from(deleted).unwrap_or(0);
        deleted
    }

    /// Moves the elements from an index on to a node of their own. Not for plain nodes.
    pub(super) fn split_off(&mut self, index: usize) -> Option<Self> {
        let Self::Packed { listpack, count } = self else { return None };
        let tail =
            Self::Packed { listpack: listpack.split_off(index), count: *count - u32::try_from(index).ok()? };
        *count = u32::try_from(index).ok()?;
        Some(tail)
    }

    /// Adds the elements of another node at the end; both are listpacks.
    pub(super) fn append(&mut self, other: &Self) {
        if let (Self::Packed { listpack, count }, Self::Packed { listpack: tail, count: more }) =
            (self, other)
        {
            listpack.append(tail);
            *count += more;
        }
    }
}
