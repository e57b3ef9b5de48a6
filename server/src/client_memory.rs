//! What clients hold, and who goes when that is too much (`maxmemory-clients`).
//!
//! A client is charged anew whenever it is put back, lent, given bytes, or has run a command, as long as there is a limit (one
//! whose replies wait for those of others, when they are sent); without one, the periodic walk over all clients is enough for
//! INFO. While an I/O thread has a client, what it held before counts, and what has come for it since.
//!
//! Clients go between commands only, so none goes with a command half done: one that is too much before its next command
//! runs goes instead of running it.

use vireo_core::commands::client_line;
use vireo_core::engine::host::{Host, IoUse, LogLevel};
use vireo_core::engine::{ClientSlot, Engine, SessionFlags};
use vireo_core::platform::Platform;

use crate::connection::{Connection, REPLY_BUFFER_LEN};
use crate::outside::Outside;
use crate::serve::Socket;

/// So many clients go at once at the most; more of them, before the next command or in the next turn.
const EVICTED_AT_ONCE_MAX: usize = 32;

impl<P: Platform> Outside<P> {
    /// Charges a client with what it holds, if that is limited.
    #[inline]
    pub(crate) fn charge(&self, connection: &Connection<Socket<P>>, engine: &mut Engine) {
        if engine.shared.config.settings().maxmemory_clients.is_some() {
            engine.shared.charge(connection.slot, &connection.io_use());
        }
    }

    /// Same, of one whose requests run: besides what it held before, its replies of which `replies_len` bytes are in the
    /// buffer that clients use in turn.
    #[inline]
    pub(crate) fn charge_running(
        &self,
        connection: &Connection<Socket<P>>,
        replies_len: usize,
        engine: &mut Engine,
    ) {
        if engine.shared.config.settings().maxmemory_clients.is_none() {
            return;
        }
        let Some((_, before)) = self.current else { return };
        let out = connection.out.held();
        let beyond = replies_len.saturating_sub(REPLY_BUFFER_LEN);
        let reply_chunk_bytes = out.buffer + out.chunk_bytes + beyond;
        let io = IoUse { claimed_bytes: 0, reply_capacity: 0, reply_chunk_bytes, ..before };
        engine.shared.charge(connection.slot, &io);
    }

    /// Takes note of how many bytes of requests wait behind the one that runs.
    #[inline]
    pub(crate) fn note_waiting(&mut self, query_len: usize) {
        if let Some((_, io)) = &mut self.current {
            (io.query_len, io.argv_mem) = (query_len, 0);
        }
    }

    /// Charges all clients anew: there is a limit from now on, or another.
    pub(crate) fn charge_all(&mut self, engine: &mut Engine) {
        for slot in self.connections.slots() {
            let io = self.io_use(slot);
            engine.shared.charge(slot, &io);
        }
    }

    /// Gives bytes to a client other than the one whose commands run. One that then holds more replies than it may is closed.
    pub(crate) fn deliver(&mut self, to: ClientSlot, bytes: &[u8], engine: &mut Engine) {
        if let Some(notes) = self.connections.lent_mut(to) {
            notes.deliveries.extend_from_slice(bytes);
            let held = notes.deliveries.len();
            if held > REPLY_BUFFER_LEN && !notes.doomed && self.is_over_hard_limit(to, held, engine) {
                let line = self.line_at(to, engine);
                self.tell_closed_for_output(&line);
                self.close_slot(to, engine);
            } else if engine.shared.config.settings().maxmemory_clients.is_some() {
                let io = self.connections.io_use(to);
                engine.shared.charge(to, &io);
            }
        } else if let Some(mut connection) = self.connections.take(to) {
            connection.out.push(bytes);
            if connection.out.len() > REPLY_BUFFER_LEN
                && self.is_reply_too_large(&connection, connection.out.len(), engine)
            {
                self.close(connection, engine);
                return;
            }
            self.list_for_flush(&mut connection);
            self.charge(&connection, engine);
            self.connections.put(connection);
        }
    }

    /// Closes the largest clients until all together hold no more than they may. `true` when the one in `own` is among
    /// them, whose requests run and who is closed by whoever runs them.
    #[cold]
    pub(crate) fn evict_clients(&mut self, engine: &mut Engine, own: Option<ClientSlot>) -> bool {
        let mut own_goes = false;
        for _ in 0..EVICTED_AT_ONCE_MAX {
            if !engine.shared.clients_are_over() {
                self.switches.told_clients_full = false;
                break;
            }
            let Some(slot) = engine.shared.client_memory.largest() else {
                // Told once, not before every command.
                if !core::mem::replace(&mut self.switches.told_clients_full, true) {
                    let line = format_args!("Over client maxmemory after evicting all evictable clients");
                    self.log(LogLevel::Warning, line);
                }
                break;
            };
            let line = self.line_at(slot, engine);
            self.log(LogLevel::Notice, format_args!("Evicting client: {line}"));
            engine.shared.client_memory.leave(slot);
            engine.shared.stats.evicted_clients += 1;
            if own == Some(slot) {
                own_goes = true;
            } else {
                self.close_slot(slot, engine);
            }
        }
        own_goes
    }

    /// A client would go at once if there were time.
    pub(crate) fn may_evict_clients(&self, engine: &Engine) -> bool {
        engine.shared.clients_are_over() && engine.shared.client_memory.has_evictable()
    }

    /// The line of a client, for the log.
    pub(crate) fn line_at(&mut self, slot: ClientSlot, engine: &Engine) -> String {
        let io = self.io_use(slot);
        let session = engine.shared.clients.get(slot);
        session.map_or_else(String::new, |session| client_line(session, &io, self.now.unix_ms()))
    }

    /// Closes the connection in a slot; one that is lent, as soon as it comes back: until then it is served nothing more,
    /// and what it holds counts as free already.
    pub(crate) fn close_slot(&mut self, slot: ClientSlot, engine: &mut Engine) {
        if let Some(notes) = self.connections.lent_mut(slot) {
            notes.doomed = true;
            engine.shared.client_memory.leave(slot);
            if let Some(session) = engine.shared.clients.get_mut(slot) {
                session.flags.insert(SessionFlags::CLOSE_ASAP);
            }
        } else if let Some(connection) = self.connections.take(slot) {
            self.close(connection, engine);
        }
    }
}
