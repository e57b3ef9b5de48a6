//! Vireo's runtime: the event loop over any platform, configuration files, log, process.
//!
//! Knows sockets and files through `vireo_core::platform` and std, and no command by name.

#![expect(clippy::std_instead_of_alloc, reason = "the server links std, and `alloc` here is its allocator")]

pub mod alloc;
mod allocator;
mod args;
mod blocks;
pub mod boot;
mod client_io;
mod client_memory;
mod config_file;
mod connection;
mod cron;
mod execute;
mod gather;
mod host;
mod listen;
mod log;
mod memtest;
mod out_buf;
mod output_limits;
mod outside;
mod parsed;
mod process;
mod read_buf;
mod serve;
mod syscheck;
mod threaded;
mod usage;
mod worker;
mod workers;
