//! SHUTDOWN: stops the server.

use crate::engine::{Args, CmdError, CmdResult, Ctx, HostRequest};

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [SAFE] [FAILOVER] | ABORT`
pub(crate) fn shutdown(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const NAMES: [&str; 7] = ["NOSAVE", "SAVE", "NOW", "FORCE", "SAFE", "FAILOVER", "ABORT"];
    let mut given = [false; NAMES.len()];
    for index in 1..args.len() {
        let name = NAMES.iter().position(|name| args.is(index, name)).ok_or(CmdError::SYNTAX)?;
        given[name] = true;
    }
    let [nosave, save, now, force, _, failover, abort] = given;
    if (nosave && save) || (abort && given.iter().filter(|&&flag| flag).count() > 1) {
        return Err(CmdError::SYNTAX);
    }
    if failover {
        return Err(CmdError::Text("ERR SHUTDOWN FAILOVER is only supported in cluster mode."));
    }
    if abort {
        // Stopping waits for nothing yet, so there is never one to take back.
        return Err(CmdError::Text("ERR No shutdown in progress."));
    }
    if save && !force {
        return Err(CmdError::Text(
            "ERR SHUTDOWN SAVE: snapshots are not supported by this version of Vireo; SHUTDOWN NOSAVE discards the data",
        ));
    }
    cx.shared.requests.push(HostRequest::Shutdown { now, force });
    Ok(())
}
