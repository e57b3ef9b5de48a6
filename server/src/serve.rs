//! The event loop: one thread that polls, reads, executes, writes and does the periodic work.
//!
//! A turn: wait for events; accept; read each readable client once and execute its whole requests, several clients together; send
//! the replies from the shared reply buffer; flush what other clients got; expire what is due; run the periodic work when its
//! time has come. Nothing in a turn waits. While I/O threads run (`threaded.rs`), reading, parsing, writing and polling
//! are theirs, and this thread executes what comes back.

use vireo_core::engine::{ClientSlot, Engine};
use vireo_core::offload::Marks;
use vireo_core::platform::{Clock, Event, Net, Platform};
use vireo_core::resp::Limits;

use crate::client_io::{self, Gone};
use crate::connection::{Closing, Connection, marks_of};
use crate::gather::Gathered;
use crate::listen::Listeners;
use crate::out_buf::Pools;
use crate::outside::{Outside, Turn};
use crate::parsed::{Parsed, Rules};
use crate::workers::PlatformWord;

/// The read buffer that all clients share, and what is read from one at once.
pub(crate) const READ_LEN: usize = 64 * 1024;
/// Within a batch, replies are handed to the socket when they pass this.
pub(crate) const REPLY_FLUSH_LEN: usize = 64 * 1024;
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
    /// Replies of the client that is being served, behind those of others that wait to be sent.
    pub(crate) reply_buf: Vec<u8>,
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
        if runs && !lends && connection.is_plain() {
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
        } else if connection.is_plain() && !connection.paused {
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
        debug_assert!(self.reply_buf.is_empty(), "nobody's replies are held");
        let count = client_io::read::<P::Net>(connection, &mut self.read_buf)?;
        let mut buf = core::mem::take(&mut self.read_buf);
        let mut parsed = core::mem::take(&mut self.parsed);
        let batch = self.execute_shared(connection, &mut buf[..count], &mut parsed);
        (self.read_buf, self.parsed) = (buf, parsed);
        self.finish_batch(connection, &batch, 0)
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
