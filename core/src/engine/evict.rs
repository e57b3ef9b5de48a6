//! Eviction: which keys go when memory passes `maxmemory`.
//!
//! A few random keys of each database are looked at, and the best of all that were seen lately wait in a pool of sixteen
//! (the reference's idea, with its directives `maxmemory-samples` and `maxmemory-eviction-tenacity`). `volatile-ttl` needs
//! a sample only where many keys were put off: else the index of expiries knows which key goes next.
//!
//! A large value is freed after its key has gone, in steps or by another thread; what it held counts as free at once, and
//! so does what a client holds that is being closed: nothing more goes for their sake.
//!
//! Invariant: a key goes only while more than `maxmemory` is in use.

use alloc::vec::Vec;

use super::context::Moment;
use super::host::Host;
use super::tracking::By;
use super::watch::DbKey;
use super::{Engine, clock};
use crate::config::{EvictBy, NotifyClasses};
use crate::keyspace::{Entry, Now, SamplesAhead};

/// Candidates that are remembered.
const POOL_LEN: usize = 16;
/// Keys that go before the clock is read again.
const KEYS_A_LOOK: usize = 16;
/// How long one call may take at the usual tenacity, µs.
const TIME_LIMIT_US: f64 = 500.0;

/// The best candidates seen, the best last.
#[derive(Debug, Default)]
pub(super) struct EvictionPool {
    candidates: Vec<(u64, DbKey)>,
    /// Of each database.
    ahead: Vec<SamplesAhead>,
    /// The database that random choice takes a key from next.
    next_db: usize,
    /// More is to go as soon as there is time.
    goes_on: bool,
}

/// What became of an attempt to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// No more than `maxmemory` is in use.
    Enough,
    /// More is, but the time for one call is over.
    GoesOn,
    /// More is, and nothing can go.
    Full,
}

impl EvictionPool {
    /// Where the next samples of a database are taken.
    fn ahead(&mut self, db: usize) -> &mut SamplesAhead {
        if self.ahead.len() <= db {
            self.ahead.resize_with(db + 1, SamplesAhead::default);
        }
        &mut self.ahead[db]
    }

    fn offer(&mut self, score: u64, db: u32, key: &[u8]) {
        let at = self.candidates.partition_point(|(other, _)| *other < score);
        if (at == 0 && self.candidates.len() == POOL_LEN)
            || self.candidates.iter().any(|(_, place)| place.0 == db && place.1 == key)
        {
            return;
        }
        self.candidates.insert(at, (score, (db, key.to_vec())));
        if self.candidates.len() > POOL_LEN {
            self.candidates.remove(0);
        }
    }
}

/// How much a key deserves to go.
fn score(entry: Entry<'_>, by: EvictBy, now: &Now) -> u64 {
    match by {
        EvictBy::Lru | EvictBy::Random => entry.idle_seconds(now),
        EvictBy::Lfu => u64::from(u8::MAX - entry.frequency(now)),
        EvictBy::Ttl => u64::MAX - entry.expire_at().map_or(u64::MAX, |at| at.max(0).unsigned_abs()),
    }
}

/// How long one call may take, µs; `None`: as long as it needs.
fn time_limit_us(tenacity: u64) -> Option<u64> {
    let limit = match tenacity {
        100.. => return None,
        ..=10 => 50.0 * f64::from(u8::try_from(tenacity).unwrap_or(10)),
        //= valkey 9.1 maxmemory-eviction-tenacity: above ten, fifteen percent more with each step
        _ => TIME_LIMIT_US * libm::pow(1.15, f64::from(u8::try_from(tenacity - 10).unwrap_or(90))),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 150 million")]
    Some(limit as u64)
}

impl Engine {
    /// Removes keys until no more than `maxmemory` is in use, or until the time for one call is over.
    pub fn make_room(&mut self, now: Moment, host: &mut dyn Host) -> Room {
        //= valkey 9.1 CLIENT PAUSE: nothing is evicted while clients are paused
        if self.shared.pause.kind(now.unix_ms()).is_some() {
            self.eviction.goes_on = false;
            return Room::Enough;
        }
        let limit = self.shared.config.settings().maxmemory;
        // What those who listen or track are sent for each key does not count, or eviction would feed on itself.
        let mut over = if limit == 0 { 0 } else { self.used_memory(host).saturating_sub(limit) };
        if over == 0 {
            self.end_eviction(now);
            return Room::Enough;
        }
        let settings = self.shared.config.settings();
        //= valkey 9.1 import-mode: nothing is evicted
        let policy = settings.eviction.filter(|_| !settings.import_mode);
        let (Some(policy), tenacity) = (policy, settings.eviction_tenacity) else {
            self.eviction.goes_on = false;
            return Room::Full;
        };
        let (began_us, limit_us) = (host.monotonic_us(), time_limit_us(tenacity));
        let mut removed = 0;
        let room = loop {
            let Some((db, key)) = self.choose(policy.by, policy.volatile, now) else { break Room::Full };
            over = over.saturating_sub(self.evict(db, &key, now, host));
            removed += 1;
            if over == 0 {
                break Room::Enough;
            }
            let spent_us = |host: &mut dyn Host| host.monotonic_us().saturating_sub(began_us);
            if removed % KEYS_A_LOOK == 0 && limit_us.is_some_and(|limit| spent_us(host) > limit) {
                break Room::GoesOn;
            }
        };
        self.eviction.goes_on = room == Room::GoesOn;
        if room == Room::Enough {
            self.end_eviction(now);
        } else if self.shared.stats.over_limit_since_us == 0 {
            self.shared.stats.over_limit_since_us = now.mono_us;
        }
        let spent_ms = host.monotonic_us().saturating_sub(began_us) / 1000;
        let threshold = self.shared.config.settings().latency_monitor_threshold;
        if threshold != 0 && spent_ms >= threshold {
            self.shared.latency.add("eviction-cycle", now.unix_s(), spent_ms);
        }
        room
    }

    /// More than is allowed may be in use from now on, though no command has asked for more: `maxmemory` was changed.
    pub fn begin_eviction(&mut self) {
        self.eviction.goes_on = self.shared.config.settings().maxmemory != 0;
    }

    /// Eviction has not come to its end for want of time.
    pub fn is_evicting(&self) -> bool {
        self.eviction.goes_on
    }

    fn end_eviction(&mut self, now: Moment) {
        self.eviction.goes_on = false;
        let stats = &mut self.shared.stats;
        let since_us = core::mem::take(&mut stats.over_limit_since_us);
        if since_us != 0 {
            stats.over_limit_us += now.mono_us.saturating_sub(since_us);
        }
    }

    /// The key that goes next.
    fn choose(&mut self, by: EvictBy, volatile: bool, now: Moment) -> Option<DbKey> {
        match by {
            EvictBy::Random => self.choose_random(volatile, now),
            EvictBy::Ttl => self.keyspace.first_to_expire().or_else(|| self.choose_best(by, volatile, now)),
            EvictBy::Lru | EvictBy::Lfu => self.choose_best(by, volatile, now),
        }
    }

    fn choose_random(&mut self, volatile: bool, now: Moment) -> Option<DbKey> {
        let (now, databases) = (clock::plain(now, &self.shared.config), self.keyspace.databases());
        for _ in 0..databases {
            let db = self.eviction.next_db % databases;
            self.eviction.next_db = db + 1;
            let keys = self.keyspace.keys(db, now);
            let mut found = None;
            let (rng, ahead) = (&mut self.shared.rng, self.eviction.ahead(db));
            let pick = |entry: Entry<'_>| found = Some(entry.key().to_vec());
            keys.sample(1, volatile, ahead, |bound| rng.below(bound), pick);
            if let Some(key) = found {
                return Some((u32::try_from(db).unwrap_or(0), key));
            }
        }
        None
    }

    fn choose_best(&mut self, by: EvictBy, volatile: bool, now: Moment) -> Option<DbKey> {
        let (now, samples) =
            (clock::plain(now, &self.shared.config), self.shared.config.settings().maxmemory_samples);
        loop {
            let mut seen = 0;
            for db in 0..self.keyspace.databases() {
                let keys = self.keyspace.keys(db, now);
                let (rng, pool) = (&mut self.shared.rng, &mut self.eviction);
                let (mut ahead, number) = (*pool.ahead(db), u32::try_from(db).unwrap_or(0));
                let offer = |entry: Entry<'_>| {
                    seen += 1;
                    pool.offer(score(entry, by, &now), number, entry.key());
                };
                keys.sample(samples, volatile, &mut ahead, |bound| rng.below(bound), offer);
                *pool.ahead(db) = ahead;
            }
            if seen == 0 {
                self.eviction.candidates.clear();
                return None;
            }
            while let Some((_, place)) = self.eviction.candidates.pop() {
                if self.is_evictable(&place, volatile, now) {
                    return Some(place);
                }
            }
        }
    }

    /// A candidate may have gone, or lost its expiry, since it was seen.
    fn is_evictable(&mut self, place: &DbKey, volatile: bool, now: Now) -> bool {
        let keys = self.keyspace.keys(place.0 as usize, now);
        let key = keys.key(&place.1);
        keys.exists_in(place.0, key) && (!volatile || keys.expiry_in(place.0, key).is_some())
    }

    /// Bytes in use, without what will be free soon: values that are to be freed, here or by another thread, and what
    /// clients hold that are being closed.
    fn used_memory(&self, host: &mut dyn Host) -> u64 {
        let leaves = self.keyspace.garbage_bytes()
            + self.shared.client_memory.leaving()
            + host.garbage().bytes_pending;
        host.used_memory(self.keyspace.slot_bytes()).saturating_sub(leaves)
    }

    /// Removes a key. Returns how many bytes that has freed.
    fn evict(&mut self, db: u32, key: &[u8], now: Moment, host: &mut dyn Host) -> u64 {
        let before = self.used_memory(host);
        let now = clock::plain(now, &self.shared.config);
        self.keyspace.frees_lazily = self.shared.config.settings().lazyfree_lazy_eviction;
        let mut keys = self.keyspace.keys(db as usize, now);
        let place = keys.key(key);
        let is_gone = keys.delete(place);
        let freed = before.saturating_sub(self.used_memory(host));
        if is_gone {
            //= valkey 9.1 INFO: what is evicted counts as no change since the last save
            self.shared.stats.evicted_keys += 1;
            self.shared.touch(db, key, By::Eviction);
            self.shared.notify(NotifyClasses::EVICTED, "evicted", db, key);
        }
        freed
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{EvictionPool, POOL_LEN, time_limit_us};

    #[test]
    fn the_pool_keeps_the_best() {
        let mut pool = EvictionPool::default();
        for score in [5, 1, 9, 3, 7].into_iter().chain(10..40) {
            pool.offer(score, 0, &score.to_le_bytes());
            pool.offer(score, 0, &score.to_le_bytes());
        }
        let scores: Vec<u64> = pool.candidates.iter().map(|(score, _)| *score).collect();
        assert_eq!(scores, (24..40).collect::<Vec<u64>>());
        assert_eq!(scores.len(), POOL_LEN);
    }

    #[test]
    fn tenacity_is_time() {
        assert_eq!((time_limit_us(0), time_limit_us(10), time_limit_us(11)), (Some(0), Some(500), Some(575)));
        assert_eq!(time_limit_us(100), None);
        assert!(time_limit_us(99).unwrap() > 100_000_000);
    }
}
