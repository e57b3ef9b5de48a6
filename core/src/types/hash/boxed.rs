//! Fields too large for a slot: each in a box of its own, named by a number.
//!
//! Numbers that are free form a list, in both directions so that the last ones can be given up. As in `zset/boxed.rs`,
//! but that a box can be exchanged.

use alloc::boxed::Box;

use crate::types::members::chunks::Chunks;

/// Boxes of one chunk of the list.
const CHUNK_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 4 } else { 256 };
/// Numbers are below this: 31 bits, the last of which stands for no handle at all.
const NUMBERS_MAX: usize = (1 << 31) - 1;
/// End of the list.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
enum Slot {
    Taken(Box<[u8]>),
    /// Its neighbours in the list.
    Free {
        next: u32,
        prev: u32,
    },
}

/// Bytes in boxes.
#[derive(Debug)]
pub(super) struct Boxed {
    slots: Chunks<Slot, CHUNK_LEN>,
    free: u32,
    /// Memory of the boxes.
    bytes: usize,
}

impl Boxed {
    pub(super) const fn new() -> Self {
        Self { slots: Chunks::new(), free: NONE, bytes: 0 }
    }

    /// Memory of all boxes and their list.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.slots.bytes()
    }

    /// Numbers are below this.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds a box; `None` when no number is left for it.
    #[cold]
    pub(super) fn insert(&mut self, bytes: Box<[u8]>) -> Option<u32> {
        if self.free == NONE {
            let number = u32::try_from(self.slots.len()).ok().filter(|_| self.slots.len() < NUMBERS_MAX)?;
            self.slots.push(Slot::Free { next: NONE, prev: NONE });
            self.free = number;
        }
        let number = self.free;
        self.unlink(number);
        self.bytes += bytes.len();
        self.slots[number as usize] = Slot::Taken(bytes);
        Some(number)
    }

    /// What a number names.
    #[cold]
    pub(super) fn get(&self, number: usize) -> Option<&[u8]> {
        match self.slots.get(number) {
            Some(Slot::Taken(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Same, to change it or to put another box in its place, by [`Self::replace`].
    #[cold]
    pub(super) fn get_mut(&mut self, number: usize) -> &mut [u8] {
        let Slot::Taken(bytes) = &mut self.slots[number] else {
            unreachable!("a handle names a field that is there")
        };
        bytes
    }

    /// Puts a box in the place of another.
    #[cold]
    pub(super) fn replace(&mut self, number: usize, new: Box<[u8]>) {
        self.bytes += new.len();
        if let Slot::Taken(old) = core::mem::replace(&mut self.slots[number], Slot::Taken(new)) {
            self.bytes -= old.len();
        }
    }

    #[cold]
    pub(super) fn remove(&mut self, number: usize) {
        let free = Slot::Free { next: self.free, prev: NONE };
        if let Slot::Taken(bytes) = core::mem::replace(&mut self.slots[number], free) {
            self.bytes -= bytes.len();
        }
        let name = u32::try_from(number).unwrap_or(NONE);
        let old = core::mem::replace(&mut self.free, name);
        self.relink(old, |_, prev| *prev = name);
        // Two at the most: what a single removal does stays bounded, and the list still gets shorter.
        for _ in 0..2 {
            if !matches!(self.slots.last(), Some(Slot::Free { .. })) {
                return;
            }
            self.unlink(u32::try_from(self.slots.len() - 1).unwrap_or(NONE));
            self.slots.pop();
        }
    }

    /// Frees some boxes of a hash that is being torn down; `false` when nothing is left.
    pub(super) fn dismantle(&mut self, count: usize) -> bool {
        (0..count).all(|_| {
            let slot = self.slots.pop();
            if let Some(Slot::Taken(bytes)) = &slot {
                self.bytes -= bytes.len();
            }
            slot.is_some()
        })
    }

    /// Takes a free number off the list.
    fn unlink(&mut self, number: u32) {
        let Slot::Free { next, prev } = self.slots[number as usize] else {
            unreachable!("what is on the list is free")
        };
        self.relink(next, |_, its_prev| *its_prev = prev);
        if prev == NONE {
            self.free = next;
        } else {
            self.relink(prev, |its_next, _| *its_next = next);
        }
    }

    fn relink(&mut self, number: u32, change: impl FnOnce(&mut u32, &mut u32)) {
        if number != NONE
            && let Slot::Free { next, prev } = &mut self.slots[number as usize]
        {
            change(next, prev);
        }
    }

    /// Recounts everything. Returns how many boxes there are.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) -> usize {
        let lens = (0..self.slots.len()).filter_map(|number| self.get(number).map(<[u8]>::len));
        let (used, bytes) = lens.fold((0, 0), |(used, bytes), len| (used + 1, bytes + len));
        assert_eq!(bytes, self.bytes);
        let (mut number, mut free) = (self.free, self.slots.len() - used);
        while let Some(Slot::Free { next, .. }) = self.slots.get(number as usize) {
            free -= 1;
            number = *next;
        }
        assert_eq!((number, free), (NONE, 0));
        used
    }
}
