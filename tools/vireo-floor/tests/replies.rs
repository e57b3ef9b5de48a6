//! The responder over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};

/// A running responder; it is killed when this is dropped.
struct Floor {
    child: Child,
    port: u16,
}

impl Floor {
    fn start(line: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vireo-floor"))
            .args(line.split_ascii_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let port = first.trim_end().strip_prefix("Listening on 127.0.0.1:").unwrap().parse().unwrap();
        Self { child, port }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert!(got == bytes, "{:?}", String::from_utf8_lossy(&got));
}

#[test]
fn as_many_replies_as_whole_requests() {
    let floor = Floor::start("--request-len 7 --reply +PONG");
    let (mut one, mut two) = (floor.connect(), floor.connect());
    // A request in pieces, between others of another client.
    one.write_all(b"123").unwrap();
    two.write_all(&[b'x'; 7 * 64]).unwrap();
    expect(&mut two, &b"+PONG\r\n".repeat(64));
    one.write_all(b"4567123").unwrap();
    expect(&mut one, b"+PONG\r\n");
    one.write_all(b"4567").unwrap();
    expect(&mut one, b"+PONG\r\n");
    // Nothing was sent too much: the end comes next.
    for stream in [&mut one, &mut two] {
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    }
    // Their places are taken by others, with accounts of their own.
    let mut three = floor.connect();
    three.write_all(b"1234567").unwrap();
    expect(&mut three, b"+PONG\r\n");
}

#[test]
fn a_client_that_reads_late_gets_everything() {
    let (requests, len) = (3_000, 10_000);
    let floor = Floor::start(&format!("--request-len 100 --value-len {len}"));
    let mut stream = floor.connect();
    // The replies, 30 MB, are more than sockets hold, and the requests more than one read.
    stream.write_all(&vec![b'x'; 100 * requests]).unwrap();
    let reply = [format!("${len}\r\n").as_bytes(), &vec![b'x'; len], b"\r\n"].concat();
    for _ in 0..requests {
        expect(&mut stream, &reply);
    }
    // What came before the end is answered though the end is known.
    stream.write_all(&[b'x'; 200]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest == reply.repeat(2), "{}", rest.len());
}

#[test]
fn what_a_load_generator_asks_first_is_an_error() {
    let floor = Floor::start("--request-len 1000");
    let mut stream = floor.connect();
    let ask = |name: &str| format!("*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n${}\r\n{name}\r\n", name.len());
    stream.write_all(format!("{}{}", ask("save"), ask("appendonly")).as_bytes()).unwrap();
    expect(&mut stream, &b"-ERR the floor has no configuration\r\n".repeat(2));
    stream.write_all(&[b'x'; 1000]).unwrap();
    expect(&mut stream, b"+OK\r\n");
}

#[test]
fn wrong_options_are_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_vireo-floor")).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("vireo-floor: --request-len is needed\n\nUsage: vireo-floor "), "{told}");
    assert_eq!(output.status.code(), Some(1));
}
