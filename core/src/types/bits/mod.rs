//! Strings as arrays of bits, bit 0 being the top one of the first byte.
//!
//! ```text
//! bit    ┌ 0 1 2 3 4 5 6 7 ┬ 8 9 10 11 12 13 14 15 ┬ ...
//! byte   0                 1
//! ```
//! Behind its end a string is zeros for all who read single bits or fields. Single bits here, counting and
//! searching in [`mod@range`], whole strings against each other in [`combine`], integers of any width in
//! [`field`].
//!
//! Source: Valkey 9.1 bitops.c.

pub mod combine;
mod count;
pub mod field;
pub mod range;

use alloc::vec::Vec;

pub use self::count::count;
use crate::num::parse_i64;

/// The error of an offset that is no number or too large.
pub const OFFSET_ERROR: &str = "ERR bit offset is not an integer or out of range";

/// Reads a bit's offset, which must lie in the first `len_max` bytes (`proto-max-bulk-len`; `u64::MAX` for
/// none). 512 MiB make 2^32 bits.
pub fn parse_offset(text: &[u8], len_max: u64) -> Option<u64> {
    u64::try_from(parse_i64(text)?).ok().filter(|offset| offset / 8 < len_max)
}

/// The bit at `offset`.
pub fn get(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset / 8).ok().and_then(|at| bytes.get(at)).copied().unwrap_or(0);
    byte & mask(offset) != 0
}

/// Sets or clears the bit at `offset`; returns what it was. Behind the end nothing happens: [`grow`] first.
pub fn set(bytes: &mut [u8], offset: u64, bit: bool) -> bool {
    let Some(byte) = usize::try_from(offset / 8).ok().and_then(|at| bytes.get_mut(at)) else { return false };
    let mask = mask(offset);
    let before = *byte & mask != 0;
    *byte = if bit { *byte | mask } else { *byte & !mask };
    before
}

/// Appends zeros until the bit at `offset` is there; returns whether any were missing.
pub fn grow(bytes: &mut Vec<u8>, offset: u64) -> bool {
    let len = usize::try_from(offset / 8).unwrap_or(usize::MAX - 1) + 1;
    let short = bytes.len() < len;
    if short {
        bytes.resize(len, 0);
    }
    short
}

fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{get, grow, parse_offset, set};
    use crate::rng::Rng;

    #[test]
    fn agrees_with_a_vector_of_bools() {
        let (mut bytes, mut model, mut rng) = (Vec::new(), Vec::new(), Rng::new(1));
        for _ in 0..if cfg!(miri) { 300 } else { 5000 } {
            let offset = rng.below(1 + rng.clone().below(600));
            let (at, bit) = (usize::try_from(offset).unwrap(), rng.below(2) == 1);
            assert_eq!(get(&bytes, offset), model.get(at).copied().unwrap_or(false));
            let len = model.len();
            if at >= len {
                model.resize((at / 8 + 1) * 8, false);
            }
            assert_eq!(grow(&mut bytes, offset), at >= len);
            assert_eq!(set(&mut bytes, offset, bit), model[at]);
            model[at] = bit;
            assert_eq!(bytes.len() * 8, model.len());
        }
        assert!((0..).zip(&model).all(|(offset, bit)| get(&bytes, offset) == *bit));
        assert!(!set(&mut bytes, 1 << 40, true));
    }

    #[test]
    fn offsets() {
        let limit = 512 << 20;
        assert_eq!(parse_offset(b"0", limit), Some(0));
        assert_eq!(parse_offset(b"4294967295", limit), Some(u64::from(u32::MAX)));
        for refused in ["4294967296", "-1", "#1", "", "01", " 1", "9223372036854775808"] {
            assert_eq!(parse_offset(refused.as_bytes(), limit), None, "{refused}");
        }
        assert_eq!(parse_offset(b"9223372036854775807", u64::MAX), Some(u64::MAX / 2));
    }
}
