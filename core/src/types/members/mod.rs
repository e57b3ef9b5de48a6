//! What sets, sorted sets and hashes of any size are made of.
//!
//! ```text
//!   name ─ hash ─► MemberIndex: buckets of handles ─► Store: slots and boxes
//! ```
//! An element lies once in memory, in a slot of 8-byte steps (`store.rs`) or, where it is too long for one, in a box
//! (`boxed.rs`). What is in a slot, its user says: `slots.rs` for members with or without a score, `hash/elements.rs` for
//! fields. The index (`index.rs`) names an element by a handle of four bytes. All of them are `Chunks`: they grow and
//! shrink without moving what is there, so nothing here is ever rebuilt as a whole.

mod boxed;
mod chunks;
mod handle;
mod index;
mod slots;
mod store;

pub(super) use self::handle::Handle;
pub(super) use self::index::{Keys, MemberIndex};
pub(super) use self::slots::{Members, Slots};
pub(super) use self::store::{FREED, SLOT_LEN_MAX, Store};

/// Frees about `budget` allocations in steps, each of which says how many it has freed, none when nothing is left. Returns
/// what is left of the budget: more than 0 only when nothing is left to be freed.
pub(super) fn dismantle(budget: usize, mut step: impl FnMut() -> usize) -> usize {
    let mut left = budget;
    while left > 0 {
        match step() {
            0 => break,
            freed => left = left.saturating_sub(freed),
        }
    }
    left
}
