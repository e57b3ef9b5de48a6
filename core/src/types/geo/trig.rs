//! Sine, cosine, arc sine and arc tangent without a C library, the same on every machine.
//!
//! They return the double nearest to the true value for all but about two arguments in a hundred thousand.
//! glibc, on which the reference mostly runs, misses it for about one in a thousand: for those alone the two
//! differ, by one unit in the last place. The functions of libm (musl's) miss it for one in thirty to one in
//! five, which one in nine stored distances would show.
//!
//! Method: an argument is `k/64 + r`, and `sin(k/64)`, `cos(k/64)` are tabulated as pairs of doubles that add
//! up to 79 bits; the addition theorem with short polynomials for `sin r` and `cos r` then keeps about 13 bits
//! more than a double has. The inverse functions take libm's result as a guess and correct it by one step of
//! Newton's method on these.
//!
//! Source: Shmuel Gal, "Computing elementary functions: a new approach for achieving high accuracy and good
//! performance", 1986; T. J. Dekker, "A floating-point technique for extending the available precision", 1971.

use core::f64::consts::FRAC_PI_4;

/// The sum of both, not rounded; `lo` is small beside `hi`.
#[derive(Clone, Copy, Debug)]
struct Pair {
    hi: f64,
    lo: f64,
}

/// The sine and the cosine of a grid point, each with a `hi` of 26 bits, so that products of such are exact.
#[derive(Clone, Copy, Debug)]
struct Node {
    sin: Pair,
    cos: Pair,
}

/// Grid points in the unit.
const GRID: f64 = 64.0;
/// Up to a quarter of pi, and one more for rounding.
const NODES: usize = 52;
static TABLE: [Node; NODES] = table();

/// Half of pi.
const HALF_PI: Pair = Pair { hi: core::f64::consts::FRAC_PI_2, lo: 6.123_233_995_736_766e-17 };
/// Above, arguments go to libm: only the bounds of absurd searches have such.
const ARGUMENT_MAX: f64 = 5.0 * FRAC_PI_4;
/// Below this sine, 200 km, the series of the arc sine is as good as the correction, and faster.
const SERIES_MAX: f64 = 1.0 / 64.0;
/// Below this cosine the correction of an arc sine would add more error than it takes.
const COSINE_MIN: f64 = 1.0 / 4096.0;

/// Terms of the series that fill the table: enough for 100 bits.
const TERMS: usize = 14;

/// The sine of an angle in radians.
pub(super) fn sin(angle: f64) -> f64 {
    if angle.abs() <= ARGUMENT_MAX { sin_pair(angle).value() } else { libm::sin(angle) }
}

/// The cosine of an angle in radians.
pub(super) fn cos(angle: f64) -> f64 {
    if angle.abs() <= ARGUMENT_MAX { cos_pair(angle).value() } else { libm::cos(angle) }
}

/// The arc sine; NaN outside of -1 to 1.
pub(super) fn asin(sine: f64) -> f64 {
    if sine.abs() < SERIES_MAX {
        let square = sine * sine;
        let rest = 1.0 / 6.0 + square * (3.0 / 40.0 + square * (5.0 / 112.0 + square * (35.0 / 1152.0)));
        return sine + sine * square * rest;
    }
    let guess = libm::asin(sine);
    // The cosine, for a correction that needs no more than its first digits.
    let slope = libm::sqrt(1.0 - sine * sine);
    if slope.is_nan() || slope < COSINE_MIN {
        return guess;
    }
    let reached = sin_pair(guess);
    guess + ((sine - reached.hi) - reached.lo) / slope
}

/// The angle of a vector from the first axis.
pub(super) fn atan2(y: f64, x: f64) -> f64 {
    let guess = libm::atan2(y, x);
    let (sin, cos) = (sin_pair(guess), cos_pair(guess));
    // What is left to turn: its sine times the length, and the length.
    let (across, back) = (product(y, cos.hi), product(x, sin.hi));
    let off = (across.hi - back.hi) + ((across.lo - back.lo) + (y * cos.lo - x * sin.lo));
    let along = x * cos.hi + y * sin.hi;
    if along > 0.0 { guess + off / along } else { guess }
}

impl Pair {
    fn value(self) -> f64 {
        self.hi + self.lo
    }
}

fn sin_pair(angle: f64) -> Pair {
    let (quarter, rest) = reduce(angle.abs());
    let pair = match quarter {
        0 => sin_kernel(rest),
        1 => cos_kernel(rest),
        _ => negated(sin_kernel(rest)),
    };
    signed(pair, angle)
}

fn cos_pair(angle: f64) -> Pair {
    let (quarter, rest) = reduce(angle.abs());
    match quarter {
        0 => cos_kernel(rest),
        1 => negated(sin_kernel(rest)),
        _ => negated(cos_kernel(rest)),
    }
}

const fn negated(pair: Pair) -> Pair {
    Pair { hi: -pair.hi, lo: -pair.lo }
}

/// The pair, negated for a negative sign; without a branch, which random signs would make expensive.
fn signed(pair: Pair, sign: f64) -> Pair {
    let sign = 1f64.copysign(sign);
    Pair { hi: pair.hi * sign, lo: pair.lo * sign }
}

/// The nearest multiple of half of pi, and the rest; the subtraction is exact.
fn reduce(angle: f64) -> (u8, Pair) {
    if angle <= FRAC_PI_4 {
        (0, Pair { hi: angle, lo: 0.0 })
    } else if angle <= 3.0 * FRAC_PI_4 {
        (1, sum(angle - HALF_PI.hi, -HALF_PI.lo))
    } else {
        (2, sum(angle - 2.0 * HALF_PI.hi, -2.0 * HALF_PI.lo))
    }
}

/// The sine of an angle of at most a quarter of pi, or little more.
fn sin_kernel(angle: Pair) -> Pair {
    let positive = signed(angle, angle.hi);
    let (node, rest) = nearest(positive.hi);
    signed(turn(node.sin, node.cos, rest, positive.lo), angle.hi)
}

/// The cosine of an angle of at most a quarter of pi, or little more.
fn cos_kernel(angle: Pair) -> Pair {
    let positive = signed(angle, angle.hi);
    let (node, rest) = nearest(positive.hi);
    turn(node.cos, negated(node.sin), rest, positive.lo)
}

/// The nearest grid point, and what is left, exactly.
fn nearest(angle: f64) -> (&'static Node, f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the table's length")]
    let index = ((angle * GRID + 0.5) as usize).min(NODES - 1);
    #[expect(clippy::cast_precision_loss, reason = "two digits")]
    let rest = angle - index as f64 / GRID;
    (&TABLE[index], rest)
}

/// `base × cos(rest + tail) + slope × sin(rest + tail)`, where the tail is below an ulp of the grid point.
fn turn(base: Pair, slope: Pair, rest: f64, tail: f64) -> Pair {
    let short = split(rest);
    let lead = sum(base.hi, slope.hi * short.hi);
    let square = rest * rest;
    let bend = square * (-0.5 + square * (1.0 / 24.0 - square * (1.0 / 720.0))) - rest * tail;
    let excess = rest * square * (-1.0 / 6.0 + square * (1.0 / 120.0 - square * (1.0 / 5040.0))) + tail;
    let near = (lead.lo + base.lo) + (slope.hi * short.lo + slope.lo * rest);
    sum(lead.hi, near + (slope.value() * excess + base.value() * bend))
}

/// `a + b` exactly, where `a` is 0 or the larger.
const fn sum(a: f64, b: f64) -> Pair {
    let hi = a + b;
    Pair { hi, lo: b - (hi - a) }
}

/// The upper 26 bits and the rest.
const fn split(value: f64) -> Pair {
    let scaled = 134_217_729.0 * value;
    let hi = scaled - (scaled - value);
    Pair { hi, lo: value - hi }
}

/// `a × b` exactly.
const fn product(a: f64, b: f64) -> Pair {
    let (x, y) = (split(a), split(b));
    let hi = a * b;
    Pair { hi, lo: ((x.hi * y.hi - hi) + x.hi * y.lo + x.lo * y.hi) + x.lo * y.lo }
}

const fn times(pair: Pair, factor: f64) -> Pair {
    let product = product(pair.hi, factor);
    sum(product.hi, product.lo + pair.lo * factor)
}

const fn divided(pair: Pair, divisor: f64) -> Pair {
    let quotient = pair.hi / divisor;
    let back = product(quotient, divisor);
    sum(quotient, (((pair.hi - back.hi) - back.lo) + pair.lo) / divisor)
}

const fn plus(a: Pair, b: Pair) -> Pair {
    let sum_hi = sum(a.hi, b.hi);
    sum(sum_hi.hi, sum_hi.lo + (a.lo + b.lo))
}

/// `first - first × x² / (n(n+1)) + ...`: the series of the sine for x and 2, of the cosine for 1 and 1.
const fn series(first: f64, square: f64, mut n: f64) -> Pair {
    let mut term = Pair { hi: first, lo: 0.0 };
    let mut total = term;
    let mut step = 0;
    while step < TERMS {
        term = negated(divided(times(term, square), n * (n + 1.0)));
        total = plus(total, term);
        n += 2.0;
        step += 1;
    }
    total
}

const fn table() -> [Node; NODES] {
    let zero = Pair { hi: 0.0, lo: 0.0 };
    let mut nodes = [Node { sin: zero, cos: zero }; NODES];
    let (mut index, mut angle) = (0, 0.0);
    while index < NODES {
        let square = angle * angle;
        nodes[index] =
            Node { sin: shortened(series(angle, square, 2.0)), cos: shortened(series(1.0, square, 1.0)) };
        index += 1;
        angle += 1.0 / GRID;
    }
    nodes
}

const fn shortened(pair: Pair) -> Pair {
    let short = split(pair.hi);
    Pair { hi: short.hi, lo: short.lo + pair.lo }
}

#[cfg(test)]
mod tests {
    use core::f64::consts::{FRAC_PI_2, PI};

    use super::{asin, atan2, cos, sin};

    /// Nearest doubles, computed with 300 bits.
    #[test]
    fn nearest_doubles() {
        let sines = [
            (-1.1068904486555708, -0.8943116597006908),
            (-2.193777487381048, -0.8121426835126496),
            (0.9483484623145486, 0.8124537243565041),
            (-2.6864597723362285, -0.43958167197706777),
            (0.2254530918197033, 0.22354801045144418),
            (-0.8439007110331809, -0.7472410279085308),
            (-2.7771723158340578, -0.356407758262453),
            (0.04672005006110158, 0.04670305544925781),
            (0.0, 0.0),
            (1e-300, 1e-300),
            (PI, 1.2246467991473532e-16),
        ];
        let cosines = [
            (-2.9059980287904894, -0.9723757151971226),
            (-0.4169161133261703, 0.9143420834489584),
            (-2.7026757997044255, -0.9052124870766431),
            (-2.571623808818094, -0.8419177871133479),
            (-0.474259521163539, 0.8896311272299077),
            (2.0536707326968564, -0.46432684781488076),
            (-1.7389394023604983, -0.16735190199840458),
            (FRAC_PI_2, 6.123233995736766e-17),
            (0.0, 1.0),
        ];
        let arc_sines = [
            (0.2548664448111786, 0.2577095843873876),
            (0.8954178849140113, 1.109368907796501),
            (0.15420589723499734, 0.15482368661492177),
            (-0.20663905069843969, -0.20813861807264464),
            (0.9525102111858401, 1.2613758916100484),
            (-0.9068346387644874, -1.13571232237782),
            (1.0, FRAC_PI_2),
            (0.0, 0.0),
        ];
        let check = |function: fn(f64) -> f64, cases: &[(f64, f64)]| {
            for (argument, expected) in cases {
                assert_eq!(function(*argument), *expected, "{argument}");
            }
        };
        check(sin, &sines);
        check(cos, &cosines);
        check(asin, &arc_sines);
        assert!(asin(1.0000000000000002).is_nan());
    }

    #[test]
    fn angles_of_vectors() {
        let cases = [
            (-2.8459593331404998, -3.057662095373053, -2.3920389443185233),
            (-1.532145407184525, 2.529010872960251, -0.5446937228442251),
            (-2.5541889606085, 0.65280130929973, -1.320572210439032),
            (1.1113077514094725, -1.0208196581941502, 2.3137796593213746),
            (0.3819557256764625, -3.497688200213415, 3.03282132161895),
            (0.0, 0.0, 0.0),
            (0.0, -1.0, PI),
            (1.0, 0.0, FRAC_PI_2),
        ];
        for (y, x, expected) in cases {
            assert_eq!(atan2(y, x), expected, "{y} {x}");
        }
    }

    /// Far arguments are libm's, and join on smoothly.
    #[test]
    fn all_arguments() {
        for step in -2000..2000 {
            let angle = f64::from(step) / 100.0;
            assert!((sin(angle) - angle.sin()).abs() < 1e-15, "{angle}");
            assert!((cos(angle) - angle.cos()).abs() < 1e-15, "{angle}");
            let sine = f64::from(step) / 2000.0;
            assert!((asin(sine) - sine.asin()).abs() < 1e-15, "{sine}");
        }
        assert!(sin(f64::INFINITY).is_nan() && cos(f64::NAN).is_nan());
    }
}
