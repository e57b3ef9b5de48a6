//! Replies that wait to be sent: chunks of bytes, the first of them partly sent.
//!
//! Replies are first written into a buffer that all clients share and sent straight from it; only what the
//! socket did not take moves here. So a client that keeps up owns no reply memory at all.

use std::collections::VecDeque;

/// Small leftovers are copied together up to this size; larger ones become chunks without a copy.
const CHUNK_LEN: usize = 16 * 1024;

/// Replies that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct OutBuf {
    chunks: VecDeque<Vec<u8>>,
    /// Bytes of the first chunk that are sent already.
    sent: usize,
    /// Bytes in all chunks, the sent ones of the first included.
    len: usize,
}

impl OutBuf {
    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == self.sent
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.len - self.sent
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Memory of the chunks, bytes.
    pub(crate) fn memory(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Appends a copy of some bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(last) = self.chunks.back_mut() {
            let room = last.capacity().saturating_sub(last.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(room);
            last.extend_from_slice(head);
            bytes = rest;
        }
        if !bytes.is_empty() {
            let mut chunk = Vec::with_capacity(bytes.len().max(CHUNK_LEN));
            chunk.extend_from_slice(bytes);
            self.chunks.push_back(chunk);
        }
    }

    /// Appends what is left of a filled buffer from `from` on, taking the buffer itself when it is large.
    pub(crate) fn push_buffer(&mut self, buffer: &mut Vec<u8>, from: usize) {
        if buffer.len() - from < CHUNK_LEN || !self.is_empty() {
            self.push(&buffer[from..]);
            buffer.clear();
            return;
        }
        self.chunks.clear();
        self.sent = from;
        self.len = buffer.len();
        self.chunks.push_back(core::mem::take(buffer));
    }

    /// The first chunks, at most `slots.len()` of them, as they are to be sent. Returns how many.
    pub(crate) fn slices<'a>(&'a self, slots: &mut [&'a [u8]]) -> usize {
        let mut used = 0;
        for (slot, chunk) in slots.iter_mut().zip(&self.chunks) {
            let from = if used == 0 { self.sent } else { 0 };
            *slot = &chunk[from..];
            used += 1;
        }
        used
    }

    /// Forgets the first `count` bytes: they are sent.
    pub(crate) fn consume(&mut self, count: usize) {
        self.sent += count;
        while let Some(first) = self.chunks.front() {
            if self.sent < first.len() {
                return;
            }
            self.sent -= first.len();
            self.len -= first.len();
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_LEN, OutBuf};

    fn drain(out: &mut OutBuf, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !out.is_empty() {
            let mut slots: [&[u8]; 3] = [&[]; 3];
            let used = out.slices(&mut slots);
            let joined = slots[..used].concat();
            let taken = joined.len().min(step);
            all.extend_from_slice(&joined[..taken]);
            let before = out.len();
            out.consume(taken);
            assert_eq!(out.len(), before - taken);
        }
        assert_eq!(out.chunks(), 0);
        all
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        for step in [1, 7, 1000, 16 * 1024, 1 << 20] {
            let mut out = OutBuf::default();
            let mut expected = Vec::new();
            for round in 0..40usize {
                let piece: Vec<u8> = (0..round * 97).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect();
                if round % 3 == 0 {
                    let from = piece.len() / 5;
                    expected.extend_from_slice(&piece[from..]);
                    out.push_buffer(&mut piece.clone(), from);
                } else {
                    expected.extend_from_slice(&piece);
                    out.push(&piece);
                }
            }
            assert_eq!(out.len(), expected.len());
            assert_eq!(drain(&mut out, step), expected);
        }
    }

    #[test]
    fn a_large_buffer_moves_without_a_copy() {
        let mut out = OutBuf::default();
        let mut buffer = vec![7u8; CHUNK_LEN * 4];
        let address = buffer.as_ptr();
        out.push_buffer(&mut buffer, 10);
        let mut slots: [&[u8]; 1] = [&[]];
        out.slices(&mut slots);
        assert_eq!(slots[0].as_ptr().addr(), address.addr() + 10);
        assert_eq!(out.len(), CHUNK_LEN * 4 - 10);
    }
}
