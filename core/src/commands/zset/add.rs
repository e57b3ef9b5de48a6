//! ZADD and ZINCRBY.

use alloc::vec::Vec;

use super::{FULL, changed, double, rules};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::Key;
use crate::types::zset::{Change, Rules, Score, Zset};

const NOT_A_NUMBER: CmdError = CmdError::Text("ERR resulting score is not a number (NaN)");

/// Options of ZADD, as they stand.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command")]
pub(in crate::commands) struct AddOptions {
    pub(in crate::commands) nx: bool,
    pub(in crate::commands) xx: bool,
    pub(in crate::commands) ch: bool,
    gt: bool,
    lt: bool,
    incr: bool,
}

/// What became of one member.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// It has this score now, or had it already.
    Score(f64),
    /// An option kept it as it was.
    Kept,
    /// The sum is no number.
    NotANumber,
}

impl AddOptions {
    /// Reads options from an argument on; returns where they end.
    fn parse(&mut self, args: &Args<'_>, mut index: usize) -> usize {
        while index < args.len() {
            let flag = [
                ("NX", &mut self.nx),
                ("XX", &mut self.xx),
                ("CH", &mut self.ch),
                ("INCR", &mut self.incr),
                ("GT", &mut self.gt),
                ("LT", &mut self.lt),
            ]
            .into_iter()
            .find(|(name, _)| args.is(index, name));
            let Some((_, flag)) = flag else { break };
            *flag = true;
            index += 1;
        }
        index
    }

    fn check(&self, pairs: usize) -> CmdResult {
        if self.nx && self.xx {
            return Err(CmdError::Text("ERR XX and NX options at the same time are not compatible"));
        }
        if (self.nx && (self.gt || self.lt)) || (self.gt && self.lt) {
            return Err(CmdError::Text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.incr && pairs > 1 {
            return Err(CmdError::Text("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// Which score a member gets that has `old`.
    fn decide(self, old: Option<f64>, given: f64) -> Outcome {
        let Some(old) = old else {
            return if self.xx { Outcome::Kept } else { Outcome::Score(given) };
        };
        if self.nx {
            return Outcome::Kept;
        }
        let score = if self.incr { old + given } else { given };
        if score.is_nan() {
            Outcome::NotANumber
        } else if (self.lt && score >= old) || (self.gt && score <= old) {
            Outcome::Kept
        } else {
            Outcome::Score(score)
        }
    }

    /// Adds one member.
    fn apply(self, zset: &mut Zset, member: &[u8], given: f64, rules: &Rules) -> (Change, Outcome) {
        let mut outcome = Outcome::Kept;
        let change = zset.update(member, rules, |old| {
            outcome = self.decide(old, given);
            match outcome {
                Outcome::Score(score) => Score::new(score),
                Outcome::Kept | Outcome::NotANumber => None,
            }
        });
        (change, outcome)
    }
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`
pub(crate) fn zadd(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    add(cx, args, AddOptions::default())
}

/// ZINCRBY key increment member
pub(crate) fn zincrby(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    //= valkey 9.1 ZINCRBY: the increment may be one of ZADD's options, which then lacks a pair
    add(cx, args, AddOptions { incr: true, ..AddOptions::default() })
}

fn add(cx: &mut Ctx<'_>, args: &Args<'_>, mut options: AddOptions) -> CmdResult {
    let first = options.parse(args, 2);
    let rest = args.len() - first;
    if rest == 0 || !rest.is_multiple_of(2) {
        return Err(CmdError::SYNTAX);
    }
    options.check(rest / 2)?;
    let key = cx.key(args, 1);
    let pair = |index: usize| -> Result<(f64, &[u8]), CmdError> {
        Ok((double(args.at(index))?, args.at(index + 1)))
    };
    if rest == 2 {
        return add_members(cx, key, &[pair(first)?], options);
    }
    let members: Result<Vec<_>, CmdError> = (first..args.len()).step_by(2).map(pair).collect();
    add_members(cx, key, &members?, options)
}

/// Adds members to the sorted set under a key, and answers.
pub(in crate::commands) fn add_members(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    members: &[(f64, &[u8])],
    options: AddOptions,
) -> CmdResult {
    let rules = rules(cx);
    if options.xx && cx.keys.write_as::<Zset>(key)?.is_none() {
        if options.incr {
            cx.reply.null();
        } else {
            cx.reply.integer(0);
        }
        return Ok(());
    }
    let zset = cx.keys.write_or_insert::<Zset>(key, Zset::new)?;
    let longest = members.iter().map(|(_, member)| member.len()).max().unwrap_or(0);
    zset.prepare(members.len(), longest, &rules);
    let (mut added, mut updated, mut last, mut error) = (0, 0, Outcome::Kept, None);
    for &(given, member) in members {
        let (change, outcome) = options.apply(zset, member, given, &rules);
        last = outcome;
        added += usize::from(change == Change::Added);
        updated += usize::from(change == Change::Updated);
        if outcome == Outcome::NotANumber || change == Change::Full {
            error = Some(if change == Change::Full { FULL } else { NOT_A_NUMBER });
            break;
        }
    }
    if added + updated > 0 {
        changed(cx, added + updated, if options.incr { "zincr" } else { "zadd" }, key.bytes);
    }
    match (error, last) {
        (Some(error), _) => return Err(error),
        (None, Outcome::Score(score)) if options.incr => cx.reply.double(score),
        (None, _) if options.incr => cx.reply.null(),
        (None, _) if options.ch => cx.reply.count(added + updated),
        (None, _) => cx.reply.count(added),
    }
    Ok(())
}
