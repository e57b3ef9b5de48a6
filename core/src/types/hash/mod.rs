//! Hashes: values by the names of their fields, each of which may expire on its own.
//!
//! A small hash is a listpack, name and value in turn. A large one, or one with expiries, is a table:
//!
//! ```text
//!              name                              time
//!               │ hash                             │
//!   MemberIndex: buckets of handles      ExpiryIndex: sorted leaves
//!               │                                  │
//!               └────► Elements: name, value, expiry ◄┘
//! ```
//! A field lies once in memory, in a slot of 8-byte steps (`elements.rs`); index and times name it by a handle of four
//! bytes. A field of 9 and 16 bytes costs 42 to 45 bytes: 32 its slot, 9 the index; an expiry costs 26 more.
//! Nothing is ever rebuilt as a whole, but by the one step from listpack to table.
//!
//! Invariant: a field whose time has come is absent for everything that is told the time; it stays, and counts in
//! [`Hash::len`], until [`Hash::expire`] takes it away or it is written over. A listpack has no expiries.
//!
//! The index, the slots and their chunks are those of sets and sorted sets (`members/`).

mod elements;
mod field;
mod large;
#[cfg(any(test, fuzzing))]
pub mod model;

use alloc::boxed::Box;

use self::field::{Field, has_come};
use self::large::{FieldTable, Put};
use super::listpack::{Element, Listpack, Position};
use crate::keyspace::KeyHasher;
use crate::rng::Rng;

/// A time at which nothing has expired yet.
pub const NEVER_MS: i64 = i64::MIN;

/// What decides how a hash is kept while it is written to.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A listpack has at most so many fields.
    pub listpack_entries: usize,
    /// No name or value of a listpack is longer.
    pub listpack_value: usize,
    /// Hashes the names of a table.
    pub hasher: KeyHasher,
    /// Wall clock, ms since 1970.
    pub now_ms: i64,
    /// The latest time that has passed when it is given to a field.
    pub past_ms: i64,
}

/// What happens to a field's expiry when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It has none.
    Endless,
    /// It keeps the one it has.
    Keep,
    /// It ends at this time, ms since 1970.
    Until(i64),
}

/// What became of a field that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldSet {
    /// It is new.
    Added,
    /// Its value was exchanged.
    Updated,
    /// It is new, in the place of one whose time had come.
    Revived,
    /// The hash can hold no more (2^31 fields): nothing was done.
    Full,
}

/// Conditions on a field's present expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeCondition {
    /// It has none.
    pub none: bool,
    /// It has one.
    pub any: bool,
    /// It is earlier than the new one. Endless is later than all.
    pub earlier: bool,
    /// It is later than the new one.
    pub later: bool,
}

/// What became of a field that was to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSet {
    /// There is no such field.
    Missing,
    /// The condition is not met.
    Unmet,
    /// It has the new expiry.
    Done,
    /// The time has come already: the field is removed.
    Removed,
}

/// A value and its field's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The value.
    pub value: Element<'a>,
    /// ms since 1970.
    pub expire_at: Option<i64>,
}

/// Name and value.
pub type Pair<'a> = (Element<'a>, Element<'a>);

#[derive(Clone, Debug)]
enum Repr {
    Listpack(Listpack),
    Table(Box<FieldTable>),
}

/// A hash of any size.
#[derive(Clone, Debug)]
pub struct Hash(Repr);

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeCondition {
    fn is_met(self, old: Option<i64>, new: i64) -> bool {
        let broken = self.none && old.is_some()
            || self.any && old.is_none()
            || self.earlier && old.is_none_or(|old| new <= old)
            || self.later && old.is_some_and(|old| new >= old);
        !broken
    }
}

/// Where a listpack has a name's value.
fn value_at(listpack: &Listpack, name: &[u8]) -> Option<Position> {
    listpack.find_unique(name, 1).and_then(|at| listpack.next(at))
}

/// Name and value of a field.
fn pair_of(field: Field<'_>) -> Pair<'_> {
    (Element::Bytes(field.name), Element::Bytes(field.value))
}

/// The pairs of a listpack.
fn pairs_of(listpack: &Listpack) -> impl Iterator<Item = Pair<'_>> {
    let mut elements = listpack.iter();
    core::iter::from_fn(move || elements.next().zip(elements.next()))
}

impl Hash {
    /// The empty hash.
    pub fn new() -> Self {
        Self(Repr::Listpack(Listpack::new()))
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match self.0 {
            Repr::Listpack(_) => "listpack",
            Repr::Table(_) => "hashtable",
        }
    }

    /// How many fields there are, those whose time has come included.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.len() / 2,
            Repr::Table(table) => table.len(),
        }
    }

    /// There is no field, not even one whose time has come.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.is_empty(),
            Repr::Table(table) => table.len() == 0,
        }
    }

    /// Bytes of memory it holds on the heap.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.memory(),
            Repr::Table(table) => size_of::<FieldTable>() + table.bytes(),
        }
    }

    /// About how many allocations go when it is freed.
    pub fn free_effort(&self) -> usize {
        match &self.0 {
            Repr::Listpack(_) => 1,
            Repr::Table(table) => table.allocations(),
        }
    }

    /// Frees about `budget` allocations. Returns what is left of the budget: more than 0 only when nothing is left to be
    /// freed. Nothing else may be asked of it once this has begun.
    pub fn dismantle(&mut self, budget: usize) -> usize {
        match &mut self.0 {
            Repr::Listpack(_) => budget,
            Repr::Table(table) => table.dismantle(budget),
        }
    }

    /// Asks the processor to fetch a listpack, or where a large one's index has what `member` names. Returns what
    /// [`Self::prefetch_member`] goes on with.
    pub(crate) fn prefetch<'m>(&self, member: impl FnOnce() -> Option<&'m [u8]>) -> Option<u64> {
        match &self.0 {
            Repr::Listpack(listpack) => {
                listpack.prefetch();
                None
            }
            Repr::Table(table) => member().map(|name| table.prefetch(name)),
        }
    }

    /// Asks the processor to fetch the field of a hash.
    pub(crate) fn prefetch_member(&self, hash: u64) {
        if let Repr::Table(table) = &self.0 {
            table.prefetch_field(hash);
        }
    }

    /// The value of a field. O(1), O(n) in a listpack.
    pub fn get(&self, name: &[u8], now_ms: i64) -> Option<Found<'_>> {
        match &self.0 {
            Repr::Listpack(listpack) => {
                let at = value_at(listpack, name)?;
                Some(Found { value: listpack.at(at), expire_at: None })
            }
            Repr::Table(table) => {
                let field = table.get(name).filter(|field| !has_come(field.expire_at, now_ms))?;
                Some(Found { value: Element::Bytes(field.value), expire_at: field.expire_at })
            }
        }
    }

    /// Becomes a table at once if names and values of these lengths, taken for new, would make it one.
    pub fn prepare(&mut self, lens: impl ExactSizeIterator<Item = usize>, rules: &Rules) {
        let Repr::Listpack(listpack) = &self.0 else { return };
        let is_many = lens.len() / 2 > rules.listpack_entries;
        let (longest, sum) =
            lens.fold((0, 0usize), |(longest, sum), len| (len.max(longest), sum.saturating_add(len)));
        if is_many || longest > rules.listpack_value || !listpack.would_fit(sum) {
            self.convert(rules);
        }
    }

    /// Sets the value of a field. O(1), O(n) in a listpack.
    pub fn set(&mut self, name: &[u8], value: &[u8], lifetime: Lifetime, rules: &Rules) -> FieldSet {
        if let Repr::Listpack(listpack) = &self.0
            && (matches!(lifetime, Lifetime::Until(_))
                || name.len().max(value.len()) > rules.listpack_value
                || !listpack.would_fit(name.len().saturating_add(value.len())))
        {
            self.convert(rules);
        }
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                if let Some(at) = value_at(listpack, name) {
                    listpack.replace(at, value);
                    return FieldSet::Updated;
                }
                listpack.push_back(name);
                listpack.push_back(value);
                if listpack.len() / 2 > rules.listpack_entries {
                    self.convert(rules);
                }
                FieldSet::Added
            }
            Repr::Table(table) => set_in_table(table, name, value, lifetime, rules.now_ms),
        }
    }

    /// Removes a field, unless its time has come. O(1), O(n) in a listpack.
    pub fn remove(&mut self, name: &[u8], now_ms: i64) -> bool {
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                let found = listpack.find_unique(name, 1);
                found.is_some_and(|at| listpack.delete_from(at, 2) > 0)
            }
            Repr::Table(table) => {
                let is_there = table.get(name).is_some_and(|field| !has_come(field.expire_at, now_ms));
                is_there && table.remove(name)
            }
        }
    }

    /// Gives a field an expiry; one that has come already removes it.
    //= valkey 9.1 HEXPIRE: a listpack becomes a table only for an expiry that is set
    pub fn expire_at(&mut self, name: &[u8], at: i64, condition: TimeCondition, rules: &Rules) -> TimeSet {
        let Some(found) = self.get(name, rules.now_ms) else { return TimeSet::Missing };
        if !condition.is_met(found.expire_at, at) {
            return TimeSet::Unmet;
        }
        if at <= rules.past_ms {
            self.remove(name, rules.now_ms);
            return TimeSet::Removed;
        }
        self.convert(rules).set_time(name, Some(at));
        TimeSet::Done
    }

    /// Takes a field's expiry away. Returns whether it had one; `None` when there is no such field.
    pub fn persist(&mut self, name: &[u8], now_ms: i64) -> Option<bool> {
        let had = self.get(name, now_ms)?.expire_at.is_some();
        if let Repr::Table(table) = &mut self.0 {
            table.set_time(name, None);
        }
        Some(had)
    }

    /// How many fields have an expiry.
    pub fn timed_len(&self) -> usize {
        match &self.0 {
            Repr::Listpack(_) => 0,
            Repr::Table(table) => table.timed_len(),
        }
    }

    /// When the first of the fields expires, ms since 1970. O(log n).
    pub fn next_due(&self) -> Option<i64> {
        match &self.0 {
            Repr::Listpack(_) => None,
            Repr::Table(table) => table.next_due(),
        }
    }

    /// The time under which the keyspace has noted the hash.
    pub fn noted_due(&self) -> Option<i64> {
        match &self.0 {
            Repr::Listpack(_) => None,
            Repr::Table(table) => table.noted_due,
        }
    }

    /// Takes note of that time, [`Self::next_due`] or `None`.
    pub fn set_noted_due(&mut self, at: Option<i64>) {
        if let Repr::Table(table) = &mut self.0 {
            table.noted_due = at;
        }
    }

    /// Removes the first fields whose time has come, at most so many. Returns how many.
    pub fn expire(&mut self, now_ms: i64, count_max: usize) -> usize {
        match &mut self.0 {
            Repr::Listpack(_) => 0,
            Repr::Table(table) => table.expire(now_ms, count_max),
        }
    }

    /// Hands over all names and values.
    pub fn for_each<'s>(&'s self, now_ms: i64, mut each: impl FnMut(Pair<'s>)) {
        match &self.0 {
            Repr::Listpack(listpack) => pairs_of(listpack).for_each(each),
            Repr::Table(table) => {
                let there = table.fields().filter(|field| !has_come(field.expire_at, now_ms));
                there.for_each(|field| each(pair_of(field)));
            }
        }
    }

    /// How many fields there are whose time has not come. O(1), O(n) where fields expire.
    pub fn live_len(&self, now_ms: i64) -> usize {
        match &self.0 {
            Repr::Table(table) if has_come(table.next_due(), now_ms) => {
                table.fields().filter(|field| !has_come(field.expire_at, now_ms)).count()
            }
            _ => self.len(),
        }
    }

    /// A field, each equally likely; `None` when there is none, or so few among those whose time has come that none was
    /// found. O(1), O(n) in a listpack.
    pub fn random(&self, rng: &mut Rng, now_ms: i64) -> Option<Pair<'_>> {
        match &self.0 {
            Repr::Listpack(listpack) => {
                let pick = rng.below(listpack.len() as u64 / 2);
                let at = listpack.seek(i64::try_from(2 * pick).ok()?)?;
                Some((listpack.at(at), listpack.at(listpack.next(at)?)))
            }
            Repr::Table(table) => table.random(rng, now_ms).map(pair_of),
        }
    }

    /// One step of a walk over all fields: hands about `count` of them to `each` and returns the cursor to go on from, 0
    /// when the walk is over. A listpack is walked in one step.
    ///
    /// A field that is there during the whole walk is seen at least once, however the hash changes in between.
    pub fn scan<'s>(&'s self, cursor: u64, count: usize, now_ms: i64, mut each: impl FnMut(Pair<'s>)) -> u64 {
        match &self.0 {
            Repr::Listpack(listpack) => {
                pairs_of(listpack).for_each(each);
                0
            }
            Repr::Table(table) => table.scan(cursor, count, |field| {
                if !has_come(field.expire_at, now_ms) {
                    each(pair_of(field));
                }
            }),
        }
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub fn check(&self) {
        match &self.0 {
            Repr::Listpack(listpack) => {
                super::listpack::check::verify(listpack);
                assert!(listpack.len().is_multiple_of(2));
                super::listpack::check::are_different(pairs_of(listpack).map(|(name, _)| name));
            }
            Repr::Table(table) => table.check(),
        }
    }

    /// Becomes a table.
    fn convert(&mut self, rules: &Rules) -> &mut FieldTable {
        if let Repr::Listpack(listpack) = &self.0 {
            let mut table = Box::new(FieldTable::new(rules.hasher));
            let (mut name_text, mut value_text) = (itoa::Buffer::new(), itoa::Buffer::new());
            for (name, value) in pairs_of(listpack) {
                let (name, value) = (name.text(&mut name_text), value.text(&mut value_text));
                table.put(Field { name, value, expire_at: None });
            }
            self.0 = Repr::Table(table);
        }
        match &mut self.0 {
            Repr::Table(table) => table,
            Repr::Listpack(_) => unreachable!("it has just become a table"),
        }
    }
}

//= valkey 9.1 HSET: a field whose time has come, to the millisecond, is not kept but written anew
fn set_in_table(
    table: &mut FieldTable,
    name: &[u8],
    value: &[u8],
    lifetime: Lifetime,
    now_ms: i64,
) -> FieldSet {
    let old = table.get(name).map(|field| field.expire_at);
    let old_at = old.flatten();
    let is_over = old_at.is_some_and(|at| at <= now_ms);
    let expire_at = match lifetime {
        Lifetime::Endless => None,
        Lifetime::Until(at) => Some(at),
        Lifetime::Keep => old_at.filter(|_| !is_over),
    };
    match table.put(Field { name, value, expire_at }) {
        Put::Added => FieldSet::Added,
        Put::Replaced if is_over => FieldSet::Revived,
        Put::Replaced => FieldSet::Updated,
        Put::Full => FieldSet::Full,
    }
}
