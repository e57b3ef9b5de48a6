//! The load generator against the server, in every mode: what arrives there, and what is told of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use common::{TestServer, command};

/// The report without its line of progress.
fn report(out: &str) -> Vec<&str> {
    out.lines().map(|line| line.rsplit('\r').next().unwrap()).collect()
}

//= valkey 9.1 benchmark: the tests, their names and their order
#[test]
fn all_tests_as_comma_separated_lines() {
    let server = TestServer::start(&[]);
    let names = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset,mget,xadd";
    let out = server.load(&format!("--csv -n 200 -c 5 -r 50 -t {names}")).well();
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].starts_with("\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\"")
    );
    let titles: Vec<&str> = lines[1..].iter().map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(titles.len(), 22);
    assert_eq!((titles[0], titles[2], titles[21]), ("PING_INLINE", "SET", "XADD"));
    for line in &lines[1..] {
        let numbers: Vec<f64> =
            line.split(',').skip(1).map(|field| field.trim_matches('"').parse().unwrap()).collect();
        assert!(numbers.len() == 7 && numbers.iter().all(|&number| number > 0.0), "{line}");
    }
    for (name, calls) in
        [("ping", 400), ("set", 200), ("lpush", 400), ("lrange", 800), ("mset", 200), ("xadd", 200)]
    {
        // A start of the server asks PING, too.
        assert!((calls..calls + 2).contains(&server.calls(name)), "{name}: {}", server.calls(name));
    }
}

//= valkey 9.1 benchmark: the form without -q and --csv
#[test]
fn the_report_and_the_quiet_line() {
    let server = TestServer::start(&[]);
    let out = server.load("-n 1000 -c 7 --threads 2 -t get -d 10").well();
    let lines = report(&out);
    let heads = [
        "====== GET ======",
        "  7 parallel clients",
        "  10 bytes payload",
        "  keep alive: 1",
        "  host configuration \"appendonly\": no",
        "  multi-thread: yes",
        "  threads: 2",
        "Latency by percentile distribution:",
        "Cumulative distribution of latencies:",
        "Summary:",
        "  latency summary (msec):",
        "          avg       min       p50       p95       p99       max",
    ];
    let mut at = 0;
    for head in heads {
        at += lines[at..]
            .iter()
            .position(|line| *line == head)
            .unwrap_or_else(|| panic!("{head} in {lines:#?}"));
    }
    assert!(
        lines[1].starts_with("  1000 requests completed in ") && lines[1].ends_with(" seconds"),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("100.000% <= ") && line.ends_with("(cumulative count 1000)"))
    );
    assert_eq!(lines.last(), Some(&""));
    let out = server.load("-q -n 100 -t get,set").well();
    let lines = report(&out);
    assert!(lines[0].starts_with("SET: ") && lines[0].contains(" requests per second, p50="), "{lines:?}");
    assert!(lines[1].starts_with("GET: ") && lines[1].ends_with(" msec"), "{lines:?}");
}

#[test]
fn keys_and_their_orders() {
    let server = TestServer::start(&[]);
    server.load("-q -n 300 -c 3 -t set").well();
    assert_eq!(server.ask("DBSIZE"), ":1");
    assert_eq!(server.ask("EXISTS key:__rand_int__"), ":1");
    server.load("-q -n 500 -c 3 -P 2 --threads 2 -r 500 --sequential -t set --dbnum 1").well();
    assert_eq!(server.ask("DBSIZE"), ":1");
    assert!(server.ask("INFO keyspace").contains("db1:keys=500,"));
    server.load("-q -n 1000 -r 10 -t incr").well();
    assert_eq!(server.ask("EXISTS counter:000000000000 counter:000000000009"), ":2");
    // Zipf: the first key has most, as its law says.
    server.load("-q -n 10000 -P 10 -r 1000 --zipf 1.2 --seed 1 -- incr zipf:__rand_int__").well();
    let count = |number: u32| {
        let text = server.ask(&format!("GET zipf:{number:012}"));
        text.lines().nth(1).unwrap_or("0").parse::<i64>().unwrap()
    };
    assert!(count(0) > 2 * count(2) && count(2) > 2 * count(10), "{} {} {}", count(0), count(2), count(10));
}

#[test]
fn whole_batches_are_sent() {
    let server = TestServer::start(&[]);
    //= valkey 9.1 benchmark: whole batches are sent, also where that is more than was asked for
    let results = server.results("-n 100 -P 16 -c 5 -t get --threads 3");
    assert_eq!((&results["tests"][0]["requests"], server.calls("get")), (&112.into(), 112));
    let results = server.results("-n 40 -P 2 -c 2 -- multi ; 3 incr a ; set b __data__ ; exec");
    // Batches of twelve commands.
    assert_eq!((&results["tests"][0]["requests"], server.calls("exec")), (&48.into(), 8));
    assert_eq!(results["tests"][0]["name"], "multi ; 3 incr a ; set b __data__ ; exec");
    assert_eq!(server.ask("GET a"), "$2\r\n24");
}

#[test]
fn sessions() {
    let server = TestServer::start(&[]);
    // With RESP3 and tracking, the server pushes what nobody asked for.
    let results = server.results("-3 --enable-tracking -n 2000 -c 4 -r 3 -P 3 --mix get:1,set:1");
    assert_eq!(results["tests"][0]["requests"], 2001);
    assert_eq!((server.calls("hello"), server.calls("client|tracking")), (4, 4));
    server.load("-n 100 -c 4 -t get -q -u redis://127.0.0.1:1/3").failed("Connection refused");
    let results = common::results(&format!("-s {} -n 100 -c 4 -t set --dbnum 3", server.socket()));
    assert_eq!(results["tests"][0]["requests"], 100);
    assert!(server.ask("INFO keyspace").contains("db3:keys=1,"));
    // A connection for each batch.
    for place in [format!("-p {}", server.port()), format!("-s {}", server.socket())] {
        let before = server.info("total_connections_received");
        let run = common::load(&format!("{place} -k 0 -3 -n 300 -c 4 -t get -q"));
        assert!(run.err.starts_with("WARNING: Keepalive disabled"), "{run:?}");
        assert_eq!((run.code, run.out.contains("GET: ")), (Some(0), true), "{run:?}");
        assert!(server.info("total_connections_received") - before >= 300);
    }
}

#[test]
fn passwords() {
    let server = TestServer::start(&["--requirepass", "secret"]);
    let run = server.load("-n 10 -t get -q");
    assert!(
        run.err.starts_with(&format!("Node 127.0.0.1:{} replied with error:\nNOAUTH ", server.port())),
        "{run:?}"
    );
    assert_eq!(run.code, Some(1));
    let run = server.load("-n 10 -t get -q -a wrong");
    assert!(run.err.contains("replied with error:\nWRONGPASS "), "{run:?}");
    assert_eq!(run.code, Some(1));
    server.load("-n 10 -t get -q -a secret").well();
    server.load("-n 10 -t get -q --user default -a secret").well();
    common::load(&format!("-u valkey://default:secret@127.0.0.1:{}/1 -n 10 -t set -q", server.port())).well();
}

#[test]
fn commands_of_one_s_own() {
    let server = TestServer::start(&[]);
    server.load("-q -n 20 -c 2 -d 5 set k <__data__>").well();
    assert_eq!(server.ask("STRLEN k"), ":7");
    let mut child = command(&format!("-p {} -q -n 5 -c 1 -x set in", server.port()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"from\r\nstdin\0").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(server.ask("GET in"), "$12\r\nfrom\r\nstdin\0");
    let run = server.load("-q -n 10 -t get set a b");
    assert_eq!((run.code, run.err.as_str()), (Some(0), "WARNING: Option -t is ignored.\n"));
}

#[test]
fn large_values_are_sent_and_read_in_pieces() {
    let server = TestServer::start(&[]);
    let results = server.results("-n 24 -P 4 -c 3 -d 3000000 -t set,get");
    for test in results["tests"].as_array().unwrap() {
        assert_eq!(test["requests"], 24);
    }
    assert_eq!(server.ask("STRLEN key:__rand_int__"), ":3000000");
}

#[test]
fn mixes_are_told_apart() {
    let server = TestServer::start(&[]);
    let results = server.results("-n 20000 -P 10 -r 100 --seed 3 --mix get:80,set:20 --threads 2");
    let test = &results["tests"][0];
    assert_eq!((&test["name"], &test["requests"]), (&"MIX get:80,set:20".into(), &20_000.into()));
    let counts = [0, 1].map(|kind| test["commands"][kind]["latency_ms"]["count"].as_u64().unwrap());
    assert_eq!(counts, [server.calls("get"), server.calls("set")]);
    // Twenty in a hundred; five standard deviations are 283.
    assert!(counts[1].abs_diff(4_000) < 283, "{counts:?}");
    assert_eq!(counts[0] + counts[1], 20_000);
}

#[test]
fn rates_times_and_warm_up() {
    let server = TestServer::start(&[]);
    for more in ["", "--threads 3", "-P 5", "-k 0"] {
        let results = server.results(&format!("--rps 2000 --duration 0.5 --warmup 0.25 -c 6 -t get {more}"));
        let test = &results["tests"][0];
        let schedule = &test["schedule"];
        // All that was due is accounted for, whether or not this machine kept up.
        let all: u64 = [&test["requests"], &test["unanswered"], &schedule["requests_not_sent"]]
            .map(|number| number.as_u64().unwrap())
            .iter()
            .sum();
        assert_eq!(all, 1000, "{more}: {test}");
        assert_eq!(schedule["kept"].as_bool().unwrap(), schedule["requests_not_sent"] == 0, "{more}");
        assert_eq!(schedule["target_requests_per_second"], 2000);
    }
    let before = server.calls("set");
    let results = server.results("--rps 1000 -n 100 --warmup 0.2 -c 3 -t set");
    assert_eq!(results["tests"][0]["requests"], 100);
    assert_eq!(server.calls("set") - before, 300);
    // As fast as replies come: the warm-up is not counted.
    let before = server.calls("set");
    let results = server.results("-n 100 --warmup 0.2 -c 3 -t set");
    assert_eq!(results["tests"][0]["requests"], 100);
    assert!(server.calls("set") - before > 100);
    let results = server.results("--duration 0.3 -c 3 -t set");
    let seconds = results["tests"][0]["seconds"].as_f64().unwrap();
    assert!(results["tests"][0]["requests"].as_u64().unwrap() > 3 && seconds >= 0.2, "{seconds}");
}

#[test]
fn a_rate_that_is_too_high_is_said() {
    let server = TestServer::start(&[]);
    let run = server.load("--rps 1000000000 --duration 0.3 -c 2 -t get -q");
    assert_eq!(run.code, Some(0));
    assert!(run.err.starts_with("WARNING: GET: the target rate was not reached: "), "{run:?}");
    assert!(
        run.err.contains(" of 1000000000 requests per second, ") && run.err.contains(" never sent."),
        "{run:?}"
    );
}

#[test]
fn charts() {
    let server = TestServer::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chart.svg");
    server.load(&format!("-q -n 1000 --mix get,set --chart {}", path.display())).well();
    let chart = std::fs::read_to_string(&path).unwrap();
    assert!(chart.starts_with("<svg") && chart.trim_end().ends_with("</svg>"));
    for word in ["MIX get,set", "MIX get,set: get", "MIX get,set: set", "99.9%", "milliseconds"] {
        assert!(chart.contains(word), "{word}");
    }
    assert!(chart.matches("<polyline").count() >= 3);
}

#[test]
fn for_ever_and_idle() {
    let mut server = TestServer::start(&[]);
    let mut child =
        command(&format!("-p {} -l -q -n 50 -t get", server.port())).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let seen = lines.filter(|line| line.contains("GET: ") && line.ends_with(" msec")).take(3).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen, 3);
    let idle = command(&format!("-p {} -I -c 30", server.port()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while server.info("connected_clients") < 31 {
        std::thread::yield_now();
    }
    server.kill();
    let run: common::Run = idle.wait_with_output().unwrap().into();
    run.failed("Error: Server closed the connection");
    assert!(
        run.out.starts_with("Creating 30 idle connections and waiting forever (Ctrl+C when done)\n"),
        "{run:?}"
    );
    assert!(run.out.contains("clients: 30\r"), "{run:?}");
}
