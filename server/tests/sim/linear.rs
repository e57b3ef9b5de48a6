//! Whether what clients saw of one key can have come from one order of their requests.
//!
//! The search of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory of what was tried, one key
//! at a time. A client's requests keep their order; a request without a reply may have run or not, and is then the
//! client's last. Reads that fit are taken at once: they change nothing for the others.

use core::cmp::Reverse;
use core::hash::{Hash, Hasher};
use std::collections::BTreeSet;
use std::hash::DefaultHasher;

use crate::value::Value;

/// States that one key's search may look at.
const STATES_MAX: usize = 50_000;

/// What a request does to the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    Set(Vec<u8>),
    SetIfNone(Vec<u8>),
    GetSet(Vec<u8>),
    Append(Vec<u8>),
    Incr,
    Len,
    Exists,
    Del,
    GetDel,
    /// Several in one transaction.
    All(Vec<Kind>),
}

/// A request, by whom, when, and its reply.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) client: u64,
    pub(crate) kind: Kind,
    pub(crate) sent_ns: u64,
    /// When the reply came, and what it was.
    pub(crate) reply: Option<(u64, Value)>,
}

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is an order.
    Explained,
    /// There is none.
    Impossible,
    /// There are too many to tell.
    Undecided,
}

type Key = Option<Vec<u8>>;

impl Kind {
    /// The arguments of the requests.
    pub(crate) fn requests(&self, key: &str) -> Vec<Vec<u8>> {
        let key = key.as_bytes();
        let one = |args: &[&[u8]]| vec![crate::value::request(args)];
        match self {
            Self::Get => one(&[b"GET", key]),
            Self::Set(value) => one(&[b"SET", key, value]),
            Self::SetIfNone(value) => one(&[b"SETNX", key, value]),
            Self::GetSet(value) => one(&[b"GETSET", key, value]),
            Self::Append(value) => one(&[b"APPEND", key, value]),
            Self::Incr => one(&[b"INCR", key]),
            Self::Len => one(&[b"STRLEN", key]),
            Self::Exists => one(&[b"EXISTS", key]),
            Self::Del => one(&[b"DEL", key]),
            Self::GetDel => one(&[b"GETDEL", key]),
            Self::All(kinds) => {
                let mut all = one(&[b"MULTI"]);
                kinds.iter().for_each(|kind| all.extend(kind.requests(str::from_utf8(key).unwrap_or(""))));
                all.extend(one(&[b"EXEC"]));
                all
            }
        }
    }

    fn reads_only(&self) -> bool {
        matches!(self, Self::Get | Self::Len | Self::Exists)
    }

    /// Whether this is the reply. A search asks this more often than anything else: what is asked most is not copied for it.
    fn fits(&self, key: &Key, reply: &Value) -> bool {
        match (self, reply) {
            (Self::Get | Self::GetSet(_) | Self::GetDel, Value::Bytes(bytes)) => key.as_ref() == Some(bytes),
            (Self::Get | Self::GetSet(_) | Self::GetDel, reply) => key.is_none() && *reply == Value::Nil,
            (Self::Set(_), Value::Status(status)) => status == "OK",
            _ => self.run(key).0 == *reply,
        }
    }

    /// The reply and the key afterwards.
    fn run(&self, key: &Key) -> (Value, Key) {
        let bulk = |key: &Key| key.as_ref().map_or(Value::Nil, Value::bytes);
        let number = |is: bool| Value::Int(i64::from(is));
        match self {
            Self::Get => (bulk(key), key.clone()),
            Self::Set(value) => (Value::ok(), Some(value.clone())),
            Self::SetIfNone(value) => (number(key.is_none()), key.clone().or_else(|| Some(value.clone()))),
            Self::GetSet(value) => (bulk(key), Some(value.clone())),
            Self::Append(value) => {
                let all = [key.as_deref().unwrap_or_default(), value].concat();
                (Value::Int(i64::try_from(all.len()).unwrap_or(0)), Some(all))
            }
            Self::Incr => {
                let text = key.as_ref().map_or("0".into(), |bytes| String::from_utf8_lossy(bytes));
                match text.parse::<i64>() {
                    Ok(before) => (Value::Int(before + 1), Some((before + 1).to_string().into_bytes())),
                    Err(_) => {
                        let words = "ERR value is not an integer or out of range";
                        (Value::Error(words.to_owned()), key.clone())
                    }
                }
            }
            Self::Len => {
                let len = key.as_ref().map_or(0, Vec::len);
                (Value::Int(i64::try_from(len).unwrap_or(0)), key.clone())
            }
            Self::Exists => (number(key.is_some()), key.clone()),
            Self::Del => (number(key.is_some()), None),
            Self::GetDel => (bulk(key), None),
            Self::All(kinds) => {
                let mut now = key.clone();
                let mut replies = Vec::new();
                for kind in kinds {
                    let (reply, next) = kind.run(&now);
                    replies.push(reply);
                    now = next;
                }
                (Value::Array(replies), now)
            }
        }
    }
}

/// The requests of one key, each client's in its order.
struct Search<'a> {
    clients: Vec<Vec<&'a Op>>,
    /// What was tried: 64 bits of each state. Among as many as a search looks at, two that share them are not to be expected
    /// (one search in ten billion), and a failure is looked at by somebody.
    tried: BTreeSet<u64>,
}

/// A number for a state: how many of each client's requests have run, and the key.
fn name_of(at: &[usize], key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    (at, key).hash(&mut hasher);
    hasher.finish()
}

/// Looks for an order.
pub(crate) fn check(ops: &[Op]) -> Verdict {
    let mut names: Vec<u64> = ops.iter().map(|op| op.client).collect();
    names.sort_unstable();
    names.dedup();
    let of = |name: &u64| ops.iter().filter(|op| op.client == *name).collect();
    let mut search = Search { clients: names.iter().map(of).collect(), tried: BTreeSet::new() };
    let mut at = vec![0; search.clients.len()];
    match search.explain(&mut at, &None) {
        true => Verdict::Explained,
        false if search.tried.len() >= STATES_MAX => Verdict::Undecided,
        false => Verdict::Impossible,
    }
}

impl Search<'_> {
    fn next(&self, at: &[usize], client: usize) -> Option<&Op> {
        self.clients[client].get(at[client]).copied()
    }

    /// Finds an order for what is left. `at`: how many of each client's have run.
    fn explain(&mut self, at: &mut Vec<usize>, key: &Key) -> bool {
        if self.tried.len() >= STATES_MAX {
            return false;
        }
        let left: Vec<usize> = (0..at.len()).filter(|&client| self.next(at, client).is_some()).collect();
        let done_ns =
            |client: usize| self.next(at, client).and_then(|op| op.reply.as_ref()).map(|reply| reply.0);
        let Some(first_done_ns) = left.iter().filter_map(|&client| done_ns(client)).min() else {
            // Nobody who is left has got a reply.
            return true;
        };
        let mut next_states = Vec::new();
        for &client in &left {
            let Some(op) = self.next(at, client) else { continue };
            if op.sent_ns > first_done_ns {
                continue;
            }
            if op.reply.as_ref().is_some_and(|(_, got)| !op.kind.fits(key, got)) {
                continue;
            }
            if op.kind.reads_only() && op.reply.is_some() {
                next_states = vec![(client, key.clone())];
                break;
            }
            next_states.push((client, op.kind.run(key).1));
        }
        // Those first after which most of what others saw fits.
        next_states.sort_by_cached_key(|(client, after)| {
            let fits = |other: &usize| {
                let op = self.next(at, *other).filter(|_| other != client);
                op.is_some_and(|op| op.reply.as_ref().is_some_and(|(_, got)| op.kind.fits(after, got)))
            };
            let has_reply = self.next(at, *client).is_some_and(|op| op.reply.is_some());
            Reverse((left.iter().filter(|other| fits(other)).count(), has_reply))
        });
        for (client, after) in next_states {
            at[client] += 1;
            let is_new = self.tried.insert(name_of(at, &after));
            if is_new && self.explain(at, &after) {
                return true;
            }
            at[client] -= 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Op, Verdict, check};
    use crate::value::Value;

    fn op(client: u64, kind: Kind, sent_ns: u64, reply: Option<(u64, Value)>) -> Op {
        Op { client, kind, sent_ns, reply }
    }

    fn set(value: &str) -> Kind {
        Kind::Set(value.as_bytes().to_vec())
    }

    #[test]
    fn orders_are_found_and_refuted() {
        let got = |at, value: &str| Some((at, Value::bytes(value)));
        let ok = |at| Some((at, Value::ok()));
        // Two sets at once, read in either order, but not in both.
        let base = [op(1, set("a"), 0, ok(10)), op(2, set("b"), 0, ok(10))];
        let read = |value: &str, sent| op(3, Kind::Get, sent, got(sent + 1, value));
        let with = |more: &[Op]| check(&[&base[..], more].concat());
        assert_eq!(with(&[read("a", 20)]), Verdict::Explained);
        assert_eq!(with(&[read("b", 20), read("b", 30)]), Verdict::Explained);
        assert_eq!(with(&[read("b", 20), read("a", 30)]), Verdict::Impossible);
        assert_eq!(with(&[read("c", 20)]), Verdict::Impossible);
        // A request without a reply may have run, late, or not at all.
        let lost = op(4, set("c"), 5, None);
        assert_eq!(with(&[lost.clone(), read("a", 20), read("c", 30)]), Verdict::Explained);
        assert_eq!(with(&[lost.clone(), read("a", 20)]), Verdict::Explained);
        assert_eq!(with(&[lost, read("c", 20), read("a", 30)]), Verdict::Impossible);
        // A client's own requests keep their order.
        let own = [op(5, set("x"), 40, ok(60)), op(5, Kind::Get, 40, got(60, "a"))];
        assert_eq!(with(&own), Verdict::Impossible);
        let both = Kind::All(vec![Kind::Incr, Kind::Get]);
        let reply = Value::Array(vec![Value::Int(1), Value::bytes("1")]);
        assert_eq!(check(&[op(1, both, 0, Some((1, reply)))]), Verdict::Explained);
    }
}
