//! A job in one word: the pointer of its box, and its kind in the pointer's low bits, of which a box that holds words
//! has three to spare, or two where words have 32 bits.
#![expect(unsafe_code, reason = "takes boxes apart and puts them together again")]

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use crate::queue::LINE_LEN;

/// What the jobs of a server carry.
pub trait Kinds {
    /// The I/O half of a client.
    type Client: Send;
    /// The poller.
    type Poll: Send;
    /// Things to be freed.
    type Garbage: Send;
}

/// Something to do for an I/O thread, or something done on its way back.
pub enum Job<K: Kinds> {
    /// Read from a client and parse.
    Read(Box<K::Client>),
    /// Write to a client.
    Write(Box<K::Client>),
    /// Poll once, without waiting.
    Poll(Box<K::Poll>),
    /// Free.
    Free(Box<K::Garbage>),
}

impl<K: Kinds> core::fmt::Debug for Job<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "Read",
            Self::Write(_) => "Write",
            Self::Poll(_) => "Poll",
            Self::Free(_) => "Free",
        })
    }
}

/// Bits of the kind: those that are clear in the address of a word.
const KIND_MASK: usize = align_of::<usize>() - 1;
const READ: usize = 0;
const WRITE: usize = 1;
const POLL: usize = 2;
const FREE: usize = 3;
const _: () = assert!(FREE <= KIND_MASK, "each kind has its number");

/// A [`Job`] in one word. It owns the job: dropping it drops that.
pub struct Word<K: Kinds> {
    tagged: NonNull<u8>,
    job: PhantomData<Job<K>>,
}

const _: () = assert!(size_of::<Word<()>>() == size_of::<usize>(), "a job is one word");

// SAFETY: a word is a job, and all that a job carries may go to another thread.
unsafe impl<K: Kinds> Send for Word<K> {}

/// Jobs without content, for layout assertions and tests of queues.
impl Kinds for () {
    type Client = u64;
    type Poll = u64;
    type Garbage = u64;
}

impl<K: Kinds> core::fmt::Debug for Word<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Word({})", self.kind())
    }
}

impl<K: Kinds> Word<K> {
    /// Packs a job.
    #[inline]
    pub fn new(job: Job<K>) -> Self {
        const {
            assert!(align_of::<K::Client>() > KIND_MASK);
            assert!(align_of::<K::Poll>() > KIND_MASK);
            assert!(align_of::<K::Garbage>() > KIND_MASK);
            assert!(size_of::<K::Client>() > 0 && size_of::<K::Poll>() > 0 && size_of::<K::Garbage>() > 0);
        }
        let (pointer, kind) = match job {
            Job::Read(client) => (Box::into_raw(client).cast::<u8>(), READ),
            Job::Write(client) => (Box::into_raw(client).cast(), WRITE),
            Job::Poll(poll) => (Box::into_raw(poll).cast(), POLL),
            Job::Free(garbage) => (Box::into_raw(garbage).cast(), FREE),
        };
        let tagged = pointer.map_addr(|address| address | kind);
        // SAFETY: a box's pointer is not null, and setting low bits keeps it so.
        let tagged = unsafe { NonNull::new_unchecked(tagged) };
        Self { tagged, job: PhantomData }
    }

    #[inline]
    fn kind(&self) -> usize {
        self.tagged.addr().get() & KIND_MASK
    }

    /// Asks the processor to fetch the first lines of what the job carries: another processor has written them.
    #[inline]
    pub fn prefetch(&self, lines: usize) {
        let pointer = self.tagged.as_ptr().map_addr(|address| address & !KIND_MASK);
        (0..lines).for_each(|line| crate::prefetch::prefetch_write(pointer.wrapping_add(line * LINE_LEN)));
    }

    /// Unpacks the job.
    #[inline]
    pub fn into_job(self) -> Job<K> {
        let this = ManuallyDrop::new(self);
        let pointer = this.tagged.as_ptr().map_addr(|address| address & !KIND_MASK);
        match this.kind() {
            // SAFETY: this kind was packed from a box of a client, and `this` will not be unpacked again.
            READ => Job::Read(unsafe { Box::from_raw(pointer.cast()) }),
            // SAFETY: likewise.
            WRITE => Job::Write(unsafe { Box::from_raw(pointer.cast()) }),
            // SAFETY: likewise, of a poll.
            POLL => Job::Poll(unsafe { Box::from_raw(pointer.cast()) }),
            // SAFETY: likewise, of garbage; there is no other kind.
            _ => Job::Free(unsafe { Box::from_raw(pointer.cast()) }),
        }
    }
}

impl<K: Kinds> Drop for Word<K> {
    fn drop(&mut self) {
        let again = Self { tagged: self.tagged, job: PhantomData };
        drop(again.into_job());
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::sync::Arc;

    use super::{Job, Kinds, Word};

    struct Counted;
    impl Kinds for Counted {
        type Client = Arc<u8>;
        type Poll = u64;
        type Garbage = Box<[Arc<u8>]>;
    }

    #[test]
    fn jobs_survive_their_packing() {
        let item = Arc::new(1);
        let client = || Box::new(Arc::clone(&item));
        assert!(
            matches!(Word::<Counted>::new(Job::Read(client())).into_job(), Job::Read(back) if **back == 1)
        );
        assert!(matches!(Word::<Counted>::new(Job::Write(client())).into_job(), Job::Write(_)));
        assert!(
            matches!(Word::<Counted>::new(Job::Poll(Box::new(7))).into_job(), Job::Poll(back) if *back == 7)
        );
        let garbage = Box::new([Arc::clone(&item), Arc::clone(&item)].into());
        assert!(
            matches!(Word::<Counted>::new(Job::Free(garbage)).into_job(), Job::Free(back) if back.len() == 2)
        );
        assert_eq!(Arc::strong_count(&item), 1);
        drop(Word::<Counted>::new(Job::Write(client())));
        assert_eq!(Arc::strong_count(&item), 1);
    }
}
