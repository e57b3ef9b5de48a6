//! Decoder of replies, RESP2 and RESP3, one token at a time: for clients, tools and tests.
//!
//! A token is a line, a string with its bytes, or the head of an aggregate, whose parts follow as tokens of their own.
//! Nothing is copied and nothing recurses, so a reply may be nested however deep; [`whole`] finds its end by counting.

use crate::num;

/// Longest line: heads, statuses, errors, numbers.
const LINE_LEN_MAX: usize = 64 * 1024;
/// Longest string.
const STRING_LEN_MAX: i64 = 4 << 30;
/// Most parts of an aggregate.
const PARTS_MAX: i64 = i32::MAX as i64;

/// One token of a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'b> {
    /// `+text`
    Status(&'b [u8]),
    /// `-code text`, without the `-`.
    Error(&'b [u8]),
    /// `:number`
    Integer(i64),
    /// `$` string.
    Bulk(&'b [u8]),
    /// `$-1`, `*-1` or `_`.
    Null,
    /// `#t` or `#f`
    Boolean(bool),
    /// `,number`
    Double(f64),
    /// `(digits`
    BigNumber(&'b [u8]),
    /// `=` string: its format and text.
    Verbatim(&'b [u8], &'b [u8]),
    /// `!` string: an error of any bytes.
    BulkError(&'b [u8]),
    /// So many replies follow.
    Array(usize),
    /// Same, without order.
    Set(usize),
    /// Same, unasked for.
    Push(usize),
    /// So many pairs of replies follow.
    Map(usize),
    /// Same; the reply that they describe comes behind them.
    Attribute(usize),
}

/// Bytes that are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BadReply;

impl Token<'_> {
    /// How many tokens come behind this one before the reply that it begins is whole.
    pub fn followers(self) -> u64 {
        match self {
            Self::Array(len) | Self::Set(len) | Self::Push(len) => len as u64,
            Self::Map(len) => (len as u64).saturating_mul(2),
            Self::Attribute(len) => (len as u64).saturating_mul(2).saturating_add(1),
            _ => 0,
        }
    }
}

/// The token at the start of `buf` and its bytes; `None` when it is not whole yet.
///
/// # Errors
/// [`BadReply`] when no bytes to come can make it a token.
pub fn token(buf: &[u8]) -> Result<Option<(Token<'_>, usize)>, BadReply> {
    let Some(&kind) = buf.first() else { return Ok(None) };
    let Some(line) = line(buf)? else { return Ok(None) };
    let consumed = line.len().saturating_add(3);
    let number = || num::parse_i64(line).ok_or(BadReply);
    let parts = || {
        number().ok().filter(|len| (0..=PARTS_MAX).contains(len)).and_then(|len| usize::try_from(len).ok())
    };
    let token = match kind {
        b'+' => Token::Status(line),
        b'-' => Token::Error(line),
        b':' => Token::Integer(number()?),
        b'_' if line.is_empty() => Token::Null,
        b'#' => match line {
            b"t" => Token::Boolean(true),
            b"f" => Token::Boolean(false),
            _ => return Err(BadReply),
        },
        b',' => Token::Double(double(line)?),
        b'(' => Token::BigNumber(line),
        b'$' | b'*' if line == b"-1" => Token::Null,
        b'$' | b'=' | b'!' => return string(buf, kind, number()?, consumed),
        b'*' => Token::Array(parts().ok_or(BadReply)?),
        b'~' => Token::Set(parts().ok_or(BadReply)?),
        b'>' => Token::Push(parts().ok_or(BadReply)?),
        b'%' => Token::Map(parts().ok_or(BadReply)?),
        b'|' => Token::Attribute(parts().ok_or(BadReply)?),
        _ => return Err(BadReply),
    };
    Ok(Some((token, consumed)))
}

/// Bytes of the whole reply at the start of `buf`; `None` when it is not whole yet.
///
/// # Errors
/// [`BadReply`] when no bytes to come can make it a reply.
pub fn whole(buf: &[u8]) -> Result<Option<usize>, BadReply> {
    let (mut at, mut missing) = (0usize, 1u64);
    while missing > 0 {
        let Some((token, consumed)) = token(buf.get(at..).unwrap_or(&[]))? else { return Ok(None) };
        at = at.saturating_add(consumed);
        missing = missing.saturating_sub(1).saturating_add(token.followers());
    }
    Ok(Some(at))
}

/// What stands between the first byte and the line's end.
fn line(buf: &[u8]) -> Result<Option<&[u8]>, BadReply> {
    let rest = buf.get(1..).unwrap_or(&[]);
    let Some(end) = memchr::memchr(b'\r', rest) else {
        return if rest.len() > LINE_LEN_MAX { Err(BadReply) } else { Ok(None) };
    };
    match rest.get(end.saturating_add(1)) {
        Some(b'\n') => Ok(rest.get(..end)),
        Some(_) => Err(BadReply),
        None => Ok(None),
    }
}

/// The double of a line; the infinities and not-a-number have names.
fn double(line: &[u8]) -> Result<f64, BadReply> {
    if line.eq_ignore_ascii_case(b"nan") || line.eq_ignore_ascii_case(b"-nan") {
        return Ok(f64::NAN);
    }
    num::parse_f64(line).ok_or(BadReply)
}

/// The string of `len` bytes behind a head of `head_len` bytes.
fn string(buf: &[u8], kind: u8, len: i64, head_len: usize) -> Result<Option<(Token<'_>, usize)>, BadReply> {
    if !(0..=STRING_LEN_MAX).contains(&len) {
        return Err(BadReply);
    }
    let end = head_len.saturating_add(usize::try_from(len).map_err(|_| BadReply)?);
    let consumed = end.saturating_add(2);
    let (Some(text), Some(line_end)) = (buf.get(head_len..end), buf.get(end..consumed)) else {
        return Ok(None);
    };
    if line_end != b"\r\n" {
        return Err(BadReply);
    }
    let token = match (kind, text) {
        (b'$', _) => Token::Bulk(text),
        (b'!', _) => Token::BulkError(text),
        (_, [a, b, c, b':', rest @ ..]) if a.is_ascii() && b.is_ascii() && c.is_ascii() => {
            Token::Verbatim(text.get(..3).unwrap_or(&[]), rest)
        }
        _ => return Err(BadReply),
    };
    Ok(Some((token, consumed)))
}

#[cfg(test)]
mod tests {
    use super::{BadReply, Token, token, whole};

    #[test]
    fn tokens_and_their_ends() {
        let cases: [(&[u8], Token<'_>); 17] = [
            (b"+OK\r\n", Token::Status(b"OK")),
            (b"-ERR no\r\n", Token::Error(b"ERR no")),
            (b":-9223372036854775808\r\n", Token::Integer(i64::MIN)),
            (b"$3\r\na\r\n\r\n", Token::Bulk(b"a\r\n")),
            (b"$0\r\n\r\n", Token::Bulk(b"")),
            (b"$-1\r\n", Token::Null),
            (b"*-1\r\n", Token::Null),
            (b"_\r\n", Token::Null),
            (b"#t\r\n", Token::Boolean(true)),
            (b",-inf\r\n", Token::Double(f64::NEG_INFINITY)),
            (b"(12345678901234567890\r\n", Token::BigNumber(b"12345678901234567890")),
            (b"=5\r\ntxt:a\r\n", Token::Verbatim(b"txt", b"a")),
            (b"!3\r\nERR\r\n", Token::BulkError(b"ERR")),
            (b"*2\r\n", Token::Array(2)),
            (b"%1\r\n", Token::Map(1)),
            (b">0\r\n", Token::Push(0)),
            (b"|1\r\n", Token::Attribute(1)),
        ];
        for (bytes, expected) in cases {
            for cut in 0..bytes.len() {
                let part = bytes.get(..cut).unwrap();
                assert_eq!(token(part), Ok(None), "{}", part.escape_ascii());
            }
            assert_eq!(token(bytes), Ok(Some((expected, bytes.len()))));
        }
    }

    #[test]
    fn whole_replies_end_where_their_last_part_does() {
        let nested = b"|1\r\n+a\r\n:1\r\n%1\r\n+k\r\n*2\r\n$1\r\nv\r\n~0\r\n+next\r\n";
        let end = nested.len() - b"+next\r\n".len();
        assert_eq!(whole(nested), Ok(Some(end)));
        (0..end).for_each(|cut| assert_eq!(whole(nested.get(..cut).unwrap()), Ok(None)));
    }

    #[test]
    fn bad_bytes() {
        for bytes in [
            &b"x\r\n"[..],
            b":1x\r\n",
            b"$-2\r\n",
            b"$99999999999999\r\n",
            b"$1\r\nabc",
            b"*-2\r\n",
            b"*2147483648\r\n",
            b"#x\r\n",
            b",x\r\n",
            b"=2\r\nab\r\n",
            b"_x\r\n",
            b"+a\rb",
        ] {
            assert_eq!(token(bytes), Err(BadReply), "{}", bytes.escape_ascii());
        }
        assert_eq!(token(&[b'+'; 70_000]), Err(BadReply));
    }
}
