//! MurmurHash64A (Austin Appleby, public domain), read little-endian on every machine.

const M: u64 = 0xc6a4_a793_5bd1_e995;
const R: u32 = 47;

/// The 64-bit hash of `bytes`.
pub(super) fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let start = seed ^ (bytes.len() as u64).wrapping_mul(M);
    let mut hash =
        words.iter().fold(start, |hash, word| (hash ^ mix(u64::from_le_bytes(*word))).wrapping_mul(M));
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> R)).wrapping_mul(M);
    hash ^ (hash >> R)
}

fn mix(word: u64) -> u64 {
    let word = word.wrapping_mul(M);
    (word ^ (word >> R)).wrapping_mul(M)
}
