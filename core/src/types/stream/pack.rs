//! The bytes of a node: the part of a listpack that a stream needs.
//!
//! ```text
//! ┌ total bytes u32 ┬ elements u16 ┬ element … ┬ 0xFF ┐     numbers little endian; elements 65535: not counted
//! element = ┌ encoding, value ┬ backlen ┐                  backlen: length of what precedes it, 7 bits a byte,
//!                                                          the most significant first, bit 7 set in all but that
//! 0vvvvvvv         0 to 127            │ 10llllll         l bytes
//! 110vvvvv v       -4096 to 4095       │ 1110llll l       l bytes, 12 bits
//! F1 vv, F2 vvv, F3 vvvv, F4 v×8       │ F0 llll          l bytes, 32 bits
//! ```
//! A text that is a strict integer is stored as one, so a [`Value`] that is a number prints as the text that was
//! added. Invariant: a [`Pack`] holds whole, correctly framed elements between its header and its terminator.
//! A [`Reader`] still checks every step, so that no bytes at all can make it panic.
//!
//! This file is to give way to the shared `Listpack`; nothing outside it knows the layout.
//! Source: Valkey 9.1 `listpack.c`.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use crate::num;

/// Total bytes and element count.
const HEADER_LEN: usize = 6;
const TERMINATOR: u8 = 0xff;
/// A header's count that says: walk and count.
const UNCOUNTED: u16 = u16::MAX;
/// What an element costs besides its text, at most.
pub(super) const ELEMENT_OVERHEAD_MAX: usize = 10;
/// Bytes of an empty pack.
pub(super) const EMPTY_LEN: usize = HEADER_LEN + 1;

/// An element: a number, or bytes that are not the text of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number, whose text is the element.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The text of the element; the buffer takes it when it is a number.
    pub fn text<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(value) => buffer.format(value).as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The element's text is this one.
    pub fn is(self, text: &[u8]) -> bool {
        self.text(&mut itoa::Buffer::new()) == text
    }

    /// The number that the element is. Foreign writers may have stored one as bytes.
    pub(super) fn int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bytes(bytes) => num::parse_i64(bytes),
        }
    }
}

/// Elements back to back in one allocation.
#[derive(Clone, Debug)]
pub(super) struct Pack {
    bytes: Vec<u8>,
}

impl Pack {
    /// An empty pack with room for `capacity` bytes.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity.max(EMPTY_LEN));
        bytes.extend_from_slice(&[0; HEADER_LEN]);
        bytes.push(TERMINATOR);
        let mut pack = Self { bytes };
        pack.write_header(0);
        pack
    }

    /// The pack that these bytes are; `None` when any length in them is wrong.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let (&total, rest) = bytes.split_first_chunk::<4>()?;
        let (&count, _) = rest.split_first_chunk::<2>()?;
        if usize::try_from(u32::from_le_bytes(total)).ok()? != bytes.len() || bytes.len() < EMPTY_LEN {
            return None;
        }
        let end = bytes.len().checked_sub(1)?;
        let (mut at, mut elements) = (HEADER_LEN, 0usize);
        while at < end {
            at = checked_element_end(&bytes, at)?;
            elements = elements.checked_add(1)?;
        }
        let count = u16::from_le_bytes(count);
        let is_counted = count == UNCOUNTED || usize::from(count) == elements;
        (at == end && bytes.last() == Some(&TERMINATOR) && is_counted).then_some(Self { bytes })
    }

    /// All bytes, header and terminator included: what data files carry.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of [`Self::as_bytes`].
    pub(super) fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the allocation.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back what is not in use.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Adds elements at the end.
    pub(super) fn append(&mut self, add: impl FnOnce(&mut Appender<'_>)) {
        self.bytes.pop();
        let count = self.bytes.get(4..HEADER_LEN).map_or(UNCOUNTED, |count| match *count {
            [low, high] => u16::from_le_bytes([low, high]),
            _ => UNCOUNTED,
        });
        let mut appender = Appender { bytes: &mut self.bytes, count };
        add(&mut appender);
        let count = appender.count;
        self.bytes.push(TERMINATOR);
        self.write_header(count);
    }

    /// Puts a number in the place of the element at offset `at`, an offset that a reader of this pack gave.
    pub(super) fn replace_int(&mut self, at: usize, value: i64) {
        let Some(end) = element_end(&self.bytes, at) else { return };
        let encoded = IntCode::new(value);
        let (code, new_end) = (encoded.bytes(), at.saturating_add(encoded.len).saturating_add(1));
        let backlen = u8::try_from(encoded.len).unwrap_or(0);
        if new_end == end
            && let Some(element) = self.bytes.get_mut(at..end)
        {
            element.iter_mut().zip(code.iter().chain([&backlen])).for_each(|(into, from)| *into = *from);
            return;
        }
        if new_end > end {
            // A node at rest has no spare room and should not get much.
            self.bytes.reserve_exact(new_end.saturating_sub(end));
        }
        self.bytes.splice(at..end, code.iter().copied().chain([backlen]));
        self.write_total();
    }

    /// A reader before the first element.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { bytes: &self.bytes, at: HEADER_LEN }
    }

    /// A reader before the element at an offset that [`Reader::offset`] gave.
    pub(super) fn reader_at(&self, at: usize) -> Reader<'_> {
        Reader { bytes: &self.bytes, at }
    }

    /// A reader behind the last element.
    pub(super) fn reader_at_end(&self) -> Reader<'_> {
        Reader { bytes: &self.bytes, at: self.bytes.len().saturating_sub(1) }
    }

    fn write_header(&mut self, count: u16) {
        if let Some(field) = self.bytes.get_mut(4..6) {
            field.copy_from_slice(&count.to_le_bytes());
        }
        self.write_total();
    }

    fn write_total(&mut self) {
        // Nodes stay below 4 GiB: an entry that would pass it is refused before it is written.
        let total = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.get_mut(..4) {
            field.copy_from_slice(&total.to_le_bytes());
        }
    }
}

/// Adds elements to a pack that is open at its end.
pub(super) struct Appender<'a> {
    bytes: &'a mut Vec<u8>,
    count: u16,
}

impl Appender<'_> {
    /// Adds a number.
    #[inline]
    pub(super) fn push_int(&mut self, value: i64) {
        // 65535 itself means "not counted": from there on the count stays.
        self.count = self.count.saturating_add(1);
        if let Ok(small @ 0..=127) = u8::try_from(value) {
            return self.bytes.extend_from_slice(&[small, 1]);
        }
        let encoded = IntCode::new(value);
        self.bytes.extend_from_slice(encoded.bytes());
        push_backlen(self.bytes, encoded.len);
    }

    /// Adds a text, as a number if it is one.
    pub(super) fn push_bytes(&mut self, text: &[u8]) {
        if let Some(value) = num::parse_i64(text) {
            return self.push_int(value);
        }
        self.count = self.count.saturating_add(1);
        let before = self.bytes.len();
        push_text_head(self.bytes, text.len());
        self.bytes.extend_from_slice(text);
        push_backlen(self.bytes, self.bytes.len().saturating_sub(before));
    }
}

/// A place between two elements of a pack, or at either end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Where the next element starts.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// No element follows.
    pub(super) fn is_at_end(&self) -> bool {
        self.at.saturating_add(1) >= self.bytes.len()
    }

    /// The next element.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Value<'a>> {
        let (value, encoded_len) = decode(self.bytes.get(self.at..)?)?;
        self.at = self.at.checked_add(encoded_len)?.checked_add(backlen_len(encoded_len))?;
        Some(value)
    }

    /// The next element, which must be a number.
    #[inline]
    pub(super) fn next_int(&mut self) -> Option<i64> {
        if let Some(&small) = self.bytes.get(self.at).filter(|&&first| first < 0x80) {
            self.at = self.at.saturating_add(2);
            return Some(i64::from(small));
        }
        self.next()?.int()
    }

    /// The next element as a number, without passing it.
    #[inline]
    pub(super) fn peek_int(&self) -> Option<i64> {
        let mut ahead = *self;
        ahead.next_int()
    }

    /// Passes `count` elements.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        let mut at = self.at;
        for _ in 0..count {
            let first = *self.bytes.get(at)?;
            at = match SHORT_LEN.get(usize::from(first)) {
                Some(&len @ 1..) => at.saturating_add(usize::from(len)),
                _ => element_end(self.bytes, at)?,
            };
        }
        self.at = at;
        Some(())
    }

    /// Goes back to the start of the element before.
    #[inline]
    pub(super) fn back(&mut self) -> Option<()> {
        let (start, _) = backlen_before(self.bytes, self.at)?;
        self.at = start;
        Some(())
    }
}

/// Whole length of an element by its first byte, 0 where that does not say it: passing elements is most of the work
/// of finding an entry.
const SHORT_LEN: [u8; 256] = short_len();

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "computed by the compiler")]
const fn short_len() -> [u8; 256] {
    let mut table = [0; 256];
    let mut first = 0u8;
    while first < 0xff {
        table[first as usize] = match first {
            0..=0x7f => 2,
            0x80..=0xbf => (first & 0x3f) + 2,
            0xc0..=0xdf => 3,
            0xf1 => 4,
            0xf2 => 5,
            0xf3 => 6,
            0xf4 => 10,
            _ => 0,
        };
        first += 1;
    }
    table
}

/// The element at the beginning of `bytes`, and the length of its encoding without backlen.
#[inline]
fn decode(bytes: &[u8]) -> Option<(Value<'_>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    Some(match first {
        0..=0x7f => (Value::Int(i64::from(first)), 1),
        0x80..=0xbf => text(rest, usize::from(first & 0x3f), 1)?,
        0xc0..=0xdf => {
            let bits = u16::from_be_bytes([first & 0x1f, *rest.first()?]);
            (Value::Int(i64::from((bits << 3).cast_signed() >> 3)), 2)
        }
        0xe0..=0xef => {
            let len = u16::from_be_bytes([first & 0x0f, *rest.first()?]);
            text(rest.get(1..)?, usize::from(len), 2)?
        }
        0xf0 => {
            let (&len, rest) = rest.split_first_chunk::<4>()?;
            text(rest, usize::try_from(u32::from_le_bytes(len)).ok()?, 5)?
        }
        0xf1 => (Value::Int(i64::from(i16::from_le_bytes(*rest.first_chunk()?))), 3),
        0xf2 => {
            let &[low, middle, high] = rest.first_chunk()?;
            (Value::Int(i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8)), 4)
        }
        0xf3 => (Value::Int(i64::from(i32::from_le_bytes(*rest.first_chunk()?))), 5),
        0xf4 => (Value::Int(i64::from_le_bytes(*rest.first_chunk()?)), 9),
        _ => return None,
    })
}

#[inline]
fn text(rest: &[u8], len: usize, head_len: usize) -> Option<(Value<'_>, usize)> {
    Some((Value::Bytes(rest.get(..len)?), len.checked_add(head_len)?))
}

/// Where the element at `at` ends, its backlen included.
#[inline]
fn element_end(bytes: &[u8], at: usize) -> Option<usize> {
    let (_, encoded_len) = decode(bytes.get(at..)?)?;
    at.checked_add(encoded_len)?.checked_add(backlen_len(encoded_len))
}

/// Same for bytes of unknown origin: the backlen must lead back to `at` and leave room for the terminator.
fn checked_element_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = element_end(bytes, at).filter(|&end| end < bytes.len())?;
    let (start, backlen_len_found) = backlen_before(bytes, end)?;
    let (_, encoded_len) = decode(bytes.get(at..)?)?;
    (start == at && backlen_len_found == backlen_len(encoded_len)).then_some(end)
}

/// Bytes that the backlen of an encoding takes.
#[inline]
fn backlen_len(encoded_len: usize) -> usize {
    match encoded_len {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x001f_ffff => 3,
        0x0020_0000..=0x0fff_ffff => 4,
        _ => 5,
    }
}

/// Start of the element that ends at `end`, and the length of its backlen.
#[inline]
fn backlen_before(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let mut encoded_len = 0usize;
    for taken in 1..=5u32 {
        let at = end.checked_sub(usize::try_from(taken).ok()?)?;
        let byte = *bytes.get(at)?;
        encoded_len |= usize::from(byte & 0x7f).checked_shl(taken.saturating_sub(1).saturating_mul(7))?;
        if byte & 0x80 == 0 {
            let start = at.checked_sub(encoded_len).filter(|&start| start >= HEADER_LEN)?;
            return Some((start, end.checked_sub(at)?));
        }
    }
    None
}

#[inline]
fn push_backlen(bytes: &mut Vec<u8>, encoded_len: usize) {
    if let Ok(short @ 0..=0x7f) = u8::try_from(encoded_len) {
        return bytes.push(short);
    }
    let more = backlen_len(encoded_len).saturating_sub(1);
    for index in (0..=more).rev() {
        let shifted = u32::try_from(index).map_or(0, |index| encoded_len >> index.saturating_mul(7).min(31));
        let digit = shifted.to_le_bytes().first().map_or(0, |low| low & 0x7f);
        bytes.push(if index == more { digit } else { digit | 0x80 });
    }
}

fn push_text_head(bytes: &mut Vec<u8>, len: usize) {
    let [low, second, third, fourth] = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    match len {
        0..64 => bytes.push(0x80 | low),
        64..4096 => bytes.extend_from_slice(&[0xe0 | second, low]),
        _ => bytes.extend_from_slice(&[0xf0, low, second, third, fourth]),
    }
}

/// The shortest encoding of a number.
struct IntCode {
    bytes: [u8; 9],
    len: usize,
}

impl IntCode {
    #[inline]
    fn new(value: i64) -> Self {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = value.to_le_bytes();
        match value {
            0..=127 => Self { bytes: [b0, 0, 0, 0, 0, 0, 0, 0, 0], len: 1 },
            -4096..=4095 => Self { bytes: [0xc0 | (b1 & 0x1f), b0, 0, 0, 0, 0, 0, 0, 0], len: 2 },
            -0x8000..=0x7fff => Self { bytes: [0xf1, b0, b1, 0, 0, 0, 0, 0, 0], len: 3 },
            -0x80_0000..=0x7f_ffff => Self { bytes: [0xf2, b0, b1, b2, 0, 0, 0, 0, 0], len: 4 },
            -0x8000_0000..=0x7fff_ffff => Self { bytes: [0xf3, b0, b1, b2, b3, 0, 0, 0, 0], len: 5 },
            _ => Self { bytes: [0xf4, b0, b1, b2, b3, b4, b5, b6, b7], len: 9 },
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Pack, Value};
    use crate::engine::Rng;

    fn values(pack: &Pack) -> Vec<Value<'_>> {
        let mut reader = pack.reader();
        let all = core::iter::from_fn(|| reader.next()).collect();
        assert!(reader.is_at_end());
        all
    }

    #[test]
    fn numbers_and_texts_come_back_both_ways() {
        let ints: Vec<i64> = [0, 12, 63, 127, 128, 4095, 4096, 32767, 32768, 8_388_607, 8_388_608, 1 << 31]
            .iter()
            .flat_map(|&value| [value, -value, -value - 1])
            .chain([i64::MIN, i64::MAX])
            .collect();
        let texts: Vec<Vec<u8>> =
            [0, 1, 63, 64, 126, 127, 4095, 4096, 16_381, 70_000].iter().map(|&len| vec![b'x'; len]).collect();
        let mut pack = Pack::with_capacity(0);
        pack.append(|out| ints.iter().for_each(|&value| out.push_int(value)));
        pack.append(|out| texts.iter().for_each(|text| out.push_bytes(text)));
        pack.append(|out| out.push_bytes(b"-17"));
        pack.append(|out| out.push_bytes(b"017"));
        let read = values(&pack);
        let expected: Vec<Value<'_>> = (ints.iter().map(|&value| Value::Int(value)))
            .chain(texts.iter().map(|text| Value::Bytes(text)))
            .chain([Value::Int(-17), Value::Bytes(b"017")])
            .collect();
        assert_eq!(read, expected);
        let mut reader = pack.reader_at_end();
        for value in expected.iter().rev() {
            reader.back().unwrap();
            assert_eq!(reader.clone().next(), Some(*value));
        }
        assert_eq!(reader.back(), None);
        let again = Pack::from_bytes(pack.as_bytes().to_vec()).unwrap();
        assert_eq!(values(&again), expected);
    }

    #[test]
    fn replacing_a_number_moves_the_rest() {
        let mut pack = Pack::with_capacity(0);
        pack.append(|out| [1, 2, 3].iter().for_each(|&value| out.push_int(value)));
        let mut reader = pack.reader();
        reader.skip(1).unwrap();
        let at = reader.offset();
        for value in [5, 127, 128, -1, i64::MAX, 7] {
            pack.replace_int(at, value);
            assert_eq!(values(&pack), [Value::Int(1), Value::Int(value), Value::Int(3)]);
            assert!(Pack::from_bytes(pack.as_bytes().to_vec()).is_some());
        }
    }

    #[test]
    fn counting_ends_at_65535() {
        if cfg!(miri) {
            return;
        }
        let mut pack = Pack::with_capacity(0);
        pack.append(|out| (0..65_540).for_each(|_| out.push_int(1)));
        assert_eq!(pack.as_bytes()[4..6], [255, 255]);
        assert!(Pack::from_bytes(pack.as_bytes().to_vec()).is_some());
    }

    #[test]
    fn broken_bytes_are_refused_or_harmless() {
        let mut pack = Pack::with_capacity(0);
        let long = "a longer text that is more than sixty-three bytes long, as can be seen";
        let texts = ["field", "12", "-5000", "99999999", long];
        pack.append(|out| texts.iter().for_each(|text| out.push_bytes(text.as_bytes())));
        let good = pack.as_bytes();
        for len in 0..good.len() {
            assert!(Pack::from_bytes(good[..len].to_vec()).is_none());
        }
        let mut rng = Rng::new(11);
        for _ in 0..if cfg!(miri) { 300 } else { 30_000 } {
            let mut bytes = good.to_vec();
            for _ in 0..=rng.below(2) {
                let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
                bytes[at] = rng.next_u64().to_le_bytes()[0];
            }
            let Some(pack) = Pack::from_bytes(bytes) else { continue };
            let forward = values(&pack).len();
            let mut reader = pack.reader_at_end();
            let backward = core::iter::from_fn(|| reader.back()).count();
            assert_eq!(forward, backward);
        }
    }
}
