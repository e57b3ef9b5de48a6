//! Threads: each is one of the system's that runs when the schedule lets it.

use std::sync::Arc;

use vireo_core::platform::{IoError, IoErrorKind, Thread, Threads, Wake};

use crate::error::io_error;
use crate::run::guarded;
use crate::schedule::Wait;
use crate::world::{self, call, current};

/// What a call of the system costs, ns.
const COST_NS: (u64, u64) = (100, 1500);

/// Simulated threads.
#[derive(Clone, Copy, Debug)]
pub struct SimThreads;

/// A spawned thread.
#[derive(Debug)]
pub struct SimThread(usize);

/// Wakes a thread.
#[derive(Clone, Copy, Debug)]
pub struct SimUnparker(usize);

impl Thread for SimThread {
    fn unpark(&self) {
        unpark(self.0);
    }

    fn join(self) {
        let (world, me) = current();
        let mut state = world.enter_call(me, "join", COST_NS);
        if state.threads[self.0].wait != Wait::Ended {
            state.threads[me].wait = Wait::Joining(self.0);
            drop(world.give_way(state, me));
        }
    }
}

impl Wake for SimUnparker {
    fn wake(&self) {
        unpark(self.0);
    }
}

fn unpark(number: usize) {
    call("unpark", COST_NS, |state, _| state.unpark(number));
}

fn park(timeout_ns: Option<u64>) {
    let (world, me) = current();
    let mut state = world.enter_call(me, "park", COST_NS);
    if core::mem::take(&mut state.threads[me].permit) {
        return;
    }
    let spurious_ns =
        (state.faults.spurious_wakes && state.dice.one_in(4)).then(|| state.dice.below(1_000_000));
    let wait_ns = [timeout_ns, spurious_ns].into_iter().flatten().min();
    let until_ns = wait_ns.map(|wait_ns| state.now_ns.saturating_add(wait_ns));
    state.threads[me].wait = Wait::Parked(until_ns);
    drop(world.give_way(state, me));
}

impl Threads for SimThreads {
    type Thread = SimThread;
    type Unparker = SimUnparker;

    fn spawn<F: FnOnce() + Send + 'static>(name: &str, run: F) -> Result<SimThread, IoError> {
        let (world, me) = current();
        let mut state = world.enter_call(me, "spawn", COST_NS);
        let number = state.add_thread()?;
        let theirs = Arc::clone(&world);
        let body = move || {
            world::enter(Arc::clone(&theirs), number);
            theirs.await_turn(number);
            if let Err(why) = guarded(run) {
                let mut state = theirs.lock();
                state.fail(why);
                theirs.die(state);
            }
            theirs.leave(number);
        };
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        match spawned {
            Ok(handle) => {
                state.threads[number].handle = Some(handle.thread().clone());
                state.spawned.push(handle);
                Ok(SimThread(number))
            }
            Err(_) => {
                state.threads[number].wait = Wait::Ended;
                state.alive.retain(|&alive| alive != number);
                Err(io_error(IoErrorKind::Exhausted))
            }
        }
    }

    fn unparker() -> SimUnparker {
        SimUnparker(current().1)
    }

    fn park() {
        park(None);
    }

    fn park_for(timeout_ns: u64) {
        park(Some(timeout_ns));
    }

    fn yield_now() {
        let (world, me) = current();
        let mut state = world.enter_call(me, "yield", COST_NS);
        state.demote(me);
        drop(world.give_way(state, me));
    }

    fn set_affinity(_list: &str) -> bool {
        true
    }

    fn available() -> usize {
        4
    }
}
