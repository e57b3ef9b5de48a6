//! Where SORT gets its elements and hash fields from: the one place that knows which types there are.

use crate::engine::{CmdError, Ctx};
use crate::keyspace::{Key, Kind, StringView};
use crate::types::Object;
use crate::types::list::{Direction, Element};

/// Whether elements come in an order of their own, and in which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Any: they are going to be sorted. Lists from the first on.
    Any,
    /// The type's own: lists from the first element, sorted sets from the lowest score.
    Own,
    /// The type's own, backwards. Same as `Own` for sets.
    OwnReversed,
}

/// The kind of what is to be sorted; `None` when there is no key.
pub(super) fn kind(cx: &mut Ctx<'_>, key: Key<'_>) -> Result<Option<Kind>, CmdError> {
    match cx.keys.read(key).map(|entry| entry.kind()) {
        Some(kind @ (Kind::List | Kind::Set | Kind::Zset)) => Ok(Some(kind)),
        Some(_) => Err(CmdError::WRONG_TYPE),
        None => Ok(None),
    }
}

/// How many elements a key holds; 0 when there is no key.
pub(super) fn len(cx: &mut Ctx<'_>, key: Key<'_>) -> usize {
    match cx.keys.peek(key).and_then(|entry| entry.object()) {
        Some(Object::List(list)) => list.len(),
        Some(Object::Set(set)) => set.len(),
        Some(Object::Zset(zset)) => zset.len(),
        _ => 0,
    }
}

/// Hands elements of a key to `each`: `count` from the one at `start` on, in an order.
pub(super) fn elements(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    order: Order,
    start: usize,
    count: usize,
    mut each: impl FnMut(Element<'_>),
) {
    match cx.keys.peek(key).and_then(|entry| entry.object()) {
        Some(Object::List(list)) => {
            let len = list.len();
            let (start, count) = (start.min(len), count.min(len.saturating_sub(start)));
            match order {
                Order::Any | Order::Own => list.for_each(start..start + count, Direction::Forward, each),
                Order::OwnReversed => {
                    list.for_each(len - start - count..len - start, Direction::Backward, each);
                }
            }
        }
        Some(Object::Set(set)) => set.iter().skip(start).take(count).for_each(&mut each),
        Some(Object::Zset(zset)) => {
            let len = zset.len();
            let (start, count) = (start.min(len), count.min(len.saturating_sub(start)));
            if order == Order::OwnReversed {
                let ranks = len - start - count..len - start;
                zset.iter(ranks).rev().for_each(|(member, _)| each(member));
            } else {
                zset.iter(start..start + count).for_each(|(member, _)| each(member));
            }
        }
        _ => {}
    }
}

/// Hands the field of a hash that the key holds to `use_it`; `None` when there is none.
pub(super) fn hash_field<R>(
    cx: &mut Ctx<'_>,
    key: Key<'_>,
    field: &[u8],
    use_it: impl FnOnce(StringView<'_>) -> R,
) -> Option<R> {
    let now_ms = cx.fields_ms();
    let Some(Object::Hash(hash)) = cx.keys.read(key)?.object() else { return None };
    Some(match hash.get(field, now_ms)?.value {
        Element::Int(value) => use_it(StringView::Int(value)),
        Element::Bytes(bytes) => use_it(StringView::Bytes(bytes)),
    })
}
