//! Elements of lists, sets, sorted sets, hashes and streams as replies.

use crate::resp::Reply;
use crate::types::listpack::Element;

/// Writes an element as a bulk string.
#[inline]
pub(super) fn reply_element(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Int(value) => reply.bulk_int(value),
        Element::Bytes(bytes) => reply.bulk(bytes),
    }
}
