//! Memory for entries: slots of one size in pages, pages in blocks.
//!
//! The usual allocators' classes are 16 bytes apart, or an eighth of the size, which would put an entry of 38 bytes in
//! 48 and one of 560 in 640; here they get 40 and 576. A block is 2 MiB, aligned to its size, so that the allocator
//! below can ask the system for a huge page for it; a page is 16 KiB, aligned to its size, so that a slot's page is found
//! by masking its address:
//!
//! ```text
//! block ┌ page ┬ page ┬ page ┬ ...                                 128 pages
//! page  ┌ next ┬ prev ┬ free ┬ fresh ┬ used ┬ left ┬ class ┐       32 bytes
//!       ├ block: next ┬ prev ┬ bit of each free page ┤             32 bytes, in a block's first page alone
//!       ├ slot ┼ slot ┼ slot ┼ ...                         │
//! ```
//!
//! Free slots of a page form a list through their own first bytes; slots never used yet are not on it
//! (`fresh` moves up through them), so a new page costs no walk. Pages with room are linked by class, blocks with free
//! pages in one list. A page that becomes empty goes back to its block, an empty block to the allocator, but one of each
//! kind is kept. Every step is O(1). Larger entries go to the global allocator.
#![expect(unsafe_code, reason = "hands out and takes back raw slots of pages")]

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use core::alloc::Layout;
use core::ptr::{self, NonNull};

/// Bytes of a block, and its alignment: a huge page of most systems.
pub(super) const BLOCK_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 64 * 1024 } else { 2 * 1024 * 1024 };
/// Bytes of a page, and its alignment.
const PAGE_LEN: usize = 16 * 1024;
/// Pages of a block.
const PAGES: usize = BLOCK_LEN / PAGE_LEN;
/// A block's page bits when all are free.
const ALL_FREE: u128 = u128::MAX >> (128 - PAGES);
/// Largest slot; entries above go to the global allocator.
const SLOT_LEN_MAX: usize = 1024;
/// Classes: 8 bytes apart up to 256, 16 up to 512, 32 above (index 0 is never used).
const CLASSES: usize = 65;
/// Offsets of slots are kept in words, so that they fit 16 bits.
const WORD: usize = 8;
/// End of a page's list of free slots.
const NONE: u16 = u16::MAX;

const _: () = assert!(PAGES <= 128 && PAGE_LEN / WORD < NONE as usize);

#[repr(C)]
struct Page {
    next: *mut Page,
    prev: *mut Page,
    /// First freed slot: its offset in words.
    free: u16,
    /// First slot that was never handed out: its offset in words.
    fresh: u16,
    /// Slots in use.
    used: u16,
    /// Slots not in use.
    left: u16,
    class: u16,
}

impl Page {
    /// It is the only one on its list, or on none.
    fn is_alone(&self) -> bool {
        self.next.is_null() && self.prev.is_null()
    }
}

#[repr(C)]
struct Block {
    /// The block's first page.
    page: Page,
    next: *mut Block,
    prev: *mut Block,
    /// A bit for each page that is free.
    free: u128,
}

static_assertions::const_assert!(size_of::<Block>() <= 80);

/// Blocks of pages of slots.
#[derive(Debug)]
pub(super) struct Slab {
    /// Pages with room, by class.
    roomy: [*mut Page; CLASSES],
    /// Blocks with free pages.
    blocks: *mut Block,
    /// Bytes of slots in use.
    slot_bytes: usize,
    /// Bytes of larger entries.
    large_bytes: usize,
}

// SAFETY: the blocks belong to the slab alone; moving it to another thread moves them.
unsafe impl Send for Slab {}

fn block_layout() -> Layout {
    const { assert!(BLOCK_LEN.is_power_of_two()) };
    Layout::from_size_align(BLOCK_LEN, BLOCK_LEN).unwrap_or(Layout::new::<Block>())
}

fn large_layout(len: usize) -> Layout {
    Layout::from_size_align(len, 8).unwrap_or(Layout::new::<Page>())
}

/// The class of a length, if a slot can hold it.
#[inline]
fn class_of(len: usize) -> Option<u16> {
    let class = match len {
        ..=256 => len.div_ceil(8).max(2),
        257..=512 => 32 + (len - 256).div_ceil(16),
        513..=SLOT_LEN_MAX => 48 + (len - 512).div_ceil(32),
        _ => return None,
    };
    u16::try_from(class).ok()
}

/// Bytes of a slot of a class.
#[inline]
fn slot_len(class: u16) -> usize {
    let class = usize::from(class);
    match class {
        ..=32 => class * 8,
        33..=48 => 256 + (class - 32) * 16,
        _ => 512 + (class - 48) * 32,
    }
}

/// Bytes that an entry of this length really takes.
pub(super) fn taken_len(len: usize) -> usize {
    class_of(len).map_or(len, slot_len)
}

/// The block that a page lies in.
#[inline]
fn block_of(page: *mut Page) -> *mut Block {
    page.map_addr(|addr| addr & !(BLOCK_LEN - 1)).cast()
}

/// Where the slots of a page begin.
#[inline]
fn first_slot(page: *mut Page) -> usize {
    if block_of(page).addr() == page.addr() { size_of::<Block>() } else { 32 }
}

static_assertions::const_assert!(size_of::<Page>() <= 32);

/// An offset in words, as pages keep it.
#[inline]
fn in_words(offset: usize) -> u16 {
    u16::try_from(offset / WORD).unwrap_or(NONE)
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self { roomy: [ptr::null_mut(); CLASSES], blocks: ptr::null_mut(), slot_bytes: 0, large_bytes: 0 }
    }

    /// Bytes of slots in use.
    #[inline]
    pub(super) fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// Bytes of slots in use and of larger entries.
    pub(super) fn bytes(&self) -> usize {
        self.slot_bytes + self.large_bytes
    }

    /// Memory for `len` bytes, aligned to 8, not initialised.
    #[inline]
    pub(super) fn alloc(&mut self, len: usize) -> NonNull<u8> {
        let Some(class) = class_of(len) else { return self.alloc_large(len) };
        let mut page = self.roomy[usize::from(class)];
        if page.is_null() {
            page = self.new_page(class);
        }
        self.slot_bytes += slot_len(class);
        // SAFETY: pages in `roomy` are live and the slab is borrowed mutably.
        let header = unsafe { &mut *page };
        let is_fresh = header.free == NONE;
        let at = if is_fresh { header.fresh } else { header.free };
        let slot = slot_at(page, at);
        if is_fresh {
            header.fresh += in_words(slot_len(class));
        } else {
            // SAFETY: a slot on the free list begins with the place of the next one.
            header.free = unsafe { slot.cast::<u16>().read() };
        }
        header.used += 1;
        header.left -= 1;
        if header.left == 0 {
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
            self.large_bytes -= len;
            // SAFETY: the caller's contract: it came from `alloc_large` with this length.
            return unsafe { dealloc(slot.as_ptr(), large_layout(len)) };
        };
        self.slot_bytes -= slot_len(class);
        let page = slot.as_ptr().map_addr(|addr| addr & !(PAGE_LEN - 1)).cast::<Page>();
        // SAFETY: a slot of a class lies in a live page of this slab, whose start the mask gives.
        let header = unsafe { &mut *page };
        debug_assert_eq!(header.class, class);
        // SAFETY: the slot is free now and at least 16 bytes long.
        unsafe { slot.cast::<u16>().write(header.free) };
        header.free = in_words(slot.as_ptr().addr() - page.addr());
        header.used -= 1;
        header.left += 1;
        let (has_room_again, is_empty) = (header.left == 1, header.used == 0);
        if has_room_again {
            self.link(page);
        }
        // SAFETY: as above; linking has changed the header through the pointer.
        if is_empty && !unsafe { &*page }.is_alone() {
            self.unlink(page);
            self.give_page(page);
        }
    }

    #[cold]
    fn alloc_large(&mut self, len: usize) -> NonNull<u8> {
        self.large_bytes += len;
        let layout = large_layout(len);
        // SAFETY: the length is above SLOT_LEN_MAX, so not zero.
        let memory = unsafe { alloc(layout) };
        NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
    }

    #[cold]
    fn new_page(&mut self, class: u16) -> *mut Page {
        let page = self.take_page();
        let first = first_slot(page);
        let left = (PAGE_LEN - first) / slot_len(class);
        let (next, prev) = (ptr::null_mut(), ptr::null_mut());
        let left = u16::try_from(left).unwrap_or(0);
        let header = Page { next, prev, free: NONE, fresh: in_words(first), used: 0, left, class };
        // SAFETY: the page is free memory of its block, large and aligned enough for its header.
        unsafe { page.write(header) };
        self.link(page);
        page
    }

    /// A free page of some block.
    fn take_page(&mut self) -> *mut Page {
        if self.blocks.is_null() {
            self.new_block();
        }
        let block = self.blocks;
        // SAFETY: listed blocks are live and the slab is borrowed mutably.
        let header = unsafe { &mut *block };
        let index = header.free.trailing_zeros() as usize;
        header.free &= header.free - 1;
        if header.free == 0 {
            self.unlist(block);
        }
        // SAFETY: the index is that of a page, so within the block.
        unsafe { block.cast::<u8>().add(index * PAGE_LEN).cast() }
    }

    /// Takes a page back that is on no list.
    #[cold]
    fn give_page(&mut self, page: *mut Page) {
        let block = block_of(page);
        // SAFETY: a page's block is live and the slab is borrowed mutably.
        if unsafe { &*block }.free == 0 {
            self.list(block);
        }
        // SAFETY: as above.
        let header = unsafe { &mut *block };
        header.free |= 1 << ((page.addr() - block.addr()) / PAGE_LEN);
        if header.free == ALL_FREE && !(header.next.is_null() && header.prev.is_null()) {
            self.unlist(block);
            // SAFETY: the block was allocated with this layout, is empty and no longer listed.
            unsafe { dealloc(block.cast(), block_layout()) };
        }
    }

    #[cold]
    fn new_block(&mut self) {
        let layout = block_layout();
        // SAFETY: the layout's size is not zero.
        let block = unsafe { alloc(layout) }.cast::<Block>();
        if block.is_null() {
            handle_alloc_error(layout);
        }
        let (next, prev) = (ptr::null_mut(), ptr::null_mut());
        let page = Page { next, prev, free: NONE, fresh: 0, used: 0, left: 0, class: 0 };
        let header = Block { page, next: ptr::null_mut(), prev: ptr::null_mut(), free: ALL_FREE };
        // SAFETY: the block is fresh memory, large and aligned enough for its header.
        unsafe { block.write(header) };
        self.list(block);
    }

    /// Puts a block at the head of the list of those with free pages.
    fn list(&mut self, block: *mut Block) {
        // SAFETY: the block is live and the slab is borrowed mutably.
        let header = unsafe { &mut *block };
        (header.next, header.prev) = (self.blocks, ptr::null_mut());
        // SAFETY: listed blocks are live; null gives None.
        if let Some(old) = unsafe { self.blocks.as_mut() } {
            old.prev = block;
        }
        self.blocks = block;
    }

    fn unlist(&mut self, block: *mut Block) {
        // SAFETY: the block is live and the slab is borrowed mutably.
        let header = unsafe { &mut *block };
        let (next, prev) = (header.next, header.prev);
        (header.next, header.prev) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: listed blocks are live and another one than `block`; null gives None.
        if let Some(next) = unsafe { next.as_mut() } {
            next.prev = prev;
        }
        // SAFETY: as above.
        match unsafe { prev.as_mut() } {
            Some(prev) => prev.next = next,
            None => self.blocks = next,
        }
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
    /// Frees the empty pages and blocks that were kept. All slots have been freed by their owner.
    fn drop(&mut self) {
        for class in 0..CLASSES {
            let page = self.roomy[class];
            // SAFETY: linked pages are live; null gives None.
            if unsafe { page.as_ref() }.is_some_and(|header| header.used == 0) {
                self.unlink(page);
                self.give_page(page);
            }
        }
        let block = self.blocks;
        // SAFETY: listed blocks are live; null gives None.
        if unsafe { block.as_ref() }.is_some_and(|header| header.free == ALL_FREE) {
            // SAFETY: the block was allocated with this layout and nothing refers to it.
            unsafe { dealloc(block.cast(), block_layout()) };
        }
    }
}

/// Where a slot lies, from its offset in words.
#[inline]
fn slot_at(page: *mut Page, at: u16) -> NonNull<u8> {
    debug_assert!(usize::from(at) * WORD < PAGE_LEN);
    // SAFETY: offsets of slots are within their page.
    let slot = unsafe { page.cast::<u8>().add(usize::from(at) * WORD) };
    // SAFETY: it points into an allocation.
    unsafe { NonNull::new_unchecked(slot) }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::{CLASSES, Slab, class_of, slot_len, taken_len};
    use crate::rng::Rng;

    #[test]
    fn classes_cover_every_length() {
        for len in 1..=1024 {
            let taken = taken_len(len);
            assert!(taken >= len && taken - len <= (len / 16).max(15), "{len} {taken}");
            let class = class_of(len).unwrap();
            assert!(usize::from(class) < CLASSES && slot_len(class) == taken);
            assert_eq!(class_of(taken), Some(class));
        }
        assert_eq!(class_of(1025), None);
    }

    #[test]
    fn slots_are_apart_and_memory_comes_back() {
        let (mut slab, mut rng) = (Slab::new(), Rng::new(1));
        let mut live: BTreeMap<usize, (core::ptr::NonNull<u8>, usize, u8)> = BTreeMap::new();
        let rounds = if cfg!(miri) { 400 } else { 60_000 };
        for round in 0..rounds {
            let growing = (round / 5000) % 2 == 0;
            if rng.below(10) < if growing { 7 } else { 3 } || live.is_empty() {
                let len = usize::try_from(rng.below(1100) + 1).unwrap();
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
            assert_eq!(slab.bytes(), needed);
        }
        for (_, (slot, len, _)) in live {
            // SAFETY: it came from this slab with this length.
            unsafe { slab.free(slot, len) };
        }
        assert_eq!(slab.bytes(), 0);
    }
}
