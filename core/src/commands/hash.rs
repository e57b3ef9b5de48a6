//! Hash commands that set, read and remove single fields.

use super::counter::{self, NOT_FINITE, Number};
use super::element::reply_element;
use super::string::wrong_arity;
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::Key;
use crate::num::Extended;
use crate::resp::Reply;
use crate::types::hash::{FieldSet, Found, Hash, Lifetime, Rules};

/// A hash can hold no more fields than handles name.
pub(super) const FULL: CmdError = CmdError::Text("ERR hash can hold no more fields");
/// The number of fields does not fit the arguments.
pub(super) const BAD_COUNT: CmdError =
    CmdError::Text("ERR numfields should be greater than 0 and match the provided number of fields");

/// How hashes are kept, and the time.
pub(super) fn rules(cx: &mut Ctx<'_>) -> Rules {
    let compact = &cx.shared.config.settings().compact;
    Rules {
        listpack_entries: compact.hash_listpack_entries,
        listpack_value: compact.hash_listpack_value,
        hasher: cx.keys.keyspace().hasher(),
        now_ms: cx.fields_ms(),
        past_ms: cx.past_ms(),
    }
}

/// Writes a field's value, if it is there, as a bulk string.
pub(super) fn reply_found(reply: &mut Reply<'_>, found: Option<Found<'_>>) {
    match found {
        Some(found) => reply_element(reply, found.value),
        None => reply.null(),
    }
}

/// What a changed hash leaves to be done for its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    is_empty: bool,
    /// The keyspace must have it under another time: its first one, an earlier one, none any more. When it is put off, the keyspace
    /// finds that out.
    must_be_noted: bool,
}

impl Left {
    pub(super) fn by(hash: &Hash) -> Self {
        let must_be_noted = match (hash.noted_due(), hash.next_due()) {
            (Some(noted), Some(next)) => next < noted,
            (noted, next) => noted != next,
        };
        Self { is_empty: hash.is_empty(), must_be_noted }
    }
}

/// Follows a change of so many fields with its events, of which an empty one is none; the key goes with its last field.
pub(super) fn settle(cx: &mut Ctx<'_>, key: Key<'_>, left: Left, changes: u64, events: &[&str]) {
    if left.must_be_noted {
        cx.keys.note_fields(key);
    }
    let mut is_noted = changes == 0;
    for event in events.iter().filter(|event| !event.is_empty()) {
        if is_noted {
            cx.notify(Class::HASH, event, key.bytes);
        } else {
            cx.changed(Class::HASH, event, key.bytes);
            is_noted = true;
        }
    }
    cx.shared.stats.dirty += changes.saturating_sub(1);
    if left.is_empty && cx.keys.delete_if_empty(key) {
        cx.notify(Class::GENERIC, "del", key.bytes);
    }
}

/// The event of fields that were written over after their time had come, which count as expired by that.
pub(super) fn revived_event(cx: &mut Ctx<'_>, revived: u64) -> &'static str {
    cx.keys.keyspace().stats.expired_fields += revived;
    if revived > 0 { "hexpired" } else { "" }
}

/// Sets pairs of arguments from argument 2 on. Returns how many fields are new.
fn set_pairs(cx: &mut Ctx<'_>, args: &Args<'_>) -> Result<usize, CmdError> {
    if !args.len().is_multiple_of(2) {
        return Err(wrong_arity(cx));
    }
    let (key, rules) = (cx.key(args, 1), rules(cx));
    let hash = cx.keys.write_or_insert(key, Hash::new)?;
    hash.prepare(args.iter_from(2).map(<[u8]>::len), &rules);
    let (mut created, mut revived, mut set, mut is_full) = (0, 0, 0, false);
    for index in (2..args.len()).step_by(2) {
        match hash.set(args.at(index), args.at(index + 1), Lifetime::Endless, &rules) {
            FieldSet::Added => created += 1,
            FieldSet::Revived => (created, revived) = (created + 1, revived + 1),
            FieldSet::Updated => {}
            FieldSet::Full => {
                is_full = true;
                break;
            }
        }
        set += 1;
    }
    let (left, expired) = (Left::by(hash), revived_event(cx, revived));
    settle(cx, key, left, set, &[expired, "hset"]);
    if is_full { Err(FULL) } else { Ok(created) }
}

/// `HSET key field value [field value ...]`
pub(crate) fn hset(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let created = set_pairs(cx, args)?;
    cx.reply.count(created);
    Ok(())
}

/// `HMSET key field value [field value ...]`
pub(crate) fn hmset(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_pairs(cx, args)?;
    cx.reply.ok();
    Ok(())
}

/// HSETNX key field value
pub(crate) fn hsetnx(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let is_there = cx.keys.write_as::<Hash>(key)?.is_some_and(|hash| hash.get(args.at(2), now_ms).is_some());
    if !is_there {
        set_pairs(cx, args)?;
    }
    cx.reply.integer(i64::from(!is_there));
    Ok(())
}

/// HGET key field
pub(crate) fn hget(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let found = cx.keys.read_as::<Hash>(key)?.and_then(|hash| hash.get(args.at(2), now_ms));
    reply_found(&mut cx.reply, found);
    Ok(())
}

/// `HMGET key field [field ...]`
pub(crate) fn hmget(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let hash = cx.keys.read_as::<Hash>(key)?;
    cx.reply.array(args.len() - 2);
    for name in args.iter_from(2) {
        reply_found(&mut cx.reply, hash.and_then(|hash| hash.get(name, now_ms)));
    }
    Ok(())
}

/// `HDEL key field [field ...]`
pub(crate) fn hdel(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let Some(hash) = cx.keys.write_as::<Hash>(key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let removed = args.iter_from(2).map(|name| u64::from(hash.remove(name, now_ms))).sum();
    let left = Left::by(hash);
    if removed > 0 {
        settle(cx, key, left, removed, &["hdel"]);
    }
    cx.reply.unsigned(removed);
    Ok(())
}

/// The arguments from 2 on are `FIELDS count field [field ...]`, with as many fields as they say.
pub(super) fn check_fields(args: &Args<'_>, mismatch: CmdError) -> CmdResult {
    if !args.is(2, "FIELDS") {
        return Err(CmdError::SYNTAX);
    }
    let count = args.int(3)?;
    if count > 0 && usize::try_from(count) == Ok(args.len() - 4) { Ok(()) } else { Err(mismatch) }
}

/// `HGETDEL key FIELDS numfields field [field ...]`
pub(crate) fn hgetdel(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    check_fields(args, BAD_COUNT)?;
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let mut hash = cx.keys.write_as::<Hash>(key)?;
    cx.reply.array(args.len() - 4);
    let mut removed = 0;
    for name in args.iter_from(4) {
        reply_found(&mut cx.reply, hash.as_ref().and_then(|hash| hash.get(name, now_ms)));
        removed += u64::from(hash.as_mut().is_some_and(|hash| hash.remove(name, now_ms)));
    }
    if let Some(left) = hash.map(|hash| Left::by(hash)).filter(|_| removed > 0) {
        settle(cx, key, left, removed, &["hdel"]);
    }
    Ok(())
}

/// HLEN key
//= valkey 9.1 HLEN: fields whose time has come count until they are removed
pub(crate) fn hlen(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let len = cx.keys.read_as::<Hash>(key)?.map_or(0, Hash::len);
    cx.reply.count(len);
    Ok(())
}

/// HSTRLEN key field
pub(crate) fn hstrlen(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let found = cx.keys.read_as::<Hash>(key)?.and_then(|hash| hash.get(args.at(2), now_ms));
    cx.reply.count(found.map_or(0, |found| found.value.len()));
    Ok(())
}

/// HEXISTS key field
pub(crate) fn hexists(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let found = cx.keys.read_as::<Hash>(key)?.and_then(|hash| hash.get(args.at(2), now_ms));
    cx.reply.integer(i64::from(found.is_some()));
    Ok(())
}

/// Sets a field to the result of arithmetic on it, which keeps its expiry.
fn set_result(cx: &mut Ctx<'_>, args: &Args<'_>, text: &[u8], event: &str) -> CmdResult {
    let (key, rules) = (cx.key(args, 1), rules(cx));
    let hash = cx.keys.write_or_insert(key, Hash::new)?;
    let expire_at = hash.get(args.at(2), rules.now_ms).and_then(|found| found.expire_at);
    let lifetime = expire_at.map_or(Lifetime::Endless, Lifetime::Until);
    let set = hash.set(args.at(2), text, lifetime, &rules);
    let left = Left::by(hash);
    if set == FieldSet::Full {
        return Err(FULL);
    }
    let expired = revived_event(cx, u64::from(set == FieldSet::Revived));
    settle(cx, key, left, 1, &[expired, event]);
    Ok(())
}

/// HINCRBY key field increment
pub(crate) fn hincrby(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let increment = args.int(3)?;
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let hash = cx.keys.write_as::<Hash>(key)?;
    let value = match hash.and_then(|hash| hash.get(args.at(2), now_ms)) {
        Some(found) => found.value.integer().ok_or(CmdError::Text("ERR hash value is not an integer"))?,
        None => 0,
    };
    let sum = value.checked_add(increment);
    let sum = sum.ok_or(CmdError::Text("ERR increment or decrement would overflow"))?;
    set_result(cx, args, itoa::Buffer::new().format(sum).as_bytes(), "hincrby")?;
    cx.reply.integer(sum);
    Ok(())
}

/// HINCRBYFLOAT key field increment
pub(crate) fn hincrbyfloat(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let Number::Finite(increment) = counter::parse(args.at(3))? else {
        return Err(CmdError::Text("ERR value is NaN or Infinity"));
    };
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let hash = cx.keys.write_as::<Hash>(key)?;
    let value = match hash.and_then(|hash| hash.get(args.at(2), now_ms)) {
        Some(found) => counter::parse(found.value.text(&mut itoa::Buffer::new()))
            .map_err(|_| CmdError::Text("ERR hash value is not a float"))?,
        None => Number::Finite(Extended::ZERO),
    };
    let Number::Finite(value) = value else { return Err(NOT_FINITE) };
    let text = value.checked_add(increment).ok_or(NOT_FINITE)?.text();
    set_result(cx, args, &text, "hincrbyfloat")?;
    cx.reply.bulk(&text);
    Ok(())
}
