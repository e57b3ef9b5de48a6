//! The command log: slow commands, large requests, large replies.

use super::context::{Args, Moment};
use super::session::Session;
use crate::config::Settings;

/// The three logs.
#[derive(Debug, Default)]
pub struct CommandLogs {}

impl CommandLogs {
    /// Logs a finished command where it passes a threshold.
    #[inline]
    pub fn record(
        &mut self,
        _settings: &Settings,
        _session: &Session,
        _args: &Args<'_>,
        _redacted: u64,
        _now: Moment,
        _measured: Measured,
    ) {
    }
}

/// What was measured of a finished command.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Time it took, µs.
    pub duration_us: u64,
    /// Size of the request, bytes.
    pub request_len: usize,
    /// Size of the reply, bytes.
    pub reply_len: usize,
}
