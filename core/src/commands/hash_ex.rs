//! HSETEX and HGETEX: values of fields together with their lifetimes.

use super::hash::{BAD_COUNT, FULL, Left, reply_found, revived_event, rules, settle};
use super::hash_expire::find_fields;
use super::options::{Condition, Form, Options};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::types::hash::{FieldSet, Hash, Lifetime, NEVER_MS, Rules, TimeCondition, TimeSet};

/// Reads what stands before the fields. Returns the options, how many fields there are to be, and where they begin.
//= valkey 9.1 HSETEX, HGETEX: the word FIELDS is looked for from the command's name on
fn parse<'a>(args: &Args<'a>, form: Form) -> Result<(Options<'a>, usize, usize), CmdError> {
    let word = find_fields(args, 0).ok_or(BAD_COUNT)?;
    let options = Options::parse_until(args, 2..word, form)?;
    let count = usize::try_from(args.int(word + 1)?).ok().filter(|&count| count > 0).ok_or(BAD_COUNT)?;
    Ok((options, count, word + 2))
}

/// `HSETEX key [NX | XX] [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS numfields field value [...]`
pub(crate) fn hsetex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (options, count, start) = parse(args, Form::HashSetEx)?;
    if count.checked_mul(2) != Some(args.len() - start) {
        return Err(BAD_COUNT);
    }
    let key = cx.key(args, 1);
    let is_there = cx.keys.write_as::<Hash>(key)?.is_some();
    let met = match options.condition {
        Condition::IfMissing => !is_there,
        Condition::IfPresent => is_there,
        Condition::Always | Condition::IfEqual(_) => true,
    };
    if !met {
        cx.reply.integer(0);
        return Ok(());
    }
    let expire_at = options.field_expire(cx)?;
    let rules = rules(cx);
    let hash = cx.keys.write_as::<Hash>(key)?;
    let mut found = (start..args.len())
        .step_by(2)
        .map(|index| hash.as_ref().is_some_and(|hash| hash.get(args.at(index), rules.now_ms).is_some()));
    let met = match options.field_condition {
        Condition::IfMissing => !found.any(|found| found),
        Condition::IfPresent => found.all(|found| found),
        Condition::Always | Condition::IfEqual(_) => true,
    };
    if !met {
        cx.reply.integer(0);
        return Ok(());
    }
    if expire_at.is_some_and(|at| at <= rules.past_ms) {
        remove_set(cx, args, start)?;
    } else {
        let lifetime = match expire_at {
            Some(at) => Lifetime::Until(at),
            None if options.keeps_ttl() => Lifetime::Keep,
            None => Lifetime::Endless,
        };
        set(cx, args, start, lifetime, &rules)?;
    }
    cx.reply.integer(1);
    Ok(())
}

/// Sets pairs of arguments.
fn set(cx: &mut Ctx<'_>, args: &Args<'_>, start: usize, lifetime: Lifetime, rules: &Rules) -> CmdResult {
    let key = cx.key(args, 1);
    let hash = cx.keys.write_or_insert(key, Hash::new)?;
    let (mut revived, mut set, mut is_full) = (0, 0, false);
    for index in (start..args.len()).step_by(2) {
        match hash.set(args.at(index), args.at(index + 1), lifetime, rules) {
            FieldSet::Revived => revived += 1,
            FieldSet::Added | FieldSet::Updated => {}
            FieldSet::Full => {
                is_full = true;
                break;
            }
        }
        set += 1;
    }
    let (left, expired) = (Left::by(hash), revived_event(cx, revived));
    let expire = if matches!(lifetime, Lifetime::Until(_)) { "hexpire" } else { "" };
    settle(cx, key, left, set, &[expired, "hset", expire]);
    if is_full { Err(FULL) } else { Ok(()) }
}

/// What becomes of pairs that are set with a time that has come already: the fields go.
//= valkey 9.1 HSETEX: each such field counts as expired, and all events are sent, were it there or not
fn remove_set(cx: &mut Ctx<'_>, args: &Args<'_>, start: usize) -> CmdResult {
    let key = cx.key(args, 1);
    let hash = cx.keys.write_or_insert(key, Hash::new)?;
    let names = (start..args.len()).step_by(2);
    let count = names.len() as u64;
    let removed = names.map(|index| u64::from(hash.remove(args.at(index), NEVER_MS))).sum();
    let left = Left::by(hash);
    cx.keys.keyspace().stats.expired_fields += count;
    settle(cx, key, left, removed, &["hset", "hexpire", "hexpired"]);
    Ok(())
}

/// What HGETEX does to the fields that it tells.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    Remove,
    Expire(i64),
    Persist,
}

/// `HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS numfields field [field ...]`
pub(crate) fn hgetex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (options, count, start) = parse(args, Form::HashGetEx)?;
    if count != args.len() - start {
        return Err(BAD_COUNT);
    }
    let key = cx.key(args, 1);
    cx.keys.read_as::<Hash>(key)?;
    let rules = rules(cx);
    let then = match options.field_expire(cx)? {
        _ if options.persist => Then::Persist,
        Some(at) if at <= rules.past_ms => Then::Remove,
        Some(at) => Then::Expire(at),
        None => Then::Nothing,
    };
    let mut hash = cx.keys.write_as::<Hash>(key)?;
    cx.reply.array(count);
    let mut changes = 0;
    for name in args.iter_from(start) {
        let Some(hash) = &mut hash else {
            cx.reply.null();
            continue;
        };
        reply_found(&mut cx.reply, hash.get(name, rules.now_ms));
        changes += u64::from(match then {
            Then::Nothing => false,
            Then::Remove => hash.remove(name, rules.now_ms),
            Then::Expire(at) => hash.expire_at(name, at, TimeCondition::default(), &rules) == TimeSet::Done,
            Then::Persist => hash.persist(name, rules.now_ms) == Some(true),
        });
    }
    let Some(left) = hash.map(|hash| Left::by(hash)).filter(|_| changes > 0) else { return Ok(()) };
    let event = match then {
        Then::Nothing => "",
        Then::Remove => {
            cx.keys.keyspace().stats.expired_fields += changes;
            "hexpired"
        }
        Then::Expire(_) => "hexpire",
        Then::Persist => "hpersist",
    };
    settle(cx, key, left, changes, &[event]);
    Ok(())
}
