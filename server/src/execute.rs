//! Requests of one client, executed in order, and their replies sent.
//!
//! They come from a buffer that clients use in turn, or from the client's own, where part of one has waited. A large request that fills
//! the client's own buffer is executed in bytes that the keyspace may keep as a value.

use core::ops::Range;

use vireo_core::engine::{ClientSlot, Flow, Moment};
use vireo_core::keyspace::SharedBytes;
use vireo_core::platform::Platform;
use vireo_core::resp::{Proto, ProtocolError, Reply};

use crate::client_io::Gone;
use crate::connection::{Closing, Connection, REPLY_BUFFER_LEN};
use crate::out_buf::OutBuf;
use crate::parsed::{LARGE_LEN, Parsed};
use crate::read_buf::ReadBuf;
use crate::serve::{REPLY_FLUSH_LEN, Server, Socket};

/// The shared reply buffer is given back when one batch has blown it up beyond this.
pub(crate) const REPLY_KEEP_LEN: usize = 256 * 1024;

/// What became of a batch of requests.
pub(crate) enum Batch {
    /// All whole requests are executed.
    Drained,
    /// The rest waits for the end of a pause.
    Paused,
    /// The rest waits for the reply of one that waits for keys.
    Blocked,
    /// The client is to be closed once its replies are sent.
    Close,
    /// The client is gone already or goes at once.
    Kill,
}

/// Where requests come from.
enum Input<'b> {
    /// A buffer that clients use in turn.
    Passing(&'b mut [u8]),
    /// The client's own buffer.
    Own(&'b mut ReadBuf),
}

impl Input<'_> {
    /// What waits to be executed.
    fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::Passing(bytes) => bytes,
            Self::Own(own) => own.pending(),
        }
    }

    /// The client's own buffer, of which nothing has been executed yet.
    fn own_at(&mut self, used: usize) -> Option<&mut ReadBuf> {
        match self {
            Self::Own(own) if used == 0 => Some(own),
            _ => None,
        }
    }
}

/// What is the same, or goes on, from request to request of a batch.
struct Run<'r> {
    /// The database that was selected when it began.
    db: usize,
    /// Replies are sent when there are many.
    sends: bool,
    /// Requests of another client run right behind it.
    is_followed: bool,
    now: Moment,
    replies: &'r mut Vec<u8>,
    /// Where its own begin.
    start: usize,
}

impl<P: Platform> Server<P> {
    /// Executes what was read into a buffer and a list of requests that clients share; only what is not a whole request is
    /// kept. The replies are behind those in the shared buffer, for [`Self::finish_batch`].
    pub(crate) fn execute_shared(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        buf: &mut [u8],
        parsed: &mut Parsed,
    ) -> Batch {
        self.outside.current = Some((connection.slot, connection.io_use_sending()));
        let (used, batch) = self.execute_and_send(connection, Input::Passing(buf), parsed);
        if used < buf.len() && !matches!(batch, Batch::Kill | Batch::Close) {
            connection.read.keep(&buf[used..]);
        }
        batch
    }

    /// Executes what is whole in the client's own buffer and sends the replies.
    pub(crate) fn execute_own(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        debug_assert!(self.reply_buf.is_empty(), "nobody's replies are held");
        self.outside.current = Some((connection.slot, connection.io_use_sending()));
        let mut own = core::mem::take(&mut connection.read);
        let from = if connection.parsed.is_in_use() { &mut connection.parsed } else { &mut self.parsed };
        let mut parsed = core::mem::take(from);
        let (used, batch) = self.execute_and_send(connection, Input::Own(&mut own), &mut parsed);
        if !connection.parsed.is_in_use() {
            // A large request may have come with many arguments.
            parsed.trim();
            self.parsed = parsed;
        }
        own.consume(used);
        connection.read = own;
        self.finish_batch(connection, &batch, 0)
    }

    /// Executes all whole requests at the start of `input`; replies are sent as they come. Returns how many bytes the
    /// requests were. A list in which something waits goes with its client.
    fn execute_and_send(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        input: Input<'_>,
        parsed: &mut Parsed,
    ) -> (usize, Batch) {
        let mut replies = core::mem::take(&mut self.reply_buf);
        let (used, batch) = self.execute_all(connection, input, parsed, &mut replies, true);
        if parsed.is_in_use() {
            connection.parsed = core::mem::take(parsed);
        }
        // What is left is sent by `finish_batch`.
        self.reply_buf = replies;
        (used, batch)
    }

    /// Executes what an I/O thread has read and parsed; the replies are left in the client's output.
    pub(crate) fn execute_received(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        self.outside.current = Some((connection.slot, connection.io_use_sending()));
        self.begin_lending(connection);
        let mut own = core::mem::take(&mut connection.read);
        let mut parsed = core::mem::take(&mut connection.parsed);
        let mut replies = connection.out.take_tail(&mut self.pools.chunks);
        let before = replies.len();
        let (used, batch) =
            self.execute_all(connection, Input::Own(&mut own), &mut parsed, &mut replies, false);
        let written = replies.len().saturating_sub(before);
        connection.out.put_tail(replies);
        let lent = self.end_lending(connection);
        connection.reply_peak = connection.reply_peak.max(written + lent);
        own.consume(used);
        (connection.read, connection.parsed) = (own, parsed);
        self.end_batch(connection, &batch)?;
        self.outside.check_query_limit(connection, &self.engine)
    }

    /// Executes requests, parsed ones and those that `input` holds behind them. Returns how many of its bytes they were.
    fn execute_all(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        mut input: Input<'_>,
        parsed: &mut Parsed,
        replies: &mut Vec<u8>,
        sends: bool,
    ) -> (usize, Batch) {
        if self.outside.stopping {
            //= valkey 9.1 SHUTDOWN: nobody's command runs after it
            parsed.clear();
            self.outside.current = None;
            return (0, Batch::Kill);
        }
        let mut now = self.outside.now;
        if sends && !self.gathered.holds_replies() {
            // What was done since the turn began is no part of the first command's time.
            now.advance_to(self.outside.mono_us());
        }
        let mut used = 0;
        let db = self.db_of(connection.slot);
        let start = if sends { replies.len() } else { 0 };
        let is_followed = sends && self.gathered.is_followed();
        let mut run = Run { db, sends, is_followed, now, replies, start };
        let batch = loop {
            let large = input.own_at(used).and_then(|own| Some((parsed.large_value(own.len())?, own)));
            let (done, end) = match large {
                Some((value, own)) => self.execute_large(connection, own, value, parsed, &mut run),
                None => self.execute_parsed(connection, &input.bytes()[used..], parsed, &mut run),
            };
            used += done;
            if let Some(end) = end {
                break end;
            }
            if let Some(error) = parsed.take_error() {
                self.protocol_error(connection.slot, error, &input.bytes()[used..], run.replies);
                used = input.bytes().len();
                break Batch::Close;
            }
            if !self.parse_more(connection, &mut input.bytes()[used..], parsed, db) {
                break Batch::Drained;
            }
        };
        if matches!(batch, Batch::Close | Batch::Kill) {
            parsed.clear();
        }
        if !is_followed {
            self.engine.settle_time(&mut run.now, &mut self.outside);
        }
        self.outside.current = None;
        self.outside.now = run.now;
        (used, batch)
    }

    /// Executes the requests that are parsed, the first of `bytes`. Returns how many bytes they were, and what ends the batch.
    #[inline]
    fn execute_parsed(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        bytes: &[u8],
        parsed: &mut Parsed,
        run: &mut Run<'_>,
    ) -> (usize, Option<Batch>) {
        let slot = connection.slot;
        let mut used = 0;
        while let Some(request) = parsed.pop(&bytes[used..], &self.engine.keyspace, run.db) {
            if request.is_empty() {
                used += request.len;
                continue;
            }
            if self.engine.shared.clients_are_over() && self.evict_before(slot, run) {
                return (used, Some(Batch::Kill));
            }
            self.outside.note_waiting(bytes.len() - used - request.len);
            let args = parsed.args(&request, &bytes[used..]).followed(run.is_followed || !parsed.is_empty());
            let flow = self.engine.execute(slot, &args, run.replies, &mut run.now, &mut self.outside);
            if flow == Flow::Postponed {
                parsed.unpop();
                return (used, Some(Batch::Paused));
            }
            used += request.len;
            if request.len >= LARGE_LEN {
                connection.expect_large(request.len);
            }
            if flow == Flow::Blocked {
                connection.paused = true;
            }
            if let Some(end) = self.after_command(connection, flow, run) {
                return (used, Some(end));
            }
        }
        (used, None)
    }

    /// Same for one request that fills the client's own buffer, nearly all of it with the argument at `value`: a command that sets a
    /// string to that takes the buffer instead of a copy. Returns how many bytes are left behind in the buffer that are used.
    #[cold]
    fn execute_large(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        own: &mut ReadBuf,
        value: Range<usize>,
        parsed: &mut Parsed,
        run: &mut Run<'_>,
    ) -> (usize, Option<Batch>) {
        let Some(lent) = own.lend(value) else {
            return self.execute_parsed(connection, own.pending(), parsed, run);
        };
        self.engine.keyspace.offer(SharedBytes::clone(&lent));
        let (used, end) = self.execute_parsed(connection, own.pending_of(&lent), parsed, run);
        self.engine.keyspace.withdraw();
        (if own.take_back(lent) { used } else { 0 }, end)
    }

    /// Closes clients that hold too much, before the next request runs; `true` when the one in `slot` is among them.
    #[cold]
    fn evict_before(&mut self, slot: ClientSlot, run: &mut Run<'_>) -> bool {
        self.engine.settle_time(&mut run.now, &mut self.outside);
        self.send_held(run.replies);
        let own_goes = self.outside.evict_clients(&mut self.engine, Some(slot));
        run.now.advance_to(self.outside.mono_us());
        own_goes
    }

    /// Parses what has become whole at the start of `rest` and begins to fetch the memory of the keys. `false` when there
    /// is nothing to run.
    fn parse_more(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        rest: &mut [u8],
        parsed: &mut Parsed,
        db: usize,
    ) -> bool {
        if rest.is_empty() {
            return false;
        }
        let rules = self.rules(connection.slot);
        connection.limits = rules.limits;
        parsed.fill(rest, &rules);
        if parsed.is_pipeline() {
            for step in 0..Parsed::FETCH_STEPS {
                parsed.fetch_first(step, rest, &self.engine.keyspace, db);
            }
        }
        !parsed.is_empty() || parsed.has_error()
    }

    /// Carries out what a command asked for; says when the batch ends here.
    #[inline]
    fn after_command(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        flow: Flow,
        run: &mut Run<'_>,
    ) -> Option<Batch> {
        let (replies, start) = (&mut *run.replies, run.start);
        if !self.engine.shared.references.is_empty() {
            place_references(&mut connection.out, replies, start, &mut self.engine.shared.references);
            // What is written from now on has other bytes before it.
            self.end_lending(connection);
        }
        let own_len = replies.len() - start;
        let len = own_len + connection.out.len() + self.engine.lent_len();
        if len > REPLY_BUFFER_LEN && self.outside.is_reply_too_large(connection, len, &self.engine) {
            return Some(Batch::Kill);
        }
        if own_len >= REPLY_FLUSH_LEN
            && run.sends
            && !self.outside.holds_replies_back(connection.slot, &self.engine)
        {
            self.engine.settle_time(&mut run.now, &mut self.outside);
            if self.outside.send(connection, replies, start).is_err() {
                return Some(Batch::Kill);
            }
            run.now.advance_to(self.outside.mono_us());
        }
        self.outside.charge_running(connection, replies.len() - start, &mut self.engine);
        if !self.engine.shared.requests.is_empty() || !self.engine.shared.deliveries.is_empty() {
            debug_assert!(run.sends || !self.gathered.holds_replies(), "they are in the shared buffer");
            // What others are told comes behind their replies.
            self.engine.settle_time(&mut run.now, &mut self.outside);
            self.send_held(replies);
            let own_killed = self.outside.settle(&mut self.engine, Some((connection.slot, replies)));
            // That is no part of the next command's time.
            run.now.advance_to(self.outside.mono_us());
            if own_killed || self.outside.stopping {
                return Some(Batch::Kill);
            }
        }
        match flow {
            Flow::Close => Some(Batch::Close),
            Flow::Blocked => Some(Batch::Blocked),
            Flow::Done | Flow::Postponed => None,
        }
    }

    /// Answers a request that breaks the protocol; the client goes once that is sent.
    #[cold]
    fn protocol_error(
        &mut self,
        slot: ClientSlot,
        error: ProtocolError,
        bytes: &[u8],
        replies: &mut Vec<u8>,
    ) {
        error.write(&mut Reply::new(replies, Proto::Resp2));
        self.outside.log_protocol_error(&self.engine, slot, error, bytes);
    }

    /// Sends what a batch has left in the shared buffer, from `start` on, and puts the client into the state it ended in.
    pub(crate) fn finish_batch(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        batch: &Batch,
        start: usize,
    ) -> Result<(), Gone> {
        let mut replies = core::mem::take(&mut self.reply_buf);
        let (outcome, keep_len) = match batch {
            // Whoever is closed for the length of its replies leaves nothing of them behind.
            Batch::Kill => (Err(Gone), REPLY_FLUSH_LEN),
            _ if replies.len() == start => (Ok(()), REPLY_KEEP_LEN),
            _ => (self.outside.send(connection, &mut replies, start), REPLY_KEEP_LEN),
        };
        replies.truncate(start);
        self.put_reply_buf(replies, keep_len);
        outcome?;
        self.end_batch(connection, batch)?;
        if connection.closing != Closing::No && connection.out.is_empty() {
            return Err(Gone);
        }
        Ok(())
    }

    /// Puts the shared reply buffer back, smaller if it has become larger than this.
    pub(crate) fn put_reply_buf(&mut self, mut replies: Vec<u8>, keep_len: usize) {
        if replies.capacity() > keep_len {
            replies.shrink_to(REPLY_FLUSH_LEN);
        } else if replies.capacity() == 0 {
            replies.reserve_exact(REPLY_FLUSH_LEN);
        }
        self.reply_buf = replies;
    }

    pub(crate) fn end_batch(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        batch: &Batch,
    ) -> Result<(), Gone> {
        match batch {
            Batch::Paused => {
                connection.paused = true;
                self.outside.paused.push(connection.slot);
            }
            Batch::Close => connection.closing = Closing::AfterReplies,
            Batch::Drained | Batch::Blocked => {}
            Batch::Kill => return Err(Gone),
        }
        self.outside.check_output_limits(connection, &self.engine)
    }
}

/// Puts what is written of the replies so far into the output, with the values that belong into it; the rest stays.
fn place_references(
    out: &mut OutBuf,
    replies: &mut Vec<u8>,
    start: usize,
    references: &mut Vec<(usize, SharedBytes)>,
) {
    let mut from = start;
    for (at, bytes) in references.drain(..) {
        out.push(&replies[from..at]);
        out.push_shared(bytes);
        from = at;
    }
    replies.drain(start..from);
}
