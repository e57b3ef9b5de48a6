//! Inline requests: a line of words, for people at a terminal.
//!
//! Words are separated by blanks; parts in double quotes may hold escapes (`\n \r \t \b \a \xHH`), parts in
//! single quotes only `\'`. Quoted parts are unescaped in place: the result is never longer than its source.
//!
//! Source: Valkey 9.1 `sdsnsplitargs`.

use super::decode::{ArgSink, Decoded, Full, ProtocolError, Span, line_len_max};

/// Decodes the line at the start of `buf`.
pub(super) fn decode<A: ArgSink>(buf: &mut [u8], args: &mut A) -> Result<Decoded, ProtocolError> {
    //= valkey 9.1: a NUL byte hides the end of an inline line
    let end = memchr::memchr2(b'\n', 0, buf).filter(|&end| buf.get(end) == Some(&b'\n'));
    let Some(end) = end else {
        return if buf.len() > line_len_max() {
            Err(ProtocolError::BigInline)
        } else {
            Ok(Decoded::Incomplete)
        };
    };
    let consumed = end.saturating_add(1);
    let len =
        if end > 0 && buf.get(end.saturating_sub(1)) == Some(&b'\r') { end.saturating_sub(1) } else { end };
    let line = buf.get_mut(..len).unwrap_or(&mut []);
    split(line, args)?;
    Ok(if args.count() == 0 { Decoded::Empty { consumed } } else { Decoded::Request { consumed } })
}

/// Splits a line into words, in place. Configuration lines are split by it too.
pub(crate) fn split<A: ArgSink>(line: &mut [u8], args: &mut A) -> Result<(), ProtocolError> {
    let mut words = Words { line, read: 0 };
    while let Some(span) = words.next_word()? {
        args.push(span).map_err(|Full| ProtocolError::TooManyArgs)?;
    }
    Ok(())
}

struct Words<'a> {
    line: &'a mut [u8],
    read: usize,
}

/// Inside which quotes a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Double,
    Single,
}

impl Words<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.line.get(self.read.saturating_add(ahead)).copied()
    }

    fn next_word(&mut self) -> Result<Option<Span>, ProtocolError> {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_whitespace() || byte == 0x0b) {
            self.read = self.read.saturating_add(1);
        }
        if self.peek(0).is_none() {
            return Ok(None);
        }
        let start = self.read;
        let mut write = start;
        let mut quotes = Quotes::None;
        while let Some(byte) = self.peek(0) {
            let (taken, out) = match (quotes, byte) {
                (Quotes::None, b' ' | b'\n' | b'\r' | b'\t') => {
                    self.read = self.read.saturating_add(1);
                    return Ok(Some(Span { start, end: write }));
                }
                (Quotes::None, b'"') => (1, Err(Quotes::Double)),
                (Quotes::None, b'\'') => (1, Err(Quotes::Single)),
                (Quotes::Double, b'"') | (Quotes::Single, b'\'') => (1, Err(Quotes::None)),
                (Quotes::Double, b'\\') => self.escape(),
                (Quotes::Single, b'\\') if self.peek(2).is_some() && self.peek(1) == Some(b'\'') => {
                    (2, Ok(b'\''))
                }
                _ => (1, Ok(byte)),
            };
            self.read = self.read.saturating_add(taken);
            match out {
                Err(change) => quotes = change,
                Ok(byte) => {
                    if let Some(place) = self.line.get_mut(write) {
                        *place = byte;
                    }
                    write = write.saturating_add(1);
                }
            }
        }
        if quotes != Quotes::None {
            return Err(ProtocolError::UnbalancedQuotes);
        }
        Ok(Some(Span { start, end: write }))
    }

    /// The escape at a backslash in double quotes: how many bytes it takes and what it stands for.
    ///
    /// An escape must leave room for a closing quote; else the backslash is a plain byte.
    fn escape(&self) -> (usize, Result<u8, Quotes>) {
        if let (Some(b'x'), Some(high), Some(low), Some(_)) =
            (self.peek(1), self.peek(2).and_then(hex), self.peek(3).and_then(hex), self.peek(4))
        {
            return (4, Ok(high.wrapping_shl(4) | low));
        }
        match (self.peek(1), self.peek(2)) {
            (Some(byte), Some(_)) => {
                let stands_for = match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                };
                (2, Ok(stands_for))
            }
            _ => (1, Ok(b'\\')),
        }
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use alloc::vec::Vec;

    use super::{Decoded, ProtocolError, Span, decode};

    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let (mut buf, mut args) = (line.to_vec(), Vec::<Span>::new());
        match decode(&mut buf, &mut args)? {
            Decoded::Request { consumed } | Decoded::Empty { consumed } => assert_eq!(consumed, line.len()),
            Decoded::Incomplete => panic!("incomplete"),
        }
        Ok(args.iter().map(|span| buf[span.range()].to_vec()).collect())
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(words(b"  SET\tkey  value \r\n").unwrap(), [&b"SET"[..], b"key", b"value"]);
        assert_eq!(words(b"SET k \"a b\\n\\x41\\\"\" x\n").unwrap(), [&b"SET"[..], b"k", b"a b\nA\"", b"x"]);
        assert_eq!(words(b"ECHO 'it\\'s \\n'\r\n").unwrap(), [&b"ECHO"[..], b"it's \\n"]);
        assert_eq!(words(b"ECHO a\"b c\"d\r\n").unwrap(), [&b"ECHO"[..], b"ab cd"]);
        assert_eq!(words(b"ECHO \"\"\r\n").unwrap(), [&b"ECHO"[..], b""]);
        assert_eq!(words(b"\r\n").unwrap().len(), 0);
        assert_eq!(words(b"ECHO \"a\\\"\r\n").unwrap(), [&b"ECHO"[..], b"a\\"]);
        assert_eq!(words(b"ECHO \"a\r\n"), Err(ProtocolError::UnbalancedQuotes));
        assert_eq!(words(b"ECHO 'a\r\n"), Err(ProtocolError::UnbalancedQuotes));
    }
}
