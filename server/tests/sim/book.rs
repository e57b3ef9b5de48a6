//! What the clients of a run have done and seen, and the checks that need all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vireo_backend_sim::{Dice, Scene};

use crate::client::earliest_ms;
use crate::linear::{Kind, Op, Verdict, check};
use crate::value::Value;

/// Shared keys that are in use at a time, for few clients; and requests on each after which others are.
const SHARED_KEYS: u64 = 6;
const EPOCH_OPS: u64 = 25;
/// Clients for which there is a shared key.
const CLIENTS_A_KEY: usize = 3;

/// A key with a time to live.
#[derive(Clone, Debug)]
pub(crate) struct Ttl {
    pub(crate) sent_ns: u64,
    pub(crate) ttl_ms: i64,
    /// When it is due at the earliest and the latest, ms since 1970, once the reply has come.
    pub(crate) due_ms: Option<(i64, i64)>,
    /// Same, virtual time, ns.
    pub(crate) due_by_ns: Option<u64>,
    /// `expired` was told.
    pub(crate) events: u32,
}

impl Ttl {
    /// When it is due at the earliest, ms since 1970. Without a reply it may have got its time at any moment since.
    pub(crate) fn earliest_ms(&self, scene: &Scene<'_>) -> i64 {
        let begun_ms = || earliest_ms(self.sent_ns, scene);
        self.due_ms.map_or_else(|| begun_ms() + self.ttl_ms, |(earliest_ms, _)| earliest_ms)
    }
}

/// A message that was published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) sent_ns: u64,
    pub(crate) is_answered: bool,
}

/// Everything that was done and seen.
#[derive(Debug, Default)]
pub(crate) struct Book {
    shared: BTreeMap<String, Vec<Op>>,
    shared_ops: u64,
    /// By publisher and channel, in order.
    pub(crate) published: BTreeMap<(u64, u64), Vec<Published>>,
    /// Items of queues, and whether the push was answered.
    pub(crate) pushed: BTreeMap<String, bool>,
    pub(crate) popped: BTreeSet<String>,
    /// Pops that may have taken an item which then was lost with the connection.
    pub(crate) pops_lost: usize,
    pub(crate) ttls: BTreeMap<String, Ttl>,
    /// Since when somebody hears of every key that expires: the first may have done so before.
    pub(crate) observed_ns: Option<u64>,
    /// Clients that are not done yet.
    pub(crate) clients_left: usize,
    /// Same, of those that listen until all others are done.
    pub(crate) listeners_left: usize,
    /// Clients are killed, or refused.
    pub(crate) kills: bool,
    /// Clients are paused now and then, so long in all, ns.
    pub(crate) paused_ns: u64,
    pub(crate) figures: Figures,
}

/// What a run has come to, for those who want to know what was tested.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) replies: u64,
    pub(crate) connections: u64,
    pub(crate) lost: u64,
    pub(crate) undecided: u64,
    pub(crate) events: u64,
    /// How late an `expired` event came at most, ns.
    pub(crate) late_ns: u64,
    pub(crate) kills: u64,
    pub(crate) io_reads: u64,
    pub(crate) messages: u64,
    pub(crate) popped: u64,
    /// Moments at which power could have been lost.
    pub(crate) power_losses: u64,
}

/// The book, as the actors share it. They act one at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(Arc<Mutex<Book>>);

impl Shelf {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which shared request this is.
#[derive(Clone, Debug)]
pub(crate) struct OpId {
    key: String,
    index: usize,
}

impl Book {
    /// Actors that are not done.
    pub(crate) fn busy(&self) -> usize {
        self.clients_left + self.listeners_left
    }

    /// Nobody has told of a reason for which a connection could have gone.
    pub(crate) fn is_unexplained(&self, scene: &Scene<'_>) -> bool {
        let faults = scene.faults();
        !faults.resets && !faults.half_open && !faults.accept_errors && !self.kills
    }

    /// Begins a request on a key that others use at the same time. Returns the key, too.
    pub(crate) fn begin_op(&mut self, client: u64, sent_ns: u64, dice: &mut Dice) -> (OpId, Vec<Vec<u8>>) {
        self.shared_ops += 1;
        let keys = SHARED_KEYS.max((self.clients_left / CLIENTS_A_KEY) as u64);
        let epoch = self.shared_ops / (EPOCH_OPS * keys);
        let number = dice.below(keys);
        let key = format!("shared:{epoch}:{number}");
        let fresh = format!("<{}>", self.shared_ops).into_bytes();
        let kind = if number.is_multiple_of(6) { counter_kind(dice) } else { string_kind(&fresh, dice) };
        let requests = kind.requests(&key);
        let ops = self.shared.entry(key.clone()).or_default();
        ops.push(Op { client, kind, sent_ns, reply: None });
        (OpId { index: ops.len() - 1, key }, requests)
    }

    pub(crate) fn end_op(&mut self, id: &OpId, now_ns: u64, reply: Value) {
        self.shared.get_mut(&id.key).unwrap()[id.index].reply = Some((now_ns, reply));
    }

    /// Checks what can be checked only when everything is over. `left`: the items that are still in the queues.
    /// What was due before `expired_ms` has expired.
    pub(crate) fn check(&mut self, left: &[String], expired_ms: i64) -> Result<(), String> {
        for (key, ops) in &self.shared {
            match check(ops) {
                Verdict::Explained => {}
                Verdict::Undecided => self.figures.undecided += 1,
                Verdict::Impossible => {
                    let shown: Vec<String> = ops.iter().map(|op| format!("{op:?}")).collect();
                    return Err(format!("no order explains what was seen of {key}:\n{}", shown.join("\n")));
                }
            }
        }
        self.check_queues(left)?;
        self.check_expiry(expired_ms)
    }

    fn check_queues(&self, left: &[String]) -> Result<(), String> {
        for item in left {
            if self.popped.contains(item) {
                return Err(format!("{item} was popped and is still in its queue"));
            }
            if !self.pushed.contains_key(item) {
                return Err(format!("{item} is in a queue, and nobody pushed it"));
            }
        }
        let is_missing = |item: &&String| !self.popped.contains(*item) && !left.contains(item);
        let answered = self.pushed.iter().filter(|(_, is_answered)| **is_answered).map(|(item, _)| item);
        let missing: Vec<&String> = answered.filter(is_missing).collect();
        if missing.len() > self.pops_lost {
            return Err(format!("lost from queues: {missing:?}; pops that were lost: {}", self.pops_lost));
        }
        Ok(())
    }

    fn check_expiry(&self, expired_ms: i64) -> Result<(), String> {
        for (key, ttl) in &self.ttls {
            let is_observed = self.observed_ns.is_some_and(|since_ns| ttl.sent_ns > since_ns);
            let is_over = ttl.due_ms.is_some_and(|(_, due_ms)| due_ms < expired_ms);
            let least = u32::from(is_observed && is_over);
            if ttl.events < least || ttl.events > 1 {
                return Err(format!("{} expired events for {key}: {ttl:?}", ttl.events));
            }
        }
        Ok(())
    }
}

fn counter_kind(dice: &mut Dice) -> Kind {
    match dice.below(6) {
        0..4 => Kind::Incr,
        4 => Kind::Get,
        _ => Kind::All(vec![Kind::Incr, Kind::Get, Kind::Incr]),
    }
}

fn string_kind(fresh: &[u8], dice: &mut Dice) -> Kind {
    let fresh = || fresh.to_vec();
    match dice.below(14) {
        0..4 => Kind::Get,
        4 => Kind::Set(fresh()),
        // Long enough to be lent to replies.
        5 => Kind::Set(fresh().into_iter().cycle().take(200).collect()),
        6 => Kind::SetIfNone(fresh()),
        7 => Kind::GetSet(fresh()),
        8 | 9 => Kind::Append(fresh()),
        10 => Kind::Len,
        11 => Kind::Exists,
        12 => {
            if dice.one_in(2) {
                Kind::Del
            } else {
                Kind::GetDel
            }
        }
        _ => Kind::All(vec![Kind::Get, Kind::Append(fresh()), Kind::Len, Kind::Get]),
    }
}
