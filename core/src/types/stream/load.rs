//! Building a stream from a data file, whose every byte may be wrong.
//!
//! Order as in the file: nodes, counters, then for each group its pending entries, its consumers, and for each of
//! these the IDs that it owns. What comes out has passed all checks that [`super::Stream::validate`] would make.
//!
//! Departs from the reference: nodes have to come in order and live IDs have to rise through all of them, which it
//! takes on trust; nodes without a live entry are left out; the first ID is looked up, not believed.
//!
//! Source: Valkey 9.1 `rdbLoadObject`, `streamValidateListpackIntegrity`.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use super::Stream;
use super::entries::Entries;
use super::group::{ConsumerId, Group};
use super::id::StreamId;
use super::node::Node;

/// Why a data file was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The bytes of a node are none.
    Node,
    /// A node's entries do not come after those before.
    Order,
    /// The length is not the number of entries.
    Length,
    /// The last ID is below that of the last entry.
    LastId,
    /// A pending entry or a consumer comes twice.
    Duplicate,
    /// A consumer owns what is not pending.
    NotPending,
    /// A pending entry has no owner, or two.
    Owner,
}

/// What a data file says about all entries.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// How many there are.
    pub len: u64,
    /// The last ID.
    pub last_id: StreamId,
    /// The greatest ID deleted.
    pub max_deleted_id: StreamId,
    /// How many were ever added; old files do not say it, and it is the length then.
    pub entries_added: Option<u64>,
}

/// A stream under construction.
#[derive(Debug, Default)]
pub struct StreamLoader {
    entries: Entries,
    /// ID of the last live entry.
    newest: Option<StreamId>,
    /// The greatest ID, deleted or not.
    newest_stored: Option<StreamId>,
}

impl StreamLoader {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node.
    ///
    /// # Errors
    /// [`LoadError::Node`], [`LoadError::Order`].
    pub fn push_node(&mut self, id: StreamId, bytes: Vec<u8>) -> Result<(), LoadError> {
        let mut node = Node::from_bytes(id, bytes).ok_or(LoadError::Node)?;
        if node.live() == 0 {
            return Ok(());
        }
        if self.newest.is_some_and(|newest| newest >= id) {
            return Err(LoadError::Order);
        }
        let mut walk = node.walk(id).ok_or(LoadError::Node)?;
        for entry in core::iter::from_fn(|| walk.next()) {
            self.entries.is_disordered |= self.newest_stored.is_some_and(|newest| newest >= entry.id);
            self.newest_stored = self.newest_stored.max(Some(entry.id));
            if entry.is_live() {
                self.newest = Some(entry.id);
            }
        }
        node.shrink();
        self.entries.len = self.entries.len.saturating_add(node.live());
        self.entries.node_bytes = self.entries.node_bytes.saturating_add(node.memory());
        self.entries.nodes.insert(id, node);
        Ok(())
    }

    /// The stream, without groups.
    ///
    /// # Errors
    /// [`LoadError::Length`], [`LoadError::LastId`].
    pub fn finish(self, counters: &Counters) -> Result<Stream, LoadError> {
        let mut entries = self.entries;
        if entries.len != counters.len {
            return Err(LoadError::Length);
        }
        if self.newest.is_some_and(|newest| newest > counters.last_id) {
            return Err(LoadError::LastId);
        }
        entries.last_id = counters.last_id;
        entries.max_deleted_id = counters.max_deleted_id;
        entries.entries_added = counters.entries_added.unwrap_or(counters.len);
        entries.renew_first_id();
        Ok(Stream { entries, groups: Default::default() })
    }
}

/// A group under construction.
#[derive(Debug)]
pub struct GroupLoader {
    group: Group,
    /// Pending entries that have no owner yet.
    unowned: usize,
}

impl GroupLoader {
    /// A group that has read up to `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        Self { group: Group::new(last_id, entries_read), unowned: 0 }
    }

    /// Adds a pending entry, whose owner is yet to come.
    ///
    /// # Errors
    /// [`LoadError::Duplicate`].
    pub fn pending(
        &mut self,
        id: StreamId,
        delivery_time: i64,
        delivery_count: u64,
    ) -> Result<(), LoadError> {
        if !self.group.add_unowned(id, delivery_time, delivery_count) {
            return Err(LoadError::Duplicate);
        }
        self.unowned = self.unowned.saturating_add(1);
        Ok(())
    }

    /// Adds a consumer.
    ///
    /// # Errors
    /// [`LoadError::Duplicate`].
    pub fn consumer(
        &mut self,
        name: &[u8],
        seen_time: i64,
        active_time: Option<i64>,
    ) -> Result<ConsumerId, LoadError> {
        let id = self.group.create_consumer(name, seen_time).ok_or(LoadError::Duplicate)?;
        self.group.set_active(id, active_time);
        Ok(id)
    }

    /// Gives a pending entry its owner.
    ///
    /// # Errors
    /// [`LoadError::Owner`] when it has one, [`LoadError::NotPending`] when it is not pending.
    pub fn owns(&mut self, consumer: ConsumerId, id: StreamId) -> Result<(), LoadError> {
        match self.group.name_owner(id, consumer) {
            None => Err(LoadError::NotPending),
            Some(Some(_)) => Err(LoadError::Owner),
            Some(None) => {
                self.unowned = self.unowned.saturating_sub(1);
                Ok(())
            }
        }
    }

    /// The group.
    ///
    /// # Errors
    /// [`LoadError::Owner`] when a pending entry has none.
    pub fn finish(self) -> Result<Group, LoadError> {
        if self.unowned == 0 { Ok(self.group) } else { Err(LoadError::Owner) }
    }
}
