//! How many replies are owed for the bytes that came, and which bytes are to be sent next: counting, and no more.
//!
//! The invariant: all that was received is whole requests, each of which was answered or is owed, and less than one request more.

/// Replies are sent from a buffer of at least so many bytes, so that those to a pipeline go out with one call, as the server's do.
const BUFFER_LEN: usize = 64 * 1024;
/// What load generators ask before they begin, each on a connection of its own: the server's configuration.
const CONFIG: &[u8] = b"$6\r\nCONFIG\r\n";
/// The answer to it.
const NO_CONFIG: &[u8] = b"-ERR the floor has no configuration\r\n";

/// What comes and what is answered; the same for all connections.
#[derive(Debug)]
pub(crate) struct Script {
    request_len: usize,
    reply_len: usize,
    /// Whole replies, one behind the other.
    replies: Vec<u8>,
}

/// One connection's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Bytes of a request that is not whole.
    partial: usize,
    /// Bytes of replies that are not sent; the first of them may be the rest of a reply.
    owed: u64,
}

impl Script {
    /// Requests of `request_len` bytes, at least 1, each answered by `reply`.
    pub(crate) fn new(request_len: usize, reply: &[u8]) -> Self {
        let reply_len = reply.len().max(1);
        let replies = reply.repeat(BUFFER_LEN.div_ceil(reply_len));
        Self { request_len: request_len.max(1), reply_len, replies }
    }
}

impl Account {
    /// Books bytes that have come.
    #[inline]
    pub(crate) fn receive(&mut self, len: usize, script: &Script) {
        let all = self.partial + len;
        self.partial = all % script.request_len;
        self.owed += (all / script.request_len) as u64 * script.reply_len as u64;
    }

    /// Something is to be sent.
    #[inline]
    pub(crate) fn owes(&self) -> bool {
        self.owed > 0
    }

    /// What is to be sent next; nothing when nothing is owed.
    #[inline]
    pub(crate) fn next<'a>(&self, script: &'a Script) -> &'a [u8] {
        let sent_of_one = match self.owed % script.reply_len as u64 {
            0 => 0,
            // Less than the length of a reply.
            rest => script.reply_len - usize::try_from(rest).unwrap_or(script.reply_len),
        };
        let rest = script.replies.get(sent_of_one..).unwrap_or(&[]);
        let len = usize::try_from(self.owed).unwrap_or(usize::MAX).min(rest.len());
        rest.get(..len).unwrap_or(&[])
    }

    /// Books bytes that were sent of those.
    #[inline]
    pub(crate) fn sent(&mut self, len: usize) {
        self.owed = self.owed.saturating_sub(len as u64);
    }
}

/// The answer to the first bytes of a connection that asks for the configuration; `None` where it does not.
pub(crate) fn no_config(first: &[u8]) -> Option<Vec<u8>> {
    first.strip_prefix(b"*3\r\n")?.strip_prefix(CONFIG)?;
    Some(NO_CONFIG.repeat(first.windows(CONFIG.len()).filter(|window| *window == CONFIG).count()))
}

#[cfg(test)]
mod tests {
    use super::{Account, NO_CONFIG, Script, no_config};

    /// Bytes come and go in pieces of many lengths; what is sent is the reply, as often as whole requests came.
    #[test]
    fn any_pieces_give_the_same_replies() {
        for (request_len, reply) in
            [(1, &b"+OK\r\n"[..]), (36, b"$3\r\nabc\r\n"), (107, b":1\r\n"), (5, b"x")]
        {
            let script = Script::new(request_len, reply);
            let (mut account, mut received, mut sent) = (Account::default(), 0, Vec::new());
            for step in 0..2_000_usize {
                let len = step * step % 301;
                received += len;
                account.receive(len, &script);
                let next = account.next(&script);
                let count = next.len().min(step % 97);
                sent.extend_from_slice(&next[..count]);
                account.sent(count);
            }
            while account.owes() {
                let next = account.next(&script);
                assert!(!next.is_empty());
                let len = next.len();
                sent.extend_from_slice(next);
                account.sent(len);
            }
            assert_eq!(sent, reply.repeat(received / request_len), "{request_len}");
            assert_eq!(account, Account { partial: received % request_len, owed: 0 });
            assert_eq!(account.next(&script), b"");
        }
    }

    #[test]
    fn replies_to_a_pipeline_are_sent_at_once() {
        let script = Script::new(36, &[b'x'; 71]);
        let mut account = Account::default();
        account.receive(64 * 36, &script);
        assert_eq!(account.next(&script).len(), 64 * 71);
        // One reply that is longer than the buffer is sent whole all the same.
        let script = Script::new(36, &vec![b'x'; 1 << 20]);
        let mut account = Account::default();
        account.receive(72, &script);
        assert_eq!(account.next(&script).len(), 1 << 20);
    }

    #[test]
    fn questions_for_the_configuration_are_told_from_requests() {
        let save = b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$4\r\nsave\r\n";
        assert_eq!(no_config(save), Some(NO_CONFIG.to_vec()));
        assert_eq!(no_config(&[&save[..], save].concat()), Some(NO_CONFIG.repeat(2)));
        assert_eq!(no_config(b"*2\r\n$3\r\nGET\r\n$6\r\nCONFIG\r\n"), None);
        assert_eq!(no_config(b""), None);
    }
}
