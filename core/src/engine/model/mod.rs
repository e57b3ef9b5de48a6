//! Whole sessions on the engine: the same function is the unit test and the fuzz target.
//!
//! Bytes decide who is connected, what each asks ([`request`]), when time passes and who leaves. What must hold: a request
//! gets one whole reply in the protocol that its session speaks, whatever is delivered to a session is whole too, values
//! that are lent stay as they were, and when all have left nothing is left of them ([`Engine::check`]).

mod choice;
mod host;
mod player;
mod replies;
pub mod request;
mod words;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use self::choice::Choice;
pub use self::host::BareHost;

use self::player::Player;
use super::{ClientSlot, Engine, HostRequest, Moment};
use crate::config::{Config, Origin};
use crate::keyspace::Loan;

/// What the wall clock shows at first, ms since 1970.
const START_MS: i64 = 1_700_000_000_000;
/// Bytes that decide one step.
const STEP_LEN: usize = 8;
/// Steps of one run, so that it stays short.
const STEPS_MAX: usize = 300;
/// Steps between two recounts.
const CHECK_EVERY: usize = 32;
/// Replies that may be on their way with values that are lent.
const LENT_MAX: usize = 3;

/// A reply that is on its way: what was lent to it, the bytes around that, and what it must be when it is put together.
struct Lent {
    loan: Box<Loan>,
    around: Vec<u8>,
    whole: Vec<u8>,
}

/// An engine and everybody around it.
struct Play {
    engine: Engine,
    host: BareHost,
    now: Moment,
    players: Vec<Player>,
    lent: Vec<Lent>,
}

/// Runs sessions that bytes decide.
///
/// # Panics
/// When something does not hold.
pub fn run(data: &[u8]) {
    let Some((&[first, protocols], rest)) = data.split_first_chunk::<2>() else { return };
    let mut play = Play::new(1 + usize::from(first % 4));
    for (index, player) in (0..play.players.len()).enumerate() {
        play.join(player, protocols >> index & 1 == 1);
    }
    for (count, step) in rest.chunks(STEP_LEN).take(STEPS_MAX).enumerate() {
        let (&kind, bytes) = step.split_first().unwrap_or((&0, &[]));
        play.step(kind, &mut Choice::new(bytes));
        if count % CHECK_EVERY == 0 {
            play.end_run();
            play.engine.check();
        }
    }
    play.end();
}

impl Play {
    fn new(players: usize) -> Self {
        let mut config = Config::new();
        // Long strings and DEBUG: the one would only take time, the other is part of it.
        let pairs: [(&[u8], &[u8]); 3] = [
            (b"proto-max-bulk-len", b"1mb"),
            (b"enable-debug-command", b"yes"),
            (b"hash-max-listpack-entries", b"8"),
        ];
        config.set_many(&pairs, Origin::Startup).expect("values that are allowed");
        let host = BareHost::new();
        let now = Moment { mono_us: host.mono_us, unix_us: START_MS * 1000 };
        let players = (0..players).map(|_| Player::default()).collect();
        Self { engine: Engine::new(config, [1, 2, 3]), host, now, players, lent: Vec::new() }
    }

    fn step(&mut self, kind: u8, choice: &mut Choice<'_>) {
        let who = usize::from(kind >> 6) % self.players.len();
        if !self.players[who].is_there {
            self.join(who, kind & 1 == 1);
        }
        if kind & 0x3f >= 54 {
            self.end_run();
        }
        let words = match kind & 0x3f {
            0..36 => request::any(choice),
            36..42 => request::transaction(choice),
            42..46 => request::fill(choice),
            46..50 => request::listening(choice),
            50..53 => request::setting(choice),
            53 => request::debug(choice),
            54..58 => return self.pass(choice),
            58 => return self.leave(who),
            59 => return self.give_back(choice.below(LENT_MAX + 1)),
            60 => return self.engine.check(),
            61 => {
                self.host.io.reply_capacity = choice.below(4) << 12;
                return;
            }
            _ => return self.keep_up(),
        };
        self.ask(who, &words, choice.below(8));
    }

    /// Nothing follows the requests that have run.
    fn end_run(&mut self) {
        self.engine.settle_time(&mut self.now, &mut self.host);
    }

    /// Time passes, and what has become due is done.
    fn pass(&mut self, choice: &mut Choice<'_>) {
        let ms = choice.of(&[0u64, 1, 1, 2, 10, 100, 1500, 100_000]);
        self.host.mono_us += ms * 1000;
        self.now.advance_to(self.host.mono_us);
        self.keep_up();
    }

    /// What the server does between requests.
    fn keep_up(&mut self) {
        let Self { engine, host, now, .. } = self;
        engine.keyspace.reclaim_step(8);
        engine.shared.tracking.clean_step(2);
        engine.serve_freed(now, host);
        if engine.is_evicting() {
            engine.make_room(*now, host);
        }
        engine.end_overdue_waits(*now);
        if engine.shared.expires_actively() && !engine.shared.pause.is_set() {
            engine.expire_step(now, 4, host);
        }
        engine.shared.limit_tracked_keys();
        engine.keyspace.settle_loans();
        self.settle();
        if self.engine.shared.tracking.has_broadcast() {
            self.engine.shared.broadcast_stale();
            self.settle();
        }
        let pause = &mut self.engine.shared.pause;
        if pause.is_set() && pause.kind(self.now.unix_ms()).is_none() {
            pause.end();
        }
        (0..self.players.len()).for_each(|who| self.ask_again(who));
        while self.engine.shared.clients_are_over() {
            let Some(slot) = self.engine.shared.client_memory.largest() else { return };
            self.leave(slot.0 as usize);
        }
    }

    /// Hands out what is for sessions, and does what the engine asks of the server.
    fn settle(&mut self) {
        for delivery in core::mem::take(&mut self.engine.shared.deliveries) {
            let session = self.engine.shared.clients.get(delivery.to).expect("a delivery is for somebody");
            replies::check_delivery(&delivery.bytes, session.proto);
        }
        for asked in core::mem::take(&mut self.engine.shared.requests) {
            match asked {
                HostRequest::Kill(slot) | HostRequest::ReplyTooLarge(slot) => self.leave(slot.0 as usize),
                HostRequest::Unblocked(slot) => {
                    let session = self.engine.shared.clients.get(slot).expect("somebody waits no longer");
                    assert!(session.blocked.is_none());
                    self.players[slot.0 as usize].waits = false;
                }
                HostRequest::LimitsChanged => self.engine.begin_eviction(),
                HostRequest::Shutdown { .. } | HostRequest::PauseChanged | HostRequest::Crash(_) => {}
            }
        }
    }

    /// A reply is sent: what was lent to it is there still.
    fn give_back(&mut self, which: usize) {
        if let Some(which) = which.checked_rem(self.lent.len()) {
            let mut lent = self.lent.swap_remove(which);
            let mut whole = Vec::new();
            lent.loan.fill(&lent.around, &mut whole);
            assert_eq!(whole, lent.whole, "a value that is lent has changed");
            lent.loan.end();
        }
    }

    /// All leave; nothing is left of them, nor of the keys when these are removed.
    fn end(&mut self) {
        self.end_run();
        (0..self.players.len()).for_each(|who| self.leave(who));
        self.engine.check();
        (0..self.lent.len()).for_each(|_| self.give_back(0));
        let Engine { keyspace, shared, .. } = &mut self.engine;
        assert!(shared.clients.is_empty() && shared.watches.is_empty() && shared.pubsub.is_empty());
        assert!(
            shared.blocking.is_empty() && shared.blocking.timed() == 0 && shared.blocking.keys_len() == 0
        );
        assert!(shared.monitors.is_empty() && shared.deliveries.is_empty());
        shared.tracking.clean_step(usize::MAX);
        let tracked = [shared.tracking.clients(), shared.tracking.keys(), shared.tracking.items()];
        assert_eq!((tracked, shared.tracking.prefixes()), ([0; 3], 0));
        assert_eq!((shared.client_memory.total(), shared.client_memory.leaving()), (0, 0));
        (0..shared.config.settings().databases as usize).for_each(|db| {
            keyspace.flush(db);
        });
        while keyspace.reclaim_step(64) {}
        keyspace.check();
        assert_eq!((keyspace.to_reclaim(), keyspace.garbage_bytes()), (0, 0));
    }

    fn slot(who: usize) -> ClientSlot {
        ClientSlot(u32::try_from(who).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Play, run};
    use crate::rng::Rng;

    #[test]
    fn sessions_that_chance_makes() {
        let (seeds, steps) = if cfg!(miri) { (1, 40) } else { (100, 240) };
        for seed in 1..=seeds {
            let mut rng = Rng::new(seed);
            let data: Vec<u8> = (0..2 + 8 * steps).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
            run(&data);
        }
    }

    /// An engine that is told of a client's leaving in part only.
    fn after_half_a_leave(request: &[&[u8]]) -> Play {
        let mut play = Play::new(2);
        (0..2).for_each(|who| play.join(who, true));
        play.ask(1, &request.iter().map(|word| word.to_vec()).collect(), 0);
        play.engine.check();
        play.engine.shared.clients.remove(Play::slot(1));
        play
    }

    #[test]
    #[should_panic(expected = "watched keys")]
    fn a_watch_that_is_left_is_found() {
        after_half_a_leave(&[b"WATCH", b"k"]).engine.check();
    }

    #[test]
    #[should_panic(expected = "subscriptions")]
    fn a_subscription_that_is_left_is_found() {
        after_half_a_leave(&[b"SUBSCRIBE", b"ch"]).engine.check();
    }

    #[test]
    #[should_panic(expected = "who is shown commands")]
    fn a_monitor_that_is_left_is_found() {
        after_half_a_leave(&[b"MONITOR"]).engine.check();
    }

    #[test]
    #[should_panic(expected = "accounts of clients")]
    fn an_account_that_is_left_is_found() {
        after_half_a_leave(&[b"PING"]).engine.check();
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn a_wait_that_is_left_is_found() {
        after_half_a_leave(&[b"BLPOP", b"k", b"0"]).engine.check();
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn tracking_that_is_left_is_found() {
        after_half_a_leave(&[b"CLIENT", b"TRACKING", b"ON", b"BCAST"]).engine.check();
    }

    #[test]
    #[should_panic(expected = "an empty")]
    fn an_empty_object_is_found() {
        crate::types::Object::Set(crate::types::set::Set::new()).check();
    }
}
