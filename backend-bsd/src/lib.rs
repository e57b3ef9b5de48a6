//! Vireo's platform boundary on the BSDs and macOS: kqueue, sockets, clocks, threads, signals.
//!
//! Type-checked only so far (`ci/cross`); never run. The other backends have the same files.
#![cfg(any(
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "dragonfly",
    target_os = "macos"
))]

extern crate alloc;

mod clock;
mod cpu;
mod error;
mod net;
mod poller;
mod system;
mod threads;

use vireo_core::platform::Platform;

pub use self::clock::BsdClock;
pub use self::cpu::BsdCpu;
pub use self::net::BsdNet;
pub use self::poller::{BsdPoller, BsdWaker};
pub use self::system::BsdSystem;
pub use self::threads::{BsdThread, BsdThreads};

/// A BSD, or macOS.
#[derive(Clone, Copy, Debug)]
pub struct Bsd;

impl Platform for Bsd {
    type Net = BsdNet;
    type Poller = BsdPoller;
    type Clock = BsdClock;
    type Threads = BsdThreads;
    type Cpu = BsdCpu;
    type System = BsdSystem;
}
