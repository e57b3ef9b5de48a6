//! Requests of a pipeline, decoded ahead of their execution so that the memory of their keys can be fetched.
//!
//! A key that is not in the processor's cache costs two misses in a row, its bucket and its entry. Fetching
//! those of sixteen requests together lets the misses overlap.

use vireo_core::resp::{Decoded, Decoder, Limits, Span};

/// Requests decoded together.
const REQUESTS_MAX: usize = 16;

/// A whole request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// Its bytes.
    pub(crate) consumed: usize,
    /// Its arguments, relative to its first byte.
    pub(crate) args: Vec<Span>,
}

/// Requests that wait to be executed, in order.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    requests: [Request; REQUESTS_MAX],
    len: usize,
    next: usize,
}

impl Ahead {
    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        (self.len, self.next) = (0, 0);
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.len
    }

    /// Takes the next request.
    pub(crate) fn pop(&mut self) -> Option<&mut Request> {
        if self.is_empty() {
            return None;
        }
        self.next += 1;
        Some(&mut self.requests[self.next - 1])
    }

    /// Decodes whole requests at the start of `buf`; what is inline, empty, broken or not whole is left alone.
    pub(crate) fn fill(&mut self, buf: &mut [u8], limits: &Limits) {
        self.clear();
        let mut at = 0;
        for request in &mut self.requests {
            if buf.get(at) != Some(&b'*') {
                return;
            }
            match Decoder::default().decode(&mut buf[at..], limits, &mut request.args) {
                Ok(Decoded::Request { consumed }) => request.consumed = consumed,
                _ => return,
            }
            at += request.consumed;
            self.len += 1;
        }
    }

    /// The first argument after the name of each request that waits, where the key of most commands is; none when
    /// fewer than two requests wait, since there is nothing to overlap then.
    pub(crate) fn keys<'b>(&self, buf: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
        let mut at = 0;
        let waiting = if self.len > 1 { &self.requests[..self.len] } else { &[] };
        waiting.iter().filter_map(move |request| {
            let start = at;
            at += request.consumed;
            buf.get(start..at)?.get(request.args.get(1)?.range())
        })
    }
}

#[cfg(test)]
mod tests {
    use vireo_core::resp::Limits;

    use super::Ahead;

    #[test]
    fn whole_requests_only() {
        let mut buf =
            b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*2\r\n$3\r\nGE"
                .to_vec();
        let mut ahead = Ahead::default();
        ahead.fill(&mut buf, &Limits::new(true, 1 << 20));
        assert_eq!(ahead.keys(&buf).collect::<Vec<_>>(), [b"a", b"b"]);
        let lens: Vec<usize> = core::iter::from_fn(|| ahead.pop().map(|request| request.consumed)).collect();
        assert_eq!(lens, [20, 14, 20]);
        ahead.fill(&mut b"PING\r\n".to_vec(), &Limits::new(true, 1 << 20));
        assert!(ahead.is_empty());
    }
}
