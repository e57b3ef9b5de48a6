//! XGROUP and XACK: groups and their consumers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{bad_subcommand, discard, exact_id, exact_ids, no_group, read_group};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::Key;
use crate::types::stream::{Group, GroupMut, Stream, StreamId};

const NO_STREAM: CmdError = CmdError::Text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Create,
    SetId,
}

/// What may follow the ID.
struct Options {
    mkstream: bool,
    entries_read: Option<i64>,
}

impl Options {
    fn parse(cx: &mut Ctx<'_>, args: &Args<'_>, form: Form) -> Result<Self, CmdError> {
        let mut options = Self { mkstream: false, entries_read: None };
        let mut index = 5;
        while index < args.len() {
            if form == Form::Create && args.is(index, "MKSTREAM") {
                options.mkstream = true;
            } else if args.is(index, "ENTRIESREAD") && index + 1 < args.len() {
                let read = args.int(index + 1)?;
                if read < -1 {
                    return Err(CmdError::Text("ERR value for ENTRIESREAD must be positive or -1"));
                }
                options.entries_read = Some(read).filter(|&read| read >= 0);
                index += 1;
            } else {
                return Err(bad_subcommand(cx, args));
            }
            index += 1;
        }
        Ok(options)
    }
}

/// Looks a group up as the subcommands do that need one.
fn group_mut<'c>(cx: &'c mut Ctx<'_>, args: &Args<'_>, key: Key<'_>) -> Result<GroupMut<'c>, CmdError> {
    let stream = cx.keys.write_as::<Stream>(key)?.ok_or(NO_STREAM)?;
    if stream.group(args.at(3)).is_none() {
        return Err(no_group(cx, key.bytes, args.at(3)));
    }
    // Looked up anew: what was borrowed above is gone once an error could be written.
    let stream = cx.keys.write_as::<Stream>(key)?.ok_or(NO_STREAM)?;
    stream.group_mut(args.at(3)).ok_or(NO_STREAM)
}

/// `XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read]`
pub(crate) fn xgroup_create(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const ARGS_MAX: usize = 8;
    let options = Options::parse(cx, args, Form::Create)?;
    let key = cx.key(args, 2);
    let last_id = cx.keys.write_as::<Stream>(key)?.map(|stream| stream.entries().last_id());
    if last_id.is_none() && !options.mkstream {
        return Err(NO_STREAM);
    }
    if args.len() > ARGS_MAX {
        return Err(bad_subcommand(cx, args));
    }
    let id = match args.at(4) {
        b"$" => last_id.unwrap_or(StreamId::MIN),
        text => exact_id(text)?,
    };
    let stream = cx.keys.write_or_insert(key, Stream::new)?;
    if !stream.insert_group(args.at(3), Group::new(id, options.entries_read)) {
        return Err(CmdError::Text("BUSYGROUP Consumer Group name already exists"));
    }
    if last_id.is_some() {
        cx.changed_within("xgroup-create", key.bytes);
    } else {
        cx.changed(Class::STREAM, "xgroup-create", key.bytes);
    }
    cx.reply.ok();
    Ok(())
}

/// `XGROUP SETID key group id | $ [ENTRIESREAD entries-read]`
pub(crate) fn xgroup_setid(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let options = Options::parse(cx, args, Form::SetId)?;
    let key = cx.key(args, 2);
    let last_id = group_mut(cx, args, key)?.entries.last_id();
    if args.len() != 5 && args.len() != 7 {
        return Err(bad_subcommand(cx, args));
    }
    let id = match args.at(4) {
        b"$" => last_id,
        text => StreamId::parse_or_edge(text, 0).ok_or(super::INVALID_ID)?,
    };
    group_mut(cx, args, key)?.group.set_id(id, options.entries_read);
    cx.changed_within("xgroup-setid", key.bytes);
    cx.reply.ok();
    Ok(())
}

/// XGROUP DESTROY key group
pub(crate) fn xgroup_destroy(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 2);
    let stream = cx.keys.write_as::<Stream>(key)?.ok_or(NO_STREAM)?;
    let removed = stream.remove_group(args.at(3));
    let existed = removed.is_some();
    discard(cx, removed.map(|group| Stream::of_group(args.at(3), group)));
    if existed {
        cx.changed_within("xgroup-destroy", key.bytes);
        // Those who wait for it are to be told.
        cx.wake(key.bytes);
    }
    cx.reply.integer(i64::from(existed));
    Ok(())
}

/// XGROUP CREATECONSUMER key group consumer
pub(crate) fn xgroup_createconsumer(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 2), cx.now.unix_ms());
    let created = group_mut(cx, args, key)?.group.create_consumer(args.at(4), now_ms).is_some();
    if created {
        cx.changed_within("xgroup-createconsumer", key.bytes);
    }
    cx.reply.integer(i64::from(created));
    Ok(())
}

/// XGROUP DELCONSUMER key group consumer
pub(crate) fn xgroup_delconsumer(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 2);
    let mut cut = Vec::new();
    let pending = group_mut(cx, args, key)?.group.delete_consumer(args.at(4), &mut cut);
    discard(cx, cut.into_iter().map(|piece| Stream::of_group(args.at(3), Box::new(piece))));
    if pending.is_some() {
        cx.changed_within("xgroup-delconsumer", key.bytes);
    }
    cx.reply.count(pending.unwrap_or(0));
    Ok(())
}

/// `XACK key group id [id ...]`
pub(crate) fn xack(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    //= valkey 9.1 XACK: a missing key or group is answered before the IDs are looked at
    if read_group(cx, key, args.at(2))?.is_none() {
        cx.reply.integer(0);
        return Ok(());
    }
    let ids = exact_ids(args, 3)?;
    let group = cx.keys.write_as::<Stream>(key)?.and_then(|stream| stream.group_mut(args.at(2)));
    let acknowledged = group.map_or(0, |group| ids.into_iter().filter(|&id| group.group.ack(id)).count());
    cx.shared.stats.dirty += acknowledged as u64;
    cx.reply.count(acknowledged);
    Ok(())
}
