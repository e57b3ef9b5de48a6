//! A place between two entries of a listpack, or at either end of it: for those who read entries as they come, of which
//! some say how many follow.

use super::encoding::{decode, entry_len, last_entry_len};
use super::{Element, HEADER_LEN, Listpack};

/// A place between two entries of a listpack, or at either end of it.
#[derive(Clone, Copy, Debug)]
pub(in crate::types) struct Cursor<'a> {
    /// All before the end mark, the header included.
    bytes: &'a [u8],
    at: usize,
}

impl Listpack {
    /// Returns the place before the first entry.
    #[inline]
    pub(in crate::types) fn cursor(&self) -> Cursor<'_> {
        self.cursor_at(HEADER_LEN)
    }

    /// Returns the place of an offset that [`Cursor::offset`] gave, before which nothing has changed.
    #[inline]
    pub(in crate::types) fn cursor_at(&self, offset: usize) -> Cursor<'_> {
        Cursor { bytes: &self.block.bytes()[..self.end()], at: offset }
    }

    /// Returns the place behind the last entry.
    #[inline]
    pub(in crate::types) fn cursor_at_end(&self) -> Cursor<'_> {
        self.cursor_at(self.end())
    }

    /// Puts an integer in the place of the entry at an offset that [`Cursor::offset`] gave.
    pub(in crate::types) fn replace_int(&mut self, offset: usize, value: i64) {
        if let Some(position) = self.position(offset) {
            self.replace(position, value);
        }
    }
}

impl<'a> Cursor<'a> {
    /// Where the next entry starts.
    #[inline]
    pub(in crate::types) fn offset(self) -> usize {
        self.at
    }

    /// No entry follows.
    #[inline]
    pub(in crate::types) fn is_at_end(self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next element.
    #[inline]
    pub(in crate::types) fn next(&mut self) -> Option<Element<'a>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (element, len) = decode(rest);
        self.at += len;
        Some(element)
    }

    /// The next element, which must be an integer.
    #[inline]
    pub(in crate::types) fn next_int(&mut self) -> Option<i64> {
        self.next()?.integer()
    }

    /// The next element as an integer, without passing it.
    #[inline]
    pub(in crate::types) fn peek_int(mut self) -> Option<i64> {
        self.next_int()
    }

    /// Passes `count` entries; where there are fewer, it stays.
    #[inline]
    pub(in crate::types) fn skip(&mut self, count: usize) -> Option<()> {
        let mut at = self.at;
        for _ in 0..count {
            let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
            at += entry_len(rest);
        }
        self.at = at;
        Some(())
    }

    /// Goes back to the start of the entry before.
    #[inline]
    pub(in crate::types) fn back(&mut self) -> Option<()> {
        let before = self.bytes.get(HEADER_LEN..self.at).filter(|before| !before.is_empty())?;
        self.at -= last_entry_len(before);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Element, Listpack};

    #[test]
    fn goes_forward_and_back() {
        let texts: [&[u8]; 6] = [b"12", b"-5000", b"", b"017", &[b'x'; 300], b"9223372036854775807"];
        let mut listpack = Listpack::new();
        listpack.append_with(|out| texts.iter().for_each(|&text| out.push(text)));
        let expected: Vec<Element<'_>> = listpack.iter().collect();
        let mut cursor = listpack.cursor();
        let forward: Vec<_> = core::iter::from_fn(|| cursor.next()).collect();
        assert_eq!(forward, expected);
        assert!(cursor.is_at_end() && cursor.next().is_none() && cursor.skip(1).is_none());
        assert_eq!(cursor.offset(), listpack.cursor_at_end().offset());
        for element in expected.iter().rev() {
            assert_eq!(cursor.back(), Some(()));
            let mut ahead = cursor;
            assert_eq!(ahead.next(), Some(*element));
        }
        assert_eq!((cursor.back(), cursor.peek_int()), (None, Some(12)));
        assert_eq!((cursor.skip(7), cursor.skip(1), cursor.next_int()), (None, Some(()), Some(-5000)));
        assert_eq!((cursor.next_int(), cursor.next_int()), (None, None), "neither is an integer's text");
    }

    #[test]
    fn an_integer_that_is_replaced_moves_the_rest() {
        let mut listpack = Listpack::new();
        listpack.append_with(|out| [1, 2, 3].into_iter().for_each(|value| out.push(value)));
        let mut cursor = listpack.cursor();
        cursor.skip(1).unwrap();
        let at = cursor.offset();
        for value in [5, 127, 128, -1, i64::MAX, 7] {
            listpack.replace_int(at, value);
            assert!(listpack.iter().eq([Element::Int(1), Element::Int(value), Element::Int(3)]));
            super::super::check::verify(&listpack);
        }
    }
}
