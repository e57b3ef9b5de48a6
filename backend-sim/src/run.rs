//! A run: a seed, the program under test, the actors around it; and what became of it.

use core::panic::AssertUnwindSafe;
use std::io::Write;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use crate::actor::Actor;
use crate::disk::{Contents, Disk};
use crate::faults::Faults;
use crate::schedule::Wait;
use crate::world::{self, State, World};

/// What a run begins with.
pub struct Setup {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What may go wrong.
    pub faults: Faults,
    /// What is on the disk.
    pub files: Contents,
    /// Who acts around the program; each is told the time, with tag 0, when the program listens.
    pub actors: Vec<Box<dyn Actor>>,
    /// Virtual time in which the run must be over, ns.
    pub end_ns: u64,
    /// Where every step is written, if anywhere.
    pub trace_to: Option<Box<dyn Write + Send>>,
}

impl core::fmt::Debug for Setup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { seed, faults, end_ns, .. } = self;
        f.debug_struct("Setup").field("seed", seed).field("faults", faults).field("end_ns", end_ns).finish()
    }
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it has failed, if it has.
    pub failure: Option<String>,
    /// One number for all that has happened: another run of the seed has the same.
    pub trace: u64,
    /// The last that happened, a line each.
    pub last: Vec<String>,
    /// Virtual time at the end, ns.
    pub virtual_ns: u64,
    /// Calls of the platform.
    pub calls: u64,
    /// Times that another thread went on.
    pub switches: u64,
    /// Sockets that were left open.
    pub sockets_open: usize,
    /// Threads that had not ended, but for the first.
    pub threads_left: usize,
}

/// What became of a run, and the threads that were spawned in it.
pub(crate) type Report = (Outcome, Vec<JoinHandle<()>>);

impl Outcome {
    pub(crate) fn of(state: &State) -> Self {
        Self {
            failure: state.failure.clone(),
            trace: state.trace.hash(),
            last: state.trace.lines(),
            virtual_ns: state.now_ns,
            calls: state.calls,
            switches: state.switches,
            sockets_open: state.network.open(),
            threads_left: state.threads.iter().skip(1).filter(|thread| thread.wait != Wait::Ended).count(),
        }
    }
}

/// Runs a program until its first thread returns or something fails. When all is well, its threads are gone by then.
///
/// What is left of a run that has failed stays until the process ends: its threads stand still.
pub fn run(setup: Setup, program: impl FnOnce() + Send + 'static) -> Outcome {
    let (report, outcome) = mpsc::channel();
    let world = Arc::new(World::new(setup.seed, setup.faults, setup.end_ns, report));
    let mut state = world.lock();
    state.trace.out = setup.trace_to;
    state.disk = Disk::new(setup.files);
    // The first thread is always there.
    let _ = state.add_thread();
    state.actors.extend(setup.actors.into_iter().map(Some));
    drop(state);
    let theirs = Arc::clone(&world);
    let body = move || {
        world::enter(Arc::clone(&theirs), 0);
        theirs.lock().threads[0].handle = Some(std::thread::current());
        let ran = guarded(program);
        let mut state = theirs.lock();
        if let Err(why) = ran {
            state.fail(why);
        }
        theirs.finish(&mut state);
    };
    let spawned = std::thread::Builder::new().name("main".to_owned()).spawn(body);
    drop(world);
    match (spawned, outcome.recv()) {
        (Ok(first), Ok((outcome, spawned))) => {
            if outcome.failure.is_none() && outcome.threads_left == 0 {
                // How they have ended is in the outcome.
                spawned.into_iter().chain([first]).for_each(|thread| drop(thread.join()));
            }
            outcome
        }
        (Err(error), _) => Outcome { failure: Some(format!("no thread to run in: {error}")), ..lost() },
        (_, Err(_)) => Outcome { failure: Some("the run was not reported".to_owned()), ..lost() },
    }
}

fn lost() -> Outcome {
    Outcome {
        failure: None,
        trace: 0,
        last: Vec::new(),
        virtual_ns: 0,
        calls: 0,
        switches: 0,
        sockets_open: 0,
        threads_left: 0,
    }
}

/// Runs something whose panic is a failure of the run.
pub(crate) fn guarded(program: impl FnOnce()) -> Result<(), String> {
    std::panic::catch_unwind(AssertUnwindSafe(program)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        format!("panic: {}", text.unwrap_or_default())
    })
}
