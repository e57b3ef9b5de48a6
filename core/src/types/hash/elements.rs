//! The fields of a large hash, in a [`Store`]: one slot or box each.

use alloc::boxed::Box;
use alloc::vec;

use super::field::Field;
use crate::types::members::{Handle, SLOT_LEN_MAX, Store};

/// All fields of a hash. The first byte of each is that of its flags.
#[derive(Debug)]
pub(super) struct Elements(Store<0>);

fn in_box(field: Field<'_>) -> Box<[u8]> {
    let mut bytes = vec![0; field.len()];
    field.write(&mut bytes);
    bytes.into_boxed_slice()
}

impl Elements {
    pub(super) const fn new() -> Self {
        Self(Store::new())
    }

    /// Memory of all fields.
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Adds a field; `None` when no handle is left for it.
    pub(super) fn insert(&mut self, field: Field<'_>) -> Option<Handle> {
        let len = field.len();
        if len > SLOT_LEN_MAX {
            return self.0.insert_boxed(in_box(field));
        }
        self.0.insert(len, |bytes| field.write(bytes))
    }

    /// Writes a field over another one; `false` when its slot is of another size.
    pub(super) fn overwrite(&mut self, handle: Handle, field: Field<'_>) -> bool {
        let len = field.len();
        if len > SLOT_LEN_MAX {
            return self.0.overwrite_boxed(handle, || in_box(field));
        }
        self.0.overwrite(handle, len, |bytes| field.write(bytes))
    }

    /// See [`Store::relocate`].
    pub(super) fn relocate(&mut self) -> Option<(Handle, Handle)> {
        self.0.relocate()
    }

    /// The field of a handle.
    #[inline]
    pub(super) fn get(&self, handle: Handle) -> Field<'_> {
        Field::read(self.0.get(handle).bytes())
    }

    /// All handles, as their fields lie in memory.
    pub(super) fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.0.walk().map(|(handle, _)| handle)
    }

    /// Asks the processor to fetch a field.
    #[inline]
    pub(super) fn prefetch(&self, handle: Handle) {
        self.0.prefetch(handle);
    }

    /// Gives a field that has an expiry another one.
    pub(super) fn set_time(&mut self, handle: Handle, at: i64) {
        Field::set_time(self.0.get_mut(handle), at);
    }

    /// Removes a field.
    pub(super) fn remove(&mut self, handle: Handle) {
        self.0.remove(handle);
    }

    /// See [`Store::allocations`].
    pub(super) fn allocations(&self) -> usize {
        self.0.allocations()
    }

    /// See [`Store::dismantle_page`].
    pub(super) fn dismantle_page(&mut self) -> usize {
        self.0.dismantle_page()
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self, len: usize) {
        self.0.check(len);
    }
}
