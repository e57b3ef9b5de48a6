//! Removing members: by name, rank, score or bytes.

use core::ops::Range;

use super::{bounds, changed, indexes, ranks};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdResult, Ctx};
use crate::types::zset::{Window, Zset};

/// `ZREM key member [member ...]`
pub(crate) fn zrem(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let mut removed = 0;
    if let Some(zset) = cx.keys.write_as::<Zset>(key)? {
        for member in args.iter_from(2) {
            removed += usize::from(zset.remove(member));
        }
    }
    finish(cx, args, removed, "zrem")
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
    let mut removed = 0;
    if let Some(zset) = cx.keys.write_as::<Zset>(key)? {
        let range = range(zset);
        removed = range.len();
        zset.remove_range(range);
    }
    finish(cx, args, removed, event)
}

/// Takes note of what was removed, and answers.
fn finish(cx: &mut Ctx<'_>, args: &Args<'_>, removed: usize, event: &str) -> CmdResult {
    if removed > 0 {
        let key = cx.key(args, 1);
        let is_gone = cx.keys.delete_if_empty(key);
        changed(cx, removed, event, key.bytes);
        if is_gone {
            cx.notify(Class::GENERIC, "del", key.bytes);
        }
    }
    cx.reply.count(removed);
    Ok(())
}
