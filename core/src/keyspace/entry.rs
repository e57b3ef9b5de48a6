//! An entry: key, expiry and value of one key, in one allocation where the value is small.
//!
//! ```text
//! byte 0      1..4     4             then                                      then    then
//! ┌─────────┬────────┬────────────┬──────────────┬──────────────────────────┬───────┬─────────────┐
//! │E|enc|kind│ access │ key length │ expiry (8)   │ length, int, ptr, object │ key  │ value bytes │
//! └─────────┴────────┴────────────┴──────────────┴──────────────────────────┴───────┴─────────────┘
//!  E: has an expiry     1 or 5      only if E       1 or 5 / 8 / 8 / 24               if inline
//! ```
//! [`Due`] tells what is in the expiry's eight bytes. A length is one byte below 255, else 255 and four bytes. A 16-byte key with
//! a 16-byte value takes 38 bytes.
//! An object ([`Object`], of a type other than string) lies in the entry, at a multiple of eight bytes. Strings above
//! [`INLINE_LEN_MAX`](super::value::INLINE_LEN_MAX) hang off a pointer and are reference-counted ([`SharedBytes`]), so that a
//! reply can hold one while the entry is overwritten or deleted.
//!
//! Invariant: the header describes the allocation exactly; an [`EntryPtr`] is owned by one table slot.
#![expect(unsafe_code, reason = "reads and writes the packed layout through raw pointers")]

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::due::Due;
use super::expiry::Timed;
use super::kind::{Encoding, Kind};
use super::large::{LargeBytes, SharedBytes};
use super::loan::LEND_LEN_MIN;
use super::slab::{self, Slab};
use super::value::{EMBSTR, Garbage, INT, NewValue, OBJECT, RAW_INLINE, SHARED, StringView, TAKEN};
use super::{access, address};
use crate::prefetch::LINE_LEN;
use crate::types::Object;

/// Of a longer entry the processor fetches the rest by itself once it is read.
const PREFETCH_LEN_MAX: usize = 640;
/// What tells where key and value lie is no longer.
const HEAD_LEN_MAX: usize = 24;
/// Most keys are no longer.
const KEY_LEN_USUAL: usize = 24;
/// Keys and inline values below this have a one-byte length.
const SHORT_LEN_MAX: usize = 254;

/// What an object is aligned to; so are slots.
const OBJECT_ALIGN: usize = 8;
const _: () = assert!(align_of::<Object>() <= OBJECT_ALIGN);

/// Owns an entry; freed only by its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryPtr(NonNull<u8>);

// SAFETY: an entry is plain memory and an Arc of bytes, owned by one table.
unsafe impl Send for EntryPtr {}

impl Timed for EntryPtr {
    type Packed = [u8; address::LEN];

    #[inline]
    fn pack(self) -> Self::Packed {
        let [a, b, c, d, e, f, ..] = self.units().to_le_bytes();
        [a, b, c, d, e, f]
    }

    #[inline]
    fn unpack([a, b, c, d, e, f]: Self::Packed) -> Self {
        let units = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        // SAFETY: `pack` made them of an entry's address.
        unsafe { Self::from_units(units) }.unwrap_or(Self(NonNull::dangling()))
    }
}

/// Bytes of a length.
pub(super) fn len_len(len: usize) -> usize {
    if len <= SHORT_LEN_MAX { 1 } else { 5 }
}

/// Where a value of a layout begins, behind what comes before it.
#[inline]
fn value_place(layout: u8, behind: usize) -> usize {
    if layout >= OBJECT { behind.next_multiple_of(OBJECT_ALIGN) } else { behind }
}

/// Where the parts of an entry lie.
#[derive(Clone, Copy)]
struct Parts {
    layout: u8,
    value_at: usize,
    key_at: usize,
    key_len: usize,
    inline_len: usize,
}

impl Parts {
    fn len(self) -> usize {
        self.key_at + self.key_len + self.inline_len
    }
}

impl EntryPtr {
    /// A new entry.
    pub(super) fn new(
        slab: &mut Slab,
        key: &[u8],
        expire: Option<i64>,
        value: NewValue<'_>,
        access: u32,
    ) -> Self {
        let (head_len, inline_len) = value.lens();
        let key_len_len = len_len(key.len());
        let expire_len = if expire.is_some() { 8 } else { 0 };
        let value_at = value_place(value.layout(), 4 + key_len_len + expire_len);
        let key_at = value_at + head_len;
        let this = Self(slab.alloc(key_at + key.len() + inline_len));
        let first = value.layout() << 3 | u8::from(expire.is_some()) << 7;
        this.write(0, &[first]);
        this.set_access(access);
        this.write_len(4, key.len());
        if let Some(at) = expire {
            this.write(4 + key_len_len, &Due::new(at).word());
        }
        this.write(key_at, key);
        match value {
            NewValue::Int(value) => this.write(value_at, &value.to_ne_bytes()),
            NewValue::Bytes(bytes) | NewValue::Raw(bytes) if inline_len == bytes.len() && head_len != 8 => {
                this.write_len(value_at, bytes.len());
                this.write(key_at + key.len(), bytes);
            }
            NewValue::Bytes(bytes) | NewValue::Raw(bytes) => {
                this.write_shared(value_at, Arc::new(bytes.to_vec().into()));
            }
            NewValue::Shared(shared) => this.write_shared(value_at, shared),
            NewValue::Object(object) => this.write_object(value_at, object),
        }
        this
    }

    /// Frees the entry. Returns what hangs off it.
    ///
    /// # Safety
    /// It came from [`Self::new`] with this slab and is not used again.
    pub(super) unsafe fn free(self, slab: &mut Slab) -> Option<Garbage> {
        let parts = self.parts();
        let large = match parts.layout {
            SHARED => Some(Garbage::Bytes(self.take_shared(parts.value_at))),
            OBJECT => self.take_object().map(Garbage::Object),
            _ => None,
        };
        // SAFETY: the caller's contract, and the length is the one it was allocated with.
        unsafe { slab.free(self.0, parts.len()) }
        large
    }

    /// Its address, as tables and indexes keep it.
    #[inline]
    pub(super) fn units(self) -> u64 {
        address::units_of(self.0.as_ptr())
    }

    /// The entry at an address.
    ///
    /// # Safety
    /// It is what [`Self::units`] gave for an entry.
    #[inline]
    pub(super) unsafe fn from_units(units: u64) -> Option<Self> {
        NonNull::new(address::pointer_of(units)).map(Self)
    }

    /// The entry as its table lends it out.
    ///
    /// # Safety
    /// The entry lives, unchanged but for its access clock, as long as `'a`.
    #[inline]
    pub(super) unsafe fn view<'a>(self) -> Entry<'a> {
        Entry { ptr: self, table: PhantomData }
    }

    /// Asks the processor to fetch the entry's header.
    #[inline]
    pub(super) fn prefetch_head(self) {
        self.prefetch_first(HEAD_LEN_MAX);
    }

    /// Same, with a key of usual length.
    #[inline]
    pub(super) fn prefetch_key(self) {
        self.prefetch_first(HEAD_LEN_MAX + KEY_LEN_USUAL);
    }

    /// Asks the processor to fetch the first bytes, of which there are no more than a cache line has. Where a line ends is
    /// as good as random, so both ends are asked for, be they one line or two: no branch could be foreseen.
    #[inline]
    fn prefetch_first(self, len: usize) {
        crate::prefetch::prefetch(self.0.as_ptr());
        crate::prefetch::prefetch(self.0.as_ptr().wrapping_add(len - 1));
    }

    /// Asks the processor to fetch the entry, as far as two cache lines go.
    #[inline]
    pub(super) fn prefetch(self) {
        crate::prefetch::prefetch(self.0.as_ptr());
        crate::prefetch::prefetch(self.0.as_ptr().wrapping_add(LINE_LEN));
    }

    /// Asks the processor to fetch the rest of the entry, or of its key alone; the header is there by now. Returns whether
    /// there is more that hangs off it: an object, or a large string that is wanted.
    #[inline]
    pub(super) fn prefetch_rest(self, with_value: bool) -> bool {
        let parts = self.parts();
        let len = parts.key_at + parts.key_len + if with_value { parts.inline_len } else { 0 };
        // By its length alone, as in `prefetch_first`.
        let last = len.min(PREFETCH_LEN_MAX) - 1;
        let mut at = LINE_LEN;
        while at < last {
            crate::prefetch::prefetch(self.0.as_ptr().wrapping_add(at));
            at += LINE_LEN;
        }
        crate::prefetch::prefetch(self.0.as_ptr().wrapping_add(last));
        let has_large = with_value && parts.layout == SHARED;
        if has_large {
            LargeBytes::prefetch_place(self.shared_ptr(parts.value_at));
        }
        parts.layout == OBJECT || has_large
    }

    /// A place inside the entry.
    #[inline]
    fn at(self, at: usize) -> *mut u8 {
        // SAFETY: offsets come from the header, which describes the allocation.
        unsafe { self.0.as_ptr().add(at) }
    }

    #[inline]
    fn byte(self, at: usize) -> u8 {
        // SAFETY: offsets come from the header, which describes the allocation.
        unsafe { self.at(at).read() }
    }

    #[inline]
    fn word(self, at: usize) -> [u8; 8] {
        // SAFETY: offsets come from the header, which describes the allocation.
        unsafe { self.at(at).cast::<[u8; 8]>().read() }
    }

    #[inline]
    fn write(self, at: usize, bytes: &[u8]) {
        // SAFETY: callers write within the allocated length, and `bytes` is not part of the entry.
        unsafe { self.at(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn write_len(self, at: usize, len: usize) {
        match u8::try_from(len) {
            Ok(short) if len <= SHORT_LEN_MAX => self.write(at, &[short]),
            // Lengths are bounded by the protocol's 512 MB default, and by 4 GB at most.
            _ => {
                self.write(at, &[u8::MAX]);
                self.write(at + 1, &u32::try_from(len).unwrap_or(u32::MAX).to_ne_bytes());
            }
        }
    }

    #[inline]
    fn read_len(self, at: usize) -> (usize, usize) {
        let short = self.byte(at);
        if short != u8::MAX {
            return (usize::from(short), 1);
        }
        let bytes = core::array::from_fn(|index| self.byte(at + 1 + index));
        (u32::from_ne_bytes(bytes) as usize, 5)
    }

    #[inline]
    fn parts(self) -> Parts {
        let first = self.byte(0);
        let layout = first >> 3 & 15;
        let (key_len, key_len_len) = self.read_len(4);
        let value_at = value_place(layout, 4 + key_len_len + usize::from(first >> 7) * 8);
        let (inline_len, head_len) = match layout {
            EMBSTR | RAW_INLINE => self.read_len(value_at),
            OBJECT | TAKEN => (0, size_of::<Object>()),
            _ => (0, 8),
        };
        Parts { layout, value_at, key_at: value_at + head_len, key_len, inline_len }
    }

    #[inline]
    fn slice<'a>(self, at: usize, len: usize) -> &'a [u8] {
        // SAFETY: offsets come from the header; the lifetime is bound by the callers' to the entry's.
        unsafe { core::slice::from_raw_parts(self.at(at), len) }
    }

    fn write_shared(self, at: usize, shared: SharedBytes) {
        let address = Arc::into_raw(shared);
        // SAFETY: eight bytes at `at` belong to the value's pointer; they may be unaligned.
        unsafe { self.at(at).cast::<*const LargeBytes>().write_unaligned(address) };
    }

    fn shared_ptr(self, at: usize) -> *const LargeBytes {
        // SAFETY: the layout is SHARED, so `write_shared` wrote a pointer here.
        unsafe { self.at(at).cast::<*const LargeBytes>().read_unaligned() }
    }

    /// Takes the shared value out; the entry must not be read as SHARED again.
    fn take_shared(self, at: usize) -> SharedBytes {
        // SAFETY: the pointer came from `Arc::into_raw` and is taken once.
        unsafe { Arc::from_raw(self.shared_ptr(at)) }
    }

    fn write_object(self, at: usize, object: Object) {
        // SAFETY: the bytes at `at` are for an object, and aligned as it is: `at` by `value_place`, the entry by its slot.
        unsafe { self.at(at).cast::<Object>().write(object) };
    }

    /// Its value is neither a string nor an integer.
    #[inline]
    pub(super) fn is_object(self) -> bool {
        self.byte(0) >> 3 & 15 == OBJECT
    }

    /// Where its object lies, if it has one.
    #[inline]
    fn object_ptr(self) -> Option<*mut Object> {
        let parts = self.parts();
        (parts.layout == OBJECT).then(|| self.at(parts.value_at).cast())
    }

    /// Takes the object out; the entry holds nothing from then on.
    pub(super) fn take_object(self) -> Option<Object> {
        let object = self.object_ptr()?;
        self.write(0, &[self.byte(0) & 0x87 | TAKEN << 3]);
        // SAFETY: `write_object` wrote it there, and the entry has just forgotten it.
        Some(unsafe { object.read() })
    }

    /// The object, to be changed.
    ///
    /// # Safety
    /// The entry lives as long as `'a` and nothing else reads its value meanwhile.
    pub(super) unsafe fn object_mut<'a>(self) -> Option<&'a mut Object> {
        let address = self.object_ptr()?;
        // SAFETY: the entry owns the object, and the caller holds the entry exclusively.
        Some(unsafe { &mut *address })
    }

    /// The access clock.
    pub(super) fn access(self) -> u32 {
        u32::from_le_bytes([self.byte(1), self.byte(2), self.byte(3), 0])
    }

    /// Sets the access clock (24 bits).
    #[inline]
    pub(super) fn set_access(self, access: u32) {
        self.write(1, &access.to_le_bytes()[..3]);
    }

    /// The expiry, ms.
    #[inline]
    pub(super) fn expire(self) -> Option<i64> {
        self.due().map(Due::at)
    }

    /// Same, with its place in the index.
    #[inline]
    pub(super) fn due(self) -> Option<Due> {
        if self.byte(0) >> 7 == 0 {
            return None;
        }
        Some(Due::of(self.word(self.due_at())))
    }

    /// Whether its key is this one.
    #[inline]
    pub(super) fn has_key(self, key: &[u8]) -> bool {
        let parts = self.parts();
        self.slice(parts.key_at, parts.key_len) == key
    }

    /// Sets the expiry of an entry that has one.
    #[inline]
    pub(super) fn set_due(self, due: Due) {
        assert!(self.byte(0) >> 7 == 1, "there is room for an expiry");
        self.write(self.due_at(), &due.word());
    }

    /// Where the expiry lies, if there is one.
    #[inline]
    fn due_at(self) -> usize {
        let (_, key_len_len) = self.read_len(4);
        4 + key_len_len
    }

    /// Its value, if that lies in the entry and is worth lending.
    #[inline]
    pub(super) fn lendable(self) -> Option<(NonNull<u8>, usize)> {
        let parts = self.parts();
        if parts.inline_len < LEND_LEN_MIN {
            return None;
        }
        Some((NonNull::new(self.at(parts.key_at + parts.key_len))?, parts.inline_len))
    }

    /// Bytes that it takes.
    pub(super) fn taken_len(self) -> usize {
        slab::taken_len(self.parts().len())
    }

    /// Overwrites the value in place; `false` when it does not fit exactly.
    pub(super) fn set_value_in_place(self, value: &NewValue<'_>) -> bool {
        let parts = self.parts();
        let (layout, (head_len, inline_len)) = (value.layout(), value.lens());
        let same_room = || {
            parts.value_at + head_len == parts.key_at
                && slab::taken_len(parts.len()) == slab::taken_len(parts.key_at + parts.key_len + inline_len)
        };
        match value {
            NewValue::Int(int) if parts.layout == INT => self.write(parts.value_at, &int.to_ne_bytes()),
            NewValue::Bytes(bytes) | NewValue::Raw(bytes)
                if matches!(parts.layout, EMBSTR | RAW_INLINE) && layout != SHARED && same_room() =>
            {
                self.write_len(parts.value_at, bytes.len());
                self.write(parts.key_at + parts.key_len, bytes);
                self.write(0, &[self.byte(0) & 0x87 | layout << 3]);
            }
            _ => return false,
        }
        true
    }

    /// The bytes of a shared value, to be changed; copied first while a reply holds them.
    ///
    /// # Safety
    /// The entry lives as long as `'a` and nothing else reads its value meanwhile.
    pub(super) unsafe fn shared_mut<'a>(self) -> Option<&'a mut LargeBytes> {
        let parts = self.parts();
        if parts.layout != SHARED {
            return None;
        }
        let mut shared = self.take_shared(parts.value_at);
        Arc::make_mut(&mut shared);
        self.write_shared(parts.value_at, shared);
        let unique = self.shared_ptr(parts.value_at).cast_mut();
        // SAFETY: make_mut left a single owner, this entry, and the caller holds it exclusively.
        Some(unsafe { &mut *unique })
    }
}

/// An entry, to be looked at.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    ptr: EntryPtr,
    table: PhantomData<&'a Slab>,
}

impl core::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii())
            .field("value", &self.string())
            .finish()
    }
}

impl<'a> Entry<'a> {
    pub(super) fn ptr(self) -> EntryPtr {
        self.ptr
    }

    /// The key.
    pub fn key(self) -> &'a [u8] {
        let parts = self.ptr.parts();
        self.ptr.slice(parts.key_at, parts.key_len)
    }

    /// The kind of its value.
    pub fn kind(self) -> Kind {
        self.object().map_or(Kind::String, Object::kind)
    }

    /// The value, unless it is a string.
    #[inline]
    pub fn object(self) -> Option<&'a Object> {
        let address = self.ptr.object_ptr()?;
        // SAFETY: the entry owns the object and lives unchanged as long as `'a`.
        Some(unsafe { &*address })
    }

    /// How the value is kept, as OBJECT ENCODING names it.
    pub fn encoding_name(self) -> &'static str {
        self.object().map_or_else(|| self.encoding().name(), Object::encoding)
    }

    /// How a string is kept.
    pub fn encoding(self) -> Encoding {
        match self.ptr.parts().layout {
            INT => Encoding::Int,
            EMBSTR => Encoding::Embstr,
            _ => Encoding::Raw,
        }
    }

    /// When it expires, ms since 1970.
    pub fn expire_at(self) -> Option<i64> {
        self.ptr.expire()
    }

    /// The string value; empty when it is no string.
    #[inline]
    pub fn string(self) -> StringView<'a> {
        let parts = self.ptr.parts();
        match parts.layout {
            INT => StringView::Int(i64::from_ne_bytes(self.ptr.word(parts.value_at))),
            // SAFETY: the layout is SHARED; the Arc in the entry keeps the bytes as long as the entry.
            SHARED => StringView::Bytes(unsafe { &*self.ptr.shared_ptr(parts.value_at) }),
            _ => StringView::Bytes(self.ptr.slice(parts.key_at + parts.key_len, parts.inline_len)),
        }
    }

    /// A large value where it lies, if it is one.
    pub(super) fn large(self) -> Option<&'a LargeBytes> {
        let parts = self.ptr.parts();
        // SAFETY: the layout is SHARED; the Arc in the entry keeps them as long as the entry.
        (parts.layout == SHARED).then(|| unsafe { &*self.ptr.shared_ptr(parts.value_at) })
    }

    /// A large value, to be held beyond the entry's life; `None` for small ones.
    pub fn shared(self) -> Option<SharedBytes> {
        let parts = self.ptr.parts();
        if parts.layout != SHARED {
            return None;
        }
        let address = self.ptr.shared_ptr(parts.value_at);
        // SAFETY: the pointer came from `Arc::into_raw` and its Arc is alive in the entry.
        unsafe { Arc::increment_strong_count(address) };
        // SAFETY: the count was just raised for this handle.
        Some(unsafe { Arc::from_raw(address) })
    }

    /// Memory it takes, its share of the table aside.
    pub fn size_bytes(self) -> usize {
        let parts = self.ptr.parts();
        let outside = match self.string() {
            StringView::Bytes(bytes) if parts.layout == SHARED => bytes.len() + size_of::<LargeBytes>() + 16,
            _ => self.object().map_or(0, Object::memory),
        };
        slab::taken_len(parts.len()) + outside
    }

    /// Seconds since it was last used (under an LRU policy).
    pub fn idle_seconds(self, now: &super::Now) -> u64 {
        access::idle_seconds(self.ptr.access(), now)
    }

    /// How often it is used, on a logarithmic scale (under an LFU policy).
    pub fn frequency(self, now: &super::Now) -> u8 {
        access::frequency(self.ptr.access(), now)
    }

    /// The raw access clock, for DEBUG OBJECT.
    pub fn access_clock(self) -> u32 {
        self.ptr.access()
    }
}
