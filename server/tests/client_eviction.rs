//! What clients hold, as they and INFO tell it, and who goes when that is too much.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

extern crate alloc;

mod common;

use alloc::collections::BTreeMap;
use std::io::Write;

use common::{Raw, TestServer, info_number};
use redis::Connection;

fn run(client: &mut Connection, line: &str) {
    let mut words = line.split(' ');
    redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).exec(client).unwrap();
}

/// The lines of CLIENT LIST, field by field.
fn clients(client: &mut Connection) -> Vec<BTreeMap<String, String>> {
    let text: String = redis::cmd("CLIENT").arg("LIST").query(client).unwrap();
    let fields = |line: &str| {
        let pairs = line.split(' ').filter_map(|word| word.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    text.lines().map(fields).collect()
}

/// A number of the line of the client of this name; `None` when it is gone.
fn field(client: &mut Connection, name: &str, field: &str) -> Option<u64> {
    let line = clients(client).into_iter().find(|line| line["name"] == name)?;
    Some(line[field].parse().unwrap())
}

/// Asks until it is so: at the most some ten thousand times, which takes seconds.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    assert!((0..50_000).any(|_| done()), "{what}");
}

/// A client that has sent most of a request of about `len` bytes.
fn half_sent(server: &TestServer, control: &mut Connection, name: &str, len: usize) -> Raw {
    let mut raw = named(server, name);
    raw.send(format!("*2\r\n${len}\r\n").as_bytes());
    // It may be closed meanwhile.
    let _ = raw.stream.write_all(&vec![b'v'; len]);
    until("the request arrives", || field(control, name, "qbuf").is_none_or(|got| got == len as u64));
    raw
}

fn named(server: &TestServer, name: &str) -> Raw {
    let mut raw = server.raw();
    raw.ask(format!("CLIENT SETNAME {name}\r\n").as_bytes(), b"+OK\r\n");
    raw
}

fn control(server: &TestServer) -> Connection {
    let mut client = server.client();
    run(&mut client, "CLIENT NO-EVICT ON");
    run(&mut client, "CLIENT SETNAME control");
    client
}

const THREADS: [&str; 4] = ["--io-threads", "3", "--io-threads-always-active", "yes"];

//= valkey 9.1 CLIENT LIST: tot-mem counts the room for an argument whose length is told, whether it has come or not
#[test]
fn what_is_told_to_come_counts() {
    let server = TestServer::start(&[]);
    let mut control = server.client();
    let mut teller = server.raw();
    teller.ask(b"CLIENT SETNAME teller\r\n", b"+OK\r\n");
    teller.send(b"*2\r\n$4\r\nECHO\r\n$300000\r\nonly this");
    let memory = || -> usize {
        let list: String =
            redis::cmd("CLIENT").arg("LIST").arg("NAME").arg("teller").query(&mut control).unwrap();
        let (_, rest) = list.split_once("tot-mem=").unwrap();
        rest.split_once(' ').unwrap().0.parse().unwrap()
    };
    let seen = core::iter::repeat_with(memory).take(10_000).find(|&bytes| bytes > 300_000);
    assert!(seen.is_some_and(|bytes| bytes < 320_000), "{seen:?}");
}

#[test]
fn the_largest_go_first_and_no_more_than_must() {
    for options in [&[][..], &THREADS] {
        let server = TestServer::start(options);
        let mut control = control(&server);
        let mut kept = Vec::new();
        let sizes = [100_000, 500_000, 2_000_000];
        for (index, size) in sizes.iter().enumerate() {
            for _ in 0..3 {
                kept.push(half_sent(&server, &mut control, &format!("size{index}"), *size));
            }
        }
        let held: Vec<u64> =
            (0..3).map(|index| field(&mut control, &format!("size{index}"), "tot-mem").unwrap()).collect();
        for (held, size) in held.iter().zip(sizes) {
            // Room is made for what was announced, once most of it is there, and no more.
            assert!((size as u64..size as u64 + 5000).contains(held), "{held} for {size}");
        }
        let mut limit = field(&mut control, "control", "tot-mem").unwrap() + 3 * held.iter().sum::<u64>();
        // The smallest three are below what every limit leaves.
        for index in (1..3).rev() {
            limit -= 3 * held[index];
            run(&mut control, &format!("CONFIG SET maxmemory-clients {limit}"));
            let left: Vec<String> = clients(&mut control).iter().map(|line| line["name"].clone()).collect();
            for other in 0..3 {
                let count = left.iter().filter(|name| **name == format!("size{other}")).count();
                assert_eq!(count, if other < index { 3 } else { 0 }, "size{other} below {limit}: {left:?}");
            }
        }
        assert_eq!(info_number(&mut control, "evicted_clients"), 6);
        for mut raw in kept.drain(3..) {
            assert_eq!(raw.until_closed(), b"");
        }
        run(&mut control, "CONFIG RESETSTAT");
        assert_eq!(info_number(&mut control, "evicted_clients"), 0);
    }
}

#[test]
fn who_may_not_be_evicted_stays() {
    let server = TestServer::start(&["--maxmemory-clients", "1mb"]);
    let mut control = control(&server);
    let mut raw = named(&server, "kept");
    raw.ask(b"CLIENT NO-EVICT ON\r\n", b"+OK\r\n");
    raw.send(format!("*2\r\n$4\r\nECHO\r\n${}\r\n", 3_000_000).as_bytes());
    raw.send(&vec![b'v'; 2_999_999]);
    until("the request arrives", || field(&mut control, "kept", "qbuf") == Some(2_999_999));
    // It counts all the same: others go for it, but not those that hold less than there is to win.
    assert!(info_number(&mut control, "mem_clients_normal") > 3_000_000);
    assert!(field(&mut control, "kept", "tot-mem").unwrap() > 3_000_000);
    raw.send(b"v\r\n");
    raw.expect(b"$3000000\r\n");
    let echoed = raw.take(3_000_002);
    assert_eq!(echoed.len(), 3_000_002);
    run(&mut control, "CONFIG SET maxmemory-clients 0");
    raw.ask(b"CLIENT NO-EVICT OFF\r\n", b"+OK\r\n");
    raw.ask(b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn one_that_is_too_much_goes_before_its_next_command_runs() {
    for options in [&[][..], &THREADS] {
        let server = TestServer::start(options);
        let mut control = control(&server);
        run(&mut control, "CONFIG SET maxmemory-clients 1mb");
        let mut raw = named(&server, "queuing");
        let mut pipeline = b"INCR done\r\nMULTI\r\n".to_vec();
        for _ in 0..12 {
            pipeline.extend_from_slice(
                format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n{}\r\n", "x".repeat(100_000)).as_bytes(),
            );
        }
        pipeline.extend_from_slice(b"INCR never\r\nEXEC\r\nINCR never\r\n");
        let _ = raw.stream.write_all(&pipeline);
        let answers = raw.until_closed();
        assert!(!answers.windows(2).any(|pair| pair == b"*1"), "EXEC ran");
        let mut get = |key: &str| redis::cmd("GET").arg(key).query::<Option<u64>>(&mut control).unwrap();
        assert_eq!((get("done"), get("never"), get("k")), (Some(1), None, None));
        assert_eq!(info_number(&mut control, "evicted_clients"), 1);
    }
}

#[test]
fn replies_that_nobody_reads_count() {
    for options in [&[][..], &THREADS] {
        let server = TestServer::start(options);
        let mut control = control(&server);
        // Copied replies; those that are sent from where they lie come below.
        for directive in ["", "-threaded"] {
            run(&mut control, &format!("CONFIG SET min-string-size-avoid-copy-reply{directive} 0"));
        }
        run(&mut control, "SETRANGE k 200000 v");
        run(&mut control, "CONFIG SET maxmemory-clients 3mb");
        let mut raw = named(&server, "idle");
        let mut seen = 0;
        until("it is evicted", || {
            let _ = raw.stream.write_all(b"GET k\r\n");
            let Some(held) = field(&mut control, "idle", "tot-mem") else { return true };
            assert!(held < 3 << 20, "{held}");
            seen = seen.max(field(&mut control, "idle", "omem").unwrap_or(0));
            false
        });
        assert!(seen > 1_000_000, "{seen}");
        assert_eq!(info_number(&mut control, "evicted_clients"), 1);
        until("its memory is given back", || info_number(&mut control, "mem_clients_normal") < 200_000);
        for directive in ["", "-threaded"] {
            run(&mut control, &format!("CONFIG SET min-string-size-avoid-copy-reply{directive} 16384"));
        }
        let mut raw = named(&server, "idle");
        until("it is evicted", || {
            let _ = raw.stream.write_all(b"GET k\r\n");
            field(&mut control, "idle", "tot-mem").is_none()
        });
        // The value was not the client's alone.
        assert_eq!(redis::cmd("STRLEN").arg("k").query::<u64>(&mut control).unwrap(), 200_001);
    }
}

#[test]
fn listeners_go_before_a_long_pipeline_is_over() {
    for options in [&[][..], &THREADS] {
        let server = TestServer::start(options);
        let mut control = control(&server);
        run(&mut control, "CONFIG SET maxmemory-clients 4mb");
        let mut listener = named(&server, "listener");
        listener.ask(b"SUBSCRIBE c\r\n", b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
        let mut pipe = redis::pipe();
        for _ in 0..400 {
            pipe.cmd("PUBLISH").arg("c").arg("x".repeat(100_000)).ignore();
        }
        pipe.exec(&mut control).unwrap();
        until("it is evicted", || field(&mut control, "listener", "id").is_none());
        assert_eq!(info_number(&mut control, "evicted_clients"), 1);
        // At no time were there forty megabytes.
        assert!(info_number(&mut control, "used_memory_peak") < 30_000_000);
    }
}

#[test]
fn a_share_follows_maxmemory() {
    let server = TestServer::start(&["--maxmemory-clients", "10%"]);
    let mut control = control(&server);
    let _first = half_sent(&server, &mut control, "first", 1_000_000);
    assert!(field(&mut control, "first", "qbuf").is_some());
    run(&mut control, "CONFIG SET maxmemory 100mb");
    assert!(field(&mut control, "first", "qbuf").is_some());
    run(&mut control, "CONFIG SET maxmemory 9mb");
    assert!(field(&mut control, "first", "qbuf").is_none());
    assert_eq!(info_number(&mut control, "evicted_clients"), 1);
    run(&mut control, "CONFIG SET maxmemory 0");
    let _second = half_sent(&server, &mut control, "second", 2_000_000);
    assert!(field(&mut control, "second", "qbuf").is_some());
}

#[test]
fn a_large_buffer_that_was_given_back_is_not_asked_for_again() {
    for options in [&[][..], &THREADS] {
        let server = TestServer::start(options);
        let mut control = control(&server);
        let free = |control: &mut Connection| field(control, "was-large", "qbuf-free").unwrap();
        let mut client = named(&server, "was-large");
        client
            .send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n{}\r\n", "x".repeat(100_000)).as_bytes());
        client.expect(b"+OK\r\n");
        client.ask(b"PING\r\n", b"+PONG\r\n");
        until("it is given back", || free(&mut control) < 100_000);
        client.ask(b"PING\r\n", b"+PONG\r\n");
        assert!(free(&mut control) < 100_000);
    }
}

#[test]
fn what_clients_hold_is_told() {
    for options in [&[][..], &THREADS] {
        let server = TestServer::start(options);
        let mut control = control(&server);
        let _idle = named(&server, "idle");
        assert_eq!(field(&mut control, "idle", "rbs"), Some(0));
        assert!(field(&mut control, "idle", "tot-mem").unwrap() < 8000);
        let _half = half_sent(&server, &mut control, "half", 300_000);
        let held = field(&mut control, "half", "tot-mem").unwrap();
        let free = field(&mut control, "half", "qbuf-free").unwrap();
        assert!(held >= 300_000 + free && held < 306_000 + free, "{held} with {free} free");
        let mut queuing = named(&server, "queuing");
        queuing.ask(b"MULTI\r\nSET a b\r\n", b"+OK\r\n+QUEUED\r\n");
        let small = field(&mut control, "queuing", "multi-mem").unwrap();
        queuing
            .send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50000\r\n{}\r\n", "x".repeat(50_000)).as_bytes());
        queuing.expect(b"+QUEUED\r\n");
        let large = field(&mut control, "queuing", "multi-mem").unwrap();
        assert!((50_000..51_000).contains(&(large - small)), "{small}, then {large}");
        let mut watching = named(&server, "watching");
        watching.ask(b"WATCH aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b c\r\n", b"+OK\r\n");
        let mut listening = named(&server, "listening");
        let before = field(&mut control, "listening", "tot-mem").unwrap();
        let names: String = (0..200).map(|index| format!(" channel:{index}")).collect();
        listening.send(format!("SUBSCRIBE{names}\r\n").as_bytes());
        until("it listens", || field(&mut control, "listening", "sub") == Some(200));
        let after = field(&mut control, "listening", "tot-mem").unwrap();
        assert!(after - before > 200 * 50, "{before}, then {after}");
        // The sum is what INFO tells, once the periodic walk has been round.
        until("INFO tells the sum", || {
            let told = info_number(&mut control, "mem_clients_normal");
            let sum: u64 =
                clients(&mut control).iter().map(|line| line["tot-mem"].parse::<u64>().unwrap()).sum();
            told.abs_diff(sum) < 20_000 && told > 300_000
        });
    }
}

#[test]
fn buckets_are_told() {
    let server = TestServer::start(&[]);
    let mut control = control(&server);
    let error = redis::cmd("DEBUG").arg("CLIENT-EVICTION").exec(&mut control).unwrap_err();
    assert!(error.to_string().contains("maxmemory-clients is disabled"), "{error}");
    run(&mut control, "CONFIG SET maxmemory-clients 100mb");
    let _half = half_sent(&server, &mut control, "half", 300_000);
    let text: String = redis::cmd("DEBUG").arg("CLIENT-EVICTION").query(&mut control).unwrap();
    let line = text.lines().find(|line| line.starts_with("bucket     262144 -     524287: ")).unwrap();
    assert!(line.ends_with(", clients: 1"), "{text}");
}

#[test]
fn a_reply_beyond_its_limit_is_not_begun() {
    let server = TestServer::start(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut control = control(&server);
    run(&mut control, "HSET hash f v");
    run(&mut control, "SADD set m");
    run(&mut control, "ZADD zset 1 m");
    for (index, command) in ["HRANDFIELD hash", "SRANDMEMBER set", "ZRANDMEMBER zset"].iter().enumerate() {
        let mut raw = server.raw();
        raw.send(format!("{command} -999999999\r\n").as_bytes());
        assert_eq!(raw.until_closed(), b"", "{command}");
        let told = info_number(&mut control, "client_output_buffer_limit_disconnections");
        assert_eq!(told, index as u64 + 1, "{command}");
    }
    assert!(info_number(&mut control, "used_memory_peak") < 600 << 20);
}
