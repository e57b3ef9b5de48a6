//! What the clients of one turn have sent: read from several of them before the first request runs.
//!
//! A look-up waits for memory several times over (bucket, entry, value) unless that is asked for in advance. A pipeline is looked
//! through ahead of execution; where each client has sent one request, those of the clients behind it are what is ahead. While the
//! system hands over what the next client has sent, the memory for the one before comes.
//!
//! Invariant: a client that is gathered stays in its slot, and is not read from again until it has had its turn. Whatever
//! closes it meanwhile closes it; its part is then of a dead token.

use core::ops::Range;

use vireo_core::engine::ClientSlot;
use vireo_core::keyspace::Prefetch;
use vireo_core::platform::Platform;

use crate::client_io;
use crate::parsed::Parsed;
use crate::serve::{READ_LEN, Server};

/// So many clients, or requests, are gathered at once.
const GATHERED_MAX: usize = 16;

/// What one client has sent.
#[derive(Debug, Default)]
struct Part {
    token: u64,
    /// The database that the client had selected.
    db: usize,
    /// Where it lies in the buffer.
    range: Range<usize>,
    parsed: Parsed,
}

/// What several clients have sent.
#[derive(Debug)]
pub(crate) struct Gathered {
    buf: Box<[u8]>,
    filled: usize,
    /// The first `len` are in use; the others keep their memory.
    parts: Vec<Part>,
    len: usize,
    /// Requests in all parts.
    requests: usize,
    /// Databases and hashes of the keys of their first requests.
    places: Vec<(usize, u64)>,
}

impl Default for Gathered {
    fn default() -> Self {
        let buf = vec![0; 2 * READ_LEN].into_boxed_slice();
        let parts = core::iter::repeat_with(Part::default).take(GATHERED_MAX).collect();
        Self { buf, filled: 0, parts, len: 0, requests: 0, places: Vec::new() }
    }
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.len == GATHERED_MAX || self.requests >= GATHERED_MAX || self.buf.len() - self.filled < READ_LEN
    }
}

impl<P: Platform> Server<P> {
    /// Reads from a client in its slot, which has nothing that waits; its requests run with those of others.
    pub(crate) fn gather(&mut self, slot: ClientSlot) {
        let token = self.outside.connections.token(slot);
        let rules = self.rules(slot);
        let db = self.db_of(slot);
        let Some(connection) = self.outside.connections.get_mut(slot) else { return };
        let gathered = &mut self.gathered;
        let start = gathered.filled;
        let room = &mut gathered.buf[start..][..READ_LEN];
        let outcome = client_io::read::<P::Net>(connection, room);
        let Ok(count @ 1..) = outcome else {
            self.end_read(slot, outcome.is_err());
            return;
        };
        connection.limits = rules.limits;
        connection.is_gathered = true;
        let part = &mut gathered.parts[gathered.len];
        (part.token, part.db, part.range) = (token, db, start..start + count);
        part.parsed.fill(&mut room[..count], &rules);
        let known = gathered.places.len();
        part.parsed.keys_first(db, &mut gathered.places);
        self.engine.keyspace.prefetch_all(&gathered.places[known..], Prefetch::First);
        gathered.filled += count.next_multiple_of(64);
        gathered.requests += part.parsed.len();
        gathered.len += 1;
        if gathered.is_full() {
            self.execute_gathered();
        }
    }

    /// Executes what is gathered.
    pub(crate) fn execute_gathered(&mut self) {
        let len = core::mem::take(&mut self.gathered.len);
        if len == 0 {
            return;
        }
        let mut parts = core::mem::take(&mut self.gathered.parts);
        let mut buf = core::mem::take(&mut self.gathered.buf);
        if self.gathered.requests > 1 {
            self.engine.keyspace.prefetch_all(&self.gathered.places, Prefetch::Second);
            for step in Parsed::STEPS_AFTER_ENTRY {
                for part in &mut parts[..len] {
                    let bytes = &buf[part.range.clone()];
                    part.parsed.fetch_first(step, bytes, &self.engine.keyspace, part.db);
                }
            }
        }
        self.gathered.places.clear();
        for part in &mut parts[..len] {
            self.execute_part(part, &mut buf);
        }
        (self.gathered.parts, self.gathered.buf) = (parts, buf);
        (self.gathered.filled, self.gathered.requests) = (0, 0);
    }

    fn execute_part(&mut self, part: &mut Part, buf: &mut [u8]) {
        let slot = self.outside.connections.resolve(part.token);
        let Some(mut connection) = slot.and_then(|slot| self.outside.connections.take(slot)) else {
            part.parsed.clear();
            return;
        };
        connection.is_gathered = false;
        let outcome = self.execute_shared(&mut connection, &mut buf[part.range.clone()], &mut part.parsed);
        // A large request may have come with many arguments.
        part.parsed.trim();
        self.put_read(connection, outcome.is_err());
    }

    /// Ends the reading from a client in its slot that brought nothing.
    fn end_read(&mut self, slot: ClientSlot, gone: bool) {
        if let Some(connection) = self.outside.connections.take(slot) {
            self.put_read(connection, gone);
        }
    }
}
