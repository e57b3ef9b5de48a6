//! The commands: the table that describes them, and one file for each family.
//!
//! Invariant: a command writes nothing to its reply before it knows that it will not fail.

mod bitfield;
mod bits;
mod client;
mod client_filter;
mod client_tracking;
mod command;
mod commandlog;
mod config;
mod connection;
mod counter;
mod debug;
mod debug_digest;
mod element;
mod expire;
mod generic;
mod geo;
mod handlers;
mod hash;
mod hash_ex;
mod hash_expire;
mod hash_read;
mod help;
mod hyperloglog;
mod info;
mod info_sections;
pub mod keys;
mod latency;
mod lcs;
mod limits;
mod list;
mod list_blocking;
mod lolwut;
mod memory;
mod monitor;
mod object;
mod options;
mod pubsub;
mod scan;
mod scan_options;
mod sets;
mod sets_algebra;
mod sets_random;
mod shutdown;
mod sort;
mod sort_source;
mod sort_window;
mod stream;
mod string;
pub mod table;
mod time;
mod timeout;
mod transaction;
mod zset;

pub use self::client::client_line;
