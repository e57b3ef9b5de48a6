//! Latencies of one test, in nanoseconds: a histogram of two to five significant digits, and what it rounds away.

use hdrhistogram::Histogram;

/// Longest latency that is told apart, one hour; what is longer counts as this.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Digits of histograms that the user does not choose.
pub(crate) const DIGITS: u8 = 3;

/// Latencies, or other spans of time.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    histogram: Histogram<u64>,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

/// One point of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// So many in a hundred ...
    pub percent: f64,
    /// ... took at most this long ...
    pub ms: f64,
    /// ... and that is how many they are.
    pub count: u64,
}

impl Latency {
    /// An empty one; `digits` is between 1 and 5.
    pub(crate) fn new(digits: u8) -> Self {
        let fixed = || Histogram::new_with_max(LONGEST_NS, DIGITS);
        let histogram = Histogram::new_with_max(LONGEST_NS, digits.clamp(1, 5)).or_else(|_| fixed());
        // The bounds and digits are sound, so that neither fails.
        let histogram = histogram.unwrap_or_else(|_| unreachable!("a histogram of fixed bounds"));
        Self { histogram, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }

    /// Counts `count` requests that took this long.
    #[inline]
    pub(crate) fn record(&mut self, ns: u64, count: u64) {
        self.histogram.saturating_record_n(ns, count);
        self.sum_ns += u128::from(ns) * u128::from(count);
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds another's.
    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.histogram.add(&other.histogram);
        self.sum_ns += other.sum_ns;
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Their mean, in ms; 0 of none, as with all below.
    pub(crate) fn mean_ms(&self) -> f64 {
        mean_ms(self.sum_ns, self.count())
    }

    /// The shortest.
    pub(crate) fn min_ms(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { ms(self.min_ns) }
    }

    /// The longest.
    pub(crate) fn max_ms(&self) -> f64 {
        ms(self.max_ns)
    }

    /// `percent` in a hundred took at most this long.
    pub(crate) fn percentile_ms(&self, percent: f64) -> f64 {
        ms(self.histogram.value_at_quantile(percent / 100.0).min(self.max_ns))
    }

    /// The distribution by percentiles: half of what is left with each step, `steps` of them for each half.
    pub(crate) fn by_percentile(&self, steps: u32) -> Vec<Point> {
        let mut points = Vec::new();
        let mut count = 0;
        for step in self.histogram.iter_quantiles(steps) {
            let before = count;
            count += step.count_since_last_iteration();
            // The last of equal steps is the whole, at a hundred percent.
            if count != before || step.quantile_iterated_to() >= 1.0 {
                let value = step.value_iterated_to().min(self.max_ns);
                points.push(Point { percent: step.quantile_iterated_to() * 100.0, ms: ms(value), count });
            }
        }
        points
    }

    /// The distribution by time: steps of a tenth of a millisecond up to two, of one from there on; those that hold something.
    pub(crate) fn by_time(&self) -> Vec<Point> {
        let mut points: Vec<Point> = Vec::new();
        let (mut count, total) = (0, self.count());
        for step in self.histogram.iter_recorded() {
            count += step.count_at_value();
            let value = self.histogram.lowest_equivalent(step.value_iterated_to());
            let width = if value <= 2_000_000 { 100_000 } else { 1_000_000 };
            let point =
                Point { percent: share(count, total) * 100.0, ms: ms(value.div_ceil(width) * width), count };
            match points.last_mut() {
                Some(last) if (last.ms - point.ms).abs() < 0.01 => *last = point,
                _ => points.push(point),
            }
        }
        points
    }
}

/// A part of a whole, between 0 and 1; of none, 0.
#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Nanoseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "fifteen digits are plenty")]
pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(ns: u64) -> f64 {
    ms(ns) / 1e3
}

/// The mean of so many, in ms.
#[expect(clippy::cast_precision_loss, reason = "fifteen digits are plenty")]
pub(crate) fn mean_ms(sum_ns: u128, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum_ns as f64 / count as f64 / 1e6 }
}

/// So many in so many nanoseconds, for a second.
pub(crate) fn per_second(count: u64, ns: u64) -> f64 {
    share(count, ns) * 1e9
}

#[cfg(test)]
mod tests {
    use super::{Latency, Point};

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= b * 0.002
    }

    #[test]
    fn percentiles_of_a_known_distribution() {
        // 1 us to 10 ms in steps of 1 us, all once.
        let mut latency = Latency::new(3);
        (1..=10_000u64).for_each(|us| latency.record(us * 1000, 1));
        for (percent, ms) in [(50.0, 5.0), (95.0, 9.5), (99.0, 9.9), (99.9, 9.99), (99.99, 9.999)] {
            assert!(
                close(latency.percentile_ms(percent), ms),
                "{percent}: {}",
                latency.percentile_ms(percent)
            );
        }
        let exact = [latency.min_ms(), latency.max_ms(), latency.mean_ms(), latency.percentile_ms(100.0)];
        assert!(
            exact.into_iter().zip([0.001, 10.0, 5.0005, 10.0]).all(|(a, b)| (a - b).abs() < 1e-9),
            "{exact:?}"
        );
        let points = latency.by_percentile(1);
        let percents: Vec<f64> = points.iter().map(|point| point.percent).collect();
        assert_eq!(percents[..4], [0.0, 50.0, 75.0, 87.5]);
        assert!(points.windows(2).all(|pair| pair[0].count <= pair[1].count && pair[0].ms <= pair[1].ms));
        assert_eq!(points.last().map(|point| (point.percent, point.count)), Some((100.0, 10_000)));
    }

    #[test]
    fn by_time_in_steps() {
        let mut latency = Latency::new(3);
        for (us, count) in [(50, 3), (90, 1), (150, 4), (1950, 1), (2500, 1), (2700, 5), (7100, 5)] {
            latency.record(us * 1000, count);
        }
        let point = |percent, ms, count| Point { percent, ms, count };
        let expected = [
            point(20.0, 0.1, 4),
            point(40.0, 0.2, 8),
            point(45.0, 2.0, 9),
            point(75.0, 3.0, 15),
            point(100.0, 8.0, 20),
        ];
        assert_eq!(latency.by_time(), expected);
    }

    #[test]
    fn merging_is_recording_all_in_one() {
        let (mut a, mut b, mut both) = (Latency::new(3), Latency::new(3), Latency::new(3));
        for (number, us) in [5u64, 700, 12, 90_000, 3].into_iter().enumerate() {
            (if number % 2 == 0 { &mut a } else { &mut b }).record(us * 1000, 2);
            both.record(us * 1000, 2);
        }
        a.merge(&b);
        assert_eq!((a.count(), a.sum_ns, a.min_ns, a.max_ns), (10, both.sum_ns, 3000, 90_000_000));
        assert_eq!(a.by_percentile(1), both.by_percentile(1));
    }

    #[test]
    fn none_and_too_long() {
        let mut latency = Latency::new(2);
        assert_eq!((latency.mean_ms(), latency.min_ms(), latency.max_ms()), (0.0, 0.0, 0.0));
        assert_eq!(latency.percentile_ms(99.0), 0.0);
        assert!(latency.by_time().is_empty());
        latency.record(u64::MAX, 1);
        assert!(latency.percentile_ms(50.0) >= 3_600_000.0);
    }
}
