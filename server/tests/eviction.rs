//! What goes when memory is full, by each policy.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{TestServer, info_number};

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
        let evicted = info_number(&mut client, "evicted_keys");
        let used = info_number(&mut client, "used_memory");
        assert!(evicted > 1000, "{policy}: {evicted} keys were evicted");
        assert!(used < 4 * 1024 * 1024 + 200_000, "{policy}: {used} bytes are used");
        let keys: u64 = redis::cmd("DBSIZE").query(&mut client).unwrap();
        if policy.starts_with("allkeys") {
            assert_eq!((refused, keys + evicted), (0, 30_000), "{policy}");
            //= valkey 9.1 INFO: what is evicted counts as no change since the last save
            assert_eq!(info_number(&mut client, "rdb_changes_since_last_save"), 30_000, "{policy}");
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
    assert_eq!(info_number(&mut client, "expired_keys"), 50);
    assert_eq!(info_number(&mut client, "rdb_changes_since_last_save"), 50);
}

#[test]
fn without_a_policy_writes_are_refused() {
    let (server, refused) = fill("noeviction");
    let mut client = server.client();
    assert!(refused > 0);
    assert_eq!(info_number(&mut client, "evicted_keys"), 0);
    let mut more =
        (0..100_000).map(|index| redis::cmd("SET").arg(format!("more:{index}")).arg("v").exec(&mut client));
    let error = more.find_map(Result::err).unwrap();
    assert_eq!(error.code(), Some("OOM"));
    redis::cmd("GET").arg("k:0:0").exec(&mut client).unwrap();
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    while redis::cmd("SET").arg("k").arg("v").exec(&mut client).is_err() {}
}

/// Commands and whether they are refused when memory is full, by the server's own table.
fn commands(client: &mut redis::Connection) -> Vec<(String, i64, bool)> {
    let all: Vec<Vec<redis::Value>> = redis::cmd("COMMAND").query(client).unwrap();
    let facts = all.into_iter().map(|row| {
        let flags: Vec<String> = redis::from_redis_value(row[2].clone()).unwrap();
        let name = redis::from_redis_value(row[0].clone()).unwrap();
        let arity = redis::from_redis_value(row[1].clone()).unwrap();
        (name, arity, flags.iter().any(|flag| flag == "denyoom"))
    });
    facts.collect()
}

#[test]
fn whatever_needs_memory_is_refused_when_there_is_none() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    let all = commands(&mut client);
    assert!(all.iter().filter(|(.., denied)| *denied).count() > 50);
    redis::cmd("MULTI").exec(&mut client).unwrap();
    let queued: String = redis::cmd("LPUSH").arg("k").arg("v").query(&mut client).unwrap();
    assert_eq!(queued, "QUEUED");
    let mut other = server.client();
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec(&mut other).unwrap();
    let error = redis::cmd("EXEC").query::<redis::Value>(&mut client).unwrap_err();
    assert_eq!(error.code(), Some("EXECABORT"), "{error}");
    let ends =
        ["shutdown", "quit", "debug", "monitor", "subscribe", "psubscribe", "ssubscribe", "reset", "hello"];
    for (name, arity, denied) in all.iter().filter(|(name, ..)| !ends.contains(&name.as_str())) {
        let mut request = redis::cmd(name);
        (1..arity.unsigned_abs()).for_each(|_| {
            request.arg("1");
        });
        let code = request
            .query::<redis::Value>(&mut client)
            .err()
            .and_then(|error| error.code().map(str::to_owned));
        assert_eq!(code.as_deref() == Some("OOM"), *denied, "{name}: {code:?}");
        if name == "multi" {
            redis::cmd("DISCARD").exec(&mut client).unwrap();
        }
    }
}

#[test]
fn a_smaller_limit_takes_effect_without_a_command() {
    let server = TestServer::start(&["--maxmemory-policy", "allkeys-lru", "--notify-keyspace-events", "Ee"]);
    let (mut listener, mut client) = (server.raw(), server.client());
    for index in 0..300 {
        redis::cmd("SET").arg(index).arg("x".repeat(10_000)).exec(&mut client).unwrap();
    }
    listener.ask(
        b"SUBSCRIBE __keyevent@0__:evicted\r\n",
        b"*3\r\n$9\r\nsubscribe\r\n$22\r\n__keyevent@0__:evicted\r\n:1\r\n",
    );
    let limit = info_number(&mut client, "used_memory") - 1_000_000;
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(limit).exec(&mut client).unwrap();
    // Nothing more is asked for: the events come all the same.
    for _ in 0..90 {
        listener.expect(b"*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:evicted\r\n");
        // The length of the key, then the key: at most three digits.
        let head = listener.take(4);
        listener.take(usize::from(head[1] - b'0') + 2);
    }
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).exec(&mut client).unwrap();
    let (before, keys) = (info_number(&mut client, "evicted_keys"), redis::cmd("DBSIZE"));
    let left: u64 = keys.query(&mut client).unwrap();
    assert_eq!(before + left, 300);
    for index in 300..600 {
        redis::cmd("SET").arg(index).arg("x".repeat(10_000)).exec(&mut client).unwrap();
    }
    assert_eq!(info_number(&mut client, "evicted_keys"), before);
}

#[test]
fn every_type_tells_how_often_it_is_used() {
    let server = TestServer::start(&["--maxmemory-policy", "allkeys-lfu"]);
    let mut client = server.client();
    let makers: [(&str, &[&str], &[&str]); 6] = [
        ("string", &["SET", "string", "v"], &["GET", "string"]),
        ("list", &["RPUSH", "list", "v"], &["LRANGE", "list", "0", "-1"]),
        ("set", &["SADD", "set", "v"], &["SMEMBERS", "set"]),
        ("zset", &["ZADD", "zset", "1", "v"], &["ZRANGE", "zset", "0", "-1"]),
        ("hash", &["HSET", "hash", "f", "v"], &["HGETALL", "hash"]),
        ("stream", &["XADD", "stream", "*", "f", "v"], &["XLEN", "stream"]),
    ];
    let run = |client: &mut redis::Connection, words: &[&str]| {
        redis::cmd(words[0]).arg(&words[1..]).exec(client).unwrap();
    };
    let object = |client: &mut redis::Connection, what: &str, key: &str| {
        redis::cmd("OBJECT").arg(what).arg(key).query::<u64>(client)
    };
    for (key, make, read) in makers {
        run(&mut client, make);
        assert_eq!(object(&mut client, "FREQ", key).unwrap(), 5, "{key}");
        (0..20).for_each(|_| run(&mut client, read));
        let used = object(&mut client, "FREQ", key).unwrap();
        assert!((6..=25).contains(&used), "{key}: {used}");
        assert!(object(&mut client, "IDLETIME", key).is_err());
    }
    // Overwriting a key is one more use of it.
    let used = object(&mut client, "FREQ", "string").unwrap();
    (0..50).for_each(|_| run(&mut client, &["SET", "string", "other"]));
    assert!(object(&mut client, "FREQ", "string").unwrap() >= used);
    redis::cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg("allkeys-lru").exec(&mut client).unwrap();
    for (key, _, read) in makers {
        run(&mut client, read);
        assert!(object(&mut client, "IDLETIME", key).unwrap() <= 1, "{key}");
        assert!(object(&mut client, "FREQ", key).is_err());
    }
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
