//! Readiness as the boundary's contract has it, and no more than that.

use vireo_core::platform::{Event, IoError, Poller, Wake};

use crate::net::SimSocket;
use crate::network::{Kind, PollerState, Socket};
use crate::schedule::Wait;
use crate::trace::NETWORK;
use crate::world::{State, call, current};

/// What calls cost, ns.
const COST_NS: (u64, u64) = (200, 3000);
/// Events that one wait tells.
const EVENTS_MAX: usize = 1024;

/// A simulated poller.
#[derive(Debug)]
pub struct SimPoller(usize);

/// Ends a wait.
#[derive(Clone, Copy, Debug)]
pub struct SimWaker(usize);

impl Wake for SimWaker {
    fn wake(&self) {
        call("wake", COST_NS, |state, _| {
            state.network.pollers[self.0].woken = true;
            state.end_waits(self.0);
        });
    }
}

impl SimPoller {
    fn watch(&self, socket: &SimSocket, token: u64) {
        call("register", COST_NS, |state, _| {
            if let Some(socket) = &mut state.network.sockets[socket.id] {
                socket.watch = Some((self.0, token));
            }
            state.tell(socket.id);
        });
    }
}

impl Poller for SimPoller {
    type Socket = SimSocket;
    type Waker = SimWaker;

    fn new() -> Result<Self, IoError> {
        Ok(call("new poller", COST_NS, |state, _| {
            state.network.pollers.push(PollerState::default());
            Self(state.network.pollers.len() - 1)
        }))
    }

    fn register(&self, socket: &SimSocket, token: u64) -> Result<(), IoError> {
        self.watch(socket, token);
        Ok(())
    }

    fn register_listener(&self, socket: &SimSocket, token: u64) -> Result<(), IoError> {
        self.watch(socket, token);
        call("register", COST_NS, |state, _| state.network.pollers[self.0].listeners.insert(socket.id));
        Ok(())
    }

    fn deregister(&self, socket: &SimSocket) -> Result<(), IoError> {
        call("deregister", COST_NS, |state, _| {
            if let Some(socket) = &mut state.network.sockets[socket.id] {
                socket.watch = None;
            }
            state.network.pollers[self.0].listeners.remove(&socket.id);
        });
        Ok(())
    }

    fn wait(&self, timeout_ns: Option<u64>, each: &mut dyn FnMut(Event)) -> Result<(), IoError> {
        let (world, me) = current();
        let mut state = world.lock();
        if let Some(other) = state.network.pollers[self.0].user.replace(me) {
            state.fail(format!("threads {other} and {me} wait in one poller at once"));
        }
        drop(state);
        let mut state = world.enter_call(me, "poll", COST_NS);
        let until_ns = timeout_ns.map(|timeout_ns| state.now_ns.saturating_add(timeout_ns));
        let is_interrupted = state.faults.interruptions && state.dice.one_in(50);
        let events = loop {
            let events = state.take_events(self.0);
            let is_over = until_ns.is_some_and(|until_ns| until_ns <= state.now_ns);
            let is_woken = core::mem::take(&mut state.network.pollers[self.0].woken);
            if !events.is_empty() || is_over || is_woken || is_interrupted {
                break events;
            }
            state.threads[me].wait = Wait::Polling(self.0, until_ns);
            state = world.give_way(state, me);
        };
        state.network.pollers[self.0].user = None;
        state.note(me, "polled", events.len() as u64, 0);
        drop(state);
        events.into_iter().for_each(each);
        Ok(())
    }

    fn waker(&self) -> SimWaker {
        SimWaker(self.0)
    }
}

impl State {
    /// What a wait tells: listeners at whom somebody waits, and sockets on which something has come up.
    fn take_events(&mut self, poller: usize) -> Vec<Event> {
        let few = self.faults.few_events && self.dice.one_in(2);
        let most = if few { self.dice.index(4) + 1 } else { EVENTS_MAX };
        let mut events = Vec::new();
        for &listener in &self.network.pollers[poller].listeners {
            if let Some(Socket { kind: Kind::Listener { waiting, .. }, watch: Some((_, token)), .. }) =
                &self.network.sockets[listener]
                && !waiting.is_empty()
            {
                events.push(Event { token: *token, readable: true, writable: false, closed: false });
            }
        }
        while events.len() < most
            && let Some(socket) = self.network.pollers[poller].ready.pop_front()
        {
            let Some(Socket { kind: Kind::Stream(conn), watch: Some((_, token)), .. }) = self.unqueue(socket)
            else {
                continue;
            };
            let (conn, token) = (*conn, *token);
            let (readable, writable, closed) = self.readiness(conn);
            let flags = u64::from(readable) | u64::from(writable) << 1 | u64::from(closed) << 2;
            self.note(NETWORK, "told", conn as u64, flags);
            if flags != 0 {
                events.push(Event { token, readable, writable, closed });
            }
        }
        events
    }
}
