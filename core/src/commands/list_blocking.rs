//! List commands that wait for elements.

use alloc::vec::Vec;
use core::ops::Range;

use super::list::{MultiPop, move_element, parse_end, reply_element, taken};
use crate::engine::{Args, CmdError, CmdResult, Ctx, Denied, Wait};
use crate::keyspace::Kind;
use crate::num;
use crate::types::list::{End, List};

/// When a wait ends that begins now: `timeout` in seconds, fractions allowed; `None`: never.
pub(super) fn deadline(cx: &Ctx<'_>, timeout: &[u8]) -> Result<Option<i64>, CmdError> {
    let seconds = num::parse_f64(timeout).or_else(|| hex(timeout));
    let seconds = seconds.ok_or(CmdError::Text("ERR timeout is not a float or out of range"))?;
    let ms = libm::ceil(seconds * 1000.0);
    if ms < 0.0 {
        return Err(CmdError::Text("ERR timeout is negative"));
    }
    if ms == 0.0 {
        return Ok(None);
    }
    const OUT_OF_RANGE: CmdError = CmdError::Text("ERR timeout is out of range");
    // Above 2^63 - 2^10 there is no whole number of milliseconds that a double and an i64 share.
    if ms > 9.223_372_036_854_774e18 {
        return Err(OUT_OF_RANGE);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range of an i64")]
    let ms = ms as i64;
    ms.checked_add(cx.now.unix_ms()).map(Some).ok_or(OUT_OF_RANGE)
}

//= valkey 9.1 BLPOP: a timeout may be hexadecimal, as whatever the C library reads as a float
fn hex(text: &[u8]) -> Option<f64> {
    let digits =
        text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).filter(|digits| !digits.is_empty())?;
    digits.iter().try_fold(0.0, |sum, &digit| Some(sum * 16.0 + f64::from(char::from(digit).to_digit(16)?)))
}

/// Waits for lists under the keys among these arguments.
fn wait(cx: &mut Ctx<'_>, args: &Args<'_>, keys: Range<usize>, deadline_ms: Option<i64>, denied: Denied) {
    let keys: Vec<Vec<u8>> = keys.map(|index| args.at(index).to_vec()).collect();
    cx.wait(Wait { keys, kind: Kind::List, deadline_ms, denied, wants_deletes: false });
}

fn pop(cx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let deadline_ms = deadline(cx, args.at(last))?;
    for index in 1..last {
        let key = cx.key(args, index);
        let Some(list) = cx.keys.write_as::<List>(key)? else { continue };
        cx.reply.array(2);
        cx.reply.bulk(key.bytes);
        list.pop(end, |element| reply_element(&mut cx.reply, element));
        taken(cx, key, if end == End::Head { "lpop" } else { "rpop" }, 1);
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

fn move_one(cx: &mut Ctx<'_>, args: &Args<'_>, ends: (End, End), timeout: &[u8]) -> CmdResult {
    let deadline_ms = deadline(cx, timeout)?;
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
    let deadline_ms = deadline(cx, args.at(1))?;
    let request = MultiPop::parse(args, 2)?;
    if !request.run(cx, args)? {
        wait(cx, args, request.keys.clone(), deadline_ms, Denied::NullArray);
    }
    Ok(())
}
