//! How lengths and coordinates are printed.

use heapless::Vec;

/// The text of a length.
pub type DistanceText = Vec<u8, 24>;
/// The text of a coordinate.
pub type CoordinateText = Vec<u8, 24>;

/// A length with four digits behind the point. NaN and what is too large print as the smallest integer.
pub fn distance_text(length: f64) -> DistanceText {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let scaled = libm::rint(length * 10_000.0);
    //= valkey 9.1 GEODIST: what does not fit prints as the smallest integer
    let fits = (-LIMIT..LIMIT).contains(&scaled);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number that fits")]
    let scaled = if fits { scaled as i64 } else { i64::MIN };
    let mut text = Vec::new();
    put_number(&mut text, scaled < 0, u128::from(scaled.unsigned_abs()), 10_000);
    text
}

/// A coordinate with 17 digits behind the point, zeros at the end left out. Its magnitude is below 2^10.
pub fn coordinate_text(degrees: f64) -> CoordinateText {
    let mut text = Vec::new();
    let scaled = scale(degrees.abs());
    put_number(&mut text, degrees < 0.0 && scaled > 0, scaled, SCALE);
    while text.last() == Some(&b'0') {
        text.pop();
    }
    if text.last() == Some(&b'.') {
        text.pop();
    }
    text
}

const SCALE: u128 = 100_000_000_000_000_000;

/// `value × 10^17`, exactly, to the nearest integer, halves to even.
fn scale(value: f64) -> u128 {
    let bits = value.to_bits();
    let (exponent, fraction) = (bits >> 52, bits & ((1 << 52) - 1));
    // value = mantissa × 2^-down; the product has 110 bits.
    let (mantissa, down) =
        if exponent == 0 { (fraction, 1074) } else { (fraction | 1 << 52, 1075u64.saturating_sub(exponent)) };
    let product = u128::from(mantissa) * SCALE;
    let down = u32::try_from(down).unwrap_or(0);
    if down == 0 || down > 112 {
        return 0;
    }
    let (whole, rest, half) = (product >> down, product & ((1 << down) - 1), 1 << (down - 1));
    whole + u128::from(rest > half || (rest == half && whole & 1 == 1))
}

/// `number / scale` with all its digits behind the point.
fn put_number<const N: usize>(text: &mut Vec<u8, N>, negative: bool, number: u128, scale: u128) {
    // Sign, 15 digits, point and 4 digits, or sign, 4 digits, point and 17: within 24.
    if negative {
        let _ = text.push(b'-');
    }
    let _ = text.extend_from_slice(itoa::Buffer::new().format(number / scale).as_bytes());
    let _ = text.push(b'.');
    let mut unit = scale / 10;
    while unit > 0 {
        let digit = u8::try_from(number / unit % 10).unwrap_or(0);
        let _ = text.push(b'0' + digit);
        unit /= 10;
    }
}
