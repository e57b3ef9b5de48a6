//! Vireo's platform boundary on macOS: the kqueue code of the BSDs.
//!
//! Differences are where the system lacks something: no processor time of a thread (the scaling rules fall back to
//! counting events), no binding of threads to processors.
#![cfg(target_os = "macos")]

pub use vireo_backend_bsd::Bsd as MacOs;
