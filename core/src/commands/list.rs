//! List commands.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use super::element::reply_element;
use super::limits::count_of_either_sign;
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::Key;
use crate::num;
use crate::resp::Reply;
use crate::types::Typed;
use crate::types::list::{Direction, Element, End, Growth, List, ListLimits, Side};

/// How far the parts of lists may grow, by the configuration.
pub(super) fn limits(cx: &Ctx<'_>) -> ListLimits {
    let compact = &cx.shared.config.settings().compact;
    ListLimits {
        max_listpack_size: compact.list_listpack_size,
        plain_len_min: cx.shared.list_plain_len_min,
        compress_depth: compact.list_compress_depth,
    }
}

/// The words of events.
fn push_event(end: End) -> &'static str {
    match end {
        End::Head => "lpush",
        End::Tail => "rpush",
    }
}

fn pop_event(end: End) -> &'static str {
    match end {
        End::Head => "lpop",
        End::Tail => "rpop",
    }
}

/// `LEFT` or `RIGHT`.
pub(super) fn parse_end(bytes: &[u8]) -> Result<End, CmdError> {
    if bytes.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Head)
    } else if bytes.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Tail)
    } else {
        Err(CmdError::SYNTAX)
    }
}

/// Adds elements at an end, making the list if it is not there and `creates` says so. Answers the new length.
fn push(cx: &mut Ctx<'_>, args: &Args<'_>, end: End, creates: bool) -> CmdResult {
    let (key, limits) = (cx.key(args, 1), limits(cx));
    let list = if creates {
        cx.keys.write_or_insert(key, List::new)?
    } else {
        match cx.keys.write_as::<List>(key)? {
            Some(list) => list,
            None => {
                cx.reply.integer(0);
                return Ok(());
            }
        }
    };
    list.grow(Growth::of(args.iter_from(2)), limits);
    args.iter_from(2).for_each(|element| list.push(end, element));
    let len = list.len();
    cx.reply.count(len);
    cx.changed(Class::LIST, push_event(end), key.bytes);
    cx.count_more(args.len() - 3);
    Ok(())
}

/// `LPUSH key element [element ...]`
pub(crate) fn lpush(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    push(cx, args, End::Head, true)
}

/// `RPUSH key element [element ...]`
pub(crate) fn rpush(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    push(cx, args, End::Tail, true)
}

/// `LPUSHX key element [element ...]`
pub(crate) fn lpushx(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    push(cx, args, End::Head, false)
}

/// `RPUSHX key element [element ...]`
pub(crate) fn rpushx(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    push(cx, args, End::Tail, false)
}

/// What was taken out of a list.
pub(super) struct Taken {
    count: usize,
    is_all: bool,
}

impl Taken {
    /// `count` elements of this list, whose form may change by that.
    pub(super) fn from(list: &mut List, count: usize, limits: ListLimits) -> Self {
        list.shrink(limits);
        Self { count, is_all: list.is_empty() }
    }
}

/// Follows the taking of elements; an empty list goes.
pub(super) fn taken(cx: &mut Ctx<'_>, key: Key<'_>, event: &'static str, taken: &Taken) {
    let is_gone = taken.is_all && cx.keys.delete_if_empty(key);
    //= valkey 9.1 LTRIM: tells its event though it takes nothing, which is no change
    cx.changed_too(Class::LIST, event, key.bytes);
    cx.count_more(taken.count);
    if is_gone {
        cx.notify(Class::GENERIC, "del", key.bytes);
    }
}

/// Has pieces of a list freed that were cut off.
fn discard(cx: &mut Ctx<'_>, cut: Vec<List>) {
    cut.into_iter().for_each(|piece| cx.keys.keyspace().discard(piece.into_object()));
}

/// A count of elements to be popped.
fn parse_count(bytes: &[u8]) -> Result<usize, CmdError> {
    let count = num::parse_i64(bytes).filter(|&count| count >= 0).ok_or(CmdError::NOT_POSITIVE)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

fn pop(cx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> CmdResult {
    if args.len() > 3 {
        return Err(cx.wrong_arity());
    }
    let count = args.get(2).map(parse_count).transpose()?;
    let (key, limits) = (cx.key(args, 1), limits(cx));
    let Some(list) = cx.keys.write_as::<List>(key)? else {
        match count {
            Some(_) => cx.reply.null_array(),
            None => cx.reply.null(),
        }
        return Ok(());
    };
    let Some(count) = count else {
        list.pop(end, |element| reply_element(&mut cx.reply, element));
        let one = Taken::from(list, 1, limits);
        taken(cx, key, pop_event(end), &one);
        return Ok(());
    };
    if count == 0 {
        cx.reply.array(0);
        return Ok(());
    }
    let mut cut = Vec::new();
    let popped = pop_many(&mut cx.reply, list, end, count, &mut cut);
    let all = Taken::from(list, popped, limits);
    discard(cx, cut);
    taken(cx, key, pop_event(end), &all);
    Ok(())
}

/// Pops up to `count` elements into an array. Returns how many.
fn pop_many(reply: &mut Reply<'_>, list: &mut List, end: End, count: usize, cut: &mut Vec<List>) -> usize {
    let count = count.min(list.len());
    reply.array(count);
    let (range, direction) = match end {
        End::Head => (0..count, Direction::Forward),
        End::Tail => (list.len() - count..list.len(), Direction::Backward),
    };
    list.for_each(range, direction, |element| reply_element(reply, element));
    list.delete_end(end, count, cut);
    count
}

/// `LPOP key [count]`
pub(crate) fn lpop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Head)
}

/// `RPOP key [count]`
pub(crate) fn rpop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Tail)
}

/// LLEN key
pub(crate) fn llen(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let len = cx.keys.read_as::<List>(key)?.map_or(0, List::len);
    cx.reply.count(len);
    Ok(())
}

/// LINDEX key index
pub(crate) fn lindex(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let Some(list) = cx.keys.read_as::<List>(key)? else {
        cx.reply.null();
        return Ok(());
    };
    let found = list.read(args.int(2)?, |element| reply_element(&mut cx.reply, element));
    if found.is_none() {
        cx.reply.null();
    }
    Ok(())
}

/// LSET key index element
pub(crate) fn lset(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (key, limits) = (cx.key(args, 1), limits(cx));
    let list = cx.keys.write_as::<List>(key)?.ok_or(CmdError::NO_SUCH_KEY)?;
    let index = args.int(2)?;
    list.grow(Growth::of([args.at(3)]), limits);
    //= valkey 9.1 LSET, LINSERT: a list made ready for an element that then finds no place keeps its large form
    if !list.set(index, args.at(3)) {
        return Err(CmdError::Text("ERR index out of range"));
    }
    list.shrink(limits);
    cx.reply.ok();
    cx.changed(Class::LIST, "lset", key.bytes);
    Ok(())
}

/// `LINSERT key BEFORE | AFTER pivot element`
pub(crate) fn linsert(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let side = if args.is(2, "BEFORE") {
        Side::Before
    } else if args.is(2, "AFTER") {
        Side::After
    } else {
        return Err(CmdError::SYNTAX);
    };
    let (key, limits) = (cx.key(args, 1), limits(cx));
    let Some(list) = cx.keys.write_as::<List>(key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    list.grow(Growth::of([args.at(4)]), limits);
    if list.insert(args.at(3), side, args.at(4)) {
        let len = list.len();
        cx.reply.count(len);
        cx.changed(Class::LIST, "linsert", key.bytes);
    } else {
        cx.reply.integer(-1);
    }
    Ok(())
}

/// The part of `len` elements that two indexes enclose, negative ones counted from the end.
pub(super) fn enclosed(start: i64, end: i64, len: usize) -> Range<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_start = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, end) = (from_start(start).max(0), from_start(end).min(len - 1));
    if start > end {
        return 0..0;
    }
    let index = |index: i64| usize::try_from(index).unwrap_or(0);
    index(start)..index(end) + 1
}

/// LRANGE key start stop
pub(crate) fn lrange(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (start, end) = (args.int(2)?, args.int(3)?);
    let key = cx.key(args, 1);
    let Some(list) = cx.keys.read_as::<List>(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    let range = enclosed(start, end, list.len());
    cx.reply.array(range.len());
    list.for_each(range, Direction::Forward, |element| reply_element(&mut cx.reply, element));
    Ok(())
}

/// LTRIM key start stop
pub(crate) fn ltrim(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let (start, end) = (args.int(2)?, args.int(3)?);
    let (key, limits) = (cx.key(args, 1), limits(cx));
    if let Some(list) = cx.keys.write_as::<List>(key)? {
        let mut cut = Vec::new();
        let gone = list.trim(enclosed(start, end, list.len()), &mut cut);
        let gone = Taken::from(list, gone, limits);
        discard(cx, cut);
        taken(cx, key, "ltrim", &gone);
    }
    cx.reply.ok();
    Ok(())
}

/// LREM key count element
pub(crate) fn lrem(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let count = count_of_either_sign(args.at(2))?;
    let (key, limits) = (cx.key(args, 1), limits(cx));
    let gone = cx.keys.write_as::<List>(key)?.and_then(|list| {
        let count = list.remove(args.at(3), count);
        (count > 0).then(|| Taken::from(list, count, limits))
    });
    if let Some(gone) = &gone {
        taken(cx, key, "lrem", gone);
    }
    cx.reply.count(gone.map_or(0, |gone| gone.count));
    Ok(())
}

/// What LPOS looks for.
struct Search {
    /// The how-manieth match is the first wanted, and in which direction.
    rank: i64,
    /// How many are wanted; `None`: one, answered without an array.
    count: Option<usize>,
    /// How many elements are looked at.
    maxlen: usize,
}

impl Search {
    fn parse(args: &Args<'_>) -> Result<Self, CmdError> {
        let mut search = Self { rank: 1, count: None, maxlen: usize::MAX };
        let mut index = 3;
        while index < args.len() {
            let has_value = index + 1 < args.len();
            if args.is(index, "RANK") && has_value {
                search.rank = rank(args.at(index + 1))?;
            } else if args.is(index, "COUNT") && has_value {
                search.count = Some(not_negative(args.at(index + 1), "ERR COUNT can't be negative")?);
            } else if args.is(index, "MAXLEN") && has_value {
                let len = not_negative(args.at(index + 1), "ERR MAXLEN can't be negative")?;
                search.maxlen = if len == 0 { usize::MAX } else { len };
            } else {
                return Err(CmdError::SYNTAX);
            }
            index += 2;
        }
        Ok(search)
    }

    /// The indexes of the matches.
    fn run(&self, list: &List, element: &[u8]) -> Vec<usize> {
        let len = list.len();
        let wanted = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let mut skipped = usize::try_from(self.rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
        let looked_at = self.maxlen.min(len);
        let (range, direction) = if self.rank < 0 {
            (len - looked_at..len, Direction::Backward)
        } else {
            (0..looked_at, Direction::Forward)
        };
        let (mut found, mut step) = (Vec::new(), 0);
        let _ = list.try_for_each(range, direction, |own| {
            let at = if self.rank < 0 { len - 1 - step } else { step };
            step += 1;
            if own.is(element) {
                match skipped.checked_sub(1) {
                    Some(left) => skipped = left,
                    None => found.push(at),
                }
            }
            if found.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        found
    }
}

fn rank(bytes: &[u8]) -> Result<i64, CmdError> {
    const ZERO: CmdError = CmdError::Text(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start \
         from the end of the list",
    );
    let rank = count_of_either_sign(bytes)?;
    if rank == 0 { Err(ZERO) } else { Ok(rank) }
}

fn not_negative(bytes: &[u8], text: &'static str) -> Result<usize, CmdError> {
    let value = num::parse_i64(bytes).filter(|&value| value >= 0).ok_or(CmdError::Text(text))?;
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

/// `LPOS key element [RANK rank] [COUNT matches] [MAXLEN len]`
pub(crate) fn lpos(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let search = Search::parse(args)?;
    let key = cx.key(args, 1);
    let found = match cx.keys.read_as::<List>(key)? {
        Some(list) => search.run(list, args.at(2)),
        None => Vec::new(),
    };
    match (search.count, found.first()) {
        (Some(_), _) => {
            cx.reply.array(found.len());
            found.iter().for_each(|&index| cx.reply.count(index));
        }
        (None, Some(&index)) => cx.reply.count(index),
        (None, None) => cx.reply.null(),
    }
    Ok(())
}

/// Takes an element from an end of one list and adds it at an end of another; nothing when the first is not there.
/// Returns whether there was one; it is answered as a bulk string.
pub(super) fn move_element(
    cx: &mut Ctx<'_>,
    source: Key<'_>,
    target: Key<'_>,
    ends: (End, End),
) -> Result<bool, CmdError> {
    let limits = limits(cx);
    if cx.keys.write_as::<List>(source)?.is_none() {
        return Ok(false);
    }
    cx.keys.write_as::<List>(target)?;
    let mut scratch = itoa::Buffer::new();
    let mut growth = Growth::default();
    let popped = cx.keys.write_as::<List>(source)?.and_then(|list| {
        let is_quicklist = list.encoding() == "quicklist";
        list.pop(ends.0, |element| {
            //= valkey 9.1 LMOVE: the length of an integer out of a quicklist is not looked at
            let is_number = is_quicklist && matches!(element, Element::Int(_));
            let len_bytes = if is_number { 0 } else { element.len() };
            growth = Growth { len_bytes, count: 1 };
            element.text(&mut scratch).to_vec()
        })
    });
    let Some(element) = popped else { return Ok(false) };
    let list = cx.keys.write_or_insert(target, List::new)?;
    list.grow(growth, limits);
    list.push(ends.1, &element[..]);
    cx.reply.bulk(&element);
    cx.changed_too(Class::LIST, push_event(ends.1), target.bytes);
    if let Some(list) = cx.keys.write_as::<List>(source)? {
        let one = Taken::from(list, 1, limits);
        taken(cx, source, pop_event(ends.0), &one);
    }
    Ok(true)
}

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub(crate) fn lmove(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let ends = (parse_end(args.at(3))?, parse_end(args.at(4))?);
    move_or_null(cx, args, ends)
}

/// RPOPLPUSH source destination
pub(crate) fn rpoplpush(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    move_or_null(cx, args, (End::Tail, End::Head))
}

fn move_or_null(cx: &mut Ctx<'_>, args: &Args<'_>, ends: (End, End)) -> CmdResult {
    let (source, target) = (cx.key(args, 1), cx.key(args, 2));
    if !move_element(cx, source, target, ends)? {
        cx.reply.null();
    }
    Ok(())
}

/// What LMPOP and BLMPOP are asked for: `numkeys key [key ...] LEFT | RIGHT [COUNT count]`.
pub(super) struct MultiPop {
    /// Where the keys are among the arguments.
    pub(super) keys: Range<usize>,
    end: End,
    count: usize,
}

impl MultiPop {
    /// Reads it, the number of keys being argument `at`.
    pub(super) fn parse(args: &Args<'_>, at: usize) -> Result<Self, CmdError> {
        const NUMKEYS: CmdError = CmdError::Text("ERR numkeys should be greater than 0");
        const COUNT: CmdError = CmdError::Text("ERR count should be greater than 0");
        let positive = |bytes: &[u8], error: CmdError| -> Result<usize, CmdError> {
            let value = num::parse_i64(bytes).filter(|&value| value > 0).ok_or(error)?;
            Ok(usize::try_from(value).unwrap_or(usize::MAX))
        };
        let keys = positive(args.at(at), NUMKEYS)?;
        let first = at + 1;
        let end_at = first.checked_add(keys).filter(|&end| end < args.len()).ok_or(CmdError::SYNTAX)?;
        let (end, mut count) = (parse_end(args.at(end_at))?, None);
        let mut index = end_at + 1;
        while index < args.len() {
            if count.is_some() || !args.is(index, "COUNT") || index + 1 >= args.len() {
                return Err(CmdError::SYNTAX);
            }
            count = Some(positive(args.at(index + 1), COUNT)?);
            index += 2;
        }
        Ok(Self { keys: first..end_at, end, count: count.unwrap_or(1) })
    }

    /// Pops from the first list that is there. Returns whether there was one.
    pub(super) fn run(&self, cx: &mut Ctx<'_>, args: &Args<'_>) -> Result<bool, CmdError> {
        let limits = limits(cx);
        for index in self.keys.clone() {
            let key = cx.key(args, index);
            let Some(list) = cx.keys.write_as::<List>(key)? else { continue };
            cx.reply.array(2);
            cx.reply.bulk(key.bytes);
            let mut cut = Vec::new();
            let count = pop_many(&mut cx.reply, list, self.end, self.count, &mut cut);
            let popped = Taken::from(list, count, limits);
            discard(cx, cut);
            taken(cx, key, pop_event(self.end), &popped);
            return Ok(true);
        }
        Ok(false)
    }
}

/// `LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count]`
pub(crate) fn lmpop(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let request = MultiPop::parse(args, 1)?;
    if !request.run(cx, args)? {
        cx.reply.null_array();
    }
    Ok(())
}
