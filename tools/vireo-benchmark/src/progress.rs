//! The line that tells how a test goes on, four times a second, and the rates between two of them.

use core::fmt::Write as _;

use crate::latency::{mean_ms, per_second, seconds};
use crate::worker::{Published, Tally};

/// Between two lines.
pub(crate) const INTERVAL_NS: u64 = 250_000_000;

/// State between two lines.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    title: &'a str,
    threads: &'a [Published],
    start_ns: u64,
    measured_ns: u64,
    shows: Shows,
    last_ns: u64,
    last: (u64, u64),
    was_warmup: bool,
    printed_len: usize,
    /// Requests per second between two lines, since the warm-up.
    pub rates: Vec<f64>,
}

/// What a line ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// No line is printed.
    Nothing,
    /// How many requests were answered.
    Requests,
    /// How many seconds have passed.
    Seconds,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(
        title: &'a str,
        threads: &'a [Published],
        start_ns: u64,
        measured_ns: u64,
        shows: Shows,
    ) -> Self {
        Self {
            title,
            threads,
            start_ns,
            measured_ns,
            shows,
            last_ns: start_ns,
            last: (0, 0),
            was_warmup: measured_ns > start_ns,
            printed_len: 0,
            rates: Vec::new(),
        }
    }

    /// Looks at the threads, and prints a line.
    pub(crate) fn tick(&mut self, now: u64) {
        let Some(line) = self.line(now) else { return };
        if self.shows == Shows::Nothing {
            return;
        }
        crate::app::emit(&format!("{}{line}\r", blank(self.printed_len)));
        self.printed_len = line.len() + 1;
    }

    //= valkey 9.1 benchmark: the line's words; one of a warm-up says so and tells seconds
    fn line(&mut self, now: u64) -> Option<String> {
        let is_warmup = now < self.measured_ns;
        if self.was_warmup && !is_warmup {
            self.was_warmup = false;
            (self.last, self.last_ns) = ((0, 0), self.measured_ns);
        }
        let (total, from) = if is_warmup {
            (sum(self.threads, |thread| &thread.warmup), self.start_ns)
        } else {
            (sum(self.threads, |thread| &thread.measured), self.measured_ns)
        };
        let passed = now.saturating_sub(from);
        if now <= self.last_ns {
            return None;
        }
        let (count, sum_ns) = (total.0 - self.last.0.min(total.0), total.1 - self.last.1.min(total.1));
        let rate = per_second(count, now - self.last_ns);
        if !is_warmup {
            self.rates.push(rate);
        }
        (self.last, self.last_ns) = (total, now);
        let mut line = String::new();
        // Writing into a string cannot fail.
        let _ = write!(
            line,
            "{}{}: rps={rate:.1} (overall: {:.1}) avg_msec={:.3} (overall: {:.3})",
            if is_warmup { "Warming up " } else { "" },
            self.title,
            per_second(total.0, passed),
            mean_ms(sum_ns.into(), count),
            mean_ms(total.1.into(), total.0),
        );
        let _ = if is_warmup || self.shows == Shows::Seconds {
            write!(line, " {:.1} seconds", seconds(passed))
        } else {
            write!(line, " {} requests", total.0)
        };
        Some(line)
    }

    /// Takes the line away before a report.
    pub(crate) fn end(&self) {
        if self.shows != Shows::Nothing {
            crate::app::emit(&blank(self.printed_len));
        }
    }
}

/// Covers a line.
fn blank(len: usize) -> String {
    format!("{:1$}\r", " ", len.max(1))
}

fn sum(threads: &[Published], of: impl Fn(&Published) -> &Tally) -> (u64, u64) {
    threads.iter().map(|thread| of(thread).get()).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

#[cfg(test)]
mod tests {
    use super::{Progress, Shows};
    use crate::worker::Published;

    #[test]
    fn lines_of_warm_up_and_test() {
        let second = 1_000_000_000;
        let threads = [Published::default(), Published::default()];
        let mut progress = Progress::new("GET", &threads, 10, 10 + second, Shows::Requests);
        threads[0].warmup.add(100, 2_000_000);
        let line = progress.line(10 + second / 2).unwrap();
        let expected =
            "Warming up GET: rps=200.0 (overall: 200.0) avg_msec=2.000 (overall: 2.000) 0.5 seconds";
        assert_eq!(line, expected);
        threads[0].measured.add(100, 1_000_000);
        threads[1].measured.add(300, 3_000_000);
        let line = progress.line(10 + 2 * second).unwrap();
        let expected = "GET: rps=400.0 (overall: 400.0) avg_msec=2.500 (overall: 2.500) 400 requests";
        assert_eq!(line, expected);
        threads[1].measured.add(200, 500_000);
        let line = progress.line(10 + 3 * second).unwrap();
        let expected = "GET: rps=200.0 (overall: 300.0) avg_msec=0.500 (overall: 1.833) 600 requests";
        assert_eq!(line, expected);
        assert_eq!(progress.rates, [400.0, 200.0]);
        assert_eq!(progress.line(10 + 3 * second), None);
        progress.shows = Shows::Seconds;
        assert!(progress.line(10 + 4 * second).unwrap().ends_with(" 3.0 seconds"));
    }
}
