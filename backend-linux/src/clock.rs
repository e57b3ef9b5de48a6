//! Clocks: the processor's counter where it is sound, the system's otherwise.
//!
//! The counter is used only when the kernel itself keeps time by it (`current_clocksource` is `tsc`): the
//! kernel watches it and abandons it where it drifts or the sockets disagree.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "reads the processor's time-stamp counter"))]

use rustix::time::{ClockId, clock_gettime};
use vireo_core::platform::Clock;

/// Fraction bits of the scale from ticks to nanoseconds.
const SHIFT: u32 = 24;
/// Gives a scale good to about ten parts in a million.
const CALIBRATION_NS: u64 = 5_000_000;
/// Readings of both clocks, of which the best counts.
const READINGS: usize = 16;

/// The process's clocks.
#[derive(Debug)]
pub struct LinuxClock {
    counter: Option<Counter>,
    name: String,
}

/// A sound counter: nanoseconds = base + (ticks - first) × scale / 2^SHIFT.
#[derive(Debug, Clone, Copy)]
struct Counter {
    first_ticks: u64,
    base_ns: u64,
    scale: u64,
}

fn system_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks() -> u64 {
    // SAFETY: the instruction exists on every x86_64 processor and touches nothing but registers.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    0
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    ticks: u64,
    ns: u64,
}

/// The best of some readings of the system's clock with the counter before and after each: where these are closest, nothing came
/// in between. A process that is put off between two clocks would run wrong for all its life.
fn closest(readings: impl Iterator<Item = (u64, u64, u64)>) -> Option<Reading> {
    let (before, ns, after) = readings.min_by_key(|&(before, _, after)| after.wrapping_sub(before))?;
    Some(Reading { ticks: before + after.checked_sub(before)? / 2, ns })
}

fn read_both() -> Option<Reading> {
    closest((0..READINGS).map(|_| (ticks(), system_ns(), ticks())))
}

//= security vk#4346: where the counters of processors run apart, the kernel does not use them, and neither do we
fn is_sound(clock_source: &str) -> bool {
    clock_source.trim() == "tsc"
}

impl Counter {
    /// A calibrated counter, or `None` where it is not sound.
    fn calibrate() -> Option<Self> {
        let source =
            std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
        if !cfg!(target_arch = "x86_64") || !is_sound(&source.ok()?) {
            return None;
        }
        let first = read_both()?;
        while system_ns().saturating_sub(first.ns) < CALIBRATION_NS {
            core::hint::spin_loop();
        }
        Self::between(first, read_both()?)
    }

    fn between(first: Reading, last: Reading) -> Option<Self> {
        let (passed_ticks, passed_ns) =
            (last.ticks.checked_sub(first.ticks)?, last.ns.checked_sub(first.ns)?);
        let scale = u128::from(passed_ns) << SHIFT;
        let scale = u64::try_from(scale / u128::from(passed_ticks.max(1))).ok().filter(|&scale| scale > 0)?;
        Some(Self { first_ticks: first.ticks, base_ns: first.ns, scale })
    }

    #[inline]
    fn ns(self) -> u64 {
        let passed = ticks().saturating_sub(self.first_ticks);
        let scaled = (u128::from(passed) * u128::from(self.scale)) >> SHIFT;
        self.base_ns + u64::try_from(scaled).unwrap_or(u64::MAX >> 1)
    }

    fn ticks_per_us(self) -> u64 {
        (1000u64 << SHIFT) / self.scale
    }
}

impl Clock for LinuxClock {
    fn new() -> Self {
        let counter = Counter::calibrate();
        let name = match counter {
            Some(counter) => format!("X86 TSC @ {} ticks/us", counter.ticks_per_us()),
            None => "POSIX clock_gettime".to_owned(),
        };
        Self { counter, name }
    }

    #[inline]
    fn monotonic_ns(&self) -> u64 {
        self.counter.map_or_else(system_ns, Counter::ns)
    }

    fn unix_us(&self) -> i64 {
        let now = clock_gettime(ClockId::Realtime);
        now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use vireo_core::platform::Clock;

    use super::{Counter, LinuxClock, Reading, closest, is_sound, system_ns};

    //= security vk#4346: where the counters of processors run apart, the kernel does not use them, and neither do we
    #[test]
    fn only_a_counter_that_the_kernel_trusts() {
        assert!(is_sound("tsc\n"));
        assert!(["hpet\n", "kvm-clock\n", "acpi_pm\n", ""].iter().all(|source| !is_sound(source)));
    }

    #[test]
    fn what_comes_between_two_clocks_does_not_count() {
        // Put off after the counter, after the system's clock, and hardly at all.
        let first = closest([(1000, 900, 9000), (9000, 901, 18_000), (18_000, 5000, 18_200)].into_iter());
        assert_eq!(first, Some(Reading { ticks: 18_100, ns: 5000 }));
        let last = Reading { ticks: 10_018_100, ns: 5_005_000 };
        let counter = Counter::between(first.unwrap(), last).unwrap();
        assert_eq!(counter.ticks_per_us(), 2000);
        assert_eq!(closest(core::iter::empty()), None);
    }

    #[test]
    fn the_clock_runs_with_the_systems() {
        let clock = LinuxClock::new();
        let (a, system_a) = (clock.monotonic_ns(), system_ns());
        while system_ns() - system_a < 20_000_000 {}
        let (b, system_b) = (clock.monotonic_ns(), system_ns());
        let (ours, systems) = (b - a, system_b - system_a);
        assert!(ours.abs_diff(systems) < systems / 20, "{ours} against {systems}");
    }
}
