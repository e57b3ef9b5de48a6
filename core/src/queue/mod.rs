//! Rings of fixed size between threads: the ways of a job between the main thread and its I/O threads.
//!
//! * [`spsc`]: one producer, one consumer; many items, one commit. A worker's private inbox.
//! * [`spmc`]: one producer, many consumers, each item to whoever is free. The shared inbox.
//! * [`mpsc`]: many producers, one consumer, in the order of the producers' tickets. The outbox.
//!
//! The producer of a ring never asks whether it is full: it tries, and a full ring hands the item back. Rings lie in an
//! array of constant size or, with `alloc`, in a box; their two ends borrow the ring or share it by count.
//!
//! Invariant: an item is owned by exactly one of producer, slot and consumer, and the sequence number or index that
//! moves it from one to the next is stored with Release and read with Acquire.
//!
//! Knows nothing of jobs, threads or sockets. Source: the seed on Valkey's I/O threads; Vyukov's bounded queues.
#![expect(unsafe_code, reason = "slots are shared between threads and hold items only part of the time")]

mod padded;
pub(crate) mod primitive;
mod storage;

pub mod mpsc;
pub mod spmc;
pub mod spsc;

pub use self::padded::{LINE_LEN, Padded};
pub use self::storage::{Sequenced, Slot, Slots};

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
