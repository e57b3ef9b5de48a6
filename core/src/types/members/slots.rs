//! The elements of a set or a sorted set: each in a slot of its own, named by a handle of four bytes.
//!
//! ```text
//! slot  ┌ head ┬ length 1 ┬ member ┬ rest ┐      page  ┌ slot ┬ slot ┬ slot ┬ ...     handle = page, slot
//! ```
//! The head is what goes with a member: the score of a sorted set's element, nothing for a set's.
//! A page has up to [`PAGE_LEN`] slots of one size (8, 16, 24, ... bytes: an allocator's classes would put 18 bytes
//! in 32). Freed slots of a page form a list through the bytes of their members; slots never used yet are not on it. Pages
//! with room are linked by class; a page that becomes empty gives its slots back. The last page of a class
//! grows as it fills, so that a small set is small: handles stay, as they are no addresses.
//! Elements that no slot can hold are boxed each ([`Boxed`]), under handles with the top bit set.
//!
//! Removals that leave a class half empty are followed by moves from one of its pages to another
//! ([`Slots::relocate`]), so that a set which shrinks gives memory back however the removed ones lay.
//!
//! Handles bound a set to 2^31 elements of either kind; [`Slots::insert`] says so when they run out.
//! Every step is O(1), but for the growth of one page: 16 KiB copied at the most.
//!
//! Invariant: `used` slots of a page are named by handles that were given out and not freed.

use alloc::boxed::Box;

use super::boxed::Boxed;
use super::chunks::Chunks;
use super::handle::Handle;

/// Bits of a handle that number the slot in its page.
const PAGE_BITS: u32 = if cfg!(any(miri, fuzzing, test)) { 3 } else { 7 };
/// Slots of a page.
const PAGE_LEN: usize = 1 << PAGE_BITS;
/// Pages: as many as 31 bits number.
const PAGES_MAX: usize = match () {
    () if cfg!(miri) => 1 << 7,
    () if cfg!(any(fuzzing, test)) => 1 << 12,
    () => 1 << (31 - PAGE_BITS),
};
/// Below so many pages a page grows by quarters, above by doubling.
const PAGES_SMALL_MAX: usize = 8;
/// Pages of one chunk of their list.
const CHUNK_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 4 } else { 256 };
/// Sizes of slots: 8 bytes apart, from 64 on four to a doubling.
const STRIDES: [u16; 16] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256];
/// The largest of them.
const STRIDE_MAX: usize = 256;
/// The list of pages without slots.
const VACANT: u8 = 16;
/// Marks handles of boxed elements.
const LARGE: u32 = 1 << 31;
/// End of a list of pages.
const NO_PAGE: u32 = u32::MAX;
/// End of a list of slots.
const NO_SLOT: u8 = u8::MAX;
/// In place of the length in a freed slot; no member of a slot is so long.
const FREED: u8 = u8::MAX;

const _: () = assert!(STRIDES.len() == VACANT as usize && PAGE_LEN < NO_SLOT as usize);

/// Page and slot of an element that is not boxed.
#[inline]
fn place(handle: Handle) -> (usize, usize) {
    ((handle.get() >> PAGE_BITS) as usize, handle.get() as usize % PAGE_LEN)
}

/// The number of an element that is boxed.
#[inline]
fn boxed_number(handle: Handle) -> Option<usize> {
    (handle.get() & LARGE != 0).then_some((handle.get() & !LARGE) as usize)
}

#[derive(Clone, Debug)]
struct Page {
    slots: Box<[u8]>,
    /// Neighbours in the list of its class, while it has room.
    next: u32,
    prev: u32,
    stride: u16,
    class: u8,
    /// Slots in use.
    used: u8,
    /// Slots handed out at least once.
    fresh: u8,
    /// First freed slot.
    free: u8,
}

/// Elements whose heads have `HEAD` bytes.
#[derive(Clone, Debug)]
pub(in crate::types) struct Slots<const HEAD: usize> {
    pages: Chunks<Page, CHUNK_LEN>,
    /// Pages with room by class; the last list is that of pages without slots.
    roomy: [u32; STRIDES.len() + 1],
    /// Slots by class, used or not.
    slots: [u32; STRIDES.len()],
    /// Slots in use by class.
    used: [u32; STRIDES.len()],
    /// A class that is half empty.
    sparse: Option<u8>,
    boxed: Boxed,
}

/// The class of an element's length, if a slot can hold it.
#[inline]
fn class_of(len: usize) -> Option<u8> {
    let class = STRIDES.iter().position(|&stride| len <= usize::from(stride))?;
    u8::try_from(class).ok()
}

/// Parts the head from what follows it.
#[inline]
fn split<const HEAD: usize>(bytes: &[u8]) -> (&[u8; HEAD], &[u8]) {
    let Some(parts) = bytes.split_first_chunk() else { unreachable!("an element has a head") };
    parts
}

/// Walks through the members: slots page by page, then boxes.
#[derive(Clone, Debug)]
pub(in crate::types) struct Members<'a, const HEAD: usize> {
    slots: &'a Slots<HEAD>,
    page: usize,
    slot: usize,
    boxed: usize,
}

impl<'a, const HEAD: usize> Iterator for Members<'a, HEAD> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(page) = self.slots.pages.get(self.page) {
            while self.slot < usize::from(page.fresh) {
                self.slot += 1;
                if page.slot(self.slot - 1)[HEAD] != FREED {
                    return Some(page.element::<HEAD>(self.slot - 1).1);
                }
            }
            (self.page, self.slot) = (self.page + 1, 0);
        }
        let (bytes, next) = self.slots.boxed.next_from(self.boxed)?;
        self.boxed = next;
        Some(split::<HEAD>(bytes).1)
    }
}

impl Page {
    fn vacant() -> Self {
        let (next, prev) = (NO_PAGE, NO_PAGE);
        Self { slots: Box::default(), next, prev, stride: 0, class: VACANT, used: 0, fresh: 0, free: NO_SLOT }
    }

    /// Slots it has, used or not.
    fn len(&self) -> u32 {
        u32::try_from(self.slots.len() / usize::from(self.stride)).unwrap_or(0)
    }

    #[inline]
    fn slot(&self, slot: usize) -> &[u8] {
        let stride = usize::from(self.stride);
        &self.slots[slot * stride..(slot + 1) * stride]
    }

    #[inline]
    fn slot_mut(&mut self, slot: usize) -> &mut [u8] {
        let stride = usize::from(self.stride);
        &mut self.slots[slot * stride..(slot + 1) * stride]
    }

    /// Head and member of a slot that is in use.
    #[inline]
    fn element<const HEAD: usize>(&self, slot: usize) -> (&[u8; HEAD], &[u8]) {
        let (head, rest) = split(self.slot(slot));
        (head, &rest[1..1 + usize::from(rest[0])])
    }

    /// Takes a slot; the page has room. Returns by how many slots the page grew.
    fn take_slot(&mut self, head_len: usize, in_small_set: bool) -> (u8, u32) {
        self.used += 1;
        if self.free != NO_SLOT {
            let slot = self.free;
            self.free = self.slot(usize::from(slot))[head_len + 1];
            return (slot, 0);
        }
        self.fresh += 1;
        let slot = self.fresh - 1;
        let len = self.slots.len() / usize::from(self.stride);
        if usize::from(slot) < len {
            return (slot, 0);
        }
        let step = if in_small_set { len / 4 } else { len }.max(8).min(PAGE_LEN - len);
        let mut slots = core::mem::take(&mut self.slots).into_vec();
        slots.reserve_exact(step * usize::from(self.stride));
        slots.resize((len + step) * usize::from(self.stride), 0);
        self.slots = slots.into_boxed_slice();
        (slot, u32::try_from(step).unwrap_or(0))
    }

    /// The last slot that is in use.
    fn last_used(&self, head_len: usize) -> Option<usize> {
        (0..usize::from(self.fresh)).rev().find(|&slot| self.slot(slot)[head_len] != FREED)
    }
}

impl<const HEAD: usize> Slots<HEAD> {
    pub(in crate::types) const fn new() -> Self {
        Self {
            pages: Chunks::new(),
            roomy: [NO_PAGE; STRIDES.len() + 1],
            slots: [0; STRIDES.len()],
            used: [0; STRIDES.len()],
            sparse: None,
            boxed: Boxed::new(),
        }
    }

    /// Memory of all elements.
    pub(in crate::types) fn bytes(&self) -> usize {
        let slots =
            self.slots.iter().zip(STRIDES).map(|(&slots, stride)| slots as usize * usize::from(stride));
        slots.sum::<usize>() + self.pages.bytes() + self.boxed.bytes()
    }

    /// Adds an element; `None` when no handle is left for it.
    pub(in crate::types) fn insert(&mut self, head: [u8; HEAD], member: &[u8]) -> Option<Handle> {
        let class = class_of(HEAD + 1 + member.len()).filter(|_| member.len() < usize::from(FREED));
        let Some(class) = class else {
            return self.boxed.insert(&head, member).map(|number| Handle::new(number | LARGE));
        };
        let index = self.roomy_page(class)?;
        Some(self.fill_slot(index, |bytes| {
            bytes[..HEAD].copy_from_slice(&head);
            bytes[HEAD] = u8::try_from(member.len()).unwrap_or(FREED);
            bytes[HEAD + 1..=HEAD + member.len()].copy_from_slice(member);
        }))
    }

    /// Takes a slot of a page that has room.
    fn fill_slot(&mut self, index: u32, fill: impl FnOnce(&mut [u8])) -> Handle {
        let in_small_set = self.pages.len() < PAGES_SMALL_MAX;
        let page = &mut self.pages[index as usize];
        let (class, (slot, grown)) = (usize::from(page.class), page.take_slot(HEAD, in_small_set));
        fill(page.slot_mut(usize::from(slot)));
        let is_full = usize::from(page.used) == PAGE_LEN;
        self.slots[class] += grown;
        self.used[class] += 1;
        if is_full {
            self.unlink(index);
        }
        Handle::new(index << PAGE_BITS | u32::from(slot))
    }

    /// Copies an element of a class that is half empty to another page; `None` when there is no such class. Whoever
    /// knows its old handle has to learn the new one, then the old one has to be removed.
    pub(in crate::types) fn relocate(&mut self) -> Option<(Handle, Handle)> {
        let class = usize::from(self.sparse?);
        if self.slots[class] as usize <= 2 * self.used[class] as usize + PAGE_LEN {
            self.sparse = None;
            return None;
        }
        // More than a page of slots is free, so that at least two pages have room.
        let first = self.roomy[class];
        let second = self.pages[first as usize].next;
        let (from, to) = match self.pages.get(second as usize) {
            Some(page) if page.used < self.pages[first as usize].used => (second, first),
            Some(_) => (first, second),
            None => return None,
        };
        let page = &self.pages[from as usize];
        let slot = page.last_used(HEAD)?;
        let mut copy = [0; STRIDE_MAX];
        let copy = &mut copy[..usize::from(page.stride)];
        copy.copy_from_slice(page.slot(slot));
        let old = Handle::new(from << PAGE_BITS | u32::try_from(slot).ok()?);
        Some((old, self.fill_slot(to, |bytes| bytes.copy_from_slice(copy))))
    }

    /// Head and member of a handle.
    #[inline]
    pub(in crate::types) fn get(&self, handle: Handle) -> (&[u8; HEAD], &[u8]) {
        if let Some(index) = boxed_number(handle) {
            return split(self.boxed.bytes_of(index));
        }
        let (page, slot) = place(handle);
        self.pages[page].element(slot)
    }

    /// Asks the processor to fetch an element.
    #[inline]
    pub(in crate::types) fn prefetch(&self, handle: Handle) {
        let (page, slot) = place(handle);
        if let Some(page) = self.pages.get(page) {
            let start = slot * usize::from(page.stride);
            crate::prefetch::prefetch_slice(page.slots.get(start..).unwrap_or_default());
        }
    }

    /// The head of a handle's element, to be changed.
    pub(in crate::types) fn head_mut(&mut self, handle: Handle) -> &mut [u8] {
        let bytes = match boxed_number(handle) {
            Some(index) => self.boxed.bytes_mut(index),
            None => {
                let (page, slot) = place(handle);
                self.pages[page].slot_mut(slot)
            }
        };
        &mut bytes[..HEAD]
    }

    /// The members, in the order in which they lie.
    pub(in crate::types) fn members(&self) -> Members<'_, HEAD> {
        Members { slots: self, page: 0, slot: 0, boxed: 0 }
    }

    /// Removes an element.
    pub(in crate::types) fn remove(&mut self, handle: Handle) {
        if let Some(index) = boxed_number(handle) {
            return self.boxed.remove(index);
        }
        let (index, slot) = place(handle);
        let page = &mut self.pages[index];
        let (next, class) = (page.free, page.class);
        let bytes = page.slot_mut(slot);
        (bytes[HEAD], bytes[HEAD + 1]) = (FREED, next);
        page.free = u8::try_from(slot).unwrap_or(NO_SLOT);
        page.used -= 1;
        let (used, number) = (usize::from(page.used), handle.get() >> PAGE_BITS);
        if used == 0 {
            self.vacate(number);
        } else if used + 1 == PAGE_LEN {
            self.link(number);
        }
        self.used[usize::from(class)] -= 1;
        self.note_sparse(class);
    }

    /// Frees a page, or some boxed elements, of a set that is being torn down; `false` when nothing is left.
    pub(in crate::types) fn dismantle_page(&mut self) -> bool {
        let page = self.pages.pop();
        if let Some(page) = page.as_ref().filter(|page| page.class != VACANT) {
            self.slots[usize::from(page.class)] -= page.len();
        }
        self.boxed.dismantle(PAGE_LEN) || page.is_some()
    }

    /// Remembers a class that is half empty.
    #[inline]
    fn note_sparse(&mut self, class: u8) {
        let index = usize::from(class);
        if self.slots[index] as usize > 2 * self.used[index] as usize + PAGE_LEN {
            self.sparse = Some(class);
        }
    }

    /// A page of a class that has room.
    fn roomy_page(&mut self, class: u8) -> Option<u32> {
        if self.roomy[usize::from(class)] == NO_PAGE {
            self.open_page(class)?;
        }
        Some(self.roomy[usize::from(class)])
    }

    #[cold]
    fn open_page(&mut self, class: u8) -> Option<()> {
        let mut index = self.roomy[usize::from(VACANT)];
        if index == NO_PAGE {
            index = u32::try_from(self.pages.len()).ok().filter(|&index| (index as usize) < PAGES_MAX)?;
            self.pages.push(Page::vacant());
        } else {
            self.unlink(index);
        }
        let page = &mut self.pages[index as usize];
        page.class = class;
        page.stride = STRIDES[usize::from(class)];
        self.link(index);
        Some(())
    }

    /// Takes the slots of an empty page back.
    #[cold]
    fn vacate(&mut self, index: u32) {
        self.unlink(index);
        let page = core::mem::replace(&mut self.pages[index as usize], Page::vacant());
        self.slots[usize::from(page.class)] -= page.len();
        self.link(index);
        // Two at the most: what a single removal does stays bounded, and the list still gets shorter.
        for _ in 0..2 {
            let Some(last) = self.pages.len().checked_sub(1).filter(|&last| self.pages[last].class == VACANT)
            else {
                return;
            };
            self.unlink(u32::try_from(last).unwrap_or(NO_PAGE));
            self.pages.pop();
        }
    }

    /// Puts a page at the head of its class's list.
    fn link(&mut self, index: u32) {
        let class = usize::from(self.pages[index as usize].class);
        let head = core::mem::replace(&mut self.roomy[class], index);
        let page = &mut self.pages[index as usize];
        (page.next, page.prev) = (head, NO_PAGE);
        if head != NO_PAGE {
            self.pages[head as usize].prev = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let page = &self.pages[index as usize];
        let (next, prev, class) = (page.next, page.prev, usize::from(page.class));
        if next != NO_PAGE {
            self.pages[next as usize].prev = prev;
        }
        if prev == NO_PAGE {
            self.roomy[class] = next;
        } else {
            self.pages[prev as usize].next = next;
        }
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(in crate::types) fn check(&self, len: usize) {
        let (mut used, mut slots) = ([0; STRIDES.len()], [0; STRIDES.len()]);
        for index in 0..self.pages.len() {
            let page = &self.pages[index];
            assert!(page.used <= page.fresh && usize::from(page.fresh) <= PAGE_LEN);
            assert_eq!(page.used == 0, page.class == VACANT);
            if page.class != VACANT {
                used[usize::from(page.class)] += u32::from(page.used);
                slots[usize::from(page.class)] += page.len();
                let live =
                    (0..usize::from(page.fresh)).filter(|&slot| page.slot(slot)[HEAD] != FREED).count();
                assert_eq!(live, usize::from(page.used));
            }
        }
        assert_eq!((used, slots), (self.used, self.slots));
        assert_eq!(self.boxed.check() + used.iter().sum::<u32>() as usize, len);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Handle, PAGE_LEN, PAGES_MAX, Slots};
    use crate::engine::Rng;

    fn elements_stay_apart_and_memory_comes_back<const HEAD: usize>(seed: u64) {
        let (mut slots, mut rng) = (Slots::<HEAD>::new(), Rng::new(seed));
        let mut live: Vec<(Handle, [u8; HEAD], Vec<u8>)> = Vec::new();
        let (rounds, mut bytes_max) = (if cfg!(miri) { 400 } else { 20_000 }, 0);
        for round in 0..rounds {
            if rng.below(10) < if (round / 2000) % 2 == 0 { 7 } else { 3 } || live.is_empty() {
                let len = if rng.below(20) == 0 { rng.below(2000) } else { rng.below(270) };
                let member: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
                let head = [u8::try_from(round % 256).unwrap(); HEAD];
                let handle = slots.insert(head, &member).unwrap();
                assert!(live.iter().all(|(other, _, _)| *other != handle));
                live.push((handle, head, member));
            } else {
                let pick = usize::try_from(rng.below(live.len() as u64)).unwrap();
                let (handle, _, _) = live.swap_remove(pick);
                slots.remove(handle);
            }
            if let Some((handle, head, _)) = live.last_mut() {
                head.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                slots.head_mut(*handle).copy_from_slice(head);
            }
            if round % 50 == 0 {
                slots.check(live.len());
                bytes_max = bytes_max.max(slots.bytes());
                for (handle, head, member) in &live {
                    assert_eq!(slots.get(*handle), (head, &member[..]));
                }
                let mut members: Vec<&[u8]> = slots.members().collect();
                let mut expected: Vec<&[u8]> = live.iter().map(|(_, _, member)| &member[..]).collect();
                members.sort_unstable();
                expected.sort_unstable();
                assert_eq!(members, expected);
            }
        }
        live.iter().for_each(|(handle, _, _)| slots.remove(*handle));
        slots.check(0);
        assert!(slots.bytes() < bytes_max / 8, "{} of {bytes_max}", slots.bytes());
    }

    #[test]
    fn elements_with_and_without_heads() {
        elements_stay_apart_and_memory_comes_back::<8>(1);
        elements_stay_apart_and_memory_comes_back::<0>(2);
    }

    #[test]
    fn handles_run_out() {
        let mut slots = Slots::<8>::new();
        let mut handles: Vec<Handle> = core::iter::from_fn(|| slots.insert([1; 8], b"member")).collect();
        assert_eq!(handles.len(), PAGES_MAX * PAGE_LEN);
        slots.remove(handles.swap_remove(77));
        assert!(slots.insert([2; 8], b"another").is_some());
        assert!(slots.insert([2; 8], b"another").is_none());
    }
}
