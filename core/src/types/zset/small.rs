//! The small encoding of sorted sets: a listpack of members and scores, in order.
//!
//! ```text
//! listpack ┌ member ┬ score ┬ member ┬ score ┬ ...       rising by score, then by the members' bytes
//! ```
//! A score that is a whole number of at most 2^62 in magnitude is an integer, so `-0` becomes 0; any other one is its shortest
//! text. These are the bytes that dumps contain.
//!
//! Every look-up is a walk: O(bytes).
//!
//! Source: Valkey `t_zset.c`, for the format.

use core::cmp::Ordering;
use core::ops::Range;

use crate::num::{DoubleText, parse_f64};
use crate::types::listpack::{Element, Entries, Listpack, Position};

/// Scores up to this magnitude are stored as integers where they are whole.
const WHOLE_MAX: f64 = 4_611_686_018_427_387_904.0;

/// A sorted set in a listpack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Small {
    listpack: Listpack,
}

/// Members and scores, from either end.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    entries: Entries<'a>,
    left: usize,
}

/// The score as it is stored, when that is an integer.
fn as_whole(score: f64) -> Option<i64> {
    if !(-WHOLE_MAX..=WHOLE_MAX).contains(&score) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "within half of the range; the way back is compared")]
    let whole = score as i64;
    #[expect(clippy::cast_precision_loss, reason = "that it loses nothing is what is asked")]
    let back = whole as f64;
    (back == score).then_some(whole)
}

fn score_of(element: Element<'_>) -> f64 {
    match element {
        #[expect(clippy::cast_precision_loss, reason = "what was stored is a double's value, or its text")]
        Element::Int(value) => value as f64,
        Element::Bytes(text) => parse_f64(text).unwrap_or_default(),
    }
}

/// How a member compares with bytes.
pub(super) fn compare(member: Element<'_>, bytes: &[u8]) -> Ordering {
    member.text(&mut itoa::Buffer::new()).cmp(bytes)
}

impl Small {
    pub(super) fn new() -> Self {
        Self::default()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.listpack.len() / 2
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.listpack.is_empty()
    }

    /// Recounts everything, but for the order.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        crate::types::listpack::check::verify(&self.listpack);
        assert!(self.listpack.len().is_multiple_of(2));
    }

    pub(super) fn memory(&self) -> usize {
        self.listpack.memory()
    }

    pub(super) fn prefetch(&self) {
        self.listpack.prefetch();
    }

    /// Whether a member of this length may be added.
    pub(super) fn would_fit(&self, len_bytes: usize) -> bool {
        self.listpack.would_fit(len_bytes)
    }

    /// Where a member is, and its score.
    pub(super) fn find(&self, member: &[u8]) -> Option<(Position, f64)> {
        let position = self.listpack.find_unique(member, 1)?;
        let score = self.listpack.next(position)?;
        Some((position, score_of(self.listpack.at(score))))
    }

    /// The rank of a position.
    pub(super) fn rank(&self, position: Position) -> usize {
        self.listpack.entries_to(position).count() / 2
    }

    /// Adds a member that is not there.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        let mut text = DoubleText::new();
        let stored = match as_whole(score) {
            Some(whole) => Element::Int(whole),
            None => Element::Bytes(text.format(score)),
        };
        match self.place(member, score) {
            Some(position) => {
                let position = self.listpack.insert_before(position, member);
                self.listpack.insert_after(position, stored);
            }
            None => {
                self.listpack.push_back(member);
                self.listpack.push_back(stored);
            }
        }
    }

    /// Before which member another one belongs.
    fn place(&self, member: &[u8], score: f64) -> Option<Position> {
        let is_behind = |(other, other_score): (Element<'_>, f64)| {
            other_score > score || (other_score == score && compare(other, member).is_gt())
        };
        // Members often come in rising order.
        self.pairs(0..self.len()).next_back().filter(|&last| is_behind(last))?;
        let mut entries = self.listpack.entries();
        while let (Some((position, other)), Some((_, other_score))) = (entries.next(), entries.next()) {
            if is_behind((other, score_of(other_score))) {
                return Some(position);
            }
        }
        None
    }

    /// Removes the member at a position.
    pub(super) fn remove(&mut self, position: Position) {
        self.listpack.delete_from(position, 2);
    }

    /// Removes a range of ranks that are there.
    pub(super) fn remove_range(&mut self, ranks: Range<usize>) {
        if let Ok(first) = i64::try_from(2 * ranks.start) {
            self.listpack.delete_range(first, 2 * ranks.len());
        }
    }

    /// Members and scores of a range of ranks that are there.
    pub(super) fn pairs(&self, ranks: Range<usize>) -> Pairs<'_> {
        let (mut entries, behind) = (self.listpack.entries(), self.len() - ranks.end);
        if let Some(last) = (2 * ranks.start).checked_sub(1) {
            entries.nth(last);
        }
        if let Some(last) = (2 * behind).checked_sub(1) {
            entries.nth_back(last);
        }
        Pairs { entries, left: ranks.len() }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (_, member) = self.entries.next()?;
        let (_, score) = self.entries.next()?;
        Some((member, score_of(score)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (_, score) = self.entries.next_back()?;
        let (_, member) = self.entries.next_back()?;
        Some((member, score_of(score)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Element, Small};

    /// Taken from the reference's dump of such a set.
    #[test]
    fn bytes_are_those_in_the_reference_s_dumps() {
        let mut set = Small::new();
        for (member, score) in [(b"a", 1.5), (b"b", -200.0), (b"1", 1e300)] {
            set.insert(member, score);
        }
        let bytes = b"\x1f\0\0\0\x06\0\x81b\x02\xdf8\x02\x81a\x02\x831.5\x04\x01\x01\x861e+300\x07\xff";
        assert_eq!(set.listpack.as_bytes(), bytes);
    }

    #[test]
    fn scores_come_back() {
        let scores = [
            f64::NEG_INFINITY,
            -1e300,
            -4.7e18,
            -super::WHOLE_MAX,
            -0.1,
            0.0,
            5e-324,
            0.1,
            1.0,
            4_611_686_018_427_387_904.0,
            4_611_686_018_427_388_928.0,
            1e22,
            f64::INFINITY,
        ];
        let mut set = Small::new();
        for (score, member) in scores.iter().zip(b'a'..) {
            set.insert(&[member], *score);
        }
        assert!(set.pairs(0..set.len()).map(|(_, score)| score).eq(scores));
        set.insert(b"z", -0.0);
        assert!(set.find(b"z").unwrap().1.is_sign_positive());
        assert_eq!(set.pairs(0..2).next_back(), Some((Element::Bytes(b"b"), -1e300)));
    }
}
