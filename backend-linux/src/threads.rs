//! Threads with names, processors to run on, and a place to sleep.

use core::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};
use vireo_core::platform::{IoError, Thread, Threads, Wake};

use crate::error::std_error;

/// Linux threads.
#[derive(Clone, Copy, Debug)]
pub struct LinuxThreads;

/// A spawned thread.
#[derive(Debug)]
pub struct LinuxThread(std::thread::JoinHandle<()>);

impl Thread for LinuxThread {
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
pub struct LinuxUnparker(std::thread::Thread);

impl Wake for LinuxUnparker {
    fn wake(&self) {
        self.0.unpark();
    }
}

impl Threads for LinuxThreads {
    type Thread = LinuxThread;
    type Unparker = LinuxUnparker;

    fn spawn<F: FnOnce() + Send + 'static>(name: &str, run: F) -> Result<LinuxThread, IoError> {
        let builder = std::thread::Builder::new().name(name.to_owned());
        builder.spawn(run).map(LinuxThread).map_err(|error| std_error(&error))
    }

    fn unparker() -> LinuxUnparker {
        LinuxUnparker(std::thread::current())
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

    fn set_affinity(list: &str) -> bool {
        parse(list).is_some_and(|set| sched_setaffinity(None, &set).is_ok())
    }

    fn available() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }
}

/// `0-3,8` or `0-7:2`, as the configuration writes processors.
fn parse(list: &str) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for part in list.split(',') {
        let (range, step) = part.trim().split_once(':').unwrap_or((part.trim(), "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        let step: usize = step.parse().ok().filter(|&step| step > 0)?;
        if last >= CpuSet::MAX_CPU {
            return None;
        }
        (first..=last).step_by(step).for_each(|cpu| set.set(cpu));
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn processor_lists() {
        let set = parse("0-2,5,8-12:2").unwrap();
        let on: Vec<usize> = (0..16).filter(|&cpu| set.is_set(cpu)).collect();
        assert_eq!(on, [0, 1, 2, 5, 8, 10, 12]);
        for bad in ["", "a", "1-", "0-7:0", "99999"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
