//! The simulated world: time, what is due, everything that exists; and the way into it for the thread that runs.
//!
//! Each simulated thread is a thread of the system, but only the one that holds the baton runs (`schedule.rs`). So the
//! state is never contended, and all that happens, happens in an order that the seed decides.

use core::cell::RefCell;
use core::sync::atomic::AtomicUsize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use crate::actor::{Actor, Told};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::faults::{Faults, Planted};
use crate::network::Network;
use crate::run::Report;
use crate::schedule::ThreadState;
use crate::trace::{NETWORK, Step, Trace};
use crate::wall::Wall;

/// The stream of a seed from which the world's own decisions are drawn.
const STREAM: u64 = 2;

/// A virtual second, ns.
pub const SECOND_NS: u64 = 1_000_000_000;

/// Something that happens at a time of its own.
#[derive(Debug)]
pub(crate) enum Due {
    /// A peer's connection reaches the listener.
    Connect(usize),
    /// Bytes reach the server.
    Arrive(usize, Vec<u8>),
    /// The peer's end reaches the server.
    ArriveEnd(usize),
    /// The peer's reset reaches the server.
    ArriveReset(usize),
    /// The server's bytes reach the peer.
    Deliver(usize, Vec<u8>),
    /// The server's end reaches the peer.
    DeliverEnd(usize),
    /// The server's reset, or its refusal, reaches the peer.
    DeliverReset(usize),
    /// An event is told at last.
    Ready(usize),
    /// A peer that was not heard of for long is given up.
    GiveUp(usize),
    /// An actor asked to be told of the time.
    Time(usize, u64),
    /// The wall clock jumps.
    Jump,
}

/// Everything that exists.
pub(crate) struct State {
    pub(crate) dice: Dice,
    pub(crate) faults: Faults,
    pub(crate) now_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) wall: Wall,
    pub(crate) threads: Vec<ThreadState>,
    /// Those that have not ended.
    pub(crate) alive: Vec<usize>,
    pub(crate) network: Network,
    pub(crate) disk: Disk,
    pub(crate) actors: Vec<Option<Box<dyn Actor>>>,
    pub(crate) trace: Trace,
    pub(crate) calls: u64,
    pub(crate) switches: u64,
    pub(crate) failure: Option<String>,
    pub(crate) report: Option<mpsc::Sender<Report>>,
    /// The system's threads behind all but the first.
    pub(crate) spawned: Vec<JoinHandle<()>>,
    due: BTreeMap<(u64, u64), Due>,
    dues: u64,
}

/// The world, as all its threads share it.
pub(crate) struct World {
    state: Mutex<State>,
    /// The thread that holds the baton.
    pub(crate) running: AtomicUsize,
}

std::thread_local! {
    /// The world this thread is in, and its number there.
    static CURRENT: RefCell<Option<(Arc<World>, usize)>> = const { RefCell::new(None) };
}

/// Makes this thread one of a world's.
pub(crate) fn enter(world: Arc<World>, number: usize) {
    CURRENT.with(|current| *current.borrow_mut() = Some((world, number)));
}

/// The world of this thread and its number there.
///
/// # Panics
/// Outside of a simulation, where there is nothing this could do.
pub(crate) fn current() -> (Arc<World>, usize) {
    let found = CURRENT.with(|current| current.borrow().clone());
    let Some(found) = found else { panic!("the simulated platform is used by a thread of no simulation") };
    found
}

/// Same, `None` outside of a simulation.
pub(crate) fn try_current() -> Option<(Arc<World>, usize)> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults, end_ns: u64, report: mpsc::Sender<Report>) -> Self {
        let mut dice = Dice::new(seed, STREAM);
        let mut state = State {
            // Never zero: nobody's clock begins there.
            now_ns: dice.between(SECOND_NS, 1000 * SECOND_NS),
            end_ns: 0,
            wall: Wall::default(),
            threads: Vec::new(),
            alive: Vec::new(),
            network: Network::default(),
            disk: Disk::default(),
            actors: Vec::new(),
            trace: Trace::default(),
            calls: 0,
            switches: 0,
            failure: None,
            report: Some(report),
            spawned: Vec::new(),
            due: BTreeMap::new(),
            dues: 0,
            dice,
            faults,
        };
        state.end_ns = state.now_ns + end_ns;
        state.wall.begin(state.now_ns);
        if state.faults.clock_jumps {
            state.plan_jump();
        }
        Self { state: Mutex::new(state), running: AtomicUsize::new(0) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Who panicked in there has failed the run, which is reported all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call of the platform by this thread: time passes, another thread may run first, then it happens.
pub(crate) fn call<R>(
    what: &'static str,
    cost_ns: (u64, u64),
    act: impl FnOnce(&mut State, usize) -> R,
) -> R {
    let (world, me) = current();
    let mut state = world.enter_call(me, what, cost_ns);
    let result = act(&mut state, me);
    if state.failure.is_some() {
        world.die(state);
    }
    result
}

impl State {
    /// Takes note of something.
    pub(crate) fn note(&mut self, who: usize, what: &'static str, a: u64, b: u64) {
        self.trace.add(Step { now_ns: self.now_ns, who, what, a, b });
    }

    /// The run has failed; the first reason counts.
    pub(crate) fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }

    /// Plans something.
    pub(crate) fn plan(&mut self, at_ns: u64, due: Due) {
        self.dues += 1;
        self.due.insert((at_ns, self.dues), due);
    }

    /// When the next thing happens.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        self.due.first_key_value().map(|(&(at_ns, _), _)| at_ns)
    }

    /// Lets time pass for a thread that runs.
    pub(crate) fn charge(&mut self, me: usize, cost_ns: (u64, u64)) {
        let ns = self.dice.between(cost_ns.0, cost_ns.1);
        self.now_ns += ns;
        self.threads[me].cpu_ns += ns;
    }

    /// Lets everything happen that is due.
    pub(crate) fn settle(&mut self) {
        while self.failure.is_none()
            && let Some(entry) = self.due.first_entry()
            && entry.key().0 <= self.now_ns
        {
            let due = entry.remove();
            self.happen(due);
        }
        if self.now_ns > self.end_ns {
            let seconds = self.end_ns / SECOND_NS;
            self.fail(format!("the run is not over at virtual second {seconds}"));
        }
        self.wake_overdue();
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Connect(conn) => self.connect_arrives(conn),
            Due::Arrive(conn, bytes) => self.arrive(conn, &bytes),
            Due::ArriveEnd(conn) => self.arrive_end(conn),
            Due::ArriveReset(conn) => self.arrive_reset(conn),
            Due::Deliver(conn, bytes) => self.deliver(conn, bytes),
            Due::DeliverEnd(conn) => self.deliver_end(conn),
            Due::DeliverReset(conn) => self.deliver_reset(conn),
            Due::Ready(socket) => self.tell(socket),
            Due::GiveUp(conn) => self.give_up(conn),
            Due::Time(actor, tag) => self.act(actor, Told::Time(tag)),
            Due::Jump => {
                let offset_us = self.wall.jump(self.now_ns, &mut self.dice);
                self.note(NETWORK, "wall clock jumps", offset_us.cast_unsigned(), 0);
                self.plan_jump();
            }
        }
    }

    fn plan_jump(&mut self) {
        let in_ns = self.dice.between(SECOND_NS / 50, 4 * SECOND_NS);
        self.plan(self.now_ns + in_ns, Due::Jump);
    }

    /// The wall clock as the server sees it, µs.
    pub(crate) fn unix_us(&mut self) -> i64 {
        let ahead = self.faults.planted == Some(Planted::WallClockAhead) && self.dice.one_in(50);
        self.wall.unix_us(self.now_ns) + if ahead { 100_000 } else { 0 }
    }
}
