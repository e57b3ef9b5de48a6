//! Clients that mean harm or are broken: malformed, oversized, slow, half-closed, never reading, in numbers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use common::{TestServer, request};

/// Resident memory of a process, bytes.
fn rss(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn malformed_requests_are_told_and_closed() {
    let server = TestServer::start(&[]);
    let cases: [(&[u8], &[u8]); 8] = [
        (b"*abc\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n:5\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$99999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$abc\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"SET \"unbalanced\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"*1\r\n\r\n", b"-ERR Protocol error: expected '$', got '\r"),
    ];
    for (request, reply) in cases {
        let mut raw = server.raw();
        raw.send(request);
        let got = raw.until_closed();
        let shown = String::from_utf8_lossy(&got).into_owned();
        assert!(
            got.starts_with(reply) || got.starts_with(b"-ERR Protocol error: expected '$', got ' "),
            "{shown}"
        );
    }
    server.raw().ask(b"PING\r\n", b"+PONG\r\n");
}

//= security CVE-2025-46686: huge multibulk headers reserve no memory before data comes
#[test]
fn announced_lengths_reserve_nothing() {
    let server = TestServer::start(&[]);
    let before = rss(server.pid());
    let mut held = Vec::new();
    for _ in 0..500 {
        let mut raw = server.raw();
        raw.send(b"*1048576\r\n$500000000\r\nabc");
        held.push(raw);
    }
    server.raw().ask(b"PING\r\n", b"+PONG\r\n");
    let grown = rss(server.pid()).saturating_sub(before);
    assert!(grown < 64 << 20, "500 announcements took {grown} bytes");
}

//= security CVE-2025-21605: clients that never authenticate and never read have bounded output
#[test]
fn unauthenticated_clients_that_never_read_are_bounded() {
    let server = TestServer::start(&["--requirepass", "secret"]);
    let before = rss(server.pid());
    let mut closed = 0;
    for _ in 0..4 {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_write_timeout(Some(core::time::Duration::from_secs(20))).unwrap();
        let flood = b"GET k\r\n".repeat(10_000);
        // Each request is answered by a longer error that nobody reads; the server must end it.
        if (0..5000).any(|_| stream.write_all(&flood).is_err()) {
            closed += 1;
        }
    }
    assert_eq!(closed, 4, "such clients are disconnected");
    let grown = rss(server.pid()).saturating_sub(before);
    assert!(grown < 64 << 20, "grew by {grown} bytes");
    let mut raw = server.raw();
    raw.ask(b"AUTH secret\r\n", b"+OK\r\n");
}

#[test]
fn unauthenticated_requests_are_small() {
    let server = TestServer::start(&["--requirepass", "secret"]);
    let mut raw = server.raw();
    raw.send(b"*100\r\n");
    assert_eq!(raw.until_closed(), b"-ERR Protocol error: unauthenticated multibulk length\r\n");
    let mut raw = server.raw();
    raw.send(b"*1\r\n$100000000\r\n");
    assert_eq!(raw.until_closed(), b"-ERR Protocol error: unauthenticated bulk length\r\n");
}

#[test]
fn a_query_buffer_has_its_limit() {
    let server = TestServer::start(&["--client-query-buffer-limit", "1mb"]);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"*2\r\n$4\r\nECHO\r\n$400000000\r\n").unwrap();
    let piece = vec![b'x'; 1 << 20];
    let ended = (0..64).any(|_| stream.write_all(&piece).is_err());
    assert!(ended, "the client is disconnected");
    server.raw().ask(b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn a_request_above_the_query_buffer_limit_never_runs() {
    let server = TestServer::start(&["--client-query-buffer-limit", "1mb"]);
    let value = vec![b'x'; 2 << 20];
    for _ in 0..20 {
        let mut raw = server.raw();
        let request = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2097152\r\n", value.as_slice(), b"\r\n"].concat();
        // The server may close before all is written.
        let _ = raw.stream.write_all(&request);
        assert_eq!(raw.until_closed(), b"");
    }
    // A pipeline of small requests may be larger than the limit.
    let mut raw = server.raw();
    let pings = b"*1\r\n$4\r\nPING\r\n".repeat(200_000);
    let (mut sent, mut answered) = (0, 0);
    raw.stream.set_nonblocking(true).unwrap();
    while answered < 200_000 * b"+PONG\r\n".len() {
        sent += raw.stream.write(&pings[sent..]).unwrap_or(0);
        answered += raw.stream.read(&mut [0; 65536]).unwrap_or(0);
    }
    raw.stream.set_nonblocking(false).unwrap();
    raw.ask(b"EXISTS k\r\n", b":0\r\n");
}

//= security CVE-2025-48367: an accept that fails does not starve those who are connected
#[cfg(target_os = "linux")]
#[test]
fn connections_beyond_the_descriptor_limit_starve_nobody() {
    let server = TestServer::start(&[]);
    let mut first = server.raw();
    first.ask(b"PING\r\n", b"+PONG\r\n");
    server.limit_descriptors(64);
    let held: Vec<TcpStream> =
        (0..200).filter_map(|_| TcpStream::connect(("127.0.0.1", server.port())).ok()).collect();
    for _ in 0..100 {
        first.ask(b"PING\r\n", b"+PONG\r\n");
    }
    drop(held);
    server.raw().ask(b"PING\r\n", b"+PONG\r\n");
}

//= security vk#4302: requests with missing arguments in a pipeline, whose keys are fetched ahead
//= security redis#14847: a count of keys that the request does not have
#[test]
fn wrong_arity_in_a_pipeline() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    let pipeline = b"*1\r\n$3\r\nGET\r\n*2\r\n$3\r\nSET\r\n$1\r\na\r\n*1\r\n$6\r\nMSETEX\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n";
    raw.send(&pipeline.repeat(40));
    for _ in 0..40 {
        raw.expect(b"-ERR wrong number of arguments for 'get' command\r\n");
        raw.expect(b"-ERR wrong number of arguments for 'set' command\r\n");
        raw.expect(b"-ERR wrong number of arguments for 'msetex' command\r\n");
        raw.expect(b"$-1\r\n");
    }
    for count in ["9", "2147483647", "9223372036854775807", "-1", "x"] {
        raw.ask(
            format!("COMMAND GETKEYS MSETEX {count} a b\r\n").as_bytes(),
            b"-ERR Invalid arguments specified for command\r\n",
        );
    }
}

//= security vk#2872: only CRLF ends a line
#[test]
fn a_bare_line_feed_ends_no_header() {
    let server = TestServer::start(&[]);
    for request in [&b"*1\n$4\nPING\n"[..], b"*1\r\n$4\nPING\r\n", b"*1\r\n$4\r\nPINGxx"] {
        let mut raw = server.raw();
        raw.send(request);
        raw.stream.shutdown(Shutdown::Write).unwrap();
        let got = raw.until_closed();
        assert!(!got.starts_with(b"+PONG"), "{}", String::from_utf8_lossy(&got));
    }
}

//= security vk#3847: a line end in a value puts no directive into the configuration file
#[test]
fn values_with_line_ends_stay_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vireo.conf");
    std::fs::write(&path, "# kept\n").unwrap();
    let server = TestServer::start_with_file(path.to_str().unwrap());
    let mut raw = server.raw();
    raw.ask(
        b"*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$17\r\na\nmaxclients 1\r\nb\r\n",
        b"+OK\r\n",
    );
    raw.ask(b"CONFIG REWRITE\r\n", b"+OK\r\n");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("maxclients 1")), "{text}");
    assert!(text.contains(r#"requirepass "a\nmaxclients 1\r\nb""#), "{text}");
}

#[test]
fn output_limits_end_a_client_that_does_not_read() {
    let server = TestServer::start(&["--client-output-buffer-limit", "normal 10mb 0 0"]);
    let mut raw = server.raw();
    let value = vec![b'v'; 1 << 20];
    raw.send(&[b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n", value.as_slice(), b"\r\n"].concat());
    raw.expect(b"+OK\r\n");
    raw.send(&b"GET k\r\n".repeat(100));
    let got = raw.until_closed();
    assert!(got.len() < 40 << 20, "{} bytes came", got.len());
    server.raw().ask(b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn slow_and_half_closed_clients_are_served() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    for byte in b"*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$5\r\nvalue\r\n" {
        raw.send(&[*byte]);
    }
    raw.expect(b"+OK\r\n");
    raw.send(b"GET slow\r\nPING\r\n");
    raw.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(raw.until_closed(), b"$5\r\nvalue\r\n+PONG\r\n");
}

#[test]
fn thousands_of_broken_clients_leave_nothing_behind() {
    let server = TestServer::start(&["--maxclients", "5000"]);
    let before = rss(server.pid());
    for round in 0..3 {
        let mut held: Vec<TcpStream> = Vec::new();
        for i in 0..800u32 {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            let bytes: &[u8] = match (i + round) % 5 {
                0 => b"*3\r\n$3\r\nSET\r\n$1000\r\nhalf",
                1 => b"*1\r\n$-5\r\n",
                2 => b"\x00\xff\xfe\r\n",
                3 => b"",
                _ => b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
            };
            let _ = stream.write_all(bytes);
            held.push(stream);
        }
        server.raw().ask(b"PING\r\n", b"+PONG\r\n");
    }
    let mut raw = server.raw();
    // All are dropped by now; the server sees each end and keeps only this client.
    loop {
        raw.send(b"INFO clients\r\n");
        let mut text = vec![0; 65536];
        let count = raw.stream.read(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text[..count]).into_owned();
        if text.contains("connected_clients:1\r") {
            break;
        }
    }
    let grown = rss(server.pid()).saturating_sub(before);
    assert!(grown < 48 << 20, "grew by {grown} bytes");
}

#[test]
fn more_clients_than_allowed_are_told() {
    let server = TestServer::start(&["--maxclients", "10"]);
    let mut held = Vec::new();
    let refused = (0..40).find_map(|_| {
        let mut raw = server.raw();
        raw.send(b"PING\r\n");
        let mut first = [0; 1];
        let count = raw.stream.read(&mut first).unwrap_or(0);
        if count == 1 && first[0] == b'+' {
            raw.expect(b"PONG\r\n");
            held.push(raw);
            return None;
        }
        Some([&first[..count], &raw.until_closed()].concat())
    });
    assert_eq!(refused.as_deref(), Some(b"-ERR max number of clients reached\r\n".as_slice()));
    assert_eq!(held.len(), 10);
}

//= security CVE-2024-31228: patterns with many stars take bounded time and no recursion
#[test]
fn patterns_are_bounded() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    let key = "a".repeat(20_000);
    raw.ask(format!("*3\r\n$3\r\nSET\r\n$20000\r\n{key}\r\n$1\r\nv\r\n").as_bytes(), b"+OK\r\n");
    let pattern = "*?".repeat(5_000) + "b";
    raw.ask(&request(&[b"KEYS", pattern.as_bytes()]), b"*0\r\n");
    let mut listener = server.raw();
    let subscribed = format!("*3\r\n$10\r\npsubscribe\r\n${}\r\n{pattern}\r\n:1\r\n", pattern.len());
    listener.ask(&request(&[b"PSUBSCRIBE", pattern.as_bytes()]), subscribed.as_bytes());
    raw.ask(&request(&[b"PUBLISH", key.as_bytes(), b"m"]), b":0\r\n");
}

//= security CVE-2026-27623: empty requests before a command leave no state behind
#[test]
fn empty_requests_are_skipped() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"\r\n*0\r\n*-1\r\n\r\nPING\r\n*0\r\n*1\r\n$4\r\nPING\r\n", b"+PONG\r\n+PONG\r\n");
}
