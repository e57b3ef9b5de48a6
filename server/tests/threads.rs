//! I/O threads: many clients whose every reply is checked, while threads come and go and clients are killed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;

use common::{TestServer, info_number, request};
use vireo_core::rng::Rng;

/// Options under which every client is lent to a thread.
const ACTIVE: [&str; 6] = [
    "--io-threads",
    "4",
    "--io-threads-always-active",
    "yes",
    // Most of the large values are sent from where they lie.
    "--min-string-size-avoid-copy-reply-threaded",
    "5000",
];

/// What the server may keep for clients to come: emptied buffers, tables of connections, results of I/O threads.
const KEPT_MAX: u64 = 16 * 1024 * 1024;

/// A number from the environment: how many seconds the soak lasts, how many clients take part.
fn scale(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A client that knows what each of its replies must be.
struct Client {
    port: u16,
    stream: Option<TcpStream>,
    /// Part of every key and message: no other client, earlier or later, has it.
    name: String,
    counter: u64,
    expected: Vec<u8>,
}

static NAMES: AtomicU64 = AtomicU64::new(0);

impl Client {
    fn new(port: u16) -> Self {
        Self { port, stream: None, name: String::new(), counter: 0, expected: Vec::new() }
    }

    fn connect(&mut self) -> &mut TcpStream {
        if self.stream.is_none() {
            self.name = format!("c{}", NAMES.fetch_add(1, Ordering::Relaxed));
            self.counter = 0;
            self.expected.clear();
            let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
            self.stream = Some(stream);
        }
        self.stream.as_mut().unwrap()
    }

    /// Sends a pipeline; `false` when the connection is gone.
    fn send(&mut self, rng: &mut Rng) -> bool {
        self.connect();
        let mut bytes = Vec::new();
        for _ in 0..=rng.below(12) {
            let key = format!("{}:{}", self.name, rng.below(4));
            match rng.below(5) {
                0 => {
                    let message = format!("{}-{}", self.name, rng.next_u64());
                    bytes.extend(request(&[b"ECHO", message.as_bytes()]));
                    self.expected.extend(format!("${}\r\n{message}\r\n", message.len()).bytes());
                }
                1 => {
                    self.counter += 1;
                    bytes.extend(request(&[b"INCR", format!("{}:n", self.name).as_bytes()]));
                    self.expected.extend(format!(":{}\r\n", self.counter).bytes());
                }
                2 => {
                    // Now and then a value that fills buffers, overwritten while it may still be on its way.
                    let len = if rng.below(20) == 0 { 10_000 + rng.below(300_000) } else { rng.below(600) };
                    let value =
                        self.name.bytes().cycle().take(usize::try_from(len).unwrap()).collect::<Vec<u8>>();
                    // The names are new with each connection; what is left behind goes by itself.
                    bytes.extend(request(&[b"SET", key.as_bytes(), &value, b"EX", b"30"]));
                    bytes.extend(request(&[b"GET", key.as_bytes()]));
                    // Changed in place while the reply before may still be on its way.
                    bytes.extend(request(&[b"APPEND", key.as_bytes(), b"!"]));
                    bytes.extend(request(&[b"GETRANGE", key.as_bytes(), b"-3", b"-1"]));
                    self.expected.extend(format!("+OK\r\n${}\r\n", value.len()).bytes());
                    self.expected.extend_from_slice(&value);
                    self.expected.extend(format!("\r\n:{}\r\n", value.len() + 1).bytes());
                    let tail = [&value[value.len().saturating_sub(2)..], b"!"].concat();
                    self.expected.extend(format!("${}\r\n", tail.len()).bytes());
                    self.expected.extend_from_slice(&tail);
                    self.expected.extend_from_slice(b"\r\n");
                }
                3 => {
                    bytes.extend_from_slice(b"PING\r\n");
                    self.expected.extend_from_slice(b"+PONG\r\n");
                }
                _ => {
                    bytes.extend(request(&[b"GET", b"nobody:has:this"]));
                    self.expected.extend_from_slice(b"$-1\r\n");
                }
            }
        }
        self.stream.as_mut().unwrap().write_all(&bytes).is_ok()
    }

    /// Reads what must have come and compares; `false` when the connection is gone.
    fn receive(&mut self) -> bool {
        let mut got = vec![0; self.expected.len()];
        if self.stream.as_mut().unwrap().read_exact(&mut got).is_err() {
            return false;
        }
        assert!(got == self.expected, "{}: a reply is not the one that was asked for", self.name);
        self.expected.clear();
        true
    }
}

/// One thread's clients, until the time is over. Returns how many pipelines were answered.
fn drive(port: u16, seed: u64, count: u64, stop: &AtomicBool) -> u64 {
    let mut rng = Rng::new(seed);
    let mut clients: Vec<Client> = (0..count).map(|_| Client::new(port)).collect();
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        let sent: Vec<bool> = clients.iter_mut().map(|client| client.send(&mut rng)).collect();
        for (client, sent) in clients.iter_mut().zip(sent) {
            if rng.below(50) == 0 {
                // Goes without reading, perhaps in the middle of a request.
                let _ = client.stream.as_mut().unwrap().write_all(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf");
                client.stream = None;
            } else if sent && client.receive() {
                answered += 1;
            } else {
                client.stream = None;
            }
        }
    }
    answered
}

/// Changes the number of threads and kills clients until the time is over, by the server's clock.
fn disturb(server: &TestServer, stop: &AtomicBool) {
    let mut admin = server.client();
    let mut rng = Rng::new(7);
    let seconds = || redis::cmd("TIME").query::<(u64, u64)>(&mut server.client()).unwrap().0;
    let until = seconds() + scale("VIREO_SOAK_SECONDS", 3);
    while seconds() < until {
        let threads = 1 + rng.below(8);
        redis::cmd("CONFIG").arg("SET").arg("io-threads").arg(threads).exec(&mut admin).unwrap();
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut admin).unwrap();
        let own: i64 = redis::cmd("CLIENT").arg("ID").query(&mut admin).unwrap();
        for line in list.lines().filter(|_| rng.below(100) == 0) {
            let id: i64 = line.split(['=', ' ']).nth(1).unwrap().parse().unwrap();
            if id != own {
                let _: i64 = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query(&mut admin).unwrap();
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
}

fn soak(options: &[&str]) {
    let server = TestServer::start(options);
    let clients = scale("VIREO_SOAK_CLIENTS", 200);
    let stop = AtomicBool::new(false);
    let answered: u64 = std::thread::scope(|scope| {
        let drivers: Vec<_> = (0..4)
            .map(|seed| {
                let (port, stop) = (server.port(), &stop);
                scope.spawn(move || drive(port, seed, clients / 4, stop))
            })
            .collect();
        disturb(&server, &stop);
        drivers.into_iter().map(|driver| driver.join().unwrap()).sum()
    });
    assert!(answered > clients, "{answered} pipelines were answered");
    // All are gone but the one who asks, and nothing is lent any more.
    let mut admin = server.client();
    loop {
        let info: String = redis::cmd("INFO").arg("clients").query(&mut admin).unwrap();
        if info.contains("connected_clients:1\r") {
            break;
        }
    }
    // What the clients held is free again: without the keys there is hardly more than at the start.
    redis::cmd("FLUSHALL").exec(&mut admin).unwrap();
    while info_number(&mut admin, "lazyfree_pending_objects") > 0 {}
    let startup = info_number(&mut admin, "used_memory_startup");
    // Large strings, which are no objects, may still be with a thread that frees them.
    let is_free = (0..10_000).any(|_| info_number(&mut admin, "used_memory") < startup + KEPT_MAX);
    let used = info_number(&mut admin, "used_memory");
    assert!(is_free, "{used} bytes are in use, {startup} at the start");
}

//= security vk#4060: reply buffers that the main thread and an I/O thread would write at once
/// How many sockets each thread of a server has open, by the thread's name. An emulator has threads of its own.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn sockets_by_thread(pid: u32) -> Vec<(String, usize)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let count = |task: std::path::PathBuf| {
        let files = std::fs::read_dir(task.join("fd")).unwrap();
        let links = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
        let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:")).count();
        (std::fs::read_to_string(task.join("comm")).unwrap().trim_end().to_owned(), sockets)
    };
    tasks.map(|task| count(task.unwrap().path())).collect()
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn only_threads_that_use_files_share_them() {
    for (options, least) in [(&[][..], 1), (&ACTIVE, 4)] {
        let server = TestServer::start(options);
        let _: String = redis::cmd("PING").query(&mut server.client()).unwrap();
        let threads = sockets_by_thread(server.pid());
        let (with, without): (Vec<_>, Vec<_>) = threads.iter().partition(|(_, sockets)| *sockets > 0);
        assert!(with.len() >= least && !without.is_empty(), "{threads:?}");
        let helps = |name: &str| name == "memory" || name.starts_with("jemalloc");
        assert!(without.iter().all(|(name, _)| helps(name)), "{threads:?}");
        assert!(!with.iter().any(|(name, _)| helps(name)), "{threads:?}");
    }
}

#[test]
fn no_reply_is_lost_or_mixed() {
    soak(&ACTIVE);
}

#[test]
fn threads_that_come_with_the_load() {
    soak(&["--io-threads", "3"]);
}

#[test]
fn reads_writes_polls_and_frees_are_the_threads() {
    let server = TestServer::start(&ACTIVE);
    let mut admin = server.client();
    let value = vec![b'v'; 100_000];
    for _ in 0..50 {
        redis::cmd("SET").arg("k").arg(&value).exec(&mut admin).unwrap();
    }
    assert!(info_number(&mut admin, "io_threaded_reads_processed") >= 50);
    assert!(info_number(&mut admin, "io_threaded_writes_processed") >= 50);
    // They poll when results wait for the main thread at the end of its turn, as is soon so with many clients.
    let mut many: Vec<_> = (0..40).map(|_| server.raw()).collect();
    let has_polled = (0..1000).any(|_| {
        many.iter_mut().for_each(|client| client.send(b"PING\r\n"));
        many.iter_mut().for_each(|client| client.expect(b"+PONG\r\n"));
        info_number(&mut admin, "io_threaded_poll_processed") > 0
    });
    assert!(has_polled);
    assert!(info_number(&mut admin, "io_threaded_freed_objects") > 0);
    assert_eq!(info_number(&mut admin, "io_threads_active"), 1);
    redis::cmd("CONFIG").arg("SET").arg("io-threads").arg(1).exec(&mut admin).unwrap();
    let text: String = redis::cmd("INFO").arg("cpu").query(&mut admin).unwrap();
    assert!(!text.contains("used_active_time_io_thread_1"), "{text}");
    let before = info_number(&mut admin, "io_threaded_reads_processed");
    let got: Vec<u8> = redis::cmd("GET").arg("k").query(&mut admin).unwrap();
    assert_eq!(got, value);
    assert_eq!(info_number(&mut admin, "io_threaded_reads_processed"), before);
}

/// Between its requests a client is with the threads; whoever has to do with it finds it there.
#[test]
fn who_rests_is_found() {
    let server = TestServer::start(&ACTIVE);
    let mut admin = server.client();
    let mut ask = |command: &[&str]| -> String {
        let value: redis::Value = redis::cmd(command[0]).arg(&command[1..]).query(&mut admin).unwrap();
        redis::from_redis_value(value).unwrap_or_default()
    };
    let mut resting = server.raw();
    resting.ask(b"CLIENT SETNAME resting\r\n", b"+OK\r\n");
    for round in 1..=20usize {
        resting.ask(b"PING\r\n", b"+PONG\r\n");
        let (got, sent) = (24 + 6 * round, 5 + 7 * round);
        let sums = format!("tot-net-in={got} tot-net-out={sent} tot-cmds={}\n", 1 + round);
        // The reply comes before the thread has done with the client.
        assert!((0..10_000).any(|_| ask(&["CLIENT", "LIST", "NAME", "resting"]).ends_with(&sums)), "{sums}");
    }
    resting.ask(b"SUBSCRIBE news\r\n", b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    for _ in 0..20 {
        assert_eq!(ask(&["PUBLISH", "news", "x"]), "1");
        resting.expect(b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n");
    }
    resting.ask(b"UNSUBSCRIBE\r\n", b"*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n");
    // A limit that is changed holds for what is read next.
    ask(&["CONFIG", "SET", "proto-max-bulk-len", "1mb"]);
    resting.send(b"*2\r\n$4\r\nECHO\r\n$2000000\r\n");
    assert_eq!(resting.until_closed(), b"-ERR Protocol error: invalid bulk length\r\n");
    let mut killed = server.raw();
    killed.ask(b"CLIENT SETNAME killed\r\n", b"+OK\r\n");
    assert_eq!(ask(&["CLIENT", "KILL", "NAME", "killed"]), "1");
    assert_eq!(killed.until_closed(), b"");
    // One that goes away by itself is noticed.
    drop(server.raw());
    drop(server.client());
    let is_alone = (0..10_000).any(|_| ask(&["INFO", "clients"]).contains("connected_clients:1\r\n"));
    assert!(is_alone);
}

/// A value that shows whether it is whole: its first byte says how long it is, and all are the same.
fn whole_value(rng: &mut Rng) -> Vec<u8> {
    let mark = b'a' + u8::try_from(rng.below(26)).unwrap();
    vec![mark; whole_len(mark)]
}

fn whole_len(mark: u8) -> usize {
    usize::from(mark - b'a') * 20 + 30
}

/// Overwrites and removes the keys that others read.
fn change(server: &TestServer, seed: u64, stop: &AtomicBool) {
    let (mut rng, mut client) = (Rng::new(seed), server.client());
    while !stop.load(Ordering::Relaxed) {
        let mut pipe = redis::pipe();
        for _ in 0..20 {
            let key = format!("whole:{}", rng.below(8));
            match rng.below(40) {
                0 => pipe.cmd("FLUSHALL"),
                1 => pipe.cmd("SWAPDB").arg(0).arg(1),
                2..6 => pipe.cmd("DEL").arg(key),
                6..10 => pipe.cmd("EXPIRE").arg(key).arg(100),
                10..14 => pipe.cmd("PERSIST").arg(key),
                _ => pipe.cmd("SET").arg(key).arg(whole_value(&mut rng)),
            };
        }
        pipe.exec(&mut client).unwrap();
    }
}

#[test]
fn values_are_whole_while_they_are_changed() {
    let server = TestServer::start(&ACTIVE);
    let (stop, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || change(server, seed, stop));
        }
        let read = || {
            let mut client = server.client();
            for _ in 0..300 {
                let mut pipe = redis::pipe();
                (0..8).for_each(|key| {
                    pipe.cmd("GET").arg(format!("whole:{key}"));
                });
                pipe.cmd("MGET").arg(&["whole:1", "whole:2", "whole:3"]);
                let mut replies: Vec<redis::Value> = pipe.query(&mut client).unwrap();
                let several: Vec<redis::Value> = redis::from_redis_value(replies.pop().unwrap()).unwrap();
                for value in replies.into_iter().chain(several) {
                    let value: Option<Vec<u8>> = redis::from_redis_value(value).unwrap();
                    let Some(value) = value else { continue };
                    assert_eq!(value.len(), whole_len(value[0]));
                    assert!(value.iter().all(|&byte| byte == value[0]));
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(read)).collect();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        stop.store(true, Ordering::Relaxed);
    });
    assert!(seen.load(Ordering::Relaxed) > 1000);
    let mut admin = server.client();
    redis::cmd("FLUSHALL").exec(&mut admin).unwrap();
    let is_free = (0..10_000).any(|_| info_number(&mut admin, "used_memory_dataset") < KEPT_MAX);
    assert!(is_free, "what was removed while it was lent is freed");
}

//= security Redis 8.10.1: CLIENT KILL of a connection that somebody else works on
#[test]
fn a_killed_client_gets_no_more_replies() {
    let server = TestServer::start(&ACTIVE);
    for _ in 0..100 {
        let mut victim = server.raw();
        victim.ask(b"CLIENT SETNAME victim\r\n", b"+OK\r\n");
        let mut killer = server.raw();
        victim.send(&b"PING\r\n".repeat(50));
        killer.ask(b"CLIENT KILL NAME victim\r\nPING\r\n", b":1\r\n+PONG\r\n");
        let got = victim.until_closed();
        assert!(b"+PONG\r\n".repeat(50).starts_with(&got));
    }
}
