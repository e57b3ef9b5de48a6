//! MONITOR: the client sees every command that is executed.

use crate::engine::{Args, CmdError, CmdResult, Ctx, SessionFlags};

/// MONITOR
pub(crate) fn monitor(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    if cx.session.flags.contains(SessionFlags::DENY_BLOCKING) {
        return Err(CmdError::Text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if !cx.session.flags.contains(SessionFlags::MONITOR) {
        cx.session.flags.insert(SessionFlags::MONITOR);
        cx.shared.monitors.push(cx.session.slot);
    }
    cx.reply.ok();
    Ok(())
}
