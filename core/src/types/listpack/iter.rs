//! Walking through the entries of a listpack.

use super::encoding::{decode, entry_len, last_entry_len};
use super::{Element, Position};

/// The elements of a listpack, or of a part of it, with their positions.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    /// Entries that are left.
    rest: &'a [u8],
    /// Where they begin.
    at: usize,
}

impl<'a> Entries<'a> {
    #[inline]
    pub(super) fn new(rest: &'a [u8], at: usize) -> Self {
        Self { rest, at }
    }

    #[inline]
    fn skip_front(&mut self, len: usize) {
        self.rest = &self.rest[len..];
        self.at += len;
    }

    #[inline]
    fn skip_back(&mut self) {
        self.rest = &self.rest[..self.rest.len() - last_entry_len(self.rest)];
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Position, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (position, (element, len)) = (Position(self.at), decode(self.rest));
        self.skip_front(len);
        Some((position, element))
    }

    fn nth(&mut self, count: usize) -> Option<Self::Item> {
        for _ in 0..count {
            if self.rest.is_empty() {
                return None;
            }
            self.skip_front(entry_len(self.rest));
        }
        self.next()
    }

    fn count(mut self) -> usize {
        let mut count = 0;
        while !self.rest.is_empty() {
            self.skip_front(entry_len(self.rest));
            count += 1;
        }
        count
    }
}

impl DoubleEndedIterator for Entries<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.rest.len() - last_entry_len(self.rest);
        let (before, entry) = self.rest.split_at(start);
        self.rest = before;
        Some((Position(self.at + start), decode(entry).0))
    }

    fn nth_back(&mut self, count: usize) -> Option<Self::Item> {
        for _ in 0..count {
            if self.rest.is_empty() {
                return None;
            }
            self.skip_back();
        }
        self.next_back()
    }
}
