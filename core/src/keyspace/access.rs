//! The access clock of an entry: 24 bits that tell when (LRU) or how often (LFU) it was used.
//!
//! LRU: seconds, modulo 2^24. LFU: 16 bits of minutes since the last decay, 8 bits of a logarithmic counter.
//! Source: Valkey `lrulfu.c`.

use super::Now;

/// New keys of an LFU policy begin here, so that they are not the first to go.
const LFU_BEGIN: u32 = 5;
const LRU_MASK: i64 = 0xff_ffff;

/// How access is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessPolicy {
    /// When a key was last used.
    Lru,
    /// How often it is used.
    Lfu {
        /// `lfu-log-factor`: how many hits the counter takes to saturate.
        log_factor: u32,
        /// `lfu-decay-time`: minutes after which the counter loses one.
        decay_minutes: u32,
    },
}

fn truncated(value: i64) -> u32 {
    u32::try_from(value & LRU_MASK).unwrap_or(0)
}

fn lru_clock(now: &Now) -> u32 {
    truncated(now.unix_ms / 1000)
}

fn lfu_minutes(now: &Now) -> u32 {
    truncated(now.unix_ms / 60_000) & 0xffff
}

/// The clock of a new entry.
pub(super) fn initial(now: &Now) -> u32 {
    match now.access {
        AccessPolicy::Lru => lru_clock(now),
        AccessPolicy::Lfu { .. } => lfu_minutes(now) << 8 | LFU_BEGIN,
    }
}

/// The clock after a use; `random` is a fresh random number.
#[inline]
pub(super) fn touched(old: u32, now: &Now, random: u64) -> u32 {
    match now.access {
        AccessPolicy::Lru => lru_clock(now),
        AccessPolicy::Lfu { log_factor, .. } => {
            let counter = u32::from(frequency(old, now));
            let over = counter.saturating_sub(LFU_BEGIN);
            // Raised with a probability of 1 / (over × factor + 1).
            let chance = u64::MAX / (u64::from(over) * u64::from(log_factor) + 1);
            let raised = counter + u32::from(counter < 255 && random < chance);
            lfu_minutes(now) << 8 | raised
        }
    }
}

/// Seconds since the last use.
pub(super) fn idle_seconds(clock: u32, now: &Now) -> u64 {
    u64::from(lru_clock(now).wrapping_sub(clock) & truncated(LRU_MASK))
}

/// The counter, decayed to now.
pub(super) fn frequency(clock: u32, now: &Now) -> u8 {
    let (then, counter) = (clock >> 8 & 0xffff, clock & 255);
    let passed = lfu_minutes(now).wrapping_sub(then) & 0xffff;
    let decay = match now.access {
        AccessPolicy::Lfu { decay_minutes, .. } => passed.checked_div(decay_minutes).unwrap_or(0),
        AccessPolicy::Lru => 0,
    };
    u8::try_from(counter.saturating_sub(decay)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::{AccessPolicy, frequency, idle_seconds, initial, touched};
    use crate::keyspace::Now;

    #[test]
    fn lru_counts_seconds_through_a_wrap() {
        let clock = initial(&Now::new(0xff_fff0 * 1000, AccessPolicy::Lru));
        assert_eq!(idle_seconds(clock, &Now::new(0xff_fff0 * 1000 + 32_000, AccessPolicy::Lru)), 32);
    }

    #[test]
    fn lfu_rises_and_decays() {
        let lfu = AccessPolicy::Lfu { log_factor: 10, decay_minutes: 1 };
        let mut clock = initial(&Now::new(0, lfu));
        assert_eq!(frequency(clock, &Now::new(0, lfu)), 5);
        for _ in 0..10 {
            clock = touched(clock, &Now::new(0, lfu), 0);
        }
        assert_eq!(frequency(clock, &Now::new(0, lfu)), 15);
        assert_eq!(frequency(clock, &Now::new(3 * 60_000, lfu)), 12);
        assert_eq!(frequency(touched(clock, &Now::new(0, lfu), u64::MAX), &Now::new(0, lfu)), 15);
    }
}
