//! The eight bytes of an entry that tell when it expires, and how much earlier the index of expiries has it.
//!
//! A key whose time is put off stays where it is in the index until the time comes that it has there: sessions and caches, which are
//! put off again and again, cost the index next to nothing. What is known of the index is exact, so that the key is found there.
//!
//! ```text
//! highest bits   the others
//! 00             by how much the index has it earlier, ms (20) │ its time (42): 1970 to 2109
//! 01             minus its time (62): before 1970, after some 146 million years before that
//! 1              its time (63): after 2109
//! ```

/// Bits of a time that can be put off.
const TIME_BITS: u32 = 42;
/// Bits of what tells the forms apart from each other.
const FORM_SHIFT: u32 = 62;
/// The longest lag, ms; what is put off by more gets a place anew.
const LAG_MAX: i64 = if cfg!(any(miri, fuzzing, test)) { 50 } else { (1 << (FORM_SHIFT - TIME_BITS)) - 1 };
/// The first time that there is.
const EARLIEST: i64 = -((1 << FORM_SHIFT) - 1);

/// When an entry expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Its time, ms since 1970.
    at: i64,
    /// By how much the index has it earlier, ms; 0 of a time that cannot be put off.
    lag: i64,
}

impl Due {
    /// Due at this time, which the index has, too.
    #[inline]
    pub(super) fn new(at: i64) -> Self {
        Self { at: at.max(EARLIEST), lag: 0 }
    }

    /// Its time, ms since 1970.
    #[inline]
    pub(super) fn at(self) -> i64 {
        self.at
    }

    /// The time under which the index has it: none later than its own.
    #[inline]
    pub(super) fn indexed_at(self) -> i64 {
        self.at - self.lag
    }

    /// Due at another time, later than the one that the index has and keeps; `None` when the index must have another.
    #[inline]
    pub(super) fn put_off(self, at: i64) -> Option<Self> {
        let can_be_put_off = |at: i64| at >= 0 && at >> TIME_BITS == 0;
        let lag = at.checked_sub(self.indexed_at())?;
        let is_kept = can_be_put_off(at) && can_be_put_off(self.at) && (0..=LAG_MAX).contains(&lag);
        is_kept.then_some(Self { at, lag })
    }

    /// As the entry keeps it.
    #[inline]
    pub(super) fn word(self) -> [u8; 8] {
        let at = self.at.unsigned_abs();
        let word = if self.at < 0 {
            1 << FORM_SHIFT | at
        } else if at >> TIME_BITS == 0 {
            self.lag.unsigned_abs() << TIME_BITS | at
        } else {
            1 << (u64::BITS - 1) | at
        };
        word.to_ne_bytes()
    }

    /// What an entry keeps.
    #[inline]
    pub(super) fn of(word: [u8; 8]) -> Self {
        let word = u64::from_ne_bytes(word);
        let low = |bits: u32| (word & ((1 << bits) - 1)).cast_signed();
        match word >> FORM_SHIFT {
            0 => Self { at: low(TIME_BITS), lag: (word >> TIME_BITS).cast_signed() },
            1 => Self { at: -low(FORM_SHIFT), lag: 0 },
            _ => Self { at: low(u64::BITS - 1), lag: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, EARLIEST, LAG_MAX, TIME_BITS};
    use crate::keyspace::{AccessPolicy, ExpireChange, HashSeed, Keyspace, Layout, Now};

    const LAST: i64 = (1 << TIME_BITS) - 1;

    #[test]
    fn times_of_all_forms_are_kept() {
        for at in [EARLIEST, -LAST, -1, 0, 1, 1_700_000_000_000, LAST, LAST + 1, i64::MAX - 1, i64::MAX] {
            let due = Due::of(Due::new(at).word());
            assert_eq!((due.at(), due.indexed_at()), (at, at));
        }
        assert_eq!(Due::new(i64::MIN).at(), EARLIEST);
    }

    #[test]
    fn keys_that_were_put_off_go_at_their_time() {
        let mut keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([3; 16]));
        let mut keys = keyspace.keys(0, Now::new(1000, AccessPolicy::Lru));
        for (name, at) in [("first", 2000), ("second", 2020)] {
            let key = keys.key(name.as_bytes());
            keys.set_string(key, b"v", ExpireChange::At(at));
        }
        for at in [2010, 2005, 2000 + LAG_MAX] {
            let key = keys.key(b"first");
            assert!(keys.set_expire(key, Some(at)));
        }
        // What would have been next is not, and gets its place when that is asked for.
        assert_eq!(keyspace.next_due_ms(1000), Some(2000));
        assert_eq!(keyspace.first_to_expire(), Some((0, b"second".to_vec())));
        keyspace.check();
        let mut gone = |now_ms| keyspace.expire_step(now_ms, 8).expired;
        let times = [2020, 2021, 2000 + LAG_MAX, 2001 + LAG_MAX];
        assert_eq!(times.map(&mut gone), [0, 1, 0, 1]);
    }

    #[test]
    fn of_many_that_were_put_off_none_is_taken_for_the_next() {
        let mut keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([3; 16]));
        let mut keys = keyspace.keys(0, Now::new(1000, AccessPolicy::Lru));
        for (at, name) in (2000..).zip(0..20u8) {
            let (name, later) = ([name], at + 30);
            let key = keys.key(&name);
            keys.set_string(key, b"v", ExpireChange::At(at));
            keys.set_expire(key, Some(later));
        }
        let key = keys.key(b"next");
        keys.set_string(key, b"v", ExpireChange::At(2025));
        assert_eq!(keyspace.first_to_expire(), None);
        assert_eq!(keyspace.first_to_expire(), Some((0, b"next".to_vec())));
        keyspace.check();
    }

    #[test]
    fn a_place_anew_is_of_the_budget() {
        let mut keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([3; 16]));
        let mut keys = keyspace.keys(0, Now::new(1000, AccessPolicy::Lru));
        for name in [b"a", b"b", b"c"] {
            let key = keys.key(name);
            keys.set_string(key, b"v", ExpireChange::At(2000));
            keys.set_expire(key, Some(2001));
        }
        let steps = [(2001, 2), (2001, 2), (2001, 2), (2002, 2), (2002, 2)];
        let steps = steps.map(|(now_ms, budget)| {
            let step = keyspace.expire_step(now_ms, budget);
            (step.caught_up, step.expired, step.next_due_ms)
        });
        let expected =
            [(2, 0, Some(2000)), (1, 0, Some(2001)), (0, 0, Some(2001)), (0, 2, Some(2001)), (0, 1, None)];
        assert_eq!(steps, expected);
        keyspace.check();
    }

    #[test]
    fn what_is_put_off_keeps_its_place() {
        let mut due = Due::new(LAST - 2 * LAG_MAX);
        let indexed_at = due.indexed_at();
        for later in [LAG_MAX, 3, 1, LAG_MAX, 0] {
            due = Due::of(due.put_off(indexed_at + later).unwrap().word());
            assert_eq!((due.at(), due.indexed_at()), (indexed_at + later, indexed_at));
        }
        for other in [indexed_at - 1, indexed_at + LAG_MAX + 1, LAST + 1, -1, i64::MIN, i64::MAX] {
            assert_eq!(due.put_off(other), None, "{other}");
        }
        assert_eq!(Due::new(-5).put_off(5), None);
        assert_eq!(Due::new(LAST + 1).put_off(LAST + 2), None);
    }
}
