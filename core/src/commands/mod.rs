//! The commands: the table that describes them, and one file for each family.
//!
//! Invariant: a command writes nothing to its reply before it knows that it will not fail.

mod client;
mod client_filter;
mod command;
mod commandlog;
mod config;
mod connection;
mod counter;
mod debug;
mod expire;
mod generic;
mod handlers;
mod help;
mod info;
mod info_sections;
pub mod keys;
mod latency;
mod lcs;
mod lolwut;
mod memory;
mod monitor;
mod object;
mod options;
mod scan;
mod shutdown;
mod string;
pub mod table;
mod time;

pub use self::client::client_line;
