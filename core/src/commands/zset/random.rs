//! ZRANDMEMBER.

use alloc::vec::Vec;

use super::Form;
use crate::commands::element::reply_element;
use crate::commands::limits::{REPEATED_LEN_MAX, REPEATED_MAX, count_of_either_sign};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::resp::Reply;
use crate::rng::Rng;
use crate::types::listpack::Element;
use crate::types::random;
use crate::types::zset::Zset;

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(crate) fn zrandmember(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() > 2 {
        return several(cx, args);
    }
    let key = cx.key(args, 1);
    match cx.keys.read_as::<Zset>(key)? {
        Some(zset) => {
            let rank = random::repeated(&mut cx.shared.rng, zset.len(), 1).next().unwrap_or(0);
            zset.iter(rank..rank + 1).for_each(|(member, _)| reply_element(&mut cx.reply, member));
        }
        None => cx.reply.null(),
    }
    Ok(())
}

fn several(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let count = count_of_either_sign(args.at(2))?;
    let with_scores = args.len() == 4 && args.is(3, "WITHSCORES");
    if args.len() > 3 && !with_scores {
        return Err(CmdError::SYNTAX);
    }
    let most = i64::MAX / 2;
    if with_scores && !(-most..=most).contains(&count) {
        return Err(CmdError::OUT_OF_RANGE);
    }
    let (key, form) = (cx.key(args, 1), Form::of(with_scores));
    let Some(zset) = cx.keys.read_as::<Zset>(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    let rng = &mut cx.shared.rng;
    if count < 0 {
        let count = count.unsigned_abs();
        let done = repeated(&mut cx.reply, rng, zset, count, form);
        return done.map_err(|_| cx.too_long_reply(count));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(zset.len());
    form.head(&mut cx.reply, count);
    if count == zset.len() {
        zset.iter(0..count).rev().for_each(|pair| form.pair(&mut cx.reply, pair));
        return Ok(());
    }
    let chosen = random::distinct(rng, zset.len(), count);
    match zset {
        // One walk picks them all.
        Zset::Small(_) => {
            let mut chosen = chosen.into_iter().peekable();
            for (rank, pair) in zset.iter(0..zset.len()).enumerate() {
                if chosen.next_if_eq(&rank).is_some() {
                    form.pair(&mut cx.reply, pair);
                }
            }
        }
        Zset::Large(_) => {
            for rank in chosen {
                zset.iter(rank..rank + 1).for_each(|pair| form.pair(&mut cx.reply, pair));
            }
        }
    }
    Ok(())
}

/// So many members, each drawn out of all.
fn repeated(reply: &mut Reply<'_>, rng: &mut Rng, zset: &Zset, picks: u64, form: Form) -> CmdResult {
    let bytes = picks.saturating_mul((zset.memory() / zset.len()) as u64);
    if picks > REPEATED_MAX || bytes > REPEATED_LEN_MAX as u64 {
        return Err(CmdError::OUT_OF_RANGE);
    }
    form.head(reply, usize::try_from(picks).unwrap_or(0));
    let all: Vec<(Element<'_>, f64)> = match zset {
        // To count through a listpack for each draw would take longer.
        Zset::Small(_) => zset.iter(0..zset.len()).collect(),
        Zset::Large(_) => Vec::new(),
    };
    for rank in random::repeated(rng, zset.len(), picks) {
        match all.get(rank) {
            Some(&pair) => form.pair(reply, pair),
            None => zset.iter(rank..rank + 1).for_each(|pair| form.pair(reply, pair)),
        }
    }
    Ok(())
}
