//! Strict integers: exactly the texts that printing an integer makes.
//!
//! No sign `+`, no leading zeros, no `-0`, no blanks. So a value that parses can be stored as a number and
//! printed back as the same bytes. Source: Valkey `string2ll`.

/// The 64-bit integer that `text` is, if printing it gives `text` again.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            let magnitude = parse_u64(digits).filter(|&m| m != 0)?;
            0i64.checked_sub_unsigned(magnitude)
        }
        digits => i64::try_from(parse_u64(digits)?).ok(),
    }
}

/// The unsigned 64-bit integer that `text` is, if printing it gives `text` again.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let (&first, rest) = text.split_first()?;
    if !first.is_ascii_digit() || (first == b'0' && !rest.is_empty()) || rest.len() > 19 {
        return None;
    }
    let mut value = u64::from(first - b'0');
    for &byte in rest {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::parse_i64;

    #[test]
    fn only_what_printing_makes() {
        for value in [0, 1, -1, 9, 10, i64::MAX, i64::MIN, 1_234_567_890_123] {
            assert_eq!(parse_i64(std::format!("{value}").as_bytes()), Some(value));
        }
        let others: [&[u8]; 12] = [
            b"",
            b"-",
            b"+1",
            b"01",
            b"-0",
            b" 1",
            b"1 ",
            b"1.0",
            b"0x1",
            b"9223372036854775808",
            b"-9223372036854775809",
            b"111111111111111111111",
        ];
        for text in others {
            assert_eq!(parse_i64(text), None, "{text:?}");
        }
    }
}
