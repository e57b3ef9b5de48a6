//! Who runs: exactly one thread at a time holds the baton and passes it on in calls of the platform only.
//!
//! ```text
//!            picked                    waits: parked, polling, joining, held up
//!  ready ────────────► running ─────────────────────────────────────────────────► waiting
//!    ▲                    │ another one is picked                                      │
//!    └────────────────────┴──────────────◄─ woken, or its time is over ────────────────┘
//! ```
//! When all wait, time goes on to whatever is due next. When nothing is due either, nobody will ever run again: a deadlock.
//! Invariant: `World::running` names the only thread that runs code of the program under test.

use core::sync::atomic::Ordering;
use std::io::Write;
use std::sync::MutexGuard;

use vireo_core::platform::{IoError, IoErrorKind};

use crate::error::io_error;
use crate::faults::{Order, Planted};
use crate::run::Outcome;
use crate::world::{State, World};

/// Nobody runs any more.
const NOBODY: usize = usize::MAX;
/// Calls in a row without a wait after which a run has got stuck: minutes of real time.
const CALLS_MAX: u64 = 200_000_000;
/// How long a thread may be held up, ns.
pub const STALL_MAX_NS: u64 = 20_000_000;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing: it runs, or could.
    No,
    /// To be unparked, or until then.
    Parked(Option<u64>),
    /// For events of a poller, or until then.
    Polling(usize, Option<u64>),
    /// For the end of a thread.
    Joining(usize),
    /// Held up by the system until then.
    Stalled(u64),
    /// It has ended.
    Ended,
}

/// A thread.
pub(crate) struct ThreadState {
    pub(crate) handle: Option<std::thread::Thread>,
    pub(crate) wait: Wait,
    /// It was unparked and has not parked since.
    pub(crate) permit: bool,
    pub(crate) cpu_ns: u64,
    priority: u64,
}

impl World {
    /// A call begins: time passes, and somebody else may run first.
    pub(crate) fn enter_call(
        &self,
        me: usize,
        what: &'static str,
        cost_ns: (u64, u64),
    ) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.calls += 1;
        state.charge(me, cost_ns);
        state.note(me, what, 0, 0);
        state.settle();
        if state.calls > CALLS_MAX {
            state.fail(format!("{CALLS_MAX} calls, and the run is not over"));
        }
        let one_in = state.faults.switch_one_in;
        if state.failure.is_some() || state.dice.one_in(one_in) {
            if state.faults.stalls && state.dice.one_in(50) {
                return self.hold_up(state, me, (1000, STALL_MAX_NS));
            }
            state = self.give_way(state, me);
        }
        state
    }

    /// Holds a thread up for some time, while others run.
    pub(crate) fn hold_up<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        me: usize,
        (least_ns, most_ns): (u64, u64),
    ) -> MutexGuard<'a, State> {
        let ns = state.dice.between(least_ns, most_ns);
        state.threads[me].wait = Wait::Stalled(state.now_ns + ns);
        state.note(me, "is held up", ns, 0);
        self.give_way(state, me)
    }

    /// Lets somebody else run, if anybody can, and goes on when this thread is picked again.
    pub(crate) fn give_way<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        me: usize,
    ) -> MutexGuard<'a, State> {
        let Some(next) = state.pick() else { self.die(state) };
        if next == me {
            return state;
        }
        self.pass_on(state, next);
        self.await_turn(me);
        self.lock()
    }

    fn pass_on(&self, mut state: MutexGuard<'_, State>, next: usize) {
        state.switches += 1;
        let handle = state.threads[next].handle.clone();
        // ORDERING: pairs with the load in `await_turn`; the lock orders all else.
        self.running.store(next, Ordering::Release);
        drop(state);
        if let Some(handle) = handle {
            handle.unpark();
        }
    }

    /// Waits until this thread holds the baton.
    pub(crate) fn await_turn(&self, me: usize) {
        // ORDERING: pairs with the store in `pass_on`.
        while self.running.load(Ordering::Acquire) != me {
            std::thread::park();
        }
    }

    /// A thread ends: somebody else goes on for good.
    pub(crate) fn leave(&self, me: usize) {
        let mut state = self.lock();
        state.note(me, "ends", 0, 0);
        state.threads[me].wait = Wait::Ended;
        state.alive.retain(|&number| number != me);
        for thread in &mut state.threads {
            if thread.wait == Wait::Joining(me) {
                thread.wait = Wait::No;
            }
        }
        match state.pick() {
            Some(next) => self.pass_on(state, next),
            None => self.die(state),
        }
    }

    /// The run is over, in the midst of a call: no thread goes on.
    pub(crate) fn die(&self, mut state: MutexGuard<'_, State>) -> ! {
        self.finish(&mut state);
        drop(state);
        loop {
            std::thread::park();
        }
    }

    /// The run is over, and reported.
    pub(crate) fn finish(&self, state: &mut State) {
        // ORDERING: no thread has this number, so none goes on.
        self.running.store(NOBODY, Ordering::Release);
        if let Some(out) = &mut state.trace.out {
            // Who wants to read it will see that it ends.
            let _ = out.flush();
        }
        if let Some(report) = state.report.take() {
            // Nobody listens any more: then nobody wants to know.
            let _ = report.send((Outcome::of(state), core::mem::take(&mut state.spawned)));
        }
    }
}

impl State {
    /// A new thread, ready to run.
    ///
    /// # Errors
    /// The seed says that the system has no room for it.
    pub(crate) fn add_thread(&mut self) -> Result<usize, IoError> {
        if !self.threads.is_empty() && self.faults.spawn_failures && self.dice.one_in(4) {
            return Err(io_error(IoErrorKind::Exhausted));
        }
        let priority = self.dice.bits() >> 1;
        self.threads.push(ThreadState { handle: None, wait: Wait::No, permit: false, cpu_ns: 0, priority });
        self.alive.push(self.threads.len() - 1);
        Ok(self.threads.len() - 1)
    }

    /// The thread that runs next; time goes on until there is one. `None` when there will be none, or the run has failed.
    fn pick(&mut self) -> Option<usize> {
        loop {
            if self.failure.is_some() {
                return None;
            }
            let count = self.ready().count();
            if count > 0 {
                let nth = self.dice.index(count);
                return match self.faults.order {
                    Order::Random => self.ready().nth(nth),
                    Order::Priorities => self.first_in_rank(nth),
                };
            }
            let wakes = self.alive.iter().filter_map(|&number| self.threads[number].wait.until_ns()).min();
            match [wakes, self.next_due_ns()].into_iter().flatten().min() {
                Some(next_ns) => {
                    self.now_ns = self.now_ns.max(next_ns);
                    self.settle();
                }
                None => self.fail("deadlock: every thread waits, and nothing is due".to_owned()),
            }
        }
    }

    /// The ready thread of the highest priority. Now and then one of them gets another priority.
    fn first_in_rank(&mut self, nth: usize) -> Option<usize> {
        if self.dice.one_in(20) {
            let priority = self.dice.bits() >> 1;
            let number = self.ready().nth(nth);
            if let Some(number) = number {
                self.threads[number].priority = priority;
            }
        }
        self.ready().max_by_key(|&number| self.threads[number].priority)
    }

    /// Threads that could run.
    fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        self.alive.iter().copied().filter(|&number| self.threads[number].wait == Wait::No)
    }

    /// A thread that yields lets the others run first.
    pub(crate) fn demote(&mut self, me: usize) {
        let least = self.alive.iter().map(|&number| self.threads[number].priority).min().unwrap_or(0);
        self.threads[me].priority = least.saturating_sub(1);
    }

    /// Ends the waits whose time is over.
    pub(crate) fn wake_overdue(&mut self) {
        for &number in &self.alive {
            let thread = &mut self.threads[number];
            if thread.wait.until_ns().is_some_and(|until_ns| until_ns <= self.now_ns) {
                thread.wait = Wait::No;
            }
        }
    }

    /// Unparks a thread.
    pub(crate) fn unpark(&mut self, number: usize) {
        if self.faults.planted == Some(Planted::WakeLost) && self.dice.one_in(50) {
            return;
        }
        let thread = &mut self.threads[number];
        if matches!(thread.wait, Wait::Parked(_)) {
            thread.wait = Wait::No;
        } else {
            thread.permit = true;
        }
    }
}

impl Wait {
    /// When it is over in any case.
    fn until_ns(self) -> Option<u64> {
        match self {
            Self::Parked(until) | Self::Polling(_, until) => until,
            Self::Stalled(until) => Some(until),
            Self::No | Self::Joining(_) | Self::Ended => None,
        }
    }
}
