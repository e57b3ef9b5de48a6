//! How far groups have read: a logical counter of entries read, and what is left to read, the lag.
//!
//! The counter of an ID is the number of entries ever added up to it. It is known at both ends of the stream, and in
//! between only while nothing is deleted: trimming takes from the front and keeps the count right, XDEL leaves a
//! hole at a place that nobody remembers but for the greatest. A group whose counter is unknown regains it when it
//! reaches an end.
//!
//! Source: Valkey 9.1 `streamEstimateDistanceFromFirstEverEntry`, `streamRangeHasTombstones`.

use super::entries::Entries;
use super::id::StreamId;

impl Entries {
    /// How many entries were added up to this ID; `None` where that is not known.
    pub fn added_up_to(&self, id: StreamId) -> Option<i64> {
        let all = self.entries_added.cast_signed();
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(all);
        }
        if id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(all);
        }
        if self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= self.first_id {
            return None;
        }
        let before_first = self.entries_added.wrapping_sub(self.len).cast_signed();
        if id < self.first_id {
            return Some(before_first);
        }
        (id == self.first_id).then(|| before_first.wrapping_add(1))
    }

    /// Something that XDEL has deleted may lie at or after this ID.
    pub(super) fn has_tombstone_from(&self, id: StreamId) -> bool {
        !self.is_empty() && self.max_deleted_id != StreamId::MIN && id <= self.max_deleted_id
    }

    /// How many entries a group that has read up to `last_id` is yet to get; `None` where that is not known.
    /// Negative when more were declared as read than were added.
    pub fn lag(&self, last_id: StreamId, entries_read: Option<i64>) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let known = entries_read.filter(|_| !self.has_tombstone_from(last_id));
        let read = known.or_else(|| self.added_up_to(last_id))?;
        Some(self.entries_added.cast_signed().wrapping_sub(read))
    }

    /// The counter of a group that goes on from `last_id` to the entry `id`.
    pub(super) fn count_read(
        &self,
        entries_read: Option<i64>,
        last_id: StreamId,
        id: StreamId,
    ) -> Option<i64> {
        match entries_read {
            Some(read) if last_id >= self.first_id && !self.has_tombstone_from(last_id) => {
                //= valkey 9.1 XREADGROUP: the counter of entries read wraps
                Some(read.wrapping_add(1))
            }
            _ if self.entries_added > 0 => self.added_up_to(id),
            _ => entries_read,
        }
    }
}
