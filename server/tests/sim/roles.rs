//! Clients that wait: for items of queues, for messages.

use std::collections::BTreeMap;

use vireo_backend_sim::{Actor, Dice, Line, SECOND_NS, STALL_MAX_NS, Scene, Told};

use crate::book::Shelf;
use crate::client::{PATIENCE_NS, QUEUES};
use crate::value::{Value, words};
use crate::wire::{News, Wire};

const NEXT: u64 = 1;
const PATIENCE: u64 = 16;
/// A wait ends so late at most when nothing holds the server up.
const WAIT_LATE_MAX_NS: u64 = 150_000_000;

/// Takes items out of queues, and waits for them.
#[derive(Debug)]
pub(crate) struct Popper {
    dice: Dice,
    shelf: Shelf,
    wire: Wire,
    rounds_left: u64,
    asked: u64,
    /// What is waited for: since when, and how long, ns.
    waits: Option<(u64, u64)>,
    done: bool,
}

impl Popper {
    pub(crate) fn new(number: u64, seed: u64, rounds: u64, shelf: Shelf) -> Self {
        let dice = Dice::new(seed, 5000 + number);
        Self { dice, shelf, wire: Wire::default(), rounds_left: rounds, asked: 0, waits: None, done: false }
    }

    fn go_on(&mut self, scene: &mut Scene<'_>) {
        if self.waits.is_some() || self.done {
            return;
        }
        if self.rounds_left == 0 {
            self.done = true;
            self.wire.close(scene);
            self.shelf.book().clients_left -= 1;
            return;
        }
        self.rounds_left -= 1;
        if !self.wire.is_open() {
            self.wire.open(Line::Usual, scene);
        }
        let timeout_ms = self.dice.between(1, 1500);
        let first = self.dice.below(QUEUES);
        let second = self.dice.below(QUEUES);
        let seconds = format!("{}.{:03}", timeout_ms / 1000, timeout_ms % 1000);
        self.wire.send(&words(&format!("BLPOP queue:{first} queue:{second} {seconds}")), scene);
        self.waits = Some((scene.now_ns(), timeout_ms * 1_000_000));
        self.asked += 1;
        scene.wake_in(PATIENCE_NS, PATIENCE + self.asked);
        if self.dice.one_in(30) && self.wire.close(scene) {
            self.lose(scene);
        }
    }

    fn lose(&mut self, scene: &mut Scene<'_>) {
        if self.waits.take().is_some() {
            self.shelf.book().pops_lost += 1;
        }
        scene.wake_in(self.dice.below(SECOND_NS / 10), NEXT);
    }

    fn receive(&mut self, reply: &Value, scene: &mut Scene<'_>) {
        if reply.is_refusal() {
            return;
        }
        let Some((since_ns, timeout_ns)) = self.waits.take() else {
            scene.fail(format!("a popper did not ask for {}", reply.shown()));
            return;
        };
        let waited_ns = scene.now_ns() - since_ns;
        match reply {
            Value::Nil => {
                let faults = scene.faults();
                let is_late = waited_ns > timeout_ns + WAIT_LATE_MAX_NS + self.shelf.book().paused_ns;
                let is_quiet = !faults.stalls && !faults.accept_errors && faults.latency_ns.1 < 10_000_000;
                // Waits are counted by the wall clock, as in the reference.
                if !faults.clock_jumps && (waited_ns + 1_000_000 < timeout_ns || is_quiet && is_late) {
                    scene.fail(format!("a wait of {timeout_ns} ns ended after {waited_ns} ns"));
                }
            }
            Value::Array(pair) if pair.len() == 2 => {
                let mut book = self.shelf.book();
                let item = pair[1].text();
                book.figures.popped += 1;
                let was_pushed = book.pushed.contains_key(&item);
                if !was_pushed || !book.popped.insert(item.clone()) {
                    scene.fail(format!("{item} was popped twice, or was never pushed"));
                }
            }
            other => scene.fail(format!("BLPOP: {}", other.shown())),
        }
        scene.wake_in(self.dice.below(SECOND_NS / 10), NEXT);
    }
}

impl Actor for Popper {
    fn on(&mut self, told: Told<'_>, scene: &mut Scene<'_>) {
        match self.wire.news(told, scene) {
            News::Time(tag) if tag < PATIENCE => self.go_on(scene),
            News::Time(tag) => {
                if tag == PATIENCE + self.asked && self.waits.is_some() {
                    scene.fail("a popper waits for a reply that does not come".to_owned());
                }
            }
            News::Replies(replies) => replies.iter().for_each(|reply| self.receive(reply, scene)),
            News::Gone => self.lose(scene),
            News::Connected | News::Nothing => {}
        }
    }
}

/// Hears what is published, until nobody publishes any more.
#[derive(Debug)]
pub(crate) struct Listener {
    channel: u64,
    shelf: Shelf,
    wire: Wire,
    /// Since when it is heard, for certain.
    since_ns: Option<u64>,
    /// The number that comes next, by publisher.
    next: BTreeMap<u64, usize>,
    /// When all others were done.
    quiet_ns: Option<u64>,
    done: bool,
}

impl Listener {
    pub(crate) fn new(channel: u64, shelf: Shelf) -> Self {
        Self {
            channel,
            shelf,
            wire: Wire::default(),
            since_ns: None,
            next: BTreeMap::new(),
            quiet_ns: None,
            done: false,
        }
    }

    fn look(&mut self, scene: &mut Scene<'_>) {
        if self.done {
            return;
        }
        if !self.wire.is_open() {
            self.since_ns = None;
            self.next.clear();
            self.wire.open(Line::Usual, scene);
            self.wire.send(&words(&format!("SUBSCRIBE ch:{}", self.channel)), scene);
        }
        if self.shelf.book().clients_left == 0 {
            let quiet_ns = *self.quiet_ns.get_or_insert(scene.now_ns());
            // What is on its way has come by then.
            if scene.now_ns() > quiet_ns + 5 * SECOND_NS + STALL_MAX_NS {
                self.finish(scene);
                return;
            }
        }
        scene.wake_in(SECOND_NS / 5, NEXT);
    }

    fn finish(&mut self, scene: &mut Scene<'_>) {
        self.done = true;
        let mut book = self.shelf.book();
        book.listeners_left -= 1;
        self.wire.close(scene);
        let Some(since_ns) = self.since_ns else { return };
        for (&(publisher, channel), sent) in &book.published {
            let last = sent.iter().rposition(|one| one.is_answered && one.sent_ns > since_ns);
            let Some(last) = last.filter(|_| channel == self.channel) else { continue };
            let next = self.next.get(&publisher).copied().unwrap_or(0);
            if next <= last {
                let why = format!("message {publisher:x}:{last} on ch:{channel} was not heard, but {next}");
                scene.fail(why);
            }
        }
    }

    fn receive(&mut self, reply: &Value, scene: &mut Scene<'_>) {
        let parts: Vec<String> = reply.items().iter().map(Value::text).collect();
        match parts.first().map(String::as_str) {
            Some("subscribe") => self.since_ns = Some(scene.now_ns()),
            Some("message") => {
                let (publisher, number) = parts[2].split_once(':').unwrap();
                let (publisher, number): (u64, usize) = (publisher.parse().unwrap(), number.parse().unwrap());
                let next = self.next.insert(publisher, number + 1);
                self.shelf.book().figures.messages += 1;
                if next.is_some_and(|next| next != number) {
                    let why =
                        format!("message {publisher:x}:{number} on ch:{} in place of {next:?}", self.channel);
                    scene.fail(why);
                }
            }
            _ if reply.is_refusal() => {}
            _ => scene.fail(format!("a subscriber is told {}", reply.shown())),
        }
    }
}

impl Actor for Listener {
    fn on(&mut self, told: Told<'_>, scene: &mut Scene<'_>) {
        match self.wire.news(told, scene) {
            News::Time(_) => self.look(scene),
            News::Replies(replies) => replies.iter().for_each(|reply| self.receive(reply, scene)),
            News::Gone if self.shelf.book().is_unexplained(scene) => {
                scene.fail("a subscriber was closed for no reason".to_owned());
            }
            News::Gone | News::Connected | News::Nothing => {}
        }
    }
}
