//! A node of a quicklist: a listpack, or one long string, or one of these compressed.
//!
//! What reads or changes elements is for nodes that are not compressed; [`Node::open_in`] and [`Node::unpack`] make one of
//! a node that is.

use alloc::boxed::Box;
use alloc::vec;

use super::compressed::Compressed;
use super::{End, NodeBytes, NodeKind, NodeView};
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
    /// Either, in LZF.
    Compressed {
        bytes: Compressed,
        count: u32,
        kind: NodeKind,
    },
}

#[cfg(all(target_pointer_width = "64", not(random_layout)))]
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

    /// What compressed nodes are opened in. Holds no memory before that.
    pub(super) fn scratch() -> Self {
        Self::Plain(Box::default())
    }

    /// The node with its bytes as they are: itself, or the scratch when it is compressed.
    #[inline]
    pub(super) fn open_in<'a>(&'a self, scratch: &'a mut Self) -> &'a Self {
        if !self.is_compressed() {
            return self;
        }
        self.unpack_into(scratch);
        scratch
    }

    /// Makes another node what this was before it was compressed, in the other's memory if it was a listpack, too.
    fn unpack_into(&self, node: &mut Self) {
        let Self::Compressed { bytes, count, kind } = self else { return };
        let len = bytes.raw_len();
        *node = match (*kind, core::mem::replace(node, Self::scratch())) {
            (NodeKind::Packed, Self::Packed { listpack, .. }) => Self::of_stream(bytes, *count, listpack),
            (NodeKind::Packed, _) => Self::of_stream(bytes, *count, Listpack::with_capacity(len)),
            (NodeKind::Plain, _) => {
                let mut raw = vec![0; len];
                bytes.read(&mut raw);
                Self::Plain(raw.into_boxed_slice())
            }
        };
    }

    fn of_stream(bytes: &Compressed, count: u32, mut listpack: Listpack) -> Self {
        listpack.refill(bytes.raw_len(), |place| bytes.read(place));
        Self::Packed { listpack, count }
    }

    /// Makes it a node that is not compressed.
    pub(super) fn unpack(&mut self) {
        if self.is_compressed() {
            let mut node = Self::scratch();
            self.unpack_into(&mut node);
            *self = node;
        }
    }

    /// Compresses it, if that gains enough.
    pub(super) fn pack(&mut self) {
        let (raw, count) = match self {
            Self::Packed { listpack, count } => (listpack.as_bytes(), *count),
            Self::Plain(bytes) => (&**bytes, 1),
            Self::Compressed { .. } => return,
        };
        if let Some(bytes) = Compressed::of(raw) {
            *self = Self::Compressed { bytes, count, kind: self.kind() };
        }
    }

    #[inline]
    pub(super) fn is_compressed(&self) -> bool {
        matches!(self, Self::Compressed { .. })
    }

    #[inline]
    pub(super) fn kind(&self) -> NodeKind {
        match self {
            Self::Packed { .. } => NodeKind::Packed,
            Self::Plain(_) => NodeKind::Plain,
            Self::Compressed { kind, .. } => *kind,
        }
    }

    /// The node as it is dumped.
    pub(super) fn view(&self) -> NodeView<'_> {
        let bytes = match self {
            Self::Packed { listpack, .. } => NodeBytes::Raw(listpack.as_bytes()),
            Self::Plain(bytes) => NodeBytes::Raw(bytes),
            Self::Compressed { bytes, .. } => {
                NodeBytes::Lzf { stream: bytes.stream(), raw_len: bytes.raw_len() }
            }
        };
        NodeView { kind: self.kind(), bytes }
    }

    /// Elements.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Packed { count, .. } | Self::Compressed { count, .. } => *count as usize,
            Self::Plain(_) => 1,
        }
    }

    /// Bytes of the listpack or of the string, not compressed.
    #[inline]
    pub(super) fn bytes_len(&self) -> usize {
        match self {
            Self::Packed { listpack, .. } => listpack.bytes_len(),
            Self::Plain(bytes) => bytes.len(),
            Self::Compressed { bytes, .. } => bytes.raw_len(),
        }
    }

    /// Whether so many bytes may be added without the listpack becoming too long to handle.
    pub(super) fn would_fit(&self, extra_len: usize) -> bool {
        Listpack::may_have(self.bytes_len().saturating_add(extra_len))
    }

    /// Heap memory.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Packed { listpack, .. } => listpack.memory(),
            Self::Plain(bytes) => bytes.len(),
            Self::Compressed { bytes, .. } => bytes.memory(),
        }
    }

    /// The element with this index, which there is.
    pub(super) fn get(&self, index: usize) -> Option<Element<'_>> {
        match self {
            Self::Packed { listpack, .. } => listpack.get(i64::try_from(index).ok()?),
            Self::Plain(bytes) => Some(Element::Bytes(bytes)),
            Self::Compressed { .. } => None,
        }
    }

    /// The element at an end.
    #[inline]
    pub(super) fn peek(&self, end: End) -> Option<Element<'_>> {
        match self {
            Self::Packed { listpack, .. } => end.of(listpack).map(|position| listpack.at(position)),
            Self::Plain(bytes) => Some(Element::Bytes(bytes)),
            Self::Compressed { .. } => None,
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
            Self::Compressed { .. } => None,
        }
    }

    /// Adds an element at an end. Not for plain nodes, which stay as they are.
    #[inline]
    pub(super) fn push(&mut self, end: End, element: Element<'_>) {
        if let Self::Packed { listpack, count } = self {
            Self::push_to(listpack, end, element);
            *count += 1;
        }
    }

    #[inline]
    pub(super) fn push_to(listpack: &mut Listpack, end: End, element: Element<'_>) {
        match end {
            End::Head => listpack.push_front(element),
            End::Tail => listpack.push_back(element),
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

    /// Removes the last element. Not for plain nodes.
    pub(super) fn delete_last(&mut self) {
        if let Self::Packed { listpack, count } = self
            && let Some(position) = listpack.last()
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

    /// Removes the first `limit` elements in a direction that are these bytes. Returns how many.
    pub(super) fn delete_equal(&mut self, bytes: &[u8], limit: usize, direction: Direction) -> usize {
        match self {
            Self::Packed { listpack, count } => {
                let deleted = listpack.delete_equal(bytes, limit, direction);
                *count -= u32::try_from(deleted).unwrap_or(0);
                deleted
            }
            Self::Plain(own) if **own == *bytes => {
                *self = Self::Packed { listpack: Listpack::new(), count: 0 };
                1
            }
            Self::Plain(_) | Self::Compressed { .. } => 0,
        }
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
