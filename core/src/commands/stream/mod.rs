//! Stream commands.
//!
//! | file | Commands: |
//! |---|---|
//! | `add.rs` | XADD, XTRIM and the options they share |
//! | `entries.rs` | XLEN, XRANGE, XREVRANGE, XDEL, XSETID |
//! | `read.rs` | XREAD, XREADGROUP |
//! | `group.rs` | XGROUP, XACK |
//! | `pending.rs` | XPENDING |
//! | `claim.rs` | XCLAIM, XAUTOCLAIM |
//! | `info.rs` | XINFO |
//!
//! What happens inside a group is no change of its key: WATCH does not see it.

mod add;
mod claim;
mod entries;
mod group;
mod info;
mod pending;
mod read;

use alloc::vec::Vec;

pub(super) use self::add::{xadd, xtrim};
pub(super) use self::claim::{xautoclaim, xclaim};
pub(super) use self::entries::{xdel, xlen, xrange, xrevrange, xsetid};
pub(super) use self::group::{
    xack, xgroup_create, xgroup_createconsumer, xgroup_delconsumer, xgroup_destroy, xgroup_setid,
};
pub(super) use self::info::{xinfo_consumers, xinfo_groups, xinfo_stream};
pub(super) use self::pending::xpending;
pub(super) use self::read::{xread, xreadgroup};
use super::help::{bad_subcommand, printed};
use crate::commands::element::reply_element;
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, Ctx};
use crate::keyspace::Key;
use crate::num;
use crate::resp::Reply;
use crate::types::Typed;
use crate::types::stream::{ConsumerId, Entry, Group, IdBound, IdError, Stream, StreamId};

/// Has pieces of a stream freed that were cut off.
fn discard(cx: &mut Ctx<'_>, cut: impl IntoIterator<Item = Stream>) {
    cut.into_iter().for_each(|piece| cx.keys.keyspace().discard(piece.into_object()));
}

const INVALID_ID: CmdError = CmdError::Text(IdError::Invalid.text());

/// An exact ID, without the edges `-` and `+`.
fn exact_id(text: &[u8]) -> Result<StreamId, CmdError> {
    StreamId::parse(text, 0).ok_or(INVALID_ID)
}

/// The exact IDs from argument `start` to the last one: all are right or none is used.
fn exact_ids(args: &Args<'_>, start: usize) -> Result<Vec<StreamId>, CmdError> {
    args.iter_from(start).map(exact_id).collect()
}

/// One end of an interval.
fn bound(text: &[u8], bound: IdBound) -> Result<StreamId, CmdError> {
    StreamId::parse_bound(text, bound).map_err(|error| CmdError::Text(error.text()))
}

/// COUNT as a bound that may be absent: nothing below 0, `zero` for 0.
fn count_option(text: &[u8], zero: usize) -> Result<usize, CmdError> {
    let count = num::parse_i64(text).ok_or(CmdError::NOT_INTEGER)?;
    if count <= 0 {
        return Ok(zero);
    }
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

#[cold]
fn no_key_or_group(cx: &mut Ctx<'_>, key: &[u8], group: &[u8], tail: &[u8]) -> CmdError {
    let (key, group) = (printed(key), printed(group));
    cx.fail_bytes(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", tail])
}

#[cold]
fn no_group(cx: &mut Ctx<'_>, key: &[u8], group: &[u8]) -> CmdError {
    let (key, group) = (printed(key), printed(group));
    cx.fail_bytes(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"])
}

fn write_id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(&id.text());
}

fn write_entry(reply: &mut Reply<'_>, entry: Entry<'_>) {
    reply.array(2);
    write_id(reply, entry.id);
    reply.array(entry.fields.len() * 2);
    for (name, value) in entry.fields {
        reply_element(reply, name);
        reply_element(reply, value);
    }
}

/// Writes entries as an array, and tells how many there were.
fn write_entries<'e>(reply: &mut Reply<'_>, entries: impl Iterator<Item = Entry<'e>>) -> usize {
    let (start, mut len) = (reply.position(), 0);
    for entry in entries {
        write_entry(reply, entry);
        len += 1;
    }
    reply.array_since(start, len);
    len
}

/// Reads a group; `None` when there is no such key or group.
fn read_group<'c>(
    cx: &'c mut Ctx<'_>,
    key: Key<'_>,
    group: &[u8],
) -> Result<Option<(&'c Stream, &'c Group)>, CmdError> {
    let Some(stream) = cx.keys.read_as::<Stream>(key)? else { return Ok(None) };
    Ok(stream.group(group).map(|group| (stream, group)))
}

/// The consumer of a group that was found before: made when there is none, and seen now.
fn seen_consumer(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    group: &[u8],
    name: &[u8],
) -> Result<Option<ConsumerId>, CmdError> {
    let now_ms = cx.now.unix_ms();
    let Some(stream) = cx.keys.write_as::<Stream>(key)? else { return Ok(None) };
    let Some(found) = stream.group_mut(group) else { return Ok(None) };
    if let Some(consumer) = found.group.find_consumer(name) {
        found.group.set_seen(consumer, now_ms);
        return Ok(Some(consumer));
    }
    let consumer = found.group.create_consumer(name, now_ms);
    cx.changed_within("xgroup-createconsumer", key.bytes);
    Ok(consumer)
}

/// Takes note of so many changes in entries at once.
fn changed_entries(cx: &mut Ctx<'_>, count: u64, event: &str, key: &[u8]) {
    cx.changed(Class::STREAM, event, key);
    cx.shared.stats.dirty += count.saturating_sub(1);
}
