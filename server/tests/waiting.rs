//! Clients that wait for keys, and clients that listen: who is served when, over real sockets, with and without I/O threads.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Raw, TestServer};

/// Runs a test without and with I/O threads.
fn on_both(test: impl Fn(&TestServer)) {
    test(&TestServer::start(&[]));
    test(&TestServer::start(&["--io-threads", "3", "--io-threads-always-active", "yes"]));
}

/// Waits until so many clients are blocked.
fn until_blocked(admin: &mut Raw, count: usize) {
    let wanted = format!("\r\nblocked_clients:{count}\r\n");
    while !info_clients(admin).contains(&wanted) {}
}

fn info_clients(admin: &mut Raw) -> String {
    admin.send(b"INFO clients\r\n");
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        text.push_str(&String::from_utf8(admin.take(1)).unwrap());
    }
    text
}

fn popped(key: &str, value: &str) -> Vec<u8> {
    format!("*2\r\n${}\r\n{key}\r\n${}\r\n{value}\r\n", key.len(), value.len()).into_bytes()
}

#[test]
fn who_came_first_is_served_first() {
    on_both(|server| {
        let mut admin = server.raw();
        let mut waiting: Vec<Raw> = (0..5).map(|_| server.raw()).collect();
        for (count, client) in waiting.iter_mut().enumerate() {
            client.send(b"BLPOP a b 0\r\n");
            until_blocked(&mut admin, count + 1);
        }
        admin.ask(b"RPUSH b 1 2\r\n", b":2\r\n");
        waiting[0].expect(&popped("b", "1"));
        waiting[1].expect(&popped("b", "2"));
        // All that a transaction pushes is there before anybody is served.
        admin.ask(
            b"MULTI\r\nRPUSH a 3\r\nLPUSH a 4\r\nEXEC\r\n",
            b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n",
        );
        waiting[2].expect(&popped("a", "4"));
        waiting[3].expect(&popped("a", "3"));
        until_blocked(&mut admin, 1);
        admin.ask(b"EXISTS a b\r\n", b":0\r\n");
    });
}

//= security vk#4376, vk#4531: a blocked client re-processed; BLPOP followed by half a pipelined command
#[test]
fn what_follows_in_the_pipeline_waits_too() {
    on_both(|server| {
        let (mut admin, mut client) = (server.raw(), server.raw());
        client.send(b"INCR n\r\nBLPOP a 0\r\nINCR n\r\nBLPOP a 0\r\nGET n\r\n*2\r\n$3\r\nGET\r\n$1\r");
        client.expect(b":1\r\n");
        until_blocked(&mut admin, 1);
        admin.ask(b"GET n\r\n", b"$1\r\n1\r\n");
        client.send(b"\nn\r\nPI");
        admin.ask(b"RPUSH a x\r\n", b":1\r\n");
        client.expect(&popped("a", "x"));
        client.expect(b":2\r\n");
        until_blocked(&mut admin, 1);
        admin.ask(b"RPUSH a y z\r\n", b":2\r\n");
        client.expect(&popped("a", "y"));
        client.expect(b"$1\r\n2\r\n$1\r\n2\r\n");
        client.ask(b"NG\r\n", b"+PONG\r\n");
        admin.ask(b"LLEN a\r\n", b":1\r\n");
    });
}

//= security CVE-2026-23479, redis#15594, redis#15562, vk#4198, vk#4212: clients blocked on one key, one of them gone while the list is served
#[test]
fn one_that_goes_while_it_waits_takes_nothing() {
    on_both(|server| {
        let mut admin = server.raw();
        for round in 0..20 {
            let mut waiting: Vec<Raw> = (0..3).map(|_| server.raw()).collect();
            let ids: Vec<String> = waiting
                .iter_mut()
                .enumerate()
                .map(|(count, client)| {
                    client.send(b"CLIENT ID\r\n");
                    let mut id = String::new();
                    while !id.ends_with("\r\n") {
                        id.push_str(&String::from_utf8(client.take(1)).unwrap());
                    }
                    client.send(b"BLPOP a 0\r\n");
                    until_blocked(&mut admin, count + 1);
                    id[1..].trim_end().to_owned()
                })
                .collect();
            let gone = format!("MULTI\r\nCLIENT KILL ID {}\r\nRPUSH a 1 2 3\r\nEXEC\r\n", ids[round % 3]);
            admin.ask(gone.as_bytes(), b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:3\r\n");
            for (index, client) in waiting.iter_mut().enumerate() {
                if index != round % 3 {
                    assert_eq!(client.take(8), b"*2\r\n$1\r\n");
                }
            }
            until_blocked(&mut admin, 0);
            admin.ask(b"DEL a\r\n", b":1\r\n");
        }
    });
}

#[test]
fn one_that_goes_at_once_waits_no_more() {
    on_both(|server| {
        let mut admin = server.raw();
        for _ in 0..200 {
            // Its end comes while its request is still with an I/O thread, or on its way back.
            let mut clients: Vec<Raw> = (0..4).map(|_| server.raw()).collect();
            clients.iter_mut().for_each(|client| client.send(b"PING\r\nBLPOP a 0\r\n"));
            drop(clients);
        }
        let are_gone = (0..20_000).any(|_| info_clients(&mut admin).contains("connected_clients:1\r\n"));
        assert!(are_gone);
        admin.ask(b"RPUSH a 1\r\n", b":1\r\n");
        admin.ask(b"LLEN a\r\n", b":1\r\n");
    });
}

#[test]
fn a_wait_ends_by_time_or_by_order() {
    on_both(|server| {
        let (mut admin, mut client) = (server.raw(), server.raw());
        client.ask(b"BLPOP a 0.01\r\nBRPOPLPUSH a b 0.01\r\nPING\r\n", b"*-1\r\n*-1\r\n+PONG\r\n");
        client.send(b"CLIENT ID\r\n");
        let mut id = String::new();
        while !id.ends_with("\r\n") {
            id.push_str(&String::from_utf8(client.take(1)).unwrap());
        }
        let id = id[1..].trim_end();
        for (how, reply) in
            [("TIMEOUT", "*-1\r\n"), ("ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")]
        {
            client.send(b"BLMPOP 0 1 a LEFT\r\nPING\r\n");
            until_blocked(&mut admin, 1);
            admin.ask(format!("CLIENT UNBLOCK {id} {how}\r\n").as_bytes(), b":1\r\n");
            client.expect(reply.as_bytes());
            client.expect(b"+PONG\r\n");
        }
        admin.ask(format!("CLIENT UNBLOCK {id}\r\n").as_bytes(), b":0\r\n");
    });
}

#[test]
fn a_key_of_another_type_wakes_nobody() {
    on_both(|server| {
        let (mut admin, mut client) = (server.raw(), server.raw());
        client.send(b"BLMOVE a b LEFT RIGHT 0\r\n");
        until_blocked(&mut admin, 1);
        admin.ask(b"SET a x\r\nDEL a\r\nSET b x\r\nRPUSH a v\r\n", b"+OK\r\n:1\r\n+OK\r\n:1\r\n");
        client.expect(b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
        admin.ask(b"LRANGE a 0 -1\r\n", b"*1\r\n$1\r\nv\r\n");
    });
}

#[test]
fn what_a_served_client_changes_itself_it_sees_as_watcher() {
    on_both(|server| {
        let (mut admin, mut client) = (server.raw(), server.raw());
        client.send(b"WATCH b\r\nBLMOVE a b LEFT RIGHT 0\r\n");
        client.expect(b"+OK\r\n");
        until_blocked(&mut admin, 1);
        admin.ask(b"RPUSH a v\r\n", b":1\r\n");
        client.expect(b"$1\r\nv\r\n");
        client.ask(b"MULTI\r\nPING\r\nEXEC\r\n", b"+OK\r\n+QUEUED\r\n*-1\r\n");
        admin.ask(b"DEL b\r\n", b":1\r\n");
    });
}

#[test]
fn who_monitors_sees_a_command_when_it_begins_to_wait() {
    on_both(|server| {
        let (mut admin, mut client, mut monitor) = (server.raw(), server.raw(), server.raw());
        monitor.ask(b"MONITOR\r\n", b"+OK\r\n");
        client.send(b"BLPOP a 0\r\n");
        until_blocked(&mut admin, 1);
        admin.ask(b"RPUSH a v\r\nPING end\r\n", b":1\r\n$3\r\nend\r\n");
        client.expect(&popped("a", "v"));
        let mut seen = String::new();
        while !seen.contains("\"end\"") {
            seen.push_str(&String::from_utf8(monitor.take(1)).unwrap());
        }
        let at = |what: &str| seen.find(what).unwrap();
        assert!(at("\"BLPOP\" \"a\" \"0\"") < at("\"RPUSH\""), "{seen}");
        assert_eq!(seen.matches("BLPOP").count(), 1, "{seen}");
    });
}

#[test]
fn a_watched_key_makes_the_transaction_fail() {
    on_both(|server| {
        let (mut admin, mut client) = (server.raw(), server.raw());
        for change in
            ["SET k 1", "DEL k", "RPUSH k a", "RENAME other k", "FLUSHALL", "PEXPIRE k 1", "SWAPDB 0 1"]
        {
            admin.ask(b"FLUSHALL\r\nSET other 1\r\n", b"+OK\r\n+OK\r\n");
            if change != "RPUSH k a" {
                admin.ask(b"SET k 0\r\n", b"+OK\r\n");
            }
            client.ask(b"WATCH k\r\nMULTI\r\nPING\r\n", b"+OK\r\n+OK\r\n+QUEUED\r\n");
            admin.send(format!("{change}\r\nECHO {change_len}\r\n", change_len = change.len()).as_bytes());
            let end = format!("\r\n{}\r\n", change.len()).into_bytes();
            let mut got = Vec::new();
            while !got.ends_with(&end) {
                got.extend(admin.take(1));
            }
            client.ask(b"EXEC\r\n", b"*-1\r\n");
        }
        // A database swapped with itself is the same.
        client.ask(b"WATCH k\r\nMULTI\r\nPING\r\n", b"+OK\r\n+OK\r\n+QUEUED\r\n");
        admin.ask(b"SWAPDB 0 0\r\n", b"+OK\r\n");
        client.ask(b"EXEC\r\n", b"*1\r\n+PONG\r\n");
    });
}

#[test]
fn messages_reach_who_listens() {
    on_both(|server| {
        let (mut admin, mut listener) = (server.raw(), server.raw());
        listener.ask(
            b"SUBSCRIBE a\r\nPSUBSCRIBE a*\r\n",
            b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:2\r\n",
        );
        admin.ask(b"PUBLISH a hi\r\nPUBLISH ab yo\r\nPUBLISH b no\r\n", b":2\r\n:1\r\n:0\r\n");
        listener.expect(
            b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$2\r\nhi\r\n\
              *4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$2\r\nab\r\n$2\r\nyo\r\n",
        );
        listener.ask(
            b"PING\r\nGET x\r\n",
            b"*2\r\n$4\r\npong\r\n$0\r\n\r\n-ERR Can't execute 'get': only (P|S)SUBSCRIBE / \
            (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n",
        );
        drop(listener);
        loop {
            admin.send(b"PUBLISH a hi\r\n");
            if admin.take(4) == b":0\r\n" {
                break;
            }
        }
    });
}

#[test]
fn a_listener_that_does_not_read_is_closed() {
    let server = TestServer::start(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let (mut admin, mut listener) = (server.raw(), server.raw());
    listener.ask(b"SUBSCRIBE a\r\n", b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    let request =
        [b"*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$100000\r\n".as_slice(), &[b'm'; 100_000], b"\r\n"].concat();
    // Its socket holds some megabytes, the server one more.
    let told = (0..1000).find(|_| {
        admin.send(&request);
        admin.take(4) == b":0\r\n"
    });
    assert!(told.is_some(), "a hundred megabytes were kept for a client that reads nothing");
}

//= security vk#4253: a RESP3 push is never torn into a reply
#[test]
fn pushes_come_between_replies() {
    on_both(|server| {
        let (mut admin, mut listener) = (server.raw(), server.raw());
        let big = vec![b'v'; 100_000];
        admin.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n");
        admin.send(&big);
        admin.ask(b"\r\n", b"+OK\r\n");
        listener.send(b"HELLO 3\r\nSUBSCRIBE a\r\nECHO ready\r\n");
        let mut got = Vec::new();
        while !got.ends_with(b"ready\r\n") {
            got.extend(listener.take(1));
        }
        let reply = [b"$100000\r\n".as_slice(), &big, b"\r\n"].concat();
        let push = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n";
        for _ in 0..20 {
            listener.send(&b"GET k\r\n".repeat(10));
            admin.send(&b"PUBLISH a m\r\n".repeat(10));
            admin.expect(&b":1\r\n".repeat(10));
            let (mut replies, mut pushes) = (0, 0);
            while replies < 10 || pushes < 10 {
                match listener.take(1).as_slice() {
                    b"$" => {
                        assert!(listener.take(reply.len() - 1) == reply[1..]);
                        replies += 1;
                    }
                    b">" => {
                        assert_eq!(listener.take(push.len() - 1), &push[1..]);
                        pushes += 1;
                    }
                    other => panic!("{other:?} begins nothing"),
                }
            }
        }
    });
}

#[test]
fn keyspace_events_follow_the_change() {
    on_both(|server| {
        let (mut admin, mut listener) = (server.raw(), server.raw());
        admin.ask(b"CONFIG SET notify-keyspace-events KEA\r\n", b"+OK\r\n");
        listener
            .ask(b"PSUBSCRIBE __keyevent*\r\n", b"*3\r\n$10\r\npsubscribe\r\n$11\r\n__keyevent*\r\n:1\r\n");
        admin.ask(b"RPUSH l a\r\nLPOP l\r\nSET k 1 PX 1\r\n", b":1\r\n$1\r\na\r\n+OK\r\n");
        for (event, key) in
            [("rpush", "l"), ("lpop", "l"), ("del", "l"), ("set", "k"), ("expire", "k"), ("expired", "k")]
        {
            let channel = format!("__keyevent@0__:{event}");
            let message = format!(
                "*4\r\n$8\r\npmessage\r\n$11\r\n__keyevent*\r\n${}\r\n{channel}\r\n$1\r\n{key}\r\n",
                channel.len()
            );
            listener.expect(message.as_bytes());
        }
    });
}
