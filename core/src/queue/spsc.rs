//! One producer, one consumer.
//!
//! ```text
//!            head ──► (consumer's)          tail ──► (producer's)
//!  slots:  . . . [a][b][c] . . .     items from head to tail; what is enqueued behind tail is not yet committed
//! ```
//! Each end keeps a copy of the other's index and reads the real one only when the copy says full or empty, so the two
//! index lines move between processors once a lap rather than once an item. The producer may enqueue many items and
//! commit them with one store.

use core::marker::PhantomData;
use core::ops::Deref;

use super::primitive::{AtomicUsize, Ordering};
use super::{Padded, Slot, Slots, storage};

/// The ring.
#[derive(Debug)]
pub struct Ring<T, S: Slots<Slot<T>>> {
    head: Padded<AtomicUsize>,
    tail: Padded<AtomicUsize>,
    slots: S,
    items: PhantomData<T>,
}

/// A ring in a box, shared by count.
#[cfg(feature = "alloc")]
type Boxed<T> = alloc::sync::Arc<Ring<T, alloc::boxed::Box<[Slot<T>]>>>;
/// The producer of a ring in a box.
#[cfg(feature = "alloc")]
pub type BoxedProducer<T> = Producer<T, alloc::boxed::Box<[Slot<T>]>, Boxed<T>>;
/// The consumer of a ring in a box.
#[cfg(feature = "alloc")]
pub type BoxedConsumer<T> = Consumer<T, alloc::boxed::Box<[Slot<T>]>, Boxed<T>>;

// SAFETY: items are handed from one thread to another, never shared; slots are touched by one end at a time.
unsafe impl<T: Send, S: Slots<Slot<T>> + Send> Sync for Ring<T, S> {}

impl<T, const N: usize> Ring<T, [Slot<T>; N]> {
    /// An empty ring in an array of `N` slots, a power of two.
    pub fn new() -> Self {
        Self::over(storage::array())
    }
}

impl<T, const N: usize> Default for Ring<T, [Slot<T>; N]> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl<T> Ring<T, alloc::boxed::Box<[Slot<T>]>> {
    /// An empty ring in a box of `len` slots, rounded up to a power of two.
    pub fn with_capacity(len: usize) -> Self {
        Self::over(storage::boxed(len))
    }
}

impl<T, S: Slots<Slot<T>>> Ring<T, S> {
    fn over(slots: S) -> Self {
        let index = || Padded(AtomicUsize::new(0));
        Self { head: index(), tail: index(), slots, items: PhantomData }
    }

    /// Its two ends.
    pub fn split(&mut self) -> (Producer<T, S, &Self>, Consumer<T, S, &Self>) {
        ends(&*self, &*self)
    }

    /// Its two ends, which share it by count.
    #[cfg(feature = "alloc")]
    #[expect(clippy::type_complexity, reason = "the two ends")]
    pub fn into_shared(
        self,
    ) -> (Producer<T, S, alloc::sync::Arc<Self>>, Consumer<T, S, alloc::sync::Arc<Self>>) {
        let ring = alloc::sync::Arc::new(self);
        ends(alloc::sync::Arc::clone(&ring), ring)
    }

    #[inline]
    fn slot(&self, index: usize) -> &Slot<T> {
        let slots = self.slots.all();
        &slots[index & (slots.len() - 1)]
    }
}

fn ends<T, S: Slots<Slot<T>>, H: Deref<Target = Ring<T, S>>>(
    a: H,
    b: H,
) -> (Producer<T, S, H>, Consumer<T, S, H>) {
    // ORDERING: nobody else has the ring now; earlier ends gave it back through the borrow that made these.
    let (head, tail) = (a.head.load(Ordering::Relaxed), a.tail.load(Ordering::Relaxed));
    (Producer { tail, head_seen: head, ring: a }, Consumer { head, tail_seen: tail, ring: b })
}

impl<T, S: Slots<Slot<T>>> Drop for Ring<T, S> {
    fn drop(&mut self) {
        // ORDERING: both ends are gone, and whatever counted or lent them has put their stores before this.
        let (mut head, tail) = (self.head.load(Ordering::Relaxed), self.tail.load(Ordering::Relaxed));
        while head != tail {
            // SAFETY: slots from head to tail hold items, and this is the last to see the ring.
            drop(unsafe { self.slot(head).take() });
            head = head.wrapping_add(1);
        }
    }
}

/// The end that puts items in.
#[derive(Debug)]
pub struct Producer<T, S: Slots<Slot<T>>, H: Deref<Target = Ring<T, S>>> {
    ring: H,
    /// Where the next item goes; ahead of the ring's tail by what is not committed.
    tail: usize,
    /// The consumer's head as last read.
    head_seen: usize,
}

impl<T, S: Slots<Slot<T>>, H: Deref<Target = Ring<T, S>>> Producer<T, S, H> {
    /// Puts an item in, for the consumer to see after [`Self::commit`].
    ///
    /// # Errors
    /// The item, when the ring is full.
    #[inline]
    pub fn enqueue(&mut self, item: T) -> Result<(), T> {
        let len = self.ring.slots.all().len();
        if self.tail.wrapping_sub(self.head_seen) == len {
            // ORDERING: pairs with the consumer's store in `pop`, behind which the slot is empty.
            self.head_seen = self.ring.head.load(Ordering::Acquire);
            if self.tail.wrapping_sub(self.head_seen) == len {
                return Err(item);
            }
        }
        // SAFETY: the slot is between the tail and the next lap's head: empty, and the consumer does not look at it.
        unsafe { self.ring.slot(self.tail).put(item) };
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Lets the consumer see what was enqueued.
    #[inline]
    pub fn commit(&mut self) {
        // ORDERING: pairs with the consumer's load in `pop`; the items are written before.
        self.ring.tail.store(self.tail, Ordering::Release);
    }

    /// Enqueues and commits.
    ///
    /// # Errors
    /// The item, when the ring is full.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        self.enqueue(item)?;
        self.commit();
        Ok(())
    }

    /// Items that the consumer has not taken, about.
    pub fn len(&self) -> usize {
        // ORDERING: only a measurement.
        self.tail.wrapping_sub(self.ring.head.load(Ordering::Relaxed))
    }

    /// The consumer has taken all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What was enqueued is not lost.
impl<T, S: Slots<Slot<T>>, H: Deref<Target = Ring<T, S>>> Drop for Producer<T, S, H> {
    fn drop(&mut self) {
        self.commit();
    }
}

/// The end that takes items out.
#[derive(Debug)]
pub struct Consumer<T, S: Slots<Slot<T>>, H: Deref<Target = Ring<T, S>>> {
    ring: H,
    head: usize,
    /// The producer's tail as last read.
    tail_seen: usize,
}

impl<T, S: Slots<Slot<T>>, H: Deref<Target = Ring<T, S>>> Consumer<T, S, H> {
    /// Takes the oldest committed item.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: the slot is between head and tail: filled, and the producer does not look at it.
        let item = unsafe { self.ring.slot(self.head).take() };
        self.head = self.head.wrapping_add(1);
        // ORDERING: pairs with the producer's load in `enqueue`; the item is out of the slot before.
        self.ring.head.store(self.head, Ordering::Release);
        Some(item)
    }

    /// Nothing is committed that was not taken.
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        if self.head == self.tail_seen {
            // ORDERING: pairs with the producer's store in `commit`, before which the items were written.
            self.tail_seen = self.ring.tail.load(Ordering::Acquire);
        }
        self.head == self.tail_seen
    }
}
