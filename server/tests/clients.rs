//! A real client library against the running server: strings, keys, expiry, pipelines, RESP3.

mod common;

use common::TestServer;
use redis::{Commands, ProtocolVersion, RedisError, Value, cmd, pipe};

#[test]
fn strings_keys_and_expiry() -> Result<(), RedisError> {
    let server = TestServer::start(&[]);
    let mut c = server.client();
    let _: () = c.set("k", "v")?;
    assert_eq!(c.get::<_, String>("k")?, "v");
    assert_eq!(c.get::<_, Option<String>>("none")?, None);
    assert_eq!(c.incr::<_, _, i64>("n", 5)?, 5);
    assert_eq!(c.decr::<_, _, i64>("n", 7)?, -2);
    let _: () = c.mset(&[("a", 1), ("b", 2)])?;
    assert_eq!(c.mget::<_, Vec<Option<i64>>>(&["a", "b", "c"])?, [Some(1), Some(2), None]);
    assert_eq!(c.append::<_, _, usize>("k", "w")?, 2);
    assert_eq!(c.del::<_, i64>(&["a", "b", "c"])?, 2);
    assert!(c.expire::<_, bool>("k", 100)?);
    assert!((1..=100).contains(&c.ttl::<_, i64>("k")?));
    assert!(c.persist::<_, bool>("k")?);
    let _: () = c.pset_ex("brief", "x", 1)?;
    while c.exists::<_, bool>("brief")? {}
    let _: () = c.rename("k", "l")?;
    assert_eq!(c.get::<_, String>("l")?, "vw");
    Ok(())
}

#[test]
fn pipelines_keep_their_order() -> Result<(), RedisError> {
    let server = TestServer::start(&[]);
    let mut c = server.client();
    let mut pipeline = pipe();
    for i in 0..5000 {
        pipeline.cmd("SET").arg(format!("key:{i}")).arg(i).ignore();
        pipeline.cmd("GET").arg(format!("key:{i}"));
    }
    let got: Vec<i64> = pipeline.query(&mut c)?;
    assert_eq!(got, (0..5000).collect::<Vec<i64>>());
    assert_eq!(cmd("DBSIZE").query::<i64>(&mut c)?, 5000);
    let mut seen: Vec<String> = c.scan_match::<_, String>("key:*")?.collect::<Result<_, _>>()?;
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5000);
    Ok(())
}

#[test]
fn resp3_types() -> Result<(), RedisError> {
    let server = TestServer::start(&[]);
    let url = format!("redis://127.0.0.1:{}/?protocol=resp3", server.port());
    let mut c = redis::Client::open(url)?.get_connection()?;
    let hello: Value = cmd("HELLO").arg(3).query(&mut c)?;
    let Value::Map(fields) = hello else { panic!("HELLO 3 answers a map, not {hello:?}") };
    assert!(
        fields.iter().any(|(name, value)| {
            *name == Value::BulkString(b"proto".to_vec()) && *value == Value::Int(3)
        })
    );
    let config: Value = cmd("CONFIG").arg("GET").arg("port").query(&mut c)?;
    assert!(matches!(config, Value::Map(_)));
    assert_eq!(cmd("GET").arg("none").query::<Value>(&mut c)?, Value::Nil);
    let _ = ProtocolVersion::RESP3;
    Ok(())
}

#[test]
fn large_values_and_many_databases() -> Result<(), RedisError> {
    let server = TestServer::start(&[]);
    let mut c = server.client();
    let big = vec![b'x'; 20_000_000];
    let _: () = c.set("big", &big)?;
    assert_eq!(c.get::<_, Vec<u8>>("big")?, big);
    assert_eq!(c.getrange::<_, Vec<u8>>("big", -5, -1)?, b"xxxxx");
    for db in 0..16 {
        let _: () = cmd("SELECT").arg(db).query(&mut c)?;
        let _: () = c.set("here", db)?;
    }
    for db in 0..16 {
        let _: () = cmd("SELECT").arg(db).query(&mut c)?;
        assert_eq!(c.get::<_, i64>("here")?, db);
    }
    let _: () = cmd("FLUSHALL").query(&mut c)?;
    assert_eq!(cmd("DBSIZE").query::<i64>(&mut c)?, 0);
    Ok(())
}

#[test]
fn passwords() -> Result<(), RedisError> {
    let server = TestServer::start(&["--requirepass", "secret"]);
    let mut raw = server.raw();
    raw.ask(b"GET k\r\n", b"-NOAUTH Authentication required.\r\n");
    raw.ask(b"AUTH wrong\r\n", b"-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    raw.ask(b"AUTH secret\r\n", b"+OK\r\n");
    raw.ask(b"GET k\r\n", b"$-1\r\n");
    let url = format!("redis://:secret@127.0.0.1:{}/", server.port());
    let mut c = redis::Client::open(url)?.get_connection()?;
    assert_eq!(cmd("PING").query::<String>(&mut c)?, "PONG");
    Ok(())
}

#[test]
fn memory_is_given_back_on_demand() -> Result<(), RedisError> {
    let server = TestServer::start(&[]);
    assert_eq!(cmd("MEMORY").arg("PURGE").query::<String>(&mut server.client())?, "OK");
    Ok(())
}

/// What several clients send while the server is busy is read in one turn, and still done one after another.
#[test]
fn clients_of_one_turn_run_one_after_another() {
    let server = TestServer::start(&[]);
    let mut others: Vec<_> = (0..40).map(|_| server.raw()).collect();
    let mut victim = server.raw();
    victim.ask(b"CLIENT SETNAME victim\r\n", b"+OK\r\n");
    let mut pauser = server.raw();
    pauser.ask(b"PING\r\n", b"+PONG\r\n");
    let mut holder = server.raw();
    // Threads would read in an order of their own.
    holder.ask(b"CONFIG SET io-threads 1\r\n", b"+OK\r\n");
    holder.send(b"DEBUG SLEEP 0.2\r\n");
    let (first, rest) = others.split_at_mut(1);
    first[0].send(b"CLIENT KILL NAME victim\r\nINCR n\r\n");
    victim.send(b"SET victim was-here\r\n");
    for (index, other) in rest.iter_mut().enumerate() {
        if index == 20 {
            pauser.send(b"CLIENT PAUSE 100 WRITE\r\n");
        }
        // Part of a request waits for the next turn.
        other.send(b"INCR n\r\nGET victim\r\nPI");
    }
    holder.expect(b"+OK\r\n");
    first[0].expect(b":1\r\n:1\r\n");
    assert_eq!(victim.until_closed(), b"");
    pauser.expect(b"+OK\r\n");
    let mut late = server.raw();
    late.ask(b"GET victim\r\n", b"$-1\r\n");
    for (index, other) in rest.iter_mut().enumerate() {
        other.expect(format!(":{}\r\n$-1\r\n", index + 2).as_bytes());
        other.ask(b"NG\r\n", b"+PONG\r\n");
    }
}

/// A key whose time comes over a pause stays till its end, and nobody waits for it without a rest.
#[test]
fn the_loop_rests_over_a_pause() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"SET key v PX 100\r\nCLIENT PAUSE 60000 WRITE\r\n", b"+OK\r\n+OK\r\n");
    let mut cycles = || {
        raw.send(b"INFO stats\r\n");
        loop {
            if let Some(cycles) = raw.line().strip_prefix("eventloop_cycles:") {
                let cycles = cycles.parse::<u64>().unwrap();
                // The rest of INFO, and then a second in which nothing comes.
                raw.take(1 << 20);
                break cycles;
            }
        }
    };
    let before = cycles();
    let turns = cycles() - before;
    assert!(turns < 1000, "{turns} turns");
}

//= valkey 9.1 SHUTDOWN: nobody's command runs after it
/// Whoever was heard in the same turn as SHUTDOWN, but behind it, is told nothing: what it asked for would be lost.
#[test]
fn nothing_runs_after_shutdown() {
    let server = TestServer::start(&[]);
    let (mut holder, mut first, mut middle, mut last) =
        (server.raw(), server.raw(), server.raw(), server.raw());
    // Threads would read in an order of their own.
    holder.ask(b"CONFIG SET io-threads 1\r\n", b"+OK\r\n");
    holder.send(b"DEBUG SLEEP 0.2\r\n");
    first.send(b"INCR turns\r\n");
    middle.send(b"SHUTDOWN NOSAVE\r\nINCR turns\r\n");
    last.send(b"INCR turns\r\n");
    assert_eq!(middle.until_closed(), b"");
    // A poller may tell of the newest first: then the holder is behind, too.
    let mut replies = [first.until_closed(), last.until_closed()];
    replies.sort();
    assert_eq!(replies, [b"".to_vec(), b":1\r\n".to_vec()]);
}

/// What a client of a turn causes others to be told comes behind the replies to what they had asked before it.
#[test]
fn messages_come_in_the_order_of_the_commands() {
    const CLIENTS: usize = 20;
    let server = TestServer::start(&[]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.raw()).collect();
    for client in &mut clients {
        client.send(b"HELLO 3\r\nSUBSCRIBE news\r\n");
        while client.line() != "subscribe" {}
        client.expect(b"$4\r\nnews\r\n:1\r\n");
    }
    let mut holder = server.raw();
    // Threads would read in an order of their own.
    holder.ask(b"CONFIG SET io-threads 1\r\n", b"+OK\r\n");
    holder.send(b"DEBUG SLEEP 0.2\r\n");
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(format!("INCR turns\r\nPUBLISH news {index}\r\n").as_bytes());
    }
    let (mut turns, mut told) = (Vec::new(), Vec::new());
    for client in &mut clients {
        let (mut before, mut numbers, mut senders) = (None, Vec::new(), Vec::new());
        while numbers.len() < 2 || senders.len() < CLIENTS {
            let line = client.line();
            if let Some(number) = line.strip_prefix(':') {
                before = before.or(Some(senders.len()));
                numbers.push(number.parse::<usize>().unwrap());
            } else {
                assert_eq!(line, ">3");
                client.expect(b"$7\r\nmessage\r\n$4\r\nnews\r\n");
                client.line();
                senders.push(client.line().parse::<usize>().unwrap());
            }
        }
        assert_eq!(numbers[1], CLIENTS);
        turns.push(numbers[0]);
        told.push((before.unwrap(), senders));
    }
    for (own, (before, senders)) in turns.iter().zip(&told) {
        let of_senders: Vec<usize> = senders.iter().map(|&sender| turns[sender]).collect();
        assert!(of_senders.is_sorted(), "{of_senders:?}");
        assert_eq!(*before, own - 1, "the reply of turn {own} among the messages of {of_senders:?}");
    }
}

/// Replies of all lengths that are made in one turn come whole, whether sockets take them or not.
#[test]
fn long_and_short_replies_of_one_turn_come_whole() {
    let server = TestServer::start(&[]);
    let value = vec![b'v'; 3_000_000];
    let mut c = server.client();
    let () = c.set("long", &value).unwrap();
    for _ in 0..3000 {
        let () = c.rpush("list", &value[..1000]).unwrap();
    }
    let string = [b"$3000000\r\n", &value[..], b"\r\n"].concat();
    let list =
        [b"*3000\r\n".to_vec(), [b"$1000\r\n", &value[..1000], b"\r\n"].concat().repeat(3000)].concat();
    let asked: [(&[u8], &[u8]); 5] = [
        (b"PING\r\n", b"+PONG\r\n"),
        (b"GET long\r\nPING\r\n", &string),
        (b"ECHO one\r\nQUIT\r\n", b"$3\r\none\r\n+OK\r\n"),
        (b"PING\r\nLRANGE list 0 -1\r\n", &list),
        (b"no-such-command\r\n", b"-ERR unknown command 'no-such-command', with args beginning with: \r\n"),
    ];
    let mut clients: Vec<_> = (0..15).map(|_| server.raw()).collect();
    let mut holder = server.raw();
    // Threads would read in an order of their own.
    holder.ask(b"CONFIG SET io-threads 1\r\n", b"+OK\r\n");
    holder.send(b"DEBUG SLEEP 0.2\r\n");
    for (client, (request, _)) in clients.iter_mut().zip(asked.iter().cycle()) {
        client.send(request);
    }
    holder.expect(b"+OK\r\n");
    for (client, (request, reply)) in clients.iter_mut().zip(asked.iter().cycle()) {
        if request.starts_with(b"PING\r\nLRANGE") {
            client.expect(b"+PONG\r\n");
        }
        client.expect(reply);
        if request.ends_with(b"QUIT\r\n") {
            assert_eq!(client.until_closed(), b"");
        } else if request.starts_with(b"GET") {
            client.expect(b"+PONG\r\n");
        } else {
            client.ask(b"ECHO more\r\n", b"$4\r\nmore\r\n");
        }
    }
}
