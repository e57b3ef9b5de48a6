//! Lists change their form and their nodes as the reference's do: random commands and those at the edges of its rules,
//! under many settings, and what Valkey 9.1 had made of the list after each.
//!
//! `transcript.txt` holds a command on one line (`x*5` is `xxxxx`, `-` the empty string, `?` a string that is not there)
//! and on the next the encoding, the number of nodes and a checksum of their kinds, lengths and bytes.
//! `cfg` begins anew with a `list-max-listpack-size` and a `DEBUG QUICKLIST-PACKED-THRESHOLD`.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::{Element, End, Growth, List, ListLimits, NodeKind, Side};

fn string(word: &str) -> Vec<u8> {
    match word.split_once('*') {
        Some((byte, count)) => vec![byte.as_bytes()[0]; count.parse().unwrap()],
        None if word == "-" => Vec::new(),
        None => word.as_bytes().to_vec(),
    }
}

fn end(word: &str) -> End {
    if word == "L" { End::Head } else { End::Tail }
}

/// Adler-32.
fn checksum(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1u32, 0u32), |(low, high), &byte| {
        let low = (low + u32::from(byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn state(list: &List) -> String {
    if list.is_empty() {
        return String::from("= none");
    }
    let mut bytes = Vec::new();
    for node in list.nodes() {
        let (kind, raw) = (if node.kind == NodeKind::Plain { 1 } else { 2 }, node.to_raw().unwrap());
        bytes.extend_from_slice(format!("{kind} {} ", raw.len()).as_bytes());
        bytes.extend_from_slice(&raw);
    }
    format!("= {} {} {}", list.encoding(), list.nodes().len(), checksum(&bytes))
}

fn grow_and(list: &mut List, strings: &[Vec<u8>], limits: ListLimits) {
    list.grow(Growth::of(strings.iter().map(Vec::as_slice)), limits);
}

fn run(list: &mut List, words: &[&str], limits: ListLimits) {
    let strings: Vec<Vec<u8>> = words.iter().map(|word| string(word)).collect();
    match words[0] {
        "push" => {
            grow_and(list, &strings[2..], limits);
            strings[2..].iter().for_each(|string| list.push(end(words[1]), &string[..]));
        }
        "pop" => {
            list.pop(end(words[1]), |_| ());
        }
        "popn" => {
            list.delete_end(end(words[1]), words[2].parse().unwrap(), &mut Vec::new());
        }
        "set" => {
            grow_and(list, &strings[2..], limits);
            if !list.set(words[1].parse().unwrap(), &strings[2][..]) {
                return;
            }
        }
        "ins" => {
            grow_and(list, &strings[3..], limits);
            let side = if words[1] == "AFTER" { Side::After } else { Side::Before };
            list.insert(&strings[2], side, &strings[3][..]);
            return;
        }
        "rem" => {
            if list.remove(&strings[2], words[1].parse().unwrap()) == 0 {
                return;
            }
        }
        "trim" => {
            let (from, to): (usize, usize) = (words[1].parse().unwrap(), words[2].parse().unwrap());
            list.trim(from..list.len().min(to + 1), &mut Vec::new());
        }
        "move" => {
            let own = |element: Element<'_>| element.text(&mut itoa::Buffer::new()).to_vec();
            let Some(string) = list.pop(end(words[1]), own) else { return };
            grow_and(list, core::slice::from_ref(&string), limits);
            list.push(end(words[2]), &string[..]);
        }
        other => panic!("no command {other}"),
    }
    if words[0] != "push" {
        list.shrink(limits);
    }
}

#[test]
fn nodes_are_the_reference_s() {
    for compress_depth in 0..if cfg!(miri) { 2 } else { 4 } {
        replay(compress_depth);
    }
}

/// Whether nodes are compressed changes nothing about them.
fn replay(compress_depth: u16) {
    let (mut list, mut limits, mut last, mut count) = (List::new(), ListLimits::default(), "", 0);
    for line in include_str!("transcript.txt").lines().take(if cfg!(miri) { 60 } else { usize::MAX }) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "cfg" => {
                limits = ListLimits {
                    max_listpack_size: words[1].parse().unwrap(),
                    plain_len_min: words[2].parse().unwrap(),
                    compress_depth,
                };
                list = List::new();
            }
            "=" => {
                assert_eq!(state(&list), line, "after {last} with {limits:?}");
                count += 1;
                if list.is_empty() {
                    list = List::new();
                }
            }
            _ => run(&mut list, &words, limits),
        }
        last = line;
    }
    assert!(count == 1582 || cfg!(miri));
}
