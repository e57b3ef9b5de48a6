//! Reading in a group: new entries (`>` of XREADGROUP), and a consumer's own history.
//!
//! Both are iterators that change the group as they go: what they have given has been delivered, what was not asked of
//! them has not. Source: Valkey 9.1 `streamReplyWithRange`, `streamReplyWithRangeFromConsumerPEL`.

use super::entries::Entries;
use super::group::{ConsumerId, Group, Pending};
use super::id::StreamId;
use super::range::{Entry, Finder, Range};

/// A group to be read from, together with the entries of its stream.
#[derive(Debug)]
pub struct GroupMut<'a> {
    /// The entries.
    pub entries: &'a Entries,
    /// The group.
    pub group: &'a mut Group,
}

/// Whether what is delivered stays pending until it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// It does.
    Wanted,
    /// NOACK: it does not.
    None,
}

impl GroupMut<'_> {
    /// There are entries that the group has not had.
    pub fn has_new(&self) -> bool {
        self.group.has_new(self.entries)
    }

    /// The entries that the group has not had. Each that the iterator gives moves the group on and becomes pending
    /// for the consumer, delivered now and once, even if another had it (after XGROUP SETID).
    pub fn deliver(&mut self, consumer: ConsumerId, ack: Ack, now_ms: i64) -> Deliveries<'_> {
        Deliveries { range: self.entries.after(self.group.last_id), group: self.group, consumer, ack, now_ms }
    }

    /// What the consumer has pending after `after`. Each entry that the iterator gives counts as delivered once more,
    /// unless it is deleted: then only its ID is left.
    pub fn history(&mut self, consumer: ConsumerId, after: StreamId, now_ms: i64) -> History<'_> {
        let from = after.checked_next();
        History { finder: self.entries.finder(), group: self.group, consumer, from, now_ms }
    }
}

/// New entries; see [`GroupMut::deliver`].
#[derive(Debug)]
pub struct Deliveries<'a> {
    range: Range<'a>,
    group: &'a mut Group,
    consumer: ConsumerId,
    ack: Ack,
    now_ms: i64,
}

impl<'a> Deliveries<'a> {
    /// The group as it is by now.
    pub fn group(&self) -> &Group {
        self.group
    }

    fn note(&mut self, id: StreamId) {
        let (entries, group) = (self.range.entries(), &mut *self.group);
        group.entries_read = entries.count_read(group.entries_read, group.last_id, id);
        group.last_id = id;
        if self.ack == Ack::Wanted {
            let (consumer, delivery_time) = (self.consumer, self.now_ms);
            group.set_pending(id, Pending { consumer, delivery_time, delivery_count: 1 });
            group.set_active(consumer, Some(delivery_time));
        }
    }
}

impl<'a> Iterator for Deliveries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let entry = self.range.next()?;
        self.note(entry.id);
        Some(entry)
    }
}

/// A consumer's pending entries; see [`GroupMut::history`].
#[derive(Debug)]
pub struct History<'a> {
    finder: Finder<'a>,
    group: &'a mut Group,
    consumer: ConsumerId,
    from: Option<StreamId>,
    now_ms: i64,
}

impl<'a> Iterator for History<'a> {
    /// The ID, and the entry if it still exists.
    type Item = (StreamId, Option<Entry<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.group.next_pending_of(self.consumer, self.from?)?;
        self.from = id.checked_next();
        let entry = self.finder.find(id);
        if entry.is_some()
            && let Some(pending) = self.group.pending.get_mut(id)
        {
            pending.delivery_time = self.now_ms;
            pending.delivery_count = pending.delivery_count.wrapping_add(1);
        }
        Some((id, entry))
    }
}
