//! SORT: the elements of a list, set or sorted set, ordered by themselves or by other keys.
//!
//! All elements and weights lie one after another in one buffer, so that a row to be sorted is small and
//! has no allocation of its own.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

use super::list::limits;
use super::sort_source::{self, Order};
use super::sort_window::sort_window;
use super::string::bytes_of;
use super::zset;
use crate::config::NotifyClasses as Class;
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::keyspace::{Key, Kind, StringView};
use crate::num;
use crate::types::Typed;
use crate::types::list::{Element, End, List};
use crate::types::zset::Zset;

const NOT_SCORES: CmdError = CmdError::Text("ERR One or more scores can't be converted into double");

/// The options of a request.
#[derive(Default)]
struct Options<'a> {
    by: Option<&'a [u8]>,
    /// Some BY had no `*`: nothing is sorted.
    unsorted: bool,
    descends: bool,
    alpha: bool,
    start: i64,
    count: Option<i64>,
    get: Vec<&'a [u8]>,
    store: Option<usize>,
}

/// Bytes of the buffer.
type Part = Range<usize>;

/// An element and what it is sorted by.
struct Row {
    element: Part,
    score: f64,
    weight: Option<Part>,
}

/// Rows and the buffer that they lie in.
#[derive(Default)]
struct Rows {
    buffer: Vec<u8>,
    rows: Vec<Row>,
}

/// How two rows are compared.
#[derive(Clone, Copy)]
struct Compare {
    alpha: bool,
    by_weight: bool,
    /// Byte by byte; else up to the first zero byte, as the C library compares.
    binary: bool,
    descends: bool,
}

/// `SORT key [BY pattern] [LIMIT start count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]`
pub(crate) fn sort(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, true)
}

/// `SORT_RO key [BY pattern] [LIMIT start count] [GET pattern ...] [ASC | DESC] [ALPHA]`
pub(crate) fn sort_ro(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, false)
}

fn run(cx: &mut Ctx<'_>, args: &Args<'_>, may_store: bool) -> CmdResult {
    let mut options = parse(args, may_store)?;
    let key = cx.key(args, 1);
    let kind = sort_source::kind(cx, key)?;
    //= valkey 9.1 SORT: an unsorted set that is stored is sorted by its members after all
    // JOIN: and within a script.
    if options.unsorted && kind == Some(Kind::Set) && options.store.is_some() {
        (options.unsorted, options.alpha, options.by) = (false, true, None);
    }
    if kind == Some(Kind::Zset) {
        //= valkey 9.1 SORT: a sorted set that is sorted takes its large form, whatever its size
        let rules = zset::rules(cx);
        if let Some(zset) = cx.keys.write_as::<Zset>(key)? {
            zset.prepare(usize::MAX, 0, &rules);
        }
    }
    let len = sort_source::len(cx, key);
    let window = window(&options, len);
    let (rows, window) = if options.unsorted {
        unsorted(cx, key, &options, kind, window)
    } else {
        (sorted(cx, key, &options, window.clone())?, window)
    };
    let chosen = rows.rows.get(window).unwrap_or_default();
    let elements = chosen.iter().map(|row| &rows.buffer[row.element.clone()]);
    match options.store {
        None => reply(cx, &options, elements),
        Some(index) => store(cx, cx.key(args, index), &options, elements),
    }
    Ok(())
}

fn parse<'a>(args: &Args<'a>, may_store: bool) -> Result<Options<'a>, CmdError> {
    let mut options = Options::default();
    let mut at = 2;
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "asc") {
            options.descends = false;
        } else if args.is(at, "desc") {
            options.descends = true;
        } else if args.is(at, "alpha") {
            options.alpha = true;
        } else if args.is(at, "limit") && left >= 2 {
            (options.start, options.count) = (args.int(at + 1)?, Some(args.int(at + 2)?));
            at += 2;
        } else if may_store && args.is(at, "store") && left >= 1 {
            options.store = Some(at + 1);
            at += 1;
        } else if args.is(at, "by") && left >= 1 {
            let pattern = args.at(at + 1);
            options.by = Some(pattern);
            //= valkey 9.1 SORT: one BY without a star turns sorting off, even if another BY follows
            options.unsorted |= !text_of(pattern).contains(&b'*');
            at += 1;
        } else if args.is(at, "get") && left >= 1 {
            options.get.push(args.at(at + 1));
            at += 1;
        } else {
            return Err(CmdError::SYNTAX);
        }
        at += 1;
    }
    Ok(options)
}

/// The rows that LIMIT leaves of `len`.
fn window(options: &Options<'_>, len: usize) -> Range<usize> {
    let start = usize::try_from(options.start.max(0)).unwrap_or(usize::MAX).min(len);
    let count = options.count.filter(|&count| count >= 0);
    let count = count.map_or(len, |count| usize::try_from(count).unwrap_or(usize::MAX));
    start..start.saturating_add(count).min(len)
}

/// What the C library takes for the text: all before the first zero byte.
fn text_of(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

impl Rows {
    fn put(&mut self, bytes: &[u8]) -> Part {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        start..self.buffer.len()
    }

    fn add(&mut self, element: Element<'_>) {
        let element = match element {
            Element::Bytes(bytes) => self.put(bytes),
            Element::Int(value) => self.put(itoa::Buffer::new().format(value).as_bytes()),
        };
        self.rows.push(Row { element, score: 0.0, weight: None });
    }

    fn compare(&self, how: Compare, a: &Row, b: &Row) -> Ordering {
        let bytes = |part: &Part| &self.buffer[part.clone()];
        let texts = |a: &Part, b: &Part| {
            if how.binary { bytes(a).cmp(bytes(b)) } else { text_of(bytes(a)).cmp(text_of(bytes(b))) }
        };
        let order = match (&a.weight, &b.weight) {
            _ if !how.alpha => {
                let scores = a.score.partial_cmp(&b.score).unwrap_or(Ordering::Equal);
                scores.then_with(|| bytes(&a.element).cmp(bytes(&b.element)))
            }
            _ if !how.by_weight => texts(&a.element, &b.element),
            (Some(a), Some(b)) => texts(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        if how.descends { order.reverse() } else { order }
    }

    /// Sorts as much as `window` needs.
    fn sort(&mut self, how: Compare, window: Range<usize>) {
        let mut rows = core::mem::take(&mut self.rows);
        //= valkey 9.1 SORT: without BY, or without a LIMIT that limits, what is equal stays in order
        if how.by_weight && window != (0..rows.len()) {
            sort_window(&mut rows, window, |a, b| self.compare(how, a, b));
        } else {
            rows.sort_by(|a, b| self.compare(how, a, b));
        }
        self.rows = rows;
    }
}

/// The elements of the window as they come, and the window of those.
fn unsorted(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    options: &Options<'_>,
    kind: Option<Kind>,
    window: Range<usize>,
) -> (Rows, Range<usize>) {
    //= valkey 9.1 SORT: an unsorted set ignores DESC
    let order = if options.descends && kind != Some(Kind::Set) { Order::OwnReversed } else { Order::Own };
    let mut rows = Rows::default();
    if !window.is_empty() {
        sort_source::elements(cx, key, order, window.start, window.len(), |element| rows.add(element));
    }
    let count = rows.rows.len();
    (rows, 0..count)
}

/// All elements, of which those in the window are in order.
fn sorted(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    options: &Options<'_>,
    window: Range<usize>,
) -> Result<Rows, CmdError> {
    let mut rows = Rows::default();
    sort_source::elements(cx, key, Order::Any, 0, usize::MAX, |element| rows.add(element));
    let mut all_scores = true;
    for index in 0..rows.rows.len() {
        let element = rows.rows[index].element.clone();
        let Some(pattern) = options.by else {
            if !options.alpha {
                all_scores &= give_score(&mut rows, index, element);
            }
            continue;
        };
        let subject = rows.buffer[element].to_vec();
        let buffer = &mut rows.buffer;
        let found = look_up(cx, pattern, &subject, |value| {
            let start = buffer.len();
            buffer.extend_from_slice(bytes_of(value, &mut itoa::Buffer::new()));
            start..buffer.len()
        });
        match found {
            None => {}
            Some(weight) if options.alpha => rows.rows[index].weight = Some(weight),
            Some(weight) => {
                let len = weight.start;
                all_scores &= give_score(&mut rows, index, weight);
                rows.buffer.truncate(len);
            }
        }
    }
    if !all_scores {
        return Err(NOT_SCORES);
    }
    let (alpha, by_weight, descends) = (options.alpha, options.by.is_some(), options.descends);
    rows.sort(Compare { alpha, by_weight, binary: options.store.is_some(), descends }, window);
    Ok(rows)
}

/// Takes a part of the buffer as the score of a row; false when it is no number.
fn give_score(rows: &mut Rows, index: usize, part: Part) -> bool {
    let text = text_of(&rows.buffer[part]);
    #[expect(clippy::cast_precision_loss, reason = "scores are doubles")]
    let score = num::parse_i64(text).map(|value| value as f64).or_else(|| num::parse_f64(text));
    rows.rows[index].score = score.unwrap_or(0.0);
    score.is_some()
}

/// Hands to `use_it` what a pattern stands for: the string, or behind `->` the hash field, under the key that it makes
/// with an element in place of its first `*`; or with `#` the element itself.
fn look_up<R>(
    cx: &mut Ctx<'_>,
    pattern: &[u8],
    element: &[u8],
    use_it: impl FnOnce(StringView<'_>) -> R,
) -> Option<R> {
    let text = text_of(pattern);
    if text == b"#" {
        return Some(use_it(StringView::Bytes(element)));
    }
    let star = text.iter().position(|&byte| byte == b'*')?;
    //= valkey 9.1 SORT: an arrow with nothing behind it is part of the key
    let arrow = text[star + 1..].windows(2).position(|pair| pair == b"->").map(|at| star + 1 + at);
    let arrow = arrow.filter(|&at| at + 2 < text.len());
    let tail = &pattern[star + 1..arrow.unwrap_or(pattern.len())];
    let name = [&pattern[..star], element, tail].concat();
    let key = cx.keys.key(&name);
    if let Some(arrow) = arrow {
        return sort_source::hash_field(cx, key, &pattern[arrow + 2..], use_it);
    }
    let entry = cx.keys.read(key).filter(|entry| entry.kind() == Kind::String)?;
    Some(use_it(entry.string()))
}

fn reply<'e>(cx: &mut Ctx<'_>, options: &Options<'_>, elements: impl ExactSizeIterator<Item = &'e [u8]>) {
    cx.reply.array(elements.len() * options.get.len().max(1));
    for element in elements {
        if options.get.is_empty() {
            cx.reply.bulk(element);
        }
        for pattern in &options.get {
            let value =
                look_up(cx, pattern, element, |value| bytes_of(value, &mut itoa::Buffer::new()).to_vec());
            match value {
                Some(value) => cx.reply.bulk(&value),
                None => cx.reply.null(),
            }
        }
    }
}

fn store<'e>(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    options: &Options<'_>,
    elements: impl ExactSizeIterator<Item = &'e [u8]>,
) {
    let limits = limits(cx);
    let mut list = List::new_quicklist(limits);
    for element in elements {
        if options.get.is_empty() {
            list.push(End::Tail, element);
        }
        for pattern in &options.get {
            let push = |value: StringView<'_>| {
                list.push(End::Tail, bytes_of(value, &mut itoa::Buffer::new()));
            };
            if look_up(cx, pattern, element, push).is_none() {
                list.push(End::Tail, b"".as_slice());
            }
        }
    }
    list.settle(limits);
    let len = list.len();
    if len > 0 {
        cx.keys.set_object(key, list.into_object());
        cx.changed(Class::LIST, "sortstore", key.bytes);
        cx.count_more(len - 1);
    } else if cx.keys.delete(key) {
        cx.changed(Class::GENERIC, "del", key.bytes);
    }
    cx.reply.count(len);
}
