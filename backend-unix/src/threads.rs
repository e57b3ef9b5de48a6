//! Threads with names and a place to sleep, by std.

use core::time::Duration;

use vireo_core::platform::{IoError, Thread, Threads, Wake};

use crate::error::std_error;

/// Threads of the system; none is bound to processors, for which the systems share no call.
#[derive(Clone, Copy, Debug)]
pub struct UnixThreads;

/// A spawned thread.
#[derive(Debug)]
pub struct UnixThread(std::thread::JoinHandle<()>);

impl Thread for UnixThread {
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
pub struct UnixUnparker(std::thread::Thread);

impl Wake for UnixUnparker {
    fn wake(&self) {
        self.0.unpark();
    }
}

impl Threads for UnixThreads {
    type Thread = UnixThread;
    type Unparker = UnixUnparker;

    fn spawn<F: FnOnce() + Send + 'static>(name: &str, run: F) -> Result<UnixThread, IoError> {
        let builder = std::thread::Builder::new().name(name.to_owned());
        builder.spawn(run).map(UnixThread).map_err(|error| std_error(&error))
    }

    fn unparker() -> UnixUnparker {
        UnixUnparker(std::thread::current())
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
        false
    }

    fn available() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }
}
