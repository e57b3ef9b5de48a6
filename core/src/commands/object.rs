//! OBJECT: a look inside a key.

use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::AccessPolicy;

/// OBJECT ENCODING key
pub(crate) fn object_encoding(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 2);
    match cx.keys.read_quietly(key) {
        Some(entry) => cx.reply.bulk(entry.encoding_name().as_bytes()),
        None => cx.reply.null(),
    }
    Ok(())
}

/// OBJECT REFCOUNT key
pub(crate) fn object_refcount(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 2);
    match cx.keys.read_quietly(key) {
        Some(_) => cx.reply.integer(1),
        None => cx.reply.null(),
    }
    Ok(())
}

/// OBJECT IDLETIME key
pub(crate) fn object_idletime(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const LFU: CmdError = CmdError::Text(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
         policies at runtime LRU and LFU data will take some time to adjust.",
    );
    let (key, now) = (cx.key(args, 2), *cx.keys.now());
    match cx.keys.read_quietly(key) {
        Some(entry) if now.access == AccessPolicy::Lru => cx.reply.unsigned(entry.idle_seconds(&now)),
        Some(_) => return Err(LFU),
        None => cx.reply.null(),
    }
    Ok(())
}

/// OBJECT FREQ key
pub(crate) fn object_freq(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const NOT_LFU: CmdError = CmdError::Text(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
         between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    let (key, now) = (cx.key(args, 2), *cx.keys.now());
    match cx.keys.read_quietly(key) {
        Some(_) if now.access == AccessPolicy::Lru => return Err(NOT_LFU),
        Some(entry) => cx.reply.integer(i64::from(entry.frequency(&now))),
        None => cx.reply.null(),
    }
    Ok(())
}
