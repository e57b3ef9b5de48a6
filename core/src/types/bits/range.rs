//! Counting bits and finding the first one, in a string or a range of it.

use super::count;

/// What the two ends of a range count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    #[default]
    Byte,
    /// Bits.
    Bit,
}

impl Unit {
    /// `BYTE` or `BIT`, in letters of any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.eq_ignore_ascii_case(b"bit") {
            return Some(Self::Bit);
        }
        text.eq_ignore_ascii_case(b"byte").then_some(Self::Byte)
    }
}

/// The optional arguments of BITCOUNT and BITPOS: first and last, negative ones from the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub start: i64,
    /// The last, itself included; the string's when it was not given.
    pub end: Option<i64>,
    /// What both count.
    pub unit: Unit,
}

/// Bits of a string, `last` included: whole bytes and what to keep of the first and the last of them.
struct Span<'a> {
    bytes: &'a [u8],
    /// Byte of the string in which it starts.
    from: usize,
    first_mask: u8,
    last_mask: u8,
}

impl Range {
    /// What the range is of `bytes`; `None` when it is empty.
    fn span(self, bytes: &[u8]) -> Option<Span<'_>> {
        let scale = if self.unit == Unit::Bit { 8 } else { 1 };
        let len = i64::try_from(bytes.len()).ok()?.checked_mul(scale)?;
        let absolute = |end: i64| if end < 0 { end.saturating_add(len).max(0) } else { end };
        let (start, end) = (absolute(self.start), absolute(self.end.unwrap_or(-1)).min(len - 1));
        if start > end {
            return None;
        }
        let (from, to) = (usize::try_from(start / scale).ok()?, usize::try_from(end / scale).ok()?);
        let (first_mask, last_mask) = match self.unit {
            Unit::Byte => (0xff, 0xff),
            Unit::Bit => (0xff >> (start % 8), 0xff << (7 - end % 8)),
        };
        Some(Span { bytes: bytes.get(from..=to)?, from, first_mask, last_mask })
    }
}

/// The number of ones in a range of `bytes`.
pub fn count_range(bytes: &[u8], range: Range) -> u64 {
    //= valkey 9.1 BITCOUNT: negative ends the wrong way round count nothing, even if both are cut to 0
    if let Range { start: ..0, end: Some(end @ ..0), .. } = range
        && range.start > end
    {
        return 0;
    }
    let Some(span) = range.span(bytes) else { return 0 };
    let outside = |byte: Option<&u8>, mask: u8| byte.map_or(0, |byte| u64::from((byte & !mask).count_ones()));
    count(span.bytes)
        - outside(span.bytes.first(), span.first_mask)
        - outside(span.bytes.last(), span.last_mask)
}

/// Where the first bit like `bit` is in a range of `bytes`.
///
/// A zero is also found behind the end of the string, unless the range has an end; and not of an empty range.
pub fn position(bytes: &[u8], bit: bool, range: Range) -> Option<u64> {
    let span = range.span(bytes)?;
    let flip = if bit { 0 } else { 0xff };
    let wanted = |byte: u8| byte ^ flip;
    let (&first, rest) = span.bytes.split_first()?;
    let at = |index: usize, byte: u8| {
        (byte != 0).then(|| (span.from + index) as u64 * 8 + u64::from(byte.leading_zeros()))
    };
    let found = match rest.split_last() {
        None => at(0, wanted(first) & span.first_mask & span.last_mask),
        Some((&last, middle)) => at(0, wanted(first) & span.first_mask)
            .or_else(|| first_unlike(middle, flip).and_then(|index| at(index + 1, wanted(middle[index]))))
            .or_else(|| at(rest.len(), wanted(last) & span.last_mask)),
    };
    //= valkey 9.1 BITPOS: clear bits go on for ever behind the string, but a range with an end is all there is
    let behind = || (!bit && range.end.is_none()).then(|| (span.from + span.bytes.len()) as u64 * 8);
    found.or_else(behind)
}

/// The first byte that is not `byte`, eight at a time.
fn first_unlike(bytes: &[u8], byte: u8) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole = words.iter().position(|word| *word != [byte; 8]);
    let from = whole.map_or(bytes.len() - rest.len(), |word| word * 8);
    let tail = &bytes[from..];
    tail.iter().position(|other| *other != byte).map(|index| from + index)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Range, Unit, count_range, position};
    use crate::rng::Rng;
    use crate::types::bits::{count, get};

    /// The bits that a range names, the way the reference cuts it.
    fn bits(bytes: &[u8], range: Range) -> core::ops::Range<u64> {
        let scale = if range.unit == Unit::Bit { 8 } else { 1 };
        let len = bytes.len().cast_signed() as i64 * scale;
        let cut = |end: i64| if end < 0 { (end + len).max(0) } else { end };
        let (start, end) = (cut(range.start), cut(range.end.unwrap_or(-1)).min(len - 1));
        if start > end {
            return 0..0;
        }
        let width = 8 / scale;
        (start * width).cast_unsigned()..((end + 1) * width).cast_unsigned()
    }

    fn random_range(rng: &mut Rng, len: u64) -> Range {
        let unit = if rng.below(2) == 0 { Unit::Bit } else { Unit::Byte };
        let width = if unit == Unit::Bit { len * 8 } else { len } + 3;
        let mut end = || rng.below(2 * width).cast_signed() - width.cast_signed();
        let (start, last) = (end(), end());
        Range { start, end: (rng.below(4) > 0).then_some(last), unit }
    }

    #[test]
    fn agrees_with_bit_by_bit() {
        let mut rng = Rng::new(2);
        for _ in 0..if cfg!(miri) { 60 } else { 5000 } {
            let len = rng.below(1 + rng.clone().below(1500));
            let rare = rng.below(4);
            let bytes: Vec<u8> = (0..len)
                .map(|_| match rare {
                    0 => 0,
                    1 => 0xff,
                    2 if rng.below(300) > 0 => 0xff,
                    _ => rng.next_u64().to_le_bytes()[0],
                })
                .collect();
            let all: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(count(&bytes), u64::from(all));
            let range = random_range(&mut rng, len);
            let ones = bits(&bytes, range).filter(|&offset| get(&bytes, offset)).count() as u64;
            let reversed = range.start < 0 && range.end.is_some_and(|end| end < 0 && range.start > end);
            assert_eq!(count_range(&bytes, range), if reversed { 0 } else { ones }, "{range:?}");
            for bit in [false, true] {
                let mut searched = bits(&bytes, range);
                let behind = (!bit && range.end.is_none() && !searched.is_empty()).then_some(searched.end);
                let expected = searched.find(|&offset| get(&bytes, offset) == bit).or(behind);
                assert_eq!(position(&bytes, bit, range), expected, "{range:?}");
            }
        }
    }

    //= valkey 9.1 BITCOUNT: negative ends the wrong way round count nothing, even if both are cut to 0
    //= valkey 9.1 BITPOS: clear bits go on for ever behind the string, but a range with an end is all there is
    #[test]
    fn edges() {
        let range = |start, end| Range { start, end, unit: Unit::Byte };
        assert_eq!(count_range(b"\xff", range(-1, Some(-2))), 0);
        assert_eq!(count_range(b"\xff", range(-2, Some(-1))), 8);
        assert_eq!(position(b"\xff\xff", false, Range::default()), Some(16));
        assert_eq!(position(b"\xff\xff", false, range(0, Some(-1))), None);
        assert_eq!(position(b"\xff\xff", false, range(2, None)), None);
        assert_eq!(position(b"", false, Range::default()), None);
        assert_eq!(position(b"\x00", true, Range::default()), None);
        assert_eq!(count_range(b"abc", range(i64::MIN, Some(i64::MAX))), 10);
    }
}
