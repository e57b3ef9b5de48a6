//! The buckets of a table: a stack of chunks, reached through a directory.
//!
//! A chunk is 16 KiB. The first 128 are allocated one by one, so that a small table stays small; those behind them lie
//! in blocks of 2 MiB, aligned to their size, so that the allocator may put them into huge pages: a look-up then spares
//! the walk through the page tables.
//!
//! Chunks come and go at the end only. Invariant: a bucket that the table does not use is empty, all its bytes zero.
#![expect(unsafe_code, reason = "chunks are carved out of blocks, and both are allocated zeroed")]

use alloc::alloc::{alloc_zeroed, dealloc, handle_alloc_error};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

use super::bucket::Bucket;

const IS_SMALL: bool = cfg!(any(miri, fuzzing, test));
/// Buckets of a chunk.
const CHUNK_LEN: usize = if IS_SMALL { 4 } else { 256 };
/// Chunks of a block.
const BLOCK_CHUNKS: usize = if IS_SMALL { 4 } else { 128 };

type Chunk = [Bucket; CHUNK_LEN];

const BLOCK_LEN: usize = BLOCK_CHUNKS * size_of::<Chunk>();
const _: () =
    assert!(IS_SMALL || BLOCK_LEN == super::slab::BLOCK_LEN, "the allocator knows blocks by their length");

/// A stack of chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    directory: Vec<NonNull<Chunk>>,
}

// SAFETY: the chunks belong to the stack alone.
unsafe impl Send for Chunks {}

/// Where a chunk lies.
enum Place {
    /// In an allocation of its own.
    Alone,
    /// First in its block.
    First,
    /// Behind another in a block.
    Behind,
}

fn place(index: usize) -> Place {
    match index {
        ..BLOCK_CHUNKS => Place::Alone,
        _ if index.is_multiple_of(BLOCK_CHUNKS) => Place::First,
        _ => Place::Behind,
    }
}

fn block_layout() -> Layout {
    const { assert!(BLOCK_LEN.is_power_of_two()) };
    Layout::from_size_align(BLOCK_LEN, BLOCK_LEN).unwrap_or(Layout::new::<Chunk>())
}

fn allocate(layout: Layout) -> NonNull<Chunk> {
    // SAFETY: chunks and blocks are not empty.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Chunks {
    /// Buckets that there is room for.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.directory.len() * CHUNK_LEN
    }

    /// Memory of chunks and directory.
    pub(super) fn bytes(&self) -> usize {
        self.directory.len() * size_of::<Chunk>() + self.directory.capacity() * size_of::<usize>()
    }

    /// Memory of those in blocks, which the counting allocator leaves to their owner.
    pub(super) fn block_bytes(&self) -> usize {
        self.directory.len().saturating_sub(BLOCK_CHUNKS) * size_of::<Chunk>()
    }

    /// A bucket, if there is a chunk for it.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&Bucket> {
        let chunk = self.directory.get(index / CHUNK_LEN)?;
        // SAFETY: a chunk in the directory is allocated, and borrowed as the stack is.
        Some(unsafe { &chunk.as_ref()[index % CHUNK_LEN] })
    }

    /// Same, to change it; there must be one.
    #[inline]
    pub(super) fn get_mut(&mut self, index: usize) -> &mut Bucket {
        let chunk = &mut self.directory[index / CHUNK_LEN];
        // SAFETY: a chunk in the directory is allocated, and borrowed as the stack is.
        unsafe { &mut chunk.as_mut()[index % CHUNK_LEN] }
    }

    /// Adds a chunk of empty buckets.
    pub(super) fn grow(&mut self) {
        let chunk = match (place(self.directory.len()), self.directory.last()) {
            // SAFETY: the block of the chunk before has room for this one, by `place`.
            (Place::Behind, Some(last)) => unsafe { last.add(1) },
            (Place::First, _) => allocate(block_layout()),
            _ => allocate(Layout::new::<Chunk>()),
        };
        self.directory.push(chunk);
    }

    /// Gives back the chunks that no bucket below `buckets` lies in; their buckets must be empty.
    pub(super) fn shrink_to(&mut self, buckets: usize) {
        while self.directory.len() > buckets.div_ceil(CHUNK_LEN) {
            let Some(chunk) = self.directory.pop() else { return };
            let layout = match place(self.directory.len()) {
                Place::Alone => Layout::new::<Chunk>(),
                Place::First => block_layout(),
                Place::Behind => continue,
            };
            // SAFETY: it was allocated with this layout, and nothing refers to it or to what lies behind it.
            unsafe { dealloc(chunk.as_ptr().cast(), layout) };
        }
        if self.directory.capacity() > 4 * self.directory.len().max(16) {
            self.directory.shrink_to(2 * self.directory.len());
        }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}
