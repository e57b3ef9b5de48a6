//! The command log: slow commands, large requests, large replies.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::context::{Args, Moment};
use super::session::Session;
use crate::config::Settings;

/// Arguments of an entry; further ones are counted in the last.
const ARGS_MAX: usize = 32;
/// Bytes of an argument; further ones are counted behind them.
const ARG_LEN_MAX: usize = 128;

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// Took long.
    Slow,
    /// A large request.
    LargeRequest,
    /// A large reply.
    LargeReply,
}

/// An entry.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Its number.
    pub id: u64,
    /// When, s since 1970.
    pub unix_s: i64,
    /// µs or bytes.
    pub value: u64,
    /// The command line, cut.
    pub args: Vec<Vec<u8>>,
    /// The client's address.
    pub addr: Box<str>,
    /// The client's name.
    pub name: Vec<u8>,
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

#[derive(Debug, Default)]
struct Log {
    /// The newest first.
    entries: VecDeque<LogEntry>,
    next_id: u64,
}

/// The three logs.
#[derive(Debug, Default)]
pub struct CommandLogs {
    logs: [Log; 3],
}

/// From which value on something is logged; nothing is when the threshold is negative.
#[inline]
fn from(threshold: i64) -> u64 {
    threshold.cast_unsigned()
}

impl CommandLogs {
    /// Logs a finished command where it passes a threshold.
    #[inline]
    pub fn record(
        &mut self,
        settings: &Settings,
        session: &Session,
        args: &Args<'_>,
        redacted: u64,
        now: Moment,
        measured: Measured,
    ) {
        let values = [measured.duration_us, measured.request_len as u64, measured.reply_len as u64];
        let [slow, request, reply] = settings.commandlog.map(|(threshold, _)| from(threshold));
        if values[0] >= slow || values[1] >= request || values[2] >= reply {
            self.write(settings, values, |value| entry(session, args, redacted, now, value));
        }
    }

    #[cold]
    fn write(&mut self, settings: &Settings, values: [u64; 3], entry: impl Fn(u64) -> LogEntry) {
        for ((log, (threshold, len_max)), value) in self.logs.iter_mut().zip(settings.commandlog).zip(values)
        {
            if value >= from(threshold) && len_max > 0 {
                log.push(entry(value), len_max);
            }
        }
    }

    /// The entries of a log, the newest first.
    pub fn entries(&self, kind: LogKind) -> &VecDeque<LogEntry> {
        &self.logs[kind as usize].entries
    }

    /// Empties a log.
    pub fn reset(&mut self, kind: LogKind) {
        self.logs[kind as usize].entries.clear();
    }

    /// Shortens the logs to their present lengths.
    pub fn trim(&mut self, settings: &Settings) {
        for (log, (_, len_max)) in self.logs.iter_mut().zip(settings.commandlog) {
            log.entries.truncate(usize::try_from(len_max).unwrap_or(usize::MAX));
        }
    }
}

impl Log {
    #[cold]
    fn push(&mut self, mut entry: LogEntry, len_max: u64) {
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(usize::try_from(len_max).unwrap_or(usize::MAX));
    }
}

#[cold]
fn entry(session: &Session, args: &Args<'_>, redacted: u64, now: Moment, value: u64) -> LogEntry {
    let shown = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
    let is_redacted = |index: usize| index < 64 && redacted >> index & 1 == 1;
    let mut kept: Vec<Vec<u8>> = (0..shown)
        .map(|index| if is_redacted(index) { b"(redacted)".to_vec() } else { cut(args.at(index)) })
        .collect();
    if args.len() > ARGS_MAX {
        kept.push(alloc::format!("... ({} more arguments)", args.len() - shown).into_bytes());
    }
    LogEntry {
        id: 0,
        unix_s: now.unix_s(),
        value,
        args: kept,
        addr: session.addr.clone(),
        name: session.name.clone(),
    }
}

fn cut(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_LEN_MAX {
        return arg.to_vec();
    }
    let more = alloc::format!("... ({} more bytes)", arg.len() - ARG_LEN_MAX);
    [&arg[..ARG_LEN_MAX], more.as_bytes()].concat()
}
