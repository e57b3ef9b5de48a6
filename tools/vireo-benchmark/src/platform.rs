//! The system it is built for: the server's own backends, which have everything a client needs but to connect.
//!
//! The readiness that their pollers tell is edge triggered.

use vireo_backend::Backend;
use vireo_core::platform::Platform;

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
