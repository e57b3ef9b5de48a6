//! What the simulated system tells of itself; entropy comes from the seed.

use core::fmt;

use vireo_core::platform::{Signal, System, Wake};

use crate::world::call;

const COST_NS: (u64, u64) = (100, 1000);

/// The simulated system.
#[derive(Clone, Copy, Debug)]
pub struct SimSystem;

impl System for SimSystem {
    const POLLER_NAME: &'static str = "simulated";

    fn name(into: &mut dyn fmt::Write) {
        // Writing into a string cannot fail.
        let _ = into.write_str("Simulation");
    }

    fn resident_bytes() -> u64 {
        64 << 20
    }

    fn total_memory_bytes() -> u64 {
        16 << 30
    }

    fn raise_open_files(wanted: u64) -> u64 {
        wanted
    }

    fn entropy(into: &mut [u8]) {
        call("entropy", COST_NS, |state, _| {
            for piece in into.chunks_mut(8) {
                let bits = state.dice.bits().to_le_bytes();
                piece.copy_from_slice(&bits[..piece.len()]);
            }
        });
    }

    fn catch_signals<W: Wake>(_waker: W) {}

    fn take_signal() -> Option<Signal> {
        None
    }
}
