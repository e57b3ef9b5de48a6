//! Finds the keys of a command line by the table's key specs.
//!
//! Never trusts a count: whatever an argument says, only arguments that exist are keys.

use alloc::vec::Vec;

use super::table::{Begin, Command, Find, KeyFlags, KeySpec};
use crate::engine::Args;
use crate::num;

/// A key of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// Which argument it is.
    pub index: usize,
    /// What becomes of it.
    pub flags: KeyFlags,
}

/// The keys of a command line whose command begins at argument `from`. `None` when it makes no sense.
pub fn find_keys(command: &Command, args: &Args<'_>, from: usize) -> Option<Vec<FoundKey>> {
    if matches!(command.name, "georadius" | "georadiusbymember") {
        return Some(keys_of_radius(args, from));
    }
    let mut found = Vec::new();
    for spec in command.key_specs {
        find_by_spec(spec, args, from, &mut found)?;
    }
    if command.name == "sort" {
        found.extend(stored_by_sort(args, from));
    }
    for key in found.iter_mut().filter(|key| key.flags.contains(KeyFlags::VARIABLE_FLAGS)) {
        key.flags = flags_by_arguments(command, key.flags, args, from);
    }
    Some(found)
}

//= valkey 9.1 COMMAND GETKEYS: of several STORE and STOREDIST the last one counts, which no key spec can say
fn keys_of_radius(args: &Args<'_>, from: usize) -> Vec<FoundKey> {
    let mut found = Vec::from([FoundKey { index: from + 1, flags: KeyFlags::RO | KeyFlags::ACCESS }]);
    let (mut index, mut target) = (from + 5, None);
    while index + 1 < args.len() {
        if args.is(index, "STORE") || args.is(index, "STOREDIST") {
            index += 1;
            target = Some(FoundKey { index, flags: KeyFlags::OW | KeyFlags::UPDATE });
        }
        index += 1;
    }
    found.extend(target);
    found
}

/// The key behind the last STORE of a SORT, which no key spec can describe.
fn stored_by_sort(args: &Args<'_>, from: usize) -> Option<FoundKey> {
    let (mut stored, mut at) = (None, from + 2);
    while at < args.len() {
        if args.is(at, "store") && at + 1 < args.len() {
            stored = Some(at + 1);
        }
        at += match () {
            () if args.is(at, "limit") => 3,
            () if args.is(at, "get") || args.is(at, "by") => 2,
            () => 1,
        };
    }
    stored.map(|index| FoundKey { index, flags: KeyFlags::OW | KeyFlags::UPDATE })
}

/// What becomes of a key where that depends on the other arguments.
fn flags_by_arguments(command: &Command, flags: KeyFlags, args: &Args<'_>, from: usize) -> KeyFlags {
    match command.name {
        "set" if (3..args.len().saturating_sub(from)).any(|index| args.is(from + index, "GET")) => {
            KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE
        }
        "set" => KeyFlags::OW | KeyFlags::UPDATE,
        _ => flags,
    }
}

fn find_by_spec(spec: &KeySpec, args: &Args<'_>, from: usize, found: &mut Vec<FoundKey>) -> Option<()> {
    let argc = args.len().checked_sub(from)?;
    let first = match spec.begin {
        Begin::Index(index) => index,
        Begin::Keyword(word, start) => match keyword(word, start, args, from, argc) {
            Some(at) => at + 1,
            None => return Some(()),
        },
        Begin::Unknown => return Some(()),
    };
    let (first, last, step) = match spec.find {
        Find::Range { last, step, limit } => (first, range_end(first, last, limit, argc)?, step),
        Find::Count { at, first: offset, step } => {
            let count = num::parse_i64(args.get(from + first + at)?).filter(|&count| count > 0)?;
            let count = usize::try_from(count).ok()?;
            let start = first + offset;
            //= security redis#14847: a count beyond the arguments names no key
            let last = start.checked_add((count - 1).checked_mul(step)?)?;
            (start, last, step)
        }
        Find::Unknown => return Some(()),
    };
    if first >= argc || last >= argc || last < first {
        return None;
    }
    let keys = (first..=last).step_by(step.max(1));
    found.extend(keys.map(|index| FoundKey { index: from + index, flags: spec.flags }));
    Some(())
}

fn range_end(first: usize, last: i32, limit: usize, argc: usize) -> Option<usize> {
    match usize::try_from(last) {
        Ok(last) => first.checked_add(last),
        Err(_) if last == -1 && limit > 1 => Some(first + (argc.checked_sub(first)? / limit).checked_sub(1)?),
        Err(_) => argc.checked_sub(usize::try_from(last.unsigned_abs()).ok()?),
    }
}

fn keyword(word: &str, start: i32, args: &Args<'_>, from: usize, argc: usize) -> Option<usize> {
    match usize::try_from(start) {
        Ok(start) => (start..argc).find(|&index| args.is(from + index, word)),
        Err(_) => {
            let start = argc.checked_sub(usize::try_from(start.unsigned_abs()).ok()?)?;
            (1..=start).rev().find(|&index| args.is(from + index, word))
        }
    }
}
