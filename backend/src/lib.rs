//! The backend of the system Vireo is built for, under one name. A new system is named here, and nowhere above.

#[cfg(any(
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "dragonfly",
    kqueue_on_linux
))]
pub use vireo_backend_bsd::Bsd as Backend;
#[cfg(all(target_os = "linux", not(kqueue_on_linux)))]
pub use vireo_backend_linux::Linux as Backend;
#[cfg(target_os = "macos")]
pub use vireo_backend_macos::MacOs as Backend;

#[cfg(not(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "dragonfly"
)))]
compile_error!("Vireo has no backend for this system: see core::platform for what one must provide");
