//! What is encoded decodes to the same: the property behind the reply encoder and decoder, for tests and fuzzing.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a check may panic")]

use alloc::vec::Vec;

use super::token::{self, Token};
use super::{Proto, Reply};

/// Bytes that choose what is written.
struct Choice<'d>(&'d [u8]);

impl<'d> Choice<'d> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    fn bytes(&mut self) -> &'d [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn integer(&mut self) -> i64 {
        i64::from_le_bytes(core::array::from_fn(|_| self.byte()))
    }
}

/// Writes replies that the bytes choose and what they must decode to, in this protocol.
fn write<'d>(choice: &mut Choice<'d>, reply: &mut Reply<'_>, expected: &mut Vec<Token<'d>>) {
    let resp3 = reply.proto() == Proto::Resp3;
    let len = |choice: &mut Choice<'_>| usize::from(choice.byte() % 4);
    match choice.byte() % 12 {
        0 => {
            let text = choice.bytes();
            reply.bulk(text);
            expected.push(Token::Bulk(text));
        }
        1 => {
            let value = choice.integer();
            reply.integer(value);
            expected.push(Token::Integer(value));
        }
        2 => {
            reply.null();
            expected.push(Token::Null);
        }
        3 => {
            reply.null_array();
            expected.push(Token::Null);
        }
        4 => {
            let value = choice.byte() % 2 == 1;
            reply.boolean(value);
            expected.push(if resp3 { Token::Boolean(value) } else { Token::Integer(i64::from(value)) });
        }
        5 if resp3 => {
            let value = f64::from_bits(choice.integer().cast_unsigned());
            let value = if value.is_nan() { 0.5 } else { value };
            reply.double(value);
            expected.push(Token::Double(value));
        }
        6 if resp3 => {
            let text = choice.bytes();
            reply.verbatim(b"txt", text);
            expected.push(Token::Verbatim(b"txt", text));
        }
        7 => {
            let len = len(choice);
            reply.array(len);
            expected.push(Token::Array(len));
        }
        8 => {
            let len = len(choice);
            reply.map(len);
            expected.push(if resp3 { Token::Map(len) } else { Token::Array(len * 2) });
        }
        9 => {
            let len = len(choice);
            reply.set(len);
            expected.push(if resp3 { Token::Set(len) } else { Token::Array(len) });
        }
        10 => {
            let len = len(choice);
            if reply.attribute(len) {
                expected.push(Token::Attribute(len));
            }
        }
        _ => {
            reply.ok();
            expected.push(Token::Status(b"OK"));
        }
    }
}

/// Checks the property for the replies that some bytes choose, in both protocols, and for errors made of the bytes.
///
/// # Panics
/// When it does not hold.
pub fn check(data: &[u8]) {
    for proto in [Proto::Resp2, Proto::Resp3] {
        let (mut out, mut expected, mut choice) = (Vec::new(), Vec::new(), Choice(data));
        while !choice.0.is_empty() {
            write(&mut choice, &mut Reply::new(&mut out, proto), &mut expected);
        }
        let mut at = 0;
        for token in expected {
            let (decoded, consumed) = token::token(&out[at..]).ok().flatten().expect("a whole token");
            assert_eq!(decoded, token);
            assert!(token::token(&out[at..at + consumed - 1]).is_ok_and(|cut| cut.is_none()));
            at += consumed;
        }
        assert_eq!(at, out.len());
        out.clear();
        Reply::new(&mut out, proto).error(data);
        let shown: Vec<u8> =
            data.iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte }).collect();
        assert_eq!(token::token(&out), Ok(Some((Token::Error(&shown), out.len()))));
    }
    // Whatever the bytes are as a reply, looking at them ends.
    let _ = token::whole(data);
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use crate::rng::Rng;

    #[test]
    fn random_replies() {
        let mut rng = Rng::new(5);
        for _ in 0..if cfg!(miri) { 50 } else { 10_000 } {
            let data: Vec<u8> = (0..rng.below(120)).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
            super::check(&data);
        }
    }
}
