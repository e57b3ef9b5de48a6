//! The command table, as data: it answers COMMAND, look-ups, arity and key extraction alike.

mod flags;
mod rows;

use core::fmt;

use crate::engine::{Args, CmdResult, Ctx};

pub use self::flags::{AclCategories, ArgFlags, CommandFlags, KeyFlags};
pub use self::rows::{COMMAND_COUNT, COMMANDS};

/// Runs a command.
pub type Handler = fn(&mut Ctx<'_>, &Args<'_>) -> CmdResult;

/// Number of a command or subcommand, for arrays of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandId(pub u16);

/// Names of command flags in the order in which they are shown; the others are not.
pub(super) const COMMAND_FLAG_NAMES: [(CommandFlags, &str); 19] = [
    (CommandFlags::WRITE, "write"),
    (CommandFlags::READONLY, "readonly"),
    (CommandFlags::DENYOOM, "denyoom"),
    (CommandFlags::MODULE, "module"),
    (CommandFlags::ADMIN, "admin"),
    (CommandFlags::PUBSUB, "pubsub"),
    (CommandFlags::NOSCRIPT, "noscript"),
    (CommandFlags::BLOCKING, "blocking"),
    (CommandFlags::LOADING, "loading"),
    (CommandFlags::STALE, "stale"),
    (CommandFlags::SKIP_MONITOR, "skip_monitor"),
    (CommandFlags::SKIP_COMMANDLOG, "skip_commandlog"),
    (CommandFlags::ASKING, "asking"),
    (CommandFlags::FAST, "fast"),
    (CommandFlags::NO_AUTH, "no_auth"),
    (CommandFlags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (CommandFlags::NO_ASYNC_LOADING, "no_async_loading"),
    (CommandFlags::NO_MULTI, "no_multi"),
    (CommandFlags::MOVABLE_KEYS, "movablekeys"),
];

/// Where to begin looking for keys.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At this argument.
    Index(usize),
    /// Behind this word, looked for from this argument on (negative: backwards from the end).
    Keyword(&'static str, i32),
    /// Cannot be told.
    Unknown,
}

/// Which arguments from there on are keys.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// A range.
    Range {
        /// The last, relative to the first; negative: from the end.
        last: i32,
        /// Distance between keys.
        step: usize,
        /// With `last` -1: only the first 1/limit of the arguments (0 and 1: all).
        limit: usize,
    },
    /// As many as an argument says.
    Count {
        /// That argument, relative to the beginning.
        at: usize,
        /// The first key, likewise.
        first: usize,
        /// Distance between keys.
        step: usize,
    },
    /// Cannot be told.
    Unknown,
}

/// Where some of a command's keys are and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// A remark; may be empty.
    pub notes: &'static str,
    /// What becomes of them.
    pub flags: KeyFlags,
    /// Where to begin.
    pub begin: Begin,
    /// Which they are.
    pub find: Find,
}

/// An argument, for COMMAND DOCS.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is the field of its name in COMMAND DOCS")]
pub struct Arg {
    pub name: &'static str,
    pub kind: &'static str,
    pub display: &'static str,
    pub token: &'static str,
    pub since: &'static str,
    pub deprecated_since: &'static str,
    pub summary: &'static str,
    pub key_spec: i8,
    pub flags: ArgFlags,
    pub args: &'static [Arg],
}

/// A command or subcommand.
pub struct Command {
    /// Its name, lower case.
    pub name: &'static str,
    /// With its container's: `client|list`.
    pub full_name: &'static str,
    /// Its number.
    pub id: CommandId,
    /// Arguments, the name included; negative: at least so many.
    pub arity: i16,
    /// Properties.
    pub flags: CommandFlags,
    /// ACL categories.
    pub acl: AclCategories,
    /// Hints for clients.
    pub tips: &'static [&'static str],
    /// Where its keys are.
    pub key_specs: &'static [KeySpec],
    /// Group of commands.
    pub group: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Version it came with.
    pub since: &'static str,
    /// Complexity.
    pub complexity: &'static str,
    /// Versions it changed with.
    pub history: &'static [(&'static str, &'static str)],
    /// Version since which it is deprecated.
    pub deprecated_since: &'static str,
    /// What to use in its place.
    pub replaced_by: &'static str,
    /// Flags of its documentation.
    pub doc_flags: &'static [&'static str],
    /// Arguments.
    pub args: &'static [Arg],
    /// Subcommands.
    pub subcommands: &'static [Command],
    /// What runs it.
    pub handler: Handler,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name)
    }
}

/// Slots of the look-up table: at most a fifth full.
const LOOKUP_LEN: usize = 1024;

/// Bits of a place in the look-up table.
const LOOKUP_BITS: u32 = LOOKUP_LEN.ilog2();

/// The first letters and the last ones of a name, which is all of one of up to [`WORD_LEN`] letters.
#[inline]
const fn word(name: &[u8]) -> u64 {
    let len = name.len();
    match name {
        [] => 0,
        [a, b, c, d, ..] => {
            let first = u32::from_le_bytes([*a, *b, *c, *d]) as u64;
            let last = u32::from_le_bytes([name[len - 4], name[len - 3], name[len - 2], name[len - 1]]);
            first | (last as u64) << 32
        }
        [a, ..] => u32::from_le_bytes([*a, name[len / 2], name[len - 1], 0]) as u64,
    }
}

/// So many letters of a name are in its word.
const WORD_LEN: usize = 8;

/// Mixes a name's word and length, upper and lower case alike.
#[inline]
const fn mix(word: u64, len: usize) -> usize {
    let folded = word | 0x2020_2020_2020_2020;
    ((folded ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - LOOKUP_BITS)) as usize
}

/// What a name is compared with first, as far as its word goes.
#[derive(Clone, Copy)]
struct NameWord {
    /// The command's word, in lower case.
    word: u64,
    /// The bit of each of its letters that tells upper from lower case.
    case: u64,
    len: usize,
}

impl NameWord {
    const fn of(name: &[u8]) -> Self {
        let word = word(name);
        let (mut case, mut at) = (0, 0);
        while at < WORD_LEN {
            if (word >> (at * 8)).to_le_bytes()[0].is_ascii_lowercase() {
                case |= 0x20 << (at * 8);
            }
            at += 1;
        }
        Self { word, case, len: name.len() }
    }

    #[inline]
    fn is(&self, word: u64, len: usize) -> bool {
        (self.word ^ word) & !self.case == 0 && self.len == len
    }
}

/// Tells whether names are that of one command, for less than a look-up.
#[derive(Clone, Copy)]
pub(crate) struct NameOf {
    pub(crate) command: &'static Command,
    word: NameWord,
}

impl NameOf {
    /// The top-level name of a command, which is not one of its container's subcommands.
    pub(crate) fn new(command: &'static Command) -> Self {
        Self { command, word: NameWord::of(command.name.as_bytes()) }
    }

    #[inline]
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        self.word.is(word(name), name.len())
            && (name.len() <= WORD_LEN || self.command.name.as_bytes().eq_ignore_ascii_case(name))
    }
}

impl fmt::Debug for NameOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.command, f)
    }
}

/// By index into [`COMMANDS`].
static NAME_WORDS: [NameWord; COMMANDS.len()] = {
    let mut all = [NameWord { word: 0, case: 0, len: 0 }; COMMANDS.len()];
    let mut index = 0;
    while index < COMMANDS.len() {
        all[index] = NameWord::of(COMMANDS[index].name.as_bytes());
        index += 1;
    }
    all
};

#[expect(clippy::cast_possible_truncation, reason = "there are far fewer than 65,536 commands")]
/// Index into [`COMMANDS`] plus one, by hash, with linear probing; built by the compiler.
static LOOKUP: [u16; LOOKUP_LEN] = {
    let mut table = [0u16; LOOKUP_LEN];
    let mut index = 0;
    while index < COMMANDS.len() {
        let mut slot = mix(NAME_WORDS[index].word, NAME_WORDS[index].len);
        while table[slot] != 0 {
            slot = (slot + 1) % LOOKUP_LEN;
        }
        index += 1;
        table[slot] = index as u16;
    }
    table
};

/// The command of a name, in any case.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    if name.len() <= WORD_LEN { probe(name, |_| true) } else { lookup_long(name) }
}

/// Same, of a name that is longer than its word. Most are not, and are looked up without a call.
#[inline(never)]
fn lookup_long(name: &[u8]) -> Option<&'static Command> {
    probe(name, |command| command.name.as_bytes().eq_ignore_ascii_case(name))
}

/// The command whose word and length are those of a name, and that `is_same`.
#[inline]
fn probe(name: &[u8], is_same: impl Fn(&Command) -> bool) -> Option<&'static Command> {
    let word = word(name);
    let mut slot = mix(word, name.len());
    while LOOKUP[slot] != 0 {
        let index = usize::from(LOOKUP[slot]) - 1;
        let command = &COMMANDS[index];
        if NAME_WORDS[index].is(word, name.len()) && is_same(command) {
            return Some(command);
        }
        slot = (slot + 1) % LOOKUP_LEN;
    }
    None
}

/// The subcommand of a name, in any case.
pub fn lookup_sub(container: &Command, name: &[u8]) -> Option<&'static Command> {
    container.subcommands.iter().find(|sub| sub.name.as_bytes().eq_ignore_ascii_case(name))
}

/// The command that names a subcommand too: `client|list`.
pub fn lookup_full(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|&byte| byte == b'|') {
        Some(at) => lookup_sub(lookup(&name[..at])?, &name[at + 1..]),
        None => lookup(name),
    }
}

#[cfg(test)]
mod tests {
    use super::{COMMAND_COUNT, COMMANDS, NameOf, lookup, lookup_full};

    #[test]
    fn a_name_is_told_from_all_others() {
        for command in COMMANDS {
            let name_of = NameOf::new(command);
            assert!(name_of.is(command.name.to_ascii_uppercase().as_bytes()));
            for one in COMMANDS {
                assert_eq!(
                    name_of.is(one.name.as_bytes()),
                    core::ptr::eq(one, command),
                    "{} {}",
                    command.name,
                    one.name
                );
            }
        }
    }

    #[test]
    fn every_name_is_found_in_any_case() {
        let mut ids = std::vec![false; COMMAND_COUNT];
        for command in COMMANDS {
            for name in [command.name.to_ascii_uppercase(), command.name.into()] {
                assert!(core::ptr::eq(lookup(name.as_bytes()).unwrap(), command));
            }
            for one in core::iter::once(command).chain(command.subcommands) {
                assert!(core::ptr::eq(lookup_full(one.full_name.as_bytes()).unwrap(), one));
                assert!(!core::mem::replace(&mut ids[usize::from(one.id.0)], true));
            }
        }
        assert!(ids.iter().all(|&seen| seen));
        for none in ["", "ge", "gett", "client|nope", "nope|list"] {
            assert!(lookup_full(none.as_bytes()).is_none(), "{none}");
        }
        assert!(lookup(&[b'x'; 1000]).is_none());
    }
}
