//! Counts the replies in what arrives, however it is split, without keeping more than one part of a reply.

use vireo_core::resp::{BadReply, Token, token};

/// What a piece of input held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Replies that ended in it; pushes are none.
    pub replies: usize,
    /// The first error among them.
    pub error: Option<Vec<u8>>,
}

/// The state between two pieces.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    /// Tokens that the present reply lacks; 0 between replies.
    missing: u64,
    /// The present one is a push, which nobody asked for.
    is_push: bool,
    /// The beginning of a token.
    rest: Vec<u8>,
}

impl Replies {
    /// Takes a piece of input.
    ///
    /// # Errors
    /// [`BadReply`] for bytes that are no reply.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Seen, BadReply> {
        let mut seen = Seen::default();
        if self.rest.is_empty() {
            let used = self.scan(bytes, &mut seen)?;
            self.rest.extend_from_slice(bytes.get(used..).unwrap_or(&[]));
        } else {
            let mut rest = core::mem::take(&mut self.rest);
            rest.extend_from_slice(bytes);
            let used = self.scan(&rest, &mut seen)?;
            rest.drain(..used);
            self.rest = rest;
        }
        Ok(seen)
    }

    /// Takes whole tokens; returns how many bytes they were.
    fn scan(&mut self, bytes: &[u8], seen: &mut Seen) -> Result<usize, BadReply> {
        let mut at = 0;
        while let Some((token, len)) = token(bytes.get(at..).unwrap_or(&[]))? {
            at += len;
            if self.missing == 0 {
                self.missing = 1;
                self.is_push = matches!(token, Token::Push(_));
                if let (Token::Error(words) | Token::BulkError(words), None) = (token, &seen.error) {
                    seen.error = Some(words.to_vec());
                }
            }
            self.missing = self.missing.saturating_sub(1).saturating_add(token.followers());
            if self.missing == 0 && !self.is_push {
                seen.replies += 1;
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::{Replies, Seen};

    const STREAM: &[u8] = b"+OK\r\n>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n*2\r\n*1\r\n-ERR inside\r\n$3\r\na\r\n\r\n%1\r\n+k\r\n:1\r\n\
        |1\r\n+ttl\r\n:1\r\n$-1\r\n-ERR outside\r\n";

    #[test]
    fn any_split_gives_the_same_replies() {
        let all = Replies::default().feed(STREAM).unwrap();
        assert_eq!(all, Seen { replies: 5, error: Some(b"ERR outside".to_vec()) });
        for step in 1..STREAM.len() {
            let (mut replies, mut count, mut errors) = (Replies::default(), 0, Vec::new());
            for piece in STREAM.chunks(step) {
                let seen = replies.feed(piece).unwrap();
                count += seen.replies;
                errors.extend(seen.error);
            }
            assert_eq!((count, errors), (5, vec![b"ERR outside".to_vec()]), "{step}");
            assert!(replies.rest.is_empty());
        }
    }

    #[test]
    fn bytes_that_are_no_reply() {
        assert!(Replies::default().feed(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
