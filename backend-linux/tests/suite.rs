//! The suite that every backend passes, on Linux.
#![cfg(target_os = "linux")]

vireo_backend_suite::suite!(vireo_backend_linux::Linux);
