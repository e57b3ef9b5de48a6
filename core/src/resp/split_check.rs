//! Any split of the bytes gives the same requests: the property behind the decoder, for tests and fuzzing.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a check may panic")]

use alloc::vec::Vec;

use super::{Decoded, Decoder, Limits, ProtocolError, Span};

/// What a stream of bytes decodes to: requests, and how it ends.
type Outcome = (Vec<Vec<Vec<u8>>>, Result<usize, ProtocolError>);

/// Decodes a stream that arrives in pieces of these lengths (then one byte at a time when they are used up).
fn decode_in(stream: &[u8], pieces: &mut dyn Iterator<Item = usize>) -> Outcome {
    let (mut decoder, mut args) = (Decoder::default(), Vec::<Span>::new());
    let limits = Limits::new(true, 1 << 20);
    let (mut buf, mut requests, mut arrived) = (Vec::new(), Vec::new(), 0);
    loop {
        match decoder.decode(&mut buf, &limits, &mut args) {
            Err(error) => return (requests, Err(error)),
            Ok(Decoded::Empty { consumed }) => drop(buf.drain(..consumed)),
            Ok(Decoded::Request { consumed }) => {
                assert!(consumed <= buf.len());
                requests.push(args.iter().map(|span| buf[span.range()].to_vec()).collect());
                drop(buf.drain(..consumed));
            }
            Ok(Decoded::Incomplete) if arrived == stream.len() => return (requests, Ok(buf.len())),
            Ok(Decoded::Incomplete) => {
                let count = pieces.next().unwrap_or(1).clamp(1, stream.len() - arrived);
                buf.extend_from_slice(&stream[arrived..arrived + count]);
                arrived += count;
            }
        }
    }
}

/// Checks the property for one stream and one way to split it.
///
/// # Panics
/// When a split changes what is decoded.
pub fn check(stream: &[u8], pieces: &[u8]) {
    let whole = decode_in(stream, &mut core::iter::once(stream.len().max(1)));
    let split = decode_in(stream, &mut pieces.iter().map(|&piece| usize::from(piece) + 1));
    assert_eq!(whole.0, split.0);
    // A line without an end is refused when it has grown too long, which the pieces may show earlier.
    if whole.1.is_ok() || split.1.is_ok() {
        assert_eq!(whole.1, split.1);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::check;
    use crate::rng::Rng;

    #[test]
    fn random_streams_in_random_pieces() {
        let parts: [&[u8]; 14] = [
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
            b"PING\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"SET \"a b\" 'c'\n",
            b"\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"$",
            b"*3\r\n",
            b"\r",
            b"\n",
            b"*1\r\n$12\r\nhello world!\r\n",
            b"*1\r\n$1\r\nab",
            b"\x00",
        ];
        let mut rng = Rng::new(11);
        for _ in 0..if cfg!(miri) { 50 } else { 20_000 } {
            let mut stream = Vec::new();
            for _ in 0..rng.below(8) {
                stream.extend_from_slice(parts[usize::try_from(rng.below(14)).unwrap()]);
            }
            let pieces: Vec<u8> = (0..30).map(|_| u8::try_from(rng.below(9)).unwrap()).collect();
            check(&stream, &pieces);
        }
    }
}
