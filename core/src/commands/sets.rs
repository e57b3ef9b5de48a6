//! Commands on the members of one set, or of two.

use alloc::vec::Vec;

use super::element::reply_element;
use super::scan_options::{Scanned, reply_cursor, scan_value};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::Entry;
use crate::resp::Reply;
use crate::types::Typed;
use crate::types::listpack::Element;
use crate::types::set::{Added, Set, SetRules};

/// More members than a set can hold.
pub(super) const SET_FULL: CmdError = CmdError::Text("ERR the set can hold no more members");

/// How sets are stored, by the settings.
pub(super) fn set_rules(cx: &Ctx<'_>) -> SetRules {
    let limits = &cx.shared.config.settings().compact;
    SetRules {
        intset_entries: limits.set_intset_entries,
        listpack_entries: limits.set_listpack_entries,
        listpack_value: limits.set_listpack_value,
        hasher: cx.keys.hasher(),
    }
}

/// Writes all members.
pub(super) fn reply_set(reply: &mut Reply<'_>, set: &Set) {
    reply.set(set.len());
    set.iter().for_each(|member| reply_element(reply, member));
}

/// Takes note of a change to so many members of a set, and of its end when none is left. The key's change counts as one.
pub(super) fn members_changed(cx: &mut Ctx<'_>, event: &str, key: &[u8], count: usize, is_gone: bool) {
    cx.changed(Class::SET, event, key);
    cx.shared.stats.dirty += (count as u64).saturating_sub(1);
    if is_gone {
        cx.notify(Class::GENERIC, "del", key);
    }
}

/// `SADD key member [member ...]`
pub(crate) fn sadd(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, rules, count) = (cx.key(args, 1), set_rules(cx), args.len() - 2);
    let set = cx.keys.write_or_insert(key, || Set::with_hint(args.at(2), count, &rules))?;
    set.prepare(count, &rules);
    let (mut added, mut is_full) = (0, false);
    for member in args.iter_from(2) {
        match set.add(Element::Bytes(member), &rules) {
            Added::New => added += 1,
            Added::Present => {}
            Added::Full => is_full = true,
        }
    }
    if added > 0 {
        members_changed(cx, "sadd", key.bytes, added, false);
    }
    if is_full {
        return Err(SET_FULL);
    }
    cx.reply.count(added);
    Ok(())
}

/// `SREM key member [member ...]`
pub(crate) fn srem(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let Some(set) = cx.keys.write_as::<Set>(key)? else {
        cx.reply.count(0);
        return Ok(());
    };
    let removed = args.iter_from(2).filter(|member| set.remove(Element::Bytes(member))).count();
    if removed > 0 {
        let is_gone = set.is_empty() && cx.keys.delete_if_empty(key);
        members_changed(cx, "srem", key.bytes, removed, is_gone);
    }
    cx.reply.count(removed);
    Ok(())
}

/// SMOVE source destination member
pub(crate) fn smove(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (from, to, rules) = (cx.key(args, 1), cx.key(args, 2), set_rules(cx));
    let member = Element::Bytes(args.at(3));
    //= valkey 9.1 SMOVE: without a source the destination's type does not matter
    if cx.keys.peek(from).is_none() {
        cx.reply.count(0);
        return Ok(());
    }
    cx.keys.write_as::<Set>(to)?;
    let moved = match cx.keys.write_as::<Set>(from)? {
        Some(source) if from.bytes == to.bytes => {
            let is_member = source.contains(member);
            cx.reply.integer(i64::from(is_member));
            return Ok(());
        }
        Some(source) => source.remove(member),
        None => false,
    };
    if moved {
        let is_gone = cx.keys.delete_if_empty(from);
        members_changed(cx, "srem", from.bytes, 1, is_gone);
        let target = cx.keys.write_or_insert(to, || Set::with_hint(args.at(3), 1, &rules))?;
        match target.add(member, &rules) {
            Added::New => cx.changed(Class::SET, "sadd", to.bytes),
            Added::Present => {}
            Added::Full => {
                cx.keys.write_or_insert(from, Set::new)?.add(member, &rules);
                cx.changed(Class::SET, "sadd", from.bytes);
                return Err(SET_FULL);
            }
        }
    }
    cx.reply.integer(i64::from(moved));
    Ok(())
}

/// SISMEMBER key member
pub(crate) fn sismember(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let set = cx.keys.read_as::<Set>(key)?;
    let is_member = set.is_some_and(|set| set.contains(Element::Bytes(args.at(2))));
    cx.reply.integer(i64::from(is_member));
    Ok(())
}

/// `SMISMEMBER key member [member ...]`
pub(crate) fn smismember(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let set = cx.keys.read_as::<Set>(key)?;
    cx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        let is_member = set.is_some_and(|set| set.contains(Element::Bytes(member)));
        cx.reply.integer(i64::from(is_member));
    }
    Ok(())
}

/// SCARD key
pub(crate) fn scard(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let count = cx.keys.read_as::<Set>(key)?.map_or(0, Set::len);
    cx.reply.count(count);
    Ok(())
}

/// SMEMBERS key
pub(crate) fn smembers(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    match cx.keys.read_as::<Set>(key)? {
        Some(set) => reply_set(&mut cx.reply, set),
        None => cx.reply.set(0),
    }
    Ok(())
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(crate) fn sscan(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let Some((cursor, options)) = scan_value::<Set>(cx, args, Scanned::Set)? else { return Ok(()) };
    let key = cx.key(args, 1);
    let Some(set) = cx.keys.look(key).and_then(Entry::object).and_then(Set::of) else {
        return Err(CmdError::WRONG_TYPE);
    };
    let mut found: Vec<Element<'_>> = Vec::new();
    let next = set.scan(cursor, options.count, |member| {
        if options.wants(member) {
            found.push(member);
        }
    });
    cx.reply.array(2);
    reply_cursor(&mut cx.reply, next);
    cx.reply.array(found.len());
    found.iter().for_each(|&member| reply_element(&mut cx.reply, member));
    Ok(())
}
