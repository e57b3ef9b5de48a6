//! What the clients of one turn have sent: read from several of them before the first request runs, and all of it run before the
//! first reply is sent.
//!
//! A look-up waits for memory several times over (bucket, entry, value) unless that is asked for in advance. A pipeline is looked
//! through ahead of execution; where each client has sent one request, those of the other clients are what is ahead. They are asked for
//! together, as the processor walks through the page tables for several at once, but not across a call to the system. And whatever runs
//! between two such calls finds the caches full of the system's own.
//!
//! Invariant: a client that is gathered stays in its slot, and is not read from again until it has had its turn. Whatever
//! closes it meanwhile closes it; its part is then of a dead token. The same holds for one whose replies wait: it is given nothing
//! by others before these are sent.

use core::ops::Range;

use vireo_core::engine::ClientSlot;
use vireo_core::keyspace::Prefetch;
use vireo_core::platform::Platform;

use crate::client_io;
use crate::connection::{Closing, Connection};
use crate::execute::{Batch, REPLY_KEEP_LEN};
use crate::parsed::Parsed;
use crate::serve::{READ_LEN, Server, Socket};

/// So many clients, or requests, are gathered at once.
const GATHERED_MAX: usize = 16;

/// Replies wait until there are so many.
const HELD_LEN_MAX: usize = 16 * 1024;

/// Replies of a client whose requests have run.
#[derive(Debug)]
struct Held {
    token: u64,
    /// Where they are in the shared reply buffer.
    range: Range<usize>,
}

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
    /// Of those whose requests run, how many there are behind the one whose turn it is.
    behind: usize,
    /// Requests in all parts.
    requests: usize,
    /// Databases and hashes of the keys of their first requests.
    places: Vec<(usize, u64)>,
    /// Whose replies wait to be sent.
    held: Vec<Held>,
}

impl Default for Gathered {
    fn default() -> Self {
        let buf = vec![0; 2 * READ_LEN].into_boxed_slice();
        let parts = core::iter::repeat_with(Part::default).take(GATHERED_MAX).collect();
        Self { buf, filled: 0, parts, len: 0, behind: 0, requests: 0, places: Vec::new(), held: Vec::new() }
    }
}

impl Gathered {
    /// Replies of some clients wait for the requests of the others.
    #[inline]
    pub(crate) fn holds_replies(&self) -> bool {
        !self.held.is_empty()
    }

    /// What another client has sent runs right behind what runs.
    #[inline]
    pub(crate) fn is_followed(&self) -> bool {
        self.behind > 0
    }

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
        part.parsed.keys_first(db, &mut gathered.places);
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
            self.fetch_gathered(&mut parts[..len], &buf);
        }
        self.gathered.places.clear();
        for (index, part) in parts[..len].iter_mut().enumerate() {
            self.gathered.behind = len - index - 1;
            self.execute_part(part, &mut buf);
        }
        self.send_all_held();
        (self.gathered.parts, self.gathered.buf) = (parts, buf);
        (self.gathered.filled, self.gathered.requests) = (0, 0);
    }

    /// Fetches the memory of what is gathered.
    fn fetch_gathered(&self, parts: &mut [Part], buf: &[u8]) {
        let (keyspace, places) = (&self.engine.keyspace, &self.gathered.places);
        keyspace.prefetch_all(places, Prefetch::First);
        keyspace.prefetch_all(places, Prefetch::Second);
        let has_objects = keyspace.prefetch_all(places, Prefetch::Third);
        for part in &mut *parts {
            part.parsed.note_fetched();
        }
        for step in Parsed::STEPS_AFTER_ENTRY.filter(|_| has_objects) {
            for part in &mut *parts {
                part.parsed.fetch_first(step, &buf[part.range.clone()], keyspace, part.db);
            }
        }
    }

    fn execute_part(&mut self, part: &mut Part, buf: &mut [u8]) {
        let Some(mut connection) = self.outside.connections.take_by_token(part.token) else {
            part.parsed.clear();
            return;
        };
        connection.is_gathered = false;
        let start = self.reply_buf.len();
        let batch = self.execute_shared(&mut connection, &mut buf[part.range.clone()], &mut part.parsed);
        // A large request may have come with many arguments.
        part.parsed.trim();
        self.hold_replies(connection, &batch, start);
    }

    /// Puts a client back whose requests have run. Where nothing speaks against it, its replies, which begin at `start` of the
    /// shared buffer, wait until the requests of the others that are gathered have run, too.
    fn hold_replies(&mut self, mut connection: Box<Connection<Socket<P>>>, batch: &Batch, start: usize) {
        let end = self.reply_buf.len();
        let may_wait = matches!(batch, Batch::Drained)
            && start < end
            && connection.out.is_empty()
            && connection.closing == Closing::No
            && !self.outside.switches.enforce_reply_list;
        if !may_wait {
            self.settle_time();
            let outcome = self.finish_batch(&mut connection, batch, start);
            self.put_read(connection, outcome.is_err());
            // That is no part of the next command's time.
            self.outside.now.advance_to(self.outside.mono_us());
            return;
        }
        self.outside.count_traffic(&mut connection);
        let token = self.outside.connections.token(connection.slot);
        self.gathered.held.push(Held { token, range: start..end });
        self.outside.connections.put(connection);
        if end > HELD_LEN_MAX {
            self.send_all_held();
        }
    }

    /// Takes the time of what has run, before calls to the system that are no part of it.
    fn settle_time(&mut self) {
        let mut now = self.outside.now;
        self.engine.settle_time(&mut now, &mut self.outside);
        self.outside.now = now;
    }

    /// Sends the replies that wait in the shared buffer.
    fn send_all_held(&mut self) {
        self.settle_time();
        let mut replies = core::mem::take(&mut self.reply_buf);
        self.send_held(&replies);
        replies.clear();
        self.put_reply_buf(replies, REPLY_KEEP_LEN);
    }

    /// Same, while more is written behind them.
    pub(crate) fn send_held(&mut self, replies: &[u8]) {
        let mut held = core::mem::take(&mut self.gathered.held);
        for Held { token, range } in held.drain(..) {
            // Whoever was closed meanwhile is told nothing more.
            let Some(mut connection) = self.outside.connections.take_by_token(token) else { continue };
            let outcome = self
                .outside
                .send_slice(&mut connection, &replies[range])
                .and_then(|()| self.end_batch(&mut connection, &Batch::Drained));
            self.put_read(connection, outcome.is_err());
        }
        self.gathered.held = held;
    }

    /// Ends the reading from a client in its slot that brought nothing.
    fn end_read(&mut self, slot: ClientSlot, gone: bool) {
        if let Some(connection) = self.outside.connections.take(slot) {
            self.put_read(connection, gone);
        }
    }
}
