//! The engine: runs requests for sessions.
//!
//! [`Engine::execute`] takes one request of one client through the checks that every command shares (existence, arity, authentication,
//! memory, pause; one that is like those before it has passed them with them), runs it, and keeps the books (statistics, command log,
//! latency, MONITOR). It is pure: time and randomness are arguments, everything outside is behind [`Host`], bytes for other clients are
//! left in [`Shared::deliveries`] and work for the server in [`Shared::requests`].
//!
//! Invariant: a request that is refused or postponed has changed no key.

mod blocking;
mod books;
#[cfg(any(test, fuzzing))]
mod check;
pub mod client_memory;
mod clock;
pub mod commandlog;
mod context;
mod error;
mod evict;
pub mod host;
pub mod latency;
#[cfg(any(test, fuzzing))]
pub mod model;
mod monitor;
mod multi;
mod notify;
mod pause;
pub mod pubsub;
mod reject;
mod session;
mod shared;
pub mod stats;
pub mod tracking;
mod watch;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

pub use self::blocking::{Blocking, Denied, Wait};
pub use self::context::{Args, Ctx, Moment, OwnedArgs};
pub use self::error::{CmdError, CmdResult};
pub use self::evict::Room;
pub use self::host::{Host, HostRequest};
pub use self::multi::{EndOfWait, Multi};
pub use self::pause::{Pause, PauseKind};
pub use self::session::{ClientId, ClientSlot, Clients, NewClient, Session, SessionFlags};
pub use self::shared::{Delivery, Shared};
pub use self::watch::{Watched, WatchedKeys, Watches};

use self::books::{Outcome, Untimed};
use self::client_memory::ClientMemory;
use self::commandlog::CommandLogs;
use self::evict::EvictionPool;
use self::latency::LatencyMonitor;
use self::pubsub::PubSub;
use self::reject::Refusal;
use self::stats::Stats;
use self::tracking::Tracking;
use crate::commands::table::{Command, CommandFlags};
use crate::config::{Config, Settings};
use crate::keyspace::{AccessPolicy, HashSeed, Keyspace, Layout, Loan, Now};
use crate::resp::Reply;
use crate::rng::Rng;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Its reply is written (or was asked to be dropped).
    Done,
    /// Same, and the client is to be closed once its replies are sent.
    Close,
    /// It must wait for the end of a pause: offer it again then.
    Postponed,
    /// It waits for keys; its reply is delivered later, and what follows it in its pipeline waits as well.
    Blocked,
}

/// All state that commands work on.
#[derive(Debug)]
pub struct Engine {
    /// The data.
    pub keyspace: Keyspace,
    /// All the rest.
    pub shared: Shared,
    eviction: EvictionPool,
    untimed: Untimed,
    /// The moment of the command that runs, as the keyspace sees it.
    at: Now,
}

impl Engine {
    /// An empty engine. `random` seeds the keyed hash and the pseudo-random numbers.
    pub fn new(config: Config, random: [u64; 3]) -> Self {
        let layout = Layout { databases: config.settings().databases, shard_bits: 0 };
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&random[0].to_le_bytes());
        seed[8..].copy_from_slice(&random[1].to_le_bytes());
        Self {
            eviction: EvictionPool::default(),
            untimed: Untimed::default(),
            at: Now::new(0, AccessPolicy::Lru),
            keyspace: Keyspace::new(layout, HashSeed(seed)),
            shared: Shared {
                config,
                clients: Clients::default(),
                client_memory: ClientMemory::default(),
                stats: Stats::default(),
                commandlogs: CommandLogs::default(),
                latency: LatencyMonitor::default(),
                pause: Pause::default(),
                monitors: Vec::new(),
                deliveries: Vec::new(),
                references: Vec::new(),
                loan: None,
                watches: Watches::default(),
                blocking: Blocking::default(),
                pubsub: PubSub::default(),
                tracking: Tracking::default(),
                wait: None,
                replaced: Vec::new(),
                runs_queue: false,
                requests: Vec::new(),
                rng: Rng::new(random[2]),
                renamed: BTreeMap::new(),
                list_plain_len_min: 0,
                active_expire: true,
                redacted: 0,
            },
        }
    }

    /// Has values lent from now on to the replies that are written, by a loan of this engine's keyspace.
    pub fn begin_lending(&mut self, loan: Box<Loan>) {
        assert!(self.keyspace.is_own(&loan), "a loan of another keyspace");
        self.shared.loan = Some(loan);
    }

    /// Length of what is lent since.
    pub fn lent_len(&self) -> usize {
        self.shared.loan.as_ref().map_or(0, |loan| loan.len())
    }

    /// Ends that: the loan, to be put into the replies.
    pub fn end_lending(&mut self) -> Option<Box<Loan>> {
        self.shared.loan.take()
    }

    /// Runs one request of the client in `slot` and appends its reply to `out`.
    ///
    /// `now` moves on by the time the command took, so that the next request of the same batch needs no
    /// other reading of the clock. A slot without a session is our own bug; it answers nothing and closes.
    pub fn execute(
        &mut self,
        slot: ClientSlot,
        args: &Args<'_>,
        out: &mut Vec<u8>,
        now: &mut Moment,
        host: &mut dyn Host,
    ) -> Flow {
        let Some(mut session) = self.shared.clients.take(slot) else { return Flow::Close };
        let flow = self.execute_for(&mut session, args, out, now, host);
        if session.flags.contains(SessionFlags::TRACKING_CACHING) {
            end_caching(&mut session, flow);
        }
        self.shared.clients.put(session);
        if self.shared.blocking.has_ready() {
            self.serve_waiting(now, host);
        }
        flow
    }

    fn execute_for(
        &mut self,
        session: &mut Box<Session>,
        args: &Args<'_>,
        out: &mut Vec<u8>,
        now: &mut Moment,
        host: &mut dyn Host,
    ) -> Flow {
        let command = match self.untimed.repeated(session, args) {
            Some(command) => {
                session.last_interaction_ms = self.at.unix_ms;
                session.last_command = Some(command);
                command
            }
            None => match self.admit(session, args, out, now, host) {
                Ok(command) => command,
                Err(flow) => return flow,
            },
        };
        let start = out.len();
        self.run(command, session, args, out, now, host);
        self.shared.watches.settle_own(session);
        self.shared.settle_own_tracking(session);
        if let Some(flow) = self.begin_wait(session, args) {
            return flow;
        }
        let flow = finish_reply(session, out, start);
        // A reply that nobody wants takes its references with it.
        let end = out.len();
        if !self.shared.references.is_empty() {
            self.shared.references.retain(|(at, _)| *at <= end);
        }
        if let Some(loan) = &mut self.shared.loan {
            loan.truncate(end);
        }
        flow
    }

    /// All that comes before a command runs. The error is how a request ends that none is run for now: it is refused, queued, or has
    /// to wait.
    #[inline]
    fn admit(
        &mut self,
        session: &mut Box<Session>,
        args: &Args<'_>,
        out: &mut Vec<u8>,
        now: &mut Moment,
        host: &mut dyn Host,
    ) -> Result<&'static Command, Flow> {
        session.last_interaction_ms = now.unix_ms();
        let found = self.shared.lookup(args);
        if self.untimed.is_over(found) {
            self.settle_time(now, host);
        }
        let refusal = self.refusal(found, session, args, *now, host);
        if !self.shared.deliveries.is_empty() || self.shared.tracking.has_own() {
            self.deliver_first(session, out);
        }
        if let Some(refusal) = refusal {
            return Err(self.refuse(&refusal, found, session, args, out, host));
        }
        let Some(command) = found else { return Err(Flow::Close) };
        let writes = session.multi.as_ref().is_some_and(|multi| command.name == "exec" && multi.writes());
        if self.shared.pause.is_set() && self.shared.pause.holds(command, writes, now.unix_ms()) {
            session.flags.insert(SessionFlags::PAUSED);
            return Err(Flow::Postponed);
        }
        session.flags.remove(SessionFlags::PAUSED);
        session.last_command = Some(command);
        if session.multi.is_some() && !multi::runs_at_once(command) {
            let start = out.len();
            Self::queue(session, command, args, out);
            return Err(finish_reply(session, out, start));
        }
        self.prepare(command, session, *now);
        Ok(command)
    }

    /// Tells a client why its request is not run.
    #[cold]
    fn refuse(
        &mut self,
        refusal: &Refusal,
        found: Option<&'static Command>,
        session: &mut Session,
        args: &Args<'_>,
        out: &mut Vec<u8>,
        host: &mut dyn Host,
    ) -> Flow {
        if matches!(refusal, Refusal::SecurityAttack) {
            reject::log_security_attack(session, host);
            return Flow::Close;
        }
        let start = out.len();
        session.last_command = found;
        reject::answer(refusal, args, &mut Reply::new(out, session.proto));
        self.fail_transaction(session, found, out, start);
        self.shared.stats.count_error(&out[start + 1..]);
        if let Some(command) = found {
            self.shared.stats.of(command).rejected += 1;
        }
        finish_reply(session, out, start)
    }

    /// Writes what the session is to be told of what was done to make room for its command, ahead of the reply.
    #[cold]
    fn deliver_first(&mut self, session: &mut Session, out: &mut Vec<u8>) {
        self.shared.settle_own_tracking(session);
        self.shared.deliveries.retain(|delivery| {
            let is_own = delivery.to == session.slot;
            if is_own {
                out.extend_from_slice(&delivery.bytes);
            }
            !is_own
        });
    }

    /// Sets what holds for a command while it runs.
    #[inline]
    pub(super) fn prepare(&mut self, command: &'static Command, session: &Session, now: Moment) {
        self.untimed.set_apart();
        self.shared.redacted = 0;
        self.keyspace.logs = self.shared.log_wanted();
        self.keyspace.frees_lazily = frees_lazily(command, self.shared.config.settings());
        self.keyspace.expires_lazily = self.shared.config.settings().lazyfree_lazy_expire;
        self.at = clock::keyspace_now(now, session, &self.shared);
        //= valkey 9.1 CLIENT NO-TOUCH: TOUCH leaves its mark all the same
        self.at.touch = self.at.touch || command.name == "touch";
    }

    /// Runs a command that nothing speaks against and that all is prepared for, and keeps the books.
    fn run(
        &mut self,
        command: &'static Command,
        session: &mut Session,
        args: &Args<'_>,
        out: &mut Vec<u8>,
        now: &mut Moment,
        host: &mut dyn Host,
    ) {
        let start = out.len();
        let lent_before = self.lent_len();
        let db = session.db;
        let keys = self.keyspace.keys(db as usize, self.at);
        let proto = session.proto;
        let mut cx = Ctx {
            session,
            keys,
            shared: &mut self.shared,
            reply: Reply::new(out, proto),
            now: *now,
            host,
            command,
        };
        if let Err(CmdError::Text(text)) = (command.handler)(&mut cx, args) {
            cx.reply.error(text.as_bytes());
        }
        if !self.keyspace.log.is_empty() {
            let events = core::mem::take(&mut self.keyspace.log);
            self.shared.follow(events);
        }
        if session.flags.contains(SessionFlags::TRACKING) && command.flags.contains(CommandFlags::READONLY) {
            self.shared.remember_reads(session, command, args);
        }
        let began = *now;
        if self.shared.wait.is_some() {
            // It is counted when it gets its reply.
            self.feed_monitors(command, session, db, args, began);
            return;
        }
        if core::mem::take(&mut self.shared.runs_queue) {
            self.run_queue(session, out, now, host);
        }
        let outcome = Outcome { began, start, lent_before, db, reply: out };
        self.keep_books(command, session, args, &outcome, now, host);
    }
}

/// Whether what takes long to free is put off when this command removes it (`lazyfree-lazy-*`); otherwise its client
/// waits until it is freed.
#[inline]
fn frees_lazily(command: &Command, settings: &Settings) -> bool {
    if settings.lazyfree_lazy_user_del && settings.lazyfree_lazy_server_del {
        return true;
    }
    match command.name {
        "unlink" => true,
        "del" => settings.lazyfree_lazy_user_del,
        _ => settings.lazyfree_lazy_server_del,
    }
}

//= valkey 9.1 CLIENT CACHING: holds for the next command or transaction; commands of CLIENT do not count
#[cold]
fn end_caching(session: &mut Session, flow: Flow) {
    let is_over = !matches!(flow, Flow::Postponed | Flow::Blocked) && session.multi.is_none();
    if is_over && !session.last_command.is_some_and(|command| command.full_name.starts_with("client|")) {
        session.flags.remove(SessionFlags::TRACKING_CACHING);
    }
}

/// Drops a reply that the client asked not to get, and tells whether the client goes on.
fn finish_reply(session: &mut Session, out: &mut Vec<u8>, start: usize) -> Flow {
    if session
        .flags
        .intersects(SessionFlags::REPLY_OFF | SessionFlags::REPLY_SKIP | SessionFlags::REPLY_SKIP_NEXT)
    {
        drop_reply(session, out, start);
    }
    if session.flags.intersects(SessionFlags::CLOSE_AFTER_REPLY | SessionFlags::CLOSE_ASAP) {
        return Flow::Close;
    }
    Flow::Done
}

#[cold]
fn drop_reply(session: &mut Session, out: &mut Vec<u8>, start: usize) {
    if session.flags.intersects(SessionFlags::REPLY_OFF | SessionFlags::REPLY_SKIP) {
        out.truncate(start);
    }
    // SKIP_NEXT was set by the command that has just ended; it concerns the one after it.
    session.flags.remove(SessionFlags::REPLY_SKIP);
    if session.flags.contains(SessionFlags::REPLY_SKIP_NEXT) {
        session.flags.remove(SessionFlags::REPLY_SKIP_NEXT);
        session.flags.insert(SessionFlags::REPLY_SKIP);
    }
}
