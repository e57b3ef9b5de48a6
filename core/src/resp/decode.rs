//! Incremental, zero-copy decoder of requests.
//!
//! The decoder works on the bytes that have arrived and not been consumed, and remembers only how far it
//! has come, so any split of the bytes gives the same requests and nothing is scanned twice. Arguments are
//! [`Span`]s of the buffer; no byte is copied and memory is reserved only for arguments that have arrived.
//!
//! ```text
//!            "*N\r\n"            "$L\r\n"            L bytes and "\r\n"
//!  Start ───────────────► Bulk header ─────────► Bulk body ──┐
//!    ▲  (header)              ▲  (bulk_header)     (bulk_body)│ N > 0
//!    └── N = 0: Request ◄─────┴───────────────────────────────┘
//! ```
//!
//! Source: Valkey 9.1 `parseMultibulk` and `parseInlineBuffer`, whose limits and error texts are kept.

use core::ops::Range;

use super::inline;
use super::reply::Reply;
use super::sink::Sink;
use crate::num;

/// A line without an end may not grow beyond this: inline requests and the lines of length headers.
const LINE_LEN_MAX: usize = 64 * 1024;
/// Most arguments of a client that has not authenticated.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
/// Longest argument of a client that has not authenticated.
const UNAUTHENTICATED_BULK_MAX: i64 = 16 * 1024;
/// Most arguments of a request: the reference's `INT_MAX`.
const ARGS_MAX: i64 = i32::MAX as i64;

/// Where an argument lies, relative to the first byte of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl Span {
    /// As a range of the request's bytes.
    #[inline]
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// The sink of arguments has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Takes the arguments of a request, one by one. The caller keeps it untouched until the request is whole.
pub trait ArgSink {
    /// Forgets all arguments: a new request begins.
    fn clear(&mut self);
    /// Adds an argument.
    ///
    /// # Errors
    /// [`Full`] when a sink of fixed size has no room.
    fn push(&mut self, span: Span) -> Result<(), Full>;
    /// How many arguments there are.
    fn count(&self) -> usize;
}

#[cfg(feature = "alloc")]
impl ArgSink for alloc::vec::Vec<Span> {
    #[inline]
    fn clear(&mut self) {
        Self::clear(self);
    }

    #[inline]
    fn push(&mut self, span: Span) -> Result<(), Full> {
        Self::push(self, span);
        Ok(())
    }

    #[inline]
    fn count(&self) -> usize {
        self.len()
    }
}

impl<const N: usize> ArgSink for heapless::Vec<Span, N> {
    fn clear(&mut self) {
        Self::clear(self);
    }

    fn push(&mut self, span: Span) -> Result<(), Full> {
        Self::push(self, span).map_err(|_| Full)
    }

    fn count(&self) -> usize {
        self.len()
    }
}

/// What the protocol allows a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    authenticated: bool,
    bulk_len_max: i64,
    /// The lower one of that and of what one that has not authenticated may send, if it has not.
    bulk_len_allowed: i64,
}

impl Limits {
    /// Limits of a client; `bulk_len_max` is `proto-max-bulk-len`.
    #[inline]
    pub fn new(authenticated: bool, bulk_len_max: u64) -> Self {
        let bulk_len_max = i64::try_from(bulk_len_max).unwrap_or(i64::MAX);
        let own_max = if authenticated { i64::MAX } else { UNAUTHENTICATED_BULK_MAX };
        Self { authenticated, bulk_len_max, bulk_len_allowed: bulk_len_max.min(own_max) }
    }

    /// Why an argument of this length is too long.
    #[cold]
    fn refusal(&self, len: i64) -> ProtocolError {
        if len > self.bulk_len_max { ProtocolError::BulkLen } else { ProtocolError::UnauthenticatedBulkLen }
    }

    /// They are those of a client that has authenticated.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }
}

/// A violation of the protocol: the client is told and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ProtocolError {
    /// An inline request without an end.
    BigInline,
    /// A `*` line without an end.
    BigMultibulkLine,
    /// Not a count, or too large.
    MultibulkLen,
    /// Too many arguments before authentication.
    UnauthenticatedMultibulkLen,
    /// A `$` line without an end.
    BigBulkLine,
    /// This byte where `$` should be.
    ExpectedDollar(u8),
    /// Not a length, or beyond `proto-max-bulk-len`.
    BulkLen,
    /// Too long an argument before authentication.
    UnauthenticatedBulkLen,
    /// A quote that is not closed.
    UnbalancedQuotes,
    /// Something other than CRLF ends a line or an argument.
    Crlf,
    /// More arguments than a sink of fixed size takes.
    TooManyArgs,
}

impl ProtocolError {
    /// The text after `Protocol error: `, but for the byte of [`Self::ExpectedDollar`].
    fn text(self) -> &'static str {
        match self {
            Self::BigInline => "too big inline request",
            Self::BigMultibulkLine => "too big mbulk count string",
            Self::MultibulkLen | Self::TooManyArgs => "invalid multibulk length",
            Self::UnauthenticatedMultibulkLen => "unauthenticated multibulk length",
            Self::BigBulkLine => "too big bulk count string",
            Self::ExpectedDollar(_) => "expected '$', got '",
            Self::BulkLen => "invalid bulk length",
            Self::UnauthenticatedBulkLen => "unauthenticated bulk length",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::Crlf => "invalid CRLF in request",
        }
    }

    /// The reason as the log names it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::MultibulkLen | Self::TooManyArgs => "invalid mbulk count",
            Self::UnauthenticatedMultibulkLen => "unauth mbulk count",
            Self::UnauthenticatedBulkLen => "unauth bulk length",
            Self::ExpectedDollar(_) => "expected $ but got something else",
            Self::UnbalancedQuotes => "unbalanced quotes in inline request",
            other => other.text(),
        }
    }

    /// Writes the error reply.
    pub fn write<S: Sink>(self, reply: &mut Reply<'_, S>) {
        match self {
            //= valkey 9.1: the offending byte is shown as it is, a line end as a blank
            Self::ExpectedDollar(byte) => {
                reply.error_parts(&[b"ERR Protocol error: ", self.text().as_bytes(), &[byte, b'\'']]);
            }
            _ => reply.error_parts(&[b"ERR Protocol error: ", self.text().as_bytes()]),
        }
    }
}

/// What the bytes held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Not a whole request yet.
    Incomplete,
    /// Nothing to run: an empty line or an array without elements.
    Empty {
        /// Bytes to drop.
        consumed: usize,
    },
    /// A request; its arguments are in the sink.
    Request {
        /// Bytes of the request.
        consumed: usize,
    },
}

/// How far the request at the start of the buffer is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoder {
    /// Bytes of the request that are decoded.
    pos: usize,
    /// Arguments that are missing.
    missing: u32,
    /// The length of the argument at `pos` is known.
    in_body: bool,
    /// That length.
    bulk_len: usize,
}

impl Decoder {
    /// Part of a request is decoded: buffer and sink must stay as they are until the rest has come.
    #[inline]
    pub fn in_progress(&self) -> bool {
        self.missing > 0
    }

    /// Bytes of the request that are decoded.
    pub fn decoded_len(&self) -> usize {
        if self.in_progress() { self.pos } else { 0 }
    }

    /// How many bytes the request will have with the argument that is being received, when that is known and at least as
    /// long as all before it. Room for just so many is then no waste: it is asked for a few times in one request, if at
    /// all, however many arguments there are.
    pub fn large_argument_end(&self) -> Option<usize> {
        let is_large = self.in_body && self.bulk_len >= self.pos;
        is_large.then(|| self.pos.saturating_add(self.bulk_len).saturating_add(2))
    }

    /// Forgets a request that was begun.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Decodes one request at the start of `buf`.
    ///
    /// After [`Decoded::Incomplete`] the caller offers the same bytes again with more behind them, and the
    /// same sink. Quoted arguments of inline requests are unescaped in place, which only shrinks them.
    ///
    /// # Errors
    /// [`ProtocolError`] when the bytes cannot be a request; the decoder is not to be used further.
    #[inline]
    pub fn decode<A: ArgSink>(
        &mut self,
        buf: &mut [u8],
        limits: &Limits,
        args: &mut A,
    ) -> Result<Decoded, ProtocolError> {
        if self.missing == 0 {
            args.clear();
            match buf.first() {
                None => return Ok(Decoded::Incomplete),
                Some(b'*') => {}
                Some(_) => return inline::decode(buf, args),
            }
            let Some((count, pos)) = line(buf, 0, ProtocolError::BigMultibulkLine)? else {
                return Ok(Decoded::Incomplete);
            };
            let count = count.filter(|&n| n <= ARGS_MAX).ok_or(ProtocolError::MultibulkLen)?;
            if count > UNAUTHENTICATED_ARGS_MAX && !limits.authenticated {
                return Err(ProtocolError::UnauthenticatedMultibulkLen);
            }
            if count <= 0 {
                return Ok(Decoded::Empty { consumed: pos });
            }
            self.missing = u32::try_from(count).unwrap_or(u32::MAX);
            self.pos = pos;
        }
        self.arguments(buf, limits, args)
    }

    #[inline]
    fn arguments<A: ArgSink>(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        args: &mut A,
    ) -> Result<Decoded, ProtocolError> {
        // Written back only where bytes are missing, so that it stays in registers.
        let mut at = *self;
        while at.missing > 0 {
            if !at.in_body {
                let Some((len, pos)) = bulk_header(buf, at.pos)? else {
                    *self = at;
                    return Ok(Decoded::Incomplete);
                };
                if len > limits.bulk_len_allowed {
                    return Err(limits.refusal(len));
                }
                at.bulk_len = usize::try_from(len).map_err(|_| ProtocolError::BulkLen)?;
                at.pos = pos;
                at.in_body = true;
            }
            let end = at.pos.saturating_add(at.bulk_len);
            let Some(tail) = buf.get(end..).filter(|tail| tail.len() >= 2) else {
                *self = at;
                return Ok(Decoded::Incomplete);
            };
            //= security vk#2872: only CRLF may end an argument
            if !tail.starts_with(b"\r\n") {
                return Err(ProtocolError::Crlf);
            }
            args.push(Span { start: at.pos, end }).map_err(|Full| ProtocolError::TooManyArgs)?;
            at.pos = end.saturating_add(2);
            at.in_body = false;
            at.missing = at.missing.saturating_sub(1);
        }
        self.reset();
        Ok(Decoded::Request { consumed: at.pos })
    }
}

/// The `$` line at `pos`: the length and where the argument begins. `None` when it is not whole.
#[inline]
fn bulk_header(buf: &[u8], pos: usize) -> Result<Option<(i64, usize)>, ProtocolError> {
    if let Some(found) = buf.get(pos..).and_then(short_bulk_header) {
        let (len, header_len) = found;
        return Ok(Some((len, pos.saturating_add(header_len))));
    }
    bulk_header_slow(buf, pos)
}

/// A length of one or two digits, as nearly all arguments have, and how long its line is; when at least one byte follows it.
#[inline]
fn short_bulk_header(rest: &[u8]) -> Option<(i64, usize)> {
    let [head @ .., last] = rest.first_chunk::<5>()?;
    let [_, tens, ones, _] = head;
    // One comparison for all that is the same in every such line.
    let fixed = u32::from_le_bytes(*head);
    if fixed & 0xffff_00ff == u32::from_le_bytes(*b"$\0\r\n") && tens.is_ascii_digit() {
        return Some((digit(*tens), 4));
    }
    let is_two = fixed & 0xff00_00ff == u32::from_le_bytes(*b"$\0\0\r") && *last == b'\n';
    if is_two && matches!(tens, b'1'..=b'9') && ones.is_ascii_digit() {
        return Some((digit(*tens).saturating_mul(10).saturating_add(digit(*ones)), 5));
    }
    None
}

#[cold]
#[inline(never)]
fn bulk_header_slow(buf: &[u8], pos: usize) -> Result<Option<(i64, usize)>, ProtocolError> {
    let first = buf.get(pos).copied();
    match line(buf, pos, ProtocolError::BigBulkLine) {
        //= valkey 9.1: a wrong first byte is told before what ends its line
        Ok(Some(_)) | Err(ProtocolError::Crlf) if first != Some(b'$') => {
            Err(ProtocolError::ExpectedDollar(first.unwrap_or(0)))
        }
        Ok(None) => Ok(None),
        Ok(Some((len, end))) => {
            let len = len.filter(|&len| len >= 0).ok_or(ProtocolError::BulkLen)?;
            Ok(Some((len, end)))
        }
        Err(error) => Err(error),
    }
}

/// The line at `pos`: its number after the first byte (`None` when it is not one) and where the next begins.
#[inline]
fn line(
    buf: &[u8],
    pos: usize,
    too_big: ProtocolError,
) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
    let rest = buf.get(pos..).unwrap_or(&[]);
    if let [_, a @ b'0'..=b'9', b'\r', b'\n', ..] = rest {
        return Ok(Some((Some(digit(*a)), pos.saturating_add(4))));
    }
    let Some(len) = memchr::memchr(b'\r', rest) else {
        return if rest.len() > LINE_LEN_MAX { Err(too_big) } else { Ok(None) };
    };
    match rest.get(len.saturating_add(1)) {
        None => Ok(None),
        Some(b'\n') => {
            let number = num::parse_i64(rest.get(1..len).unwrap_or(&[]));
            Ok(Some((number, pos.saturating_add(len).saturating_add(2))))
        }
        Some(_) => Err(ProtocolError::Crlf),
    }
}

#[inline]
fn digit(byte: u8) -> i64 {
    i64::from(byte.wrapping_sub(b'0'))
}

/// Longest line without an end, shared with the inline decoder.
pub(super) const fn line_len_max() -> usize {
    LINE_LEN_MAX
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{Decoded, Decoder, Limits, ProtocolError, Span};
    use crate::resp::{Proto, Reply};

    fn one(bytes: &[u8], limits: &Limits) -> Result<(Decoded, Vec<Vec<u8>>), ProtocolError> {
        let (mut buf, mut args) = (bytes.to_vec(), Vec::<Span>::new());
        let decoded = Decoder::default().decode(&mut buf, limits, &mut args)?;
        Ok((decoded, args.iter().map(|span| buf[span.range()].to_vec()).collect()))
    }

    fn open() -> Limits {
        Limits::new(true, 512 << 20)
    }

    fn text(error: ProtocolError) -> String {
        let mut out = Vec::new();
        error.write(&mut Reply::new(&mut out, Proto::Resp2));
        String::from_utf8_lossy(&out).to_string()
    }

    #[test]
    fn whole_requests() {
        let (decoded, args) = one(b"*2\r\n$3\r\nGET\r\n$11\r\nhello world\r\nrest", &open()).unwrap();
        assert_eq!(decoded, Decoded::Request { consumed: 31 });
        assert_eq!(args, [b"GET".to_vec(), b"hello world".to_vec()]);
        assert_eq!(one(b"*0\r\nx", &open()).unwrap().0, Decoded::Empty { consumed: 4 });
        assert_eq!(one(b"*-1\r\n", &open()).unwrap().0, Decoded::Empty { consumed: 5 });
        assert_eq!(one(b"*1\r\n$0\r\n\r\n", &open()).unwrap().1, vec![Vec::<u8>::new()]);
    }

    #[test]
    fn errors_are_the_references() {
        let cases: [(&[u8], &str); 15] = [
            (b"*x\r\n", "invalid multibulk length"),
            (b"*2147483648\r\n", "invalid multibulk length"),
            (b"*01\r\n", "invalid multibulk length"),
            (b"*\r\n", "invalid multibulk length"),
            (b"*1\r+", "invalid CRLF in request"),
            (b"*1\r\n:1\r\n", "expected '$', got ':'"),
            (b"*1\r\n\x00\r\n", "expected '$', got '\0'"),
            (b"*1\r\n:1\rx", "expected '$', got ':'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$600000000\r\n", "invalid bulk length"),
            (b"*1\r\n$x\r\n", "invalid bulk length"),
            (b"*1\r\n$1\rx", "invalid CRLF in request"),
            (b"*1\r\n$1\r\nabc", "invalid CRLF in request"),
            (b"*1\r\n$1\r\na\n\n", "invalid CRLF in request"),
            (b"get \"a\r\n", "unbalanced quotes in request"),
        ];
        for (bytes, expected) in cases {
            let error = one(bytes, &open()).unwrap_err();
            assert_eq!(text(error), std::format!("-ERR Protocol error: {expected}\r\n"), "{bytes:?}");
        }
    }

    #[test]
    fn lines_without_an_end_are_bounded() {
        let long = |head: &[u8]| [head, &vec![b'1'; 65_537]].concat();
        assert_eq!(one(&long(b"*"), &open()), Err(ProtocolError::BigMultibulkLine));
        assert_eq!(one(&long(b"*1\r\n$"), &open()), Err(ProtocolError::BigBulkLine));
        assert_eq!(one(&long(b"a"), &open()), Err(ProtocolError::BigInline));
    }

    #[test]
    fn before_authentication_limits_are_small() {
        let closed = Limits::new(false, 512 << 20);
        assert_eq!(one(b"*11\r\n", &closed), Err(ProtocolError::UnauthenticatedMultibulkLen));
        assert_eq!(one(b"*10\r\n", &closed).unwrap().0, Decoded::Incomplete);
        assert_eq!(one(b"*1\r\n$16385\r\n", &closed), Err(ProtocolError::UnauthenticatedBulkLen));
        assert_eq!(one(b"*1\r\n$16384\r\n", &closed).unwrap().0, Decoded::Incomplete);
    }

    #[test]
    fn a_sink_of_fixed_size_refuses_what_it_cannot_hold() {
        let mut buf = *b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n";
        let mut args = heapless::Vec::<Span, 2>::new();
        let error = Decoder::default().decode(&mut buf, &open(), &mut args).unwrap_err();
        assert_eq!(error, ProtocolError::TooManyArgs);
    }
}
