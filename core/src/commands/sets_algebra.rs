//! Intersection, union and difference of sets, sent or stored.

use alloc::vec::Vec;

use super::element::reply_element;
use super::sets::{SET_FULL, reply_set, set_rules};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::{Entry, Keys};
use crate::num;
use crate::resp::Reply;
use crate::types::Typed;
use crate::types::listpack::Element;
use crate::types::set::{Full, Gathered, Set, difference, intersection, probes, stored_intersection};

impl From<Full> for CmdError {
    fn from(_: Full) -> Self {
        SET_FULL
    }
}

/// Reads all keys as sets, as the reference does before it looks at any of them: counts hits and misses, and fails at
/// the first key that holds something else.
fn read_all(cx: &mut Ctx<'_>, args: &Args<'_>, from: usize, count: usize) -> CmdResult {
    for bytes in args.iter_from(from).take(count) {
        let key = cx.keys.key(bytes);
        cx.keys.read_as::<Set>(key)?;
    }
    Ok(())
}

/// The sets of keys that were read; nothing for a key that is missing.
fn sets_of<'k>(
    keys: &'k Keys<'_>,
    args: &Args<'_>,
    from: usize,
    count: usize,
) -> impl Iterator<Item = Option<&'k Set>> {
    let set = |bytes| keys.look(keys.key(bytes)).and_then(Entry::object).and_then(Set::of);
    args.iter_from(from).take(count).map(set)
}

/// The sets, if all of the keys exist.
fn all_sets<'k>(keys: &'k Keys<'_>, args: &Args<'_>, from: usize, count: usize) -> Option<Vec<&'k Set>> {
    sets_of(keys, args, from, count).collect()
}

/// The first set, and the others that exist; `None` where the difference is empty, as the first one is missing or among
/// the others.
fn parted<'k>(keys: &'k Keys<'_>, args: &Args<'_>, from: usize) -> Option<(&'k Set, Vec<&'k Set>)> {
    let mut sets = sets_of(keys, args, from, usize::MAX);
    let first = sets.next().flatten()?;
    let others: Vec<&Set> = sets.flatten().collect();
    let is_empty = others.iter().any(|other| core::ptr::eq(*other, first));
    (!is_empty).then_some((first, others))
}

fn reply_members<'s>(reply: &mut Reply<'_>, members: impl Iterator<Item = Element<'s>>) {
    let members: Vec<Element<'s>> = members.collect();
    reply.set(members.len());
    members.into_iter().for_each(|member| reply_element(reply, member));
}

/// Puts a result under the key at argument 1; an empty one removes what is there.
fn store(cx: &mut Ctx<'_>, args: &Args<'_>, event: &str, result: Option<Set>) {
    let key = cx.key(args, 1);
    match result.filter(|set| !set.is_empty()) {
        Some(set) => {
            cx.reply.count(set.len());
            cx.keys.set_object(key, set.into_object());
            cx.changed(Class::SET, event, key.bytes);
        }
        None => {
            if cx.keys.delete(key) {
                cx.changed(Class::GENERIC, "del", key.bytes);
            }
            cx.reply.count(0);
        }
    }
}

/// `SINTER key [key ...]`
pub(crate) fn sinter(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    read_all(cx, args, 1, usize::MAX)?;
    let sets = all_sets(&cx.keys, args, 1, usize::MAX).unwrap_or_default();
    reply_members(&mut cx.reply, intersection(&sets));
    Ok(())
}

/// `SINTERSTORE destination key [key ...]`
pub(crate) fn sinterstore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    read_all(cx, args, 2, usize::MAX)?;
    let rules = set_rules(cx);
    let sets = all_sets(&cx.keys, args, 2, usize::MAX);
    let result = sets.map(|sets| stored_intersection(&sets, &rules)).transpose()?;
    store(cx, args, "sinterstore", result);
    Ok(())
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(crate) fn sintercard(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const NUMKEYS: CmdError = CmdError::Text("ERR numkeys should be greater than 0");
    const TOO_MANY: CmdError = CmdError::Text("ERR Number of keys can't be greater than number of args");
    const NEGATIVE: CmdError = CmdError::Text("ERR LIMIT can't be negative");
    let positive = |count: &usize| *count > 0;
    let parse = |bytes| num::parse_i64(bytes).and_then(|value| u64::try_from(value).ok());
    let as_usize = |value| usize::try_from(value).unwrap_or(usize::MAX);
    let count = parse(args.at(1)).map(as_usize).filter(positive).ok_or(NUMKEYS)?;
    if count > args.len() - 2 {
        return Err(TOO_MANY);
    }
    let mut limit = 0;
    for index in (2 + count..args.len()).step_by(2) {
        let value = args.get(index + 1).filter(|_| args.is(index, "LIMIT")).ok_or(CmdError::SYNTAX)?;
        limit = parse(value).map(as_usize).ok_or(NEGATIVE)?;
    }
    read_all(cx, args, 2, count)?;
    let sets = all_sets(&cx.keys, args, 2, count).unwrap_or_default();
    let limit = if limit == 0 { usize::MAX } else { limit };
    cx.reply.count(intersection(&sets).take(limit).count());
    Ok(())
}

/// `SUNION key [key ...]`
pub(crate) fn sunion(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    read_all(cx, args, 1, usize::MAX)?;
    let rules = set_rules(cx);
    let sets: Vec<&Set> = sets_of(&cx.keys, args, 1, usize::MAX).flatten().collect();
    match sets[..] {
        [only] => reply_set(&mut cx.reply, only),
        _ => reply_set(&mut cx.reply, &Gathered::to_send(&sets, &rules).union(&sets)?),
    }
    Ok(())
}

/// `SUNIONSTORE destination key [key ...]`
pub(crate) fn sunionstore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    read_all(cx, args, 2, usize::MAX)?;
    let rules = set_rules(cx);
    let sets: Vec<&Set> = sets_of(&cx.keys, args, 2, usize::MAX).flatten().collect();
    let result = Gathered::to_store(&rules).union(&sets)?;
    store(cx, args, "sunionstore", Some(result));
    Ok(())
}

/// `SDIFF key [key ...]`
pub(crate) fn sdiff(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    read_all(cx, args, 1, usize::MAX)?;
    let rules = set_rules(cx);
    match parted(&cx.keys, args, 1) {
        None => cx.reply.set(0),
        Some((first, others)) if probes(first.len(), others.iter().map(|set| set.len())) => {
            reply_members(&mut cx.reply, difference(first, &others));
        }
        Some((first, others)) => {
            let result = Gathered::to_send(&[first], &rules).difference(first, &others)?;
            reply_set(&mut cx.reply, &result);
        }
    }
    Ok(())
}

/// `SDIFFSTORE destination key [key ...]`
pub(crate) fn sdiffstore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    read_all(cx, args, 2, usize::MAX)?;
    let rules = set_rules(cx);
    let result = parted(&cx.keys, args, 2)
        .map(|(first, others)| Gathered::to_store(&rules).difference(first, &others))
        .transpose()?;
    store(cx, args, "sdiffstore", result);
    Ok(())
}
