//! Threads with names and a place to sleep.

use core::time::Duration;

use vireo_core::platform::{IoError, Thread, Threads, Wake};

use crate::error::std_error;

/// Threads of the BSDs and macOS.
#[derive(Clone, Copy, Debug)]
pub struct BsdThreads;

/// A spawned thread.
#[derive(Debug)]
pub struct BsdThread(std::thread::JoinHandle<()>);

impl Thread for BsdThread {
    fn unpark(&self) {
        self.0.thread().unpark();
    }

    fn join(self) {
        // A panic aborts the process, so a thread that ends has ended well.
        let _ = self.0.join();
    }
}

/// Wakes a thread.
#[derive(Clone, Debug)]
pub struct BsdUnparker(std::thread::Thread);

impl Wake for BsdUnparker {
    fn wake(&self) {
        self.0.unpark();
    }
}

impl Threads for BsdThreads {
    type Thread = BsdThread;
    type Unparker = BsdUnparker;

    fn spawn<F: FnOnce() + Send + 'static>(name: &str, run: F) -> Result<BsdThread, IoError> {
        let builder = std::thread::Builder::new().name(name.to_owned());
        builder.spawn(run).map(BsdThread).map_err(|error| std_error(&error))
    }

    fn unparker() -> BsdUnparker {
        BsdUnparker(std::thread::current())
    }

    fn park() {
        std::thread::park();
    }

    fn park_for(timeout_ns: u64) {
        std::thread::park_timeout(Duration::from_nanos(timeout_ns));
    }

    fn yield_now() {
        std::thread::yield_now();
    }

    fn set_affinity(_list: &str) -> bool {
        // No call that all of these systems share.
        false
    }

    fn available() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }
}
