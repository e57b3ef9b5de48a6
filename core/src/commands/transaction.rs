//! MULTI, EXEC, DISCARD, WATCH, UNWATCH. The queue itself is run by the engine.

use alloc::boxed::Box;

use crate::engine::{Args, CmdError, CmdResult, Ctx, SessionFlags, Watched};
use crate::keyspace::Prefetch;

/// MULTI
pub(crate) fn multi(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.session.multi = Some(Box::default());
    cx.reply.ok();
    Ok(())
}

/// EXEC
pub(crate) fn exec(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    let Some(multi) = &cx.session.multi else { return Err(CmdError::Text("ERR EXEC without MULTI")) };
    let (failed, len) = (multi.failed, multi.len());
    let changed = cx.session.flags.contains(SessionFlags::DIRTY_CAS) || watches_expired(cx);
    cx.shared.watches.unwatch(cx.session);
    if failed || changed {
        cx.session.multi = None;
    }
    if failed {
        return Err(CmdError::Text("EXECABORT Transaction discarded because of previous errors."));
    }
    if changed {
        cx.reply.null_array();
        return Ok(());
    }
    cx.reply.array(len);
    cx.shared.runs_queue = true;
    Ok(())
}

/// A watched key has expired since, though nobody has removed it yet.
fn watches_expired(cx: &Ctx<'_>) -> bool {
    let now_ms = cx.now.unix_ms();
    let fresh = cx.session.watched.iter().filter(|(_, watched)| !watched.was_expired);
    fresh.into_iter().any(|((db, key), _)| {
        let key = cx.keys.key(key);
        cx.keys.expiry_in(*db, key).is_some_and(|at| now_ms > at)
    })
}

/// DISCARD
pub(crate) fn discard(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    if cx.session.multi.take().is_none() {
        return Err(CmdError::Text("ERR DISCARD without MULTI"));
    }
    cx.shared.watches.unwatch(cx.session);
    cx.reply.ok();
    Ok(())
}

/// `WATCH key [key ...]`
pub(crate) fn watch(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    // A transaction that will fail anyhow needs to watch nothing more.
    if !cx.session.flags.contains(SessionFlags::DIRTY_CAS) {
        let (db, now_ms) = (cx.session.db, cx.now.unix_ms());
        cx.each_key(args, 1..args.len(), 1, Prefetch::ThirdOfKey, |cx, key, _| {
            let was_expired = cx.keys.expiry_in(db, key).is_some_and(|at| now_ms > at);
            cx.shared.watches.watch(cx.session, (db, key.bytes.to_vec()), Watched { was_expired });
            Ok(())
        })?;
    }
    cx.reply.ok();
    Ok(())
}

/// UNWATCH
pub(crate) fn unwatch(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.shared.watches.unwatch(cx.session);
    cx.reply.ok();
    Ok(())
}

/// Leaves the transaction, if there is one: RESET.
pub(super) fn leave(cx: &mut Ctx<'_>) {
    cx.session.multi = None;
    cx.shared.watches.unwatch(cx.session);
}
