//! A vector in chunks: it grows and shrinks without moving what is there.
//!
//! Chunks of `N` values hang off a directory. The first chunk grows by halves, so that a small vector is small; every
//! other one is allocated whole. The longest step is the directory's growth: 24 bytes copied for `N` values.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

#[derive(Clone, Debug)]
pub(in crate::types) struct Chunks<T, const N: usize> {
    /// All but the last are full; none is empty.
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T, const N: usize> Chunks<T, N> {
    pub(in crate::types) const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    #[inline]
    pub(in crate::types) fn len(&self) -> usize {
        self.len
    }

    /// Memory of chunks and directory.
    pub(in crate::types) fn bytes(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::capacity);
        let values = self.chunks.len().saturating_sub(1) * N + last;
        values * size_of::<T>() + self.chunks.capacity() * size_of::<Vec<T>>()
    }

    pub(in crate::types) fn push(&mut self, value: T) {
        if self.len.is_multiple_of(N) {
            self.chunks.push(Vec::with_capacity(if self.len == 0 { 1 } else { N }));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            if chunk.len() == chunk.capacity() {
                chunk.reserve_exact((chunk.len() / 2).clamp(1, N - chunk.len()));
            }
            chunk.push(value);
        }
        self.len += 1;
    }

    pub(in crate::types) fn pop(&mut self) -> Option<T> {
        let chunk = self.chunks.last_mut()?;
        let value = chunk.pop()?;
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.pop();
            self.shrink_directory();
        } else if self.len < N && chunk.capacity() > 4 * chunk.len() {
            chunk.shrink_to(2 * chunk.len());
        }
        Some(value)
    }

    fn shrink_directory(&mut self) {
        if self.chunks.is_empty() {
            self.chunks = Vec::new();
        } else if self.chunks.capacity() > 4 * self.chunks.len().max(4) {
            self.chunks.shrink_to(2 * self.chunks.len());
        }
    }

    #[inline]
    pub(in crate::types) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / N)?.get(index % N)
    }

    pub(in crate::types) fn last(&self) -> Option<&T> {
        self.chunks.last()?.last()
    }
}

impl<T, const N: usize> Index<usize> for Chunks<T, N> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.chunks[index / N][index % N]
    }
}

impl<T, const N: usize> IndexMut<usize> for Chunks<T, N> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.chunks[index / N][index % N]
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::Chunks;

    #[test]
    fn agrees_with_a_vector() {
        let (mut chunks, mut model, mut rng) = (Chunks::<u64, 8>::new(), Vec::new(), crate::rng::Rng::new(5));
        for round in 0..4000u64 {
            if rng.below(10) < if round / 1000 % 2 == 0 { 7 } else { 3 } {
                chunks.push(round);
                model.push(round);
            } else {
                assert_eq!(chunks.pop(), model.pop());
            }
            assert_eq!((chunks.len(), chunks.last()), (model.len(), model.last()));
            let at = usize::try_from(rng.below(model.len() as u64 + 1)).unwrap();
            assert_eq!(chunks.get(at), model.get(at));
            let len_bytes = size_of_val(&model[..]);
            assert!((len_bytes..20 * len_bytes + 512).contains(&chunks.bytes()), "{}", chunks.bytes());
        }
    }
}
