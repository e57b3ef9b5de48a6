//! COMMANDLOG and SLOWLOG: commands that were slow, large, or answered at length.

use super::help::bad_subcommand;
use crate::engine::commandlog::LogKind;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::num;

fn kind_of(args: &Args<'_>, index: usize) -> Result<LogKind, CmdError> {
    const UNKNOWN: CmdError =
        CmdError::Text("ERR type should be one of the following: slow, large-request, large-reply");
    let kinds = [
        ("slow", LogKind::Slow),
        ("large-request", LogKind::LargeRequest),
        ("large-reply", LogKind::LargeReply),
    ];
    let found = kinds.into_iter().find(|(name, _)| args.is(index, name));
    found.map(|(_, kind)| kind).ok_or(UNKNOWN)
}

/// COMMANDLOG GET count type
pub(crate) fn commandlog_get(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let count = count(args.at(2))?;
    let kind = kind_of(args, 3)?;
    list(cx, kind, count);
    Ok(())
}

/// COMMANDLOG LEN type
pub(crate) fn commandlog_len(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let kind = kind_of(args, 2)?;
    cx.reply.count(cx.shared.commandlogs.entries(kind).len());
    Ok(())
}

/// COMMANDLOG RESET type
pub(crate) fn commandlog_reset(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let kind = kind_of(args, 2)?;
    cx.shared.commandlogs.reset(kind);
    cx.reply.ok();
    Ok(())
}

/// `SLOWLOG GET [count]`
pub(crate) fn slowlog_get(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let count = match args.len() {
        2 => 10,
        3 => count(args.at(2))?,
        _ => return Err(bad_subcommand(cx, args)),
    };
    list(cx, LogKind::Slow, count);
    Ok(())
}

/// SLOWLOG LEN
pub(crate) fn slowlog_len(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.count(cx.shared.commandlogs.entries(LogKind::Slow).len());
    Ok(())
}

/// SLOWLOG RESET
pub(crate) fn slowlog_reset(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.shared.commandlogs.reset(LogKind::Slow);
    cx.reply.ok();
    Ok(())
}

/// How many entries; -1 means all.
fn count(text: &[u8]) -> Result<usize, CmdError> {
    const BAD: CmdError = CmdError::Text("ERR count should be greater than or equal to -1");
    match num::parse_i64(text) {
        Some(-1) => Ok(usize::MAX),
        Some(count) => usize::try_from(count).map_err(|_| BAD),
        None => Err(BAD),
    }
}

fn list(cx: &mut Ctx<'_>, kind: LogKind, count: usize) {
    let entries = cx.shared.commandlogs.entries(kind);
    cx.reply.array(count.min(entries.len()));
    for entry in entries.iter().take(count) {
        cx.reply.array(6);
        cx.reply.unsigned(entry.id);
        cx.reply.integer(entry.unix_s);
        cx.reply.unsigned(entry.value);
        cx.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| cx.reply.bulk(arg));
        cx.reply.bulk(entry.addr.as_bytes());
        cx.reply.bulk(&entry.name);
    }
}
