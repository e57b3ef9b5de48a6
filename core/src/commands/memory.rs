//! MEMORY: where memory goes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::engine::host::MemoryUse;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::resp::Reply;

/// `MEMORY USAGE key [SAMPLES count]`
pub(crate) fn memory_usage(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    for index in (3..args.len()).step_by(2) {
        if !args.is(index, "SAMPLES") || index + 1 >= args.len() {
            return Err(CmdError::SYNTAX);
        }
        // A string has no elements to sample; the count is checked all the same.
        if args.int(index + 1)? < 0 {
            return Err(CmdError::SYNTAX);
        }
    }
    let key = cx.key(args, 2);
    match cx.keys.peek(key) {
        Some(entry) => cx.reply.count(entry.size_bytes()),
        None => cx.reply.null(),
    }
    Ok(())
}

/// MEMORY PURGE
pub(crate) fn memory_purge(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    match cx.host.purge_memory() {
        Ok(()) => cx.reply.ok(),
        Err(why) => return Err(cx.fail(format_args!("ERR {why}"))),
    }
    Ok(())
}

/// MEMORY MALLOC-STATS
pub(crate) fn memory_malloc_stats(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    let report = cx.host.allocator_report();
    cx.reply.verbatim(b"txt", &report);
    Ok(())
}

/// MEMORY DOCTOR
pub(crate) fn memory_doctor(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    const SMALL: u64 = 5 << 20;
    let memory = cx.host.memory(cx.keys.keyspace().slot_bytes());
    let mut findings: Vec<String> = Vec::new();
    if memory.used > SMALL {
        if memory.peak > memory.used / 2 * 3 {
            findings
                .push(format!("The peak was {} bytes; what was freed since may be fragmented.", memory.peak));
        }
        if memory.allocator_resident > memory.allocator_allocated / 10 * 14 {
            findings.push(
                "The allocator holds over 1.4 times what is in use; MEMORY PURGE may give some back.".into(),
            );
        }
        let clients = cx.shared.clients.len() as u64;
        if clients > 0 && memory.rss / clients.max(1) < 200_000 && clients > 1000 {
            findings.push("Many clients: their buffers may take a good part of the memory.".into());
        }
    }
    let text = if memory.used <= SMALL {
        "This server holds very little data: there is nothing to tell yet.\n".into()
    } else if findings.is_empty() {
        "All is well as far as can be seen.\n".into()
    } else {
        findings.join("\n") + "\n"
    };
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// MEMORY STATS
pub(crate) fn memory_stats(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    let memory = cx.host.memory(cx.keys.keyspace().slot_bytes());
    let keyspace = cx.keys.keyspace();
    let databases: Vec<(usize, u64, u64, u64)> = (0..keyspace.databases())
        .filter(|&db| keyspace.buckets(db) > 0)
        .map(|db| {
            (db, keyspace.bytes(db).table as u64, keyspace.bytes(db).expiry as u64, keyspace.len(db) as u64)
        })
        .collect();
    let keys: u64 = databases.iter().map(|(.., keys)| keys).sum();
    let tables: u64 = databases.iter().map(|(_, table, expiry, _)| table + expiry).sum();
    let clients = cx.shared.client_memory.total();
    let overhead = memory.startup + tables + clients;
    let dataset = memory.used.saturating_sub(overhead);
    let net = memory.used.saturating_sub(memory.startup);
    let reply = &mut cx.reply;
    reply.map(34 + databases.len());
    let numbers = [
        ("peak.allocated", memory.peak),
        ("total.allocated", memory.used),
        ("startup.allocated", memory.startup),
        ("replication.backlog", 0),
        ("replicas.repl.buffer", 0),
        ("clients.slaves", 0),
        ("clients.normal", clients),
        ("cluster.links", 0),
        ("cluster.slot_import", 0),
        ("cluster.slot_export", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    for (name, value) in numbers {
        reply.bulk(name.as_bytes());
        reply.unsigned(value);
    }
    for (db, table, expiry, _) in &databases {
        reply.bulk(format!("db.{db}").as_bytes());
        reply.map(2);
        reply.bulk(b"overhead.hashtable.main");
        reply.unsigned(*table);
        reply.bulk(b"overhead.hashtable.expires");
        reply.unsigned(*expiry);
    }
    let buckets: u64 = databases.iter().map(|(_, table, ..)| table).sum();
    let numbers = [
        ("overhead.db.hashtable.lut", buckets),
        // A table grows and shrinks by single buckets: there is never a second one beside it.
        ("overhead.db.hashtable.rehashing", 0),
        ("overhead.total", overhead),
        ("db.dict.rehashing.count", 0),
        ("keys.count", keys),
        ("keys.bytes-per-key", net.checked_div(keys).unwrap_or(0)),
        ("dataset.bytes", dataset),
    ];
    for (name, value) in numbers {
        reply.bulk(name.as_bytes());
        reply.unsigned(value);
    }
    allocator_figures(reply, &memory, dataset, net);
    Ok(())
}

/// The second half of MEMORY STATS: shares, and what the allocator tells.
fn allocator_figures(reply: &mut Reply<'_>, memory: &MemoryUse, dataset: u64, net: u64) {
    let (allocated, active, resident) =
        (memory.allocator_allocated, memory.allocator_active, memory.allocator_resident);
    for (name, value) in [
        ("dataset.percentage", ratio(dataset, net) * 100.0),
        ("peak.percentage", ratio(memory.used, memory.peak) * 100.0),
    ] {
        reply.bulk(name.as_bytes());
        reply.double(value);
    }
    for (name, value) in [
        ("allocator.allocated", allocated),
        ("allocator.active", active),
        ("allocator.resident", resident),
        ("allocator.muzzy", memory.allocator_muzzy),
    ] {
        reply.bulk(name.as_bytes());
        reply.unsigned(value);
    }
    for (name, over, under) in [
        ("allocator-fragmentation", active, allocated),
        ("allocator-rss", resident, active),
        ("rss-overhead", memory.rss, resident),
    ] {
        reply.bulk(format!("{name}.ratio").as_bytes());
        reply.double(ratio(over, under));
        reply.bulk(format!("{name}.bytes").as_bytes());
        reply.integer(over.cast_signed() - under.cast_signed());
    }
    reply.bulk(b"fragmentation");
    reply.double(ratio(memory.rss, memory.used));
    reply.bulk(b"fragmentation.bytes");
    reply.integer(memory.rss.cast_signed() - memory.used.cast_signed());
}

/// One number by another; 0 when that is 0.
#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
pub(super) fn ratio(over: u64, under: u64) -> f64 {
    if under == 0 { 0.0 } else { over as f64 / under as f64 }
}
