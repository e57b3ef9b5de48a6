//! Removing members: by name, rank, score or bytes.

use alloc::vec::Vec;
use core::ops::Range;

use super::{bounds, changed, discard, indexes, ranks};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdResult, Ctx};
use crate::types::zset::{Window, Zset};

/// What was removed from a set.
#[derive(Default)]
struct Removed {
    count: usize,
    is_all: bool,
}

/// `ZREM key member [member ...]`
pub(crate) fn zrem(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let mut removed = Removed::default();
    if let Some(zset) = cx.keys.write_as::<Zset>(key)? {
        let count = args.iter_from(2).filter(|member| zset.remove(member)).count();
        removed = Removed { count, is_all: zset.is_empty() };
    }
    finish(cx, args, &removed, "zrem")
}

/// ZREMRANGEBYRANK key start stop
pub(crate) fn zremrangebyrank(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (start, stop) = indexes(args, 2)?;
    remove(cx, args, "zremrangebyrank", |zset| ranks(start, stop, zset.len()))
}

/// ZREMRANGEBYSCORE key min max
pub(crate) fn zremrangebyscore(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let bounds = bounds::scores(args.at(2), args.at(3))?;
    remove(cx, args, "zremrangebyscore", |zset| zset.select(&bounds, Window::ALL))
}

/// ZREMRANGEBYLEX key min max
pub(crate) fn zremrangebylex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let bounds = bounds::lex(args.at(2), args.at(3))?;
    remove(cx, args, "zremrangebylex", |zset| zset.select(&bounds, Window::ALL))
}

fn remove(
    cx: &mut Ctx<'_>,
    args: &Args<'_>,
    event: &str,
    range: impl FnOnce(&Zset) -> Range<usize>,
) -> CmdResult {
    let key = cx.key(args, 1);
    let mut removed = Removed::default();
    if let Some(zset) = cx.keys.write_as::<Zset>(key)? {
        let range = range(zset);
        let (count, mut cut) = (range.len(), Vec::new());
        zset.remove_range(range, &mut cut);
        removed = Removed { count, is_all: zset.is_empty() };
        let is_untidy = zset.is_untidy();
        discard(cx, key, cut, is_untidy);
    }
    finish(cx, args, &removed, event)
}

/// Takes note of what was removed, and answers.
fn finish(cx: &mut Ctx<'_>, args: &Args<'_>, removed: &Removed, event: &str) -> CmdResult {
    if removed.count > 0 {
        let key = cx.key(args, 1);
        let is_gone = removed.is_all && cx.keys.delete_if_empty(key);
        changed(cx, removed.count, event, key.bytes);
        if is_gone {
            cx.notify(Class::GENERIC, "del", key.bytes);
        }
    }
    cx.reply.count(removed.count);
    Ok(())
}
