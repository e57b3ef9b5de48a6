//! Counters for INFO: totals, per command, per error code, rates.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::host::NetTotals;
use super::latency::Histogram;
use crate::commands::table::{COMMAND_COUNT, Command};

/// Samples that a rate is averaged over.
const RATE_SAMPLES: usize = 16;
/// Kinds of errors that are told apart; further ones are counted together.
const ERROR_CODES_MAX: usize = 128;

/// Counters of one command.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandStats {
    /// Times executed.
    pub calls: u64,
    /// Time spent, µs.
    pub duration_us: u64,
    /// Times refused before execution.
    pub rejected: u64,
    /// Times it answered an error.
    pub failed: u64,
}

/// How fast a counter rises.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    samples: heapless::HistoryBuf<u64, RATE_SAMPLES>,
    last: u64,
}

impl Rate {
    fn sample(&mut self, total: u64, passed_us: u64) {
        let risen = u128::from(total.saturating_sub(self.last)) * 1_000_000;
        let rate = risen / u128::from(passed_us.max(1));
        self.samples.write(u64::try_from(rate).unwrap_or(u64::MAX));
        self.last = total;
    }

    /// Its rise in a second, averaged over the last samples.
    pub fn per_second(&self) -> u64 {
        let count = self.samples.len() as u64;
        self.samples.oldest_ordered().sum::<u64>().checked_div(count).unwrap_or(0)
    }
}

/// Rates that INFO shows.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// Commands.
    pub commands: Rate,
    /// Bytes received.
    pub bytes_in: Rate,
    /// Bytes sent.
    pub bytes_out: Rate,
    /// Turns of the event loop.
    pub cycles: Rate,
    sampled_us: u64,
}

/// The longest single pieces of work that a turn of the loop is made of, µs. A turn may be long because many clients are
/// served in it; no other client waits longer than for one of these and for what else is ready.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongestSteps {
    /// A command, with what it makes the table grow and what it evicts.
    pub command_us: u64,
    /// A step of expiry, its events included.
    pub expire_us: u64,
    /// A step of eviction between commands.
    pub evict_us: u64,
    /// A step of freeing.
    pub reclaim_us: u64,
    /// A run of the periodic work.
    pub cron_us: u64,
}

/// Counters for INFO.
#[derive(Debug)]
pub struct Stats {
    /// Monotonic clock at the start, µs.
    pub started_us: u64,
    /// Wall clock at the start, s.
    pub started_unix_s: i64,
    /// Commands executed.
    pub commands_processed: u64,
    /// Time spent in commands, µs.
    pub commands_us: u64,
    /// Error replies sent.
    pub error_replies: u64,
    /// Failed logins.
    pub denied_auth: u64,
    /// Changes of the data set.
    pub dirty: u64,
    /// Keys that went because memory was full.
    pub evicted_keys: u64,
    /// Clients that went because all together held more than they may.
    pub evicted_clients: u64,
    /// How long more memory than allowed was in use, µs, periods that are over.
    pub over_limit_us: u64,
    /// Since when it is, monotonic µs; 0: it is not.
    pub over_limit_since_us: u64,
    /// Time spent on expiry, µs.
    pub expire_us: u64,
    /// Times that expiry ran out of its budget.
    pub expire_cap_reached: u64,
    /// Flushed keys whose memory is given back.
    pub reclaimed: u64,
    /// How long the turns of the event loop took that had something to do.
    pub turns: Histogram,
    /// The longest steps of these turns.
    pub longest: LongestSteps,
    /// By command id.
    pub commands: Vec<CommandStats>,
    /// By error code.
    pub errors: BTreeMap<Vec<u8>, u64>,
    /// Rates.
    pub rates: Rates,
}

impl Default for Stats {
    fn default() -> Self {
        let mut commands = Vec::new();
        commands.resize(COMMAND_COUNT, CommandStats::default());
        Self {
            started_us: 0,
            started_unix_s: 0,
            commands_processed: 0,
            commands_us: 0,
            error_replies: 0,
            denied_auth: 0,
            dirty: 0,
            evicted_keys: 0,
            evicted_clients: 0,
            over_limit_us: 0,
            over_limit_since_us: 0,
            expire_us: 0,
            expire_cap_reached: 0,
            reclaimed: 0,
            turns: Histogram::default(),
            longest: LongestSteps::default(),
            commands,
            errors: BTreeMap::new(),
            rates: Rates::default(),
        }
    }
}

impl Stats {
    /// Counters of a command.
    #[inline]
    pub fn of(&mut self, command: &Command) -> &mut CommandStats {
        &mut self.commands[usize::from(command.id.0)]
    }

    /// Counts an error reply by the code that begins its line (without the `-`).
    #[cold]
    pub fn count_error(&mut self, line: &[u8]) {
        self.error_replies += 1;
        let end = line.iter().take(32).position(|&byte| byte == b' ');
        let code = end.and_then(|end| line.get(..end)).unwrap_or(b"ERR");
        let full = self.errors.len() >= ERROR_CODES_MAX && !self.errors.contains_key(code);
        let code = if full { b"ERRORSTATS_OVERFLOW" } else { code };
        *self.errors.entry(code.to_vec()).or_default() += 1;
    }

    /// Takes samples for the rates.
    pub fn sample(&mut self, now_us: u64, net: &NetTotals) {
        let passed = now_us.saturating_sub(self.rates.sampled_us);
        self.rates.sampled_us = now_us;
        self.rates.commands.sample(self.commands_processed, passed);
        self.rates.bytes_in.sample(net.bytes_in, passed);
        self.rates.bytes_out.sample(net.bytes_out, passed);
        self.rates.cycles.sample(net.loop_cycles, passed);
    }

    /// When the rates were sampled last, monotonic µs.
    pub fn sampled_us(&self) -> u64 {
        self.rates.sampled_us
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&mut self) {
        let (started_us, started_unix_s, dirty) = (self.started_us, self.started_unix_s, self.dirty);
        *self = Self { started_us, started_unix_s, dirty, ..Self::default() };
    }
}
