//! Words and quotes of configuration lines.

use alloc::vec::Vec;

use crate::resp::{Decoded, Decoder, Limits, Span};

/// Splits a line into words by the rules of inline requests. `None` when a quote is not closed.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    // The inline decoder takes any line that does not begin like a RESP request.
    let mut buf = Vec::with_capacity(line.len() + 2);
    buf.push(b' ');
    buf.extend_from_slice(line);
    buf.push(b'\n');
    let mut spans: Vec<Span> = Vec::new();
    match Decoder::default().decode(&mut buf, &Limits::new(true, u64::MAX), &mut spans) {
        Ok(Decoded::Request { .. } | Decoded::Empty { .. }) => {
            Some(spans.iter().map(|span| buf[span.range()].to_vec()).collect())
        }
        _ => None,
    }
}

/// Appends a text in double quotes, what is not printable escaped, so that [`split_words`] gives it back.
pub fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(alloc::format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{push_quoted, split_words};

    #[test]
    fn any_bytes_survive_quoting() {
        let all: Vec<u8> = (0..=255).collect();
        let mut line = b"name ".to_vec();
        push_quoted(&mut line, &all);
        assert_eq!(split_words(&line).unwrap(), [b"name".to_vec(), all]);
        assert_eq!(split_words(b"a \"b"), None);
        assert_eq!(split_words(b"  ").unwrap().len(), 0);
    }
}
