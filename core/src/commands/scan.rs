//! SCAN: a walk over the keys in steps.

use alloc::string::String;
use alloc::vec::Vec;

use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::glob::{Case, glob_match};
use crate::num;

/// Types that a filter may name.
const TYPE_NAMES: [&str; 6] = ["string", "list", "set", "zset", "hash", "stream"];

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(crate) fn scan(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let cursor = num::parse_u64(args.at(1)).ok_or(CmdError::Text("ERR invalid cursor"))?;
    let (mut pattern, mut kind, mut count) = (None, None, 10usize);
    for index in (2..args.len()).step_by(2) {
        let value = args.get(index + 1).ok_or(CmdError::SYNTAX)?;
        if args.is(index, "COUNT") {
            let given = num::parse_i64(value).ok_or(CmdError::NOT_INTEGER)?;
            count = usize::try_from(given).ok().filter(|&given| given > 0).ok_or(CmdError::SYNTAX)?;
        } else if args.is(index, "MATCH") {
            pattern = Some(value).filter(|pattern| *pattern != b"*");
        } else if args.is(index, "TYPE") {
            let known = TYPE_NAMES.iter().find(|name| value.eq_ignore_ascii_case(name.as_bytes()));
            let Some(known) = known else {
                return Err(cx.fail_bytes(&[b"ERR unknown type name '", value, b"'"]));
            };
            kind = Some(*known);
        } else {
            return Err(CmdError::SYNTAX);
        }
    }
    let (mut found, mut expired): (Vec<&[u8]>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    let next = cx.keys.scan(cursor, count, |entry| {
        let key = entry.key();
        if cx.keys.is_expired(entry) {
            expired.push(key.to_vec());
        } else if pattern.is_none_or(|pattern| glob_match(pattern, key, Case::Sensitive))
            && kind.is_none_or(|kind| entry.kind().name() == kind)
        {
            found.push(key);
        }
    });
    cx.reply.array(2);
    let cursor: String = alloc::format!("{next}");
    cx.reply.bulk(cursor.as_bytes());
    cx.reply.array(found.len());
    found.iter().for_each(|key| cx.reply.bulk(key));
    cx.keys.purge_expired(&expired);
    Ok(())
}
