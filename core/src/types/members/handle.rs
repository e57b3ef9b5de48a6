//! The name of an element.

use crate::keyspace::Timed;

/// Names an element as long as it is not removed. What its bits mean, whoever keeps the elements knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::types) struct Handle(u32);

impl Handle {
    /// Fills places that are not in use; names no element.
    pub(in crate::types) const NONE: Self = Self(u32::MAX);

    /// The handle of these bits.
    #[inline]
    pub(in crate::types) const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[inline]
    pub(in crate::types) const fn get(self) -> u32 {
        self.0
    }
}

impl Timed for Handle {
    type Packed = [u8; 4];

    #[inline]
    fn pack(self) -> Self::Packed {
        self.0.to_le_bytes()
    }

    #[inline]
    fn unpack(packed: Self::Packed) -> Self {
        Self(u32::from_le_bytes(packed))
    }
}
