//! The sections of INFO. Fields of features that are not there yet show what the reference shows when they
//! are idle, so that tools which read them go on working.

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

use super::connection::{COMPAT_NAME, COMPAT_VERSION, REDIS_VERSION};
use super::memory::ratio;
use super::table::{COMMANDS, Command};
use crate::engine::latency::Histogram;
use crate::engine::pubsub::Topic;
use crate::engine::stats::LongestSteps;
use crate::engine::{Ctx, PauseKind, SessionFlags};

/// Appends `name:value` lines.
macro_rules! lines {
    ($text:expr, $($name:literal: $value:expr),+ $(,)?) => {
        // Writing into a string cannot fail.
        $( let _ = write!($text, concat!($name, ":{}\r\n"), $value); )+
    };
}

/// A size for people.
fn human(bytes: u64) -> String {
    for (unit, shift) in [("P", 50), ("T", 40), ("G", 30), ("M", 20), ("K", 10)] {
        if bytes >= 1 << shift {
            return format!("{:.2}{unit}", ratio(bytes, 1 << shift));
        }
    }
    format!("{bytes}B")
}

pub(super) fn server(text: &mut String, cx: &mut Ctx<'_>) {
    let uptime = cx.now.mono_us.saturating_sub(cx.shared.stats.started_us) / 1_000_000;
    let settings = cx.shared.config.settings();
    let listeners = cx.host.listeners();
    let io_threads = cx.host.net().io_threads_running;
    let facts = cx.host.facts();
    text.push_str("# Server\r\n");
    lines!(text,
        "redis_version": REDIS_VERSION,
        "server_name": COMPAT_NAME,
        "valkey_version": COMPAT_VERSION,
        "valkey_release_stage": "ga",
        "vireo_version": env!("CARGO_PKG_VERSION"),
        "redis_git_sha1": if facts.commit.is_empty() { "00000000" } else { facts.commit },
        "redis_git_dirty": 0,
        "redis_build_id": "0",
    );
    let mode = if settings.extended_redis_compatibility { "redis_mode" } else { "server_mode" };
    let _ = write!(text, "{mode}:standalone\r\n");
    lines!(text,
        "os": facts.os,
        "arch_bits": usize::BITS,
        "monotonic_clock": facts.monotonic_clock,
        "multiplexing_api": facts.multiplexing_api,
        "rustc_version": facts.compiler,
        "process_id": facts.pid,
        "process_supervised": facts.supervised,
        "run_id": facts.run_id,
        "tcp_port": cx.shared.config.text("port"),
        "server_time_usec": cx.now.unix_us,
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime / 86_400,
        "hz": settings.hz,
        "configured_hz": settings.hz,
        "clients_hz": settings.hz,
        "lru_clock": cx.now.unix_s() & 0xff_ffff,
        "executable": facts.executable,
        "config_file": facts.config_file,
        "io_threads_active": u8::from(io_threads > 0),
        "availability_zone": cx.shared.config.text("availability-zone"),
    );
    for (index, listener) in listeners.iter().enumerate() {
        let _ = write!(text, "listener{index}:{listener}\r\n");
    }
}

pub(super) fn clients(text: &mut String, cx: &mut Ctx<'_>) {
    // The client that asks is not among the others while it does.
    let others = || cx.shared.clients.slots().filter_map(|slot| cx.shared.clients.get(slot));
    let sessions = || others().chain(core::iter::once(&*cx.session));
    let paused = sessions().filter(|session| session.flags.contains(SessionFlags::PAUSED)).count();
    let subscribers = sessions().filter(|session| session.is_subscriber()).count();
    let watching = sessions().filter(|session| !session.watched.is_empty()).count();
    let (watched, on_nokey) = (cx.shared.watches.len(), cx.shared.blocking.keys_on_deletes());
    let blocking = &cx.shared.blocking;
    let (blocked, timed, keys) = (paused + blocking.len(), blocking.timed(), blocking.keys_len());
    let net = cx.host.net();
    let now_ms = cx.now.unix_ms();
    let (reason, actions) = match cx.shared.pause.kind(now_ms) {
        None => ("none", "none"),
        Some(PauseKind::All) => ("client_pause", "all"),
        Some(PauseKind::Write) => ("client_pause", "write"),
    };
    text.push_str("# Clients\r\n");
    lines!(text,
        "connected_clients": cx.shared.clients.len(),
        "cluster_connections": 0,
        "maxclients": cx.shared.config.settings().maxclients,
        "client_recent_max_input_buffer": net.query_buffer_max,
        "client_recent_max_output_buffer": net.reply_buffer_max,
        "blocked_clients": blocked,
        "tracking_clients": cx.shared.tracking.clients(),
        "pubsub_clients": subscribers,
        "watching_clients": watching,
        "clients_in_timeout_table": timed,
        "total_watched_keys": watched,
        "total_blocking_keys": keys,
        "total_blocking_keys_on_nokey": on_nokey,
        "paused_reason": reason,
        "paused_actions": actions,
        "paused_timeout_milliseconds": cx.shared.pause.remaining_ms(now_ms).unwrap_or(0),
    );
}

pub(super) fn memory(text: &mut String, cx: &mut Ctx<'_>) {
    let mut m = cx.host.memory(cx.keys.keyspace().slot_bytes());
    // Without this text itself.
    m.used = m.used.saturating_sub(text.capacity() as u64);
    let allocator = cx.host.facts().allocator.clone();
    let total = cx.host.facts().total_system_memory;
    let keyspace = cx.keys.keyspace();
    let tables: usize =
        (0..keyspace.databases()).map(|db| keyspace.bytes(db).table + keyspace.bytes(db).expiry).sum();
    let out = cx.host.garbage();
    let pending = keyspace.to_reclaim() as u64 + out.objects_pending;
    let clients = cx.shared.client_memory.total();
    let overhead = m.startup + tables as u64 + clients;
    let dataset = m.used.saturating_sub(overhead);
    let limit = cx.shared.config.settings().maxmemory;
    text.push_str("# Memory\r\n");
    lines!(text,
        "used_memory": m.used, "used_memory_human": human(m.used),
        "used_memory_rss": m.rss, "used_memory_rss_human": human(m.rss),
        "used_memory_peak": m.peak, "used_memory_peak_human": human(m.peak),
        "used_memory_peak_perc": format!("{:.2}%", ratio(m.used, m.peak) * 100.0),
        "used_memory_overhead": overhead,
        "used_memory_startup": m.startup,
        "used_memory_dataset": dataset,
        "used_memory_dataset_perc": format!("{:.2}%", ratio(dataset, m.used.saturating_sub(m.startup)) * 100.0),
        "allocator_allocated": m.allocator_allocated,
        "allocator_active": m.allocator_active,
        "allocator_resident": m.allocator_resident,
        "allocator_muzzy": m.allocator_muzzy,
        "total_system_memory": total, "total_system_memory_human": human(total),
        "used_memory_lua": 0, "used_memory_vm_eval": 0, "used_memory_lua_human": "0B",
        "used_memory_scripts_eval": 0, "number_of_cached_scripts": 0, "number_of_functions": 0,
        "number_of_libraries": 0, "used_memory_vm_functions": 0, "used_memory_vm_total": 0,
        "used_memory_vm_total_human": "0B", "used_memory_functions": 0, "used_memory_scripts": 0,
        "used_memory_scripts_human": "0B",
        "maxmemory": limit, "maxmemory_human": human(limit),
        "maxmemory_policy": cx.shared.config.text("maxmemory-policy"),
        "allocator_frag_ratio": format!("{:.2}", ratio(m.allocator_active, m.allocator_allocated)),
        "allocator_frag_bytes": m.allocator_active.saturating_sub(m.allocator_allocated),
        "allocator_rss_ratio": format!("{:.2}", ratio(m.allocator_resident, m.allocator_active)),
        "allocator_rss_bytes": m.allocator_resident.saturating_sub(m.allocator_active),
        "rss_overhead_ratio": format!("{:.2}", ratio(m.rss, m.allocator_resident)),
        "rss_overhead_bytes": m.rss.cast_signed() - m.allocator_resident.cast_signed(),
        "mem_fragmentation_ratio": format!("{:.2}", ratio(m.rss, m.used)),
        "mem_fragmentation_bytes": m.rss.cast_signed() - m.used.cast_signed(),
        "mem_not_counted_for_evict": 0, "mem_replication_backlog": 0, "mem_total_replication_buffers": 0,
        "mem_replicas_repl_buffer": 0, "mem_clients_slaves": 0, "mem_clients_normal": clients, "mem_cluster_links": 0,
        "mem_cluster_slot_import": 0, "mem_cluster_slot_export": 0, "mem_aof_buffer": 0,
        "mem_allocator": allocator,
        "mem_overhead_db_hashtable_rehashing": 0, "active_defrag_running": 0,
        "lazyfree_pending_objects": pending,
        "lazyfreed_objects": cx.shared.stats.reclaimed + out.objects_freed,
    );
}

pub(super) fn persistence(text: &mut String, cx: &mut Ctx<'_>) {
    text.push_str("# Persistence\r\n");
    lines!(text,
        "loading": 0, "async_loading": 0, "current_cow_peak": 0, "current_cow_size": 0, "current_cow_size_age": 0,
        "current_fork_perc": "0.00", "current_save_keys_processed": 0, "current_save_keys_total": 0,
        "rdb_changes_since_last_save": cx.shared.stats.dirty,
        "rdb_bgsave_in_progress": 0, "rdb_last_save_time": cx.shared.stats.started_unix_s,
        "rdb_last_bgsave_status": "ok", "rdb_last_bgsave_time_sec": -1, "rdb_current_bgsave_time_sec": -1,
        "rdb_saves": 0, "rdb_last_cow_size": 0, "rdb_last_load_keys_expired": 0, "rdb_last_load_keys_loaded": 0,
        "aof_enabled": 0, "aof_rewrite_in_progress": 0, "aof_rewrite_scheduled": 0, "aof_last_rewrite_time_sec": -1,
        "aof_current_rewrite_time_sec": -1, "aof_last_bgrewrite_status": "ok", "aof_rewrites": 0,
        "aof_rewrites_consecutive_failures": 0, "aof_last_write_status": "ok", "aof_last_cow_size": 0,
        "module_fork_in_progress": 0, "module_fork_last_cow_size": 0, "slot_migration_fork_in_progress": 0,
    );
}

pub(super) fn stats(text: &mut String, cx: &mut Ctx<'_>) {
    let net = cx.host.net();
    let keys = cx.keys.keyspace().stats;
    let s = &cx.shared.stats;
    let over_us = match s.over_limit_since_us {
        0 => 0,
        since_us => cx.now.mono_us.saturating_sub(since_us),
    };
    text.push_str("# Stats\r\n");
    lines!(text,
        "total_connections_received": net.accepted,
        "total_commands_processed": s.commands_processed,
        "instantaneous_ops_per_sec": s.rates.commands.per_second(),
        "total_net_input_bytes": net.bytes_in,
        "total_net_output_bytes": net.bytes_out,
        "total_net_repl_input_bytes": 0, "total_net_repl_output_bytes": 0,
        "total_net_cluster_slot_import_bytes": 0, "total_net_cluster_slot_export_bytes": 0,
        "instantaneous_input_kbps": format!("{:.2}", ratio(s.rates.bytes_in.per_second(), 1024)),
        "instantaneous_output_kbps": format!("{:.2}", ratio(s.rates.bytes_out.per_second(), 1024)),
        "instantaneous_input_repl_kbps": "0.00", "instantaneous_output_repl_kbps": "0.00",
        "rejected_connections": net.rejected,
        "sync_full": 0, "sync_partial_ok": 0, "sync_partial_err": 0,
        "expired_keys": keys.expired,
        "expired_fields": keys.expired_fields, "expired_stale_perc": "0.00", "expired_keys_with_volatile_items_stale_perc": "0.00",
        "expired_time_cap_reached_count": s.expire_cap_reached,
        "expire_cycle_cpu_milliseconds": s.expire_us / 1000,
        "evicted_keys": s.evicted_keys, "evicted_clients": s.evicted_clients, "evicted_scripts": 0,
        "total_eviction_exceeded_time": (s.over_limit_us + over_us) / 1000,
        "current_eviction_exceeded_time": over_us / 1000,
        "keyspace_hits": keys.hits, "keyspace_misses": keys.misses,
        "pubsub_channels": cx.shared.pubsub.len(Topic::Channel), "pubsub_patterns": cx.shared.pubsub.len(Topic::Pattern),
        "pubsubshard_channels": cx.shared.pubsub.len(Topic::Shard), "latest_fork_usec": 0,
        "total_forks": 0, "migrate_cached_sockets": 0, "slave_expires_tracked_keys": 0, "active_defrag_hits": 0,
        "active_defrag_misses": 0, "active_defrag_key_hits": 0, "active_defrag_key_misses": 0,
        "total_active_defrag_time": 0, "current_active_defrag_time": 0,
        "tracking_total_keys": cx.shared.tracking.keys(), "tracking_total_items": cx.shared.tracking.items(),
        "tracking_total_prefixes": cx.shared.tracking.prefixes(), "unexpected_error_replies": 0,
        "total_error_replies": s.error_replies,
        "dump_payload_sanitizations": 0,
        "total_reads_processed": net.reads, "total_writes_processed": net.writes,
        "io_threaded_reads_processed": net.io_reads, "io_threaded_writes_processed": net.io_writes,
        "io_threaded_freed_objects": net.io_freed,
        "io_threaded_accept_processed": 0, "io_threaded_poll_processed": net.io_polls,
        "io_threaded_total_prefetch_batches": net.io_prefetch_batches,
        "io_threaded_total_prefetch_entries": net.io_prefetch_entries,
        "active_io_threads_num": net.io_threads_running + 1,
        "instantaneous_io_pending_jobs": net.io_depth,
        "client_query_buffer_limit_disconnections": net.query_buffer_limit_disconnections,
        "client_output_buffer_limit_disconnections": net.output_buffer_limit_disconnections,
        "reply_buffer_shrinks": 0, "reply_buffer_expands": 0,
        "eventloop_cycles": net.loop_cycles,
        "eventloop_duration_sum": net.loop_duration_us,
        "eventloop_duration_cmd_sum": s.commands_us,
        "eventloop_duration_percentiles_usec": turns_line(&s.turns, net.loop_duration_max_us),
        "eventloop_longest_step_usec": steps_line(&s.longest),
        "instantaneous_eventloop_cycles_per_sec": s.rates.cycles.per_second(),
        "instantaneous_eventloop_duration_usec": net.loop_duration_us.checked_div(net.loop_cycles).unwrap_or(0),
        "acl_access_denied_auth": s.denied_auth,
        "acl_access_denied_cmd": 0, "acl_access_denied_key": 0, "acl_access_denied_channel": 0,
        "acl_access_denied_tls_cert": 0, "acl_access_denied_db": 0,
    );
}

/// How long turns of the event loop took, in the form of Latencystats.
fn turns_line(turns: &Histogram, max_us: u64) -> String {
    let mut line = String::new();
    for (name, percentile) in [("50", 50.0), ("99", 99.0), ("99.9", 99.9), ("99.99", 99.99)] {
        let us = if turns.count() == 0 { 0 } else { turns.percentile_ns(percentile) / 1000 };
        // Writing into a string cannot fail.
        let _ = write!(line, "p{name}={},", us.min(max_us));
    }
    let _ = write!(line, "max={max_us}");
    line
}

fn steps_line(longest: &LongestSteps) -> String {
    let LongestSteps { command_us, expire_us, evict_us, reclaim_us, cron_us } = longest;
    format!("command={command_us},expire={expire_us},evict={evict_us},reclaim={reclaim_us},cron={cron_us}")
}

pub(super) fn replication(text: &mut String, cx: &mut Ctx<'_>) {
    text.push_str("# Replication\r\n");
    lines!(text,
        "role": "master", "connected_slaves": 0, "replicas_waiting_psync": 0,
        "master_failover_state": "no-failover",
        "master_replid": cx.host.facts().run_id,
        "master_replid2": "0000000000000000000000000000000000000000",
        "master_repl_offset": 0, "second_repl_offset": -1, "repl_backlog_active": 0,
        "repl_backlog_size": cx.shared.config.text("repl-backlog-size"),
        "repl_backlog_first_byte_offset": 0, "repl_backlog_histlen": 0,
    );
}

pub(super) fn cpu(text: &mut String, cx: &mut Ctx<'_>) {
    let cpu = cx.host.cpu();
    let active_us = cx.host.net().loop_duration_us;
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.push_str("# CPU\r\n");
    lines!(text,
        "used_cpu_sys": seconds(cpu.system_us), "used_cpu_user": seconds(cpu.user_us),
        "used_cpu_sys_children": seconds(cpu.children_system_us),
        "used_cpu_user_children": seconds(cpu.children_user_us),
        "used_cpu_sys_main_thread": seconds(cpu.main_system_us),
        "used_cpu_user_main_thread": seconds(cpu.main_user_us),
        "used_active_time_main_thread": seconds(active_us),
    );
    // Threads beyond the configured number are about to end.
    let wanted = cx.shared.config.settings().io_threads.saturating_sub(1);
    for (index, us) in cx.host.io_thread_times_us().into_iter().take(wanted).enumerate() {
        let _ = write!(text, "used_active_time_io_thread_{}:{}\r\n", index + 1, seconds(us));
    }
}

pub(super) fn debug(text: &mut String, cx: &mut Ctx<'_>) {
    let net = cx.host.net();
    text.push_str("# Debug\r\n");
    lines!(text,
        "eventloop_duration_aof_sum": 0,
        "eventloop_duration_cron_sum": net.cron_ns / 1000,
        "eventloop_duration_max": net.loop_duration_max_us,
        "eventloop_cmd_per_cycle_max": net.loop_commands_max,
        "io_threaded_reads_pending": net.io_reads_pending, "io_threaded_writes_pending": net.io_writes_pending,
    );
}

pub(super) fn modules(text: &mut String, _cx: &mut Ctx<'_>) {
    text.push_str("# Modules\r\n");
}

fn all_commands() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().flat_map(|command| core::iter::once(command).chain(command.subcommands))
}

pub(super) fn commandstats(text: &mut String, cx: &mut Ctx<'_>) {
    text.push_str("# Commandstats\r\n");
    for command in all_commands() {
        let s = *cx.shared.stats.of(command);
        if s.calls + s.rejected + s.failed > 0 {
            let _ = write!(
                text,
                "cmdstat_{}:calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}\r\n",
                command.full_name,
                s.calls,
                s.duration_us,
                ratio(s.duration_us, s.calls),
                s.rejected,
                s.failed
            );
        }
    }
}

pub(super) fn errorstats(text: &mut String, cx: &mut Ctx<'_>) {
    text.push_str("# Errorstats\r\n");
    for (code, count) in &cx.shared.stats.errors {
        let _ = write!(text, "errorstat_{}:count={count}\r\n", String::from_utf8_lossy(code));
    }
}

pub(super) fn latencystats(text: &mut String, cx: &mut Ctx<'_>) {
    text.push_str("# Latencystats\r\n");
    let percentiles = &cx.shared.config.settings().latency_percentiles;
    for command in all_commands() {
        let Some(histogram) = cx.shared.latency.histogram(command).filter(|h| h.count() > 0) else {
            continue;
        };
        let _ = write!(text, "latency_percentiles_usec_{}:", command.full_name);
        for (index, percentile) in percentiles.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let mut scratch = crate::num::DoubleText::new();
            let name = String::from_utf8_lossy(scratch.format(*percentile)).into_owned();
            let ns = histogram.percentile_ns(*percentile);
            let _ = write!(text, "{comma}p{name}={}.{:03}", ns / 1000, ns % 1000);
        }
        text.push_str("\r\n");
    }
}

pub(super) fn cluster(text: &mut String, _cx: &mut Ctx<'_>) {
    text.push_str("# Cluster\r\n");
    lines!(text, "cluster_enabled": 0);
}

pub(super) fn keyspace(text: &mut String, cx: &mut Ctx<'_>) {
    let now_ms = cx.now.unix_ms();
    let keyspace = cx.keys.keyspace();
    text.push_str("# Keyspace\r\n");
    for db in 0..keyspace.databases() {
        let (keys, expires) = (keyspace.len(db), keyspace.expires_len(db));
        if keys > 0 {
            let (average, timed) = (keyspace.average_ttl_ms(db, now_ms), keyspace.timed_hashes_len(db));
            let _ = write!(
                text,
                "db{db}:keys={keys},expires={expires},avg_ttl={average},keys_with_volatile_items={timed}\r\n"
            );
        }
    }
}
