//! Sets: different strings in no order.
//!
//! ```text
//!   Intset ──── a string that is no integer ───► Listpack
//!      │                                            │
//!      └─► Table ◄── too many, or one too long ─────┘
//! ```
//! A set of few integers is an intset, one of few short strings a listpack, any other a [`Table`], which OBJECT ENCODING
//! calls `hashtable`. With nine-byte members one costs about 26 bytes there: 16 its slot, 9 the index. What
//! removals leave is never brought back to a smaller encoding, but for results of *STORE commands and a large SPOP.
//!
//! A member that is an integer's text is the same member as the integer, in whichever way it is asked for.
//!
//! Source: Valkey `t_set.c`, for the rules of conversion.

mod algebra;
mod iter;
#[cfg(any(test, fuzzing))]
pub mod model;
mod table;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

pub use self::algebra::{Full, Gathered, difference, intersection, probes, stored_intersection};
pub use self::iter::Iter;
pub use self::table::{Added, Table};

use super::intset::Intset;
use super::listpack::{Element, Listpack};
use super::random;
use crate::keyspace::KeyHasher;
use crate::rng::Rng;

/// Integers of the largest intset, whatever the settings say.
const INTSET_LEN_MAX: usize = 1 << 30;
/// Bytes of the longest integer in a listpack.
const INT_ENTRY_LEN_MAX: usize = 10;
/// From a set this many times as large as the sample, members are drawn until enough are different.
const DRAW_RATIO: usize = 3;
/// A set of which so large a part was popped at once is stored anew.
const POP_RATIO: usize = 5;

/// When a set is stored how.
#[derive(Clone, Copy, Debug)]
pub struct SetRules {
    /// `set-max-intset-entries`.
    pub intset_entries: usize,
    /// `set-max-listpack-entries`.
    pub listpack_entries: usize,
    /// `set-max-listpack-value`.
    pub listpack_value: usize,
    /// What hashes the members of large sets.
    pub hasher: KeyHasher,
}

/// A set of strings.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers in rising order.
    Intset(Intset),
    /// Short strings in the order in which they were added.
    Listpack(Listpack),
    /// Any strings in no order.
    Table(Box<Table>),
}

impl SetRules {
    fn intset_len_max(&self) -> usize {
        self.intset_entries.min(INTSET_LEN_MAX)
    }
}

impl Set {
    /// An empty set to which about `count` members will be added, this one first.
    pub fn with_hint(first: &[u8], count: usize, rules: &SetRules) -> Self {
        if count <= rules.intset_entries && Element::Bytes(first).integer().is_some() {
            Self::Intset(Intset::new())
        } else if count <= rules.listpack_entries {
            Self::Listpack(Listpack::new())
        } else {
            Self::table(rules)
        }
    }

    /// The empty set that becomes whatever its members ask for.
    pub fn new() -> Self {
        Self::Intset(Intset::new())
    }

    /// An empty set of the large encoding.
    pub fn table(rules: &SetRules) -> Self {
        Self::Table(Box::new(Table::new(rules.hasher)))
    }

    /// Makes ready for about `count` members to be added at once.
    pub fn prepare(&mut self, count: usize, rules: &SetRules) {
        let limit = match self {
            Self::Intset(_) => rules.intset_entries,
            Self::Listpack(_) => rules.listpack_entries,
            Self::Table(_) => return,
        };
        if count > limit {
            self.make_table(rules);
        }
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Intset(intset) => intset.len(),
            Self::Listpack(listpack) => listpack.len(),
            Self::Table(table) => table.len(),
        }
    }

    /// There is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::Intset(_) => "intset",
            Self::Listpack(_) => "listpack",
            Self::Table(_) => "hashtable",
        }
    }

    /// Heap memory it holds, bytes.
    pub fn memory(&self) -> usize {
        match self {
            Self::Intset(intset) => intset.memory(),
            Self::Listpack(listpack) => listpack.memory(),
            Self::Table(table) => size_of::<Table>() + table.memory(),
        }
    }

    /// About how many allocations go when it is freed.
    pub fn free_effort(&self) -> usize {
        match self {
            Self::Intset(_) | Self::Listpack(_) => 1,
            Self::Table(table) => table.allocations(),
        }
    }

    /// See [`Table::dismantle`].
    pub fn dismantle(&mut self, budget: usize) -> usize {
        match self {
            Self::Intset(_) | Self::Listpack(_) => budget,
            Self::Table(table) => table.dismantle(budget),
        }
    }

    /// Asks the processor to fetch a small set, or where a large one's index has what `member` names. Returns what
    /// [`Self::prefetch_member`] goes on with.
    pub(crate) fn prefetch<'m>(&self, member: impl FnOnce() -> Option<&'m [u8]>) -> Option<u64> {
        match self {
            Self::Intset(intset) => intset.prefetch(),
            Self::Listpack(listpack) => listpack.prefetch(),
            Self::Table(table) => return member().map(|member| table.prefetch(member)),
        }
        None
    }

    /// Asks the processor to fetch the member of a hash.
    pub(crate) fn prefetch_member(&self, hash: u64) {
        if let Self::Table(table) = self {
            table.prefetch_member(hash);
        }
    }

    /// The members.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self)
    }

    /// One step of a walk over all members: see [`Table::scan`]. Of a small set all are seen at once.
    pub fn scan<'s>(&'s self, cursor: u64, count: usize, mut each: impl FnMut(Element<'s>)) -> u64 {
        match self {
            Self::Intset(_) | Self::Listpack(_) => {
                self.iter().for_each(each);
                0
            }
            Self::Table(table) => table.scan(cursor, count, |member| each(Element::Bytes(member))),
        }
    }

    /// Whether this is a member.
    pub fn contains(&self, member: Element<'_>) -> bool {
        match self {
            Self::Intset(intset) => member.integer().is_some_and(|value| intset.contains(value)),
            Self::Listpack(listpack) => {
                listpack.find_unique(member.text(&mut itoa::Buffer::new()), 0).is_some()
            }
            Self::Table(table) => table.contains(member.text(&mut itoa::Buffer::new())),
        }
    }

    /// Adds a member; the encoding changes when it does not fit.
    pub fn add(&mut self, member: Element<'_>, rules: &SetRules) -> Added {
        match self {
            Self::Intset(_) => self.add_to_intset(member, rules),
            Self::Listpack(listpack) => {
                let mut scratch = itoa::Buffer::new();
                let text = member.text(&mut scratch);
                if listpack.find_unique(text, 0).is_some() {
                    return Added::Present;
                }
                let has_room = listpack.len() < rules.listpack_entries && listpack.would_fit(text.len());
                if has_room && text.len() <= rules.listpack_value {
                    listpack.push_back(member);
                    return Added::New;
                }
                self.make_table(rules);
                self.add_to_table(text)
            }
            Self::Table(_) => self.add_to_table(member.text(&mut itoa::Buffer::new())),
        }
    }

    fn add_to_table(&mut self, member: &[u8]) -> Added {
        match self {
            Self::Table(table) => table.insert(member),
            Self::Intset(_) | Self::Listpack(_) => unreachable!("it was made a table"),
        }
    }

    fn add_to_intset(&mut self, member: Element<'_>, rules: &SetRules) -> Added {
        let Self::Intset(intset) = self else { unreachable!("the caller has looked") };
        if let Some(value) = member.integer() {
            if !intset.insert(value) {
                return Added::Present;
            }
            if intset.len() > rules.intset_len_max() {
                self.make_table(rules);
            }
            return Added::New;
        }
        //= valkey 9.1 SADD: an intset becomes a listpack if all its members fit into one with the new one
        let ends = [intset.min(), intset.max()].into_iter().flatten();
        let longest = ends.map(|value| Element::Int(value).len()).max().unwrap_or(0);
        let mut listpack = Listpack::new();
        let bytes = intset.len().saturating_mul(INT_ENTRY_LEN_MAX).saturating_add(member.len());
        let fits = intset.len() < rules.listpack_entries && listpack.would_fit(bytes);
        if !fits || longest.max(member.len()) > rules.listpack_value {
            self.make_table(rules);
            return self.add(member, rules);
        }
        intset.iter().for_each(|value| listpack.push_back(value));
        listpack.push_back(member);
        *self = Self::Listpack(listpack);
        Added::New
    }

    /// Gives it the large encoding. Small sets only: a table could be full.
    fn make_table(&mut self, rules: &SetRules) {
        let mut table = Table::new(rules.hasher);
        for member in self.iter() {
            table.insert(member.text(&mut itoa::Buffer::new()));
        }
        *self = Self::Table(Box::new(table));
    }

    /// Makes a set of integers an intset, unless it is too large for one; any other set stays what it is.
    pub(super) fn narrow(&mut self, rules: &SetRules) {
        if matches!(self, Self::Intset(_)) || self.len() > rules.intset_len_max() {
            return;
        }
        let values: Option<Vec<i64>> = self.iter().map(Element::integer).collect();
        let Some(mut values) = values else { return };
        values.sort_unstable();
        let mut intset = Intset::new();
        values.into_iter().for_each(|value| {
            intset.insert(value);
        });
        *self = Self::Intset(intset);
    }

    /// Removes a member. Returns whether it was there.
    pub fn remove(&mut self, member: Element<'_>) -> bool {
        match self {
            Self::Intset(intset) => member.integer().is_some_and(|value| intset.remove(value)),
            Self::Listpack(listpack) => {
                let found = listpack.find_unique(member.text(&mut itoa::Buffer::new()), 0);
                if let Some(position) = found {
                    listpack.delete(position);
                }
                found.is_some()
            }
            Self::Table(table) => table.remove(member.text(&mut itoa::Buffer::new())),
        }
    }

    /// A member, each as likely as any other.
    pub fn random(&self, rng: &mut Rng) -> Option<Element<'_>> {
        let index = |rng: &mut Rng| i64::try_from(rng.below(self.len() as u64)).unwrap_or(0);
        match self {
            Self::Intset(intset) => intset.get(usize::try_from(index(rng)).unwrap_or(0)).map(Element::Int),
            Self::Listpack(listpack) => listpack.get(index(rng)),
            Self::Table(table) => table.random(rng).map(Element::Bytes),
        }
    }

    /// `count` different members, all of them if there are no more, every choice equally likely; in no order.
    pub fn sample(&self, rng: &mut Rng, count: usize) -> Vec<Element<'_>> {
        let len = self.len();
        match self {
            Self::Table(table) if count < len / DRAW_RATIO => {
                let mut drawn = BTreeSet::new();
                while drawn.len() < count {
                    drawn.extend(table.random_handle(rng));
                }
                drawn.into_iter().map(|handle| Element::Bytes(table.member(handle))).collect()
            }
            _ => self.pick(&random::distinct(rng, len, count)).collect(),
        }
    }

    /// The members with these indices, which rise.
    fn pick<'s>(&'s self, indices: &[usize]) -> impl Iterator<Item = Element<'s>> {
        let (mut members, mut next) = (self.iter(), 0);
        indices.iter().filter_map(move |&index| {
            let member = members.nth(index - next);
            next = index + 1;
            member
        })
    }

    /// Removes a member, each as likely as any other, and hands it over. Returns whether there was one.
    pub fn pop_one(&mut self, rng: &mut Rng, each: impl FnOnce(Element<'_>)) -> bool {
        let len = self.len() as u64;
        match self {
            Self::Intset(intset) => {
                let value = usize::try_from(rng.below(len)).ok().and_then(|index| intset.get(index));
                value.is_some_and(|value| {
                    each(Element::Int(value));
                    intset.remove(value)
                })
            }
            Self::Listpack(listpack) => {
                let position = i64::try_from(rng.below(len)).ok().and_then(|index| listpack.seek(index));
                position.is_some_and(|position| {
                    each(listpack.at(position));
                    listpack.delete_from(position, 1) > 0
                })
            }
            Self::Table(table) => table.pop_random(rng, |member| each(Element::Bytes(member))),
        }
    }

    /// Removes `count` different members, fewer than there are, every choice equally likely. Each is handed over first.
    pub fn pop(&mut self, rng: &mut Rng, count: usize, rules: &SetRules, mut each: impl FnMut(Element<'_>)) {
        match self {
            Self::Table(table) => {
                for _ in 0..count {
                    table.pop_random(rng, |member| each(Element::Bytes(member)));
                }
            }
            Self::Intset(_) | Self::Listpack(_) => {
                self.pop_small(&random::distinct(rng, self.len(), count), each);
            }
        }
        //= valkey 9.1 SPOP: what is left of a set is stored anew where most of it is popped at once
        if self.len() * POP_RATIO <= count {
            self.rebuild(rules);
        }
    }

    /// Removes the members with these indices, which rise.
    fn pop_small(&mut self, indices: &[usize], mut each: impl FnMut(Element<'_>)) {
        self.pick(indices).for_each(&mut each);
        if let [index] = *indices {
            return self.remove_at(index);
        }
        let mut gone = indices.iter().copied().peekable();
        let kept = self.iter().enumerate().filter(|(index, _)| gone.next_if_eq(index).is_none());
        let kept = kept.map(|(_, member)| member);
        *self = if let Self::Intset(_) = self {
            let mut intset = Intset::new();
            kept.filter_map(Element::integer).for_each(|value| {
                intset.insert(value);
            });
            Self::Intset(intset)
        } else {
            let mut listpack = Listpack::new();
            kept.for_each(|member| listpack.push_back(member));
            Self::Listpack(listpack)
        };
    }

    fn remove_at(&mut self, index: usize) {
        match self {
            Self::Intset(intset) => {
                if let Some(value) = intset.get(index) {
                    intset.remove(value);
                }
            }
            Self::Listpack(listpack) => {
                listpack.delete_range(i64::try_from(index).unwrap_or(i64::MAX), 1);
            }
            Self::Table(_) => {}
        }
    }

    /// Adds the members to a new set.
    fn rebuild(&mut self, rules: &SetRules) {
        match self {
            Self::Intset(intset) if intset.len() > rules.intset_len_max() => self.make_table(rules),
            Self::Intset(_) => {}
            // However it begins, it would be a table again.
            Self::Table(table) if table.len() > rules.listpack_entries => {}
            Self::Listpack(_) | Self::Table(_) => {
                let fits = |member: Element<'_>| member.len() <= rules.listpack_value;
                let bytes = self.iter().fold(0usize, |sum, member| sum.saturating_add(member.len()));
                if self.len() > rules.listpack_entries
                    || !self.iter().all(fits)
                    || !Listpack::new().would_fit(bytes)
                {
                    if matches!(self, Self::Listpack(_)) {
                        self.make_table(rules);
                    }
                    return;
                }
                let mut listpack = Listpack::new();
                self.iter().for_each(|member| listpack.push_back(member));
                *self = Self::Listpack(listpack);
            }
        }
    }

    /// Recounts everything.
    ///
    /// # Panics
    /// When something does not hold.
    #[cfg(any(test, fuzzing))]
    pub fn check(&self) {
        match self {
            // As bytes to be read there are none that are empty.
            Self::Intset(intset) if intset.is_empty() => {}
            Self::Intset(intset) => {
                assert_eq!(Intset::from_bytes(intset.as_bytes().to_vec()).as_ref(), Some(intset));
            }
            Self::Listpack(listpack) => super::listpack::check::verify(listpack),
            Self::Table(table) => table.check(),
        }
        assert_eq!(self.iter().count(), self.len());
        super::listpack::check::are_different(self.iter());
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}
