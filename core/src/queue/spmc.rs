//! One producer, many consumers: each item goes to whoever takes it first.
//!
//! Every slot lies on its own cache line with a sequence number (see [`Sequenced`]):
//! ```text
//!  producer at tail t:  slot t % len, empty when its number is t      ──► fills it, number t + 1
//!  consumer at head h:  slot h % len, filled when its number is h + 1 ──► claims h by compare-and-swap, empties it,
//!                                                                         number h + len: empty for the next lap
//! ```
//! So the producer and a consumer meet on a slot's line only, and consumers on the head.

use core::marker::PhantomData;
use core::ops::Deref;

use super::primitive::{AtomicUsize, Ordering};
use super::{Padded, Sequenced, Slots, storage};

/// A slot of this ring.
pub type Cell<T> = Padded<Sequenced<T>>;

/// How many pushes ahead a slot is asked for.
const FETCH_AHEAD: usize = 8;

/// The ring.
#[derive(Debug)]
pub struct Ring<T, S: Slots<Cell<T>>> {
    /// The next item to be claimed.
    head: Padded<AtomicUsize>,
    /// The next slot to be filled; written by the producer only.
    tail: Padded<AtomicUsize>,
    cells: S,
    items: PhantomData<T>,
}

const _: () = assert!(size_of::<Cell<usize>>() == super::LINE_LEN, "a slot fills its line and no more");

/// A ring in a box, shared by count.
#[cfg(feature = "alloc")]
type Boxed<T> = alloc::sync::Arc<Ring<T, alloc::boxed::Box<[Cell<T>]>>>;
/// The producer of a ring in a box.
#[cfg(feature = "alloc")]
pub type BoxedProducer<T> = Producer<T, alloc::boxed::Box<[Cell<T>]>, Boxed<T>>;
/// The consumer of a ring in a box.
#[cfg(feature = "alloc")]
pub type BoxedConsumer<T> = Consumer<T, alloc::boxed::Box<[Cell<T>]>, Boxed<T>>;

// SAFETY: items are handed from one thread to another, never shared; the sequence numbers say whose a slot is.
unsafe impl<T: Send, S: Slots<Cell<T>> + Send> Sync for Ring<T, S> {}

impl<T, const N: usize> Ring<T, [Cell<T>; N]> {
    /// An empty ring in an array of `N` slots, a power of two of at least two.
    pub fn new() -> Self {
        const { assert!(N >= 2, "with one slot, filled and empty for the next lap would be the same number") };
        Self::over(storage::array())
    }
}

impl<T, const N: usize> Default for Ring<T, [Cell<T>; N]> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl<T> Ring<T, alloc::boxed::Box<[Cell<T>]>> {
    /// An empty ring in a box of `len` slots, rounded up to a power of two of at least two.
    pub fn with_capacity(len: usize) -> Self {
        Self::over(storage::boxed(len.max(2)))
    }
}

impl<T, S: Slots<Cell<T>>> Ring<T, S> {
    fn over(cells: S) -> Self {
        let index = || Padded(AtomicUsize::new(0));
        Self { head: index(), tail: index(), cells, items: PhantomData }
    }

    /// The producer's end and a consumer's, of which there may be more by cloning.
    pub fn split(&mut self) -> (Producer<T, S, &Self>, Consumer<T, S, &Self>) {
        ends(&*self, &*self)
    }

    /// Same; the ends share the ring by count.
    #[cfg(feature = "alloc")]
    #[expect(clippy::type_complexity, reason = "the two ends")]
    pub fn into_shared(
        self,
    ) -> (Producer<T, S, alloc::sync::Arc<Self>>, Consumer<T, S, alloc::sync::Arc<Self>>) {
        let ring = alloc::sync::Arc::new(self);
        ends(alloc::sync::Arc::clone(&ring), ring)
    }

    #[inline]
    fn cell(&self, index: usize) -> &Sequenced<T> {
        let cells = self.cells.all();
        &cells[index & (cells.len() - 1)]
    }
}

fn ends<T, S: Slots<Cell<T>>, H: Deref<Target = Ring<T, S>>>(
    a: H,
    b: H,
) -> (Producer<T, S, H>, Consumer<T, S, H>) {
    // ORDERING: nobody else has the ring now; earlier ends gave it back through the borrow that made these.
    let tail = a.tail.load(Ordering::Relaxed);
    (Producer { tail, ring: a, items: PhantomData }, Consumer { ring: b, items: PhantomData })
}

impl<T, S: Slots<Cell<T>>> Drop for Ring<T, S> {
    fn drop(&mut self) {
        // ORDERING: all ends are gone, and whatever counted or lent them has put their stores before this.
        let (mut head, tail) = (self.head.load(Ordering::Relaxed), self.tail.load(Ordering::Relaxed));
        while head != tail {
            // SAFETY: slots from head to tail hold items, and this is the last to see the ring.
            drop(unsafe { self.cell(head).slot.take() });
            head = head.wrapping_add(1);
        }
    }
}

/// The end that puts items in.
#[derive(Debug)]
pub struct Producer<T, S: Slots<Cell<T>>, H: Deref<Target = Ring<T, S>>> {
    ring: H,
    tail: usize,
    items: PhantomData<(T, S)>,
}

impl<T, S: Slots<Cell<T>>, H: Deref<Target = Ring<T, S>>> Producer<T, S, H> {
    /// Puts an item in.
    ///
    /// # Errors
    /// The item, when the ring is full.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        let cell = self.ring.cell(self.tail);
        // ORDERING: pairs with the consumer's store in `pop`, behind which the slot is empty.
        if cell.sequence.load(Ordering::Acquire) != self.tail {
            return Err(item);
        }
        // SAFETY: the number says that the slot is empty in this lap, and only this producer fills slots.
        unsafe { cell.slot.put(item) };
        let next = self.tail.wrapping_add(1);
        // ORDERING: pairs with the consumers' load in `pop`; the item is written before.
        cell.sequence.store(next, Ordering::Release);
        self.tail = next;
        // A consumer has written it in the last lap.
        crate::prefetch::prefetch_write(
            core::ptr::from_ref(self.ring.cell(next.wrapping_add(FETCH_AHEAD))).cast(),
        );
        // ORDERING: read when both ends are gone, and for measurements.
        self.ring.tail.store(next, Ordering::Relaxed);
        Ok(())
    }

    /// Items that nobody has claimed yet, about.
    pub fn len(&self) -> usize {
        // ORDERING: only a measurement.
        self.tail.wrapping_sub(self.ring.head.load(Ordering::Relaxed))
    }

    /// All are claimed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An end that takes items out.
#[derive(Debug)]
pub struct Consumer<T, S: Slots<Cell<T>>, H: Deref<Target = Ring<T, S>>> {
    ring: H,
    items: PhantomData<(T, S)>,
}

impl<T, S: Slots<Cell<T>>, H: Deref<Target = Ring<T, S>> + Clone> Clone for Consumer<T, S, H> {
    fn clone(&self) -> Self {
        Self { ring: self.ring.clone(), items: PhantomData }
    }
}

impl<T, S: Slots<Cell<T>>, H: Deref<Target = Ring<T, S>>> Consumer<T, S, H> {
    /// Takes the oldest item that nobody else has claimed.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        // ORDERING: a guess; the compare-and-swap below decides.
        let mut head = self.ring.head.load(Ordering::Relaxed);
        loop {
            let cell = self.ring.cell(head);
            let next = head.wrapping_add(1);
            // ORDERING: pairs with the producer's store in `push`, before which the item was written.
            let sequence = cell.sequence.load(Ordering::Acquire);
            if sequence == next {
                // ORDERING: claims the number among consumers; the item itself comes by the sequence number.
                let claim =
                    self.ring.head.compare_exchange_weak(head, next, Ordering::Relaxed, Ordering::Relaxed);
                match claim {
                    Ok(_) => return Some(self.empty(cell, head)),
                    Err(now) => head = now,
                }
            } else if sequence == head {
                return None;
            } else {
                // Somebody was faster: the slot is a lap further, or being emptied.
                // ORDERING: a guess, as above.
                let now = self.ring.head.load(Ordering::Relaxed);
                if now == head {
                    return None;
                }
                head = now;
            }
        }
    }

    #[inline]
    fn empty(&self, cell: &Sequenced<T>, head: usize) -> T {
        // SAFETY: the number was claimed by this consumer alone and said that the slot is filled.
        let item = unsafe { cell.slot.take() };
        let lap = self.ring.cells.all().len();
        // ORDERING: pairs with the producer's load in `push`; the item is out of the slot before.
        cell.sequence.store(head.wrapping_add(lap), Ordering::Release);
        item
    }

    /// Nothing waits to be claimed, at this moment.
    pub fn is_empty(&self) -> bool {
        // ORDERING: a guess that a later `pop` decides.
        let head = self.ring.head.load(Ordering::Relaxed);
        // ORDERING: likewise.
        self.ring.cell(head).sequence.load(Ordering::Relaxed) != head.wrapping_add(1)
    }
}
