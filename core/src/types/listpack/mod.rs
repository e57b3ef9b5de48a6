//! The listpack: a sequence of strings and integers in one piece of memory.
//!
//! ```text
//! listpack ┌ bytes: u32 ┬ count: u16 ┬ entry ┬ entry ┬ ... ┬ ff ┐     all numbers low byte first
//! ```
//! `bytes` is the length of all that, `count` the number of entries, or 65535 when there are that many or more: then
//! they must be counted. An entry can be left in both directions; see `encoding.rs` for its bytes. A string that is an
//! integer's text is stored as the integer. These are the bytes that dumps and snapshots contain.
//!
//! Small hashes, sets, sorted sets, lists and the nodes of large lists are listpacks, so these are hot: appending, walking and
//! [`Listpack::find`].
//!
//! Invariant: the bytes are a listpack as drawn, each entry with the right back-length. [`Listpack::from_bytes`]
//! checks that once; everything else relies on it. A [`Position`] is good until the listpack is changed before it.
//!
//! Source: Valkey `listpack.c`, for the format. The reader is a little stricter: a back-length must be written the
//! one way it is always written.

#[cfg(any(test, fuzzing))]
pub mod check;
mod cursor;
mod edit;
mod element;
mod encoding;
mod find;
mod iter;

use alloc::vec::Vec;
use core::fmt;

pub(super) use self::cursor::Cursor;
pub use self::edit::Appender;
pub use self::element::Element;
pub use self::iter::Entries;

use self::encoding::END;
use super::block::Block;

/// Bytes before the first entry.
const HEADER_LEN: usize = 6;
/// The count that says nothing.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// Listpacks are not made longer than this, far from where `bytes` ends.
const LEN_SAFE: usize = if cfg!(any(test, fuzzing, miri)) { 1 << 20 } else { 1 << 30 };

/// From which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the head to the tail.
    Forward,
    /// From the tail to the head.
    Backward,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(usize);

/// A sequence of strings and integers in one piece of memory.
#[derive(Clone)]
pub struct Listpack {
    block: Block,
}

static_assertions::assert_eq_size!(Listpack, [usize; 2]);

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Listpack {
    /// Returns an empty listpack.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// Returns an empty listpack with memory for so many bytes.
    pub fn with_capacity(len_bytes: usize) -> Self {
        Self { block: Block::new(&[7, 0, 0, 0, 0, 0, END], len_bytes) }
    }

    /// Returns the listpack that these bytes are; `None` when they are none. O(bytes).
    #[deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let (&END, mut rest) = rest.split_last()? else { return None };
        let [a, b, c, d, count @ ..] = *header;
        if usize::try_from(u32::from_le_bytes([a, b, c, d])) != Ok(bytes.len()) {
            return None;
        }
        let mut entries = 0usize;
        while !rest.is_empty() {
            rest = rest.get(encoding::checked_len(rest)?..)?;
            entries = entries.checked_add(1)?;
        }
        let count = u16::from_le_bytes(count);
        if count != COUNT_UNKNOWN && usize::from(count) != entries {
            return None;
        }
        Some(Self { block: Block::from_vec(bytes) })
    }

    /// Makes it the listpack of so many bytes that `fill` writes. They are not looked at: they must be those of a listpack.
    pub(super) fn refill(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) {
        self.block.reserve(len);
        fill(&mut self.block.bytes_mut()[..len]);
    }

    /// Returns the listpack's bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.block.bytes()[..self.bytes_len()]
    }

    /// Returns how many bytes the listpack has.
    #[inline]
    pub fn bytes_len(&self) -> usize {
        self.block.bytes().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
    }

    /// Returns the heap memory it holds.
    #[inline]
    pub fn memory(&self) -> usize {
        self.block.capacity()
    }

    /// Asks the processor to fetch how it begins.
    #[inline]
    pub(crate) fn prefetch(&self) {
        self.block.prefetch();
    }

    /// Returns how many entries there are. O(1), but O(n) from 65535 up.
    #[inline]
    pub fn len(&self) -> usize {
        self.count().unwrap_or_else(|| self.entries().count())
    }

    /// Returns whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes_len() == HEADER_LEN + 1
    }

    /// Returns whether so many bytes may be added without the listpack becoming too long to handle.
    pub fn would_fit(&self, extra_len: usize) -> bool {
        Self::may_have(self.bytes_len().saturating_add(extra_len))
    }

    /// Returns whether a listpack may be so long.
    pub(super) fn may_have(len_bytes: usize) -> bool {
        len_bytes <= LEN_SAFE
    }

    /// The number of entries as the header has it.
    #[inline]
    fn count(&self) -> Option<usize> {
        let count = u16::from_le_bytes([self.block.bytes()[4], self.block.bytes()[5]]);
        (count != COUNT_UNKNOWN).then_some(usize::from(count))
    }

    /// Where the end mark is.
    #[inline]
    fn end(&self) -> usize {
        self.bytes_len() - 1
    }

    /// Returns the elements in order; the iterator may be reversed.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Element<'_>> + Clone + use<'_> {
        self.entries().map(|(_, element)| element)
    }

    /// Returns the elements in order with their positions; the iterator may be reversed.
    #[inline]
    pub fn entries(&self) -> Entries<'_> {
        Entries::new(&self.block.bytes()[HEADER_LEN..self.end()], HEADER_LEN)
    }

    /// Returns the elements from a position on.
    #[inline]
    pub fn entries_from(&self, position: Position) -> Entries<'_> {
        Entries::new(&self.block.bytes()[position.0..self.end()], position.0)
    }

    /// Returns the elements up to a position and including it.
    #[inline]
    pub fn entries_to(&self, position: Position) -> Entries<'_> {
        Entries::new(&self.block.bytes()[HEADER_LEN..self.after(position)], HEADER_LEN)
    }

    /// Returns the first position.
    #[inline]
    pub fn first(&self) -> Option<Position> {
        self.position(HEADER_LEN)
    }

    /// Returns the last position.
    #[inline]
    pub fn last(&self) -> Option<Position> {
        self.before(self.end())
    }

    /// Returns the position after another.
    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        self.position(self.after(position))
    }

    /// Returns the position before another.
    #[inline]
    pub fn prev(&self, position: Position) -> Option<Position> {
        self.before(position.0)
    }

    /// Returns the element at a position.
    #[inline]
    pub fn at(&self, position: Position) -> Element<'_> {
        encoding::decode(&self.block.bytes()[position.0..]).0
    }

    /// Returns the element with this index, from the end when it is negative. O(n), from the nearer end.
    pub fn get(&self, index: i64) -> Option<Element<'_>> {
        self.seek(index).map(|position| self.at(position))
    }

    /// Returns the position with this index, from the end when it is negative. O(n), from the nearer end.
    pub fn seek(&self, index: i64) -> Option<Position> {
        let from_head = |index: usize| self.entries().nth(index);
        let from_tail = |index: usize| self.entries().nth_back(index);
        let distance = usize::try_from(index.unsigned_abs()).ok()?;
        let found = match self.count() {
            None if index < 0 => from_tail(distance - 1),
            None => from_head(distance),
            Some(count) => {
                let index = if index < 0 { count.checked_sub(distance)? } else { distance };
                let behind = count.checked_sub(1)?.checked_sub(index)?;
                if index <= behind { from_head(index) } else { from_tail(behind) }
            }
        };
        found.map(|(position, _)| position)
    }

    /// Returns the first position whose element is these bytes. After each that is looked at, `skip` others are not:
    /// 1 finds keys where keys and values take turns.
    #[inline]
    pub fn find(&self, bytes: &[u8], skip: usize) -> Option<Position> {
        self.find_from(Position(HEADER_LEN), bytes, skip)
    }

    /// Same, beginning with a position.
    #[inline]
    pub fn find_from(&self, position: Position, bytes: &[u8], skip: usize) -> Option<Position> {
        let entries = &self.block.bytes()[position.0..self.end()];
        find::find(entries, bytes, skip).map(|at| Position(position.0 + at))
    }

    /// Returns a position whose element is these bytes, where elements are looked at as in [`Self::find`]; which one
    /// if there are several, is not said. Twice as fast.
    #[inline]
    pub fn find_unique(&self, bytes: &[u8], skip: usize) -> Option<Position> {
        let entries = &self.block.bytes()[HEADER_LEN..self.end()];
        let found = match self.count() {
            Some(count) if count.is_multiple_of(skip + 1) => {
                find::find_unique(entries, bytes, skip, count / (skip + 1))
            }
            _ => find::find(entries, bytes, skip),
        };
        found.map(|at| Position(HEADER_LEN + at))
    }

    #[inline]
    fn position(&self, at: usize) -> Option<Position> {
        (at < self.end()).then_some(Position(at))
    }

    #[inline]
    fn before(&self, at: usize) -> Option<Position> {
        let before = &self.block.bytes()[HEADER_LEN..at];
        (!before.is_empty()).then(|| Position(at - encoding::last_entry_len(before)))
    }

    #[inline]
    fn after(&self, position: Position) -> usize {
        position.0 + encoding::entry_len(&self.block.bytes()[position.0..])
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Listpack {}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Element, Listpack};

    fn listpack(elements: &[&[u8]]) -> Listpack {
        let mut listpack = Listpack::new();
        elements.iter().for_each(|&element| listpack.push_back(element));
        listpack
    }

    /// Taken from the reference's DUMP of a hash, a sorted set and a list that have these elements.
    #[test]
    fn bytes_are_those_in_the_reference_s_dumps() {
        let hash: [&[u8]; 24] = [
            b"f1",
            b"v1",
            b"12",
            b"-1",
            b"n",
            b"4095",
            b"m",
            b"4096",
            b"b",
            b"-4097",
            b"c",
            b"32768",
            b"d",
            b"-8388609",
            b"e",
            b"2147483648",
            b"x",
            b"-9223372036854775808",
            b"z",
            b"",
            b"01",
            b"+1",
            b"p",
            &[b'p'; 64],
        ];
        let mut expected: Vec<u8> = [
            b"\xa6\0\0\0\x18\0\x82f1\x03\x82v1\x03\x0c\x01\xdf\xff\x02\x81n\x02\xcf\xff\x02" as &[u8],
            b"\x81m\x02\xf1\0\x10\x03\x81b\x02\xf1\xff\xef\x03\x81c\x02\xf2\0\x80\0\x04",
            b"\x81d\x02\xf3\xff\xff\x7f\xff\x05\x81e\x02\xf4\0\0\0\x80\0\0\0\0\x09",
            b"\x81x\x02\xf4\0\0\0\0\0\0\0\x80\x09\x81z\x02\x80\x01\x8201\x03\x82+1\x03\x81p\x02\xe0\x40",
        ]
        .concat();
        expected.extend_from_slice(&[b'p'; 64]);
        expected.extend_from_slice(b"\x42\xff");
        assert_eq!(listpack(&hash).as_bytes(), expected);
        assert_eq!(Listpack::from_bytes(expected), Some(listpack(&hash)));

        let sorted = b"\x1f\0\0\0\x06\0\x81b\x02\xdf8\x02\x81a\x02\x831.5\x04\x11\x01\x861e+300\x07\xff";
        assert_eq!(listpack(&[b"b", b"-200", b"a", b"1.5", b"17", b"1e+300"]).as_bytes(), sorted);

        let list = listpack(&[&[b'q'; 4094], &[b'w'; 4096], &[b'e'; 130]]);
        let bytes = list.as_bytes();
        assert_eq!((bytes.len(), &bytes[..9]), (0x2096, &b"\x96\x20\0\0\x03\0\xef\xfeq"[..]));
        assert_eq!(bytes[4102..4111], *b"\x20\x80\xf0\0\x10\0\0ww");
        assert_eq!(bytes[8203..8210], *b"ww\x20\x85\xe0\x82e");
        assert_eq!(bytes[8338..], *b"e\x01\x84\xff");
    }

    #[test]
    fn the_count_is_lost_at_65535_and_counted_then() {
        if cfg!(miri) {
            return; // Minutes of pushing.
        }
        let mut listpack = Listpack::new();
        (0..65_535).for_each(|_| listpack.push_back(1));
        assert_eq!((&listpack.as_bytes()[4..6], listpack.len()), (&b"\xff\xff"[..], 65_535));
        assert_eq!(listpack.seek(-1), listpack.last());
        assert_eq!(listpack.seek(-65_535), listpack.first());
        assert_eq!((listpack.seek(65_535), listpack.seek(-65_536)), (None, None));
        assert_eq!(listpack.delete_range(-2, 5), 2);
        assert_eq!((listpack.count(), listpack.len()), (None, 65_533));
        let tail = listpack.split_off(60_000);
        assert_eq!((listpack.count(), tail.count()), (Some(60_000), Some(5533)));
        listpack.append(&tail);
        assert_eq!(listpack.count(), Some(65_533));
        let again = Listpack::from_bytes(listpack.as_bytes().to_vec());
        assert_eq!(again.map(|listpack| listpack.len()), Some(65_533));
    }

    #[test]
    fn what_is_no_listpack() {
        let wrong: [&[u8]; 8] = [
            b"",
            b"\x06\0\0\0\0\0",
            b"\x07\0\0\0\0\0\xfe",
            b"\x08\0\0\0\0\0\xff",
            b"\x07\0\0\0\x01\0\xff",
            b"\x08\0\0\0\0\0\xff\xff",
            b"\x09\0\0\0\0\0\x01\x01\xff",
            b"\x09\0\0\0\x01\0\x01\x02\xff",
        ];
        for bytes in wrong {
            assert_eq!(Listpack::from_bytes(bytes.to_vec()), None, "{bytes:?}");
        }
        assert!(Listpack::from_bytes(b"\x09\0\0\0\x01\0\x01\x01\xff".to_vec()).is_some());
        // Numbers written longer than needed, and numbers kept as text, are somebody's right.
        let odd = Listpack::from_bytes(b"\x0d\0\0\0\x02\0\xc0\x01\x02\x811\x02\xff".to_vec()).unwrap();
        assert!(odd.iter().eq([Element::Int(1), Element::Bytes(b"1")]));
        assert_eq!(odd.find(b"1", 0), odd.first());
        assert!(odd.would_fit(super::LEN_SAFE - 13) && !odd.would_fit(super::LEN_SAFE - 12));
        assert_eq!(vec![odd.clone()], [odd]);
    }
}
