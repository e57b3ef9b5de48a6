//! ZSCAN: a walk over the members in steps.

use alloc::vec::Vec;

use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::glob::{Case, glob_match};
use crate::num;
use crate::types::listpack::Element;
use crate::types::zset::Zset;

/// What is asked for.
struct Options<'a> {
    count: usize,
    pattern: Option<&'a [u8]>,
    with_scores: bool,
}

impl<'a> Options<'a> {
    fn parse(args: &Args<'a>) -> Result<Self, CmdError> {
        let mut options = Self { count: 10, pattern: None, with_scores: true };
        let mut index = 3;
        while index < args.len() {
            match args.get(index + 1) {
                Some(value) if args.is(index, "COUNT") => {
                    let count = num::parse_i64(value).ok_or(CmdError::NOT_INTEGER)?;
                    let count = usize::try_from(count).ok().filter(|&count| count > 0);
                    options.count = count.ok_or(CmdError::SYNTAX)?;
                    index += 2;
                }
                Some(value) if args.is(index, "MATCH") => {
                    options.pattern = Some(value).filter(|pattern| *pattern != b"*");
                    index += 2;
                }
                _ if args.is(index, "NOSCORES") => {
                    options.with_scores = false;
                    index += 1;
                }
                _ if args.is(index, "NOVALUES") => {
                    return Err(CmdError::Text("ERR NOVALUES option can only be used in HSCAN"));
                }
                _ => return Err(CmdError::SYNTAX),
            }
        }
        Ok(options)
    }

    fn wants(&self, member: Element<'_>) -> bool {
        let text = &mut itoa::Buffer::new();
        self.pattern.is_none_or(|pattern| glob_match(pattern, member.text(text), Case::Sensitive))
    }
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]`
pub(crate) fn zscan(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let cursor = num::parse_u64(args.at(2)).ok_or(CmdError::Text("ERR invalid cursor"))?;
    let key = cx.key(args, 1);
    let Some(zset) = cx.keys.read_as::<Zset>(key)? else {
        cx.reply.array(2);
        cx.reply.bulk(b"0");
        cx.reply.array(0);
        return Ok(());
    };
    let options = Options::parse(args)?;
    let mut found: Vec<(Element<'_>, f64)> = Vec::new();
    let next = zset.scan(cursor, options.count, |member, score| {
        if options.wants(member) {
            found.push((member, score));
        }
    });
    cx.reply.array(2);
    cx.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    cx.reply.array(if options.with_scores { 2 * found.len() } else { found.len() });
    for (member, score) in found {
        super::reply_member(&mut cx.reply, member);
        if !options.with_scores {
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
