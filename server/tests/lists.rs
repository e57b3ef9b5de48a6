//! Lists over a real socket: nodes that are compressed hold what nodes that are not hold.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::TestServer;
use redis::{Connection, Value, cmd};

/// Sends words. Returns the reply.
fn ask(client: &mut Connection, words: &str) -> Value {
    let mut words = words.split(' ');
    let mut request = cmd(words.next().unwrap());
    request.arg(words.collect::<Vec<_>>()).query(client).unwrap()
}

fn text(client: &mut Connection, words: &str) -> String {
    redis::from_redis_value(ask(client, words)).unwrap()
}

fn memory(client: &mut Connection, key: &str) -> i64 {
    redis::from_redis_value(ask(client, &format!("MEMORY USAGE {key} SAMPLES 0"))).unwrap()
}

fn digest(client: &mut Connection, key: &str) -> Vec<String> {
    redis::from_redis_value(ask(client, &format!("DEBUG DIGEST-VALUE {key}"))).unwrap()
}

/// Elements that are worth compressing.
fn element(index: usize) -> String {
    format!("element:{index}:{}", "abcdefgh".repeat(6 + index % 5))
}

fn fill(client: &mut Connection, key: &str, depth: &str, count: usize) {
    ask(client, &format!("CONFIG SET list-compress-depth {depth}"));
    let mut pipe = redis::pipe();
    for index in 0..count {
        pipe.cmd("RPUSH").arg(key).arg(element(index));
    }
    pipe.exec(client).unwrap();
}

#[test]
fn nodes_are_compressed_when_the_list_was_made_so() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    fill(&mut client, "flat", "0", 5000);
    fill(&mut client, "deep", "1", 5000);
    let (flat, deep) = (memory(&mut client, "flat"), memory(&mut client, "deep"));
    assert!(deep * 3 < flat, "{deep} of {flat} bytes");
    let fields = |client: &mut Connection, key: &str| {
        let line = text(client, &format!("DEBUG OBJECT {key}"));
        line.split_once(" ql_nodes:").unwrap().1.to_owned()
    };
    let raw = fields(&mut client, "flat");
    assert!(raw.contains("ql_compressed:0"), "{raw}");
    assert_eq!(fields(&mut client, "deep"), raw.replace("ql_compressed:0", "ql_compressed:1"));
    // A list keeps what it was made with, and so does its copy.
    ask(&mut client, "CONFIG SET list-compress-depth 0");
    ask(&mut client, "COPY deep copy");
    ask(&mut client, "RPUSH deep end");
    assert!(memory(&mut client, "deep") * 3 < flat && memory(&mut client, "copy") * 3 < flat);
    ask(&mut client, "RPOP deep");
    ask(&mut client, "CONFIG SET list-compress-depth 100000");
    ask(&mut client, "SORT deep BY nosort STORE sorted");
    let sorted = fields(&mut client, "sorted");
    assert_eq!(sorted, fields(&mut client, "deep"));
    //= valkey 9.1 list-compress-depth: all nodes of this list lie within the depth
    assert!(memory(&mut client, "sorted") * 2 > flat);
    for key in ["deep", "copy", "sorted"] {
        assert_eq!(digest(&mut client, key), digest(&mut client, "flat"), "{key}");
    }
    // It is gone for good, not only unpacked, when no list is left.
    for key in ["deep", "copy"] {
        ask(&mut client, &format!("LTRIM {key} 10 19"));
        assert_eq!(text(&mut client, &format!("OBJECT ENCODING {key}")), "listpack");
        assert_eq!(text(&mut client, &format!("LINDEX {key} 0")), element(10));
    }
}

/// What is asked of both lists.
fn requests(count: usize) -> Vec<String> {
    let middle = count / 2;
    let (first, last) = (element(middle), element(count - 7));
    let large = "large".repeat(3000);
    vec![
        "LLEN list".into(),
        "LRANGE list 0 -1".into(),
        format!("LRANGE list {middle} {}", middle + 300),
        format!("LRANGE list -{middle} -{}", middle - 3),
        format!("LINDEX list {middle}"),
        format!("LINDEX list -{middle}"),
        format!("LPOS list {first}"),
        format!("LPOS list {last} RANK -1"),
        format!("LPOS list {first} COUNT 0 MAXLEN {}", middle + 1),
        format!("LPOS list {first} RANK -1 MAXLEN {middle}"),
        "SORT list ALPHA DESC LIMIT 5 50".into(),
        "SORT list BY nosort LIMIT 700 3".into(),
        format!("LSET list {middle} short"),
        format!("LSET list {} {large}", middle + 1),
        format!("LSET list {} {}", middle + 1, large.replace('l', "L")),
        format!("LSET list {} short-again", middle + 1),
        format!("LINSERT list BEFORE {last} {}", "inserted".repeat(40)),
        format!("LINSERT list AFTER {last} {large}"),
        format!("LINSERT list AFTER {last} twice"),
        format!("LINSERT list BEFORE {last} twice"),
        "LREM list 1 twice".into(),
        "LREM list 0 nowhere".into(),
        format!("LREM list -1 {}", element(3)),
        format!("LREM list 0 {large}"),
        "LPOP list 200".into(),
        "RPOP list 200".into(),
        "LMOVE list list LEFT RIGHT".into(),
        "LRANGE list 0 -1".into(),
        format!("LTRIM list 100 -{}", 90),
        "LTRIM list 0 900".into(),
        "LMPOP 1 list RIGHT COUNT 300".into(),
        "LREM list 0 short".into(),
        "LRANGE list 0 -1".into(),
        "LPOP list 10000".into(),
    ]
}

/// The same list without compression in one database and with it in another.
#[test]
fn every_command_sees_what_is_compressed() {
    let server = TestServer::start(&[]);
    let (mut flat, mut deep) = (server.client(), server.client());
    ask(&mut deep, "SELECT 1");
    for (depth, size) in [("1", "-2"), ("2", "-1"), ("7", "1"), ("1", "5")] {
        ask(&mut flat, &format!("CONFIG SET list-max-listpack-size {size}"));
        fill(&mut flat, "list", "0", 1500);
        fill(&mut deep, "list", depth, 1500);
        for request in requests(1500) {
            let what = || format!("depth {depth}, size {size}, {request}");
            assert_eq!(ask(&mut deep, &request), ask(&mut flat, &request), "{}", what());
            for check in ["DEBUG DIGEST-VALUE list", "TYPE list"] {
                assert_eq!(ask(&mut deep, check), ask(&mut flat, check), "{}", what());
            }
        }
        assert_eq!(text(&mut flat, "TYPE list"), "none");
    }
}
