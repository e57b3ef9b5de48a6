//! Clients that wait for streams: what they are told, and when.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Raw, TestServer};
use redis::cmd;

/// A client whose request waits by the time this returns.
fn waiting(server: &TestServer, request: &str) -> Raw {
    let mut raw = server.raw();
    raw.send(request.as_bytes());
    let mut watcher = server.client();
    while !cmd("INFO").arg("clients").query::<String>(&mut watcher).unwrap().contains("blocked_clients:1") {
        std::thread::yield_now();
    }
    raw
}

#[test]
fn dollar_is_the_last_id_of_the_first_run() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.send(b"XADD s 5-5 a b\r\n");
    raw.expect(b"$3\r\n5-5\r\n");
    let mut reader = waiting(&server, "XREAD BLOCK 0 STREAMS s $\r\n");
    // The key goes and comes back with an entry below what `$` stood for; only the next one is above.
    raw.send(b"DEL s\r\nXADD s 5-4 a b\r\nXADD s 5-6 c d\r\n");
    raw.expect(b":1\r\n$3\r\n5-4\r\n$3\r\n5-6\r\n");
    reader.expect(b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n5-6\r\n*2\r\n$1\r\nc\r\n$1\r\nd\r\n");
}

#[test]
fn a_group_that_goes_ends_the_wait() {
    const GONE: &str = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    let ends = [
        ("XGROUP DESTROY s g", GONE),
        ("DEL s", GONE),
        ("FLUSHALL", GONE),
        ("RENAME s t", GONE),
        ("SET s x", WRONG),
    ];
    for (end, told) in ends {
        let server = TestServer::start(&[]);
        let mut raw = server.raw();
        raw.send(b"XGROUP CREATE s g $ MKSTREAM\r\n");
        raw.expect(b"+OK\r\n");
        let mut reader = waiting(&server, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >\r\n");
        raw.send(format!("{end}\r\n").as_bytes());
        reader.expect(told.as_bytes());
    }
}

#[test]
fn a_wait_inside_a_transaction_is_none() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.send(b"MULTI\r\nXREAD BLOCK 0 STREAMS s $\r\nXADD s 1-1 a b\r\nEXEC\r\n");
    raw.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*-1\r\n$3\r\n1-1\r\n");
}
