//! Processor time of this thread, the process and its children.
#![expect(unsafe_code, reason = "getrusage is not in rustix")]

use vireo_core::platform::{CpuSampler, CpuTime};

/// Linux processor time.
#[derive(Clone, Copy, Debug)]
pub struct LinuxCpu;

fn usage(who: libc::c_int) -> CpuTime {
    // SAFETY: an all-zero rusage is a valid value of that plain struct of integers.
    let mut usage: libc::rusage = unsafe { core::mem::zeroed() };
    // SAFETY: the pointer is to a live rusage that the call fills.
    let status = unsafe { libc::getrusage(who, &raw mut usage) };
    assert_eq!(status, 0, "getrusage fails only for an unknown target");
    let us = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0)
    };
    CpuTime { user_us: us(usage.ru_utime), system_us: us(usage.ru_stime) }
}

impl CpuSampler for LinuxCpu {
    fn thread() -> Option<CpuTime> {
        // Without it the rules of the I/O threads count events instead, as on systems that cannot tell.
        (!cfg!(without_linux_extras)).then(|| usage(libc::RUSAGE_THREAD))
    }

    fn process() -> CpuTime {
        usage(libc::RUSAGE_SELF)
    }

    fn children() -> CpuTime {
        usage(libc::RUSAGE_CHILDREN)
    }
}
