//! Where encoded bytes go.

/// Takes encoded bytes.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends a head, bytes and the end of a line with as few copies as the sink can.
    fn put_framed<const N: usize>(&mut self, head: &[u8; N], bytes: &[u8]) {
        self.put(head);
        self.put(bytes);
        self.put(b"\r\n");
    }
}

#[cfg(feature = "alloc")]
impl Sink for alloc::vec::Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_framed<const N: usize>(&mut self, head: &[u8; N], bytes: &[u8]) {
        // Once for all three, which then find that there is room.
        self.reserve(bytes.len().saturating_add(N).saturating_add(2));
        self.extend_from_slice(head);
        self.extend_from_slice(bytes);
        self.extend_from_slice(b"\r\n");
    }
}

/// A sink of fixed size; what does not fit is dropped and remembered as an overflow.
impl<const N: usize> Sink for (heapless::Vec<u8, N>, bool) {
    fn put(&mut self, bytes: &[u8]) {
        self.1 |= self.0.extend_from_slice(bytes).is_err();
    }
}
