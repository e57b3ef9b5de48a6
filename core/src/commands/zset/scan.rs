//! ZSCAN: a walk over the members in steps.

use alloc::vec::Vec;

use crate::commands::element::reply_element;
use crate::commands::scan_options::{Scanned, reply_cursor, scan_value};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::Entry;
use crate::num;
use crate::types::Typed;
use crate::types::listpack::Element;
use crate::types::zset::Zset;

/// `ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]`
pub(crate) fn zscan(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let Some((cursor, options)) = scan_value::<Zset>(cx, args, Scanned::Zset)? else { return Ok(()) };
    let key = cx.key(args, 1);
    let Some(zset) = cx.keys.look(key).and_then(Entry::object).and_then(Zset::of) else {
        return Err(CmdError::WRONG_TYPE);
    };
    let mut found: Vec<(Element<'_>, f64)> = Vec::new();
    let next = zset.scan(cursor, options.count, |member, score| {
        if options.wants(member) {
            found.push((member, score));
        }
    });
    cx.reply.array(2);
    reply_cursor(&mut cx.reply, next);
    cx.reply.array(found.len() * if options.names_only { 1 } else { 2 });
    for (member, score) in found {
        reply_element(&mut cx.reply, member);
        if options.names_only {
            continue;
        }
        //= valkey 9.1 ZSCAN: a skiplist's scores have seventeen digits, a listpack's the text they are stored as
        match zset {
            Zset::Small(_) => cx.reply.bulk(num::DoubleText::new().format(score)),
            Zset::Large(_) => cx.reply.bulk(&num::general_text(score)),
        }
    }
    Ok(())
}
