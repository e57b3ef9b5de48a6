//! Trimming from the front: MAXLEN and MINID of XADD and XTRIM.
//!
//! Whole nodes go first. Exactly trimmed, the entries of one more node are marked as deleted; approximately, nothing
//! more happens. Trimming is no deletion for the counters: `max_deleted_id` stays.
//!
//! Source: Valkey 9.1 `streamTrim`.

use super::entries::{Entries, NodeLimits};
use super::id::StreamId;
use super::node::Node;

/// What is to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// At most so many entries.
    MaxLen(u64),
    /// Entries whose ID is not below this.
    MinId(StreamId),
}

/// How closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimMode {
    /// `=`: to the entry.
    Exact,
    /// `~`: whole nodes only, and no more entries than `limit` if there is one.
    Nodes {
        /// LIMIT.
        limit: Option<u64>,
    },
}

impl TrimMode {
    /// `~` with the LIMIT that stands for one not given.
    pub fn nodes_default(limits: NodeLimits) -> Self {
        let limit = match limits.entries.saturating_mul(100) {
            0 => 10_000,
            entries => entries.min(1_000_000),
        };
        Self::Nodes { limit: Some(limit) }
    }
}

impl Entries {
    /// Removes entries from the front; returns how many. O(nodes removed + entries of a node).
    pub fn trim(&mut self, to: TrimTo, mode: TrimMode) -> u64 {
        let before = self.len;
        loop {
            if self.is_trimmed(to) {
                break;
            }
            let Some((id, node)) = self.nodes.first() else { break };
            let live = node.live();
            if let TrimMode::Nodes { limit: Some(limit) } = mode
                && (before - self.len).saturating_add(live) > limit
            {
                break;
            }
            if self.goes_whole(id, node, to) {
                self.remove_node(id);
                self.len -= live;
                continue;
            }
            if mode == TrimMode::Exact {
                self.trim_node(id, to);
            }
            break;
        }
        let removed = before - self.len;
        if removed > 0 {
            self.renew_first_id();
        }
        removed
    }

    fn is_trimmed(&self, to: TrimTo) -> bool {
        match to {
            TrimTo::MaxLen(len) => self.len <= len,
            TrimTo::MinId(_) => false,
        }
    }

    fn goes_whole(&self, id: StreamId, node: &Node, to: TrimTo) -> bool {
        match to {
            TrimTo::MaxLen(len) => self.len - node.live() >= len,
            TrimTo::MinId(least) => node.last_stored(id).is_none_or(|last| last < least),
        }
    }

    /// Marks the entries of the first node that are to go.
    fn trim_node(&mut self, id: StreamId, to: TrimTo) {
        let (below, most) = match to {
            TrimTo::MaxLen(len) => (None, self.len.saturating_sub(len)),
            TrimTo::MinId(least) => (Some(least), u64::MAX),
        };
        let front = self.front;
        let marked = self.change_node(id, |node| node.delete_front(id, front, below, most));
        self.len -= marked;
    }
}
