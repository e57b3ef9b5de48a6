//! Client-side caching over real sockets: who is told of which key, when, in which protocol, and what is remembered.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

extern crate alloc;

mod common;

use alloc::collections::BTreeMap;
use std::io::Read;

use common::{Raw, TestServer, info_number};

/// Options under which every client is lent to a thread.
const THREADS: [&str; 4] = ["--io-threads", "4", "--io-threads-always-active", "yes"];

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// A request of words parted by single blanks.
fn request(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let body: String = words.iter().map(|word| bulk(word)).collect();
    format!("*{}\r\n{body}", words.len()).into_bytes()
}

fn array(keys: &[&str]) -> String {
    format!("*{}\r\n{}", keys.len(), keys.iter().map(|key| bulk(key)).collect::<String>())
}

/// The message that keys are stale, as RESP3 clients get it.
fn stale(keys: &[&str]) -> String {
    format!(">2\r\n$10\r\ninvalidate\r\n{}", array(keys))
}

/// Same, as a RESP2 client gets it for another.
fn stale2(keys: &[&str]) -> String {
    format!("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n{}", array(keys))
}

const ALL_STALE: &str = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

struct Client(Raw);

impl Client {
    /// Sends a request and compares all that comes for it.
    fn ask(&mut self, line: &str, reply: &str) {
        self.0.ask(&request(line), reply.as_bytes());
    }

    fn ok(&mut self, line: &str) {
        self.ask(line, "+OK\r\n");
    }

    fn expect(&mut self, bytes: &str) {
        self.0.expect(bytes.as_bytes());
    }

    /// Nothing waits for the client: what the server answers next is the answer.
    fn expect_nothing(&mut self) {
        self.ask("PING", "+PONG\r\n");
    }

    /// Reads up to this end.
    fn until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let mut byte = [0];
            self.0.stream.read_exact(&mut byte).unwrap();
            text.extend(byte);
        }
        String::from_utf8(text).unwrap()
    }

    fn hello(&mut self, proto: u8) {
        self.0.send(format!("HELLO {proto}\r\n").as_bytes());
        self.until("$7\r\nmodules\r\n*0\r\n");
    }

    fn id(&mut self) -> u64 {
        self.0.send(&request("CLIENT ID"));
        self.until("\r\n").trim_start_matches(':').trim().parse().unwrap()
    }
}

fn resp2(server: &TestServer) -> Client {
    Client(server.raw())
}

fn resp3(server: &TestServer) -> Client {
    let mut client = Client(server.raw());
    client.hello(3);
    client
}

/// A client that speaks RESP2 and listens to the messages of others; and its number.
fn listener(server: &TestServer) -> (Client, u64) {
    let mut client = resp2(server);
    let id = client.id();
    client.ask(
        "SUBSCRIBE __redis__:invalidate",
        "*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n",
    );
    (client, id)
}

fn info(server: &TestServer, name: &str) -> u64 {
    info_number(&mut server.client(), name)
}

fn wait_for(server: &TestServer, name: &str, value: u64) {
    while info(server, name) != value {
        std::thread::yield_now();
    }
}

/// Runs a test with and without I/O threads.
fn both_ways(test: impl Fn(&TestServer)) {
    test(&TestServer::start(&[]));
    test(&TestServer::start(&THREADS));
}

#[test]
fn what_was_read_is_told_once() {
    both_ways(|server| {
        let (mut reader, mut writer) = (resp3(server), resp2(server));
        reader.ok("CLIENT TRACKING ON");
        writer.ok("SET k 1");
        reader.expect_nothing();
        reader.ask("GET k", "$1\r\n1\r\n");
        reader.ask("MGET k other", "*2\r\n$1\r\n1\r\n_\r\n");
        writer.ok("SET k 2");
        reader.expect(&stale(&["k"]));
        writer.ok("SET k 3");
        reader.expect_nothing();
        writer.ok("SET other x");
        reader.expect(&stale(&["other"]));
        // Its own change is told after the reply; the key need not exist, and a failed read counts.
        reader.ask("HGET k f", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
        reader.ask("INCR k", &format!(":4\r\n{}", stale(&["k"])));
        reader.ask("OBJECT ENCODING k", "$3\r\nint\r\n");
        reader.ask("DEL k", &format!(":1\r\n{}", stale(&["k"])));
        // Commands that write are not what a copy is made from.
        reader.ask("GETSET k v", "_\r\n");
        reader.ask("INCRBY n 1", ":1\r\n");
        writer.ok("MSET k w n 5");
        reader.expect_nothing();
    });
}

#[test]
fn another_client_gets_the_messages() {
    both_ways(|server| {
        let (mut hears, id) = listener(server);
        let mut hears3 = resp3(server);
        let id3 = hears3.id();
        let (mut first, mut second, mut writer) = (resp2(server), resp2(server), resp2(server));
        first.ok(&format!("CLIENT TRACKING ON REDIRECT {id}"));
        second.ok(&format!("CLIENT TRACKING on redirect {id3}"));
        first.ask("GET k", "$-1\r\n");
        second.ask("GET k", "$-1\r\n");
        writer.ok("SET k v");
        hears.expect(&stale2(&["k"]));
        hears3.expect(&stale(&["k"]));
        // Messages of its own change, too, and before those who listen to nothing get none.
        first.ask("GET k", "$1\r\nv\r\n");
        first.ask("DEL k", ":1\r\n");
        hears.expect(&stale2(&["k"]));
        hears.ask(
            "UNSUBSCRIBE __redis__:invalidate",
            "*3\r\n$11\r\nunsubscribe\r\n$20\r\n__redis__:invalidate\r\n:0\r\n",
        );
        first.ask("GET k", "$-1\r\n");
        writer.ok("SET k v");
        hears.ask("PING", "+PONG\r\n");
        // Without anybody to redirect to, RESP2 has no way to be told.
        second.ok("CLIENT TRACKING ON");
        second.ask("GET k", "$1\r\nv\r\n");
        writer.ok("SET k w");
        second.expect_nothing();
        hears3.expect_nothing();
        // The one who gets the messages may be the one who writes.
        second.ok(&format!("CLIENT TRACKING ON REDIRECT {id3}"));
        second.ask("GET k", "$1\r\nw\r\n");
        hears3.ask("SET k x", &format!("+OK\r\n{}", stale(&["k"])));
    });
}

#[test]
fn a_redirect_may_break() {
    both_ways(|server| {
        let (mut hears, id) = listener(server);
        let (mut three, mut two, mut writer) = (resp3(server), resp2(server), resp2(server));
        three.ok(&format!("CLIENT TRACKING ON REDIRECT {id}"));
        two.ok(&format!("CLIENT TRACKING ON REDIRECT {id}"));
        three.ask("GET k", "_\r\n");
        two.ask("GET k", "$-1\r\n");
        hears.ok("QUIT");
        writer.ok("SET k v");
        three.expect(&format!(">2\r\n$21\r\ntracking-redir-broken\r\n:{id}\r\n"));
        two.expect_nothing();
        for client in [&mut three, &mut two] {
            client.ask("CLIENT GETREDIR", &format!(":{id}\r\n"));
        }
        three.ask(
            "CLIENT TRACKINGINFO",
            &format!(
                "%3\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$15\r\nbroken_redirect\r\n$8\r\nredirect\r\n:{id}\r\n\
                 $8\r\nprefixes\r\n*0\r\n"
            ),
        );
        let lines: String = redis::cmd("CLIENT").arg("LIST").query(&mut server.client()).unwrap();
        assert_eq!(lines.matches(" flags=tR ").count(), 2, "{lines}");
        assert_eq!(lines.matches(&format!(" redir={id} ")).count(), 2, "{lines}");
        let filtered =
            redis::cmd("CLIENT").arg(&["LIST", "FLAGS", "tR"]).query::<String>(&mut server.client()).unwrap();
        assert_eq!(filtered.lines().count(), 2, "{filtered}");
        three.ok("CLIENT TRACKING ON");
        three.ask("CLIENT GETREDIR", ":0\r\n");
        three.ask("GET k", "$1\r\nv\r\n");
        writer.ok("SET k w");
        three.expect(&stale(&["k"]));
    });
}

#[test]
fn prefixes_are_told_at_the_end_of_the_turn() {
    both_ways(|server| {
        let (mut all, mut some, mut writer) = (resp3(server), resp3(server), resp2(server));
        let (mut hears, id) = listener(server);
        all.ok("CLIENT TRACKING ON BCAST");
        some.ok("CLIENT TRACKING ON BCAST PREFIX user: PREFIX item: NOLOOP");
        let mut quiet = resp2(server);
        quiet.ok(&format!("CLIENT TRACKING ON BCAST PREFIX u REDIRECT {id}"));
        assert_eq!((info(server, "tracking_clients"), info(server, "tracking_total_prefixes")), (3, 4));
        writer.ok("MSET user:2 x user:1 x item:1 x another x");
        all.expect(&stale(&["another", "item:1", "user:1", "user:2"]));
        // One message for each prefix.
        some.expect(&stale(&["item:1"]));
        some.expect(&stale(&["user:1", "user:2"]));
        hears.expect(&stale2(&["user:1", "user:2"]));
        // Nothing is remembered of reads.
        all.ask("GET user:1", "$1\r\nx\r\n");
        assert_eq!(info(server, "tracking_total_keys"), 0);
        // Its own changes are not told with NOLOOP, but those of others in the same turn are.
        some.ok("SET user:1 y");
        all.expect(&stale(&["user:1"]));
        hears.expect(&stale2(&["user:1"]));
        some.expect_nothing();
        all.ok("SET user:1 z");
        all.expect(&stale(&["user:1"]));
        some.expect(&stale(&["user:1"]));
        // More prefixes may come; who is gone leaves none behind.
        some.ok("CLIENT TRACKING ON BCAST PREFIX k");
        assert_eq!(info(server, "tracking_total_prefixes"), 5);
        writer.ask("RPUSH k 1", ":1\r\n");
        some.expect(&stale(&["k"]));
        some.ok("CLIENT TRACKING OFF");
        drop((all, quiet));
        wait_for(server, "tracking_clients", 0);
        assert_eq!(info(server, "tracking_total_prefixes"), 0);
    });
}

#[test]
fn options_that_do_not_go_together() {
    let server = TestServer::start(&[]);
    let mut client = resp2(&server);
    let overlap = |first: &str, second: &str, which: &str| {
        format!(
            "-ERR Prefix '{first}' overlaps with {which} prefix '{second}'. Prefixes for a single client must not \
             overlap.\r\n"
        )
    };
    client.ask("CLIENT TRACKING MAYBE", "-ERR syntax error\r\n");
    client.ask("CLIENT TRACKING ON REDIRECT", "-ERR syntax error\r\n");
    client.ask("CLIENT TRACKING ON PREFIX", "-ERR syntax error\r\n");
    client.ask("CLIENT TRACKING ON REDIRECT x", "-ERR value is not an integer or out of range\r\n");
    for id in ["0", "-1", "999999"] {
        let line = format!("CLIENT TRACKING ON REDIRECT {id}");
        client.ask(&line, "-ERR The client ID you want redirect to does not exist\r\n");
    }
    let id = client.id();
    let line = format!("CLIENT TRACKING ON REDIRECT {id} REDIRECT {id}");
    client.ask(&line, "-ERR A client can only redirect to a single other client\r\n");
    client.ask("CLIENT TRACKING ON PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled\r\n");
    client.ask("CLIENT TRACKING ON BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n");
    let both = "-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n";
    client.ask("CLIENT TRACKING ON OPTIN OPTOUT", both);
    client.ask("CLIENT CACHING YES", "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled\r\n");
    client.ask("CLIENT GETREDIR", ":-1\r\n");
    client
        .ask("CLIENT TRACKING ON BCAST PREFIX ab PREFIX c PREFIX a", &overlap("ab", "a", "another provided"));
    client.ask("CLIENT TRACKING ON BCAST PREFIX ab PREFIX ab", &overlap("ab", "ab", "another provided"));
    client.ok("CLIENT TRACKING ON BCAST PREFIX ab PREFIX b");
    client.ask("CLIENT TRACKING ON BCAST PREFIX c PREFIX abc", &overlap("abc", "ab", "an existing"));
    client.ask("CLIENT TRACKING ON BCAST PREFIX ab", &overlap("ab", "ab", "an existing"));
    let switch = |what: &str| {
        format!(
            "-ERR You can't switch {what} before disabling tracking for this client, and then re-enabling it with a \
             different mode.\r\n"
        )
    };
    client.ask("CLIENT TRACKING ON", &switch("BCAST mode on/off"));
    client.ok("CLIENT TRACKING OFF");
    client.ok("CLIENT TRACKING ON OPTIN");
    client.ask("CLIENT TRACKING ON OPTOUT", &switch("OPTIN/OPTOUT mode"));
    client.ask(
        "CLIENT CACHING NO",
        "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n",
    );
    client.ask("CLIENT CACHING PERHAPS", "-ERR syntax error\r\n");
    client.ok("CLIENT CACHING YES");
    client.ask(
        "CLIENT TRACKINGINFO",
        "*6\r\n$5\r\nflags\r\n*3\r\n$2\r\non\r\n$5\r\noptin\r\n$11\r\ncaching-yes\r\n$8\r\nredirect\r\n:0\r\n\
         $8\r\nprefixes\r\n*0\r\n",
    );
    assert_eq!(info(&server, "tracking_clients"), 1);
}

#[test]
fn a_refused_exec_says_that_it_aborts() {
    // Found by ci/diff-tracking: without a transaction the reference answers the same.
    let server = TestServer::start(&[]);
    let (mut client, _) = listener(&server);
    client.ask(
        "EXEC",
        "-EXECABORT Transaction discarded because of: Can't execute 'exec': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING \
         / QUIT / RESET are allowed in this context\r\n",
    );
    let mut client = resp2(&server);
    client.ask(
        "EXEC x",
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n",
    );
}

#[test]
fn optin_and_optout() {
    both_ways(|server| {
        let (mut reader, mut writer) = (resp3(server), resp2(server));
        reader.ok("CLIENT TRACKING ON OPTIN");
        reader.ask("GET a", "_\r\n");
        reader.ok("CLIENT CACHING YES");
        reader.ask("CLIENT GETREDIR", ":0\r\n");
        reader.ask("GET b", "_\r\n");
        reader.ask("GET c", "_\r\n");
        writer.ok("MSET a 1 b 1 c 1");
        reader.expect(&stale(&["b"]));
        reader.expect_nothing();
        // Asked before a transaction, for all of it.
        reader.ok("CLIENT CACHING YES");
        reader.ok("MULTI");
        reader.ask("GET a", "+QUEUED\r\n");
        reader.ask("GET b", "+QUEUED\r\n");
        reader.ask("EXEC", "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
        reader.ask("GET c", "$1\r\n1\r\n");
        writer.ok("MSET a 2 b 2 c 2");
        reader.expect(&(stale(&["a"]) + &stale(&["b"])));
        // A command that does not exist uses it up as well.
        reader.ok("CLIENT CACHING YES");
        reader.ask("NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n");
        reader.ask("GET a", "$1\r\n2\r\n");
        writer.ok("SET a 3");
        reader.expect_nothing();
        reader.ok("CLIENT TRACKING OFF");
        reader.ok("CLIENT TRACKING ON OPTOUT");
        reader.ok("CLIENT CACHING NO");
        reader.ask("GET a", "$1\r\n3\r\n");
        reader.ask("GET b", "$1\r\n2\r\n");
        writer.ok("MSET a 4 b 4");
        reader.expect(&stale(&["b"]));
        reader.expect_nothing();
    });
}

#[test]
fn own_changes_come_after_the_reply() {
    both_ways(|server| {
        let (mut client, mut other) = (resp3(server), resp2(server));
        client.ok("CLIENT TRACKING ON");
        client.ask("MGET a b", "*2\r\n_\r\n_\r\n");
        client.ok("MULTI");
        for line in ["INCR a", "GET a", "SET b 1", "FLUSHDB"] {
            client.ask(line, "+QUEUED\r\n");
        }
        client.ask(
            "EXEC",
            &format!("*4\r\n:1\r\n$1\r\n1\r\n+OK\r\n+OK\r\n{}{}{ALL_STALE}", stale(&["a"]), stale(&["b"])),
        );
        // Several requests at once: each message behind its reply.
        let pipeline = ["GET a", "SET a 1", "GET a", "SET a 2"].map(request).concat();
        client.0.send(&pipeline);
        client.expect(&format!("_\r\n+OK\r\n{0}$1\r\n1\r\n+OK\r\n{0}", stale(&["a"])));
        client.ok("CLIENT TRACKING ON NOLOOP");
        client.ask("MGET a b", "*2\r\n$1\r\n2\r\n_\r\n");
        client.ok("MSET a 3 b 3");
        client.expect_nothing();
        client.ask("GET a", "$1\r\n3\r\n");
        other.ok("SET a 4");
        client.expect(&stale(&["a"]));
        // A transaction that is not run has read nothing.
        client.ok("MULTI");
        client.ask("GET a", "+QUEUED\r\n");
        client.ok("DISCARD");
        other.ok("SET a 5");
        client.expect_nothing();
    });
}

#[test]
fn replies_may_be_off() {
    both_ways(|server| {
        let (mut reader, mut writer) = (resp3(server), resp2(server));
        reader.ok("CLIENT TRACKING ON");
        reader.ask("MGET a b", "*2\r\n_\r\n_\r\n");
        reader.0.send(&["CLIENT REPLY OFF", "SET a 1"].map(request).concat());
        reader.expect(&stale(&["a"]));
        writer.ok("SET b 1");
        reader.expect(&stale(&["b"]));
        reader.ok("CLIENT REPLY ON");
        reader.ask("GET a", "$1\r\n1\r\n");
        reader.0.send(&["CLIENT REPLY SKIP", "SET a 2", "PING"].map(request).concat());
        reader.expect(&(stale(&["a"]) + "+PONG\r\n"));
    });
}

#[test]
fn a_flush_makes_everything_stale() {
    both_ways(|server| {
        let (mut one, mut two, mut bcast, mut writer) =
            (resp3(server), resp2(server), resp3(server), resp2(server));
        let (mut hears, id) = listener(server);
        one.ok("CLIENT TRACKING ON");
        two.ok(&format!("CLIENT TRACKING ON REDIRECT {id}"));
        bcast.ok("CLIENT TRACKING ON BCAST PREFIX x");
        one.ask("MGET a b", "*2\r\n_\r\n_\r\n");
        two.ask("GET a", "$-1\r\n");
        assert_eq!((info(server, "tracking_total_keys"), info(server, "tracking_total_items")), (2, 3));
        for line in ["FLUSHALL", "FLUSHDB SYNC", "FLUSHALL ASYNC"] {
            writer.ok(line);
            assert_eq!((info(server, "tracking_total_keys"), info(server, "tracking_total_items")), (0, 0));
            one.expect(ALL_STALE);
            bcast.expect(ALL_STALE);
            hears.expect("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
            one.ask("GET a", "_\r\n");
        }
        one.ask("FLUSHALL", &format!("+OK\r\n{ALL_STALE}"));
        // What was read before is forgotten.
        writer.ok("SET a 1");
        one.expect_nothing();
    });
}

#[test]
fn what_expires_is_told() {
    both_ways(|server| {
        let (mut reader, mut bcast, mut writer) = (resp3(server), resp3(server), resp2(server));
        reader.ok("CLIENT TRACKING ON");
        set_and_read(&mut reader, "k");
        reader.expect(&stale(&["k"]));
        bcast.ok("CLIENT TRACKING ON BCAST NOLOOP");
        bcast.ok("SET k v PX 20");
        bcast.expect(&stale(&["k"]));
        writer.ask("HSET h f v", ":1\r\n");
        bcast.expect(&stale(&["h"]));
        reader.ask("HGET h f", "$1\r\nv\r\n");
        writer.ask("HPEXPIRE h 20 FIELDS 1 f", "*1\r\n:1\r\n");
        // When its time is set, and when its time is over.
        reader.expect(&stale(&["h"]));
        bcast.expect(&(stale(&["h"]) + &stale(&["h"])));
        // Found out by a command of its own: after the reply, whatever the reply is made of.
        writer.ok("DEBUG SET-ACTIVE-EXPIRE 0");
        set_and_read(&mut reader, "y");
        let time = || redis::cmd("TIME").query::<(u64, u64)>(&mut server.client()).unwrap();
        let begin = time();
        while (time().0 - begin.0) * 1_000_000 + time().1 <= begin.1 + 25_000 {}
        reader.ask("MGET x y", &format!("*2\r\n_\r\n_\r\n{}", stale(&["y"])));
        // It has read the key again by that.
        writer.ok("SET y w");
        reader.expect(&stale(&["y"]));
    });
}

/// Writes a key that expires soon and reads it at once, whatever else the machine does.
fn set_and_read(client: &mut Client, key: &str) {
    client.ok("MULTI");
    client.ask(&format!("SET {key} v PX 20"), "+QUEUED\r\n");
    client.ask(&format!("GET {key}"), "+QUEUED\r\n");
    client.ask("EXEC", "*2\r\n+OK\r\n$1\r\nv\r\n");
}

#[test]
fn what_is_evicted_is_told_before_the_reply() {
    let server = TestServer::start(&["--maxmemory-policy", "volatile-random"]);
    let mut client = resp3(&server);
    // With NOLOOP too: nobody but the server has removed the key.
    client.ok("CLIENT TRACKING ON NOLOOP");
    client.ok("SET k v EX 1000");
    client.ok("SET stays v");
    client.ask("MGET k stays", "*2\r\n$1\r\nv\r\n$1\r\nv\r\n");
    client.ok("CONFIG SET maxmemory 1");
    client.ask("GET stays", &format!("{}$1\r\nv\r\n", stale(&["k"])));
    client.ok("CONFIG SET maxmemory 0");
    client.ask("GET k", "_\r\n");
}

#[test]
fn eviction_does_not_feed_on_its_messages() {
    // Threads keep chunks for the next replies, which count as used memory.
    let server = TestServer::start(&[
        "--io-threads",
        "1",
        "--maxmemory-policy",
        "allkeys-lru",
        "--maxmemory-eviction-tenacity",
        "100",
    ]);
    let mut readers: Vec<Client> = (0..10).map(|_| resp3(&server)).collect();
    let mut writer = resp2(&server);
    readers.iter_mut().for_each(|reader| reader.ok("CLIENT TRACKING ON"));
    for index in 0..300 {
        let key = index.to_string() + &"x".repeat(1000);
        writer.ok(&format!("SET {key} v"));
        readers.iter_mut().for_each(|reader| reader.ask(&format!("GET {key}"), "$1\r\nv\r\n"));
    }
    // Each key that goes is told ten times, which takes ten times what it has taken.
    let limit = info(&server, "used_memory") - 40_000;
    writer.ok(&format!("CONFIG SET maxmemory {limit}"));
    (0..20).for_each(|_| writer.expect_nothing());
    writer.0.send(&request("DBSIZE"));
    let left: u64 = writer.until("\r\n").trim_start_matches(':').trim().parse().unwrap();
    assert!((200..290).contains(&left), "{left} keys are left");
    readers[0].expect(">2\r\n$10\r\ninvalidate\r\n*1\r\n$100");
}

#[test]
fn one_who_waited_is_told_after_its_reply() {
    both_ways(|server| {
        let (mut client, mut writer) = (resp3(server), resp2(server));
        client.ok("CLIENT TRACKING ON");
        client.ask("LRANGE to 0 -1", "*0\r\n");
        client.0.send(&request("BLMOVE from to LEFT LEFT 0"));
        wait_for(server, "blocked_clients", 1);
        writer.ask("RPUSH from x", ":1\r\n");
        client.expect(&format!("$1\r\nx\r\n{}", stale(&["to"])));
        // XREAD reads: as soon as it waits, and again when it is served.
        client.0.send(&request("XREAD BLOCK 0 STREAMS s $"));
        wait_for(server, "blocked_clients", 1);
        assert_eq!(info(server, "tracking_total_keys"), 1);
        writer.ask("XADD s 1-1 f v", "$3\r\n1-1\r\n");
        let entry = "%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
        client.expect(&(stale(&["s"]) + entry));
        writer.ask("XADD s 1-2 f v", "$3\r\n1-2\r\n");
        client.expect(&stale(&["s"]));
    });
}

#[test]
fn the_table_has_a_limit() {
    both_ways(|server| {
        let (mut reader, mut writer) = (resp3(server), resp2(server));
        reader.ok("CLIENT TRACKING ON");
        let line: String = (0..1000).map(|index| format!(" k{index}")).collect();
        reader.ask(&format!("MGET{line}"), &format!("*1000\r\n{}", "_\r\n".repeat(1000)));
        assert_eq!(info(server, "tracking_total_keys"), 1000);
        writer.ok("CONFIG SET tracking-table-max-keys 10");
        // Each look takes more than the one before, and the periodic work looks as well.
        wait_for(server, "tracking_total_keys", 10);
        let mut message = || (0..6).map(|_| reader.until("\r\n")).collect::<String>();
        let mut told: Vec<String> = (0..990).map(|_| message()).collect();
        assert!(told.iter().all(|text| text.starts_with(">2\r\n$10\r\ninvalidate\r\n*1\r\n$")));
        told.sort();
        told.dedup();
        assert_eq!(told.len(), 990);
        reader.expect_nothing();
        // A limit of 0 is none.
        writer.ok("CONFIG SET tracking-table-max-keys 0");
        reader.ask(&format!("EXISTS{line}"), ":0\r\n");
        assert_eq!(info(server, "tracking_total_keys"), 1000);
        reader.expect_nothing();
    });
}

#[test]
fn who_goes_is_forgotten() {
    both_ways(|server| {
        let mut clients: Vec<Client> = (0..20).map(|_| resp3(server)).collect();
        let line: String = (0..2000).map(|index| format!(" k{index}")).collect();
        for client in &mut clients {
            client.ok("CLIENT TRACKING ON");
            client.ask(&format!("EXISTS{line}"), ":0\r\n");
        }
        assert_eq!(
            (info(server, "tracking_total_keys"), info(server, "tracking_total_items")),
            (2000, 40_000)
        );
        let mut last = clients.pop().unwrap();
        drop(clients);
        // Without any key having changed.
        wait_for(server, "tracking_total_items", 2000);
        assert_eq!((info(server, "tracking_total_keys"), info(server, "tracking_clients")), (2000, 1));
        resp2(server).ok("SET k7 v");
        last.expect(&stale(&["k7"]));
        let id = last.id();
        resp2(server).ask(&format!("CLIENT KILL ID {id}"), ":1\r\n");
        wait_for(server, "tracking_total_keys", 0);
        assert_eq!((info(server, "tracking_total_items"), info(server, "tracking_clients")), (0, 0));
    });
}

#[test]
fn off_and_reset_end_it() {
    let server = TestServer::start(&[]);
    let (mut reader, mut writer) = (resp3(&server), resp2(&server));
    reader.ok("CLIENT TRACKING ON");
    reader.ask("GET k", "_\r\n");
    reader.ok("CLIENT TRACKING OFF");
    writer.ok("SET k v");
    reader.expect_nothing();
    reader.ok("CLIENT TRACKING ON BCAST PREFIX k");
    reader.ask("RESET", "+RESET\r\n");
    assert_eq!((info(&server, "tracking_clients"), info(&server, "tracking_total_prefixes")), (0, 0));
    reader.ask(
        "CLIENT TRACKINGINFO",
        "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n",
    );
    // From one mode to the other; what was read before is not told in the new one, but by its prefix.
    let mut reader = resp3(&server);
    reader.ok("CLIENT TRACKING ON");
    reader.ask("MGET a k", "*2\r\n_\r\n$1\r\nv\r\n");
    reader.ok("CLIENT TRACKING OFF");
    reader.ok("CLIENT TRACKING ON BCAST PREFIX k");
    writer.ok("MSET a 1 k 1");
    reader.expect(&stale(&["k"]));
    reader.expect_nothing();
    // A change of protocol in between: who speaks RESP2 is told nothing, who speaks RESP3 again is.
    reader.ok("CLIENT TRACKING OFF");
    reader.ok("CLIENT TRACKING ON");
    reader.ask("MGET a k", "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    reader.hello(2);
    writer.ok("SET a 2");
    reader.expect_nothing();
    reader.hello(3);
    writer.ok("SET k 2");
    reader.expect(&stale(&["k"]));
}

#[test]
fn many_clients_never_miss_a_change() {
    // Readers that keep copies as a client library does; at the end each copy must be what the server has.
    both_ways(|server| {
        let mut readers: Vec<(Client, BTreeMap<String, String>)> = (0..8)
            .map(|_| {
                let mut client = resp3(server);
                client.ok("CLIENT TRACKING ON");
                (client, BTreeMap::new())
            })
            .collect();
        let (mut rounds, mut messages) = (0, 0);
        std::thread::scope(|scope| {
            let writers = [0, 1, 2].map(|number| scope.spawn(move || write_much(server, number)));
            while rounds < 50 || writers.iter().any(|writer| !writer.is_finished()) {
                rounds += 1;
                for (client, copies) in &mut readers {
                    let key = format!("k{}", rounds % 40);
                    client.0.send(&request(&format!("GET {key}")));
                    messages += fetch(client, &key, copies);
                }
            }
        });
        assert!(messages > 100, "{messages} messages");
        for (client, copies) in &mut readers {
            // Whatever has been sent is read before the answer to this.
            client.0.send(&request("GET none"));
            fetch(client, "none", copies);
            for (key, copy) in copies.iter().filter(|(key, _)| *key != "none") {
                let now: String = redis::cmd("GET").arg(key).query(&mut server.client()).unwrap();
                assert_eq!(&now, copy, "{key}");
            }
        }
    });
}

/// Reads messages up to the reply of a GET, and keeps its value. Returns how many there were.
fn fetch(client: &mut Client, key: &str, copies: &mut BTreeMap<String, String>) -> usize {
    let mut line = || client.until("\r\n").trim_end().to_owned();
    let mut messages = 0;
    loop {
        match line().as_str() {
            "_" => {
                copies.remove(key);
                return messages;
            }
            ">2" => {
                (0..4).for_each(|_| drop(line()));
                copies.remove(&line());
                messages += 1;
            }
            head => {
                assert!(head.starts_with('$'), "{head}");
                copies.insert(key.to_owned(), line());
                return messages;
            }
        }
    }
}

fn write_much(server: &TestServer, number: usize) {
    let mut client = server.client();
    for round in 0..3000 {
        let mut set = redis::cmd("SET");
        set.arg(format!("k{}", (round * 7 + number) % 40)).arg(format!("{number}.{round}"));
        set.exec(&mut client).unwrap();
    }
}
