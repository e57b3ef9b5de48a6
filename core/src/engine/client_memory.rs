//! Memory of clients: what each holds, and who goes first when all hold too much (`maxmemory-clients`).
//!
//! ```text
//!  bucket  0: < 32 KiB │ 1: < 64 KiB │ 2: < 128 KiB │ … │ 18: 4 GiB and more
//! ```
//! A client stands in the bucket of its size's power of two, so it moves only when it has about doubled or halved, and
//! the largest are found without a search (the reference's buckets). One that may not be evicted counts, but stands in
//! none. One that is being closed counts no more from the moment that is decided, though its memory may come back
//! later: nobody else goes for its sake.
//!
//! A client that has told the length of a large argument claims room for it. Claims count against the limit though they
//! take no memory yet: who cannot stay with its argument whole goes as soon as it announces it, as in the reference, which
//! allocates the room at once.
//!
//! Invariant: `total` is the sum of the accounts of those who stay, `claimed` of their claims, `leaving` of the accounts of
//! those who go; a bucket's bytes are the sum of its clients', claims included; each account knows where its client stands.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::host::IoUse;
use super::session::{ClientSlot, Session, SessionFlags};
use super::shared::Shared;

/// Clients below 2^15 bytes share the first bucket, those from 2^32 on the last.
const BUCKET_MIN_LOG: u32 = 15;
const BUCKET_MAX_LOG: u32 = 33;
const BUCKETS: usize = (BUCKET_MAX_LOG - BUCKET_MIN_LOG + 1) as usize;
/// A claim counts for no more than this, so that sums of what clients make up stay in range.
const CLAIM_MAX: u64 = 1 << 39;
/// Clients of a bucket among which the largest is looked for.
const LOOKED_AT_MAX: usize = 64;

/// What one client is charged with.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    bytes: u64,
    /// What it claims beyond that.
    claimed: u64,
    /// Its bucket and its index there, unless it may not be evicted.
    place: Option<(usize, usize)>,
    /// It is being closed.
    leaves: bool,
}

#[derive(Debug, Default)]
struct Bucket {
    bytes: u64,
    clients: Vec<ClientSlot>,
}

/// What all clients are charged with.
#[derive(Debug, Default)]
pub struct ClientMemory {
    /// By slot.
    accounts: Vec<Account>,
    buckets: [Bucket; BUCKETS],
    total: u64,
    claimed: u64,
    leaving: u64,
}

fn bucket_of(bytes: u64) -> usize {
    let log = (u64::BITS - bytes.leading_zeros()).clamp(BUCKET_MIN_LOG, BUCKET_MAX_LOG);
    (log - BUCKET_MIN_LOG) as usize
}

impl ClientMemory {
    /// What all clients hold that stay, bytes.
    #[inline]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Same, with what they claim.
    #[inline]
    fn total_claimed(&self) -> u64 {
        self.total + self.claimed
    }

    /// What clients hold that are being closed: it will be free without anything more being done.
    #[inline]
    pub fn leaving(&self) -> u64 {
        self.leaving
    }

    /// Somebody could be evicted.
    #[inline]
    pub fn has_evictable(&self) -> bool {
        self.buckets.iter().any(|bucket| !bucket.clients.is_empty())
    }

    /// Charges a client with what it holds and claims now, in place of what it did.
    pub fn charge(&mut self, slot: ClientSlot, bytes: u64, claimed: u64, is_evictable: bool) {
        let index = slot.0 as usize;
        if self.accounts.len() <= index {
            self.accounts.resize(index + 1, Account::default());
        }
        let account = &mut self.accounts[index];
        if account.leaves {
            return;
        }
        let old = *account;
        (account.bytes, account.claimed) = (bytes, claimed);
        self.total = self.total - old.bytes + bytes;
        self.claimed = self.claimed - old.claimed + claimed;
        let (before, after) = (old.bytes + old.claimed, bytes + claimed);
        let to = is_evictable.then(|| bucket_of(after));
        match (old.place, to) {
            (Some((bucket, _)), Some(to)) if bucket == to => {
                let bucket = &mut self.buckets[to];
                bucket.bytes = bucket.bytes - before + after;
            }
            _ => {
                self.take_out(slot, before);
                if let Some(to) = to {
                    self.stand(slot, to, after);
                }
            }
        }
    }

    /// Takes note that a client is being closed.
    pub fn leave(&mut self, slot: ClientSlot) {
        let Some(account) = self.accounts.get_mut(slot.0 as usize).filter(|account| !account.leaves) else {
            return;
        };
        account.leaves = true;
        let (bytes, claimed) = (account.bytes, core::mem::take(&mut account.claimed));
        self.total -= bytes;
        self.claimed -= claimed;
        self.leaving += bytes;
        self.take_out(slot, bytes + claimed);
    }

    /// Forgets a client that is gone.
    pub fn forget(&mut self, slot: ClientSlot) {
        self.leave(slot);
        if let Some(account) = self.accounts.get_mut(slot.0 as usize) {
            self.leaving -= account.bytes;
            *account = Account::default();
        }
    }

    /// The client that goes first: the largest, or one of the largest where there are many of about that size.
    pub fn largest(&self) -> Option<ClientSlot> {
        let bucket = self.buckets.iter().rev().find(|bucket| !bucket.clients.is_empty())?;
        let looked_at = bucket.clients.iter().take(LOOKED_AT_MAX);
        looked_at.copied().max_by_key(|slot| {
            let account = &self.accounts[slot.0 as usize];
            account.bytes + account.claimed
        })
    }

    /// The buckets, one on each line (`DEBUG CLIENT-EVICTION`).
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (index, bucket) in self.buckets.iter().enumerate() {
            let from = if index == 0 { 0 } else { 1u64 << (BUCKET_MIN_LOG as usize + index - 1) };
            let to = (1u64 << (BUCKET_MIN_LOG as usize + index)) - 1;
            // Writing into a string cannot fail.
            let _ = match index + 1 == BUCKETS {
                true => write!(text, "bucket {from:>10}+            : "),
                false => write!(text, "bucket {from:>10} - {to:>10}: "),
            };
            let _ = writeln!(text, "tot-mem: {:>10}, clients: {}", bucket.bytes, bucket.clients.len());
        }
        text
    }

    fn stand(&mut self, slot: ClientSlot, to: usize, bytes: u64) {
        let bucket = &mut self.buckets[to];
        bucket.bytes += bytes;
        self.accounts[slot.0 as usize].place = Some((to, bucket.clients.len()));
        bucket.clients.push(slot);
    }

    /// Takes a client out of its bucket, if it stands in one, where it counted with `bytes`.
    fn take_out(&mut self, slot: ClientSlot, bytes: u64) {
        let Some((from, at)) = self.accounts[slot.0 as usize].place.take() else { return };
        let bucket = &mut self.buckets[from];
        bucket.bytes -= bytes;
        bucket.clients.swap_remove(at);
        if let Some(moved) = bucket.clients.get(at) {
            self.accounts[moved.0 as usize].place = Some((from, at));
        }
    }

    /// The clients that an account is kept of, and a sum in it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn charged(&self) -> impl Iterator<Item = ClientSlot> + '_ {
        let holds = |account: &Account| account.bytes + account.claimed > 0 || account.place.is_some();
        let accounts = self.accounts.iter().zip(0..);
        accounts.filter(move |(account, _)| holds(account)).map(|(_, slot)| ClientSlot(slot))
    }

    /// Recounts everything.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        let sum = |leaves: bool| -> u64 {
            self.accounts.iter().filter(|account| account.leaves == leaves).map(|account| account.bytes).sum()
        };
        assert_eq!((self.total, self.leaving), (sum(false), sum(true)));
        assert_eq!(self.claimed, self.accounts.iter().map(|account| account.claimed).sum::<u64>());
        for (index, bucket) in self.buckets.iter().enumerate() {
            let mut bytes = 0;
            for (at, slot) in bucket.clients.iter().enumerate() {
                let account = &self.accounts[slot.0 as usize];
                assert_eq!((account.place, account.leaves), (Some((index, at)), false));
                assert_eq!(bucket_of(account.bytes + account.claimed), index);
                bytes += account.bytes + account.claimed;
            }
            assert_eq!(bytes, bucket.bytes);
        }
        let standing = self.accounts.iter().filter(|account| account.place.is_some()).count();
        assert_eq!(standing, self.buckets.iter().map(|bucket| bucket.clients.len()).sum());
    }
}

impl Shared {
    /// Clients hold more than they may all together.
    #[inline]
    pub fn clients_are_over(&self) -> bool {
        self.config
            .settings()
            .maxmemory_clients
            .is_some_and(|limit| self.client_memory.total_claimed() > limit)
    }

    /// What a client holds all together, bytes.
    pub fn client_bytes(session: &Session, io: &IoUse) -> u64 {
        (session.memory() + io.memory()) as u64
    }

    //= valkey 9.1 CLIENT LIST: tot-mem counts the room for an argument whose length is told, whether it has come or not
    /// Same, with what it will need for what it has told; what it is evicted for.
    pub(crate) fn client_claim(session: &Session, io: &IoUse) -> u64 {
        Self::client_bytes(session, io) + Self::claimed(io)
    }

    fn claimed(io: &IoUse) -> u64 {
        (io.claimed_bytes as u64).min(CLAIM_MAX)
    }

    /// Charges the client in a slot with what it holds; nothing for one whose command runs.
    pub fn charge(&mut self, slot: ClientSlot, io: &IoUse) {
        let Some(session) = self.clients.get(slot) else { return };
        let (bytes, claimed) = (Self::client_bytes(session, io), Self::claimed(io));
        let is_limited = self.config.settings().maxmemory_clients.is_some();
        let is_evictable = is_limited && !session.flags.contains(SessionFlags::NO_EVICT);
        self.client_memory.charge(slot, bytes, claimed, is_evictable);
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::{BUCKETS, ClientMemory, LOOKED_AT_MAX, bucket_of};
    use crate::engine::ClientSlot;
    use crate::rng::Rng;

    #[test]
    fn buckets_are_powers_of_two() {
        for (bytes, bucket) in
            [(0, 0), (32_767, 0), (32_768, 1), (65_535, 1), (65_536, 2), (1 << 32, 18), (u64::MAX, 18)]
        {
            assert_eq!(bucket_of(bytes), bucket, "{bytes}");
        }
        let text = ClientMemory::default().describe();
        assert_eq!(text.lines().count(), BUCKETS);
        assert!(text.starts_with("bucket          0 -      32767: tot-mem:          0, clients: 0\n"));
        assert!(text.ends_with("bucket 4294967296+            : tot-mem:          0, clients: 0\n"));
    }

    #[test]
    fn follows_a_model() {
        let (mut rng, mut memory) = (Rng::new(11), ClientMemory::default());
        let mut model: BTreeMap<u32, (u64, u64, bool)> = BTreeMap::new();
        let rounds = if cfg!(miri) { 300 } else { 20_000 };
        for _ in 0..rounds {
            let slot = u32::try_from(rng.below(40)).unwrap();
            let at = ClientSlot(slot);
            match rng.below(10) {
                0 => {
                    memory.forget(at);
                    model.remove(&slot);
                }
                1 => {
                    // Closed: it counts no more, and no charge changes that.
                    memory.leave(at);
                    memory.charge(at, 1 << 40, 1, true);
                    memory.check();
                    memory.forget(at);
                    model.remove(&slot);
                }
                _ => {
                    let shift = rng.below(36);
                    let (bytes, evictable) = (rng.below(1 << shift.max(1)), rng.below(4) > 0);
                    let claimed = rng.below(3) * rng.below(100_000);
                    memory.charge(at, bytes, claimed, evictable);
                    model.insert(slot, (bytes, claimed, evictable));
                }
            }
            memory.check();
            assert_eq!(memory.total(), model.values().map(|(bytes, ..)| bytes).sum::<u64>());
            let with_claim = |(bytes, claimed, _): &(u64, u64, bool)| bytes + claimed;
            assert_eq!(memory.total_claimed(), model.values().map(with_claim).sum::<u64>());
            let evictable = model.values().filter(|(.., evictable)| *evictable).map(with_claim);
            let largest = memory.largest().map(|slot| with_claim(&model[&slot.0]));
            assert!(model.len() <= LOOKED_AT_MAX);
            assert_eq!(largest, evictable.max());
        }
    }
}
