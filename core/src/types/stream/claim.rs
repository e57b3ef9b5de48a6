//! Handing pending entries over: XCLAIM and XAUTOCLAIM.
//!
//! Whoever claims an entry that no longer exists makes the group forget it.
//! Source: Valkey 9.1 `xclaimCommand`, `xautoclaimCommand`.

use super::delivery::GroupMut;
use super::group::{ConsumerId, Group, Pending};
use super::id::StreamId;
use super::range::{Entry, Finder};

/// Pending entries that XAUTOCLAIM looks at for each that it may give.
const ATTEMPTS: u64 = 10;

/// What becomes of the count of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountRule {
    /// One more.
    Add,
    /// JUSTID: as it was.
    Keep,
    /// RETRYCOUNT: this.
    Set(u64),
}

impl CountRule {
    fn apply(self, count: u64) -> u64 {
        match self {
            Self::Add => count.wrapping_add(1),
            Self::Keep => count,
            Self::Set(count) => count,
        }
    }
}

/// What becomes of entries that are not pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// They are passed over.
    Skip,
    /// FORCE: they become pending.
    Create,
}

/// How XCLAIM claims.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRules {
    /// When, ms since 1970.
    pub now_ms: i64,
    /// Entries delivered less long ago stay where they are; 0: none.
    pub idle_ms_min: i64,
    /// What is noted as the time of delivery, ms since 1970: [`delivery_time`].
    pub delivery_time: i64,
    /// The count of deliveries.
    pub count: CountRule,
    /// Entries that are not pending.
    pub missing: Missing,
}

/// The time of delivery to note: the one that IDLE or TIME give, if it makes sense, or now.
pub fn delivery_time(given: Option<i64>, now_ms: i64) -> i64 {
    given.filter(|given| (0..=now_ms).contains(given)).unwrap_or(now_ms)
}

/// What a claim came to.
#[derive(Clone, Copy, Debug)]
pub enum Claimed<'a> {
    /// The consumer has it now.
    Taken(Entry<'a>, Pending),
    /// It no longer exists and is not pending any more either; this is how it was.
    Gone(Pending),
    /// Nothing has changed: it is not pending or not idle for long enough.
    Left,
}

/// Claims one after the other; quick if their IDs rise.
#[derive(Debug)]
pub struct Claims<'a> {
    finder: Finder<'a>,
    group: &'a mut Group,
    consumer: ConsumerId,
    rules: ClaimRules,
}

impl GroupMut<'_> {
    /// Claims for a consumer: XCLAIM.
    pub fn claims(&mut self, consumer: ConsumerId, rules: ClaimRules) -> Claims<'_> {
        Claims { finder: self.entries.finder(), group: self.group, consumer, rules }
    }

    /// Claims for a consumer of what others have, from `start` on, `count` at most: XAUTOCLAIM. Give-ups and entries
    /// that are gone count too.
    pub fn auto_claim(
        &mut self,
        consumer: ConsumerId,
        start: StreamId,
        count: u64,
        rules: ClaimRules,
    ) -> AutoClaim<'_> {
        let claims = self.claims(consumer, ClaimRules { missing: Missing::Skip, ..rules });
        AutoClaim { claims, from: Some(start), count, attempts: count.saturating_mul(ATTEMPTS) }
    }
}

impl<'a> Claims<'a> {
    /// Claims an entry.
    pub fn claim(&mut self, id: StreamId) -> Claimed<'a> {
        let (pending, rules) = (self.group.pending(id).copied(), self.rules);
        let Some(entry) = self.finder.find(id) else {
            return self.group.drop_pending(id).map_or(Claimed::Left, Claimed::Gone);
        };
        let count = match pending {
            Some(pending) if rules.idle_ms_min > 0 && pending.idle(rules.now_ms) < rules.idle_ms_min => {
                return Claimed::Left;
            }
            Some(pending) => pending.delivery_count,
            None if rules.missing == Missing::Skip => return Claimed::Left,
            //= valkey 9.1 XCLAIM: FORCE counts the delivery that made the entry pending, and then this one
            None => 1,
        };
        let (consumer, delivery_time) = (self.consumer, rules.delivery_time);
        let pending = Pending { consumer, delivery_time, delivery_count: rules.count.apply(count) };
        self.group.set_pending(id, pending);
        self.group.set_active(consumer, Some(rules.now_ms));
        Claimed::Taken(entry, pending)
    }

    /// The group as it is by now.
    pub fn group(&self) -> &Group {
        self.group
    }
}

/// What XAUTOCLAIM claims; gives only entries that are taken or gone.
#[derive(Debug)]
pub struct AutoClaim<'a> {
    claims: Claims<'a>,
    from: Option<StreamId>,
    count: u64,
    attempts: u64,
}

impl AutoClaim<'_> {
    /// Where the next XAUTOCLAIM is to start: the first pending entry not looked at, or `0-0`.
    pub fn next_start(&self) -> StreamId {
        self.next_pending().unwrap_or(StreamId::MIN)
    }

    /// The group as it is by now.
    pub fn group(&self) -> &Group {
        self.claims.group
    }

    fn next_pending(&self) -> Option<StreamId> {
        self.claims.group.pending.at_or_after(self.from?).map(|(id, _)| id)
    }
}

impl<'a> Iterator for AutoClaim<'a> {
    type Item = (StreamId, Claimed<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.attempts > 0 && self.count > 0 {
            let id = self.next_pending()?;
            self.attempts -= 1;
            self.from = id.checked_next();
            let claimed = self.claims.claim(id);
            if !matches!(claimed, Claimed::Left) {
                self.count -= 1;
                return Some((id, claimed));
            }
        }
        None
    }
}
