//! Commands on entries and IDs, without groups: XLEN, XRANGE, XREVRANGE, XDEL, XSETID.

use super::{bound, changed_entries, count_option, exact_id, exact_ids, write_entries};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::num;
use crate::types::listpack::Direction;
use crate::types::stream::{IdBound, SetId, Stream, StreamId};

/// XLEN key
pub(crate) fn xlen(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let len = cx.keys.read_as::<Stream>(key)?.map_or(0, |stream| stream.entries().len());
    cx.reply.unsigned(len);
    Ok(())
}

/// `XRANGE key start end [COUNT count]`
pub(crate) fn xrange(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    range(cx, args, Direction::Forward)
}

/// `XREVRANGE key end start [COUNT count]`
pub(crate) fn xrevrange(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    range(cx, args, Direction::Backward)
}

fn range(cx: &mut Ctx<'_>, args: &Args<'_>, direction: Direction) -> CmdResult {
    let (start, end) = match direction {
        Direction::Forward => interval(args, 2, 3)?,
        Direction::Backward => interval(args, 3, 2)?,
    };
    let count = count(args)?;
    let key = cx.key(args, 1);
    let Some(stream) = cx.keys.read_as::<Stream>(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    if count == 0 {
        cx.reply.null_array();
        return Ok(());
    }
    let entries = stream.entries();
    match direction {
        Direction::Forward => write_entries(&mut cx.reply, entries.range(start, end).take(count)),
        Direction::Backward => write_entries(&mut cx.reply, entries.range_back(start, end).take(count)),
    };
    Ok(())
}

/// Start and end of an interval: the arguments of these indexes.
fn interval(args: &Args<'_>, start: usize, end: usize) -> Result<(StreamId, StreamId), CmdError> {
    let start = bound(args.at(start), IdBound::Start)?;
    Ok((start, bound(args.at(end), IdBound::End)?))
}

/// The last COUNT of XRANGE; 0 asks for nothing, none for all.
fn count(args: &Args<'_>) -> Result<usize, CmdError> {
    let mut count = usize::MAX;
    for index in (4..args.len()).step_by(2) {
        let value = args.get(index + 1).filter(|_| args.is(index, "COUNT"));
        count = count_option(value.ok_or(CmdError::SYNTAX)?, 0)?;
    }
    Ok(count)
}

/// `XDEL key id [id ...]`
pub(crate) fn xdel(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let mut deleted = 0;
    //= valkey 9.1 XDEL: a missing key is answered before the IDs are looked at
    if let Some(stream) = cx.keys.write_as::<Stream>(key)? {
        let ids = exact_ids(args, 2)?;
        deleted = ids.into_iter().map(|id| u64::from(stream.entries_mut().delete(id))).sum();
    }
    if deleted > 0 {
        changed_entries(cx, deleted, "xdel", key.bytes);
    }
    cx.reply.unsigned(deleted);
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub(crate) fn xsetid(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let mut set = SetId { last_id: exact_id(args.at(2))?, entries_added: None, max_deleted_id: None };
    for index in (3..args.len()).step_by(2) {
        let value = args.get(index + 1).ok_or(CmdError::SYNTAX)?;
        if args.is(index, "ENTRIESADDED") {
            let added = num::parse_i64(value).ok_or(CmdError::NOT_INTEGER)?;
            let negative = CmdError::Text("ERR entries_added must be positive");
            set.entries_added = Some(u64::try_from(added).map_err(|_| negative)?);
        } else if args.is(index, "MAXDELETEDID") {
            set.max_deleted_id = Some(exact_id(value)?);
            set.check().map_err(|error| CmdError::Text(error.text()))?;
        } else {
            return Err(CmdError::SYNTAX);
        }
    }
    let key = cx.key(args, 1);
    let stream = cx.keys.write_as::<Stream>(key)?.ok_or(CmdError::NO_SUCH_KEY)?;
    stream.entries_mut().set_id(&set).map_err(|error| CmdError::Text(error.text()))?;
    cx.changed_within("xsetid", key.bytes);
    cx.reply.ok();
    Ok(())
}
