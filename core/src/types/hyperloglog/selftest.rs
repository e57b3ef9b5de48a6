//! PFSELFTEST: that packed registers keep their values, and that estimates are within what the theory allows.

use alloc::vec::Vec;

use super::{
    DENSE_LEN, ENCODING_AT, Encoding, HEADER_LEN, REGISTERS, add, count, create, encoding, to_dense,
};
use crate::rng::Rng;

/// Rounds of random registers.
const ROUNDS: usize = if cfg!(any(miri, test)) { 2 } else { 100 };
/// Elements added; the server waits meanwhile, so a tenth of the reference's.
const ELEMENTS: u64 = if cfg!(any(miri, test)) { 1000 } else { 1_000_000 };
/// The standard error.
const ERROR: f64 = 1.04 / 128.0;

/// What has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the error line says")]
pub enum SelfTest {
    /// A register has not kept its value.
    Register { index: usize, wanted: u8, found: u8 },
    /// Few elements were not kept as runs.
    NotSparse,
    /// The two encodings make different estimates.
    Disagree,
    /// The estimate is too far from the truth.
    Error { cardinality: u64, error: u64 },
}

/// Tests HyperLogLogs on random numbers from `seed`. O(10^6).
///
/// # Errors
/// What has failed.
pub fn self_test(seed: u64, sparse_len_max: usize) -> Result<(), SelfTest> {
    let mut rng = Rng::new(seed);
    (0..ROUNDS).try_for_each(|_| test_registers(&mut rng))?;
    test_estimates(rng.next_u64(), sparse_len_max)
}

/// Packs random registers bit by bit and reads them back.
fn test_registers(rng: &mut Rng) -> Result<(), SelfTest> {
    let mut value = create();
    value.resize(DENSE_LEN, 0);
    value[HEADER_LEN..].fill(0);
    value[ENCODING_AT] = Encoding::Dense as u8;
    let wanted: Vec<u8> = (0..REGISTERS).map(|_| rng.next_u64().to_le_bytes()[0] & 63).collect();
    for (index, register) in wanted.iter().enumerate() {
        for bit in (0..6).filter(|bit| register >> bit & 1 == 1) {
            let at = index * 6 + bit;
            value[HEADER_LEN + at / 8] |= 1 << (at % 8);
        }
    }
    let found = super::dense_registers(&value).map_err(|_| SelfTest::Disagree)?;
    match wanted.iter().zip(found).enumerate().find(|(_, (wanted, found))| *wanted != found) {
        Some((index, (&wanted, found))) => Err(SelfTest::Register { index, wanted, found }),
        None => Ok(()),
    }
}

/// Adds distinct elements to a dense and a sparse one and looks at both at each power of ten.
fn test_estimates(seed: u64, sparse_len_max: usize) -> Result<(), SelfTest> {
    let (mut dense, mut sparse) = (create(), create());
    to_dense(&mut dense).map_err(|_| SelfTest::Disagree)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ seed).to_le_bytes();
        for value in [&mut dense, &mut sparse] {
            add(value, &element, sparse_len_max).map_err(|_| SelfTest::Disagree)?;
        }
        if number == checkpoint {
            check(&mut dense, &mut sparse, number, sparse_len_max)?;
            checkpoint *= 10;
        }
    }
    Ok(())
}

fn check(dense: &mut [u8], sparse: &mut [u8], number: u64, sparse_len_max: usize) -> Result<(), SelfTest> {
    let is_small = number < sparse_len_max as u64 / 2;
    if is_small && encoding(sparse) != Ok(Encoding::Sparse) {
        return Err(SelfTest::NotSparse);
    }
    let (Ok(estimate), Ok(other)) = (count(dense), count(sparse)) else { return Err(SelfTest::Disagree) };
    if estimate.cardinality != other.cardinality {
        return Err(SelfTest::Disagree);
    }
    let error = number.abs_diff(estimate.cardinality.cast_unsigned());
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let allowed = if number == 10 { 1.0 } else { libm::ceil(ERROR * 6.0 * number as f64) };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53, or far too large anyway")]
    let is_close = error as f64 <= allowed;
    if is_close { Ok(()) } else { Err(SelfTest::Error { cardinality: number, error }) }
}

#[cfg(test)]
mod tests {
    use super::self_test;

    #[test]
    #[cfg_attr(miri, ignore = "an hour of safe code: all registers, many times over")]
    fn passes() {
        assert_eq!(self_test(1, 3000), Ok(()));
    }
}
