//! ZRANGE and all that came before it: parts of a sorted set by rank, score or bytes, answered or stored.

use core::ops::Range;

use super::{Form, bounds, indexes, put, ranks, rules, store};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::types::zset::{Bounds, Window, Zset};

/// By what a part is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// Options, read but not judged.
#[derive(Clone, Copy, Debug)]
struct Options {
    /// Given by the command's name, or by a word.
    by: Option<By>,
    reverse: Option<bool>,
    with_scores: bool,
    offset: i64,
    limit: i64,
}

/// A part of a sorted set.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Ranks { start: i64, stop: i64, reverse: bool },
    Bounds(Bounds<'a>, Window),
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(crate) fn zrange(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    answer(cx, args, None, None)
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(crate) fn zrevrange(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    answer(cx, args, Some(By::Rank), Some(true))
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(crate) fn zrangebyscore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    answer(cx, args, Some(By::Score), Some(false))
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(crate) fn zrevrangebyscore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    answer(cx, args, Some(By::Score), Some(true))
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(crate) fn zrangebylex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    answer(cx, args, Some(By::Lex), Some(false))
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(crate) fn zrevrangebylex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    answer(cx, args, Some(By::Lex), Some(true))
}

/// `ZRANGESTORE destination source start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(crate) fn zrangestore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let options = Options::parse(args, 5, Options::of(None, None), true)?;
    let part = options.part(args, 3)?;
    let (rules, source, key) = (rules(cx), cx.key(args, 2), cx.key(args, 1));
    let mut result = Zset::new();
    if let Some(zset) = cx.keys.read_as::<Zset>(source)? {
        let range = part.ranks(zset);
        //= valkey 9.1 ZRANGESTORE: how many there will be is known only of ranks; the others lose the sign of -0 in a listpack
        if let Part::Ranks { .. } = part {
            result.prepare(range.len(), 0, &rules);
        }
        let mut add = |(member, score)| put(&mut result, member, score, &rules);
        if options.reverse == Some(true) {
            zset.iter(range).rev().try_for_each(&mut add)?;
        } else {
            zset.iter(range).try_for_each(&mut add)?;
        }
    }
    store(cx, key, result, "zrangestore");
    Ok(())
}

fn answer(cx: &mut Ctx<'_>, args: &Args<'_>, by: Option<By>, reverse: Option<bool>) -> CmdResult {
    let options = Options::parse(args, 4, Options::of(by, reverse), false)?;
    let part = options.part(args, 2)?;
    let (key, form) = (cx.key(args, 1), Form::of(options.with_scores));
    let Some(zset) = cx.keys.read_as::<Zset>(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    let pairs = zset.iter(part.ranks(zset));
    form.head(&mut cx.reply, pairs.len());
    if options.reverse == Some(true) {
        pairs.rev().for_each(|pair| form.pair(&mut cx.reply, pair));
    } else {
        pairs.for_each(|pair| form.pair(&mut cx.reply, pair));
    }
    Ok(())
}

impl Options {
    fn of(by: Option<By>, reverse: Option<bool>) -> Self {
        Self { by, reverse, with_scores: false, offset: 0, limit: -1 }
    }

    /// Reads options from an argument on.
    fn parse(args: &Args<'_>, from: usize, given: Self, stores: bool) -> Result<Self, CmdError> {
        let (mut options, mut index) = (given, from);
        while index < args.len() {
            if !stores && args.is(index, "WITHSCORES") {
                options.with_scores = true;
            } else if args.is(index, "LIMIT") && index + 2 < args.len() {
                (options.offset, options.limit) = indexes(args, index + 1)?;
                index += 2;
            } else if options.reverse.is_none() && args.is(index, "REV") {
                options.reverse = Some(true);
            } else if options.by.is_none() && args.is(index, "BYLEX") {
                options.by = Some(By::Lex);
            } else if options.by.is_none() && args.is(index, "BYSCORE") {
                options.by = Some(By::Score);
            } else {
                return Err(CmdError::SYNTAX);
            }
            index += 1;
        }
        Ok(options)
    }

    /// The part that two arguments and the options name.
    fn part<'a>(self, args: &Args<'a>, first: usize) -> Result<Part<'a>, CmdError> {
        let (by, reverse) = (self.by.unwrap_or(By::Rank), self.reverse == Some(true));
        //= valkey 9.1 ZRANGE: a limit of -1 is none, and passes where none may be
        if self.limit != -1 && by == By::Rank {
            return Err(CmdError::Text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if self.with_scores && by == By::Lex {
            return Err(CmdError::Text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        if by == By::Rank {
            let (start, stop) = indexes(args, first)?;
            return Ok(Part::Ranks { start, stop, reverse });
        }
        let (mut min, mut max) = (args.at(first), args.at(first + 1));
        if reverse {
            (min, max) = (max, min);
        }
        let bounds = if by == By::Score { bounds::scores(min, max)? } else { bounds::lex(min, max)? };
        Ok(Part::Bounds(bounds, Window { offset: self.offset, limit: self.limit, reverse }))
    }
}

impl Part<'_> {
    fn ranks(&self, zset: &Zset) -> Range<usize> {
        match self {
            Self::Ranks { start, stop, reverse } => {
                let (range, len) = (ranks(*start, *stop, zset.len()), zset.len());
                if *reverse { len - range.end..len - range.start } else { range }
            }
            Self::Bounds(bounds, window) => zset.select(bounds, *window),
        }
    }
}
