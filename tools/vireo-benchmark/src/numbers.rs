//! Numbers that replace placeholders: all alike, one after the other, or by Zipf's law.

use core::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};

use crate::options::Order;
use crate::template::PLACEHOLDERS;

/// Counters of the placeholders for sequential numbers: all threads and all tests of a run count on.
//= valkey 9.1 benchmark: the counters go on from one test to the next
#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; PLACEHOLDERS.len()]);

/// One thread's numbers below a bound.
#[derive(Debug)]
pub(crate) struct Numbers<'a> {
    random: Xoshiro256PlusPlus,
    range: u64,
    source: Source<'a>,
}

#[derive(Debug)]
enum Source<'a> {
    Uniform,
    Sequential(&'a Counters),
    Zipf(Zipf<f64>),
}

impl<'a> Numbers<'a> {
    /// Numbers below `range`; of a range of none, all are 0. Each thread has another `seed`.
    pub(crate) fn new(range: u64, order: Order, seed: u64, counters: &'a Counters) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a range has at most twelve digits")]
        let source = match order {
            Order::Uniform => Source::Uniform,
            Order::Sequential => Source::Sequential(counters),
            // Refused only for what the options refuse as well.
            Order::Zipf(exponent) => {
                Zipf::new(range.max(1) as f64, exponent).map_or(Source::Uniform, Source::Zipf)
            }
        };
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed), range, source }
    }

    /// The next number for a placeholder.
    #[inline]
    pub(crate) fn next(&mut self, placeholder: u8) -> u64 {
        if self.range == 0 {
            return 0;
        }
        match &self.source {
            Source::Uniform => self.random.random_range(0..self.range),
            Source::Sequential(counters) => {
                let counter = counters.0.get(usize::from(placeholder));
                // ORDERING: numbers are only counted; nothing else is read by them.
                counter.map_or(0, |counter| counter.fetch_add(1, Ordering::Relaxed)) % self.range
            }
            Source::Zipf(zipf) => {
                let rank = zipf.sample(&mut self.random);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a whole number from 1 to the range"
                )]
                let rank = rank as u64;
                rank.clamp(1, self.range) - 1
            }
        }
    }

    /// A number below a bound that is not 0, of the same generator: which kind of request comes next.
    #[inline]
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.random.random_range(0..bound)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counters, Numbers};
    use crate::options::Order;

    fn counts(order: Order, range: u64, draws: usize) -> Vec<u32> {
        let counters = Counters::default();
        let mut numbers = Numbers::new(range, order, 7, &counters);
        let mut counts = vec![0; usize::try_from(range).unwrap()];
        (0..draws).for_each(|_| counts[usize::try_from(numbers.next(0)).unwrap()] += 1);
        counts
    }

    #[test]
    fn uniform_numbers_are_alike() {
        let counts = counts(Order::Uniform, 100, 100_000);
        // A thousand each, standard deviation 31.
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn sequential_numbers_count_on_for_each_placeholder() {
        let counters = Counters::default();
        let mut one = Numbers::new(3, Order::Sequential, 0, &counters);
        let mut other = Numbers::new(3, Order::Sequential, 0, &counters);
        let all = [one.next(0), other.next(0), one.next(0), one.next(1), other.next(0), other.next(1)];
        assert_eq!(all, [0, 1, 2, 0, 0, 1]);
    }

    #[test]
    fn zipf_follows_its_law() {
        for exponent in [0.5, 1.0, 1.3] {
            let counts = counts(Order::Zipf(exponent), 1000, 1_000_000);
            let norm: f64 = (1..=1000).map(|rank| f64::from(rank).powf(-exponent)).sum();
            for rank in [1u32, 2, 10, 100] {
                let expected = 1e6 * f64::from(rank).powf(-exponent) / norm;
                let got = f64::from(counts[usize::try_from(rank - 1).unwrap()]);
                // Five standard deviations of a binomial of a small share.
                assert!(
                    (got - expected).abs() < 5.0 * expected.sqrt() + 1.0,
                    "{exponent}: {rank}: {got} {expected}"
                );
            }
        }
        // Without an exponent, all alike.
        assert!(counts(Order::Zipf(0.0), 100, 100_000).iter().all(|count| (800..1200).contains(count)));
    }

    #[test]
    fn a_seed_repeats_and_an_empty_range_is_zero() {
        let counters = Counters::default();
        let draw = |seed, range| {
            let mut numbers = Numbers::new(range, Order::Uniform, seed, &counters);
            (0..20).map(|_| numbers.next(0)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 1000), draw(1, 1000));
        assert_ne!(draw(1, 1000), draw(2, 1000));
        assert_eq!(draw(1, 0), [0; 20]);
    }
}
