//! Scores: doubles that can be ordered.

use core::cmp::Ordering;

/// A score: any double but NaN. The zeros are equal, as they are for the reference, yet keep their sign. By default 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score(f64);

impl Score {
    /// The score of a double; `None` for NaN.
    #[inline]
    pub fn new(value: f64) -> Option<Self> {
        if value.is_nan() { None } else { Some(Self(value)) }
    }

    /// The double.
    #[inline]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Back from bytes that [`Self::to_bytes`] made.
    #[inline]
    pub(super) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(f64::from_ne_bytes(bytes))
    }

    #[inline]
    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_ne_bytes()
    }
}

impl Eq for Score {}

impl Ord for Score {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Score {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::Score;

    #[test]
    fn order() {
        let rising = [f64::NEG_INFINITY, -1.5, 0.0, f64::MIN_POSITIVE, 3.0, f64::INFINITY];
        let scores: alloc::vec::Vec<Score> = rising.into_iter().filter_map(Score::new).collect();
        assert!(scores.is_sorted_by(|a, b| a < b));
        assert_eq!(Score::new(0.0), Score::new(-0.0));
        assert!(Score::new(-0.0).is_some_and(|zero| zero.get().is_sign_negative()));
        assert_eq!(Score::new(f64::NAN), None);
    }
}
