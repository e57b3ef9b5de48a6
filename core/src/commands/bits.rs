//! Commands on strings as arrays of bits: single bits, counts, searches and whole strings against each other.

use alloc::vec::Vec;

use super::string::{bytes_of, string_of};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::{Key, SharedBytes, StringView};
use crate::types::bits::combine::{BitOp, combine};
use crate::types::bits::range::{Range, Unit, count_range, position};
use crate::types::bits::{self, OFFSET_ERROR};

const BAD_BIT: CmdError = CmdError::Text("ERR bit is not an integer or out of range");

/// Runs `read` on the bytes of the string under a key, where they lie; `None` when it does not exist.
pub(super) fn with_string<R>(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    read: impl FnOnce(&[u8]) -> R,
) -> Result<Option<R>, CmdError> {
    let Some(entry) = cx.keys.read(key) else { return Ok(None) };
    Ok(Some(read(bytes_of(string_of(entry)?, &mut itoa::Buffer::new()))))
}

/// Makes the string under a key reach up to a bit and hands it to `write`, which also hears whether it became longer.
pub(super) fn write_up_to<R: Default>(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    last_bit: u64,
    write: impl FnOnce(&mut [u8], bool) -> R,
) -> Result<R, CmdError> {
    let old = match cx.keys.find_write(key) {
        Some(entry) => Some(bytes_of(string_of(entry)?, &mut itoa::Buffer::new()).len()),
        None => None,
    };
    let needed = usize::try_from(last_bit / 8).map_err(|_| CmdError::Text(OFFSET_ERROR))? + 1;
    let len = old.unwrap_or(0).max(needed);
    let grown = old != Some(len);
    let mut result = R::default();
    cx.keys.resize_raw(key, len, |bytes| result = write(bytes, grown));
    Ok(result)
}

fn parse_offset(cx: &Ctx<'_>, text: &[u8]) -> Result<u64, CmdError> {
    let len_max = cx.shared.config.settings().proto_max_bulk_len;
    bits::parse_offset(text, len_max).ok_or(CmdError::Text(OFFSET_ERROR))
}

/// SETBIT key offset value
pub(crate) fn setbit(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let offset = parse_offset(cx, args.at(2))?;
    let bit = match args.int(3) {
        Ok(0) => false,
        Ok(1) => true,
        _ => return Err(BAD_BIT),
    };
    let key = cx.key(args, 1);
    let (before, changed) = write_up_to(cx, key, offset, |bytes, grown| {
        let before = bits::set(bytes, offset, bit);
        (before, grown || before != bit)
    })?;
    //= valkey 9.1 SETBIT: a bit that stays as it was is no change
    if changed {
        cx.changed(Class::STRING, "setbit", key.bytes);
    }
    cx.reply.integer(i64::from(before));
    Ok(())
}

/// GETBIT key offset
pub(crate) fn getbit(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let offset = parse_offset(cx, args.at(2))?;
    let key = cx.key(args, 1);
    let bit = with_string(cx, key, |bytes| bits::get(bytes, offset))?;
    cx.reply.integer(i64::from(bit.unwrap_or(false)));
    Ok(())
}

/// The optional `[start [end [BIT | BYTE]]]` from argument `at` on, read in the reference's order.
fn parse_range(args: &Args<'_>, at: usize) -> Result<Range, CmdError> {
    if args.len() > at + 3 {
        return Err(CmdError::SYNTAX);
    }
    let mut range = Range::default();
    if args.len() > at {
        range.start = args.int(at)?;
    }
    if let Some(unit) = args.get(at + 2) {
        range.unit = Unit::parse(unit).ok_or(CmdError::SYNTAX)?;
    }
    if args.len() > at + 1 {
        range.end = Some(args.int(at + 1)?);
    }
    Ok(range)
}

/// `BITCOUNT key [start [end [BYTE | BIT]]]`
pub(crate) fn bitcount(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let range = parse_range(args, 2)?;
    let key = cx.key(args, 1);
    let count = with_string(cx, key, |bytes| count_range(bytes, range))?;
    cx.reply.unsigned(count.unwrap_or(0));
    Ok(())
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`
pub(crate) fn bitpos(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let bit = match args.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(CmdError::Text("ERR The bit argument must be 1 or 0.")),
    };
    let range = parse_range(args, 3)?;
    let key = cx.key(args, 1);
    //= valkey 9.1 BITPOS: of a missing key the first clear bit is bit 0, whatever the range
    let missing = if bit { None } else { Some(0) };
    let found = with_string(cx, key, |bytes| position(bytes, bit, range))?.unwrap_or(missing);
    match found {
        Some(position) => cx.reply.unsigned(position),
        None => cx.reply.integer(-1),
    }
    Ok(())
}

/// A source of BITOP: large strings are shared, not copied.
fn source(cx: &mut Ctx<'_>, bytes: &[u8]) -> Result<Source, CmdError> {
    let key = cx.keys.key(bytes);
    let Some(entry) = cx.keys.read(key) else { return Ok(Source::Own(Vec::new())) };
    let value = string_of(entry)?;
    Ok(match (entry.shared(), value) {
        (Some(shared), _) => Source::Shared(shared),
        (None, StringView::Bytes(bytes)) => Source::Own(bytes.to_vec()),
        (None, StringView::Int(value)) => Source::Own(itoa::Buffer::new().format(value).as_bytes().to_vec()),
    })
}

enum Source {
    Own(Vec<u8>),
    Shared(SharedBytes),
}

impl Source {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// `BITOP AND | OR | XOR | NOT destkey key [key ...]`
pub(crate) fn bitop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let op = BitOp::parse(args.at(1)).ok_or(CmdError::SYNTAX)?;
    if op == BitOp::Not && args.len() != 4 {
        return Err(CmdError::Text("ERR BITOP NOT must be called with a single source key."));
    }
    let mut sources = Vec::with_capacity(args.len() - 3);
    for bytes in args.iter_from(3) {
        sources.push(source(cx, bytes)?);
    }
    let slices: Vec<&[u8]> = sources.iter().map(Source::bytes).collect();
    let result = combine(op, &slices);
    let (key, len) = (cx.key(args, 2), result.len());
    if len > 0 {
        cx.keys.set_raw(key, result);
        cx.changed(Class::STRING, "set", key.bytes);
    } else if cx.keys.delete(key) {
        cx.changed(Class::GENERIC, "del", key.bytes);
    }
    cx.reply.count(len);
    Ok(())
}
