//! The keyed hash of keys: who cannot learn the seed cannot choose keys that share a bucket.
//!
//! SipHash-1-3 (Aumasson and Bernstein, 2012; the reduced rounds as in Rust's own hash maps).

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

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
pub struct KeyHasher(SipHasher13);

impl core::fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KeyHasher")
    }
}

impl KeyHasher {
    /// The hasher of a seed.
    pub fn new(seed: HashSeed) -> Self {
        Self(SipHasher13::new_with_key(&seed.0))
    }

    /// A key with its hash.
    #[inline]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        let mut hasher = self.0;
        hasher.write(bytes);
        Key { bytes, hash: hasher.finish() }
    }
}
