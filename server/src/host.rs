//! What the engine asks of the process, answered by [`Outside`].

use core::fmt;
use core::fmt::Write as _;

use vireo_core::config::{Change, Config, RewriteExtent};
use vireo_core::engine::ClientSlot;
use vireo_core::engine::host::{
    CpuUse, DebugSwitch, GarbageOut, Host, HostFacts, IoUse, LogLevel, MemoryUse, NetTotals,
};
use vireo_core::offload::Marks;
use vireo_core::platform::{Clock, CpuSampler, Net, Platform, System, Threads};

use crate::config_file::{self, error_text, working_folder};
use crate::outside::Outside;
use crate::workers::Crew;
use crate::{alloc, allocator, log};

impl<P: Platform> Host for Outside<P> {
    #[inline]
    fn monotonic_us(&mut self) -> u64 {
        self.mono_us()
    }

    fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn used_memory(&mut self, slot_bytes: u64) -> u64 {
        alloc::used() + slot_bytes
    }

    fn garbage(&mut self) -> GarbageOut {
        let mut out = self.crew.as_ref().map(Crew::garbage).unwrap_or_default();
        out.objects_freed -= self.marks.objects_freed_before;
        out
    }

    fn memory(&mut self, slot_bytes: u64) -> MemoryUse {
        let used = alloc::used() + slot_bytes;
        self.marks.peak = self.marks.peak.max(used);
        let rss = P::System::resident_bytes();
        let figures = allocator::figures(used, rss);
        MemoryUse {
            used,
            peak: self.marks.peak,
            startup: self.marks.startup,
            rss,
            allocator_allocated: figures.allocated,
            allocator_active: figures.active,
            allocator_resident: figures.resident,
            allocator_frag_smallbins: 0,
            allocator_muzzy: 0,
        }
    }

    fn cpu(&mut self) -> CpuUse {
        let (all, children) = (P::Cpu::process(), P::Cpu::children());
        let main = P::Cpu::thread().unwrap_or(all);
        CpuUse {
            system_us: all.system_us,
            user_us: all.user_us,
            children_system_us: children.system_us,
            children_user_us: children.user_us,
            main_system_us: main.system_us,
            main_user_us: main.user_us,
        }
    }

    fn net(&mut self) -> NetTotals {
        let Some(crew) = &self.crew else { return self.totals };
        let (done, before) = (crew.done(), self.marks.done_before);
        let (reads_lent, writes_lent) = crew.lent();
        NetTotals {
            reads: self.totals.reads + done.socket_reads - before.socket_reads,
            writes: self.totals.writes + done.socket_writes - before.socket_writes,
            bytes_in: self.totals.bytes_in + done.bytes_in - before.bytes_in,
            bytes_out: self.totals.bytes_out + done.bytes_out - before.bytes_out,
            io_reads: done.reads - before.reads,
            io_reads_pending: reads_lent.saturating_sub(done.reads_lent),
            io_writes: done.writes - before.writes,
            io_writes_pending: writes_lent.saturating_sub(done.writes),
            io_threads_running: crew.running(),
            io_depth: crew.depth(),
            ..self.totals
        }
    }

    fn io_thread_times_us(&mut self) -> Vec<u64> {
        self.crew.iter().flat_map(|crew| crew.active_us()).collect()
    }

    fn reset_stats(&mut self, slot_bytes: u64) {
        self.totals = NetTotals::default();
        self.marks.done_before = self.crew.as_ref().map(Crew::done).unwrap_or_default();
        self.marks.peak = alloc::used() + slot_bytes;
        self.marks.objects_freed_before += self.garbage().objects_freed;
    }

    fn io_use(&mut self, slot: ClientSlot) -> IoUse {
        match self.current {
            Some((current, io)) if current == slot => io,
            _ => self.connections.io_use(slot),
        }
    }

    fn apply(&mut self, changes: &[Change], config: &mut Config) -> Result<(), (&'static str, String)> {
        for (index, change) in changes.iter().enumerate() {
            if changes.iter().take(index).any(|earlier| group(earlier.name) == group(change.name)) {
                continue;
            }
            let Err(why) = self.put_into_effect(change.name, config) else { continue };
            self.log(
                LogLevel::Warning,
                format_args!(
                    "Failed applying new configuration. Possibly related to new {} setting. Restoring previous \
                     settings.",
                    change.name
                ),
            );
            let mut before = config.clone();
            before.revert(changes);
            for done in changes.iter().take(index + 1) {
                if let Err(why) = self.put_into_effect(done.name, &mut before) {
                    let line = format_args!(
                        "Failed applying restored failed CONFIG SET command: {} {why}",
                        done.name
                    );
                    self.log(LogLevel::Warning, line);
                }
            }
            return Err((change.name, why));
        }
        Ok(())
    }

    fn rewrite_config(&mut self, config: &Config, extent: RewriteExtent) -> Result<(), String> {
        let path = self.facts.config_file.clone();
        if path.is_empty() {
            return Err("The server is running without a config file".to_owned());
        }
        config_file::rewrite::<P::Files>(&path, config, extent)
            .map_err(|why| format!("Rewriting config file: {why}"))
    }

    fn log(&mut self, level: LogLevel, line: fmt::Arguments<'_>) {
        log::write(level, self.now.unix_us, line);
    }

    fn purge_memory(&mut self) -> Result<(), &'static str> {
        allocator::purge()
    }

    fn allocator_report(&mut self) -> Vec<u8> {
        let mut report = String::new();
        // Writing into a string cannot fail.
        let _ = writeln!(report, "{}: {:?}", self.facts.allocator, allocator::figures(alloc::used(), 0));
        report.into_bytes()
    }

    fn listeners(&mut self) -> Vec<String> {
        self.listeners.described().to_vec()
    }

    fn sleep_us(&mut self, us: u64) {
        let end = self.clock.monotonic_ns().saturating_add(us.saturating_mul(1000));
        while self.clock.monotonic_ns() < end {
            let left = end.saturating_sub(self.clock.monotonic_ns());
            P::Threads::park_for(left);
        }
    }

    fn random_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        P::System::entropy(&mut bytes);
        u64::from_ne_bytes(bytes)
    }

    fn debug_switch(&mut self, switch: DebugSwitch, on: bool) {
        match switch {
            DebugSwitch::PauseCron => self.switches.pause_cron = on,
            DebugSwitch::EnforceReplyList => self.switches.enforce_reply_list = on,
            DebugSwitch::ResizeReplyBuffers => self.switches.keep_reply_buffers = !on,
        }
    }
}

impl<P: Platform> Outside<P> {
    /// Does what a directive's new value asks for.
    fn put_into_effect(&mut self, name: &str, config: &mut Config) -> Result<(), String> {
        match group(name) {
            "port" => self.listen_again(name, config),
            "dir" => {
                std::env::set_current_dir(config.text("dir")).map_err(|error| error_text(&error))?;
                config.set_by_host("dir", &working_folder());
                Ok(())
            }
            "maxclients" => Self::allow_clients(config),
            "loglevel" => {
                log::configure(config);
                Ok(())
            }
            "jemalloc-bg-thread" => allocator::set_background(config.is_on("jemalloc-bg-thread")),
            "oom-score-adj" => self.process.oom.apply(config),
            "proc-title-template" => {
                self.process.show_title(config, &self.facts.config_file);
                Ok(())
            }
            "client-query-buffer-limit" | "proto-max-bulk-len" => {
                // Who rests is read from by the limits of its last request: the next is read by this thread's leave again.
                self.call_all();
                Ok(())
            }
            "tcp-keepalive" => {
                self.keep_alive(config.settings().tcp_keepalive_s);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Listens where the configuration says now; nowhere when that fails.
    fn listen_again(&mut self, name: &str, config: &Config) -> Result<(), String> {
        let Err(error) = self.listeners.listen_tcp(&self.poller, config) else {
            self.process.show_title(config, &self.facts.config_file);
            return Ok(());
        };
        self.log(
            LogLevel::Warning,
            format_args!("Could not create server TCP listening socket {}: {}", error.place, error.why),
        );
        Err(if name == "bind" {
            "Failed to bind to specified addresses.".to_owned()
        } else {
            "Unable to listen on this port. Check server logs.".to_owned()
        })
    }

    fn allow_clients(config: &Config) -> Result<(), String> {
        let wanted = config.settings().maxclients;
        let got = P::System::raise_open_files(wanted + crate::boot::RESERVED_FILES);
        if got < wanted + crate::boot::RESERVED_FILES {
            let possible = got.saturating_sub(crate::boot::RESERVED_FILES);
            return Err(format!(
                "The operating system is not able to handle the specified number of clients, try with {possible}"
            ));
        }
        Ok(())
    }

    /// Calls all clients that rest.
    fn call_all(&mut self) {
        for slot in self.connections.slots() {
            self.connections.call(slot, Marks::default());
        }
    }

    fn keep_alive(&mut self, seconds: u32) {
        self.call_all();
        for slot in self.connections.slots() {
            if let Some(connection) = self.connections.get(slot) {
                // A unix socket has no such option; that is no error worth telling.
                let _ = P::Net::set_keepalive(&connection.socket, seconds);
            }
        }
    }
}

/// The directive that stands for all that take effect together.
fn group(name: &str) -> &str {
    match name {
        "bind" => "port",
        "log-format" | "log-timestamp-format" => "loglevel",
        "oom-score-adj-values" => "oom-score-adj",
        other => other,
    }
}
