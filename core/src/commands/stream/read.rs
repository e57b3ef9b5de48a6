//! XREAD and XREADGROUP.
//!
//! A request runs in two rounds: the first checks every stream and resolves its ID, so that nothing fails any more once
//! the second begins to write and to deliver.

use alloc::vec::Vec;

use super::{count_option, no_key_or_group, read_group, seen_consumer, write_entries, write_entry, write_id};
use crate::commands::timeout;
use crate::engine::{Args, CmdError, CmdResult, Ctx, Denied, Wait};
use crate::keyspace::{Key, Kind};
use crate::resp::{Proto, Reply};
use crate::types::stream::{Ack, ConsumerId, GroupMut, ReadId, Stream, StreamId};

const GROUP_WITHOUT_NAME: CmdError = CmdError::Text("ERR Missing GROUP option for XREADGROUP");
const DOLLAR_IN_GROUP: CmdError = CmdError::Text(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const PLUS_IN_GROUP: CmdError = CmdError::Text(
    "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
);
const NEW_WITHOUT_GROUP: CmdError = CmdError::Text(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);

/// Group and consumer.
#[derive(Clone, Copy)]
struct Reader<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
}

struct Request<'a> {
    count: usize,
    /// BLOCK: until when, ms since 1970; `None` in it: for ever.
    block: Option<Option<i64>>,
    ack: Ack,
    /// XREADGROUP.
    reader: Option<Reader<'a>>,
    /// Where the keys begin, and how many there are; as many IDs follow.
    keys: usize,
    streams: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Read,
    ReadGroup,
}

impl<'a> Request<'a> {
    fn parse(cx: &mut Ctx<'_>, args: &Args<'a>, form: Form) -> Result<Self, CmdError> {
        let (count, block, ack) = (usize::MAX, None, Ack::Wanted);
        let mut request = Self { count, block, ack, reader: None, keys: 0, streams: 0 };
        let mut index = 1;
        while index < args.len() && request.streams == 0 {
            let left = args.len() - index - 1;
            if args.is(index, "BLOCK") && left > 0 {
                request.block = Some(timeout::of_milliseconds(args.at(index + 1), cx.now)?);
                index += 1;
            } else if args.is(index, "COUNT") && left > 0 {
                request.count = count_option(args.at(index + 1), usize::MAX)?;
                index += 1;
            } else if args.is(index, "STREAMS") && left > 0 {
                if !left.is_multiple_of(2) {
                    return Err(unbalanced(cx, form));
                }
                (request.keys, request.streams) = (index + 1, left / 2);
            } else if args.is(index, "GROUP") && left > 1 {
                if form == Form::Read {
                    return Err(only_in_group("GROUP"));
                }
                request.reader = Some(Reader { group: args.at(index + 1), consumer: args.at(index + 2) });
                index += 2;
            } else if args.is(index, "NOACK") {
                if form == Form::Read {
                    return Err(only_in_group("NOACK"));
                }
                request.ack = Ack::None;
            } else {
                return Err(CmdError::SYNTAX);
            }
            index += 1;
        }
        match request {
            Self { streams: 0, .. } => Err(CmdError::SYNTAX),
            Self { reader: None, .. } if form == Form::ReadGroup => Err(GROUP_WITHOUT_NAME),
            request => Ok(request),
        }
    }

    /// Checks a stream and resolves from where it is to be read.
    fn resolve(&self, cx: &mut Ctx<'_>, key: Key<'_>, text: &[u8]) -> Result<ReadId, CmdError> {
        if let Some(reader) = self.reader {
            if read_group(cx, key, reader.group)?.is_none() {
                let tail = b" in XREADGROUP with GROUP option";
                return Err(no_key_or_group(cx, key.bytes, reader.group, tail));
            }
            return match ReadId::parse(text).ok_or(super::INVALID_ID)? {
                ReadId::Last => Err(DOLLAR_IN_GROUP),
                ReadId::LastEntry => Err(PLUS_IN_GROUP),
                //= valkey 9.1 XREADGROUP: the greatest ID is another way to write `>`
                ReadId::New | ReadId::After(StreamId::MAX) => Ok(ReadId::New),
                after @ ReadId::After(_) => Ok(after),
            };
        }
        let entries = cx.keys.read_as::<Stream>(key)?.map(Stream::entries);
        match ReadId::parse(text).ok_or(super::INVALID_ID)? {
            ReadId::Last => Ok(ReadId::After(entries.map_or(StreamId::MIN, |entries| entries.last_id()))),
            ReadId::LastEntry => {
                Ok(ReadId::After(entries.map_or(StreamId::MIN, |entries| entries.before_last())))
            }
            ReadId::New => Err(NEW_WITHOUT_GROUP),
            after @ ReadId::After(_) => Ok(after),
        }
    }

    /// Writes what a stream has for a client without a group. `false` if that is nothing.
    fn serve(&self, cx: &mut Ctx<'_>, key: Key<'_>, from: ReadId) -> Result<bool, CmdError> {
        let Some(stream) = cx.keys.read_as::<Stream>(key)? else { return Ok(false) };
        let ReadId::After(id) = from else { return Ok(false) };
        let mut entries = stream.entries().after(id).take(self.count).peekable();
        if entries.peek().is_none() {
            return Ok(false);
        }
        write_name(&mut cx.reply, key.bytes);
        write_entries(&mut cx.reply, entries);
        Ok(true)
    }

    /// Same, what it has for the consumer of a group.
    fn serve_group(
        &self,
        cx: &mut Ctx<'_>,
        key: Key<'_>,
        from: ReadId,
        reader: Reader<'_>,
    ) -> Result<bool, CmdError> {
        let has_any = match (from, read_group(cx, key, reader.group)?) {
            (_, None) => return Ok(false),
            (ReadId::New, Some((stream, group))) => group.has_new(stream.entries()),
            (_, Some(_)) => true,
        };
        let Some(consumer) = seen_consumer(cx, key, reader.group, reader.consumer)? else { return Ok(false) };
        if !has_any {
            return Ok(false);
        }
        let now_ms = cx.now.unix_ms();
        let Some(stream) = cx.keys.write_as::<Stream>(key)? else { return Ok(false) };
        let Some(mut group) = stream.group_mut(reader.group) else { return Ok(false) };
        write_name(&mut cx.reply, key.bytes);
        match from {
            ReadId::After(id) => self.write_history(&mut cx.reply, &mut group, consumer, id, now_ms),
            _ => {
                let new = group.deliver(consumer, self.ack, now_ms);
                write_entries(&mut cx.reply, new.take(self.count));
            }
        }
        cx.shared.stats.dirty += 1;
        Ok(true)
    }

    fn write_history(
        &self,
        reply: &mut Reply<'_>,
        group: &mut GroupMut<'_>,
        consumer: ConsumerId,
        after: StreamId,
        now_ms: i64,
    ) {
        let (start, mut len) = (reply.position(), 0);
        for (id, entry) in group.history(consumer, after, now_ms).take(self.count) {
            if let Some(entry) = entry {
                write_entry(reply, entry);
            } else {
                reply.array(2);
                write_id(reply, id);
                reply.null_array();
            }
            len += 1;
        }
        reply.array_since(start, len);
    }

    /// Has the client wait. `$` means what it means now.
    fn wait(&self, cx: &mut Ctx<'_>, args: &Args<'_>, from: &[ReadId], deadline_ms: Option<i64>) {
        let wait = Wait {
            keys: args.iter_from(self.keys).take(self.streams).map(<[u8]>::to_vec).collect(),
            kind: Kind::Stream,
            deadline_ms,
            denied: Denied::NullArray,
            wants_deletes: self.reader.is_some(),
        };
        let first_id = self.keys + self.streams;
        let resolved = from.iter().zip(first_id..).filter_map(|(from, index)| match from {
            ReadId::After(id) if args.at(index) == b"$" => Some((index, id.text().to_vec())),
            _ => None,
        });
        cx.wait_replacing(wait, resolved.collect());
    }
}

/// The head of a stream's part of the reply.
fn write_name(reply: &mut Reply<'_>, name: &[u8]) {
    if reply.proto() == Proto::Resp2 {
        reply.array(2);
    }
    reply.bulk(name);
}

#[cold]
fn unbalanced(cx: &mut Ctx<'_>, form: Form) -> CmdError {
    let (name, symbol) = (cx.command.full_name, if form == Form::ReadGroup { '>' } else { '$' });
    cx.fail(format_args!(
        "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' must be specified."
    ))
}

#[cold]
fn only_in_group(option: &str) -> CmdError {
    CmdError::Text(match option {
        "GROUP" => "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        _ => "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
    })
}

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key [key ...] id [id ...]`
pub(crate) fn xread(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Form::Read)
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key [key ...] id [id ...]`
pub(crate) fn xreadgroup(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, Form::ReadGroup)
}

fn run(cx: &mut Ctx<'_>, args: &Args<'_>, form: Form) -> CmdResult {
    let request = Request::parse(cx, args, form)?;
    let mut from = Vec::with_capacity(request.streams);
    for index in request.keys..request.keys + request.streams {
        let key = cx.keys.key(args.at(index));
        from.push(request.resolve(cx, key, args.at(index + request.streams))?);
    }
    let (start, mut served) = (cx.reply.position(), 0);
    for (&from, bytes) in from.iter().zip(args.iter_from(request.keys)) {
        let key = cx.keys.key(bytes);
        let has_any = match request.reader {
            Some(reader) => request.serve_group(cx, key, from, reader)?,
            None => request.serve(cx, key, from)?,
        };
        served += usize::from(has_any);
    }
    match (served, request.block) {
        (0, None) => cx.reply.null_array(),
        (0, Some(deadline_ms)) => request.wait(cx, args, &from, deadline_ms),
        _ if cx.reply.proto() == Proto::Resp3 => cx.reply.map_since(start, served),
        _ => cx.reply.array_since(start, served),
    }
    Ok(())
}
