//! What arguments of a kind and name may be: few values, so that requests meet, and the ends of their ranges.

use alloc::format;
use alloc::vec::Vec;

use super::START_MS;
use super::choice::Choice;
use crate::commands::table::Arg;

/// Whole numbers: common ones, and the ends of ranges. What lies between is left out, as many a command would do so much.
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "-2",
    "3",
    "5",
    "10",
    "40",
    "100",
    "-3",
    "-100",
    "1000",
    "127",
    "128",
    "-129",
    "32768",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775806",
    "9223372036854775808",
    "18446744073709551615",
    "-0",
    "01",
    "+1",
    "1.5",
    "",
    "x",
];

/// Doubles.
const DOUBLES: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "-0",
    "0.5",
    "1.5",
    "3",
    "10",
    "-2.25",
    "1e300",
    "-1e300",
    "inf",
    "-inf",
    "+inf",
    "nan",
    "1e-320",
    "9007199254740993",
    "4611686018427387904",
    "0x10",
    "3.0e0",
    "",
    "x",
    "17976931348623157e300",
];

/// Ends of ranges of scores and members.
const BOUNDS: &[&str] = &[
    "-inf", "+inf", "-", "+", "0", "1", "2", "(1", "(2", "[a", "(a", "[b", "(c", "[", "(", "0.5", "-1", "3",
    "5",
];

/// IDs of entries, their ends and stand-ins.
const IDS: &[&str] = &[
    "*",
    "-",
    "+",
    "$",
    ">",
    ">",
    ">",
    "0",
    "0-0",
    "0-1",
    "1-1",
    "1-2",
    "2-*",
    "2-5",
    "3",
    "5-1",
    "(1-1",
    "(0",
    "9-9",
    "18446744073709551615-18446744073709551615",
    "18446744073709551615-*",
    "18446744073709551616",
    "1-x",
];

/// Short strings: fields, members, elements, values.
const STRINGS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "1",
    "2",
    "3",
    "-7",
    "10",
    "0",
    "1000",
    "70000",
    "5000000000",
    "1.5",
    "ab",
    "z",
];

/// Patterns.
const PATTERNS: &[&str] = &[
    "*",
    "*:0",
    "k?y:[0-9]",
    "string:*",
    "a*",
    "[^a]",
    "\\*",
    "x*y*z",
    "",
    "[a-",
    "ch*",
    "ch:1",
    "#",
    "*->f",
    "hash:*->a",
];

/// Texts of arguments that no pool suits.
fn named(name: &str, choice: &mut Choice<'_>) -> Option<Vec<u8>> {
    let all: &[&str] = match name {
        "field" | "value" | "member" | "element" | "message" | "pivot" | "member1" | "member2"
        | "comparison-value" => {
            return Some(string(choice));
        }
        "min" | "max" => BOUNDS,
        "start" | "end" | "stop" if choice.one_in(2) => IDS,
        "id" | "lastid" | "last-id" | "max-deleted-id" => IDS,
        "channel" | "shardchannel" => &["ch:0", "ch:1", "ch:2", ""],
        "group" => &["g:0", "g:0", "g:1", "g:2"],
        "consumer" => &["alice", "bob", "carol"],
        "cursor" => &["0", "0", "1", "2", "4", "18446744073709551615", "x"],
        "encoding" => &["u8", "i8", "u1", "i64", "u63", "u64", "i5", "x3"],
        "offset" => &["0", "1", "7", "#0", "#3", "100", "-1", "8000", "4294967295", "4294967296"],
        "timeout" => &["0", "0.001", "0.01", "1", "10", "-1", "x", "1e300"],
        "client-id" | "not-client-id" => &["1", "2", "3", "4", "5", "0", "-1"],
        "db" | "index1" | "index2" | "destination-db" | "not-db" => {
            &["0", "1", "2", "3", "15", "16", "-1", "x"]
        }
        "command" | "command-name" => &["get", "set", "mset", "client|list", "xread", "sort", "nope", "eval"],
        "section" => {
            &["all", "server", "clients", "memory", "keyspace", "commandstats", "everything", "nope"]
        }
        "event" => &["command", "fast-command", "expire-cycle", "nope"],
        "type" => &["string", "list", "set", "zset", "hash", "stream", "nope"],
        "protover" => &["2", "3", "3", "4", "x"],
        "prefix" => &["", "string:", "hash:", "h", "k", "key:0"],
        "longitude" => &["0", "13.361389", "15.087269", "-180", "180", "180.1", "2.5", "x"],
        "latitude" => &["0", "38.115556", "37.502669", "85.05112878", "-85.05112879", "2.5", "x"],
        "radius" | "width" | "height" => &["0", "1", "200", "1e6", "5e7", "-1", "inf", "x"],
        "flags" | "not-flags" => &["N", "x", "b", "P", "t", "?"],
        "milliseconds" | "seconds" | "ms" | "idle" => {
            &["1", "2", "10", "100", "0", "-1", "9223372036854775807", "x"]
        }
        "len" | "limit" | "threshold" | "maxage" | "num-vertices" => &["0", "1", "3", "10", "-1"],
        "name" | "clientname" | "connection-name" | "not-name" => &["me", "you", "", "a b"],
        "bit" => &["0", "1", "2"],
        "by-pattern" | "get-pattern" => &["*", "string:*", "hash:*->a", "#", "x", "hash:*->"],
        "password" | "username" => &["default", "", "secret"],
        _ => return None,
    };
    Some(choice.of(all).as_bytes().to_vec())
}

/// A short string, seldom a long one or one of any bytes.
pub(super) fn string(choice: &mut Choice<'_>) -> Vec<u8> {
    match choice.below(16) {
        0 => {
            let len = choice.of(&[40usize, 63, 64, 65, 100, 200, 511, 513, 3000]);
            let letter = choice.of(b"xyz\xff");
            alloc::vec![letter; len]
        }
        1 => choice.raw(),
        2 => choice.of(INTEGERS).as_bytes().to_vec(),
        3 => choice.of(DOUBLES).as_bytes().to_vec(),
        _ => choice.of(STRINGS).as_bytes().to_vec(),
    }
}

/// A key: mostly one of those that commands of the group use, so that its type suits.
pub(super) fn key(group: &str, choice: &mut Choice<'_>) -> Vec<u8> {
    const OTHERS: [&str; 9] =
        ["string", "list", "set", "hash", "sorted_set", "stream", "hyperloglog", "bitmap", "geo"];
    let group = if choice.one_in(10) || !OTHERS.contains(&group) { choice.of(&OTHERS) } else { group };
    format!("{group}:{}", choice.below(3)).into_bytes()
}

/// The text of an argument that the table describes.
pub(super) fn text(arg: &Arg, group: &str, choice: &mut Choice<'_>) -> Vec<u8> {
    if choice.one_in(40) {
        return choice.raw();
    }
    if arg.kind == "key" {
        return key(group, choice);
    }
    if let Some(text) = named(arg.name, choice) {
        return text;
    }
    let all = match arg.kind {
        "integer" => INTEGERS,
        "double" => DOUBLES,
        "pattern" => PATTERNS,
        "unix-time" => {
            let at_ms = START_MS + choice.of(&[-1000, 0, 1, 5, 100, 2000, 100_000]);
            let at = if arg.name.contains("milliseconds") { at_ms } else { at_ms / 1000 };
            return format!("{at}").into_bytes();
        }
        _ => return string(choice),
    };
    choice.of(all).as_bytes().to_vec()
}
