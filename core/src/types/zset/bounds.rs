//! Ranges of a sorted set: by score, or by member where all scores are equal; and which part of one is asked for.

use core::ops::Range;

use super::small::compare;
use super::{Score, Side, Zset};
use crate::types::listpack::Element;

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T> {
    /// The value at the end.
    pub value: T,
    /// It is itself not in the range.
    pub is_open: bool,
}

/// An end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LexValue<'a> {
    /// Before all members.
    Lowest,
    /// These bytes.
    Bytes(&'a [u8]),
    /// After all members.
    Highest,
}

/// A range of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds<'a> {
    /// Of scores, from the first to the second.
    Score(Limit<Score>, Limit<Score>),
    /// Of members.
    Lex(Limit<LexValue<'a>>, Limit<LexValue<'a>>),
}

/// Which part of a range is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// So many are left out first. What a negative one does, is the reference's accident.
    pub offset: i64,
    /// So many at the most; negative: all.
    pub limit: i64,
    /// Counted from the end.
    pub reverse: bool,
}

impl Window {
    /// All of a range.
    pub const ALL: Self = Self { offset: 0, limit: -1, reverse: false };

    fn len_max(self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }
}

impl Bounds<'_> {
    /// No element can be in it.
    fn is_empty(&self) -> bool {
        match self {
            Self::Score(min, max) => {
                min.value > max.value || (min.value == max.value && (min.is_open || max.is_open))
            }
            Self::Lex(min, max) => {
                min.value > max.value || (min.value == max.value && (min.is_open || max.is_open))
            }
        }
    }

    /// An element is not before the range.
    fn reaches_min(&self, (member, score): (Element<'_>, f64)) -> bool {
        match self {
            Self::Score(min, _) if min.is_open => score > min.value.get(),
            Self::Score(min, _) => score >= min.value.get(),
            Self::Lex(min, _) => match min.value {
                LexValue::Lowest => true,
                LexValue::Bytes(bytes) if min.is_open => compare(member, bytes).is_gt(),
                LexValue::Bytes(bytes) => compare(member, bytes).is_ge(),
                LexValue::Highest => false,
            },
        }
    }

    /// An element is not behind the range.
    fn within_max(&self, (member, score): (Element<'_>, f64)) -> bool {
        match self {
            Self::Score(_, max) if max.is_open => score < max.value.get(),
            Self::Score(_, max) => score <= max.value.get(),
            Self::Lex(_, max) => match max.value {
                LexValue::Lowest => false,
                LexValue::Bytes(bytes) if max.is_open => compare(member, bytes).is_lt(),
                LexValue::Bytes(bytes) => compare(member, bytes).is_le(),
                LexValue::Highest => true,
            },
        }
    }
}

impl Zset {
    /// The ranks of the elements of a range, or of a part of it.
    ///
    //= valkey 9.1 ZRANGEBYLEX: where scores differ a small set is walked until a member is out of range
    pub fn select(&self, bounds: &Bounds<'_>, window: Window) -> Range<usize> {
        let is_empty = bounds.is_empty()
            || self.iter(0..1).all(|first| !bounds.within_max(first))
            || self.iter(0..self.len()).next_back().is_none_or(|last| !bounds.reaches_min(last));
        match self {
            _ if is_empty => 0..0,
            Self::Small(_) if window.reverse => self.walk_back(bounds, window),
            Self::Small(_) => self.walk(bounds, window),
            Self::Large(_) => self.cut(bounds, window),
        }
    }

    /// From the first element that is in range on.
    fn walk(&self, bounds: &Bounds<'_>, window: Window) -> Range<usize> {
        let first = self.iter(0..self.len()).position(|element| bounds.reaches_min(element));
        let Some(first) =
            first.filter(|&rank| self.iter(rank..self.len()).take(1).all(|it| bounds.within_max(it)))
        else {
            return 0..0;
        };
        let Some(start) = usize::try_from(window.offset).ok().and_then(|offset| first.checked_add(offset))
        else {
            return 0..0;
        };
        let start = start.min(self.len());
        let rest = self.iter(start..self.len()).take(window.len_max());
        start..start + rest.take_while(|&element| bounds.within_max(element)).count()
    }

    /// From the last element that is in range back.
    fn walk_back(&self, bounds: &Bounds<'_>, window: Window) -> Range<usize> {
        let behind = self.iter(0..self.len()).rev().position(|element| bounds.within_max(element));
        let last = behind.map(|behind| self.len() - behind);
        let Some(last) = last.filter(|&end| self.iter(end - 1..end).all(|it| bounds.reaches_min(it))) else {
            return 0..0;
        };
        let Some(end) = usize::try_from(window.offset).ok().and_then(|offset| last.checked_sub(offset))
        else {
            return 0..0;
        };
        let rest = self.iter(0..end).rev().take(window.len_max());
        end - rest.take_while(|&element| bounds.reaches_min(element)).count()..end
    }

    /// By the ranks at which the range begins and ends.
    ///
    //= valkey 9.1 ZRANGEBYSCORE: in a skiplist a negative offset counts from the range's other end
    fn cut(&self, bounds: &Bounds<'_>, window: Window) -> Range<usize> {
        let (start, end) = self.edges(bounds);
        let steps = i128::from(window.offset);
        let steps = if window.reverse { -steps - 1 } else { steps };
        let base = if steps < 0 { end } else { start };
        let first = i128::try_from(base).ok().and_then(|base| usize::try_from(base + steps).ok());
        match first.filter(|first| (start..end).contains(first)) {
            None => 0..0,
            Some(first) if window.reverse => {
                (first + 1).saturating_sub(window.len_max()).max(start)..first + 1
            }
            Some(first) => first..first.saturating_add(window.len_max()).min(end),
        }
    }

    /// The ranks of the first element that is not before, and of the first that is behind, of a large set.
    fn edges(&self, bounds: &Bounds<'_>) -> (usize, usize) {
        let Self::Large(set) = self else { return (0, 0) };
        let lex = |limit: &Limit<LexValue<'_>>, side| match limit.value {
            LexValue::Lowest => 0,
            LexValue::Bytes(bytes) => set.rank_of_lex(bytes, side),
            LexValue::Highest => set.len(),
        };
        let at_min = |is_open: bool| if is_open { Side::After } else { Side::Before };
        let at_max = |is_open: bool| if is_open { Side::Before } else { Side::After };
        match bounds {
            Bounds::Score(min, max) => (
                set.rank_of_score(min.value, at_min(min.is_open)),
                set.rank_of_score(max.value, at_max(max.is_open)),
            ),
            Bounds::Lex(min, max) => (lex(min, at_min(min.is_open)), lex(max, at_max(max.is_open))),
        }
    }
}
