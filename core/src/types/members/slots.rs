//! The elements of a set or a sorted set: members, each behind a head of fixed length, in a [`Store`].
//!
//! ```text
//! slot  ┌ head ┬ length 1 ┬ member ┬ rest ┐      box  ┌ head ┬ member ┐
//! ```
//! The head is what goes with a member: the score of a sorted set's element, nothing for a set's. A length is never
//! [`FREED`]: a member of that length is boxed.

use super::handle::Handle;
use super::store::{FREED, SLOT_LEN_MAX, Store, Stored, Walk};

/// Elements whose heads have `HEAD` bytes.
#[derive(Clone, Debug)]
pub(in crate::types) struct Slots<const HEAD: usize>(Store<HEAD>);

/// Walks through the members, in the order in which they lie.
#[derive(Clone, Debug)]
pub(in crate::types) struct Members<'a, const HEAD: usize>(Walk<'a, HEAD>);

impl<'a, const HEAD: usize> Iterator for Members<'a, HEAD> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.next().map(|(_, stored)| parts::<HEAD>(stored).1)
    }
}

/// Parts the head from what follows it.
#[inline]
fn split<const HEAD: usize>(bytes: &[u8]) -> (&[u8; HEAD], &[u8]) {
    let Some(parts) = bytes.split_first_chunk() else { unreachable!("an element has a head") };
    parts
}

/// Head and member.
#[inline]
fn parts<const HEAD: usize>(stored: Stored<'_>) -> (&[u8; HEAD], &[u8]) {
    match stored {
        Stored::Slot(slot) => {
            let (head, rest) = split(slot);
            (head, &rest[1..1 + usize::from(rest[0])])
        }
        Stored::Boxed(bytes) => split(bytes),
    }
}

impl<const HEAD: usize> Slots<HEAD> {
    pub(in crate::types) const fn new() -> Self {
        Self(Store::new())
    }

    /// Memory of all elements.
    pub(in crate::types) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Adds an element; `None` when no handle is left for it.
    pub(in crate::types) fn insert(&mut self, head: [u8; HEAD], member: &[u8]) -> Option<Handle> {
        let len = HEAD + 1 + member.len();
        let len_byte = u8::try_from(member.len()).ok().filter(|&len_byte| len_byte != FREED);
        let Some(len_byte) = len_byte.filter(|_| len <= SLOT_LEN_MAX) else {
            return self.0.insert_boxed([&head, member].concat().into_boxed_slice());
        };
        self.0.insert(len, |bytes| {
            bytes[..HEAD].copy_from_slice(&head);
            bytes[HEAD] = len_byte;
            bytes[HEAD + 1..len].copy_from_slice(member);
        })
    }

    /// See [`Store::relocate`].
    pub(in crate::types) fn relocate(&mut self) -> Option<(Handle, Handle)> {
        self.0.relocate()
    }

    /// Head and member of a handle.
    #[inline]
    pub(in crate::types) fn get(&self, handle: Handle) -> (&[u8; HEAD], &[u8]) {
        parts(self.0.get(handle))
    }

    /// Asks the processor to fetch an element.
    #[inline]
    pub(in crate::types) fn prefetch(&self, handle: Handle) {
        self.0.prefetch(handle);
    }

    /// The head of a handle's element, to be changed.
    pub(in crate::types) fn head_mut(&mut self, handle: Handle) -> &mut [u8] {
        &mut self.0.get_mut(handle)[..HEAD]
    }

    /// The members, in the order in which they lie.
    pub(in crate::types) fn members(&self) -> Members<'_, HEAD> {
        Members(self.0.walk())
    }

    /// Removes an element.
    pub(in crate::types) fn remove(&mut self, handle: Handle) {
        self.0.remove(handle);
    }

    /// See [`Store::allocations`].
    pub(in crate::types) fn allocations(&self) -> usize {
        self.0.allocations()
    }

    /// See [`Store::dismantle_page`].
    pub(in crate::types) fn dismantle_page(&mut self) -> usize {
        self.0.dismantle_page()
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(in crate::types) fn check(&self, len: usize) {
        self.0.check(len);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Handle, Slots};
    use crate::rng::Rng;

    fn elements_stay_apart_and_memory_comes_back<const HEAD: usize>(seed: u64) {
        let (mut slots, mut rng) = (Slots::<HEAD>::new(), Rng::new(seed));
        let mut live: Vec<(Handle, [u8; HEAD], Vec<u8>)> = Vec::new();
        let (rounds, mut bytes_max) = (if cfg!(miri) { 400 } else { 20_000 }, 0);
        for round in 0..rounds {
            if rng.below(10) < if (round / 2000) % 2 == 0 { 7 } else { 3 } || live.is_empty() {
                let len = if rng.below(20) == 0 { rng.below(2000) } else { rng.below(270) };
                let member: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
                let head = [u8::try_from(round % 256).unwrap(); HEAD];
                let handle = slots.insert(head, &member).unwrap();
                assert!(live.iter().all(|(other, _, _)| *other != handle));
                live.push((handle, head, member));
            } else {
                let pick = usize::try_from(rng.below(live.len() as u64)).unwrap();
                let (handle, _, _) = live.swap_remove(pick);
                slots.remove(handle);
            }
            if let Some((handle, head, _)) = live.last_mut() {
                head.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                slots.head_mut(*handle).copy_from_slice(head);
            }
            if round % 50 == 0 {
                slots.check(live.len());
                bytes_max = bytes_max.max(slots.bytes());
                for (handle, head, member) in &live {
                    assert_eq!(slots.get(*handle), (head, &member[..]));
                }
                let mut members: Vec<&[u8]> = slots.members().collect();
                let mut expected: Vec<&[u8]> = live.iter().map(|(_, _, member)| &member[..]).collect();
                members.sort_unstable();
                expected.sort_unstable();
                assert_eq!(members, expected);
            }
        }
        live.iter().for_each(|(handle, _, _)| slots.remove(*handle));
        slots.check(0);
        assert!(slots.bytes() < bytes_max / 8, "{} of {bytes_max}", slots.bytes());
    }

    #[test]
    fn elements_with_and_without_heads() {
        elements_stay_apart_and_memory_comes_back::<8>(1);
        elements_stay_apart_and_memory_comes_back::<0>(2);
    }
}
