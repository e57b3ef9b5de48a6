//! Commands on sorted sets, by what they do: adding, reading, ranges, removing, popping, and set operations over several.
//!
//! Invariant: no key holds an empty sorted set when a command is over.

mod add;
mod bounds;
mod combine;
mod pop;
mod random;
mod range;
mod read;
mod remove;
mod scan;
mod source;

use alloc::vec::Vec;

use crate::commands::element::reply_element;
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::Key;
use crate::num;
use crate::resp::{Proto, Reply};
use crate::types::Typed;
use crate::types::listpack::Element;
use crate::types::zset::{Change, Rules, Score, Zset};

pub(super) use self::add::{AddOptions, add_members};
pub(crate) use self::add::{zadd, zincrby};
pub(crate) use self::combine::{zdiff, zdiffstore, zinter, zintercard, zinterstore, zunion, zunionstore};
pub(crate) use self::pop::{bzmpop, bzpopmax, bzpopmin, zmpop, zpopmax, zpopmin};
pub(crate) use self::random::zrandmember;
pub(crate) use self::range::{
    zrange, zrangebylex, zrangebyscore, zrangestore, zrevrange, zrevrangebylex, zrevrangebyscore,
};
pub(crate) use self::read::{zcard, zcount, zlexcount, zmscore, zrank, zrevrank, zscore};
pub(crate) use self::remove::{zrem, zremrangebylex, zremrangebyrank, zremrangebyscore};
pub(crate) use self::scan::zscan;

/// A set of 2^31 members can take no more; the reference ends with its memory.
const FULL: CmdError = CmdError::Text("ERR the sorted set can hold no more members");

/// When sorted sets change their encoding.
pub(super) fn rules(cx: &Ctx<'_>) -> Rules {
    let compact = cx.shared.config.settings().compact;
    Rules {
        entries_max: compact.zset_listpack_entries,
        member_len_max: compact.zset_listpack_value,
        hasher: cx.keys.hasher(),
    }
}

/// A member of a set that was just made, with its score; NaN counts as 0.
pub(super) fn put(zset: &mut Zset, member: Element<'_>, score: f64, rules: &Rules) -> CmdResult {
    let score = Score::new(score).unwrap_or_default();
    match zset.insert(member.text(&mut itoa::Buffer::new()), score, rules) {
        Change::Full => Err(FULL),
        Change::Added | Change::Updated | Change::Unchanged => Ok(()),
    }
}

/// Has freed in steps what was cut off from a set, or inside it.
fn discard(cx: &mut Ctx<'_>, key: Key<'_>, cut: Vec<Zset>, is_untidy: bool) {
    cut.into_iter().for_each(|zset| cx.keys.keyspace().discard(zset.into_object()));
    if is_untidy {
        cx.keys.tidy_later(key);
    }
}

/// How a sequence of members is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Members,
    /// RESP3 nests each pair.
    WithScores,
}

impl Form {
    fn of(with_scores: bool) -> Self {
        if with_scores { Self::WithScores } else { Self::Members }
    }

    /// The head of a reply of so many members.
    fn head(self, reply: &mut Reply<'_>, len: usize) {
        match self {
            Self::WithScores if reply.proto() == Proto::Resp2 => reply.array(len.saturating_mul(2)),
            Self::WithScores | Self::Members => reply.array(len),
        }
    }

    fn pair(self, reply: &mut Reply<'_>, (member, score): (Element<'_>, f64)) {
        if self == Self::Members {
            return reply_element(reply, member);
        }
        if reply.proto() == Proto::Resp3 {
            reply.array(2);
        }
        reply_element(reply, member);
        reply.double(score);
    }
}

/// Takes note of a change that counts as several.
fn changed(cx: &mut Ctx<'_>, count: usize, event: &str, key: &[u8]) {
    cx.changed(Class::ZSET, event, key);
    cx.shared.stats.dirty += (count as u64).saturating_sub(1);
}

/// Puts the result of a command under its key, or removes the key where there is none; answers how many members it has.
pub(super) fn store(cx: &mut Ctx<'_>, key: Key<'_>, zset: Zset, event: &str) {
    let len = zset.len();
    if len > 0 {
        cx.keys.set_object(key, zset.into_object());
        cx.changed(Class::ZSET, event, key.bytes);
    } else if cx.keys.delete(key) {
        cx.changed(Class::GENERIC, "del", key.bytes);
    }
    cx.reply.count(len);
}

/// A double, as scores are read.
pub(super) fn double(bytes: &[u8]) -> Result<f64, CmdError> {
    num::parse_f64(bytes).ok_or(CmdError::NOT_FLOAT)
}

/// A whole positive number of arguments or elements; anything else is the error.
fn positive(bytes: &[u8], error: CmdError) -> Result<usize, CmdError> {
    let value = num::parse_i64(bytes).filter(|&value| value > 0).ok_or(error)?;
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

#[cold]
fn wrong_arity(cx: &mut Ctx<'_>) -> CmdError {
    let name = cx.command.full_name;
    cx.fail(format_args!("ERR wrong number of arguments for '{name}' command"))
}

/// The ranks from `start` to `stop`, both counted from the end when negative, of a set of `len` members.
fn ranks(start: i64, stop: i64, len: usize) -> core::ops::Range<usize> {
    let from_end = |index: i64| {
        let index = if index < 0 { i128::from(index) + len as i128 } else { i128::from(index) };
        usize::try_from(index.max(-1) + 1).unwrap_or(usize::MAX)
    };
    let (start, end) = (from_end(start).saturating_sub(1), from_end(stop).min(len));
    if start >= end { 0..0 } else { start..end }
}

/// Two arguments as indexes.
fn indexes(args: &Args<'_>, first: usize) -> Result<(i64, i64), CmdError> {
    Ok((args.int(first)?, args.int(first + 1)?))
}

#[cfg(test)]
mod tests {
    use super::ranks;

    #[test]
    fn ranks_from_both_ends() {
        let cases = [
            (0, -1, 0..5),
            (1, 2, 1..3),
            (-2, -1, 3..5),
            (-9, 1, 0..2),
            (4, 9, 4..5),
            (5, 9, 0..0),
            (3, 1, 0..0),
            (0, -6, 0..0),
            (0, -5, 0..1),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MAX, 0..0),
        ];
        for (start, stop, expected) in cases {
            assert_eq!(ranks(start, stop, 5), expected, "{start} {stop}");
        }
        assert_eq!(ranks(0, -1, 0), 0..0);
    }
}
