//! Requests of a pipeline, decoded ahead of their execution so that the memory of their keys can be fetched.
//!
//! A key that is not in the processor's cache costs two misses in a row, its bucket and its entry. Fetching
//! those of the requests that follow while this one is executed lets the misses overlap with work.

use vireo_core::keyspace::{Keyspace, Prefetch};
use vireo_core::resp::{Decoded, Decoder, Limits, Span};

/// Requests decoded together.
const REQUESTS_MAX: usize = 64;
/// How many requests ahead of execution each part of a key's look-up is fetched.
const STEPS: [(Prefetch, usize); 3] = [(Prefetch::First, 16), (Prefetch::Second, 8), (Prefetch::Third, 4)];

/// A whole request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// Its bytes.
    pub(crate) consumed: usize,
    /// Its arguments, relative to its first byte.
    pub(crate) args: Vec<Span>,
    /// Hash of the first argument after the name, where the key of most commands is.
    pub(crate) hash: Option<u64>,
}

/// Requests that wait to be executed, in order.
#[derive(Debug)]
pub(crate) struct Ahead {
    requests: [Request; REQUESTS_MAX],
    len: usize,
    next: usize,
    db: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { requests: core::array::from_fn(|_| Request::default()), len: 0, next: 0, db: 0 }
    }
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

    /// Takes the next request, and fetches for those behind it.
    #[inline]
    pub(crate) fn pop(&mut self, keyspace: &Keyspace) -> Option<&mut Request> {
        if self.is_empty() {
            return None;
        }
        for (step, distance) in STEPS {
            self.fetch(self.next + distance, step, keyspace);
        }
        self.next += 1;
        Some(&mut self.requests[self.next - 1])
    }

    /// Decodes whole requests at the start of `buf` and begins to fetch what they need in database `db`; what is
    /// inline, empty, broken or not whole is left alone.
    pub(crate) fn fill(&mut self, buf: &mut [u8], limits: &Limits, keyspace: &Keyspace, db: usize) {
        self.clear();
        self.db = db;
        let mut at = 0;
        while self.len < REQUESTS_MAX && buf.get(at) == Some(&b'*') {
            let request = &mut self.requests[self.len];
            match Decoder::default().decode(&mut buf[at..], limits, &mut request.args) {
                Ok(Decoded::Request { consumed }) => request.consumed = consumed,
                _ => break,
            }
            let whole = &buf[at..at + request.consumed];
            let first = request.args.get(1).and_then(|span| whole.get(span.range()));
            request.hash = first.map(|key| keyspace.hash(key));
            at += request.consumed;
            self.len += 1;
            // Decoding goes on while the first buckets come.
            if self.len <= STEPS[0].1 {
                self.fetch(self.len - 1, Prefetch::First, keyspace);
            }
        }
        // A single request is executed at once: nothing overlaps.
        if self.len > 1 {
            for (step, distance) in &STEPS[1..] {
                (0..*distance).for_each(|index| self.fetch(index, *step, keyspace));
            }
        }
    }

    #[inline]
    fn fetch(&self, index: usize, step: Prefetch, keyspace: &Keyspace) {
        if let Some(hash) = self.requests[..self.len].get(index).and_then(|request| request.hash) {
            keyspace.prefetch(self.db, hash, step);
        }
    }
}

#[cfg(test)]
mod tests {
    use vireo_core::keyspace::{HashSeed, Keyspace, Layout};
    use vireo_core::resp::Limits;

    use super::Ahead;

    #[test]
    fn whole_requests_only() {
        let mut buf =
            b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*2\r\n$3\r\nGE"
                .to_vec();
        let keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([7; 16]));
        let limits = Limits::new(true, 1 << 20);
        let mut ahead = Ahead::default();
        ahead.fill(&mut buf, &limits, &keyspace, 0);
        let mut seen = Vec::new();
        while let Some(request) = ahead.pop(&keyspace) {
            seen.push((request.consumed, request.hash));
        }
        let (a, b) = (keyspace.hash(b"a"), keyspace.hash(b"b"));
        assert_eq!(seen, [(20, Some(a)), (14, None), (20, Some(b))]);
        ahead.fill(&mut b"PING\r\n".to_vec(), &limits, &keyspace, 0);
        assert!(ahead.is_empty());
    }
}
