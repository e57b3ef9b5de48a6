//! What a command works with: its arguments and its [`Ctx`].

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;
use core::ops::Index;

use super::error::CmdError;
use super::host::Host;
use super::session::Session;
use super::shared::Shared;
use crate::commands::table::Command;
use crate::keyspace::{Key, Keys};
use crate::num;
use crate::resp::{Reply, Span};

/// The arguments of a request, the command's name first: spans of the client's read buffer.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
    first_hash: Option<u64>,
    command: Option<&'static Command>,
}

impl<'a> Args<'a> {
    /// Arguments that lie at `spans` of `buf`, the bytes of exactly this request, as the decoder found them.
    #[inline]
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Self {
        Self { buf, spans, first_hash: None, command: None }
    }

    /// Same, with what is known already: the hash of argument 1 by the keyspace's hasher (most keys are there), and the
    /// table's command of this name.
    #[inline]
    pub fn with_hints(self, first_hash: Option<u64>, command: Option<&'static Command>) -> Self {
        Self { first_hash, command, ..self }
    }

    /// The table's command of this name, where it was looked up already.
    #[inline]
    pub(super) fn known_command(&self) -> Option<&'static Command> {
        self.command
    }

    /// How many there are, the name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// A request without even a name; the decoder makes none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let span = self.spans.get(index)?;
        self.buf.get(span.range())
    }

    /// The argument at `index`, which the arity check or the caller's own count has shown to exist.
    ///
    /// # Panics
    /// When there is no such argument: our own bug.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        &self.buf[self.spans[index].range()]
    }

    /// The argument at `index` is this word, in any case.
    #[inline]
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// All arguments from `start` on.
    pub fn iter_from(&self, start: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let (buf, spans) = (self.buf, self.spans.get(start..).unwrap_or(&[]));
        spans.iter().map(move |span| &buf[span.range()])
    }

    /// The argument at `index` as a 64-bit integer.
    ///
    /// # Errors
    /// `ERR value is not an integer or out of range`.
    #[inline]
    pub fn int(&self, index: usize) -> Result<i64, CmdError> {
        num::parse_i64(self.at(index)).ok_or(CmdError::NOT_INTEGER)
    }

    /// Bytes of the request as it came over the wire.
    pub fn wire_len(&self) -> usize {
        self.buf.len()
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter_from(0).map(<[u8]>::escape_ascii)).finish()
    }
}

/// The moment at which a command runs. Time stands still while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic clock, µs.
    pub mono_us: u64,
    /// Wall clock, µs since 1970.
    pub unix_us: i64,
}

impl Moment {
    /// Wall clock, ms since 1970.
    #[inline]
    pub fn unix_ms(&self) -> i64 {
        self.unix_us / 1000
    }

    /// Wall clock, s since 1970.
    #[inline]
    pub fn unix_s(&self) -> i64 {
        self.unix_us / 1_000_000
    }

    /// Moves on to a later reading of the monotonic clock, the wall clock by the same distance.
    #[inline]
    pub fn advance_to(&mut self, mono_us: u64) {
        let passed = mono_us.saturating_sub(self.mono_us);
        self.mono_us += passed;
        self.unix_us = self.unix_us.saturating_add_unsigned(passed);
    }
}

/// All that a command may touch. The fields are apart so that one can be read while another is written.
pub struct Ctx<'a> {
    /// The client whose command runs.
    pub session: &'a mut Session,
    /// The keys of the selected database.
    pub keys: Keys<'a>,
    /// What all clients share: configuration, statistics, logs, the other clients.
    pub shared: &'a mut Shared,
    /// Where the reply goes.
    pub reply: Reply<'a>,
    /// When the command runs.
    pub now: Moment,
    /// The process around the engine.
    pub host: &'a mut dyn Host,
    /// The command that runs.
    pub command: &'static Command,
}

impl Ctx<'_> {
    /// The argument at `index`, as a key.
    #[inline]
    pub fn key<'k>(&self, args: &Args<'k>, index: usize) -> Key<'k> {
        match args.first_hash {
            Some(hash) if index == 1 => Key { bytes: args.at(1), hash },
            _ => self.keys.key(args.at(index)),
        }
    }

    /// Writes an error line that carries arguments; line ends in it become spaces.
    ///
    /// Returns the value with which the command then ends.
    #[cold]
    pub fn fail(&mut self, text: fmt::Arguments<'_>) -> CmdError {
        let mut line = String::new();
        // Formatting into a String cannot fail.
        let _ = line.write_fmt(text);
        self.reply.error(line.as_bytes());
        CmdError::Replied
    }

    /// Same, with parts that are bytes of the client's own.
    #[cold]
    pub fn fail_bytes(&mut self, parts: &[&[u8]]) -> CmdError {
        let line: Vec<u8> = parts.concat();
        self.reply.error(&line);
        CmdError::Replied
    }

    /// Keeps an argument out of MONITOR and the command log.
    pub fn redact(&mut self, index: usize) {
        if let Some(bit) = u32::try_from(index).ok().and_then(|shift| 1u64.checked_shl(shift)) {
            self.shared.redacted |= bit;
        }
    }
}

impl fmt::Debug for Ctx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("session", &self.session).field("command", &self.command.name).finish()
    }
}
