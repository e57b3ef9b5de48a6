//! Files on the simulated disk, as the server sees them.

use vireo_core::platform::{Files, IoError, IoErrorKind};

use crate::error::io_error;
use crate::faults::Planted;
use crate::world::{State, current};

/// What calls cost, ns.
const COST_NS: (u64, u64) = (2000, 50_000);
/// How long a slow disk takes for a call, ns.
const SLOW_NS: (u64, u64) = (100_000, DISK_SLOW_MAX_NS);
/// How long a slow disk takes for a call at most, ns.
pub const DISK_SLOW_MAX_NS: u64 = 20_000_000;
/// One in so many calls fails.
const FAILS_ONE_IN: u64 = 12;

/// The simulated files.
#[derive(Clone, Copy, Debug)]
pub struct SimFiles;

/// A file that is being written.
#[derive(Debug)]
pub struct SimFile {
    number: usize,
    at: usize,
}

/// A call of the disk: it may take long, while other threads run.
fn call<R>(what: &'static str, act: impl FnOnce(&mut State) -> Result<R, IoError>) -> Result<R, IoError> {
    let (world, me) = current();
    let mut state = world.enter_call(me, what, COST_NS);
    if state.faults.slow_disk && state.dice.one_in(2) {
        state = world.hold_up(state, me, SLOW_NS);
    }
    let outcome = act(&mut state);
    if state.failure.is_some() {
        world.die(state);
    }
    outcome
}

/// Same, for one that changes something: it may fail before it does.
fn change<R>(what: &'static str, act: impl FnOnce(&mut State) -> Result<R, IoError>) -> Result<R, IoError> {
    call(what, |state| {
        state.check_disk()?;
        act(state)
    })
}

impl State {
    /// The disk is well, this time.
    fn check_disk(&mut self) -> Result<(), IoError> {
        let fails = self.faults.disk_errors && self.dice.one_in(FAILS_ONE_IN);
        if fails { Err(io_error(IoErrorKind::Other)) } else { Ok(()) }
    }
}

impl Files for SimFiles {
    type File = SimFile;

    fn read(path: &[u8]) -> Result<Vec<u8>, IoError> {
        call("read a file", |state| {
            state.disk.read(path).map(<[u8]>::to_vec).ok_or_else(|| io_error(IoErrorKind::NotFound))
        })
    }

    fn create(path: &[u8], _permissions: u32) -> Result<SimFile, IoError> {
        change("create a file", |state| Ok(SimFile { number: state.disk.create(path), at: 0 }))
    }

    fn write(file: &mut SimFile, bytes: &[u8]) -> Result<usize, IoError> {
        change("write a file", |state| {
            if state.faults.interruptions && state.dice.one_in(8) {
                return Err(io_error(IoErrorKind::Interrupted));
            }
            let most = if state.faults.disk_errors { state.dice.index(bytes.len()) + 1 } else { bytes.len() };
            state.disk.write(file.number, file.at, &bytes[..most]);
            file.at += most;
            Ok(most)
        })
    }

    fn sync(file: &mut SimFile) -> Result<(), IoError> {
        call("sync a file", |state| {
            if state.faults.planted == Some(Planted::SyncLost) {
                return Ok(());
            }
            if let Err(error) = state.check_disk() {
                if state.dice.one_in(2) {
                    state.disk.forget(file.number);
                }
                return Err(error);
            }
            state.disk.sync(file.number);
            Ok(())
        })
    }

    fn rename(from: &[u8], to: &[u8]) -> Result<(), IoError> {
        change("rename a file", |state| found(state.disk.rename(from, to)))
    }

    fn remove(path: &[u8]) -> Result<(), IoError> {
        call("remove a file", |state| found(state.disk.remove(path)))
    }

    fn sync_folder(path: &[u8]) -> Result<(), IoError> {
        change("sync a folder", |state| {
            state.disk.sync_folder(path);
            Ok(())
        })
    }
}

fn found(is_there: bool) -> Result<(), IoError> {
    if is_there { Ok(()) } else { Err(io_error(IoErrorKind::NotFound)) }
}
