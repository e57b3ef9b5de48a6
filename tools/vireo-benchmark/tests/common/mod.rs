//! Starts the built server and the built load generator for a test.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "each test file uses part of this, and a test may panic"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

#[path = "../../../../server/tests/common/start.rs"]
mod start;

pub(crate) use self::start::TestServer;

/// The server's program: the one that was built beside the load generator, or one built now.
fn server_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("VIREO_SERVER") {
            return path.into();
        }
        let folder = Path::new(env!("CARGO_BIN_EXE_vireo-benchmark")).parent().unwrap();
        let program = folder.join("vireo-server");
        if !program.exists() {
            let profile = match folder.file_name().unwrap().to_str().unwrap() {
                "debug" => "dev",
                other => other,
            };
            let built = Command::new(env!("CARGO"))
                .args(["build", "--package", "vireo-server", "--no-default-features", "--profile", profile])
                .arg("--target-dir")
                .arg(folder.parent().unwrap())
                .status()
                .unwrap();
            assert!(built.success() && program.exists(), "the server was not built: {}", program.display());
        }
        program
    })
}

impl TestServer {
    /// Starts a server with further options.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_command(|port| {
            let mut command = Command::new(server_program());
            command
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--unixsocket", "socket"])
                .args(options);
            command
        })
    }

    /// Its unix socket.
    pub(crate) fn socket(&self) -> String {
        self.folder.path().join("socket").to_str().unwrap().to_owned()
    }

    /// Sends an inline request and returns the reply: a line, or a string's bytes.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("{request}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.strip_suffix("+OK\r\n").unwrap().trim_end().to_owned()
    }

    /// How often a command was called.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats = self.ask("INFO commandstats");
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    /// A number of INFO.
    pub(crate) fn info(&self, name: &str) -> u64 {
        let all = self.ask("INFO");
        let line = all.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap().parse().unwrap()
    }

    /// Runs the load generator against it.
    pub(crate) fn load(&self, line: &str) -> Run {
        load(&format!("-p {} {line}", self.port))
    }

    /// Runs it and reads its results.
    pub(crate) fn results(&self, line: &str) -> serde_json::Value {
        results(&format!("-p {} {line}", self.port))
    }
}

/// What the load generator did.
#[derive(Debug)]
pub(crate) struct Run {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
    }
}

impl Run {
    /// It ended well and had nothing to complain of.
    pub(crate) fn well(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// It failed with these words last.
    pub(crate) fn failed(&self, words: &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.err.trim_end().ends_with(words), "{words}\nin\n{}", self.err);
    }
}

/// The load generator with some arguments; words are separated by spaces.
pub(crate) fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vireo-benchmark"));
    command.args(line.split_ascii_whitespace());
    command
}

/// Runs the load generator.
pub(crate) fn load(line: &str) -> Run {
    command(line).stdin(Stdio::null()).output().unwrap().into()
}

/// Runs it and reads its results.
pub(crate) fn results(line: &str) -> serde_json::Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    let run = load(&format!("--json {} {line}", file.path().to_str().unwrap()));
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap()
}
