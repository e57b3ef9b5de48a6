//! Strings as numbers: INCR and its kin.

use super::string::{bytes_of, string_of};
use crate::config::NotifyClasses;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::{ExpireChange, StringView};
use crate::num::{self, Extended};

/// INCR key
pub(crate) fn incr(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    add(cx, args, 1)
}

/// DECR key
pub(crate) fn decr(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    add(cx, args, -1)
}

/// INCRBY key increment
pub(crate) fn incrby(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let increment = args.int(2)?;
    add(cx, args, increment)
}

/// DECRBY key decrement
pub(crate) fn decrby(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let decrement = args.int(2)?;
    let increment = decrement.checked_neg().ok_or(CmdError::Text("ERR decrement would overflow"))?;
    add(cx, args, increment)
}

fn add(cx: &mut Ctx<'_>, args: &Args<'_>, increment: i64) -> CmdResult {
    let key = cx.key(args, 1);
    let sum = cx.keys.update_int(key, |entry| {
        let value = match entry.map(string_of).transpose()? {
            Some(StringView::Int(value)) => value,
            Some(StringView::Bytes(bytes)) => num::parse_i64(bytes).ok_or(CmdError::NOT_INTEGER)?,
            None => 0,
        };
        let sum = value.checked_add(increment);
        sum.ok_or(CmdError::Text("ERR increment or decrement would overflow"))
    })?;
    cx.changed(NotifyClasses::STRING, "incrby", key.bytes);
    cx.reply.integer(sum);
    Ok(())
}

/// INCRBYFLOAT key increment
pub(crate) fn incrbyfloat(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let value = match cx.keys.find_write(key).map(string_of).transpose()? {
        Some(value) => parse(bytes_of(value, &mut itoa::Buffer::new()))?,
        None => Number::Finite(Extended::ZERO),
    };
    let increment = parse(args.at(2))?;
    let (Number::Finite(value), Number::Finite(increment)) = (value, increment) else {
        return Err(NOT_FINITE);
    };
    let text = value.checked_add(increment).ok_or(NOT_FINITE)?.text();
    cx.keys.set_plain(key, &text, ExpireChange::Keep);
    cx.changed(NotifyClasses::STRING, "incrbyfloat", key.bytes);
    cx.reply.bulk(&text);
    Ok(())
}

pub(super) const NOT_FINITE: CmdError = CmdError::Text("ERR increment would produce NaN or Infinity");

/// A floating-point number as INCRBYFLOAT reads it.
pub(super) enum Number {
    Finite(Extended),
    Infinite,
}

pub(super) fn parse(text: &[u8]) -> Result<Number, CmdError> {
    if let Some(number) = Extended::parse(text) {
        return Ok(Number::Finite(number));
    }
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        return Ok(Number::Infinite);
    }
    Err(CmdError::NOT_FLOAT)
}
