//! What a sorted set holds: scores, ranks and counts.

use super::{bounds, wrong_arity};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::types::zset::{Bounds, Window, Zset};

/// ZCARD key
pub(crate) fn zcard(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let len = cx.keys.read_as::<Zset>(key)?.map_or(0, Zset::len);
    cx.reply.count(len);
    Ok(())
}

/// ZSCORE key member
pub(crate) fn zscore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    match cx.keys.read_as::<Zset>(key)?.and_then(|zset| zset.score(args.at(2))) {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
    Ok(())
}

/// `ZMSCORE key member [member ...]`
pub(crate) fn zmscore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let zset = cx.keys.read_as::<Zset>(key)?;
    cx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => cx.reply.double(score),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// `ZRANK key member [WITHSCORE]`
pub(crate) fn zrank(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    reply_rank(cx, args, |rank, _| rank)
}

/// `ZREVRANK key member [WITHSCORE]`
pub(crate) fn zrevrank(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    reply_rank(cx, args, |rank, len| len - 1 - rank)
}

fn reply_rank(cx: &mut Ctx<'_>, args: &Args<'_>, of: impl Fn(usize, usize) -> usize) -> CmdResult {
    if args.len() > 4 {
        return Err(wrong_arity(cx));
    }
    let with_score = args.len() == 4;
    if with_score && !args.is(3, "WITHSCORE") {
        return Err(CmdError::SYNTAX);
    }
    let key = cx.key(args, 1);
    let zset = cx.keys.read_as::<Zset>(key)?;
    let found =
        zset.and_then(|zset| zset.rank(args.at(2)).map(|(rank, score)| (of(rank, zset.len()), score)));
    match found {
        Some((rank, score)) if with_score => {
            cx.reply.array(2);
            cx.reply.count(rank);
            cx.reply.double(score);
        }
        Some((rank, _)) => cx.reply.count(rank),
        None if with_score => cx.reply.null_array(),
        None => cx.reply.null(),
    }
    Ok(())
}

/// ZCOUNT key min max
pub(crate) fn zcount(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let bounds = bounds::scores(args.at(2), args.at(3))?;
    count(cx, args, &bounds)
}

/// ZLEXCOUNT key min max
pub(crate) fn zlexcount(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let bounds = bounds::lex(args.at(2), args.at(3))?;
    count(cx, args, &bounds)
}

fn count(cx: &mut Ctx<'_>, args: &Args<'_>, bounds: &Bounds<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let zset = cx.keys.read_as::<Zset>(key)?;
    let count = zset.map_or(0, |zset| zset.select(bounds, Window::ALL).len());
    cx.reply.count(count);
    Ok(())
}
