//! Vireo's platform boundary on the BSDs and macOS: kqueue, sockets, clocks, threads, signals.
//!
//! Never run on one of these systems so far: `ci/cross` lints and links it for them, and runs it on Linux over libkqueue
//! (`--cfg kqueue_on_linux`). The other backends have the same files; what all do alike is in `backend-unix`.
#![cfg(any(
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "dragonfly",
    target_os = "macos",
    kqueue_on_linux
))]

extern crate alloc;

mod clock;
mod cpu;
#[cfg(kqueue_on_linux)]
#[path = "libkqueue.rs"]
mod kqueue;
#[cfg(not(kqueue_on_linux))]
use rustix::event::kqueue;
mod net;
mod poller;
mod system;

use vireo_backend_unix::{UnixFiles, UnixThreads};
use vireo_core::platform::Platform;

pub use self::clock::BsdClock;
pub use self::cpu::BsdCpu;
pub use self::net::BsdNet;
pub use self::poller::{BsdPoller, BsdWaker};
pub use self::system::BsdSystem;

/// A BSD, or macOS.
#[derive(Clone, Copy, Debug)]
pub struct Bsd;

impl Platform for Bsd {
    type Net = BsdNet;
    type Poller = BsdPoller;
    type Clock = BsdClock;
    type Threads = UnixThreads;
    type Files = UnixFiles;
    type Cpu = BsdCpu;
    type System = BsdSystem;
}
