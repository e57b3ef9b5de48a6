//! Vireo's platform boundary on Linux: epoll, eventfd, sockets, clocks, threads, signals.
//!
//! Every system call goes through `rustix`, without libc's errno; libc serves only where rustix has no
//! call (signals, `RUSAGE_THREAD`). The other backends have the same files; what all do alike is in `backend-unix`.
#![cfg(target_os = "linux")]

extern crate alloc;

mod clock;
mod cpu;
mod net;
mod poller;
mod system;
mod threads;

use vireo_backend_unix::UnixFiles;
use vireo_core::platform::Platform;

pub use self::clock::LinuxClock;
pub use self::cpu::LinuxCpu;
pub use self::net::LinuxNet;
pub use self::poller::{LinuxPoller, LinuxWaker};
pub use self::system::LinuxSystem;
pub use self::threads::LinuxThreads;

/// Linux.
#[derive(Clone, Copy, Debug)]
pub struct Linux;

impl Platform for Linux {
    type Net = LinuxNet;
    type Poller = LinuxPoller;
    type Clock = LinuxClock;
    type Threads = LinuxThreads;
    type Files = UnixFiles;
    type Cpu = LinuxCpu;
    type System = LinuxSystem;
}
