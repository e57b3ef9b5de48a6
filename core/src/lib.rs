//! The deterministic core of Vireo: wire protocol, keyspace, commands and engine.
//!
//! Nothing here knows a socket, a thread, a file, a clock or the environment: time, randomness and what
//! the outside answers are arguments. Without the `alloc` feature the crate is the codec, the queues and the
//! number formats alone.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(test, loom))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod commands;
#[cfg(feature = "alloc")]
pub mod config;
#[cfg(feature = "alloc")]
pub mod engine;
pub mod glob;
#[cfg(feature = "alloc")]
pub mod keyspace;
pub mod lzf;
pub mod num;
pub mod offload;
pub mod platform;
mod prefetch;
pub mod queue;
pub mod resp;
pub mod rng;
pub mod sha1;
#[cfg(feature = "alloc")]
pub mod types;
#[cfg(feature = "alloc")]
mod wide;

pub use crate::prefetch::{prefetch_slice, prefetch_slice_write};
