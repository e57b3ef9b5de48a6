//! HyperLogLog commands, on strings that are HyperLogLogs.

use alloc::format;
use alloc::vec::Vec;

use super::string::{bytes_of, string_of};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::{Encoding as StringEncoding, Entry, Key, Prefetch, StringView};
use crate::types::hyperloglog::{self, Encoding, HllError, Registers, SelfTest};

impl From<HllError> for CmdError {
    fn from(error: HllError) -> Self {
        Self::Text(error.text())
    }
}

/// The bytes of an entry, which must be a HyperLogLog's.
fn bytes_checked(entry: Entry<'_>) -> Result<(&[u8], Encoding), CmdError> {
    match string_of(entry)? {
        StringView::Bytes(bytes) => Ok((bytes, hyperloglog::encoding(bytes)?)),
        StringView::Int(_) => Err(HllError::NotHll.into()),
    }
}

fn sparse_len_max(cx: &Ctx<'_>) -> usize {
    cx.shared.config.settings().compact.hll_sparse_bytes
}

/// `PFADD key [element ...]`
pub(crate) fn pfadd(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, len_max) = (cx.key(args, 1), sparse_len_max(cx));
    let is_new = match cx.keys.find_write(key) {
        Some(entry) => {
            bytes_checked(entry)?;
            false
        }
        None => true,
    };
    let risen = cx.keys.edit_raw(key, |value| -> Result<usize, HllError> {
        if is_new {
            *value = hyperloglog::create();
        }
        let mut risen = usize::from(is_new);
        for element in args.iter_from(2) {
            risen += usize::from(hyperloglog::add(value, element, len_max)?);
        }
        Ok(risen)
    })?;
    if risen > 0 {
        cx.changed(Class::STRING, "pfadd", key.bytes);
        cx.count_more(risen - 1);
    }
    cx.reply.integer(i64::from(risen > 0));
    Ok(())
}

/// `PFCOUNT key [key ...]`
pub(crate) fn pfcount(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() > 2 {
        let union = union(cx, args)?;
        cx.reply.integer(union.count().cast_signed());
        return Ok(());
    }
    let key = cx.key(args, 1);
    let Some(entry) = cx.keys.read(key) else {
        cx.reply.integer(0);
        return Ok(());
    };
    let (bytes, _) = bytes_checked(entry)?;
    if entry.encoding() == StringEncoding::Raw
        && let Some(cardinality) = hyperloglog::cached(bytes)
    {
        cx.reply.integer(cardinality);
        return Ok(());
    }
    let count = cx.keys.edit_raw(key, |value| hyperloglog::count(value))?;
    //= valkey 9.1 PFCOUNT: an estimate that is computed is kept in the value, which is a change without an event
    if count.written {
        cx.changed_quietly(key.bytes);
    }
    cx.reply.integer(count.cardinality);
    Ok(())
}

/// The union of all keys from argument 1 on.
fn union(cx: &mut Ctx<'_>, args: &Args<'_>) -> Result<Registers, CmdError> {
    let mut union = Registers::new();
    cx.each_key(args, 1..args.len(), 1, Prefetch::Third, |cx, key, _| {
        if let Some(entry) = cx.keys.read(key) {
            let (bytes, _) = bytes_checked(entry)?;
            union.merge(bytes)?;
        }
        Ok(())
    })?;
    Ok(union)
}

/// `PFMERGE destkey [sourcekey ...]`
pub(crate) fn pfmerge(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let union = union(cx, args)?;
    let (key, len_max) = (cx.key(args, 1), sparse_len_max(cx));
    let is_new = cx.keys.find_write(key).is_none();
    cx.keys.edit_raw(key, |value| {
        if is_new {
            *value = hyperloglog::create();
        }
        union.store(value, len_max)
    })?;
    cx.changed(Class::STRING, "pfadd", key.bytes);
    cx.reply.ok();
    Ok(())
}

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`, `PFDEBUG SIMD ON | OFF`
pub(crate) fn pfdebug(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.is(1, "simd") {
        return simd(cx, args);
    }
    let key = cx.key(args, 2);
    let Some(entry) = cx.keys.find_write(key) else {
        return Err(CmdError::Text("ERR The specified key does not exist"));
    };
    let (_, encoding) = bytes_checked(entry)?;
    //= valkey 9.1 PFDEBUG: even looking makes the string `raw`
    if entry.encoding() != StringEncoding::Raw {
        cx.keys.edit_raw(key, |_| ());
    }
    if args.is(1, "getreg") {
        to_dense(cx, key, encoding)?;
        return reply_registers(cx, key);
    } else if args.is(1, "decode") {
        let entry = cx.keys.peek(key).ok_or(CmdError::NO_SUCH_KEY)?;
        let text = hyperloglog::sparse_text(bytes_checked(entry)?.0)?;
        let text = text.ok_or(CmdError::Text("ERR HLL encoding is not sparse"))?;
        cx.reply.bulk(&text);
    } else if args.is(1, "encoding") {
        cx.reply.status(encoding.name().as_bytes());
    } else if args.is(1, "todense") {
        to_dense(cx, key, encoding)?;
        cx.reply.integer(i64::from(encoding == Encoding::Sparse));
    } else {
        let name = args.at(1).split(|&byte| byte == 0).next().unwrap_or_default();
        return Err(cx.fail_bytes(&[b"ERR Unknown PFDEBUG subcommand '", name, b"'"]));
    }
    Ok(())
}

/// Whether vector instructions are wanted. Ours are the compiler's, so this only answers as the reference does.
fn simd(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let answer: &[u8] = if args.is(2, "on") {
        b"enabled"
    } else if args.is(2, "off") {
        b"disabled"
    } else {
        //= valkey 9.1 PFDEBUG: it answers twice here, which no client expects; we leave out the second answer
        return Err(CmdError::Text("ERR Argument must be ON or OFF"));
    };
    cx.reply.status(answer);
    Ok(())
}

fn to_dense(cx: &mut Ctx<'_>, key: Key<'_>, encoding: Encoding) -> CmdResult {
    if encoding == Encoding::Sparse {
        cx.keys.edit_raw(key, hyperloglog::to_dense)?;
        cx.shared.stats.dirty += 1;
    }
    Ok(())
}

fn reply_registers(cx: &mut Ctx<'_>, key: Key<'_>) -> CmdResult {
    let Some(entry) = cx.keys.peek(key) else { return Err(CmdError::NO_SUCH_KEY) };
    let mut scratch = itoa::Buffer::new();
    let bytes = bytes_of(string_of(entry)?, &mut scratch);
    let registers: Vec<u8> = hyperloglog::dense_registers(bytes)?.collect();
    cx.reply.array(registers.len());
    registers.into_iter().for_each(|register| cx.reply.integer(i64::from(register)));
    Ok(())
}

/// PFSELFTEST
pub(crate) fn pfselftest(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    let (seed, len_max) = (cx.shared.rng.next_u64(), sparse_len_max(cx));
    match hyperloglog::self_test(seed, len_max) {
        Ok(()) => {
            cx.reply.ok();
            Ok(())
        }
        Err(failed) => Err(report(cx, failed)),
    }
}

#[cold]
fn report(cx: &mut Ctx<'_>, failed: SelfTest) -> CmdError {
    let text = match failed {
        SelfTest::Register { index, wanted, found } => {
            format!("Register {index} should be {wanted} but is {found}")
        }
        SelfTest::NotSparse => "sparse encoding not used".into(),
        SelfTest::Disagree => "dense/sparse disagree".into(),
        SelfTest::Error { cardinality, error } => {
            format!("Too big error. card:{cardinality} abserr:{error}")
        }
    };
    cx.fail(format_args!("ERR TESTFAILED {text}"))
}
