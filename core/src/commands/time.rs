//! TIME: the server's clock.

use crate::engine::{Args, CmdResult, Ctx};

/// TIME
pub(crate) fn time(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.array(2);
    cx.reply.bulk_int(cx.now.unix_s());
    cx.reply.bulk_int(cx.now.unix_us.rem_euclid(1_000_000));
    Ok(())
}
