//! Doubles: shortest digits in the reference's layout, and its rules for reading them.
//!
//! Source: Valkey 9.1 `d2string` (a safe integer prints as one, everything else by fpconv's layout).

use core::fmt::Write as _;

use heapless::Vec;

use super::grisu::digits_of;

/// The text of a double.
#[derive(Debug, Default)]
pub struct DoubleText(Vec<u8, 40>);

impl DoubleText {
    /// An empty scratch.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text of `value`.
    pub fn format(&mut self, value: f64) -> &[u8] {
        match as_integer(value) {
            Some(integer) if integer != 0 => {
                self.0.clear();
                self.put(itoa::Buffer::new().format(integer).as_bytes());
                &self.0
            }
            _ => self.format_shortest(value),
        }
    }

    /// The text of `value` where large integers have an exponent too.
    pub fn format_shortest(&mut self, value: f64) -> &[u8] {
        self.0.clear();
        if value.is_nan() {
            self.put(b"nan");
        } else if value.is_infinite() {
            self.put(if value < 0.0 { b"-inf" } else { b"inf" });
        } else if value == 0.0 {
            self.put(if value.is_sign_negative() { b"-0" } else { b"0" });
        } else {
            self.shortest(value);
        }
        &self.0
    }

    fn put(&mut self, bytes: &[u8]) {
        // The longest text (sign, 17 digits, point, exponent, or 26 zeros and digits) is well below 40.
        let _ = self.0.extend_from_slice(bytes);
    }

    fn zeros(&mut self, count: usize) {
        for _ in 0..count {
            self.put(b"0");
        }
    }

    /// fpconv's layout: plain when short, else `d.ddde+x`.
    fn shortest(&mut self, value: f64) {
        if value < 0.0 {
            self.put(b"-");
        }
        let (digits, exponent) = digits_of(value.abs());
        let count = i32::try_from(digits.len()).unwrap_or(17);
        let magnitude = (exponent + count - 1).abs();
        if exponent >= 0 && magnitude < count + 7 {
            self.put(&digits);
            self.zeros(exponent.unsigned_abs() as usize);
        } else if exponent < 0 && (exponent > -7 || magnitude < 4) {
            let point = count + exponent;
            if point <= 0 {
                self.put(b"0.");
                self.zeros(point.unsigned_abs() as usize);
                self.put(&digits);
            } else {
                let (whole, fraction) = digits.split_at(point.unsigned_abs() as usize);
                self.put(whole);
                self.put(b".");
                self.put(fraction);
            }
        } else {
            let kept = digits.len().min(if value < 0.0 { 17 } else { 18 });
            self.put(&digits[..1]);
            if kept > 1 {
                self.put(b".");
                self.put(&digits[1..kept]);
            }
            self.put(if exponent + count > 0 { b"e+" } else { b"e-" });
            self.put(itoa::Buffer::new().format(magnitude).as_bytes());
        }
    }
}

/// The value as an integer, where that loses nothing and is far from overflow.
fn as_integer(value: f64) -> Option<i64> {
    const HALF: f64 = 4_611_686_018_427_387_904.0;
    if !(-HALF..=HALF).contains(&value) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "within half of the range; the way back is compared")]
    let integer = value as i64;
    #[expect(clippy::cast_precision_loss, reason = "that it loses nothing is what is asked")]
    let back = integer as f64;
    (back.to_bits() == value.to_bits()).then_some(integer)
}

/// The double that `text` is: decimal, `inf` or `infinity`. `None` for NaN, blanks, hex, and what is too large, or too
/// small, for a double.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let value = parse_f64_lossy(text)?;
    let exact = match value {
        0.0 => !text
            .iter()
            .take_while(|&byte| !byte.eq_ignore_ascii_case(&b'e'))
            .any(|byte| matches!(byte, b'1'..=b'9')),
        _ => value.is_finite() || text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'i')),
    };
    exact.then_some(value)
}

/// Same, but what is too large is infinite, and what is too small is zero.
pub fn parse_f64_lossy(text: &[u8]) -> Option<f64> {
    let value: f64 = core::str::from_utf8(text).ok()?.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

/// The text of `%.17g`: 17 digits, zeros at the end left out.
pub fn general_text(value: f64) -> Vec<u8, 32> {
    let mut text = Vec::new();
    if !value.is_finite() {
        let _ = text.extend_from_slice(if value.is_nan() {
            b"nan"
        } else if value < 0.0 {
            b"-inf"
        } else {
            b"inf"
        });
        return text;
    }
    let mut scientific = Scientific(Vec::new());
    // Sign, 17 digits, point and exponent: within 32.
    let _ = write!(scientific, "{value:.16e}");
    let (mantissa, exponent) = match scientific.0.iter().position(|&byte| byte == b'e') {
        Some(at) => (&scientific.0[..at], super::parse_i64(&scientific.0[at + 1..]).unwrap_or(0)),
        None => (&scientific.0[..], 0),
    };
    let mut digits: Vec<u8, 17> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
    let mut put = |bytes: &[u8]| {
        let _ = text.extend_from_slice(bytes);
    };
    if value.is_sign_negative() {
        put(b"-");
    }
    let magnitude = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
    if !(-4..17).contains(&exponent) {
        put(&digits[..1]);
        if digits.len() > 1 {
            put(b".");
            put(&digits[1..]);
        }
        put(if exponent < 0 { b"e-" } else { b"e+" });
        put(if magnitude < 10 { b"0" } else { b"" });
        put(itoa::Buffer::new().format(magnitude).as_bytes());
    } else if exponent < 0 {
        put(b"0.");
        (1..magnitude).for_each(|_| put(b"0"));
        put(&digits);
    } else {
        let whole = digits.len().min(magnitude + 1);
        put(&digits[..whole]);
        (whole..=magnitude).for_each(|_| put(b"0"));
        if whole < digits.len() {
            put(b".");
            put(&digits[whole..]);
        }
    }
    text
}

/// Where `general_text` prints to.
struct Scientific(Vec<u8, 32>);

impl core::fmt::Write for Scientific {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes()).map_err(|_| core::fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::{DoubleText, general_text, parse_f64, parse_f64_lossy};

    #[test]
    fn layout() {
        let cases = [
            (0.1, "0.1"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (100.0, "100"),
            (1e21, "1e+21"),
            (1e22, "1e+22"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (123456.789, "123456.789"),
            (1e19, "1e+19"),
            (0.30000000000000004, "0.30000000000000004"),
            (-0.0, "-0"),
            (1.23e-5, "1.23e-5"),
        ];
        for (value, text) in cases {
            assert_eq!(core::str::from_utf8(DoubleText::new().format(value)), Ok(text));
        }
    }

    #[test]
    fn seventeen_digits() {
        let cases = [
            (0.1, "0.10000000000000001"),
            (1.5, "1.5"),
            (-1e17, "-1e+17"),
            (1e16, "10000000000000000"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00001234, "1.234e-05"),
            (5e-324, "4.9406564584124654e-324"),
            (-0.0, "-0"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in cases {
            assert_eq!(core::str::from_utf8(&general_text(value)), Ok(text));
        }
    }

    #[test]
    fn reading() {
        assert_eq!(parse_f64(b"1.5"), Some(1.5));
        assert_eq!(parse_f64(b"+inf"), Some(f64::INFINITY));
        assert_eq!(parse_f64(b"-0.0e-999"), Some(0.0));
        assert_eq!(parse_f64(b"1e-320"), Some(1e-320));
        assert_eq!(
            (parse_f64_lossy(b"-1e400"), parse_f64_lossy(b"1e-400")),
            (Some(f64::NEG_INFINITY), Some(0.0))
        );
        let refused: [&[u8]; 7] = [b"nan", b"", b" 1", b"1 ", b"0x10", b"1e400", b"1e-400"];
        for text in refused {
            assert_eq!(parse_f64(text), None, "{text:?}");
        }
    }
}
