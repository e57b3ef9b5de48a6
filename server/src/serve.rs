//! The event loop: one thread that polls, reads, executes, writes and does the periodic work.
//!
//! A turn: wait for events; accept; read each readable client once and execute its whole requests; send the replies at
//! once from the shared reply buffer; flush what other clients got; expire what is due; run the periodic work when its
//! time has come. Nothing in a turn waits. While I/O threads run (`threaded.rs`), reading, parsing, writing and polling
//! are theirs, and this thread executes what comes back.

use vireo_core::engine::{ClientSlot, Engine, Flow};
use vireo_core::keyspace::SharedBytes;
use vireo_core::offload::Marks;
use vireo_core::platform::{Clock, Event, Net, Platform};
use vireo_core::resp::{Limits, Proto, ProtocolError, Reply};

use crate::client_io::{self, Gone};
use crate::connection::{Closing, Connection, REPLY_BUFFER_LEN, marks_of};
use crate::gather::Gathered;
use crate::listen::Listeners;
use crate::out_buf::{OutBuf, Pools};
use crate::outside::{Outside, Turn};
use crate::parsed::{Parsed, Rules};
use crate::workers::PlatformWord;

/// The read buffer that all clients share, and what is read from one at once.
pub(crate) const READ_LEN: usize = 64 * 1024;
/// The shared reply buffer is given back when one batch has blown it up beyond this.
const REPLY_KEEP_LEN: usize = 256 * 1024;
/// Within a batch, replies are handed to the socket when they pass this.
const REPLY_FLUSH_LEN: usize = 64 * 1024;
/// A client whose requests wait for the end of a pause is read from until it has sent this much.
const PAUSED_READ_MAX: usize = 1024 * 1024;
/// Requests that are parsed before the first of them runs.
const REQUESTS_MAX: usize = 64;
/// Events that are made room for at the start.
const EVENTS_LEN: usize = 1024;

/// A socket of the platform.
pub(crate) type Socket<P> = <<P as Platform>::Net as Net>::Socket;

/// The server: the engine and everything around it.
pub(crate) struct Server<P: Platform> {
    pub(crate) engine: Engine,
    pub(crate) outside: Outside<P>,
    read_buf: Box<[u8]>,
    reply_buf: Vec<u8>,
    /// Requests of the client that is being served, unless it has some of its own.
    pub(crate) parsed: Parsed,
    /// What clients have sent in this turn.
    pub(crate) gathered: Gathered,
    /// For replies that I/O threads send.
    pub(crate) pools: Pools,
    /// Databases and hashes of keys that are asked for.
    pub(crate) places: Vec<(usize, u64)>,
    /// What came back from I/O threads, before it is looked at.
    pub(crate) returned: Vec<PlatformWord<P>>,
    /// Clients that came back from being read, before they are executed together.
    pub(crate) received: Vec<Box<Connection<Socket<P>>>>,
}

/// What became of a batch of requests.
enum Batch {
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

impl<P: Platform> Server<P> {
    /// A server around an engine; nothing listens yet.
    pub(crate) fn new(engine: Engine, outside: Outside<P>) -> Self {
        Self {
            engine,
            outside,
            read_buf: vec![0; READ_LEN].into_boxed_slice(),
            reply_buf: Vec::with_capacity(REPLY_FLUSH_LEN),
            parsed: Parsed::default(),
            gathered: Gathered::default(),
            pools: Pools::default(),
            places: Vec::new(),
            returned: Vec::new(),
            received: Vec::new(),
        }
    }

    /// Turns until the process is told to stop.
    pub(crate) fn run(&mut self) {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_LEN);
        self.outside.turn.began_us = self.outside.refresh_clock();
        while !self.outside.stopping {
            self.before_wait();
            if self.outside.stopping {
                break;
            }
            events.clear();
            self.wait(&mut events);
            self.turn(&events);
        }
    }

    /// One turn over what has come.
    fn turn(&mut self, events: &[Event]) {
        self.outside.totals.loop_cycles += 1;
        self.outside.totals.loop_events += events.len() as u64;
        let began_us = self.outside.refresh_clock();
        self.outside.turn = Turn { began_us, commands_before: self.engine.shared.stats.commands_processed };
        if events.is_empty() && self.outside.ready.is_empty() && !self.outside.has_results() {
            return;
        }
        self.outside.is_busy = true;
        self.outside.scale_threads(&self.engine, events.len());
        self.take_results();
        for event in events {
            self.on_event(*event);
        }
        for slot in core::mem::take(&mut self.outside.ready) {
            self.on_readable(slot);
        }
        self.execute_gathered();
        self.outside.announce_jobs();
    }

    /// Deals with what the poller told.
    pub(crate) fn on_event(&mut self, event: Event) {
        if let Some(listener) = Listeners::<P>::resolve(event.token) {
            self.outside.accept_from(listener, &mut self.engine);
            return;
        }
        let Some(slot) = self.outside.connections.resolve(event.token) else { return };
        if self.outside.connections.call(slot, marks_of(&event)) {
            return;
        }
        let Some(connection) = self.outside.connections.get_mut(slot) else { return };
        connection.peer_ended |= event.closed;
        if event.writable && !connection.out.is_empty() {
            self.outside.write_to(slot, &mut self.engine);
        }
        if event.readable || event.closed {
            self.on_readable(slot);
        }
    }

    /// Reads from a client, or has that done.
    pub(crate) fn on_readable(&mut self, slot: ClientSlot) {
        if self.outside.connections.call(slot, Marks::READABLE) {
            // Lent for writing, perhaps a moment ago: it is read from when that is done.
            return;
        }
        if self.outside.connections.get(slot).is_some_and(|connection| connection.is_gathered) {
            self.execute_gathered();
        }
        let Some(connection) = self.outside.connections.get(slot) else { return };
        let (lends, runs) = (self.outside.lends(), connection.closing == Closing::No && !connection.paused);
        if connection.paused && connection.read.len() > PAUSED_READ_MAX {
            // Read on when the pause is over.
            return;
        }
        if runs && !lends && connection.has_nothing_waiting() {
            self.gather(slot);
            return;
        }
        let Some(connection) = self.outside.connections.take(slot) else { return };
        if runs && lends {
            self.lend_read(connection);
        } else {
            self.read_from(connection);
        }
    }

    /// What is done at the end of each turn, before waiting: everything that others' commands caused, what
    /// is due, and the periodic work.
    fn before_wait(&mut self) {
        let began_ns = self.outside.clock.monotonic_ns();
        self.outside.take_signals();
        if self.outside.may_be_due(&self.engine) {
            self.outside.is_busy = true;
            self.hand_over_garbage();
            self.outside.expire_due(&mut self.engine);
        }
        if self.outside.cron_is_due() {
            self.outside.is_busy = true;
            self.outside.cron(&mut self.engine);
        }
        if !self.engine.shared.deliveries.is_empty() || !self.engine.shared.requests.is_empty() {
            self.outside.settle(&mut self.engine, None);
        }
        if self.outside.pause_ended(&mut self.engine) {
            let paused = core::mem::take(&mut self.outside.paused);
            self.resume(paused);
        }
        while !self.outside.resumed.is_empty() {
            let resumed = core::mem::take(&mut self.outside.resumed);
            self.resume(resumed);
        }
        if self.engine.shared.tracking.has_broadcast() {
            self.engine.shared.broadcast_stale();
            self.outside.settle(&mut self.engine, None);
        }
        self.outside.flush_listed(&mut self.engine);
        if self.engine.shared.clients_are_over() {
            self.outside.evict_clients(&mut self.engine, None);
        }
        self.fit_threads();
        self.outside.rest_threads(&self.engine);
        if core::mem::take(&mut self.outside.is_busy) {
            self.outside.count_turn(&mut self.engine.shared.stats);
            //= valkey 9.1 INFO debug: what is done between turns counts as periodic work
            self.outside.totals.cron_ns += self.outside.clock.monotonic_ns().saturating_sub(began_ns);
        }
    }

    /// Reads once from a client and executes what has become whole.
    pub(crate) fn read_from(&mut self, mut connection: Box<Connection<Socket<P>>>) {
        let outcome = if connection.closing != Closing::No {
            // Nothing more is executed; what arrives is read away so that its end is seen.
            client_io::read::<P::Net>(&mut connection, &mut self.read_buf).map(|_| ())
        } else if connection.read.is_absent() && !connection.paused {
            self.read_shared(&mut connection)
        } else {
            self.read_own(&mut connection)
        };
        self.put_read(connection, outcome.is_err());
    }

    /// Puts a client back that was read from, or closes it.
    pub(crate) fn put_read(&mut self, mut connection: Box<Connection<Socket<P>>>, gone: bool) {
        self.outside.count_traffic(&mut connection);
        if connection.may_read_more {
            self.outside.ready.push(connection.slot);
        }
        self.outside.put_or_close(connection, gone, &mut self.engine);
    }

    /// Reads into the shared buffer and executes.
    fn read_shared(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        let count = client_io::read::<P::Net>(connection, &mut self.read_buf)?;
        let mut buf = core::mem::take(&mut self.read_buf);
        let mut parsed = core::mem::take(&mut self.parsed);
        let outcome = self.execute_shared(connection, &mut buf[..count], &mut parsed);
        (self.read_buf, self.parsed) = (buf, parsed);
        outcome
    }

    /// Executes what was read into a buffer and a list of requests that clients share; only what is not a whole request is
    /// kept.
    pub(crate) fn execute_shared(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        buf: &mut [u8],
        parsed: &mut Parsed,
    ) -> Result<(), Gone> {
        self.outside.current = Some((connection.slot, connection.io_use_sending()));
        let (used, batch) = self.execute_and_send(connection, buf, parsed);
        if used < buf.len() && !matches!(batch, Batch::Kill | Batch::Close) {
            connection.read.keep(&buf[used..]);
        }
        self.finish_batch(connection, batch)
    }

    /// Reads into the client's own buffer, where part of a request waits.
    fn read_own(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        self.limit_query(connection);
        client_io::read_own::<P::Net>(connection)?;
        if !connection.paused {
            self.execute_own(connection)?;
        }
        self.outside.check_query_limit(connection, &self.engine)
    }

    /// Says how much of requests may wait with a client from now on.
    pub(crate) fn limit_query(&self, connection: &mut Connection<Socket<P>>) {
        // One byte more than the limit shows that it is passed, before such a request can become whole.
        let limit = self.engine.shared.config.settings().client_query_buffer_limit;
        connection.held_max = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    }

    /// Executes what is whole in the client's own buffer and sends the replies.
    fn execute_own(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        self.outside.current = Some((connection.slot, connection.io_use_sending()));
        let mut own = core::mem::take(&mut connection.read);
        let from = if connection.parsed.is_in_use() { &mut connection.parsed } else { &mut self.parsed };
        let mut parsed = core::mem::take(from);
        let (used, batch) = self.execute_and_send(connection, own.pending(), &mut parsed);
        if !connection.parsed.is_in_use() {
            // A large request may have come with many arguments.
            parsed.trim();
            self.parsed = parsed;
        }
        own.consume(used);
        connection.read = own;
        self.finish_batch(connection, batch)
    }

    /// Executes all whole requests at the start of `buf`; replies are sent as they come. Returns how many bytes the
    /// requests were. A list in which something waits goes with its client.
    fn execute_and_send(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        buf: &mut [u8],
        parsed: &mut Parsed,
    ) -> (usize, Batch) {
        let mut replies = core::mem::take(&mut self.reply_buf);
        replies.clear();
        let (used, batch) = self.execute_all(connection, buf, parsed, &mut replies, true);
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
        let (used, batch) = self.execute_all(connection, own.pending(), &mut parsed, &mut replies, false);
        let written = replies.len().saturating_sub(before);
        connection.out.put_tail(replies);
        let lent = self.end_lending(connection);
        connection.reply_peak = connection.reply_peak.max(written + lent);
        own.consume(used);
        (connection.read, connection.parsed) = (own, parsed);
        self.end_batch(connection, &batch)?;
        self.outside.check_query_limit(connection, &self.engine)
    }

    /// Executes requests, parsed ones and those that `buf` holds behind them.
    fn execute_all(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        buf: &mut [u8],
        parsed: &mut Parsed,
        replies: &mut Vec<u8>,
        sends: bool,
    ) -> (usize, Batch) {
        let slot = connection.slot;
        let mut now = self.outside.now;
        if sends {
            // What was done since the turn began is no part of the first command's time.
            now.advance_to(self.outside.clock.monotonic_ns() / 1000);
        }
        let mut used = 0;
        let db = self.db_of(slot);
        let batch = loop {
            let Some(request) = parsed.pop(&buf[used..], &self.engine.keyspace, db) else {
                if let Some(error) = parsed.take_error() {
                    self.protocol_error(connection.slot, error, &buf[used..], replies);
                    used = buf.len();
                    break Batch::Close;
                }
                if self.parse_more(connection, &mut buf[used..], parsed, db) {
                    continue;
                }
                break Batch::Drained;
            };
            if request.is_empty() {
                used += request.len;
                continue;
            }
            if self.engine.shared.clients_are_over()
                && self.outside.evict_clients(&mut self.engine, Some(slot))
            {
                break Batch::Kill;
            }
            self.outside.note_waiting(buf.len() - used - request.len);
            let args = parsed.args(&request, &buf[used..]);
            let flow = self.engine.execute(slot, &args, replies, &mut now, &mut self.outside);
            if flow == Flow::Postponed {
                parsed.unpop();
                break Batch::Paused;
            }
            used += request.len;
            if flow == Flow::Blocked {
                connection.paused = true;
            }
            if let Some(end) = self.after_command(connection, flow, replies, sends) {
                break end;
            }
        };
        if matches!(batch, Batch::Close | Batch::Kill) {
            parsed.clear();
        }
        self.outside.current = None;
        self.outside.now = now;
        (used, batch)
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

    /// How the requests of a client are parsed at this moment.
    pub(crate) fn rules(&self, slot: ClientSlot) -> Rules {
        let limits = self.limits(slot);
        // A login changes what the protocol allows from the next request on.
        let requests_max = if limits.is_authenticated() { REQUESTS_MAX } else { 1 };
        Rules { limits, requests_max, hasher: self.engine.keyspace.hasher() }
    }

    /// The database that a client has selected.
    pub(crate) fn db_of(&self, slot: ClientSlot) -> usize {
        self.engine.shared.clients.get(slot).map_or(0, |session| session.db as usize)
    }

    /// What the protocol allows this client at this moment.
    pub(crate) fn limits(&self, slot: ClientSlot) -> Limits {
        let settings = self.engine.shared.config.settings();
        let authenticated = self.engine.shared.clients.get(slot).is_none_or(|session| session.authenticated);
        Limits::new(authenticated, settings.proto_max_bulk_len)
    }

    /// Carries out what a command asked for; says when the batch ends here.
    #[inline]
    fn after_command(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        flow: Flow,
        replies: &mut Vec<u8>,
        sends: bool,
    ) -> Option<Batch> {
        if !self.engine.shared.references.is_empty() {
            place_references(&mut connection.out, replies, &mut self.engine.shared.references);
            // What is written from now on has other bytes before it.
            self.end_lending(connection);
        }
        let len = replies.len() + connection.out.len() + self.engine.lent_len();
        if len > REPLY_BUFFER_LEN && self.outside.is_reply_too_large(connection, len, &self.engine) {
            return Some(Batch::Kill);
        }
        if replies.len() >= REPLY_FLUSH_LEN
            && sends
            && !self.outside.holds_replies_back(connection.slot, &self.engine)
            && self.outside.send(connection, replies).is_err()
        {
            return Some(Batch::Kill);
        }
        self.outside.charge_running(connection, replies.len(), &mut self.engine);
        if !self.engine.shared.requests.is_empty() || !self.engine.shared.deliveries.is_empty() {
            let own_killed = self.outside.settle(&mut self.engine, Some((connection.slot, replies)));
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

    /// Sends what a batch has left and puts the client into the state it ended in.
    fn finish_batch(&mut self, connection: &mut Connection<Socket<P>>, batch: Batch) -> Result<(), Gone> {
        let mut replies = core::mem::take(&mut self.reply_buf);
        let (outcome, keep_len) = match batch {
            // Whoever is closed for the length of its replies leaves nothing of them behind.
            Batch::Kill => (Err(Gone), REPLY_FLUSH_LEN),
            _ if replies.is_empty() => (Ok(()), REPLY_KEEP_LEN),
            _ => (self.outside.send(connection, &mut replies), REPLY_KEEP_LEN),
        };
        if replies.capacity() > keep_len || replies.capacity() == 0 {
            replies = Vec::with_capacity(REPLY_FLUSH_LEN);
        }
        replies.clear();
        self.reply_buf = replies;
        outcome?;
        self.end_batch(connection, &batch)?;
        if connection.closing != Closing::No && connection.out.is_empty() {
            return Err(Gone);
        }
        Ok(())
    }

    fn end_batch(&mut self, connection: &mut Connection<Socket<P>>, batch: &Batch) -> Result<(), Gone> {
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

    /// Offers requests once more that waited for the end of a pause, or behind one that waited for keys.
    fn resume(&mut self, slots: Vec<ClientSlot>) {
        for slot in slots {
            if let Some(notes) = self.outside.connections.lent_mut(slot) {
                notes.resumed = true;
                continue;
            }
            let Some(mut connection) = self.outside.connections.take(slot) else { continue };
            connection.paused = false;
            let outcome = self.execute_own(&mut connection);
            if !connection.paused {
                // What was not read over the pause is read now.
                self.outside.ready.push(slot);
            }
            self.outside.count_traffic(&mut connection);
            self.outside.put_or_close(connection, outcome.is_err(), &mut self.engine);
        }
    }
}

/// Puts what is written of the replies so far into the output, with the values that belong into it; the rest stays.
fn place_references(out: &mut OutBuf, replies: &mut Vec<u8>, references: &mut Vec<(usize, SharedBytes)>) {
    let mut from = 0;
    for (at, bytes) in references.drain(..) {
        out.push(&replies[from..at]);
        out.push_shared(bytes);
        from = at;
    }
    replies.drain(..from);
}
