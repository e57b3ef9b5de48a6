//! What sets, sorted sets and hashes of any size are made of. A hash has slots of its own.
//!
//! ```text
//!   member ─ hash ─► MemberIndex: buckets of handles ─► Slots: head, member
//! ```
//! An element lies once in memory, in a slot of 8-byte steps (`slots.rs`) or, where it is too long for one, in a box
//! (`boxed.rs`). The index (`index.rs`) names it by a handle of four bytes, and may be put on top of other elements too.
//! All of them are `Chunks`: they grow and shrink without moving what is there, so nothing here is ever rebuilt as a whole.

mod boxed;
pub(super) mod chunks;
mod handle;
mod index;
mod slots;

pub(super) use self::handle::Handle;
pub(super) use self::index::{Keys, MemberIndex};
pub(super) use self::slots::{Members, Slots};
