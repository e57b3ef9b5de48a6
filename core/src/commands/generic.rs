//! Commands on whole keys and whole databases.

use alloc::vec::Vec;

use crate::config::NotifyClasses;
use crate::engine::{Args, CmdError, CmdResult, Ctx, Wait};
use crate::glob::{Case, glob_match};
use crate::keyspace::Prefetch;
use crate::num;

/// RANDOMKEY gives up after so many expired keys, as the reference does.
const RANDOMKEY_TRIES: usize = 100;

/// A 32-bit integer, with the reference's two errors.
pub(super) fn int32(cx: &mut Ctx<'_>, bytes: &[u8]) -> Result<i32, CmdError> {
    let value = num::parse_i64(bytes).ok_or(CmdError::NOT_INTEGER)?;
    let (min, max) = (i32::MIN, i32::MAX);
    i32::try_from(value)
        .map_err(|_| cx.fail(format_args!("ERR value is out of range, value must between {min} and {max}")))
}

/// A database by its number.
pub(super) fn database(cx: &mut Ctx<'_>, bytes: &[u8]) -> Result<usize, CmdError> {
    let index = int32(cx, bytes)?;
    checked_database(cx, index)
}

fn checked_database(cx: &mut Ctx<'_>, index: i32) -> Result<usize, CmdError> {
    let index = usize::try_from(index).ok().filter(|&index| index < cx.keys.keyspace().databases());
    index.ok_or(CmdError::DB_OUT_OF_RANGE)
}

/// `DEL key [key ...]`
pub(crate) fn del(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let mut count = 0;
    cx.each_key(args, 1..args.len(), 1, Prefetch::ThirdOfKey, |cx, key, _| {
        if cx.keys.delete(key) {
            cx.changed(NotifyClasses::GENERIC, "del", key.bytes);
            count += 1;
        }
        Ok(())
    })?;
    cx.reply.unsigned(count);
    Ok(())
}

/// `UNLINK key [key ...]`: what takes long to free is put off by DEL too.
pub(crate) fn unlink(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    del(cx, args)
}

/// `EXISTS key [key ...]`
pub(crate) fn exists(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let mut count = 0;
    cx.each_key(args, 1..args.len(), 1, Prefetch::ThirdOfKey, |cx, key, _| {
        count += u64::from(cx.keys.read_no_touch(key).is_some());
        Ok(())
    })?;
    cx.reply.unsigned(count);
    Ok(())
}

/// `TOUCH key [key ...]`
pub(crate) fn touch(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let mut count = 0;
    cx.each_key(args, 1..args.len(), 1, Prefetch::ThirdOfKey, |cx, key, _| {
        count += u64::from(cx.keys.read(key).is_some());
        Ok(())
    })?;
    cx.reply.unsigned(count);
    Ok(())
}

/// TYPE key
pub(crate) fn type_of(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let name = cx.keys.read_no_touch(key).map_or("none", |entry| entry.kind().name());
    cx.reply.status(name.as_bytes());
    Ok(())
}

/// RENAME key newkey
pub(crate) fn rename(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    move_name(cx, args, true)?;
    cx.reply.ok();
    Ok(())
}

/// RENAMENX key newkey
pub(crate) fn renamenx(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let moved = move_name(cx, args, false)?;
    cx.reply.integer(i64::from(moved));
    Ok(())
}

fn move_name(cx: &mut Ctx<'_>, args: &Args<'_>, overwrite: bool) -> Result<bool, CmdError> {
    let (from, to) = (cx.key(args, 1), cx.key(args, 2));
    cx.keys.peek(from).ok_or(CmdError::NO_SUCH_KEY)?;
    if from.bytes == to.bytes || (!overwrite && cx.keys.peek(to).is_some()) {
        return Ok(false);
    }
    let copied = cx.keys.take_out(from).ok_or(CmdError::NO_SUCH_KEY)?;
    cx.keys.put_copy(to, copied);
    cx.changed_too(NotifyClasses::GENERIC, "rename_from", from.bytes);
    cx.changed(NotifyClasses::GENERIC, "rename_to", to.bytes);
    Ok(true)
}

/// `COPY source destination [DB database] [REPLACE]`
pub(crate) fn copy(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (mut db, mut replace, mut index) = (cx.keys.db(), false, 3);
    while index < args.len() {
        if args.is(index, "REPLACE") {
            replace = true;
        } else if args.is(index, "DB") && index + 1 < args.len() {
            db = database(cx, args.at(index + 1))?;
            index += 1;
        } else {
            return Err(CmdError::SYNTAX);
        }
        index += 1;
    }
    let (from, to) = (cx.key(args, 1), cx.key(args, 2));
    if db == cx.keys.db() && from.bytes == to.bytes {
        return Err(CmdError::SAME_OBJECT);
    }
    let copied = cx.keys.read(from).is_some().then(|| cx.keys.copy_out(from)).flatten();
    let mut target = cx.keys.other(db);
    let done = match copied {
        Some(copied) if replace || target.peek(to).is_none() => {
            target.put_copy(to, copied);
            let db = u32::try_from(db).unwrap_or(0);
            cx.changed_in(db, NotifyClasses::GENERIC, "copy_to", to.bytes);
            true
        }
        _ => false,
    };
    cx.reply.integer(i64::from(done));
    Ok(())
}

/// MOVE key database
pub(crate) fn move_key(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let db = database(cx, args.at(2))?;
    if db == cx.keys.db() {
        return Err(CmdError::SAME_OBJECT);
    }
    let key = cx.key(args, 1);
    let may = cx.keys.peek(key).is_some() && cx.keys.other(db).peek(key).is_none();
    let moved = if may { cx.keys.take_out(key) } else { None };
    let found = moved.is_some();
    if let Some(moved) = moved {
        cx.keys.other(db).put_copy(key, moved);
        cx.changed_too(NotifyClasses::GENERIC, "move_from", key.bytes);
        cx.changed_in(u32::try_from(db).unwrap_or(0), NotifyClasses::GENERIC, "move_to", key.bytes);
    }
    cx.reply.integer(i64::from(found));
    Ok(())
}

/// RANDOMKEY
pub(crate) fn randomkey(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    for tried in 0..RANDOMKEY_TRIES {
        let Some(entry) = cx.keys.random(|bound| cx.shared.rng.below(bound)) else { break };
        if !cx.keys.is_expired(entry) || tried + 1 == RANDOMKEY_TRIES {
            cx.reply.bulk(entry.key());
            return Ok(());
        }
        let expired = entry.key().to_vec();
        cx.keys.purge_expired(&[expired]);
    }
    cx.reply.null();
    Ok(())
}

/// KEYS pattern
pub(crate) fn keys(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let pattern = args.at(1);
    let mut found: Vec<&[u8]> = Vec::new();
    let mut expired: Vec<Vec<u8>> = Vec::new();
    cx.keys.for_each(|entry| {
        let key = entry.key();
        if pattern == b"*" || glob_match(pattern, key, Case::Sensitive) {
            if cx.keys.is_expired(entry) { expired.push(key.to_vec()) } else { found.push(key) }
        }
    });
    cx.reply.array(found.len());
    found.iter().for_each(|key| cx.reply.bulk(key));
    cx.keys.purge_expired(&expired);
    Ok(())
}

/// DBSIZE
pub(crate) fn dbsize(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.count(cx.keys.len());
    Ok(())
}

/// `FLUSHDB [ASYNC | SYNC]`
pub(crate) fn flushdb(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let db = cx.keys.db();
    flush(cx, args, db..db + 1)
}

/// `FLUSHALL [ASYNC | SYNC]`
pub(crate) fn flushall(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let all = cx.keys.keyspace().databases();
    flush(cx, args, 0..all)
}

fn flush(cx: &mut Ctx<'_>, args: &Args<'_>, databases: core::ops::Range<usize>) -> CmdResult {
    let sync = match args.len() {
        1 => !cx.shared.config.settings().lazyfree_lazy_user_flush,
        2 if args.is(1, "ASYNC") => false,
        2 if args.is(1, "SYNC") => true,
        _ => return Err(CmdError::SYNTAX),
    };
    if cx.session.blocked.is_some() {
        // It was done when the wait for the memory began, which is over now.
        cx.reply.ok();
        return Ok(());
    }
    cx.shared.all_is_stale();
    for db in databases.clone() {
        cx.all_changed(db, |cx, bytes| exists_in(cx, db, bytes));
    }
    let keyspace = cx.keys.keyspace();
    let removed: usize = databases.map(|db| keyspace.flush(db)).sum();
    // The memory is given back in small steps between turns of the loop, so that nobody else has to wait for it.
    let waits = sync && keyspace.to_reclaim() > 0;
    while sync && cx.shared.tracking.is_cleaning() {
        cx.shared.tracking.clean_step(4096);
    }
    cx.shared.stats.dirty += removed as u64;
    if waits {
        cx.wait(Wait::for_memory());
    } else {
        cx.reply.ok();
    }
    Ok(())
}

fn exists_in(cx: &mut Ctx<'_>, db: usize, bytes: &[u8]) -> bool {
    let mut keys = cx.keys.other(db);
    let key = keys.key(bytes);
    keys.peek(key).is_some()
}

/// SWAPDB database1 database2
pub(crate) fn swapdb(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let parse = |bytes: &[u8]| num::parse_i64(bytes).and_then(|index| i32::try_from(index).ok());
    let first = parse(args.at(1)).ok_or(CmdError::Text("ERR invalid first DB index"))?;
    let second = parse(args.at(2)).ok_or(CmdError::Text("ERR invalid second DB index"))?;
    let (first, second) = (checked_database(cx, first)?, checked_database(cx, second)?);
    //= valkey 9.1 SWAPDB: a database swapped with itself changes for nobody, and counts as a change
    if first != second {
        for db in [first, second] {
            cx.all_changed(db, |cx, bytes| exists_in(cx, first, bytes) || exists_in(cx, second, bytes));
        }
        cx.keys.keyspace().swap(first, second);
    }
    cx.shared.stats.dirty += 1;
    cx.reply.ok();
    Ok(())
}
