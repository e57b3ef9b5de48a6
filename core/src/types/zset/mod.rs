//! Sorted sets: members in order of score, equal scores in order of their bytes.
//!
//! [`Zset`] is a set in either encoding. The small one is a listpack (`small.rs`); [`SortedSet`] is the large one, which OBJECT ENCODING calls `skiplist`. It is none:
//!
//! ```text
//!            member                             rank, score, member
//!              │ hash                                  │
//!   MemberIndex: buckets of handles       Tree: counted B+ tree, leaves of handles
//!              │                                       │
//!              └────────► Elements: score, member ◄────┘
//! ```
//! An element lies once in memory, in a slot of 8-byte steps (`elements.rs`); the index and the tree name it by a
//! handle of four bytes. With nine-byte members an element costs about 38 bytes: 24 its slot, 9 the index, 5 the tree.
//! Nothing here is ever rebuilt as a whole: the index grows by one bucket at a time, the tree by a node, the
//! slots by a page.

mod bounds;
mod elements;
mod iter;
mod large;
#[cfg(any(test, fuzzing))]
pub mod model;
mod node;
mod score;
mod small;
mod tree;
mod unordered;
mod value;
#[cfg(test)]
mod value_tests;

pub use self::bounds::{Bounds, LexValue, Limit, Window};
pub use self::iter::Iter;
pub use self::large::{Change, Side, SortedSet};
pub use self::score::Score;
pub use self::unordered::Unordered;
pub use self::value::{Pairs, Rules, Zset};
