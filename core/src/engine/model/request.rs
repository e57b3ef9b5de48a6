//! Requests that the command table makes: any command, with arguments of the kinds that it takes, and seldom others.

use alloc::vec::Vec;

use super::choice::Choice;
use super::words;
use crate::commands::table::{Arg, ArgFlags, COMMANDS, Command};

/// The words of a request.
pub type Words = Vec<Vec<u8>>;

/// Commands that do the same at length each time, or whose length is their point; and the end of the process.
const LEFT_OUT: [&str; 5] = ["command|docs", "debug", "pfselftest", "shutdown", "config|set"];

/// Directives and values between which tests switch: the limits of encodings, and what commands do besides their replies.
const SETTINGS: &[(&str, &[&str])] = &[
    ("list-max-listpack-size", &["-2", "1", "2", "5", "-1"]),
    ("list-compress-depth", &["0", "1", "2"]),
    ("hash-max-listpack-entries", &["0", "1", "4", "512"]),
    ("hash-max-listpack-value", &["0", "4", "64"]),
    ("set-max-intset-entries", &["0", "2", "512"]),
    ("set-max-listpack-entries", &["0", "2", "128"]),
    ("set-max-listpack-value", &["0", "4", "64"]),
    ("zset-max-listpack-entries", &["0", "2", "128"]),
    ("zset-max-listpack-value", &["0", "4", "64"]),
    ("hll-sparse-max-bytes", &["0", "100", "3000"]),
    ("stream-node-max-entries", &["1", "2", "100", "0"]),
    ("stream-node-max-bytes", &["40", "4096", "0"]),
    ("notify-keyspace-events", &["", "KEA", "KEAnm", "Kgx", "Elshzt$xe"]),
    ("maxmemory", &["0", "1", "600", "3000", "100000"]),
    (
        "maxmemory-policy",
        &[
            "noeviction",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "volatile-lru",
            "volatile-ttl",
            "volatile-random",
        ],
    ),
    ("maxmemory-clients", &["0", "4000", "100000"]),
    ("tracking-table-max-keys", &["0", "1", "3", "1000000"]),
    ("min-string-size-avoid-copy-reply", &["0", "1", "100", "16384"]),
    ("lazyfree-lazy-user-del", &["yes", "no"]),
    ("lazyfree-lazy-server-del", &["yes", "no"]),
    ("lazyfree-lazy-user-flush", &["yes", "no"]),
    ("lazyfree-lazy-expire", &["yes", "no"]),
    ("commandlog-execution-slower-than", &["0", "-1", "10000"]),
    ("commandlog-request-larger-than", &["0", "100", "-1"]),
    ("commandlog-slow-execution-max-len", &["0", "2", "128"]),
    ("latency-monitor-threshold", &["0", "1"]),
    ("latency-tracking", &["yes", "no"]),
    ("import-mode", &["yes", "no"]),
];

/// Forms of DEBUG that only look, or change how commands work.
const DEBUGS: &[&[&str]] = &[
    &["SET-ACTIVE-EXPIRE", "0"],
    &["SET-ACTIVE-EXPIRE", "1"],
    &["QUICKLIST-PACKED-THRESHOLD", "5"],
    &["QUICKLIST-PACKED-THRESHOLD", "0"],
    &["DIGEST"],
    &["DIGEST-VALUE", "hash:0", "list:0"],
    &["OBJECT", "list:0"],
    &["OBJECT", "sorted_set:1"],
    &["LISTPACK", "hash:0"],
    &["HTSTATS", "0"],
    &["HTSTATS-KEY", "set:0"],
    &["CLIENT-EVICTION"],
    &["SLEEP", "0.01"],
    &["PROTOCOL", "attrib"],
    &["PROTOCOL", "map"],
    &["PROTOCOL", "double"],
    &["PROTOCOL", "bignum"],
    &["PROTOCOL", "verbatim"],
    &["CHANGE-REPL-ID"],
    &["STRINGMATCH-LEN", "10", "*a*"],
    &["POPULATE", "20", "string", "30"],
];

/// Adds elements enough for an object to become large.
const FILLS: &[(&str, &str, usize)] = &[
    ("RPUSH", "list", 1),
    ("LPUSH", "list", 1),
    ("SADD", "set", 1),
    ("HSET", "hash", 2),
    ("ZADD", "sorted_set", 2),
    ("XADD", "stream", 2),
    ("PFADD", "hyperloglog", 1),
    ("MSET", "string", 2),
];

/// How a request is built.
struct Frame<'c, 'd> {
    group: &'static str,
    /// A count was written that the next list keeps to.
    count: Option<usize>,
    choice: &'c mut Choice<'d>,
    words: Words,
}

impl Frame<'_, '_> {
    fn push(&mut self, word: &str) {
        self.words.push(word.as_bytes().to_vec());
    }

    fn push_args(&mut self, args: &'static [Arg]) {
        args.iter().for_each(|arg| self.push_arg(arg));
    }

    fn push_arg(&mut self, arg: &'static Arg) {
        if arg.flags.contains(ArgFlags::OPTIONAL) && !self.choice.one_in(3) {
            return;
        }
        if arg.name == "streams" {
            // As many IDs as keys.
            self.count = Some(1 + self.choice.below(2));
        }
        let times = match self.count {
            Some(count) if arg.flags.contains(ArgFlags::MULTIPLE) => count,
            _ if arg.flags.contains(ArgFlags::MULTIPLE) => 1 + self.choice.below(3),
            _ => 1,
        };
        for index in 0..times {
            let has_token = index == 0 || arg.flags.contains(ArgFlags::MULTIPLE_TOKEN);
            if has_token && !arg.token.is_empty() {
                self.push(arg.token);
            }
            match arg.kind {
                "pure-token" => {}
                "oneof" => {
                    let one = self.choice.below(arg.args.len());
                    arg.args.get(one).into_iter().for_each(|arg| self.push_arg(arg));
                }
                "block" => self.push_args(arg.args),
                "integer" if matches!(arg.name, "numkeys" | "numfields") => {
                    let count = 1 + self.choice.below(3);
                    self.count = Some(count);
                    let said = if self.choice.one_in(16) { count + 1 } else { count };
                    self.push(itoa::Buffer::new().format(said));
                }
                _ => {
                    let text = words::text(arg, self.group, self.choice);
                    self.words.push(text);
                }
            }
        }
    }

    /// Makes something of it that the table does not know.
    fn spoil(&mut self) {
        let at = self.choice.below(self.words.len());
        match self.choice.below(4) {
            0 => drop(self.words.remove(at)),
            1 => self.words.push(words::string(self.choice)),
            2 => self.words[at] = self.choice.raw(),
            _ => self.words.insert(at, words::string(self.choice)),
        }
    }
}

/// A request of any command.
pub fn any(choice: &mut Choice<'_>) -> Words {
    let commands: Vec<&'static Command> = COMMANDS
        .iter()
        .flat_map(|command| core::iter::once(command).chain(command.subcommands))
        .filter(|command| command.subcommands.is_empty() && !LEFT_OUT.contains(&command.full_name))
        .collect();
    let which = usize::from(choice.byte()) << 8 | usize::from(choice.byte());
    let command = commands[which % commands.len()];
    let mut frame = Frame { group: command.group, count: None, choice, words: Words::new() };
    frame.words.extend(command.full_name.split('|').map(|word| word.as_bytes().to_vec()));
    frame.push_args(command.args);
    if frame.choice.one_in(12) {
        frame.spoil();
    }
    frame.words
}

fn words_of(words: &[&str]) -> Words {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// CONFIG SET of something that matters to commands.
pub fn setting(choice: &mut Choice<'_>) -> Words {
    let (name, values) = choice.of(SETTINGS);
    words_of(&["CONFIG", "SET", name, choice.of(values)])
}

/// DEBUG, as far as it harms nobody.
pub fn debug(choice: &mut Choice<'_>) -> Words {
    words_of(&[&["DEBUG"][..], choice.of(DEBUGS)].concat())
}

/// A part of a transaction.
pub fn transaction(choice: &mut Choice<'_>) -> Words {
    match choice.below(8) {
        0..3 => words_of(&["MULTI"]),
        3..6 => words_of(&["EXEC"]),
        6 => words_of(&["DISCARD"]),
        _ => {
            let group = choice.of(&["string", "list", "set", "hash"]);
            alloc::vec![b"WATCH".to_vec(), words::key(group, choice), words::key("", choice)]
        }
    }
}

/// A command that makes an object large, or a consumer group.
pub fn fill(choice: &mut Choice<'_>) -> Words {
    if choice.one_in(8) {
        let (stream, group) = (words::key("stream", choice), [b"g:0", b"g:1"][choice.below(2)].to_vec());
        let words = [&b"XGROUP"[..], b"CREATE", &stream, &group, b"0", b"MKSTREAM"];
        return words.map(<[u8]>::to_vec).to_vec();
    }
    let (name, group, parts) = choice.of(FILLS);
    let mut words = alloc::vec![name.as_bytes().to_vec()];
    if name != "MSET" {
        words.push(words::key(group, choice));
    }
    if name == "XADD" {
        words.push(b"*".to_vec());
    }
    let (count, kind) = (choice.of(&[5usize, 20, 60, 150]), choice.below(3));
    let first = choice.below(100);
    for index in first..first + count {
        for part in 0..parts {
            let is_score = name == "ZADD" && part == 0;
            words.push(match kind {
                _ if is_score => alloc::format!("{}", index % 7).into_bytes(),
                0 => alloc::format!("{index}").into_bytes(),
                1 => alloc::format!("m{index}").into_bytes(),
                _ => alloc::format!("{index:070}").into_bytes(),
            });
        }
    }
    words
}

/// Listening to others, and tracking.
pub fn listening(choice: &mut Choice<'_>) -> Words {
    let all: &[&[&str]] = &[
        &["SUBSCRIBE", "ch:0"],
        &["SUBSCRIBE", "ch:0", "ch:1", "__redis__:invalidate"],
        &["PSUBSCRIBE", "ch*", "__key*"],
        &["SSUBSCRIBE", "ch:0"],
        &["UNSUBSCRIBE"],
        &["PUNSUBSCRIBE"],
        &["SUNSUBSCRIBE"],
        &["CLIENT", "TRACKING", "ON"],
        &["CLIENT", "TRACKING", "ON", "BCAST"],
        &["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "string", "PREFIX", "list:"],
        &["CLIENT", "TRACKING", "ON", "REDIRECT", "1"],
        &["CLIENT", "TRACKING", "ON", "REDIRECT", "2", "NOLOOP"],
        &["CLIENT", "TRACKING", "ON", "OPTIN"],
        &["CLIENT", "TRACKING", "ON", "OPTOUT", "NOLOOP"],
        &["CLIENT", "CACHING", "YES"],
        &["CLIENT", "TRACKING", "OFF"],
        &["MONITOR"],
        &["RESET"],
        &["HELLO", "3"],
        &["HELLO", "2"],
        &["FLUSHALL"],
        &["FLUSHALL", "SYNC"],
        &["SWAPDB", "0", "1"],
        &["SELECT", "1"],
        &["SELECT", "0"],
    ];
    words_of(choice.of(all))
}

/// A request as bytes.
pub fn encode(words: &Words) -> Vec<u8> {
    let mut bytes = alloc::format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(alloc::format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
