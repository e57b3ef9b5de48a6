//! What goes when memory is full, by each policy.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::TestServer;

/// Writes more than fits; every second key has an expiry. Returns the server and how many writes were refused.
fn fill(policy: &str) -> (TestServer, usize) {
    let server = TestServer::start(&["--maxmemory", "4mb", "--maxmemory-policy", policy]);
    let mut client = server.client();
    let mut refused = 0;
    for batch in 0..150 {
        let mut pipe = redis::pipe();
        for index in 0..200 {
            let set = pipe.cmd("SET").arg(format!("k:{batch}:{index}")).arg("x".repeat(300));
            if index % 2 == 0 {
                set.arg("EX").arg(1000 + batch);
            }
        }
        // The least frequently used go by a count that rises slowly; the least recently used, by the second.
        for _ in 0..20 {
            pipe.cmd("GET").arg("k:0:1");
        }
        refused += usize::from(pipe.exec(&mut client).is_err());
    }
    (server, refused)
}

fn info(client: &mut redis::Connection, name: &str) -> u64 {
    let text: String = redis::cmd("INFO").arg("all").query(client).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap().parse().unwrap()
}

#[test]
fn every_policy_keeps_within_the_limit() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let (server, refused) = fill(policy);
        let mut client = server.client();
        let evicted = info(&mut client, "evicted_keys");
        let used = info(&mut client, "used_memory");
        assert!(evicted > 1000, "{policy}: {evicted} keys were evicted");
        assert!(used < 4 * 1024 * 1024 + 200_000, "{policy}: {used} bytes are used");
        let keys: u64 = redis::cmd("DBSIZE").query(&mut client).unwrap();
        if policy.starts_with("allkeys") {
            assert_eq!((refused, keys + evicted), (0, 30_000), "{policy}");
            //= valkey 9.1 INFO: what is evicted counts as no change since the last save
            assert_eq!(info(&mut client, "rdb_changes_since_last_save"), 30_000, "{policy}");
        } else {
            // Once no key with an expiry is left, writes are refused.
            assert!(refused > 0, "{policy}");
            let info: String = redis::cmd("INFO").arg("keyspace").query(&mut client).unwrap();
            let expires = info.split("expires=").nth(1).unwrap().split(',').next().unwrap();
            assert!(expires.parse::<u32>().unwrap() < 20, "{policy}: {info}");
        }
        if policy.ends_with("lfu") {
            let hot: bool = redis::cmd("EXISTS").arg("k:0:1").query(&mut client).unwrap();
            assert!(hot, "{policy}: the key that is used all the time went");
        }
    }
}

//= valkey 9.1 INFO: what expires counts as no change since the last save
#[test]
fn what_expires_is_no_change() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    for index in 0..50 {
        redis::cmd("SET").arg(index).arg("v").arg("PX").arg(1).exec(&mut client).unwrap();
    }
    while redis::cmd("DBSIZE").query::<u64>(&mut client).unwrap() > 0 {}
    assert_eq!(info(&mut client, "expired_keys"), 50);
    assert_eq!(info(&mut client, "rdb_changes_since_last_save"), 50);
}

#[test]
fn without_a_policy_writes_are_refused() {
    let (server, refused) = fill("noeviction");
    let mut client = server.client();
    assert!(refused > 0);
    assert_eq!(info(&mut client, "evicted_keys"), 0);
    let mut more =
        (0..100_000).map(|index| redis::cmd("SET").arg(format!("more:{index}")).arg("v").exec(&mut client));
    let error = more.find_map(Result::err).unwrap();
    assert_eq!(error.code(), Some("OOM"));
    redis::cmd("GET").arg("k:0:0").exec(&mut client).unwrap();
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    while redis::cmd("SET").arg("k").arg("v").exec(&mut client).is_err() {}
}

#[test]
fn who_listens_is_told() {
    let server =
        TestServer::start(&["--maxmemory-policy", "allkeys-random", "--notify-keyspace-events", "Ee"]);
    let (mut listener, mut client) = (server.raw(), server.client());
    listener.ask(
        b"SUBSCRIBE __keyevent@0__:evicted\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$22\r\n__keyevent@0__:evicted\r\n:1\r\n",
    );
    redis::cmd("SET").arg("k").arg("v").exec(&mut client).unwrap();
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec(&mut client).unwrap();
    let _ = redis::cmd("PING").exec(&mut client);
    listener.expect(b"*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:evicted\r\n$1\r\nk\r\n");
}
