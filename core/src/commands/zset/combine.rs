//! Unions, intersections and differences of sorted sets.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::source::{Source, accepts};
use super::{FULL, Form, rules, store};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::num;
use crate::types::set::probes;
use crate::types::zset::{Score, SortedSet, Unordered, Zset};

/// Which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Members,
    Stored,
    Count,
}

/// How scores of a member that is in several sets come together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, old: f64, new: f64) -> f64 {
        match self {
            //= valkey 9.1 ZUNION: the sum of both infinities is 0
            Self::Sum => number(old + new),
            Self::Min if new < old => new,
            Self::Max if new > old => new,
            Self::Min | Self::Max => old,
        }
    }
}

/// A score: NaN, the product of an infinity and 0, is 0.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A request, read but for its sources.
struct Request {
    operation: Operation,
    wanted: Wanted,
    /// The first key, and how many there are.
    first: usize,
    keys: usize,
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// ZINTERCARD counts no further; 0: no limit.
    limit: usize,
}

/// `ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(crate) fn zunion(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    combine(cx, args, Operation::Union, Wanted::Members)
}

/// `ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(crate) fn zinter(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    combine(cx, args, Operation::Inter, Wanted::Members)
}

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`
pub(crate) fn zdiff(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    combine(cx, args, Operation::Diff, Wanted::Members)
}

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]`
pub(crate) fn zunionstore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    combine(cx, args, Operation::Union, Wanted::Stored)
}

/// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]`
pub(crate) fn zinterstore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    combine(cx, args, Operation::Inter, Wanted::Stored)
}

/// `ZDIFFSTORE destination numkeys key [key ...]`
pub(crate) fn zdiffstore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    combine(cx, args, Operation::Diff, Wanted::Stored)
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(crate) fn zintercard(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    combine(cx, args, Operation::Inter, Wanted::Count)
}

fn combine(cx: &mut Ctx<'_>, args: &Args<'_>, operation: Operation, wanted: Wanted) -> CmdResult {
    let (first, keys) = key_range(cx, args, wanted)?;
    //= valkey 9.1 ZUNION: a key of a wrong type is told before a mistake in the options
    for bytes in args.iter_from(first).take(keys) {
        let key = cx.keys.key(bytes);
        if cx.keys.read(key).is_some_and(|entry| !accepts(entry.kind())) {
            return Err(CmdError::WRONG_TYPE);
        }
    }
    let mut request = Request {
        operation,
        wanted,
        first,
        keys,
        weights: Vec::new(),
        aggregate: Aggregate::Sum,
        with_scores: false,
        limit: 0,
    };
    request.parse_options(args)?;
    if wanted == Wanted::Count {
        let count = request.count(cx, args);
        cx.reply.count(count);
        return Ok(());
    }
    let result = request.result(cx, args)?;
    if wanted == Wanted::Stored {
        let event = match operation {
            Operation::Union => "zunionstore",
            Operation::Inter => "zinterstore",
            Operation::Diff => "zdiffstore",
        };
        let (key, rules) = (cx.key(args, 1), rules(cx));
        store(cx, key, Zset::Large(Box::new(result)).settle(&rules), event);
        return Ok(());
    }
    let (zset, form) = (Zset::Large(Box::new(result)), Form::of(request.with_scores));
    form.head(&mut cx.reply, zset.len());
    zset.iter(0..zset.len()).for_each(|pair| form.pair(&mut cx.reply, pair));
    Ok(())
}

/// The first key, and how many there are.
fn key_range(cx: &mut Ctx<'_>, args: &Args<'_>, wanted: Wanted) -> Result<(usize, usize), CmdError> {
    let at = if wanted == Wanted::Stored { 2 } else { 1 };
    let keys = args.int(at)?;
    if keys < 1 {
        let name = cx.command.full_name;
        return Err(cx.fail(format_args!("ERR at least 1 input key is needed for '{name}' command")));
    }
    let keys = usize::try_from(keys).ok().filter(|&keys| keys < args.len() - at);
    Ok((at + 1, keys.ok_or(CmdError::SYNTAX)?))
}

impl Request {
    fn parse_options(&mut self, args: &Args<'_>) -> CmdResult {
        let weighs = self.operation != Operation::Diff && self.wanted != Wanted::Count;
        let mut index = self.first + self.keys;
        while index < args.len() {
            let left = args.len() - index;
            if weighs && left > self.keys && args.is(index, "WEIGHTS") {
                self.weights.clear();
                for weight in args.iter_from(index + 1).take(self.keys) {
                    let weight = num::parse_f64(weight);
                    self.weights.push(weight.ok_or(CmdError::Text("ERR weight value is not a float"))?);
                }
                index += 1 + self.keys;
            } else if weighs && left >= 2 && args.is(index, "AGGREGATE") {
                let words = [("SUM", Aggregate::Sum), ("MIN", Aggregate::Min), ("MAX", Aggregate::Max)];
                let word = words.into_iter().find(|(word, _)| args.is(index + 1, word));
                self.aggregate = word.ok_or(CmdError::SYNTAX)?.1;
                index += 2;
            } else if self.wanted == Wanted::Members && args.is(index, "WITHSCORES") {
                self.with_scores = true;
                index += 1;
            } else if self.wanted == Wanted::Count && left >= 2 && args.is(index, "LIMIT") {
                let limit = num::parse_i64(args.at(index + 1)).filter(|&limit| limit >= 0);
                let limit = limit.ok_or(CmdError::Text("ERR LIMIT can't be negative"))?;
                self.limit = usize::try_from(limit).unwrap_or(usize::MAX);
                index += 2;
            } else {
                return Err(CmdError::SYNTAX);
            }
        }
        Ok(())
    }

    /// The sources with their weights; but for a difference the smallest first.
    fn sources<'s>(&self, cx: &'s Ctx<'_>, args: &Args<'_>) -> Vec<(Source<'s>, f64)> {
        let keys = args.iter_from(self.first).take(self.keys);
        let mut sources: Vec<(Source<'s>, f64)> = keys
            .enumerate()
            .map(|(index, bytes)| {
                let source = Source::of(cx.keys.look(cx.keys.key(bytes)));
                (source, self.weights.get(index).copied().unwrap_or(1.0))
            })
            .collect();
        if self.operation != Operation::Diff {
            sources.sort_by_key(|(source, _)| source.len());
        }
        sources
    }

    fn result(&self, cx: &Ctx<'_>, args: &Args<'_>) -> Result<SortedSet, CmdError> {
        let (sources, hasher) = (self.sources(cx, args), cx.keys.hasher());
        let mut result = Unordered::new(hasher);
        match self.operation {
            Operation::Union => self.union(&sources, &mut result)?,
            Operation::Inter => self.inter(&sources, |member, score| {
                // No more than are in the smallest source, which has room for them.
                let _ = result.put(member, |_| Score::new(score).unwrap_or_default());
                ControlFlow::Continue(())
            }),
            Operation::Diff => return Ok(diff(&sources, SortedSet::new(hasher))),
        }
        Ok(result.in_order())
    }

    fn count(&self, cx: &Ctx<'_>, args: &Args<'_>) -> usize {
        let mut count = 0;
        self.inter(&self.sources(cx, args), |_, _| {
            count += 1;
            if count == self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        count
    }

    fn union(&self, sources: &[(Source<'_>, f64)], result: &mut Unordered) -> CmdResult {
        let mut is_full = false;
        for (source, weight) in sources {
            source.each(|member, score| {
                let score = number(weight * score);
                let total = |old: Option<f64>| old.map_or(score, |old| self.aggregate.of(old, score));
                is_full = result.put(member, |old| Score::new(total(old)).unwrap_or_default()).is_err();
                if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if is_full {
                return Err(FULL);
            }
        }
        Ok(())
    }

    /// Hands over what is in all sources, with its score.
    fn inter(&self, sources: &[(Source<'_>, f64)], mut each: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
        let Some(((smallest, weight), others)) = sources.split_first() else { return };
        smallest.each(|member, score| {
            let mut total = number(weight * score);
            for (other, weight) in others {
                let Some(score) = other.score(member) else { return ControlFlow::Continue(()) };
                total = self.aggregate.of(total, score * weight);
            }
            each(member, total)
        });
    }
}

/// What is in the first source only.
fn diff(sources: &[(Source<'_>, f64)], mut result: SortedSet) -> SortedSet {
    let Some(((first, _), others)) = sources.split_first() else { return result };
    let others = others.iter().map(|(other, _)| *other).filter(|other| other.len() > 0);
    let others: Vec<Source<'_>> = others.collect();
    let mut add = |member: &[u8], score| {
        result.insert(member, Score::new(score).unwrap_or_default());
        ControlFlow::Continue(())
    };
    if probes(first.len(), others.iter().map(|other| other.len())) {
        first.each(|member, score| {
            let is_elsewhere = others.iter().any(|other| other.score(member).is_some());
            if is_elsewhere { ControlFlow::Continue(()) } else { add(member, score) }
        });
        return result;
    }
    first.each(&mut add);
    for other in others {
        other.each(|member, _| {
            result.remove(member);
            if result.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    result
}
