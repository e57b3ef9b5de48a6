//! XADD and XTRIM.

use alloc::vec::Vec;

use super::{changed_entries, discard, exact_id, write_id};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::num;
use crate::types::stream::{AddError, AddId, NodeLimits, Stream, TrimMode, TrimTo};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Add,
    Trim,
}

/// What stands between the key and the fields.
struct Options {
    trim: Option<(TrimTo, TrimMode)>,
    no_mkstream: bool,
    /// XADD: the ID.
    id: Option<AddId>,
    /// What follows the options and the ID.
    rest: usize,
}

/// The options on trimming, as they are met.
#[derive(Default)]
struct TrimOptions {
    to: Option<TrimTo>,
    is_approximate: bool,
    limit: Option<u64>,
}

impl TrimOptions {
    /// Takes MAXLEN or MINID at `index` with its operator and threshold; returns the index of the latter.
    fn threshold(&mut self, args: &Args<'_>, index: usize) -> Result<usize, CmdError> {
        if self.to.is_some() {
            return Err(CmdError::Text(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let has_operator = index + 2 < args.len() && (args.is(index + 1, "~") || args.is(index + 1, "="));
        self.is_approximate = has_operator && args.is(index + 1, "~");
        let at = index + 1 + usize::from(has_operator);
        self.to = Some(if args.is(index, "MAXLEN") {
            let negative = CmdError::Text("ERR The MAXLEN argument must be >= 0.");
            TrimTo::MaxLen(u64::try_from(args.int(at)?).map_err(|_| negative)?)
        } else {
            TrimTo::MinId(exact_id(args.at(at))?)
        });
        Ok(at)
    }

    fn finish(self, form: Form, limits: NodeLimits) -> Result<Option<(TrimTo, TrimMode)>, CmdError> {
        if self.to.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err(CmdError::Text(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.to.is_none() && form == Form::Trim {
            return Err(CmdError::Text("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        let mode = match (self.is_approximate, self.limit) {
            (false, None) => TrimMode::Exact,
            (false, Some(_)) => {
                return Err(CmdError::Text(
                    "ERR syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            (true, None) => TrimMode::nodes_default(limits),
            //= valkey 9.1 XADD, XTRIM: LIMIT 0 is no limit
            (true, Some(limit)) => TrimMode::Nodes { limit: Some(limit).filter(|&limit| limit > 0) },
        };
        Ok(self.to.map(|to| (to, mode)))
    }
}

impl Options {
    fn parse(args: &Args<'_>, form: Form, limits: NodeLimits) -> Result<Self, CmdError> {
        let (mut trim, mut no_mkstream, mut id) = (TrimOptions::default(), false, None);
        let mut index = 2;
        while index < args.len() && id.is_none() {
            let has_more = index + 1 < args.len();
            if has_more && (args.is(index, "MAXLEN") || args.is(index, "MINID")) {
                index = trim.threshold(args, index)?;
            } else if has_more && args.is(index, "LIMIT") {
                let limit = num::parse_i64(args.at(index + 1)).ok_or(CmdError::NOT_INTEGER)?;
                let negative = CmdError::Text("ERR The LIMIT argument must be >= 0.");
                trim.limit = Some(u64::try_from(limit).map_err(|_| negative)?);
                index += 1;
            } else if form == Form::Trim {
                return Err(CmdError::SYNTAX);
            } else if args.is(index, "NOMKSTREAM") {
                no_mkstream = true;
            } else {
                id = Some(AddId::parse(args.at(index)).ok_or(super::INVALID_ID)?);
            }
            index += 1;
        }
        Ok(Self { trim: trim.finish(form, limits)?, no_mkstream, id, rest: index })
    }
}

fn node_limits(cx: &Ctx<'_>) -> NodeLimits {
    let compact = &cx.shared.config.settings().compact;
    NodeLimits { bytes: compact.stream_node_bytes, entries: compact.stream_node_entries as u64 }
}

/// `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value ...]`
pub(crate) fn xadd(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let limits = node_limits(cx);
    let options = Options::parse(args, Form::Add, limits)?;
    let texts = args.len().saturating_sub(options.rest);
    let id = options.id.filter(|_| texts > 0 && texts.is_multiple_of(2));
    let Some(id) = id else {
        let name = cx.command.full_name;
        return Err(cx.fail(format_args!("ERR wrong number of arguments for '{name}' command")));
    };
    //= valkey 9.1 XADD: 0-0 is refused before the key is looked up
    if id.is_zero() {
        return Err(CmdError::Text(AddError::Zero.text()));
    }
    let key = cx.key(args, 1);
    if options.no_mkstream && cx.keys.write_as::<Stream>(key)?.is_none() {
        cx.reply.null();
        return Ok(());
    }
    let now_ms = u64::try_from(cx.now.unix_ms()).unwrap_or(0);
    let entries = cx.keys.write_or_insert(key, Stream::new)?.entries_mut();
    let added = entries.append(id, now_ms, args.iter_from(options.rest), limits);
    let id = added.map_err(|error| CmdError::Text(error.text()))?;
    let mut cut = Vec::new();
    let trimmed = options.trim.map_or(0, |(to, mode)| entries.trim(to, mode, &mut cut));
    discard(cx, cut);
    write_id(&mut cx.reply, id);
    cx.changed(Class::STREAM, "xadd", key.bytes);
    cx.wake(key.bytes);
    if trimmed > 0 {
        cx.notify(Class::STREAM, "xtrim", key.bytes);
    }
    Ok(())
}

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`
pub(crate) fn xtrim(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let options = Options::parse(args, Form::Trim, node_limits(cx))?;
    let key = cx.key(args, 1);
    let stream = cx.keys.write_as::<Stream>(key)?;
    let mut cut = Vec::new();
    let trimmed = match (stream, options.trim) {
        (Some(stream), Some((to, mode))) => stream.entries_mut().trim(to, mode, &mut cut),
        _ => 0,
    };
    discard(cx, cut);
    if trimmed > 0 {
        changed_entries(cx, trimmed, "xtrim", key.bytes);
    }
    cx.reply.unsigned(trimmed);
    Ok(())
}
