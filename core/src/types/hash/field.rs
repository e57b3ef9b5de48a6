//! A field with its value and its expiry, as they lie in memory.
//!
//! ```text
//! ┌ flags 1 ┬ expiry 8 ┬ name length ┬ value length ┬ name ┬ value ┬ rest ┐
//! └─────────┴ if timed ┴ 1, or 8 each where it is wide ┴──────┴───────┘
//! ```
//! What fits a slot so is narrow, anything else wide. The first byte is never [`FREED`].

use crate::types::members::{FREED, SLOT_LEN_MAX};

const TIMED: u8 = 1;
const WIDE: u8 = 2;

const _: () = assert!(TIMED | WIDE < FREED);

/// A field to be looked at, or to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// When it expires, ms since 1970.
    pub(super) expire_at: Option<i64>,
}

/// Whether a time has come.
#[inline]
pub(super) fn has_come(at: Option<i64>, now_ms: i64) -> bool {
    at.is_some_and(|at| now_ms > at)
}

impl<'a> Field<'a> {
    #[inline]
    fn head_len(self, is_wide: bool) -> usize {
        1 + if self.expire_at.is_some() { 8 } else { 0 } + if is_wide { 16 } else { 2 }
    }

    #[inline]
    fn is_wide(self) -> bool {
        self.head_len(false) + self.name.len() + self.value.len() > SLOT_LEN_MAX
    }

    /// Bytes it takes.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.head_len(self.is_wide()) + self.name.len() + self.value.len()
    }

    /// Writes it over the first of these bytes, of which there are enough.
    pub(super) fn write(self, into: &mut [u8]) {
        let is_wide = self.is_wide();
        into[0] = if self.expire_at.is_some() { TIMED } else { 0 } | if is_wide { WIDE } else { 0 };
        let mut at = 1;
        let mut put = |bytes: &[u8]| {
            into[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        if let Some(at) = self.expire_at {
            put(&at.to_le_bytes());
        }
        for len in [self.name.len() as u64, self.value.len() as u64] {
            let bytes = len.to_le_bytes();
            put(if is_wide { &bytes } else { &bytes[..1] });
        }
        put(self.name);
        put(self.value);
    }

    /// Reads one that was written.
    #[inline]
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let (flags, mut rest) = (bytes[0], &bytes[1..]);
        let expire_at = if flags & TIMED == 0 {
            None
        } else {
            let at = rest.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
            rest = &rest[8..];
            at
        };
        let (name_len, value_len);
        if flags & WIDE == 0 {
            (name_len, value_len, rest) = (usize::from(rest[0]), usize::from(rest[1]), &rest[2..]);
        } else {
            (name_len, value_len, rest) = (wide_len(rest), wide_len(&rest[8..]), &rest[16..]);
        }
        Self { name: &rest[..name_len], value: &rest[name_len..name_len + value_len], expire_at }
    }

    /// Gives a field that was written with an expiry another one.
    pub(super) fn set_time(bytes: &mut [u8], at: i64) {
        debug_assert!(bytes[0] & TIMED != 0);
        bytes[1..9].copy_from_slice(&at.to_le_bytes());
    }
}

#[cold]
fn wide_len(bytes: &[u8]) -> usize {
    let len = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    usize::try_from(len).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::Field;

    #[test]
    fn is_read_as_it_was_written() {
        for (name_len, value_len) in
            [(0, 0), (9, 16), (1, 252), (1, 253), (245, 0), (246, 0), (300, 5), (3, 70_000)]
        {
            for expire_at in [None, Some(0), Some(i64::MAX)] {
                let (name, value) = (vec![1; name_len], vec![2; value_len]);
                let field = Field { name: &name, value: &value, expire_at };
                let mut bytes = vec![9; field.len() + 7];
                field.write(&mut bytes);
                assert_eq!(Field::read(&bytes), field);
                if expire_at.is_some() {
                    Field::set_time(&mut bytes, 77);
                    assert_eq!(Field::read(&bytes), Field { expire_at: Some(77), ..field });
                }
            }
        }
    }
}
