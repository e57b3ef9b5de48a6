//! Request bytes of a client that do not make a whole request yet.
//!
//! Reads go into one buffer that all clients share; whole requests are executed in place there. Only a
//! client that leaves part of a request behind gets a buffer of its own, and keeps it for a while, since one
//! that split a request once will do so again.

use core::ops::Range;

use vireo_core::keyspace::{LargeBytes, SharedBytes};

/// A client's own buffer starts at this size.
pub(crate) const OWN_LEN_MIN: usize = 16 * 1024;
/// A buffer above this is cut back when it is mostly unused.
const RESIZE_THRESHOLD: usize = 32 * 1024;
/// One above this goes as soon as it is empty: few requests are so large.
pub(crate) const KEEP_LEN_MAX: usize = 512 * 1024;

/// Request bytes of one client that wait for the rest.
#[derive(Debug, Default)]
pub(crate) struct ReadBuf {
    /// Bytes received; behind them is room.
    bytes: Vec<u8>,
    /// Bytes executed already.
    consumed: usize,
    /// Most bytes held at once since the last look of the periodic work.
    peak: usize,
    /// It has carried whole requests only: not a query buffer in the sense of CLIENT LIST.
    is_lean: bool,
}

impl ReadBuf {
    /// The client has no buffer of its own.
    pub(crate) fn is_absent(&self) -> bool {
        self.bytes.capacity() == 0 || (self.is_lean && self.bytes.is_empty())
    }

    /// Bytes received and not executed.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.consumed
    }

    /// Begins to fetch the bytes to be executed.
    pub(crate) fn prefetch(&self) {
        vireo_core::prefetch_slice(&self.bytes[self.consumed..]);
    }

    /// Room left.
    pub(crate) fn free(&self) -> usize {
        if self.is_absent() { 0 } else { self.bytes.capacity() - self.bytes.len() }
    }

    /// Memory it holds.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes received and not executed, to be decoded.
    pub(crate) fn pending(&mut self) -> &mut [u8] {
        &mut self.bytes[self.consumed..]
    }

    /// Keeps whole requests that another thread will execute: no more room than they need.
    pub(crate) fn keep_whole(&mut self, bytes: &[u8]) {
        if self.bytes.is_empty() && self.bytes.capacity() < bytes.len() {
            self.bytes = Vec::with_capacity(bytes.len().next_power_of_two());
            self.is_lean = true;
        }
        self.keep(bytes);
    }

    /// Part of a request stays: from now on it is the client's query buffer. It will have `most` bytes, if that is known.
    pub(crate) fn keep_part(&mut self, most: Option<usize>) {
        if self.is_lean {
            self.is_lean = false;
            let wanted = most.map_or(OWN_LEN_MIN, |most| most.saturating_sub(self.len()));
            self.room(wanted.clamp(1, OWN_LEN_MIN), most);
        }
    }

    /// Keeps what the shared buffer has left over.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.room(rest.len(), None).extend_from_slice(rest);
        self.note_peak();
    }

    /// Itself with room for at least `least` more bytes; for no more than `most` in all, if that is known to be enough. Tell it
    /// of what came by [`Self::note_peak`].
    ///
    /// The buffer at most doubles, or little more: memory follows what has arrived, never what was announced.
    pub(crate) fn room(&mut self, least: usize, most: Option<usize>) -> &mut Vec<u8> {
        if self.consumed > 0 {
            self.bytes.drain(..self.consumed);
            self.consumed = 0;
        }
        let filled = self.bytes.len();
        if self.bytes.capacity() - filled < least {
            let doubled = filled * 2;
            // What is but a little more than the double is not worth another step.
            let enough = most.filter(|&most| most > filled && most <= doubled + doubled / 8);
            let enough = enough.unwrap_or(doubled);
            let target = (filled + least).max(enough).max(OWN_LEN_MIN);
            self.bytes.reserve_exact(target - filled);
        }
        &mut self.bytes
    }

    /// Bytes were read into the room.
    pub(crate) fn note_peak(&mut self) {
        self.peak = self.peak.max(self.len());
    }

    /// Gives up its bytes, of which those at `value`, counted from the first that waits, may become a value of the keyspace; not when
    /// it is too roomy for that. Either they become one, or [`Self::take_back`] gets them.
    pub(crate) fn lend(&mut self, value: Range<usize>) -> Option<SharedBytes> {
        let range = self.consumed + value.start..self.consumed + value.end;
        match LargeBytes::within(core::mem::take(&mut self.bytes), range) {
            Ok(large) => Some(SharedBytes::new(large)),
            Err(bytes) => {
                self.bytes = bytes;
                None
            }
        }
    }

    /// What it has lent, from the first byte that waits.
    pub(crate) fn pending_of<'l>(&self, lent: &'l SharedBytes) -> &'l [u8] {
        &lent.buffer()[self.consumed..]
    }

    /// Takes back what it has lent. Returns `false` when that has become a value.
    pub(crate) fn take_back(&mut self, lent: SharedBytes) -> bool {
        let Some(large) = SharedBytes::into_inner(lent) else {
            self.consumed = 0;
            return false;
        };
        self.bytes = large.into_buffer();
        true
    }

    /// `count` bytes were executed.
    pub(crate) fn consume(&mut self, count: usize) {
        self.consumed += count;
        if self.consumed == self.bytes.len() {
            self.consumed = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEEP_LEN_MAX {
                self.bytes = Vec::new();
            }
        }
    }

    /// Gives memory back that has not been needed lately: all of it when the client is idle and nothing
    /// waits, down to twice the recent need when the buffer is large. Returns whether there was any.
    pub(crate) fn shrink(&mut self, idle: bool) -> bool {
        let held = self.len();
        if idle && held == 0 {
            *self = Self::default();
            return true;
        }
        let target = held.max(self.peak.saturating_mul(2)).max(OWN_LEN_MIN);
        let is_large = self.bytes.capacity() > RESIZE_THRESHOLD && target < self.bytes.capacity();
        if is_large {
            let mut smaller = Vec::with_capacity(target);
            smaller.extend_from_slice(&self.bytes[self.consumed..]);
            self.bytes = smaller;
            self.consumed = 0;
        }
        self.peak = held;
        is_large
    }
}

#[cfg(test)]
mod tests {
    use super::{KEEP_LEN_MAX, OWN_LEN_MIN, ReadBuf};

    #[test]
    fn a_very_large_buffer_goes_when_it_is_empty() {
        let mut buf = ReadBuf::default();
        buf.keep(&vec![b'x'; KEEP_LEN_MAX + 1]);
        buf.consume(KEEP_LEN_MAX);
        assert_eq!(buf.pending(), b"x");
        buf.consume(1);
        assert_eq!((buf.len(), buf.free()), (0, 0));
        buf.keep(b"y");
        assert_eq!(buf.pending(), b"y");
    }

    #[test]
    fn bytes_survive_growth_and_consumption() {
        let mut buf = ReadBuf::default();
        assert!(buf.is_absent());
        let all: Vec<u8> = (0..200_000usize).map(|i| u8::try_from(i % 253).unwrap_or(0)).collect();
        let (mut sent, mut seen) = (0, Vec::new());
        for step in [1usize, 100, 16_000, 40_000, 3].iter().cycle() {
            if sent == all.len() {
                break;
            }
            let step = (*step).min(all.len() - sent);
            buf.keep(&all[sent..sent + step]);
            sent += step;
            let take = buf.len() / 2;
            seen.extend_from_slice(&buf.pending()[..take]);
            buf.consume(take);
            buf.shrink(false);
        }
        seen.extend_from_slice(buf.pending());
        assert_eq!(seen, all);
        assert!(buf.len() + buf.free() < 4 * all.len());
    }

    #[test]
    fn room_is_made_for_what_comes_and_no_more() {
        let (mut buf, len) = (ReadBuf::default(), 1_000_000);
        buf.keep(&[7; 100]);
        while buf.len() < len {
            let before = buf.len();
            let room = buf.room(1, Some(len)).capacity();
            assert!(room <= (2 * before + before / 4).clamp(OWN_LEN_MIN, len));
            buf.room(1, None).resize(room, 7);
        }
        assert_eq!((buf.len(), buf.memory()), (len, len));
        // What was announced does not bound what follows.
        assert!(buf.room(1, Some(len)).capacity() >= 2 * len);
    }

    #[test]
    fn what_is_lent_comes_back_or_becomes_a_value() {
        let mut buf = ReadBuf::default();
        buf.room(0, None).reserve_exact(40_000);
        buf.keep(b"PING ");
        buf.keep(&[b'x'; 39_995]);
        buf.consume(5);
        let lent = buf.lend(10..39_990).unwrap();
        assert_eq!((buf.pending_of(&lent).len(), lent.len()), (39_995, 39_980));
        assert!(buf.take_back(lent));
        assert_eq!((buf.len(), buf.pending()[0]), (39_995, b'x'));
        let lent = buf.lend(0..39_995).unwrap();
        let value = lent.clone();
        assert!(!buf.take_back(lent));
        assert_eq!((buf.len(), buf.memory(), value.len()), (0, 0, 39_995));
        // It would take more pages than the value.
        buf.keep(b"again");
        assert!(buf.lend(1..2).is_none());
        assert_eq!(buf.pending(), b"again");
    }

    #[test]
    fn an_idle_empty_buffer_goes() {
        let mut buf = ReadBuf::default();
        buf.keep(b"half");
        assert!(buf.len() + buf.free() >= OWN_LEN_MIN);
        buf.shrink(true);
        assert_eq!(buf.pending(), b"half");
        buf.consume(4);
        buf.shrink(true);
        assert!(buf.is_absent());
    }
}
