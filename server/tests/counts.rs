//! What INFO counts, which requests send events, and what a transaction refuses: found by `ci/diff` to differ from the reference.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Raw, TestServer};

/// A line of INFO, by its name.
fn info(admin: &mut Raw, section: &str, name: &str) -> String {
    admin.send(format!("INFO {section}\r\n").as_bytes());
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        text.push_str(&String::from_utf8(admin.take(1)).unwrap());
    }
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

//= valkey 9.1 CLIENT UNBLOCK: a wait that ends by an error counts as a rejected call
#[test]
fn a_wait_ended_by_an_error_is_a_rejected_call() {
    let server = TestServer::start(&[]);
    let (mut admin, mut client) = (server.raw(), server.raw());
    client.ask(b"CLIENT SETNAME waits\r\n", b"+OK\r\n");
    client.send(b"CLIENT ID\r\n");
    let mut id = String::new();
    while !id.ends_with("\r\n") {
        id.push_str(&String::from_utf8(client.take(1)).unwrap());
    }
    client.send(b"BLPOP nokey 0\r\n");
    while info(&mut admin, "clients", "blocked_clients") != "1" {}
    admin.ask(format!("CLIENT UNBLOCK {} ERROR\r\n", id[1..].trim_end()).as_bytes(), b":1\r\n");
    client.expect(b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    let line = info(&mut admin, "commandstats", "cmdstat_blpop");
    assert!(line.starts_with("calls=1,") && line.ends_with("rejected_calls=1,failed_calls=0"), "{line}");
}

#[test]
fn keys_that_expire_are_no_changes() {
    let server = TestServer::start(&[]);
    let mut admin = server.raw();
    admin.ask(b"SET a 1 PX 1\r\nSET b 1 PX 1\r\n", b"+OK\r\n+OK\r\n");
    while info(&mut admin, "stats", "expired_keys") != "2" {}
    assert_eq!(info(&mut admin, "persistence", "rdb_changes_since_last_save"), "2");
}

#[test]
fn both_keys_of_lcs_are_looked_up() {
    let server = TestServer::start(&[]);
    let mut admin = server.raw();
    admin.ask(b"SADD set a\r\n", b":1\r\n");
    admin.ask(b"LCS set nokey\r\n", b"-ERR The specified keys must contain string values\r\n");
    assert_eq!(info(&mut admin, "stats", "keyspace_hits"), "1");
    assert_eq!(info(&mut admin, "stats", "keyspace_misses"), "1");
}

#[test]
fn object_sends_no_event_of_a_key_that_is_missing() {
    let server = TestServer::start(&["--notify-keyspace-events", "Em"]);
    let (mut admin, mut listener) = (server.raw(), server.raw());
    listener.ask(b"PSUBSCRIBE *\r\n", b"*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n");
    admin.ask(b"OBJECT ENCODING a\r\nOBJECT REFCOUNT a\r\nOBJECT IDLETIME a\r\n", b"$-1\r\n$-1\r\n$-1\r\n");
    admin.ask(b"GET b\r\n", b"$-1\r\n");
    listener.expect(b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$22\r\n__keyevent@0__:keymiss\r\n$1\r\nb\r\n");
    assert_eq!(info(&mut admin, "stats", "keyspace_misses"), "4");
}

//= valkey 9.1 EXEC: one that is refused says so in the words of a failed transaction, even where there is none
#[test]
fn a_refused_exec_ends_the_transaction_and_the_watch() {
    let server = TestServer::start(&[]);
    let (mut client, mut other) = (server.raw(), server.raw());
    let refused =
        b"-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n";
    client.ask(b"WATCH a\r\n", b"+OK\r\n");
    client.ask(b"EXEC x\r\n", refused);
    other.ask(b"SET a 1\r\n", b"+OK\r\n");
    // Nothing is watched any more.
    client.ask(b"MULTI\r\nGET a\r\nEXEC\r\n", b"+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n");
    client.ask(b"MULTI\r\n", b"+OK\r\n");
    client.ask(b"EXEC x\r\n", refused);
    client.ask(b"EXEC\r\n", b"-ERR EXEC without MULTI\r\n");
}

#[test]
fn subcommands_called_reset_are_queued() {
    let server = TestServer::start(&[]);
    let mut client = server.raw();
    client.ask(b"MULTI\r\nSLOWLOG RESET\r\nCOMMANDLOG RESET x\r\n", b"+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    client.ask(
        b"LATENCY RESET\r\nEXEC\r\n",
        b"+QUEUED\r\n*3\r\n+OK\r\n-ERR type should be one of the following: slow, large-request, large-reply\r\n:0\r\n",
    );
    // Nor are they what a subscriber may give.
    client.ask(b"SUBSCRIBE a\r\n", b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    client.ask(
        b"SLOWLOG RESET\r\n",
        b"-ERR Can't execute 'slowlog|reset': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
          this context\r\n",
    );
    client.ask(b"RESET\r\n", b"+RESET\r\n");
}

//= valkey 9.1 SSUBSCRIBE: not within a transaction, unlike SUBSCRIBE
#[test]
fn shard_channels_are_not_subscribed_to_in_a_transaction() {
    let server = TestServer::start(&[]);
    let mut client = server.raw();
    client.ask(b"MULTI\r\nSSUBSCRIBE a\r\nSUBSCRIBE b\r\n", b"+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    client.ask(
        b"EXEC\r\n",
        b"*2\r\n-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n",
    );
}

//= valkey 9.1 XREAD, XREADGROUP: look again when a stream has got an entry or is gone, not when it was trimmed
#[test]
fn who_waits_for_entries_looks_again_only_for_entries() {
    for request in ["XREAD BLOCK 0 STREAMS x $", "XREADGROUP GROUP g c BLOCK 0 STREAMS x >"] {
        let server = TestServer::start(&[]);
        let (mut admin, mut client) = (server.raw(), server.raw());
        admin.ask(b"XADD x 1-1 f v\r\n", b"$3\r\n1-1\r\n");
        admin.ask(b"XGROUP CREATE x g $\r\n", b"+OK\r\n");
        client.send(format!("{request}\r\n").as_bytes());
        while info(&mut admin, "clients", "blocked_clients") != "1" {}
        let before = info(&mut admin, "stats", "keyspace_hits");
        admin.ask(b"EXPIRE x 1000\r\nXTRIM x MAXLEN 1\r\nXTRIM x MAXLEN 0\r\n", b":1\r\n:0\r\n:1\r\n");
        assert_eq!(info(&mut admin, "stats", "keyspace_hits"), before, "{request}");
        admin.ask(b"XADD x 2-1 f v\r\n", b"$3\r\n2-1\r\n");
        client.expect(b"*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    }
}
