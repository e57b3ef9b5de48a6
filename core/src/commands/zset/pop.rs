//! Taking the lowest or highest members out, at once or when there are some.

use alloc::vec::Vec;

use super::{changed, discard, positive};
use crate::commands::element::reply_element;
use crate::commands::timeout;
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx, Denied, Wait};
use crate::keyspace::{Key, Kind};
use crate::num;
use crate::resp::Proto;
use crate::types::zset::Zset;

/// From which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

/// How what was taken is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Members and scores in turns.
    Flat,
    /// Pairs.
    Nested,
    /// The key, then a member and its score.
    KeyedFlat,
    /// The key, then pairs.
    KeyedNested,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            Self::Min => "zpopmin",
            Self::Max => "zpopmax",
        }
    }
}

/// `ZPOPMIN key [count]`
pub(crate) fn zpopmin(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Min)
}

/// `ZPOPMAX key [count]`
pub(crate) fn zpopmax(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Max)
}

fn pop(cx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> CmdResult {
    let count = match args.len() {
        2 => None,
        3 => Some(num::parse_i64(args.at(2)).filter(|&count| count >= 0).ok_or(CmdError::NOT_POSITIVE)?),
        _ => return Err(CmdError::SYNTAX),
    };
    let nested = count.is_some() && cx.reply.proto() == Proto::Resp3;
    let shape = if nested { Shape::Nested } else { Shape::Flat };
    let count = count.map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let key = cx.key(args, 1);
    if cx.keys.write_as::<Zset>(key)?.is_none() || count == 0 {
        cx.reply.array(0);
        return Ok(());
    }
    take(cx, key, end, count, shape)
}

/// Takes members out of a set that has some, and answers.
fn take(cx: &mut Ctx<'_>, key: Key<'_>, end: End, count: usize, shape: Shape) -> CmdResult {
    let Some(zset) = cx.keys.write_as::<Zset>(key)? else { return Ok(()) };
    let (len, count) = (zset.len(), count.min(zset.len()));
    match shape {
        Shape::Flat => cx.reply.array(2 * count),
        Shape::Nested => cx.reply.array(count),
        Shape::KeyedFlat => {
            cx.reply.array(2 * count + 1);
            cx.reply.bulk(key.bytes);
        }
        Shape::KeyedNested => {
            cx.reply.array(2);
            cx.reply.bulk(key.bytes);
            cx.reply.array(count);
        }
    }
    let mut each = |(member, score)| {
        if matches!(shape, Shape::Nested | Shape::KeyedNested) {
            cx.reply.array(2);
        }
        reply_element(&mut cx.reply, member);
        cx.reply.double(score);
    };
    let range = match end {
        End::Min => 0..count,
        End::Max => len - count..len,
    };
    match end {
        End::Min => zset.iter(range.clone()).for_each(&mut each),
        End::Max => zset.iter(range.clone()).rev().for_each(&mut each),
    }
    let mut cut = Vec::new();
    zset.remove_range(range, &mut cut);
    let (is_all, is_untidy) = (zset.is_empty(), zset.is_untidy());
    discard(cx, key, cut, is_untidy);
    let is_gone = is_all && cx.keys.delete_if_empty(key);
    changed(cx, count, end.event(), key.bytes);
    if is_gone {
        cx.notify(Class::GENERIC, "del", key.bytes);
    }
    Ok(())
}

/// The first of some keys that exists.
fn first_of<'k>(cx: &mut Ctx<'_>, keys: impl Iterator<Item = &'k [u8]>) -> Result<Option<Key<'k>>, CmdError> {
    for bytes in keys {
        let key = cx.keys.key(bytes);
        if cx.keys.write_as::<Zset>(key)?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// `BZPOPMIN key [key ...] timeout`
pub(crate) fn bzpopmin(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    pop_or_wait(cx, args, End::Min)
}

/// `BZPOPMAX key [key ...] timeout`
pub(crate) fn bzpopmax(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    pop_or_wait(cx, args, End::Max)
}

fn pop_or_wait(cx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> CmdResult {
    let (keys, last) = (args.len() - 2, args.len() - 1);
    let deadline_ms = timeout::of_seconds(args.at(last), cx.now)?;
    match first_of(cx, args.iter_from(1).take(keys))? {
        Some(key) => take(cx, key, end, 1, Shape::KeyedFlat)?,
        None => wait(cx, args.iter_from(1).take(keys), deadline_ms),
    }
    Ok(())
}

fn wait<'k>(cx: &mut Ctx<'_>, keys: impl Iterator<Item = &'k [u8]>, deadline_ms: Option<i64>) {
    let keys: Vec<Vec<u8>> = keys.map(<[u8]>::to_vec).collect();
    cx.wait(Wait { keys, kind: Kind::Zset, deadline_ms, denied: Denied::NullArray, wants_deletes: false });
}

/// What ZMPOP and BZMPOP are to take, from which keys.
struct Request {
    /// The first key, and how many there are.
    first: usize,
    keys: usize,
    end: End,
    count: usize,
}

impl Request {
    fn parse(args: &Args<'_>, count_at: usize) -> Result<Self, CmdError> {
        let keys = positive(args.at(count_at), CmdError::Text("ERR numkeys should be greater than 0"))?;
        let first = count_at + 1;
        let end_at = first.checked_add(keys).filter(|&at| at < args.len()).ok_or(CmdError::SYNTAX)?;
        let end = if args.is(end_at, "MIN") {
            End::Min
        } else if args.is(end_at, "MAX") {
            End::Max
        } else {
            return Err(CmdError::SYNTAX);
        };
        let count = match args.len() - end_at {
            1 => 1,
            2 => return Err(CmdError::SYNTAX),
            more if args.is(end_at + 1, "COUNT") => {
                let count = args.at(end_at + 2);
                let count = positive(count, CmdError::Text("ERR count should be greater than 0"))?;
                if more > 3 {
                    return Err(CmdError::SYNTAX);
                }
                count
            }
            _ => return Err(CmdError::SYNTAX),
        };
        Ok(Self { first, keys, end, count })
    }

    fn keys<'k>(&self, args: &Args<'k>) -> impl Iterator<Item = &'k [u8]> + use<'k> {
        args.iter_from(self.first).take(self.keys)
    }
}

/// `ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]`
pub(crate) fn zmpop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let request = Request::parse(args, 1)?;
    match first_of(cx, request.keys(args))? {
        Some(key) => take(cx, key, request.end, request.count, Shape::KeyedNested)?,
        None => cx.reply.null_array(),
    }
    Ok(())
}

/// `BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]`
pub(crate) fn bzmpop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let request = Request::parse(args, 2)?;
    let deadline_ms = timeout::of_seconds(args.at(1), cx.now)?;
    match first_of(cx, request.keys(args))? {
        Some(key) => take(cx, key, request.end, request.count, Shape::KeyedNested)?,
        None => wait(cx, request.keys(args), deadline_ms),
    }
    Ok(())
}
