//! Keys that one client alone uses: what each reply must be, byte for byte.

use std::collections::{BTreeMap, VecDeque};

use vireo_backend_sim::Dice;

use crate::value::{Value, request};

/// Keys of each kind.
const KEYS: u64 = 4;
/// Longer lists are only shortened.
const LIST_MAX: usize = 6;

/// A client's own keys, as they must be.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Begins every key: no other client, earlier or later, has it.
    name: String,
    strings: BTreeMap<String, Vec<u8>>,
    lists: BTreeMap<String, VecDeque<Vec<u8>>>,
    counter: i64,
    fresh: u64,
}

/// Requests, and what they are to be answered.
pub(crate) type Script = Vec<(Vec<u8>, Value)>;

fn int(len: usize) -> Value {
    Value::Int(i64::try_from(len).unwrap_or(0))
}

impl Own {
    pub(crate) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    fn key(&self, kind: char, dice: &mut Dice) -> String {
        format!("own:{}:{kind}{}", self.name, dice.below(KEYS))
    }

    /// A value that nobody else has, now and then one that fills buffers.
    fn value(&mut self, dice: &mut Dice) -> Vec<u8> {
        self.fresh += 1;
        let mut value = format!("{}.{}.", self.name, self.fresh).into_bytes();
        let len = match dice.below(30) {
            0 => dice.between(20_000, 80_000),
            1..6 => dice.between(600, 20_000),
            // Of the lengths that are lent to replies.
            6..16 => dice.between(90, 520),
            _ => dice.below(90),
        };
        let filler = value.clone();
        value.extend(filler.iter().cycle().take(usize::try_from(len).unwrap_or(0)));
        value
    }

    /// The next request, or a transaction of several.
    pub(crate) fn next(&mut self, dice: &mut Dice) -> Script {
        if !dice.one_in(12) {
            return vec![self.one(dice)];
        }
        let queued = || Value::Status("QUEUED".to_owned());
        let mut script = Vec::new();
        if dice.one_in(2) {
            script.push((request(&[b"WATCH", self.key('s', dice).as_bytes()]), Value::ok()));
        }
        script.push((request(&[b"MULTI"]), Value::ok()));
        if dice.one_in(5) {
            script.push((request(&[b"GET", b"anything"]), queued()));
            script.push((request(&[b"DISCARD"]), Value::ok()));
            return script;
        }
        let mut replies = Vec::new();
        for _ in 0..dice.between(1, 5) {
            // A request that is refused would undo the whole.
            let (request, reply) = if dice.one_in(2) { self.string(dice) } else { self.list(dice) };
            script.push((request, queued()));
            replies.push(reply);
        }
        script.push((request(&[b"EXEC"]), Value::Array(replies)));
        script
    }

    fn one(&mut self, dice: &mut Dice) -> (Vec<u8>, Value) {
        match dice.below(10) {
            0..5 => self.string(dice),
            5..8 => self.list(dice),
            8 => {
                self.counter += 1;
                let key = format!("own:{}:n", self.name);
                (request(&[b"INCR", key.as_bytes()]), Value::Int(self.counter))
            }
            _ => self.keyless(dice),
        }
    }

    fn keyless(&mut self, dice: &mut Dice) -> (Vec<u8>, Value) {
        let value = self.value(dice);
        match dice.below(5) {
            0 => (b"PING\r\n".to_vec(), Value::Status("PONG".to_owned())),
            1 => (request(&[b"GET", b"nobody:has:this"]), Value::Nil),
            2 => {
                let words = "ERR wrong number of arguments for 'get' command";
                (request(&[b"GET"]), Value::Error(words.to_owned()))
            }
            _ => (request(&[b"ECHO", &value]), Value::Bytes(value)),
        }
    }

    fn string(&mut self, dice: &mut Dice) -> (Vec<u8>, Value) {
        let key = self.key('s', dice);
        let name = key.as_bytes();
        let held = self.strings.get(&key).cloned();
        let bulk = |held: Option<Vec<u8>>| held.map_or(Value::Nil, Value::Bytes);
        match dice.below(12) {
            0..3 => {
                let value = self.value(dice);
                let set = request(&[b"SET", name, &value]);
                self.strings.insert(key, value);
                (set, Value::ok())
            }
            3..7 => (request(&[b"GET", name]), bulk(held)),
            7 => {
                let value = self.value(dice);
                let append = request(&[b"APPEND", name, &value]);
                let all = self.strings.entry(key).or_default();
                all.extend_from_slice(&value);
                (append, int(all.len()))
            }
            8 => {
                let held = held.unwrap_or_default();
                let tail = held[held.len().saturating_sub(3)..].to_vec();
                (request(&[b"GETRANGE", name, b"-3", b"-1"]), Value::Bytes(tail))
            }
            9 => (request(&[b"STRLEN", name]), int(held.map_or(0, |held| held.len()))),
            10 => {
                let removed = self.strings.remove(&key).is_some();
                (
                    request(&[if dice.one_in(2) { b"DEL" } else { b"UNLINK" }, name]),
                    Value::Int(removed.into()),
                )
            }
            _ => {
                let other = self.key('s', dice);
                let second = bulk(self.strings.get(&other).cloned());
                (request(&[b"MGET", name, other.as_bytes()]), Value::Array(vec![bulk(held), second]))
            }
        }
    }

    fn list(&mut self, dice: &mut Dice) -> (Vec<u8>, Value) {
        let key = self.key('l', dice);
        let name = key.as_bytes();
        let value = self.value(dice);
        let list = self.lists.entry(key.clone()).or_default();
        let kind = if list.len() > LIST_MAX { 3 } else { dice.below(6) };
        match kind {
            0 | 1 => {
                list.push_back(value.clone());
                (request(&[b"RPUSH", name, &value]), int(list.len()))
            }
            2 => {
                list.push_front(value.clone());
                (request(&[b"LPUSH", name, &value]), int(list.len()))
            }
            3 => (request(&[b"LPOP", name]), list.pop_front().map_or(Value::Nil, Value::Bytes)),
            4 => (request(&[b"LLEN", name]), int(list.len())),
            _ => {
                let all = list.iter().map(Value::bytes).collect();
                (request(&[b"LRANGE", name, b"0", b"-1"]), Value::Array(all))
            }
        }
    }
}
