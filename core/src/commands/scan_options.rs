//! What SCAN, HSCAN, SSCAN and ZSCAN share: the cursor and the options.

use crate::engine::{Args, CmdError, Ctx};
use crate::glob::{Case, glob_match};
use crate::num;
use crate::resp::Reply;
use crate::types::Typed;
use crate::types::listpack::Element;

/// Types that a filter may name.
const TYPE_NAMES: [&str; 6] = ["string", "list", "set", "zset", "hash", "stream"];

/// What is walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    Keys,
    Set,
    Hash,
    Zset,
}

/// The options of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanOptions<'a> {
    /// What is told must match this.
    pub(super) pattern: Option<&'a [u8]>,
    /// About how many are wanted.
    pub(super) count: usize,
    /// Keys of this type only.
    pub(super) kind: Option<&'static str>,
    /// Fields without their values, members without their scores.
    pub(super) names_only: bool,
}

impl ScanOptions<'_> {
    /// Whether a field or a member is to be told.
    pub(super) fn wants(&self, element: Element<'_>) -> bool {
        let scratch = &mut itoa::Buffer::new();
        self.pattern.is_none_or(|pattern| glob_match(pattern, element.text(scratch), Case::Sensitive))
    }
}

/// Reads cursor and options of a walk over the value of the key at argument 1; `None`, already answered, when there is no
/// such key.
//= valkey 9.1 HSCAN, SSCAN, ZSCAN: without a key the options are not looked at
pub(super) fn scan_value<'a, T: Typed>(
    cx: &mut Ctx<'_>,
    args: &Args<'a>,
    scanned: Scanned,
) -> Result<Option<(u64, ScanOptions<'a>)>, CmdError> {
    let cursor = scan_cursor(args.at(2))?;
    let key = cx.key(args, 1);
    if cx.keys.read_as::<T>(key)?.is_none() {
        cx.reply.array(2);
        reply_cursor(&mut cx.reply, 0);
        cx.reply.array(0);
        return Ok(None);
    }
    Ok(Some((cursor, scan_options(cx, args, 3, scanned)?)))
}

/// A cursor.
pub(super) fn scan_cursor(bytes: &[u8]) -> Result<u64, CmdError> {
    num::parse_u64(bytes).ok_or(CmdError::Text("ERR invalid cursor"))
}

/// Writes the cursor to go on from.
pub(super) fn reply_cursor(reply: &mut Reply<'_>, cursor: u64) {
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
}

/// The options from argument `from` on.
pub(super) fn scan_options<'a>(
    cx: &mut Ctx<'_>,
    args: &Args<'a>,
    from: usize,
    scanned: Scanned,
) -> Result<ScanOptions<'a>, CmdError> {
    let mut options = ScanOptions { pattern: None, count: 10, kind: None, names_only: false };
    let mut index = from;
    while index < args.len() {
        if args.is(index, "NOVALUES") || args.is(index, "NOSCORES") {
            options.names_only = true;
            names_only_allowed(args.is(index, "NOVALUES"), scanned)?;
            index += 1;
            continue;
        }
        let value = args.get(index + 1).ok_or(CmdError::SYNTAX)?;
        if args.is(index, "COUNT") {
            let count = num::parse_i64(value).ok_or(CmdError::NOT_INTEGER)?;
            options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CmdError::SYNTAX)?;
        } else if args.is(index, "MATCH") {
            options.pattern = Some(value).filter(|pattern| *pattern != b"*");
        } else if args.is(index, "TYPE") && scanned == Scanned::Keys {
            let known = TYPE_NAMES.iter().find(|name| value.eq_ignore_ascii_case(name.as_bytes()));
            let Some(known) = known else {
                return Err(cx.fail_bytes(&[b"ERR unknown type name '", value, b"'"]));
            };
            options.kind = Some(known);
        } else {
            return Err(CmdError::SYNTAX);
        }
        index += 2;
    }
    Ok(options)
}

fn names_only_allowed(is_novalues: bool, scanned: Scanned) -> Result<(), CmdError> {
    match (is_novalues, scanned) {
        (true, Scanned::Hash) | (false, Scanned::Zset) => Ok(()),
        (true, _) => Err(CmdError::Text("ERR NOVALUES option can only be used in HSCAN")),
        (false, _) => Err(CmdError::Text("ERR NOSCORES option can only be used in ZSCAN")),
    }
}
