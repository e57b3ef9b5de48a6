//! The latency monitor: events that took longer than the threshold, and histograms per command.

use crate::commands::table::Command;

/// Events over the threshold, per name, and histograms per command.
#[derive(Debug, Default)]
pub struct LatencyMonitor {}

impl LatencyMonitor {
    /// Adds to a command's histogram.
    #[inline]
    pub fn record_command(&mut self, _command: &Command, _duration_us: u64) {}

    /// Keeps a sample of an event; the caller has checked the threshold.
    #[cold]
    pub fn add(&mut self, _event: &'static str, _now_s: i64, _duration_ms: u64) {}
}
