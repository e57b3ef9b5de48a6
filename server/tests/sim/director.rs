//! Who disturbs the server while clients are at work, and looks whether everything is in order when they are gone.
//!
//! Its own connections are perfect. One of them hears of every key that expires.

use std::collections::VecDeque;

use vireo_backend_sim::{Actor, Dice, Line, SECOND_NS, Scene, Told};

use crate::book::Shelf;
use crate::client::{PATIENCE_NS, QUEUES, latest_ms};
use crate::value::{Value, words};
use crate::wire::{News, Wire};

/// What the director's own account may differ by: it is charged when its commands are over.
const ACCOUNT_SLACK: u64 = 64 * 1024;

/// The longest argument that clients send.
const CLAIM_MAX: u64 = 82 * 1024;

const NEXT: u64 = 1;
const LOOK: u64 = 2;
const SHUT_DOWN: u64 = 3;
/// The server has had time enough to end.
const ENDED: u64 = 4;
/// Above it: so many replies must be there.
const PATIENCE: u64 = 16;
/// An `expired` event comes so late at most, when nothing holds the server up: its turns are short.
const EXPIRE_LATE_MAX_NS: u64 = 10_000_000;
/// All clients are gone so long after the last of them was done; who vanished is found out by then.
const GONE_MAX_NS: u64 = 300 * SECOND_NS;

/// A key whose time has come so long ago is gone.
const EXPIRED_BY_NS: u64 = SECOND_NS / 2;

/// What the director does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) threads_max: u64,
    pub(crate) kills: bool,
    pub(crate) pauses: bool,
    pub(crate) sleeps: bool,
    pub(crate) clients: usize,
    /// What clients hold is limited, and counted at once.
    pub(crate) limits_clients: bool,
}

/// What the reply that is waited for is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Done,
    Clients,
    Accounts,
    Kill,
    /// The end, step by step.
    Gone,
    Queue,
    Keys,
    Scan,
    Flushed,
    Freed,
}

/// The director.
#[derive(Debug)]
pub(crate) struct Director {
    dice: Dice,
    plan: Plan,
    shelf: Shelf,
    wire: Wire,
    observer: Wire,
    asked: VecDeque<Asked>,
    answered: u64,
    /// All others were done then.
    over_ns: Option<u64>,
    left: Vec<String>,
    keys: i64,
    /// What was due before that had expired when all keys were removed.
    flushed_ms: i64,
    is_over: bool,
}

impl Director {
    pub(crate) fn new(seed: u64, plan: Plan, shelf: Shelf) -> Self {
        let dice = Dice::new(seed, 3);
        let (wire, observer) = (Wire::default(), Wire::default());
        Self {
            dice,
            plan,
            shelf,
            wire,
            observer,
            asked: VecDeque::new(),
            answered: 0,
            over_ns: None,
            left: Vec::new(),
            keys: 0,
            flushed_ms: 0,
            is_over: false,
        }
    }

    fn ask(&mut self, line: &str, asked: Asked, scene: &mut Scene<'_>) {
        self.wire.send(&words(line), scene);
        self.asked.push_back(asked);
        let replies = self.answered + self.asked.len() as u64;
        scene.wake_in(PATIENCE_NS, PATIENCE + replies);
    }

    /// Whoever was asked so long ago has answered.
    fn check_patience(&self, replies: u64, scene: &mut Scene<'_>) {
        if self.answered < replies && !self.is_over {
            scene.fail(format!("the director waits for {} replies", replies - self.answered));
        }
    }

    fn begin(&mut self, scene: &mut Scene<'_>) {
        self.observer.open(Line::Perfect, scene);
        self.observer.send(&words("CLIENT SETNAME checker"), scene);
        self.observer.send(&words("SUBSCRIBE __keyevent@0__:expired"), scene);
        self.wire.open(Line::Perfect, scene);
        self.ask("CLIENT SETNAME checker", Asked::Done, scene);
        scene.wake_in(SECOND_NS / 100, NEXT);
    }

    /// Does the next thing.
    fn go_on(&mut self, scene: &mut Scene<'_>) {
        if !self.asked.is_empty() {
            scene.wake_in(SECOND_NS / 100, NEXT);
            return;
        }
        let busy = self.shelf.book().busy();
        if busy > 0 {
            self.disturb(scene);
            scene.wake_in(self.dice.between(1_000_000, SECOND_NS / 5), NEXT);
        } else if self.over_ns.is_none() {
            self.over_ns = Some(scene.now_ns());
            self.ask("CLIENT UNPAUSE", Asked::Done, scene);
            self.ask("CONFIG SET timeout 0", Asked::Done, scene);
            self.ask("CONFIG SET tcp-keepalive 3", Asked::Done, scene);
            // Keys that clients gave a time have come to their end by then.
            scene.wake_in(4 * SECOND_NS, LOOK);
        }
    }

    fn disturb(&mut self, scene: &mut Scene<'_>) {
        match self.dice.below(8) {
            0 | 1 if self.plan.threads_max > 1 => {
                let count = self.dice.between(1, self.plan.threads_max);
                self.ask(&format!("CONFIG SET io-threads {count}"), Asked::Done, scene);
            }
            2 if self.plan.kills => self.ask("CLIENT LIST", Asked::Kill, scene),
            3 if self.plan.pauses => {
                let ms = self.dice.between(1, 200);
                let kind = if self.dice.one_in(2) { "WRITE" } else { "ALL" };
                self.shelf.book().paused_ns += (ms + 100) * 1_000_000;
                self.ask(&format!("CLIENT PAUSE {ms} {kind}"), Asked::Done, scene);
            }
            4 if self.plan.sleeps => {
                self.shelf.book().paused_ns += 20_000_000;
                self.ask("DEBUG SLEEP 0.01", Asked::Done, scene);
            }
            5 => {
                let most = self.dice.between(0, 64);
                self.ask(&format!("CONFIG SET prefetch-batch-max-size {most}"), Asked::Done, scene);
            }
            6 => self.ask("INFO everything", Asked::Clients, scene),
            _ if self.plan.limits_clients => {
                self.wire.send(&words("MULTI"), scene);
                self.wire.send(&words("CLIENT LIST"), scene);
                self.wire.send(&words("INFO memory"), scene);
                self.wire.send(&words("EXEC"), scene);
                self.asked.extend([Asked::Done, Asked::Done, Asked::Done, Asked::Accounts]);
            }
            _ => {}
        }
    }

    fn receive(&mut self, reply: &Value, scene: &mut Scene<'_>) {
        let Some(asked) = self.asked.pop_front() else {
            scene.fail(format!("the director did not ask for {}", reply.shown()));
            return;
        };
        self.answered += 1;
        if let Value::Error(words) = reply {
            scene.fail(format!("{asked:?} is answered by {words}"));
        }
        match asked {
            Asked::Done => {}
            Asked::Clients => self.look_at(&reply.text(), scene),
            Asked::Kill => self.kill(&reply.text(), scene),
            Asked::Accounts => check_accounts(reply, scene),
            Asked::Gone => self.await_all_gone(&reply.text(), scene),
            Asked::Queue => {
                self.left.extend(reply.items().iter().map(Value::text));
                if self.asked.is_empty() {
                    self.ask("INFO keyspace", Asked::Keys, scene);
                    self.ask("SCAN 0 COUNT 10000000", Asked::Scan, scene);
                }
            }
            Asked::Keys => {
                let text = reply.text();
                let line = text.lines().find_map(|line| line.strip_prefix("db0:keys=")).unwrap_or("0");
                self.keys = line.split(',').next().unwrap_or("").parse().unwrap_or(-1);
            }
            Asked::Scan => {
                let found = reply.items().get(1).map_or(0, |keys| keys.items().len());
                if i64::try_from(found) != Ok(self.keys) {
                    scene.fail(format!("INFO counts {} keys, SCAN {found}", self.keys));
                }
                self.ask("FLUSHALL ASYNC", Asked::Flushed, scene);
            }
            Asked::Flushed => {
                let now_ns = scene.now_ns();
                self.flushed_ms = scene.wall_us(now_ns - EXPIRED_BY_NS, now_ns).0 / 1000;
                self.ask("INFO everything", Asked::Freed, scene);
            }
            Asked::Freed => self.await_freed(&reply.text(), scene),
        }
    }

    fn look_at(&mut self, info: &str, scene: &mut Scene<'_>) {
        let mut book = self.shelf.book();
        book.figures.io_reads = number(info, "io_threaded_reads_processed").unwrap_or(0);
        let connected = number(info, "connected_clients").unwrap_or(0);
        if connected > self.plan.clients as u64 * 3 + 20 {
            scene.fail(format!("{connected} clients are connected"));
        }
    }

    fn kill(&mut self, list: &str, scene: &mut Scene<'_>) {
        let others: Vec<&str> = list.lines().filter(|line| !line.contains("name=checker")).collect();
        for _ in 0..others.len().min(3) {
            let line = others[self.dice.index(others.len())];
            let id = line.split(['=', ' ']).nth(1).unwrap_or("");
            self.shelf.book().figures.kills += 1;
            // The same may be drawn twice: then nobody is killed, which is no error.
            self.ask(&format!("CLIENT KILL ID {id}"), Asked::Done, scene);
        }
    }

    /// All clients are gone but the director's own.
    fn await_all_gone(&mut self, info: &str, scene: &mut Scene<'_>) {
        let over_ns = self.over_ns.unwrap_or(0);
        let connected = number(info, "connected_clients").unwrap_or(0);
        if connected > 2 {
            if scene.now_ns() > over_ns + GONE_MAX_NS {
                scene.fail(format!("{connected} clients are connected, and none is left"));
            }
            // Asked again when some time has passed.
            scene.wake_in(5 * SECOND_NS, LOOK);
            return;
        }
        for name in ["blocked_clients", "clients_in_timeout_table", "watching_clients", "tracking_clients"] {
            if number(info, name).is_some_and(|count| count > 0) {
                scene.fail(format!("{name}: {:?} when all clients are gone", number(info, name)));
            }
        }
        for queue in 0..QUEUES {
            self.ask(&format!("LRANGE queue:{queue} 0 -1"), Asked::Queue, scene);
        }
    }

    fn await_freed(&mut self, info: &str, scene: &mut Scene<'_>) {
        if number(info, "lazyfree_pending_objects").unwrap_or(0) > 0 {
            self.ask("INFO everything", Asked::Freed, scene);
            return;
        }
        self.shelf.book().figures.io_reads = number(info, "io_threaded_reads_processed").unwrap_or(0);
        let pending = ["io_threaded_reads_pending", "io_threaded_writes_pending"];
        let late = pending.iter().find(|name| number(info, name).unwrap_or(0) > 1);
        if let Some(name) = late {
            scene.fail(format!("{name} when all clients are gone: {:?}", number(info, name)));
        }
        if info.contains("db0:") {
            scene.fail("keys are left after FLUSHALL".to_owned());
        }
        self.ask("CONFIG SET io-threads 1", Asked::Done, scene);
        // They have ended by then.
        scene.wake_in(2 * SECOND_NS, SHUT_DOWN);
    }

    fn shut_down(&mut self, scene: &mut Scene<'_>) {
        let left = core::mem::take(&mut self.left);
        if let Err(why) = self.shelf.book().check(&left, self.flushed_ms) {
            scene.fail(why);
        }
        self.is_over = true;
        self.wire.send(&words("SHUTDOWN NOSAVE"), scene);
        scene.wake_in(PATIENCE_NS, ENDED);
    }

    /// A key has expired, the server says.
    fn observe(&mut self, event: &Value, scene: &mut Scene<'_>) {
        if event.items().first() == Some(&Value::bytes("subscribe")) {
            self.shelf.book().observed_ns = Some(scene.now_ns());
        }
        let Some(key) = event.items().get(2).map(Value::text) else { return };
        let (now_ns, quiet) = (scene.now_ns(), !scene.faults().stalls && !scene.faults().clock_jumps);
        let mut book = self.shelf.book();
        let paused_ns = book.paused_ns;
        let Some(ttl) = book.ttls.get_mut(&key) else { return };
        ttl.events += 1;
        let latest_ms = latest_ms(ttl.sent_ns, scene);
        if latest_ms <= ttl.earliest_ms(scene) {
            scene.fail(format!("{key} has expired too early, at {latest_ms} ms: {ttl:?}"));
        }
        let late_ns = ttl.due_by_ns.map_or(0, |due_ns| now_ns.saturating_sub(due_ns));
        if quiet && late_ns > EXPIRE_LATE_MAX_NS + paused_ns {
            scene.fail(format!("{key} has expired {late_ns} ns late"));
        }
        book.figures.events += 1;
        if quiet && paused_ns == 0 {
            book.figures.late_ns = book.figures.late_ns.max(late_ns);
        }
    }
}

/// What clients hold, added up from the list of them, is what INFO says. The director's own account is settled as it goes.
fn check_accounts(reply: &Value, scene: &mut Scene<'_>) {
    let [list, info] = reply.items() else { return };
    let list = list.text();
    let field = |line: &str, name: &str| -> u64 {
        let text = line.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    // What a client claims for an argument to come is in the list, but takes no memory yet.
    let claim_max = |line: &str| if field(line, "argv-mem") > 0 { CLAIM_MAX } else { 0 };
    let most: u64 = list.lines().map(|line| field(line, "tot-mem")).sum();
    let least: u64 = list.lines().map(|line| field(line, "tot-mem").saturating_sub(claim_max(line))).sum();
    let told = number(&info.text(), "mem_clients_normal").unwrap_or(0);
    let slack = ACCOUNT_SLACK + 2 * list.len() as u64;
    if told > most + slack || told + slack < least {
        scene.fail(format!("INFO counts {told} bytes of clients, CLIENT LIST {least} to {most}:\n{list}"));
    }
}

/// The number after a name in INFO.
fn number(info: &str, name: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.parse().ok()
}

impl Actor for Director {
    fn on(&mut self, told: Told<'_>, scene: &mut Scene<'_>) {
        if let Told::Bytes(conn, _) | Told::Ended(conn) | Told::Broken(conn) = told
            && self.observer.conn() == Some(conn)
        {
            match self.observer.news(told, scene) {
                News::Replies(events) => events.iter().for_each(|event| self.observe(event, scene)),
                News::Gone if !self.is_over => scene.fail("the observer was closed".to_owned()),
                _ => {}
            }
            return;
        }
        match self.wire.news(told, scene) {
            News::Time(0) => self.begin(scene),
            News::Time(NEXT) => self.go_on(scene),
            News::Time(LOOK) => self.ask("INFO clients", Asked::Gone, scene),
            News::Time(SHUT_DOWN) => self.shut_down(scene),
            News::Time(ENDED) => scene.fail("the server does not end".to_owned()),
            News::Time(tag) => self.check_patience(tag - PATIENCE, scene),
            News::Replies(replies) => replies.iter().for_each(|reply| self.receive(reply, scene)),
            News::Gone if self.is_over => {}
            News::Gone => scene.fail("the director was closed".to_owned()),
            News::Connected | News::Nothing => {}
        }
    }
}
