//! The network: connections between peers and the server, what is on its way, and what goes wrong with it.
//!
//! ```text
//!  peer ── send ─► pieces on their way ── arrive ─► inbox ── read ─► server
//!  peer ◄─ deliver ── pieces on their way, in order; they take up room until the peer has them ◄─ write ── server
//! ```
//! The server's side follows TCP as Linux has it: who closes with bytes unread resets; bytes for one that is closed are
//! answered by a reset; a reset takes away what was not read.

use std::collections::{BTreeSet, VecDeque};

use vireo_core::platform::{Addr, IoError, IoErrorKind};

use crate::error::io_error;
use crate::faults::Planted;
use crate::schedule::Wait;
use crate::trace::NETWORK;
use crate::world::{Due, SECOND_NS, State};

/// Room for what is on its way to a peer: usual, and little.
pub(crate) const ROOM: usize = 256 * 1024;
/// A peer asks again when the listener was full, ns.
const CONNECT_AGAIN_NS: u64 = SECOND_NS;
/// The first descriptor.
const FIRST_NUMBER: i32 = 8;

/// How good a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// As the seed says.
    Usual,
    /// Nothing goes wrong with it, and what is said does not show in the trace: for checkers whose replies hold numbers
    /// that differ between runs, such as memory in use.
    Perfect,
}

/// A connection.
pub(crate) struct Conn {
    pub(crate) actor: usize,
    pub(crate) line: Line,
    pub(crate) to: Addr,
    /// What the server may read.
    pub(crate) inbox: VecDeque<u8>,
    /// The server has read all that it was told of.
    pub(crate) is_drained: bool,
    /// The peer's end has arrived.
    pub(crate) end_arrived: bool,
    /// The connection is broken, and the server can know.
    pub(crate) broken: bool,
    /// The server's socket; none before it was accepted, and after it was closed.
    pub(crate) socket: Option<usize>,
    pub(crate) server_closed: bool,
    /// The peer wants no more, or is no more.
    pub(crate) peer_closed: bool,
    pub(crate) vanished: bool,
    /// The peer takes what is delivered.
    pub(crate) peer_reads: bool,
    pub(crate) held: VecDeque<Vec<u8>>,
    pub(crate) room: usize,
    pub(crate) in_flight: usize,
    /// The server found no room, and waits to be told of some.
    pub(crate) wants_room: bool,
    /// No piece arrives before the one ahead of it.
    pub(crate) last_in_ns: u64,
    pub(crate) last_out_ns: u64,
    pub(crate) keepalive_s: u64,
    /// A piece that waits to be overtaken, when replies are swapped.
    pub(crate) swapped: Option<Vec<u8>>,
}

/// A socket of the server.
pub(crate) struct Socket {
    pub(crate) number: i32,
    pub(crate) kind: Kind,
    /// Who watches it, under which name.
    pub(crate) watch: Option<(usize, u64)>,
    /// It is among those that are ready.
    queued: bool,
    /// The thread that is in a call on it.
    pub(crate) user: Option<usize>,
}

/// What a socket is.
pub(crate) enum Kind {
    Listener { addr: Addr, waiting: VecDeque<usize>, most: usize },
    Stream(usize),
}

/// A poller.
#[derive(Default)]
pub(crate) struct PollerState {
    /// Sockets that have something to tell, in the order in which that came up.
    pub(crate) ready: VecDeque<usize>,
    pub(crate) listeners: BTreeSet<usize>,
    pub(crate) woken: bool,
    /// The thread that waits.
    pub(crate) user: Option<usize>,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Network {
    pub(crate) conns: Vec<Conn>,
    pub(crate) sockets: Vec<Option<Socket>>,
    pub(crate) pollers: Vec<PollerState>,
    numbers: BTreeSet<i32>,
}

impl Network {
    /// Sockets that the server has open.
    pub(crate) fn open(&self) -> usize {
        self.sockets.iter().flatten().count()
    }

    pub(crate) fn add_socket(&mut self, kind: Kind) -> (usize, i32) {
        // The lowest that is free, as systems do: a number comes back soon.
        let number = (FIRST_NUMBER..).find(|number| !self.numbers.contains(number)).unwrap_or(-1);
        self.numbers.insert(number);
        self.sockets.push(Some(Socket { number, kind, watch: None, queued: false, user: None }));
        (self.sockets.len() - 1, number)
    }

    pub(crate) fn conn_mut(&mut self, conn: usize) -> &mut Conn {
        &mut self.conns[conn]
    }

    fn is_listened_on(&self, wanted: &Addr) -> bool {
        self.listener_at(wanted).is_some()
    }

    fn listener_at(&self, wanted: &Addr) -> Option<usize> {
        self.sockets.iter().position(|socket| {
            matches!(socket, Some(Socket { kind: Kind::Listener { addr, .. }, .. }) if addr == wanted)
        })
    }
}

impl Conn {
    /// Where the server is reached by this connection.
    pub(crate) fn server_addr(&self) -> Addr {
        self.to.clone()
    }
}

/// The address that a peer seems to have.
fn peer_addr(conn: usize, to: &Addr) -> Addr {
    match to {
        Addr::Unix(_) => Addr::unix(""),
        _ => Addr::V4([127, 0, 0, 1], 10_000 + u16::try_from(conn % 50_000).unwrap_or(0)),
    }
}

/// Tags of an actor's own times stay below this; what is above names a connection that has vanished.
pub(crate) const GONE_TAG: u64 = 1 << 63;

/// What arrives at the server.
impl State {
    pub(crate) fn connect_arrives(&mut self, conn: usize) {
        let found = self.network.listener_at(&self.network.conns[conn].to);
        let Some(Socket { kind: Kind::Listener { waiting, most, .. }, .. }) =
            found.and_then(|listener| self.network.sockets[listener].as_mut())
        else {
            self.plan(self.now_ns, Due::DeliverReset(conn));
            return;
        };
        if waiting.len() >= *most {
            self.plan(self.now_ns + CONNECT_AGAIN_NS, Due::Connect(conn));
            return;
        }
        waiting.push_back(conn);
        self.note(NETWORK, "connects", conn as u64, 0);
        // An empty piece tells the peer that it is connected.
        let at_ns = self.arrival_ns(conn, false);
        self.plan(at_ns, Due::Deliver(conn, Vec::new()));
        if let Some(listener) = found {
            self.wake_pollers_of(listener);
        }
    }

    pub(crate) fn arrive(&mut self, conn: usize, bytes: &[u8]) {
        let one = &mut self.network.conns[conn];
        if one.broken {
            return;
        }
        if one.server_closed {
            self.plan(self.now_ns, Due::DeliverReset(conn));
            return;
        }
        one.inbox.extend(bytes);
        let is_told = core::mem::take(&mut one.is_drained) || !self.faults.strict_edges;
        self.note_bytes("arrive", conn, bytes.len());
        if is_told {
            self.raise(conn);
        }
    }

    pub(crate) fn arrive_end(&mut self, conn: usize) {
        self.network.conns[conn].end_arrived = true;
        self.note(NETWORK, "end arrives", conn as u64, 0);
        self.raise(conn);
    }

    pub(crate) fn arrive_reset(&mut self, conn: usize) {
        let one = &mut self.network.conns[conn];
        if !one.vanished {
            one.broken = true;
            one.inbox.clear();
            self.note(NETWORK, "reset arrives", conn as u64, 0);
            self.raise(conn);
        }
    }

    pub(crate) fn give_up(&mut self, conn: usize) {
        let one = &mut self.network.conns[conn];
        if one.in_flight > 0 || one.keepalive_s > 0 {
            one.vanished = false;
            self.arrive_reset(conn);
        }
    }

    pub(crate) fn note_bytes(&mut self, what: &'static str, conn: usize, len: usize) {
        let is_shown = self.network.conns[conn].line == Line::Usual;
        self.note(NETWORK, what, conn as u64, if is_shown { len as u64 } else { 0 });
    }

    /// Something has come up on the server's socket of a connection.
    pub(crate) fn raise(&mut self, conn: usize) {
        let Some(socket) = self.network.conns[conn].socket else { return };
        let is_usual = self.network.conns[conn].line == Line::Usual;
        if is_usual && self.faults.planted == Some(Planted::EventLost) && self.dice.one_in(100) {
            return;
        }
        if self.faults.late_events && self.dice.one_in(4) {
            let late_ns = self.dice.below(500_000);
            self.plan(self.now_ns + late_ns, Due::Ready(socket));
        } else {
            self.tell(socket);
        }
    }

    /// Lists a socket among those that are ready.
    pub(crate) fn tell(&mut self, socket: usize) {
        let Some(Socket { watch: Some((poller, _)), queued, .. }) = &mut self.network.sockets[socket] else {
            return;
        };
        let poller = *poller;
        if !core::mem::replace(queued, true) {
            self.network.pollers[poller].ready.push_back(socket);
        }
        self.end_waits(poller);
    }

    fn wake_pollers_of(&mut self, socket: usize) {
        if let Some(Socket { watch: Some((poller, _)), .. }) = &self.network.sockets[socket] {
            self.end_waits(*poller);
        }
    }

    /// Whoever waits in a poller goes on.
    pub(crate) fn end_waits(&mut self, poller: usize) {
        for &number in &self.alive {
            let thread = &mut self.threads[number];
            if matches!(thread.wait, Wait::Polling(waits_at, _) if waits_at == poller) {
                thread.wait = Wait::No;
            }
        }
    }
}

/// What the server does.
impl State {
    /// Listens.
    ///
    /// # Errors
    /// Somebody does already.
    pub(crate) fn listen(&mut self, addr: &Addr, most: u32) -> Result<(usize, i32), IoError> {
        if self.network.is_listened_on(addr) {
            return Err(io_error(IoErrorKind::AddrInUse));
        }
        if self.network.sockets.is_empty() {
            // Now there is somebody to talk to.
            (0..self.actors.len()).for_each(|number| self.plan(self.now_ns, Due::Time(number, 0)));
        }
        let most = usize::try_from(most.max(1)).unwrap_or(1);
        Ok(self.network.add_socket(Kind::Listener { addr: addr.clone(), waiting: VecDeque::new(), most }))
    }

    /// Takes a connection that waits.
    ///
    /// # Errors
    /// As a system's; some of them because the seed says so.
    pub(crate) fn accept(&mut self, listener: usize) -> Result<(usize, i32, Addr), IoError> {
        let Some(Socket { kind: Kind::Listener { waiting, .. }, .. }) = &mut self.network.sockets[listener]
        else {
            return Err(io_error(IoErrorKind::Other));
        };
        let Some(&conn) = waiting.front() else { return Err(io_error(IoErrorKind::WouldBlock)) };
        let fails = self.faults.accept_errors && self.network.conns[conn].line == Line::Usual;
        if fails && self.dice.one_in(10) {
            return Err(io_error(IoErrorKind::Exhausted));
        }
        waiting.pop_front();
        if fails && self.dice.one_in(10) {
            self.network.conns[conn].server_closed = true;
            self.plan(self.now_ns, Due::DeliverReset(conn));
            return Err(io_error(IoErrorKind::AcceptFailed));
        }
        let (socket, number) = self.network.add_socket(Kind::Stream(conn));
        self.network.conns[conn].socket = Some(socket);
        self.note(NETWORK, "accepted", conn as u64, socket as u64);
        let addr = peer_addr(conn, &self.network.conns[conn].to);
        Ok((socket, number, addr))
    }

    /// Reads what has arrived.
    ///
    /// # Errors
    /// As a system's.
    pub(crate) fn read(&mut self, conn: usize, into: &mut [u8]) -> Result<usize, IoError> {
        if self.faults.interruptions && self.dice.one_in(50) {
            return Err(io_error(IoErrorKind::Interrupted));
        }
        let one = &mut self.network.conns[conn];
        if one.broken {
            return Err(io_error(IoErrorKind::Closed));
        }
        let count = one.inbox.len().min(into.len());
        one.is_drained = count < into.len();
        if count == 0 && !into.is_empty() {
            return if one.end_arrived { Ok(0) } else { Err(io_error(IoErrorKind::WouldBlock)) };
        }
        for (to, byte) in into.iter_mut().zip(one.inbox.drain(..count)) {
            *to = byte;
        }
        self.note_bytes("read", conn, count);
        Ok(count)
    }

    /// Takes bytes to be sent, as many as there is room for.
    ///
    /// # Errors
    /// As a system's.
    pub(crate) fn write(&mut self, conn: usize, bytes: &[u8]) -> Result<usize, IoError> {
        if self.faults.interruptions && self.dice.one_in(50) {
            return Err(io_error(IoErrorKind::Interrupted));
        }
        let one = &mut self.network.conns[conn];
        if one.broken {
            return Err(io_error(IoErrorKind::Closed));
        }
        let count = one.room.saturating_sub(one.in_flight).min(bytes.len());
        one.wants_room |= count < bytes.len();
        if count == 0 && !bytes.is_empty() {
            return Err(io_error(IoErrorKind::WouldBlock));
        }
        let has_waited = one.in_flight > 0;
        one.in_flight += count;
        self.note_bytes("write", conn, count);
        self.send_planted(conn, &bytes[..count]);
        if self.network.conns[conn].vanished && !has_waited {
            self.plan_give_up(conn);
        }
        Ok(count)
    }

    /// Sends bytes on their way, unless a bug is planted there.
    fn send_planted(&mut self, conn: usize, bytes: &[u8]) {
        let is_usual = self.network.conns[conn].line == Line::Usual;
        match self.faults.planted.filter(|_| is_usual) {
            Some(Planted::ReplyDropped) if self.dice.one_in(200) => {
                self.network.conns[conn].in_flight -= bytes.len();
            }
            Some(Planted::RepliesSwapped) if self.dice.one_in(100) => {
                self.network.conns[conn].swapped = Some(bytes.to_vec());
            }
            _ => {
                self.send_pieces(conn, bytes, false);
                if let Some(late) = self.network.conns[conn].swapped.take() {
                    self.send_pieces(conn, &late, false);
                }
            }
        }
    }

    /// Sets how long a silent peer is waited for.
    pub(crate) fn keep_alive(&mut self, conn: usize, seconds: u32) {
        self.network.conns[conn].keepalive_s = u64::from(seconds);
        self.plan_give_up(conn);
    }

    /// What may be told of a socket: readable, writable, closed.
    pub(crate) fn readiness(&self, conn: usize) -> (bool, bool, bool) {
        let one = &self.network.conns[conn];
        let closed = one.end_arrived || one.broken;
        (closed || !one.inbox.is_empty(), one.broken || one.in_flight < one.room, closed)
    }

    /// A socket is ready to be told of again.
    pub(crate) fn unqueue(&mut self, socket: usize) -> Option<&Socket> {
        let found = self.network.sockets[socket].as_mut()?;
        found.queued = false;
        Some(found)
    }

    /// Closes a socket.
    pub(crate) fn close(&mut self, socket: usize) {
        let Some(closed) = self.network.sockets[socket].take() else { return };
        self.network.numbers.remove(&closed.number);
        self.note(NETWORK, "close", socket as u64, 0);
        if closed.user.is_some() {
            self.fail("a socket is closed while a thread reads or writes it".to_owned());
        }
        if closed.watch.is_some() {
            self.fail("a socket is closed and was not deregistered".to_owned());
        }
        match closed.kind {
            Kind::Listener { waiting, .. } => {
                for conn in waiting {
                    self.network.conns[conn].server_closed = true;
                    self.plan(self.now_ns, Due::DeliverReset(conn));
                }
            }
            Kind::Stream(conn) => {
                let at_ns = self.arrival_ns(conn, false);
                let one = &mut self.network.conns[conn];
                one.server_closed = true;
                one.socket = None;
                let resets = one.broken || !one.inbox.is_empty();
                self.plan(at_ns, if resets { Due::DeliverReset(conn) } else { Due::DeliverEnd(conn) });
            }
        }
    }
}
