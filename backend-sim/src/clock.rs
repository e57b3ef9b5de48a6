//! Clocks: both are the world's, and looking at one takes a little time.

use vireo_core::platform::Clock;

use crate::world::call;

/// What a look at a clock costs together with what was done since the last call, ns.
const COST_NS: (u64, u64) = (50, 2000);

/// The world's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SimClock;

impl Clock for SimClock {
    fn new() -> Self {
        Self
    }

    fn monotonic_ns(&self) -> u64 {
        call("clock", COST_NS, |state, _| state.now_ns)
    }

    fn unix_us(&self) -> i64 {
        call("wall clock", COST_NS, |state, _| state.unix_us())
    }

    fn name(&self) -> &str {
        "simulated"
    }
}
