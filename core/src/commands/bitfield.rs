//! BITFIELD: integers of any width inside a string.

use alloc::vec::Vec;

use super::bits::{with_string, write_up_to};
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::types::bits::field::{FieldType, Overflow, TYPE_ERROR};

/// One subcommand.
#[derive(Clone, Copy)]
struct Op {
    field: FieldType,
    offset: u64,
    action: Action,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64, Overflow),
    IncrBy(i64, Overflow),
}

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset increment ...]`
pub(crate) fn bitfield(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let ops = parse(cx, args)?;
    match last_written_bit(&ops) {
        None => read(cx, args, &ops),
        Some(last_bit) => write(cx, args, &ops, last_bit),
    }
}

/// `BITFIELD_RO key [GET type offset ...]`
pub(crate) fn bitfield_ro(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let ops = parse(cx, args)?;
    if last_written_bit(&ops).is_some() {
        return Err(CmdError::Text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(cx, args, &ops)
}

fn parse(cx: &Ctx<'_>, args: &Args<'_>) -> Result<Vec<Op>, CmdError> {
    let len_max = cx.shared.config.settings().proto_max_bulk_len;
    let (mut ops, mut overflow, mut at) = (Vec::new(), Overflow::default(), 2);
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "overflow") && left >= 1 {
            let parsed = Overflow::parse(args.at(at + 1));
            overflow = parsed.ok_or(CmdError::Text("ERR Invalid OVERFLOW type specified"))?;
            at += 2;
            continue;
        }
        let is_get = args.is(at, "get") && left >= 2;
        let is_set = args.is(at, "set") && left >= 3;
        if !(is_get || is_set || args.is(at, "incrby") && left >= 3) {
            return Err(CmdError::SYNTAX);
        }
        let field = FieldType::parse(args.at(at + 1)).ok_or(CmdError::Text(TYPE_ERROR))?;
        let offset = field.parse_offset(args.at(at + 2), len_max).map_err(CmdError::Text)?;
        let action = if is_get {
            Action::Get
        } else if is_set {
            Action::Set(args.int(at + 3)?, overflow)
        } else {
            Action::IncrBy(args.int(at + 3)?, overflow)
        };
        ops.push(Op { field, offset, action });
        at += if is_get { 3 } else { 4 };
    }
    Ok(ops)
}

/// How far the string must reach; `None` when nothing is written.
fn last_written_bit(ops: &[Op]) -> Option<u64> {
    let written = ops.iter().filter(|op| !matches!(op.action, Action::Get));
    written.map(|op| op.field.last_bit(op.offset)).max()
}

fn read(cx: &mut Ctx<'_>, args: &Args<'_>, ops: &[Op]) -> CmdResult {
    let key = cx.key(args, 1);
    let get = |bytes: &[u8]| -> Vec<i64> { ops.iter().map(|op| op.field.get(bytes, op.offset)).collect() };
    let values = with_string(cx, key, get)?.unwrap_or_else(|| get(&[]));
    cx.reply.array(values.len());
    values.into_iter().for_each(|value| cx.reply.integer(value));
    Ok(())
}

/// What a subcommand answers, and whether it has changed the string. One that does not fit changes nothing.
fn apply(op: &Op, bytes: &mut [u8]) -> (Option<i64>, bool) {
    let Op { field, offset, action } = *op;
    let (written, is_set) = match action {
        Action::Get => return (Some(field.get(bytes, offset)), false),
        Action::Set(value, overflow) => (field.set(bytes, offset, value, overflow), true),
        Action::IncrBy(value, overflow) => (field.incr_by(bytes, offset, value, overflow), false),
    };
    match written {
        Some(written) => {
            let answer = if is_set { written.before } else { written.after };
            (Some(answer), written.before != written.after)
        }
        None => (None, false),
    }
}

fn write(cx: &mut Ctx<'_>, args: &Args<'_>, ops: &[Op], last_bit: u64) -> CmdResult {
    let key = cx.key(args, 1);
    let (answers, changes) = write_up_to(cx, key, last_bit, |bytes, grown| {
        let (mut answers, mut changes) = (Vec::with_capacity(ops.len()), 0);
        for op in ops {
            let (answer, changed) = apply(op, bytes);
            //= valkey 9.1 BITFIELD: in a string that grew each write counts as a change
            let counts = grown && answer.is_some() && !matches!(op.action, Action::Get);
            changes += usize::from(changed || counts);
            answers.push(answer);
        }
        (answers, changes)
    })?;
    if changes > 0 {
        cx.changed(Class::STRING, "setbit", key.bytes);
        cx.count_more(changes - 1);
    }
    cx.reply.array(answers.len());
    for answer in answers {
        match answer {
            Some(value) => cx.reply.integer(value),
            None => cx.reply.null(),
        }
    }
    Ok(())
}
