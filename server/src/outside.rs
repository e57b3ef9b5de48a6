//! Everything around the engine: sockets, poller, clocks, log, and what the engine asks of them.
//!
//! The loop in `serve.rs` owns the engine and an [`Outside`] side by side, so that a command can run while
//! the outside answers its questions through [`Host`](vireo_core::engine::Host) (`host.rs`).

use core::fmt;

use vireo_core::config::Config;
use vireo_core::engine::host::{HostFacts, LogLevel, NetTotals};
use vireo_core::engine::{ClientSlot, Engine, Moment};
use vireo_core::platform::{Clock, Event, Interest, Platform, Poller};

use crate::connection::{Connection, Connections};
use crate::listen::Listeners;
use crate::log;
use crate::serve::Socket;

/// Marks the tokens of the loop's own sources; connections never set it.
const OWN_TOKEN: u64 = 1 << 63;

/// Switches that test suites flip.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// The periodic work stands still.
    pub(crate) pause_cron: bool,
    /// Every reply counts as if it were queued in a chunk.
    pub(crate) enforce_reply_list: bool,
}

/// Everything around the engine.
pub(crate) struct Outside<P: Platform> {
    pub(crate) platform: P,
    pub(crate) poller: P::Poller,
    pub(crate) clock: P::Clock,
    pub(crate) connections: Connections<Socket<P>>,
    pub(crate) listeners: Listeners<P>,
    pub(crate) facts: HostFacts,
    pub(crate) totals: NetTotals,
    pub(crate) switches: Switches,
    /// The process is to end.
    pub(crate) stopping: bool,
    /// The connection whose requests run now, and what it held when they began.
    pub(crate) current: Option<(ClientSlot, vireo_core::engine::host::IoUse)>,
    /// Connections that others' commands gave bytes to.
    pub(crate) flush_list: Vec<ClientSlot>,
    /// Connections whose requests wait for the end of a pause.
    pub(crate) paused: Vec<ClientSlot>,
    /// The clients were let go on: `CLIENT UNPAUSE`, or a pause changed.
    pub(crate) pause_changed: bool,
    /// When the periodic work is due, monotonic µs.
    pub(crate) cron_due_us: u64,
    /// Where the periodic walk over the clients stands.
    pub(crate) cron_cursor: usize,
    /// The loop's reading of the clocks, refreshed each turn.
    now: Moment,
    /// Highest memory use seen.
    pub(crate) memory_peak: u64,
    /// Memory in use when the server had started.
    pub(crate) memory_startup: u64,
}

impl<P: Platform> Outside<P> {
    /// The loop's reading of the clocks.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// Takes over the clock as a batch of commands has moved it on.
    pub(crate) fn set_now(&mut self, now: Moment) {
        self.now = now;
    }

    /// Reads both clocks anew. Returns the monotonic time, µs.
    pub(crate) fn refresh_clock(&mut self) -> u64 {
        self.now = Moment { mono_us: self.clock.monotonic_us(), unix_us: self.clock.unix_us() };
        self.now.mono_us
    }

    /// Writes a log line.
    pub(crate) fn log(&mut self, level: LogLevel, line: fmt::Arguments<'_>) {
        log::write(level, self.now.unix_us, line);
    }
}
