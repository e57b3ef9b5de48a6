//! Directives with rules of their own: limits of output buffers, save points, events, addresses, percentiles.
//!
//! Source: Valkey 9.1 `config.c` (the `setConfig*Option` functions), `notify.c`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::directive::Special;
use super::value::parse_memory;
use crate::num;

/// Most addresses to listen on.
const BIND_ADDRESSES_MAX: usize = 16;
/// Scores run from its negative to it.
const OOM_SCORE_MAX: i64 = 2000;

/// Classes of clients with output limits, as they are shown.
pub(super) const OUTPUT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// Letters of keyspace events that `A` stands for, in the order in which they are shown.
const NOTIFY_ALL: &[u8] = b"g$lshzxetd";
/// The others.
const NOTIFY_OTHERS: &[u8] = b"nKEm";

type Normal = Result<Vec<u8>, String>;

/// The normal text of the arguments; `old` is the present one.
pub(super) fn normalize(special: Special, args: &[&[u8]], old: &[u8]) -> Normal {
    //= valkey 9.1: one empty argument is no argument
    let listed: &[&[u8]] = if matches!(args, [only] if only.is_empty()) { &[] } else { args };
    match special {
        Special::Dir => match args {
            [[]] => fail("dir can't be empty"),
            [folder] => Ok(folder.to_vec()),
            _ => fail("wrong number of arguments"),
        },
        Special::Save => save_points(listed),
        Special::OutputLimits => output_limits(args, old),
        Special::OomValues => oom_values(args),
        Special::Notify => notify(args.first().copied().unwrap_or(b"")),
        Special::Bind if listed.len() > BIND_ADDRESSES_MAX => fail("Too many bind addresses specified."),
        Special::Bind if !listed.iter().all(|address| may_be_bound(address)) => {
            fail("Failed to bind to specified addresses.")
        }
        Special::Bind => Ok(listed.join(&b' ')),
        Special::ReplicaOf => replica_of(args),
        Special::Percentiles => percentiles(listed),
    }
}

fn fail(why: &str) -> Normal {
    Err(why.to_string())
}

/// Whether a word can be an address. No address has blanks or quotes, which would take the line apart that CONFIG REWRITE
/// writes.
fn may_be_bound(word: &[u8]) -> bool {
    //= valkey 9.1 bind: an empty one of several addresses is none that can be bound
    !word.is_empty() && !word.iter().any(|byte| *byte <= b' ' || matches!(byte, b'"' | b'\''))
}

/// The number that all of `text` is to C's `strtoll`: blanks and a sign before it allowed, nothing is zero, too
/// large is the largest.
pub(super) fn c_integer(text: &[u8], base: u32) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let blank = |byte: &u8| !(byte.is_ascii_whitespace() || *byte == 0x0b);
    let text = text.get(text.iter().position(blank)?..)?;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for &byte in digits {
        let digit = i64::from(char::from(byte).to_digit(base)?);
        value = value.saturating_mul(i64::from(base)).saturating_add(digit);
    }
    Some(if negative { value.saturating_neg() } else { value })
}

fn save_points(args: &[&[u8]]) -> Normal {
    let numbers: Option<Vec<i64>> = args.iter().map(|arg| c_integer(arg, 10)).collect();
    let valid = |pair: &[i64]| matches!(pair, [seconds, changes] if *seconds >= 1 && *changes >= 0);
    match numbers {
        Some(numbers) if numbers.chunks(2).all(valid) => Ok(spaced(&numbers)),
        _ => fail("Invalid save parameters"),
    }
}

fn spaced(numbers: &[i64]) -> Vec<u8> {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    texts.join(" ").into_bytes()
}

/// The class of clients that a word names, as values have it.
pub(super) fn output_class(name: &[u8]) -> Option<&'static str> {
    let name: &[u8] = if name.eq_ignore_ascii_case(b"replica") { b"slave" } else { name };
    OUTPUT_CLASSES.into_iter().find(|class| name.eq_ignore_ascii_case(class.as_bytes()))
}

fn output_limits(args: &[&[u8]], old: &[u8]) -> Normal {
    if !args.len().is_multiple_of(4) {
        return fail("Wrong number of arguments in buffer limit configuration.");
    }
    let mut fields: Vec<Vec<u8>> = old.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect();
    for group in args.chunks(4) {
        let [name, hard, soft, seconds] = group else { continue };
        let Some(class) = output_class(name) else {
            return fail("Invalid client class specified in buffer limit configuration.");
        };
        let seconds = c_integer(seconds, 10).and_then(|seconds| i32::try_from(seconds).ok());
        let (Some(hard), Some(soft), Some(seconds @ 0..)) = (parse_memory(hard), parse_memory(soft), seconds)
        else {
            return fail("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        };
        let texts = [hard.to_string(), soft.to_string(), seconds.to_string()];
        let is_own = |fields: &&mut [Vec<u8>]| fields.first().is_some_and(|name| *name == class.as_bytes());
        let own = fields.chunks_mut(4).find(is_own).unwrap_or_default();
        for (field, text) in own.iter_mut().skip(1).zip(texts) {
            *field = text.into_bytes();
        }
    }
    Ok(fields.join(&b' '))
}

fn oom_values(args: &[&[u8]]) -> Normal {
    if args.len() != 3 {
        return fail("wrong number of arguments");
    }
    let allowed = |score: &i64| (-OOM_SCORE_MAX..=OOM_SCORE_MAX).contains(score);
    let scores: Option<Vec<i64>> = args.iter().map(|arg| c_integer(arg, 10).filter(allowed)).collect();
    match scores {
        Some(scores) => Ok(spaced(&scores)),
        None => fail("Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
    }
}

fn notify(text: &[u8]) -> Normal {
    let known =
        |letter: &u8| *letter == b'A' || NOTIFY_ALL.contains(letter) || NOTIFY_OTHERS.contains(letter);
    if !text.iter().all(known) {
        return fail("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    }
    let given = |letter: &u8| text.contains(letter);
    let all = given(&b'A') || NOTIFY_ALL.iter().all(given);
    let mut normal: Vec<u8> =
        if all { b"A".to_vec() } else { NOTIFY_ALL.iter().copied().filter(given).collect() };
    normal.extend(NOTIFY_OTHERS.iter().copied().filter(given));
    Ok(normal)
}

/// Classes of keyspace events as CONFIG GET shows them.
pub(super) fn shown_notify(normal: &[u8]) -> Vec<u8> {
    //= valkey 9.1 CONFIG GET notify-keyspace-events: `n` is not shown beside `A`
    let all = normal.starts_with(b"A");
    normal.iter().copied().filter(|letter| !(all && *letter == b'n')).collect()
}

fn replica_of(args: &[&[u8]]) -> Normal {
    let [host, port] = args else { return fail("wrong number of arguments") };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(Vec::new());
    }
    match c_integer(port, 10).and_then(|port| u16::try_from(port).ok()) {
        Some(port) => Ok([host, b" ".as_slice(), port.to_string().as_bytes()].concat()),
        None => fail("Invalid primary port"),
    }
}

fn percentiles(args: &[&[u8]]) -> Normal {
    let mut texts = Vec::with_capacity(args.len());
    for arg in args {
        let Some(value) = num::parse_f64(arg).filter(|value| !value.is_nan()) else {
            return fail("Invalid latency-tracking-info-percentiles parameters");
        };
        if !(0.0..=100.0).contains(&value) {
            return fail("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
        }
        texts.push(format!("{value:.6}").trim_end_matches('0').trim_end_matches('.').to_string());
    }
    Ok(texts.join(" ").into_bytes())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::{Special, c_integer, normalize, shown_notify};

    fn normal(special: Special, args: &[&str]) -> Result<String, String> {
        let args: alloc::vec::Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        let old = b"normal 0 0 0 slave 256 64 60 pubsub 32 8 60";
        normalize(special, &args, old).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn c_numbers() {
        let cases: [(&[u8], Option<i64>); 9] = [
            (b"", Some(0)),
            (b" +7", Some(7)),
            (b"-7", Some(-7)),
            (b"007", Some(7)),
            (b"7 ", None),
            (b"-", None),
            (b" ", None),
            (b"99999999999999999999", Some(i64::MAX)),
            (b"0x1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(c_integer(text, 10), expected, "{text:?}");
        }
        assert_eq!(c_integer(b"0755", 8), Some(0o755));
    }

    #[test]
    fn limits_change_by_class_and_all_or_none() {
        let ok = normal(Special::OutputLimits, &["Replica", "1mb", "2k", "3", "pubsub", "0", "0", "0"]);
        assert_eq!(ok.unwrap(), "normal 0 0 0 slave 1048576 2000 3 pubsub 0 0 0");
        assert_eq!(
            normal(Special::OutputLimits, &[]).unwrap(),
            "normal 0 0 0 slave 256 64 60 pubsub 32 8 60"
        );
        let bad = [
            (&["normal", "1"][..], "Wrong number of arguments in buffer limit configuration."),
            (&["primary", "1", "1", "1"], "Invalid client class specified in buffer limit configuration."),
            (&["wrong", "1", "1", "1"], "Invalid client class specified in buffer limit configuration."),
            (
                &["normal", "1", "1", "-1"],
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
            (
                &["normal", "x", "1", "1"],
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
        ];
        for (args, error) in bad {
            assert_eq!(normal(Special::OutputLimits, args), Err(error.into()));
        }
    }

    #[test]
    fn events_by_letter() {
        assert_eq!(normal(Special::Notify, &["KEA"]).unwrap(), "AKE");
        assert_eq!(normal(Special::Notify, &["mdtexzhsl$gK"]).unwrap(), "AKm");
        assert_eq!(normal(Special::Notify, &["xE$"]).unwrap(), "$xE");
        assert_eq!(normal(Special::Notify, &["nA"]).unwrap(), "An");
        assert_eq!(shown_notify(b"An"), b"A");
        assert_eq!(shown_notify(b"gnK"), b"gnK");
        assert!(normal(Special::Notify, &["q"]).is_err());
    }

    #[test]
    fn lists_of_words() {
        assert_eq!(normal(Special::Bind, &[""]).unwrap(), "");
        assert_eq!(normal(Special::Bind, &["127.0.0.1", "-::1"]).unwrap(), "127.0.0.1 -::1");
        assert!(normal(Special::Bind, &["a"; 17]).is_err());
        //= valkey 9.1 bind: an empty one of several addresses is none that can be bound
        let odd = [["a\"b", "::1"], ["it's", "::1"], ["a b", "::1"], ["\0", "::1"], ["::1", "\t"]];
        for words in [["127.0.0.1", ""], ["", "127.0.0.1"], ["", ""]].into_iter().chain(odd) {
            assert_eq!(normal(Special::Bind, &words), Err("Failed to bind to specified addresses.".into()));
        }
        assert_eq!(normal(Special::Percentiles, &["50.0", "99.9", "100"]).unwrap(), "50 99.9 100");
        assert_eq!(normal(Special::Percentiles, &[""]).unwrap(), "");
        assert!(normal(Special::Percentiles, &["100.1"]).is_err());
        assert!(normal(Special::Percentiles, &["nan"]).is_err());
        assert_eq!(normal(Special::Save, &["3600", "1", "300", "100"]).unwrap(), "3600 1 300 100");
        assert_eq!(normal(Special::Save, &[""]).unwrap(), "");
        for bad in [&["1"][..], &["0", "1"], &["1", "-1"], &["a", "1"]] {
            assert_eq!(normal(Special::Save, bad), Err("Invalid save parameters".into()));
        }
        assert_eq!(normal(Special::ReplicaOf, &["NO", "one"]).unwrap(), "");
        assert_eq!(normal(Special::ReplicaOf, &["host", "70000"]), Err("Invalid primary port".into()));
        assert_eq!(normal(Special::OomValues, &["1", "-1", "2000"]).unwrap(), "1 -1 2000");
        assert!(normal(Special::OomValues, &["1", "1", "2001"]).is_err());
    }
}
