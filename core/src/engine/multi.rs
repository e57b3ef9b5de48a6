//! Transactions: MULTI, the queue, EXEC; and clients that wait, who are served as soon as a command is over.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::blocking::{Blocked, Ready};
use super::commandlog::Measured;
use super::context::{Args, Moment, OwnedArgs};
use super::host::{Host, HostRequest};
use super::session::{ClientSlot, Session, SessionFlags};
use super::shared::{Delivery, Shared};
use super::watch::DbKey;
use super::{Engine, Flow, clock};
use crate::commands::table::{Command, CommandFlags};
use crate::keyspace::Kind;
use crate::resp::Reply;

/// A transaction that is being queued.
#[derive(Debug, Default)]
pub struct Multi {
    /// Its commands.
    pub(super) queue: Vec<(&'static Command, OwnedArgs)>,
    /// Memory of their arguments.
    bytes: usize,
    /// One of them writes.
    writes: bool,
    /// One of them needs memory that there may not be.
    needs_memory: bool,
    /// A command could not be queued: EXEC will refuse.
    pub failed: bool,
}

impl Multi {
    /// Adds a command.
    fn push(&mut self, command: &'static Command, args: OwnedArgs) {
        self.bytes += args.memory();
        self.writes |= command.flags.contains(CommandFlags::WRITE);
        self.needs_memory |= command.flags.contains(CommandFlags::DENYOOM);
        self.queue.push((command, args));
    }

    /// How many commands are queued.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// A command of it writes.
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// A command of it is refused when memory is full.
    pub fn needs_memory(&self) -> bool {
        self.needs_memory
    }

    /// Memory it holds, bytes.
    pub fn memory(&self) -> usize {
        self.bytes + self.queue.capacity() * size_of::<(&'static Command, OwnedArgs)>()
    }
}

/// Commands that run at once within a transaction.
pub(super) fn runs_at_once(command: &Command) -> bool {
    matches!(command.full_name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

/// How a wait ends that brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfWait {
    /// Its time is over.
    Timeout,
    /// CLIENT UNBLOCK with ERROR.
    Unblocked,
}

impl Shared {
    /// Ends a client's wait. `false` when it does not wait.
    pub fn end_wait(&mut self, slot: ClientSlot, how: EndOfWait, now: Moment) -> bool {
        let Some(mut session) = self.clients.take(slot) else { return false };
        let blocked = self.blocking.remove(&mut session);
        if let Some(blocked) = &blocked {
            let mut bytes = Vec::new();
            let mut reply = Reply::new(&mut bytes, session.proto);
            match how {
                EndOfWait::Timeout => reply.null_array(),
                EndOfWait::Unblocked => reply.error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            }
            self.book_wait(&mut session, &blocked.request.args(), how, &bytes, now);
            self.resume(&mut session, bytes);
        }
        self.clients.put(session);
        blocked.is_some()
    }

    /// Keeps the books on a wait that brought nothing.
    //= valkey 9.1 CLIENT UNBLOCK: with ERROR it counts as a rejected call, and as a call
    fn book_wait(
        &mut self,
        session: &mut Session,
        args: &Args<'_>,
        how: EndOfWait,
        reply: &[u8],
        now: Moment,
    ) {
        session.commands_processed += 1;
        self.stats.commands_processed += 1;
        if how == EndOfWait::Unblocked {
            self.stats.count_error(&reply[1..]);
        }
        let Some(command) = session.last_command else { return };
        let counters = self.stats.of(command);
        counters.calls += 1;
        counters.rejected += u64::from(how == EndOfWait::Unblocked);
        let settings = self.config.settings();
        if settings.latency_tracking {
            self.latency.record_command(command, 0, 1);
        }
        let measured = Measured { duration_us: 0, request_len: args.wire_len(), reply_len: reply.len() };
        self.commandlogs.record(settings, session, args, 0, now, measured);
    }

    /// Gives a client that has waited its reply, and has its pipeline go on.
    fn resume(&mut self, session: &mut Session, mut bytes: Vec<u8>) {
        session.flags.remove(SessionFlags::TRACKING_CACHING);
        super::finish_reply(session, &mut bytes, 0);
        self.deliveries.push(Delivery { to: session.slot, bytes });
        self.requests.push(HostRequest::Unblocked(session.slot));
    }

    /// Forgets a client that is gone.
    pub fn forget(&mut self, slot: ClientSlot) {
        let Some(mut session) = self.clients.remove(slot) else { return };
        self.client_memory.forget(slot);
        self.watches.unwatch(&mut session);
        self.pubsub.unsubscribe_all(&mut session);
        self.tracking.forget(&mut session);
        self.blocking.remove(&mut session);
        self.monitors.retain(|&monitor| monitor != slot);
    }
}

impl Engine {
    /// Queues a command in the session's transaction.
    pub(super) fn queue(
        session: &mut Session,
        command: &'static Command,
        args: &Args<'_>,
        out: &mut Vec<u8>,
    ) {
        let Some(multi) = &mut session.multi else { return };
        // One that has failed runs nothing, so there is no need to keep more.
        if !multi.failed && !session.flags.contains(SessionFlags::DIRTY_CAS) {
            multi.push(command, OwnedArgs::of(args));
        }
        Reply::new(out, session.proto).status(b"QUEUED");
    }

    /// Runs the queue of a transaction.
    pub(super) fn run_queue(
        &mut self,
        session: &mut Session,
        out: &mut Vec<u8>,
        now: &mut Moment,
        host: &mut dyn Host,
    ) {
        let Some(multi) = session.multi.take() else { return };
        let had = session.flags & SessionFlags::DENY_BLOCKING;
        session.flags.insert(SessionFlags::DENY_BLOCKING);
        for (command, args) in &multi.queue {
            self.prepare(command, session, *now);
            self.run(command, session, &args.args(), out, now, host);
        }
        session.flags.set(SessionFlags::DENY_BLOCKING, !had.is_empty());
    }

    /// Has a client wait, if its command asked for that.
    pub(super) fn begin_wait(&mut self, session: &mut Session, args: &Args<'_>) -> Option<Flow> {
        let wait = self.shared.wait.take()?;
        let replaced = core::mem::take(&mut self.shared.replaced);
        let blocked = Blocked {
            request: OwnedArgs::replacing(args, &replaced),
            db: session.db,
            keys: wait.keys,
            kind: wait.kind,
            deadline_ms: wait.deadline_ms,
            wants_deletes: wait.wants_deletes,
            turn: 0,
        };
        self.shared.blocking.add(session, Box::new(blocked));
        Some(Flow::Blocked)
    }

    /// Serves those who wait for keys that have changed.
    #[cold]
    pub(super) fn serve_waiting(&mut self, now: &mut Moment, host: &mut dyn Host) {
        while let Some((place, how)) = self.shared.blocking.pop_ready() {
            // Who begins to wait while others are served has its turn when the key changes again.
            let mut turns = 0..self.shared.blocking.next_turn();
            while let Some((turn, slot)) = self.shared.blocking.first_waiting(&place, turns.clone()) {
                turns.start = turn + 1;
                let Some(mut session) = self.shared.clients.take(slot) else { continue };
                let kind = self.kind_at(&session, &place, *now);
                if may_be_served(&session, kind, how) {
                    self.serve(&mut session, now, host);
                }
                self.shared.clients.put(session);
                if kind.is_none() && !self.shared.blocking.is_end_awaited(&place) {
                    break;
                }
            }
        }
    }

    /// What a key holds, as a client sees it.
    fn kind_at(&mut self, session: &Session, place: &DbKey, now: Moment) -> Option<Kind> {
        let now = clock::keyspace_now(now, session, &self.shared);
        let mut keys = self.keyspace.keys(place.0 as usize, now);
        let key = keys.key(&place.1);
        keys.peek(key).map(|entry| entry.kind())
    }

    /// Runs a waiting client's command once more.
    fn serve(&mut self, session: &mut Session, now: &mut Moment, host: &mut dyn Host) {
        let Some(blocked) = &mut session.blocked else { return };
        let request = core::mem::take(&mut blocked.request);
        let args = request.args();
        let (mut out, before) = (Vec::new(), self.shared.deliveries.len());
        if let Some(command) = session.last_command {
            self.prepare(command, session, *now);
            self.run(command, session, &args, &mut out, now, host);
        }
        self.shared.watches.settle_own(session);
        if self.shared.wait.take().is_some() {
            // Nothing for it; it keeps its place. What its arguments meant at first is in the request already.
            self.shared.replaced.clear();
            if let Some(blocked) = &mut session.blocked {
                blocked.request = request;
            }
            self.shared.settle_own_tracking(session);
            return;
        }
        self.shared.blocking.remove(session);
        let reply = self.shared.deliveries.len();
        self.shared.resume(session, out);
        self.shared.settle_own_tracking(session);
        // What the command has the client told comes after its reply.
        self.shared.deliveries[before..=reply].rotate_right(1);
    }

    /// Answers those who waited until what they flushed was freed.
    pub fn serve_freed(&mut self, now: &mut Moment, host: &mut dyn Host) {
        while let Some((slot, mark)) = self.shared.blocking.first_for_memory() {
            let slot = *slot;
            if !self.keyspace.is_reclaimed(mark) {
                return;
            }
            let Some(mut session) = self.shared.clients.take(slot) else { return };
            self.serve(&mut session, now, host);
            self.shared.clients.put(session);
        }
    }

    /// Ends the waits whose time is over.
    pub fn end_overdue_waits(&mut self, now: Moment) {
        while let Some(slot) = self.shared.blocking.overdue(now.unix_ms()) {
            if !self.shared.end_wait(slot, EndOfWait::Timeout, now) {
                return;
            }
        }
    }

    /// Removes keys whose time has come, and tells who is concerned. Returns what that took of `budget`.
    pub fn expire_step(&mut self, now: &mut Moment, budget: usize, host: &mut dyn Host) -> usize {
        self.keyspace.logs = self.shared.log_wanted();
        self.keyspace.expires_lazily = self.shared.config.settings().lazyfree_lazy_expire;
        let step = self.keyspace.expire_step(now.unix_ms(), budget);
        let events = core::mem::take(&mut self.keyspace.log);
        self.shared.follow(events);
        self.serve_waiting(now, host);
        step.done()
    }
}

/// A key that holds this is what a client waits for, or the client wants to know that it does not.
fn may_be_served(session: &Session, kind: Option<Kind>, how: Ready) -> bool {
    let Some(blocked) = &session.blocked else { return false };
    if session.flags.contains(SessionFlags::CLOSE_ASAP) {
        return false;
    }
    let holds = kind == Some(blocked.kind);
    //= valkey 9.1 XREAD, XREADGROUP: look again when a stream has got an entry or is gone, not when it was trimmed
    if blocked.kind == Kind::Stream && how == Ready::Changed {
        return blocked.wants_deletes && !holds;
    }
    blocked.wants_deletes || holds
}
