//! The suite that every backend passes, on the systems that have kqueue, and on Linux over libkqueue.
#![cfg(any(
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "dragonfly",
    target_os = "macos",
    kqueue_on_linux
))]

vireo_backend_suite::suite!(vireo_backend_bsd::Bsd);
