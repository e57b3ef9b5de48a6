//! From a histogram of register values to a cardinality.
//!
//! Source: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284,
//! algorithm 6. Every operation is one IEEE double operation in the paper's order, so that the integer at
//! the end is the reference's.

use super::{HASH_BITS, REGISTERS};

/// How many registers hold each value.
pub(super) type Histogram = [u32; 64];

/// `0.5 / ln 2`.
const ALPHA_INF: f64 = 0.721_347_520_444_481_7;
const M: f64 = REGISTERS as f64;

/// The number of distinct elements; 2^63 where it is beyond an `i64`, as only forged registers make it.
pub(super) fn cardinality(histogram: &Histogram) -> u64 {
    let full = f64::from(histogram[HASH_BITS + 1]);
    let mut z = M * tau((M - full) / M);
    for &count in histogram[1..=HASH_BITS].iter().rev() {
        z = (z + f64::from(count)) * 0.5;
    }
    z += M * sigma(f64::from(histogram[0]) / M);
    round(ALPHA_INF * M * M / z)
}

/// `x + sum of x^(2^k) * 2^(k-1)`.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if settled(before, z) {
            return z;
        }
    }
}

/// `(1 - x - sum of (1 - x^(2^-k))^2 * 2^-k) / 3`.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = libm::sqrt(x);
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if settled(before, z) {
            return z / 3.0;
        }
    }
}

/// Whether a series' next term was too small to be seen.
fn settled(before: f64, after: f64) -> bool {
    before.to_bits() == after.to_bits()
}

/// The nearest integer, halves away from zero.
fn round(value: f64) -> u64 {
    const TOO_LARGE: u64 = 1 << 63;
    if value >= TOO_LARGE as f64 {
        return TOO_LARGE;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and below 2^63")]
    let whole = value as u64;
    #[expect(clippy::cast_precision_loss, reason = "it came from a double, so it is one")]
    let fraction = value - whole as f64;
    whole + u64::from(fraction >= 0.5)
}
