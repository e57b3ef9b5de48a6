//! Boxes that wait for whichever thread needs them next, and marks that are left while a box is away.
//!
//! ```text
//!            leave: no marks                  call: its marks are added
//!          ┌────────────────► here            ┌──────┐
//!   away ──┤                   │      away ◄──┴── away with marks
//!     ▲    └─ with marks: they come back with the box, which stays away
//!     └──────── call ──────────┘
//! ```
//! A place is one word: null or marks while its box is away, the box's pointer while it is here. So whoever calls either
//! gets the box or leaves marks that the next who would leave the box gets: nothing is told to nobody.
//!
//! Invariant: a box is owned by exactly one of its place and whoever has called it.
#![expect(unsafe_code, reason = "keeps boxes as pointers that threads pass on")]

use alloc::boxed::Box;
use core::ptr;

use crate::queue::primitive::{AtomicPtr, Ordering};

/// What came up for a box while it was away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// There is something to read.
    pub const READABLE: Self = Self(1);
    /// There is room to write.
    pub const WRITABLE: Self = Self(2);
    /// The peer has closed its side.
    pub const CLOSED: Self = Self(4);
    /// The main thread has something for it.
    pub const WANTED: Self = Self(8);

    /// Bits that marks may take of a pointer.
    const MASK: usize = 15;

    /// All of both.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These, if it is so.
    #[must_use]
    pub const fn when(self, is_so: bool) -> Self {
        if is_so { self } else { Self(0) }
    }

    /// Whether any of these is among them.
    pub const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "the mask leaves four bits")]
    fn of<T>(state: *mut T) -> Self {
        Self((state.addr() & Self::MASK) as u8)
    }

    fn into_state<T>(self) -> *mut T {
        ptr::without_provenance_mut(usize::from(self.0))
    }
}

/// The place of one box.
#[derive(Debug)]
pub struct Place<T>(AtomicPtr<T>);

impl<T> Default for Place<T> {
    /// Its box is away.
    fn default() -> Self {
        const { assert!(align_of::<T>() > Marks::MASK, "marks fit below a pointer's bits") };
        Self(AtomicPtr::new(ptr::null_mut()))
    }
}

impl<T> Place<T> {
    fn is_box(state: *mut T) -> bool {
        state.addr() > Marks::MASK
    }

    /// Leaves a box here, for whoever calls it.
    ///
    /// # Errors
    /// The box, and the marks that were made while it was away; they are gone from here.
    pub fn leave(&self, item: Box<T>) -> Result<(), (Box<T>, Marks)> {
        let item = Box::into_raw(item);
        // ORDERING: Release pairs with the Acquire of whoever calls the box.
        let left = self.0.compare_exchange(ptr::null_mut(), item, Ordering::Release, Ordering::Relaxed);
        if left.is_ok() {
            return Ok(());
        }
        let marks = self.take_marks();
        // SAFETY: it came from a box above, and nobody else has seen it.
        Err((unsafe { Box::from_raw(item) }, marks))
    }

    /// Calls the box; when it is away, leaves marks for whoever has it.
    pub fn call(&self, marks: Marks) -> Option<Box<T>> {
        // ORDERING: the exchange below tells whether it still holds.
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            let next = if Self::is_box(state) {
                ptr::null_mut()
            } else {
                Marks::of(state).and(marks).into_state::<T>()
            };
            // ORDERING: Acquire pairs with the Release of whoever left the box, or took the marks before; Release with
            // the Acquire of whoever takes these.
            match self.0.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
                // What was there now, not what was loaded before: the box may have been called and left anew in between, and only
                // the pointer of whoever left it last may be used.
                // SAFETY: it was left here as a box, and this exchange alone took it.
                Ok(taken) if Self::is_box(taken) => return Some(unsafe { Box::from_raw(taken) }),
                Ok(_) => return None,
                Err(now) => state = now,
            }
        }
    }

    /// Takes the marks. For whoever has the box: it is away.
    pub fn take_marks(&self) -> Marks {
        // ORDERING: Acquire pairs with the Release of whoever made the marks.
        let state = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        if Self::is_box(state) {
            // SAFETY: as in `call`.
            drop(unsafe { Box::from_raw(state) });
            unreachable!("one who has the box asks");
        }
        Marks::of(state)
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        drop(self.call(Marks::default()));
    }
}

// SAFETY: a place hands its box from one thread to another, as a queue does.
unsafe impl<T: Send> Send for Place<T> {}
// SAFETY: likewise; nobody gets a reference to what is in the box.
unsafe impl<T: Send> Sync for Place<T> {}

/// Places in the first piece; each further piece has twice as many as the one before.
#[cfg(not(loom))]
const FIRST_LEN: usize = if cfg!(miri) { 2 } else { 1024 };

/// Places by number; they come into being when they are first asked for.
#[cfg(not(loom))]
#[derive(Debug)]
pub struct Places<T> {
    pieces: [spin::Once<Box<[Place<T>]>>; 32],
}

#[cfg(not(loom))]
impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { pieces: [const { spin::Once::new() }; 32] }
    }
}

#[cfg(not(loom))]
impl<T> Places<T> {
    /// The place of a number.
    pub fn at(&self, number: u32) -> &Place<T> {
        // Piece k has the numbers from FIRST_LEN * (2^k - 1) on.
        let shifted = number as usize / FIRST_LEN + 1;
        let piece = shifted.ilog2() as usize;
        let len = FIRST_LEN << piece;
        let places = self.pieces[piece].call_once(|| (0..len).map(|_| Place::default()).collect());
        &places[number as usize - (len - FIRST_LEN)]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::boxed::Box;
    use alloc::sync::Arc;

    use super::{Marks, Place, Places};

    #[repr(align(64))]
    #[derive(Debug)]
    struct Item(Arc<u32>);

    #[test]
    fn a_box_is_called_or_marked() {
        let (place, count) = (Place::default(), Arc::new(7));
        let item = Box::new(Item(Arc::clone(&count)));
        assert!(place.leave(item).is_ok());
        let item = place.call(Marks::READABLE).unwrap();
        assert!(place.call(Marks::READABLE).is_none() && place.call(Marks::WANTED).is_none());
        let (item, marks) = place.leave(item).unwrap_err();
        assert_eq!(marks, Marks::READABLE.and(Marks::WANTED));
        assert!(marks.has(Marks::WANTED.and(Marks::CLOSED)) && !marks.has(Marks::CLOSED));
        assert!(place.call(Marks::CLOSED.when(false)).is_none());
        assert_eq!(place.take_marks(), Marks::default());
        assert!(place.leave(item).is_ok());
        drop(place);
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let places = Places::default();
        let numbers = || (0..100).chain([1023, 1024, 3071, 3072, 7167, 7168, 10_000]);
        for number in numbers() {
            assert!(places.at(number).leave(Box::new(Item(Arc::new(number)))).is_ok());
        }
        for number in numbers() {
            assert_eq!(*places.at(number).call(Marks::default()).unwrap().0, number);
        }
    }

    /// Calls the box and leaves it again, or marks it. Returns how often it marked, and which marks it was told.
    fn work(place: &Place<Item>, rounds: u32, marks: Marks) -> (u32, Marks) {
        let (mut marked, mut told) = (0, Marks::default());
        for _ in 0..rounds {
            let Some(mut item) = place.call(marks) else {
                marked += 1;
                continue;
            };
            while let Err((back, marks)) = place.leave(item) {
                item = back;
                told = told.and(marks);
            }
        }
        (marked, told)
    }

    /// Whoever marks is heard by the other, who has the box then.
    #[test]
    fn no_mark_is_lost_between_threads() {
        let rounds = if cfg!(miri) { 50 } else { 100_000 };
        let place = Place::default();
        assert!(place.leave(Box::new(Item(Arc::new(0)))).is_ok());
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| work(&place, rounds, Marks::READABLE));
            let other = scope.spawn(|| work(&place, rounds, Marks::CLOSED));
            (one.join().unwrap(), other.join().unwrap())
        });
        assert!(place.call(Marks::default()).is_some(), "the box is here, and no marks are");
        assert_eq!(other.1, Marks::READABLE.when(one.0 > 0));
        assert_eq!(one.1, Marks::CLOSED.when(other.0 > 0));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use alloc::boxed::Box;
    use std::sync::Arc;

    use super::{Marks, Place};

    #[repr(align(64))]
    struct Item(u32);

    /// One leaves the box after its work; two tell it something. Whoever gets the box works, too.
    #[test]
    fn what_is_told_reaches_whoever_has_the_box() {
        loom::model(|| {
            let place = Arc::new(Place::<Item>::default());
            let tell = |marks: Marks| {
                let place = Arc::clone(&place);
                loom::thread::spawn(move || {
                    // Told to nobody: it has the box itself, and does at once what it was to tell.
                    let Some(mut item) = place.call(marks) else { return };
                    item.0 +=
                        u32::from(marks.has(Marks::READABLE)) + 10 * u32::from(marks.has(Marks::CLOSED));
                    leave(&place, item);
                })
            };
            let (one, other) = (tell(Marks::READABLE), tell(Marks::CLOSED));
            leave(&place, Box::new(Item(0)));
            one.join().unwrap();
            other.join().unwrap();
            assert_eq!(place.call(Marks::default()).unwrap().0, 11);
        });
    }

    /// Leaves the box when there is nothing more to do for it.
    fn leave(place: &Place<Item>, mut item: Box<Item>) {
        while let Err((mut back, marks)) = place.leave(item) {
            back.0 += u32::from(marks.has(Marks::READABLE)) + 10 * u32::from(marks.has(Marks::CLOSED));
            item = back;
        }
    }
}
