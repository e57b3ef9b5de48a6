//! How long a blocking command waits: until when, ms since 1970; `None` for ever.

use crate::engine::{CmdError, Moment};
use crate::num::{self, Extended};

const BAD: CmdError = CmdError::Text("ERR timeout is not a float or out of range");
const TOO_LONG: CmdError = CmdError::Text("ERR timeout is out of range");
const NEGATIVE: CmdError = CmdError::Text("ERR timeout is negative");

/// Until when a command waits whose timeout is this text: seconds, as whatever the C library reads as a float.
pub(super) fn of_seconds(text: &[u8], now: Moment) -> Result<Option<i64>, CmdError> {
    let Some(seconds) = Extended::parse(text) else {
        return Err(match text {
            [b'-', rest @ ..] if is_infinity(rest) => NEGATIVE,
            [b'+', rest @ ..] if is_infinity(rest) => TOO_LONG,
            _ if is_infinity(text) => TOO_LONG,
            _ => BAD,
        });
    };
    after(seconds.times_rounded_up(1000).ok_or(TOO_LONG)?, now)
}

/// Same, whole milliseconds: BLOCK of XREAD.
pub(super) fn of_milliseconds(text: &[u8], now: Moment) -> Result<Option<i64>, CmdError> {
    let wait_ms = num::parse_i64(text);
    after(wait_ms.ok_or(CmdError::Text("ERR timeout is not an integer or out of range"))?, now)
}

fn after(wait_ms: i64, now: Moment) -> Result<Option<i64>, CmdError> {
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
    use super::{BAD, NEGATIVE, TOO_LONG, of_milliseconds, of_seconds};
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
            assert_eq!(of_seconds(text, now), expected, "{}", text.escape_ascii());
        }
        assert_eq!(of_milliseconds(b"0", now), Ok(None));
        assert_eq!(of_milliseconds(b"7", now), Ok(Some(12)));
        assert_eq!(of_milliseconds(b"-9223372036854775808", now), Err(NEGATIVE));
        assert_eq!(of_milliseconds(b"9223372036854775807", now), Err(TOO_LONG));
        assert!(of_milliseconds(b"1.5", now).is_err());
    }
}
