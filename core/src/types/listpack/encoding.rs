//! The bytes of one entry.
//!
//! ```text
//! entry ┌ head ┬ body ┬ back-length ┐
//!
//! head                        body            what
//! 0xxxxxxx                                    integer 0..=127
//! 10llllll                    l bytes         string
//! 110xxxxx xxxxxxxx                           integer of 13 bits, the high ones first
//! 1110llll llllllll           l bytes         string
//! f0 l l l l                  l bytes         string; the length's low byte first
//! f1 x x                                      integer of 16 bits; the low byte first, as in all below
//! f2 x x x                                    integer of 24 bits
//! f3 x x x x                                  integer of 32 bits
//! f4 x x x x x x x x                          integer of 64 bits
//! ff                                          the end; never in an entry
//! ```
//! The back-length is the length of head and body in groups of seven bits, the high group first; every byte but the
//! first has its top bit set. Read from the end it needs no other mark, so entries are walked in both directions.
//!
//! Everything here but [`checked_len`] trusts the bytes: they were checked when they came in.

use super::Element;
use crate::num::parse_i64;

/// Ends a listpack.
pub(super) const END: u8 = 0xff;

#[cold]
fn not_an_entry() -> ! {
    unreachable!("entries are checked when they come in")
}

/// Length of the entry that these bytes begin with, its back-length included.
#[inline]
pub(super) fn entry_len(bytes: &[u8]) -> usize {
    // The usual ones by comparisons: a table would put one more load between an entry and the next.
    match bytes[0] {
        0..0x80 => 2,
        head @ 0x80..0xc0 => usize::from(head & 0x3f) + 2,
        0xc0..0xe0 => 3,
        _ => rare_entry_len(bytes),
    }
}

fn rare_entry_len(bytes: &[u8]) -> usize {
    match bytes[0] {
        head @ 0xf1..=0xf3 => usize::from(head - 0xf1) + 4,
        0xf4 => 10,
        _ => {
            let (head, body) = long_string_lens(bytes);
            head + body + back_len_len(head + body)
        }
    }
}

/// Lengths of head and body of a string with a long head.
fn long_string_lens(bytes: &[u8]) -> (usize, usize) {
    match *bytes {
        [head @ 0xe0..=0xef, low, ..] => (2, usize::from(u16::from_be_bytes([head & 0xf, low]))),
        [0xf0, a, b, c, d, ..] => (5, u32::from_le_bytes([a, b, c, d]) as usize),
        _ => not_an_entry(),
    }
}

/// The element that these bytes begin with, and its entry's length.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> (Element<'_>, usize) {
    let head = bytes[0];
    match head {
        0..0x80 => (Element::Int(i64::from(head)), 2),
        0x80..0xc0 => {
            let len = usize::from(head & 0x3f);
            (Element::Bytes(&bytes[1..=len]), len + 2)
        }
        0xe0..=0xf0 => {
            let (head, body) = long_string_lens(bytes);
            (Element::Bytes(&bytes[head..head + body]), head + body + back_len_len(head + body))
        }
        _ => {
            let (value, len) = decode_int(bytes);
            (Element::Int(value), len)
        }
    }
}

/// The integer that these bytes begin with, when it has more than one byte, and its entry's length.
#[inline]
pub(super) fn decode_int(bytes: &[u8]) -> (i64, usize) {
    if let [head @ 0xc0..=0xdf, low, ..] = *bytes {
        return (i64::from(i16::from_be_bytes([head << 3 | low >> 5, low << 3]) >> 3), 3);
    }
    match *bytes {
        [0xf1, a, b, ..] => (i64::from(i16::from_le_bytes([a, b])), 4),
        [0xf2, a, b, c, ..] => (i64::from(i32::from_le_bytes([0, a, b, c]) >> 8), 5),
        [0xf3, a, b, c, d, ..] => (i64::from(i32::from_le_bytes([a, b, c, d])), 6),
        [0xf4, a, b, c, d, e, f, g, h, ..] => (i64::from_le_bytes([a, b, c, d, e, f, g, h]), 10),
        _ => not_an_entry(),
    }
}

/// Length of the entry that these bytes end with.
#[inline]
pub(super) fn last_entry_len(bytes: &[u8]) -> usize {
    let last = bytes[bytes.len() - 1];
    if last < 0x80 {
        return usize::from(last) + 1;
    }
    let (mut len, mut shift) = (0, 0);
    for &byte in bytes.iter().rev().take(5) {
        len |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift += 7;
    }
    len + back_len_len(len)
}

/// Length of the back-length that stands for `len`.
#[inline]
fn back_len_len(len: usize) -> usize {
    match len {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// The back-length that stands for `len`; only the last `back_len_len` bytes count.
#[expect(clippy::cast_possible_truncation, reason = "seven bits each")]
fn back_len(len: usize) -> [u8; 5] {
    let group = |number: u32| (len >> (7 * number)) as u8 & 0x7f;
    let mut bytes = [group(4) | 0x80, group(3) | 0x80, group(2) | 0x80, group(1) | 0x80, group(0) | 0x80];
    bytes[5 - back_len_len(len)] &= 0x7f;
    bytes
}

/// Length of the entry that bytes of unknown origin begin with; `None` where none does.
#[deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
pub(super) fn checked_len(bytes: &[u8]) -> Option<usize> {
    let len = match *bytes {
        [0..=0x7f, ..] => 1,
        [head @ 0x80..=0xbf, ..] => usize::from(head & 0x3f).checked_add(1)?,
        [0xc0..=0xdf, ..] => 2,
        [head @ 0xe0..=0xef, low, ..] => usize::from(u16::from_be_bytes([head & 0xf, low])).checked_add(2)?,
        [0xf0, a, b, c, d, ..] => usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?.checked_add(5)?,
        [0xf1, ..] => 3,
        [0xf2, ..] => 4,
        [0xf3, ..] => 5,
        [0xf4, ..] => 9,
        _ => return None,
    };
    let (back, back_len_len) = (back_len(len), back_len_len(len));
    let back = back.last_chunk::<5>()?.get(5usize.checked_sub(back_len_len)?..)?;
    (bytes.get(len..)?.get(..back_len_len)? == back).then_some(len.checked_add(back_len_len)?)
}

/// An entry that is about to be written.
#[derive(Debug)]
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// The shortest entry for an element.
    #[inline]
    pub(super) fn new(element: Element<'a>) -> Self {
        match element {
            Element::Int(value) => Self::int(value),
            Element::Bytes(bytes) => parse_i64(bytes).map_or_else(|| Self::string(bytes), Self::int),
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the arms bound the length")]
    fn string(body: &'a [u8]) -> Self {
        let (mut head, len) = ([0; 9], body.len());
        let head_len = match len {
            0..0x40 => {
                head[0] = 0x80 | len as u8;
                1
            }
            0x40..0x1000 => {
                head[..2].copy_from_slice(&(0xe000 | len as u16).to_be_bytes());
                2
            }
            _ => {
                head[0] = 0xf0;
                head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
                5
            }
        };
        Self { head, head_len, body }
    }

    fn int(value: i64) -> Self {
        let low = value.to_le_bytes();
        let (first, len) = match value {
            0..=0x7f => return Self::with_head([low[0], 0, 0, 0, 0, 0, 0, 0, 0], 1),
            -0x1000..=0xfff => {
                return Self::with_head([0xc0 | low[1] & 0x1f, low[0], 0, 0, 0, 0, 0, 0, 0], 2);
            }
            -0x8000..=0x7fff => (0xf1, 3),
            -0x80_0000..=0x7f_ffff => (0xf2, 4),
            -0x8000_0000..=0x7fff_ffff => (0xf3, 5),
            _ => (0xf4, 9),
        };
        let [a, b, c, d, e, f, g, h] = low;
        Self::with_head([first, a, b, c, d, e, f, g, h], len)
    }

    fn with_head(head: [u8; 9], head_len: usize) -> Self {
        Self { head, head_len, body: &[] }
    }

    /// The entry's length, its back-length included.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let len = self.head_len + self.body.len();
        len + back_len_len(len)
    }

    /// Writes the entry to exactly as many bytes as it is long.
    #[inline]
    pub(super) fn write(&self, into: &mut [u8]) {
        let len = self.head_len + self.body.len();
        match self.head_len {
            1 => into[0] = self.head[0],
            head_len => into[..head_len].copy_from_slice(&self.head[..head_len]),
        }
        into[self.head_len..len].copy_from_slice(self.body);
        match &mut into[len..] {
            [one] => *one = u8::try_from(len).unwrap_or(0),
            more => {
                let back = back_len(len);
                more.copy_from_slice(&back[5 - more.len()..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Element, Encoded, checked_len, decode, entry_len, last_entry_len};

    fn entry(element: Element<'_>) -> Vec<u8> {
        let encoded = Encoded::new(element);
        let mut bytes = vec![0; encoded.len()];
        encoded.write(&mut bytes);
        bytes
    }

    fn check(element: Element<'_>) -> Vec<u8> {
        let mut bytes = entry(element);
        let len = bytes.len();
        assert_eq!(checked_len(&bytes), Some(len));
        assert_eq!(checked_len(&bytes[..len - 1]), None);
        assert_eq!(last_entry_len(&bytes), len);
        bytes.push(7);
        assert_eq!((decode(&bytes), entry_len(&bytes)), ((element, len), len));
        bytes.pop();
        bytes
    }

    #[test]
    fn integers_at_the_edges_of_each_width() {
        for bits in [7, 12, 15, 23, 31, 62] {
            for near in -2..=2 {
                check(Element::Int((1i64 << bits) + near));
                check(Element::Int(-(1i64 << bits) + near));
            }
        }
        assert_eq!(check(Element::Int(127)), [0x7f, 1]);
        assert_eq!(check(Element::Int(-1)), [0xdf, 0xff, 2]);
        assert_eq!(check(Element::Int(-4096)), [0xd0, 0x00, 2]);
        assert_eq!(check(Element::Int(4096)), [0xf1, 0x00, 0x10, 3]);
        assert_eq!(check(Element::Int(-32769)), [0xf2, 0xff, 0x7f, 0xff, 4]);
        assert_eq!(check(Element::Int(i64::MIN)), [0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9]);
        check(Element::Int(i64::MAX));
    }

    #[test]
    fn strings_at_the_edges_of_each_head_and_back_length() {
        for len in [0, 1, 63, 64, 125, 126, 127, 4095, 4096, 16381, 16382, 16383, 2_097_146, 2_097_147] {
            check(Element::Bytes(&vec![b'x'; if cfg!(miri) { len.min(20_000) } else { len }]));
        }
        assert_eq!(entry(Element::Bytes(b"ab")), [0x82, b'a', b'b', 3]);
        assert_eq!(entry(Element::Bytes(b"17")), [17, 1]);
    }

    #[test]
    fn what_is_no_entry() {
        let wrong: [&[u8]; 9] = [
            b"",
            &[0xff],
            &[0xf5, 1],
            &[0x00, 0x02],
            &[0x81, b'a', 0x82],
            &[0xe0],
            &[0xf0, 1, 0, 0],
            &[0xf0, 0xff, 0xff, 0xff, 0xff, 0],
            &[0xc0, 0x00, 0x80, 0x82],
        ];
        for bytes in wrong {
            assert_eq!(checked_len(bytes), None, "{bytes:?}");
        }
    }
}
