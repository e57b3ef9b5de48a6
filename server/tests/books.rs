//! What the server tells of itself: who watches, who waited, what was monitored, and how long the answers are.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Raw, TestServer};
use redis::{Value, cmd};

/// A field of INFO; empty where there is none.
fn info(server: &TestServer, field: &str) -> String {
    let text: String = cmd("INFO").arg("everything").query(&mut server.client()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or_default().to_owned()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    // Each look is a request at least, so this is seconds.
    for _ in 0..100_000 {
        if is_so() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{what} does not come");
}

/// A line; one of MONITOR without its time and address.
fn next_line(monitor: &mut Raw) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(monitor.take(1));
    }
    let line = String::from_utf8(line).unwrap();
    line.split_once("] ").map_or(line.clone(), |(_, command)| command.trim_end().to_owned())
}

#[test]
fn a_waiting_command_is_monitored_when_it_begins_to_wait() {
    let server = TestServer::start(&[]);
    let (mut waiter, mut raw, mut monitor) = (server.raw(), server.raw(), server.raw());
    monitor.ask(b"MONITOR\r\n", b"+OK\r\n");
    waiter.send(b"BLPOP list 0\r\n");
    assert_eq!(next_line(&mut monitor), "\"BLPOP\" \"list\" \"0\"");
    raw.ask(b"RPUSH list a\r\nECHO end\r\n", b":1\r\n$3\r\nend\r\n");
    waiter.expect(b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
    assert_eq!(next_line(&mut monitor), "\"RPUSH\" \"list\" \"a\"");
    assert_eq!(next_line(&mut monitor), "\"ECHO\" \"end\"");
}

#[test]
fn a_wait_that_is_broken_off_counts_as_refused() {
    let server = TestServer::start(&[]);
    let (mut raw, mut waiter) = (server.raw(), server.raw());
    raw.ask(b"CONFIG SET commandlog-execution-slower-than 0\r\nCONFIG RESETSTAT\r\n", b"+OK\r\n+OK\r\n");
    waiter.send(b"CLIENT ID\r\n");
    let id = next_line(&mut waiter).trim_end().trim_start_matches(':').to_owned();
    waiter.send(b"BLPOP list 0\r\n");
    until("the wait", || info(&server, "blocked_clients") == "1");
    raw.ask(format!("COMMANDLOG RESET slow\r\nCLIENT UNBLOCK {id} ERROR\r\n").as_bytes(), b"+OK\r\n:1\r\n");
    waiter.expect(b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    assert!(info(&server, "cmdstat_blpop").starts_with("calls=1,"));
    assert!(info(&server, "cmdstat_blpop").ends_with("rejected_calls=1,failed_calls=0"));
    assert_eq!(info(&server, "errorstat_UNBLOCKED"), "count=1");
    assert_eq!(info(&server, "total_error_replies"), "1");
    let log: Value = cmd("COMMANDLOG").arg(&["GET", "-1", "slow"]).query(&mut server.client()).unwrap();
    assert_eq!(format!("{log:?}").matches("BLPOP").count(), 1, "{log:?}");
}

#[test]
fn who_asks_is_counted_too() {
    let server = TestServer::start(&[]);
    let (mut one, mut two) = (server.raw(), server.raw());
    one.ask(b"WATCH a\r\n", b"+OK\r\n");
    two.ask(b"WATCH b\r\n", b"+OK\r\n");
    one.send(b"INFO clients\r\n");
    let text = String::from_utf8(one.take(2000)).unwrap();
    assert!(text.contains("watching_clients:2\r\n"), "{text}");
    assert!(text.contains("total_watched_keys:2\r\n"), "{text}");
}

#[test]
fn what_a_client_sent_is_counted_with_the_request_that_asks() {
    for options in [&[][..], &["--io-threads", "3", "--io-threads-always-active", "yes"]] {
        let server = TestServer::start(options);
        let mut raw = server.raw();
        for count in 1..3 {
            raw.send(b"CLIENT INFO\r\n");
            let text = String::from_utf8(raw.take(600)).unwrap();
            assert!(text.contains(&format!(" tot-net-in={} ", 13 * count)), "{text}");
        }
    }
}

#[test]
fn what_scan_leaves_out_does_not_expire() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(
        b"DEBUG SET-ACTIVE-EXPIRE 0\r\nSET s v PX 1\r\nHSET h f v\r\nPEXPIRE h 1\r\n",
        b"+OK\r\n+OK\r\n:1\r\n:1\r\n",
    );
    let size = || cmd("DBSIZE").query::<i64>(&mut server.client()).unwrap();
    until("the end of the string", || {
        let _: Value = cmd("SCAN").arg(&["0", "TYPE", "string"]).query(&mut server.client()).unwrap();
        size() == 1
    });
    let _: Value = cmd("SCAN").arg(&["0", "MATCH", "x*"]).query(&mut server.client()).unwrap();
    assert_eq!(size(), 1);
    until("the end of the hash", || {
        let _: Value = cmd("SCAN").arg("0").query(&mut server.client()).unwrap();
        size() == 0
    });
}

#[test]
fn memory_stats_is_as_long_as_it_says() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    let databases = |raw: &mut Raw| {
        raw.send(b"MEMORY STATS\r\nPING\r\n");
        let text = String::from_utf8(raw.take(6000)).unwrap();
        assert!(text.ends_with("+PONG\r\n"), "{text}");
        let reply: Value = cmd("MEMORY").arg("STATS").query(&mut server.client()).unwrap();
        let Value::Array(parts) = reply else { panic!("{reply:?}") };
        let names = parts.iter().step_by(2);
        let is_database = |name: &&Value| matches!(name, Value::BulkString(name) if name.starts_with(b"db."));
        let known = |name: &&Value| **name == Value::BulkString(b"fragmentation.bytes".to_vec());
        assert!(names.clone().any(|name| known(&name)), "the last field is a name, not a value: {parts:?}");
        names.filter(|name| is_database(name)).count()
    };
    assert_eq!(databases(&mut raw), 1, "the field that counts rehashing databases alone");
    raw.ask(b"SET a b\r\nDEL a\r\n", b"+OK\r\n:1\r\n");
    assert_eq!(databases(&mut raw), 2, "a database keeps its table when its last key goes");
}

#[test]
fn nothing_expires_while_clients_are_paused() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"DEBUG SET-ACTIVE-EXPIRE 0\r\nSET a 1 PX 1\r\nSET b 1 PX 1\r\n", b"+OK\r\n+OK\r\n+OK\r\n");
    raw.ask(b"CLIENT PAUSE 100000 WRITE\r\n", b"+OK\r\n");
    until("the time of the keys", || {
        let gone: Vec<Option<String>> = cmd("MGET").arg(&["a", "b"]).query(&mut server.client()).unwrap();
        gone == [None, None]
    });
    raw.ask(b"KEYS *\r\nSCAN 0\r\n", b"*0\r\n*2\r\n$1\r\n0\r\n*0\r\n");
    assert_eq!(info(&server, "expired_keys"), "0");
    raw.ask(b"DBSIZE\r\n", b":2\r\n");
    let key: String = cmd("RANDOMKEY").query(&mut server.client()).unwrap();
    assert!(["a", "b"].contains(&key.as_str()), "RANDOMKEY ends even if all keys have expired: {key}");
    raw.ask(b"CLIENT UNPAUSE\r\nEXISTS a b\r\nDBSIZE\r\n", b"+OK\r\n:0\r\n:0\r\n");
    assert_eq!(info(&server, "expired_keys"), "2");
}

#[test]
fn nothing_is_evicted_while_clients_are_paused() {
    let server = TestServer::start(&["--maxmemory-policy", "allkeys-random"]);
    let mut raw = server.raw();
    raw.ask(b"SET a 1\r\nCLIENT PAUSE 100000 WRITE\r\nCONFIG SET maxmemory 1\r\n", b"+OK\r\n+OK\r\n+OK\r\n");
    raw.ask(b"GET a\r\nDBSIZE\r\n", b"$1\r\n1\r\n:1\r\n");
    assert_eq!(info(&server, "evicted_keys"), "0");
    raw.ask(b"CLIENT UNPAUSE\r\n", b"+OK\r\n");
    until("the eviction", || info(&server, "evicted_keys") == "1");
}

#[test]
fn the_older_name_is_shown_on_demand() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    let lolwut = |client: &mut redis::Connection| cmd("LOLWUT").query::<String>(client).unwrap();
    assert!(lolwut(&mut client).contains("Valkey ver. 9.1"));
    assert_eq!(
        (info(&server, "server_mode").as_str(), info(&server, "redis_mode").as_str()),
        ("standalone", "")
    );
    let _: Value =
        cmd("CONFIG").arg(&["SET", "extended-redis-compatibility", "yes"]).query(&mut client).unwrap();
    assert!(lolwut(&mut client).contains("Redis ver. 7.2"));
    assert_eq!(
        (info(&server, "server_mode").as_str(), info(&server, "redis_mode").as_str()),
        ("", "standalone")
    );
}

#[test]
fn command_list_has_subcommands() {
    let server = TestServer::start(&[]);
    let names: Vec<String> = cmd("COMMAND").arg("LIST").query(&mut server.client()).unwrap();
    assert!(names.iter().any(|name| name == "client|list") && names.iter().any(|name| name == "get"));
}

#[test]
fn a_whole_configuration_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vireo.conf");
    std::fs::write(&path, "save \"\"\n").unwrap();
    let path = path.to_str().unwrap();
    let server = TestServer::start(&[path]);
    server.raw().ask(b"DEBUG CONFIG-REWRITE-FORCE-ALL\r\n", b"+OK\r\n");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written.lines().count() > 100 && written.contains("\nmaxclients "), "{written}");
    // The first server stays: its folder is in the file.
    TestServer::start(&[path]).raw().ask(b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn a_pipeline_is_counted_request_by_request() {
    for options in [&[][..], &["--io-threads", "3", "--io-threads-always-active", "yes"]] {
        let server = TestServer::start(options);
        let mut raw = server.raw();
        raw.ask(b"SET k v\r\nLPUSH l a\r\nCONFIG RESETSTAT\r\n", b"+OK\r\n:1\r\n+OK\r\n");
        let pipeline =
            [&b"GET k\r\n".repeat(100)[..], &b"STRLEN k\r\n".repeat(3), b"GET l\r\nGET k\r\n"].concat();
        let wrong = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        let replies = [&b"$1\r\nv\r\n".repeat(100)[..], &b":1\r\n".repeat(3), wrong, b"$1\r\nv\r\n"].concat();
        raw.ask(&pipeline, &replies);
        // Together, as far as they come together.
        let mut others: Vec<Raw> = (0..40).map(|_| server.raw()).collect();
        others.iter_mut().for_each(|other| other.send(b"GET k\r\n"));
        others.iter_mut().for_each(|other| other.expect(b"$1\r\nv\r\n"));
        let calls = |name: &str| info(&server, &format!("cmdstat_{name}"));
        assert!(calls("get").starts_with("calls=142,") && calls("get").ends_with("failed_calls=1"));
        assert!(calls("strlen").starts_with("calls=3,"));
        raw.send(b"LATENCY HISTOGRAM get\r\n");
        assert!(String::from_utf8(raw.take(40)).unwrap().contains("calls\r\n:142\r\n"));
        let mut fresh = server.raw();
        // Who wants to see each sees each.
        let mut monitor = server.raw();
        monitor.ask(b"MONITOR\r\n", b"+OK\r\n");
        fresh.ask(b"CONFIG SET slowlog-log-slower-than 0\r\nSLOWLOG RESET\r\n", b"+OK\r\n+OK\r\n");
        fresh.ask(&b"GET k\r\n".repeat(20), &b"$1\r\nv\r\n".repeat(20));
        (0..20).for_each(|_| assert_eq!(next_line(&mut monitor), "\"GET\" \"k\""));
        let logged: Value = cmd("SLOWLOG").arg(&["GET", "-1"]).query(&mut server.client()).unwrap();
        assert_eq!(format!("{logged:?}").matches("GET").count(), 20, "{logged:?}");
    }
}
