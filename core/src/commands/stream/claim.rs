//! XCLAIM and XAUTOCLAIM: pending entries get another owner.

use alloc::vec::Vec;

use super::{bound, exact_id, no_key_or_group, printed, read_group, seen_consumer, write_entry, write_id};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::num;
use crate::resp::Reply;
use crate::types::stream::{
    ClaimRules, Claimed, CountRule, Entry, IdBound, Missing, Stream, StreamId, delivery_time,
};

/// XAUTOCLAIM's COUNT has this bound in the reference, so that ten times it and room for so many IDs can be counted.
const AUTO_COUNT_MAX: u64 = i64::MAX as u64 / 16;
/// From here on the reference finds no room for so many IDs.
const AUTO_COUNT_TOO_HIGH: u64 = 1 << 43;

/// What follows the IDs of XCLAIM.
struct Options {
    just_id: bool,
    force: bool,
    delivery_time: Option<i64>,
    retry_count: Option<u64>,
    last_id: Option<StreamId>,
}

impl Options {
    fn parse(cx: &mut Ctx<'_>, args: &Args<'_>, first: usize) -> Result<Self, CmdError> {
        let (delivery_time, retry_count, last_id) = (None, None, None);
        let mut options = Self { just_id: false, force: false, delivery_time, retry_count, last_id };
        let mut index = first;
        while index < args.len() {
            let value = args.get(index + 1);
            match (args.at(index).to_ascii_uppercase().as_slice(), value) {
                (b"FORCE", _) => options.force = true,
                (b"JUSTID", _) => options.just_id = true,
                (option, Some(value)) if options.take(option, value, cx.now.unix_ms())? => index += 1,
                _ => {
                    let option = printed(args.at(index));
                    return Err(cx.fail_bytes(&[b"ERR Unrecognized XCLAIM option '", option, b"'"]));
                }
            }
            index += 1;
        }
        Ok(options)
    }

    /// Takes an option with a value; `false` if there is no such option.
    fn take(&mut self, option: &[u8], value: &[u8], now_ms: i64) -> Result<bool, CmdError> {
        let int = |text| num::parse_i64(value).ok_or(CmdError::Text(text));
        match option {
            b"IDLE" => {
                let idle = int("ERR Invalid IDLE option argument for XCLAIM")?;
                self.delivery_time = Some(now_ms.wrapping_sub(idle));
            }
            b"TIME" => self.delivery_time = Some(int("ERR Invalid TIME option argument for XCLAIM")?),
            b"RETRYCOUNT" => {
                let count = int("ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                self.retry_count = u64::try_from(count).ok();
            }
            b"LASTID" => self.last_id = Some(exact_id(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn rules(&self, now_ms: i64, idle_ms_min: i64) -> ClaimRules {
        ClaimRules {
            now_ms,
            idle_ms_min,
            delivery_time: delivery_time(self.delivery_time, now_ms),
            count: match (self.retry_count, self.just_id) {
                (Some(count), _) => CountRule::Set(count),
                (None, true) => CountRule::Keep,
                (None, false) => CountRule::Add,
            },
            missing: if self.force { Missing::Create } else { Missing::Skip },
        }
    }
}

fn write_claimed(reply: &mut Reply<'_>, entry: Entry<'_>, just_id: bool) {
    if just_id { write_id(reply, entry.id) } else { write_entry(reply, entry) }
}

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME ms] [RETRYCOUNT count] [FORCE] [JUSTID]
/// [LASTID id]`
pub(crate) fn xclaim(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group, now_ms) = (cx.key(args, 1), args.at(2), cx.now.unix_ms());
    if read_group(cx, key, group)?.is_none() {
        return Err(no_key_or_group(cx, key.bytes, group, b""));
    }
    let idle_ms_min = min_idle(args, "ERR Invalid min-idle-time argument for XCLAIM")?;
    //= valkey 9.1 XCLAIM: the first argument that is no ID begins the options
    let ids: Vec<StreamId> = args.iter_from(5).map_while(|text| exact_id(text).ok()).collect();
    let options = Options::parse(cx, args, 5 + ids.len())?;
    let Some(consumer) = seen_consumer(cx, key, group, args.at(3))? else { return Ok(()) };
    let Some(stream) = cx.keys.write_as::<Stream>(key)? else { return Ok(()) };
    let Some(mut group) = stream.group_mut(group) else { return Ok(()) };
    let raised = options.last_id.is_some_and(|id| group.group.raise_last_id(id));
    let (start, mut len, mut changes) = (cx.reply.position(), 0, 0);
    let mut claims = group.claims(consumer, options.rules(now_ms, idle_ms_min));
    for id in ids {
        match claims.claim(id) {
            Claimed::Taken(entry, _) => {
                write_claimed(&mut cx.reply, entry, options.just_id);
                (len, changes) = (len + 1, changes + 1);
            }
            Claimed::Gone(_) => changes += 1,
            Claimed::Left => {}
        }
    }
    cx.reply.array_since(start, len);
    cx.shared.stats.dirty += if raised { changes.max(1) } else { changes };
    Ok(())
}

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub(crate) fn xautoclaim(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group, now_ms) = (cx.key(args, 1), args.at(2), cx.now.unix_ms());
    // Only its counters: a missing key or another type is answered after wrong arguments.
    cx.keys.read(key);
    let idle_ms_min = min_idle(args, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let from = bound(args.at(5), IdBound::Start)?;
    let (count, just_id) = auto_options(args)?;
    if cx.keys.write_as::<Stream>(key)?.and_then(|stream| stream.group(group)).is_none() {
        return Err(no_key_or_group(cx, key.bytes, group, b""));
    }
    if count >= AUTO_COUNT_TOO_HIGH {
        return Err(CmdError::Text(
            "ERR Insufficient memory, failed allocating transient memory, COUNT too high.",
        ));
    }
    let Some(consumer) = seen_consumer(cx, key, group, args.at(3))? else { return Ok(()) };
    let Some(stream) = cx.keys.write_as::<Stream>(key)? else { return Ok(()) };
    let Some(mut group) = stream.group_mut(group) else { return Ok(()) };
    let rules = ClaimRules {
        now_ms,
        idle_ms_min,
        delivery_time: now_ms,
        count: if just_id { CountRule::Keep } else { CountRule::Add },
        missing: Missing::Skip,
    };
    let (mut taken, mut len, mut gone) = (Vec::new(), 0, Vec::new());
    let mut body = Reply::new(&mut taken, cx.reply.proto());
    let mut claims = group.auto_claim(consumer, from, count, rules);
    for (id, claimed) in &mut claims {
        match claimed {
            Claimed::Taken(entry, _) => {
                write_claimed(&mut body, entry, just_id);
                len += 1;
            }
            Claimed::Gone(_) => gone.push(id),
            Claimed::Left => {}
        }
    }
    cx.reply.array(3);
    write_id(&mut cx.reply, claims.next_start());
    cx.reply.array(len);
    cx.reply.raw(&taken);
    cx.reply.array(gone.len());
    gone.iter().for_each(|&id| write_id(&mut cx.reply, id));
    cx.shared.stats.dirty += (len + gone.len()) as u64;
    Ok(())
}

/// COUNT and JUSTID of XAUTOCLAIM.
fn auto_options(args: &Args<'_>) -> Result<(u64, bool), CmdError> {
    let (mut count, mut just_id, mut index) = (100, false, 6);
    while index < args.len() {
        if args.is(index, "COUNT") && index + 1 < args.len() {
            let given = num::parse_i64(args.at(index + 1)).and_then(|given| u64::try_from(given).ok());
            let given = given.filter(|given| (1..=AUTO_COUNT_MAX).contains(given));
            count = given.ok_or(CmdError::Text("ERR COUNT must be > 0"))?;
            index += 1;
        } else if args.is(index, "JUSTID") {
            just_id = true;
        } else {
            return Err(CmdError::SYNTAX);
        }
        index += 1;
    }
    Ok((count, just_id))
}

/// The least time without delivery, ms; below 0 is 0.
fn min_idle(args: &Args<'_>, text: &'static str) -> Result<i64, CmdError> {
    Ok(num::parse_i64(args.at(4)).ok_or(CmdError::Text(text))?.max(0))
}
