//! `X HELP`: made from the command table; and what is answered to a subcommand that HELP would have helped with.

use alloc::string::String;

use super::table::{Arg, ArgFlags, Command, lookup};
use crate::engine::{Args, CmdError, CmdResult, Ctx};

/// Lists the subcommands of a container with their arguments and one line each.
pub(crate) fn help(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let subcommands: &[Command] = lookup(args.at(0)).map_or(&[], |container| container.subcommands);
    cx.reply.array(1 + subcommands.len() * 2);
    let name = args.at(0).to_ascii_uppercase();
    let tail = b" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".as_slice();
    cx.reply.status(&[&name, tail].concat());
    let (help, others): (alloc::vec::Vec<_>, _) = subcommands.iter().partition(|sub| sub.name == "help");
    for sub in others.iter().chain(&help) {
        let mut line = sub.name.to_ascii_uppercase();
        sub.args.iter().for_each(|arg| push_arg(&mut line, arg));
        cx.reply.status(line.as_bytes());
        cx.reply.status(&[b"    ", sub.summary.as_bytes()].concat());
    }
    Ok(())
}

/// Bytes as the reference prints them into an error: up to the first NUL.
pub(super) fn printed(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or(bytes)
}

/// A subcommand whose arguments fit none of its forms.
#[cold]
pub(super) fn bad_subcommand(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdError {
    const SHOWN_MAX: usize = 128;
    let shown = printed(args.at(1));
    let shown = shown.get(..SHOWN_MAX).unwrap_or(shown);
    let container = args.at(0).to_ascii_uppercase();
    cx.fail_bytes(&[
        b"ERR unknown subcommand or wrong number of arguments for '",
        shown,
        b"'. Try ",
        &container,
        b" HELP.",
    ])
}

fn push_arg(line: &mut String, arg: &Arg) {
    let optional = arg.flags.contains(ArgFlags::OPTIONAL);
    line.push(' ');
    if optional {
        line.push('[');
    }
    if !arg.token.is_empty() {
        line.push_str(arg.token);
    }
    let separator = if arg.kind == "oneof" { "|" } else { " " };
    if arg.args.is_empty() && arg.kind != "pure-token" {
        if !arg.token.is_empty() {
            line.push(' ');
        }
        line.push('<');
        line.push_str(arg.display);
        line.push('>');
    }
    for (index, child) in arg.args.iter().enumerate() {
        let mut part = String::new();
        push_arg(&mut part, child);
        if index > 0 {
            line.push_str(separator);
        }
        line.push_str(part.trim());
    }
    if arg.flags.contains(ArgFlags::MULTIPLE) {
        line.push_str(" ...");
    }
    if optional {
        line.push(']');
    }
}
