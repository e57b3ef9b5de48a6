//! A host without a process: clocks that are told what to show, and nothing behind the rest.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::config::{Change, Config, RewriteExtent};
use crate::engine::ClientSlot;
use crate::engine::host::{
    CpuUse, DebugSwitch, GarbageOut, Host, HostFacts, IoUse, LogLevel, MemoryUse, NetTotals,
};
use crate::rng::Rng;

/// A host without a process.
#[derive(Debug)]
pub struct BareHost {
    /// What the monotonic clock shows, µs. Every look at it takes one.
    pub mono_us: u64,
    /// What each client's I/O half holds.
    pub io: IoUse,
    facts: HostFacts,
    rng: Rng,
}

impl BareHost {
    /// A host whose clock begins at a second.
    pub fn new() -> Self {
        let facts = HostFacts { run_id: "0".repeat(40), ..HostFacts::default() };
        Self { mono_us: 1_000_000, io: IoUse::default(), facts, rng: Rng::new(1) }
    }
}

impl Default for BareHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for BareHost {
    fn monotonic_us(&mut self) -> u64 {
        self.mono_us += 1;
        self.mono_us
    }

    fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn used_memory(&mut self, slot_bytes: u64) -> u64 {
        slot_bytes
    }

    fn garbage(&mut self) -> GarbageOut {
        GarbageOut::default()
    }

    fn memory(&mut self, slot_bytes: u64) -> MemoryUse {
        MemoryUse { used: slot_bytes, peak: slot_bytes, ..MemoryUse::default() }
    }

    fn cpu(&mut self) -> CpuUse {
        CpuUse::default()
    }

    fn net(&mut self) -> NetTotals {
        NetTotals::default()
    }

    fn io_thread_times_us(&mut self) -> Vec<u64> {
        Vec::new()
    }

    fn reset_stats(&mut self, _slot_bytes: u64) {}

    fn io_use(&mut self, _slot: ClientSlot) -> IoUse {
        self.io
    }

    fn apply(&mut self, _changes: &[Change], _config: &mut Config) -> Result<(), (&'static str, String)> {
        Ok(())
    }

    fn rewrite_config(&mut self, _config: &Config, _extent: RewriteExtent) -> Result<(), String> {
        Err("The server is running without a config file".to_string())
    }

    fn log(&mut self, _level: LogLevel, _line: fmt::Arguments<'_>) {}

    fn purge_memory(&mut self) -> Result<(), &'static str> {
        Ok(())
    }

    fn allocator_report(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn listeners(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn sleep_us(&mut self, us: u64) {
        self.mono_us = self.mono_us.saturating_add(us);
    }

    fn random_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn debug_switch(&mut self, _switch: DebugSwitch, _on: bool) {}
}
