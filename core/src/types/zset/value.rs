//! A sorted set in either encoding, and when it changes from one to the other.
//!
//! It begins small and becomes large when it would pass a limit; it never becomes small again, but for one that
//! a command has just made ([`Zset::settle`]).
//!
//! Source: Valkey `t_zset.c` for the rules of conversion.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::small::{self, Small};
use super::{Change, Iter, Score, SortedSet};
use crate::keyspace::KeyHasher;
use crate::types::listpack::Element;

/// Up to what sizes a sorted set stays small, and what hashes the members of a large one.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Members.
    pub entries_max: usize,
    /// Bytes of a member.
    pub member_len_max: usize,
    /// Of the keyspace.
    pub hasher: KeyHasher,
}

/// No more members are moved to another set at once.
const REBUILD_MAX: usize = if cfg!(any(miri, fuzzing, test)) { 6 } else { 512 };
/// That is done when so many times as many go.
const REBUILD_RATIO: usize = 8;

/// A sorted set.
#[derive(Clone, Debug)]
pub enum Zset {
    /// A listpack.
    Small(Small),
    /// What OBJECT ENCODING calls a skiplist.
    Large(Box<SortedSet>),
}

static_assertions::assert_eq_size!(Zset, [usize; 2]);

impl Default for Zset {
    fn default() -> Self {
        Self::new()
    }
}

impl Zset {
    /// The empty set.
    pub fn new() -> Self {
        Self::Small(Small::new())
    }

    /// How many members there are.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Small(small) => small.len(),
            Self::Large(large) => large.len(),
        }
    }

    /// There is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Small(small) => small.is_empty(),
            Self::Large(large) => large.is_empty(),
        }
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::Small(_) => "listpack",
            Self::Large(_) => "skiplist",
        }
    }

    /// Bytes of memory it holds on the heap.
    pub fn memory(&self) -> usize {
        match self {
            Self::Small(small) => small.memory(),
            Self::Large(large) => large.memory() + size_of::<SortedSet>(),
        }
    }

    /// About how many allocations go when it is freed.
    pub fn free_effort(&self) -> usize {
        match self {
            Self::Small(_) => 1,
            Self::Large(large) => large.allocations(),
        }
    }

    /// Recounts everything.
    ///
    /// # Panics
    /// When something does not hold.
    #[cfg(any(test, fuzzing))]
    pub fn check(&self) {
        match self {
            Self::Small(small) => small.check(),
            Self::Large(large) => large.check(),
        }
        let mut scratch = itoa::Buffer::new();
        let pairs = self.iter(0..self.len());
        let pairs: Vec<_> =
            pairs.map(|(member, score)| (Score::new(score), member.text(&mut scratch).to_vec())).collect();
        assert_eq!(pairs.len(), self.len());
        assert!(pairs.iter().all(|(score, _)| score.is_some()), "no score is NaN");
        assert!(pairs.is_sorted_by(|before, after| before < after), "in order, none twice");
        crate::types::listpack::check::are_different(pairs.iter().map(|(_, member)| Element::Bytes(member)));
    }

    /// See [`SortedSet::dismantle`].
    pub fn dismantle(&mut self, budget: usize) -> usize {
        match self {
            Self::Small(_) => {
                *self = Self::new();
                budget
            }
            Self::Large(large) => large.dismantle(budget),
        }
    }

    /// Gets ready for members to be added: so many, the longest one of so many bytes. Whether any is new does not
    /// matter.
    pub fn prepare(&mut self, count: usize, member_len: usize, rules: &Rules) {
        if count > rules.entries_max || member_len > rules.member_len_max {
            self.enlarge(rules);
        }
    }

    /// Makes a set that was just built small, if it fits.
    pub fn settle(self, rules: &Rules) -> Self {
        let Self::Large(large) = self else { return self };
        if large.len() > rules.entries_max {
            return Self::Large(large);
        }
        let lens = large.iter(0..large.len()).map(|(member, _)| member.len());
        let (longest, total) =
            lens.fold((0, 0usize), |(longest, total), len| (len.max(longest), total + len));
        if longest > rules.member_len_max || !Small::new().would_fit(total) {
            return Self::Large(large);
        }
        let mut small = Small::new();
        large.iter(0..large.len()).for_each(|(member, score)| small.insert(member, score));
        Self::Small(small)
    }

    #[cold]
    fn enlarge(&mut self, rules: &Rules) {
        let Self::Small(small) = self else { return };
        let mut large = SortedSet::new(rules.hasher);
        for (member, score) in small.pairs(0..small.len()) {
            if let Some(score) = Score::new(score) {
                large.insert(member.text(&mut itoa::Buffer::new()), score);
            }
        }
        *self = Self::Large(Box::new(large));
    }

    /// Adds a member or gives it another score.
    pub fn insert(&mut self, member: &[u8], score: Score, rules: &Rules) -> Change {
        self.update(member, rules, |_| Some(score))
    }

    /// Gives a member the score that `decide` makes of the one it has, if any; `None` leaves things as they are.
    pub fn update(
        &mut self,
        member: &[u8],
        rules: &Rules,
        decide: impl FnOnce(Option<f64>) -> Option<Score>,
    ) -> Change {
        let small = match self {
            Self::Large(large) => return large.update(member, decide),
            Self::Small(small) => small,
        };
        if let Some((position, old)) = small.find(member) {
            return match decide(Some(old)) {
                Some(score) if score.get() != old => {
                    small.remove(position);
                    small.insert(member, score.get());
                    Change::Updated
                }
                _ => Change::Unchanged,
            };
        }
        let Some(score) = decide(None) else { return Change::Unchanged };
        if small.len() >= rules.entries_max
            || member.len() > rules.member_len_max
            || !small.would_fit(member.len())
        {
            self.enlarge(rules);
            return self.insert(member, score, rules);
        }
        small.insert(member, score.get());
        Change::Added
    }

    /// Removes a member. Returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Self::Small(small) => match small.find(member) {
                Some((position, _)) => {
                    small.remove(position);
                    true
                }
                None => false,
            },
            Self::Large(large) => large.remove(member).is_some(),
        }
    }

    /// Removes a range of ranks that are there. Nothing of that takes long: what is left to be done is put into `cut`, to be
    /// freed in steps, or left to [`Self::tidy`].
    pub fn remove_range(&mut self, ranks: Range<usize>, cut: &mut Vec<Self>) {
        let large = match self {
            Self::Small(small) => return small.remove_range(ranks),
            Self::Large(large) => large,
        };
        let kept = large.len() - ranks.len();
        if kept == 0 || kept > REBUILD_MAX || ranks.len() < REBUILD_RATIO * kept {
            return large.remove_ranks(ranks);
        }
        // So few stay that it is less work to move them elsewhere than to take the others out.
        let mut rest = large.emptied();
        for (member, score) in large.iter(0..ranks.start).chain(large.iter(ranks.end..large.len())) {
            if let Some(score) = Score::new(score) {
                rest.insert(member, score);
            }
        }
        cut.push(Self::Large(core::mem::replace(large, Box::new(rest))));
    }

    /// Something is left to be freed of what was removed.
    pub fn is_untidy(&self) -> bool {
        matches!(self, Self::Large(large) if large.is_untidy())
    }

    /// See [`SortedSet::tidy`].
    pub fn tidy(&mut self, budget: usize) -> usize {
        match self {
            Self::Small(_) => budget,
            Self::Large(large) => large.tidy(budget),
        }
    }

    /// Asks the processor to fetch a small set, or where a large one's index has what `member` names. Returns what
    /// [`Self::prefetch_member`] goes on with.
    pub(crate) fn prefetch<'m>(&self, member: impl FnOnce() -> Option<&'m [u8]>) -> Option<u64> {
        match self {
            Self::Small(small) => {
                small.prefetch();
                None
            }
            Self::Large(large) => member().map(|member| large.prefetch(member)),
        }
    }

    /// Asks the processor to fetch the element of a hash.
    pub(crate) fn prefetch_member(&self, hash: u64) {
        if let Self::Large(table) = self {
            table.prefetch_member(hash);
        }
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Small(small) => small.find(member).map(|(_, score)| score),
            Self::Large(large) => large.score(member),
        }
    }

    /// How many elements come before a member, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Self::Small(small) => small.find(member).map(|(position, score)| (small.rank(position), score)),
            Self::Large(large) => large.rank(member),
        }
    }

    /// Members and scores of a range of ranks, from either end.
    pub fn iter(&self, ranks: Range<usize>) -> Pairs<'_> {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        match self {
            Self::Small(small) => Pairs::Small(small.pairs(ranks)),
            Self::Large(large) => Pairs::Large(large.iter(ranks)),
        }
    }

    /// One step of a walk over all members, as [`SortedSet::scan`]; a small set is seen at once.
    pub fn scan<'s>(&'s self, cursor: u64, count: usize, mut each: impl FnMut(Element<'s>, f64)) -> u64 {
        match self {
            Self::Small(small) => {
                small.pairs(0..small.len()).for_each(|(member, score)| each(member, score));
                0
            }
            Self::Large(large) => {
                large.scan(cursor, count, |member, score| each(Element::Bytes(member), score))
            }
        }
    }
}

/// Members and scores, in rising order.
#[derive(Clone, Debug)]
pub enum Pairs<'a> {
    /// Of a small set.
    Small(small::Pairs<'a>),
    /// Of a large one.
    Large(Iter<'a>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Small(pairs) => pairs.next(),
            Self::Large(pairs) => pairs.next().map(|(member, score)| (Element::Bytes(member), score)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Small(pairs) => pairs.size_hint(),
            Self::Large(pairs) => pairs.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Small(pairs) => pairs.next_back(),
            Self::Large(pairs) => pairs.next_back().map(|(member, score)| (Element::Bytes(member), score)),
        }
    }
}

impl ExactSizeIterator for Pairs<'_> {}
