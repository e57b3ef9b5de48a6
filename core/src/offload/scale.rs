//! When the first I/O thread starts, and how many run: pure functions of samples.
//!
//! ```text
//!            main thread busy > 30 %                depth > 1: one more ──┐
//!  none ─────────────────────────────► one or more ◄─────────────────────┘
//!    ▲                                     │
//!    └── depth 0 for 1 s, main thread not busy: one fewer, the last one too
//! ```
//! Source: the seed on Valkey's I/O threads. Departure: the last thread stops only when the main thread has become idle
//! enough that it would not be started again at once; the reference stops and starts it every second under steady load.

/// The main thread's load is looked at so often while no thread runs, µs.
pub const IGNITION_PERIOD_US: u64 = 50_000;
/// The shared inbox's depth is looked at so often while some run, µs.
pub const SAMPLE_PERIOD_US: u64 = 10_000;
/// Samples a decision.
const SAMPLES: u32 = 16;
/// After a change, none is taken back for so long, µs.
const COOLDOWN_US: u64 = 1_000_000;
/// Busy share of the main thread above which the first thread starts, thousandths.
const IGNITION_PERMILLE: u64 = 300;
/// Where the system cannot tell the share: so many events a turn of the loop mean the same.
const IGNITION_EVENTS: u64 = 4;

/// What the main thread has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Processor time of the thread, µs.
    Busy(u64),
    /// Where the system does not count that: turns of the loop, and events in them.
    Events {
        /// Turns.
        turns: u64,
        /// Events.
        events: u64,
    },
}

impl Load {
    /// Whether what was done between two samples is more than one thread should do alone.
    fn is_high(self, earlier: Self, passed_us: u64) -> bool {
        match (self, earlier) {
            (Self::Busy(now), Self::Busy(before)) => {
                now.saturating_sub(before).saturating_mul(1000) > passed_us.saturating_mul(IGNITION_PERMILLE)
            }
            (Self::Events { turns, events }, Self::Events { turns: turns_before, events: events_before }) => {
                let turns = turns.saturating_sub(turns_before);
                turns > 0 && events.saturating_sub(events_before) >= turns.saturating_mul(IGNITION_EVENTS)
            }
            // The kind of sample does not change while a process runs.
            _ => false,
        }
    }
}

/// Watches the main thread's load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignition {
    last: Option<(u64, Load)>,
    high: bool,
}

impl Ignition {
    /// Takes a sample when one is due. Returns whether the load was high in the last whole period.
    pub fn sample(&mut self, now_us: u64, load: impl FnOnce() -> Load) -> bool {
        let Some((then_us, before)) = self.last else {
            self.last = Some((now_us, load()));
            return false;
        };
        let passed_us = now_us.saturating_sub(then_us);
        if passed_us >= IGNITION_PERIOD_US {
            let now = load();
            self.high = now.is_high(before, passed_us);
            self.last = Some((now_us, now));
        }
        self.high
    }
}

/// What to do about the number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Keep,
    /// One more.
    Grow,
    /// One fewer, unless the last one has private work left.
    Shrink,
}

/// Watches the shared inbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scaler {
    sampled_us: u64,
    changed_us: u64,
    depth_sum: usize,
    samples: u32,
}

impl Scaler {
    /// Takes a sample of the shared inbox's depth when one is due, and decides every sixteenth time.
    ///
    /// `running` threads run of at most `limit`; `is_busy` says that the main thread has much to do.
    pub fn sample(
        &mut self,
        now_us: u64,
        depth: impl FnOnce() -> usize,
        running: usize,
        limit: usize,
        is_busy: bool,
    ) -> Decision {
        if now_us.saturating_sub(self.sampled_us) < SAMPLE_PERIOD_US {
            return Decision::Keep;
        }
        self.sampled_us = now_us;
        self.depth_sum = self.depth_sum.saturating_add(depth());
        self.samples += 1;
        if self.samples < SAMPLES {
            return Decision::Keep;
        }
        let sum = core::mem::take(&mut self.depth_sum);
        self.samples = 0;
        if sum / SAMPLES as usize > 1 {
            return if running < limit { Decision::Grow } else { Decision::Keep };
        }
        let is_settled = now_us.saturating_sub(self.changed_us) > COOLDOWN_US;
        let is_needed = running == 1 && is_busy;
        if sum / SAMPLES as usize == 0 && is_settled && running > 0 && !is_needed {
            return Decision::Shrink;
        }
        Decision::Keep
    }

    /// The number of threads was changed at this time.
    pub fn changed(&mut self, now_us: u64) {
        self.changed_us = now_us;
        self.depth_sum = 0;
        self.samples = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Decision, Ignition, Load, Scaler};

    #[test]
    fn a_third_of_a_processor_ignites() {
        let mut ignition = Ignition::default();
        assert!(!ignition.sample(0, || Load::Busy(0)));
        assert!(!ignition.sample(50_000, || Load::Busy(15_000)));
        assert!(ignition.sample(100_000, || Load::Busy(30_100)));
        // Between samples the last answer stands.
        assert!(ignition.sample(120_000, || panic!("no sample is due")));
        assert!(!ignition.sample(200_000, || Load::Busy(40_000)));
    }

    #[test]
    fn events_ignite_where_time_is_not_counted() {
        let mut ignition = Ignition::default();
        let load = |turns, events| move || Load::Events { turns, events };
        assert!(!ignition.sample(0, load(0, 0)));
        assert!(!ignition.sample(60_000, load(10, 39)));
        assert!(ignition.sample(120_000, load(20, 79)));
        assert!(!ignition.sample(180_000, load(20, 79)));
    }

    /// Feeds one decision's samples.
    fn decide(
        scaler: &mut Scaler,
        now_us: &mut u64,
        depths: [usize; 16],
        running: usize,
        busy: bool,
    ) -> Decision {
        let mut last = Decision::Keep;
        for depth in depths {
            *now_us += 10_000;
            last = scaler.sample(*now_us, || depth, running, 4, busy);
        }
        last
    }

    #[test]
    fn depth_decides() {
        let (mut scaler, mut now_us) = (Scaler::default(), 5_000_000);
        scaler.changed(now_us);
        assert_eq!(decide(&mut scaler, &mut now_us, [2; 16], 1, true), Decision::Grow);
        assert_eq!(decide(&mut scaler, &mut now_us, [2; 16], 4, true), Decision::Keep);
        assert_eq!(decide(&mut scaler, &mut now_us, [1; 16], 2, true), Decision::Keep);
        // Not within a second of the last change.
        assert_eq!(decide(&mut scaler, &mut now_us, [0; 16], 2, true), Decision::Keep);
        now_us += 1_000_000;
        assert_eq!(decide(&mut scaler, &mut now_us, [0; 16], 2, true), Decision::Shrink);
        // The last thread stays while the main thread is busy.
        assert_eq!(decide(&mut scaler, &mut now_us, [0; 16], 1, true), Decision::Keep);
        assert_eq!(decide(&mut scaler, &mut now_us, [0; 16], 1, false), Decision::Shrink);
        // A sample that comes too early is not taken.
        assert_eq!(scaler.sample(now_us + 1, || panic!("no sample is due"), 1, 4, true), Decision::Keep);
    }
}
