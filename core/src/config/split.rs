//! Words and quotes of configuration lines.

use alloc::vec::Vec;

use crate::resp::{Span, split_line};

/// Splits a line into words by the rules of inline requests. `None` when a quote is not closed.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    //= valkey 9.1: a NUL byte ends a configuration line
    let len = line.iter().position(|&byte| byte == 0).unwrap_or(line.len());
    let mut buf = line.get(..len)?.to_vec();
    let mut spans: Vec<Span> = Vec::new();
    split_line(&mut buf, &mut spans).ok()?;
    spans.iter().map(|span| buf.get(span.range()).map(<[u8]>::to_vec)).collect()
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
    }

    #[test]
    fn odd_lines() {
        assert_eq!(split_words(b"a \"b"), None);
        assert_eq!(split_words(b"a 'b"), None);
        assert_eq!(split_words(b"  ").unwrap().len(), 0);
        assert_eq!(split_words(b"save ''").unwrap(), [&b"save"[..], b""]);
        assert_eq!(split_words(b"*a\tb\nc").unwrap(), [&b"*a"[..], b"b", b"c"]);
        assert_eq!(split_words(b"a b\0 c").unwrap(), [&b"a"[..], b"b"]);
        let long = [b"name ".as_slice(), &[b'x'; 200_000]].concat();
        assert_eq!(split_words(&long).unwrap().last().map(Vec::len), Some(200_000));
    }
}
