//! The data types behind keys: what a key can hold beside a string, and the algorithms on strings.
//!
//! Each type is a plain structure that knows no key, expiry, client, reply or clock; the commands are in `commands/`.
//!
//! Invariant: a key never holds an empty object, except a stream.

pub mod bits;
mod block;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod list;
pub mod listpack;
mod members;
pub mod random;
pub mod set;
pub mod stream;
pub mod zset;
