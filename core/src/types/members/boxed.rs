//! Elements too large for a slot: each in a box of its own, named by a number.
//!
//! Numbers that are free form a list, in both directions so that the last ones can be given up.

use alloc::boxed::Box;

use super::chunks::Chunks;

/// Boxes of one chunk of the list.
const CHUNK_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 4 } else { 256 };
/// Numbers are below this: 31 bits, the last of which stands for no handle at all.
const NUMBERS_MAX: usize = (1 << 31) - 1;
/// End of the list.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
enum Slot {
    Element(Box<[u8]>),
    /// Its neighbours in the list.
    Free {
        next: u32,
        prev: u32,
    },
}

#[cfg(target_pointer_width = "64")]
static_assertions::assert_eq_size!(Slot, [u8; 16]);

/// Elements in boxes.
#[derive(Clone, Debug)]
pub(in crate::types) struct Boxed {
    slots: Chunks<Slot, CHUNK_LEN>,
    free: u32,
    /// Memory of the boxes.
    bytes: usize,
}

impl Boxed {
    pub(in crate::types) const fn new() -> Self {
        Self { slots: Chunks::new(), free: NONE, bytes: 0 }
    }

    /// Numbers are below this.
    pub(in crate::types) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Memory of all boxes and their list.
    pub(in crate::types) fn bytes(&self) -> usize {
        self.bytes + self.slots.bytes()
    }

    /// Adds an element; `None` when no number is left for it.
    #[cold]
    pub(in crate::types) fn insert(&mut self, bytes: Box<[u8]>) -> Option<u32> {
        if self.free == NONE {
            let number = u32::try_from(self.slots.len()).ok().filter(|_| self.slots.len() < NUMBERS_MAX)?;
            self.slots.push(Slot::Free { next: NONE, prev: NONE });
            self.free = number;
        }
        let number = self.free;
        self.unlink(number);
        self.bytes += bytes.len();
        self.slots[number as usize] = Slot::Element(bytes);
        Some(number)
    }

    /// The bytes of an element.
    #[cold]
    pub(in crate::types) fn bytes_of(&self, number: usize) -> &[u8] {
        let Slot::Element(bytes) = &self.slots[number] else {
            unreachable!("a handle names an element that is there")
        };
        bytes
    }

    /// The first element from a number on, with its own.
    pub(in crate::types) fn first_from(&self, number: usize) -> Option<(usize, &[u8])> {
        (number..self.slots.len()).find_map(|number| match &self.slots[number] {
            Slot::Element(bytes) => Some((number, &**bytes)),
            Slot::Free { .. } => None,
        })
    }

    /// Same as [`Self::bytes_of`], to be changed.
    #[cold]
    pub(in crate::types) fn bytes_mut(&mut self, number: usize) -> &mut [u8] {
        let Slot::Element(bytes) = &mut self.slots[number] else {
            unreachable!("a handle names an element that is there")
        };
        bytes
    }

    /// Puts an element in the place of another.
    #[cold]
    pub(in crate::types) fn replace(&mut self, number: usize, new: Box<[u8]>) {
        self.bytes += new.len();
        if let Slot::Element(old) = core::mem::replace(&mut self.slots[number], Slot::Element(new)) {
            self.bytes -= old.len();
        }
    }

    #[cold]
    pub(in crate::types) fn remove(&mut self, number: usize) {
        let free = Slot::Free { next: self.free, prev: NONE };
        if let Slot::Element(bytes) = core::mem::replace(&mut self.slots[number], free) {
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

    /// Frees the last boxes of a set that is being torn down, at most so many. Returns how many.
    pub(in crate::types) fn dismantle(&mut self, count: usize) -> usize {
        let count = count.min(self.slots.len());
        for _ in 0..count {
            if let Some(Slot::Element(bytes)) = self.slots.pop() {
                self.bytes -= bytes.len();
            }
        }
        count
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

    /// Recounts everything. Returns how many elements there are.
    #[cfg(any(test, fuzzing))]
    pub(in crate::types) fn check(&self) -> usize {
        let (mut used, mut bytes, mut free) = (0, 0, 0);
        for number in 0..self.slots.len() {
            match &self.slots[number] {
                Slot::Element(element) => {
                    used += 1;
                    bytes += element.len();
                }
                Slot::Free { .. } => free += 1,
            }
        }
        assert_eq!(bytes, self.bytes);
        let mut number = self.free;
        while let Some(Slot::Free { next, .. }) = self.slots.get(number as usize) {
            free -= 1;
            number = *next;
        }
        assert_eq!((number, free), (NONE, 0));
        used
    }
}
