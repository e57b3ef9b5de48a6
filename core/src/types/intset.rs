//! The intset: a sorted array of different integers, all as wide as the widest needs.
//!
//! ```text
//! intset ┌ width: u32 ┬ count: u32 ┬ integer ┬ integer ┬ ...     all low byte first; width is 2, 4 or 8
//! ```
//! Small sets of integers are intsets. An integer too wide for the others lies outside their range, so it comes first
//! or last and all are rewritten at the new width; nothing makes them narrower again. These are the bytes that dumps
//! and snapshots contain.
//!
//! Invariant: the bytes are an intset as drawn, in rising order. [`Intset::from_bytes`] checks that once.
//!
//! Source: Valkey `intset.c`, for the format.

use alloc::vec::Vec;
use core::fmt;

use super::block::{Block, Change};

const HEADER_LEN: usize = 8;

/// Bytes of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    /// The width that an integer needs.
    fn of(value: i64) -> Self {
        match value {
            -0x8000..=0x7fff => Self::Two,
            -0x8000_0000..=0x7fff_ffff => Self::Four,
            _ => Self::Eight,
        }
    }
}

/// A sorted array of different integers.
#[derive(Clone)]
pub struct Intset {
    block: Block,
}

static_assertions::assert_eq_size!(Intset, [usize; 2]);

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl Intset {
    /// Returns an empty set.
    pub fn new() -> Self {
        Self { block: Block::new(&[2, 0, 0, 0, 0, 0, 0, 0], 0) }
    }

    /// Returns the set that these bytes are; `None` when they are none, or an empty one. O(bytes).
    #[deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let (header, integers) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let [a, b, c, d, count @ ..] = *header;
        let count = usize::try_from(u32::from_le_bytes(count)).ok()?;
        let width = match u32::from_le_bytes([a, b, c, d]) {
            2 => Width::Two,
            4 => Width::Four,
            8 => Width::Eight,
            _ => return None,
        };
        let fits = count > 0 && count.checked_mul(width as usize) == Some(integers.len());
        let rises = match width {
            Width::Two => integers.as_chunks().0.is_sorted_by(|a, b| of_two(a) < of_two(b)),
            Width::Four => integers.as_chunks().0.is_sorted_by(|a, b| of_four(a) < of_four(b)),
            Width::Eight => integers.as_chunks().0.is_sorted_by(|a, b| of_eight(a) < of_eight(b)),
        };
        (fits && rises).then(|| Self { block: Block::from_vec(bytes) })
    }

    /// Returns the set's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.block.bytes()[..self.bytes_len()]
    }

    /// Returns how many bytes the set has.
    pub fn bytes_len(&self) -> usize {
        HEADER_LEN + self.len() * self.width() as usize
    }

    /// Returns the heap memory it holds.
    pub fn memory(&self) -> usize {
        self.block.capacity()
    }

    /// Asks the processor to fetch how it begins.
    pub(crate) fn prefetch(&self) {
        self.block.prefetch();
    }

    /// Returns how many integers there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.block.bytes()[4..].first_chunk().map_or(0, |count| u32::from_le_bytes(*count) as usize)
    }

    /// Returns whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn width(&self) -> Width {
        match self.block.bytes()[0] {
            2 => Width::Two,
            4 => Width::Four,
            _ => Width::Eight,
        }
    }

    /// The integers' bytes.
    #[inline]
    fn integers(&self) -> &[u8] {
        &self.block.bytes()[HEADER_LEN..self.bytes_len()]
    }

    /// Returns the integer with this index, the smallest first.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        let integers = self.integers();
        match self.width() {
            Width::Two => integers.as_chunks().0.get(index).map(of_two),
            Width::Four => integers.as_chunks().0.get(index).map(of_four),
            Width::Eight => integers.as_chunks().0.get(index).map(of_eight),
        }
    }

    /// Returns the smallest integer.
    pub fn min(&self) -> Option<i64> {
        self.get(0)
    }

    /// Returns the largest integer.
    pub fn max(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Returns the integers in rising order; the iterator may be reversed.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone + use<'_> {
        (0..self.len()).map(|index| self.get(index).unwrap_or(0))
    }

    /// Returns whether the integer is there. O(log n).
    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Where an integer is, or else where it belongs.
    fn search(&self, value: i64) -> Result<usize, usize> {
        let integers = self.integers();
        match self.width() {
            Width::Two => integers.as_chunks().0.binary_search_by_key(&value, of_two),
            Width::Four => integers.as_chunks().0.binary_search_by_key(&value, of_four),
            Width::Eight => integers.as_chunks().0.binary_search_by_key(&value, of_eight),
        }
    }

    /// Adds an integer; `false` when it is there already. O(n).
    pub fn insert(&mut self, value: i64) -> bool {
        if Width::of(value) > self.width() {
            self.widen(Width::of(value));
        }
        // Most often integers come in rising order.
        let index = match self.max() {
            Some(max) if max < value => self.len(),
            _ => match self.search(value) {
                Ok(_) => return false,
                Err(index) => index,
            },
        };
        let (len, width) = (self.len(), self.width() as usize);
        let at = HEADER_LEN + index * width;
        self.block.change(self.bytes_len(), Change { at, old: 0, new: width });
        self.block.bytes_mut()[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.set_len(len + 1);
        true
    }

    /// Takes an integer out; `false` when it is not there. O(n).
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else { return false };
        let (len, width) = (self.len(), self.width() as usize);
        let at = HEADER_LEN + index * width;
        self.block.change(self.bytes_len(), Change { at, old: width, new: 0 });
        self.set_len(len - 1);
        true
    }

    #[cold]
    fn widen(&mut self, width: Width) {
        let len_bytes = HEADER_LEN + (self.len() + 1) * width as usize;
        let mut bytes = Vec::with_capacity(len_bytes);
        bytes.extend_from_slice(&[width as u8, 0, 0, 0]);
        bytes.extend_from_slice(&self.block.bytes()[4..HEADER_LEN]);
        self.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()[..width as usize]));
        self.block = Block::new(&bytes, len_bytes);
    }

    fn set_len(&mut self, len: usize) {
        let Ok(len) = u32::try_from(len) else { panic!("a set of integers is counted in 32 bits") };
        self.block.bytes_mut()[4..HEADER_LEN].copy_from_slice(&len.to_le_bytes());
    }
}

#[inline]
fn of_two(bytes: &[u8; 2]) -> i64 {
    i64::from(i16::from_le_bytes(*bytes))
}

#[inline]
fn of_four(bytes: &[u8; 4]) -> i64 {
    i64::from(i32::from_le_bytes(*bytes))
}

#[inline]
fn of_eight(bytes: &[u8; 8]) -> i64 {
    i64::from_le_bytes(*bytes)
}

impl PartialEq for Intset {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Intset {}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Checks that reading any bytes as an intset ends without a panic, and that what is read can be used.
///
/// # Panics
/// When it cannot.
#[cfg(any(test, fuzzing))]
pub fn check_intset(bytes: &[u8]) {
    let Some(mut set) = Intset::from_bytes(bytes.to_vec()) else { return };
    assert_eq!(set.as_bytes(), bytes);
    let all: Vec<i64> = set.iter().collect();
    assert!(all.is_sorted_by(|a, b| a < b));
    for &value in &all {
        assert!(set.contains(value) && !set.insert(value));
    }
    for edge in [i64::MIN, 0, i64::MAX] {
        assert_eq!(set.insert(edge), !all.contains(&edge));
    }
    for &value in &all {
        assert!(set.remove(value) && !set.remove(value));
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::{Intset, check_intset};
    use crate::rng::Rng;

    #[test]
    fn agrees_with_a_sorted_set() {
        let mut rng = Rng::new(23);
        for (round, bits) in [14, 15, 16, 31, 32, 62, 63, 64].into_iter().enumerate() {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            let mut recent = 0;
            for step in 0..if cfg!(miri) { 40 } else { 2000 } {
                // Narrow ones first, so that the set is widened when it is full.
                let bits = if step < 30 { 6 } else { bits };
                let drawn = rng.next_u64().cast_signed() >> (64 - bits);
                let value = if rng.below(3) == 0 { recent } else { drawn };
                if rng.below(5) < 3 + round as u64 % 2 {
                    assert_eq!(set.insert(value), model.insert(value));
                    recent = value;
                } else {
                    assert_eq!(set.remove(value), model.remove(&value));
                }
                assert_eq!(set.contains(drawn), model.contains(&drawn));
                assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
                assert_eq!((set.min(), set.max()), (model.first().copied(), model.last().copied()));
                assert!(set.memory() >= set.bytes_len());
                if step % 16 == 0 && !model.is_empty() {
                    assert!(set.iter().eq(model.iter().copied()));
                    assert!(set.iter().rev().eq(model.iter().rev().copied()));
                    assert_eq!(Intset::from_bytes(set.as_bytes().to_vec()), Some(set.clone()));
                }
            }
        }
    }

    //= security CVE-2026-25243: damaged encodings are refused, or harmless
    #[test]
    fn any_bytes() {
        let mut rng = Rng::new(24);
        for _ in 0..if cfg!(miri) { 50 } else { 20_000 } {
            let mut set = Intset::new();
            let bits = 8 + rng.below(56);
            for _ in 0..rng.below(6) {
                set.insert(rng.next_u64().cast_signed() >> bits);
            }
            let mut bytes = set.as_bytes().to_vec();
            for _ in 0..rng.below(3) {
                let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
                bytes[at] = u8::try_from(rng.below(256)).unwrap();
            }
            check_intset(&bytes);
        }
        let wrong: [&[u8]; 6] = [
            b"",
            b"\x02\0\0\0\0\0\0\0",
            b"\x03\0\0\0\x01\0\0\0\x01\0\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0",
            b"\x08\0\0\0\xff\xff\xff\xff\x01\0\0\0\0\0\0\0",
        ];
        for bytes in wrong {
            assert_eq!(Intset::from_bytes(bytes.to_vec()), None, "{bytes:?}");
        }
    }

    #[test]
    fn bytes_are_those_in_the_reference_s_dumps() {
        let bytes = |values: &[i64]| {
            let mut set = Intset::new();
            for &value in values {
                set.insert(value);
            }
            set.as_bytes().to_vec()
        };
        let narrow = b"\x02\0\0\0\x04\0\0\0\xfb\xff\x01\0\x02\0\x03\0";
        assert_eq!(bytes(&[3, 1, 2, -5]), narrow);
        let wider = b"\x04\0\0\0\x06\0\0\0\xff\x7f\xff\xff\xfb\xff\xff\xff\x01\0\0\0\x02\0\0\0\x03\0\0\0\x70\x11\x01\0";
        assert_eq!(bytes(&[3, 1, 2, -5, 70_000, -32_769]), wider);
        let widest = bytes(&[3, 1, 2, -5, 70_000, -32_769, 1 << 40, i64::MIN]);
        assert_eq!(widest[..24], *b"\x08\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\x80\xff\x7f\xff\xff\xff\xff\xff\xff");
        assert_eq!(widest[56..], *b"\x70\x11\x01\0\0\0\0\0\0\0\0\0\0\x01\0\0");
    }
}
