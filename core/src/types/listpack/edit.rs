//! Changing a listpack. Every change moves the bytes behind it once.

use super::encoding::{END, Encoded, entry_len};
use super::{COUNT_UNKNOWN, Direction, Element, HEADER_LEN, Listpack, Position};
use crate::types::block::{Block, Change};

/// Adds elements at the end of a listpack; see [`Listpack::append_with`].
#[derive(Debug)]
pub struct Appender<'l> {
    block: &'l mut Block,
    /// Where the next entry goes.
    end: usize,
    added: usize,
}

impl Appender<'_> {
    /// Adds an element.
    #[inline]
    pub fn push<'e>(&mut self, element: impl Into<Element<'e>>) {
        let entry = Encoded::new(element.into());
        let (start, len) = (self.end, entry.len());
        self.end += len;
        self.added += 1;
        // One more for the end mark.
        self.block.reserve(self.end + 1);
        entry.write(&mut self.block.bytes_mut()[start..start + len]);
    }
}

impl Listpack {
    /// Adds an element at the end.
    #[inline]
    pub fn push_back<'e>(&mut self, element: impl Into<Element<'e>>) {
        self.insert_at(self.end(), element.into());
    }

    /// Adds an element at the beginning.
    #[inline]
    pub fn push_front<'e>(&mut self, element: impl Into<Element<'e>>) {
        self.insert_at(HEADER_LEN, element.into());
    }

    /// Adds elements at the end, all that `add` pushes: the header is written once.
    #[inline]
    pub fn append_with(&mut self, add: impl FnOnce(&mut Appender<'_>)) {
        let (end, known) = (self.end(), self.count());
        let mut appender = Appender { block: &mut self.block, end, added: 0 };
        add(&mut appender);
        let Appender { end, added, .. } = appender;
        let Ok(len) = u32::try_from(end + 1) else { too_long() };
        let bytes = self.block.bytes_mut();
        bytes[end] = END;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        if let Some(before) = known {
            self.recount(before + added);
        }
    }

    /// Adds an element before another and returns its position.
    #[inline]
    pub fn insert_before<'e>(&mut self, position: Position, element: impl Into<Element<'e>>) -> Position {
        self.insert_at(position.0, element.into())
    }

    /// Adds an element after another and returns its position.
    #[inline]
    pub fn insert_after<'e>(&mut self, position: Position, element: impl Into<Element<'e>>) -> Position {
        self.insert_at(self.after(position), element.into())
    }

    /// Puts an element in the place of another, at the same position.
    #[inline]
    pub fn replace<'e>(&mut self, position: Position, element: impl Into<Element<'e>>) {
        let old = entry_len(&self.block.bytes()[position.0..]);
        self.write(position.0, old, &Encoded::new(element.into()));
    }

    /// Removes an element and returns the position of the one that came after it.
    pub fn delete(&mut self, position: Position) -> Option<Position> {
        self.delete_from(position, 1);
        self.position(position.0)
    }

    /// Removes so many elements from a position on, or as many as there are. Returns how many.
    pub fn delete_from(&mut self, position: Position, count: usize) -> usize {
        let end = self.end();
        let (mut at, mut deleted) = (position.0, 0);
        while deleted < count && at < end {
            at += entry_len(&self.block.bytes()[at..]);
            deleted += 1;
        }
        self.cut(position.0, at, deleted);
        deleted
    }

    /// Removes so many elements beginning with an index, which counts from the end when it is negative. Returns how
    /// many.
    pub fn delete_range(&mut self, index: i64, count: usize) -> usize {
        if count == 0 {
            return 0;
        }
        self.seek(index).map_or(0, |position| self.delete_from(position, count))
    }

    /// Removes elements that are these bytes, the first `limit` in a direction. Returns how many. O(bytes).
    pub fn delete_equal(&mut self, bytes: &[u8], limit: usize, direction: Direction) -> usize {
        let found = match direction {
            Direction::Forward => self.find(bytes, 0),
            Direction::Backward => {
                let found = self.entries().rev().filter(|(_, element)| element.is(bytes)).take(limit).last();
                found.map(|(position, _)| position)
            }
        };
        let Some(Position(first)) = found.filter(|_| limit > 0) else { return 0 };
        let end = self.end();
        // What is kept moves down over what is not, a run at a time.
        let (mut to, mut from, mut deleted) = (first, first, 0);
        while from < end {
            let run = from + entry_len(&self.block.bytes()[from..]);
            deleted += 1;
            let next = if deleted < limit { self.find_from(Position(run), bytes, 0) } else { None };
            let next = next.map_or(end, |position| position.0);
            self.block.bytes_mut().copy_within(run..next, to);
            to += next - run;
            from = next;
        }
        self.cut(to, end, deleted);
        deleted
    }

    /// Moves the elements from an index on to a listpack of their own. O(bytes).
    pub fn split_off(&mut self, index: usize) -> Self {
        let Some(position) = i64::try_from(index).ok().and_then(|index| self.seek(index)) else {
            return Self::new();
        };
        let (len, end) = (self.len(), self.end());
        let mut other = Self::with_capacity(HEADER_LEN + end - position.0 + 1);
        other.add_entries(&self.block.bytes()[position.0..end], len - index);
        self.cut(position.0, end, len - index);
        self.recount(index);
        other
    }

    /// Adds the elements of another listpack at the end. O(bytes).
    pub fn append(&mut self, other: &Self) {
        self.add_entries(&other.block.bytes()[HEADER_LEN..other.end()], other.len());
    }

    /// Gives back the memory that is not needed.
    pub fn shrink_to_fit(&mut self) {
        let used = self.bytes_len();
        self.block.shrink_to_fit(used);
    }

    #[inline]
    fn insert_at(&mut self, at: usize, element: Element<'_>) -> Position {
        self.write(at, 0, &Encoded::new(element));
        if let Some(count) = self.count() {
            self.recount(count + 1);
        }
        Position(at)
    }

    /// Writes an entry over `old` bytes at `at`.
    #[inline]
    fn write(&mut self, at: usize, old: usize, entry: &Encoded<'_>) {
        let new = entry.len();
        self.change(Change { at, old, new });
        entry.write(&mut self.block.bytes_mut()[at..at + new]);
    }

    /// Makes room or takes it away.
    #[inline]
    fn change(&mut self, change: Change) {
        let used = self.bytes_len();
        let Ok(len) = u32::try_from(used - change.old + change.new) else { too_long() };
        self.block.change(used, change);
        self.block.bytes_mut()[..4].copy_from_slice(&len.to_le_bytes());
    }

    /// Removes the bytes from `from` up to `to`, which are `count` entries.
    fn cut(&mut self, from: usize, to: usize, count: usize) {
        let known = self.count();
        self.change(Change { at: from, old: to - from, new: 0 });
        if let Some(before) = known {
            self.recount(before - count);
        }
    }

    /// Adds whole entries at the end.
    fn add_entries(&mut self, entries: &[u8], count: usize) {
        let (at, len) = (self.end(), self.len());
        self.change(Change { at, old: 0, new: entries.len() });
        self.block.bytes_mut()[at..at + entries.len()].copy_from_slice(entries);
        self.recount(len + count);
    }

    /// Writes the number of entries to the header.
    #[inline]
    fn recount(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.block.bytes_mut()[4..HEADER_LEN].copy_from_slice(&count.to_le_bytes());
        debug_assert!(self.block.bytes()[self.end()] == END);
    }
}

#[cold]
fn too_long() -> ! {
    panic!("a listpack is not made longer than Listpack::would_fit allows")
}
