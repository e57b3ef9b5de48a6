//! Memory for small entries: pages of slots of one size, in steps of 8 bytes.
//!
//! The usual allocators' classes are 16 bytes apart, which would put an entry of 38 bytes in 48; here it gets
//! 40. A page is 16 KiB, aligned to its size (jemalloc would take as much for a smaller aligned one), so that a slot's page is found by masking its address:
//!
//! ```text
//! page ┌ next ┬ prev ┬ free ┬ fresh ┬ used ┬ class ┐ 32 bytes
//!      ├ slot ┼ slot ┼ slot ┼ ...                  │
//! ```
//!
//! Free slots of a page form a list through their own first bytes; slots never used yet are not on it
//! (`fresh` counts up to them), so a new page costs no walk. Pages with room are linked by class. A page that
//! becomes empty is given back, but one of each class is kept. Every step is O(1).
//! Larger entries go to the global allocator.
#![expect(unsafe_code, reason = "hands out and takes back raw slots of pages")]

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use core::alloc::Layout;
use core::ptr::{self, NonNull};

/// Bytes of a page, and its alignment.
const PAGE_LEN: usize = 16 * 1024;
/// Where slots begin.
const HEADER_LEN: usize = 32;
/// Largest slot; entries above go to the global allocator.
const SLOT_LEN_MAX: usize = 128;
/// Classes: slots of 8, 16, ... bytes (index 0 is never used).
const CLASSES: usize = SLOT_LEN_MAX / 8 + 1;
/// End of a page's list of free slots.
const NONE: u16 = u16::MAX;

#[repr(C)]
struct Page {
    next: *mut Page,
    prev: *mut Page,
    /// First freed slot, by index.
    free: u16,
    /// Slots handed out at least once.
    fresh: u16,
    /// Slots in use.
    used: u16,
    class: u16,
}

const _: () = assert!(size_of::<Page>() <= HEADER_LEN);

/// Pages of slots.
#[derive(Debug)]
pub(super) struct Slab {
    /// Pages with room, by class.
    roomy: [*mut Page; CLASSES],
    bytes: usize,
}

// SAFETY: the pages belong to the slab alone; moving it to another thread moves them.
unsafe impl Send for Slab {}

fn page_layout() -> Layout {
    const { assert!(PAGE_LEN.is_power_of_two()) };
    Layout::from_size_align(PAGE_LEN, PAGE_LEN).unwrap_or(Layout::new::<Page>())
}

fn large_layout(len: usize) -> Layout {
    Layout::from_size_align(len, 8).unwrap_or(Layout::new::<Page>())
}

fn slots_of(class: u16) -> u16 {
    let slots = (PAGE_LEN - HEADER_LEN) / (usize::from(class) * 8);
    u16::try_from(slots).unwrap_or(NONE - 1)
}

/// The class of a length, if a slot can hold it.
fn class_of(len: usize) -> Option<u16> {
    if len > SLOT_LEN_MAX { None } else { u16::try_from(len.div_ceil(8).max(2)).ok() }
}

/// Bytes that an entry of this length really takes.
pub(super) fn taken_len(len: usize) -> usize {
    class_of(len).map_or(len, |class| usize::from(class) * 8)
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self { roomy: [ptr::null_mut(); CLASSES], bytes: 0 }
    }

    /// Bytes of all pages and large entries.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory for `len` bytes, aligned to 8, not initialised.
    #[inline]
    pub(super) fn alloc(&mut self, len: usize) -> NonNull<u8> {
        let Some(class) = class_of(len) else { return self.alloc_large(len) };
        let mut page = self.roomy[usize::from(class)];
        if page.is_null() {
            page = self.new_page(class);
        }
        // SAFETY: pages in `roomy` are live and the slab is borrowed mutably.
        let header = unsafe { &mut *page };
        let index = if header.free == NONE {
            header.fresh += 1;
            header.fresh - 1
        } else {
            header.free
        };
        let slot = slot_at(page, class, index);
        if index == header.free {
            // SAFETY: a slot on the free list begins with the index of the next one.
            header.free = unsafe { slot.cast::<u16>().read() };
        }
        header.used += 1;
        if header.used == slots_of(class) {
            self.unlink(page);
        }
        slot
    }

    /// Takes memory back.
    ///
    /// # Safety
    /// `slot` came from this slab's `alloc` with a length of the same class as `len`, and is not used again.
    #[inline]
    pub(super) unsafe fn free(&mut self, slot: NonNull<u8>, len: usize) {
        let Some(class) = class_of(len) else {
            self.bytes -= len;
            // SAFETY: the caller's contract: it came from `alloc_large` with this length.
            return unsafe { dealloc(slot.as_ptr(), large_layout(len)) };
        };
        let page = slot.as_ptr().map_addr(|addr| addr & !(PAGE_LEN - 1)).cast::<Page>();
        // SAFETY: a slot of a class lies in a live page of this slab, whose start the mask gives.
        let header = unsafe { &mut *page };
        debug_assert_eq!(header.class, class);
        let offset = slot.as_ptr().addr() - page.addr() - HEADER_LEN;
        // SAFETY: the slot is free now and at least 16 bytes long.
        unsafe { slot.cast::<u16>().write(header.free) };
        header.free = u16::try_from(offset / (usize::from(class) * 8)).unwrap_or(NONE);
        header.used -= 1;
        if header.used + 1 == slots_of(class) {
            self.link(page);
        } else if header.used == 0 && !(header.next.is_null() && header.prev.is_null()) {
            self.unlink(page);
            self.bytes -= PAGE_LEN;
            // SAFETY: the page was allocated with this layout, is empty and no longer linked.
            unsafe { dealloc(page.cast(), page_layout()) };
        }
    }

    #[cold]
    fn alloc_large(&mut self, len: usize) -> NonNull<u8> {
        self.bytes += len;
        let layout = large_layout(len);
        // SAFETY: the length is above SLOT_LEN_MAX, so not zero.
        let memory = unsafe { alloc(layout) };
        NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
    }

    #[cold]
    fn new_page(&mut self, class: u16) -> *mut Page {
        let layout = page_layout();
        // SAFETY: the layout's size is not zero.
        let page = unsafe { alloc(layout) }.cast::<Page>();
        if page.is_null() {
            handle_alloc_error(layout);
        }
        let header =
            Page { next: ptr::null_mut(), prev: ptr::null_mut(), free: NONE, fresh: 0, used: 0, class };
        // SAFETY: the page is fresh memory, large and aligned enough for its header.
        unsafe { page.write(header) };
        self.bytes += PAGE_LEN;
        self.link(page);
        page
    }

    /// Puts a page at the head of its class's list.
    fn link(&mut self, page: *mut Page) {
        // SAFETY: the page is live and the slab is borrowed mutably.
        let header = unsafe { &mut *page };
        let head = &mut self.roomy[usize::from(header.class)];
        header.next = *head;
        header.prev = ptr::null_mut();
        // SAFETY: a list's pages are live; null gives None.
        if let Some(old) = unsafe { head.as_mut() } {
            old.prev = page;
        }
        *head = page;
    }

    fn unlink(&mut self, page: *mut Page) {
        // SAFETY: the page is live and the slab is borrowed mutably.
        let header = unsafe { &mut *page };
        let (next, prev) = (header.next, header.prev);
        (header.next, header.prev) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: a list's pages are live and another one than `page`; null gives None.
        if let Some(next) = unsafe { next.as_mut() } {
            next.prev = prev;
        }
        // SAFETY: as above.
        match unsafe { prev.as_mut() } {
            Some(prev) => prev.next = next,
            None => self.roomy[usize::from(header.class)] = next,
        }
    }
}

impl Drop for Slab {
    /// Frees the one empty page that each class may have kept. All slots have been freed by their owner.
    fn drop(&mut self) {
        for class in 0..CLASSES {
            let page = self.roomy[class];
            // SAFETY: linked pages are live; null gives None.
            if unsafe { page.as_ref() }.is_some_and(|header| header.used == 0) {
                self.unlink(page);
                // SAFETY: the page was allocated with this layout and nothing refers to it.
                unsafe { dealloc(page.cast(), page_layout()) };
            }
        }
    }
}

/// Where a slot lies.
#[inline]
fn slot_at(page: *mut Page, class: u16, index: u16) -> NonNull<u8> {
    let offset = HEADER_LEN + usize::from(class) * 8 * usize::from(index);
    debug_assert!(offset + usize::from(class) * 8 <= PAGE_LEN);
    // SAFETY: the offset is within the page, by the number of slots of its class.
    let slot = unsafe { page.cast::<u8>().add(offset) };
    // SAFETY: it points into an allocation.
    unsafe { NonNull::new_unchecked(slot) }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::{PAGE_LEN, Slab, taken_len};
    use crate::engine::Rng;

    #[test]
    fn slots_are_apart_and_memory_comes_back() {
        let (mut slab, mut rng) = (Slab::new(), Rng::new(1));
        let mut live: BTreeMap<usize, (core::ptr::NonNull<u8>, usize, u8)> = BTreeMap::new();
        let rounds = if cfg!(miri) { 400 } else { 60_000 };
        for round in 0..rounds {
            let growing = (round / 5000) % 2 == 0;
            if rng.below(10) < if growing { 7 } else { 3 } || live.is_empty() {
                let len = usize::try_from(rng.below(200) + 1).unwrap();
                let (slot, mark) = (slab.alloc(len), u8::try_from(round % 251).unwrap());
                // SAFETY: the slot has at least `len` bytes.
                unsafe { slot.as_ptr().write_bytes(mark, len) };
                assert!(live.insert(slot.as_ptr().addr(), (slot, len, mark)).is_none());
            } else {
                let keys: Vec<usize> = live.keys().copied().collect();
                let pick = usize::try_from(rng.below(keys.len() as u64)).unwrap();
                let (slot, len, mark) = live.remove(&keys[pick]).unwrap();
                // SAFETY: the slot is live and was filled with `len` bytes.
                let bytes = unsafe { core::slice::from_raw_parts(slot.as_ptr(), len) };
                assert!(bytes.iter().all(|&byte| byte == mark));
                // SAFETY: it came from this slab with this length.
                unsafe { slab.free(slot, len) };
            }
            let needed: usize = live.values().map(|&(_, len, _)| taken_len(len)).sum();
            assert!(slab.bytes() >= needed);
        }
        for (_, (slot, len, _)) in live {
            // SAFETY: it came from this slab with this length.
            unsafe { slab.free(slot, len) };
        }
        assert!(slab.bytes() <= 16 * PAGE_LEN, "one empty page of each class may stay");
    }
}
