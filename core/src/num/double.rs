//! Doubles: shortest digits in the reference's layout, and its rules for reading them.
//!
//! Source: Valkey 9.1 `d2string` (a safe integer prints as one, everything else by fpconv's layout).

use heapless::Vec;

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
        self.0.clear();
        if value.is_nan() {
            self.put(b"nan");
        } else if value.is_infinite() {
            self.put(if value < 0.0 { b"-inf" } else { b"inf" });
        } else if value == 0.0 {
            self.put(if value.is_sign_negative() { b"-0" } else { b"0" });
        } else if let Some(integer) = as_integer(value) {
            self.put(itoa::Buffer::new().format(integer).as_bytes());
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

/// Shortest decimal digits, without zeros at the end, and the power of ten of the last one.
fn digits_of(value: f64) -> (Vec<u8, 20>, i32) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let (mantissa, exponent) = match text.iter().position(|&byte| byte == b'e') {
        Some(at) => {
            let digits = text[at + 1..].strip_prefix(b"+").unwrap_or(&text[at + 1..]);
            (&text[..at], super::parse_i64(digits).unwrap_or(0))
        }
        None => (text, 0),
    };
    let mut exponent = i32::try_from(exponent).unwrap_or(0);
    let mut digits = Vec::new();
    let mut after_point = false;
    for &byte in mantissa {
        if byte == b'.' {
            after_point = true;
            continue;
        }
        exponent -= i32::from(after_point);
        if !(digits.is_empty() && byte == b'0') {
            let _ = digits.push(byte);
        }
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    (digits, exponent)
}

/// The double that `text` is: decimal, `inf` or `infinity`. `None` for NaN, blanks, hex and overflow.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = core::str::from_utf8(text).ok()?;
    let value: f64 = text.parse().ok()?;
    let spelled = text.trim_start_matches(['+', '-']).starts_with(|first: char| first.is_ascii_alphabetic());
    (!value.is_nan() && (value.is_finite() || spelled)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::{DoubleText, parse_f64};

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
    fn reading() {
        assert_eq!(parse_f64(b"1.5"), Some(1.5));
        assert_eq!(parse_f64(b"+inf"), Some(f64::INFINITY));
        let refused: [&[u8]; 6] = [b"nan", b"", b" 1", b"1 ", b"0x10", b"1e400"];
        for text in refused {
            assert_eq!(parse_f64(text), None, "{text:?}");
        }
    }
}
