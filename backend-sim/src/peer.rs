//! Peers' side of the network: what they send, how they go, and what reaches them.

use std::collections::VecDeque;

use vireo_core::platform::Addr;

use crate::actor::Told;
use crate::network::{Conn, GONE_TAG, Line, ROOM};
use crate::trace::NETWORK;
use crate::world::{Due, SECOND_NS, State};

/// What is sent and never acknowledged is given up after so long, s: sooner than systems do, as idle time takes time.
const UNACKNOWLEDGED_S: u64 = 60;

/// What a peer does.
impl State {
    pub(crate) fn connect(&mut self, actor: usize, to: Addr, line: Line) -> usize {
        let small = self.faults.small_buffers && line == Line::Usual;
        let room = if small { [500, 3000, 20_000][self.dice.index(3)] } else { ROOM };
        self.network.conns.push(Conn {
            actor,
            line,
            to,
            inbox: VecDeque::new(),
            is_drained: true,
            end_arrived: false,
            broken: false,
            socket: None,
            server_closed: false,
            peer_closed: false,
            vanished: false,
            peer_reads: true,
            held: VecDeque::new(),
            room: if line == Line::Perfect { usize::MAX } else { room },
            in_flight: 0,
            wants_room: false,
            last_in_ns: self.now_ns,
            last_out_ns: self.now_ns,
            keepalive_s: 0,
            swapped: None,
        });
        let conn = self.network.conns.len() - 1;
        let at_ns = self.arrival_ns(conn, true);
        self.plan(at_ns, Due::Connect(conn));
        conn
    }

    /// When something that leaves now arrives, after all that left before.
    pub(crate) fn arrival_ns(&mut self, conn: usize, inwards: bool) -> u64 {
        let (least, more) = self.faults.latency_ns;
        let one = &mut self.network.conns[conn];
        let ns = if one.line == Line::Perfect { 1000 } else { least + self.dice.below(more + 1) };
        let last_ns = if inwards { &mut one.last_in_ns } else { &mut one.last_out_ns };
        *last_ns = (self.now_ns + ns).max(*last_ns);
        *last_ns
    }

    /// Sends bytes on their way, in pieces if the seed says so.
    pub(crate) fn send_pieces(&mut self, conn: usize, bytes: &[u8], inwards: bool) {
        let mut rest = bytes;
        let splits = self.faults.splits && self.network.conns[conn].line == Line::Usual;
        let mut cuts = if splits && self.dice.one_in(2) { self.dice.below(6) } else { 0 };
        while !rest.is_empty() {
            let most = rest.len() as u64;
            let len = match cuts {
                0 => most,
                // Near the ends of what is sent it matters most.
                _ if self.dice.one_in(2) => self.dice.between(1, most.min(16)),
                _ => self.dice.between(1, most),
            };
            let (piece, others) = rest.split_at(usize::try_from(len).unwrap_or(rest.len()));
            rest = others;
            let at_ns = self.arrival_ns(conn, inwards);
            let due = if inwards { Due::Arrive } else { Due::Deliver };
            self.plan(at_ns, due(conn, piece.to_vec()));
            if cuts > 0 {
                cuts -= 1;
                let gap_ns = self.dice.below(100_000);
                let one = &mut self.network.conns[conn];
                let last_ns = if inwards { &mut one.last_in_ns } else { &mut one.last_out_ns };
                *last_ns += gap_ns;
            }
        }
    }

    /// A peer sends.
    pub(crate) fn peer_sends(&mut self, conn: usize, bytes: &[u8]) {
        let one = &self.network.conns[conn];
        if one.peer_closed {
            return;
        }
        if one.line == Line::Usual && self.faults.resets && self.dice.one_in(300) {
            self.send_pieces(conn, bytes, true);
            self.break_off(conn);
        } else if one.line == Line::Usual && self.faults.half_open && self.dice.one_in(300) {
            self.send_pieces(conn, bytes, true);
            self.vanish(conn);
        } else {
            self.send_pieces(conn, bytes, true);
        }
    }

    /// Something between both resets the connection, soon.
    fn break_off(&mut self, conn: usize) {
        let at_ns = self.now_ns + self.dice.below(5_000_000);
        self.plan(at_ns, Due::ArriveReset(conn));
        self.plan(at_ns, Due::DeliverReset(conn));
    }

    /// A peer sends no more; `entirely`: it wants to hear no more, either.
    pub(crate) fn peer_ends(&mut self, conn: usize, entirely: bool) {
        let at_ns = self.arrival_ns(conn, true);
        self.network.conns[conn].peer_closed |= entirely;
        self.plan(at_ns, Due::ArriveEnd(conn));
    }

    /// A peer resets.
    pub(crate) fn peer_resets(&mut self, conn: usize) {
        self.network.conns[conn].peer_closed = true;
        let at_ns = self.arrival_ns(conn, true);
        self.plan(at_ns, Due::ArriveReset(conn));
    }

    /// A peer is no more, and nobody tells the server. Its actor learns by a reset.
    pub(crate) fn vanish(&mut self, conn: usize) {
        let one = &mut self.network.conns[conn];
        one.peer_closed = true;
        one.vanished = true;
        self.note(NETWORK, "vanishes", conn as u64, 0);
        self.plan_give_up(conn);
        let actor = self.network.conns[conn].actor;
        self.plan(self.now_ns, Due::Time(actor, GONE_TAG | conn as u64));
    }

    pub(crate) fn plan_give_up(&mut self, conn: usize) {
        let one = &self.network.conns[conn];
        if !one.vanished {
            return;
        }
        // Probes are for idle connections; what was sent and not acknowledged is given up later.
        let probing_s = one.keepalive_s + 3 * (one.keepalive_s / 3).max(1);
        let after_s = if one.in_flight > 0 { UNACKNOWLEDGED_S } else { probing_s };
        if one.in_flight > 0 || one.keepalive_s > 0 {
            self.plan(self.now_ns + after_s * SECOND_NS, Due::GiveUp(conn));
        }
    }

    /// A peer reads again, or ceases to.
    pub(crate) fn peer_reads(&mut self, conn: usize, on: bool) {
        self.network.conns[conn].peer_reads = on;
        while self.network.conns[conn].peer_reads
            && let Some(bytes) = self.network.conns[conn].held.pop_front()
        {
            self.plan(self.now_ns, Due::Deliver(conn, bytes));
        }
    }
}

/// What reaches a peer.
impl State {
    pub(crate) fn deliver(&mut self, conn: usize, bytes: Vec<u8>) {
        let one = &mut self.network.conns[conn];
        let actor = one.actor;
        if one.vanished {
            return;
        }
        if one.peer_closed {
            one.in_flight = one.in_flight.saturating_sub(bytes.len());
            self.peer_resets(conn);
            return;
        }
        if bytes.is_empty() {
            self.act(actor, Told::Connected(conn));
            return;
        }
        if !one.peer_reads {
            one.held.push_back(bytes);
            return;
        }
        one.in_flight -= bytes.len();
        let has_room = one.in_flight < one.room && core::mem::take(&mut one.wants_room);
        self.note_bytes("deliver", conn, bytes.len());
        if has_room {
            self.raise(conn);
        }
        self.act(actor, Told::Bytes(conn, &bytes));
    }

    pub(crate) fn deliver_end(&mut self, conn: usize) {
        let one = &self.network.conns[conn];
        if !one.peer_reads && !one.peer_closed {
            // It comes to that when it has read all else.
            let at_ns = self.now_ns + SECOND_NS / 10;
            self.plan(at_ns, Due::DeliverEnd(conn));
        } else if !one.peer_closed {
            let actor = one.actor;
            self.note(NETWORK, "end delivered", conn as u64, 0);
            self.act(actor, Told::Ended(conn));
        }
    }

    pub(crate) fn deliver_reset(&mut self, conn: usize) {
        let one = &mut self.network.conns[conn];
        if !core::mem::replace(&mut one.peer_closed, true) {
            one.held.clear();
            let actor = one.actor;
            self.note(NETWORK, "reset delivered", conn as u64, 0);
            self.act(actor, Told::Broken(conn));
        }
    }
}
