//! Values that a reply takes from where they lie in their entries, copied by whoever sends it.
//!
//! So the executor touches no more of an entry than its head, and another thread waits for the memory of the value. While
//! a loan is out, an entry that may be part of it is neither written over nor freed: what is removed meanwhile waits
//! ([`Limbo`]) until all loans have ended that had begun by then.
//!
//! ```text
//! epoch      4            5            6
//! loans   ───────┐   ┌─────────┐
//!         ──────────────┐    ┌───────────
//! entry           removed ──────► freed: no loan of epoch 4 or before can be out
//! ```
//! An epoch begins only when all loans of the last but one have ended, so two counts are enough: of even and of odd ones.
//!
//! Invariant: the bytes of a lent value neither change nor go while its loan is out.
#![expect(unsafe_code, reason = "keeps addresses of values while the entries are lent")]

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use super::Entry;
use super::entry::EntryPtr;

/// Values from this length on are worth lending: shorter ones are in the cache with their entry's head.
pub(super) const LEND_LEN_MIN: usize = 96;

/// The loans of a keyspace that are out.
#[derive(Debug, Default)]
pub(super) struct Loans {
    /// Begun in even epochs, and in odd ones.
    out: [AtomicU32; 2],
    /// Wraps around.
    epoch: AtomicU32,
}

impl Loans {
    fn count(&self, epoch: u32) -> &AtomicU32 {
        &self.out[(epoch & 1) as usize]
    }

    /// Whether no loan is out.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // ORDERING: pairs with the end of a loan, before which its values were read.
        self.out.iter().all(|count| count.load(Ordering::Acquire) == 0)
    }

    fn epoch(&self) -> u32 {
        // ORDERING: written under the keyspace's exclusive borrow only.
        self.epoch.load(Ordering::Relaxed)
    }

    fn begin(&self) -> u32 {
        let epoch = self.epoch();
        // ORDERING: the lender holds the keyspace; whoever takes entries away holds it exclusively, later.
        self.count(epoch).fetch_add(1, Ordering::Relaxed);
        epoch
    }

    fn end(&self, epoch: u32) {
        // ORDERING: pairs with the loads in `is_empty` and `advance`; the values were read before.
        self.count(epoch).fetch_sub(1, Ordering::Release);
    }

    /// Begins a new epoch if that is possible; the keyspace must be held exclusively.
    fn advance(&self) -> u32 {
        let next = self.epoch().wrapping_add(1);
        // ORDERING: pairs with the end of a loan.
        if self.count(next).load(Ordering::Acquire) != 0 {
            return self.epoch();
        }
        // ORDERING: see `epoch`.
        self.epoch.store(next, Ordering::Relaxed);
        next
    }
}

/// A value, and where it belongs in the bytes around it.
#[derive(Clone, Copy, Debug)]
struct Value {
    at: usize,
    from: NonNull<u8>,
    len: usize,
}

/// Values that are lent together, to be put into the bytes of one reply.
#[derive(Debug)]
pub struct Loan {
    loans: Arc<Loans>,
    /// When the first value was lent.
    epoch: u32,
    values: Vec<Value>,
    /// Length of all values.
    len: usize,
}

// SAFETY: what the addresses point to is not written to while the loan is out.
unsafe impl Send for Loan {}

impl Loan {
    pub(super) fn new(loans: &Arc<Loans>) -> Self {
        Self { loans: Arc::clone(loans), epoch: 0, values: Vec::new(), len: 0 }
    }

    /// It is one of these.
    pub(super) fn is_of(&self, loans: &Arc<Loans>) -> bool {
        Arc::ptr_eq(&self.loans, loans)
    }

    /// Adds the value of an entry of the loan's keyspace, if that is worth it; `place` is given its length and says before
    /// which byte it belongs.
    #[inline]
    pub(crate) fn add(&mut self, entry: &Entry<'_>, place: impl FnOnce(usize) -> usize) -> bool {
        let Some((from, len)) = entry.ptr().lendable() else { return false };
        if self.values.is_empty() {
            self.epoch = self.loans.begin();
        }
        self.values.push(Value { at: place(len), from, len });
        self.len += len;
        true
    }

    /// Nothing is lent.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Length of all values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Takes the values back that belong behind `at`.
    pub fn truncate(&mut self, at: usize) {
        while let Some(last) = self.values.pop_if(|value| value.at > at) {
            self.len -= last.len;
            if self.values.is_empty() {
                self.loans.end(self.epoch);
            }
        }
    }

    /// Appends `around` with the values put in.
    pub fn fill(&self, around: &[u8], into: &mut Vec<u8>) {
        into.reserve(around.len() + self.len);
        for value in &self.values {
            crate::prefetch::prefetch(value.from.as_ptr());
        }
        let mut from = 0;
        for value in &self.values {
            into.extend_from_slice(&around[from..value.at]);
            // SAFETY: the loan is out, so the value is there and nobody writes to it.
            into.extend_from_slice(unsafe { core::slice::from_raw_parts(value.from.as_ptr(), value.len) });
            from = value.at;
        }
        into.extend_from_slice(&around[from..]);
    }

    /// Gives everything back; the loan can be used anew.
    pub fn end(&mut self) {
        if !self.values.is_empty() {
            self.values.clear();
            self.len = 0;
            self.loans.end(self.epoch);
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.end();
    }
}

/// Removed entries that a loan may still be of.
#[derive(Debug)]
pub(super) struct Limbo {
    loans: Arc<Loans>,
    /// With the epoch in which each was removed.
    entries: VecDeque<(EntryPtr, u32)>,
    /// Their memory.
    bytes: usize,
}

impl Limbo {
    pub(super) fn new(loans: &Arc<Loans>) -> Self {
        Self { loans: Arc::clone(loans), entries: VecDeque::new(), bytes: 0 }
    }

    /// A loan may be of this entry.
    #[inline]
    pub(super) fn may_be_lent(&self, entry: EntryPtr) -> bool {
        !self.loans.is_empty() && entry.lendable().is_some()
    }

    /// Keeps an entry that nobody can find any more.
    pub(super) fn put(&mut self, entry: EntryPtr) {
        self.bytes += entry.taken_len();
        self.entries.push_back((entry, self.loans.epoch()));
    }

    /// An entry that no loan can be of any more.
    #[inline]
    pub(super) fn take(&mut self) -> Option<EntryPtr> {
        let &(entry, epoch) = self.entries.front()?;
        let is_over = self.loans.is_empty() || self.loans.advance().wrapping_sub(epoch) >= 2;
        if !is_over {
            return None;
        }
        self.entries.pop_front();
        self.bytes -= entry.taken_len();
        Some(entry)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Memory of the entries.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use super::{Limbo, Loan, Loans};
    use crate::keyspace::entry::EntryPtr;
    use crate::keyspace::slab::Slab;
    use crate::keyspace::value::NewValue;

    /// An entry with a value of 100 bytes.
    fn entry(slab: &mut Slab, mark: u8) -> EntryPtr {
        EntryPtr::new(slab, b"key", None, NewValue::Raw(&[mark; 100]), 0)
    }

    fn lend(loans: &Arc<Loans>, entry: EntryPtr) -> Loan {
        let mut loan = Loan::new(loans);
        // SAFETY: the entry is freed at the end of the test.
        assert!(loan.add(&unsafe { entry.view() }, |_| 0));
        loan
    }

    #[test]
    fn a_removed_entry_waits_for_the_loans_before_it_alone() {
        let (mut slab, loans) = (Slab::new(), Arc::default());
        let mut limbo = Limbo::new(&loans);
        let (old, new) = (entry(&mut slab, b'o'), entry(&mut slab, b'n'));
        assert!(!limbo.may_be_lent(old));
        let mut before = lend(&loans, old);
        assert!(limbo.may_be_lent(old) && limbo.may_be_lent(new));
        limbo.put(old);
        assert_eq!((limbo.take(), limbo.bytes()), (None, old.taken_len()));
        let mut after = lend(&loans, new);
        assert_eq!(limbo.take(), None);
        let mut whole = Vec::new();
        before.fill(b"", &mut whole);
        assert_eq!(whole, [b'o'; 100]);
        before.end();
        assert_eq!((limbo.take(), limbo.bytes()), (Some(old), 0));
        limbo.put(new);
        assert_eq!(limbo.take(), None);
        after.end();
        assert_eq!(limbo.take(), Some(new));
        for entry in [old, new] {
            // SAFETY: it came from this slab and is not used again.
            unsafe { entry.free(&mut slab) };
        }
    }

    #[test]
    fn values_that_nobody_wants_are_taken_back() {
        let (mut slab, loans) = (Slab::new(), Arc::default());
        let entry = entry(&mut slab, b'v');
        // SAFETY: the entry is freed at the end of the test.
        let view = unsafe { entry.view() };
        let mut loan = Loan::new(&loans);
        assert!(loan.add(&view, |_| 6) && loan.add(&view, |_| 14));
        assert_eq!(loan.len(), 200);
        loan.truncate(8);
        assert_eq!((loan.len(), loans.is_empty()), (100, false));
        loan.truncate(0);
        assert!(loan.is_empty() && loans.is_empty());
        // One that is dropped is at its end, too.
        drop(lend(&loans, entry));
        assert!(loans.is_empty());
        // SAFETY: it came from this slab and is not used again.
        unsafe { entry.free(&mut slab) };
    }
}
