//! The bytes of a quicklist's node, compressed.
//!
//! ```text
//! box ┌ length before: u32, low byte first ┬ LZF stream ┐
//! ```
//! Few bytes, and bytes that do not become fewer by much, are not compressed.
//!
//! Invariant: the stream gives exactly the bytes it was made from. Who reads it checks every bound all the same; a stream that
//! cannot be read would be memory that somebody else has written to, so the server ends rather than answer and save what
//! nobody has stored.
//!
//! Source: Valkey `quicklist.c`.

use alloc::boxed::Box;
use alloc::vec;

use crate::lzf;
use crate::types::block::capacity_for;

/// Fewer bytes are not compressed.
const RAW_LEN_MIN: usize = 48;
/// By so many bytes the stream is shorter than what it was made from, at least.
const GAIN_MIN: usize = 9;
/// Bytes before the stream.
const HEADER_LEN: usize = 4;

/// Bytes in LZF.
#[derive(Clone, Debug)]
pub(super) struct Compressed(Box<[u8]>);

impl Compressed {
    /// These bytes compressed, if that gains enough.
    pub(super) fn of(raw: &[u8]) -> Option<Self> {
        let raw_len = u32::try_from(raw.len()).ok().filter(|_| raw.len() >= RAW_LEN_MIN)?;
        let mut bytes = vec![0; HEADER_LEN + raw.len() - GAIN_MIN];
        let (header, stream) = bytes.split_first_chunk_mut::<HEADER_LEN>()?;
        *header = raw_len.to_le_bytes();
        let len = lzf::compress(raw, stream)?;
        bytes.truncate(HEADER_LEN + len);
        Some(Self(bytes.into_boxed_slice()))
    }

    /// How many bytes were compressed.
    pub(super) fn raw_len(&self) -> usize {
        self.0.first_chunk().map_or(0, |header| u32::from_le_bytes(*header) as usize)
    }

    /// The stream.
    pub(super) fn stream(&self) -> &[u8] {
        self.0.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Heap memory, as allocators round it: that the box is exact saves what it holds no more than them.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        capacity_for(self.0.len())
    }

    /// Writes what was compressed, which is as long as the place.
    pub(super) fn read(&self, place: &mut [u8]) {
        let result = lzf::decompress(self.stream(), place);
        assert!(result.is_ok(), "a compressed node of a list is not what it was made from");
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::{Compressed, HEADER_LEN};

    #[test]
    fn what_gains_too_little_stays() {
        // 1 and 44 equal bytes: a run of one, a reference of 46.
        assert!(Compressed::of(&[b'x'; 47]).is_none());
        assert!(
            Compressed::of(&[b'x'; 48])
                .is_some_and(|node| (node.0.len(), node.raw_len()) == (HEADER_LEN + 5, 48))
        );
        // 64 different bytes in runs need two more; each three that come again give one back.
        let different: [u8; 64] = core::array::from_fn(|at| u8::try_from(at).unwrap());
        let of_repeated = |len: usize| Compressed::of(&[&different[..], &different[..len]].concat());
        assert!(Compressed::of(&different).is_none());
        for (len, stream_len) in [(12, None), (13, None), (14, Some(69)), (30, Some(69))] {
            let node = of_repeated(len);
            assert_eq!(node.as_ref().map(|node| node.stream().len()), stream_len, "{len}");
            if let Some(node) = node {
                let mut raw = vec![0; node.raw_len()];
                node.read(&mut raw);
                assert_eq!(raw, [&different[..], &different[..len]].concat());
            }
        }
    }

    #[test]
    #[should_panic(expected = "not what it was made from")]
    fn foreign_bytes_end_the_server() {
        let mut node = Compressed::of(&[b'x'; 100]).unwrap();
        node.0[HEADER_LEN + 1] ^= 0xff;
        node.0[HEADER_LEN] = 0x1f;
        node.read(&mut [0; 100]);
    }
}
