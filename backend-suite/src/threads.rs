//! Threads: how they sleep, who wakes them, where they run.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use vireo_core::platform::{Clock, Platform, Thread, Threads, Wake};

/// A parked thread goes on when it is unparked, also before it has parked.
pub fn a_parked_thread_wakes<P: Platform>() {
    let go = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&go);
    let thread = P::Threads::spawn("parked", move || {
        while !seen.load(Ordering::SeqCst) {
            P::Threads::park();
        }
    })
    .unwrap();
    go.store(true, Ordering::SeqCst);
    thread.unpark();
    thread.join();
}

/// A thread's unparker wakes it from another.
pub fn a_thread_is_woken_by_its_unparker<P: Platform>() {
    let awake = Arc::new(AtomicBool::new(false));
    let (set, unparker) = (Arc::clone(&awake), P::Threads::unparker());
    let thread = P::Threads::spawn("waker", move || {
        set.store(true, Ordering::SeqCst);
        unparker.wake();
    })
    .unwrap();
    while !awake.load(Ordering::SeqCst) {
        P::Threads::park();
    }
    thread.join();
}

/// A park with a time-out ends by itself; a spurious end is allowed, so it is asked for again until the time is over.
pub fn a_park_ends_by_itself<P: Platform>() {
    let clock = P::Clock::new();
    let end = clock.monotonic_ns() + 3_000_000;
    while clock.monotonic_ns() < end {
        P::Threads::park_for(end.saturating_sub(clock.monotonic_ns()));
    }
    P::Threads::yield_now();
}

/// There is a processor to run on, and no list of nonsense is accepted.
pub fn processors<P: Platform>() {
    assert!(P::Threads::available() >= 1);
    // Of a thread of its own, so that no other test is bound.
    let thread = P::Threads::spawn("bound", || {
        for bad in ["", "a", "1-", "0-7:0", "99999"] {
            assert!(!P::Threads::set_affinity(bad), "{bad}");
        }
    });
    thread.unwrap().join();
}
