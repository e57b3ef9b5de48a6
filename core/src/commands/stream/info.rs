//! XINFO: a look at streams, groups and consumers.

use super::{bad_subcommand, no_group, write_entries, write_entry, write_id};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::resp::Reply;
use crate::types::stream::{Consumer, Entries, Group, Stream, StreamId};

/// Entries that XINFO STREAM FULL shows of each list when COUNT does not say it.
const FULL_COUNT: usize = 10;

/// `XINFO STREAM key [FULL [COUNT count]]`
pub(crate) fn xinfo_stream(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 2);
    cx.keys.read_as::<Stream>(key)?.ok_or(CmdError::NO_SUCH_KEY)?;
    let full_count = full_count(cx, args)?;
    // Written to only now: the options may fail, but only after the key was looked up.
    let Some(stream) = cx.keys.write_as::<Stream>(key)? else { return Ok(()) };
    let reply = &mut cx.reply;
    reply.map(if full_count.is_some() { 9 } else { 10 });
    write_counters(reply, stream.entries());
    match full_count {
        None => write_ends(reply, stream),
        Some(count) => {
            reply.bulk(b"entries");
            write_entries(reply, stream.entries().iter().take(count));
            reply.bulk(b"groups");
            reply.array(stream.groups_len());
            for (name, group) in stream.groups() {
                write_full_group(reply, stream.entries(), name, group, count);
            }
        }
    }
    Ok(())
}

/// COUNT of FULL; `None` without it.
fn full_count(cx: &mut Ctx<'_>, args: &Args<'_>) -> Result<Option<usize>, CmdError> {
    match args.len() {
        3 => Ok(None),
        4 if args.is(3, "FULL") => Ok(Some(FULL_COUNT)),
        6 if args.is(3, "FULL") && args.is(4, "COUNT") => Ok(Some(match args.int(5)? {
            0 => usize::MAX,
            count => usize::try_from(count).unwrap_or(FULL_COUNT),
        })),
        _ => Err(bad_subcommand(cx, args)),
    }
}

fn write_counters(reply: &mut Reply<'_>, entries: &Entries) {
    reply.bulk(b"length");
    reply.unsigned(entries.len());
    reply.bulk(b"radix-tree-keys");
    reply.count(entries.nodes());
    reply.bulk(b"radix-tree-nodes");
    reply.count(entries.index_nodes());
    reply.bulk(b"last-generated-id");
    write_id(reply, entries.last_id());
    reply.bulk(b"max-deleted-entry-id");
    write_id(reply, entries.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.integer(entries.entries_added().cast_signed());
    reply.bulk(b"recorded-first-entry-id");
    write_id(reply, entries.first_id());
}

/// How many groups there are, the first and the last entry.
fn write_ends(reply: &mut Reply<'_>, stream: &Stream) {
    reply.bulk(b"groups");
    reply.count(stream.groups_len());
    let entries = stream.entries();
    let ends = [
        (b"first-entry".as_slice(), entries.iter().next()),
        (b"last-entry", entries.range_back(StreamId::MIN, StreamId::MAX).next()),
    ];
    for (name, entry) in ends {
        reply.bulk(name);
        match entry {
            Some(entry) => write_entry(reply, entry),
            None => reply.null(),
        }
    }
}

/// How far a group has read.
fn write_progress(reply: &mut Reply<'_>, entries: &Entries, group: &Group) {
    reply.bulk(b"last-delivered-id");
    write_id(reply, group.last_id());
    for (name, value) in [("entries-read", group.entries_read()), ("lag", group.lag(entries))] {
        reply.bulk(name.as_bytes());
        match value {
            Some(value) => reply.integer(value),
            None => reply.null(),
        }
    }
}

fn write_full_group(reply: &mut Reply<'_>, entries: &Entries, name: &[u8], group: &Group, count: usize) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(name);
    write_progress(reply, entries, group);
    reply.bulk(b"pel-count");
    reply.count(group.pending_len());
    reply.bulk(b"pending");
    reply.array(group.pending_len().min(count));
    for (id, pending) in group.pending_range(StreamId::MIN, StreamId::MAX).take(count) {
        reply.array(4);
        write_id(reply, id);
        reply.bulk(group.consumer(pending.consumer).map_or(b"", Consumer::name));
        reply.integer(pending.delivery_time);
        reply.integer(pending.delivery_count.cast_signed());
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers_len());
    for (_, consumer) in group.consumers() {
        write_full_consumer(reply, group, consumer, count);
    }
}

fn write_full_consumer(reply: &mut Reply<'_>, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen_time);
    reply.bulk(b"active-time");
    reply.integer(consumer.active_time.unwrap_or(-1));
    reply.bulk(b"pel-count");
    reply.count(consumer.pending_len());
    reply.bulk(b"pending");
    let (start, mut len) = (reply.position(), 0);
    for id in consumer.pending_ids(StreamId::MIN).take(count) {
        let Some(pending) = group.pending(id) else { continue };
        reply.array(3);
        write_id(reply, id);
        reply.integer(pending.delivery_time);
        reply.integer(pending.delivery_count.cast_signed());
        len += 1;
    }
    reply.array_since(start, len);
}

/// XINFO GROUPS key
pub(crate) fn xinfo_groups(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 2);
    let stream = cx.keys.read_as::<Stream>(key)?.ok_or(CmdError::NO_SUCH_KEY)?;
    let reply = &mut cx.reply;
    reply.array(stream.groups_len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.count(group.consumers_len());
        reply.bulk(b"pending");
        reply.count(group.pending_len());
        write_progress(reply, stream.entries(), group);
    }
    Ok(())
}

/// XINFO CONSUMERS key group
pub(crate) fn xinfo_consumers(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 2), cx.now.unix_ms());
    let stream = cx.keys.read_as::<Stream>(key)?.ok_or(CmdError::NO_SUCH_KEY)?;
    let Some(group) = stream.group(args.at(3)) else {
        return Err(no_group(cx, key.bytes, args.at(3)));
    };
    let reply = &mut cx.reply;
    reply.array(group.consumers_len());
    for (_, consumer) in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.count(consumer.pending_len());
        reply.bulk(b"idle");
        reply.integer(now_ms.saturating_sub(consumer.seen_time).max(0));
        reply.bulk(b"inactive");
        reply.integer(consumer.active_time.map_or(-1, |active| now_ms.saturating_sub(active)));
    }
    Ok(())
}
