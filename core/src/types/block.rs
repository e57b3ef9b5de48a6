//! A piece of memory for formats that say in their own first bytes how long they are.
//!
//! The box's length is the capacity; how much of it is used, its owner reads from the format. So an owner is two words
//! wide. Capacities are sizes that allocators round to anyway (four to each power of two), so growth costs no memory
//! and an element appended at the end is moved O(log n) times.
//!
//! Invariant: what lies behind the used part means nothing.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::prefetch::prefetch_whole;

/// Allocators hand out no less, or waste the rest.
const CAPACITY_MIN: usize = 16;

/// Up to this capacity a piece is moved by copying it, above by the allocator, which may extend it where it is.
const COPIED_MAX: usize = 4096;

/// So much of a piece is fetched ahead.
const FETCHED_LEN_MAX: usize = 512;

/// What becomes of a piece: `old` bytes at `at` make place for `new` ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) at: usize,
    pub(super) old: usize,
    pub(super) new: usize,
}

/// The memory.
#[derive(Clone, Debug)]
pub(super) struct Block(Box<[u8]>);

/// The capacity for a length: 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, ...
pub(super) fn capacity_for(len: usize) -> usize {
    let step = (len.saturating_sub(1).max(1).ilog2().saturating_sub(2)).min(usize::BITS - 2);
    len.max(1).next_multiple_of((1 << step).max(CAPACITY_MIN))
}

impl Block {
    /// Memory that begins with these bytes.
    pub(super) fn new(bytes: &[u8], len_hint: usize) -> Self {
        let mut all = Vec::with_capacity(capacity_for(bytes.len().max(len_hint)));
        all.extend_from_slice(bytes);
        all.resize(all.capacity(), 0);
        Self(all.into_boxed_slice())
    }

    /// Exactly these bytes.
    pub(super) fn from_vec(bytes: Vec<u8>) -> Self {
        Self(bytes.into_boxed_slice())
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Heap memory.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.0.len()
    }

    /// Asks the processor to fetch its first bytes; of more than that it fetches the rest by itself once they are read.
    pub(super) fn prefetch(&self) {
        prefetch_whole(&self.0[..self.0.len().min(FETCHED_LEN_MAX)]);
    }

    /// Makes the change in a block of which `used` bytes are in use. What lies in the new piece is to be written.
    #[inline]
    pub(super) fn change(&mut self, used: usize, change: Change) {
        let Change { at, old, new } = change;
        let wanted = used - old + new;
        self.reserve(wanted);
        if at + old + 1 == used {
            // An end mark alone, as for everything that is appended: not worth a call.
            self.0[at + new] = self.0[at + old];
        } else if old != new {
            self.0.copy_within(at + old..used, at + new);
        }
        if wanted < used {
            self.shrink(wanted);
        }
    }

    /// Makes sure that there are so many bytes.
    #[inline]
    pub(super) fn reserve(&mut self, wanted: usize) {
        if wanted > self.0.len() {
            self.resize(capacity_for(wanted));
        }
    }

    /// Gives memory back when much more than `used` bytes is there.
    #[inline]
    pub(super) fn shrink(&mut self, used: usize) {
        // A quarter of slack, so that growing and shrinking by turns does not move the bytes each time.
        if self.0.len() > capacity_for(used + used / 4) {
            self.resize(capacity_for(used));
        }
    }

    /// Gives back all that is not needed for `used` bytes.
    pub(super) fn shrink_to_fit(&mut self, used: usize) {
        if self.0.len() > capacity_for(used) {
            self.resize(capacity_for(used));
        }
    }

    #[cold]
    fn resize(&mut self, capacity: usize) {
        if capacity <= COPIED_MAX {
            // Freed by its length, which is known, an old piece costs the allocator less than resized by its address.
            let kept = self.0.len().min(capacity);
            let mut bytes = Vec::with_capacity(capacity);
            bytes.extend_from_slice(&self.0[..kept]);
            bytes.resize(capacity, 0);
            self.0 = bytes.into_boxed_slice();
            return;
        }
        let mut bytes = Vec::from(core::mem::take(&mut self.0));
        if capacity > bytes.len() {
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.resize(capacity, 0);
        self.0 = bytes.into_boxed_slice();
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Change, capacity_for};

    #[test]
    fn capacities_are_four_to_a_power_of_two() {
        let sizes = [(0, 16), (7, 16), (16, 16), (17, 32), (128, 128), (129, 160), (256, 256), (257, 320)];
        for (len, capacity) in sizes.into_iter().chain([(8190, 8192), (8193, 10240), (1 << 30, 1 << 30)]) {
            assert_eq!(capacity_for(len), capacity, "{len}");
        }
    }

    #[test]
    fn grows_shrinks_and_keeps_what_is_around() {
        let mut block = Block::new(b"abcdef", 0);
        block.change(6, Change { at: 2, old: 1, new: 30 });
        assert_eq!(
            (&block.bytes()[..2], &block.bytes()[32..35], block.capacity()),
            (&b"ab"[..], &b"def"[..], 48)
        );
        block.change(35, Change { at: 2, old: 30, new: 0 });
        assert_eq!((&block.bytes()[..5], block.capacity()), (&b"abdef"[..], 16));
    }
}
