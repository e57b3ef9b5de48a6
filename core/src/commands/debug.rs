//! DEBUG: switches and probes that test suites use.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::debug_digest;
use crate::config::{RewriteExtent, parse_memory};
use crate::engine::host::{CrashKind, DebugSwitch, LogLevel};
use crate::engine::{Args, CmdError, CmdResult, Ctx, HostRequest};
use crate::keyspace::{AccessPolicy, ExpireChange, StringView};
use crate::num;
use crate::resp::Proto;
use crate::types::Object;
use crate::types::list::List;

/// `DEBUG subcommand [argument ...]`
pub(crate) fn debug(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let name = args.at(1).to_ascii_uppercase();
    match (name.as_slice(), args.len()) {
        (b"SLEEP", 3) => sleep(cx, args),
        (b"SET-ACTIVE-EXPIRE", 3) => {
            cx.shared.active_expire = is_on(args.at(2));
            cx.reply.ok();
            Ok(())
        }
        (b"PAUSE-CRON", 3) => host_switch(cx, args, DebugSwitch::PauseCron),
        (b"CLIENT-ENFORCE-REPLY-LIST", 3) => host_switch(cx, args, DebugSwitch::EnforceReplyList),
        (b"OBJECT", 3 | 4) => object(cx, args),
        (b"CONFIG-REWRITE-FORCE-ALL", 2) => rewrite_whole_config(cx),
        (b"PROTOCOL", 3) => protocol(cx, args),
        (b"ERROR", 3) => Err(cx.fail_bytes(&[args.at(2)])),
        (b"LOG", 3) => log(cx, args),
        (b"POPULATE", 3..=5) => populate(cx, args),
        (b"DIGEST", 2) => debug_digest::digest(cx),
        (b"DIGEST-VALUE", _) => debug_digest::digest_values(cx, args),
        (b"HTSTATS", 3 | 4) => htstats(cx, args),
        (b"STRUCTSIZE", 2) => structsize(cx),
        (b"CLIENT-EVICTION", 2) => client_eviction(cx),
        (b"REPLYBUFFER", 4) => reply_buffer(cx, args),
        (b"CHANGE-REPL-ID" | b"RELOAD" | b"LOADAOF" | b"REPLICATE" | b"DICT-RESIZING", _)
        | (b"HTSTATS-KEY" | b"LEAK" | b"RESTART" | b"MALLCTL", 2..) => {
            Err(cx.fail_bytes(&[b"ERR DEBUG ", &name, b": not supported by this version of Vireo"]))
        }
        (b"SEGFAULT", 2) => request(cx, HostRequest::Crash(CrashKind::Segfault)),
        (b"PANIC" | b"ASSERT", 2) => request(cx, HostRequest::Crash(CrashKind::Panic)),
        (b"OOM", 2) => request(cx, HostRequest::Crash(CrashKind::Oom)),
        (b"QUICKLIST-PACKED-THRESHOLD", 3) => packed_threshold(cx, args),
        (b"HELP", 2) => help(cx),
        _ => Err(cx.fail_bytes(&[
            b"ERR unknown subcommand or wrong number of arguments for '",
            args.at(1),
            b"'. Try DEBUG HELP.",
        ])),
    }
}

fn request(cx: &mut Ctx<'_>, request: HostRequest) -> CmdResult {
    cx.shared.requests.push(request);
    cx.reply.ok();
    Ok(())
}

/// From which length on elements of a list get nodes of their own; 0: the default.
fn packed_threshold(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const WRONG: CmdError =
        CmdError::Text("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    let len = parse_memory(args.at(2)).filter(|&len| len < 1 << 32).ok_or(WRONG)?;
    cx.shared.list_plain_len_min = usize::try_from(len).unwrap_or(usize::MAX);
    cx.reply.ok();
    Ok(())
}

/// A switch, read as the reference does: the number at the start of the text is not 0.
fn is_on(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits.iter().take_while(|byte| byte.is_ascii_digit()).any(|byte| *byte != b'0')
}

fn host_switch(cx: &mut Ctx<'_>, args: &Args<'_>, switch: DebugSwitch) -> CmdResult {
    cx.host.debug_switch(switch, is_on(args.at(2)));
    cx.reply.ok();
    Ok(())
}

/// `DEBUG CLIENT-EVICTION`: clients by the memory they hold.
fn client_eviction(cx: &mut Ctx<'_>) -> CmdResult {
    if cx.shared.config.settings().maxmemory_clients.is_none() {
        return Err(CmdError::Text("ERR maxmemory-clients is disabled."));
    }
    let text = cx.shared.client_memory.describe();
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// `DEBUG REPLYBUFFER RESIZING 0|1`: whether clients give back reply buffers that they do not use.
fn reply_buffer(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if !args.is(2, "RESIZING") {
        let name = args.at(2).to_ascii_uppercase();
        return Err(cx.fail_bytes(&[
            b"ERR DEBUG REPLYBUFFER ",
            &name,
            b": not supported by this version of Vireo",
        ]));
    }
    cx.host.debug_switch(DebugSwitch::ResizeReplyBuffers, is_on(args.at(3)));
    cx.reply.ok();
    Ok(())
}

/// What is not a number of seconds does not sleep, as in the reference.
fn sleep(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let seconds = num::parse_f64(args.at(2)).unwrap_or(0.0);
    let duration = core::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    cx.host.sleep_us(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    cx.reply.ok();
    Ok(())
}

fn log(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let text = String::from_utf8_lossy(args.at(2)).into_owned();
    cx.host.log(LogLevel::Warning, format_args!("DEBUG LOG: {text}"));
    cx.reply.ok();
    Ok(())
}

/// `DEBUG OBJECT key [FAST]`; FAST leaves out what takes a walk through the value.
fn object(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now, fast) = (cx.key(args, 2), *cx.keys.now(), args.is(3, "FAST"));
    let entry = cx.keys.peek(key).ok_or(CmdError::NO_SUCH_KEY)?;
    let (address, encoding) = (entry.key().as_ptr().addr(), entry.encoding_name());
    let mut line = format!("Value at:0x{address:x} refcount:1 encoding:{encoding}");
    if !fast {
        let len = match entry.string() {
            StringView::Int(value) => itoa::Buffer::new().format(value).len(),
            StringView::Bytes(bytes) => bytes.len(),
        };
        line.push_str(&format!(" serializedlength:{}", len + 1));
    }
    line.push_str(&match now.access {
        AccessPolicy::Lru => {
            format!(" lru:{} lru_seconds_idle:{}", entry.access_clock(), entry.idle_seconds(&now))
        }
        AccessPolicy::Lfu { .. } => {
            let minutes = entry.access_clock() >> 8;
            format!(" lfu_freq:{} lfu_access_time_minutes:{minutes}", entry.frequency(&now))
        }
    });
    if let Some(Object::List(list)) = entry.object() {
        line.push_str(&quicklist_fields(list, fast));
    }
    cx.reply.status(line.as_bytes());
    Ok(())
}

/// What DEBUG OBJECT tells of a quicklist's nodes; nothing of a small list.
#[expect(clippy::cast_precision_loss, reason = "a mean for people to read")]
fn quicklist_fields(list: &List, fast: bool) -> String {
    let Some(limits) = list.quicklist_limits() else { return String::new() };
    let (nodes, fill) = (list.nodes().len(), limits.max_listpack_size);
    let mean = list.len() as f64 / nodes.max(1) as f64;
    //= valkey 9.1 DEBUG OBJECT: whether a list may have compressed nodes, not whether it has
    let compressed = u8::from(limits.compress_depth > 0);
    let mut text =
        format!(" ql_nodes:{nodes} ql_avg_node:{mean:.2} ql_listpack_max:{fill} ql_compressed:{compressed}");
    if !fast {
        let bytes: usize = list.nodes().map(|node| node.raw_len()).sum();
        text.push_str(&format!(" ql_uncompressed_size:{bytes}"));
    }
    text
}

/// `DEBUG CONFIG-REWRITE-FORCE-ALL`
fn rewrite_whole_config(cx: &mut Ctx<'_>) -> CmdResult {
    match cx.host.rewrite_config(&cx.shared.config, RewriteExtent::All) {
        Ok(()) => cx.reply.ok(),
        Err(why) => return Err(cx.fail(format_args!("ERR CONFIG-REWRITE-FORCE-ALL failed: {why}"))),
    }
    Ok(())
}

/// Samples of every type of reply.
fn protocol(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let reply = &mut cx.reply;
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double_text(b"3.141"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|index| reply.integer(index));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|index| reply.integer(index));
        }
        b"map" => {
            reply.map(3);
            for index in 0..3 {
                reply.integer(index);
                reply.boolean(index == 1);
            }
        }
        b"attrib" => {
            if reply.attribute(1) {
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if reply.proto() != Proto::Resp3 {
                return Err(CmdError::Text("ERR RESP2 is not supported by this command"));
            }
            // A push never comes before the reply of the command that causes it.
            reply.bulk(b"Some real reply following the push reply");
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
        }
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
        _ => {
            return Err(CmdError::Text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

/// `DEBUG POPULATE count [prefix] [size]`
fn populate(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let count = u64::try_from(args.int(2)?).map_err(|_| CmdError::OUT_OF_RANGE)?;
    let prefix = args.get(3).unwrap_or(b"key");
    let size = if args.len() == 5 { Some(args.int(4)?) } else { None };
    let size = size.map(usize::try_from).transpose().map_err(|_| CmdError::OUT_OF_RANGE)?;
    for index in 0..count {
        let number = format!("{index}");
        let name = [prefix, b":", number.as_bytes()].concat();
        let key = cx.keys.key(&name);
        if cx.keys.peek(key).is_none() {
            let mut value = [b"value:", number.as_bytes()].concat();
            if let Some(size) = size {
                value.resize(size, 0);
            }
            cx.keys.set_plain(key, &value, ExpireChange::Clear);
        }
    }
    cx.reply.ok();
    Ok(())
}

fn htstats(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let db = usize::try_from(args.int(2)?).ok();
    let keyspace = cx.keys.keyspace();
    let db = db.filter(|&db| db < keyspace.databases()).ok_or(CmdError::Text("ERR Out of range database"))?;
    let mut lens: Vec<usize> = Vec::new();
    for len in keyspace.chain_lens(db) {
        if lens.len() <= len {
            lens.resize(len + 1, 0);
        }
        lens[len] += 1;
    }
    let mut text = format!(
        "[Dictionary HT]\nHash table 0 stats (main hash table):\n table size: {}\n number of entries: {}\n",
        keyspace.buckets(db) * 7,
        keyspace.len(db)
    );
    for (len, count) in lens.iter().enumerate().filter(|(_, count)| **count > 0) {
        text.push_str(&format!("   {len} entries: {count} buckets\n"));
    }
    text.push_str(&format!("[Expires HT]\n number of entries: {}\n", keyspace.expires_len(db)));
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn structsize(cx: &mut Ctx<'_>) -> CmdResult {
    let line = format!("bits:{} bucket:64 session:{}", usize::BITS, size_of::<crate::engine::Session>());
    cx.reply.bulk(line.as_bytes());
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> CmdResult {
    const LINES: [&str; 36] = [
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CLIENT-EVICTION",
        "    Counts clients by the memory they hold.",
        "CLIENT-ENFORCE-REPLY-LIST <0|1>",
        "    Counts every reply as if it were queued.",
        "DIGEST",
        "    Prints a digest of all data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Prints a digest of each value.",
        "ERROR <message>",
        "    Answers this error.",
        "HTSTATS <dbid>",
        "    Counts the chains of a database's table by length.",
        "LOG <message>",
        "    Writes a line to the log.",
        "OBJECT <key>",
        "    Describes a value's place in memory.",
        "PANIC",
        "    Ends the process as a failed assertion would.",
        "PAUSE-CRON <0|1>",
        "    Stops the periodic work.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Creates keys.",
        "REPLYBUFFER RESIZING <0|1>",
        "    Has clients keep reply buffers that they do not use, or give them back.",
        "PROTOCOL <type>",
        "    Answers a sample of a type of reply.",
        "SEGFAULT",
        "    Ends the process as an invalid access would.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Turns the removal of expired keys that nobody asks for off or on.",
        "SLEEP <seconds>",
        "    Blocks the server.",
        "STRUCTSIZE",
        "    Prints sizes of structures.",
        "HELP",
    ];
    cx.reply.array(LINES.len() + 1);
    LINES.iter().for_each(|line| cx.reply.status(line.as_bytes()));
    cx.reply.status(b"    Prints this help.");
    Ok(())
}
