//! A node: up to a hundred entries or so in one run of bytes, in the very format of data files.
//!
//! ```text
//! head   ┌ live ┬ deleted ┬ fields ┬ name … ┬ 0 ┐                       names: those of the entry it began with
//! entry  ┌ flags ┬ ms ┬ seq ┬ fields ┬ name, value … ┬ pieces ┐          ms, seq: what is added to the node's ID
//!   or   ┌ flags ┬ ms ┬ seq ┬ value … ┬ pieces ┐                         SAME_FIELDS: its names are the head's
//! ```
//! Each box is an element of a listpack. The node's ID, by which it is found, is the one of the entry it
//! began with; that entry may be gone since. `pieces` counts the elements of the entry before it, so that entries
//! can be walked from the end; the head's 0 ends such a walk. A deleted entry stays, with a flag.
//!
//! Invariants, which [`Node::from_bytes`] checks once: the counts agree with the flags and the pieces; IDs of live
//! entries rise and are not below the node's. Tombstones may have any ID: after XSETID has gone back, an entry may
//! be added whose ID is below that of a tombstone before it.
//!
//! Source: Valkey 9.1 `t_stream.c` (`streamAppendItem`, `streamValidateListpackIntegrity`).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use super::id::StreamId;
use crate::types::listpack::{Cursor, Element, Listpack};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// Elements of an entry besides fields and the count of pieces: flags, ms, seq.
const FIXED_PIECES: usize = 3;

/// Entries of neighbouring IDs. Knows its own ID only as an argument.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pack: Listpack,
    /// The head's count of live entries: trimming asks every node for it and must not touch all their bytes.
    live: u64,
}

/// An entry to be added: names and values in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewEntry<F> {
    pub(super) id: StreamId,
    pub(super) fields: F,
    /// Pairs of name and value.
    pub(super) pairs: usize,
}

impl<'f, F: Iterator<Item = &'f [u8]> + Clone> NewEntry<F> {
    fn texts(&self) -> impl Iterator<Item = &'f [u8]> {
        self.fields.clone().take(self.pairs.saturating_mul(2))
    }

    fn names(&self) -> impl Iterator<Item = &'f [u8]> {
        let mut texts = self.texts();
        core::iter::from_fn(move || {
            let name = texts.next()?;
            texts.next();
            Some(name)
        })
    }

    fn values(&self) -> impl Iterator<Item = &'f [u8]> {
        let mut texts = self.texts();
        core::iter::from_fn(move || {
            texts.next()?;
            texts.next()
        })
    }
}

impl Node {
    /// A node without entries, whose ID is the entry's and whose names are the entry's.
    pub(super) fn new<'f, F>(entry: &NewEntry<F>, capacity: usize) -> Self
    where
        F: Iterator<Item = &'f [u8]> + Clone,
    {
        let mut pack = Listpack::with_capacity(capacity);
        pack.append_with(|out| {
            out.push(0);
            out.push(0);
            out.push(as_int(entry.pairs));
            entry.names().for_each(|name| out.push(name));
            out.push(0);
        });
        Self { pack, live: 0 }
    }

    /// The node that these bytes are; `None` if they are none.
    pub(super) fn from_bytes(id: StreamId, bytes: Vec<u8>) -> Option<Self> {
        let mut node = Self { pack: Listpack::from_bytes(bytes)?, live: 0 };
        node.live = node.counts().0;
        node.is_sound(id).then_some(node)
    }

    /// What data files carry.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.pack.as_bytes()
    }

    /// Length of [`Self::as_bytes`].
    pub(super) fn len_bytes(&self) -> usize {
        self.pack.bytes_len()
    }

    /// Heap that it holds.
    pub(super) fn memory(&self) -> usize {
        self.pack.memory()
    }

    /// Gives back memory that is not in use.
    pub(super) fn shrink(&mut self) {
        self.pack.shrink_to_fit();
    }

    /// Entries that are not deleted.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// Entries, deleted ones included.
    pub(super) fn stored(&self) -> u64 {
        let (live, deleted) = self.counts();
        live.saturating_add(deleted)
    }

    fn counts(&self) -> (u64, u64) {
        let mut reader = self.pack.cursor();
        let mut count = || reader.next_int().and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        (count(), count())
    }

    fn set_counts(&mut self, live: u64, deleted: u64) {
        let mut reader = self.pack.cursor();
        let live_at = reader.offset();
        // The second first: replacing the first may move it.
        if reader.skip(1).is_some() {
            let deleted_at = reader.offset();
            self.pack.replace_int(deleted_at, as_int(deleted));
        }
        self.pack.replace_int(live_at, as_int(live));
        self.live = live;
    }

    /// Adds an entry whose ID is above those of all live ones.
    pub(super) fn append<'f, F>(&mut self, id: StreamId, entry: &NewEntry<F>)
    where
        F: Iterator<Item = &'f [u8]> + Clone,
    {
        let is_same = self.has_names(entry);
        let mut reader = self.pack.cursor();
        let (live_at, live) = (reader.offset(), reader.next_int().unwrap_or(0));
        self.pack.replace_int(live_at, live.saturating_add(1));
        self.live = self.live.saturating_add(1);
        let (ms, seq) = entry.id.offset_from(id);
        self.pack.append_with(|out| {
            out.push(if is_same { SAME_FIELDS } else { 0 });
            out.push(ms);
            out.push(seq);
            if is_same {
                entry.values().for_each(|value| out.push(value));
            } else {
                out.push(as_int(entry.pairs));
                entry.texts().for_each(|text| out.push(text));
            }
            out.push(as_int(pieces(is_same, entry.pairs)));
        });
    }

    /// The entry has the names of the head.
    fn has_names<'f, F>(&self, entry: &NewEntry<F>) -> bool
    where
        F: Iterator<Item = &'f [u8]> + Clone,
    {
        let Some((count, mut names)) = self.names() else { return false };
        count == entry.pairs && entry.names().all(|name| names.next().is_some_and(|value| value.is(name)))
    }

    /// How many names the head has, and a reader before them.
    fn names(&self) -> Option<(usize, Cursor<'_>)> {
        let mut reader = self.pack.cursor();
        reader.skip(2)?;
        let count = usize::try_from(reader.next_int()?).ok()?;
        Some((count, reader))
    }

    /// Marks a live entry.
    pub(super) fn delete(&mut self, entry: Place) {
        let (live, deleted) = self.counts();
        self.pack.replace_int(entry.flags_at, entry.flags | DELETED);
        self.set_counts(live.saturating_sub(1), deleted.saturating_add(1));
    }

    /// Marks live entries from `front` on, `most` at most and none after an entry, deleted or not, whose ID is not
    /// below `below`. Returns how many were marked.
    pub(super) fn delete_front(
        &mut self,
        id: StreamId,
        front: Front,
        below: Option<StreamId>,
        most: u64,
    ) -> u64 {
        let (live, deleted) = self.counts();
        let mut marked = 0u64;
        let Some(mut walk) = self.walk_from(id, front) else { return 0 };
        while marked < most {
            let Some(entry) = walk.next() else { break };
            if below.is_some_and(|below| entry.id >= below) {
                break;
            }
            if entry.is_live() {
                let (place, resume) = (entry.place, walk.rest());
                let before = self.pack.bytes_len();
                self.pack.replace_int(place.flags_at, place.flags | DELETED);
                // A foreign writer may have chosen a longer encoding of the flags than ours.
                let moved = before.saturating_sub(self.pack.bytes_len());
                marked = marked.saturating_add(1);
                walk = self.resume(&resume, moved);
            }
        }
        self.set_counts(live.saturating_sub(marked), deleted.saturating_add(marked));
        marked
    }

    /// A walk that goes on where another was before the bytes changed; what is yet to come has moved to the front.
    fn resume(&self, rest: &WalkRest, moved: usize) -> Walk<'_> {
        Walk {
            id: rest.id,
            names_len: rest.names_len,
            names: self.pack.cursor_at(rest.names_at),
            reader: self.pack.cursor_at(rest.at.saturating_sub(moved)),
            left_to_skip: rest.left_to_skip,
        }
    }

    /// A walk over all entries from the first.
    pub(super) fn walk(&self, id: StreamId) -> Option<Walk<'_>> {
        let (names_len, names) = self.names()?;
        let mut reader = names;
        reader.skip(names_len.checked_add(1)?)?;
        Some(Walk { id, names_len, names, reader, left_to_skip: 0 })
    }

    /// A walk over all entries but those before `front`.
    #[inline]
    pub(super) fn walk_from(&self, id: StreamId, front: Front) -> Option<Walk<'_>> {
        let walk = self.walk(id)?;
        Some(Walk { reader: self.pack.cursor_at(walk.reader.offset().checked_add(front.0)?), ..walk })
    }

    /// The first live entry, looked for from `front` on, and where it is.
    pub(super) fn first_live(&self, id: StreamId, front: Front) -> Option<(StreamId, Front)> {
        let mut walk = self.walk_from(id, front)?;
        let begin = walk.reader.offset().checked_sub(front.0)?;
        let entry = core::iter::from_fn(|| walk.next()).find(Stored::is_live)?;
        Some((entry.id, Front(entry.place.flags_at.checked_sub(begin)?)))
    }

    /// A walk over all entries from the last.
    pub(super) fn walk_back(&self, id: StreamId) -> Option<Walk<'_>> {
        Some(Walk { reader: self.pack.cursor_at_end(), ..self.walk(id)? })
    }

    /// ID of the last entry, deleted or not.
    pub(super) fn last_stored(&self, id: StreamId) -> Option<StreamId> {
        self.walk_back(id)?.next_back().map(|entry| entry.id)
    }

    /// ID of the first entry, deleted or not.
    pub(super) fn first_stored(&self, id: StreamId) -> Option<StreamId> {
        self.walk(id)?.next().map(|entry| entry.id)
    }

    /// Checks the invariants. O(entries).
    pub(super) fn is_sound(&self, id: StreamId) -> bool {
        let counts = self.counts();
        self.checked_counts(id) == Some(counts) && counts.0 == self.live
    }

    /// Counts live and deleted entries while it checks everything about them.
    fn checked_counts(&self, id: StreamId) -> Option<(u64, u64)> {
        let mut reader = self.pack.cursor();
        let (live, deleted, names) = (reader.next_int()?, reader.next_int()?, reader.next_int()?);
        if live < 0 || deleted < 0 {
            return None;
        }
        reader.skip(usize::try_from(names).ok()?)?;
        if reader.next_int()? != 0 {
            return None;
        }
        let (mut walk, mut end) = (self.walk(id)?, reader);
        let (mut live, mut deleted, mut newest) = (0u64, 0u64, None);
        while !end.is_at_end() {
            let entry = walk.next()?;
            end = walk.reader;
            end.skip(walk.left_to_skip.checked_sub(1)?)?;
            if end.next_int()? != as_int(pieces(entry.has_same_fields(), entry.fields.len())) {
                return None;
            }
            if !entry.is_live() {
                deleted = deleted.saturating_add(1);
                continue;
            }
            live = live.saturating_add(1);
            if entry.id < id || newest.is_some_and(|newest| entry.id <= newest) {
                return None;
            }
            newest = Some(entry.id);
        }
        Some((live, deleted))
    }
}

/// Elements of an entry before the count of them.
fn pieces(is_same: bool, pairs: usize) -> usize {
    let fields = if is_same { pairs } else { pairs.saturating_mul(2).saturating_add(1) };
    fields.saturating_add(FIXED_PIECES)
}

fn as_int(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// A place before which all entries of a node are deleted: bytes after its head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Front(usize);

/// Where an entry's flags are, and what they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    flags_at: usize,
    flags: i64,
}

/// An entry as it lies in a node, deleted or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    pub(super) id: StreamId,
    pub(super) fields: Fields<'a>,
    pub(super) place: Place,
}

impl Stored<'_> {
    pub(super) fn is_live(&self) -> bool {
        self.place.flags & DELETED == 0
    }

    fn has_same_fields(&self) -> bool {
        self.place.flags & SAME_FIELDS != 0
    }
}

/// A way through the entries of a node, forward or backward but not both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    id: StreamId,
    names_len: usize,
    names: Cursor<'a>,
    reader: Cursor<'a>,
    /// Elements of the entry last given that are yet to be passed.
    left_to_skip: usize,
}

/// A walk without the bytes.
struct WalkRest {
    id: StreamId,
    names_len: usize,
    names_at: usize,
    at: usize,
    left_to_skip: usize,
}

impl<'a> Walk<'a> {
    /// The ID of the node.
    pub(super) fn node_id(&self) -> StreamId {
        self.id
    }

    /// The entry after the one last given.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Stored<'a>> {
        self.reader.skip(core::mem::take(&mut self.left_to_skip))?;
        let entry = self.read()?;
        self.left_to_skip = pieces(entry.has_same_fields(), entry.fields.len())
            .saturating_sub(FIXED_PIECES)
            .saturating_sub(usize::from(!entry.has_same_fields()))
            .saturating_add(1);
        Some(entry)
    }

    /// The entry before the one last given.
    pub(super) fn next_back(&mut self) -> Option<Stored<'a>> {
        self.reader.back()?;
        let pieces = usize::try_from(self.reader.peek_int()?).ok().filter(|&pieces| pieces > 0)?;
        for _ in 0..pieces {
            self.reader.back()?;
        }
        let mut forward = *self;
        forward.read()
    }

    /// Reads the entry whose flags come next, up to its fields.
    #[inline]
    fn read(&mut self) -> Option<Stored<'a>> {
        let flags_at = self.reader.offset();
        let flags = self.reader.next_int()?;
        let (ms, seq) = (self.reader.next_int()?, self.reader.next_int()?);
        let fields = if flags & SAME_FIELDS != 0 {
            Fields { names: Some(self.names), values: self.reader, left: self.names_len }
        } else {
            let pairs = usize::try_from(self.reader.next_int()?).ok()?;
            Fields { names: None, values: self.reader, left: pairs }
        };
        Some(Stored { id: self.id.at_offset(ms, seq), fields, place: Place { flags_at, flags } })
    }

    fn rest(&self) -> WalkRest {
        WalkRest {
            id: self.id,
            names_len: self.names_len,
            names_at: self.names.offset(),
            at: self.reader.offset(),
            left_to_skip: self.left_to_skip,
        }
    }
}

/// The fields of an entry in the order in which they were given: pairs of name and value.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// Where the names are, if not between the values.
    names: Option<Cursor<'a>>,
    values: Cursor<'a>,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = self.names.as_mut().unwrap_or(&mut self.values).next()?;
        Some((name, self.values.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}
