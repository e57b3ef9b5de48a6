//! Edge cases of the data types over a real socket: numbers at the ends of their range, one key in two roles, requests that
//! would take very long or very much memory if their size alone decided.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{TestServer, request};

const OUT_OF_BOUNDS: &str =
    "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";

//= security CVE-2023-25155, CVE-2026-111279: random elements with a count near -2^63
#[test]
fn counts_at_the_ends_of_their_range() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(
        b"HSET h f v g w\r\nSADD s a b\r\nZADD z 1 a 2 b\r\nRPUSH l a b\r\n",
        b":2\r\n:2\r\n:2\r\n:2\r\n",
    );
    for (name, key, with) in
        [("HRANDFIELD", "h", " WITHVALUES"), ("SRANDMEMBER", "s", ""), ("ZRANDMEMBER", "z", " WITHSCORES")]
    {
        let mut ask = |count: &str, more: &str| {
            raw.send(format!("{name} {key} {count}{more}\r\n").as_bytes());
            let head = raw.line();
            let parts = head.strip_prefix('*').map_or(0, |len| len.parse().unwrap());
            (0..2 * parts).for_each(|_| drop(raw.line()));
            head
        };
        assert_eq!(ask("-9223372036854775808", ""), OUT_OF_BOUNDS, "{name}");
        assert_eq!(ask("-9223372036854775809", ""), "-ERR value is not an integer or out of range");
        assert_eq!(ask("-9223372036854775807", ""), "-ERR value is out of range");
        assert_eq!(ask("-4611686018427387905", with), "-ERR value is out of range");
        assert_eq!(ask("9223372036854775807", ""), "*2");
        assert_eq!(ask("-5", ""), "*5");
        assert_eq!(ask("0", ""), "*0");
    }
    for key in ["l", "s", "z"] {
        let pop = if key == "l" {
            "LPOP"
        } else if key == "s" {
            "SPOP"
        } else {
            "ZPOPMIN"
        };
        raw.ask(
            format!("{pop} {key} -1\r\n{pop} {key} -9223372036854775808\r\n").as_bytes(),
            b"-ERR value is out of range, must be positive\r\n-ERR value is out of range, must be positive\r\n",
        );
    }
    raw.ask(b"LRANGE l -9223372036854775808 9223372036854775807\r\n", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    raw.ask(b"LRANGE l 9223372036854775807 -9223372036854775808\r\n", b"*0\r\n");
    raw.ask(b"LINDEX l -9223372036854775808\r\n", b"$-1\r\n");
    raw.ask(b"LREM l -9223372036854775808 x\r\n", format!("{OUT_OF_BOUNDS}\r\n").as_bytes());
    raw.ask(b"LREM l -9223372036854775807 x\r\n", b":0\r\n");
    raw.ask(b"LPOS l a RANK -9223372036854775808\r\n", format!("{OUT_OF_BOUNDS}\r\n").as_bytes());
    raw.ask(b"LTRIM l -9223372036854775808 9223372036854775807\r\nLLEN l\r\n", b"+OK\r\n:2\r\n");
    raw.ask(b"ZREMRANGEBYRANK z 9223372036854775807 9223372036854775807\r\n", b":0\r\n");
    raw.ask(b"ZRANGE z -9223372036854775808 -9223372036854775808\r\n", b"*0\r\n");
    raw.ask(b"ZRANGEBYSCORE z -inf inf LIMIT 9223372036854775807 9223372036854775807\r\n", b"*0\r\n");
    raw.ask(b"LPOP l 9223372036854775807\r\nEXISTS l\r\n", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n:0\r\n");
}

//= security vk#4047: a random field where most have expired and were not yet removed
#[test]
fn random_fields_among_expired_ones() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"DEBUG SET-ACTIVE-EXPIRE 0\r\n", b"+OK\r\n");
    for start in (0..2000).step_by(100) {
        let pairs: Vec<String> = (start..start + 100).map(|n| format!("f{n} v")).collect();
        raw.ask(format!("HSETEX h PX 1 FIELDS 100 {}\r\n", pairs.join(" ")).as_bytes(), b":1\r\n");
    }
    raw.ask(b"HSET h kept1 v kept2 v kept3 v\r\n", b":3\r\n");
    // They are there until somebody removes them, but nobody is told of them.
    while {
        raw.send(b"HGET h f1999\r\n");
        raw.line() != "$-1"
    } {
        raw.line();
    }
    raw.ask(b"HLEN h\r\n", b":2003\r\n");
    for count in [1, 2, 3, 500] {
        raw.send(format!("HRANDFIELD h {count}\r\n").as_bytes());
        let found: usize = raw.line()[1..].parse().unwrap();
        assert_eq!(found, count.min(3));
        (0..found).for_each(|_| assert!(raw.line() == "$5" && raw.line().starts_with("kept")));
    }
    raw.send(b"HRANDFIELD h -7\r\n");
    let found: usize = raw.line()[1..].parse().unwrap();
    assert!(found <= 7);
    (0..found).for_each(|_| assert!(raw.line() == "$5" && raw.line().starts_with("kept")));
    raw.ask(b"PING\r\n", b"+PONG\r\n");
}

//= security vk#4312: times of fields near 2^63
#[test]
fn times_of_fields_at_the_end_of_their_range() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"HSET h f v\r\n", b":1\r\n");
    for (name, invalid) in [
        ("HPEXPIRE", "9223372036854775807"),
        ("HEXPIRE", "9223372036854775807"),
        ("HEXPIRE", "9223372036854775"),
        ("HEXPIREAT", "9223372036854776"),
    ] {
        let error = format!("-ERR invalid expire time in '{}' command\r\n", name.to_lowercase());
        raw.ask(format!("{name} h {invalid} FIELDS 1 f\r\n").as_bytes(), error.as_bytes());
    }
    raw.ask(b"HPEXPIREAT h 9223372036854775807 FIELDS 1 f\r\n", b"*1\r\n:1\r\n");
    raw.ask(b"HPEXPIRETIME h FIELDS 1 f\r\n", b"*1\r\n:9223372036854775807\r\n");
    raw.send(b"HTTL h FIELDS 1 f\r\n");
    assert_eq!(raw.line(), "*1");
    assert!(raw.line()[1..].parse::<i64>().unwrap() > 9_000_000_000_000_000);
    raw.ask(b"HGET h f\r\n", b"$1\r\nv\r\n");
}

//= security CVE-2025-32023: a sparse HyperLogLog whose runs add up to more than all registers
#[test]
fn forged_hyperloglogs_are_refused() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"PFADD good a b c\r\n", b":1\r\n");
    let header = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80";
    // Runs of 16,384 zeros each, many of them; and one of values at the very end.
    let runs: [Vec<u8>; 3] = [
        b"\x7f\xff".repeat(3000),
        [b"\x7f\xff".repeat(20), b"\xff".repeat(40)].concat(),
        [b"\x7f\xfe".to_vec(), b"\xff\xff".to_vec()].concat(),
    ];
    for run in runs {
        let value = [header.as_slice(), &run].concat();
        raw.ask(&request(&[b"SET", b"bad", &value]), b"+OK\r\n");
        let corrupted = b"-INVALIDOBJ Corrupted HLL object detected\r\n";
        raw.ask(b"PFCOUNT bad\r\n", corrupted);
        raw.ask(b"PFCOUNT good bad\r\n", corrupted);
        raw.ask(b"PFMERGE good bad\r\n", corrupted);
        raw.send(b"PFADD bad 1 2 3 4 5 6 7 8 9\r\n");
        raw.line();
    }
    raw.ask(b"PFCOUNT good\r\n", b":3\r\n");
}

//= security CVE-2025-62507: very many IDs in one request
#[test]
fn very_many_arguments() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"XADD s 1-1 f v\r\nXGROUP CREATE s g 0\r\n", b"$3\r\n1-1\r\n+OK\r\n");
    let ids: Vec<String> = (0..30_000).map(|n| format!("{n}-1")).collect();
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes()).collect();
    raw.ask(&request(&[&[b"XACK".as_slice(), b"s", b"g"], &ids[..]].concat()), b":0\r\n");
    raw.ask(&request(&[&[b"XCLAIM".as_slice(), b"s", b"g", b"c", b"0"], &ids[..]].concat()), b"*0\r\n");
    raw.ask(&request(&[&[b"XDEL".as_slice(), b"s"], &ids[..]].concat()), b":1\r\n");
    // One large set against very many small ones: not each member in each of them.
    let members: Vec<&[u8]> = ids.iter().take(20_000).flat_map(|id| [b"1".as_slice(), id]).collect();
    raw.ask(&request(&[&[b"ZADD".as_slice(), b"z"], &members[..]].concat()), b":20000\r\n");
    raw.ask(b"ZADD other 1 x\r\n", b":1\r\n");
    let others = [b"other".as_slice(), b"missing"].repeat(30_000);
    raw.ask(
        &request(&[&[b"ZDIFFSTORE".as_slice(), b"d", b"60001", b"z"], &others[..]].concat()),
        b":20000\r\n",
    );
    // Very many watched keys: neither watching nor changing them looks at all others.
    raw.ask(&request(&[&[b"WATCH".as_slice()], &ids[..]].concat()), b"+OK\r\n");
    let pairs: Vec<&[u8]> = ids.iter().flat_map(|id| [*id, b"v"]).collect();
    raw.ask(&request(&[&[b"MSET".as_slice()], &pairs[..]].concat()), b"+OK\r\n");
    raw.ask(b"MULTI\r\nPING\r\nEXEC\r\n", b"+OK\r\n+QUEUED\r\n*-1\r\n");
}

#[test]
fn one_key_in_two_roles() {
    let server = TestServer::start(&["--notify-keyspace-events", "KA"]);
    let mut raw = server.raw();
    raw.ask(b"SADD s a b\r\nSMOVE s s a\r\nSMOVE s s x\r\nSCARD s\r\n", b":2\r\n:1\r\n:0\r\n:2\r\n");
    raw.ask(b"SDIFFSTORE s s s\r\nEXISTS s\r\n", b":0\r\n:0\r\n");
    raw.ask(b"SADD s a b\r\nSUNIONSTORE s s s\r\nSINTERSTORE s s missing\r\n", b":2\r\n:2\r\n:0\r\n");
    raw.ask(b"RPUSH l a\r\nLMOVE l l LEFT RIGHT\r\nLLEN l\r\n", b":1\r\n$1\r\na\r\n:1\r\n");
    raw.ask(b"PEXPIRE l 100000\r\nRPOPLPUSH l l\r\nPERSIST l\r\n", b":1\r\n$1\r\na\r\n:1\r\n");
    raw.ask(b"ZADD z 1 a 2 b\r\nZUNIONSTORE z 2 z z\r\n", b":2\r\n:2\r\n");
    raw.ask(b"ZRANGE z 0 -1 WITHSCORES\r\n", b"*4\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$1\r\n4\r\n");
    raw.ask(b"ZRANGESTORE z z 0 0\r\nZCARD z\r\n", b":1\r\n:1\r\n");
    raw.ask(b"ZINTERSTORE z 2 z z WEIGHTS inf 0\r\nZSCORE z a\r\n", b":1\r\n$3\r\ninf\r\n");
    raw.ask(b"ZUNIONSTORE z 2 z z WEIGHTS 1 -1\r\nZSCORE z a\r\n", b":1\r\n$1\r\n0\r\n");
    raw.ask(b"ZDIFFSTORE z 2 z z\r\nEXISTS z\r\n", b":0\r\n:0\r\n");
    raw.ask(
        b"GEOADD g 1 1 a\r\nGEOSEARCHSTORE g g FROMMEMBER a BYRADIUS 1 m\r\nZCARD g\r\n",
        b":1\r\n:1\r\n:1\r\n",
    );
    raw.ask(b"RPUSH n 3 1 2\r\nSORT n STORE n\r\nLINDEX n 0\r\n", b":3\r\n:3\r\n$1\r\n1\r\n");
    raw.ask(b"PFADD p a\r\nPFMERGE p p p\r\nPFCOUNT p p\r\n", b":1\r\n+OK\r\n:1\r\n");
    raw.ask(b"SET b abc\r\nBITOP XOR b b b\r\nGET b\r\n", b"+OK\r\n:3\r\n$3\r\n\0\0\0\r\n");
}

#[test]
fn what_is_checked_first() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"SET k v\r\n", b"+OK\r\n");
    raw.ask(b"BLMPOP x 0 k LEFT\r\n", b"-ERR numkeys should be greater than 0\r\n");
    raw.ask(b"BLMPOP x 1 k MIDDLE\r\n", b"-ERR syntax error\r\n");
    raw.ask(b"BLMPOP x 1 k LEFT\r\n", b"-ERR timeout is not a float or out of range\r\n");
    raw.ask(b"BZMPOP x 0 k MIN\r\n", b"-ERR numkeys should be greater than 0\r\n");
    raw.ask(b"BLPOP k 1e30\r\n", b"-ERR timeout is out of range\r\n");
    raw.ask(b"BLPOP k inf\r\n", b"-ERR timeout is out of range\r\n");
    raw.ask(b"BLPOP k -0x1\r\n", b"-ERR timeout is negative\r\n");
    raw.ask(b"BLMOVE k k LEFT RIGHT nan\r\n", b"-ERR timeout is not a float or out of range\r\n");
}

//= valkey 9.1 LSET, LINSERT: a list made ready for an element that then finds no place keeps its large form
#[test]
fn lists_made_ready_for_nothing() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    let long = vec![b'x'; 9000];
    raw.ask(b"RPUSH l a\r\nRPUSH m a\r\n", b":1\r\n:1\r\n");
    raw.ask(&request(&[b"LINSERT", b"l", b"BEFORE", b"missing", &long]), b":-1\r\n");
    raw.ask(&request(&[b"LSET", b"m", b"5", &long]), b"-ERR index out of range\r\n");
    for key in ["l", "m"] {
        raw.ask(format!("OBJECT ENCODING {key}\r\n").as_bytes(), b"$9\r\nquicklist\r\n");
    }
}

//= valkey 9.1 LMOVE: the length of an integer out of a quicklist is not looked at
#[test]
fn an_integer_that_moves_is_short() {
    let server = TestServer::start(&["--list-max-listpack-size", "-1"]);
    let mut raw = server.raw();
    let long = vec![b'y'; 5000];
    // The source's form, the element that moves, and what the destination becomes of it.
    let cases: [(&[u8], &str, &str); 3] =
        [(&long, "1234567", "listpack"), (&long, "abcdefg", "quicklist"), (b"y", "1234567", "quicklist")];
    for (first, moved, encoding) in cases {
        raw.send(b"DEL d s\r\n");
        raw.line();
        raw.ask(&request(&[b"RPUSH", b"d", &[b'x'; 4081]]), b":1\r\n");
        raw.ask(&request(&[b"RPUSH", b"s", first, moved.as_bytes()]), b":2\r\n");
        raw.ask(b"LMOVE s d RIGHT RIGHT\r\n", format!("$7\r\n{moved}\r\n").as_bytes());
        let reply = format!("${}\r\n{encoding}\r\n", encoding.len());
        raw.ask(b"OBJECT ENCODING d\r\n", reply.as_bytes());
    }
}

#[test]
fn what_has_expired_stays_in_import_mode() {
    let server = TestServer::start(&[]);
    let (mut source, mut other) = (server.raw(), server.raw());
    source.ask(b"CLIENT IMPORT-SOURCE ON\r\n", b"-ERR Server is not in import mode\r\n");
    source.ask(
        b"CONFIG SET import-mode yes\r\nCLIENT IMPORT-SOURCE MAYBE\r\nCLIENT IMPORT-SOURCE ON\r\n",
        b"+OK\r\n-ERR syntax error\r\n+OK\r\n",
    );
    // A time that has passed is kept; so is what expires.
    source.ask(b"SET gone 1\r\nEXPIREAT gone 1\r\nHSET h a 1 b 2\r\n", b"+OK\r\n:1\r\n:2\r\n");
    source.ask(b"HSETEX h EXAT 1 FIELDS 1 a 3\r\nHPEXPIREAT h 1 FIELDS 1 b\r\n", b":1\r\n*1\r\n:1\r\n");
    source.ask(b"HMGET h a b\r\nGET gone\r\nTTL gone\r\n", b"*2\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n:0\r\n");
    other.ask(b"GET gone\r\nHMGET h a b\r\nHLEN h\r\n", b"$-1\r\n*2\r\n$-1\r\n$-1\r\n:2\r\n");
    other.ask(b"KEYS *\r\nDBSIZE\r\n", b"*1\r\n$1\r\nh\r\n:2\r\n");
    // Nothing is evicted either.
    other.ask(
        b"CONFIG SET maxmemory-policy allkeys-lru maxmemory 1\r\nSET k v\r\n",
        b"+OK\r\n-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    );
    other.ask(b"CONFIG SET maxmemory 0\r\nDBSIZE\r\nCONFIG SET import-mode no\r\n", b"+OK\r\n:2\r\n+OK\r\n");
    while {
        other.send(b"DBSIZE\r\n");
        other.take(4) != b":0\r\n"
    } {}
    source.ask(b"GET gone\r\nCLIENT IMPORT-SOURCE OFF\r\n", b"$-1\r\n+OK\r\n");
}

//= security vk#4323: what is kept out of the logs stays out within a transaction
#[test]
fn secrets_stay_secret_within_a_transaction() {
    let server = TestServer::start(&["--requirepass", "first", "--slowlog-log-slower-than", "0"]);
    let (mut raw, mut monitor) = (server.raw(), server.raw());
    raw.ask(b"AUTH first\r\n", b"+OK\r\n");
    monitor.ask(b"AUTH first\r\nMONITOR\r\n", b"+OK\r\n+OK\r\n");
    raw.ask(
        b"MULTI\r\nCONFIG SET requirepass topsecret\r\nAUTH topsecret\r\nHELLO 2 AUTH default topsecret\r\nPING\r\n",
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n",
    );
    raw.send(b"EXEC\r\nSLOWLOG GET 100\r\nPING end\r\n");
    let mut log = Vec::new();
    while !log.ends_with(b"$3\r\nend\r\n") {
        let byte = raw.take(1);
        assert!(!byte.is_empty());
        log.extend(byte);
    }
    let log = String::from_utf8_lossy(&log).into_owned();
    assert!(log.contains("(redacted)") && !log.contains("topsecret"), "{log}");
    let mut seen = String::new();
    while !seen.contains("\"PING\" \"end\"") {
        seen.push_str(&monitor.line());
    }
    assert!(!seen.contains("topsecret"), "{seen}");
}

/// A key or a field that is put off is there after its first time, and goes by itself when a new one comes.
#[test]
fn what_is_put_off_goes_at_its_new_time() {
    let server = TestServer::start(&[]);
    let mut raw = server.raw();
    raw.ask(b"SET key v PX 200\r\nPEXPIRE key 3600000\r\n", b"+OK\r\n:1\r\n");
    raw.ask(
        b"HSETEX hash PX 200 FIELDS 1 f v\r\nHPEXPIRE hash 3600000 FIELDS 1 f\r\n",
        b":1\r\n*1\r\n:1\r\n",
    );
    // Both get their place in the index anew meanwhile.
    raw.ask(b"DEBUG SLEEP 0.4\r\n", b"+OK\r\n");
    raw.ask(b"DBSIZE\r\nHLEN hash\r\n", b":2\r\n:1\r\n");
    raw.ask(b"PEXPIRE key 20\r\nHPEXPIRE hash 20 FIELDS 1 f\r\n", b":1\r\n*1\r\n:1\r\n");
    while {
        raw.send(b"DBSIZE\r\n");
        raw.line()
    } != ":0"
    {}
}
