//! SCAN: a walk over the keys in steps.

use alloc::vec::Vec;

use super::scan_options::{Scanned, reply_cursor, scan_cursor, scan_options};
use crate::engine::{Args, CmdResult, Ctx};
use crate::glob::{Case, glob_match};

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(crate) fn scan(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let cursor = scan_cursor(args.at(1))?;
    let options = scan_options(cx, args, 2, Scanned::Keys)?;
    let (mut found, mut expired): (Vec<&[u8]>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    let next = cx.keys.scan(cursor, options.count, |entry| {
        let key = entry.key();
        let is_meant = options.kind.is_none_or(|kind| entry.kind().name() == kind)
            && options.pattern.is_none_or(|pattern| glob_match(pattern, key, Case::Sensitive));
        //= valkey 9.1 SCAN: what its filters leave out does not expire by it
        if is_meant && cx.keys.is_expired(entry) {
            expired.push(key.to_vec());
        } else if is_meant {
            found.push(key);
        }
    });
    cx.reply.array(2);
    reply_cursor(&mut cx.reply, next);
    cx.reply.array(found.len());
    found.iter().for_each(|key| cx.reply.bulk(key));
    cx.keys.purge_expired(&expired);
    Ok(())
}
