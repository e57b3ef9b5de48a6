//! HyperLogLog: an estimate of how many distinct elements were added, kept in a string.
//!
//! ```text
//! ┌ "HYLL" ┬ encoding ┬ 0 0 0 ┬ cardinality, 8 bytes little-endian ┬ registers ...
//! 0        4          5       8                                    16
//! ```
//! 16,384 registers hold the longest run of zeros, plus one, seen in the hashes that fall to them: a standard
//! error of 0.81%. Encoding 0 is **dense** (12,288 bytes, `registers.rs`), 1 is **sparse** (runs, `sparse.rs`),
//! which becomes dense when it grows too long or a register passes 32. The top bit of the cardinality says that
//! it must be computed anew.
//!
//! The bytes are the reference's after the same commands. A client can put any bytes into a string: each
//! function checks the header anew (O(1)), and the runs as it reads them.
//!
//! Source: Valkey 9.1 hyperloglog.c; Flajolet et al., "HyperLogLog", 2007; Heule et al., "HyperLogLog in
//! practice", 2013.

#[cfg(any(test, fuzzing))]
pub mod check;
mod estimate;
mod murmur;
mod registers;
mod selftest;
mod sparse;

use alloc::vec::Vec;

pub use self::registers::Registers;
pub use self::selftest::{SelfTest, self_test};
use self::sparse::{Cursor, Raised};

/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = 14;
/// Bits of a hash whose zeros are counted.
const HASH_BITS: usize = 64 - INDEX_BITS as usize;
const REGISTERS: usize = 1 << INDEX_BITS;
const REGISTER_MAX: u8 = 63;
const HEADER_LEN: usize = 16;
const DENSE_LEN: usize = HEADER_LEN + REGISTERS * 6 / 8;
const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const CARDINALITY_AT: usize = 8;
/// In the last byte of the cardinality: it is out of date.
const STALE: u8 = 0x80;
const SEED: u64 = 0xadc8_3b19;
/// One run of all registers, and a cardinality that is out of date.
const EMPTY: [u8; 18] = *b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff";

/// How the registers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// Six bits each.
    Dense = 0,
    /// Runs of equal ones.
    Sparse = 1,
}

impl Encoding {
    /// What PFDEBUG ENCODING calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Sparse => "sparse",
        }
    }
}

/// Why a string was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HllError {
    /// Its header is not that of a HyperLogLog.
    NotHll,
    /// Its runs make no sense.
    Corrupted,
}

impl HllError {
    /// The error line that users see, without the leading `-`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotHll => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            Self::Corrupted => "INVALIDOBJ Corrupted HLL object detected",
        }
    }
}

/// A cardinality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The estimate, as PFCOUNT replies it.
    pub cardinality: i64,
    /// It was not cached: the value was written to.
    pub written: bool,
}

/// The value of a key that did not exist: no elements, sparse, 18 bytes.
pub fn create() -> Vec<u8> {
    EMPTY.to_vec()
}

/// Returns the encoding of a HyperLogLog.
///
/// # Errors
/// [`HllError::NotHll`] when magic, encoding or the length of a dense one is wrong. Runs are not looked at.
pub fn encoding(value: &[u8]) -> Result<Encoding, HllError> {
    if value.len() < HEADER_LEN || !value.starts_with(MAGIC) {
        return Err(HllError::NotHll);
    }
    match value[ENCODING_AT] {
        0 if value.len() == DENSE_LEN => Ok(Encoding::Dense),
        1 => Ok(Encoding::Sparse),
        _ => Err(HllError::NotHll),
    }
}

/// Adds an element; returns whether a register rose. `sparse_len_max` is `hll-sparse-max-bytes`.
///
/// # Errors
/// As [`encoding`], and runs that end before the element's register.
pub fn add(value: &mut Vec<u8>, element: &[u8], sparse_len_max: usize) -> Result<bool, HllError> {
    let (index, count) = place(element);
    let risen = match encoding(value)? {
        Encoding::Dense => registers::raise_dense(body_mut(value), index, count),
        Encoding::Sparse => set_sparse(value, index, count, sparse_len_max, &mut Cursor::default())?,
    };
    if risen {
        invalidate(value);
    }
    Ok(risen)
}

/// Returns the cardinality, from the cache or else computed and cached.
///
/// # Errors
/// As [`encoding`]; and [`HllError::Corrupted`] where it must be computed from runs that make no sense.
pub fn count(value: &mut [u8]) -> Result<Count, HllError> {
    let encoding = encoding(value)?;
    if let Some(cardinality) = cached(value) {
        return Ok(Count { cardinality, written: false });
    }
    let histogram = match encoding {
        Encoding::Dense => registers::dense_histogram(body(value)),
        Encoding::Sparse => sparse::histogram(body(value))?,
    };
    let cardinality = estimate::cardinality(&histogram);
    value[CARDINALITY_AT..HEADER_LEN].copy_from_slice(&cardinality.to_le_bytes());
    Ok(Count { cardinality: cardinality.cast_signed(), written: true })
}

/// Returns the cached cardinality, if the value is a HyperLogLog and its cache is up to date.
pub fn cached(value: &[u8]) -> Option<i64> {
    encoding(value).ok()?;
    let bytes = value[CARDINALITY_AT..].first_chunk()?;
    Some(i64::from_le_bytes(*bytes)).filter(|&cardinality| cardinality >= 0)
}

/// Marks the cached cardinality of a HyperLogLog as out of date.
pub fn invalidate(value: &mut [u8]) {
    if let Some(byte) = value.get_mut(HEADER_LEN - 1) {
        *byte |= STALE;
    }
}

/// Changes the encoding to dense; returns whether it was sparse. The cached cardinality stays.
///
/// # Errors
/// As [`encoding`]; and runs that make no sense.
pub fn to_dense(value: &mut Vec<u8>) -> Result<bool, HllError> {
    if encoding(value)? == Encoding::Dense {
        return Ok(false);
    }
    *value = registers::dense_from_sparse(value)?;
    Ok(true)
}

/// Returns the registers of a dense HyperLogLog in order; none of a sparse one.
///
/// # Errors
/// As [`encoding`].
pub fn dense_registers(value: &[u8]) -> Result<impl Iterator<Item = u8> + '_, HllError> {
    let packed = if encoding(value)? == Encoding::Dense { body(value) } else { &[] };
    Ok((0..packed.len() / 3 * 4).map(|index| registers::dense_register(packed, index)))
}

/// Returns the runs of a sparse HyperLogLog as PFDEBUG DECODE prints them, whether they make sense or
/// not; `None` for a dense one.
///
/// # Errors
/// As [`encoding`].
pub fn sparse_text(value: &[u8]) -> Result<Option<Vec<u8>>, HllError> {
    Ok((encoding(value)? == Encoding::Sparse).then(|| sparse::text(body(value))))
}

/// The register of an element and the count that it asks for, 1 to 51.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur::murmur64a(element, SEED);
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
    let index = hash as usize & (REGISTERS - 1);
    let zeros = (hash >> INDEX_BITS | 1 << HASH_BITS).trailing_zeros();
    (index, u8::try_from(zeros + 1).unwrap_or(REGISTER_MAX))
}

/// Raises a register of a sparse HyperLogLog, which becomes dense if need be.
fn set_sparse(
    value: &mut Vec<u8>,
    index: usize,
    count: u8,
    len_max: usize,
    cursor: &mut Cursor,
) -> Result<bool, HllError> {
    if count <= sparse::VALUE_MAX {
        match sparse::set(value, index, count, len_max, cursor)? {
            Raised::No => return Ok(false),
            Raised::Yes => return Ok(true),
            Raised::TooLarge => {}
        }
    }
    to_dense(value)?;
    Ok(registers::raise_dense(body_mut(value), index, count))
}

/// What follows the header of a checked value.
fn body(value: &[u8]) -> &[u8] {
    value.get(HEADER_LEN..).unwrap_or_default()
}

fn body_mut(value: &mut [u8]) -> &mut [u8] {
    value.get_mut(HEADER_LEN..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
