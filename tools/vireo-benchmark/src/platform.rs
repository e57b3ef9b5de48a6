//! The system it is built for: the server's own backends, which have everything a client needs but to connect.
//!
//! The readiness that their pollers tell is edge triggered.

use vireo_core::platform::Platform;

#[cfg(any(target_os = "freebsd", target_os = "openbsd", target_os = "netbsd", target_os = "dragonfly"))]
use vireo_backend_bsd::Bsd as Backend;
#[cfg(target_os = "linux")]
use vireo_backend_linux::Linux as Backend;
#[cfg(target_os = "macos")]
use vireo_backend_macos::MacOs as Backend;

#[cfg(not(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "dragonfly"
)))]
compile_error!("Vireo has no backend for this system: see core::platform for what one must provide");

/// Sockets.
pub(crate) type Net = <Backend as Platform>::Net;
/// Readiness.
pub(crate) type Poller = <Backend as Platform>::Poller;
/// Ends a wait of a poller.
pub(crate) type Waker = <Poller as vireo_core::platform::Poller>::Waker;
/// Time.
pub(crate) type Clock = <Backend as Platform>::Clock;
/// Processor time.
pub(crate) type Cpu = <Backend as Platform>::Cpu;
/// Limits, entropy.
pub(crate) type System = <Backend as Platform>::System;
