//! The 80-bit floats in which INCRBYFLOAT works: 64 bits of mantissa, as the reference's `long double`.
//!
//! Exact in software, so that every machine answers the same: decimal text is read correctly rounded, sums
//! are correctly rounded (to nearest, ties to even), and `%.17Lf` is printed exactly, its zeros trimmed.
//! All big arithmetic is in arrays of fixed size; exponents are bounded by [`EXPONENT_MAX`].
//! Departs from the reference in one point: denormals vanish.

use heapless::Vec;

/// Largest binary exponent of a value that is kept: decimal texts have at most 5 KB (the reference: 5 KiB).
const EXPONENT_MAX: i32 = 16_383;
/// Words of the big numbers: 2^16384 and its fraction bits.
const WORDS: usize = 640;
/// Longest text that is read.
const TEXT_LEN_MAX: usize = 5 * 1024;

/// A number `±mantissa × 2^exponent`, its mantissa either 0 or with the top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

/// The text of a number: `%.17Lf` without zeros at the end.
pub type ExtendedText = Vec<u8, 4992>;

/// A big unsigned number, least significant word first.
struct Big(Vec<u32, WORDS>);

impl Big {
    fn new() -> Self {
        Self(Vec::new())
    }

    /// `self = self * factor + add`; `None` when it would pass the array.
    fn mul_add(&mut self, factor: u32, add: u32) -> Option<()> {
        let mut carry = u64::from(add);
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(factor);
            (*word, carry) = split(carry);
        }
        if carry > 0 { self.0.push(split(carry).0).ok() } else { Some(()) }
    }

    /// `self = self / divisor`, returns the remainder.
    fn div(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for word in self.0.iter_mut().rev() {
            let value = rest << 32 | u64::from(*word);
            (*word, rest) = (split(value / u64::from(divisor)).0, value % u64::from(divisor));
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        split(rest).0
    }

    fn shift_left(&mut self, bits: u32) -> Option<()> {
        for _ in 0..bits / 31 {
            self.mul_add(1 << 31, 0)?;
        }
        self.mul_add(1 << (bits % 31), 0)
    }

    fn bits(&self) -> u32 {
        let top = self.0.last().map_or(0, |word| 32 - word.leading_zeros());
        u32::try_from(self.0.len().saturating_sub(1)).unwrap_or(0) * 32 + top
    }

    /// The 64 bits from `from` up, and whether the bit below and any lower ones are set.
    fn window(&self, from: i64) -> (u64, bool, bool) {
        let bit = |index: i64| {
            usize::try_from(index).ok().and_then(|i| self.0.get(i / 32)).map_or(0, |w| w >> (index % 32) & 1)
        };
        let value = (0..64).fold(0u64, |value, i| value | u64::from(bit(from + i)) << i);
        (value, bit(from - 1) == 1, (0..from - 1).any(|index| bit(index) == 1))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "splits a double word into its halves")]
fn split(value: u64) -> (u32, u64) {
    (value as u32, value >> 32)
}

impl Extended {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, mantissa: 0, exponent: 0 };

    /// The number that a decimal text is. `None` for anything else, infinity, and what passes the range.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_LEN_MAX {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut number = match unsigned {
            [b'0', b'x' | b'X', hex @ ..] => Self::from_hex(hex)?,
            _ => {
                let (digits, ten_exponent) = decimal(unsigned)?;
                Self::from_decimal(&digits, ten_exponent)?
            }
        };
        number.negative = negative;
        Some(number)
    }

    /// `1f.8p3`, as `strtold` reads it.
    fn from_hex(text: &[u8]) -> Option<Self> {
        let at = text.iter().position(|byte| matches!(byte, b'p' | b'P'));
        let (mantissa, shift) = match at {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (mut big, mut shift, mut any, mut after_point) = (Big::new(), shift, false, false);
        for &byte in mantissa {
            if byte == b'.' && !after_point {
                after_point = true;
                continue;
            }
            big.mul_add(16, char::from(byte).to_digit(16)?)?;
            shift -= if after_point { 4 } else { 0 };
            any = true;
        }
        if !any {
            return None;
        }
        if big.bits() == 0 { Some(Self::ZERO) } else { Self::round(&big, shift, false) }
    }

    fn from_decimal(digits: &[u8], ten_exponent: i32) -> Option<Self> {
        let mut big = Big::new();
        for &digit in digits {
            big.mul_add(10, u32::from(digit))?;
        }
        if big.bits() == 0 {
            return Some(Self::ZERO);
        }
        if ten_exponent >= 0 {
            for _ in 0..ten_exponent {
                big.mul_add(10, 0)?;
            }
            return Self::round(&big, 0, false);
        }
        // Divide by the power of ten with enough bits in front that 64 good ones are left.
        let down = ten_exponent.unsigned_abs();
        let room = down * 4 + 70;
        big.shift_left(room)?;
        let mut sticky = false;
        for _ in 0..down {
            sticky |= big.div(10) != 0;
        }
        Self::round(&big, -i32::try_from(room).ok()?, sticky)
    }

    /// Rounds `big × 2^shift` to 64 bits; `sticky` says that something below it is not zero.
    fn round(big: &Big, shift: i32, sticky: bool) -> Option<Self> {
        let bits = big.bits();
        let from = i64::from(bits) - 64;
        let (mantissa, half, rest) = if from >= 0 {
            big.window(from)
        } else {
            let (value, _, _) = big.window(0);
            (value << (64 - bits.min(64)), false, false)
        };
        let exponent = i32::try_from(from).ok()? + shift;
        Self { negative: false, mantissa, exponent }.rounded(half, rest || sticky)
    }

    /// Applies what was cut off: to nearest, ties to even.
    fn rounded(mut self, half: bool, rest: bool) -> Option<Self> {
        if half && (rest || self.mantissa & 1 == 1) {
            match self.mantissa.checked_add(1) {
                Some(next) => self.mantissa = next,
                None => (self.mantissa, self.exponent) = (1 << 63, self.exponent + 1),
            }
        }
        (self.exponent + 63 <= EXPONENT_MAX).then_some(self)
    }

    /// The sum, correctly rounded. `None` when it passes the range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (big, small) = if (self.mantissa != 0, self.exponent) >= (other.mantissa != 0, other.exponent) {
            (self, other)
        } else {
            (other, self)
        };
        if small.mantissa == 0 {
            return Some(big);
        }
        // 128 bits: the larger one with 63 zeros behind it; what of the smaller falls below is sticky.
        let distance = (big.exponent - small.exponent).unsigned_abs();
        let wide = u128::from(big.mantissa) << 63;
        let narrow = u128::from(small.mantissa) << 63;
        let (shifted, sticky) = match distance {
            0..=63 => (narrow >> distance, false),
            64..=126 => (narrow >> distance, narrow & ((1u128 << distance) - 1) != 0),
            _ => (0, true),
        };
        let (sum, negative) = if big.negative == small.negative {
            (wide + shifted, big.negative)
        } else if wide >= shifted {
            // A sticky rest below makes the difference a little smaller: borrow one unit and keep the mark.
            (wide - shifted - u128::from(sticky), big.negative)
        } else {
            (shifted - wide, small.negative)
        };
        if sum == 0 {
            return Some(Self::ZERO);
        }
        let zeros = sum.leading_zeros();
        let aligned = sum << zeros;
        let (mantissa, low) = split128(aligned);
        let exponent = big.exponent - 63 + 64 - i32::try_from(zeros).ok()?;
        let half = low >> 63 == 1;
        Self { negative, mantissa, exponent }.rounded(half, low << 1 != 0 || sticky)
    }

    /// The product with a small number, rounded as a long double and then up to an integer. `None` when it is too large for
    /// one; what is too small is the smallest.
    pub fn times_rounded_up(self, factor: u32) -> Option<i64> {
        let wide = u128::from(self.mantissa) * u128::from(factor);
        let down = (128 - wide.leading_zeros()).saturating_sub(64);
        let (mut product, rest) = (wide >> down, wide & ((1 << down) - 1));
        let half = (1u128 << down) / 2;
        product += u128::from(down > 0 && (rest > half || (rest == half && product & 1 == 1)));
        let exponent = self.exponent + i32::try_from(down).ok()?;
        // The product has 65 bits at the most.
        let whole = match exponent {
            ..-66 => 0,
            -66..0 => product >> exponent.unsigned_abs(),
            0..60 => product << exponent,
            60.. if product == 0 => 0,
            60.. => u128::MAX,
        };
        let is_cut = exponent < 0 && (exponent < -66 || whole << exponent.unsigned_abs() != product);
        let magnitude = whole.saturating_add(u128::from(is_cut && !self.negative && product != 0));
        if self.negative {
            return Some(i64::try_from(magnitude).map_or(i64::MIN, |magnitude| -magnitude));
        }
        i64::try_from(magnitude).ok()
    }

    /// `%.17Lf` with the zeros at its end trimmed.
    pub fn text(self) -> ExtendedText {
        let mut text = ExtendedText::new();
        let scaled = self.scaled();
        let mut digits: ExtendedText = scaled;
        while digits.len() < 18 {
            let _ = digits.push(b'0');
        }
        digits.reverse();
        let (whole, fraction) = digits.split_at(digits.len() - 17);
        let kept = fraction.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        if self.negative && (kept > 0 || whole != b"0") {
            let _ = text.push(b'-');
        }
        let _ = text.extend_from_slice(whole);
        if kept > 0 {
            let _ = text.push(b'.');
            let _ = text.extend_from_slice(&fraction[..kept]);
        }
        text
    }

    /// The digits of `|self| × 10^17`, rounded to even, least significant first.
    fn scaled(self) -> ExtendedText {
        let mut digits = ExtendedText::new();
        let mut big = Big::new();
        let (low, high) = split(self.mantissa);
        // A fresh number of two words times 10^17 fits easily.
        let _ = big.mul_add(1, split(high).0);
        let _ = big.shift_left(32);
        let _ = big.mul_add(1, low);
        for _ in 0..17 {
            let _ = big.mul_add(10, 0);
        }
        if self.exponent >= 0 {
            let _ = big.shift_left(self.exponent.unsigned_abs());
        } else {
            let down = self.exponent.unsigned_abs();
            let (_, half, rest) = big.window(i64::from(down));
            for _ in 0..down / 31 {
                big.div(1 << 31);
            }
            big.div(1 << (down % 31));
            let odd = big.0.first().is_some_and(|word| word & 1 == 1);
            if half && (rest || odd) {
                let _ = big.mul_add(1, 1);
            }
        }
        while !big.0.is_empty() {
            let digit = big.div(10);
            let _ = digits.push(b'0' + u8::try_from(digit).unwrap_or(0));
        }
        digits
    }
}

#[expect(clippy::cast_possible_truncation, reason = "splits a number into its halves")]
fn split128(value: u128) -> (u64, u64) {
    ((value >> 64) as u64, value as u64)
}

/// Digits (as values, zeros at both ends dropped) and the power of ten of the last of them.
fn decimal(text: &[u8]) -> Option<(Vec<u8, TEXT_LEN_MAX>, i32)> {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (mut digits, mut ten) = (Vec::new(), exponent);
    let (mut any, mut after_point) = (false, false);
    for &byte in mantissa {
        match byte {
            b'.' if !after_point => after_point = true,
            b'0'..=b'9' => {
                any = true;
                ten -= i32::from(after_point);
                if !(digits.is_empty() && byte == b'0') {
                    digits.push(byte - b'0').ok()?;
                }
            }
            _ => return None,
        }
    }
    while digits.last() == Some(&0) {
        digits.pop();
        ten += 1;
    }
    any.then_some((digits, ten))
}

/// The exponent after `e`, cut to a range in which everything beyond overflows or vanishes alike.
fn exponent(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i32, |value, digit| {
        (value.saturating_mul(10).saturating_add(i32::from(digit - b'0'))).min(6000)
    });
    Some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::Extended;

    fn add(a: &str, b: &str) -> alloc::string::String {
        let sum = Extended::parse(a.as_bytes()).unwrap().checked_add(Extended::parse(b.as_bytes()).unwrap());
        alloc::string::String::from_utf8(sum.unwrap().text().to_vec()).unwrap()
    }

    #[test]
    fn sums_as_a_long_double_gives_them() {
        let cases = [
            ("3.0", "1.1", "4.1"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("0", "-0.0", "0"),
            ("1", "-1.1", "-0.1"),
            ("-1.23", "1.23", "0"),
            ("1e17", "0.5", "100000000000000000.5"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("0.1", "0.2", "0.3"),
            ("1e-17", "0", "0.00000000000000001"),
            ("17", "1e-18", "17"),
            ("18446744073709551616", "1", "18446744073709551616"),
        ];
        for (a, b, sum) in cases {
            assert_eq!(add(a, b), sum, "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "e5", "1e", "1 ", " 1", "1..2", "nan", "0x", "0xg", "1e5000", "--1"] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        assert!(Extended::parse(b"1e4900").is_some());
        assert_eq!(Extended::parse(b"0x10").unwrap().text(), "16".as_bytes());
        assert_eq!(Extended::parse(b"-0x1.8p1").unwrap().text(), "-3".as_bytes());
        assert_eq!(Extended::parse(b".5").unwrap().text(), "0.5".as_bytes());
    }
}
