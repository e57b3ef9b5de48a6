//! The sum of the types, as an entry of the keyspace holds it.

use alloc::boxed::Box;

use super::hash::Hash;
use super::list::List;
use super::set::Set;
use super::stream::Stream;
use super::zset::Zset;
use crate::keyspace::Kind;

/// A value that is not a string. It lies in its entry.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each variant is the type of its name")]
pub enum Object {
    Hash(Hash),
    List(List),
    Set(Set),
    Zset(Zset),
    Stream(Box<Stream>),
}

/// Which argument most commands of a type name a member with: HGET and SADD the one after the key, ZADD and ZRANK the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberArg {
    /// The one after the key.
    AfterKey,
    /// The last one.
    Last,
}

/// A type of which [`Object`] has a variant.
pub trait Typed: Sized {
    /// The value of this type, if the object is one.
    fn of(object: &Object) -> Option<&Self>;
    /// Same, to change it.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
    /// As an object.
    fn into_object(self) -> Object;
}

/// `Typed` for a type and its variant, with how the type is put into the variant.
macro_rules! typed {
    ($type:ty, $variant:ident, $wrap:expr) => {
        impl Typed for $type {
            #[inline]
            fn of(object: &Object) -> Option<&Self> {
                if let Object::$variant(value) = object { Some(value) } else { None }
            }

            #[inline]
            fn of_mut(object: &mut Object) -> Option<&mut Self> {
                if let Object::$variant(value) = object { Some(value) } else { None }
            }

            fn into_object(self) -> Object {
                Object::$variant($wrap(self))
            }
        }
    };
}

typed!(Hash, Hash, core::convert::identity);
typed!(List, List, core::convert::identity);
typed!(Set, Set, core::convert::identity);
typed!(Zset, Zset, core::convert::identity);
typed!(Stream, Stream, Box::new);

impl Object {
    /// What TYPE answers.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Hash(_) => Kind::Hash,
            Self::List(_) => Kind::List,
            Self::Set(_) => Kind::Set,
            Self::Zset(_) => Kind::Zset,
            Self::Stream(_) => Kind::Stream,
        }
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::Hash(hash) => hash.encoding(),
            Self::List(list) => list.encoding(),
            Self::Set(set) => set.encoding(),
            Self::Zset(zset) => zset.encoding(),
            Self::Stream(_) => "stream",
        }
    }

    /// Nothing is left in it, so that its key goes. A stream stays.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Hash(hash) => hash.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::Zset(zset) => zset.is_empty(),
            Self::Stream(_) => false,
        }
    }

    /// Same as [`Self::memory`] in O(1), about.
    pub fn memory_about(&self) -> usize {
        match self {
            Self::Stream(stream) => stream.memory_about(),
            _ => self.memory(),
        }
    }

    /// Heap memory it holds, bytes.
    pub fn memory(&self) -> usize {
        match self {
            Self::Hash(hash) => hash.memory(),
            Self::List(list) => list.memory(),
            Self::Set(set) => set.memory(),
            Self::Zset(zset) => zset.memory(),
            Self::Stream(stream) => stream.memory(),
        }
    }

    /// Asks the processor to fetch what a small one keeps, or where the index of a large one has the member that a request
    /// is about. Returns what [`Self::prefetch_member`] goes on with. The object itself is there by now.
    pub(crate) fn prefetch<'m>(&self, member: impl FnOnce(MemberArg) -> Option<&'m [u8]>) -> Option<u64> {
        match self {
            Self::Hash(hash) => return hash.prefetch(|| member(MemberArg::AfterKey)),
            Self::Set(set) => return set.prefetch(|| member(MemberArg::AfterKey)),
            Self::Zset(zset) => return zset.prefetch(|| member(MemberArg::Last)),
            Self::List(list) => list.prefetch(),
            Self::Stream(stream) => crate::prefetch::prefetch_slice(core::slice::from_ref(&**stream)),
        }
        None
    }

    /// Asks the processor to fetch the member of a hash.
    pub(crate) fn prefetch_member(&self, hash: u64) {
        match self {
            Self::Hash(table) => table.prefetch_member(hash),
            Self::Set(set) => set.prefetch_member(hash),
            Self::Zset(zset) => zset.prefetch_member(hash),
            Self::List(_) | Self::Stream(_) => {}
        }
    }

    /// About how many allocations go when it is freed: what is above a bound is freed in steps. O(1).
    pub fn free_effort(&self) -> usize {
        match self {
            Self::Hash(hash) => hash.free_effort(),
            Self::List(list) => list.nodes().len(),
            Self::Set(set) => set.free_effort(),
            Self::Zset(zset) => zset.free_effort(),
            Self::Stream(stream) => stream.free_effort(),
        }
    }

    /// Frees about `budget` allocations. Returns what is left of the budget: more than 0 only when no more than the object
    /// itself is to be freed. Nothing else may be asked of it once this has begun.
    pub fn dismantle(&mut self, budget: usize) -> usize {
        match self {
            Self::Hash(hash) => hash.dismantle(budget),
            Self::List(list) => list.dismantle(budget),
            Self::Set(set) => set.dismantle(budget),
            Self::Zset(zset) => zset.dismantle(budget),
            Self::Stream(stream) => stream.dismantle(budget),
        }
    }

    /// Something is left to be freed of what a command has removed.
    pub fn is_untidy(&self) -> bool {
        matches!(self, Self::Zset(zset) if zset.is_untidy())
    }

    /// Does part of that, about as much work as freeing `budget` allocations. Returns what is left of the budget: more than 0
    /// only when nothing is left to be done.
    pub fn tidy(&mut self, budget: usize) -> usize {
        match self {
            Self::Zset(zset) => zset.tidy(budget),
            _ => budget,
        }
    }

    /// Removes the first fields whose time has come, at most so many. Returns how many.
    pub(crate) fn expire_fields(&mut self, now_ms: i64, count_max: usize) -> usize {
        match self {
            Self::Hash(hash) => hash.expire(now_ms, count_max),
            _ => 0,
        }
    }

    /// Takes note of the time at which the first field expires, for the keyspace to have it under that.
    pub(crate) fn note_fields_due(&mut self) -> Option<i64> {
        let Self::Hash(hash) = self else { return None };
        let due = hash.next_due();
        hash.set_noted_due(due);
        due
    }

    /// Forgets that time.
    pub(crate) fn take_noted_due(&mut self) -> Option<i64> {
        let Self::Hash(hash) = self else { return None };
        let noted = hash.noted_due();
        hash.set_noted_due(None);
        noted
    }

    /// That time is none after the first field's, if a field has one.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_noted_in_time(&self) -> bool {
        let Self::Hash(hash) = self else { return true };
        hash.next_due().is_none_or(|due| hash.noted_due().is_some_and(|noted| noted <= due))
    }

    /// Recounts everything.
    ///
    /// # Panics
    /// When something does not hold: the object is empty (a stream may be), its encoding is not well formed, or it has not
    /// as many elements as it says.
    #[cfg(any(test, fuzzing))]
    pub fn check(&self) {
        assert!(!self.is_empty(), "an empty {}", self.encoding());
        match self {
            Self::Hash(hash) => hash.check(),
            Self::List(list) => super::list::check::verify(list),
            Self::Set(set) => set.check(),
            Self::Zset(zset) => zset.check(),
            Self::Stream(stream) => assert_eq!(stream.validate(), Ok(())),
        }
    }

    /// That time.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn noted_due(&self) -> Option<i64> {
        if let Self::Hash(hash) = self { hash.noted_due() } else { None }
    }
}
