//! Starts a built server for a test, on a port of its own, and ends it with the test. The load generator's tests use this
//! file, too.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A running server; it is killed and its folder removed when this is dropped.
pub(crate) struct TestServer {
    pub(super) child: Child,
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
}

impl TestServer {
    /// Starts what this gives for a port.
    pub(super) fn start_command(command: impl Fn(u16) -> Command) -> Self {
        // The system names a free port; should somebody else take it in between, another is tried.
        (0..20).find_map(|_| Self::try_start(&command)).expect("the server does not start")
    }

    fn try_start(command: impl Fn(u16) -> Command) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut child =
            command(port).current_dir(folder.path()).stdin(Stdio::null()).stdout(log).spawn().unwrap();
        loop {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                stream.write_all(b"PING\r\n").unwrap();
                if stream.read(&mut [0; 1]).is_ok_and(|count| count == 1) {
                    return Some(Self { child, folder, port });
                }
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
