//! The server binary: picks the backend of the system it is built for.

use std::process::ExitCode;

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

#[global_allocator]
static ALLOCATOR: vireo_server::alloc::Counted = vireo_server::alloc::Counted;

fn main() -> ExitCode {
    vireo_server::boot::main::<Backend>()
}
