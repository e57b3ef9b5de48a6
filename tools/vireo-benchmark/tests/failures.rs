//! What goes wrong, and how that is told: servers that are absent, refuse, answer errors or nonsense, close, or stand still.
#![allow(clippy::unwrap_used, clippy::std_instead_of_alloc, reason = "a test may panic")]

mod common;

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

use common::{TestServer, load, results};

/// A server that answers whatever `answer` says to each inline request; it lives as long as the test's process. The
/// configuration is not told to anybody.
fn fake(answer: impl FnMut(&mut TcpStream) -> bool + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // All connections share it: when it stands still, they all do.
    let answer = Arc::new(Mutex::new(answer));
    let serve = move |stream: TcpStream| {
        let mut out = stream.try_clone().unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let goes_on = match line.as_str() {
                "PING" => answer.lock().unwrap()(&mut out),
                // The word of a request of CONFIG GET.
                "appendonly" => out.write_all(b"-ERR no\r\n-ERR no\r\n").is_ok(),
                _ => true,
            };
            if !goes_on {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serve = serve.clone();
                std::thread::Builder::new().spawn(move || serve(stream)).unwrap();
            }
        })
        .unwrap();
    port
}

/// A server that answers, and stands still once, after so many requests.
fn stalls_once(after: u32, pause: Duration) -> u16 {
    let mut count = 0;
    fake(move |out| {
        count += 1;
        if count == after {
            let (_sender, receiver) = mpsc::channel::<()>();
            let _ = receiver.recv_timeout(pause);
        }
        out.write_all(b"+PONG\r\n").is_ok()
    })
}

#[test]
fn a_stall_shows_in_the_tail_of_a_schedule() {
    let pause = Duration::from_millis(200);
    let p95 = |line: &str| {
        let port = stalls_once(500, pause);
        let results = results(&format!("-p {port} -c 4 -t ping_inline {line}"));
        let latency = &results["tests"][0]["latency_ms"];
        let all = ["p95", "p99.9", "max"].map(|name| latency[name].as_f64().unwrap());
        // Whoever waits for it sees the pause itself, whatever the method.
        assert!(all[2] >= 199.0, "{latency}");
        all
    };
    // 400 of 2000 requests come due during the pause, so that 100 wait for more than 150 ms.
    let [p95_open, p99_9_open, _] = p95("--rps 2000 --duration 1");
    assert!(p95_open >= 100.0 && p99_9_open >= 190.0, "{p95_open} {p99_9_open}");
    // Without a schedule, it is one request of each connection: four of 2000.
    let [p95_closed, ..] = p95("-n 2000");
    assert!(p95_closed < p95_open / 2.0, "{p95_closed} {p95_open}");
}

#[test]
fn requests_without_a_reply_are_told() {
    // The last of them never come.
    let mut count = 0;
    let port = fake(move |out| {
        count += 1;
        count > 90 || out.write_all(b"+PONG\r\n").is_ok()
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let run = load(&format!("-p {port} -c 4 -t ping_inline --rps 1000 --duration 1 -q --json {path}"));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.err.contains("4 requests had no reply ten seconds after the end"), "{run:?}");
    assert!(run.err.contains("the target rate was not reached"), "{run:?}");
    let results: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(
        (&results["tests"][0]["requests"], &results["tests"][0]["unanswered"]),
        (&90.into(), &4.into())
    );
}

#[test]
fn a_server_that_goes_between_two_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::Builder::new().spawn(move || {
        // It is looked for, asked for its configuration, and sent one request on a connection that was opened before.
        for answer in [&b""[..], b"-ERR no\r\n-ERR no\r\n"] {
            let (mut stream, _) = listener.accept().unwrap();
            if !answer.is_empty() {
                let mut request = [0; 1];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(answer).unwrap();
                let _ = stream.read_to_end(&mut Vec::new());
            }
        }
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        stream.read_exact(&mut [0; 6]).unwrap();
        stream.write_all(b"+PONG\r\n").unwrap();
    });
    let run = load(&format!("-p {port} -k 0 -c 1 -n 10 -t ping_inline -q"));
    run.failed(&format!("Could not connect to server at 127.0.0.1:{port}: Connection refused"));
    serving.unwrap().join().unwrap();
}

//= valkey 9.1 benchmark: errors are told on stderr in these words, and the exit status is 1
#[test]
fn absent_servers() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    load(&format!("-p {port}"))
        .failed(&format!("Could not connect to server at 127.0.0.1:{port}: Connection refused"));
    load("-s /nonexistent/socket")
        .failed("Could not connect to server at /nonexistent/socket: No such file or directory");
    let run = load("-h no.such.host.invalid");
    assert!(run.err.starts_with("Could not connect to server at no.such.host.invalid:6379: "), "{run:?}");
    assert_eq!(run.code, Some(1));
}

#[test]
fn errors_for_replies() {
    let server = TestServer::start(&[]);
    for more in ["", "--threads 3", "--rps 1000", "-k 0"] {
        let run = server.load(&format!("-q -n 1000 {more} no-such-command x"));
        run.failed("Error from server: ERR unknown command 'no-such-command', with args beginning with: 'x'");
    }
    server.load("-q -n 10 --dbnum 99 -t get").failed("Error from server: ERR DB index is out of range");
    server.load("-t set -d 2000000 -P 10000").failed("choose a smaller -P or -d.");
    // What is not there is refused by the server, not left out.
    let run = server.load("-q -n 10 -t fcall");
    assert_eq!(run.code, Some(1));
}

#[test]
fn servers_that_close_or_talk_nonsense() {
    for (answer, words) in [
        (&b""[..], "Error: Server closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Error: Protocol error, this is no reply"),
        (b"+PONG\r\n+PONG\r\n", "Error: Protocol error, a reply to nothing"),
        (b"-LOADING wait\r\n", "Error from server: LOADING wait"),
    ] {
        for more in ["", "--threads 2", "--rps 100"] {
            let port = fake(move |out| {
                out.write_all(answer).unwrap();
                if answer.is_empty() {
                    out.shutdown(std::net::Shutdown::Both).unwrap();
                }
                true
            });
            let run = load(&format!("-p {port} -c 3 -n 100 -t ping_inline -q {more}"));
            run.failed(words);
            assert!(run.err.starts_with("WARNING: Could not fetch server CONFIG\n"), "{run:?}");
        }
    }
}

#[test]
fn command_lines_that_are_refused() {
    for line in ["--bogus", "-n", "-q -c"] {
        let run = load(line);
        assert_eq!((run.code, run.err.as_str()), (Some(1), ""), "{run:?}");
        let option = line.rsplit(' ').next().unwrap();
        let head =
            format!("Invalid option \"{option}\" or option argument missing\n\nUsage: vireo-benchmark ");
        assert!(run.out.starts_with(&head), "{run:?}");
    }
    for (line, words) in [
        ("--cluster", "Cluster mode is not supported by this version of vireo-benchmark (--cluster)"),
        ("--tls", "TLS is not supported by this version of vireo-benchmark (--tls)"),
        ("-n 5 --duration 5", "Options -n and --duration are mutually exclusive."),
        (
            "--mix get:1,nosuch:2",
            "hset, spop, zadd, zpopmin, lrange_100, lrange_300, lrange_500, lrange_600, mset, mget, xadd.",
        ),
        ("-t nosuch", "There is no test to run."),
        ("--json /nonexistent/file -t get", "Cannot write /nonexistent/file: No such file or directory"),
    ] {
        load(line).failed(words);
    }
    assert!(load("--help").well().contains("--rps <rate>"));
    assert!(load("--version").well().starts_with("vireo-benchmark "));
}

/// An outgoing line that nobody reads does not stop the run.
#[test]
fn output_that_nobody_reads() {
    let server = TestServer::start(&[]);
    let mut child = common::command(&format!("-p {} -n 2000 -t get,set", server.port()))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
