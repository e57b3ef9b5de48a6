//! Addresses in six bytes: in units of eight bytes, to which all that is pointed to is aligned.
//!
//! So 51 bits fit; systems give programs 47 or 48.

use core::ptr;

/// Bytes of such an address.
pub(super) const LEN: usize = 6;
/// Addresses are multiples of this.
pub(super) const UNIT: u64 = 8;

/// What a pointer's address is in units; no more than [`LEN`] bytes.
#[inline]
pub(super) fn units_of(pointer: *mut u8) -> u64 {
    let units = pointer.expose_provenance() as u64 / UNIT;
    assert!(units >> (8 * LEN) == 0, "an address beyond 51 bits");
    units
}

/// The pointer that these units came from.
#[inline]
pub(super) fn pointer_of(units: u64) -> *mut u8 {
    #[expect(clippy::cast_possible_truncation, reason = "it was the address of a pointer")]
    ptr::with_exposed_provenance_mut((units * UNIT) as usize)
}
