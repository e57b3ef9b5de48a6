//! Ways through the entries: forward, backward, and from one searched ID to the next.
//!
//! Entries are read where they lie; nothing is copied or allocated. Each step costs O(elements passed), each node
//! begun O(log nodes). Source: Valkey 9.1 `streamIteratorGetID`.

use super::entries::Entries;
use super::id::StreamId;
use super::node::{Fields, Stored, Walk};

/// An entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: StreamId,
    /// Its fields: pairs of name and value, in the order in which they were given.
    pub fields: Fields<'a>,
}

impl<'a> From<Stored<'a>> for Entry<'a> {
    fn from(stored: Stored<'a>) -> Self {
        Self { id: stored.id, fields: stored.fields }
    }
}

impl Entries {
    /// The entries from `start` to `end`, both included: XRANGE.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let node = self.nodes.at_or_before(start).or_else(|| self.nodes.first());
        Range { entries: self, walk: node.and_then(|(id, node)| self.walk(id, node)), start, end }
    }

    /// Same, the last first: XREVRANGE.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        let node = self.nodes.at_or_before(end);
        RangeBack { entries: self, walk: node.and_then(|(id, node)| node.walk_back(id)), start, end }
    }

    /// The entries after `id`: XREAD.
    pub fn after(&self, id: StreamId) -> Range<'_> {
        match id.checked_next() {
            Some(start) => self.range(start, StreamId::MAX),
            None => Range { entries: self, walk: None, start: id, end: id },
        }
    }

    /// All entries.
    pub fn iter(&self) -> Range<'_> {
        self.range(StreamId::MIN, StreamId::MAX)
    }

    /// The entry of an ID.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.finder().find(id)
    }

    /// A search for several IDs, quick if they rise.
    pub fn finder(&self) -> Finder<'_> {
        Finder { entries: self, walk: None, below: StreamId::MIN, passed: StreamId::MAX, ahead: None }
    }

    /// ID of the last entry. Not the same as [`Self::last_id`] once that one is deleted.
    pub fn last_entry_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    /// The ID after which `+` of XREAD reads.
    pub fn before_last(&self) -> StreamId {
        if self.is_empty() { StreamId::MIN } else { self.last_id().saturating_prev() }
    }

    /// ID of the first entry that still takes room, deleted or not: to what XTRIM MINID `~` is rewritten for replicas.
    pub fn first_stored_id(&self) -> Option<StreamId> {
        self.nodes.first().and_then(|(id, node)| node.first_stored(id))
    }
}

/// Entries of an interval, forward.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    entries: &'a Entries,
    walk: Option<Walk<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let walk = self.walk.as_mut()?;
            while let Some(entry) = walk.next() {
                if !entry.is_live() || entry.id < self.start {
                    continue;
                }
                if entry.id > self.end {
                    self.walk = None;
                    return None;
                }
                return Some(entry.into());
            }
            let next = walk.node_id().checked_next().and_then(|from| self.entries.nodes.at_or_after(from));
            self.walk = next.filter(|(id, _)| *id <= self.end).and_then(|(id, node)| node.walk(id));
        }
    }
}

impl<'a> Range<'a> {
    /// What it goes through.
    pub(super) fn entries(&self) -> &'a Entries {
        self.entries
    }
}

/// Entries of an interval, backward.
#[derive(Clone, Debug)]
pub struct RangeBack<'a> {
    entries: &'a Entries,
    walk: Option<Walk<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let walk = self.walk.as_mut()?;
            while let Some(entry) = walk.next_back() {
                if !entry.is_live() || entry.id > self.end {
                    continue;
                }
                if entry.id < self.start {
                    self.walk = None;
                    return None;
                }
                return Some(entry.into());
            }
            let to = walk.node_id().checked_prev().filter(|&to| to >= self.start);
            let next = to.and_then(|to| self.entries.nodes.at_or_before(to));
            self.walk = next.and_then(|(id, node)| node.walk_back(id));
        }
    }
}

/// A search that goes on from where it was while the IDs rise: it passes each entry of a node once.
#[derive(Clone, Debug)]
pub struct Finder<'a> {
    entries: &'a Entries,
    walk: Option<Walk<'a>>,
    /// The node under way holds IDs below this, and only it.
    below: StreamId,
    /// The ID last searched.
    passed: StreamId,
    /// An entry above it, read already.
    ahead: Option<Entry<'a>>,
}

impl<'a> Finder<'a> {
    /// The entry of an ID.
    pub fn find(&mut self, id: StreamId) -> Option<Entry<'a>> {
        if id < self.entries.first_id || id > self.entries.last_id {
            return None;
        }
        if self.walk.is_none() || id <= self.passed || id >= self.below {
            self.begin_node(id)?;
        }
        self.passed = id;
        loop {
            let entry = self.ahead.take().or_else(|| self.next_live())?;
            if entry.id == id {
                return Some(entry);
            }
            if entry.id > id {
                self.ahead = Some(entry);
                return None;
            }
        }
    }

    fn begin_node(&mut self, id: StreamId) -> Option<()> {
        let (node_id, node) = self.entries.nodes.at_or_before(id)?;
        let next = node_id.checked_next().and_then(|from| self.entries.nodes.at_or_after(from));
        // Nothing lies above the greatest ID but itself, and that one is then searched afresh.
        self.below = next.map_or(StreamId::MAX, |(id, _)| id);
        self.walk = self.entries.walk(node_id, node);
        self.ahead = None;
        Some(())
    }

    fn next_live(&mut self) -> Option<Entry<'a>> {
        let walk = self.walk.as_mut()?;
        core::iter::from_fn(|| walk.next()).find(Stored::is_live).map(Entry::from)
    }
}
