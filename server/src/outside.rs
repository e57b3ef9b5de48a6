//! Everything around the engine: sockets, poller, clocks, and what the engine asks of them.
//!
//! The loop in `serve.rs` owns the engine and an [`Outside`] side by side, so that a command can run while
//! the outside answers its questions (`host.rs`). Here is what concerns sockets; the periodic work is in
//! `cron.rs`.

use core::fmt;

use vireo_core::commands::client_line;
use vireo_core::engine::host::{HostFacts, IoUse, LogLevel, NetTotals};
use vireo_core::engine::{ClientSlot, Engine, HostRequest, Moment, NewClient, SessionFlags};
use vireo_core::platform::{
    Addr, Clock, Event, Interest, IoError, IoErrorKind, Net, Platform, Poller, Signal, System,
};
use vireo_core::resp::ProtocolError;

use crate::connection::{Closing, Connection, Connections};
use crate::listen::Listeners;
use crate::log;
use crate::process::Process;
use crate::serve::{Gone, Socket, Target};

/// Pieces of replies that one call sends.
const PIECES_MAX: usize = 64;
/// What a client that never logged in may have waiting, beyond what the first reply buffer holds.
const UNAUTHENTICATED_OUT_MAX: usize = crate::connection::REPLY_BUFFER_LEN + 1024;
/// Bytes of a broken request that are shown in the log.
const PROTOCOL_DUMP_LEN: usize = 128;

/// Switches that test suites flip.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// The periodic work stands still.
    pub(crate) pause_cron: bool,
    /// Every reply counts as if it were queued in a chunk.
    pub(crate) enforce_reply_list: bool,
}

/// Memory figures that are remembered.
#[derive(Debug, Default)]
pub(crate) struct MemoryMarks {
    /// Highest use seen.
    pub(crate) peak: u64,
    /// In use when the server had started.
    pub(crate) startup: u64,
}

/// Everything around the engine.
pub(crate) struct Outside<P: Platform> {
    pub(crate) poller: P::Poller,
    pub(crate) clock: P::Clock,
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
    /// Connections that others' commands gave bytes to.
    pub(crate) flush_list: Vec<ClientSlot>,
    /// Connections whose requests wait for the end of a pause.
    pub(crate) paused: Vec<ClientSlot>,
    /// The pause in force was changed or taken back.
    pub(crate) pause_changed: bool,
    /// When the periodic work is due, monotonic µs.
    pub(crate) cron_due_us: u64,
    /// Where the periodic walk over the clients stands.
    pub(crate) cron_cursor: usize,
    /// The loop's reading of the clocks, refreshed each turn.
    pub(crate) now: Moment,
}

impl<P: Platform> Outside<P> {
    /// An outside that listens nowhere yet.
    pub(crate) fn new(poller: P::Poller, clock: P::Clock, facts: HostFacts, process: Process) -> Self {
        Self {
            poller,
            clock,
            connections: Connections::default(),
            listeners: Listeners::default(),
            facts,
            process,
            totals: NetTotals::default(),
            switches: Switches::default(),
            marks: MemoryMarks::default(),
            stopping: false,
            current: None,
            flush_list: Vec::new(),
            paused: Vec::new(),
            pause_changed: false,
            cron_due_us: 0,
            cron_cursor: 0,
            now: Moment::default(),
        }
    }

    /// Reads both clocks anew. Returns the monotonic time, µs.
    pub(crate) fn refresh_clock(&mut self) -> u64 {
        self.now = Moment { mono_us: self.clock.monotonic_ns() / 1000, unix_us: self.clock.unix_us() };
        self.now.mono_us
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

    /// Counts a turn of the loop for INFO.
    pub(crate) fn count_turn(&mut self, began_us: u64, commands: u64) {
        let duration_us = (self.clock.monotonic_ns() / 1000).saturating_sub(began_us);
        self.totals.loop_duration_us += duration_us;
        self.totals.loop_duration_max_us = self.totals.loop_duration_max_us.max(duration_us);
        self.totals.loop_commands_max = self.totals.loop_commands_max.max(commands);
    }

    /// Counts a run of the periodic work for INFO.
    pub(crate) fn count_cron(&mut self, began_us: u64) {
        let ended_us = self.clock.monotonic_ns() / 1000;
        // Shorter runs than a microsecond add up, too.
        self.totals.cron_us += ended_us.saturating_sub(began_us).max(1);
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
        if let Err(error) = self.poller.register(&socket, token, Interest { read: true, write: false }) {
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
        self.connections.put(Box::new(Connection::new(socket, slot, self.now.mono_us)));
    }

    /// Reads once from a connection. `Ok(0)` when nothing has come.
    pub(crate) fn read(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        target: Target<'_>,
    ) -> Result<usize, Gone> {
        let outcome = match target {
            Target::Shared(buf) => P::Net::read(&connection.socket, buf),
            Target::Own { held_max } => {
                let most = held_max.saturating_sub(connection.read.len()).max(1);
                let room = connection.read.room(1);
                let len = room.len().min(most);
                P::Net::read(&connection.socket, &mut room[..len])
            }
        };
        match outcome {
            Ok(0) => Err(Gone),
            Ok(count) => {
                self.totals.reads += 1;
                self.totals.bytes_in += count as u64;
                connection.net_in += count as u64;
                connection.active_us = self.now.mono_us;
                Ok(count)
            }
            Err(error) if is_temporary(&error) => Ok(0),
            Err(_) => Err(Gone),
        }
    }

    /// Reads and drops what a connection sends that is to be closed. `true` when its peer is gone.
    pub(crate) fn discard_input(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        scratch: &mut [u8],
    ) -> bool {
        self.read(connection, Target::Shared(scratch)).is_err()
    }

    /// Sends a filled reply buffer; what the socket does not take is kept. The buffer is empty afterwards.
    pub(crate) fn send(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Gone> {
        connection.reply_peak = connection.reply_peak.max(buffer.len());
        let mut sent = 0;
        if connection.out.is_empty() && !self.switches.enforce_reply_list {
            match P::Net::write(&connection.socket, buffer) {
                Ok(count) => sent = count,
                Err(error) if is_temporary(&error) => {}
                Err(_) => return Err(Gone),
            }
            self.count_sent(connection, sent);
        }
        if sent < buffer.len() {
            connection.out.push_buffer(buffer, sent);
            self.list_for_flush(connection);
        }
        buffer.clear();
        Ok(())
    }

    fn count_sent(&mut self, connection: &mut Connection<Socket<P>>, count: usize) {
        self.totals.writes += 1;
        self.totals.bytes_out += count as u64;
        connection.net_out += count as u64;
        connection.active_us = self.now.mono_us;
    }

    fn list_for_flush(&mut self, connection: &mut Connection<Socket<P>>) {
        if !connection.flush_listed {
            connection.flush_listed = true;
            self.flush_list.push(connection.slot);
        }
    }

    /// Sends what waits for a connection, as much as there is room for, and watches for room for the rest.
    fn flush(&mut self, connection: &mut Connection<Socket<P>>) -> Result<(), Gone> {
        while !connection.out.is_empty() {
            let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
            let used = connection.out.slices(&mut pieces);
            match P::Net::write_vectored(&connection.socket, &pieces[..used]) {
                Ok(count) => {
                    connection.out.consume(count);
                    self.count_sent(connection, count);
                }
                Err(error) if is_temporary(&error) => break,
                Err(_) => return Err(Gone),
            }
        }
        let waits = !connection.out.is_empty();
        if !waits && connection.closing != Closing::No {
            return Err(Gone);
        }
        if waits != connection.watches_write {
            connection.watches_write = waits;
            self.update_interest(connection)?;
        }
        Ok(())
    }

    fn update_interest(&mut self, connection: &Connection<Socket<P>>) -> Result<(), Gone> {
        let interest = Interest { read: connection.watches_read, write: connection.watches_write };
        let token = self.connections.token(connection.slot);
        self.poller.modify(&connection.socket, token, interest).map_err(|_| Gone)
    }

    /// The socket of a connection has room again.
    pub(crate) fn write_to(&mut self, slot: ClientSlot, engine: &mut Engine) {
        if let Some(mut connection) = self.connections.take(slot) {
            let gone = self.flush(&mut connection).is_err();
            self.put_or_close(connection, gone, engine);
        }
    }

    /// Sends what others' commands left for connections.
    pub(crate) fn flush_listed(&mut self, engine: &mut Engine) {
        for slot in core::mem::take(&mut self.flush_list) {
            let Some(mut connection) = self.connections.take(slot) else { continue };
            connection.flush_listed = false;
            let gone =
                self.over_output_limit(&mut connection, engine) || self.flush(&mut connection).is_err();
            self.put_or_close(connection, gone, engine);
        }
    }

    /// Puts a connection back, or closes it.
    pub(crate) fn put_or_close(
        &mut self,
        connection: Box<Connection<Socket<P>>>,
        gone: bool,
        engine: &mut Engine,
    ) {
        if gone { self.close(connection, engine) } else { self.connections.put(connection) }
    }

    fn close(&mut self, connection: Box<Connection<Socket<P>>>, engine: &mut Engine) {
        let slot = connection.slot;
        // A socket that the poller does not know any more is closed all the same.
        let _ = self.poller.deregister(&connection.socket);
        drop(connection);
        self.connections.release(slot);
        engine.shared.clients.remove(slot);
        engine.shared.monitors.retain(|&monitor| monitor != slot);
        self.flush_list.retain(|&listed| listed != slot);
        self.paused.retain(|&paused| paused != slot);
    }

    /// Closes the connection in a slot, unless it is being worked on.
    pub(crate) fn close_slot(&mut self, slot: ClientSlot, engine: &mut Engine) {
        if let Some(connection) = self.connections.take(slot) {
            self.close(connection, engine);
        }
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

    fn line_of(&self, connection: &Connection<Socket<P>>, engine: &Engine) -> String {
        let session = engine.shared.clients.get(connection.slot);
        session.map_or_else(String::new, |session| {
            client_line(session, &connection.io_use(), self.now.unix_ms())
        })
    }

    /// Refuses to hold more replies than allowed.
    pub(crate) fn check_output_limits(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        engine: &Engine,
    ) -> Result<(), Gone> {
        if self.over_output_limit(connection, engine) { Err(Gone) } else { Ok(()) }
    }

    fn over_output_limit(&mut self, connection: &mut Connection<Socket<P>>, engine: &Engine) -> bool {
        if connection.out.is_empty() {
            connection.over_soft_limit_since_us = None;
            return false;
        }
        let held = connection.out.len();
        self.totals.reply_buffer_max = self.totals.reply_buffer_max.max(held as u64);
        let limit = engine.shared.config.settings().output_limits[0];
        let soft = limit.soft_bytes > 0 && held as u64 >= limit.soft_bytes;
        if !soft {
            connection.over_soft_limit_since_us = None;
        }
        let since = soft.then(|| *connection.over_soft_limit_since_us.get_or_insert(self.now.mono_us));
        let too_long = since.is_some_and(|since| {
            self.now.mono_us.saturating_sub(since) > limit.soft_seconds.saturating_mul(1_000_000)
        });
        if too_long {
            self.tell_output_limit(connection, engine);
        }
        too_long || self.is_reply_too_large(connection, held, engine)
    }

    //= valkey 9.1 client-output-buffer-limit: what passes the first reply buffer counts, sent or not
    /// Whether replies of this length pass a limit that holds at once.
    pub(crate) fn is_reply_too_large(
        &mut self,
        connection: &Connection<Socket<P>>,
        held: usize,
        engine: &Engine,
    ) -> bool {
        let hard_bytes = engine.shared.config.settings().output_limits[0].hard_bytes;
        let session = engine.shared.clients.get(connection.slot);
        //= security CVE-2025-21605: who never logged in and does not read is not given more memory
        let stranger = session.is_some_and(|session| {
            !session.authenticated && !session.flags.contains(SessionFlags::EVER_AUTHENTICATED)
        });
        let stranger_over = stranger && (self.switches.enforce_reply_list || held > UNAUTHENTICATED_OUT_MAX);
        let over = stranger_over || (hard_bytes > 0 && held as u64 >= hard_bytes);
        if over {
            self.tell_output_limit(connection, engine);
        }
        over
    }

    fn tell_output_limit(&mut self, connection: &Connection<Socket<P>>, engine: &Engine) {
        self.totals.output_buffer_limit_disconnections += 1;
        let line = self.line_of(connection, engine);
        self.log(
            LogLevel::Warning,
            format_args!("Client {line} closed for overcoming of output buffer limits."),
        );
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

    /// Carries out what a command asked of the outside. `true` when that closes the client in `own`.
    pub(crate) fn settle(&mut self, engine: &mut Engine, own: ClientSlot) -> bool {
        for delivery in core::mem::take(&mut engine.shared.deliveries) {
            if let Some(connection) = self.connections.get_mut(delivery.to) {
                connection.out.push(&delivery.bytes);
                if !connection.flush_listed {
                    connection.flush_listed = true;
                    self.flush_list.push(delivery.to);
                }
            }
        }
        let mut own_killed = false;
        for request in core::mem::take(&mut engine.shared.requests) {
            match request {
                HostRequest::Kill(slot) if slot == own => own_killed = true,
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

    /// A client's requests wait: it is read from only until it has sent so much.
    pub(crate) fn limit_paused_input(&mut self, connection: &mut Connection<Socket<P>>, max: usize) {
        if connection.read.len() > max && connection.watches_read {
            connection.watches_read = false;
            // Failing means that the socket is gone, which the next event will tell.
            let _ = self.update_interest(connection);
        }
    }

    /// Watches again for what a client sends.
    pub(crate) fn watch_reads(&mut self, connection: &mut Connection<Socket<P>>) {
        if !connection.watches_read {
            connection.watches_read = true;
            let _ = self.update_interest(connection);
        }
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

/// It will work later, without anything being wrong.
fn is_temporary(error: &IoError) -> bool {
    matches!(error.kind, IoErrorKind::WouldBlock | IoErrorKind::Interrupted)
}

//= valkey 9.1 protected mode: a client from elsewhere is told what to do and closed
const PROTECTED_MODE: &[u8] = b"-DENIED Running in protected mode because protected mode is enabled and no password is \
set for the default user. In this mode connections are only accepted from the loopback interface. To connect from \
another computer, do one of these: 1) send 'CONFIG SET protected-mode no' from this machine (CONFIG REWRITE makes it \
last), if you are sure that the server cannot be reached from the internet; 2) set protected-mode to 'no' in the \
configuration file and restart; 3) start the server with '--protected-mode no'; 4) set a password for the default user \
(requirepass).\r\n";
