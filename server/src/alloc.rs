//! The process's allocator, counted: what `used_memory` is made of.
//!
//! Every allocation is counted by the size class it really takes, not by what was asked for, so the figure
//! agrees with the allocator's own. Counters are kept per thread, each on its own cache line, and summed when
//! read: an allocation never touches a line that another thread writes.
//!
//! The keyspace's blocks of two megabytes (entries, buckets) are not counted here: it counts what it uses of them
//! (`blocks`).
//!
//! jemalloc serves by default; without the `jemalloc` feature the system's allocator does.
#![expect(unsafe_code, reason = "implements GlobalAlloc by handing each call on to the allocator below")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

#[cfg(not(feature = "jemalloc"))]
pub(crate) use std::alloc::System as Below;
#[cfg(feature = "jemalloc")]
pub(crate) use tikv_jemallocator::Jemalloc as Below;

use crate::blocks;

/// Counter slots: one a thread, the last for all threads beyond.
const SLOTS: usize = 320;
/// The slot that many threads may write.
const SHARED: usize = SLOTS - 1;

#[repr(align(128))]
struct Slot(AtomicI64);

static SLOT: [Slot; SLOTS] = [const { Slot(AtomicI64::new(0)) }; SLOTS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The counting allocator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted;

/// Bytes allocated by the program now.
pub fn used() -> u64 {
    // ORDERING: statistics only; a thread that begins now has hardly allocated.
    let threads = NEXT.load(Ordering::Relaxed).min(SHARED);
    // ORDERING: statistics only; each slot is exact for its own thread.
    let sum: i64 =
        SLOT[..threads].iter().chain(&SLOT[SHARED..]).map(|slot| slot.0.load(Ordering::Relaxed)).sum();
    u64::try_from(sum).unwrap_or(0)
}

#[inline]
fn count(bytes: i64) {
    // A thread that is being torn down counts in the shared slot.
    let mine = MINE.try_with(slot_of_thread).unwrap_or(SHARED);
    let slot = &SLOT[mine].0;
    if mine == SHARED {
        // ORDERING: statistics only.
        slot.fetch_add(bytes, Ordering::Relaxed);
    } else {
        // ORDERING: only this thread writes the slot, so a load and a store are enough and need no lock prefix.
        slot.store(slot.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
    }
}

#[inline]
fn slot_of_thread(mine: &Cell<usize>) -> usize {
    if mine.get() == usize::MAX {
        // ORDERING: only uniqueness matters, and fetch_add gives it.
        mine.set(NEXT.fetch_add(1, Ordering::Relaxed).min(SHARED));
    }
    mine.get()
}

/// A block of the keyspace.
#[inline]
fn is_block(layout: Layout) -> bool {
    layout.align() == blocks::LEN && layout.size() == blocks::LEN
}

#[inline]
fn class(layout: Layout) -> i64 {
    size_class(layout.size(), layout.align()).cast_signed() as i64
}

/// Above this jemalloc takes whole pages.
#[cfg(feature = "jemalloc")]
const PAGES_FROM: usize = 32 * 1024;
/// Its page.
#[cfg(feature = "jemalloc")]
const PAGE_LEN: usize = 4096;

/// The size that the allocator takes for a request.
#[cfg(feature = "jemalloc")]
#[inline]
fn size_class(size: usize, align: usize) -> usize {
    // jemalloc's classes: multiples of 16 up to 128 (8 below 16), then four per doubling; whole pages when large.
    let size = size.max(1).next_multiple_of(align);
    if size <= 8 {
        return 8;
    }
    if size <= 128 {
        return size.next_multiple_of(16);
    }
    if size > PAGES_FROM {
        return size.next_multiple_of(PAGE_LEN);
    }
    let group = (size - 1).ilog2();
    let step = 1usize << (group - 2);
    size.next_multiple_of(step)
}

/// The system's allocators keep a header word and round to 16.
#[cfg(not(feature = "jemalloc"))]
#[inline]
fn size_class(size: usize, align: usize) -> usize {
    (size + 8).next_multiple_of(align.max(16)).max(32)
}

// SAFETY: every call goes to the allocator below unchanged; counting touches only atomics.
unsafe impl GlobalAlloc for Counted {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_block(layout) {
            return blocks::take(false);
        }
        count(class(layout));
        // SAFETY: the caller's contract is the one below's.
        unsafe { Below.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if is_block(layout) {
            // SAFETY: one with this layout came from there.
            return unsafe { blocks::give_back(ptr) };
        }
        count(-class(layout));
        // SAFETY: the caller's contract is the one below's.
        unsafe { Below.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_block(layout) {
            return blocks::take(true);
        }
        count(class(layout));
        // SAFETY: the caller's contract is the one below's.
        unsafe { Below.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new = size_class(new_size, layout.align()).cast_signed() as i64;
        count(new - class(layout));
        // SAFETY: the caller's contract is the one below's.
        unsafe { Below.realloc(ptr, layout, new_size) }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "jemalloc")]
    #[test]
    fn size_classes_are_the_allocators() {
        for size in (1..70_000usize).chain((70_000..40_000_000).step_by(9973)) {
            // SAFETY: nallocx only computes, from a non-zero size.
            let real = unsafe { tikv_jemalloc_sys::nallocx(size, 0) };
            assert_eq!(super::size_class(size, 1), real, "size {size}");
        }
    }
}
