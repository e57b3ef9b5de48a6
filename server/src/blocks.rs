//! The keyspace's blocks (entries, buckets), as the allocator gets them: in huge pages, and touched before they are asked for.
//!
//! A look-up in huge pages is spared the walk through the page tables; nothing here forks, so there is no copy of one to
//! fear. But the first touch of one is slow: the system has to clear two megabytes, and a virtual machine may have
//! to be given them first, which took 6 ms at the median where we measured. So a thread ([`start`]) has some ready ahead of need, and
//! who asks for more than are ready gets small pages, whose first touches are short. The first few blocks lie in small
//! pages, too, so that a small server stays small.
//!
//! Invariant: a block that is ready is all zero, has been touched, and belongs to whoever swaps it out of its place.

#![expect(unsafe_code, reason = "hands memory of the allocator below on")]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::thread::Thread;

use crate::alloc::Below;

/// Their length, and what they are aligned to.
pub(crate) const LEN: usize = 2 * 1024 * 1024;
/// So many of them stay in small pages.
const SMALL: usize = 4;
/// At most so many are ready, one for each so many in use.
const READY_MAX: usize = 4;
const IN_USE_FOR_EACH: usize = 16;
/// Pages are not smaller.
const TOUCH_EVERY: usize = 4096;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static READY: [AtomicPtr<u8>; READY_MAX] = [const { AtomicPtr::new(ptr::null_mut()) }; READY_MAX];
/// Who gets them ready.
static PREPARER: OnceLock<Thread> = OnceLock::new();

fn layout() -> Layout {
    const { assert!(LEN.is_power_of_two()) };
    Layout::from_size_align(LEN, LEN).unwrap_or(Layout::new::<u8>())
}

/// A block, or null when there is no memory. Its bytes are zero if they are to be.
#[cold]
pub(crate) fn take(is_zeroed: bool) -> *mut u8 {
    // ORDERING: only roughly the number matters.
    let in_use = IN_USE.fetch_add(1, Ordering::Relaxed);
    if in_use + 1 >= SMALL
        && let Some(preparer) = PREPARER.get()
    {
        // ORDERING: acquires what the preparer wrote before it put the block there.
        let ready = READY.iter().map(|place| place.swap(ptr::null_mut(), Ordering::Acquire));
        let block = { ready }.find(|block| !block.is_null());
        preparer.unpark();
        if let Some(block) = block {
            return block;
        }
    }
    // SAFETY: the layout's size is not zero.
    if is_zeroed { unsafe { Below.alloc_zeroed(layout()) } } else { unsafe { Below.alloc(layout()) } }
}

/// Takes a block back.
///
/// # Safety
///
/// It came from [`take`], and is not used again.
#[cold]
pub(crate) unsafe fn give_back(block: *mut u8) {
    // ORDERING: only roughly the number matters.
    if IN_USE.fetch_sub(1, Ordering::Relaxed) == SMALL
        && let Some(preparer) = PREPARER.get()
    {
        preparer.unpark();
    }
    // SAFETY: it came from the allocator below with this layout.
    unsafe { Below.dealloc(block, layout()) };
}

/// Has a thread keep blocks ready, where there are huge pages.
pub(crate) fn start() -> Result<(), std::io::Error> {
    if cfg!(target_os = "linux") && PREPARER.get().is_none() {
        std::thread::Builder::new().name("memory".to_owned()).spawn(keep_ready)?;
    }
    Ok(())
}

fn keep_ready() {
    if PREPARER.set(std::thread::current()).is_err() {
        return;
    }
    loop {
        // ORDERING: only roughly the number matters.
        let in_use = IN_USE.load(Ordering::Relaxed);
        let wanted = if in_use < SMALL { 0 } else { (in_use / IN_USE_FOR_EACH).clamp(1, READY_MAX) };
        for (index, place) in READY.iter().enumerate() {
            // ORDERING: blocks are put here by this thread alone, so an empty place stays empty.
            let is_empty = place.load(Ordering::Relaxed).is_null();
            if index < wanted && is_empty {
                // ORDERING: releases the block's bytes to whoever takes it.
                place.store(prepare(), Ordering::Release);
            } else if index >= wanted && !is_empty {
                // ORDERING: who takes it acquires it; nobody has written to it since this thread did.
                let block = place.swap(ptr::null_mut(), Ordering::Acquire);
                if !block.is_null() {
                    // SAFETY: it came from the allocator below with this layout, and is this thread's now.
                    unsafe { Below.dealloc(block, layout()) };
                }
            }
        }
        std::thread::park();
    }
}

/// A block that is all zero, in huge pages if there are any, and no longer to be fetched from the system.
fn prepare() -> *mut u8 {
    // SAFETY: the layout's size is not zero.
    let block = unsafe { Below.alloc_zeroed(layout()) };
    if block.is_null() {
        return block;
    }
    #[cfg(target_os = "linux")]
    // SAFETY: the block was just allocated, and advice changes no contents. A refusal leaves small pages.
    unsafe {
        libc::madvise(block.cast(), LEN, libc::MADV_HUGEPAGE)
    };
    for at in (0..LEN).step_by(TOUCH_EVERY) {
        // SAFETY: the offset lies within the block, which nobody else knows yet.
        let byte = unsafe { block.add(at) };
        // SAFETY: as above; what is written is what is there.
        unsafe { byte.write_volatile(0) };
    }
    block
}

#[cfg(test)]
mod tests {
    use super::{LEN, READY, SMALL, give_back, start, take};
    use core::sync::atomic::Ordering;

    fn is_one_ready() -> bool {
        READY.iter().any(|place| !place.load(Ordering::Relaxed).is_null())
    }

    #[test]
    fn blocks_are_empty_whoever_touched_them() {
        start().unwrap();
        let mut taken_ready = 0;
        for round in 0..40 {
            let mut blocks = Vec::new();
            for count in 0..SMALL + 4 {
                // Who has waited for one gets one.
                while cfg!(target_os = "linux") && count >= SMALL && round >= 38 && !is_one_ready() {
                    std::thread::yield_now();
                }
                taken_ready += u32::from(is_one_ready());
                let block = take(true);
                assert!(!block.is_null() && block.addr().is_multiple_of(LEN));
                // SAFETY: the block was just allocated, all of it zero.
                let bytes = unsafe { core::slice::from_raw_parts_mut(block, LEN) };
                assert!(bytes.iter().all(|&byte| byte == 0));
                bytes.fill(round + 1);
                blocks.push(block);
            }
            // SAFETY: they came from there, and are not used again.
            blocks.into_iter().for_each(|block| unsafe { give_back(block) });
        }
        assert!(taken_ready > 0 || cfg!(not(target_os = "linux")));
        // None is kept for nobody.
        while is_one_ready() {
            std::thread::yield_now();
        }
    }
}
