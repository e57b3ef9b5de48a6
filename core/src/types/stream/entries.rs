//! The entries of a stream and what is known about all of them: last and first ID, deletions, additions.
//!
//! Invariants: every node has a live entry; live IDs rise through all nodes and none is above `last_id`; `first_id`
//! is the first live one, or `0-0`. `last_id` and `max_deleted_id` may be anything that XSETID left there.
//!
//! Departs from the reference in one thing: a node whose last live entry is trimmed is dropped. There it stays when
//! XTRIM MINID ends at a tombstone, until a later trimming takes it.
//!
//! Source: Valkey 9.1 `t_stream.c`.

use super::id::{AddId, StreamId};
use super::id_map::IdMap;
use super::node::{Front, NewEntry, Node, Place, Stored, Walk};

/// Bytes of a node and of the texts of an entry, at most.
const NODE_LEN_MAX: usize = 1 << 30;
/// What an element costs besides its text, at most.
const ELEMENT_OVERHEAD_MAX: usize = 10;
/// Room that a new node gets in advance, at most.
const NODE_RESERVE_MAX: usize = 4096;

/// When a node is full: `stream-node-max-bytes` and `stream-node-max-entries`. 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// Bytes.
    pub bytes: usize,
    /// Entries, deleted ones included.
    pub entries: u64,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self { bytes: 4096, entries: 100 }
    }
}

/// Why an entry was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// `0-0` was asked for.
    Zero,
    /// No ID is left after the last.
    Exhausted,
    /// The ID is not above the last.
    NotAbove,
    /// More than a node may hold.
    TooLarge,
}

impl AddError {
    /// The error line, code included.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Zero => "ERR The ID specified in XADD must be greater than 0-0",
            Self::Exhausted => "ERR The stream has exhausted the last possible ID, unable to add more items",
            Self::NotAbove => {
                "ERR The ID specified in XADD is equal or smaller than the target stream top item"
            }
            Self::TooLarge => "ERR Elements are too large to be stored",
        }
    }
}

/// What XSETID sets.
#[derive(Clone, Copy, Debug)]
pub struct SetId {
    /// The last ID.
    pub last_id: StreamId,
    /// ENTRIESADDED.
    pub entries_added: Option<u64>,
    /// MAXDELETEDID; `0-0` leaves what there is.
    pub max_deleted_id: Option<StreamId>,
}

/// Why XSETID was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetIdError {
    /// The last ID is below the MAXDELETEDID given with it. Independent of the stream.
    BelowGivenDeleted,
    /// The last ID is below that of the greatest deleted entry.
    BelowDeleted,
    /// The last ID is below that of the last entry.
    BelowTop,
    /// Fewer additions than there are entries.
    FewerThanEntries,
}

impl SetIdError {
    /// The error line, code included.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BelowGivenDeleted => {
                "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
            }
            Self::BelowDeleted => {
                "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
            }
            Self::BelowTop => "ERR The ID specified in XSETID is smaller than the target stream top item",
            Self::FewerThanEntries => {
                "ERR The entries_added specified in XSETID is smaller than the target stream length"
            }
        }
    }
}

impl SetId {
    /// What can be refused before the stream is looked up.
    ///
    /// # Errors
    /// [`SetIdError::BelowGivenDeleted`].
    pub fn check(&self) -> Result<(), SetIdError> {
        let is_below = self.max_deleted_id.is_some_and(|deleted| self.last_id < deleted);
        if is_below { Err(SetIdError::BelowGivenDeleted) } else { Ok(()) }
    }
}

/// The entries.
#[derive(Debug, Default)]
pub struct Entries {
    pub(super) nodes: IdMap<Node>,
    /// Heap of the nodes' bytes.
    pub(super) node_bytes: usize,
    pub(super) len: u64,
    pub(super) first_id: StreamId,
    pub(super) last_id: StreamId,
    pub(super) max_deleted_id: StreamId,
    pub(super) entries_added: u64,
    /// Where the first live entry is in the first node, so that deleting from the front does not pass the same
    /// tombstones again and again.
    pub(super) front: Front,
    /// A tombstone may have an ID above that of an entry behind it. Trimming stops at such a one as the reference
    /// does, so it must not be passed over and `front` stays at 0.
    pub(super) is_disordered: bool,
}

impl Clone for Entries {
    fn clone(&self) -> Self {
        let nodes = self.nodes.clone();
        let node_bytes = nodes.iter().map(|(_, node)| node.memory()).sum();
        Self { nodes, node_bytes, ..*self }
    }
}

impl Entries {
    /// How many entries there are: XLEN.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// ID of the first entry, `0-0` without one.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The last ID that was given out or set; there need not be an entry.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The greatest ID that XDEL has deleted.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// How many nodes there are: `radix-tree-keys` of XINFO STREAM.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The parts that make up the index and what hangs off it: `radix-tree-nodes` of XINFO STREAM.
    ///
    /// There is no radix tree here. The leaves of the index, of which an empty one has one too, and the nodes are
    /// what corresponds to its nodes; for a stream of no or one node the number is the reference's, 1 and 2.
    pub fn index_nodes(&self) -> usize {
        self.nodes.leaves() + self.nodes.len()
    }

    /// The nodes as data files carry them: ID and bytes, in order.
    pub fn node_bytes(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.nodes.iter().map(|(id, node)| (id, node.as_bytes()))
    }

    /// Bytes of heap. O(1).
    pub fn memory(&self) -> usize {
        self.node_bytes + self.nodes.memory()
    }

    /// The ID that an entry would get.
    ///
    /// # Errors
    /// All but [`AddError::TooLarge`].
    pub fn next_id(&self, id: AddId, now_ms: u64) -> Result<StreamId, AddError> {
        if id.is_zero() {
            return Err(AddError::Zero);
        }
        if self.last_id == StreamId::MAX {
            return Err(AddError::Exhausted);
        }
        let id = match id {
            AddId::Auto if now_ms > self.last_id.ms => StreamId::new(now_ms, 0),
            AddId::Auto => self.last_id.saturating_next(),
            AddId::AutoSeq(ms) if ms == self.last_id.ms => {
                StreamId::new(ms, self.last_id.seq.checked_add(1).ok_or(AddError::NotAbove)?)
            }
            AddId::AutoSeq(ms) => StreamId::new(ms, 0),
            AddId::Exact(id) => id,
        };
        if id > self.last_id { Ok(id) } else { Err(AddError::NotAbove) }
    }

    /// Adds an entry at the end: XADD. `fields` are names and values in turn; a name without a value at the end is
    /// left out. Amortised O(size of the entry).
    ///
    /// # Errors
    /// Every [`AddError`]; nothing has changed then.
    pub fn append<'f, F>(
        &mut self,
        id: AddId,
        now_ms: u64,
        fields: F,
        limits: NodeLimits,
    ) -> Result<StreamId, AddError>
    where
        F: Iterator<Item = &'f [u8]> + Clone,
    {
        let id = self.next_id(id, now_ms)?;
        let (texts, len_bytes) = fields.clone().fold((0usize, 0usize), |(texts, len_bytes), text| {
            (texts + 1, len_bytes.saturating_add(text.len()))
        });
        // The second bound keeps what many short texts cost besides within the 32 bits of a node's length.
        if len_bytes > NODE_LEN_MAX || texts > NODE_LEN_MAX / ELEMENT_OVERHEAD_MAX {
            return Err(AddError::TooLarge);
        }
        let entry = NewEntry { id, fields, pairs: texts / 2 };
        match self.nodes.last_mut() {
            Some((node_id, node)) if !is_full(node, len_bytes, limits) => {
                let before = node.memory();
                node.append(node_id, &entry);
                self.node_bytes = self.node_bytes - before + node.memory();
            }
            // What the head, the offsets and the lengths of short texts take is a guess that is seldom too low.
            _ => self.append_in_new_node(&entry, 24 + len_bytes.saturating_add(2 * texts)),
        }
        self.len += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
        Ok(id)
    }

    /// Closes the last node and begins another.
    #[cold]
    fn append_in_new_node<'f, F>(&mut self, entry: &NewEntry<F>, entry_bytes: usize)
    where
        F: Iterator<Item = &'f [u8]> + Clone,
    {
        // Entries of a stream are alike: the next node will be about as long. A stream's first node grows as it must.
        let mut capacity = entry_bytes.min(NODE_RESERVE_MAX);
        if let Some((_, full)) = self.nodes.last_mut() {
            let before = full.memory();
            full.shrink();
            self.node_bytes = self.node_bytes - before + full.memory();
            capacity = full.len_bytes().clamp(capacity, NODE_RESERVE_MAX);
        }
        let mut node = Node::new(entry, capacity);
        node.append(entry.id, entry);
        self.node_bytes += node.memory();
        self.nodes.insert(entry.id, node);
    }

    /// Deletes an entry: XDEL. `false` if there is none. O(log nodes + entries of a node).
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((node_id, place)) = self.find_place(id) else { return false };
        self.change_node(node_id, |node| node.delete(place));
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.renew_first_id();
        }
        true
    }

    fn find_place(&self, id: StreamId) -> Option<(StreamId, Place)> {
        let (node_id, node) = self.nodes.at_or_before(id)?;
        let mut walk = self.walk(node_id, node)?;
        let entry = core::iter::from_fn(|| walk.next()).find(|entry| entry.is_live() && entry.id >= id)?;
        (entry.id == id).then_some((node_id, entry.place))
    }

    /// Changes a node and drops it when no live entry is left.
    pub(super) fn change_node<T: Default>(&mut self, id: StreamId, change: impl FnOnce(&mut Node) -> T) -> T {
        let Some(node) = self.nodes.get_mut(id) else { return T::default() };
        let before = node.memory();
        let result = change(node);
        self.node_bytes = self.node_bytes - before + node.memory();
        if node.live() == 0 {
            self.remove_node(id);
        }
        result
    }

    /// Takes a whole node out.
    pub(super) fn remove_node(&mut self, id: StreamId) {
        if id <= self.first_id {
            self.front = Front::default();
        }
        if let Some(node) = self.nodes.remove(id) {
            self.node_bytes -= node.memory();
        }
    }

    /// A walk over the entries of a node, in the first node without the tombstones that it begins with.
    pub(super) fn walk<'a>(&self, id: StreamId, node: &'a Node) -> Option<Walk<'a>> {
        // All nodes but the first come after the first entry.
        if id <= self.first_id { node.walk_from(id, self.front) } else { node.walk(id) }
    }

    /// Finds the first entry anew.
    pub(super) fn renew_first_id(&mut self) {
        let first = self.nodes.first().and_then(|(id, node)| node.first_live(id, self.front));
        let (id, front) = first.unwrap_or_default();
        self.first_id = id;
        if !self.is_disordered {
            self.front = front;
        }
    }

    /// Sets the last ID and the counters: XSETID.
    ///
    /// # Errors
    /// Every [`SetIdError`]; nothing has changed then.
    pub fn set_id(&mut self, set: &SetId) -> Result<(), SetIdError> {
        set.check()?;
        if set.last_id < self.max_deleted_id {
            return Err(SetIdError::BelowDeleted);
        }
        if self.last_entry_id().is_some_and(|top| set.last_id < top) {
            return Err(SetIdError::BelowTop);
        }
        if !self.is_empty() && set.entries_added.is_some_and(|added| added < self.len) {
            return Err(SetIdError::FewerThanEntries);
        }
        let last_stored = self.nodes.last().and_then(|(id, node)| node.last_stored(id));
        if last_stored.is_some_and(|last| set.last_id < last) {
            (self.is_disordered, self.front) = (true, Front::default());
        }
        self.last_id = set.last_id;
        self.entries_added = set.entries_added.unwrap_or(self.entries_added);
        if let Some(deleted) = set.max_deleted_id.filter(|&deleted| deleted != StreamId::MIN) {
            self.max_deleted_id = deleted;
        }
        Ok(())
    }

    /// Frees nodes, at most `budget`; returns what is left of it. For streams that are being torn down.
    pub(super) fn dismantle(&mut self, budget: usize) -> usize {
        let before = self.nodes.len().max(1);
        let left = self.nodes.dismantle(budget);
        // About: what is left is as large on average as what went.
        self.node_bytes = self.node_bytes / before * self.nodes.len();
        if self.nodes.is_empty() {
            (self.node_bytes, self.len) = (0, 0);
        }
        left
    }

    /// Checks every invariant. O(n).
    ///
    /// # Errors
    /// With the one that does not hold.
    pub fn validate(&self) -> Result<(), &'static str> {
        let require = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
        require(self.nodes.is_sound(), "index of nodes")?;
        let (mut len, mut bytes, mut newest, mut first) = (0u64, 0, None, None);
        for (id, node) in self.nodes.iter() {
            require(node.is_sound(id), "bytes of a node")?;
            require(node.live() > 0, "a node has a live entry")?;
            len = len.saturating_add(node.live());
            bytes += node.memory();
            let mut walk = node.walk(id);
            for entry in core::iter::from_fn(|| walk.as_mut()?.next()).filter(Stored::is_live) {
                require(newest.is_none_or(|newest| newest < entry.id), "order of entries")?;
                newest = Some(entry.id);
                first.get_or_insert(entry.id);
            }
        }
        require(len == self.len, "length")?;
        require(bytes == self.node_bytes, "bytes of all nodes")?;
        require(first.unwrap_or_default() == self.first_id, "first ID")?;
        let front = self.nodes.first().and_then(|(id, node)| node.first_live(id, Front::default()));
        let front = front.filter(|_| !self.is_disordered).map_or(Front::default(), |(_, front)| front);
        require(front == self.front, "front of the first node")?;
        require(newest.unwrap_or_default() <= self.last_id, "last ID")
    }
}

fn is_full(node: &Node, more_bytes: usize, limits: NodeLimits) -> bool {
    let bytes = if limits.bytes == 0 { NODE_LEN_MAX } else { limits.bytes.min(NODE_LEN_MAX) };
    node.len_bytes().saturating_add(more_bytes) >= bytes
        || (limits.entries > 0 && node.stored() >= limits.entries)
}
