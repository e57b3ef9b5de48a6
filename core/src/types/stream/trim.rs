//! Trimming from the front: MAXLEN and MINID of XADD and XTRIM.
//!
//! Whole nodes go first, many of them as a piece. Exactly trimmed, the entries of one more node are marked as deleted; approximately, nothing
//! more happens. Trimming is no deletion for the counters: `max_deleted_id` stays.
//!
//! Source: Valkey 9.1 `streamTrim`.

use alloc::vec::Vec;

use super::Stream;
use super::entries::{Entries, NodeLimits};
use super::id::StreamId;
use super::node::Front;

/// So many nodes are freed at once; more are cut off to be freed in steps.
const NODES_AT_ONCE: usize = if cfg!(any(miri, fuzzing, test)) { 2 } else { 64 };

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

/// Nodes at the front that go as a whole.
#[derive(Clone, Copy, Debug, Default)]
struct Whole {
    nodes: usize,
    /// Heap of their bytes.
    node_bytes: usize,
    /// Live entries in them.
    live: u64,
    /// The first node that stays.
    first_kept: Option<StreamId>,
}

impl Entries {
    /// Removes entries from the front; returns how many. O(nodes removed + entries of a node), no more than a few of which are
    /// freed: the others are put into `cut`.
    pub fn trim(&mut self, to: TrimTo, mode: TrimMode, cut: &mut Vec<Stream>) -> u64 {
        let before = self.len;
        let whole = self.whole_nodes(to, mode);
        self.remove_front(whole, cut);
        if mode == TrimMode::Exact
            && !self.is_trimmed(to)
            && let Some((id, _)) = self.nodes.first()
        {
            self.trim_node(id, to);
        }
        let removed = before - self.len;
        if removed > 0 {
            self.renew_first_id();
        }
        removed
    }

    /// Which nodes go as a whole. No bytes of nodes are looked at but those of one.
    fn whole_nodes(&self, to: TrimTo, mode: TrimMode) -> Whole {
        let limit = if let TrimMode::Nodes { limit } = mode { limit } else { None };
        if let TrimTo::MaxLen(len) = to
            && limit.is_none()
            && len < self.len / 2
        {
            return self.whole_but_last(len);
        }
        // Where all IDs rise, a node whose successor does not begin above the bound goes.
        let sure = match to {
            TrimTo::MinId(least) if !self.is_disordered => self.nodes.at_or_before(least).map(|(id, _)| id),
            _ => None,
        };
        let mut whole = Whole::default();
        whole.first_kept = self.nodes.all().find_map(|(id, node)| {
            let live = whole.live.saturating_add(node.live());
            let goes = match to {
                TrimTo::MaxLen(len) => {
                    let left = self.len - whole.live;
                    left > len && left - node.live() >= len
                }
                TrimTo::MinId(least) => {
                    sure.is_some_and(|sure| id < sure) || node.last_stored(id).is_none_or(|last| last < least)
                }
            };
            if !goes || limit.is_some_and(|limit| live > limit) {
                return Some(id);
            }
            whole.nodes += 1;
            whole.node_bytes += node.memory();
            whole.live = live;
            None
        });
        whole
    }

    /// Same, where the last `len` entries are to be left: counted from the end, as that is nearer.
    fn whole_but_last(&self, len: u64) -> Whole {
        let mut whole =
            Whole { nodes: self.nodes.len(), node_bytes: self.node_bytes, live: self.len, first_kept: None };
        let mut kept = 0u64;
        let mut nodes = self.nodes.all_back();
        while kept < len
            && let Some((id, node)) = nodes.next()
        {
            kept = kept.saturating_add(node.live());
            whole = Whole {
                nodes: whole.nodes - 1,
                node_bytes: whole.node_bytes - node.memory(),
                live: whole.live - node.live(),
                first_kept: Some(id),
            };
        }
        whole
    }

    fn remove_front(&mut self, whole: Whole, cut: &mut Vec<Stream>) {
        self.len -= whole.live;
        if whole.nodes <= NODES_AT_ONCE {
            for _ in 0..whole.nodes {
                let Some((id, _)) = self.nodes.first() else { break };
                self.remove_node(id);
            }
            return;
        }
        self.front = Front::default();
        self.node_bytes -= whole.node_bytes;
        cut.push(Stream::of_nodes(self.nodes.split_front(whole.first_kept), whole.node_bytes));
    }

    fn is_trimmed(&self, to: TrimTo) -> bool {
        match to {
            TrimTo::MaxLen(len) => self.len <= len,
            TrimTo::MinId(_) => false,
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
