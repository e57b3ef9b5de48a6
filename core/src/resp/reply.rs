//! Encoder of replies, for RESP2 and RESP3.
//!
//! A type that RESP2 lacks is written as what RESP2 clients of the reference get: a map as a flat array, a
//! double as a bulk string, a null as the null bulk string or array.

use super::sink::Sink;
use crate::num;

/// The protocol a client has chosen with HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Proto {
    /// The protocol of old: what every client begins with.
    #[default]
    Resp2,
    /// Maps, sets, doubles, pushes and more.
    Resp3,
}

/// Writes the reply of one command.
#[cfg(feature = "alloc")]
pub struct Reply<'a, S: Sink = alloc::vec::Vec<u8>> {
    out: &'a mut S,
    proto: Proto,
}

/// Writes the reply of one command.
#[cfg(not(feature = "alloc"))]
pub struct Reply<'a, S: Sink> {
    out: &'a mut S,
    proto: Proto,
}

impl<S: Sink> core::fmt::Debug for Reply<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reply").field("proto", &self.proto).finish_non_exhaustive()
    }
}

impl<'a, S: Sink> Reply<'a, S> {
    /// A writer that appends to `out`.
    #[inline]
    pub fn new(out: &'a mut S, proto: Proto) -> Self {
        Self { out, proto }
    }

    /// The protocol it writes.
    #[inline]
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// From here on, another protocol (HELLO, RESET).
    pub fn set_proto(&mut self, proto: Proto) {
        self.proto = proto;
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.put(b"+OK\r\n");
    }

    /// A status line. It must not contain line ends.
    pub fn status(&mut self, text: &[u8]) {
        self.out.put_framed(b"+", text);
    }

    /// An error line: its code and text, without the leading `-`. Line ends in it become spaces.
    pub fn error(&mut self, line: &[u8]) {
        self.error_parts(&[line]);
    }

    /// Same, from parts.
    #[cold]
    pub fn error_parts(&mut self, parts: &[&[u8]]) {
        self.out.put(b"-");
        for part in parts {
            for piece in part.chunk_by(|&a, &b| is_line_end(a) == is_line_end(b)) {
                if piece.first().copied().is_some_and(is_line_end) {
                    piece.iter().for_each(|_| self.out.put(b" "));
                } else {
                    self.out.put(piece);
                }
            }
        }
        self.out.put(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// An unsigned integer; what passes the protocol's range is cut to its largest.
    #[inline]
    pub fn unsigned(&mut self, value: u64) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A count.
    #[inline]
    pub fn count(&mut self, value: usize) {
        self.unsigned(value as u64);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        // Lengths of one and two digits, as nearly all have: heads whose own length is known here.
        match bytes.len() {
            len @ 0..10 => self.out.put_framed(&[b'$', digit(len), b'\r', b'\n'], bytes),
            len @ 10..100 => {
                self.out.put_framed(&[b'$', digit(len / 10), digit(len % 10), b'\r', b'\n'], bytes);
            }
            len => {
                let mut text = itoa::Buffer::new();
                let mut head = [0u8; 24];
                self.out.put(header(&mut head, b'$', text.format(len).as_bytes()));
                self.out.put_framed(b"", bytes);
            }
        }
    }

    /// The head of a bulk string whose `len` bytes are sent from elsewhere; [`Self::bulk_end`] follows them.
    pub fn bulk_head(&mut self, len: usize) {
        self.aggregate(b'$', len);
    }

    /// The end of a bulk string.
    pub fn bulk_end(&mut self) {
        self.out.put(b"\r\n");
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Nothing: the null bulk string in RESP2.
    #[inline]
    pub fn null(&mut self) {
        self.out.put(if self.proto == Proto::Resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing where an array would be: the null array in RESP2.
    pub fn null_array(&mut self) {
        self.out.put(if self.proto == Proto::Resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The head of an array; `len` replies follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.aggregate(b'*', len);
    }

    /// The head of a map; `len` pairs of replies follow.
    pub fn map(&mut self, len: usize) {
        match self.proto {
            Proto::Resp3 => self.aggregate(b'%', len),
            Proto::Resp2 => self.aggregate(b'*', len.saturating_mul(2)),
        }
    }

    /// The head of a set; `len` replies follow.
    pub fn set(&mut self, len: usize) {
        self.aggregate(if self.proto == Proto::Resp3 { b'~' } else { b'*' }, len);
    }

    /// The head of a push message; `len` replies follow.
    pub fn push(&mut self, len: usize) {
        self.aggregate(if self.proto == Proto::Resp3 { b'>' } else { b'*' }, len);
    }

    /// The head of an attribute; `len` pairs follow, then the reply it describes. RESP3 only: nothing is
    /// written to a RESP2 client, which must not be sent the pairs either. Returns whether to send them.
    pub fn attribute(&mut self, len: usize) -> bool {
        if self.proto == Proto::Resp3 {
            self.aggregate(b'|', len);
        }
        self.proto == Proto::Resp3
    }

    /// A double.
    pub fn double(&mut self, value: f64) {
        let mut text = num::DoubleText::new();
        let text = text.format(value);
        match self.proto {
            Proto::Resp3 => self.out.put_framed(b",", text),
            Proto::Resp2 => self.bulk(text),
        }
    }

    /// Text of a number that was formatted already, as a double.
    pub fn double_text(&mut self, text: &[u8]) {
        match self.proto {
            Proto::Resp3 => self.out.put_framed(b",", text),
            Proto::Resp2 => self.bulk(text),
        }
    }

    /// A truth value: an integer in RESP2.
    pub fn boolean(&mut self, value: bool) {
        self.out.put(match (self.proto, value) {
            (Proto::Resp3, true) => b"#t\r\n",
            (Proto::Resp3, false) => b"#f\r\n",
            (Proto::Resp2, true) => b":1\r\n",
            (Proto::Resp2, false) => b":0\r\n",
        });
    }

    /// Text with a hint of its format (`txt`, `mkd`): a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        if self.proto == Proto::Resp2 {
            return self.bulk(text);
        }
        let mut digits = itoa::Buffer::new();
        let len = digits.format(text.len().saturating_add(4)).as_bytes();
        let mut head = [0u8; 24];
        self.out.put(header(&mut head, b'=', len));
        self.out.put(format);
        self.out.put_framed(b":", text);
    }

    /// An integer of any size, as text: a bulk string in RESP2.
    pub fn big_number(&mut self, text: &[u8]) {
        match self.proto {
            Proto::Resp3 => self.out.put_framed(b"(", text),
            Proto::Resp2 => self.bulk(text),
        }
    }

    /// Bytes that are encoded already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put(bytes);
    }

    #[inline]
    fn aggregate(&mut self, mark: u8, len: usize) {
        self.number(mark, i64::try_from(len).unwrap_or(i64::MAX));
    }

    #[inline]
    fn number(&mut self, mark: u8, value: i64) {
        if let Ok(small @ 0..10) = usize::try_from(value) {
            return self.out.put(&[mark, digit(small), b'\r', b'\n']);
        }
        let mut text = itoa::Buffer::new();
        let mut head = [0u8; 24];
        let line = header(&mut head, mark, text.format(value).as_bytes());
        self.out.put(line);
    }
}

#[cfg(feature = "alloc")]
impl Reply<'_> {
    /// How many bytes there are in the buffer that is written to.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// The head of an array whose `len` replies stand behind `position` already: for lengths known only at the end.
    pub fn array_since(&mut self, position: usize, len: usize) {
        self.head_since(position, |head| head.array(len));
    }

    /// Same, of a map of `len` pairs.
    pub fn map_since(&mut self, position: usize, len: usize) {
        self.head_since(position, |head| head.map(len));
    }

    fn head_since(&mut self, position: usize, write: impl FnOnce(&mut Reply<'_>)) {
        let mut head = alloc::vec::Vec::with_capacity(24);
        write(&mut Reply::new(&mut head, self.proto));
        self.out.splice(position..position, head);
    }
}

/// `<mark><text>\r\n` in a scratch array; text has at most 20 bytes.
#[inline]
fn header<'h>(head: &'h mut [u8; 24], mark: u8, text: &[u8]) -> &'h [u8] {
    let len = text.len();
    let [first, rest @ ..] = &mut *head;
    *first = mark;
    if let Some(place) = rest.get_mut(..len) {
        place.copy_from_slice(text);
    }
    if let Some([cr, lf]) = rest.get_mut(len..len.saturating_add(2)) {
        *cr = b'\r';
        *lf = b'\n';
    }
    head.get(..len.saturating_add(3)).unwrap_or(&[])
}

/// The digit of a number below ten.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "one digit")]
fn digit(value: usize) -> u8 {
    b'0' | value as u8
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\r' || byte == b'\n'
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Proto, Reply};

    fn both(write: impl Fn(&mut Reply<'_>), resp2: &[u8], resp3: &[u8]) {
        for (proto, expected) in [(Proto::Resp2, resp2), (Proto::Resp3, resp3)] {
            let mut out = Vec::new();
            write(&mut Reply::new(&mut out, proto));
            assert_eq!(
                alloc::string::String::from_utf8_lossy(&out),
                alloc::string::String::from_utf8_lossy(expected)
            );
        }
    }

    #[test]
    fn every_type_in_both_protocols() {
        both(|r| r.ok(), b"+OK\r\n", b"+OK\r\n");
        both(|r| r.error(b"ERR a\r\nb"), b"-ERR a  b\r\n", b"-ERR a  b\r\n");
        both(|r| r.integer(i64::MIN), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n");
        both(|r| r.bulk(b"a\r\nb"), b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n");
        both(|r| r.bulk(b""), b"$0\r\n\r\n", b"$0\r\n\r\n");
        both(|r| r.null(), b"$-1\r\n", b"_\r\n");
        both(|r| r.null_array(), b"*-1\r\n", b"_\r\n");
        both(|r| r.array(3), b"*3\r\n", b"*3\r\n");
        both(|r| r.map(2), b"*4\r\n", b"%2\r\n");
        both(|r| r.set(2), b"*2\r\n", b"~2\r\n");
        both(|r| r.push(2), b"*2\r\n", b">2\r\n");
        both(|r| assert_eq!(r.attribute(1), r.proto() == Proto::Resp3), b"", b"|1\r\n");
        both(|r| r.double(1.5), b"$3\r\n1.5\r\n", b",1.5\r\n");
        both(|r| r.double(f64::NEG_INFINITY), b"$4\r\n-inf\r\n", b",-inf\r\n");
        both(|r| r.boolean(true), b":1\r\n", b"#t\r\n");
        both(|r| r.verbatim(b"txt", b"hey"), b"$3\r\nhey\r\n", b"=7\r\ntxt:hey\r\n");
        both(|r| r.big_number(b"123"), b"$3\r\n123\r\n", b"(123\r\n");
    }

    //= security CVE-2025-49112: a head that is known last, and one of nothing
    #[test]
    fn a_head_goes_before_what_is_written() {
        let fill = |r: &mut Reply<'_>| {
            r.ok();
            let start = r.position();
            r.integer(1);
            r.integer(2);
            start
        };
        both(
            |r| {
                let start = fill(r);
                r.array_since(start, 2);
            },
            b"+OK\r\n*2\r\n:1\r\n:2\r\n",
            b"+OK\r\n*2\r\n:1\r\n:2\r\n",
        );
        both(
            |r| {
                let start = fill(r);
                r.map_since(start, 1);
            },
            b"+OK\r\n*2\r\n:1\r\n:2\r\n",
            b"+OK\r\n%1\r\n:1\r\n:2\r\n",
        );
        both(|r| r.array_since(0, 0), b"*0\r\n", b"*0\r\n");
    }

    #[test]
    fn a_sink_of_fixed_size_tells_an_overflow() {
        let mut sink = (heapless::Vec::<u8, 8>::new(), false);
        Reply::new(&mut sink, Proto::Resp2).integer(12);
        assert_eq!((sink.0.as_slice(), sink.1), (b":12\r\n".as_slice(), false));
        Reply::new(&mut sink, Proto::Resp2).bulk(b"far too long");
        assert!(sink.1);
    }
}
