//! Values near the edges of what each kind allows.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::{Kind, Special};
use super::Bytes;

/// Units of sizes, with some that are none.
const UNITS: [&str; 12] = ["", "b", "k", "kb", "m", "MB", "g", "Gb", "%", "t", " ", "kk"];
/// Texts that look like something.
const TEXTS: [&str; 16] = [
    "",
    "a",
    "a b",
    "\"",
    "'",
    "\\",
    "a\"b'c\\d",
    "\t\r\n",
    "127.0.0.1",
    "::1",
    "a/b",
    "host.name",
    "{title} {port}",
    "{",
    "#",
    "\0",
];
/// Of each directive with rules of its own, by [`special`].
const FOLDERS: [&str; 4] = ["", "/", "a b", "\"x'"];
const SAVES: [&str; 8] = ["", "1 1", "900 1 300 10", "1", "0 1", "1 -1", "+7 007", "99999999999999999999 0"];
const LIMITS: [&str; 8] = [
    "",
    "normal 1 2 3",
    "Replica 1mb 2k 3",
    "slave 0 0 0 pubsub 1gb 1g 60",
    "normal 18446744073709551615 1b 2147483647",
    "normal 1 2",
    "primary 1 2 3",
    "pubsub 1 2 -3",
];
const SCORES: [&str; 5] = ["0 200 800", "-2000 +2000 007", "1 2", "1 2 2001", "1 2 3 4"];
const EVENTS: [&str; 8] = ["", "A", "KEA", "AKEnm", "g$lshzxetd", "Kx", "q", "nK"];
const ADDRESSES: [&str; 8] =
    ["", "*", "* -::*", "127.0.0.1 ::1", "a  b", " ", "a b c d e f g h i j k l m n o p q", "-x"];
const PRIMARIES: [&str; 6] = ["no one", "NO ONE", "host 6379", "host 65536", "host", "a b c"];
const PERCENTILES: [&str; 8] = ["", "50 99 99.9", "0 100", "100.1", "-0", "1e-9 1e1", "nan", "33.3333333333"];

/// A value for a kind, right or a little wrong.
pub(super) fn some_value(kind: Kind, pick: u8, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let text = match kind {
        Kind::Bool => of(&["yes", "no", "YES", "No", "on", ""], pick).to_string(),
        Kind::Choice(words) => word(words, pick),
        Kind::Flags(words) => {
            let others = (0..pick % 4).filter_map(|_| bytes.next()).map(|pick| word(words, pick));
            core::iter::once(word(words, pick / 4)).chain(others).collect::<Vec<_>>().join(" ")
        }
        Kind::Int { min, max } => near(i128::from(min), i128::from(max), pick, bytes),
        Kind::Unsigned { min, max } => near(i128::from(min), i128::from(max), pick, bytes),
        Kind::Hz => near(0, 500, pick, bytes),
        Kind::Memory { min, max } | Kind::SignedMemory { min, max } | Kind::MemoryOrPercent { min, max } => {
            sized(near(i128::from(min), i128::from(max), pick, bytes), pick, bytes)
        }
        Kind::UnsignedMemory { min, max } => {
            sized(near(i128::from(min), i128::from(max), pick, bytes), pick, bytes)
        }
        Kind::Octal { max } => format!("{:o}", u64::from(max) / 4 * u64::from(pick % 6)),
        Kind::Text { .. } => of(&TEXTS, pick).to_string(),
        Kind::Special(special) => of(texts_of(special), pick).to_string(),
    };
    text.into_bytes()
}

fn of(texts: &[&'static str], pick: u8) -> &'static str {
    texts.iter().cycle().nth(usize::from(pick)).copied().unwrap_or("")
}

fn word(words: &[&'static str], pick: u8) -> String {
    let word = of(words, pick);
    if pick >= 40 { word.to_ascii_uppercase() } else { word.to_string() }
}

/// A number at an edge, or small.
fn near(min: i128, max: i128, pick: u8, bytes: &mut Bytes<'_>) -> String {
    let small = i128::from(bytes.next().unwrap_or(0));
    let number = match pick % 8 {
        0 => min,
        1 => max,
        2 => min - 1,
        3 => max + 1,
        4 => -small,
        5 => min + small,
        6 => max - small,
        _ => small,
    };
    number.to_string()
}

fn sized(number: String, pick: u8, bytes: &mut Bytes<'_>) -> String {
    if pick < 24 { number } else { number + of(&UNITS, bytes.next().unwrap_or(0)) }
}

fn texts_of(special: Special) -> &'static [&'static str] {
    match special {
        Special::Dir => &FOLDERS,
        Special::Save => &SAVES,
        Special::OutputLimits => &LIMITS,
        Special::OomValues => &SCORES,
        Special::Notify => &EVENTS,
        Special::Bind => &ADDRESSES,
        Special::ReplicaOf => &PRIMARIES,
        Special::Percentiles => &PERCENTILES,
    }
}
