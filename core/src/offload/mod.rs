//! What the main thread may hand to I/O threads, and how many of them run.
//!
//! * [`Job`] and [`Word`]: a job is one machine word on its way through the queues.
//! * [`Place`] and [`Places`]: where what a thread needs now and then waits, and is told of what came up meanwhile.
//! * [`Ignition`] and [`Scaler`]: pure rules over samples; the server takes the samples and does what they say.
//!
//! Knows no thread, socket or clock. Source: the seed on Valkey's I/O threads.

#[cfg(feature = "alloc")]
mod idle;
#[cfg(feature = "alloc")]
mod job;
mod scale;

#[cfg(all(feature = "alloc", not(loom)))]
pub use self::idle::Places;
#[cfg(feature = "alloc")]
pub use self::idle::{Marks, Place};
#[cfg(feature = "alloc")]
pub use self::job::{Job, Kinds, Word};
pub use self::scale::{Decision, IGNITION_PERIOD_US, Ignition, Load, SAMPLE_PERIOD_US, Scaler};
