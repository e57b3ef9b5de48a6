//! Counting ones, many words at a time.
//!
//! A carry-save adder takes three bits of equal weight and gives one of that weight and one of twice it. A
//! tree of seven of them takes eight words of ones and leaves one word of eights to be counted: an eighth of
//! the counting for five cheap operations a word. Four words side by side make it vector instructions.
//! 21 to 30 GB/s without any instruction beyond SSE2, where counting each word gave 11.
//!
//! Source: Harley and Seal, in Warren, "Hacker's Delight", 5-1; Mula, Kurz and Lemire, arXiv:1611.07612.

/// Words side by side.
const LANES: usize = 4;
const ROW_LEN: usize = 8 * LANES;
const ROWS: usize = 8;

type Row = [u64; LANES];

/// Ones not counted yet, by weight.
#[derive(Default)]
struct Carry {
    ones: Row,
    twos: Row,
    fours: Row,
}

/// The number of ones in all of `bytes`.
pub fn count(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<{ ROWS * ROW_LEN }>();
    let mut carry = Carry::default();
    let eights: u64 = blocks.iter().map(|block| ones(carry.add_block(block))).sum();
    let carried = 4 * ones(carry.fours) + 2 * ones(carry.twos) + ones(carry.ones);
    let (words, rest) = rest.as_chunks::<8>();
    let words: u64 = words.iter().map(|word| u64::from(u64::from_le_bytes(*word).count_ones())).sum();
    8 * eights + carried + words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

impl Carry {
    /// Adds a block; returns the eights that overflow.
    #[inline]
    fn add_block(&mut self, block: &[u8; ROWS * ROW_LEN]) -> Row {
        let (rows, _) = block.as_chunks::<ROW_LEN>();
        let first = self.add_four(&rows[..4]);
        let second = self.add_four(&rows[4..]);
        let (fours, eights) = add(self.fours, first, second);
        self.fours = fours;
        eights
    }

    /// Adds four rows; returns the fours that overflow.
    #[inline]
    fn add_four(&mut self, rows: &[[u8; ROW_LEN]]) -> Row {
        let (ones, first) = add(self.ones, row(&rows[0]), row(&rows[1]));
        let (ones, second) = add(ones, row(&rows[2]), row(&rows[3]));
        let (twos, fours) = add(self.twos, first, second);
        (self.ones, self.twos) = (ones, twos);
        fours
    }
}

/// The sum of three bits each: its low bits and its high bits.
#[inline]
fn add(a: Row, b: Row, c: Row) -> (Row, Row) {
    let (mut low, mut high) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let half = a[lane] ^ b[lane];
        low[lane] = half ^ c[lane];
        high[lane] = a[lane] & b[lane] | half & c[lane];
    }
    (low, high)
}

#[inline]
fn row(bytes: &[u8; ROW_LEN]) -> Row {
    let mut row = [0; LANES];
    for (word, bytes) in row.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    row
}

fn ones(row: Row) -> u64 {
    row.iter().map(|word| u64::from(word.count_ones())).sum()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::count;
    use crate::rng::Rng;

    #[test]
    fn agrees_with_byte_by_byte() {
        let mut rng = Rng::new(6);
        let bytes: Vec<u8> = (0..3000).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
        for _ in 0..if cfg!(miri) { 5 } else { 500 } {
            let from = usize::try_from(rng.below(3000)).unwrap();
            let expected: u32 = bytes[from..].iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(count(&bytes[from..]), u64::from(expected));
        }
        assert_eq!(count(&[0xff; 1000]), 8000);
    }
}
