//! The data types behind keys: what a key can hold beside a string, and the algorithms on strings.
//!
//! Each type is a plain structure that knows no key, expiry, client, reply or clock; the commands are in `commands/`.
//! [`Object`] is the sum of the types, as an entry of the keyspace holds it.
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
mod object;
pub mod random;
pub mod set;
pub mod stream;
pub mod zset;

pub use self::object::{MemberArg, Object, Typed};
