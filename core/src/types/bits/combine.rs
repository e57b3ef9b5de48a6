//! BITOP: whole strings against each other, the shorter ones as if followed by zeros.

use alloc::vec::Vec;

/// Bytes worked on at a time, so that they stay in the nearest cache while all sources pass.
const BLOCK_LEN: usize = if cfg!(any(miri, test)) { 64 } else { 8 * 1024 };

/// The operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOp {
    /// Ones in all sources.
    And,
    /// Ones in any source.
    Or,
    /// Ones in an odd number of sources.
    Xor,
    /// The opposite of the one source.
    Not,
}

impl BitOp {
    /// `AND`, `OR`, `XOR` or `NOT`, in letters of any case. 9.1 has no others.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let names: [(&[u8], _); 4] =
            [(b"and", Self::And), (b"or", Self::Or), (b"xor", Self::Xor), (b"not", Self::Not)];
        names.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, op)| op)
    }
}

/// The result, as long as the longest source. `Not` takes the first source alone.
pub fn combine(op: BitOp, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut result = Vec::with_capacity(len);
    let Some((first, others)) = sources.split_first() else { return result };
    result.extend_from_slice(first);
    result.resize(len, 0);
    if op == BitOp::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
        return result;
    }
    for (index, block) in result.chunks_mut(BLOCK_LEN).enumerate() {
        for source in others {
            apply(op, block, source.get(index * BLOCK_LEN..).unwrap_or_default());
        }
    }
    result
}

/// `block = block op source`, byte by byte.
fn apply(op: BitOp, block: &mut [u8], source: &[u8]) {
    let (both, behind) = block.split_at_mut(block.len().min(source.len()));
    let pairs = both.iter_mut().zip(source);
    match op {
        BitOp::And => {
            pairs.for_each(|(byte, other)| *byte &= other);
            behind.fill(0);
        }
        BitOp::Or => pairs.for_each(|(byte, other)| *byte |= other),
        BitOp::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
        BitOp::Not => {}
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{BitOp, combine};
    use crate::rng::Rng;

    #[test]
    fn agrees_with_byte_by_byte() {
        let mut rng = Rng::new(4);
        for _ in 0..if cfg!(miri) { 30 } else { 2000 } {
            let op = [BitOp::And, BitOp::Or, BitOp::Xor, BitOp::Not][usize::try_from(rng.below(4)).unwrap()];
            let count = if op == BitOp::Not { 1 } else { 1 + rng.below(5) };
            let sources: Vec<Vec<u8>> = (0..count)
                .map(|_| (0..rng.below(300)).map(|_| rng.next_u64().to_le_bytes()[3]).collect())
                .collect();
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let len = sources.iter().map(Vec::len).max().unwrap();
            let expected: Vec<u8> = (0..len)
                .map(|at| {
                    let mut column = sources.iter().map(|source| source.get(at).copied().unwrap_or(0));
                    let first = column.next().unwrap();
                    match op {
                        BitOp::And => column.fold(first, |a, b| a & b),
                        BitOp::Or => column.fold(first, |a, b| a | b),
                        BitOp::Xor => column.fold(first, |a, b| a ^ b),
                        BitOp::Not => !first,
                    }
                })
                .collect();
            assert_eq!(combine(op, &slices), expected);
        }
    }

    #[test]
    fn names() {
        assert_eq!(BitOp::parse(b"aNd"), Some(BitOp::And));
        assert_eq!(BitOp::parse(b"diff"), None);
        assert!(combine(BitOp::And, &[]).is_empty());
    }
}
