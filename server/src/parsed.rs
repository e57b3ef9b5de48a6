//! Requests of one client, parsed ahead of their execution.
//!
//! Whoever reads from a client parses all that is whole, so that the memory of the keys can be fetched before the
//! requests run. Arguments are spans of the client's bytes, those of all requests in one list; the arguments of a request
//! that is not whole yet stay at the list's end.
//!
//! Invariant: the bytes of the requests that wait, in order, are the first of the client's unexecuted bytes.

use core::ops::Range;

use vireo_core::commands::table::Command;
use vireo_core::engine::Args;
use vireo_core::keyspace::{KeyHasher, Keyspace, Prefetch};
use vireo_core::resp::{ArgSink, Decoded, Decoder, Full, Limits, ProtocolError, Span};
use vireo_core::types::MemberArg;

/// What is fetched for a request before it runs, step by step; each step reads what the one before has asked for.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The bucket of its key.
    Bucket,
    /// The entry, or the overflow bucket.
    Entry,
    /// The rest of the entry; whether it has an object or a large string.
    Rest,
    /// What the object keeps, or how the string begins.
    Object,
    /// The member of the object that it is about.
    Member,
}

impl Step {
    /// It is only for keys of which more hangs off the entry: objects and large strings.
    #[inline]
    fn is_of_more(self) -> bool {
        matches!(self, Self::Object | Self::Member)
    }
}

/// Each step is taken for so many requests together: what it asks for may lie on pages that the processor has to look up first,
/// and only in a loop of nothing else it looks up several at once.
const BLOCK: usize = 8;

/// The steps, and how many blocks ahead of execution each is taken.
const STEPS: [(Step, usize); 5] =
    [(Step::Bucket, 3), (Step::Entry, 2), (Step::Rest, 1), (Step::Object, 1), (Step::Member, 0)];

/// A request of this length, when it fills a buffer of its client's own, may leave it to the keyspace. Copying less costs less than a
/// new buffer.
pub(crate) const LARGE_LEN: usize = 32 * 1024;
/// A list of arguments that has grown beyond this is given back.
const SPANS_KEPT_MAX: usize = 2048;

/// A whole request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Its bytes.
    pub(crate) len: usize,
    /// Where they begin in what was parsed together.
    at: usize,
    first_span: u32,
    spans: u32,
    /// Hash of the first argument after the name, where the key of most commands is, if there is one.
    hash: u64,
    /// Hash of the object's member that it is about, if that is known.
    member: u64,
    /// The command that the table has under its name.
    command: Option<&'static Command>,
    has_hash: bool,
    /// Its first argument is that of the request before it.
    is_same: bool,
    /// There is one, of its own: what the request before one with the same key has asked for is on its way.
    asks: bool,
    /// More hangs off the entry of its key: an object, or a large string that it may read.
    has_more: bool,
    has_member: bool,
    /// Strings that it reads are put into its reply by another thread.
    lends: bool,
}

// One line of the cache for each.
const _: () = assert!(size_of::<Request>() <= 64);

impl Request {
    /// Nothing to run: an empty line or an array without elements.
    pub(crate) fn is_empty(&self) -> bool {
        self.spans == 0
    }

    #[inline]
    fn hash(&self) -> Option<u64> {
        self.has_hash.then_some(self.hash)
    }
}

/// What parsing needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// What the protocol allows the client.
    pub(crate) limits: Limits,
    /// Most requests parsed at once.
    pub(crate) requests_max: usize,
    /// Hashes keys as the keyspace does.
    pub(crate) hasher: KeyHasher,
}

/// Requests that wait to be executed, in order.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    requests: Vec<Request>,
    spans: Vec<Span>,
    next: usize,
    /// When that request is next, the next blocks are fetched for.
    fetch_at: usize,
    /// Of those that were parsed together, some have.
    has_more: bool,
    /// Where the first span of the request that is not whole lies.
    partial_from: usize,
    decoder: Decoder,
    error: Option<ProtocolError>,
}

/// The end of the list of spans, as the decoder's sink.
struct Tail<'s> {
    spans: &'s mut Vec<Span>,
    from: usize,
}

impl ArgSink for Tail<'_> {
    #[inline]
    fn clear(&mut self) {
        self.spans.truncate(self.from);
    }

    #[inline]
    fn push(&mut self, span: Span) -> Result<(), Full> {
        self.spans.push(span);
        Ok(())
    }

    #[inline]
    fn count(&self) -> usize {
        self.spans.len() - self.from
    }
}

impl Parsed {
    /// No request waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.requests.len()
    }

    /// How many requests wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.requests.len() - self.next
    }

    /// Something must be remembered until more bytes come or the requests run.
    pub(crate) fn is_in_use(&self) -> bool {
        !self.is_empty() || self.decoder.in_progress() || self.error.is_some()
    }

    /// Part of a request has come.
    pub(crate) fn is_mid_request(&self) -> bool {
        self.decoder.in_progress()
    }

    /// Bytes that are decoded of a request that is not whole, when no other waits before it.
    pub(crate) fn decoded_len(&self) -> usize {
        if self.is_empty() { self.decoder.decoded_len() } else { 0 }
    }

    /// How many bytes there will be when the large argument is whole that is being received.
    pub(crate) fn argument_end(&self) -> Option<usize> {
        if self.is_empty() { self.decoder.large_argument_end() } else { None }
    }

    /// Memory it holds.
    pub(crate) fn memory(&self) -> usize {
        self.requests.capacity() * size_of::<Request>() + self.spans.capacity() * size_of::<Span>()
    }

    /// Gives its memory back if nothing waits in it.
    pub(crate) fn shrink(&mut self) {
        if !self.is_in_use() {
            *self = Self::default();
        }
    }

    /// Same, if that is much.
    pub(crate) fn trim(&mut self) {
        if self.spans.capacity() > SPANS_KEPT_MAX {
            self.shrink();
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.requests.clear();
        self.spans.clear();
        (self.next, self.fetch_at) = (0, 0);
        (self.partial_from, self.decoder, self.error) = (0, Decoder::default(), None);
    }

    /// Something is wrong behind the requests that wait.
    pub(crate) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// What that is, once.
    pub(crate) fn take_error(&mut self) -> Option<ProtocolError> {
        self.error.take()
    }

    /// Takes the next request, which is the first of `buf`, and fetches for those behind it.
    #[inline]
    pub(crate) fn pop(&mut self, buf: &[u8], keyspace: &Keyspace, db: usize) -> Option<Request> {
        let request = *self.requests.get(self.next)?;
        if self.next == self.fetch_at {
            self.fetch_at += BLOCK;
            for (step, ahead) in STEPS {
                if step.is_of_more() && !self.has_more {
                    break;
                }
                let start = self.next + ahead * BLOCK;
                self.fetch(start..start + BLOCK, step, buf, keyspace, db);
            }
        }
        self.next += 1;
        Some(request)
    }

    /// Puts the request back that was taken last.
    pub(crate) fn unpop(&mut self) {
        self.next -= 1;
    }

    /// The arguments of a request that begins at the start of `buf`.
    #[inline]
    pub(crate) fn args<'a>(&'a self, request: &Request, buf: &'a [u8]) -> Args<'a> {
        let first = request.first_span as usize;
        let spans = &self.spans[first..first + request.spans as usize];
        Args::new(&buf[..request.len], spans).with_hints(request.hash(), request.command)
    }

    /// Where the last argument lies of the one request that waits, when that is large and all of the client's `pending` bytes.
    pub(crate) fn large_value(&self, pending: usize) -> Option<Range<usize>> {
        let [request] = self.requests.get(self.next..)? else { return None };
        let is_alone = request.len == pending && pending >= LARGE_LEN && !self.decoder.in_progress();
        let last = self.spans.last().filter(|_| request.spans > 0 && is_alone)?;
        Some(last.range())
    }

    /// Parses whole requests at the start of `buf`, which begins behind those that were executed; none may wait.
    pub(crate) fn fill(&mut self, buf: &mut [u8], rules: &Rules) {
        self.forget_executed();
        let (mut at, mut first_span) = (0, 0);
        while self.requests.len() < rules.requests_max {
            let mut tail = Tail { spans: &mut self.spans, from: first_span };
            let len = match self.decoder.decode(&mut buf[at..], &rules.limits, &mut tail) {
                Ok(Decoded::Request { consumed } | Decoded::Empty { consumed }) => consumed,
                Ok(Decoded::Incomplete) => break,
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            };
            self.note(&buf[at..at + len], at, first_span, rules);
            at += len;
            first_span = self.spans.len();
        }
        self.partial_from = first_span;
    }

    /// Keeps only the arguments of the request that is not whole.
    fn forget_executed(&mut self) {
        debug_assert!(self.is_empty());
        self.requests.clear();
        self.has_more = false;
        (self.next, self.fetch_at) = (0, 0);
        if self.decoder.in_progress() {
            self.spans.drain(..self.partial_from);
        } else if self.spans.capacity() > SPANS_KEPT_MAX {
            self.spans = Vec::new();
        } else {
            self.spans.clear();
        }
        self.partial_from = 0;
    }

    #[inline]
    fn note(&mut self, whole: &[u8], at: usize, first_span: usize, rules: &Rules) {
        let spans = &self.spans[first_span..];
        let arg = |index: usize| whole.get(spans.get(index)?.range());
        let hash = arg(1).map(|key| rules.hasher.key(key).hash);
        let is_same = self.requests.last().is_some_and(|before| before.hash() == hash);
        let request = Request {
            len: whole.len(),
            at,
            first_span: u32::try_from(first_span).unwrap_or(u32::MAX),
            spans: u32::try_from(spans.len()).unwrap_or(u32::MAX),
            hash: hash.unwrap_or(0),
            member: 0,
            command: None,
            has_hash: hash.is_some(),
            is_same,
            asks: hash.is_some() && !is_same,
            has_more: false,
            has_member: false,
            lends: false,
        };
        self.requests.push(request);
    }

    /// Looks the commands up, for a thread that does not know of renamed ones.
    pub(crate) fn look_up(&mut self, buf: &[u8]) {
        let mut at = 0;
        for request in &mut self.requests {
            let span = self.spans[request.first_span as usize..].first().filter(|_| request.spans > 0);
            let name = span.and_then(|span| buf.get(at..at + request.len)?.get(span.range()));
            request.command = name.and_then(vireo_core::commands::table::lookup);
            request.lends = request.command.is_some_and(|command| matches!(command.name, "get" | "mget"));
            at += request.len;
        }
    }

    /// One step of fetching for the requests that run first, the first of `buf`.
    #[inline]
    pub(crate) fn fetch_first(&mut self, step: usize, buf: &[u8], keyspace: &Keyspace, db: usize) {
        self.note_fetched();
        let (step, ahead) = STEPS[step];
        if step.is_of_more() && !self.has_more {
            return;
        }
        self.fetch(self.next..self.fetch_at + ahead * BLOCK, step, buf, keyspace, db);
    }

    /// What the requests that run first need is asked for.
    #[inline]
    pub(crate) fn note_fetched(&mut self) {
        self.fetch_at = self.next + BLOCK;
    }

    /// Adds database and hash of the keys of the requests that run first. Returns how many of these name a key.
    pub(crate) fn keys_first(&self, db: usize, places: &mut Vec<(usize, u64)>) -> usize {
        let (_, ahead) = STEPS[0];
        let waiting = &self.requests[self.next..];
        let mut count = 0;
        for request in waiting.iter().take((ahead + 1) * BLOCK).filter(|request| request.has_hash) {
            if !request.is_same {
                places.push((db, request.hash));
            }
            count += usize::from(request.command.is_none_or(|command| !command.key_specs.is_empty()));
        }
        count
    }

    /// Begins to fetch the lists themselves, which another thread has written.
    pub(crate) fn prefetch(&self) {
        vireo_core::prefetch_slice(&self.requests);
        vireo_core::prefetch_slice(&self.spans);
    }

    /// How many steps of fetching there are.
    pub(crate) const FETCH_STEPS: usize = STEPS.len();

    /// Those that follow when bucket and entry are asked for.
    pub(crate) const STEPS_AFTER_ENTRY: Range<usize> = 2..STEPS.len();

    /// More than one request waits, so that fetching overlaps with work.
    pub(crate) fn is_pipeline(&self) -> bool {
        self.len() > 1
    }

    fn fetch(&mut self, range: Range<usize>, step: Step, buf: &[u8], keyspace: &Keyspace, db: usize) {
        let range = range.start.min(self.requests.len())..range.end.min(self.requests.len());
        let requests = self.requests[range.clone()].iter_mut();
        match step {
            Step::Bucket => requests.filter(|request| request.asks).for_each(|request| {
                keyspace.prefetch(db, request.hash, Prefetch::First);
            }),
            Step::Entry => requests.filter(|request| request.asks).for_each(|request| {
                keyspace.prefetch(db, request.hash, Prefetch::Second);
            }),
            Step::Rest => requests.filter(|request| request.asks).for_each(|request| {
                let part = if request.lends { Prefetch::ThirdOfKey } else { Prefetch::Third };
                request.has_more |= keyspace.prefetch(db, request.hash, part);
                self.has_more |= request.has_more;
            }),
            Step::Object => range.for_each(|index| self.fetch_object(index, buf, keyspace, db)),
            Step::Member => requests.filter(|request| request.has_member).for_each(|request| {
                keyspace.prefetch_member(db, request.hash, request.member);
            }),
        }
    }

    /// Asks for what the object of a request keeps, or how its large string begins, if it has one.
    #[inline]
    fn fetch_object(&mut self, index: usize, buf: &[u8], keyspace: &Keyspace, db: usize) {
        let request = &self.requests[index];
        let before = index.checked_sub(1).filter(|_| request.is_same);
        if before.map_or(request.has_more, |before| self.requests[before].has_more) {
            let member = keyspace.prefetch_object(db, request.hash, |arg| self.member(request, arg, buf));
            let request = &mut self.requests[index];
            (request.has_more, request.has_member) = (true, member.is_some());
            request.member = member.unwrap_or(0);
        }
    }

    /// The argument of a request that names a member; `buf` begins with the request that is next.
    fn member<'b>(&self, request: &Request, arg: MemberArg, buf: &'b [u8]) -> Option<&'b [u8]> {
        let spans = &self.spans[request.first_span as usize..][..request.spans as usize];
        let span = match arg {
            MemberArg::AfterKey => spans.get(2),
            MemberArg::Last => spans.last(),
        };
        let start = request.at.checked_sub(self.requests.get(self.next)?.at)?;
        buf.get(start..start.checked_add(request.len)?)?.get(span?.range())
    }
}

#[cfg(test)]
mod tests {
    use vireo_core::keyspace::{AccessPolicy, HashSeed, KeyHasher, Keyspace, Layout, Now};
    use vireo_core::resp::{Limits, ProtocolError};
    use vireo_core::types::Object;
    use vireo_core::types::set::{Set, SetRules};

    use super::{Parsed, Rules};

    fn rules(requests_max: usize) -> Rules {
        let hasher = KeyHasher::new(HashSeed([7; 16]));
        Rules { limits: Limits::new(true, 1 << 20), requests_max, hasher }
    }

    /// Takes all requests that wait; each as its words.
    fn drain(parsed: &mut Parsed, buf: &[u8]) -> (Vec<Vec<Vec<u8>>>, usize) {
        let keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([7; 16]));
        let (mut all, mut at) = (Vec::new(), 0);
        while let Some(request) = parsed.pop(&buf[at..], &keyspace, 0) {
            if !request.is_empty() {
                let args = parsed.args(&request, &buf[at..]);
                all.push(args.iter_from(0).map(<[u8]>::to_vec).collect());
            }
            at += request.len;
        }
        (all, at)
    }

    #[test]
    fn any_split_gives_the_same_requests() {
        let stream = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n\r\n*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$2\r\nxy\r\n";
        for cut in 0..stream.len() {
            for requests_max in [1, 2, 64] {
                let (mut parsed, mut held, mut seen) = (Parsed::default(), Vec::new(), Vec::new());
                for part in [&stream[..cut], &stream[cut..]] {
                    held.extend_from_slice(part);
                    loop {
                        parsed.fill(&mut held, &rules(requests_max));
                        let (requests, used) = drain(&mut parsed, &held);
                        held.drain(..used);
                        seen.extend(requests);
                        if used == 0 {
                            break;
                        }
                    }
                }
                let words: Vec<usize> = seen.iter().map(Vec::len).collect();
                assert_eq!(words, [2, 1, 1, 3], "cut at {cut}");
                assert_eq!(seen[3], [b"SET".to_vec(), b"b".to_vec(), b"xy".to_vec()]);
                assert!(held.is_empty() && !parsed.is_in_use());
            }
        }
    }

    #[test]
    fn members_are_found_ahead() {
        let rules = rules(64);
        let mut keyspace = Keyspace::new(Layout { databases: 1, shard_bits: 0 }, HashSeed([7; 16]));
        let now = Now::new(0, AccessPolicy::Lru);
        let limits =
            SetRules { intset_entries: 0, listpack_entries: 0, listpack_value: 0, hasher: rules.hasher };
        let mut keys = keyspace.keys(0, now);
        let (large, small) = (keys.key(b"large"), keys.key(b"small"));
        keys.set_object(large, Object::Set(Set::table(&limits)));
        keys.set_object(small, Object::Set(Set::new()));
        let words = ["large a", "large b", "small c", "none d", "large", "large e"];
        let mut buf: Vec<u8> =
            words.iter().flat_map(|words| format!("sadd {words}\r\n").into_bytes()).collect();
        let mut parsed = Parsed::default();
        parsed.fill(&mut buf, &rules);
        let mut at = 0;
        let mut members = Vec::new();
        while let Some(index) = (!parsed.is_empty()).then_some(parsed.next) {
            (0..Parsed::FETCH_STEPS).for_each(|step| {
                parsed.fetch_first(step, &buf[at..], &keyspace, 0);
            });
            let request = &parsed.requests[index];
            members.push(request.has_member.then_some(request.member));
            at += parsed.pop(&buf[at..], &keyspace, 0).map_or(0, |request| request.len);
        }
        let hash = |member: &[u8]| Some(rules.hasher.key(member).hash);
        assert_eq!(members, [hash(b"a"), hash(b"b"), None, None, None, hash(b"e")]);
    }

    #[test]
    fn an_error_comes_behind_the_requests_before_it() {
        let mut buf = b"PING\r\n*1\r\n:1\r\n".to_vec();
        let mut parsed = Parsed::default();
        parsed.fill(&mut buf, &rules(64));
        assert_eq!(drain(&mut parsed, &buf).0, [[b"PING".to_vec()]]);
        assert_eq!(parsed.take_error(), Some(ProtocolError::ExpectedDollar(b':')));
    }
}
