//! What `lazyfree-lazy-*` say, and what INFO tells of values that are freed later.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{TestServer, info_number};
use redis::Connection;

fn run(client: &mut Connection, line: &str) {
    let mut words = line.split(' ');
    redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).exec(client).unwrap();
}

/// A set of so many members.
fn make(client: &mut Connection, key: &str, len: usize) {
    let members: Vec<String> = (0..len).map(|index| format!("member:{index}")).collect();
    members.chunks(1000).for_each(|part| redis::cmd("SADD").arg(key).arg(part).exec(client).unwrap());
}

/// Waits until nothing is left to be freed. Returns how much was, and what is in use now.
fn settled(client: &mut Connection) -> (u64, u64) {
    assert!((0..50_000).any(|_| info_number(client, "lazyfree_pending_objects") == 0), "not all is freed");
    (info_number(client, "lazyfreed_objects"), info_number(client, "used_memory"))
}

/// A request of many arguments, which comes in pieces, leaves no list of them behind.
#[test]
fn a_large_request_takes_its_memory_along() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    run(&mut client, "SADD large 1");
    run(&mut client, "DEL large");
    let (_, before) = settled(&mut client);
    let members: Vec<String> = (0..100_000).map(|index| index.to_string()).collect();
    redis::cmd("SADD").arg("large").arg(&members).exec(&mut client).unwrap();
    run(&mut client, "DEL large");
    let (_, used) = settled(&mut client);
    assert!(used < before + 500_000, "{used} bytes are in use, {before} before");
}

fn check_unlink(options: &[&str]) {
    let server = TestServer::start(options);
    let mut client = server.client();
    make(&mut client, "warm-up", 1000);
    run(&mut client, "UNLINK warm-up");
    let (_, before) = settled(&mut client);
    run(&mut client, "CONFIG RESETSTAT");
    for (index, removal) in
        ["UNLINK large", "DEL large", "SET large small", "EXPIRE large -1"].iter().enumerate()
    {
        make(&mut client, "large", 60_000);
        assert!(info_number(&mut client, "used_memory") > before + 800_000);
        run(&mut client, removal);
        let (freed, used) = settled(&mut client);
        assert_eq!(freed, index as u64 + 1, "{removal}");
        assert!(used < before + 500_000, "{removal}: {used} bytes are in use, {before} before");
        run(&mut client, "DEL large");
    }
    // What is freed in no time is not put off.
    make(&mut client, "small", 10);
    run(&mut client, "SET string v");
    run(&mut client, "UNLINK small string");
    assert_eq!(settled(&mut client).0, 4);
    run(&mut client, "CONFIG RESETSTAT");
    assert_eq!(settled(&mut client).0, 0);
}

#[test]
fn what_takes_long_to_free_is_put_off_and_counted() {
    check_unlink(&[]);
}

#[test]
fn io_threads_free_and_are_counted() {
    check_unlink(&["--io-threads", "3", "--io-threads-always-active", "yes"]);
}

#[test]
fn who_wants_it_freed_at_once_gets_that() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    for (directive, removal) in [
        ("lazyfree-lazy-user-del", "DEL large"),
        ("lazyfree-lazy-server-del", "SET large small"),
        ("lazyfree-lazy-server-del", "RENAME other large"),
    ] {
        run(&mut client, &format!("CONFIG SET {directive} no"));
        run(&mut client, "CONFIG RESETSTAT");
        let before = info_number(&mut client, "used_memory");
        make(&mut client, "large", 60_000);
        run(&mut client, "SET other v");
        run(&mut client, removal);
        let used = info_number(&mut client, "used_memory");
        assert!(used < before + 500_000, "{removal}: {used} bytes are in use, {before} before");
        assert_eq!(
            (
                info_number(&mut client, "lazyfree_pending_objects"),
                info_number(&mut client, "lazyfreed_objects")
            ),
            (0, 0)
        );
        // UNLINK puts it off whatever they say.
        run(&mut client, "DEL large other");
        make(&mut client, "large", 60_000);
        run(&mut client, "DEL large");
        make(&mut client, "large", 60_000);
        run(&mut client, "UNLINK large");
        let del_counts = u64::from(directive != "lazyfree-lazy-user-del");
        assert_eq!(settled(&mut client).0, 1 + del_counts, "{directive}");
        run(&mut client, &format!("CONFIG SET {directive} yes"));
    }
    // Keys that expire or are evicted have a directive each.
    for (directive, removal) in
        [("lazyfree-lazy-expire", "PEXPIRE large 1"), ("lazyfree-lazy-eviction", "CONFIG SET maxmemory 1")]
    {
        run(&mut client, "CONFIG SET maxmemory-policy allkeys-lru");
        for (word, freed) in [("no", 0), ("yes", 1)] {
            run(&mut client, &format!("CONFIG SET {directive} {word}"));
            run(&mut client, "CONFIG RESETSTAT");
            make(&mut client, "large", 60_000);
            run(&mut client, removal);
            let mut is_empty = || redis::cmd("DBSIZE").query::<u64>(&mut client).unwrap() == 0;
            assert!((0..50_000).any(|_| is_empty()), "{removal}");
            run(&mut client, "CONFIG SET maxmemory 0");
            assert_eq!(settled(&mut client).0, freed, "{directive} {word}");
        }
    }
}

#[test]
fn a_flush_counts_the_keys_it_puts_off() {
    let server = TestServer::start(&[]);
    let mut client = server.client();
    for (line, put_off) in [
        ("FLUSHALL ASYNC", true),
        ("FLUSHDB ASYNC", true),
        ("FLUSHALL", true),
        ("FLUSHALL SYNC", false),
        ("FLUSHDB SYNC", false),
        ("CONFIG SET lazyfree-lazy-user-flush no", true),
        ("FLUSHALL", false),
    ] {
        if line.starts_with("CONFIG") {
            run(&mut client, line);
            continue;
        }
        let before = settled(&mut client).1;
        run(&mut client, "CONFIG RESETSTAT");
        run(&mut client, "DEBUG POPULATE 20000");
        run(&mut client, line);
        let (freed, used) = settled(&mut client);
        assert_eq!(freed, if put_off { 20_000 } else { 0 }, "{line}");
        assert!(used < before + 500_000, "{line}: {used} bytes are in use, {before} before");
    }
}
