//! CONFIG: reading and changing directives.

use alloc::vec::Vec;

use crate::config::{ConfigError, Flags, Origin};
use crate::engine::{Args, CmdError, CmdResult, Ctx};

/// CONFIG GET pattern [pattern ...]
pub(crate) fn config_get(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let patterns: Vec<&[u8]> = args.iter_from(2).collect();
    let found = cx.shared.config.matching(&patterns);
    cx.reply.map(found.len());
    for (name, value) in found {
        cx.reply.bulk(name.as_bytes());
        cx.reply.bulk(value);
    }
    Ok(())
}

/// CONFIG SET name value [name value ...]
pub(crate) fn config_set(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(CmdError::Text("ERR wrong number of arguments for 'config|set' command"));
    }
    let mut pairs: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
    for index in (2..args.len()).step_by(2) {
        let directive = crate::config::Config::directive(args.at(index));
        if directive.is_some_and(|directive| directive.flags.contains(Flags::SENSITIVE)) {
            cx.redact(index + 1);
        }
        pairs.push((args.at(index), Vec::from([args.at(index + 1)])));
    }
    let borrowed: Vec<(&[u8], &[&[u8]])> =
        pairs.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let origin = Origin::Runtime { local: cx.session.is_loopback };
    let changes = match cx.shared.config.set_many(&borrowed, origin) {
        Ok(changes) => changes,
        Err(error) => return Err(cx.fail_bytes(&[&error.message()])),
    };
    if let Err((name, why)) = cx.host.apply(&changes, &cx.shared.config) {
        cx.shared.config.revert(&changes);
        let error = ConfigError::Refused(name.as_bytes().to_vec(), why);
        return Err(cx.fail_bytes(&[&error.message()]));
    }
    cx.shared.commandlogs.trim(cx.shared.config.settings());
    cx.reply.ok();
    Ok(())
}

/// CONFIG RESETSTAT
pub(crate) fn config_resetstat(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.shared.stats.reset();
    cx.shared.latency.reset_histograms(&[]);
    cx.keys.keyspace().stats = crate::keyspace::KeyspaceStats::default();
    cx.host.reset_stats();
    cx.reply.ok();
    Ok(())
}

/// CONFIG REWRITE
pub(crate) fn config_rewrite(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    match cx.host.rewrite_config(&cx.shared.config) {
        Ok(()) => cx.reply.ok(),
        Err(why) => return Err(cx.fail(format_args!("ERR {why}"))),
    }
    Ok(())
}
