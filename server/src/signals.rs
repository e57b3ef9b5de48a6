//! How I/O threads tell the main thread that something has come back.
//!
//! Most of what comes back needs the main thread at once. A client of which all was sent does not: it is taken with whatever
//! comes next, unless something has come up for it meanwhile. So a request costs the main thread two turns of the loop, not
//! three, and one wake-up less.
//!
//! The main thread says that it waits, then looks once more; a thread puts something into the outbox, then looks whether the
//! main thread waits.

use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};

use vireo_core::platform::Wake;

/// The main thread does not wait.
const AWAKE: u8 = 0;
/// It waits for what is urgent.
const FOR_URGENT: u8 = 1;
/// It waits for anything.
const FOR_ALL: u8 = 2;

/// What all threads share besides the queues.
#[derive(Debug)]
pub(crate) struct Signals<W> {
    /// Threads with a smaller index take shared jobs.
    pub(crate) running: AtomicUsize,
    /// Objects that threads have freed, and what was held by all they have freed.
    pub(crate) objects_freed: AtomicU64,
    pub(crate) bytes_freed: AtomicU64,
    /// What the main thread waits for in the poller.
    main_waits: AtomicU8,
    /// Urgent results so far.
    urgent: AtomicU64,
    waker: W,
}

impl<W: Wake> Signals<W> {
    pub(crate) const fn new(waker: W) -> Self {
        Self {
            running: AtomicUsize::new(0),
            objects_freed: AtomicU64::new(0),
            bytes_freed: AtomicU64::new(0),
            main_waits: AtomicU8::new(AWAKE),
            urgent: AtomicU64::new(0),
            waker,
        }
    }

    /// How many urgent results there have been. Those counted are in the outbox, or were.
    pub(crate) fn urgent(&self) -> u64 {
        // ORDERING: pairs with the addition in `tell_main`, which follows the push.
        self.urgent.load(Ordering::Acquire)
    }

    /// Asks to be woken by what is urgent, or by anything. Whoever asks looks for it once more before it waits.
    pub(crate) fn begin_wait(&self, all: bool) {
        // ORDERING: with the fence, pairs with `tell_main`: either it sees this, or its result is seen after this.
        self.main_waits.store(if all { FOR_ALL } else { FOR_URGENT }, Ordering::Relaxed);
        // ORDERING: see above.
        fence(Ordering::SeqCst);
    }

    /// The wait is over.
    pub(crate) fn end_wait(&self) {
        // ORDERING: a wake too many ends one wait early, no more.
        self.main_waits.store(AWAKE, Ordering::Relaxed);
    }

    /// Wakes the main thread if it waits for what was just put into the outbox.
    pub(crate) fn tell_main(&self, is_urgent: bool) {
        if is_urgent {
            // ORDERING: pairs with the load in `urgent`: who sees the number sees the result.
            self.urgent.fetch_add(1, Ordering::Release);
        }
        // ORDERING: pairs with the fence in `begin_wait`.
        fence(Ordering::SeqCst);
        let least = if is_urgent { FOR_URGENT } else { FOR_ALL };
        // ORDERING: the fence above; the swap claims the wake-up.
        if self.main_waits.load(Ordering::Relaxed) >= least
            && self.main_waits.swap(AWAKE, Ordering::Relaxed) != AWAKE
        {
            self.waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU32, Ordering};

    use vireo_core::platform::Wake;

    use super::Signals;

    #[derive(Clone, Default)]
    struct Count(std::sync::Arc<AtomicU32>);

    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_what_is_waited_for_wakes_and_once() {
        let count = Count::default();
        let signals = Signals::new(count.clone());
        let wakes = |is_urgent| {
            let before = count.0.load(Ordering::Relaxed);
            signals.tell_main(is_urgent);
            count.0.load(Ordering::Relaxed) - before
        };
        assert_eq!([wakes(true), wakes(false)], [0, 0]);
        signals.begin_wait(false);
        assert_eq!([wakes(false), wakes(true), wakes(true)], [0, 1, 0]);
        signals.begin_wait(true);
        assert_eq!([wakes(false), wakes(true)], [1, 0]);
        signals.begin_wait(true);
        signals.end_wait();
        assert_eq!([wakes(false), wakes(true)], [0, 0]);
        assert_eq!(signals.urgent(), 5);
    }
}
