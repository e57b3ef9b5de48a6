//! String commands that read and write whole values or parts of them.

use alloc::vec::Vec;
use core::ops::Range;

use super::options::{Condition, Form, Options, expire_at, invalid_expire};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx, Shared};
use crate::keyspace::{Entry, ExpireChange, Kind, Prefetch, StringView};
use crate::resp::Reply;

/// The string of an entry, or the error that it is something else.
#[inline]
pub(super) fn string_of(entry: Entry<'_>) -> Result<StringView<'_>, CmdError> {
    if entry.kind() == Kind::String { Ok(entry.string()) } else { Err(CmdError::WRONG_TYPE) }
}

/// Writes a string value as a bulk string.
#[inline]
pub(super) fn reply_string(reply: &mut Reply<'_>, value: StringView<'_>) {
    match value {
        StringView::Bytes(bytes) => reply.bulk(bytes),
        StringView::Int(value) => reply.bulk_int(value),
    }
}

/// The bytes of a string value.
pub(super) fn bytes_of<'a>(value: StringView<'a>, scratch: &'a mut itoa::Buffer) -> &'a [u8] {
    match value {
        StringView::Bytes(bytes) => bytes,
        StringView::Int(value) => scratch.format(value).as_bytes(),
    }
}

/// Whether a string value is exactly these bytes.
fn equals(value: StringView<'_>, bytes: &[u8]) -> bool {
    bytes_of(value, &mut itoa::Buffer::new()) == bytes
}

/// GET key
pub(crate) fn get(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    match cx.keys.read(key) {
        Some(entry) => reply_entry(&mut cx.reply, cx.shared, entry)?,
        None => cx.reply.null(),
    }
    Ok(())
}

/// Writes the string of an entry as a bulk string, a large one by reference.
#[inline]
fn reply_entry(reply: &mut Reply<'_>, shared: &mut Shared, entry: Entry<'_>) -> CmdResult {
    let value = string_of(entry)?;
    let head = |len| {
        reply.bulk_head(len);
        reply.position()
    };
    // One reply holds values of one kind: what is lent has its place in the bytes that are written, what is referenced is
    // sent between them.
    if let Some(loan) = &mut shared.loan
        && shared.references.is_empty()
        && loan.add(&entry, head)
    {
        reply.bulk_end();
        return Ok(());
    }
    if let StringView::Bytes(bytes) = value
        && bytes.len() >= shared.config.settings().reference_from_len
        && shared.loan.as_ref().is_none_or(|loan| loan.is_empty())
        && let Some(owner) = entry.shared()
    {
        reply.bulk_head(bytes.len());
        shared.references.push((reply.position(), owner));
        reply.bulk_end();
        return Ok(());
    }
    reply_string(reply, value);
    Ok(())
}

/// `SET key value [NX | XX | IFEQ value] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(crate) fn set(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    if args.len() == 3 {
        cx.keys.set_string(key, args.at(2), ExpireChange::Clear);
        cx.changed(Class::STRING, "set", key.bytes);
        cx.reply.ok();
        return Ok(());
    }
    let options = Options::parse(args, 3, Form::Set)?;
    let expire = options.expire(cx)?;
    if options.get {
        match cx.keys.read(key) {
            Some(entry) => reply_string(&mut cx.reply, string_of(entry)?),
            None => cx.reply.null(),
        }
    }
    let old = cx.keys.find_write(key);
    let found = old.is_some();
    let wanted = match (options.condition, old) {
        (Condition::Always, _) => true,
        (Condition::IfMissing, old) => old.is_none(),
        (Condition::IfPresent, old) => old.is_some(),
        (Condition::IfEqual(_), None) => false,
        (Condition::IfEqual(value), Some(entry)) => equals(string_of(entry)?, value),
    };
    if !wanted {
        if !options.get {
            cx.reply.null();
        }
        return Ok(());
    }
    //= valkey 9.1 SET: an expiry that has passed deletes the key
    if expire.is_some_and(|expire| expire.at <= cx.past_ms()) {
        if found {
            cx.keys.delete_expired(key);
            cx.changed(Class::EXPIRED, "expired", key.bytes);
        }
    } else {
        cx.keys.set_string(key, args.at(2), options.change(expire));
        cx.changed(Class::STRING, "set", key.bytes);
        if expire.is_some() {
            cx.notify(Class::GENERIC, "expire", key.bytes);
        }
    }
    if !options.get {
        cx.reply.ok();
    }
    Ok(())
}

/// SETNX key value
pub(crate) fn setnx(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let missing = cx.keys.find_write(key).is_none();
    if missing {
        cx.keys.set_string(key, args.at(2), ExpireChange::Clear);
        cx.changed(Class::STRING, "set", key.bytes);
    }
    cx.reply.integer(i64::from(missing));
    Ok(())
}

/// SETEX key seconds value
pub(crate) fn setex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_with_lifetime(cx, args, 1000)
}

/// PSETEX key milliseconds value
pub(crate) fn psetex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_with_lifetime(cx, args, 1)
}

fn set_with_lifetime(cx: &mut Ctx<'_>, args: &Args<'_>, unit_ms: i64) -> CmdResult {
    let value = args.int(2)?;
    let Some(at) = expire_at(value, unit_ms, cx.now.unix_ms()) else { return Err(invalid_expire(cx)) };
    let key = cx.key(args, 1);
    cx.keys.set_string(key, args.at(3), ExpireChange::At(at));
    cx.changed(Class::STRING, "set", key.bytes);
    cx.notify(Class::GENERIC, "expire", key.bytes);
    cx.reply.ok();
    Ok(())
}

/// GETSET key value
pub(crate) fn getset(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    get(cx, args)?;
    let key = cx.key(args, 1);
    cx.keys.set_string(key, args.at(2), ExpireChange::Clear);
    cx.changed(Class::STRING, "set", key.bytes);
    Ok(())
}

/// GETDEL key
pub(crate) fn getdel(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let Some(entry) = cx.keys.read(key) else {
        cx.reply.null();
        return Ok(());
    };
    reply_string(&mut cx.reply, string_of(entry)?);
    cx.keys.delete(key);
    cx.changed(Class::GENERIC, "del", key.bytes);
    Ok(())
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`
pub(crate) fn getex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let options = Options::parse(args, 2, Form::GetEx)?;
    let expire = options.expire(cx)?;
    let key = cx.key(args, 1);
    let Some(entry) = cx.keys.read(key) else {
        cx.reply.null();
        return Ok(());
    };
    let had_expire = entry.expire_at().is_some();
    reply_string(&mut cx.reply, string_of(entry)?);
    match expire {
        Some(expire) if expire.absolute && expire.at <= cx.past_ms() => {
            cx.keys.delete_expired(key);
            cx.changed(Class::EXPIRED, "expired", key.bytes);
        }
        Some(expire) => {
            cx.keys.set_expire(key, Some(expire.at));
            cx.changed(Class::GENERIC, "expire", key.bytes);
        }
        None if options.persist && had_expire => {
            cx.keys.set_expire(key, None);
            cx.changed(Class::GENERIC, "persist", key.bytes);
        }
        None => {}
    }
    Ok(())
}

/// DELIFEQ key value
pub(crate) fn delifeq(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let equal = match cx.keys.find_write(key) {
        Some(entry) => equals(string_of(entry)?, args.at(2)),
        None => false,
    };
    if equal {
        cx.keys.delete(key);
        cx.changed(Class::GENERIC, "del", key.bytes);
    }
    cx.reply.integer(i64::from(equal));
    Ok(())
}

/// `MGET key [key ...]`
pub(crate) fn mget(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    cx.reply.array(args.len() - 1);
    cx.each_key(args, 1..args.len(), 1, Prefetch::Third, |cx, key, _| {
        match cx.keys.read(key) {
            Some(entry) if entry.kind() == Kind::String => {
                reply_entry(&mut cx.reply, cx.shared, entry)?;
            }
            _ => cx.reply.null(),
        }
        Ok(())
    })
}

/// `MSET key value [key value ...]`
pub(crate) fn mset(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(wrong_arity(cx));
    }
    set_pairs(cx, args, 1..args.len(), ExpireChange::Clear)?;
    cx.reply.ok();
    Ok(())
}

/// `MSETNX key value [key value ...]`
pub(crate) fn msetnx(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(wrong_arity(cx));
    }
    let met = is_met(cx, args, 1..args.len(), Condition::IfMissing)?;
    if met {
        set_pairs(cx, args, 1..args.len(), ExpireChange::Clear)?;
    }
    cx.reply.integer(i64::from(met));
    Ok(())
}

/// `MSETEX numkeys key value [key value ...] [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(crate) fn msetex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const BAD_COUNT: CmdError = CmdError::Text("ERR invalid numkeys value or out of range");
    let count = crate::num::parse_i64(args.at(1)).and_then(|count| i32::try_from(count).ok());
    let count = count.and_then(|count| usize::try_from(count).ok()).filter(|&count| count > 0);
    let end = 2usize.saturating_add(count.ok_or(BAD_COUNT)?.saturating_mul(2));
    if end > args.len() {
        return Err(CmdError::SYNTAX);
    }
    let options = Options::parse(args, end, Form::MsetEx)?;
    let expire = options.expire(cx)?;
    let met = is_met(cx, args, 2..end, options.condition)?;
    if met {
        set_pairs(cx, args, 2..end, options.change(expire))?;
    }
    cx.reply.integer(i64::from(met));
    Ok(())
}

/// Whether all keys of some pairs are as the condition wants them. None is looked up behind the first that is not.
fn is_met(
    cx: &mut Ctx<'_>,
    args: &Args<'_>,
    range: Range<usize>,
    condition: Condition<'_>,
) -> Result<bool, CmdError> {
    let wanted = match condition {
        Condition::IfMissing => false,
        Condition::IfPresent => true,
        Condition::Always | Condition::IfEqual(_) => return Ok(true),
    };
    let mut is_met = true;
    cx.each_key(args, range, 2, Prefetch::ThirdOfKey, |cx, key, _| {
        is_met = is_met && cx.keys.find_write(key).is_some() == wanted;
        Ok(())
    })?;
    Ok(is_met)
}

fn set_pairs(cx: &mut Ctx<'_>, args: &Args<'_>, range: Range<usize>, expire: ExpireChange) -> CmdResult {
    cx.each_key(args, range, 2, Prefetch::Third, |cx, key, index| {
        cx.keys.set_string(key, args.at(index + 1), expire);
        cx.changed(Class::STRING, "set", key.bytes);
        if let ExpireChange::At(_) = expire {
            cx.notify(Class::GENERIC, "expire", key.bytes);
        }
        Ok(())
    })
}

#[cold]
pub(super) fn wrong_arity(cx: &mut Ctx<'_>) -> CmdError {
    let name = cx.command.full_name;
    cx.fail(format_args!("ERR wrong number of arguments for '{name}' command"))
}

/// Refuses a string that would pass `proto-max-bulk-len`.
fn check_len(cx: &Ctx<'_>, offset: usize, more: usize) -> CmdResult {
    let max = cx.shared.config.settings().proto_max_bulk_len;
    match offset.checked_add(more) {
        Some(total) if total as u64 <= max => Ok(()),
        _ => Err(CmdError::STRING_TOO_LONG),
    }
}

/// The length of the string under a key; 0 when it does not exist.
fn len_for_write(cx: &mut Ctx<'_>, bytes: &[u8]) -> Result<Option<usize>, CmdError> {
    let key = cx.keys.key(bytes);
    match cx.keys.find_write(key) {
        Some(entry) => Ok(Some(bytes_of(string_of(entry)?, &mut itoa::Buffer::new()).len())),
        None => Ok(None),
    }
}

/// APPEND key value
pub(crate) fn append(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, tail) = (cx.key(args, 1), args.at(2));
    let total = match len_for_write(cx, args.at(1))? {
        None => {
            cx.keys.set_string(key, tail, ExpireChange::Clear);
            tail.len()
        }
        Some(len) => {
            check_len(cx, len, tail.len())?;
            let total = len + tail.len();
            cx.keys.resize_raw(key, total, |into| into[len..].copy_from_slice(tail));
            total
        }
    };
    cx.changed(Class::STRING, "append", key.bytes);
    cx.reply.count(total);
    Ok(())
}

/// SETRANGE key offset value
pub(crate) fn setrange(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (offset, value) = (args.int(2)?, args.at(3));
    let Ok(offset) = usize::try_from(offset) else {
        return Err(CmdError::Text("ERR offset is out of range"));
    };
    let len = len_for_write(cx, args.at(1))?.unwrap_or(0);
    if value.is_empty() {
        cx.reply.count(len);
        return Ok(());
    }
    check_len(cx, offset, value.len())?;
    let total = len.max(offset + value.len());
    let key = cx.key(args, 1);
    cx.keys.resize_raw(key, total, |into| into[offset..offset + value.len()].copy_from_slice(value));
    cx.changed(Class::STRING, "setrange", key.bytes);
    cx.reply.count(total);
    Ok(())
}

/// GETRANGE key start end
pub(crate) fn getrange(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (start, end) = (args.int(2)?, args.int(3)?);
    let key = cx.key(args, 1);
    let Some(entry) = cx.keys.read(key) else {
        cx.reply.bulk(b"");
        return Ok(());
    };
    let mut scratch = itoa::Buffer::new();
    let bytes = bytes_of(string_of(entry)?, &mut scratch);
    cx.reply.bulk(range_of(bytes, start, end));
    Ok(())
}

/// The part from `start` to `end`, both counted from the end when negative.
fn range_of(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    let len = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    if (start < 0 && end < 0 && start > end) || len == 0 {
        return &[];
    }
    let from_end = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end {
        return &[];
    }
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    bounds.and_then(|(start, end)| bytes.get(start..=end)).unwrap_or(&[])
}

/// SUBSTR key start end
pub(crate) fn substr(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    getrange(cx, args)
}

/// STRLEN key
pub(crate) fn strlen(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let len = match cx.keys.read(key) {
        Some(entry) => bytes_of(string_of(entry)?, &mut itoa::Buffer::new()).len(),
        None => 0,
    };
    cx.reply.count(len);
    Ok(())
}

/// A copy of the string under a key; empty when it does not exist.
pub(super) fn copy_of(cx: &mut Ctx<'_>, bytes: &[u8]) -> Result<Vec<u8>, CmdError> {
    let key = cx.keys.key(bytes);
    match cx.keys.read(key) {
        Some(entry) => Ok(bytes_of(string_of(entry)?, &mut itoa::Buffer::new()).to_vec()),
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::range_of;

    #[test]
    fn ranges() {
        let cases: [(i64, i64, &[u8]); 10] = [
            (0, 3, b"This"),
            (0, -1, b"This is"),
            (-2, -1, b"is"),
            (5, 100, b"is"),
            (3, 1, b""),
            (-1, -2, b""),
            (i64::MIN, i64::MAX, b"This is"),
            (7, 9, b""),
            (-100, 0, b"T"),
            (i64::MAX, i64::MIN, b""),
        ];
        for (start, end, expected) in cases {
            assert_eq!(range_of(b"This is", start, end), expected, "{start} {end}");
        }
        assert_eq!(range_of(b"", 0, -1), b"");
    }
}
