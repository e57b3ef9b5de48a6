//! The latency monitor: events over the threshold, and a histogram for each command.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::commands::table::{COMMAND_COUNT, Command};

/// Samples kept of an event.
const SAMPLES_MAX: usize = 160;

/// An event that passed the threshold.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// When (s since 1970) and how long (ms), the oldest first; one a second, the longest.
    pub samples: Vec<(i64, u64)>,
    /// Longest ever, ms.
    pub max_ms: u64,
    /// All together, ms.
    pub sum_ms: u64,
    /// How often.
    pub count: u64,
}

/// Log-linear buckets: below 256 µs each its own, above that 128 to each power of two, so that a value is known
/// to 0.8 %. Up to an hour; longer ones count as an hour.
const LINEAR: usize = 256;
const PER_POWER: usize = 128;
const POWERS: usize = 24;
const BUCKETS: usize = LINEAR + PER_POWER * POWERS;

/// How long a command took.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[u32; BUCKETS]>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), count: 0 }
    }
}

impl Histogram {
    fn bucket(us: u64) -> usize {
        let linear = usize::try_from(us).unwrap_or(usize::MAX);
        if linear < LINEAR {
            return linear;
        }
        let power = us.ilog2() as usize - 8;
        let within = usize::try_from(us >> (power + 1)).unwrap_or(0) - PER_POWER;
        (LINEAR + power * PER_POWER + within).min(BUCKETS - 1)
    }

    /// The largest value of a bucket, µs.
    fn upper_us(bucket: usize) -> u64 {
        match bucket.checked_sub(LINEAR) {
            None => bucket as u64,
            Some(above) => {
                let (power, within) = (above / PER_POWER, above % PER_POWER);
                ((PER_POWER + within + 1) as u64) << (power + 1)
            }
        }
    }

    /// Adds a value.
    #[inline]
    pub fn add(&mut self, us: u64) {
        self.add_equal(us, 1);
    }

    /// Adds a value so often.
    #[inline]
    fn add_equal(&mut self, us: u64, times: u64) {
        let bucket = &mut self.buckets[Self::bucket(us)];
        *bucket = bucket.saturating_add(u32::try_from(times).unwrap_or(u32::MAX));
        self.count += times;
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value below which so many per cent are, ns; a value of n µs shows as n.003 or so, as the reference's.
    pub fn percentile_ns(&self, percentile: f64) -> u64 {
        let mut left = rank(percentile, self.count);
        for (bucket, &count) in self.buckets.iter().enumerate() {
            if u64::from(count) >= left {
                return (Self::upper_us(bucket) * 1000).max(1);
            }
            left -= u64::from(count);
        }
        Self::upper_us(BUCKETS - 1) * 1000
    }

    /// Cumulative counts at powers of two µs, from the first that has any to the one that has all.
    pub fn powers_of_two(&self) -> Vec<(u64, u64)> {
        let mut steps: Vec<(u64, u64)> = Vec::new();
        let (mut bound, mut sum) = (1u64, 0u64);
        for (bucket, &count) in self.buckets.iter().enumerate() {
            while Self::upper_us(bucket) > bound {
                if sum > 0 && steps.last().is_none_or(|(_, last)| *last != sum) {
                    steps.push((bound, sum));
                }
                bound *= 2;
            }
            sum += u64::from(count);
            if sum == self.count {
                break;
            }
        }
        steps.push((bound, sum));
        steps
    }
}

/// Which value of so many is at a percentile, counted from one.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among counts, between one and all"
)]
fn rank(percentile: f64, count: u64) -> u64 {
    let exact = percentile / 100.0 * count as f64;
    let whole = exact as u64;
    (whole + u64::from(exact > whole as f64)).clamp(1, count.max(1))
}

/// Events over the threshold, per name, and histograms per command.
#[derive(Debug)]
pub struct LatencyMonitor {
    events: BTreeMap<&'static str, Event>,
    histograms: Vec<Option<Histogram>>,
}

impl Default for LatencyMonitor {
    fn default() -> Self {
        Self { events: BTreeMap::new(), histograms: (0..COMMAND_COUNT).map(|_| None).collect() }
    }
}

impl LatencyMonitor {
    /// Adds so many requests that took equally long to a command's histogram.
    #[inline]
    pub fn record_command(&mut self, command: &Command, duration_us: u64, times: u64) {
        let slot = &mut self.histograms[usize::from(command.id.0)];
        slot.get_or_insert_with(Histogram::default).add_equal(duration_us, times);
    }

    /// A command's histogram.
    pub fn histogram(&self, command: &Command) -> Option<&Histogram> {
        self.histograms[usize::from(command.id.0)].as_ref()
    }

    /// Forgets the histograms of these commands; of all when none is named.
    pub fn reset_histograms(&mut self, commands: &[&Command]) {
        for (index, slot) in self.histograms.iter_mut().enumerate() {
            if commands.is_empty() || commands.iter().any(|command| usize::from(command.id.0) == index) {
                *slot = None;
            }
        }
    }

    /// Keeps a sample of an event; the caller has checked the threshold.
    #[cold]
    pub fn add(&mut self, event: &'static str, now_s: i64, duration_ms: u64) {
        let event = self.events.entry(event).or_default();
        event.max_ms = event.max_ms.max(duration_ms);
        event.sum_ms += duration_ms;
        event.count += 1;
        match event.samples.last_mut() {
            Some((when, ms)) if *when == now_s => *ms = (*ms).max(duration_ms),
            _ => {
                if event.samples.len() == SAMPLES_MAX {
                    event.samples.remove(0);
                }
                event.samples.push((now_s, duration_ms));
            }
        }
    }

    /// All events.
    pub fn events(&self) -> &BTreeMap<&'static str, Event> {
        &self.events
    }

    /// Forgets events, all when none is named. Returns how many.
    pub fn reset(&mut self, names: &[&[u8]]) -> usize {
        let before = self.events.len();
        self.events.retain(|event, _| {
            !names.is_empty() && !names.iter().any(|name| name.eq_ignore_ascii_case(event.as_bytes()))
        });
        before - self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn percentiles_and_powers() {
        let mut histogram = Histogram::default();
        (1..=1000u64).for_each(|us| histogram.add(us));
        let p50 = histogram.percentile_ns(50.0);
        assert!((500_000..=504_000).contains(&p50), "{p50}");
        let p100 = histogram.percentile_ns(100.0);
        assert!((1_000_000..=1_008_000).contains(&p100), "{p100}");
        assert_eq!(histogram.powers_of_two().last(), Some(&(1024, 1000)));
        assert_eq!(histogram.powers_of_two().first(), Some(&(1, 1)));
        for us in [0, 255, 256, 257, 1000, 123_456, 3_600_000_000, u64::MAX] {
            let upper = Histogram::upper_us(Histogram::bucket(us));
            assert!(us > 1 << 31 || (upper >= us && upper <= us + us / 64 + 1), "{us} {upper}");
        }
    }
}
