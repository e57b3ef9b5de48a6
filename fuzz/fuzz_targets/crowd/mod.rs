//! Clients that do what a script says, and a watcher who looks whether everything is in order when they are gone.

mod script;

use vireo_backend_sim::{Actor, ConnId, Line, SECOND_NS, Scene, Told};
use vireo_core::platform::Addr;
use vireo_core::resp::{Token, token};

use self::script::Event;
pub use self::script::Script;

/// The next event of the script.
const NEXT: u64 = 1;
/// A look at what is left.
const LOOK: u64 = 2;
/// The I/O threads have ended.
const SHUT_DOWN: u64 = 3;
/// Above it: the look that must be answered.
const LATE: u64 = 16;
/// Time between two events, ns.
const PACE_NS: u64 = 200_000;
/// All connections are gone after so many looks, one a second.
const LOOKS_MAX: u32 = 60;

/// What INFO counts of clients, and must not when they are gone.
const COUNTED: [&str; 11] = [
    "blocked_clients",
    "clients_in_timeout_table",
    "watching_clients",
    "tracking_clients",
    "pubsub_clients",
    "total_watched_keys",
    "total_blocking_keys",
    "pubsub_channels",
    "pubsub_patterns",
    "pubsubshard_channels",
    "tracking_total_prefixes",
];

/// A connection and what has come of a reply.
#[derive(Default)]
struct Wire {
    conn: Option<ConnId>,
    buf: Vec<u8>,
    /// Bytes of its tokens that were read, and how many more the first reply needs.
    read: usize,
    missing: u64,
}

/// All clients.
pub struct Crowd {
    events: std::vec::IntoIter<Event>,
    clients: Vec<Wire>,
    watcher: Wire,
    /// Replies that the last watcher has got.
    replies: Vec<Vec<u8>>,
    looks: u32,
    is_over: bool,
}

impl Wire {
    fn open(&mut self, scene: &mut Scene<'_>) -> ConnId {
        self.buf.clear();
        (self.read, self.missing) = (0, 0);
        *self.conn.insert(scene.connect(&Addr::V4([127, 0, 0, 1], 6379), Line::Usual))
    }

    fn send(&mut self, bytes: &[u8], scene: &mut Scene<'_>) {
        let conn = self.conn.unwrap_or_else(|| self.open(scene));
        scene.send(conn, bytes);
    }

    /// What the connection is told; whole replies are given back.
    fn hear(&mut self, told: Told<'_>, scene: &mut Scene<'_>) -> Vec<Vec<u8>> {
        let mut replies = Vec::new();
        match told {
            Told::Bytes(_, bytes) => {
                self.buf.extend_from_slice(bytes);
                self.take_whole(&mut replies, scene);
            }
            Told::Ended(conn) => {
                scene.close(conn);
                self.conn = None;
            }
            Told::Broken(_) => self.conn = None,
            Told::Connected(_) | Told::Time(_) => {}
        }
        replies
    }

    /// Takes the replies that have become whole. No token is read twice: a long reply may come in very many pieces.
    fn take_whole(&mut self, replies: &mut Vec<Vec<u8>>, scene: &mut Scene<'_>) {
        loop {
            match token(&self.buf[self.read..]) {
                Ok(Some((token, len))) => {
                    self.read += len;
                    self.missing = self.missing.max(1) - 1 + token.followers();
                    if self.missing == 0 {
                        replies.push(self.buf.drain(..self.read).collect());
                        self.read = 0;
                    }
                }
                Ok(None) => return,
                Err(_) => return scene.fail(format!("no reply: {}", self.buf.escape_ascii())),
            }
        }
    }
}

impl Crowd {
    pub fn new(script: Script) -> Self {
        let clients = (0..script.clients).map(|_| Wire::default()).collect();
        Self {
            events: script.events.into_iter(),
            clients,
            watcher: Wire::default(),
            replies: Vec::new(),
            looks: 0,
            is_over: false,
        }
    }

    fn play(&mut self, scene: &mut Scene<'_>) {
        let Some(event) = self.events.next() else {
            for wire in self.clients.iter_mut().chain([&mut self.watcher]) {
                wire.conn.take().into_iter().for_each(|conn| scene.close(conn));
            }
            scene.wake_in(SECOND_NS, LOOK);
            return;
        };
        let mut wait_ns = PACE_NS;
        match event {
            Event::Send(who, bytes) => self.clients[who].send(&bytes, scene),
            Event::Configure(request) => self.watcher.send(&request, scene),
            Event::Wait(ns) => wait_ns = ns,
            Event::Close(who) => self.clients[who].conn.take().into_iter().for_each(|conn| scene.close(conn)),
            Event::Reset(who) => self.clients[who].conn.take().into_iter().for_each(|conn| scene.reset(conn)),
            Event::End(who) => self.clients[who].conn.into_iter().for_each(|conn| scene.end(conn)),
            Event::Read(who, on) => {
                self.clients[who].conn.into_iter().for_each(|conn| scene.set_reading(conn, on));
            }
        }
        scene.wake_in(wait_ns, NEXT);
    }

    /// Asks a server that everybody has left how it is.
    fn look(&mut self, scene: &mut Scene<'_>) {
        self.looks += 1;
        if self.looks > LOOKS_MAX {
            scene.fail("somebody is connected, and nobody is left".to_owned());
        }
        self.replies.clear();
        self.watcher.send(b"PING\r\nINFO everything\r\n", scene);
        scene.wake_in(60 * SECOND_NS, LATE + u64::from(self.looks));
    }

    fn judge(&mut self, scene: &mut Scene<'_>) {
        let [pong, info] = &self.replies[..] else { return };
        assert_eq!(pong, b"+PONG\r\n");
        let Ok(Some((Token::Bulk(info), _))) = token(info) else { panic!("INFO is no string") };
        let info = String::from_utf8_lossy(info).into_owned();
        if number(&info, "connected_clients") != Some(1) {
            scene.wake_in(SECOND_NS, LOOK);
            return;
        }
        for name in COUNTED {
            if number(&info, name).is_some_and(|count| count > 0) {
                scene.fail(format!("{name}: {:?} when all clients are gone", number(&info, name)));
            }
        }
        self.watcher.send(b"FLUSHALL SYNC\r\nVIREO-CONFIG SET io-threads 1\r\n", scene);
        scene.wake_in(2 * SECOND_NS, SHUT_DOWN);
    }
}

/// The number behind a name in INFO.
fn number(info: &str, name: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.parse().ok()
}

impl Actor for Crowd {
    fn on(&mut self, told: Told<'_>, scene: &mut Scene<'_>) {
        match told {
            Told::Time(0 | NEXT) => self.play(scene),
            Told::Time(LOOK) => self.look(scene),
            Told::Time(SHUT_DOWN) => {
                assert_eq!(self.replies.len(), 4, "the watcher is answered");
                self.is_over = true;
                self.watcher.send(b"VIREO-SHUTDOWN NOSAVE\r\n", scene);
            }
            Told::Time(tag) if tag == LATE + u64::from(self.looks) && !self.is_over => {
                scene.fail("the server does not answer".to_owned());
            }
            Told::Time(_) => {}
            Told::Connected(conn) | Told::Bytes(conn, _) | Told::Ended(conn) | Told::Broken(conn) => {
                if self.watcher.conn == Some(conn) {
                    let replies = self.watcher.hear(told, scene);
                    let before = self.replies.len();
                    self.replies.extend(replies);
                    if self.looks > 0 && before < 2 {
                        self.judge(scene);
                    }
                } else if let Some(wire) = self.clients.iter_mut().find(|wire| wire.conn == Some(conn)) {
                    wire.hear(told, scene);
                }
            }
        }
    }
}
