//! Threads with names, processors to run on, and a place to sleep.

use rustix::thread::{CpuSet, sched_setaffinity};
use vireo_backend_unix::{UnixThread, UnixThreads, UnixUnparker};
use vireo_core::platform::{IoError, Threads};

/// Linux threads.
#[derive(Clone, Copy, Debug)]
pub struct LinuxThreads;

impl Threads for LinuxThreads {
    type Thread = UnixThread;
    type Unparker = UnixUnparker;

    fn spawn<F: FnOnce() + Send + 'static>(name: &str, run: F) -> Result<UnixThread, IoError> {
        UnixThreads::spawn(name, run)
    }

    fn unparker() -> UnixUnparker {
        UnixThreads::unparker()
    }

    fn park() {
        UnixThreads::park();
    }

    fn park_for(timeout_ns: u64) {
        UnixThreads::park_for(timeout_ns);
    }

    fn yield_now() {
        UnixThreads::yield_now();
    }

    fn set_affinity(list: &str) -> bool {
        parse(list).is_some_and(|set| sched_setaffinity(None, &set).is_ok())
    }

    fn available() -> usize {
        UnixThreads::available()
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
