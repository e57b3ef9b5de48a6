//! The wire: request decoder, reply encoder and reply decoder for RESP2, RESP3 and inline commands.
//!
//! Knows nothing of sockets, commands or keys, and builds without `alloc`: the caller owns every buffer.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod decode;
mod inline;
mod reply;
#[cfg(all(feature = "alloc", any(test, fuzzing)))]
pub mod round_trip;
mod sink;
#[cfg(all(feature = "alloc", any(test, fuzzing)))]
pub mod split_check;
mod token;

pub use self::decode::{ArgSink, Decoded, Decoder, Full, Limits, ProtocolError, Span};
#[cfg(feature = "alloc")]
pub(crate) use self::inline::split as split_line;
pub use self::reply::{Proto, Reply};
pub use self::sink::Sink;
pub use self::token::{BadReply, Token, token, whole};
