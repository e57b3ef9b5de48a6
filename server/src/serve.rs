//! The event loop: one thread that polls, reads, executes, writes and does the periodic work.
//!
//! A turn: wait for events; accept; read each readable client once, execute its whole requests and send the
//! replies at once from the shared reply buffer; flush what other clients got; expire what is due; run the
//! periodic work when its time has come. Nothing in a turn waits.

use vireo_core::engine::{Args, ClientSlot, Engine, Flow};
use vireo_core::platform::{Event, Net, Platform};
use vireo_core::resp::{Decoded, Limits, Proto, ProtocolError, Reply, Span};

use crate::ahead::Ahead;
use crate::connection::{Closing, Connection, REPLY_BUFFER_LEN};
use crate::listen::Listeners;
use crate::outside::Outside;

/// The read buffer that all clients share.
const READ_LEN: usize = 64 * 1024;
/// The shared reply buffer is given back when one batch has blown it up beyond this.
const REPLY_KEEP_LEN: usize = 256 * 1024;
/// Within a batch, replies are handed to the socket when they pass this.
const REPLY_FLUSH_LEN: usize = 64 * 1024;
/// A client whose requests wait for the end of a pause is read from until it has sent this much.
const PAUSED_READ_MAX: usize = 1024 * 1024;
/// Events taken from the poller in one turn.
const EVENTS_MAX: usize = 1024;

/// A socket of the platform.
pub(crate) type Socket<P> = <<P as Platform>::Net as Net>::Socket;

/// The server: the engine and everything around it.
pub(crate) struct Server<P: Platform> {
    pub(crate) engine: Engine,
    pub(crate) outside: Outside<P>,
    read_buf: Box<[u8]>,
    reply_buf: Vec<u8>,
    args: Vec<Span>,
    ahead: Ahead,
}

/// What became of a batch of requests.
enum Batch {
    /// All whole requests are executed.
    Drained,
    /// The rest waits for the end of a pause.
    Paused,
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
            args: Vec::with_capacity(64),
            ahead: Ahead::default(),
        }
    }

    /// Turns until the process is told to stop.
    pub(crate) fn run(&mut self) {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        while !self.outside.stopping {
            self.before_wait();
            if self.outside.stopping {
                break;
            }
            let timeout_ns = self.outside.wait_timeout_ns(&self.engine);
            events.clear();
            self.outside.poll(&mut events, timeout_ns);
            self.turn(&events);
        }
    }

    /// One turn over the events that have come.
    fn turn(&mut self, events: &[Event]) {
        self.outside.totals.loop_cycles += 1;
        if events.is_empty() {
            return;
        }
        let began_us = self.outside.refresh_clock();
        let commands_before = self.engine.shared.stats.commands_processed;
        for event in events {
            if let Some(listener) = Listeners::<P>::resolve(event.token) {
                self.outside.accept_from(listener, &mut self.engine);
            } else if let Some(slot) = self.outside.connections.resolve(event.token) {
                if event.readable || event.closed {
                    self.read_from(slot);
                }
                if event.writable && self.outside.connections.resolve(event.token).is_some() {
                    self.outside.write_to(slot, &mut self.engine);
                }
            }
        }
        let commands = self.engine.shared.stats.commands_processed.saturating_sub(commands_before);
        self.outside.count_turn(began_us, commands);
    }

    /// What is done at the end of each turn, before waiting: everything that others' commands caused, what
    /// is due, and the periodic work.
    fn before_wait(&mut self) {
        self.outside.refresh_clock();
        self.outside.take_signals();
        self.outside.expire_due(&mut self.engine);
        if self.outside.cron_is_due() {
            let began_us = self.outside.now.mono_us;
            self.outside.cron(&mut self.engine);
            self.outside.count_cron(began_us);
        }
        if self.outside.pause_ended(&mut self.engine) {
            self.resume_paused();
        }
        self.outside.flush_listed(&mut self.engine);
    }

    /// Reads once from a client and executes what has become whole.
    fn read_from(&mut self, slot: ClientSlot) {
        let Some(mut connection) = self.outside.connections.take(slot) else { return };
        if connection.closing != Closing::No {
            // Nothing more is executed; what arrives is read away so that its end is seen.
            let gone = self.outside.discard_input(&mut connection, &mut self.read_buf);
            self.outside.put_or_close(connection, gone, &mut self.engine);
            return;
        }
        let outcome = if connection.read.is_absent() {
            self.read_shared(&mut connection)
        } else {
            self.read_own(&mut connection)
        };
        self.outside.put_or_close(connection, outcome.is_err(), &mut self.engine);
    }

    /// Reads into the shared buffer; only what is not a whole request is kept.
    fn read_shared(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        let count = self.outside.read(connection, Target::Shared(&mut self.read_buf))?;
        let mut buf = core::mem::take(&mut self.read_buf);
        let (used, batch) = self.execute_all(connection, &mut buf[..count]);
        if used < count && !matches!(batch, Batch::Kill | Batch::Close) {
            connection.read.keep(&buf[used..count]);
        }
        self.read_buf = buf;
        self.finish_batch(connection, batch)
    }

    /// Reads into the client's own buffer, where part of a request waits.
    fn read_own(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        // One byte more than the limit shows that it is passed, before such a request can become whole.
        let limit = self.engine.shared.config.settings().client_query_buffer_limit;
        let held_max = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
        let count = self.outside.read(connection, Target::Own { held_max })?;
        connection.read.fill(count);
        if connection.paused {
            self.outside.limit_paused_input(connection, PAUSED_READ_MAX);
            return self.outside.check_query_limit(connection, &self.engine);
        }
        self.execute_own(connection)?;
        self.outside.check_query_limit(connection, &self.engine)
    }

    /// Executes what is whole in the client's own buffer.
    fn execute_own(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        let mut own = core::mem::take(&mut connection.read);
        let (used, batch) = self.execute_all(connection, own.pending());
        own.consume(used);
        connection.read = own;
        self.finish_batch(connection, batch)
    }

    /// Executes all whole requests at the start of `buf`. Returns how many bytes they were.
    fn execute_all(&mut self, connection: &mut Connection<Socket<P>>, buf: &mut [u8]) -> (usize, Batch) {
        // The arguments of a request that is only half here, or postponed, wait with the client.
        let was_mid_request = connection.is_mid_request();
        if was_mid_request {
            core::mem::swap(&mut self.args, &mut connection.args);
        }
        let outcome = self.execute_whole(connection, buf);
        if was_mid_request || connection.is_mid_request() {
            core::mem::swap(&mut self.args, &mut connection.args);
        }
        if !connection.is_mid_request() && connection.args.capacity() > 0 {
            connection.args = Vec::new();
        }
        outcome
    }

    fn execute_whole(&mut self, connection: &mut Connection<Socket<P>>, buf: &mut [u8]) -> (usize, Batch) {
        let slot = connection.slot;
        let mut now = self.outside.now;
        let mut used = 0;
        self.reply_buf.clear();
        self.ahead.clear();
        self.outside.current = Some((slot, connection.io_use()));
        let batch = loop {
            let rest = &mut buf[used..];
            if self.ahead.is_empty() && !connection.is_mid_request() {
                self.look_ahead(slot, rest);
            }
            let mut hash = None;
            let decoded = match connection.postponed.take() {
                Some(consumed) => Ok(Decoded::Request { consumed }),
                None => match self.ahead.pop(&self.engine.keyspace) {
                    Some(request) => {
                        core::mem::swap(&mut self.args, &mut request.args);
                        hash = request.hash;
                        Ok(Decoded::Request { consumed: request.consumed })
                    }
                    None => connection.decoder.decode(rest, &self.limits(slot), &mut self.args),
                },
            };
            let consumed = match decoded {
                Ok(Decoded::Incomplete) => break Batch::Drained,
                Ok(Decoded::Empty { consumed }) => {
                    used += consumed;
                    continue;
                }
                Ok(Decoded::Request { consumed }) => consumed,
                Err(error) => {
                    self.protocol_error(connection, error, &buf[used..]);
                    used = buf.len();
                    break Batch::Close;
                }
            };
            let args = Args::new(&buf[used..used + consumed], &self.args).with_first_hash(hash);
            let flow = self.engine.execute(slot, &args, &mut self.reply_buf, &mut now, &mut self.outside);
            if flow == Flow::Postponed {
                connection.postponed = Some(consumed);
                break Batch::Paused;
            }
            used += consumed;
            if let Some(end) = self.after_command(connection, flow) {
                break end;
            }
        };
        self.outside.current = None;
        self.outside.now = now;
        (used, batch)
    }

    /// Decodes what a pipeline has ready and begins to fetch the memory of its keys.
    fn look_ahead(&mut self, slot: ClientSlot, rest: &mut [u8]) {
        let limits = self.limits(slot);
        if limits.is_authenticated() {
            let db = self.engine.shared.clients.get(slot).map_or(0, |session| session.db as usize);
            self.ahead.fill(rest, &limits, &self.engine.keyspace, db);
        }
    }

    /// What the protocol allows this client at this moment.
    fn limits(&self, slot: ClientSlot) -> Limits {
        let settings = self.engine.shared.config.settings();
        let authenticated = self.engine.shared.clients.get(slot).is_none_or(|session| session.authenticated);
        Limits::new(authenticated, settings.proto_max_bulk_len)
    }

    /// Carries out what a command asked for; says when the batch ends here.
    #[inline]
    fn after_command(&mut self, connection: &mut Connection<Socket<P>>, flow: Flow) -> Option<Batch> {
        let len = self.reply_buf.len();
        if len > REPLY_BUFFER_LEN && self.outside.is_reply_too_large(connection, len, &self.engine) {
            return Some(Batch::Kill);
        }
        if self.reply_buf.len() >= REPLY_FLUSH_LEN
            && self.outside.send(connection, &mut self.reply_buf).is_err()
        {
            return Some(Batch::Kill);
        }
        if !self.engine.shared.requests.is_empty() || !self.engine.shared.deliveries.is_empty() {
            let own_killed = self.outside.settle(&mut self.engine, connection.slot);
            if own_killed || self.outside.stopping {
                return Some(Batch::Kill);
            }
        }
        (flow == Flow::Close).then_some(Batch::Close)
    }

    /// Answers a request that breaks the protocol; the client goes once that is sent.
    #[cold]
    fn protocol_error(&mut self, connection: &Connection<Socket<P>>, error: ProtocolError, bytes: &[u8]) {
        error.write(&mut Reply::new(&mut self.reply_buf, Proto::Resp2));
        self.outside.log_protocol_error(&self.engine, connection.slot, error, bytes);
    }

    /// Sends what a batch has left and puts the client into the state it ended in.
    fn finish_batch(&mut self, connection: &mut Connection<Socket<P>>, batch: Batch) -> Result<(), Gone> {
        if matches!(batch, Batch::Kill) {
            self.reply_buf.clear();
            return Err(Gone);
        }
        if !self.reply_buf.is_empty() {
            self.outside.send(connection, &mut self.reply_buf)?;
        }
        if self.reply_buf.capacity() > REPLY_KEEP_LEN {
            self.reply_buf = Vec::with_capacity(REPLY_FLUSH_LEN);
        }
        match batch {
            Batch::Paused => {
                connection.paused = true;
                self.outside.paused.push(connection.slot);
            }
            Batch::Close => connection.closing = Closing::AfterReplies,
            Batch::Drained | Batch::Kill => {}
        }
        if connection.closing != Closing::No && connection.out.is_empty() {
            return Err(Gone);
        }
        self.outside.check_output_limits(connection, &self.engine)
    }

    /// Offers the requests that waited for the end of a pause once more.
    fn resume_paused(&mut self) {
        for slot in core::mem::take(&mut self.outside.paused) {
            let Some(mut connection) = self.outside.connections.take(slot) else { continue };
            connection.paused = false;
            self.outside.watch_reads(&mut connection);
            let outcome = self.execute_own(&mut connection);
            self.outside.put_or_close(connection, outcome.is_err(), &mut self.engine);
        }
    }
}

/// The connection is closed or must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Where a read goes.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    /// Into the buffer all clients share.
    Shared(&'a mut [u8]),
    /// Into the client's own, as long as that holds no more than this.
    Own { held_max: usize },
}
