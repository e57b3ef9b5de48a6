//! COMMAND and its subcommands: the command table as clients read it.

use alloc::vec::Vec;

use super::keys::find_keys;
use super::table::{
    AclCategories, Arg, ArgFlags, Begin, COMMAND_FLAG_NAMES, COMMANDS, Command, Find, KeyFlags, lookup_full,
};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::glob::{Case, glob_match};
use crate::resp::Reply;

/// COMMAND
pub(crate) fn command(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.array(COMMANDS.len());
    COMMANDS.iter().for_each(|command| info(&mut cx.reply, command));
    Ok(())
}

/// COMMAND COUNT
pub(crate) fn command_count(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.count(COMMANDS.len());
    Ok(())
}

/// `COMMAND INFO [name ...]`
pub(crate) fn command_info(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() == 2 {
        return command(cx, args);
    }
    cx.reply.array(args.len() - 2);
    for name in args.iter_from(2) {
        match lookup_full(name) {
            Some(command) => info(&mut cx.reply, command),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// `COMMAND DOCS [name ...]`
pub(crate) fn command_docs(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let asked: Vec<&Command> = if args.len() == 2 {
        COMMANDS.iter().collect()
    } else {
        args.iter_from(2).filter_map(lookup_full).collect()
    };
    cx.reply.map(asked.len());
    for command in asked {
        cx.reply.bulk(command.full_name.as_bytes());
        docs(&mut cx.reply, command);
    }
    Ok(())
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`
pub(crate) fn command_list(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let all = COMMANDS.iter().flat_map(|command| core::iter::once(command).chain(command.subcommands));
    let names: Vec<&str> = match (args.len(), args.get(4)) {
        (2, _) => all.map(|command| command.full_name).collect(),
        (5, Some(wanted)) if args.is(2, "FILTERBY") => {
            if args.is(3, "MODULE") {
                Vec::new()
            } else if args.is(3, "ACLCAT") {
                let category = acl_names().find(|(_, name)| wanted.eq_ignore_ascii_case(name.as_bytes()));
                let category = category.map_or(AclCategories::empty(), |(category, _)| category);
                all.filter(|c| c.acl.intersects(category)).map(|command| command.full_name).collect()
            } else if args.is(3, "PATTERN") {
                let matches = |c: &&Command| glob_match(wanted, c.full_name.as_bytes(), Case::Insensitive);
                all.filter(matches).map(|command| command.full_name).collect()
            } else {
                return Err(CmdError::SYNTAX);
            }
        }
        _ => return Err(CmdError::SYNTAX),
    };
    cx.reply.array(names.len());
    names.iter().for_each(|name| cx.reply.bulk(name.as_bytes()));
    Ok(())
}

/// `COMMAND GETKEYS command [arg ...]`
pub(crate) fn command_getkeys(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    keys_of(cx, args, false)
}

/// `COMMAND GETKEYSANDFLAGS command [arg ...]`
pub(crate) fn command_getkeysandflags(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    keys_of(cx, args, true)
}

fn keys_of(cx: &mut Ctx<'_>, args: &Args<'_>, with_flags: bool) -> CmdResult {
    let command = super::table::lookup(args.at(2));
    let command = command.and_then(|command| match args.get(3) {
        Some(sub) if !command.subcommands.is_empty() => super::table::lookup_sub(command, sub),
        _ => Some(command),
    });
    let command = command.ok_or(CmdError::Text("ERR Invalid command specified"))?;
    if command.key_specs.is_empty() {
        return Err(CmdError::Text("ERR The command has no key arguments"));
    }
    let (arity, argc) = (isize::from(command.arity), args.len().cast_signed() - 2);
    if (arity > 0 && arity != argc) || argc < -arity {
        return Err(CmdError::Text("ERR Invalid number of arguments specified for command"));
    }
    let keys = find_keys(command, args, 2).filter(|keys| !keys.is_empty());
    let keys = keys.ok_or(CmdError::Text("ERR Invalid arguments specified for command"))?;
    cx.reply.array(keys.len());
    for key in keys {
        if with_flags {
            cx.reply.array(2);
        }
        cx.reply.bulk(args.at(key.index));
        if with_flags {
            key_flags(&mut cx.reply, key.flags);
        }
    }
    Ok(())
}

fn acl_names() -> impl Iterator<Item = (AclCategories, &'static str)> {
    AclCategories::all().iter_names().map(|(name, category)| (category, name))
}

fn statuses<'n>(reply: &mut Reply<'_>, names: impl Iterator<Item = &'n str> + Clone) {
    reply.set(names.clone().count());
    names.for_each(|name| reply.status(name.as_bytes()));
}

fn key_flags(reply: &mut Reply<'_>, flags: KeyFlags) {
    reply.set(flags.iter().count());
    for (name, flag) in flags.iter_names() {
        // The four kinds of access are upper case, as the reference writes them.
        if (KeyFlags::RO | KeyFlags::RW | KeyFlags::OW | KeyFlags::RM).contains(flag) {
            reply.status(name.as_bytes());
        } else {
            reply.status(name.to_ascii_lowercase().as_bytes());
        }
    }
}

/// First, last and step of the keys, where they are at fixed places; the last counts from the end when it is negative.
fn legacy_range(command: &Command) -> (i64, i64, i64) {
    let mut range: Option<(i64, i64, i64)> = None;
    for spec in command.key_specs {
        let (Begin::Index(index), Find::Range { last, step, .. }) = (spec.begin, spec.find) else { continue };
        let (index, step) = (i64::try_from(index).unwrap_or(0), i64::try_from(step).unwrap_or(0));
        let last = if last >= 0 { index + i64::from(last) } else { i64::from(last) };
        range = match range {
            None if step == 1 || command.key_specs.len() == 1 => Some((index, last, step)),
            // A spec that goes on where the one before ended widens the range (RENAME's two keys).
            Some((first, previous, _)) if step == 1 && previous == index - 1 => Some((first, last, 1)),
            other => other,
        };
    }
    range.unwrap_or((0, 0, 0))
}

fn info(reply: &mut Reply<'_>, command: &Command) {
    let (first, last, step) = legacy_range(command);
    reply.array(10);
    reply.bulk(command.full_name.as_bytes());
    reply.integer(i64::from(command.arity));
    let named = COMMAND_FLAG_NAMES.iter().filter(|(flag, _)| command.flags.contains(*flag));
    let busy = command.flags.contains(super::table::CommandFlags::ALLOW_BUSY).then_some("allow_busy");
    statuses(reply, named.map(|(_, name)| *name).chain(busy));
    reply.integer(first);
    reply.integer(last);
    reply.integer(step);
    let categories: Vec<alloc::string::String> =
        command.acl.iter_names().map(|(name, _)| alloc::format!("@{}", name.to_ascii_lowercase())).collect();
    statuses(reply, categories.iter().map(alloc::string::String::as_str));
    reply.set(command.tips.len());
    command.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(command.key_specs.len());
    command.key_specs.iter().for_each(|spec| key_spec(reply, spec));
    reply.array(command.subcommands.len());
    command.subcommands.iter().for_each(|sub| info(reply, sub));
}

fn pair(reply: &mut Reply<'_>, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

fn number(reply: &mut Reply<'_>, name: &str, value: i64) {
    reply.bulk(name.as_bytes());
    reply.integer(value);
}

fn key_spec(reply: &mut Reply<'_>, spec: &super::table::KeySpec) {
    let size = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    reply.map(3 + usize::from(!spec.notes.is_empty()));
    if !spec.notes.is_empty() {
        pair(reply, "notes", spec.notes);
    }
    reply.bulk(b"flags");
    key_flags(reply, spec.flags);
    let head = |reply: &mut Reply<'_>, kind: &str, fields: usize| {
        reply.map(2);
        pair(reply, "type", kind);
        reply.bulk(b"spec");
        reply.map(fields);
    };
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => {
            head(reply, "index", 1);
            number(reply, "index", size(index));
        }
        Begin::Keyword(word, start) => {
            head(reply, "keyword", 2);
            pair(reply, "keyword", word);
            number(reply, "startfrom", i64::from(start));
        }
        Begin::Unknown => head(reply, "unknown", 0),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            head(reply, "range", 3);
            number(reply, "lastkey", i64::from(last));
            number(reply, "keystep", size(step));
            number(reply, "limit", size(limit));
        }
        Find::Count { at, first, step } => {
            head(reply, "keynum", 3);
            number(reply, "keynumidx", size(at));
            number(reply, "firstkey", size(first));
            number(reply, "keystep", size(step));
        }
        Find::Unknown => head(reply, "unknown", 0),
    }
}

fn docs(reply: &mut Reply<'_>, command: &Command) {
    let texts = [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group),
        ("complexity", command.complexity),
    ];
    let later = [("deprecated_since", command.deprecated_since), ("replaced_by", command.replaced_by)];
    let filled = texts.iter().chain(&later).filter(|(_, text)| !text.is_empty()).count();
    let lists = [
        command.doc_flags.is_empty(),
        command.history.is_empty(),
        command.args.is_empty(),
        command.subcommands.is_empty(),
    ];
    reply.map(filled + lists.iter().filter(|&&empty| !empty).count());
    texts.iter().filter(|(_, text)| !text.is_empty()).for_each(|(name, text)| pair(reply, name, text));
    if !command.doc_flags.is_empty() {
        reply.bulk(b"doc_flags");
        statuses(reply, command.doc_flags.iter().copied());
    }
    later.iter().filter(|(_, text)| !text.is_empty()).for_each(|(name, text)| pair(reply, name, text));
    if !command.history.is_empty() {
        reply.bulk(b"history");
        reply.set(command.history.len());
        for (version, text) in command.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(text.as_bytes());
        }
    }
    if !command.args.is_empty() {
        reply.bulk(b"arguments");
        arguments(reply, command.args);
    }
    if !command.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        for sub in command.subcommands {
            reply.bulk(sub.full_name.as_bytes());
            docs(reply, sub);
        }
    }
}

fn arguments(reply: &mut Reply<'_>, args: &[Arg]) {
    reply.array(args.len());
    for arg in args {
        let nested = !arg.args.is_empty();
        let texts = [
            ("token", arg.token),
            ("summary", arg.summary),
            ("since", arg.since),
            ("deprecated_since", arg.deprecated_since),
        ];
        let filled = texts.iter().filter(|(_, text)| !text.is_empty()).count();
        let flagged = !arg.flags.is_empty();
        reply.map(3 + filled + usize::from(arg.key_spec >= 0) + usize::from(flagged));
        pair(reply, "name", arg.name);
        pair(reply, "type", arg.kind);
        if !nested {
            pair(reply, "display_text", if arg.display.is_empty() { arg.name } else { arg.display });
        }
        if arg.key_spec >= 0 {
            number(reply, "key_spec_index", i64::from(arg.key_spec));
        }
        texts.iter().filter(|(_, text)| !text.is_empty()).for_each(|(name, text)| pair(reply, name, text));
        if flagged {
            reply.bulk(b"flags");
            let names = [
                (ArgFlags::OPTIONAL, "optional"),
                (ArgFlags::MULTIPLE, "multiple"),
                (ArgFlags::MULTIPLE_TOKEN, "multiple_token"),
            ];
            let named: Vec<&str> =
                names.iter().filter(|(flag, _)| arg.flags.contains(*flag)).map(|(_, name)| *name).collect();
            statuses(reply, named.iter().copied());
        }
        if nested {
            reply.bulk(b"arguments");
            arguments(reply, arg.args);
        }
    }
}
