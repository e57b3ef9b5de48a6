//! What is large is freed in steps: nobody waits for it, and nothing of it is to be seen.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use common::{TestServer, info};
use redis::Connection;

fn run<T: redis::FromRedisValue>(client: &mut Connection, line: &str) -> T {
    let mut words = line.split(' ');
    redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).query(client).unwrap()
}

/// The value of a name in a line like `p50=1,max=7`.
fn part(line: &str, name: &str) -> u64 {
    let pair = line.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    pair.unwrap().parse().unwrap()
}

fn settle(client: &mut Connection) {
    assert!((0..200_000).any(|_| info(client, "lazyfree_pending_objects") == "0"), "not all is freed");
}

#[test]
fn flushall_sync_is_answered_when_all_is_freed() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    for line in ["FLUSHALL SYNC", "FLUSHDB SYNC"] {
        let () = run(&mut client, "DEBUG POPULATE 100000");
        assert_eq!(run::<String>(&mut client, line), "OK");
        assert_eq!(info(&mut client, "lazyfree_pending_objects"), "0");
        assert_eq!(run::<u64>(&mut client, "DBSIZE"), 0);
    }
    assert!(info(&mut client, "cmdstat_flushall").starts_with("calls=1,"));
    // What follows in the same pipeline waits for it.
    let () = run(&mut client, "DEBUG POPULATE 100000");
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"FLUSHALL SYNC\r\nDBSIZE\r\nPING\r\n").unwrap();
    let lines: Vec<String> = BufReader::new(stream).lines().take(3).map(Result::unwrap).collect();
    assert_eq!(lines, ["+OK", ":0", "+PONG"]);
    // A transaction does not wait.
    let () = run(&mut client, "DEBUG POPULATE 10000");
    let replies: (String, u64) =
        redis::pipe().atomic().cmd("FLUSHALL").arg("SYNC").cmd("DBSIZE").query(&mut client).unwrap();
    assert_eq!(replies, ("OK".to_owned(), 0));
    settle(&mut client);
}

#[test]
fn a_client_that_waits_for_a_flush_can_be_unblocked_or_go() {
    let server = TestServer::start(&[]);
    let (mut client, mut other) = (server.client(), server.client());
    let () = run(&mut client, "DEBUG POPULATE 300000");
    let mut gone = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    gone.write_all(b"FLUSHALL SYNC\r\n").unwrap();
    drop(gone);
    let () = run(&mut client, "DEBUG POPULATE 300000 more");
    assert_eq!(run::<String>(&mut client, "FLUSHALL SYNC"), "OK");
    assert_eq!(run::<String>(&mut other, "PING"), "PONG");
    assert_eq!(info(&mut other, "blocked_clients"), "0");
    settle(&mut other);
}

#[test]
fn turns_of_the_loop_and_their_longest_steps_are_told() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    let () = run(&mut client, "DEBUG SLEEP 0.05");
    let turns = info(&mut client, "eventloop_duration_percentiles_usec");
    assert!(part(&turns, "max") >= 50_000 && part(&turns, "p50") < 50_000, "{turns}");
    let steps = info(&mut client, "eventloop_longest_step_usec");
    assert!(part(&steps, "command") >= 50_000, "{steps}");
    let () = run(&mut client, "CONFIG RESETSTAT");
    let turns = info(&mut client, "eventloop_duration_percentiles_usec");
    assert!(part(&turns, "max") < 50_000, "{turns}");
    assert!(part(&info(&mut client, "eventloop_longest_step_usec"), "command") < 50_000);
}

fn fill(client: &mut Connection, key: &str, count: usize) {
    for start in (0..count).step_by(1000) {
        let mut command = redis::cmd("ZADD");
        command.arg(key);
        (start..start + 1000).for_each(|n| {
            command.arg(n).arg(format!("m{n}"));
        });
        let () = command.query(client).unwrap();
    }
}

#[test]
fn what_is_cut_out_of_a_sorted_set_is_gone_at_once() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    let empty: u64 = info(&mut client, "used_memory").parse().unwrap();
    fill(&mut client, "z", 60_000);
    assert_eq!(run::<u64>(&mut client, "ZREMRANGEBYSCORE z 10000 49999"), 40_000);
    assert_eq!(run::<u64>(&mut client, "ZCARD z"), 20_000);
    assert_eq!(run::<Option<f64>>(&mut client, "ZSCORE z m30000"), None);
    assert_eq!(run::<Option<u64>>(&mut client, "ZRANK z m50000"), Some(10_000));
    assert_eq!(run::<u64>(&mut client, "ZREM z m20000"), 0);
    // The same member anew, with the score it had and with another.
    assert_eq!(run::<u64>(&mut client, "ZADD z 30000 m30000 -1 m30001"), 2);
    assert_eq!(run::<Vec<String>>(&mut client, "ZRANGE z 0 1"), ["m30001", "m0"]);
    let () = run(&mut client, "RENAME z y");
    let () = run(&mut client, "SWAPDB 0 1");
    let () = run(&mut client, "SELECT 1");
    let mut members: Vec<String> = redis::cmd("ZSCAN")
        .arg("y")
        .cursor_arg(0)
        .arg("COUNT")
        .arg(1000)
        .clone()
        .iter::<(String, f64)>(&mut client)
        .unwrap()
        .map(|pair| pair.unwrap().0)
        .collect();
    members.sort();
    members.dedup();
    assert_eq!(members.len(), 20_002);
    settle(&mut client);
    assert_eq!(run::<u64>(&mut client, "ZCARD y"), 20_002);
    assert_eq!(run::<Option<f64>>(&mut client, "ZSCORE y m30000"), Some(30_000.0));
    let used: u64 = info(&mut client, "used_memory").parse().unwrap();
    assert!(used < empty + 20_002 * 90, "{used} bytes, {empty} at first");
    // All but a few.
    assert_eq!(run::<u64>(&mut client, "ZREMRANGEBYRANK y 5 -6"), 19_992);
    assert_eq!(run::<Vec<String>>(&mut client, "ZRANGE y 3 5"), ["m2", "m3", "m59995"]);
    settle(&mut client);
    let used: u64 = info(&mut client, "used_memory").parse().unwrap();
    assert!(used < empty + 500_000, "{used} bytes, {empty} at first");
}

#[test]
fn what_is_cut_off_a_list_and_a_stream_is_gone_at_once() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    for start in (0..100_000).step_by(1000) {
        let values: Vec<String> = (start..start + 1000).map(|n| format!("value-{n:020}")).collect();
        let () = redis::cmd("RPUSH").arg("l").arg(values).query(&mut client).unwrap();
        let mut pipe = redis::pipe();
        (start..start + 1000).for_each(|n| {
            pipe.cmd("XADD").arg("s").arg(format!("{}-0", n + 1)).arg("f").arg(n).ignore();
        });
        let () = pipe.query(&mut client).unwrap();
    }
    let () = run(&mut client, "LTRIM l 40000 49999");
    assert_eq!(run::<u64>(&mut client, "LLEN l"), 10_000);
    assert_eq!(run::<String>(&mut client, "LINDEX l 0"), format!("value-{:020}", 40_000));
    assert_eq!(run::<Vec<String>>(&mut client, "RPOP l 9999").len(), 9_999);
    assert_eq!(run::<u64>(&mut client, "LLEN l"), 1);
    assert_eq!(run::<u64>(&mut client, "XTRIM s MINID 50051"), 50_050);
    assert_eq!(run::<u64>(&mut client, "XTRIM s MAXLEN 100"), 49_850);
    let first: Vec<(String, Vec<String>)> = run(&mut client, "XRANGE s - + COUNT 1");
    assert_eq!(first[0].0, "99901-0");
    assert_eq!(run::<u64>(&mut client, "XLEN s"), 100);
    settle(&mut client);
    assert!(info(&mut client, "used_memory").parse::<u64>().unwrap() < 4_000_000);
}
