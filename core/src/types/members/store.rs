//! Where the elements of large sets, sorted sets and hashes lie: each in a slot of its own, named by a handle of four bytes.
//!
//! ```text
//! page  ┌ slot ┬ slot ┬ slot ┬ ...     handle = page, slot     slot  ┌ bytes as given, byte MARK not FREED ┬ rest ┐
//! ```
//! A page has up to [`PAGE_LEN`] slots of one size (8, 16, 24, ... bytes: an allocator's classes would put 18 bytes
//! in 32). A freed slot has [`FREED`] in its byte `MARK`, and in the next one the number of another: they form a list;
//! slots never used yet are not on it. Pages with room are linked by class; a page that becomes empty gives its slots
//! back. The last page of a class grows as it fills, so that a small set is small: handles stay, as they are no
//! addresses. Elements that no slot can hold are boxed each ([`Boxed`]), under handles with the top bit set.
//!
//! Removals that leave a class half empty are followed by moves from one of its pages to another
//! ([`Store::relocate`]), so that a set which shrinks gives memory back however the removed ones lay.
//!
//! Handles bound a set to 2^31 elements of either kind; [`Store::insert`] says so when they run out.
//! Every step is O(1), but for the growth of one page: 16 KiB copied at the most.
//!
//! Invariant: `used` slots of a page are named by handles that were given out and not freed.

use alloc::boxed::Box;

use super::boxed::Boxed;
use super::chunks::Chunks;
use super::handle::Handle;

/// Bits of a handle that number the slot in its page.
const PAGE_BITS: u32 = if cfg!(any(miri, fuzzing, test)) { 3 } else { 7 };
/// Slots of a page.
const PAGE_LEN: usize = 1 << PAGE_BITS;
/// Pages: as many as 31 bits number.
const PAGES_MAX: usize = match () {
    () if cfg!(miri) => 1 << 7,
    () if cfg!(any(fuzzing, test)) => 1 << 12,
    () => 1 << (31 - PAGE_BITS),
};
/// Below so many pages a page grows by quarters, above by doubling.
const PAGES_SMALL_MAX: usize = 8;
/// Boxed elements that are freed with a page.
const BOXES_AT_ONCE: usize = 8;
/// Pages of one chunk of their list.
const CHUNK_LEN: usize = if cfg!(any(miri, fuzzing, test)) { 4 } else { 256 };
/// Sizes of slots: 8 bytes apart, from 64 on four to a doubling.
const STRIDES: [u16; 16] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256];
/// The largest of them: what is longer is boxed.
pub(in crate::types) const SLOT_LEN_MAX: usize = 256;
/// The list of pages without slots.
const VACANT: u8 = 16;
/// Marks handles of boxed elements.
const LARGE: u32 = 1 << 31;
/// End of a list of pages.
const NO_PAGE: u32 = u32::MAX;
/// End of a list of slots.
const NO_SLOT: u8 = u8::MAX;
/// In byte `MARK` of a freed slot, and of no other.
pub(in crate::types) const FREED: u8 = u8::MAX;

const _: () = assert!(STRIDES.len() == VACANT as usize && PAGE_LEN < NO_SLOT as usize);
const _: () = assert!(STRIDES[STRIDES.len() - 1] as usize == SLOT_LEN_MAX);

/// Page and slot of an element that is not boxed.
#[inline]
fn place(handle: Handle) -> (usize, usize) {
    ((handle.get() >> PAGE_BITS) as usize, handle.get() as usize % PAGE_LEN)
}

/// The number of an element that is boxed.
#[inline]
fn boxed_number(handle: Handle) -> Option<usize> {
    (handle.get() & LARGE != 0).then_some((handle.get() & !LARGE) as usize)
}

#[derive(Clone, Debug)]
struct Page {
    slots: Box<[u8]>,
    /// Neighbours in the list of its class, while it has room.
    next: u32,
    prev: u32,
    stride: u16,
    class: u8,
    /// Slots in use.
    used: u8,
    /// Slots handed out at least once.
    fresh: u8,
    /// First freed slot.
    free: u8,
}

/// What a handle names.
#[derive(Clone, Copy, Debug)]
pub(in crate::types) enum Stored<'a> {
    /// A slot, which may be longer than what was written to it.
    Slot(&'a [u8]),
    /// A box, just as it was given.
    Boxed(&'a [u8]),
}

impl<'a> Stored<'a> {
    /// What was given, and in a slot perhaps more behind it.
    #[inline]
    pub(in crate::types) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Slot(bytes) | Self::Boxed(bytes) => bytes,
        }
    }
}

/// Elements of any length, whose byte `MARK` is never [`FREED`] where they are in a slot.
#[derive(Clone, Debug)]
pub(in crate::types) struct Store<const MARK: usize> {
    pages: Chunks<Page, CHUNK_LEN>,
    /// Pages with room by class; the last list is that of pages without slots.
    roomy: [u32; STRIDES.len() + 1],
    /// Slots by class, used or not.
    slots: [u32; STRIDES.len()],
    /// Slots in use by class.
    used: [u32; STRIDES.len()],
    /// A class that is half empty.
    sparse: Option<u8>,
    boxed: Boxed,
}

/// The class of an element's length, if a slot can hold it.
#[inline]
fn class_of(len: usize) -> Option<u8> {
    let class = STRIDES.iter().position(|&stride| len <= usize::from(stride))?;
    u8::try_from(class).ok()
}

/// Walks through all elements: slots page by page, then boxes.
#[derive(Clone, Debug)]
pub(in crate::types) struct Walk<'a, const MARK: usize> {
    store: &'a Store<MARK>,
    page: usize,
    slot: usize,
    boxed: usize,
}

impl<'a, const MARK: usize> Iterator for Walk<'a, MARK> {
    type Item = (Handle, Stored<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(page) = self.store.pages.get(self.page) {
            while self.slot < usize::from(page.fresh) {
                let (bytes, number) = (page.slot(self.slot), self.page << PAGE_BITS | self.slot);
                self.slot += 1;
                if bytes[MARK] != FREED {
                    return Some((handle_of(number, 0), Stored::Slot(bytes)));
                }
            }
            (self.page, self.slot) = (self.page + 1, 0);
        }
        let (number, bytes) = self.store.boxed.first_from(self.boxed)?;
        self.boxed = number + 1;
        Some((handle_of(number, LARGE), Stored::Boxed(bytes)))
    }
}

#[inline]
fn handle_of(number: usize, kind: u32) -> Handle {
    u32::try_from(number).map_or(Handle::NONE, |number| Handle::new(number | kind))
}

impl Page {
    fn vacant() -> Self {
        let (next, prev) = (NO_PAGE, NO_PAGE);
        Self { slots: Box::default(), next, prev, stride: 0, class: VACANT, used: 0, fresh: 0, free: NO_SLOT }
    }

    /// Slots it has, used or not.
    fn len(&self) -> u32 {
        u32::try_from(self.slots.len() / usize::from(self.stride)).unwrap_or(0)
    }

    #[inline]
    fn slot(&self, slot: usize) -> &[u8] {
        let stride = usize::from(self.stride);
        &self.slots[slot * stride..(slot + 1) * stride]
    }

    #[inline]
    fn slot_mut(&mut self, slot: usize) -> &mut [u8] {
        let stride = usize::from(self.stride);
        &mut self.slots[slot * stride..(slot + 1) * stride]
    }

    /// Takes a slot; the page has room. Returns by how many slots the page grew.
    fn take_slot(&mut self, mark: usize, in_small_set: bool) -> (u8, u32) {
        self.used += 1;
        if self.free != NO_SLOT {
            let slot = self.free;
            self.free = self.slot(usize::from(slot))[mark + 1];
            return (slot, 0);
        }
        self.fresh += 1;
        let slot = self.fresh - 1;
        let len = self.slots.len() / usize::from(self.stride);
        if usize::from(slot) < len {
            return (slot, 0);
        }
        let step = if in_small_set { len / 4 } else { len }.max(8).min(PAGE_LEN - len);
        let mut slots = core::mem::take(&mut self.slots).into_vec();
        slots.reserve_exact(step * usize::from(self.stride));
        slots.resize((len + step) * usize::from(self.stride), 0);
        self.slots = slots.into_boxed_slice();
        (slot, u32::try_from(step).unwrap_or(0))
    }

    /// The last slot that is in use.
    fn last_used(&self, mark: usize) -> Option<usize> {
        (0..usize::from(self.fresh)).rev().find(|&slot| self.slot(slot)[mark] != FREED)
    }
}

impl<const MARK: usize> Store<MARK> {
    pub(in crate::types) const fn new() -> Self {
        Self {
            pages: Chunks::new(),
            roomy: [NO_PAGE; STRIDES.len() + 1],
            slots: [0; STRIDES.len()],
            used: [0; STRIDES.len()],
            sparse: None,
            boxed: Boxed::new(),
        }
    }

    /// Memory of all elements.
    pub(in crate::types) fn bytes(&self) -> usize {
        let slots =
            self.slots.iter().zip(STRIDES).map(|(&slots, stride)| slots as usize * usize::from(stride));
        slots.sum::<usize>() + self.pages.bytes() + self.boxed.bytes()
    }

    /// Adds an element of at most [`SLOT_LEN_MAX`] bytes, which `fill` writes to the front of its slot; `None` when no
    /// handle is left for it.
    pub(in crate::types) fn insert(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Option<Handle> {
        debug_assert!((MARK + 1..=SLOT_LEN_MAX).contains(&len), "byte MARK is one of the element's");
        let index = self.roomy_page(class_of(len)?)?;
        Some(self.fill_slot(index, fill))
    }

    /// Adds an element that no slot can hold; `None` when no handle is left for it.
    #[cold]
    pub(in crate::types) fn insert_boxed(&mut self, bytes: Box<[u8]>) -> Option<Handle> {
        self.boxed.insert(bytes).map(|number| Handle::new(number | LARGE))
    }

    /// Writes an element over another one in its slot; `false` when that is of another size, or a box.
    pub(in crate::types) fn overwrite(
        &mut self,
        handle: Handle,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> bool {
        let class = class_of(len);
        if boxed_number(handle).is_some() {
            return false;
        }
        let (page, slot) = place(handle);
        let page = &mut self.pages[page];
        let fits = class == Some(page.class);
        if fits {
            fill(page.slot_mut(slot));
        }
        fits
    }

    /// Puts a box in the place of another; `false` when the handle names none.
    pub(in crate::types) fn overwrite_boxed(
        &mut self,
        handle: Handle,
        bytes: impl FnOnce() -> Box<[u8]>,
    ) -> bool {
        let number = boxed_number(handle);
        if let Some(number) = number {
            self.boxed.replace(number, bytes());
        }
        number.is_some()
    }

    /// Takes a slot of a page that has room.
    fn fill_slot(&mut self, index: u32, fill: impl FnOnce(&mut [u8])) -> Handle {
        let in_small_set = self.pages.len() < PAGES_SMALL_MAX;
        let page = &mut self.pages[index as usize];
        let (class, (slot, grown)) = (usize::from(page.class), page.take_slot(MARK, in_small_set));
        fill(page.slot_mut(usize::from(slot)));
        let is_full = usize::from(page.used) == PAGE_LEN;
        self.slots[class] += grown;
        self.used[class] += 1;
        if is_full {
            self.unlink(index);
        }
        Handle::new(index << PAGE_BITS | u32::from(slot))
    }

    /// Copies an element of a class that is half empty to another page; `None` when there is no such class. Whoever
    /// knows its old handle has to learn the new one, then the old one has to be removed.
    pub(in crate::types) fn relocate(&mut self) -> Option<(Handle, Handle)> {
        let class = usize::from(self.sparse?);
        if self.slots[class] as usize <= 2 * self.used[class] as usize + PAGE_LEN {
            self.sparse = None;
            return None;
        }
        // More than a page of slots is free, so that at least two pages have room.
        let first = self.roomy[class];
        let second = self.pages[first as usize].next;
        let (from, to) = match self.pages.get(second as usize) {
            Some(page) if page.used < self.pages[first as usize].used => (second, first),
            Some(_) => (first, second),
            None => return None,
        };
        let page = &self.pages[from as usize];
        let slot = page.last_used(MARK)?;
        let mut copy = [0; SLOT_LEN_MAX];
        let copy = &mut copy[..usize::from(page.stride)];
        copy.copy_from_slice(page.slot(slot));
        let old = Handle::new(from << PAGE_BITS | u32::try_from(slot).ok()?);
        Some((old, self.fill_slot(to, |bytes| bytes.copy_from_slice(copy))))
    }

    /// The element of a handle.
    #[inline]
    pub(in crate::types) fn get(&self, handle: Handle) -> Stored<'_> {
        if let Some(number) = boxed_number(handle) {
            return Stored::Boxed(self.boxed.bytes_of(number));
        }
        let (page, slot) = place(handle);
        Stored::Slot(self.pages[page].slot(slot))
    }

    /// Asks the processor to fetch an element.
    #[inline]
    pub(in crate::types) fn prefetch(&self, handle: Handle) {
        let (page, slot) = place(handle);
        if let Some(page) = self.pages.get(page) {
            let start = slot * usize::from(page.stride);
            crate::prefetch::prefetch_slice(page.slots.get(start..).unwrap_or_default());
        }
    }

    /// The slot or the box of a handle, to be changed.
    pub(in crate::types) fn get_mut(&mut self, handle: Handle) -> &mut [u8] {
        if let Some(number) = boxed_number(handle) {
            return self.boxed.bytes_mut(number);
        }
        let (page, slot) = place(handle);
        self.pages[page].slot_mut(slot)
    }

    /// All elements, in the order in which they lie.
    pub(in crate::types) fn walk(&self) -> Walk<'_, MARK> {
        Walk { store: self, page: 0, slot: 0, boxed: 0 }
    }

    /// Removes an element.
    pub(in crate::types) fn remove(&mut self, handle: Handle) {
        if let Some(index) = boxed_number(handle) {
            return self.boxed.remove(index);
        }
        let (index, slot) = place(handle);
        let page = &mut self.pages[index];
        let (next, class) = (page.free, page.class);
        let bytes = page.slot_mut(slot);
        (bytes[MARK], bytes[MARK + 1]) = (FREED, next);
        page.free = u8::try_from(slot).unwrap_or(NO_SLOT);
        page.used -= 1;
        let (used, number) = (usize::from(page.used), handle.get() >> PAGE_BITS);
        if used == 0 {
            self.vacate(number);
        } else if used + 1 == PAGE_LEN {
            self.link(number);
        }
        self.used[usize::from(class)] -= 1;
        self.note_sparse(class);
    }

    /// About how many allocations they are made of.
    pub(in crate::types) fn allocations(&self) -> usize {
        self.pages.len() + self.boxed.len()
    }

    /// Frees a page and some boxed elements of what is being torn down. Returns how many allocations that were; 0 when nothing
    /// is left.
    pub(in crate::types) fn dismantle_page(&mut self) -> usize {
        let page = self.pages.pop();
        if let Some(page) = page.as_ref().filter(|page| page.class != VACANT) {
            self.slots[usize::from(page.class)] -= page.len();
        }
        usize::from(page.is_some()) + self.boxed.dismantle(BOXES_AT_ONCE)
    }

    /// Remembers a class that is half empty.
    #[inline]
    fn note_sparse(&mut self, class: u8) {
        let index = usize::from(class);
        if self.slots[index] as usize > 2 * self.used[index] as usize + PAGE_LEN {
            self.sparse = Some(class);
        }
    }

    /// A page of a class that has room.
    fn roomy_page(&mut self, class: u8) -> Option<u32> {
        if self.roomy[usize::from(class)] == NO_PAGE {
            self.open_page(class)?;
        }
        Some(self.roomy[usize::from(class)])
    }

    #[cold]
    fn open_page(&mut self, class: u8) -> Option<()> {
        let mut index = self.roomy[usize::from(VACANT)];
        if index == NO_PAGE {
            index = u32::try_from(self.pages.len()).ok().filter(|&index| (index as usize) < PAGES_MAX)?;
            self.pages.push(Page::vacant());
        } else {
            self.unlink(index);
        }
        let page = &mut self.pages[index as usize];
        page.class = class;
        page.stride = STRIDES[usize::from(class)];
        self.link(index);
        Some(())
    }

    /// Takes the slots of an empty page back.
    #[cold]
    fn vacate(&mut self, index: u32) {
        self.unlink(index);
        let page = core::mem::replace(&mut self.pages[index as usize], Page::vacant());
        self.slots[usize::from(page.class)] -= page.len();
        self.link(index);
        // Two at the most: what a single removal does stays bounded, and the list still gets shorter.
        for _ in 0..2 {
            let Some(last) = self.pages.len().checked_sub(1).filter(|&last| self.pages[last].class == VACANT)
            else {
                return;
            };
            self.unlink(u32::try_from(last).unwrap_or(NO_PAGE));
            self.pages.pop();
        }
    }

    /// Puts a page at the head of its class's list.
    fn link(&mut self, index: u32) {
        let class = usize::from(self.pages[index as usize].class);
        let head = core::mem::replace(&mut self.roomy[class], index);
        let page = &mut self.pages[index as usize];
        (page.next, page.prev) = (head, NO_PAGE);
        if head != NO_PAGE {
            self.pages[head as usize].prev = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let page = &self.pages[index as usize];
        let (next, prev, class) = (page.next, page.prev, usize::from(page.class));
        if next != NO_PAGE {
            self.pages[next as usize].prev = prev;
        }
        if prev == NO_PAGE {
            self.roomy[class] = next;
        } else {
            self.pages[prev as usize].next = next;
        }
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(in crate::types) fn check(&self, len: usize) {
        let (mut used, mut slots) = ([0; STRIDES.len()], [0; STRIDES.len()]);
        for index in 0..self.pages.len() {
            let page = &self.pages[index];
            assert!(page.used <= page.fresh && usize::from(page.fresh) <= PAGE_LEN);
            assert_eq!(page.used == 0, page.class == VACANT);
            if page.class != VACANT {
                used[usize::from(page.class)] += u32::from(page.used);
                slots[usize::from(page.class)] += page.len();
                let live =
                    (0..usize::from(page.fresh)).filter(|&slot| page.slot(slot)[MARK] != FREED).count();
                assert_eq!(live, usize::from(page.used));
            }
        }
        assert_eq!((used, slots), (self.used, self.slots));
        assert_eq!(self.boxed.check() + used.iter().sum::<u32>() as usize, len);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Handle, PAGE_LEN, PAGES_MAX, Store};

    #[test]
    fn handles_run_out() {
        let mut store = Store::<0>::new();
        let fill = |bytes: &mut [u8]| bytes[..7].copy_from_slice(b"element");
        let mut handles: Vec<Handle> = core::iter::from_fn(|| store.insert(7, fill)).collect();
        assert_eq!(handles.len(), PAGES_MAX * PAGE_LEN);
        store.remove(handles.swap_remove(77));
        assert!(store.insert(7, fill).is_some());
        assert!(store.insert(7, fill).is_none());
        assert!(store.insert(100, fill).is_none(), "all pages are taken");
    }

    #[test]
    fn an_element_is_written_over_where_its_slot_fits() {
        let mut store = Store::<0>::new();
        let slot = store.insert(5, |bytes| bytes[..5].copy_from_slice(b"abcde")).unwrap();
        assert!(store.overwrite(slot, 8, |bytes| bytes[..8].copy_from_slice(b"stuvwxyz")));
        assert!(!store.overwrite(slot, 9, |_| ()) && !store.overwrite_boxed(slot, || [0; 300].into()));
        assert_eq!(store.get(slot).bytes(), b"stuvwxyz");
        let boxed = store.insert_boxed([7; 300].into()).unwrap();
        assert!(!store.overwrite(boxed, 5, |_| ()) && store.overwrite_boxed(boxed, || [8; 400].into()));
        assert_eq!(store.get(boxed).bytes(), [8; 400]);
        assert!(store.walk().map(|(handle, _)| handle).eq([slot, boxed]));
        store.check(2);
    }
}
