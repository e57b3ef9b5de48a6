//! How long a blocking command waits.

use crate::engine::{CmdError, Moment};
use crate::num::Extended;

const BAD: CmdError = CmdError::Text("ERR timeout is not a float or out of range");
const TOO_LONG: CmdError = CmdError::Text("ERR timeout is out of range");
const NEGATIVE: CmdError = CmdError::Text("ERR timeout is negative");

/// Until when a command waits whose timeout is this text, in seconds; `None`: for ever.
pub(super) fn deadline_ms(text: &[u8], now: Moment) -> Result<Option<i64>, CmdError> {
    let Some(seconds) = Extended::parse(text) else {
        return Err(match text {
            [b'-', rest @ ..] if is_infinity(rest) => NEGATIVE,
            [b'+', rest @ ..] if is_infinity(rest) => TOO_LONG,
            _ if is_infinity(text) => TOO_LONG,
            _ => BAD,
        });
    };
    let wait_ms = seconds.times_rounded_up(1000).ok_or(TOO_LONG)?;
    match wait_ms {
        0 => Ok(None),
        1.. => now.unix_ms().checked_add(wait_ms).map(Some).ok_or(TOO_LONG),
        _ => Err(NEGATIVE),
    }
}

fn is_infinity(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity")
}

#[cfg(test)]
mod tests {
    use super::{BAD, NEGATIVE, TOO_LONG, deadline_ms};
    use crate::engine::Moment;

    #[test]
    fn texts() {
        let now = Moment { mono_us: 0, unix_us: 5000 };
        let cases: [(&[u8], _); 15] = [
            (b"0", Ok(None)),
            (b"0.001", Ok(Some(6))),
            (b"0.0011", Ok(Some(7))),
            (b"1e-30", Ok(Some(6))),
            (b"2", Ok(Some(2005))),
            (b"0x1p4", Ok(Some(16_005))),
            (b"-0.0001", Ok(None)),
            (b"-1", Err(NEGATIVE)),
            (b"-1e40", Err(NEGATIVE)),
            (b"-inf", Err(NEGATIVE)),
            (b"inf", Err(TOO_LONG)),
            (b"9223372036854775.807", Err(TOO_LONG)),
            (b"1e40", Err(TOO_LONG)),
            (b"nan", Err(BAD)),
            (b"", Err(BAD)),
        ];
        for (text, expected) in cases {
            assert_eq!(deadline_ms(text, now), expected, "{}", text.escape_ascii());
        }
    }
}
