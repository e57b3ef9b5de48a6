//! LZF: a compression that is fast and simple, for the inner nodes of lists; it is the one of the reference's dumps, too.
//!
//! ```text
//! stream    runs and references, one after another
//! run       000nnnnn  n+1 bytes                       the bytes themselves
//! reference nnnddddd  dddddddd                        n+2 bytes (n from 1 to 6) that stand d+1 bytes before
//!           111ddddd  nnnnnnnn  dddddddd              n+9 bytes
//! ```
//! A reference may reach into what it writes itself: then bytes repeat. The stream tells neither its own length nor that of
//! what was compressed. [`decompress`] reads the streams of others, too, and believes nothing; [`compress`] chooses on its own
//! where to refer to, so its streams are not those of others byte for byte.
//!
//! Both work in the buffers they are given. The table of places that [`compress`] looks into lies on the stack, is made for the
//! size of the input (to clear a large one would cost more than a short string does) and keeps 16 bits of each place: a
//! reference reaches no further, and whether the bytes are the same is looked at anyway.
//!
//! Source: the format of libLZF by Marc Lehmann, as Valkey 9.1 reads and writes it.

/// Bytes of the longest run.
const RUN_MAX: usize = 32;
/// Bytes of the shortest reference that is worth its own two.
const REFERENCE_MIN: usize = 3;
/// Bytes of the longest.
const REFERENCE_MAX: usize = 264;
/// How far back a reference reaches.
const WINDOW: usize = 1 << 13;
/// The length in the first byte of a reference that says that another byte of length follows.
const LENGTH_FOLLOWS: usize = 7;

/// What was read is no LZF stream, or not one of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Compresses into a buffer. Returns how much of it was used; `None` when it is too short.
pub fn compress(input: &[u8], output: &mut [u8]) -> Option<usize> {
    match input.len() {
        0..=512 => compress_with(input, output, &mut [0; 1 << 9]),
        513..=4096 => compress_with(input, output, &mut [0; 1 << 12]),
        _ => compress_with(input, output, &mut [0; 1 << 14]),
    }
}

/// Decompresses into a buffer, which it must fill.
///
/// # Errors
/// When the stream breaks off, refers to what comes before its start, or has not exactly as many bytes as the buffer.
#[deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
pub fn decompress(input: &[u8], output: &mut [u8]) -> Result<(), Malformed> {
    let (mut rest, mut at) = (input, 0usize);
    while let Some((&control, behind)) = rest.split_first() {
        let control = usize::from(control);
        let len = if control < RUN_MAX {
            let len = control.saturating_add(1);
            let (run, behind) = behind.split_at_checked(len).ok_or(Malformed)?;
            let place = output.get_mut(at..).and_then(|left| left.get_mut(..len)).ok_or(Malformed)?;
            place.copy_from_slice(run);
            rest = behind;
            len
        } else {
            let (mut len, mut behind) = (control >> 5, behind);
            if len == LENGTH_FOLLOWS {
                let (&more, after) = behind.split_first().ok_or(Malformed)?;
                (len, behind) = (len.saturating_add(usize::from(more)), after);
            }
            let (&low, behind) = behind.split_first().ok_or(Malformed)?;
            let len = len.saturating_add(2);
            repeat(output, at, (control & 0x1f) << 8 | usize::from(low), len)?;
            rest = behind;
            len
        };
        at = at.saturating_add(len);
    }
    if at == output.len() { Ok(()) } else { Err(Malformed) }
}

/// Writes `len` bytes at a place that are the same as those that stand `back` and one bytes before.
#[inline]
#[deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
fn repeat(output: &mut [u8], at: usize, back: usize, len: usize) -> Result<(), Malformed> {
    let from = at.checked_sub(back).and_then(|from| from.checked_sub(1)).ok_or(Malformed)?;
    let end = at.checked_add(len).filter(|&end| end <= output.len()).ok_or(Malformed)?;
    // What repeats is copied as it grows: each copy doubles it.
    let mut to = at;
    while to < end {
        let piece = to.saturating_sub(from).min(end.saturating_sub(to));
        output.copy_within(from..from.saturating_add(piece), to);
        to = to.saturating_add(piece);
    }
    Ok(())
}

/// Where in the table the place of three bytes is kept.
#[inline]
fn slot<const SLOTS: usize>(bytes: [u8; REFERENCE_MIN]) -> usize {
    let [a, b, c] = bytes.map(u32::from);
    let mixed = (a << 16 | b << 8 | c).wrapping_mul(0x9e37_79b1);
    (mixed >> (u32::BITS - const { SLOTS.ilog2() })) as usize
}

/// The three bytes at a place.
#[inline]
fn three(input: &[u8], at: usize) -> Option<[u8; REFERENCE_MIN]> {
    input.get(at..)?.first_chunk().copied()
}

/// The low bits of a place, as the table keeps them.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the bits that are kept")]
fn low(at: usize) -> u16 {
    at as u16
}

fn compress_with<const SLOTS: usize>(
    input: &[u8],
    output: &mut [u8],
    table: &mut [u16; SLOTS],
) -> Option<usize> {
    let mut writer = Writer { output, len: 0 };
    let (mut at, mut run_start) = (0, 0);
    while let Some(bytes) = three(input, at) {
        let place = &mut table[slot::<SLOTS>(bytes)];
        let distance = usize::from(low(at).wrapping_sub(*place));
        *place = low(at);
        // A distance of 0 is one of 65536, or a place that was never written.
        let known = at.checked_sub(distance).filter(|_| (1..=WINDOW).contains(&distance));
        let Some(from) = known.filter(|&from| input[from..from + REFERENCE_MIN] == bytes) else {
            at += 1;
            continue;
        };
        let len = REFERENCE_MIN + common_len(&input[from + REFERENCE_MIN..], &input[at + REFERENCE_MIN..]);
        writer.runs(&input[run_start..at])?;
        writer.reference(distance, len)?;
        at += len;
        run_start = at;
        // The last places that were passed over: what comes next often repeats together with them.
        for passed in at - 2..at {
            if let Some(bytes) = three(input, passed) {
                table[slot::<SLOTS>(bytes)] = low(passed);
            }
        }
    }
    writer.runs(&input[run_start..])?;
    Some(writer.len)
}

/// How many bytes are the same, up to what a reference can say beyond its first three.
#[inline]
fn common_len(from: &[u8], to: &[u8]) -> usize {
    const MAX: usize = REFERENCE_MAX - REFERENCE_MIN;
    let to = &to[..to.len().min(MAX)];
    let from = &from[..to.len()];
    let words = from.as_chunks::<8>().0.iter().zip(to.as_chunks::<8>().0);
    let mut len = 0;
    for (a, b) in words {
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return len + differs.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + from[len..].iter().zip(&to[len..]).take_while(|(a, b)| a == b).count()
}

/// The output as far as it is written.
struct Writer<'a> {
    output: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    /// The next so many bytes.
    #[inline]
    fn take(&mut self, len: usize) -> Option<&mut [u8]> {
        let place = self.output.get_mut(self.len..self.len + len)?;
        self.len += len;
        Some(place)
    }

    fn runs(&mut self, bytes: &[u8]) -> Option<()> {
        for run in bytes.chunks(RUN_MAX) {
            let (control, place) = self.take(run.len() + 1)?.split_first_mut()?;
            *control = u8::try_from(run.len() - 1).ok()?;
            place.copy_from_slice(run);
        }
        Some(())
    }

    fn reference(&mut self, distance: usize, len: usize) -> Option<()> {
        let [high, low] = u16::try_from(distance - 1).ok()?.to_be_bytes();
        match (len - 2).checked_sub(LENGTH_FOLLOWS) {
            None => self.take(2)?.copy_from_slice(&[u8::try_from(len - 2).ok()? << 5 | high, low]),
            Some(more) => self.take(3)?.copy_from_slice(&[0xe0 | high, u8::try_from(more).ok()?, low]),
        }
        Some(())
    }
}

/// Reads bytes as a stream, with buffers that suit it and buffers that do not, and compresses them and reads that.
///
/// # Panics
/// When one is not the other's inverse.
#[cfg(all(feature = "alloc", any(test, fuzzing)))]
pub fn check_lzf(bytes: &[u8]) {
    use alloc::vec;

    let said = said_len(bytes);
    for len in [0, 1, bytes.len(), said.saturating_sub(1), said, said + 1] {
        let mut output = vec![0; len];
        let result = decompress(bytes, &mut output);
        assert!(result.is_err() || len == said);
        if result.is_ok() && bytes.len() < 1 << 14 {
            // What was read, written by ourselves, is read the same.
            round_trip(&output);
        }
    }
    round_trip(bytes);
}

/// How many bytes a stream says it has, if it is one.
#[cfg(all(feature = "alloc", any(test, fuzzing)))]
fn said_len(mut bytes: &[u8]) -> usize {
    let mut len = 0;
    while let Some((&control, _)) = bytes.split_first() {
        let (control, next) = (usize::from(control), bytes.get(1).map_or(0, |&byte| usize::from(byte)));
        let (skipped, said) = match control >> 5 {
            0 => (control + 2, control + 1),
            LENGTH_FOLLOWS => (3, next + LENGTH_FOLLOWS + 2),
            short => (2, short + 2),
        };
        len += said;
        bytes = bytes.get(skipped..).unwrap_or_default();
    }
    len
}

#[cfg(all(feature = "alloc", any(test, fuzzing)))]
fn round_trip(bytes: &[u8]) {
    use alloc::vec;

    // At worst all of it is runs.
    let mut packed = vec![0; bytes.len() + bytes.len().div_ceil(RUN_MAX)];
    let len = compress(bytes, &mut packed);
    assert!(len.is_some(), "a buffer for the worst case is enough");
    packed.truncate(len.unwrap_or_default());
    let mut again = vec![0xa5; bytes.len()];
    assert_eq!(decompress(&packed, &mut again), Ok(()));
    assert_eq!(again, bytes);
    let mut exact = vec![0; packed.len()];
    assert_eq!(compress(bytes, &mut exact), Some(packed.len()));
    if let Some((_, short)) = exact.split_last_mut() {
        assert_eq!(compress(bytes, short), None);
    }
}

#[cfg(test)]
#[cfg(feature = "alloc")]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Malformed, WINDOW, check_lzf, compress, decompress};
    use crate::rng::Rng;

    fn below(rng: &mut Rng, bound: usize) -> usize {
        usize::try_from(rng.below(bound as u64)).unwrap()
    }

    fn byte(rng: &mut Rng, bound: usize) -> u8 {
        u8::try_from(below(rng, bound)).unwrap()
    }

    /// Bytes of many kinds: equal, random, of few letters, with pieces that come again, near and far.
    fn some_bytes(rng: &mut Rng) -> Vec<u8> {
        let len = match rng.below(8) {
            0..4 => below(rng, 100),
            4..7 => below(rng, 6000),
            _ => below(rng, if cfg!(miri) { 3000 } else { 150_000 }),
        };
        let letters = [1, 2, 4, 26, 256][below(rng, 5)];
        let mut bytes = Vec::with_capacity(len + 300);
        while bytes.len() < len {
            if rng.below(3) > 0 && !bytes.is_empty() {
                let from = bytes.len() - 1 - below(rng, bytes.len().min(WINDOW + 50));
                let count = below(rng, 300);
                (from..from + count).for_each(|at| bytes.push(bytes[at]));
            } else {
                (0..below(rng, 40)).for_each(|_| bytes.push(byte(rng, letters)));
            }
        }
        bytes
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; bytes.len() * 2 + 2];
        let len = compress(bytes, &mut packed).unwrap();
        packed.truncate(len);
        packed
    }

    #[test]
    fn what_is_compressed_is_read_the_same() {
        let mut rng = Rng::new(31);
        for _ in 0..if cfg!(miri) { 12 } else { 400 } {
            check_lzf(&some_bytes(&mut rng));
        }
    }

    /// libLZF's own rules, by another implementation of them.
    #[test]
    fn others_read_it_and_it_reads_others() {
        let (mut rng, mut sizes) = (Rng::new(32), (0, 0));
        for _ in 0..if cfg!(miri) { 12 } else { 400 } {
            let bytes = some_bytes(&mut rng);
            if bytes.is_empty() {
                continue;
            }
            assert_eq!(lzf::decompress(&packed(&bytes), bytes.len()).unwrap(), bytes);
            if let Ok(theirs) = lzf::compress(&bytes) {
                let mut output = vec![0; bytes.len()];
                assert_eq!(decompress(&theirs, &mut output), Ok(()));
                assert_eq!(output, bytes);
                sizes = (sizes.0 + packed(&bytes).len(), sizes.1 + theirs.len());
            }
        }
        assert!(sizes.0 <= sizes.1 + sizes.1 / 20, "as small, all in all: {sizes:?}");
    }

    #[test]
    fn bad_streams_are_refused() {
        let mut rng = Rng::new(33);
        for _ in 0..if cfg!(miri) { 12 } else { 800 } {
            let mut stream = packed(&some_bytes(&mut rng)[..]);
            match rng.below(3) {
                0 => stream.truncate(below(&mut rng, stream.len() + 1)),
                1 => (0..1 + below(&mut rng, 3)).for_each(|_| {
                    let at = below(&mut rng, stream.len().max(1));
                    stream.iter_mut().skip(at).take(1).for_each(|own| *own = byte(&mut rng, 256));
                }),
                _ => stream = (0..below(&mut rng, 300)).map(|_| byte(&mut rng, 256)).collect(),
            }
            check_lzf(&stream);
        }
    }

    #[test]
    fn streams_byte_by_byte() {
        let read = |stream: &[u8], len: usize| {
            let mut output = vec![0; len];
            decompress(stream, &mut output).map(|()| output)
        };
        assert_eq!(read(b"", 0), Ok(Vec::new()));
        assert_eq!(read(b"\x02abc", 3).unwrap(), b"abc");
        // References: three bytes, nine with the length behind, into themselves, 264 at most.
        assert_eq!(read(b"\x02abc\x20\x02", 6).unwrap(), b"abcabc");
        assert_eq!(read(b"\x02abc\xe0\x00\x02", 12).unwrap(), b"abcabcabcabc");
        assert_eq!(read(b"\x01ab\xe0\xff\x01", 266).unwrap(), b"ab".repeat(133));
        assert_eq!(read(b"\x00z\xc0\x00", 9).unwrap(), b"zzzzzzzzz");
        let far = [b"\x1f".as_slice(), &[b'q'; 32]].concat().repeat(256);
        let mut stream = far.clone();
        stream.extend_from_slice(b"\x3f\xff");
        assert_eq!(read(&stream, WINDOW + 3).unwrap(), [b'q'; WINDOW + 3]);
        let wrong: [(&[u8], usize); 12] = [
            (b"", 1),
            (b"\x02abc", 2),
            (b"\x02abc", 4),
            (b"\x02ab", 3),
            (b"\x02ab", 2),
            (b"\x20\x00", 3),
            (b"\x02abc\x20\x03", 6),
            (b"\x02abc\x20", 6),
            (b"\x02abc\xe0\x00", 12),
            (b"\x02abc\xe0", 12),
            (b"\x02abc\x20\x02", 5),
            (b"\x02abc\xe0\xff\x02", 12),
        ];
        for (stream, len) in wrong {
            assert_eq!(read(stream, len), Err(Malformed), "{stream:?} {len}");
        }
        assert_eq!(packed(&[b'x'; 600]), b"\x00x\xe0\xff\x00\xe0\xff\x00\xe0\x3e\x00");
        assert_eq!(compress(b"abc", &mut []), None);
        assert_eq!(compress(b"", &mut []), Some(0));
    }
}
