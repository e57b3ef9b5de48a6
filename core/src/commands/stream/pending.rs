//! XPENDING: what was delivered and not yet acknowledged.

use super::{bound, no_key_or_group, read_group, write_id};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::resp::Reply;
use crate::types::stream::{Group, IdBound, Pending, Stream, StreamId};

/// Which pending entries are asked for.
struct Filter<'a> {
    start: StreamId,
    end: StreamId,
    count: usize,
    /// 0: any.
    idle_ms_min: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// `None` when only a summary is asked for.
    fn parse(args: &Args<'a>) -> Result<Option<Self>, CmdError> {
        if args.len() == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&args.len()) {
            return Err(CmdError::SYNTAX);
        }
        let (mut first, mut idle_ms_min) = (3, 0);
        if args.is(3, "IDLE") {
            idle_ms_min = args.int(4)?;
            if args.len() < 8 {
                return Err(CmdError::SYNTAX);
            }
            first = 5;
        }
        let count = args.int(first + 2)?.max(0);
        let start = bound(args.at(first), IdBound::Start)?;
        let end = bound(args.at(first + 1), IdBound::End)?;
        //= valkey 9.1 XPENDING: what follows the consumer is not looked at
        let consumer = args.get(first + 3);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Some(Self { start, end, count, idle_ms_min, consumer }))
    }

    fn accepts(&self, pending: &Pending, now_ms: i64) -> bool {
        self.idle_ms_min == 0 || pending.idle(now_ms) >= self.idle_ms_min
    }
}

/// `XPENDING key group [[IDLE ms] start end count [consumer]]`
pub(crate) fn xpending(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let filter = Filter::parse(args)?;
    let (key, now_ms) = (cx.key(args, 1), cx.now.unix_ms());
    if read_group(cx, key, args.at(2))?.is_none() {
        return Err(no_key_or_group(cx, key.bytes, args.at(2), b""));
    }
    // Looked up anew: what was borrowed above is gone once an error could be written.
    let stream = cx.keys.write_as::<Stream>(key)?;
    let Some(group) = stream.and_then(|stream| stream.group(args.at(2))) else { return Ok(()) };
    match filter {
        None => write_summary(&mut cx.reply, group),
        Some(filter) => write_entries(&mut cx.reply, group, &filter, now_ms),
    }
    Ok(())
}

fn write_summary(reply: &mut Reply<'_>, group: &Group) {
    reply.array(4);
    reply.count(group.pending_len());
    let Some((first, last)) = group.pending_bounds() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    write_id(reply, first);
    write_id(reply, last);
    let (start, mut len) = (reply.position(), 0);
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_int(i64::try_from(consumer.pending_len()).unwrap_or(i64::MAX));
        len += 1;
    }
    reply.array_since(start, len);
}

fn write_entries(reply: &mut Reply<'_>, group: &Group, filter: &Filter<'_>, now_ms: i64) {
    let (start, mut len) = (reply.position(), 0);
    let mut write = |(id, pending): (StreamId, &Pending)| {
        reply.array(4);
        write_id(reply, id);
        reply.bulk(group.consumer(pending.consumer).map_or(b"", |consumer| consumer.name()));
        reply.integer(pending.idle(now_ms).max(0));
        reply.integer(pending.delivery_count.cast_signed());
        len += 1;
    };
    let accepted = |(_, pending): &(StreamId, &Pending)| filter.accepts(pending, now_ms);
    match filter.consumer {
        None => {
            let range = group.pending_range(filter.start, filter.end);
            range.filter(accepted).take(filter.count).for_each(&mut write);
        }
        Some(name) => {
            if let Some(consumer) = group.find_consumer(name) {
                let range = group.pending_range_of(consumer, filter.start, filter.end);
                range.filter(accepted).take(filter.count).for_each(&mut write);
            }
        }
    }
    reply.array_since(start, len);
}
