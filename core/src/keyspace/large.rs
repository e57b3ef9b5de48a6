//! The bytes of a large value, in the buffer in which they came.
//!
//! A request with a large argument that is received into a buffer of its own need not be copied: the buffer becomes the value, with the
//! few bytes of the request around it. Who changes the value in place cuts those off first.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, Range};

use super::Keyspace;

/// In these units the allocator hands out what is large, and the processor looks addresses up.
const PAGE_LEN: usize = 4096;
/// What stands before it in its Arc: how many hold it.
const COUNTS_LEN: usize = 16;

/// Bytes of a large value, shared between its entry and replies that are being sent.
pub type SharedBytes = Arc<LargeBytes>;

/// All bytes of a buffer but some at its ends.
#[derive(Debug)]
pub struct LargeBytes {
    buffer: Vec<u8>,
    /// Bytes before them, and behind them.
    before: u32,
    behind: u32,
}

// With its counts it fits the allocator's class of 48.
#[cfg(not(random_layout))]
static_assertions::const_assert!(size_of::<LargeBytes>() <= 32);

impl LargeBytes {
    /// Those at `range` of a buffer, or the buffer back when it takes a page more than they would alone: memory that values of one
    /// length leave would not do for the others.
    ///
    /// # Errors
    /// The buffer.
    pub fn within(buffer: Vec<u8>, range: Range<usize>) -> Result<Self, Vec<u8>> {
        let (len, capacity) = (buffer.len(), buffer.capacity());
        let is_roomy = capacity.div_ceil(PAGE_LEN) > range.len().div_ceil(PAGE_LEN);
        if range.start > range.end || range.end > len || is_roomy {
            return Err(buffer);
        }
        match (u32::try_from(range.start), u32::try_from(len - range.end)) {
            (Ok(before), Ok(behind)) => Ok(Self { buffer, before, behind }),
            _ => Err(buffer),
        }
    }

    /// The buffer with what stands around them.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// Gives the buffer back.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Memory that the buffer takes.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Asks the processor to fetch what tells where the bytes lie, with the counts before it.
    #[inline]
    pub(super) fn prefetch_place(place: *const Self) {
        crate::prefetch::prefetch(place.cast());
        crate::prefetch::prefetch(place.cast::<u8>().wrapping_sub(COUNTS_LEN));
    }

    /// Asks the processor to fetch how the bytes begin. It fetches by itself what follows once that is read, but for the next page,
    /// which it has to look up first.
    pub(super) fn prefetch(&self) {
        let bytes: &[u8] = self;
        let behind = PAGE_LEN - bytes.as_ptr().addr() % PAGE_LEN;
        crate::prefetch::prefetch_slice(bytes);
        crate::prefetch::prefetch_slice(bytes.get(behind..).unwrap_or_default());
    }

    /// The bytes alone, to be changed.
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        if self.before > 0 || self.behind > 0 {
            self.buffer.truncate(self.buffer.len() - self.behind as usize);
            self.buffer.drain(..self.before as usize);
            (self.before, self.behind) = (0, 0);
        }
        &mut self.buffer
    }
}

impl Deref for LargeBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.buffer[self.before as usize..self.buffer.len() - self.behind as usize]
    }
}

impl From<Vec<u8>> for LargeBytes {
    fn from(buffer: Vec<u8>) -> Self {
        Self { buffer, before: 0, behind: 0 }
    }
}

impl Clone for LargeBytes {
    /// A copy of the bytes alone.
    fn clone(&self) -> Self {
        Self::from(self.to_vec())
    }
}

impl Keyspace {
    /// From now on a string that is set to exactly these bytes, not only to equal ones, takes them as they are.
    pub fn offer(&mut self, bytes: SharedBytes) {
        self.offered = Some(bytes);
    }

    /// Ends the offer.
    pub fn withdraw(&mut self) {
        self.offered = None;
    }

    /// The bytes on offer, if they are these.
    #[inline]
    pub(super) fn offered(&self, bytes: &[u8]) -> Option<SharedBytes> {
        self.offered.as_ref().filter(|offered| core::ptr::eq::<[u8]>(&****offered, bytes)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::LargeBytes;
    use alloc::vec;
    use alloc::vec::Vec;

    /// A value of this many bytes between others.
    fn framed(len: usize) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(len + 5);
        buffer.extend_from_slice(b"abc");
        buffer.resize(len + 3, b'x');
        buffer.extend_from_slice(b"yz");
        buffer
    }

    #[test]
    fn only_the_value_is_seen() {
        let mut large = LargeBytes::within(framed(1000), 3..1003).unwrap();
        assert_eq!(*large, [b'x'; 1000]);
        assert_eq!(large.buffer(), framed(1000));
        let copy = large.clone();
        assert_eq!((&*copy, copy.capacity()), (&*large, 1000));
        large.bytes_mut().push(b'!');
        assert_eq!((large.len(), large[0], large[1000], large.buffer().len()), (1001, b'x', b'!', 1001));
    }

    #[test]
    fn a_buffer_is_kept_only_if_it_takes_no_page_more_than_the_value() {
        assert_eq!(LargeBytes::within(framed(4092), 3..4095).unwrap_err(), framed(4092));
        assert!(LargeBytes::within(framed(4091), 3..4094).is_ok());
        assert!(LargeBytes::within(framed(8192), 3..8195).is_err());
        let mut roomy = framed(1000);
        roomy.reserve_exact(4000);
        assert!(LargeBytes::within(roomy, 3..1003).is_err());
        for outside in [3..1006, 1006..1007] {
            assert!(LargeBytes::within(framed(1000), outside).is_err());
        }
        assert_eq!(LargeBytes::from(vec![1, 2]).into_buffer(), [1, 2]);
    }
}
