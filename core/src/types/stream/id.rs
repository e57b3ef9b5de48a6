//! Entry IDs: 128 bits, milliseconds and a sequence number, and every form in which commands write them.
//!
//! | form | meaning | read by |
//! |---|---|---|
//! | `5-1` | exact | all |
//! | `5` | the missing half is 0, or the greatest number at the end of an interval | all |
//! | `-` `+` | least and greatest ID | intervals |
//! | `(5-1` | next to it, itself not included | intervals |
//! | `5-*` `*` | the sequence number, or all of it, is the stream's choice | XADD |
//! | `$` `>` `+` | the stream's last ID, what the group has not had, the last entry | XREAD, XREADGROUP |
//!
//! //= valkey 9.1 stream IDs: blanks, a plus sign and zeros may stand before the digits
//!
//! Departs from the reference in two accidents of its C: a sequence number with a minus sign behind blanks or before
//! zeros (`5- -1`, `5--01`, which wrap there) and bytes behind a NUL are refused here.
//!
//! Source: Valkey 9.1 `t_stream.c`, `string2ull`.

use core::fmt;

use crate::num;

/// Longest text that is looked at.
const TEXT_LEN_MAX: usize = 127;

/// The text of an ID.
pub type StreamIdText = heapless::Vec<u8, 41>;

/// The ID of an entry; ordered by time, then sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds since 1970, if the stream chose it.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`: no entry has it.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The greatest ID.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The ID of these two halves.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The ID after this one; `None` after the greatest.
    #[inline]
    pub fn checked_next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The ID before this one; `None` before `0-0`.
    #[inline]
    pub fn checked_prev(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// The ID after this one, or the greatest.
    pub fn saturating_next(self) -> Self {
        self.checked_next().unwrap_or(Self::MAX)
    }

    /// The ID before this one, or `0-0`.
    pub fn saturating_prev(self) -> Self {
        self.checked_prev().unwrap_or(Self::MIN)
    }

    /// The ID as `ms-seq` or `ms`; `missing_seq` is the second half of the latter.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let Some((ms, seq)) = split(text) else {
            return Some(Self { ms: number(text)?, seq: missing_seq });
        };
        Some(Self { ms: number(ms)?, seq: number(seq)? })
    }

    /// Same, and `-` and `+` for the least and the greatest ID.
    pub fn parse_or_edge(text: &[u8], missing_seq: u64) -> Option<Self> {
        match text {
            b"-" => Some(Self::MIN),
            b"+" => Some(Self::MAX),
            _ => Self::parse(text, missing_seq),
        }
    }

    /// One end of an interval: also `-` and `+`, or `(` before an ID that is itself not included. Gives the first or
    /// last ID that is.
    ///
    /// # Errors
    /// With what the reference answers.
    pub fn parse_bound(text: &[u8], bound: IdBound) -> Result<Self, IdError> {
        let missing_seq = if bound == IdBound::Start { 0 } else { u64::MAX };
        let Some(id) = text.strip_prefix(b"(").filter(|id| !id.is_empty()) else {
            return Self::parse_or_edge(text, missing_seq).ok_or(IdError::Invalid);
        };
        let id = Self::parse(id, missing_seq).ok_or(IdError::Invalid)?;
        match bound {
            IdBound::Start => id.checked_next().ok_or(IdError::NothingAfter),
            IdBound::End => id.checked_prev().ok_or(IdError::NothingBefore),
        }
    }

    /// `ms-seq`.
    pub fn text(self) -> StreamIdText {
        let mut text = StreamIdText::new();
        // Two numbers of at most 20 digits and the dash always fit.
        let _ = text.extend_from_slice(itoa::Buffer::new().format(self.ms).as_bytes());
        let _ = text.push(b'-');
        let _ = text.extend_from_slice(itoa::Buffer::new().format(self.seq).as_bytes());
        text
    }

    /// The key of data files: both halves big endian, so that bytes sort as IDs do.
    pub fn to_be_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The ID of a key of data files.
    pub fn from_be_bytes(bytes: [u8; 16]) -> Self {
        let [m0, m1, m2, m3, m4, m5, m6, m7, s0, s1, s2, s3, s4, s5, s6, s7] = bytes;
        Self {
            ms: u64::from_be_bytes([m0, m1, m2, m3, m4, m5, m6, m7]),
            seq: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        }
    }

    /// What is added to `master` to give this ID, half by half and wrapping: how nodes store it.
    pub(super) fn offset_from(self, master: Self) -> (i64, i64) {
        (self.ms.wrapping_sub(master.ms).cast_signed(), self.seq.wrapping_sub(master.seq).cast_signed())
    }

    /// The ID at such an offset.
    pub(super) fn at_offset(self, ms: i64, seq: i64) -> Self {
        Self { ms: self.ms.wrapping_add_signed(ms), seq: self.seq.wrapping_add_signed(seq) }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Which end of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdBound {
    /// Where it starts.
    Start,
    /// Where it ends.
    End,
}

/// Why an ID was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// Not an ID.
    Invalid,
    /// The interval starts after the greatest ID.
    NothingAfter,
    /// The interval ends before `0-0`.
    NothingBefore,
}

impl IdError {
    /// The error line, code included.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Invalid => "ERR Invalid stream ID specified as stream command argument",
            Self::NothingAfter => "ERR invalid start ID for the interval",
            Self::NothingBefore => "ERR invalid end ID for the interval",
        }
    }
}

/// The ID that XADD asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddId {
    /// `*`: now, or the one after the last.
    Auto,
    /// `ms-*`: the next one in this millisecond.
    AutoSeq(u64),
    /// This one.
    Exact(StreamId),
}

impl AddId {
    /// The form as XADD takes it.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match (text, split(text)) {
            (b"*", _) => Some(Self::Auto),
            (_, Some((ms, b"*"))) if text.len() <= TEXT_LEN_MAX => number(ms).map(Self::AutoSeq),
            _ => StreamId::parse(text, 0).map(Self::Exact),
        }
    }

    /// `0-0`, which XADD refuses before it makes a stream: [`super::AddError::Zero`].
    pub fn is_zero(self) -> bool {
        self == Self::Exact(StreamId::MIN)
    }
}

/// From where XREAD and XREADGROUP read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadId {
    /// What follows this ID.
    After(StreamId),
    /// `$`: what follows the last ID there is now.
    Last,
    /// `+`: the last entry.
    LastEntry,
    /// `>`: what the group has not had.
    New,
}

impl ReadId {
    /// The form as XREAD and XREADGROUP take it; which of them may use which is the caller's to check.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"$" => Some(Self::Last),
            b"+" => Some(Self::LastEntry),
            b">" => Some(Self::New),
            _ => StreamId::parse(text, 0).map(Self::After),
        }
    }
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dash = text.iter().position(|&byte| byte == b'-')?;
    Some((text.get(..dash)?, text.get(dash + 1..)?))
}

/// An unsigned number with what `strtoull` lets pass before its digits.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(value) = num::parse_u64(text) {
        return Some(value);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_blank(byte))?;
    let digits = text.get(start..)?;
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    // The last zero may be the number itself.
    num::parse_u64(digits.get(zeros..)?).or_else(|| (zeros > 0 && zeros == digits.len()).then_some(0))
}

#[cfg(test)]
mod tests {
    use super::{AddId, IdBound, IdError, ReadId, StreamId};

    #[test]
    fn every_form_is_read() {
        let id = StreamId::new;
        assert_eq!(StreamId::parse(b"5-1", 9), Some(id(5, 1)));
        assert_eq!(StreamId::parse(b"5", 9), Some(id(5, 9)));
        assert_eq!(StreamId::parse(b"18446744073709551615-18446744073709551615", 0), Some(StreamId::MAX));
        //= valkey 9.1 stream IDs: blanks, a plus sign and zeros may stand before the digits
        for text in ["05-01", "+5-+1", " 5-\t1", "00000000000000000000000005-1"] {
            assert_eq!(StreamId::parse(text.as_bytes(), 0), Some(id(5, 1)), "{text}");
        }
        assert_eq!(StreamId::parse(b"0-000", 0), Some(StreamId::MIN));
        let wrong = [
            "",
            "-",
            "+",
            "5-",
            "-5",
            "5--1",
            "5-1-1",
            "a",
            "5-a",
            "5 -1",
            "18446744073709551616",
            "5-*",
            "*",
        ];
        for text in wrong {
            assert_eq!(StreamId::parse(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(StreamId::parse(&[b'0'; 128], 0), None);
        assert_eq!(StreamId::parse(&[b'0'; 127], 0), Some(StreamId::MIN));
        assert_eq!(StreamId::parse_or_edge(b"-", 0), Some(StreamId::MIN));
        assert_eq!(StreamId::parse_or_edge(b"+", 0), Some(StreamId::MAX));
        assert_eq!(AddId::parse(b"*"), Some(AddId::Auto));
        assert_eq!(AddId::parse(b"7-*"), Some(AddId::AutoSeq(7)));
        assert_eq!(AddId::parse(b"7"), Some(AddId::Exact(id(7, 0))));
        assert_eq!(AddId::parse(b"-*"), None);
        assert_eq!(ReadId::parse(b"$"), Some(ReadId::Last));
        assert_eq!(ReadId::parse(b">"), Some(ReadId::New));
        assert_eq!(ReadId::parse(b"+"), Some(ReadId::LastEntry));
        assert_eq!(ReadId::parse(b"3"), Some(ReadId::After(id(3, 0))));
    }

    #[test]
    fn bounds_of_intervals() {
        let start = |text: &str| StreamId::parse_bound(text.as_bytes(), IdBound::Start);
        let end = |text: &str| StreamId::parse_bound(text.as_bytes(), IdBound::End);
        assert_eq!(start("-"), Ok(StreamId::MIN));
        assert_eq!(start("5"), Ok(StreamId::new(5, 0)));
        assert_eq!(start("(5"), Ok(StreamId::new(5, 1)));
        assert_eq!(start("(5-18446744073709551615"), Ok(StreamId::new(6, 0)));
        assert_eq!(end("+"), Ok(StreamId::MAX));
        assert_eq!(end("5"), Ok(StreamId::new(5, u64::MAX)));
        assert_eq!(end("(5-0"), Ok(StreamId::new(4, u64::MAX)));
        assert_eq!(end("(0-0"), Err(IdError::NothingBefore));
        assert_eq!(start("(18446744073709551615-18446744073709551615"), Err(IdError::NothingAfter));
        for text in ["(", "(-", "(+", "((5", "x"] {
            assert_eq!(start(text), Err(IdError::Invalid), "{text}");
        }
    }

    #[test]
    fn steps_and_texts() {
        assert_eq!(StreamId::MAX.checked_next(), None);
        assert_eq!(StreamId::MAX.saturating_next(), StreamId::MAX);
        assert_eq!(StreamId::MIN.checked_prev(), None);
        assert_eq!(StreamId::new(1, 0).checked_prev(), Some(StreamId::new(0, u64::MAX)));
        assert_eq!(StreamId::new(0, u64::MAX).checked_next(), Some(StreamId::new(1, 0)));
        assert_eq!(StreamId::MAX.text(), b"18446744073709551615-18446744073709551615".as_slice());
        let id = StreamId::new(0x0102_0304_0506_0708, 9);
        assert_eq!(StreamId::from_be_bytes(id.to_be_bytes()), id);
        assert_eq!(id.to_be_bytes()[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
        let (ms, seq) = StreamId::new(7, 1).offset_from(StreamId::new(5, 9));
        assert_eq!((ms, seq), (2, -8));
        assert_eq!(StreamId::new(5, 9).at_offset(ms, seq), StreamId::new(7, 1));
    }
}
