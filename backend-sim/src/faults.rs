//! What may go wrong in a simulation: each seed turns on a random subset.

use core::fmt;

use crate::dice::Dice;

/// The stream of a seed from which its faults are drawn.
const STREAM: u64 = 1;

/// How the thread that goes on is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each as likely as the others.
    Random,
    /// The one of the highest priority; priorities are random and change now and then. Finds what needs one thread to be
    /// held up for long while the others go on.
    Priorities,
}

/// Something that the simulation does wrong on purpose, to show that the checkers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Bytes that were taken from the server do not arrive.
    ReplyDropped,
    /// Two writes arrive in the wrong order.
    RepliesSwapped,
    /// An event is not told.
    EventLost,
    /// A thread is not woken.
    WakeLost,
    /// The wall clock shows a time to come, now and then.
    WallClockAhead,
    /// A file that was synced is not on the disk.
    SyncLost,
}

/// What may go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Time that bytes are on their way, ns: at least, and more by so much at most.
    pub latency_ns: (u64, u64),
    /// Bytes arrive in small pieces.
    pub splits: bool,
    /// The system takes little at a time of what is sent.
    pub small_buffers: bool,
    /// Connections are reset.
    pub resets: bool,
    /// Peers vanish without a word.
    pub half_open: bool,
    /// Accepting fails.
    pub accept_errors: bool,
    /// Calls and waits are interrupted.
    pub interruptions: bool,
    /// An event is told late.
    pub late_events: bool,
    /// A wait tells few events.
    pub few_events: bool,
    /// Bytes that arrive before all earlier ones were read are not told.
    pub strict_edges: bool,
    /// A thread is held up for milliseconds.
    pub stalls: bool,
    /// Parked threads wake without reason.
    pub spurious_wakes: bool,
    /// The wall clock jumps.
    pub clock_jumps: bool,
    /// Threads cannot tell their processor time.
    pub no_cpu_times: bool,
    /// A thread cannot be started.
    pub spawn_failures: bool,
    /// The disk takes long.
    pub slow_disk: bool,
    /// The disk fails now and then, and takes little at a time.
    pub disk_errors: bool,
    /// When power is lost, of a write that was not synced any of its sectors are on the disk.
    pub torn_writes: bool,
    /// Another thread goes on after one in so many calls.
    pub switch_one_in: u64,
    /// Which.
    pub order: Order,
    /// What is done wrong on purpose.
    pub planted: Option<Planted>,
}

impl Faults {
    /// Nothing goes wrong; threads take turns all the same.
    pub const NONE: Self = Self {
        latency_ns: (20_000, 0),
        splits: false,
        small_buffers: false,
        resets: false,
        half_open: false,
        accept_errors: false,
        interruptions: false,
        late_events: false,
        few_events: false,
        strict_edges: false,
        stalls: false,
        spurious_wakes: false,
        clock_jumps: false,
        no_cpu_times: false,
        spawn_failures: false,
        slow_disk: false,
        disk_errors: false,
        torn_writes: false,
        switch_one_in: 8,
        order: Order::Random,
        planted: None,
    };

    /// What a seed turns on: each fault in a third of the seeds.
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed, STREAM);
        let latencies = [(1000, 0), (20_000, 20_000), (100_000, 1_000_000), (1_000_000, 30_000_000)];
        Self {
            latency_ns: latencies[dice.index(latencies.len())],
            splits: dice.one_in(3),
            small_buffers: dice.one_in(3),
            resets: dice.one_in(3),
            half_open: dice.one_in(3),
            accept_errors: dice.one_in(3),
            interruptions: dice.one_in(3),
            late_events: dice.one_in(3),
            few_events: dice.one_in(3),
            strict_edges: dice.one_in(3),
            stalls: dice.one_in(3),
            spurious_wakes: dice.one_in(3),
            clock_jumps: dice.one_in(3),
            no_cpu_times: dice.one_in(3),
            spawn_failures: dice.one_in(3),
            switch_one_in: [2, 8, 40][dice.index(3)],
            order: if dice.one_in(3) { Order::Priorities } else { Order::Random },
            // Drawn last, so that a seed's other faults are what they were before there was a disk.
            slow_disk: dice.one_in(3),
            disk_errors: dice.one_in(3),
            torn_writes: dice.one_in(3),
            planted: None,
        }
    }
}

/// The names of those that are on.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            ("splits", self.splits),
            ("small-buffers", self.small_buffers),
            ("resets", self.resets),
            ("half-open", self.half_open),
            ("accept-errors", self.accept_errors),
            ("interruptions", self.interruptions),
            ("late-events", self.late_events),
            ("few-events", self.few_events),
            ("strict-edges", self.strict_edges),
            ("stalls", self.stalls),
            ("spurious-wakes", self.spurious_wakes),
            ("clock-jumps", self.clock_jumps),
            ("no-cpu-times", self.no_cpu_times),
            ("spawn-failures", self.spawn_failures),
            ("slow-disk", self.slow_disk),
            ("disk-errors", self.disk_errors),
            ("torn-writes", self.torn_writes),
        ];
        write!(f, "latency {}+{} ns, ", self.latency_ns.0, self.latency_ns.1)?;
        write!(f, "a switch in {} calls ({:?})", self.switch_one_in, self.order)?;
        for (name, _) in named.iter().filter(|(_, on)| *on) {
            write!(f, ", {name}")?;
        }
        self.planted.map_or(Ok(()), |planted| write!(f, ", planted: {planted:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Faults;

    #[test]
    fn seeds_turn_on_different_subsets() {
        assert_eq!(Faults::of_seed(5), Faults::of_seed(5));
        let texts: std::collections::BTreeSet<String> =
            (0..100).map(|seed| Faults::of_seed(seed).to_string()).collect();
        assert!(texts.len() > 90);
        for name in ["splits", "resets", "clock-jumps", "spawn-failures", "torn-writes"] {
            let on = (0..300).filter(|&seed| Faults::of_seed(seed).to_string().contains(name)).count();
            assert!((60..140).contains(&on), "{name}: {on}");
        }
    }
}
