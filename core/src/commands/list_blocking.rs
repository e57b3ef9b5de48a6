//! List commands that wait for elements.

use alloc::vec::Vec;
use core::ops::Range;

use super::element::reply_element;
use super::list::{MultiPop, Taken, limits, move_element, parse_end, taken};
use super::timeout;
use crate::engine::{Args, CmdResult, Ctx, Denied, Wait};
use crate::keyspace::Kind;
use crate::types::list::{End, List};

/// Waits for lists under the keys among these arguments.
fn wait(cx: &mut Ctx<'_>, args: &Args<'_>, keys: Range<usize>, deadline_ms: Option<i64>, denied: Denied) {
    let keys: Vec<Vec<u8>> = keys.map(|index| args.at(index).to_vec()).collect();
    cx.wait(Wait { keys, kind: Kind::List, deadline_ms, denied, wants_deletes: false });
}

fn pop(cx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let (deadline_ms, limits) = (timeout::of_seconds(args.at(last), cx.now)?, limits(cx));
    for index in 1..last {
        let key = cx.key(args, index);
        let Some(list) = cx.keys.write_as::<List>(key)? else { continue };
        cx.reply.array(2);
        cx.reply.bulk(key.bytes);
        list.pop(end, |element| reply_element(&mut cx.reply, element));
        let one = Taken::from(list, 1, limits);
        taken(cx, key, if end == End::Head { "lpop" } else { "rpop" }, &one);
        return Ok(());
    }
    wait(cx, args, 1..last, deadline_ms, Denied::NullArray);
    Ok(())
}

/// `BLPOP key [key ...] timeout`
pub(crate) fn blpop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Head)
}

/// `BRPOP key [key ...] timeout`
pub(crate) fn brpop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Tail)
}

fn move_one(cx: &mut Ctx<'_>, args: &Args<'_>, ends: (End, End), wait_time: &[u8]) -> CmdResult {
    let deadline_ms = timeout::of_seconds(wait_time, cx.now)?;
    let (source, target) = (cx.key(args, 1), cx.key(args, 2));
    if !move_element(cx, source, target, ends)? {
        wait(cx, args, 1..2, deadline_ms, Denied::Null);
    }
    Ok(())
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`
pub(crate) fn blmove(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let ends = (parse_end(args.at(3))?, parse_end(args.at(4))?);
    move_one(cx, args, ends, args.at(5))
}

/// BRPOPLPUSH source destination timeout
pub(crate) fn brpoplpush(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    move_one(cx, args, (End::Tail, End::Head), args.at(3))
}

/// `BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count]`
pub(crate) fn blmpop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let request = MultiPop::parse(args, 2)?;
    let deadline_ms = timeout::of_seconds(args.at(1), cx.now)?;
    if !request.run(cx, args)? {
        wait(cx, args, request.keys.clone(), deadline_ms, Denied::NullArray);
    }
    Ok(())
}
