//! The registers: one byte each for computing, or packed into six bits each for storing.
//!
//! ```text
//! dense   ┌ 11000000 ┬ 22221111 ┬ 33333322 ┐ ...   four registers in three bytes, low bits first
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::estimate::{self, Histogram};
use super::sparse::{self, Cursor};
use super::{Encoding, HEADER_LEN, HllError, REGISTER_MAX, REGISTERS, body, body_mut, encoding, invalidate};
use crate::wide::wide;

/// Words of eight registers that take one step together: so many that what one step has stored has left the
/// processor's store buffer when the next loads it in vectors, for which it would have to wait.
const BLOCK: usize = 128;
const BLOCK_LEN: usize = BLOCK * 6;

/// All 16,384 registers of a union, one byte each.
#[derive(Clone, Debug)]
pub struct Registers {
    values: Box<[u8; REGISTERS]>,
    any_dense: bool,
}

impl Default for Registers {
    fn default() -> Self {
        Self { values: Box::new([0; REGISTERS]), any_dense: false }
    }
}

impl Registers {
    /// The empty union.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a HyperLogLog to the union.
    ///
    /// # Errors
    /// What [`encoding`] refuses, and a sparse one whose runs do not make 16,384 registers; the union is
    /// then of no more use.
    pub fn merge(&mut self, value: &[u8]) -> Result<(), HllError> {
        match encoding(value)? {
            Encoding::Dense => {
                self.any_dense = true;
                merge_dense(&mut self.values, body(value));
            }
            Encoding::Sparse => {
                sparse::for_each_run(body(value), |at, run| {
                    for register in &mut self.values[at..at + run.len] {
                        *register = run.value.max(*register);
                    }
                })?;
            }
        }
        Ok(())
    }

    /// The estimated number of distinct elements.
    pub fn count(&self) -> u64 {
        let mut tables = Tables::default();
        for registers in self.values.as_chunks::<4>().0 {
            tables.add(*registers);
        }
        estimate::cardinality(&tables.histogram())
    }

    /// The values in order.
    pub fn as_slice(&self) -> &[u8] {
        self.values.as_slice()
    }

    /// Writes the union into a HyperLogLog that is part of it, and invalidates its cached cardinality.
    ///
    /// Dense if any part of the union is, else register by register into the sparse runs, so that the bytes
    /// are the reference's. O(registers + runs).
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn store(&self, value: &mut Vec<u8>, sparse_len_max: usize) -> Result<(), HllError> {
        if self.any_dense {
            super::to_dense(value)?;
        }
        let mut cursor = Cursor::default();
        let mut registers = (0..).zip(self.values.iter().copied()).filter(|&(_, register)| register > 0);
        while encoding(value)? == Encoding::Sparse {
            let Some((index, register)) = registers.next() else {
                invalidate(value);
                return Ok(());
            };
            super::set_sparse(value, index, register, sparse_len_max, &mut cursor)?;
        }
        pack(&self.values, body_mut(value));
        invalidate(value);
        Ok(())
    }
}

/// The register at `index` of packed ones.
pub(super) fn dense_register(packed: &[u8], index: usize) -> u8 {
    let group = packed.as_chunks::<3>().0.get(index / 4);
    group.map_or(0, |[a, b, c]| spread([*a, *b, *c, 0])[index % 4])
}

/// Raises the register at `index` to `count`; false when it is that high.
pub(super) fn raise_dense(packed: &mut [u8], index: usize, count: u8) -> bool {
    let Some([a, b, c]) = packed.as_chunks_mut::<3>().0.get_mut(index / 4) else { return false };
    let mut registers = spread([*a, *b, *c, 0]);
    if registers[index % 4] >= count {
        return false;
    }
    registers[index % 4] = count;
    [*a, *b, *c, _] = gather(registers);
    true
}

/// The histogram of packed registers.
pub(super) fn dense_histogram(packed: &[u8]) -> Histogram {
    let mut tables = Tables::default();
    for [a, b, c] in packed.as_chunks::<3>().0 {
        tables.add(spread([*a, *b, *c, 0]));
    }
    tables.histogram()
}

/// Four histograms: most registers have one of a few values, and increments of one counter wait for each other.
struct Tables([Histogram; 4]);

impl Default for Tables {
    fn default() -> Self {
        Self([[0; 64]; 4])
    }
}

impl Tables {
    #[inline]
    fn add(&mut self, registers: [u8; 4]) {
        for (table, register) in self.0.iter_mut().zip(registers) {
            table[usize::from(register & REGISTER_MAX)] += 1;
        }
    }

    fn histogram(&self) -> Histogram {
        core::array::from_fn(|value| self.0.iter().map(|table| table[value]).sum())
    }
}

/// The bytes of a dense HyperLogLog with the header of `value`, whose runs are sparse.
pub(super) fn dense_from_sparse(value: &[u8]) -> Result<Vec<u8>, HllError> {
    let mut registers = Registers::new();
    registers.merge(value)?;
    let mut dense = Vec::with_capacity(super::DENSE_LEN);
    dense.extend_from_slice(&value[..HEADER_LEN]);
    dense.resize(super::DENSE_LEN, 0);
    dense[super::ENCODING_AT] = Encoding::Dense as u8;
    pack(&registers.values, body_mut(&mut dense));
    Ok(dense)
}

wide! {
    fn pack(registers: &[u8; REGISTERS], packed: &mut [u8]) {
        let blocks = packed.as_chunks_mut::<BLOCK_LEN>().0;
        let mut words = [0; BLOCK];
        for (block, registers) in blocks.iter_mut().zip(registers.as_chunks::<{ 8 * BLOCK }>().0) {
            for (word, registers) in words.iter_mut().zip(registers.as_chunks::<8>().0) {
                *word = gather_eight(*registers);
            }
            for (bytes, [a, b, c, d]) in block.as_chunks_mut::<24>().0.iter_mut().zip(words.as_chunks::<4>().0) {
                let packed = [a | b << 48, b >> 16 | c << 32, c >> 32 | d << 16];
                bytes.copy_from_slice(packed.map(u64::to_le_bytes).as_flattened());
            }
        }
    }
}

wide! {
    fn merge_dense(registers: &mut [u8; REGISTERS], packed: &[u8]) {
        let blocks = packed.as_chunks::<BLOCK_LEN>().0;
        for (registers, block) in registers.as_chunks_mut::<{ 8 * BLOCK }>().0.iter_mut().zip(blocks) {
            let others = words(block).map(spread_eight);
            for (register, other) in registers.iter_mut().zip(others.as_flattened()) {
                *register = (*other).max(*register);
            }
        }
    }
}

/// A block in words of 48 bits. Each is loaded with what follows it, but for the last, loaded with what is before it.
#[inline(always)]
fn words(block: &[u8; BLOCK_LEN]) -> [u64; BLOCK] {
    let last = block.last_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes) >> 16);
    let mut words = [last; BLOCK];
    for (word, bytes) in words.iter_mut().zip(block.windows(8).step_by(6)) {
        *word = bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    }
    words
}

/// Spreads eight times six bits, the low 48, over eight bytes, in halves of halves.
#[inline(always)]
fn spread_eight(bits: u64) -> [u8; 8] {
    let bits = bits & 0xff_ffff | (bits & 0xffff_ff00_0000) << 8;
    let bits = bits & 0x0fff_0000_0fff | (bits & 0xff_f000_00ff_f000) << 4;
    let bits = bits & 0x3f_003f_003f_003f | (bits & 0x0fc0_0fc0_0fc0_0fc0) << 2;
    bits.to_le_bytes()
}

/// Spreads four times six bits, the low 24, over four bytes.
#[inline]
fn spread(group: [u8; 4]) -> [u8; 4] {
    let bits = u32::from_le_bytes(group);
    let spread = bits & 0x3f | (bits & 0xfc0) << 2 | (bits & 0x3_f000) << 4 | (bits & 0xfc_0000) << 6;
    spread.to_le_bytes()
}

/// The reverse of [`spread`]; the last byte is 0.
#[inline]
fn gather(registers: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = registers;
    let [a, b, c, ..] = gather_eight([a, b, c, d, 0, 0, 0, 0]).to_le_bytes();
    [a, b, c, 0]
}

/// The reverse of [`spread_eight`]: eight registers in the low 48 bits.
#[inline(always)]
fn gather_eight(registers: [u8; 8]) -> u64 {
    let bits = u64::from_le_bytes(registers);
    let bits = bits & 0x3f_003f_003f_003f | bits >> 2 & 0x0fc0_0fc0_0fc0_0fc0;
    let bits = bits & 0x0fff_0000_0fff | bits >> 4 & 0xff_f000_00ff_f000;
    bits & 0xff_ffff | bits >> 8 & 0xffff_ff00_0000
}
