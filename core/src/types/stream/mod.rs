//! The stream: entries in order of time, and the groups that read them.
//!
//! | file | Holds: |
//! |---|---|
//! | `id.rs` | entry IDs and all forms in which they are written |
//! | `node.rs` | neighbouring entries in one listpack, as data files carry them |
//! | `id_map.rs` | ordered maps by ID, made for IDs that rise |
//! | `entries.rs`, `trim.rs`, `range.rs` | all entries: adding, deleting, trimming, reading |
//! | `progress.rs` | logical read counters and lag |
//! | `group.rs`, `delivery.rs`, `claim.rs` | groups, consumers, pending entries |
//! | `load.rs` | building a stream from a data file |
//!
//! A stream of up to a hundred small entries is one allocation for their bytes and one for the index; adding touches
//! only the end of the last node. Invariants are stated where they are kept and checked by [`Stream::validate`].
//!
//! Source: Valkey 9.1 `t_stream.c`; departures are named in the files.

mod claim;
mod delivery;
mod entries;
mod group;
mod id;
mod id_map;
mod load;
#[cfg(any(test, fuzzing))]
pub mod model;
mod node;
mod progress;
mod range;
#[cfg(test)]
mod tests;
mod trim;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

pub use self::claim::{AutoClaim, ClaimRules, Claimed, Claims, CountRule, Missing, delivery_time};
pub use self::delivery::{Ack, Deliveries, GroupMut, History};
pub use self::entries::{AddError, Entries, NodeLimits, SetId, SetIdError};
pub use self::group::{Consumer, ConsumerId, Group, Pending};
pub use self::id::{AddId, IdBound, IdError, ReadId, StreamId, StreamIdText};
use self::id_map::IdMap;
pub use self::load::{Counters, GroupLoader, LoadError, StreamLoader};
pub use self::node::Fields;
use self::node::Node;
pub use self::range::{Entry, Finder, Range, RangeBack};
pub use self::trim::{TrimMode, TrimTo};

/// What is asked of all groups is asked of so many where it has to be quick.
const GROUPS_LOOKED_AT: usize = 16;
/// What a group costs besides itself: its name's and its own place in the tree.
const GROUP_OVERHEAD: usize = size_of::<Group>() + size_of::<(Box<[u8]>, Box<Group>)>() * 11 / 7;

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    entries: Entries,
    groups: BTreeMap<Box<[u8]>, Box<Group>>,
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// The entries.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The entries, to be changed.
    pub fn entries_mut(&mut self) -> &mut Entries {
        &mut self.entries
    }

    /// How many groups there are.
    pub fn groups_len(&self) -> usize {
        self.groups.len()
    }

    /// All groups in order of name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, &**group))
    }

    /// The group of a name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// The group of a name, to be changed, with the entries that it reads.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<GroupMut<'_>> {
        let group = self.groups.get_mut(name)?;
        Some(GroupMut { entries: &self.entries, group })
    }

    /// Adds a group. `false` if the name is taken: `BUSYGROUP`.
    pub fn insert_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.groups.insert(Box::from(name), Box::new(group)).is_none()
    }

    /// Takes a group out; a large one is best freed by [`Group::dismantle`].
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Box<Group>> {
        self.groups.remove(name)
    }

    /// Bytes of heap. O(groups).
    pub fn memory(&self) -> usize {
        let groups = self.groups.iter().map(|(name, group)| name.len() + GROUP_OVERHEAD + group.memory());
        self.entries.memory() + groups.sum::<usize>()
    }

    /// Same, by looking at a few groups only.
    pub fn memory_about(&self) -> usize {
        let looked_at = self.groups.values().take(GROUPS_LOOKED_AT);
        let groups: usize = looked_at.map(|group| group.memory()).sum();
        self.entries.memory() + self.groups.len() * GROUP_OVERHEAD + groups
    }

    /// About how many allocations go when it is freed; of many groups, no fewer than there are.
    pub fn free_effort(&self) -> usize {
        let looked_at = self.groups.values().take(GROUPS_LOOKED_AT);
        let groups: usize = looked_at.map(|group| group.free_effort()).sum();
        self.entries.nodes() + self.groups.len() + groups
    }

    /// A stream of nothing but nodes that were cut off: to be freed in steps.
    fn of_nodes(nodes: IdMap<Node>, node_bytes: usize) -> Self {
        Self { entries: Entries { nodes, node_bytes, ..Entries::default() }, groups: BTreeMap::new() }
    }

    /// A stream of nothing but a group: to be freed in steps.
    pub fn of_group(name: &[u8], group: Box<Group>) -> Self {
        Self { entries: Entries::default(), groups: BTreeMap::from([(Box::from(name), group)]) }
    }

    /// Frees about `budget` nodes, pending entries and consumers. Returns what is left of the budget: more than 0 only when
    /// nothing is left to be freed. For streams that are being torn down: nothing else may be done with them any more.
    pub fn dismantle(&mut self, budget: usize) -> usize {
        let mut left = self.entries.dismantle(budget);
        while left > 0 {
            let Some(mut group) = self.groups.first_entry() else { break };
            left = group.get_mut().dismantle(left);
            if group.get().is_dismantled() {
                group.remove();
            }
        }
        left
    }

    /// Checks every invariant. O(n).
    ///
    /// # Errors
    /// With the one that does not hold.
    pub fn validate(&self) -> Result<(), &'static str> {
        self.entries.validate()?;
        self.groups.values().try_for_each(|group| group.validate())
    }
}
