//! Lifetimes of fields.

use super::expire::ExpireIf;
use super::hash::{BAD_COUNT, Left, check_fields, rules, settle};
use super::options::{field_expire_at, invalid_expire};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::types::hash::{Hash, TimeCondition, TimeSet};

/// How a time is given, or told.
#[derive(Clone, Copy)]
struct TimeForm {
    unit_ms: i64,
    absolute: bool,
}

const SECONDS: TimeForm = TimeForm { unit_ms: 1000, absolute: false };
const MILLISECONDS: TimeForm = TimeForm { unit_ms: 1, absolute: false };
const MOMENT_SECONDS: TimeForm = TimeForm { unit_ms: 1000, absolute: true };
const MOMENT_MILLISECONDS: TimeForm = TimeForm { unit_ms: 1, absolute: true };

/// `HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(crate) fn hexpire(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_times(cx, args, SECONDS)
}

/// `HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(crate) fn hpexpire(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_times(cx, args, MILLISECONDS)
}

/// `HEXPIREAT key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(crate) fn hexpireat(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_times(cx, args, MOMENT_SECONDS)
}

/// `HPEXPIREAT key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(crate) fn hpexpireat(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_times(cx, args, MOMENT_MILLISECONDS)
}

/// Where the word FIELDS is, from an argument on; the last argument cannot be it.
pub(super) fn find_fields(args: &Args<'_>, from: usize) -> Option<usize> {
    (from..args.len() - 1).find(|&index| args.is(index, "FIELDS"))
}

fn set_times(cx: &mut Ctx<'_>, args: &Args<'_>, form: TimeForm) -> CmdResult {
    let word = find_fields(args, 3).ok_or(BAD_COUNT)?;
    let ExpireIf { nx: none, xx: any, gt: earlier, lt: later } = ExpireIf::parse(cx, args, word)?;
    let condition = TimeCondition { none, any, earlier, later };
    let (count, start) = (args.int(word + 1)?, word + 2);
    if count <= 0 || usize::try_from(count) != Ok(args.len() - start) {
        return Err(BAD_COUNT);
    }
    let base = if form.absolute { 0 } else { cx.now.unix_ms() };
    let Some(at) = field_expire_at(args.int(2)?, form.unit_ms, base) else { return Err(invalid_expire(cx)) };
    let (key, rules) = (cx.key(args, 1), rules(cx));
    let mut hash = cx.keys.write_as::<Hash>(key)?;
    cx.reply.array(args.len() - start);
    let (mut set, mut removed) = (0, 0);
    for name in args.iter_from(start) {
        let result =
            hash.as_mut().map_or(TimeSet::Missing, |hash| hash.expire_at(name, at, condition, &rules));
        cx.reply.integer(match result {
            TimeSet::Missing => -2,
            TimeSet::Unmet => 0,
            TimeSet::Done => 1,
            TimeSet::Removed => 2,
        });
        set += u64::from(result == TimeSet::Done);
        removed += u64::from(result == TimeSet::Removed);
    }
    if let Some(left) = hash.map(|hash| Left::by(hash)).filter(|_| set + removed > 0) {
        cx.keys.keyspace().stats.expired_fields += removed;
        settle(cx, key, left, set + removed, &[if removed > 0 { "hexpired" } else { "hexpire" }]);
    }
    Ok(())
}

/// `HPERSIST key FIELDS numfields field [field ...]`
pub(crate) fn hpersist(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    check_fields(args, BAD_COUNT)?;
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let mut hash = cx.keys.write_as::<Hash>(key)?;
    cx.reply.array(args.len() - 4);
    let mut changes = 0;
    for name in args.iter_from(4) {
        let had = hash.as_mut().and_then(|hash| hash.persist(name, now_ms));
        changes += u64::from(had == Some(true));
        cx.reply.integer(match had {
            Some(true) => 1,
            Some(false) => -1,
            None => -2,
        });
    }
    if let Some(left) = hash.map(|hash| Left::by(hash)).filter(|_| changes > 0) {
        settle(cx, key, left, changes, &["hpersist"]);
    }
    Ok(())
}

/// `HTTL key FIELDS numfields field [field ...]`
pub(crate) fn httl(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    tell(cx, args, SECONDS)
}

/// `HPTTL key FIELDS numfields field [field ...]`
pub(crate) fn hpttl(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    tell(cx, args, MILLISECONDS)
}

/// `HEXPIRETIME key FIELDS numfields field [field ...]`
pub(crate) fn hexpiretime(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    tell(cx, args, MOMENT_SECONDS)
}

/// `HPEXPIRETIME key FIELDS numfields field [field ...]`
pub(crate) fn hpexpiretime(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    tell(cx, args, MOMENT_MILLISECONDS)
}

fn tell(cx: &mut Ctx<'_>, args: &Args<'_>, form: TimeForm) -> CmdResult {
    check_fields(args, CmdError::SYNTAX)?;
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let hash = cx.keys.read_as::<Hash>(key)?;
    cx.reply.array(args.len() - 4);
    for name in args.iter_from(4) {
        let found = hash.and_then(|hash| hash.get(name, now_ms));
        cx.reply.integer(match found.map(|found| found.expire_at) {
            None => -2,
            Some(None) => -1,
            Some(Some(at)) => {
                let time = if form.absolute { at } else { at.saturating_sub(cx.now.unix_ms()).max(0) };
                // Rounded to the nearest second.
                if form.unit_ms == 1000 { time.saturating_add(500) / 1000 } else { time }
            }
        });
    }
    Ok(())
}
