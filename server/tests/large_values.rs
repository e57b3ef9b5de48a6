//! Large values are taken over with the buffers in which they came: nobody sees a difference, and nothing of them is kept too long.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Raw, TestServer, info_number, request};

/// Bytes that differ from place to place, and from seed to seed.
fn value(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| b'a' + u8::try_from((at * 7 + at / 251 + seed) % 26).unwrap()).collect()
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Sends a request in pieces of this length, so that each may be read alone.
fn send_split(raw: &mut Raw, bytes: &[u8], piece: usize) {
    bytes.chunks(piece).for_each(|piece| raw.send(piece));
}

#[test]
fn any_length_however_it_comes() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    let lens = [
        32_000, 32_768, 40_000, 65_500, 65_536, 65_536, 33_000, 100, 70_000, 600_000, 65_536, 3_000_000,
        40_000,
    ];
    for (seed, len) in lens.into_iter().cycle().take(3 * lens.len()).enumerate() {
        let value = value(len, seed);
        let set = request(&[b"SET", b"key", &value]);
        send_split(&mut raw, &set, [usize::MAX, 16_384, len / 2 + 20][seed / lens.len()]);
        raw.expect(b"+OK\r\n");
        raw.ask(b"GET key\r\n", &bulk(&value));
    }
}

#[test]
fn what_is_taken_over_is_a_value_like_any() {
    let server = TestServer::start(&[]);
    let (mut raw, mut other) = (server.raw(), server.raw());
    let mut bytes = value(100_000, 1);
    for _ in 0..3 {
        // The first of them teaches the server what to expect.
        raw.ask(&request(&[b"SET", b"key", &bytes]), b"+OK\r\n");
    }
    raw.ask(b"COPY key copy\r\n", b":1\r\n");
    raw.send(b"MEMORY USAGE key\r\n");
    let usage: usize = raw.line().trim_start_matches(':').parse().unwrap();
    assert!((100_000..101_000).contains(&usage), "{usage}");
    raw.ask(b"STRLEN key\r\nGETRANGE key 0 3\r\n", &[b":100000\r\n", &*bulk(&bytes[..4])].concat());
    other.ask(b"APPEND key !\r\nSETRANGE key 1 ??\r\n", b":100001\r\n:100001\r\n");
    raw.ask(b"GET copy\r\n", &bulk(&bytes));
    bytes.push(b'!');
    bytes[1..3].fill(b'?');
    raw.ask(b"GET key\r\n", &bulk(&bytes));
    other.ask(b"RENAME key new\r\nDEL copy\r\nSETRANGE new 99990 \"\"\r\n", b"+OK\r\n:1\r\n:100001\r\n");
    raw.ask(b"GET new\r\n", &bulk(&bytes));
}

#[test]
fn whoever_does_not_keep_it_leaves_it() {
    let server = TestServer::start(&[]);
    let (mut raw, mut other) = (server.raw(), server.raw());
    let bytes = value(80_000, 2);
    for round in 0..4 {
        raw.ask(&request(&[b"ECHO", &bytes]), &bulk(&bytes));
        raw.ask(&request(&[b"SETNX", b"taken", &bytes]), if round == 0 { b":1\r\n" } else { b":0\r\n" });
        raw.ask(&request(&[b"SET", b"taken", b"x"]), b"+OK\r\n");
        raw.ask(&request(&[b"GETSET", b"taken", &bytes]), &bulk(b"x"));
        raw.ask(&request(&[b"GETSET", b"taken", &bytes]), &bulk(&bytes));
        raw.ask(&request(&[b"MSET", b"a", &bytes, b"taken", &bytes]), b"+OK\r\n");
        raw.ask(&request(&[b"SETEX", b"timed", b"1000", &bytes]), b"+OK\r\n");
        raw.ask(&request(&[b"LPUSH", b"list", &bytes]), format!(":{}\r\n", round + 1).as_bytes());
        raw.ask(&request(&[b"GET", &bytes]), b"$-1\r\n");
        raw.ask(b"MULTI\r\n", b"+OK\r\n");
        raw.ask(&request(&[b"SET", b"multi", &bytes]), b"+QUEUED\r\n");
        raw.ask(b"EXEC\r\n", b"*1\r\n+OK\r\n");
        other.ask(b"CLIENT PAUSE 100000 WRITE\r\n", b"+OK\r\n");
        raw.send(&request(&[b"SET", b"paused", &bytes]));
        other.ask(b"EXISTS paused\r\nCLIENT UNPAUSE\r\n", b":0\r\n+OK\r\n");
        raw.expect(b"+OK\r\n");
        for key in ["taken", "a", "timed", "multi", "paused"] {
            other.ask(&request(&[b"GET", key.as_bytes()]), &bulk(&bytes));
        }
        other.ask(b"DEL paused\r\n", b":1\r\n");
    }
}

#[test]
fn large_and_small_requests_in_one_pipeline() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    for round in 0..6 {
        let (first, second) = (value(50_000 + round, round), value(33_000 + 7 * round, round + 1));
        let mut sent = Vec::new();
        sent.extend(request(&[b"SET", b"first", &first]));
        sent.extend(request(&[b"SET", b"second", &second]));
        sent.extend(b"GET second\r\nGET first\r\n");
        sent.extend(request(&[b"SET", b"second", &first]));
        let replies = [b"+OK\r\n+OK\r\n", &*bulk(&second), &*bulk(&first), b"+OK\r\n"].concat();
        send_split(&mut raw, &sent, [usize::MAX, 9_999, 70_000][round % 3]);
        raw.expect(&replies);
        raw.ask(
            b"GET second\r\nSTRLEN first\r\n",
            &[&*bulk(&first), format!(":{}\r\n", 50_000 + round).as_bytes()].concat(),
        );
    }
}

#[test]
fn nothing_is_kept_when_it_is_gone() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    let used = |client: &mut redis::Connection| info_number(client, "used_memory");
    let before = used(&mut client);
    let mut raws: Vec<Raw> = (0..20).map(|_| server.raw()).collect();
    let bytes = value(200_000, 3);
    for round in 0..5 {
        for (number, raw) in raws.iter_mut().enumerate() {
            let key = format!("key:{}", number * (round + 1));
            raw.ask(&request(&[b"SET", key.as_bytes(), &bytes]), b"+OK\r\n");
        }
    }
    let keys: u64 = redis::cmd("DBSIZE").query(&mut client).unwrap();
    let full = used(&mut client) - before;
    assert!(full > keys * 200_000, "{full} bytes for {keys} keys");
    let () = redis::cmd("FLUSHALL").arg("SYNC").query(&mut client).unwrap();
    drop(raws);
    let mut left = 0;
    let is_free = (0..100_000).any(|_| {
        left = used(&mut client) - before;
        left < 1_000_000
    });
    assert!(is_free, "{left} bytes are left");
}
