//! One of those who are connected.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::request::{Words, encode};
use super::{LENT_MAX, Lent, Play, replies};
use crate::commands::table;
use crate::engine::{Args, Flow, NewClient, SessionFlags};
use crate::resp::{Decoded, Decoder, Limits, Proto, Span};

/// One of those who are connected, or were.
#[derive(Debug, Default)]
pub(super) struct Player {
    pub(super) is_there: bool,
    /// Its request waits for keys: it asks nothing else meanwhile.
    pub(super) waits: bool,
    /// What waits for the end of a pause.
    postponed: Option<Words>,
    /// It has queued a command of more or fewer replies than one: EXEC's count is not that of its parts.
    queued_uncounted: bool,
}

/// Commands that answer once for each channel, in RESP3 out of the order of replies.
fn is_uncounted(name: &[u8]) -> bool {
    let all: [&[u8]; 6] =
        [b"subscribe", b"psubscribe", b"ssubscribe", b"unsubscribe", b"punsubscribe", b"sunsubscribe"];
    all.iter().any(|one| one.eq_ignore_ascii_case(name))
}

impl Play {
    /// Somebody connects.
    pub(super) fn join(&mut self, who: usize, is_resp3: bool) {
        self.engine.shared.clients.insert(NewClient {
            slot: Self::slot(who),
            addr: "127.0.0.1:1".into(),
            laddr: "127.0.0.1:2".into(),
            is_loopback: true,
            is_unix: false,
            fd: 8,
            now_ms: self.now.unix_ms(),
            authenticated: true,
        });
        self.players[who] = Player { is_there: true, ..Player::default() };
        if is_resp3 {
            self.ask(who, &alloc::vec![b"HELLO".to_vec(), b"3".to_vec()], 0);
        }
    }

    /// Somebody is gone, in the middle of whatever it was.
    pub(super) fn leave(&mut self, who: usize) {
        if core::mem::take(&mut self.players[who].is_there) {
            self.engine.shared.forget(Self::slot(who));
        }
    }

    /// Asks what a pause has postponed.
    pub(super) fn ask_again(&mut self, who: usize) {
        if let Some(words) = self.players[who].postponed.take().filter(|_| self.players[who].is_there) {
            self.ask(who, &words, 0);
        }
    }

    /// Has a session ask something, unless its last request is not answered yet. The bits of `how`: the hash of the key and
    /// the command are known beforehand; the reply is sent by another thread; another request follows.
    pub(super) fn ask(&mut self, who: usize, words: &Words, how: usize) {
        let player = &self.players[who];
        if player.waits || player.postponed.is_some() || words.is_empty() {
            return;
        }
        let mut wire = encode(words);
        let mut spans: Vec<Span> = Vec::new();
        let decoded = Decoder::default().decode(&mut wire, &Limits::new(true, 1 << 20), &mut spans);
        assert_eq!(decoded, Ok(Decoded::Request { consumed: wire.len() }));
        let mut args = Args::new(&wire, &spans);
        if how & 1 == 1 {
            let hash = words.get(1).map(|key| self.engine.keyspace.hasher().key(key).hash);
            args = args.with_hints(hash, table::lookup(&words[0]));
        }
        args = args.followed(how & 4 == 4);
        let before = self.mode(who);
        if how & 2 == 2 && self.lent.len() < LENT_MAX {
            self.engine.begin_lending(Box::new(self.engine.keyspace.new_loan()));
        }
        let mut out = Vec::new();
        let flow = self.engine.execute(Self::slot(who), &args, &mut out, &mut self.now, &mut self.host);
        self.host.mono_us = self.host.mono_us.max(self.now.mono_us);
        if let Some(out) = self.put_together(out) {
            self.check_reply(who, words, flow, &out, before);
        }
        let io = self.host.io;
        self.engine.shared.charge(Self::slot(who), &io);
        self.players[who].waits = flow == Flow::Blocked;
        if flow == Flow::Postponed {
            self.players[who].postponed = Some(words.clone());
        }
        self.settle();
        if flow == Flow::Close {
            self.leave(who);
        }
    }

    fn mode(&self, who: usize) -> (Proto, SessionFlags) {
        let session = self.engine.shared.clients.get(Self::slot(who)).expect("somebody is there");
        (session.proto, session.flags)
    }

    /// The reply with the values that lie elsewhere; `None` when there are such of both kinds, whose order only the server
    /// keeps.
    fn put_together(&mut self, out: Vec<u8>) -> Option<Vec<u8>> {
        let references = core::mem::take(&mut self.engine.shared.references);
        let loan = self.engine.end_lending().filter(|loan| !loan.is_empty());
        if let Some(loan) = loan {
            let mut whole = Vec::new();
            loan.fill(&out, &mut whole);
            self.lent.push(Lent { loan, around: out, whole: whole.clone() });
            return references.is_empty().then_some(whole);
        }
        let (mut whole, mut from) = (Vec::new(), 0);
        for (at, bytes) in &references {
            whole.extend_from_slice(&out[from..*at]);
            whole.extend_from_slice(bytes);
            from = *at;
        }
        whole.extend_from_slice(&out[from..]);
        Some(whole)
    }

    /// A request has one reply, in the protocol of the session; none where none is to be.
    fn check_reply(
        &mut self,
        who: usize,
        words: &Words,
        flow: Flow,
        out: &[u8],
        (proto, flags): (Proto, SessionFlags),
    ) {
        let (proto_after, flags_after) = self.mode(who);
        let session = self.engine.shared.clients.get(Self::slot(who)).expect("somebody is there");
        let (is_subscriber, in_multi) = (session.is_subscriber(), session.multi.is_some());
        let player = &mut self.players[who];
        let name = words[0].to_ascii_lowercase();
        player.queued_uncounted |= in_multi && is_uncounted(&name);
        let is_uncounted = is_uncounted(&name) || player.queued_uncounted;
        player.queued_uncounted &= in_multi;
        let count = replies::count(out, proto, proto_after);
        let shown = || alloc::format!("{words:?}: {}", out.escape_ascii());
        let drops = SessionFlags::REPLY_OFF | SessionFlags::REPLY_SKIP | SessionFlags::REPLY_SKIP_NEXT;
        if matches!(flow, Flow::Blocked | Flow::Postponed) {
            assert_eq!(count.replies, 0, "{}", shown());
        } else if is_uncounted {
            assert!(
                count.replies + count.pushes > 0 || (flags | flags_after).intersects(drops),
                "{}",
                shown()
            );
        } else if (flags | flags_after).intersects(drops) || flow == Flow::Close {
            assert!(count.replies <= 1, "{}", shown());
        } else {
            // In RESP2 a message that comes before the reply looks like one.
            let messages = if is_subscriber && proto == Proto::Resp2 { count.messages } else { 0 };
            assert!((1..=1 + messages).contains(&count.replies), "{}", shown());
        }
    }
}
