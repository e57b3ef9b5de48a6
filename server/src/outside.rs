//! Everything around the engine: sockets, poller, clocks, and what the engine asks of them.
//!
//! The loop in `serve.rs` owns the engine and an [`Outside`] side by side, so that a command can run while
//! the outside answers its questions (`host.rs`). Here is what concerns sockets; the periodic work is in
//! `cron.rs`.

use core::fmt;
use std::sync::Arc;

use vireo_core::commands::client_line;
use vireo_core::engine::host::{HostFacts, IoUse, LogLevel, NetTotals};
use vireo_core::engine::stats::Stats;
use vireo_core::engine::{ClientSlot, Engine, HostRequest, Moment, NewClient};
use vireo_core::offload::{Ignition, Scaler};
use vireo_core::platform::{Addr, Clock, Event, IoErrorKind, Net, Platform, Poller, Signal, System};
use vireo_core::resp::{Limits, ProtocolError};

use crate::client_io::{self, Gone};
use crate::connection::{Closing, Connection, Connections};
use crate::listen::Listeners;
use crate::log;
use crate::process::Process;
use crate::serve::Socket;
use crate::worker::Done;
use crate::workers::Crew;

/// The wall clock is asked so often, µs.
const WALL_CLOCK_PERIOD_US: u64 = 1000;
/// Both clocks are read within so much time, µs, or again, so often at the most.
const CLOCKS_APART_US: u64 = 100;
const CLOCK_READS_MAX: usize = 5;
/// Bytes of a broken request that are shown in the log.
const PROTOCOL_DUMP_LEN: usize = 128;

/// Switches that test suites flip.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// The periodic work stands still.
    pub(crate) pause_cron: bool,
    /// Every reply counts as if it were queued in a chunk.
    pub(crate) enforce_reply_list: bool,
    /// Clients keep reply buffers that they do not use.
    pub(crate) keep_reply_buffers: bool,
    /// The log has been told that clients hold too much and none may go.
    pub(crate) told_clients_full: bool,
}

/// Memory figures that are remembered.
#[derive(Debug, Default)]
pub(crate) struct MemoryMarks {
    /// Highest use seen.
    pub(crate) peak: u64,
    /// In use when the server had started.
    pub(crate) startup: u64,
    /// Objects that other threads had freed when the statistics were last reset.
    pub(crate) objects_freed_before: u64,
    /// What I/O threads had done by then.
    pub(crate) done_before: Done,
}

/// A turn of the loop, from the end of one wait to the beginning of the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    /// Monotonic µs.
    pub(crate) began_us: u64,
    /// Commands that had run before it.
    pub(crate) commands_before: u64,
}

/// Everything around the engine.
pub(crate) struct Outside<P: Platform> {
    pub(crate) poller: Arc<P::Poller>,
    pub(crate) clock: Arc<P::Clock>,
    pub(crate) connections: Connections<Socket<P>>,
    pub(crate) listeners: Listeners<P>,
    pub(crate) facts: HostFacts,
    pub(crate) process: Process,
    pub(crate) totals: NetTotals,
    pub(crate) switches: Switches,
    pub(crate) marks: MemoryMarks,
    /// The process is to end.
    pub(crate) stopping: bool,
    /// The connection whose requests run now, and what it held when they began.
    pub(crate) current: Option<(ClientSlot, IoUse)>,
    /// Connections that may have more to read than was read: the poller will not tell again.
    pub(crate) ready: Vec<ClientSlot>,
    /// The I/O threads, once there were any.
    pub(crate) crew: Option<Crew<P>>,
    /// The last I/O threads are to end: nothing more is lent.
    pub(crate) draining: bool,
    pub(crate) ignition: Ignition,
    pub(crate) scaler: Scaler,
    /// Connections that others' commands gave bytes to.
    pub(crate) flush_list: Vec<ClientSlot>,
    /// Connections whose requests wait for the end of a pause.
    pub(crate) paused: Vec<ClientSlot>,
    /// Connections whose requests wait no longer for one that waited for keys.
    pub(crate) resumed: Vec<ClientSlot>,
    /// The pause in force was changed or taken back.
    pub(crate) pause_changed: bool,
    /// When the periodic work is due, monotonic µs.
    pub(crate) cron_due_us: u64,
    /// Where the periodic walk over the clients stands.
    pub(crate) cron_cursor: usize,
    /// The turn of the loop that is under way.
    pub(crate) turn: Turn,
    /// It had something to do.
    pub(crate) is_busy: bool,
    /// The millisecond, since 1970, whose work is done: no more key becomes due in it.
    pub(crate) done_to_ms: i64,
    /// The loop's reading of the clocks, refreshed each turn.
    pub(crate) now: Moment,
    /// The last reading of both clocks.
    wall_read: Moment,
}

impl<P: Platform> Outside<P> {
    /// An outside that listens nowhere yet.
    pub(crate) fn new(poller: P::Poller, clock: P::Clock, facts: HostFacts, process: Process) -> Self {
        Self {
            poller: Arc::new(poller),
            clock: Arc::new(clock),
            connections: Connections::default(),
            listeners: Listeners::default(),
            facts,
            process,
            totals: NetTotals::default(),
            switches: Switches::default(),
            marks: MemoryMarks::default(),
            stopping: false,
            current: None,
            ready: Vec::new(),
            crew: None,
            draining: false,
            ignition: Ignition::default(),
            scaler: Scaler::default(),
            flush_list: Vec::new(),
            paused: Vec::new(),
            resumed: Vec::new(),
            pause_changed: false,
            cron_due_us: 0,
            cron_cursor: 0,
            turn: Turn::default(),
            is_busy: false,
            done_to_ms: 0,
            now: Moment::default(),
            wall_read: Moment::default(),
        }
    }

    /// The monotonic time, µs.
    #[inline]
    pub(crate) fn mono_us(&self) -> u64 {
        self.clock.monotonic_ns() / 1000
    }

    /// Reads the clock anew. Returns the monotonic time, µs.
    ///
    /// The wall clock is asked once a millisecond and follows the monotonic one in between.
    pub(crate) fn refresh_clock(&mut self) -> u64 {
        let mut mono_us = self.mono_us();
        if mono_us.saturating_sub(self.wall_read.mono_us) >= WALL_CLOCK_PERIOD_US
            || self.wall_read.mono_us == 0
        {
            self.wall_read = self.read_clocks(mono_us);
            mono_us = mono_us.max(self.wall_read.mono_us);
        }
        self.now = self.wall_read;
        self.now.advance_to(mono_us);
        mono_us
    }

    /// Both clocks at one moment. They are read again when this thread was held up in between: the time that is told from
    /// them would be behind or ahead until they are read next, and a key that is set by one and looked at by the other
    /// would expire too early.
    fn read_clocks(&self, mut before_us: u64) -> Moment {
        let mut closest = (u64::MAX, Moment::default());
        for _ in 0..CLOCK_READS_MAX {
            let unix_us = self.clock.unix_us();
            let mono_us = self.mono_us();
            let apart_us = mono_us.saturating_sub(before_us);
            if apart_us < closest.0 {
                closest = (apart_us, Moment { mono_us: before_us, unix_us });
            }
            if apart_us < CLOCKS_APART_US {
                break;
            }
            before_us = mono_us;
        }
        closest.1
    }

    /// Writes a log line.
    pub(crate) fn log(&self, level: LogLevel, line: fmt::Arguments<'_>) {
        log::write(level, self.now.unix_us, line);
    }

    /// Waits for events.
    pub(crate) fn poll(&mut self, events: &mut Vec<Event>, timeout_ns: u64) {
        let waited = self.poller.wait(Some(timeout_ns), &mut |event| events.push(event));
        if let Err(error) = waited {
            self.log(LogLevel::Warning, format_args!("Waiting for events failed: {error}"));
        }
    }

    /// Counts a turn of the loop that had something to do, for INFO.
    pub(crate) fn count_turn(&mut self, stats: &mut Stats) {
        let commands = stats.commands_processed.saturating_sub(self.turn.commands_before);
        let duration_us = self.refresh_clock().saturating_sub(self.turn.began_us);
        stats.turns.add(duration_us);
        self.totals.loop_duration_us += duration_us;
        self.totals.loop_duration_max_us = self.totals.loop_duration_max_us.max(duration_us);
        self.totals.loop_commands_max = self.totals.loop_commands_max.max(commands);
    }

    /// Stops when a signal asks for it.
    pub(crate) fn take_signals(&mut self) {
        let name = match P::System::take_signal() {
            None => return,
            Some(Signal::Terminate) => "SIGTERM",
            Some(Signal::Interrupt) => "SIGINT",
        };
        self.log(LogLevel::Warning, format_args!("Received {name} scheduling shutdown..."));
        self.stopping = true;
    }

    /// Takes the connections that wait at a listener, a bounded number in one turn.
    pub(crate) fn accept_from(&mut self, listener: usize, engine: &mut Engine) {
        let batch = engine.shared.config.settings().max_new_connections_per_cycle;
        for _ in 0..batch {
            let Some(accepted) = self.listeners.accept(listener) else { return };
            match accepted {
                Ok((socket, peer)) => self.welcome(socket, &peer, engine),
                //= security CVE-2025-48367: one connection that fails to be accepted does not hold up the others
                Err(error) if matches!(error.kind, IoErrorKind::AcceptFailed | IoErrorKind::Interrupted) => {}
                Err(error) => {
                    if error.kind != IoErrorKind::WouldBlock {
                        self.log(LogLevel::Warning, format_args!("Accepting client connection: {error}"));
                    }
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, socket: Socket<P>, peer: &Addr, engine: &mut Engine) {
        let settings = engine.shared.config.settings();
        let local = P::Net::local_addr(&socket).unwrap_or_else(|_| Addr::unix(""));
        if self.connections.len() as u64 >= settings.maxclients {
            // Best effort: who does not read it learns by the close.
            let _ = P::Net::write(&socket, b"-ERR max number of clients reached\r\n");
            self.totals.rejected += 1;
            return;
        }
        let open = settings.requirepass.is_empty();
        if settings.protected_mode && open && !peer.is_loopback() {
            let _ = P::Net::write(&socket, PROTECTED_MODE);
            self.totals.rejected += 1;
            return;
        }
        let is_unix = matches!(peer, Addr::Unix(_));
        if !is_unix {
            // Neither failing is a reason to refuse the client.
            let _ = P::Net::set_nodelay(&socket);
            let _ = P::Net::set_keepalive(&socket, settings.tcp_keepalive_s);
        }
        let slot = self.connections.reserve();
        let token = self.connections.token(slot);
        if let Err(error) = self.poller.register(&socket, token) {
            self.connections.release(slot);
            self.log(
                LogLevel::Warning,
                format_args!("Error registering fd event for the new client: {error}"),
            );
            return;
        }
        self.totals.accepted += 1;
        // The peer of a unix socket has no name; both ends show the path, as in the reference.
        let addr = if is_unix { &local } else { peer };
        engine.shared.clients.insert(NewClient {
            slot,
            addr: addr.to_string().into(),
            laddr: local.to_string().into(),
            is_loopback: peer.is_loopback(),
            is_unix,
            fd: P::Net::number(&socket),
            now_ms: self.now.unix_ms(),
            authenticated: open,
        });
        let mut connection = Connection::new(socket, slot, self.now.mono_us);
        connection.limits = Limits::new(open, settings.proto_max_bulk_len);
        self.charge(&connection, engine);
        self.connections.put(Box::new(connection));
    }

    /// Adds what was read from and written to a connection to the totals.
    #[inline]
    pub(crate) fn count_traffic(&mut self, connection: &mut Connection<Socket<P>>) {
        let traffic = connection.take_traffic();
        self.totals.reads += u64::from(traffic.reads);
        self.totals.writes += u64::from(traffic.writes);
        self.totals.bytes_in += traffic.bytes_in;
        self.totals.bytes_out += traffic.bytes_out;
        if core::mem::take(&mut connection.was_active) {
            connection.active_us = self.now.mono_us;
        }
    }

    /// Sends what a reply buffer holds from `start` on, which is where it ends afterwards; what the socket does not take is kept.
    pub(crate) fn send(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        buffer: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Gone> {
        let sent = self.send_some(connection, &buffer[start..])?;
        if start + sent < buffer.len() {
            // What is before it is others', and stays.
            let others = buffer[..start].to_vec();
            connection.out.push_buffer(buffer, start + sent);
            buffer.extend_from_slice(&others);
            self.list_for_flush(connection);
        }
        buffer.truncate(start);
        Ok(())
    }

    /// Sends some replies; what the socket does not take is kept.
    pub(crate) fn send_slice(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        replies: &[u8],
    ) -> Result<(), Gone> {
        let sent = self.send_some(connection, replies)?;
        if sent < replies.len() {
            connection.out.push(&replies[sent..]);
            self.list_for_flush(connection);
        }
        Ok(())
    }

    /// Sends as much of some replies as the socket takes, if none wait before them. Returns how much.
    fn send_some(&mut self, connection: &mut Connection<Socket<P>>, replies: &[u8]) -> Result<usize, Gone> {
        connection.reply_peak = connection.reply_peak.max(replies.len());
        if !connection.out.is_empty() || self.switches.enforce_reply_list {
            return Ok(0);
        }
        client_io::send::<P::Net>(connection, replies)
    }

    pub(crate) fn list_for_flush(&mut self, connection: &mut Connection<Socket<P>>) {
        if !connection.flush_listed {
            connection.flush_listed = true;
            self.flush_list.push(connection.slot);
        }
    }

    /// Sends what waits for a connection, as much as there is room for; the poller tells when there is room for the rest.
    fn flush(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        client_io::transmit::<P::Net>(connection, &mut Vec::new())?;
        if connection.out.is_empty() {
            // Who is told of something now and then is not to hold a chunk for it.
            connection.out.shrink();
        }
        if connection.out.is_empty() && connection.closing != Closing::No { Err(Gone) } else { Ok(()) }
    }

    /// The socket of a connection has room again.
    pub(crate) fn write_to(&mut self, slot: ClientSlot, engine: &mut Engine) {
        if let Some(connection) = self.connections.take(slot) {
            self.send_out(connection, engine);
        }
    }

    /// Sends what waits for a connection, then puts it back or closes it.
    pub(crate) fn flush_and_put(&mut self, mut connection: Box<Connection<Socket<P>>>, engine: &mut Engine) {
        let gone = self.flush(&mut connection).is_err();
        self.count_traffic(&mut connection);
        self.put_or_close(connection, gone, engine);
    }

    /// Sends what others' commands left for connections.
    pub(crate) fn flush_listed(&mut self, engine: &mut Engine) {
        for slot in core::mem::take(&mut self.flush_list) {
            let Some(mut connection) = self.connections.take(slot) else { continue };
            connection.flush_listed = false;
            if self.over_output_limit(&mut connection, engine) {
                self.close(connection, engine);
            } else {
                self.flush_and_put(connection, engine);
            }
        }
    }

    /// Puts a connection back, or closes it.
    pub(crate) fn put_or_close(
        &mut self,
        connection: Box<Connection<Socket<P>>>,
        gone: bool,
        engine: &mut Engine,
    ) {
        if gone {
            self.close(connection, engine);
        } else {
            self.charge(&connection, engine);
            self.connections.put(connection);
        }
    }

    /// Closes a connection.
    pub(crate) fn close(&mut self, mut connection: Box<Connection<Socket<P>>>, engine: &mut Engine) {
        self.count_traffic(&mut connection);
        let slot = connection.slot;
        // A socket that the poller does not know any more is closed all the same.
        let _ = self.poller.deregister(&connection.socket);
        drop(connection);
        self.connections.release(slot);
        engine.shared.forget(slot);
        self.flush_list.retain(|&listed| listed != slot);
        self.paused.retain(|&paused| paused != slot);
    }

    /// Refuses to hold more unread requests than allowed.
    pub(crate) fn check_query_limit(
        &mut self,
        connection: &Connection<Socket<P>>,
        engine: &Engine,
    ) -> Result<(), Gone> {
        let held = connection.read.len() as u64;
        self.totals.query_buffer_max = self.totals.query_buffer_max.max(held);
        if held <= engine.shared.config.settings().client_query_buffer_limit {
            return Ok(());
        }
        self.totals.query_buffer_limit_disconnections += 1;
        let line = self.line_of(connection, engine);
        self.log(
            LogLevel::Warning,
            format_args!("Closing client that reached max query buffer length: {line} (qbuf length: {held})"),
        );
        Err(Gone)
    }

    pub(crate) fn line_of(&self, connection: &Connection<Socket<P>>, engine: &Engine) -> String {
        let session = engine.shared.clients.get(connection.slot);
        session.map_or_else(String::new, |session| {
            client_line(session, &connection.io_use(), self.now.unix_ms())
        })
    }

    /// Writes to the log why a client was told that it breaks the protocol.
    pub(crate) fn log_protocol_error(
        &self,
        engine: &Engine,
        slot: ClientSlot,
        error: ProtocolError,
        bytes: &[u8],
    ) {
        if !log::wants(LogLevel::Verbose) {
            return;
        }
        let hidden = engine.shared.config.settings().hide_user_data_from_log;
        let line =
            engine.shared.clients.get(slot).map_or_else(String::new, |session| {
                client_line(session, &IoUse::default(), self.now.unix_ms())
            });
        let shown: String = bytes
            .iter()
            .take(PROTOCOL_DUMP_LEN)
            .map(|&byte| if (b' '..=b'~').contains(&byte) { char::from(byte) } else { '.' })
            .collect();
        let shown = if hidden { "*redacted*".to_owned() } else { format!("'{shown}'") };
        self.log(
            LogLevel::Verbose,
            format_args!("Protocol error ({}) from client: {line}. Query buffer: {shown}", error.reason()),
        );
    }

    /// Carries out what was asked of the outside, by a command of the client in `own` whose replies are being written, if
    /// there is one. `true` when that closes this client.
    pub(crate) fn settle(&mut self, engine: &mut Engine, own: Option<(ClientSlot, &mut Vec<u8>)>) -> bool {
        let (own, mut replies) = own.unzip();
        for delivery in core::mem::take(&mut engine.shared.deliveries) {
            if own == Some(delivery.to) {
                if let Some(replies) = &mut replies {
                    replies.extend_from_slice(&delivery.bytes);
                }
            } else {
                self.deliver(delivery.to, &delivery.bytes, engine);
            }
        }
        let mut own_killed = false;
        for request in core::mem::take(&mut engine.shared.requests) {
            match request {
                HostRequest::Kill(slot) if own == Some(slot) => own_killed = true,
                HostRequest::ReplyTooLarge(slot) => {
                    let line = self.line_at(slot, engine);
                    self.tell_closed_for_output(&line);
                    if own == Some(slot) {
                        own_killed = true;
                    } else {
                        self.close_slot(slot, engine);
                    }
                }
                HostRequest::LimitsChanged => {
                    engine.begin_eviction();
                    self.charge_all(engine);
                }
                HostRequest::Unblocked(slot) => self.resumed.push(slot),
                HostRequest::Kill(slot) => self.close_slot(slot, engine),
                HostRequest::Shutdown { .. } => {
                    self.log(LogLevel::Warning, format_args!("User requested shutdown..."));
                    self.stopping = true;
                }
                HostRequest::PauseChanged => self.pause_changed = true,
                HostRequest::Crash(kind) => crate::process::crash(kind),
            }
        }
        own_killed
    }

    /// The pause is over or was changed, so that waiting requests are to be offered again.
    pub(crate) fn pause_ended(&mut self, engine: &mut Engine) -> bool {
        let over = engine.shared.pause.is_set() && engine.shared.pause.kind(self.now.unix_ms()).is_none();
        if over {
            engine.shared.pause.end();
        }
        core::mem::take(&mut self.pause_changed) || over
    }
}

//= valkey 9.1 protected mode: a client from elsewhere is told what to do and closed
const PROTECTED_MODE: &[u8] = b"-DENIED Running in protected mode because protected mode is enabled and no password is \
set for the default user. In this mode connections are only accepted from the loopback interface. To connect from \
another computer, do one of these: 1) send 'CONFIG SET protected-mode no' from this machine (CONFIG REWRITE makes it \
last), if you are sure that the server cannot be reached from the internet; 2) set protected-mode to 'no' in the \
configuration file and restart; 3) start the server with '--protected-mode no'; 4) set a password for the default user \
(requirepass).\r\n";
