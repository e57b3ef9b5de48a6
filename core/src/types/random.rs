//! Random choices out of `n` things that have an order: SRANDMEMBER, HRANDMEMBER, ZRANDMEMBER, SPOP.
//!
//! Source of the distinct choice: Robert Floyd, in Bentley, "Programming Pearls: a sample of brilliance", 1987.

use alloc::vec;
use alloc::vec::Vec;

use crate::rng::Rng;

/// Picks out of `n` things, each independent of the others.
#[derive(Debug)]
pub struct Picks<'a> {
    rng: &'a mut Rng,
    n: usize,
    left: u64,
}

/// `count` picks out of `n` things, none if there are no things. Nothing is kept: a count of billions costs
/// only the time.
pub fn repeated(rng: &mut Rng, n: usize, count: u64) -> Picks<'_> {
    Picks { rng, n, left: if n == 0 { 0 } else { count } }
}

impl Iterator for Picks<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        Some(below(self.rng, self.n))
    }
}

/// `count` different numbers below `n`, at most `n`, in rising order, every choice equally likely.
///
/// In rising order one pass over a listpack or a tree picks them all. O(count) memory, O(count log count) time.
pub fn distinct(rng: &mut Rng, n: usize, count: usize) -> Vec<usize> {
    if count >= n {
        return (0..n).collect();
    }
    let mut chosen = Chosen::new(count);
    // Step by step one more number may be chosen; a number that is chosen already gives way to the new one.
    for newest in n - count..n {
        let pick = below(rng, newest + 1);
        if !chosen.insert(pick) {
            chosen.insert(newest);
        }
    }
    chosen.sorted()
}

/// Shuffles, every order equally likely.
pub fn shuffle<T>(rng: &mut Rng, items: &mut [T]) {
    for end in (1..items.len()).rev() {
        items.swap(end, below(rng, end + 1));
    }
}

fn below(rng: &mut Rng, n: usize) -> usize {
    usize::try_from(rng.below(n as u64)).unwrap_or(0)
}

/// A set of numbers with room for a known count: open addressing, at most half full.
struct Chosen {
    slots: Vec<usize>,
    shift: u32,
}

/// No number: `distinct` never chooses the largest of all.
const FREE: usize = usize::MAX;

impl Chosen {
    fn new(count: usize) -> Self {
        let len = (2 * count).next_power_of_two().max(2);
        Self { slots: vec![FREE; len], shift: 64 - len.trailing_zeros() }
    }

    /// Adds a number; false when it is there.
    fn insert(&mut self, number: usize) -> bool {
        // Fibonacci hashing: neighbours land far from each other.
        let hash = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift;
        let mut slot = usize::try_from(hash).unwrap_or(0);
        while self.slots[slot] != FREE {
            if self.slots[slot] == number {
                return false;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = number;
        true
    }

    fn sorted(self) -> Vec<usize> {
        let mut numbers = self.slots;
        numbers.retain(|&number| number != FREE);
        numbers.sort_unstable();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::{distinct, repeated, shuffle};
    use crate::rng::Rng;

    /// Whether counts are as even as chance makes them: chi-squared within six deviations.
    fn is_even(counts: &[u32]) -> bool {
        let mean = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        let chi: f64 = counts.iter().map(|&count| (f64::from(count) - mean).powi(2) / mean).sum();
        let freedom = counts.len() as f64 - 1.0;
        (chi - freedom).abs() < 6.0 * (2.0 * freedom).sqrt() + 6.0
    }

    #[test]
    fn distinct_rising_and_all_of_them() {
        let mut rng = Rng::new(9);
        for _ in 0..if cfg!(miri) { 30 } else { 1000 } {
            let n = usize::try_from(rng.below(300)).unwrap();
            let count = usize::try_from(rng.below(320)).unwrap();
            let numbers = distinct(&mut rng, n, count);
            assert_eq!(numbers.len(), count.min(n));
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(numbers.last().is_none_or(|&last| last < n));
        }
        assert_eq!(distinct(&mut rng, usize::MAX, 3).len(), 3);
    }

    #[test]
    fn every_choice_is_equally_likely() {
        let (mut rng, mut counts) = (Rng::new(10), BTreeMap::new());
        let rounds = if cfg!(miri) { 350 } else { 35_000 };
        for _ in 0..rounds {
            *counts.entry(distinct(&mut rng, 7, 3)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 35);
        assert!(is_even(&counts.into_values().collect::<Vec<u32>>()));
        let mut orders = BTreeMap::new();
        for _ in 0..rounds {
            let mut items = [0, 1, 2, 3];
            shuffle(&mut rng, &mut items);
            *orders.entry(items).or_insert(0) += 1;
        }
        assert_eq!(orders.len(), 24);
        assert!(is_even(&orders.into_values().collect::<Vec<u32>>()));
    }

    #[test]
    fn repeated_picks() {
        let (mut rng, mut counts) = (Rng::new(11), [0; 10]);
        let rounds = if cfg!(miri) { 500 } else { 50_000 };
        for pick in repeated(&mut rng, 10, rounds) {
            counts[pick] += 1;
        }
        assert_eq!(u64::from(counts.iter().sum::<u32>()), rounds);
        assert!(is_even(&counts));
        assert_eq!(repeated(&mut rng, 0, 5).next(), None);
    }
}
