//! How the ends of ranges are read.

use crate::engine::CmdError;
use crate::num::parse_f64_lossy;
use crate::types::zset::{Bounds, LexValue, Limit, Score};

const BAD_SCORE: CmdError = CmdError::Text("ERR min or max is not a float");
const BAD_LEX: CmdError = CmdError::Text("ERR min or max not valid string range item");

/// A range of scores: each end a double, open with `(` before it.
pub(super) fn scores<'a>(min: &[u8], max: &[u8]) -> Result<Bounds<'a>, CmdError> {
    let limit = |text: &[u8]| {
        let (text, is_open) = match text {
            [b'(', rest @ ..] => (rest, true),
            _ => (text, false),
        };
        score(text).map(|value| Limit { value, is_open }).ok_or(BAD_SCORE)
    };
    Ok(Bounds::Score(limit(min)?, limit(max)?))
}

//= valkey 9.1 ZCOUNT: what comes after a NUL is not read; an end without a digit is 0; what does not fit is infinite or 0
fn score(text: &[u8]) -> Option<Score> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(Score::default());
    }
    parse_f64_lossy(text).and_then(Score::new)
}

/// A range of members: each end `-`, `+`, or bytes after `[` or `(`.
pub(super) fn lex<'a>(min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, CmdError> {
    let limit = |text: &'a [u8]| match text {
        //= valkey 9.1 ZLEXCOUNT: what comes after a NUL is not read
        [b'-'] | [b'-', 0, ..] => Ok(Limit { value: LexValue::Lowest, is_open: true }),
        [b'+'] | [b'+', 0, ..] => Ok(Limit { value: LexValue::Highest, is_open: true }),
        [b'(', bytes @ ..] => Ok(Limit { value: LexValue::Bytes(bytes), is_open: true }),
        [b'[', bytes @ ..] => Ok(Limit { value: LexValue::Bytes(bytes), is_open: false }),
        _ => Err(BAD_LEX),
    };
    Ok(Bounds::Lex(limit(min)?, limit(max)?))
}

#[cfg(test)]
mod tests {
    use super::{lex, scores};
    use crate::types::zset::Bounds;

    #[test]
    fn ends_of_scores() {
        let cases: [(&[u8], f64); 7] = [
            (b"1.5", 1.5),
            (b"", 0.0),
            (b"(+inf", f64::INFINITY),
            (b"(", 0.0),
            (b"7\0x", 7.0),
            (b"-1e400", f64::NEG_INFINITY),
            (b"1e-400", 0.0),
        ];
        for (text, value) in cases {
            let Ok(Bounds::Score(min, max)) = scores(text, text) else { unreachable!() };
            assert_eq!((min.value.get(), min.is_open, min), (value, text.starts_with(b"("), max));
        }
        for text in [b"nan".as_slice(), b"-", b"((1", b" 1", b"x", b"1x"] {
            assert!(scores(text, b"1").is_err() && scores(b"1", text).is_err());
            assert!(lex(text, b"+").is_err() == !matches!(text, b"-" | b"((1"));
        }
        assert!(lex(b"", b"+").is_err() && lex(b"-x", b"+").is_err() && lex(b"[", b"+\0x").is_ok());
    }
}
