//! Starts a built server for a test, on a port of its own, and ends it with the test. The load generator's tests use this
//! file, too.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};

/// A running server; it is killed and its folder removed when this is dropped.
pub(crate) struct TestServer {
    pub(super) child: Child,
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
    /// Keeps the port from other tests, in this process and others.
    _reserved: UdpSocket,
}

/// Whether a server listens. A connection to a port where nobody does may meet itself.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.local_addr().unwrap().port() != port
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read(&mut [0; 1]).is_ok_and(|count| count == 1)
}

impl TestServer {
    /// Starts what this gives for a port.
    pub(super) fn start_command(command: impl Fn(u16) -> Command) -> Self {
        // Should a connection take the port before the server listens, another is tried.
        (0..20).find_map(|_| Self::try_start(&command)).expect("the server does not start")
    }

    fn try_start(command: impl Fn(u16) -> Command) -> Option<Self> {
        // A port that was free a moment ago would be given to a second test as well, which then reached this one's
        // server. Nobody gets a datagram port twice.
        let reserved = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = reserved.local_addr().unwrap();
        let port = addr.port();
        drop(TcpListener::bind(addr).ok()?);
        let folder = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut child =
            command(port).current_dir(folder.path()).stdin(Stdio::null()).stdout(log).spawn().unwrap();
        loop {
            if answers(port) {
                return Some(Self { child, folder, port, _reserved: reserved });
            }
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::yield_now();
        }
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
    }
}
