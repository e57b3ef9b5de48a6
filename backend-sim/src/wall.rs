//! The wall clock: it follows the monotonic one, and jumps if the seed says so. Checkers ask what it may have shown.

use crate::dice::Dice;

/// Where the wall clock begins, µs since 1970.
const EPOCH_US: i64 = 1_800_000_000_000_000;

/// The wall clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wall {
    /// Since when, monotonic ns, it has been ahead of where it began by how much, µs.
    offsets: Vec<(u64, i64)>,
}

impl Wall {
    pub(crate) fn begin(&mut self, now_ns: u64) {
        self.offsets.push((0, EPOCH_US - us(now_ns)));
    }

    /// What it shows, µs since 1970.
    pub(crate) fn unix_us(&self, now_ns: u64) -> i64 {
        us(now_ns) + self.offsets.last().map_or(0, |&(_, offset_us)| offset_us)
    }

    /// Jumps, forth or back. Returns by how much, µs.
    pub(crate) fn jump(&mut self, now_ns: u64, dice: &mut Dice) -> i64 {
        let most_us = [20_000, 2_000_000, 3_600_000_000][dice.index(3)];
        let by_us = i64::try_from(dice.below(2 * most_us + 1)).unwrap_or(0) - us(most_us * 1000);
        let before_us = self.offsets.last().map_or(0, |&(_, offset_us)| offset_us);
        self.offsets.push((now_ns, before_us + by_us));
        by_us
    }

    /// The earliest and the latest time that it has shown from one monotonic time to another, both included.
    pub(crate) fn range(&self, from_ns: u64, to_ns: u64) -> (i64, i64) {
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for (index, &(since_ns, offset_us)) in self.offsets.iter().enumerate() {
            let until_ns = self.offsets.get(index + 1).map_or(u64::MAX, |&(next_ns, _)| next_ns);
            let (first, last) = (since_ns.max(from_ns), until_ns.min(to_ns));
            if first <= last {
                least = least.min(us(first) + offset_us);
                most = most.max(us(last) + offset_us);
            }
        }
        (least, most)
    }
}

fn us(ns: u64) -> i64 {
    i64::try_from(ns / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Wall;
    use crate::dice::Dice;

    #[test]
    fn ranges_span_jumps() {
        let mut wall = Wall::default();
        wall.begin(1_000_000);
        let shown = wall.unix_us(3_000_000);
        assert_eq!(wall.range(1_000_000, 3_000_000), (shown - 2000, shown));
        let by = wall.jump(3_000_000, &mut Dice::new(1, 1));
        assert_ne!(by, 0);
        assert_eq!(wall.unix_us(3_000_000), shown + by);
        let (least, most) = wall.range(2_000_000, 4_000_000);
        assert!(least <= shown - 1000 && least <= shown + by);
        assert!(most >= shown && most >= shown + by + 1000);
        assert_eq!(wall.range(3_500_000, 4_000_000), (shown + by + 500, shown + by + 1000));
    }
}
