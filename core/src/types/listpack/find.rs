//! Searching a listpack.
//!
//! What takes the time is that an entry must be read before it is known where the next begins. Where an element is
//! there only once, as keys are, [`find_unique`] searches from both ends at a time: the processor runs the
//! two chains of loads side by side, and a hit is a quarter of the entries away on average.

use super::Element;
use super::encoding::{decode, decode_int, entry_len, last_entry_len};
use crate::num::parse_i64;

/// What is searched for.
struct Needle<'a> {
    bytes: &'a [u8],
    /// The first byte of its entry as a short string; none that a short string has when it is too long for one.
    head: u8,
    number: Option<i64>,
}

impl<'a> Needle<'a> {
    #[inline]
    fn new(bytes: &'a [u8]) -> Self {
        let head = u8::try_from(bytes.len()).ok().filter(|&len| len < 0x40).map_or(0, |len| len | 0x80);
        Self { bytes, head, number: parse_i64(bytes) }
    }

    /// Whether the entry that these bytes begin with is it, and how long the entry is.
    #[inline(always)]
    fn check(&self, entry: &[u8]) -> (bool, usize) {
        let head = entry[0];
        match head {
            0..0x80 => (self.number == Some(i64::from(head)), 2),
            0x80..0xc0 => {
                // The last byte first: keys of one kind often begin alike. (Of the empty string it is the head.)
                let len = self.bytes.len();
                let last = self.bytes.last().copied().unwrap_or(head);
                let hit = head == self.head && entry[len] == last && entry[1..=len] == *self.bytes;
                (hit, usize::from(head & 0x3f) + 2)
            }
            0xe0..=0xf0 => self.check_long(entry),
            _ => {
                let (value, len) = decode_int(entry);
                (self.number == Some(value), len)
            }
        }
    }

    #[inline(never)]
    fn check_long(&self, entry: &[u8]) -> (bool, usize) {
        let (element, len) = decode(entry);
        (element == Element::Bytes(self.bytes), len)
    }
}

/// The offset of the first entry that is `bytes`, of those that are looked at.
pub(super) fn find(entries: &[u8], bytes: &[u8], skip: usize) -> Option<usize> {
    let (needle, mut rest) = (Needle::new(bytes), entries);
    while !rest.is_empty() {
        let (hit, len) = needle.check(rest);
        if hit {
            return Some(entries.len() - rest.len());
        }
        rest = after(&rest[len..], skip)?;
    }
    None
}

/// The offset of the entry that is `bytes` and the first of a group of 1 + `skip`; there are so many groups.
pub(super) fn find_unique(entries: &[u8], bytes: &[u8], skip: usize, groups: usize) -> Option<usize> {
    let needle = Needle::new(bytes);
    let (mut left, mut right, mut groups) = (entries, entries, groups);
    while groups > 0 {
        let (hit, len) = needle.check(left);
        if hit {
            return Some(entries.len() - left.len());
        }
        if groups == 1 {
            return None;
        }
        left = after(&left[len..], skip)?;
        right = before(right, skip + 1)?;
        if needle.check(&entries[right.len()..]).0 {
            return Some(right.len());
        }
        groups -= 2;
    }
    None
}

/// What comes after so many entries; `None` when there are fewer.
#[inline]
fn after(mut rest: &[u8], count: usize) -> Option<&[u8]> {
    for _ in 0..count {
        if rest.is_empty() {
            return None;
        }
        rest = &rest[entry_len(rest)..];
    }
    Some(rest)
}

/// What comes before the last so many entries; `None` when there are fewer.
#[inline]
fn before(mut rest: &[u8], count: usize) -> Option<&[u8]> {
    for _ in 0..count {
        if rest.is_empty() {
            return None;
        }
        rest = &rest[..rest.len() - last_entry_len(rest)];
    }
    Some(rest)
}
