//! Operations from the fuzzer's bytes.

use vireo_core::rng::Rng;

/// Operations of one run, so that it stays short.
const OPS_MAX: usize = 600;

/// An operation for each two bytes, which seed the random numbers that make it: a byte that changes changes one
/// operation, and bytes that come or go leave those around them as they are.
pub fn ops<Op>(data: &[u8], mut make: impl FnMut(&mut Rng) -> Op) -> Vec<Op> {
    let seeds = data.as_chunks::<2>().0.iter().take(OPS_MAX);
    seeds.map(|seed| make(&mut Rng::new(u64::from(u16::from_le_bytes(*seed))))).collect()
}
