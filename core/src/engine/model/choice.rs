//! Decisions that bytes make.

use alloc::vec::Vec;

use crate::rng::Rng;

/// Bytes that decide, one after the other; behind the last of them, random numbers that all of them seed. So few bytes decide
/// much, and each decides the same wherever it stands.
#[derive(Debug)]
pub struct Choice<'d> {
    bytes: &'d [u8],
    rng: Rng,
}

impl<'d> Choice<'d> {
    /// Decisions of these bytes.
    pub fn new(bytes: &'d [u8]) -> Self {
        let seed =
            bytes.iter().fold(1u64, |seed, &byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        Self { bytes, rng: Rng::new(seed) }
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((&first, rest)) => {
                self.bytes = rest;
                first
            }
            None => self.rng.next_u64().to_le_bytes()[0],
        }
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        let byte = usize::from(self.byte());
        if bound <= 256 { byte % bound.max(1) } else { (byte << 8 | usize::from(self.byte())) % bound }
    }

    /// One time in so many.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A few bytes, of which many mean something to the protocol.
    pub fn raw(&mut self) -> Vec<u8> {
        let len = self.below(6);
        (0..len).map(|_| if self.one_in(2) { self.of(b"\r\n\0*$ \"'-\xff") } else { self.byte() }).collect()
    }
}
