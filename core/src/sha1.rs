//! SHA-1, for names and digests that users compare with other servers'. Not for secrets: it is broken for those.
//!
//! Source: FIPS 180-4.
#![deny(clippy::arithmetic_side_effects)]

/// Bytes of a digest.
pub const DIGEST_LEN: usize = 20;

const BLOCK_LEN: usize = 64;
/// Where the message's length stands in its last block.
const LENGTH_AT: usize = 56;

/// Returns the digest of a message.
pub fn sha1(message: &[u8]) -> [u8; DIGEST_LEN] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let (blocks, rest) = message.as_chunks::<BLOCK_LEN>();
    for block in blocks {
        compress(&mut state, block);
    }
    let mut block = [0; BLOCK_LEN];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    if rest.len() >= LENGTH_AT {
        compress(&mut state, &block);
        block = [0; BLOCK_LEN];
    }
    let bits = (message.len() as u64).wrapping_mul(8);
    block[LENGTH_AT..].copy_from_slice(&bits.to_be_bytes());
    compress(&mut state, &block);
    let mut digest = [0; DIGEST_LEN];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

fn compress(state: &mut [u32; 5], block: &[u8; BLOCK_LEN]) {
    // The 80 words of the schedule, sixteen at a time: each takes the place of the one sixteen before it.
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for round in 0..80_usize {
        let at = |back: usize| round.wrapping_sub(back) & 15;
        if round >= 16 {
            let mixed = words[at(3)] ^ words[at(8)] ^ words[at(14)] ^ words[at(16)];
            words[at(0)] = mixed.rotate_left(1);
        }
        let (choice, constant) = match round {
            0..20 => (b & c | !b & d, 0x5a82_7999_u32),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let sum = a.rotate_left(5).wrapping_add(choice).wrapping_add(e);
        let next = sum.wrapping_add(constant).wrapping_add(words[at(0)]);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (word, change) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(change);
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Write as _;

    use super::sha1;

    static MILLION: [u8; 1_000_000] = [b'a'; 1_000_000];

    fn hex(message: &[u8]) -> heapless::String<40> {
        let mut text = heapless::String::new();
        sha1(message).iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text
    }

    #[test]
    fn known_digests() {
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(two_blocks), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&MILLION), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }

    /// Where the padding changes from one block to two, checked with another implementation.
    #[test]
    fn lengths_around_a_block() {
        let digests = [
            (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
            (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
            (63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
            (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
            (65, "11655326c708d70319be2610e8a57d9a5b959d3b"),
        ];
        for (len, digest) in digests {
            assert_eq!(hex(&MILLION[..len]), digest);
        }
    }
}
