//! What a command works with: its arguments and its [`Ctx`].

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;
use core::ops::{Index, Range};

use super::blocking::Wait;
use super::error::{CmdError, CmdResult};
use super::host::{Host, HostRequest};
use super::session::{Session, SessionFlags};
use super::shared::Shared;
use crate::commands::table::Command;
use crate::keyspace::{Key, Keys, Prefetch};
use crate::num;
use crate::resp::{Reply, Span};

/// The shortest element of a reply.
const ELEMENT_LEN_MIN: u64 = 3;

/// The arguments of a request, the command's name first: spans of the client's read buffer.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
    first_hash: Option<u64>,
    command: Option<&'static Command>,
    is_followed: bool,
}

impl<'a> Args<'a> {
    /// Arguments that lie at `spans` of `buf`, the bytes of exactly this request, as the decoder found them.
    #[inline]
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Self {
        Self { buf, spans, first_hash: None, command: None, is_followed: false }
    }

    /// Same, with what is known already: the hash of argument 1 by the keyspace's hasher (most keys are there), and the
    /// table's command of this name.
    #[inline]
    pub fn with_hints(self, first_hash: Option<u64>, command: Option<&'static Command>) -> Self {
        Self { first_hash, command, ..self }
    }

    /// Same, and whether another request is there to run right behind this one.
    #[inline]
    pub fn followed(self, is_followed: bool) -> Self {
        Self { is_followed, ..self }
    }

    /// Another request is there to run right behind this one.
    #[inline]
    pub(super) fn is_followed(&self) -> bool {
        self.is_followed
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
    pub fn iter_from(&self, start: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
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

/// The arguments of a request that is kept: queued in a transaction, or waiting for a key.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgs {
    buf: Box<[u8]>,
    spans: Box<[Span]>,
    first_hash: Option<u64>,
    command: Option<&'static Command>,
}

impl OwnedArgs {
    /// A copy of a request.
    pub(super) fn of(args: &Args<'_>) -> Self {
        let Args { buf, spans, first_hash, command, .. } = *args;
        Self { buf: buf.into(), spans: spans.into(), first_hash, command }
    }

    /// Same, with some arguments replaced, by index in rising order. That is rare: the whole is built anew.
    pub(super) fn replacing(args: &Args<'_>, replaced: &[(usize, Vec<u8>)]) -> Self {
        if replaced.is_empty() {
            return Self::of(args);
        }
        let (mut buf, mut spans) = (Vec::with_capacity(args.buf.len()), Vec::with_capacity(args.len()));
        let mut replaced = replaced.iter().peekable();
        for (index, old) in args.iter_from(0).enumerate() {
            let new = replaced.next_if(|(at, _)| *at == index).map_or(old, |(_, new)| new);
            let start = buf.len();
            buf.extend_from_slice(new);
            spans.push(Span { start, end: buf.len() });
        }
        let Args { first_hash, command, .. } = *args;
        Self { buf: buf.into(), spans: spans.into(), first_hash, command }
    }

    /// The request.
    pub(super) fn args(&self) -> Args<'_> {
        Args::new(&self.buf, &self.spans).with_hints(self.first_hash, self.command)
    }

    /// Memory it holds, bytes.
    pub fn memory(&self) -> usize {
        self.buf.len() + size_of_val(&*self.spans)
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

/// So many keys of one command are fetched at once.
const FETCHED_KEYS: usize = 16;

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
    /// When fields of hashes are looked at: those whose time has come by then are not there.
    pub fn fields_ms(&self) -> i64 {
        self.keys.now().seen_ms()
    }

    /// The latest time to live that has passed when it is given: what gets it goes at once.
    ///
    //= valkey 9.1 import-mode: none has
    pub fn past_ms(&self) -> i64 {
        if self.shared.config.settings().import_mode { i64::MIN } else { self.now.unix_ms() }
    }

    /// The argument at `index`, as a key.
    // Inlined everywhere: a call for what is known already costs a GET more than the rest of this.
    #[inline(always)]
    pub fn key<'k>(&self, args: &Args<'k>, index: usize) -> Key<'k> {
        match args.first_hash {
            Some(hash) if index == 1 => Key { bytes: args.at(1), hash },
            _ => self.key_hashed_now(args, index),
        }
    }

    /// Same, of one whose hash nobody took ahead: the second key of a command, or the key of one that does not come first.
    #[inline(never)]
    fn key_hashed_now<'k>(&self, args: &Args<'k>, index: usize) -> Key<'k> {
        self.keys.key(args.at(index))
    }

    /// Hands over the keys among the arguments at `range`, of which each `step`th is one, with their indexes. What their look-ups
    /// read is fetched for several of them at once, `last` with their strings or without.
    ///
    /// # Errors
    /// The first that `each` returns, which ends it.
    #[inline]
    pub fn each_key<'k>(
        &mut self,
        args: &Args<'k>,
        range: Range<usize>,
        step: usize,
        last: Prefetch,
        mut each: impl FnMut(&mut Self, Key<'k>, usize) -> CmdResult,
    ) -> CmdResult {
        for first in range.clone().step_by(step * FETCHED_KEYS) {
            let indexes = (first..range.end).step_by(step).take(FETCHED_KEYS);
            let keys = indexes.clone().map(|index| self.key(args, index));
            let keys: heapless::Vec<Key<'_>, FETCHED_KEYS> = keys.collect();
            if keys.len() > 1 {
                self.keys.prefetch(&keys, last);
            }
            for (key, index) in keys.into_iter().zip(indexes) {
                each(self, key, index)?;
            }
        }
        Ok(())
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

    /// Has the client wait for keys, or answers that there is nothing where it may not wait.
    pub fn wait(&mut self, wait: Wait) {
        if self.session.flags.contains(SessionFlags::DENY_BLOCKING) {
            wait.denied.write(&mut self.reply);
            return;
        }
        self.shared.wait = Some(wait);
    }

    /// Refuses a reply of `count` elements because it would be too long. A client whose limit on replies it would pass is
    /// closed, as it would be with the reply; others get an error.
    #[cold]
    pub fn too_long_reply(&mut self, count: u64) -> CmdError {
        let class = if self.session.is_subscriber() { 2 } else { 0 };
        let limit = self.shared.config.settings().output_limits[class].hard_bytes;
        if limit == 0 || count.saturating_mul(ELEMENT_LEN_MIN) < limit {
            return CmdError::OUT_OF_RANGE;
        }
        self.shared.requests.push(HostRequest::ReplyTooLarge(self.session.slot));
        CmdError::Replied
    }

    /// The error that the command got too few or too many arguments.
    #[cold]
    pub fn wrong_arity(&mut self) -> CmdError {
        let name = self.command.full_name;
        self.fail(format_args!("ERR wrong number of arguments for '{name}' command"))
    }

    /// Same; when the command runs again, `replaced` stands for the arguments of those indexes, in rising order, which only
    /// meant something at the first run.
    pub fn wait_replacing(&mut self, wait: Wait, replaced: Vec<(usize, Vec<u8>)>) {
        self.wait(wait);
        if self.shared.wait.is_some() {
            self.shared.replaced = replaced;
        }
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

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Args, OwnedArgs, Span};

    #[test]
    fn arguments_are_replaced_by_index() {
        let buf = b"XREAD a bb $ $";
        let spans = [(0, 5), (6, 7), (8, 10), (11, 12), (13, 14)].map(|(start, end)| Span { start, end });
        let args = Args::new(buf, &spans);
        let texts = |owned: &OwnedArgs| owned.args().iter_from(0).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let replaced = [(3, b"5-1".to_vec()), (4, Vec::new())];
        let whole = texts(&OwnedArgs::replacing(&args, &replaced));
        assert_eq!(whole, [b"XREAD".as_slice(), b"a", b"bb", b"5-1", b""]);
        assert_eq!(texts(&OwnedArgs::replacing(&args, &[])), texts(&OwnedArgs::of(&args)));
    }
}
