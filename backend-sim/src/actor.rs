//! Actors: what is outside of the server. A client is one, or whoever watches over all of them.
//!
//! An actor is told what happens to it, and acts on its scene, in no time: it is no thread.

use core::panic::AssertUnwindSafe;

use vireo_core::platform::Addr;

use crate::dice::Dice;
use crate::disk::Contents;
use crate::faults::Faults;
use crate::network::{GONE_TAG, Line};
use crate::world::{Due, State};

/// The number of a connection; each has its own.
pub type ConnId = usize;

/// What an actor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// A time that it asked for has come; the tag is its own.
    Time(u64),
    /// The other side has taken note of a connection.
    Connected(ConnId),
    /// Bytes have come.
    Bytes(ConnId, &'a [u8]),
    /// The other side sends no more, in order.
    Ended(ConnId),
    /// The connection was refused or is broken: what was sent may have arrived or not.
    Broken(ConnId),
}

/// Somebody outside of the server.
pub trait Actor: Send {
    /// Is told what has happened, and acts.
    fn on(&mut self, told: Told<'_>, scene: &mut Scene<'_>);
}

/// What an actor can see and do.
pub struct Scene<'a> {
    state: &'a mut State,
    actor: usize,
}

impl core::fmt::Debug for Scene<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scene").field("actor", &self.actor).finish_non_exhaustive()
    }
}

impl Scene<'_> {
    /// Virtual time, ns.
    pub fn now_ns(&self) -> u64 {
        self.state.now_ns
    }

    /// What the wall clock has shown from one virtual time to another, at least and at most, µs since 1970.
    pub fn wall_us(&self, from_ns: u64, to_ns: u64) -> (i64, i64) {
        self.state.wall.range(from_ns, to_ns)
    }

    /// What may go wrong.
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// Decisions that nobody needs to repeat apart from the others.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.state.dice
    }

    /// Connects.
    pub fn connect(&mut self, to: &Addr, line: Line) -> ConnId {
        self.state.connect(self.actor, to.clone(), line)
    }

    /// Sends bytes, as many as it likes.
    pub fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        self.state.peer_sends(conn, bytes);
    }

    /// Says that it will send no more, and goes on to listen.
    pub fn end(&mut self, conn: ConnId) {
        self.state.peer_ends(conn, false);
    }

    /// Closes a connection in order.
    pub fn close(&mut self, conn: ConnId) {
        self.state.peer_ends(conn, true);
    }

    /// Breaks a connection.
    pub fn reset(&mut self, conn: ConnId) {
        self.state.peer_resets(conn);
    }

    /// Vanishes: the other side is told nothing. It is told itself that the connection is broken.
    pub fn vanish(&mut self, conn: ConnId) {
        self.state.vanish(conn);
    }

    /// Ceases to take what comes, or takes it again.
    pub fn set_reading(&mut self, conn: ConnId, on: bool) {
        self.state.peer_reads(conn, on);
    }

    /// Asks to be told when so much time has passed. The highest bit of the tag is taken.
    pub fn wake_in(&mut self, ns: u64, tag: u64) {
        let at_ns = self.state.now_ns + ns;
        self.state.plan(at_ns, Due::Time(self.actor, tag & !GONE_TAG));
    }

    /// The disk as a program reads it.
    pub fn disk(&self) -> Contents {
        self.state.disk.seen()
    }

    /// What could be left of the disk if power were lost now.
    pub fn disk_after_power_loss(&mut self) -> Contents {
        let torn = self.state.faults.torn_writes;
        self.state.disk.after_power_loss(torn, &mut self.state.dice)
    }

    /// The run has failed.
    pub fn fail(&mut self, why: String) {
        self.state.fail(why);
    }
}

impl State {
    /// Tells an actor something.
    pub(crate) fn act(&mut self, number: usize, told: Told<'_>) {
        let told = match told {
            Told::Time(tag) if tag & GONE_TAG != 0 => {
                Told::Broken(usize::try_from(tag & !GONE_TAG).unwrap_or(usize::MAX))
            }
            told => told,
        };
        let Some(mut actor) = self.actors[number].take() else { return };
        let mut scene = Scene { state: &mut *self, actor: number };
        let acted = std::panic::catch_unwind(AssertUnwindSafe(|| actor.on(told, &mut scene)));
        self.actors[number] = Some(actor);
        if acted.is_err() {
            self.fail(format!("actor {number} panicked"));
        }
    }
}
