//! The keyed hash of keys: who cannot learn the seed cannot choose keys that share a bucket.
//!
//! SipHash-1-3 (Aumasson and Bernstein, 2012; the reduced rounds as in Rust's own hash maps), over bytes that lie in one
//! piece: nothing is kept between calls but the seed, so a hasher is two words.

/// The secret of a process.
#[derive(Clone, Copy)]
pub struct HashSeed(pub [u8; 16]);

impl core::fmt::Debug for HashSeed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HashSeed(secret)")
    }
}

/// A key with its hash.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    /// Its bytes.
    pub bytes: &'k [u8],
    /// Their hash, by the keyspace's hasher.
    pub hash: u64,
}

/// Hashes keys.
#[derive(Clone, Copy)]
pub struct KeyHasher([u64; 2]);

impl core::fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KeyHasher")
    }
}

impl KeyHasher {
    /// The hasher of a seed.
    pub fn new(seed: HashSeed) -> Self {
        let [low, high] = *seed.0.as_chunks().0 else { unreachable!("a seed is two words") };
        Self([u64::from_le_bytes(low), u64::from_le_bytes(high)])
    }

    /// A key with its hash.
    #[inline]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.hash(bytes) }
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> u64 {
        let [low, high] = self.0;
        let mut state = State([
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ]);
        for word in bytes.as_chunks().0 {
            state.take(u64::from_le_bytes(*word));
        }
        state.take(last_word(bytes));
        state.finish()
    }
}

/// What is left of the bytes behind whole words, and their length in the top byte.
#[inline]
fn last_word(bytes: &[u8]) -> u64 {
    let left = u32::try_from(bytes.len() % 8).unwrap_or(0);
    let tail = match bytes.last_chunk() {
        // With bytes that were taken already, so that one load does; in two steps, as none may be left.
        Some(word) => u64::from_le_bytes(*word) >> 8 >> (56 - 8 * left),
        None => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    (bytes.len() as u64) << 56 | tail
}

/// The four words that are mixed.
struct State([u64; 4]);

impl State {
    #[inline]
    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *c = c.wrapping_add(*d);
        *b = b.rotate_left(13) ^ *a;
        *d = d.rotate_left(16) ^ *c;
        *a = a.rotate_left(32);
        *a = a.wrapping_add(*d);
        *c = c.wrapping_add(*b);
        *d = d.rotate_left(21) ^ *a;
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }

    #[inline]
    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline]
    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        let [a, b, c, d] = self.0;
        a ^ b ^ c ^ d
    }
}

#[cfg(test)]
mod tests {
    use core::hash::Hasher;

    use siphasher::sip::SipHasher13;

    use super::{HashSeed, KeyHasher};

    #[test]
    fn agrees_with_another_implementation() {
        let bytes: [u8; 100] = core::array::from_fn(|at| u8::try_from(at * 37 % 251).unwrap());
        for seed in [[0; 16], core::array::from_fn(|at| 255 - u8::try_from(at).unwrap())] {
            for len in 0..bytes.len() {
                let mut other = SipHasher13::new_with_key(&seed);
                other.write(&bytes[..len]);
                assert_eq!(KeyHasher::new(HashSeed(seed)).key(&bytes[..len]).hash, other.finish(), "{len}");
            }
        }
    }
}
