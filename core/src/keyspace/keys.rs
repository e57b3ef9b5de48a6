//! The guard through which a command reaches the keys of its database.
//!
//! An expired key is removed by whoever meets it and is absent for the command.

use alloc::vec::Vec;

use super::access;
use super::entry::{Entry, EntryPtr};
use super::hash::{Key, KeyHasher};
use super::kind::Encoding;
use super::large::SharedBytes;
use super::shard::Shard;
use super::value::{INLINE_LEN_MAX, NewValue, StringView};
use super::{KeyEvent, Keyspace, Loan, Now, Prefetch};
use crate::types::{Object, Typed};

/// What happens to a key's expiry when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpireChange {
    /// It has none.
    Clear,
    /// It keeps the one it has.
    Keep,
    /// It gets this one, ms since 1970.
    At(i64),
}

/// A value taken out of its key, to be put into another (COPY, MOVE, RENAME).
#[derive(Clone, Debug)]
pub struct Copied {
    value: CopiedValue,
    /// Its expiry, ms since 1970.
    pub expire_at: Option<i64>,
    access: u32,
}

#[derive(Clone, Debug)]
enum CopiedValue {
    Int(i64),
    Bytes(Vec<u8>),
    Raw(Vec<u8>),
    Shared(SharedBytes),
    Object(Object),
}

/// Longest integer that is tried when a value is stored.
const INT_TEXT_LEN_MAX: usize = 20;
/// Growth of a string in place doubles it up to this, then adds as much.
const PREALLOCATE_MAX: usize = 1024 * 1024;

/// A key holds another type than its command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// The keys of one database, as one command sees them.
#[derive(Debug)]
pub struct Keys<'a> {
    pub(super) keyspace: &'a mut Keyspace,
    pub(super) db: usize,
    pub(super) now: Now,
}

/// The value of a string of this text: an integer when printing it gives the text again.
#[inline]
fn encoded(bytes: &[u8]) -> NewValue<'_> {
    if bytes.len() <= INT_TEXT_LEN_MAX
        && let Some(value) = crate::num::parse_i64(bytes)
    {
        return NewValue::Int(value);
    }
    NewValue::Bytes(bytes)
}

impl<'a> Keys<'a> {
    pub(super) fn new(keyspace: &'a mut Keyspace, db: usize, now: Now) -> Self {
        assert!(db < keyspace.databases.len(), "a session's database exists");
        Self { keyspace, db, now }
    }

    /// The selected database.
    pub fn db(&self) -> usize {
        self.db
    }

    /// The moment the command runs at.
    pub fn now(&self) -> &Now {
        &self.now
    }

    /// All databases.
    pub fn keyspace(&mut self) -> &mut Keyspace {
        self.keyspace
    }

    /// The keys of another database.
    pub fn other(&mut self, db: usize) -> Keys<'_> {
        Keys::new(self.keyspace, db, self.now)
    }

    /// A key with its hash.
    #[inline]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        self.keyspace.hasher.key(bytes)
    }

    #[inline]
    fn shard(&self, key: Key<'_>) -> &Shard {
        self.keyspace.databases[self.db].shard(key.hash)
    }

    #[inline]
    fn shard_mut(&mut self, key: Key<'_>) -> &mut Shard {
        self.keyspace.databases[self.db].shard_mut(key.hash)
    }

    /// The live entry of a key; an expired one is removed.
    #[inline]
    pub(super) fn find(&mut self, key: Key<'_>) -> Option<EntryPtr> {
        let entry = self.shard(key).find(key)?;
        match entry.expire() {
            Some(at) if self.now.is_over(at) => self.expire_now(key, entry),
            _ => Some(entry),
        }
    }

    /// Same, for who only reads: an expired one may have to stay, though nobody sees it.
    // Inlined everywhere: it is all that most reads do.
    #[inline(always)]
    fn find_to_read(&mut self, key: Key<'_>) -> Option<EntryPtr> {
        let entry = self.shard(key).find(key)?;
        match entry.expire() {
            Some(at) if self.now.is_over(at) && self.now.keeps_expired => None,
            Some(at) if self.now.is_over(at) => self.expire_now(key, entry),
            _ => Some(entry),
        }
    }

    #[cold]
    fn expire_now(&mut self, key: Key<'_>, entry: EntryPtr) -> Option<EntryPtr> {
        let lazily = core::mem::replace(&mut self.keyspace.frees_lazily, self.keyspace.expires_lazily);
        self.remove(key, entry);
        self.keyspace.frees_lazily = lazily;
        self.keyspace.stats.expired += 1;
        if self.keyspace.logs.expired {
            self.log(|db, key| KeyEvent::Expired { db, key }, key);
        }
        None
    }

    #[cold]
    fn log(&mut self, event: impl FnOnce(u32, Vec<u8>) -> KeyEvent, key: Key<'_>) {
        let db = u32::try_from(self.db).unwrap_or(0);
        self.keyspace.log.push(event(db, key.bytes.to_vec()));
    }

    #[inline]
    fn count_miss(&mut self, key: Key<'_>) {
        self.keyspace.stats.misses += 1;
        if self.keyspace.logs.missed {
            self.log(|db, key| KeyEvent::Missed { db, key }, key);
        }
    }

    /// Reads a key: counts a hit or a miss, and leaves a mark on it.
    #[inline]
    pub fn read(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        let Some(entry) = self.find_to_read(key) else {
            self.count_miss(key);
            return None;
        };
        self.keyspace.stats.hits += 1;
        self.touch(entry);
        Some(self.shard(key).view(entry))
    }

    /// Reads a key as a writing command does: leaves a mark on it but counts nothing.
    #[inline]
    pub fn find_write(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        let entry = self.find(key)?;
        self.touch(entry);
        Some(self.shard(key).view(entry))
    }

    /// The expiry of a key of any database, without a trace: even one that has passed is left alone.
    pub fn expiry_in(&self, db: u32, key: Key<'_>) -> Option<i64> {
        self.keyspace.databases.get(db as usize)?.shard(key.hash).find(key)?.expire()
    }

    /// Whether a key of any database is there, without a trace, expired or not.
    pub fn exists_in(&self, db: u32, key: Key<'_>) -> bool {
        self.keyspace
            .databases
            .get(db as usize)
            .is_some_and(|database| database.shard(key.hash).find(key).is_some())
    }

    /// Asks the processor to fetch what the look-ups of a few keys will read, for all of them at once; with their strings or
    /// without, which the last step tells.
    pub fn prefetch(&self, keys: &[Key<'_>], last: Prefetch) {
        for step in [Prefetch::First, Prefetch::Second, last] {
            for key in keys {
                self.keyspace.prefetch(self.db, key.hash, step);
            }
        }
    }

    /// The shards of the database.
    pub(super) fn shards(&self) -> &[Shard] {
        &self.keyspace.databases[self.db].shards
    }

    /// Looks at a key without a trace: an expired one is absent but stays. So several can be looked at together.
    pub fn look(&self, key: Key<'_>) -> Option<Entry<'_>> {
        let entry = self.shard(key).find(key)?;
        let is_over = entry.expire().is_some_and(|at| self.now.is_over(at));
        (!is_over).then(|| self.shard(key).view(entry))
    }

    /// What hashes keys.
    pub fn hasher(&self) -> KeyHasher {
        self.keyspace.hasher
    }

    /// Looks at a key without a trace, though an expired one still goes.
    pub fn peek(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        let entry = self.find_to_read(key)?;
        Some(self.shard(key).view(entry))
    }

    /// Looks at a key and counts a hit or a miss, but leaves no mark (TTL, TYPE, EXISTS).
    pub fn read_no_touch(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        let Some(entry) = self.find_to_read(key) else {
            self.count_miss(key);
            return None;
        };
        self.keyspace.stats.hits += 1;
        Some(self.shard(key).view(entry))
    }

    /// Same, and that it is missing is no event (OBJECT).
    pub fn read_quietly(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        let found = self.find(key);
        let stats = &mut self.keyspace.stats;
        *(if found.is_some() { &mut stats.hits } else { &mut stats.misses }) += 1;
        found.map(|entry| self.shard(key).view(entry))
    }

    #[inline]
    fn touch(&mut self, entry: EntryPtr) {
        if self.now.touch {
            entry.set_access(self.marked(entry.access()));
        }
    }

    /// The access clock of a key after this use of it.
    #[inline]
    fn marked(&mut self, access: u32) -> u32 {
        if !self.now.touch {
            return access;
        }
        let random = match self.now.access {
            access::AccessPolicy::Lru => 0,
            access::AccessPolicy::Lfu { .. } => self.keyspace.next_random(),
        };
        access::touched(access, &self.now, random)
    }

    /// Sets a string, whatever the key held. Returns whether it existed.
    #[inline]
    pub fn set_string(&mut self, key: Key<'_>, value: &[u8], expire: ExpireChange) -> bool {
        let new = match self.keyspace.offered(value) {
            Some(offered) => NewValue::Shared(offered),
            None => encoded(value),
        };
        self.set(key, new, expire)
    }

    /// Gives a key the integer that `change` makes of what it holds; its expiry stays. One that is an integer already is
    /// written over in place.
    ///
    /// # Errors
    /// Those of `change`; nothing is set then.
    pub fn update_int<E>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(Option<Entry<'_>>) -> Result<i64, E>,
    ) -> Result<i64, E> {
        let entry = self.find(key);
        if let Some(entry) = entry {
            self.touch(entry);
        }
        let value = change(entry.map(|entry| self.shard(key).view(entry)))?;
        let is_set = entry.is_some_and(|entry| entry.set_value_in_place(&NewValue::Int(value)));
        if !is_set {
            self.set(key, NewValue::Int(value), ExpireChange::Keep);
        }
        Ok(value)
    }

    /// Sets a string that is not tried as an integer (results of arithmetic on floats).
    pub fn set_plain(&mut self, key: Key<'_>, value: &[u8], expire: ExpireChange) -> bool {
        self.set(key, NewValue::Bytes(value), expire)
    }

    #[inline]
    fn set(&mut self, key: Key<'_>, value: NewValue<'_>, expire: ExpireChange) -> bool {
        let old = self.find(key);
        //= valkey 9.1 SET: a key that is there keeps its access clock, and is marked as used
        let access = match old {
            Some(old) => self.marked(old.access()),
            None => access::initial(&self.now),
        };
        let expire = match expire {
            ExpireChange::Clear => None,
            ExpireChange::At(at) => Some(at),
            ExpireChange::Keep => old.and_then(EntryPtr::expire),
        };
        let shard = self.shard_mut(key);
        match old {
            Some(old) => {
                shard.overwrite(key, old, value, expire, access);
                self.collect(key);
                true
            }
            None => {
                shard.insert(key, value, expire, access);
                self.log_new(key);
                false
            }
        }
    }

    #[inline]
    fn log_new(&mut self, key: Key<'_>) {
        if self.keyspace.logs.new {
            self.log(|db, key| KeyEvent::New { db, key }, key);
        }
    }

    fn remove(&mut self, key: Key<'_>, entry: EntryPtr) {
        self.shard_mut(key).remove(key.hash, entry);
        self.collect(key);
    }

    /// Takes over what a change in a key's shard has left to be freed.
    #[inline]
    fn collect(&mut self, key: Key<'_>) {
        let garbage = self.shard_mut(key).garbage();
        if !garbage.is_empty() {
            let garbage = core::mem::take(garbage);
            self.keyspace.put_garbage(garbage);
        }
    }

    /// The object of a key, to be changed; `None` when there is no key, or a string. Leaves a mark on the key but counts
    /// nothing.
    #[inline]
    pub fn object_mut(&mut self, key: Key<'_>) -> Option<&mut Object> {
        let entry = self.find(key)?;
        self.touch(entry);
        self.shard_mut(key).object_mut(entry)
    }

    /// Reads a key as a type: counts a hit or a miss, and leaves a mark on it.
    ///
    /// # Errors
    /// The key holds another type.
    #[inline]
    pub fn read_as<T: Typed>(&mut self, key: Key<'_>) -> Result<Option<&T>, WrongType> {
        let Some(entry) = self.read(key) else { return Ok(None) };
        entry.object().and_then(T::of).map(Some).ok_or(WrongType)
    }

    /// The value of a key, to be changed.
    ///
    /// # Errors
    /// The key holds another type.
    #[inline]
    pub fn write_as<T: Typed>(&mut self, key: Key<'_>) -> Result<Option<&mut T>, WrongType> {
        let Some(entry) = self.find(key) else { return Ok(None) };
        self.touch(entry);
        self.shard_mut(key).object_mut(entry).and_then(T::of_mut).map(Some).ok_or(WrongType)
    }

    /// The value of a key, to be changed; a new one when there is none.
    ///
    /// # Errors
    /// The key holds another type.
    pub fn write_or_insert<T: Typed>(
        &mut self,
        key: Key<'_>,
        new: impl FnOnce() -> T,
    ) -> Result<&mut T, WrongType> {
        let entry = match self.find(key) {
            Some(entry) => {
                self.touch(entry);
                entry
            }
            None => {
                let (object, access) = (new().into_object(), access::initial(&self.now));
                let entry = self.shard_mut(key).insert(key, NewValue::Object(object), None, access);
                self.log_new(key);
                entry
            }
        };
        self.shard_mut(key).object_mut(entry).and_then(T::of_mut).ok_or(WrongType)
    }

    /// Adds a key's value to a loan of this keyspace, if it is worth it; `place` is given its length and says before which
    /// byte of the reply it belongs.
    pub fn lend(&mut self, key: Key<'_>, loan: &mut Loan, place: impl FnOnce(usize) -> usize) -> bool {
        self.keyspace.is_own(loan) && self.read(key).is_some_and(|entry| loan.add(&entry, place))
    }

    /// Takes note of when fields of a hash expire, after they were changed.
    pub fn note_fields(&mut self, key: Key<'_>) {
        if let Some(entry) = self.shard(key).find(key) {
            self.shard_mut(key).note_fields(entry);
        }
    }

    /// Removes a key whose object has become empty. Returns whether it was.
    pub fn delete_if_empty(&mut self, key: Key<'_>) -> bool {
        let Some(entry) = self.shard(key).find(key) else { return false };
        let is_empty = self.shard(key).view(entry).object().is_some_and(Object::is_empty);
        if is_empty {
            self.remove(key, entry);
        }
        is_empty
    }

    /// Remembers that a key's object has something left to be freed of what was removed.
    pub fn tidy_later(&mut self, key: Key<'_>) {
        self.keyspace.tidy_later(self.db, key.bytes);
    }

    /// Sets an object, whatever the key held. Its expiry goes.
    pub fn set_object(&mut self, key: Key<'_>, object: Object) {
        self.set(key, NewValue::Object(object), ExpireChange::Clear);
    }

    /// Makes a string of `len` bytes to be written into: its old bytes kept, new ones zero. Its encoding is
    /// `raw` from then on, its expiry stays. The key is created when it does not exist.
    pub fn resize_raw(&mut self, key: Key<'_>, len: usize, write: impl FnOnce(&mut [u8])) {
        let old = self.find(key);
        if let Some(entry) = old
            && let Some(bytes) = self.shard_mut(key).shared_mut(entry)
        {
            if len > bytes.capacity() {
                bytes.reserve_exact(len - bytes.len() + len.min(PREALLOCATE_MAX));
            }
            bytes.resize(len, 0);
            write(bytes);
            return;
        }
        let mut text = itoa::Buffer::new();
        let mut scratch = [0u8; INLINE_LEN_MAX];
        let old_bytes: &[u8] = match old.map(|entry| self.shard(key).view(entry).string()) {
            Some(StringView::Int(value)) => text.format(value).as_bytes(),
            Some(StringView::Bytes(bytes)) => bytes,
            None => &[],
        };
        let kept = old_bytes.len().min(len);
        if len <= INLINE_LEN_MAX {
            scratch[..kept].copy_from_slice(&old_bytes[..kept]);
            write(&mut scratch[..len]);
            self.set(key, NewValue::Raw(&scratch[..len]), ExpireChange::Keep);
        } else {
            let spare = if old.is_some() { len.min(PREALLOCATE_MAX) } else { 0 };
            let mut bytes = Vec::with_capacity(len + spare);
            bytes.extend_from_slice(&old_bytes[..kept]);
            bytes.resize(len, 0);
            write(&mut bytes);
            self.set(key, NewValue::Shared(SharedBytes::new(bytes.into())), ExpireChange::Keep);
        }
    }

    /// Changes the bytes of a string, which may become longer or shorter; a large one in place. Its encoding is `raw`
    /// from then on, its expiry stays. A key that does not exist is created, empty at first.
    pub fn edit_raw<R>(&mut self, key: Key<'_>, edit: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let old = self.find(key);
        if let Some(entry) = old
            && let Some(bytes) = self.shard_mut(key).shared_mut(entry)
        {
            return edit(bytes);
        }
        let mut bytes = match old.map(|entry| self.shard(key).view(entry).string()) {
            Some(StringView::Int(value)) => itoa::Buffer::new().format(value).as_bytes().to_vec(),
            Some(StringView::Bytes(bytes)) => bytes.to_vec(),
            None => Vec::new(),
        };
        let result = edit(&mut bytes);
        if bytes.len() <= INLINE_LEN_MAX {
            self.set(key, NewValue::Raw(&bytes), ExpireChange::Keep);
        } else {
            self.set(key, NewValue::Shared(SharedBytes::new(bytes.into())), ExpireChange::Keep);
        }
        result
    }

    /// Sets a string that is `raw` however short, whatever the key held. Its expiry goes.
    pub fn set_raw(&mut self, key: Key<'_>, bytes: Vec<u8>) {
        if bytes.len() <= INLINE_LEN_MAX {
            self.set(key, NewValue::Raw(&bytes), ExpireChange::Clear);
        } else {
            self.set(key, NewValue::Shared(SharedBytes::new(bytes.into())), ExpireChange::Clear);
        }
    }

    /// Removes a key. Returns whether it existed.
    pub fn delete(&mut self, key: Key<'_>) -> bool {
        let Some(entry) = self.find(key) else { return false };
        self.remove(key, entry);
        true
    }

    /// Removes a key whose new expiry has passed already: it counts as expired. Returns whether it existed.
    pub fn delete_expired(&mut self, key: Key<'_>) -> bool {
        let existed = self.delete(key);
        self.keyspace.stats.expired += u64::from(existed);
        existed
    }

    /// Gives a key an expiry, or takes it away. Returns whether the key exists.
    pub fn set_expire(&mut self, key: Key<'_>, expire: Option<i64>) -> bool {
        let Some(entry) = self.find(key) else { return false };
        self.shard_mut(key).set_expire(key.hash, entry, expire);
        true
    }

    /// A copy of a key's value, large bytes shared.
    pub fn copy_out(&mut self, key: Key<'_>) -> Option<Copied> {
        let entry = self.find(key)?;
        let view = self.shard(key).view(entry);
        if let Some(object) = view.object() {
            let value = CopiedValue::Object(object.clone());
            return Some(Copied { value, expire_at: view.expire_at(), access: entry.access() });
        }
        let value = match (view.shared(), view.string()) {
            (Some(shared), _) => CopiedValue::Shared(shared),
            (None, StringView::Int(value)) => CopiedValue::Int(value),
            (None, StringView::Bytes(bytes)) if view.encoding() == Encoding::Raw => {
                CopiedValue::Raw(bytes.to_vec())
            }
            (None, StringView::Bytes(bytes)) => CopiedValue::Bytes(bytes.to_vec()),
        };
        Some(Copied { value, expire_at: view.expire_at(), access: entry.access() })
    }

    /// Takes a key's value out and removes the key.
    pub fn take_out(&mut self, key: Key<'_>) -> Option<Copied> {
        let entry = self.find(key)?;
        let (expire_at, access) = (entry.expire(), entry.access());
        if let Some(object) = self.shard_mut(key).take_object(entry) {
            self.remove(key, entry);
            return Some(Copied { value: CopiedValue::Object(object), expire_at, access });
        }
        let copied = self.copy_out(key);
        self.remove(key, entry);
        copied
    }

    /// Puts a copied value under a key, whatever it held.
    pub fn put_copy(&mut self, key: Key<'_>, copied: Copied) {
        self.delete(key);
        let access = copied.access;
        let bytes;
        let value = match copied.value {
            CopiedValue::Int(value) => NewValue::Int(value),
            CopiedValue::Bytes(held) => {
                bytes = held;
                NewValue::Bytes(&bytes)
            }
            CopiedValue::Raw(held) => {
                bytes = held;
                NewValue::Raw(&bytes)
            }
            CopiedValue::Shared(shared) => NewValue::Shared(shared),
            CopiedValue::Object(object) => {
                if object.is_untidy() {
                    self.tidy_later(key);
                }
                NewValue::Object(object)
            }
        };
        self.shard_mut(key).insert(key, value, copied.expire_at, access);
        self.log_new(key);
    }
}
