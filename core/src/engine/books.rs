//! The books on commands that have run: statistics, command log, latency, MONITOR.
//!
//! To read the clock takes some 10 ns, a twentieth of what a GET in a pipeline takes with all that the server does for it. So quick
//! requests that follow each other are a *run*: small ones of one command, which only reads, in a client's pipeline or of clients
//! whose requests run together. Their time is taken together, when the last of them has run, and shared out; up to then they wait in
//! [`Untimed`]. Counts and the sum of the time are exact. Of a run that took much longer than all its requests should have, one
//! request gets all the time: what held it up happened once. The command log then has the last of the run, or, where the run was
//! ended by something else, none.
//!
//! What was checked and prepared for the first of a run holds for the others of its [`Pattern`]: nothing has changed since, for they
//! only read.
//!
//! Invariant: no run outlives the requests that it is part of ([`Engine::settle_time`]), nor is anything else done in it.

use core::ptr;

use super::commandlog::Measured;
use super::context::{Args, Moment};
use super::session::Session;
use super::shared::Shared;
use super::{Engine, Host, monitor};
use crate::commands::table::{Command, CommandFlags, NameOf};
use crate::config::Settings;

/// Requests of a run, at most: by so much the moment at which they run stands still, some microseconds.
const RUN_MAX: u64 = 16;
/// Bytes of a quick request, and of its reply.
const QUICK_LEN_MAX: usize = 1024;
/// Arguments of a quick request.
const QUICK_ARGS_MAX: usize = 4;
/// What logs shorter times than this, µs, wants to know each.
const QUICK_LOG_FROM_US: i64 = 1000;
/// A run of which a request took longer than this on average, µs, was held up.
const QUICK_US_MAX: u64 = 4;

/// A run whose time is not taken yet.
#[derive(Debug, Default)]
pub(super) struct Untimed {
    command: Option<&'static Command>,
    calls: u64,
    /// What has been checked and prepared for it holds for the next request as well, if that is like these.
    pattern: Option<Pattern>,
}

/// What the requests of a run have in common.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    name: NameOf,
    args: usize,
}

impl Untimed {
    /// The command of a request that may run as the one before it did, without being looked at again.
    #[inline]
    pub(super) fn repeated(&self, session: &Session, args: &Args<'_>) -> Option<&'static Command> {
        let pattern = self.pattern.as_ref()?;
        let is_like = args.len() == pattern.args && session.is_plain() && pattern.name.is(args.at(0));
        is_like.then_some(pattern.name.command)
    }

    /// What runs next is prepared for itself.
    #[inline]
    pub(super) fn set_apart(&mut self) {
        self.pattern = None;
    }

    /// A quick request has run.
    #[inline]
    fn add(&mut self, command: &'static Command, pattern: impl FnOnce() -> Option<Pattern>) {
        self.command = Some(command);
        self.calls += 1;
        if self.pattern.is_none() {
            self.pattern = pattern();
        }
    }

    /// Something else than this begins.
    #[inline]
    pub(super) fn is_over(&self, next: Option<&'static Command>) -> bool {
        self.command.is_some_and(|command| next.is_none_or(|next| !ptr::eq(command, next)))
    }
}

/// What a command that has run leaves for the books.
pub(super) struct Outcome<'a> {
    /// When it began.
    pub(super) began: Moment,
    /// Where its reply begins.
    pub(super) start: usize,
    /// Length of the values that replies before it had been lent.
    pub(super) lent_before: usize,
    /// The database it ran in.
    pub(super) db: u32,
    /// Its reply, behind others.
    pub(super) reply: &'a [u8],
}

impl Engine {
    /// Notes that a command has run, and how long it took; `now` moves on to its end.
    #[inline]
    pub(super) fn keep_books(
        &mut self,
        command: &'static Command,
        session: &mut Session,
        args: &Args<'_>,
        outcome: &Outcome<'_>,
        now: &mut Moment,
        host: &mut dyn Host,
    ) {
        debug_assert!(!self.untimed.is_over(Some(command)), "the run before it is settled");
        let shared = &mut self.shared;
        let reply = outcome.reply.get(outcome.start..).unwrap_or(&[]);
        let own = shared.references.iter().filter(|(at, _)| *at >= outcome.start);
        let referenced: usize = own.map(|(_, bytes)| bytes.len()).sum();
        let lent = shared.loan.as_ref().map_or(0, |loan| loan.len().saturating_sub(outcome.lent_before));
        let failed = reply.first() == Some(&b'-');
        session.commands_processed += 1;
        let mut measured = Measured {
            duration_us: 0,
            request_len: args.wire_len(),
            reply_len: reply.len() + referenced + lent,
        };
        if args.is_followed()
            && is_quick(command, args.len(), measured)
            && !failed
            && self.untimed.calls < RUN_MAX - 1
            && shared.monitors.is_empty()
            && logs_no_quick_ones(shared.config.settings())
        {
            self.untimed.add(command, || shared.pattern_of(command, session, args));
            return;
        }
        if failed {
            shared.stats.count_error(&reply[1..]);
            shared.stats.of(command).failed += 1;
        }
        measured.duration_us = self.end_run(command, 1, outcome.began, now, host);
        let shared = &mut self.shared;
        if !command.flags.contains(CommandFlags::SKIP_COMMANDLOG) {
            let settings = shared.config.settings();
            shared.commandlogs.record(settings, session, args, shared.redacted, outcome.began, measured);
        }
        self.feed_monitors(command, session, outcome.db, args, outcome.began);
    }

    /// Takes the time of the run that waits for that, if one does: before anything is done that is no part of it. `now` moves on to
    /// its end.
    #[inline]
    pub fn settle_time(&mut self, now: &mut Moment, host: &mut dyn Host) {
        if let Some(command) = self.untimed.command {
            self.end_run(command, 0, *now, now, host);
        }
    }

    /// Counts the run that waits, with so many requests that it ends with. Returns how long it took, µs.
    #[inline]
    fn end_run(
        &mut self,
        command: &'static Command,
        last: u64,
        began: Moment,
        now: &mut Moment,
        host: &mut dyn Host,
    ) -> u64 {
        let calls = core::mem::take(&mut self.untimed).calls + last;
        now.advance_to(host.monotonic_us());
        let duration_us = now.mono_us.saturating_sub(began.mono_us);
        self.shared.count(command, calls, began, duration_us);
        duration_us
    }

    /// Tells those who MONITOR of a command that has run or begins to wait.
    pub(super) fn feed_monitors(
        &mut self,
        command: &'static Command,
        session: &Session,
        db: u32,
        args: &Args<'_>,
        began: Moment,
    ) {
        //= valkey 9.1 MONITOR: a command that waits is shown when it begins to, not when it is served
        let was_shown = session.blocked.is_some();
        let is_hidden = command.flags.intersects(CommandFlags::SKIP_MONITOR | CommandFlags::ADMIN);
        if !self.shared.monitors.is_empty() && !was_shown && !is_hidden {
            monitor::feed(&mut self.shared, session, db, args, began);
        }
    }
}

impl Shared {
    /// What a request has in common with those that may run as it did; `None` where each has to be looked at by itself. That
    /// `maxmemory` is over is no reason: room is made before the run, and its requests take none.
    fn pattern_of(&self, command: &'static Command, session: &Session, args: &Args<'_>) -> Option<Pattern> {
        let is_any = session.is_plain() && !self.pause.is_set() && self.tracking.clients() == 0;
        // Neither renamed nor a subcommand.
        let name = NameOf::new(command);
        (is_any && self.renamed.is_empty() && name.is(args.at(0)))
            .then_some(Pattern { name, args: args.len() })
    }

    /// Counts requests of a command that took so long together.
    fn count(&mut self, command: &'static Command, calls: u64, began: Moment, duration_us: u64) {
        self.stats.commands_processed += calls;
        self.stats.commands_us += duration_us;
        let counters = self.stats.of(command);
        counters.calls += calls;
        counters.duration_us += duration_us;
        let (longest_us, longest) = longest_of(calls, duration_us);
        self.stats.longest.command_us = self.stats.longest.command_us.max(longest_us);
        let settings = self.config.settings();
        if settings.latency_tracking {
            if longest < calls {
                let rest_us = (duration_us - longest_us * longest) / (calls - longest);
                self.latency.record_command(command, rest_us, calls - longest);
            }
            self.latency.record_command(command, longest_us, longest);
        }
        let threshold_ms = settings.latency_monitor_threshold;
        if threshold_ms != 0 && longest_us / 1000 >= threshold_ms {
            let fast = command.flags.contains(CommandFlags::FAST);
            let event = if fast { "fast-command" } else { "command" };
            self.latency.add(event, began.unix_s(), longest_us / 1000);
        }
    }
}

/// How long the longest requests of a run took, µs, and how many these are. The others took a microsecond less, or, where one held
/// the run up, none at all.
#[inline]
fn longest_of(calls: u64, duration_us: u64) -> (u64, u64) {
    if calls == 1 || duration_us > calls * QUICK_US_MAX {
        return (duration_us, 1);
    }
    match duration_us % calls {
        0 => (duration_us / calls, calls),
        left => (duration_us / calls + 1, left),
    }
}

/// It cannot have taken long: it has few arguments and only reads, and both it and its reply are small.
#[inline]
fn is_quick(command: &Command, args: usize, measured: Measured) -> bool {
    command.flags.contains(CommandFlags::FAST | CommandFlags::READONLY)
        && args <= QUICK_ARGS_MAX
        && measured.request_len <= QUICK_LEN_MAX
        && measured.reply_len <= QUICK_LEN_MAX
}

/// No log is to have every command, or nearly every.
#[inline]
fn logs_no_quick_ones(settings: &Settings) -> bool {
    let from = |log: usize, least: i64| {
        let (threshold, _) = settings.commandlog[log];
        threshold < 0 || threshold > least
    };
    let len = QUICK_LEN_MAX.cast_signed() as i64;
    from(0, QUICK_LOG_FROM_US) && from(1, len) && from(2, len)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{RUN_MAX, longest_of};
    use crate::commands::table;
    use crate::config::Config;
    use crate::engine::model::BareHost;
    use crate::engine::stats::CommandStats;
    use crate::engine::{Args, ClientSlot, Engine, Moment, NewClient};
    use crate::resp::Span;

    /// An engine with one client.
    struct Asked {
        engine: Engine,
        host: BareHost,
        now: Moment,
        slot: ClientSlot,
    }

    impl Asked {
        fn new() -> Self {
            let (engine, host) = (Engine::new(Config::new(), [1, 2, 3]), BareHost::new());
            let now = Moment { mono_us: host.mono_us, unix_us: 0 };
            let mut asked = Self { engine, host, now, slot: ClientSlot(0) };
            asked.connect(0, true);
            asked
        }

        /// Has another client connect, which asks from now on.
        fn connect(&mut self, slot: u32, authenticated: bool) {
            self.slot = ClientSlot(slot);
            self.engine.shared.clients.insert(NewClient {
                slot: self.slot,
                addr: "".into(),
                laddr: "".into(),
                is_loopback: true,
                is_unix: false,
                fd: 8,
                now_ms: 0,
                authenticated,
            });
        }

        /// Has a request run. Returns how often the clock was read.
        fn ask(&mut self, words: &str, is_followed: bool) -> u64 {
            let before = self.host.mono_us;
            self.reply(words, is_followed);
            self.host.mono_us - before
        }

        /// Has a request run. Returns the reply.
        fn reply(&mut self, words: &str, is_followed: bool) -> Vec<u8> {
            let mut spans: Vec<Span> = Vec::new();
            for word in words.split(' ') {
                let start = spans.last().map_or(0, |span| span.end + 1);
                spans.push(Span { start, end: start + word.len() });
            }
            let args = Args::new(words.as_bytes(), &spans).followed(is_followed);
            let mut out = Vec::new();
            self.engine.execute(self.slot, &args, &mut out, &mut self.now, &mut self.host);
            out
        }

        fn stats(&mut self, name: &str) -> CommandStats {
            let command = table::lookup(name.as_bytes()).unwrap();
            let histogram = self.engine.shared.latency.histogram(command);
            let counted = histogram.map_or(0, |histogram| histogram.count());
            let stats = *self.engine.shared.stats.of(command);
            assert_eq!(counted, stats.calls, "{name}");
            stats
        }
    }

    #[test]
    fn the_clock_is_read_once_for_a_run() {
        let mut asked = Asked::new();
        assert_eq!(asked.ask("SET k v", true), 1, "it writes");
        let began = asked.now;
        let last = 2 * RUN_MAX + 3;
        let read: u64 = (0..=last).map(|count| asked.ask("GET k", count < last)).sum();
        assert_eq!(read, 3);
        let stats = asked.stats("get");
        assert_eq!((stats.calls, stats.duration_us), (last + 1, asked.now.mono_us - began.mono_us));
        assert_eq!(asked.engine.shared.stats.commands_processed, last + 2);
        asked.engine.check();
    }

    #[test]
    fn whatever_is_no_part_of_a_run_ends_it() {
        let mut asked = Asked::new();
        asked.ask("LPUSH l a", true);
        assert_eq!((asked.ask("EXISTS k", true), asked.ask("EXISTS k", true)), (0, 0));
        assert_eq!(asked.ask("STRLEN k", true), 1, "the run before it");
        assert_eq!((asked.stats("exists").calls, asked.stats("strlen").calls), (2, 0));
        assert_eq!(asked.ask("STRLEN l", true), 1, "an error is told at once");
        let stats = asked.stats("strlen");
        assert_eq!((stats.calls, stats.failed), (2, 1));
        assert_eq!(asked.ask("GET k", true), 0);
        assert_eq!(asked.ask("NONE", true), 1);
        assert_eq!((asked.stats("get").calls, asked.ask("GET k", true)), (1, 0));
        let Asked { engine, host, now, .. } = &mut asked;
        engine.settle_time(now, host);
        engine.settle_time(now, host);
        assert_eq!(asked.stats("get").calls, 2);
        asked.engine.check();
    }

    #[test]
    fn requests_of_a_run_are_looked_at_where_they_differ() {
        let mut asked = Asked::new();
        asked.ask("SET k v", true);
        asked.connect(1, true);
        asked.ask("MULTI", false);
        asked.connect(2, true);
        asked.ask("SUBSCRIBE c", false);
        asked.connect(3, true);
        asked.ask("CLIENT REPLY OFF", false);
        asked.connect(4, false);
        let of = |asked: &mut Asked, slot, words: &str| {
            asked.slot = ClientSlot(0);
            assert_eq!(asked.reply("GET k", true), b"$1\r\nv\r\n");
            assert!(asked.engine.untimed.pattern.is_some());
            asked.slot = ClientSlot(slot);
            asked.reply(words, true)
        };
        assert_eq!(of(&mut asked, 0, "GET k"), b"$1\r\nv\r\n");
        assert_eq!(of(&mut asked, 0, "gEt k"), b"$1\r\nv\r\n", "another name of the same");
        assert_eq!(of(&mut asked, 0, "TTL k"), b":-1\r\n", "another command of this length");
        assert!(of(&mut asked, 0, "GET k k").starts_with(b"-ERR wrong number of arguments"));
        assert_eq!(of(&mut asked, 1, "GET k"), b"+QUEUED\r\n");
        assert!(of(&mut asked, 2, "GET k").starts_with(b"-ERR Can't execute 'get'"));
        assert_eq!(of(&mut asked, 3, "GET k"), b"");
        assert!(of(&mut asked, 4, "GET k").starts_with(b"-NOAUTH"));
        let Asked { engine, host, now, .. } = &mut asked;
        engine.settle_time(now, host);
        asked.engine.check();
    }

    #[test]
    fn marks_on_keys_are_left_as_each_client_wants() {
        let mut asked = Asked::new();
        asked.ask("SET k v", false);
        asked.connect(1, true);
        asked.ask("CLIENT NO-TOUCH ON", false);
        asked.now.unix_us += 100_000_000;
        asked.ask("GET k", true);
        asked.ask("GET k", true);
        assert_eq!(asked.reply("OBJECT IDLETIME k", false), b":100\r\n");
        asked.ask("GET k", true);
        asked.slot = ClientSlot(0);
        asked.ask("GET k", true);
        assert_eq!(asked.reply("OBJECT IDLETIME k", false), b":0\r\n");
    }

    #[test]
    fn who_wants_to_know_each_does() {
        let mut asked = Asked::new();
        asked.ask("CONFIG SET slowlog-log-slower-than 1000", false);
        assert_eq!(asked.ask("GET k", true), 1);
        asked.ask("CONFIG SET slowlog-log-slower-than -1", false);
        assert_eq!(asked.ask("GET k", true), 0);
        asked.ask("CONFIG SET commandlog-reply-larger-than 100", false);
        assert_eq!(asked.ask("GET k", true), 1);
    }

    #[test]
    fn time_is_shared_out_and_nothing_is_lost() {
        for calls in 1..=RUN_MAX {
            for duration_us in 0..200 {
                let (longest_us, longest) = longest_of(calls, duration_us);
                assert!((1..=calls).contains(&longest));
                let rest = calls - longest;
                let rest_us = (duration_us - longest_us * longest).checked_div(rest).unwrap_or(0);
                assert_eq!(longest_us * longest + rest_us * rest, duration_us, "{calls} in {duration_us} us");
                assert!(rest_us <= longest_us);
            }
        }
        assert_eq!(longest_of(16, 3), (1, 3), "as if each had been read off the clock");
        assert_eq!(longest_of(16, 5000), (5000, 1), "one was held up");
    }
}
