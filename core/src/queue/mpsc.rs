//! Many producers, one consumer.
//!
//! A producer takes a ticket by fetch-and-add and fills the slot of that number; the consumer empties slots in the order
//! of their numbers and stops at the first that is reserved but not filled yet. When the ring is full, the slot of a
//! ticket is still filled from the lap before: the producer keeps ticket and item on a short list of its own and fills
//! the slot as soon as the consumer has emptied it. So a full ring costs no retries on the shared index.
//!
//! Invariant: a producer fills its tickets in rising order, and every ticket that was taken is filled in the end: a
//! producer flushes before it goes.

use core::marker::PhantomData;
use core::ops::Deref;

use super::primitive::{AtomicUsize, Ordering};
use super::{Padded, Sequenced, Slots, storage};

/// Items that a producer holds back over a full ring. One that has some should take no further work.
pub const HELD_MAX: usize = if cfg!(loom) { 2 } else { 64 };

/// The ring.
#[derive(Debug)]
pub struct Ring<T, S: Slots<Sequenced<T>>> {
    /// The next ticket.
    tail: Padded<AtomicUsize>,
    /// The next slot to be emptied; written by the consumer only.
    head: Padded<AtomicUsize>,
    cells: S,
    items: PhantomData<T>,
}

/// A ring in a box, shared by count.
#[cfg(feature = "alloc")]
type Boxed<T> = alloc::sync::Arc<Ring<T, alloc::boxed::Box<[Sequenced<T>]>>>;
/// The producer of a ring in a box.
#[cfg(feature = "alloc")]
pub type BoxedProducer<T> = Producer<T, alloc::boxed::Box<[Sequenced<T>]>, Boxed<T>>;
/// The consumer of a ring in a box.
#[cfg(feature = "alloc")]
pub type BoxedConsumer<T> = Consumer<T, alloc::boxed::Box<[Sequenced<T>]>, Boxed<T>>;

// SAFETY: items are handed from one thread to another, never shared; the sequence numbers say whose a slot is.
unsafe impl<T: Send, S: Slots<Sequenced<T>> + Send> Sync for Ring<T, S> {}

impl<T, const N: usize> Ring<T, [Sequenced<T>; N]> {
    /// An empty ring in an array of `N` slots, a power of two of at least two.
    pub fn new() -> Self {
        const { assert!(N >= 2, "with one slot, filled and empty for the next lap would be the same number") };
        Self::over(storage::array())
    }
}

impl<T, const N: usize> Default for Ring<T, [Sequenced<T>; N]> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl<T> Ring<T, alloc::boxed::Box<[Sequenced<T>]>> {
    /// An empty ring in a box of `len` slots, rounded up to a power of two of at least two.
    pub fn with_capacity(len: usize) -> Self {
        Self::over(storage::boxed(len.max(2)))
    }
}

impl<T, S: Slots<Sequenced<T>>> Ring<T, S> {
    fn over(cells: S) -> Self {
        let index = || Padded(AtomicUsize::new(0));
        Self { tail: index(), head: index(), cells, items: PhantomData }
    }

    /// A producer's end, of which there may be more by [`Producer::another`], and the consumer's.
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
    fn cell(&self, ticket: usize) -> &Sequenced<T> {
        let cells = self.cells.all();
        &cells[ticket & (cells.len() - 1)]
    }
}

fn ends<T, S: Slots<Sequenced<T>>, H: Deref<Target = Ring<T, S>>>(
    a: H,
    b: H,
) -> (Producer<T, S, H>, Consumer<T, S, H>) {
    // ORDERING: nobody else has the ring now; earlier ends gave it back through the borrow that made these.
    let head = a.head.load(Ordering::Relaxed);
    (Producer { held: heapless::Deque::new(), ring: a }, Consumer { head, ring: b, items: PhantomData })
}

impl<T, S: Slots<Sequenced<T>>> Drop for Ring<T, S> {
    fn drop(&mut self) {
        // ORDERING: all ends are gone, and whatever counted or lent them has put their stores before this.
        let (mut head, tail) = (self.head.load(Ordering::Relaxed), self.tail.load(Ordering::Relaxed));
        while head != tail {
            let cell = self.cell(head);
            head = head.wrapping_add(1);
            // ORDERING: likewise. A ticket whose producer went without filling it has no item.
            if cell.sequence.load(Ordering::Relaxed) == head {
                // SAFETY: the number says that the slot holds an item, and this is the last to see the ring.
                drop(unsafe { cell.slot.take() });
            }
        }
    }
}

/// An end that puts items in.
#[derive(Debug)]
pub struct Producer<T, S: Slots<Sequenced<T>>, H: Deref<Target = Ring<T, S>>> {
    ring: H,
    /// Tickets taken over a full ring, with their items.
    held: heapless::Deque<(usize, T), HELD_MAX>,
}

impl<T, S: Slots<Sequenced<T>>, H: Deref<Target = Ring<T, S>>> Producer<T, S, H> {
    /// Another producer's end.
    pub fn another(&self) -> Self
    where
        H: Clone,
    {
        Self { ring: self.ring.clone(), held: heapless::Deque::new() }
    }

    /// Puts an item in, or on the list that [`Self::flush`] works off.
    ///
    /// # Errors
    /// The item, when that list is full: flush first.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.held.is_full() {
            return Err(item);
        }
        // ORDERING: only the number matters; the item is published by its slot's sequence number.
        let ticket = self.ring.tail.fetch_add(1, Ordering::Relaxed);
        if let Err(item) = self.fill(ticket, item) {
            // There is room: it was looked for above.
            let _ = self.held.push_back((ticket, item));
        }
        Ok(())
    }

    /// Fills the slot of a ticket, once it is empty.
    #[inline]
    fn fill(&mut self, ticket: usize, item: T) -> Result<(), T> {
        let cell = self.ring.cell(ticket);
        // ORDERING: pairs with the consumer's store in `pop`, behind which the slot is empty.
        if cell.sequence.load(Ordering::Acquire) != ticket {
            return Err(item);
        }
        // SAFETY: the slot is empty in this lap, and the ticket is this producer's alone.
        unsafe { cell.slot.put(item) };
        // ORDERING: pairs with the consumer's load in `pop`; the item is written before.
        cell.sequence.store(ticket.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Items wait for [`Self::flush`].
    #[inline]
    pub fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    /// Fills the slots of held tickets as far as they are empty by now. Returns whether nothing is held any more.
    pub fn flush(&mut self) -> bool {
        while let Some((ticket, item)) = self.held.pop_front() {
            if let Err(item) = self.fill(ticket, item) {
                // It was taken from there.
                let _ = self.held.push_front((ticket, item));
                return false;
            }
        }
        true
    }
}

/// The end that takes items out.
#[derive(Debug)]
pub struct Consumer<T, S: Slots<Sequenced<T>>, H: Deref<Target = Ring<T, S>>> {
    ring: H,
    head: usize,
    items: PhantomData<(T, S)>,
}

impl<T, S: Slots<Sequenced<T>>, H: Deref<Target = Ring<T, S>>> Consumer<T, S, H> {
    /// Takes the item of the oldest ticket, once it is there.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let cell = self.ring.cell(self.head);
        let next = self.head.wrapping_add(1);
        // ORDERING: pairs with the producer's store in `fill`, before which the item was written.
        if cell.sequence.load(Ordering::Acquire) != next {
            return None;
        }
        // SAFETY: the number says that the slot is filled, and only this consumer empties slots.
        let item = unsafe { cell.slot.take() };
        let lap = self.ring.cells.all().len();
        // ORDERING: pairs with the producer's load in `fill`; the item is out of the slot before.
        cell.sequence.store(self.head.wrapping_add(lap), Ordering::Release);
        self.head = next;
        // ORDERING: read when all ends are gone.
        self.ring.head.store(next, Ordering::Relaxed);
        Some(item)
    }

    /// The oldest ticket's item is not there.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // ORDERING: a guess that a later `pop` decides.
        self.ring.cell(self.head).sequence.load(Ordering::Relaxed) != self.head.wrapping_add(1)
    }
}
