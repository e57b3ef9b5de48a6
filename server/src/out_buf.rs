//! Replies that wait to be sent: chunks of bytes, the first of them partly sent.
//!
//! Replies are first written into a buffer that all clients share and sent straight from it; only what the
//! socket did not take moves here. So a client that keeps up owns no reply memory at all.

use std::collections::VecDeque;

use vireo_core::keyspace::{Loan, SharedBytes};

/// Small leftovers are copied together up to this size; larger ones become chunks without a copy.
const CHUNK_LEN: usize = 16 * 1024;

/// Emptied chunks that a pool keeps, and loans.
const POOL_MAX: usize = 512;

/// What clients use in turn for their replies: each thread has its own.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    /// Emptied chunks.
    pub(crate) chunks: Vec<Vec<u8>>,
    /// Loans that are over.
    #[expect(clippy::vec_box, reason = "the box goes along with its client")]
    pub(crate) loans: Vec<Box<Loan>>,
}

/// A piece of the replies.
#[derive(Debug)]
enum Chunk {
    /// Copied.
    Own(Vec<u8>),
    /// A value that is sent from where it lies; overwriting or deleting its key leaves it alone.
    Shared(SharedBytes),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// What the replies of a client hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Memory of the first chunk, where that is of the usual size, and of an emptied one.
    pub(crate) buffer: usize,
    /// Bytes that wait in the first chunk.
    pub(crate) len: usize,
    /// Further chunks.
    pub(crate) chunks: usize,
    /// Their memory. A value that is sent from where it lies counts in full: the client keeps it alive.
    pub(crate) chunk_bytes: usize,
}

/// Replies that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct OutBuf {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that are sent already.
    sent: usize,
    /// Bytes in all chunks, the sent ones of the first included.
    len: usize,
    /// Memory of the chunks that are copies.
    memory: usize,
    /// Bytes of those that are values.
    shared: usize,
    /// An emptied chunk, for the next replies.
    spare: Vec<u8>,
    /// Values that are to be put into the first chunk before it is sent; without any, it is kept for the next replies.
    loan: Option<Box<Loan>>,
    /// Length of those that are not put in yet.
    lent: usize,
}

impl OutBuf {
    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == self.sent
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.len - self.sent + self.lent
    }

    /// Adds values that belong into the first chunk, which is the only one and whole.
    pub(crate) fn lend(&mut self, loan: Box<Loan>) {
        let is_whole = self.chunks.len() == 1 && self.sent == 0;
        debug_assert!(is_whole || loan.is_empty(), "positions count from the first byte");
        self.lent = loan.len();
        self.loan = Some(loan);
    }

    /// Values wait to be put in.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent > 0
    }

    /// Appends the first chunk with the values put in.
    pub(crate) fn fill(&self, into: &mut Vec<u8>) {
        if let (Some(Chunk::Own(first)), Some(loan)) = (self.chunks.front(), &self.loan) {
            loan.fill(first, into);
        }
    }

    /// The first chunk has become `filled`, of which `sent` bytes are sent: the loan is over.
    pub(crate) fn replace_first(&mut self, filled: &[u8], sent: usize) {
        self.lent = 0;
        if let Some(loan) = &mut self.loan {
            loan.end();
        }
        self.consume(self.chunks.front().map_or(0, |first| first.bytes().len()));
        if sent < filled.len() {
            let rest = filled[sent..].to_vec();
            self.len += rest.len();
            self.memory += rest.capacity();
            self.chunks.push_front(Chunk::Own(rest));
        }
    }

    /// Takes the loan back, which is over.
    pub(crate) fn take_loan(&mut self) -> Option<Box<Loan>> {
        debug_assert!(!self.is_lent(), "a loan ends when its values are put in");
        self.loan.take()
    }

    /// Takes the last chunk out, to be written to and given back by [`Self::put_tail`]; when it is full an empty one: the
    /// spare one, or one of the pool if there is one.
    pub(crate) fn take_tail(&mut self, pool: &mut Vec<Vec<u8>>) -> Vec<u8> {
        // One that is partly sent stays, as what is sent of it counts in the length of all.
        let is_whole = self.sent == 0 || self.chunks.len() > 1;
        let is_open =
            |chunk: &mut Chunk| is_whole && matches!(chunk, Chunk::Own(bytes) if bytes.len() < CHUNK_LEN);
        match self.chunks.pop_back_if(is_open) {
            Some(Chunk::Own(chunk)) => {
                self.len -= chunk.len();
                self.memory -= chunk.capacity();
                chunk
            }
            _ if self.spare.capacity() > 0 => core::mem::take(&mut self.spare),
            _ => pool.pop().unwrap_or_default(),
        }
    }

    /// Brings what the next replies will be written to and lent by.
    pub(crate) fn bring(&mut self, pools: &mut Pools) {
        if self.spare.capacity() == 0 {
            self.spare = pools.chunks.pop().unwrap_or_default();
        }
        if self.loan.is_none() {
            self.loan = pools.loans.pop();
        }
    }

    /// Begins to fetch what the next replies will be written to and lent by: another thread has used it.
    pub(crate) fn prefetch(&self) {
        vireo_core::prefetch_slice_write(&self.spare);
        if let Some(loan) = &self.loan {
            vireo_core::prefetch_slice_write(core::slice::from_ref(&**loan));
        }
    }

    /// Gives back what the replies that are sent have left, for the next client, who finds it while it is in the cache.
    pub(crate) fn give_back(&mut self, pools: &mut Pools) {
        if self.spare.capacity() > 0 && pools.chunks.len() < POOL_MAX {
            pools.chunks.push(core::mem::take(&mut self.spare));
        }
        if !self.is_lent()
            && let Some(loan) = self.take_loan()
            && pools.loans.len() < POOL_MAX
        {
            pools.loans.push(loan);
        }
    }

    /// Appends a chunk that was taken out.
    pub(crate) fn put_tail(&mut self, chunk: Vec<u8>) {
        if chunk.is_empty() {
            self.spare = chunk;
            return;
        }
        self.len += chunk.len();
        self.memory += chunk.capacity();
        self.chunks.push_back(Chunk::Own(chunk));
    }

    /// Appends a value without a copy.
    pub(crate) fn push_shared(&mut self, bytes: SharedBytes) {
        self.len += bytes.len();
        self.shared += bytes.len();
        self.chunks.push_back(Chunk::Shared(bytes));
    }

    /// Gives memory back that nothing waits in.
    pub(crate) fn shrink(&mut self) {
        self.spare = Vec::new();
        if !self.is_lent() {
            self.loan = None;
        }
    }

    /// What it holds.
    pub(crate) fn held(&self) -> Held {
        let first = match self.chunks.front() {
            Some(Chunk::Own(first)) if first.capacity() <= CHUNK_LEN => first,
            _ => return self.held_beside(0, 0, self.chunks.len()),
        };
        self.held_beside(first.capacity(), first.len() - self.sent + self.lent, self.chunks.len() - 1)
    }

    fn held_beside(&self, first: usize, len: usize, chunks: usize) -> Held {
        Held {
            buffer: first + self.spare.capacity(),
            len,
            chunks,
            chunk_bytes: self.memory - first + self.shared,
        }
    }

    /// Appends a copy of some bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.len += bytes.len();
        if let Some(Chunk::Own(last)) = self.chunks.back_mut() {
            let room = last.capacity().saturating_sub(last.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(room);
            last.extend_from_slice(head);
            bytes = rest;
        }
        if !bytes.is_empty() {
            let mut chunk = Vec::with_capacity(bytes.len().max(CHUNK_LEN));
            chunk.extend_from_slice(bytes);
            self.memory += chunk.capacity();
            self.chunks.push_back(Chunk::Own(chunk));
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
        self.memory = buffer.capacity();
        self.chunks.push_back(Chunk::Own(core::mem::take(buffer)));
    }

    /// The first chunks, at most `slots.len()` of them, as they are to be sent. Returns how many.
    pub(crate) fn slices<'a>(&'a self, slots: &mut [&'a [u8]]) -> usize {
        let mut used = 0;
        for (slot, chunk) in slots.iter_mut().zip(&self.chunks) {
            let from = if used == 0 { self.sent } else { 0 };
            *slot = &chunk.bytes()[from..];
            used += 1;
        }
        used
    }

    /// Forgets the first `count` bytes: they are sent.
    pub(crate) fn consume(&mut self, count: usize) {
        self.sent += count;
        while let Some(first) = self.chunks.front() {
            let len = first.bytes().len();
            if self.sent < len {
                return;
            }
            self.sent -= len;
            self.len -= len;
            match self.chunks.pop_front() {
                Some(Chunk::Own(mut chunk)) => {
                    self.memory -= chunk.capacity();
                    if chunk.capacity() <= CHUNK_LEN {
                        chunk.clear();
                        self.spare = chunk;
                    }
                }
                Some(Chunk::Shared(bytes)) => self.shared -= bytes.len(),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vireo_core::keyspace::{AccessPolicy, ExpireChange, HashSeed, Keyspace, Layout, Now};

    use super::{CHUNK_LEN, Chunk, Held, OutBuf};

    /// What it holds, counted anew.
    fn counted(out: &OutBuf) -> usize {
        let memory = |chunk: &Chunk| match chunk {
            Chunk::Own(bytes) => bytes.capacity(),
            Chunk::Shared(bytes) => bytes.len(),
        };
        out.chunks.iter().map(memory).sum::<usize>() + out.spare.capacity()
    }

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
            let held = out.held();
            assert_eq!(held.buffer + held.chunk_bytes, counted(out));
            assert!(held.len <= out.len());
        }
        out.shrink();
        assert_eq!(out.held(), Held::default());
        all
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        for step in [1, 7, 1000, 16 * 1024, 1 << 20] {
            let mut out = OutBuf::default();
            let mut expected = Vec::new();
            for round in 0..40usize {
                let piece: Vec<u8> = (0..round * 97).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect();
                if round % 7 == 5 {
                    expected.extend_from_slice(&piece);
                    out.push_shared(std::sync::Arc::new(piece.into()));
                } else if round % 3 == 0 {
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

    /// A chunk with one value of 200 bytes lent into it, in a keyspace that must stay.
    fn lent() -> (Keyspace, OutBuf, Vec<u8>) {
        let mut keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([1; 16]));
        let mut loan = Box::new(keyspace.new_loan());
        let mut keys = keyspace.keys(0, Now::new(0, AccessPolicy::Lru));
        let key = keys.key(b"key");
        keys.set_string(key, &[b'v'; 200], ExpireChange::Clear);
        assert!(keys.lend(key, &mut loan, |_| 6));
        let mut out = OutBuf::default();
        out.put_tail(b"$200\r\n\r\n+PONG\r\n".to_vec());
        out.lend(loan);
        let expected = [&b"$200\r\n"[..], &[b'v'; 200], b"\r\n+PONG\r\n"].concat();
        (keyspace, out, expected)
    }

    #[test]
    fn lent_values_are_put_into_the_first_chunk() {
        for sent in [0, 1, 100, 214] {
            let (_keyspace, mut out, expected) = lent();
            assert_eq!((out.len(), out.held().len), (expected.len(), expected.len()));
            let mut whole = Vec::new();
            out.fill(&mut whole);
            assert_eq!(whole, expected);
            out.replace_first(&whole, sent);
            assert!(out.take_loan().is_some_and(|loan| loan.is_empty()));
            out.push(b"+more\r\n");
            assert_eq!(drain(&mut out, 50), [&expected[sent..], b"+more\r\n"].concat());
        }
    }

    #[test]
    fn the_length_is_right_while_the_last_chunk_is_out() {
        let mut out = OutBuf::default();
        out.push(&[b'a'; 100]);
        out.consume(60);
        let mut tail = out.take_tail(&mut Vec::new());
        assert_eq!(out.len() + tail.len(), 40);
        tail.extend_from_slice(b"more");
        out.put_tail(tail);
        assert_eq!(drain(&mut out, 7), [&[b'a'; 40][..], b"more"].concat());
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
