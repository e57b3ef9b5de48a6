//! When batches begin: as soon as a connection is free, or by a fixed schedule.
//!
//! The schedule names, for each batch, the moment at which it is due; latency counts from there, whether or not a connection was
//! free then. So a server that stands still for a moment is charged for all requests that came due meanwhile, not for those
//! alone that were under way (the omission that Gil Tene calls coordinated). Pure: time comes in as numbers.

use core::sync::atomic::{AtomicU64, Ordering};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Begin a batch, whose latency counts from this time.
    Begin(u64),
    /// Nothing before this time.
    Wait(u64),
    /// Nothing any more.
    Over,
}

/// When counting begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first batches begin.
    pub start_ns: u64,
    /// From here on they count.
    pub measured_ns: u64,
    /// The end.
    pub end: End,
}

/// The end of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// After so many batches that count.
    Batches(u64),
    /// At a time.
    At(u64),
}

/// A schedule was kept when it ends behind by less than this, or by less than a hundredth of its length.
const BEHIND_NS_MAX: u64 = 10_000_000;

/// How far behind a schedule of some length may end and count as kept. For so long, too, what was due before the end of the time
/// is sent after it.
pub(crate) fn tolerance(length_ns: u64) -> u64 {
    BEHIND_NS_MAX.max(length_ns / 100)
}

/// As fast as replies come. Threads count batches together.
#[derive(Debug)]
pub(crate) struct Closed<'a> {
    window: Window,
    /// Batches that were begun and count.
    begun: &'a AtomicU64,
}

impl<'a> Closed<'a> {
    pub(crate) fn new(window: Window, begun: &'a AtomicU64) -> Self {
        Self { window, begun }
    }

    fn next(&self, now: u64) -> Next {
        if now < self.window.measured_ns {
            return Next::Begin(now);
        }
        let goes_on = match self.window.end {
            End::At(end) => now < end,
            // ORDERING: batches are only counted; nothing else is read by the number.
            End::Batches(batches) => self.begun.fetch_add(1, Ordering::Relaxed) < batches,
        };
        if goes_on { Next::Begin(now) } else { Next::Over }
    }
}

/// A rate, and one thread's part of it: of all batches, those of its number and every so many-th from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Requests per second.
    pub per_second: u64,
    /// Requests of a batch.
    pub batch: u64,
    /// Threads that share the schedule, and which of them this is.
    pub threads: u64,
    pub thread: u64,
}

/// A fixed schedule. Batch `i` of all threads is due at `start + i × batch / rate`, without rounding that adds up.
#[derive(Debug)]
pub(crate) struct Schedule {
    window: Window,
    rate: Rate,
    /// The next batch, counted over all threads.
    index: u64,
    /// The first one after the last.
    end_index: u64,
}

impl Schedule {
    /// A thread's part of the schedule.
    pub(crate) fn new(window: Window, rate: Rate) -> Self {
        let mut schedule = Self { window, rate, index: rate.thread, end_index: u64::MAX };
        schedule.end_index = match window.end {
            End::At(end) => schedule.first_due(end),
            End::Batches(batches) => schedule.first_due(window.measured_ns).saturating_add(batches),
        };
        schedule
    }

    /// When a batch is due.
    fn due(&self, index: u64) -> u64 {
        let requests = u128::from(index) * u128::from(self.rate.batch);
        let after = requests * 1_000_000_000 / u128::from(self.rate.per_second.max(1));
        self.window.start_ns.saturating_add(u64::try_from(after).unwrap_or(u64::MAX))
    }

    /// The first batch that is due at a time or later.
    fn first_due(&self, at: u64) -> u64 {
        let after = u128::from(at.saturating_sub(self.window.start_ns)) * u128::from(self.rate.per_second);
        let index = after / (1_000_000_000 * u128::from(self.rate.batch.max(1)));
        let index = u64::try_from(index).unwrap_or(u64::MAX - 2);
        // Rounding both ways may be off by one.
        (index.saturating_sub(1)..).find(|&index| self.due(index) >= at).unwrap_or(u64::MAX)
    }

    /// When what is left of the schedule is given up.
    fn given_up_ns(&self) -> Option<u64> {
        match self.window.end {
            End::At(end) => Some(end.saturating_add(tolerance(end.saturating_sub(self.window.measured_ns)))),
            End::Batches(_) => None,
        }
    }

    fn next(&mut self, now: u64) -> Next {
        if self.index >= self.end_index || self.given_up_ns().is_some_and(|at| now >= at) {
            return Next::Over;
        }
        let due = self.due(self.index);
        if due > now {
            return Next::Wait(due);
        }
        self.index += self.rate.threads.max(1);
        Next::Begin(due)
    }

    /// Batches of this thread that have not begun: those that were not sent in time when the test is over.
    pub(crate) fn left(&self) -> u64 {
        self.end_index.saturating_sub(self.index).div_ceil(self.rate.threads.max(1))
    }
}

/// Either.
#[derive(Debug)]
pub(crate) enum Pace<'a> {
    Closed(Closed<'a>),
    Open(Schedule),
}

impl Pace<'_> {
    /// What to do now; a batch that it names is to be begun.
    #[inline]
    pub(crate) fn next(&mut self, now: u64) -> Next {
        match self {
            Self::Closed(closed) => closed.next(now),
            Self::Open(schedule) => schedule.next(now),
        }
    }

    /// The window it works in.
    pub(crate) fn window(&self) -> &Window {
        match self {
            Self::Closed(closed) => &closed.window,
            Self::Open(schedule) => &schedule.window,
        }
    }

    /// How far behind its time the first batch is that was not begun when the time was over.
    pub(crate) fn behind_ns(&self) -> Option<u64> {
        match self {
            Self::Open(schedule) if schedule.left() > 0 => {
                Some(schedule.given_up_ns()?.saturating_sub(schedule.due(schedule.index)))
            }
            _ => None,
        }
    }

    /// See [`Schedule::left`].
    pub(crate) fn left(&self) -> u64 {
        match self {
            Self::Closed(_) => 0,
            Self::Open(schedule) => schedule.left(),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use super::{Closed, End, Next, Pace, Rate, Schedule, Window};

    const START: u64 = 1_000;

    fn window(warmup: u64, end: End) -> Window {
        Window { start_ns: START, measured_ns: START + warmup, end }
    }

    fn rate(per_second: u64, batch: u64, threads: u64, thread: u64) -> Rate {
        Rate { per_second, batch, threads, thread }
    }

    /// All batches of a schedule that is never late.
    fn times(mut schedule: Schedule) -> Vec<u64> {
        let (mut now, mut times) = (0, Vec::new());
        loop {
            match schedule.next(now) {
                Next::Begin(due) => times.push(due),
                Next::Wait(due) => {
                    assert!(due > now);
                    now = due;
                }
                Next::Over => return times,
            }
        }
    }

    #[test]
    fn threads_share_the_schedule_without_drift() {
        // 3 a second do not divide a second evenly.
        let whole = times(Schedule::new(window(0, End::Batches(3_000)), rate(3, 1, 1, 0)));
        assert_eq!(whole.len(), 3_000);
        assert_eq!(whole[2_997], START + 999 * 1_000_000_000);
        let mut shared: Vec<u64> = (0..4)
            .flat_map(|thread| times(Schedule::new(window(0, End::Batches(3_000)), rate(3, 1, 4, thread))))
            .collect();
        shared.sort_unstable();
        assert_eq!(shared, whole);
        // Batches of 10 are due ten times as far apart.
        let batches = times(Schedule::new(window(0, End::Batches(3)), rate(1_000, 10, 1, 0)));
        assert_eq!(batches, [START, START + 10_000_000, START + 20_000_000]);
    }

    #[test]
    fn the_end_counts_from_the_end_of_the_warm_up() {
        let second = 1_000_000_000;
        let counted = times(Schedule::new(window(second, End::Batches(10)), rate(100, 1, 1, 0)));
        assert_eq!((counted.len(), counted[109]), (110, START + 1_090_000_000));
        for threads in [1, 3] {
            let timed = |thread| {
                times(Schedule::new(
                    window(second, End::At(START + 2 * second)),
                    rate(100, 1, threads, thread),
                ))
            };
            let all: Vec<u64> = (0..threads).flat_map(timed).collect();
            assert_eq!(all.len(), 200);
            assert!(all.iter().all(|&due| due < START + 2 * second));
        }
    }

    #[test]
    fn what_is_late_is_begun_at_once_and_counts_from_its_time() {
        let mut schedule = Schedule::new(window(0, End::Batches(100)), rate(1_000, 1, 1, 0));
        let ms = 1_000_000;
        assert_eq!(schedule.next(START), Next::Begin(START));
        assert_eq!(schedule.next(START), Next::Wait(START + ms));
        // Nobody asks for 5 ms: five batches are due.
        let now = START + 5 * ms + 1;
        for late in 1..=5 {
            assert_eq!(schedule.next(now), Next::Begin(START + late * ms));
        }
        assert_eq!(schedule.next(now), Next::Wait(START + 6 * ms));
        assert_eq!(schedule.left(), 94);
    }

    #[test]
    fn at_the_end_of_the_time_what_is_left_is_told() {
        let ms = 1_000_000;
        let mut schedule = Schedule::new(window(0, End::At(START + 100 * ms)), rate(1_000, 1, 2, 1));
        assert_eq!(schedule.next(START + 50 * ms), Next::Begin(START + ms));
        assert_eq!(schedule.left(), 49);
        // A little late is not too late.
        assert_eq!(schedule.next(START + 110 * ms - 1), Next::Begin(START + 3 * ms));
        assert_eq!(schedule.next(START + 110 * ms), Next::Over);
        let pace = Pace::Open(schedule);
        assert_eq!((pace.left(), pace.behind_ns()), (48, Some(105 * ms)));
    }

    #[test]
    fn the_fastest_rate_and_the_longest_time_do_not_overflow() {
        let year = 366 * 86_400 * 1_000_000_000;
        let schedule = Schedule::new(window(year, End::At(START + 2 * year)), rate(1_000_000_000, 1, 1, 0));
        assert_eq!(schedule.left(), 2 * year);
        let schedule = Schedule::new(window(year, End::Batches(u64::MAX)), rate(1, 1 << 20, 500, 499));
        assert!(schedule.left() > 0);
    }

    #[test]
    fn without_a_rate_threads_count_together() {
        let begun = AtomicU64::new(0);
        let window = window(10, End::Batches(3));
        let mut paces =
            [Pace::Closed(Closed::new(window, &begun)), Pace::Closed(Closed::new(window, &begun))];
        // The warm-up is not counted.
        (0..5).for_each(|_| assert_eq!(paces[0].next(START + 9), Next::Begin(START + 9)));
        let taken: Vec<Next> = (0..4).map(|turn| paces[turn % 2].next(START + 10)).collect();
        assert_eq!(taken[..3], [Next::Begin(START + 10); 3]);
        assert_eq!(taken[3], Next::Over);
        let mut timed = Pace::Closed(Closed::new(Window { end: End::At(START + 20), ..window }, &begun));
        assert_eq!((timed.next(START + 19), timed.next(START + 20)), (Next::Begin(START + 19), Next::Over));
    }
}
