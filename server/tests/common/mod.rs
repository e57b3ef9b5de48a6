//! The built server in a test, and connections to it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses part of this, and a test may panic"
)]

use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

mod start;

pub(crate) use self::start::TestServer;

impl TestServer {
    /// Starts a server with a configuration file, which must not name a port.
    pub(crate) fn start_with_file(path: &str) -> Self {
        Self::start(&[path])
    }

    /// Starts a server with further options, in the order given; a configuration file comes first.
    ///
    /// Further options for every server come from the environment: the same tests run with I/O threads, for one.
    pub(crate) fn start(options: &[&str]) -> Self {
        let more = std::env::var("VIREO_TEST_OPTIONS").unwrap_or_default();
        let (file, options) = match options {
            [file, rest @ ..] if !file.starts_with("--") => (Some(file), rest),
            all => (None, all),
        };
        Self::start_command(|port| {
            let mut command = server_command();
            command
                .args(file)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--enable-debug-command", "yes"])
                .args(more.split_whitespace())
                .args(options);
            command
        })
    }

    /// Its process number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lowers how many descriptors the server may open. Elsewhere no process can do that to another.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_descriptors(&self, count: u64) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let limit = rustix::process::Rlimit { current: Some(count), maximum: Some(count) };
        rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).unwrap();
    }

    /// A connection of the client library's.
    pub(crate) fn client(&self) -> redis::Connection {
        redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap().get_connection().unwrap()
    }

    /// A bare connection.
    pub(crate) fn raw(&self) -> Raw {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream }
    }
}

/// The server that was built with these tests, or, from the environment, another machine's and what runs it here.
pub(crate) fn server_command() -> Command {
    let asked = std::env::var("VIREO_TEST_SERVER").unwrap_or_default();
    let mut words = asked.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(env!("CARGO_BIN_EXE_vireo-server")));
    command.args(words);
    command
}

/// A bare connection that sends and expects bytes.
pub(crate) struct Raw {
    pub stream: TcpStream,
}

impl Raw {
    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads exactly as many bytes as expected and compares.
    pub(crate) fn expect(&mut self, expected: &[u8]) {
        let mut got = vec![0; expected.len()];
        self.stream.read_exact(&mut got).unwrap_or_else(|error| {
            panic!("{error} while waiting for {:?}", String::from_utf8_lossy(expected));
        });
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(expected));
    }

    /// Reads so many bytes, or as many as come within a second.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        self.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut got = Vec::new();
        while got.len() < len {
            let mut piece = vec![0; len - got.len()];
            match self.stream.read(&mut piece) {
                Ok(count) if count > 0 => got.extend_from_slice(&piece[..count]),
                _ => break,
            }
        }
        got
    }

    /// Reads a line without its end: a reply without parts of its own, or the head of one that has some.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = self.take(1);
            assert!(!byte.is_empty(), "no more than {:?} came", line.escape_ascii().to_string());
            line.extend(byte);
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    /// Sends a request and compares the reply.
    pub(crate) fn ask(&mut self, request: &[u8], reply: &[u8]) {
        self.send(request);
        self.expect(reply);
    }

    /// Reads until the server closes the connection.
    pub(crate) fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("the connection stays open: {error}"),
        }
    }
}

/// A field of INFO.
pub(crate) fn info(client: &mut redis::Connection, name: &str) -> String {
    let text: String = redis::cmd("INFO").arg("everything").query(client).unwrap();
    let field = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

/// A field of INFO that is a number.
pub(crate) fn info_number(client: &mut redis::Connection, name: &str) -> u64 {
    info(client, name).parse().unwrap()
}

/// A request as it goes over the wire.
pub(crate) fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
