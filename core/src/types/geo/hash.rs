//! Positions as bits: each axis is halved again and again, one bit a time, longitude first.
//!
//! ```text
//! cell of step 2   ┌ x1 y1 x0 y0 ┐        score   ┌ x25 y25 x24 y24 ... x0 y0 ┐   52 bits, step 26
//! ```
//! The easternmost and northernmost lines themselves make one bit more, as in the reference: a score of 180
//! degrees east is 2^53 and decodes to 180 again.

use super::{LATITUDE_MAX, LONGITUDE_MAX, Position};

/// Halvings of each axis in a score.
pub(super) const STEP_MAX: u8 = 26;
/// The alphabet of geohash.org.
const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const EVEN_BITS: u64 = 0x5555_5555_5555_5555;
const ODD_BITS: u64 = !EVEN_BITS;

/// A rectangle of the grid of some step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) bits: u64,
    pub(super) step: u8,
}

/// The corners of a rectangle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) min: Position,
    pub(super) max: Position,
}

/// The score of a position.
pub fn encode(position: Position) -> u64 {
    Cell::at(position, STEP_MAX).bits
}

/// The position of a score: the middle of its cell. Scores that are no positions give some position.
pub fn decode(score: f64) -> Position {
    let Bounds { min, max } = Cell { bits: bits_of(score), step: STEP_MAX }.bounds();
    let middle = |a: f64, b: f64, limit: f64| ((a + b) / 2.0).clamp(-limit, limit);
    Position {
        longitude: middle(min.longitude, max.longitude, LONGITUDE_MAX),
        latitude: middle(min.latitude, max.latitude, LATITUDE_MAX),
    }
}

/// The standard geohash of a score's position, eleven characters, of which the last is always `0`.
pub fn geohash_text(score: f64) -> [u8; 11] {
    // The standard's latitudes go to the poles: other bits.
    let bits = Cell::within(decode(score), STEP_MAX, 90.0).bits;
    let mut text = [b'0'; 11];
    for (index, character) in text.iter_mut().take(10).enumerate() {
        *character = ALPHABET[usize::from((bits >> (47 - 5 * index)).to_le_bytes()[0] & 31)];
    }
    text
}

/// The score as the reference's machine casts it: negative ones wrap around, those from 2^64 up are 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what does not fit is dealt with"
)]
fn bits_of(score: f64) -> u64 {
    const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;
    if score < 0.0 {
        (score as i64).cast_unsigned()
    } else if score < TOO_LARGE {
        score as u64
    } else {
        0
    }
}

impl Cell {
    /// The cell of a position.
    pub(super) fn at(position: Position, step: u8) -> Self {
        Self::within(position, step, LATITUDE_MAX)
    }

    fn within(position: Position, step: u8, latitude_max: f64) -> Self {
        let x = fraction(position.longitude, LONGITUDE_MAX, step);
        let y = fraction(position.latitude, latitude_max, step);
        Self { bits: spread(x) << 1 | spread(y), step }
    }

    /// Its rectangle.
    pub(super) fn bounds(self) -> Bounds {
        let (x, y) = (gather(self.bits >> 1), gather(self.bits));
        let corner = |x: u32, y: u32| Position {
            longitude: coordinate(x, LONGITUDE_MAX, self.step),
            latitude: coordinate(y, LATITUDE_MAX, self.step),
        };
        Bounds { min: corner(x, y), max: corner(x.wrapping_add(1), y.wrapping_add(1)) }
    }

    /// The neighbour `east` cells to the right and `north` cells up, each -1, 0 or 1, around the edge.
    pub(super) fn neighbour(self, east: i8, north: i8) -> Self {
        let used = u64::MAX >> (64 - 2 * u32::from(self.step));
        let x = advance(self.bits, ODD_BITS, used, east);
        let y = advance(self.bits, EVEN_BITS, used, north);
        Self { bits: x | y, step: self.step }
    }

    /// The lowest score in the cell and the lowest one behind it.
    pub(super) fn scores(self) -> (u64, u64) {
        let shift = 2 * (STEP_MAX - self.step);
        (self.bits << shift, (self.bits + 1) << shift)
    }
}

/// One step along the axis whose bits are `axis`; the other axis' bits are filled so that a carry runs through.
fn advance(bits: u64, axis: u64, used: u64, by: i8) -> u64 {
    let filler = !axis & used;
    let own = bits & axis;
    let moved = match by {
        0 => return own,
        1.. => own.wrapping_add(filler + 1),
        _ => (own | filler).wrapping_sub(filler + 1),
    };
    moved & axis & used
}

/// How far along its axis a coordinate is, in units of 2^-step. What lies outside counts as the edge.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^26")]
fn fraction(coordinate: f64, limit: f64, step: u8) -> u32 {
    let fraction = (coordinate.clamp(-limit, limit) + limit) / (limit + limit);
    (fraction * f64::from(1u32 << step)) as u32
}

fn coordinate(fraction: u32, limit: f64, step: u8) -> f64 {
    -limit + f64::from(fraction) / f64::from(1u32 << step) * (limit + limit)
}

/// Spreads 32 bits over the even bits of 64.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & EVEN_BITS
}

/// The even bits of 64.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & EVEN_BITS;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    #[expect(clippy::cast_possible_truncation, reason = "the high half is a leftover")]
    let value = (bits | bits >> 16) as u32;
    value
}
