//! A client that sends pipelines, checks every reply, goes away and comes back.

use std::collections::VecDeque;

use vireo_backend_sim::{Actor, Dice, Line, SECOND_NS, STALL_MAX_NS, Scene, Told};

use crate::book::{OpId, Published, Shelf, Ttl};
use crate::own::Own;
use crate::value::{Value, request, words};
use crate::wire::{News, Wire};

/// Whoever waits for a reply longer than that has been forgotten.
pub(crate) const PATIENCE_NS: u64 = 120 * SECOND_NS;
/// The server looks at the wall clock again after a millisecond, or a turn; until then it does not know that it has jumped.
const WALL_SLACK_NS: u64 = 10 * STALL_MAX_NS;
/// It reads the two clocks that it tells the time from within 100 us, each time.
const CLOCK_ERROR_US: i64 = 200;
const CHANNELS: u64 = 3;
pub(crate) const QUEUES: u64 = 3;

const BEGIN: u64 = 0;
const NEXT: u64 = 1;
const SEND_REST: u64 = 2;
const READ_AGAIN: u64 = 3;
/// Above it: the pipeline whose replies must be there.
const PATIENCE: u64 = 16;

/// What a reply must be.
#[derive(Debug)]
enum Expect {
    Is(Value),
    /// The server introduces itself.
    Anything,
    Shared(OpId),
    Published {
        channel: u64,
        number: usize,
    },
    Pushed(Vec<String>),
    Expires(String),
    /// Of a key that may have expired since.
    MayExpire(String, u64),
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    dice: Dice,
    shelf: Shelf,
    wire: Wire,
    /// Names this connection of this client.
    name: u64,
    own: Own,
    expected: VecDeque<Expect>,
    /// Bytes of the pipeline that are sent later.
    rest: Vec<u8>,
    rounds_left: u64,
    pipelines: u64,
    fresh: u64,
    /// A key of its own that may expire.
    last_ttl: Option<String>,
    /// Time between pipelines at most, ns.
    think_ns: u64,
    begin_in_ns: u64,
    done: bool,
}

/// How long the server may not know of a jump of the wall clock, ns.
pub(crate) fn wall_slack_ns(scene: &Scene<'_>) -> u64 {
    if scene.faults().clock_jumps { WALL_SLACK_NS } else { 0 }
}

/// The latest time that the server may have taken for the present one since then, ms since 1970.
pub(crate) fn latest_ms(since_ns: u64, scene: &Scene<'_>) -> i64 {
    let (_, latest_us) = scene.wall_us(since_ns, scene.now_ns());
    (latest_us + CLOCK_ERROR_US + (wall_slack_ns(scene) / 1000).cast_signed()) / 1000
}

/// Same, the earliest.
pub(crate) fn earliest_ms(since_ns: u64, scene: &Scene<'_>) -> i64 {
    (scene.wall_us(since_ns, scene.now_ns()).0 - CLOCK_ERROR_US) / 1000
}

impl Client {
    pub(crate) fn new(number: u64, seed: u64, rounds: u64, think_ns: u64, shelf: Shelf) -> Self {
        let mut dice = Dice::new(seed, 1000 + number);
        let begin_in_ns = dice.below(think_ns + 1);
        Self {
            dice,
            shelf,
            wire: Wire::default(),
            name: number << 16,
            own: Own::default(),
            expected: VecDeque::new(),
            rest: Vec::new(),
            rounds_left: rounds,
            pipelines: 0,
            fresh: 0,
            last_ttl: None,
            think_ns,
            begin_in_ns,
            done: false,
        }
    }

    fn go_on(&mut self, scene: &mut Scene<'_>) {
        if self.done || !self.expected.is_empty() || !self.rest.is_empty() {
            return;
        }
        if self.rounds_left == 0 {
            self.done = true;
            self.wire.close(scene);
            self.shelf.book().clients_left -= 1;
            return;
        }
        if !self.wire.is_open() {
            self.name += 1;
            self.own = Own::new(format!("{}.{}", self.name >> 16, self.name & 0xffff));
            self.last_ttl = None;
            self.shelf.book().figures.connections += 1;
            self.wire.open(Line::Usual, scene);
            if self.dice.one_in(4) {
                self.introduce(scene);
            }
        }
        self.rounds_left -= 1;
        self.send_pipeline(scene);
    }

    /// Speaks the other protocol, and perhaps wants to be told of changes.
    fn introduce(&mut self, scene: &mut Scene<'_>) {
        self.wire.send(&words("HELLO 3"), scene);
        self.expected.push_back(Expect::Anything);
        if self.dice.one_in(2) {
            self.wire.send(&words("CLIENT TRACKING ON BCAST PREFIX shared:"), scene);
            self.expected.push_back(Expect::Is(Value::ok()));
        }
    }

    fn send_pipeline(&mut self, scene: &mut Scene<'_>) {
        let mut bytes = Vec::new();
        let most = if self.dice.one_in(10) { 100 } else { 12 };
        for _ in 0..self.dice.between(1, most) {
            self.add_request(&mut bytes, scene);
        }
        self.pipelines += 1;
        scene.wake_in(PATIENCE_NS, PATIENCE + self.pipelines);
        let cut = if self.dice.one_in(4) { self.dice.index(bytes.len()) } else { bytes.len() };
        self.rest = bytes.split_off(cut);
        self.wire.send(&bytes, scene);
        match self.dice.below(40) {
            0 => self.leave(scene),
            1 | 2 if !self.rest.is_empty() || bytes.len() > 100 => {
                if let Some(conn) = self.wire.conn() {
                    scene.set_reading(conn, false);
                    scene.wake_in(self.dice.below(SECOND_NS), READ_AGAIN);
                }
                self.send_rest_later(scene);
            }
            _ => self.send_rest_later(scene),
        }
    }

    fn send_rest_later(&mut self, scene: &mut Scene<'_>) {
        if !self.rest.is_empty() {
            let least_ns = if self.dice.one_in(20) { SECOND_NS } else { 0 };
            scene.wake_in(least_ns + self.dice.below(10_000_000), SEND_REST);
        }
    }

    /// Goes in the midst of it.
    fn leave(&mut self, scene: &mut Scene<'_>) {
        let Some(conn) = self.wire.take() else { return };
        match self.dice.below(3) {
            0 if scene.faults().half_open => scene.vanish(conn),
            1 if scene.faults().resets => scene.reset(conn),
            _ => scene.close(conn),
        }
        self.abandon(scene);
    }

    /// The connection is gone: nobody knows what became of what was not answered.
    fn abandon(&mut self, scene: &mut Scene<'_>) {
        self.expected.clear();
        self.rest.clear();
        self.shelf.book().figures.lost += 1;
        scene.wake_in(self.dice.below(self.think_ns + 1), NEXT);
    }

    fn add_request(&mut self, bytes: &mut Vec<u8>, scene: &mut Scene<'_>) {
        let now_ns = scene.now_ns();
        match self.dice.below(20) {
            0..9 => {
                for (request, reply) in self.own.next(&mut self.dice) {
                    bytes.extend(request);
                    self.expected.push_back(Expect::Is(reply));
                }
            }
            9..15 => self.add_shared(bytes, now_ns),
            15 => self.add_publish(bytes, now_ns),
            16 => self.add_push(bytes),
            17 | 18 => self.add_expiring(bytes, scene),
            _ => self.read_expiring(bytes, now_ns),
        }
    }

    fn add_shared(&mut self, bytes: &mut Vec<u8>, now_ns: u64) {
        let (id, requests) = self.shelf.book().begin_op(self.name, now_ns, &mut self.dice);
        let last = requests.len() - 1;
        for (index, request) in requests.into_iter().enumerate() {
            bytes.extend(request);
            self.expected.push_back(match index {
                index if index == last => Expect::Shared(id.clone()),
                0 => Expect::Is(Value::ok()),
                _ => Expect::Is(Value::Status("QUEUED".to_owned())),
            });
        }
    }

    fn add_publish(&mut self, bytes: &mut Vec<u8>, sent_ns: u64) {
        let channel = self.dice.below(CHANNELS);
        let mut book = self.shelf.book();
        let sent = book.published.entry((self.name, channel)).or_default();
        let number = sent.len();
        sent.push(Published { sent_ns, is_answered: false });
        bytes.extend(words(&format!("PUBLISH ch:{channel} {}:{number}", self.name)));
        self.expected.push_back(Expect::Published { channel, number });
    }

    fn add_push(&mut self, bytes: &mut Vec<u8>) {
        let queue = self.dice.below(QUEUES);
        let mut items = Vec::new();
        for _ in 0..self.dice.between(1, 3) {
            self.fresh += 1;
            items.push(format!("{}:{}", self.name, self.fresh));
        }
        let mut book = self.shelf.book();
        items.iter().for_each(|item| {
            book.pushed.insert(item.clone(), false);
        });
        bytes.extend(words(&format!("RPUSH queue:{queue} {}", items.join(" "))));
        self.expected.push_back(Expect::Pushed(items));
    }

    fn add_expiring(&mut self, bytes: &mut Vec<u8>, scene: &mut Scene<'_>) {
        self.fresh += 1;
        let key = format!("ttl:{}:{}", self.name, self.fresh);
        let most_ms = [20, 300, 3000][self.dice.index(3)];
        let ttl_ms = self.dice.between(1, most_ms);
        let (now_ns, text) = (scene.now_ns(), ttl_ms.to_string());
        if self.dice.one_in(2) {
            bytes.extend(request(&[b"SET", key.as_bytes(), b"v", b"PX", text.as_bytes()]));
        } else {
            bytes.extend(request(&[b"SET", key.as_bytes(), b"v"]));
            self.expected.push_back(Expect::Is(Value::ok()));
            bytes.extend(request(&[b"PEXPIRE", key.as_bytes(), text.as_bytes()]));
        }
        let sent_ns = now_ns.saturating_sub(wall_slack_ns(scene));
        let ttl_ms = ttl_ms.cast_signed();
        let ttl = Ttl { sent_ns, ttl_ms, due_ms: None, due_by_ns: None, events: 0 };
        self.shelf.book().ttls.insert(key.clone(), ttl);
        self.expected.push_back(Expect::Expires(key));
    }

    fn read_expiring(&mut self, bytes: &mut Vec<u8>, now_ns: u64) {
        let Some(key) = self.last_ttl.clone() else {
            bytes.extend(words("PING"));
            self.expected.push_back(Expect::Is(Value::Status("PONG".to_owned())));
            return;
        };
        bytes.extend(request(&[b"EXISTS", key.as_bytes()]));
        self.expected.push_back(Expect::MayExpire(key, now_ns));
    }

    fn receive(&mut self, reply: Value, scene: &mut Scene<'_>) {
        if reply.is_refusal() {
            // It is closed now; what was sent has not been looked at.
            return;
        }
        if let Value::Push(items) = &reply {
            if items.first() != Some(&Value::bytes("invalidate")) {
                scene.fail(format!("client {:x}: an unknown push: {}", self.name, reply.shown()));
            }
            return;
        }
        let Some(expect) = self.expected.pop_front() else {
            scene.fail(format!("client {:x}: nobody asked for {}", self.name, reply.shown()));
            return;
        };
        if let Err(why) = self.check(expect, reply, scene) {
            scene.fail(format!("client {:x}: {why}", self.name));
        }
        if self.expected.is_empty() && self.rest.is_empty() {
            if self.dice.one_in(25) {
                self.wire.close(scene);
            }
            scene.wake_in(self.dice.below(self.think_ns + 1), NEXT);
        }
    }

    fn check(&mut self, expect: Expect, reply: Value, scene: &mut Scene<'_>) -> Result<(), String> {
        let (now_ns, mut book) = (scene.now_ns(), self.shelf.book());
        book.figures.replies += 1;
        match expect {
            Expect::Anything => {}
            Expect::Is(value) if value == reply => {}
            Expect::Is(value) => return Err(format!("{} in place of {}", reply.shown(), value.shown())),
            Expect::Shared(id) => book.end_op(&id, now_ns, reply),
            Expect::Published { channel, number } => {
                if !matches!(reply, Value::Int(_)) {
                    return Err(format!("PUBLISH: {}", reply.shown()));
                }
                let sent = book.published.get_mut(&(self.name, channel)).unwrap();
                sent[number].is_answered = true;
            }
            Expect::Pushed(items) => {
                if !matches!(reply, Value::Int(1..)) {
                    return Err(format!("RPUSH: {}", reply.shown()));
                }
                items.into_iter().for_each(|item| {
                    book.pushed.insert(item, true);
                });
            }
            Expect::Expires(key) => {
                let ttl = book.ttls.get_mut(&key).unwrap();
                let is_past = ttl.events > 0;
                if !matches!(reply, Value::Int(1)) && reply != Value::ok() && !is_past {
                    return Err(format!("setting the time of {key}: {}", reply.shown()));
                }
                let earliest_ms = ttl.earliest_ms(scene);
                ttl.due_ms = Some((earliest_ms, latest_ms(ttl.sent_ns, scene) + ttl.ttl_ms));
                ttl.due_by_ns = Some(now_ns + ttl.ttl_ms.cast_unsigned() * 1_000_000);
                self.last_ttl = Some(key);
            }
            Expect::MayExpire(key, sent_ns) => {
                let ttl = book.ttls.get(&key).unwrap();
                let latest_ms = latest_ms(ttl.sent_ns, scene);
                let since_ns = sent_ns.saturating_sub(wall_slack_ns(scene));
                let earliest_ms = earliest_ms(since_ns, scene);
                let must_be = latest_ms <= ttl.earliest_ms(scene);
                let must_be_gone = ttl.due_ms.is_some_and(|(_, due_ms)| earliest_ms > due_ms);
                let is_there = reply == Value::Int(1);
                if (must_be && !is_there) || (must_be_gone && is_there) {
                    let when = format!("from {earliest_ms} to {latest_ms} ms");
                    return Err(format!("EXISTS {key}: {} ({when}, {ttl:?})", reply.shown()));
                }
            }
        }
        Ok(())
    }
}

impl Actor for Client {
    fn on(&mut self, told: Told<'_>, scene: &mut Scene<'_>) {
        match self.wire.news(told, scene) {
            News::Time(BEGIN) => scene.wake_in(self.begin_in_ns, NEXT),
            News::Time(NEXT) => self.go_on(scene),
            News::Time(SEND_REST) => {
                let rest = core::mem::take(&mut self.rest);
                self.wire.send(&rest, scene);
                if self.expected.is_empty() {
                    scene.wake_in(self.dice.below(self.think_ns + 1), NEXT);
                }
            }
            News::Time(READ_AGAIN) => {
                if let Some(conn) = self.wire.conn() {
                    scene.set_reading(conn, true);
                }
            }
            News::Time(tag) => {
                if tag == PATIENCE + self.pipelines && !self.expected.is_empty() {
                    let left = self.expected.len();
                    let conn = self.wire.conn();
                    scene.fail(format!("client {:x} at {conn:?} waits for {left} replies", self.name));
                }
            }
            News::Replies(replies) => replies.into_iter().for_each(|reply| self.receive(reply, scene)),
            News::Gone => {
                if self.shelf.book().is_unexplained(scene) {
                    scene.fail(format!("client {:x} was closed for no reason", self.name));
                }
                self.abandon(scene);
            }
            News::Connected | News::Nothing => {}
        }
    }
}
