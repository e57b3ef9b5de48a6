//! Hash commands that read many fields: all of them, a step of a walk, random ones.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::element::reply_element;
use super::limits::{REPEATED_LEN_MAX, REPEATED_MAX, count_of_either_sign};
use super::scan_options::{Scanned, reply_cursor, scan_value};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::Entry;
use crate::resp::{Proto, Reply};
use crate::rng::Rng;
use crate::types::hash::{Hash, Pair};
use crate::types::listpack::Element;
use crate::types::{Typed, random};

/// HGETALL key
pub(crate) fn hgetall(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let Some(hash) = cx.keys.read_as::<Hash>(key)? else {
        cx.reply.map(0);
        return Ok(());
    };
    cx.reply.map(hash.live_len(now_ms));
    hash.for_each(now_ms, |(name, value)| {
        reply_element(&mut cx.reply, name);
        reply_element(&mut cx.reply, value);
    });
    Ok(())
}

/// HKEYS key
pub(crate) fn hkeys(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    one_of_each(cx, args, |(name, _)| name)
}

/// HVALS key
pub(crate) fn hvals(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    one_of_each(cx, args, |(_, value)| value)
}

/// Tells the name or the value of each field.
fn one_of_each(cx: &mut Ctx<'_>, args: &Args<'_>, of: impl for<'h> Fn(Pair<'h>) -> Element<'h>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let Some(hash) = cx.keys.read_as::<Hash>(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    cx.reply.array(hash.live_len(now_ms));
    hash.for_each(now_ms, |pair| reply_element(&mut cx.reply, of(pair)));
    Ok(())
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`
pub(crate) fn hscan(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let Some((cursor, options)) = scan_value::<Hash>(cx, args, Scanned::Hash)? else { return Ok(()) };
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    let Some(hash) = cx.keys.look(key).and_then(Entry::object).and_then(Hash::of) else {
        return Err(CmdError::WRONG_TYPE);
    };
    let mut found = Vec::new();
    let next = hash.scan(cursor, options.count, now_ms, |(name, value)| {
        if options.wants(name) {
            found.push((name, value));
        }
    });
    cx.reply.array(2);
    reply_cursor(&mut cx.reply, next);
    cx.reply.array(found.len() * if options.names_only { 1 } else { 2 });
    for (name, value) in found {
        reply_element(&mut cx.reply, name);
        if !options.names_only {
            reply_element(&mut cx.reply, value);
        }
    }
    Ok(())
}

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(crate) fn hrandfield(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now_ms) = (cx.key(args, 1), cx.fields_ms());
    if args.len() == 2 {
        let hash = cx.keys.read_as::<Hash>(key)?;
        match hash.and_then(|hash| hash.random(&mut cx.shared.rng, now_ms)) {
            Some((name, _)) => reply_element(&mut cx.reply, name),
            None => cx.reply.null(),
        }
        return Ok(());
    }
    let count = count_of_either_sign(args.at(2))?;
    let with_values = args.len() == 4 && args.is(3, "WITHVALUES");
    if args.len() > 3 && !with_values {
        return Err(CmdError::SYNTAX);
    }
    if with_values && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(CmdError::OUT_OF_RANGE);
    }
    let Some(hash) = cx.keys.read_as::<Hash>(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    let rng = &mut cx.shared.rng;
    if count < 0 {
        let count = count.unsigned_abs();
        let told = repeated(hash, rng, now_ms, count, (with_values, cx.reply.proto()));
        let (texts, picked) = told.map_err(|_| cx.too_long_reply(count))?;
        reply_head(&mut cx.reply, picked, with_values);
        cx.reply.raw(&texts);
        return Ok(());
    }
    let pairs = distinct(hash, rng, now_ms, usize::try_from(count).unwrap_or(usize::MAX));
    reply_head(&mut cx.reply, pairs.len(), with_values);
    for pair in pairs {
        reply_pair(&mut cx.reply, pair, with_values);
    }
    Ok(())
}

/// In RESP3 each pair is an array of its own.
fn reply_head(reply: &mut Reply<'_>, pairs: usize, with_values: bool) {
    let is_flat = with_values && reply.proto() == Proto::Resp2;
    reply.array(if is_flat { pairs * 2 } else { pairs });
}

fn reply_pair(reply: &mut Reply<'_>, (name, value): Pair<'_>, with_values: bool) {
    if with_values && reply.proto() == Proto::Resp3 {
        reply.array(2);
    }
    reply_element(reply, name);
    if with_values {
        reply_element(reply, value);
    }
}

/// The replies of random fields, each independent of the others, and how many they are.
fn repeated(
    hash: &Hash,
    rng: &mut Rng,
    now_ms: i64,
    count: u64,
    (with_values, proto): (bool, Proto),
) -> Result<(Vec<u8>, usize), CmdError> {
    if count > REPEATED_MAX {
        return Err(CmdError::OUT_OF_RANGE);
    }
    let mut all = Vec::new();
    if hash.encoding() == "listpack" {
        // To count through a listpack for each draw would take longer.
        hash.for_each(now_ms, |pair| all.push(pair));
    }
    let (mut texts, mut picked) = (Vec::new(), 0);
    for _ in 0..count {
        let pick = usize::try_from(rng.below(all.len().max(1) as u64)).unwrap_or(0);
        let pair = all.get(pick).copied().or_else(|| hash.random(rng, now_ms));
        let Some(pair) = pair else { break };
        reply_pair(&mut Reply::new(&mut texts, proto), pair, with_values);
        picked += 1;
        if texts.len() > REPEATED_LEN_MAX {
            return Err(CmdError::OUT_OF_RANGE);
        }
    }
    Ok((texts, picked))
}

/// So many different fields, or all.
fn distinct<'h>(hash: &'h Hash, rng: &mut Rng, now_ms: i64, count: usize) -> Vec<Pair<'h>> {
    let mut pairs = Vec::new();
    if count == 0 {
        return pairs;
    }
    if count < hash.len() / 3 && hash.encoding() == "hashtable" {
        // Few of many: they are drawn until enough different ones are there.
        let mut names = BTreeSet::new();
        for _ in 0..count.saturating_mul(10) {
            let Some(pair) = hash.random(rng, now_ms) else { break };
            let mut scratch = itoa::Buffer::new();
            if names.insert(pair.0.text(&mut scratch).to_vec()) {
                pairs.push(pair);
            }
            if pairs.len() == count {
                return pairs;
            }
        }
        // Most fields have expired and are yet to be removed: what is left is looked for.
        pairs.clear();
    }
    let mut picks = random::distinct(rng, hash.live_len(now_ms), count).into_iter().peekable();
    let mut index = 0;
    hash.for_each(now_ms, |pair| {
        if picks.next_if_eq(&index).is_some() {
            pairs.push(pair);
        }
        index += 1;
    });
    pairs
}
