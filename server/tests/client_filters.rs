//! CLIENT LIST and CLIENT KILL: which clients a filter means.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Raw, TestServer};

/// The names of the clients that CLIENT LIST tells of, sorted.
fn names(server: &TestServer, filter: &str) -> Vec<String> {
    let mut client = server.client();
    let mut list = redis::cmd("CLIENT");
    list.arg("LIST");
    for word in filter.split(' ') {
        list.arg(word);
    }
    let text: String = list.query(&mut client).unwrap();
    let name = |line: &str| line.split(' ').find_map(|field| field.strip_prefix("name=").map(str::to_owned));
    let mut names: Vec<String> = text.lines().filter_map(name).filter(|name| !name.is_empty()).collect();
    names.sort();
    names
}

fn named(mut raw: Raw, name: &str) -> Raw {
    raw.ask(format!("CLIENT SETNAME {name}\r\n").as_bytes(), b"+OK\r\n");
    raw
}

#[test]
fn types_tell_subscribers_from_others() {
    let server = TestServer::start(&[]);
    let _plain = named(server.raw(), "plain");
    let mut listener = named(server.raw(), "listener");
    assert_eq!(names(&server, "TYPE normal"), ["listener", "plain"]);
    listener.ask(b"SUBSCRIBE x\r\n", b"*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
    assert_eq!(names(&server, "TYPE normal"), ["plain"]);
    assert_eq!(names(&server, "TYPE pubsub"), ["listener"]);
    assert_eq!(names(&server, "NOT-TYPE normal"), ["listener"]);
    assert!(names(&server, "TYPE replica").is_empty());
    let killed: i64 =
        redis::cmd("CLIENT").arg("KILL").arg("NOT-TYPE").arg("normal").query(&mut server.client()).unwrap();
    assert_eq!(killed, 1);
    listener.until_closed();
}

#[test]
fn readonly_is_a_flag_until_readwrite_or_reset() {
    let server = TestServer::start(&[]);
    let mut raw = named(server.raw(), "reader");
    raw.ask(b"READONLY\r\n", b"+OK\r\n");
    assert_eq!(names(&server, "FLAGS r"), ["reader"]);
    assert!(names(&server, "FLAGS N").is_empty());
    raw.ask(b"READWRITE\r\n", b"+OK\r\n");
    assert_eq!(names(&server, "NOT-FLAGS r"), ["reader"]);
    raw.ask(b"READONLY\r\nRESET\r\nCLIENT SETNAME reader\r\n", b"+OK\r\n+RESET\r\n+OK\r\n");
    assert_eq!(names(&server, "FLAGS N"), ["reader"]);
}

#[test]
fn addresses_have_no_brackets() {
    let server = TestServer::start(&["--bind", "127.0.0.1", "-::1"]);
    let Ok(stream) = std::net::TcpStream::connect(("::1", server.port())) else {
        // A machine without the newer protocol has no such clients.
        return;
    };
    let _six = named(Raw { stream }, "six");
    let _four = named(server.raw(), "four");
    assert_eq!(names(&server, "IP ::1"), ["six"]);
    assert_eq!(names(&server, "NOT-IP ::1"), ["four"]);
    assert_eq!(names(&server, "IP 127.0.0.1"), ["four"]);
    assert!(names(&server, "IP [::1]").is_empty());
}
