//! Holds replies against transcripts of the reference's, byte for byte (`ci/transcripts` writes them).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::TestServer;

/// The bytes of a line of a reply.
fn bytes_of(line: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), line);
    while let Some((plain, escaped)) = rest.split_once("\\x") {
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(&escaped[..2], 16).unwrap());
        rest = &escaped[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Sends each request and compares its reply; with and without I/O threads.
fn replay(transcript: &str) {
    replay_with(transcript, &[]);
    replay_with(transcript, &["--io-threads", "3", "--io-threads-always-active", "yes"]);
}

fn replay_with(transcript: &str, options: &[&str]) {
    let server = TestServer::start(options);
    let mut raw = server.raw();
    let mut lines = transcript.lines().filter(|line| !line.starts_with('#')).peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let request = line.strip_prefix("> ").unwrap();
        let mut expected = Vec::new();
        while let Some(reply) = lines.next_if(|line| !line.starts_with("> ")) {
            expected.extend_from_slice(&bytes_of(reply));
            expected.extend_from_slice(b"\r\n");
        }
        // The next reply begins where this one must end.
        raw.send(format!("{request}\r\nECHO end\r\n").as_bytes());
        let wanted = [expected.as_slice(), b"$3\r\nend\r\n"].concat();
        assert_eq!(
            raw.take(wanted.len()).escape_ascii().to_string(),
            wanted.escape_ascii().to_string(),
            "{request}"
        );
        count += 1;
    }
    assert!(count > 40, "{count} requests");
}

#[test]
fn strings() {
    replay(include_str!("transcripts/string.txt"));
}

#[test]
fn keys_and_expiry() {
    replay(include_str!("transcripts/generic.txt"));
}

#[test]
fn connections() {
    replay(include_str!("transcripts/connection.txt"));
}

#[test]
fn server_commands() {
    replay(include_str!("transcripts/server.txt"));
}

#[test]
fn lists() {
    replay(include_str!("transcripts/list.txt"));
}

#[test]
fn streams() {
    replay(include_str!("transcripts/stream.txt"));
}

#[test]
fn bits() {
    replay(include_str!("transcripts/bits.txt"));
}

#[test]
fn sorting() {
    replay(include_str!("transcripts/sort.txt"));
}

#[test]
fn digests() {
    replay(include_str!("transcripts/digest.txt"));
}
