//! Where the slots of a ring lie, and what a slot is.

use core::mem::MaybeUninit;

use super::primitive::{AtomicUsize, UnsafeCell};

/// A place for one item.
#[derive(Debug)]
pub struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Slot<T> {
    fn empty() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Puts an item in.
    ///
    /// # Safety
    /// Nobody else touches the slot now, and it is empty.
    #[inline]
    pub(super) unsafe fn put(&self, item: T) {
        self.0.with_mut(|place| {
            // SAFETY: the caller has the slot to itself; writing does not read what was there.
            unsafe { (*place).write(item) };
        });
    }

    /// Takes the item out.
    ///
    /// # Safety
    /// Nobody else touches the slot now, and it holds an item.
    #[inline]
    pub(super) unsafe fn take(&self) -> T {
        self.0.with_mut(|place| {
            // SAFETY: the caller has the slot to itself.
            let place = unsafe { &*place };
            // SAFETY: and knows that an item is in it, which nobody else will take.
            unsafe { place.assume_init_read() }
        })
    }
}

/// A slot with its sequence number: `i + lap × len` says that slot `i` is empty in that lap, one more that it is filled.
#[derive(Debug)]
pub struct Sequenced<T> {
    pub(super) sequence: AtomicUsize,
    pub(super) slot: Slot<T>,
}

/// What a ring is made of; implemented for the slots of this folder only.
pub(super) trait Piece: Sized {
    /// The empty piece with this index.
    fn empty(index: usize) -> Self;
}

impl<T> Piece for Slot<T> {
    fn empty(_index: usize) -> Self {
        Self::empty()
    }
}

impl<T> Piece for Sequenced<T> {
    fn empty(index: usize) -> Self {
        Self { sequence: AtomicUsize::new(index), slot: Slot::empty() }
    }
}

impl<P: Piece> Piece for super::Padded<P> {
    fn empty(index: usize) -> Self {
        Self(P::empty(index))
    }
}

mod sealed {
    pub trait Sealed {}
    impl<P, const N: usize> Sealed for [P; N] {}
    #[cfg(feature = "alloc")]
    impl<P> Sealed for alloc::boxed::Box<[P]> {}
}

/// A power-of-two number of slots that stay where they are.
pub trait Slots<P>: sealed::Sealed {
    /// All of them, always the same.
    fn all(&self) -> &[P];
}

impl<P, const N: usize> Slots<P> for [P; N] {
    #[inline]
    fn all(&self) -> &[P] {
        self
    }
}

#[cfg(feature = "alloc")]
impl<P> Slots<P> for alloc::boxed::Box<[P]> {
    #[inline]
    fn all(&self) -> &[P] {
        self
    }
}

/// Slots in an array.
pub(super) fn array<P: Piece, const N: usize>() -> [P; N] {
    const { assert!(N.is_power_of_two(), "a ring has a power of two of slots") };
    core::array::from_fn(P::empty)
}

/// Slots in a box; `len` is rounded up to a power of two.
#[cfg(feature = "alloc")]
pub(super) fn boxed<P: Piece>(len: usize) -> alloc::boxed::Box<[P]> {
    (0..len.next_power_of_two()).map(P::empty).collect()
}
