//! Looks at bytes that sessions get.

use crate::resp::{Proto, Token, token};

/// What some bytes are, at the outermost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Replies.
    pub(super) replies: usize,
    /// What was not asked for, in RESP3.
    pub(super) pushes: usize,
    /// Replies that could be messages, in RESP2.
    pub(super) messages: usize,
}

/// Counts whole replies, each in the protocol that is spoken; while that changes, in either.
pub(super) fn count(bytes: &[u8], before: Proto, after: Proto) -> Count {
    let (mut count, mut at, mut missing) = (Count::default(), 0, 0u64);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let read = token(rest).ok().flatten();
        let (token, len) = read.unwrap_or_else(|| panic!("no whole reply: {}", rest.escape_ascii()));
        if before == after {
            assert!(is_of(before, token, rest), "not of {before:?}: {}", bytes.escape_ascii());
        }
        if missing == 0 {
            match token {
                Token::Push(_) => count.pushes += 1,
                _ => count.replies += 1,
            }
            count.messages += usize::from(matches!(token, Token::Array(3..=4)));
        }
        missing = missing.max(1) - 1 + token.followers();
        at += len;
    }
    assert_eq!(missing, 0, "a reply is cut off: {}", bytes.escape_ascii());
    count
}

/// A session gets whole replies only. A message that says that all is stale carries another session's null.
pub(super) fn check_delivery(bytes: &[u8], proto: Proto) {
    let is_stale = bytes.windows(10).any(|window| window == b"invalidate");
    let other = if proto == Proto::Resp2 { Proto::Resp3 } else { Proto::Resp2 };
    count(bytes, proto, if is_stale { other } else { proto });
}

/// A token of this protocol; nulls have their own form in each.
fn is_of(proto: Proto, token: Token<'_>, bytes: &[u8]) -> bool {
    let is_old = matches!(
        token,
        Token::Status(_) | Token::Error(_) | Token::Integer(_) | Token::Bulk(_) | Token::Array(_)
    );
    match (proto, token) {
        (Proto::Resp2, Token::Null) => !bytes.starts_with(b"_"),
        (Proto::Resp3, Token::Null) => bytes.starts_with(b"_"),
        (Proto::Resp2, _) => is_old,
        (Proto::Resp3, _) => true,
    }
}
