//! Clocks: the system's.

use rustix::time::{ClockId, clock_gettime};
use vireo_core::platform::Clock;

/// The process's clocks.
#[derive(Clone, Copy, Debug)]
pub struct BsdClock;

impl Clock for BsdClock {
    fn new() -> Self {
        Self
    }

    fn monotonic_ns(&self) -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
    }

    fn unix_us(&self) -> i64 {
        let now = clock_gettime(ClockId::Realtime);
        now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    }

    fn name(&self) -> &str {
        "POSIX clock_gettime"
    }
}
