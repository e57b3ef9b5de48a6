//! Processor time: what a thread was charged for its calls.

use vireo_core::platform::{CpuSampler, CpuTime};

use crate::world::call;

const COST_NS: (u64, u64) = (50, 500);

/// Simulated processor time.
#[derive(Clone, Copy, Debug)]
pub struct SimCpu;

fn time(ns: u64) -> CpuTime {
    CpuTime { user_us: ns / 2000, system_us: ns / 2000 }
}

impl CpuSampler for SimCpu {
    fn thread() -> Option<CpuTime> {
        call("thread time", COST_NS, |state, me| {
            (!state.faults.no_cpu_times).then(|| time(state.threads[me].cpu_ns))
        })
    }

    fn process() -> CpuTime {
        call("process time", COST_NS, |state, _| time(state.threads.iter().map(|thread| thread.cpu_ns).sum()))
    }

    fn children() -> CpuTime {
        CpuTime::default()
    }
}
