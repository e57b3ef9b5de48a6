//! CONFIG: reading and changing directives.

use alloc::vec::Vec;

use crate::config::{Config, ConfigError, Flags, Origin, RewriteExtent};
use crate::engine::host::LogLevel;
use crate::engine::{Args, CmdError, CmdResult, Ctx, HostRequest};

/// What is in force may be too much at once after a change of one of these.
const LIMITS: [&str; 3] = ["maxmemory", "maxmemory-policy", "maxmemory-clients"];

/// `CONFIG GET pattern [pattern ...]`
pub(crate) fn config_get(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let patterns: Vec<&[u8]> = args.iter_from(2).collect();
    let found = cx.shared.config.matching(&patterns);
    cx.reply.map(found.len());
    for (name, value) in found {
        cx.reply.bulk(name);
        cx.reply.bulk(&value);
    }
    Ok(())
}

/// `CONFIG SET name value [name value ...]`
pub(crate) fn config_set(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(CmdError::SYNTAX);
    }
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
    for index in (2..args.len()).step_by(2) {
        let directive = Config::directive(args.at(index));
        if directive.is_some_and(|directive| directive.flags.contains(Flags::SENSITIVE)) {
            cx.redact(index + 1);
        }
        pairs.push((args.at(index), args.at(index + 1)));
    }
    let origin = Origin::Runtime { local: cx.session.is_loopback };
    let changes = match cx.shared.config.set_many(&pairs, origin) {
        Ok(changes) => changes,
        Err(error) => return Err(cx.fail_bytes(&[&error.message()])),
    };
    if let Err((name, why)) = cx.host.apply(&changes, &mut cx.shared.config) {
        cx.shared.config.revert(&changes);
        return Err(cx.fail_bytes(&[&ConfigError::refused(name, &why).message()]));
    }
    cx.shared.commandlogs.trim(cx.shared.config.settings());
    if changes.iter().any(|change| LIMITS.contains(&change.name)) {
        cx.shared.requests.push(HostRequest::LimitsChanged);
    }
    if changes.iter().any(|change| change.name == "maxmemory") {
        tell_new_limit(cx);
    }
    cx.reply.ok();
    Ok(())
}

/// Writes to the log that more is in use than allowed from now on.
fn tell_new_limit(cx: &mut Ctx<'_>) {
    let limit = cx.shared.config.settings().maxmemory;
    let used = cx.host.used_memory(cx.keys.keyspace().slot_bytes());
    if limit > 0 && limit < used {
        let line = format_args!(
            "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage \
             ({used}). This will result in key eviction and/or the inability to accept new write commands depending on \
             the maxmemory-policy."
        );
        cx.host.log(LogLevel::Warning, line);
    }
}

/// CONFIG RESETSTAT
pub(crate) fn config_resetstat(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.shared.stats.reset();
    cx.shared.latency.reset_histograms(&[]);
    cx.keys.keyspace().stats = crate::keyspace::KeyspaceStats::default();
    cx.host.reset_stats(cx.keys.keyspace().slot_bytes());
    cx.reply.ok();
    Ok(())
}

/// CONFIG REWRITE
pub(crate) fn config_rewrite(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    match cx.host.rewrite_config(&cx.shared.config, RewriteExtent::Changed) {
        Ok(()) => cx.reply.ok(),
        Err(why) => return Err(cx.fail(format_args!("ERR {why}"))),
    }
    Ok(())
}
