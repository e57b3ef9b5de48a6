//! What the engine asks of the process it runs in.
//!
//! The engine stays pure: everything it cannot know by itself comes through [`Host`], implemented by the
//! server over real system calls and by tests over numbers of their own. What the outside must *do* after a
//! command (close a client, stop) is pushed as a [`HostRequest`] and carried out when the command is over.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::session::ClientSlot;
use crate::config::{Change, Config, RewriteExtent};

/// Importance of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Rare but useful.
    Verbose,
    /// What an operator wants to see.
    Notice,
    /// What an operator must see.
    Warning,
}

/// Facts of the process that do not change while it runs, for INFO and HELLO.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {
    /// "Linux 6.1.0 x86_64".
    pub os: String,
    /// "epoll", "kqueue".
    pub multiplexing_api: &'static str,
    /// Process number.
    pub pid: u32,
    /// Path of the running program.
    pub executable: String,
    /// Absolute path of the configuration file; empty when there is none.
    pub config_file: String,
    /// The clock in use, as INFO names it.
    pub monotonic_clock: String,
    /// Physical memory of the machine, bytes.
    pub total_system_memory: u64,
    /// What supervises the process: "no", "systemd", "upstart".
    pub supervised: &'static str,
    /// Random 40 hex digits of this run.
    pub run_id: String,
    /// "jemalloc-5.3.1", "libc".
    pub allocator: String,
    /// Compiler the server was built with.
    pub compiler: &'static str,
    /// Commit the server was built from; empty when unknown.
    pub commit: &'static str,
}

/// Memory of the process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryUse {
    /// Allocated by the program, by the allocator's size classes.
    pub used: u64,
    /// Highest `used` seen.
    pub peak: u64,
    /// `used` when the server had started.
    pub startup: u64,
    /// Resident set.
    pub rss: u64,
    /// In live allocations, as the allocator counts.
    pub allocator_allocated: u64,
    /// In pages with live allocations.
    pub allocator_active: u64,
    /// In pages the allocator holds.
    pub allocator_resident: u64,
    /// In small-object slabs but not allocated.
    pub allocator_frag_smallbins: u64,
    /// Pages given up but still resident.
    pub allocator_muzzy: u64,
}

/// Processor time of the process, µs.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuUse {
    /// In the kernel.
    pub system_us: u64,
    /// In the program.
    pub user_us: u64,
    /// Of waited-for children, in the kernel.
    pub children_system_us: u64,
    /// Of waited-for children, in the program.
    pub children_user_us: u64,
    /// Of the main thread, in the kernel.
    pub main_system_us: u64,
    /// Of the main thread, in the program.
    pub main_user_us: u64,
}

/// What a client's I/O half holds, for CLIENT LIST and the memory reports. Memory is told once: what several clients use in
/// turn (the buffers that requests are read to and replies are written to first) is none of theirs.
#[derive(Clone, Copy, Debug, Default)]
pub struct IoUse {
    /// Request bytes that are not decoded yet.
    pub query_len: usize,
    /// Free room of the read buffer.
    pub query_free: usize,
    /// Request bytes that are decoded, of a request that is not whole or does not run yet.
    pub argv_mem: usize,
    /// Memory of requests, read and decoded, and of the I/O half itself.
    pub input_bytes: usize,
    /// Memory that it will need beyond that for an argument whose length it has told; nothing is reserved for it.
    pub claimed_bytes: usize,
    /// Memory of the first reply buffer; 0: it has none of its own.
    pub reply_capacity: usize,
    /// Highest use of the reply buffer lately.
    pub reply_peak: usize,
    /// Bytes that wait in the first reply buffer.
    pub reply_len: usize,
    /// Further reply chunks.
    pub reply_chunks: usize,
    /// Memory of those chunks, values that are sent from where they lie included.
    pub reply_chunk_bytes: usize,
    /// Waiting to be readable.
    pub reading: bool,
    /// Waiting to be writable.
    pub writing: bool,
    /// Bytes received.
    pub net_in: u64,
    /// Bytes sent.
    pub net_out: u64,
}

impl IoUse {
    /// All memory it holds, bytes.
    #[inline]
    pub fn memory(&self) -> usize {
        self.input_bytes + self.reply_capacity + self.reply_chunk_bytes
    }
}

/// Large values that other threads free.
#[derive(Clone, Copy, Debug, Default)]
pub struct GarbageOut {
    /// Objects that they have, not freed yet.
    pub objects_pending: u64,
    /// Objects that they have freed.
    pub objects_freed: u64,
    /// Memory of what they have not freed yet.
    pub bytes_pending: u64,
}

/// Totals of the network side, for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetTotals {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused over `maxclients`.
    pub rejected: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Times a socket was read from.
    pub reads: u64,
    /// Times a socket was written to.
    pub writes: u64,
    /// Clients closed because their query buffer passed its limit.
    pub query_buffer_limit_disconnections: u64,
    /// Clients closed because their replies passed the limit.
    pub output_buffer_limit_disconnections: u64,
    /// Turns of the event loop.
    pub loop_cycles: u64,
    /// Events in those turns.
    pub loop_events: u64,
    /// Time spent in turns that did something, µs.
    pub loop_duration_us: u64,
    /// The longest of those turns, µs.
    pub loop_duration_max_us: u64,
    /// Most commands executed in a turn.
    pub loop_commands_max: u64,
    /// Time spent in periodic work, ns.
    pub cron_ns: u64,
    /// Reads that I/O threads did, and those that they have yet to do.
    pub io_reads: u64,
    /// See above.
    pub io_reads_pending: u64,
    /// Writes that I/O threads did, and those that they have yet to do.
    pub io_writes: u64,
    /// See above.
    pub io_writes_pending: u64,
    /// Polls that I/O threads did.
    pub io_polls: u64,
    /// Values that I/O threads freed.
    pub io_freed: u64,
    /// Batches of clients whose keys were fetched together.
    pub io_prefetch_batches: u64,
    /// Keys in them.
    pub io_prefetch_entries: u64,
    /// I/O threads that take jobs.
    pub io_threads_running: usize,
    /// Jobs that no I/O thread has taken.
    pub io_depth: usize,
    /// Largest query buffer of a client lately.
    pub query_buffer_max: u64,
    /// Largest reply buffer of a client lately.
    pub reply_buffer_max: u64,
}

/// What the server must do once the command is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRequest {
    /// A client that waited for a key goes on.
    Unblocked(ClientSlot),
    /// Close a client at once.
    Kill(ClientSlot),
    /// Close a client whose reply would pass its output limit; it was not written for that.
    ReplyTooLarge(ClientSlot),
    /// Memory limits were changed.
    LimitsChanged,
    /// Stop the process.
    Shutdown {
        /// Do not wait for anything.
        now: bool,
        /// Stop though something failed.
        force: bool,
    },
    /// A pause began or ended: look again at the clients that wait.
    PauseChanged,
    /// End the process as a crash would (`DEBUG SEGFAULT` and its kin).
    Crash(CrashKind),
}

/// Ways to end the process on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// Invalid memory access.
    Segfault,
    /// Failed assertion.
    Panic,
    /// Out of memory.
    Oom,
}

/// The process around the engine.
pub trait Host {
    /// Monotonic time in µs; the cheapest clock there is, read after each command.
    fn monotonic_us(&mut self) -> u64;
    /// Facts that do not change.
    fn facts(&self) -> &HostFacts;
    /// Bytes in use, cheap enough for every write under `maxmemory`: what is allocated, blocks of slots aside, and the slots
    /// in use (the keyspace knows how much that is).
    fn used_memory(&mut self, slot_bytes: u64) -> u64;
    /// Large values that other threads free.
    fn garbage(&mut self) -> GarbageOut;
    /// All memory figures, with the bytes of the slots in use.
    fn memory(&mut self, slot_bytes: u64) -> MemoryUse;
    /// Processor time.
    fn cpu(&mut self) -> CpuUse;
    /// Network totals.
    fn net(&mut self) -> NetTotals;
    /// Time that each I/O thread has worked, µs.
    fn io_thread_times_us(&mut self) -> Vec<u64>;
    /// Sets the network totals to zero (`CONFIG RESETSTAT`).
    fn reset_stats(&mut self, slot_bytes: u64);
    /// What a client's I/O half holds.
    fn io_use(&mut self, slot: ClientSlot) -> IoUse;
    /// Puts changed settings into effect; all or none. What turns out otherwise than asked for (a relative folder) is
    /// put into the configuration. The error names the directive and says why.
    ///
    /// # Errors
    /// The directive that cannot be, and why.
    fn apply(&mut self, changes: &[Change], config: &mut Config) -> Result<(), (&'static str, String)>;
    /// Writes the configuration file anew.
    ///
    /// # Errors
    /// What CONFIG REWRITE answers.
    fn rewrite_config(&mut self, config: &Config, extent: RewriteExtent) -> Result<(), String>;
    /// Writes a log line.
    fn log(&mut self, level: LogLevel, line: fmt::Arguments<'_>);
    /// Gives unused memory back to the system (`MEMORY PURGE`).
    ///
    /// # Errors
    /// Why that cannot be.
    fn purge_memory(&mut self) -> Result<(), &'static str>;
    /// The allocator's own report (`MEMORY MALLOC-STATS`).
    fn allocator_report(&mut self) -> Vec<u8>;
    /// Addresses listened on, as INFO's `listenerN` lines show them.
    fn listeners(&mut self) -> Vec<String>;
    /// Blocks the executor on purpose (`DEBUG SLEEP`).
    fn sleep_us(&mut self, us: u64);
    /// Random bits that nobody can predict.
    fn random_u64(&mut self) -> u64;
    /// A switch of the server's own, for test suites (`DEBUG PAUSE-CRON`, `CLIENT-ENFORCE-REPLY-LIST`, ...).
    fn debug_switch(&mut self, switch: DebugSwitch, on: bool);
}

/// Switches of the server that test suites flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugSwitch {
    /// Periodic work stops.
    PauseCron,
    /// Every reply counts as if it were queued.
    EnforceReplyList,
    /// Unused reply buffers are given back; on unless switched off.
    ResizeReplyBuffers,
}
