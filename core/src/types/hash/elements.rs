//! The fields of a large hash: each in one slot, named by a handle of four bytes.
//!
//! ```text
//! page  ┌ slot ┬ slot ┬ slot ┬ ...     handle = page, slot       slot: see `field.rs`
//! ```
//! A page has up to [`PAGE_LEN`] slots of one size (16, 24, 32, ... bytes: an allocator's classes would put 33 bytes
//! in 48). Freed slots of a page form a list through their own second bytes; slots never used yet are not on it. Pages
//! with room are linked by class; a page that becomes empty gives its slots back. The last page of a class
//! grows as it fills, so that a small hash is small: handles stay, as they are no addresses.
//! Fields that no slot can hold are boxed each ([`Boxed`]), under handles with the top bit set.
//!
//! Removals that leave a class half empty are followed by moves from one of its pages to another
//! ([`Elements::relocate`]), so that a hash which shrinks gives memory back however the removed ones lay.
//!
//! Handles bound a hash to 2^31 fields of either kind; [`Elements::insert`] says so when they run out.
//! Every step is O(1), but for the growth of one page: 16 KiB copied at the most. As in `zset/elements.rs`, whose elements
//! have a score.
//!
//! Invariant: `used` slots of a page are named by handles that were given out and not freed.

use alloc::boxed::Box;
use alloc::vec;

use super::boxed::Boxed;
use super::field::{FREED, Field, NARROW_LEN_MAX};
use crate::types::members::Handle;
use crate::types::members::chunks::Chunks;

/// Bits of a handle that number the slot in its page.
const PAGE_BITS: u32 = if cfg!(any(miri, fuzzing, test)) { 3 } else { 7 };
/// Slots of a page.
const PAGE_LEN: usize = 1 << PAGE_BITS;
/// Pages: as many as 31 bits number.
const PAGES_MAX: usize = if cfg!(any(miri, fuzzing, test)) { 1 << 12 } else { 1 << (31 - PAGE_BITS) };
/// Below so many pages a page grows by quarters, above by doubling.
const PAGES_SMALL_MAX: usize = 8;
/// Pages of one chunk of their list.
const CHUNK_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 4 } else { 256 };
/// Sizes of slots: 8 bytes apart, from 64 on four to a doubling.
const STRIDES: [u16; 15] = [16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256];
/// The list of pages without slots.
const VACANT: u8 = 15;
/// Marks handles of boxed fields.
const LARGE: u32 = 1 << 31;
/// End of a list of pages.
const NO_PAGE: u32 = u32::MAX;
/// End of a list of slots.
const NO_SLOT: u8 = u8::MAX;

const _: () = assert!(STRIDES.len() == VACANT as usize && PAGE_LEN < NO_SLOT as usize);
const _: () = assert!(STRIDES[STRIDES.len() - 1] as usize == NARROW_LEN_MAX);

/// Page and slot.
#[inline]
fn place(handle: Handle) -> (usize, usize) {
    ((handle.get() >> PAGE_BITS) as usize, handle.get() as usize % PAGE_LEN)
}

#[inline]
fn large(handle: Handle) -> Option<usize> {
    (handle.get() & LARGE != 0).then_some((handle.get() & !LARGE) as usize)
}

#[derive(Debug)]
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

/// All fields of a hash.
#[derive(Debug)]
pub(super) struct Elements {
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

fn in_box(field: Field<'_>) -> Box<[u8]> {
    let mut bytes = vec![0; field.len()];
    field.write(&mut bytes);
    bytes.into_boxed_slice()
}

/// The class of a field's length, if a slot can hold it.
#[inline]
fn class_of(len: usize) -> Option<u8> {
    let class = STRIDES.iter().position(|&stride| len <= usize::from(stride))?;
    u8::try_from(class).ok()
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

    /// Takes a slot; the page has room. Returns by how many slots the page grew.
    fn take_slot(&mut self, in_small_hash: bool) -> (u8, u32) {
        self.used += 1;
        if self.free != NO_SLOT {
            let slot = self.free;
            self.free = self.slot(usize::from(slot))[1];
            return (slot, 0);
        }
        self.fresh += 1;
        let slot = self.fresh - 1;
        let len = self.slots.len() / usize::from(self.stride);
        if usize::from(slot) < len {
            return (slot, 0);
        }
        let step = if in_small_hash { len / 4 } else { len }.max(8).min(PAGE_LEN - len);
        let mut slots = core::mem::take(&mut self.slots).into_vec();
        slots.reserve_exact(step * usize::from(self.stride));
        slots.resize((len + step) * usize::from(self.stride), 0);
        self.slots = slots.into_boxed_slice();
        (slot, u32::try_from(step).unwrap_or(0))
    }

    /// The last slot that is in use.
    fn last_used(&self) -> Option<usize> {
        (0..usize::from(self.fresh)).rev().find(|&slot| self.slot(slot)[0] != FREED)
    }
}

impl Elements {
    pub(super) const fn new() -> Self {
        Self {
            pages: Chunks::new(),
            roomy: [NO_PAGE; STRIDES.len() + 1],
            slots: [0; STRIDES.len()],
            used: [0; STRIDES.len()],
            sparse: None,
            boxed: Boxed::new(),
        }
    }

    /// Memory of all fields.
    pub(super) fn bytes(&self) -> usize {
        let slots =
            self.slots.iter().zip(STRIDES).map(|(&slots, stride)| slots as usize * usize::from(stride));
        slots.sum::<usize>() + self.pages.bytes() + self.boxed.bytes()
    }

    /// Adds a field; `None` when no handle is left for it.
    pub(super) fn insert(&mut self, field: Field<'_>) -> Option<Handle> {
        let Some(class) = class_of(field.len()) else {
            return self.boxed.insert(in_box(field)).map(|number| Handle::new(number | LARGE));
        };
        let index = self.roomy_page(class)?;
        Some(self.fill_slot(index, |bytes| field.write(bytes)))
    }

    /// Writes a field over another one; `false` when its slot is of another size.
    pub(super) fn overwrite(&mut self, handle: Handle, field: Field<'_>) -> bool {
        let class = class_of(field.len());
        if let Some(number) = large(handle) {
            if class.is_none() {
                self.boxed.replace(number, in_box(field));
            }
            return class.is_none();
        }
        let (page, slot) = place(handle);
        let page = &mut self.pages[page];
        let fits = class == Some(page.class);
        if fits {
            field.write(page.slot_mut(slot));
        }
        fits
    }

    /// Takes a slot of a page that has room.
    fn fill_slot(&mut self, index: u32, fill: impl FnOnce(&mut [u8])) -> Handle {
        let in_small_hash = self.pages.len() < PAGES_SMALL_MAX;
        let page = &mut self.pages[index as usize];
        let (class, (slot, grown)) = (usize::from(page.class), page.take_slot(in_small_hash));
        fill(page.slot_mut(usize::from(slot)));
        let is_full = usize::from(page.used) == PAGE_LEN;
        self.slots[class] += grown;
        self.used[class] += 1;
        if is_full {
            self.unlink(index);
        }
        Handle::new(index << PAGE_BITS | u32::from(slot))
    }

    /// Copies a field of a class that is half empty to another page; `None` when there is no such class. Whoever
    /// knows its old handle has to learn the new one, then the old one has to be removed.
    pub(super) fn relocate(&mut self) -> Option<(Handle, Handle)> {
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
        let slot = page.last_used()?;
        let mut copy = [0; NARROW_LEN_MAX];
        let copy = &mut copy[..usize::from(page.stride)];
        copy.copy_from_slice(page.slot(slot));
        let old = Handle::new(from << PAGE_BITS | u32::try_from(slot).ok()?);
        Some((old, self.fill_slot(to, |bytes| bytes.copy_from_slice(copy))))
    }

    /// The field of a handle.
    #[inline]
    pub(super) fn get(&self, handle: Handle) -> Field<'_> {
        if let Some(number) = large(handle) {
            let Some(bytes) = self.boxed.get(number) else {
                unreachable!("a handle names a field that is there")
            };
            return Field::read(bytes);
        }
        let (page, slot) = place(handle);
        Field::read(self.pages[page].slot(slot))
    }

    /// All handles, as their fields lie in memory.
    pub(super) fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        let pages = (0..self.pages.len()).flat_map(move |index| {
            let page = &self.pages[index];
            let slots = (0..usize::from(page.fresh)).filter(|&slot| page.slot(slot)[0] != FREED);
            slots.filter_map(move |slot| u32::try_from(index << PAGE_BITS | slot).ok()).map(Handle::new)
        });
        let boxed = (0..self.boxed.len()).filter(|&number| self.boxed.get(number).is_some());
        pages.chain(
            boxed.filter_map(|number| u32::try_from(number).ok()).map(|number| Handle::new(number | LARGE)),
        )
    }

    /// Asks the processor to fetch a field.
    #[inline]
    pub(super) fn prefetch(&self, handle: Handle) {
        let (page, slot) = place(handle);
        if let Some(page) = self.pages.get(page) {
            let start = slot * usize::from(page.stride);
            crate::prefetch::prefetch_slice(page.slots.get(start..).unwrap_or_default());
        }
    }

    /// Gives a field that has an expiry another one.
    pub(super) fn set_time(&mut self, handle: Handle, at: i64) {
        let bytes = match large(handle) {
            Some(number) => self.boxed.get_mut(number),
            None => {
                let (page, slot) = place(handle);
                self.pages[page].slot_mut(slot)
            }
        };
        Field::set_time(bytes, at);
    }

    /// Removes a field.
    pub(super) fn remove(&mut self, handle: Handle) {
        if let Some(index) = large(handle) {
            return self.boxed.remove(index);
        }
        let (index, slot) = place(handle);
        let page = &mut self.pages[index];
        let (next, class) = (page.free, page.class);
        let bytes = page.slot_mut(slot);
        (bytes[0], bytes[1]) = (FREED, next);
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

    /// Frees a page, or some boxed fields, of a hash that is being torn down; `false` when nothing is left.
    pub(super) fn dismantle_page(&mut self) -> bool {
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
    pub(super) fn check(&self, len: usize) {
        let (mut used, mut slots) = ([0; STRIDES.len()], [0; STRIDES.len()]);
        for index in 0..self.pages.len() {
            let page = &self.pages[index];
            assert!(page.used <= page.fresh && usize::from(page.fresh) <= PAGE_LEN);
            assert_eq!(page.used == 0, page.class == VACANT);
            if page.class != VACANT {
                used[usize::from(page.class)] += u32::from(page.used);
                slots[usize::from(page.class)] += page.len();
                let live = (0..usize::from(page.fresh)).filter(|&slot| page.slot(slot)[0] != FREED).count();
                assert_eq!(live, usize::from(page.used));
            }
        }
        assert_eq!((used, slots), (self.used, self.slots));
        assert_eq!(self.boxed.check() + used.iter().sum::<u32>() as usize, len);
    }
}
