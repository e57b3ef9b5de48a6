//! The loop's side of I/O threads: when clients are lent, what is done when they come back, how many threads run.

use vireo_core::engine::Engine;
use vireo_core::engine::host::LogLevel;
use vireo_core::keyspace::{Garbage, Prefetch};
use vireo_core::offload::{Decision, Job, Marks};
use vireo_core::platform::{Event, Platform};

use crate::connection::{Closing, Connection, Notes};
use crate::outside::Outside;
use crate::parsed::Parsed;
use crate::serve::{Server, Socket};
use crate::workers::{Crew, Jobs};

/// Looks at the outbox before the loop lets others run or waits: about two microseconds.
const RESULT_LOOKS: u32 = 100;

/// The main thread leaves its sockets alone for so long at most while the threads have enough to do.
const PARK_MAX_NS: u64 = 1_000_000;

impl<P: Platform> Server<P> {
    /// Waits until something has happened or something is due.
    pub(crate) fn wait(&mut self, events: &mut Vec<Event>) {
        let timeout_ns = self.outside.wait_timeout_ns(&mut self.engine);
        let is_alone = |crew: &Crew<P>| !crew.is_poll_out() && !crew.has_results() && crew.clients_out() == 0;
        let Some(crew) = self.outside.crew.as_mut().filter(|crew| !is_alone(crew)) else {
            self.outside.poll(events, timeout_ns);
            return;
        };
        if crew.is_poll_out() || crew.has_results() || crew.has_backlog() {
            // The threads have enough to do and see themselves what comes: sleeps until they tell of results, then deals with
            // all of them in one turn.
            crew.lend_poll();
            crew.announce();
            if timeout_ns > 0 {
                crew.park(timeout_ns.min(PARK_MAX_NS));
            }
            return;
        }
        crew.announce();
        for _ in 0..RESULT_LOOKS {
            if crew.has_results() {
                return;
            }
            core::hint::spin_loop();
        }
        let sleeps = crew.begin_wait();
        self.outside.poll(events, if sleeps { timeout_ns } else { 0 });
        if let Some(crew) = &self.outside.crew {
            crew.end_wait();
        }
    }

    /// Lends a client to be read from; over a full inbox it is read here.
    pub(crate) fn lend_read(&mut self, mut connection: Box<Connection<Socket<P>>>) {
        self.limit_query(&mut connection);
        connection.limits = self.limits(connection.slot);
        if !connection.limits.is_authenticated() {
            // Each of its requests may change what the next may be.
            self.read_from(connection);
            return;
        }
        let slot = connection.slot;
        let Some(crew) = self.outside.crew.as_mut() else { return self.read_from(connection) };
        let held = connection.io_use();
        match crew.lend_read(connection) {
            Ok(()) => {
                self.outside.connections.lend(slot, held);
            }
            Err(connection) => self.read_from(connection),
        }
    }

    /// Deals with what has come back.
    pub(crate) fn take_results(&mut self) {
        if !self.outside.has_results() {
            return;
        }
        let mut returned = core::mem::take(&mut self.returned);
        let mut received = core::mem::take(&mut self.received);
        // As many as can be there now; what comes meanwhile waits for the next turn, so that others get theirs.
        let rounds = self.outside.crew.as_ref().map_or(0, |crew| crew.clients_out() / 8 + 1);
        for _ in 0..rounds {
            if let Some(crew) = self.outside.crew.as_mut() {
                crew.take(&mut returned);
            }
            if returned.is_empty() {
                break;
            }
            for word in returned.drain(..) {
                self.take_one(word.into_job(), &mut received);
            }
            while let Some(count) = self.full_batch(&received) {
                self.execute_batch(&mut received, count);
            }
        }
        let rest = received.len();
        self.execute_batch(&mut received, rest);
        (self.returned, self.received) = (returned, received);
    }

    fn take_one(&mut self, job: Job<Jobs<P>>, received: &mut Vec<Box<Connection<Socket<P>>>>) {
        let Some(crew) = self.outside.crew.as_mut() else { return };
        match job {
            Job::Read(connection) => {
                crew.client_is_back();
                connection.parsed.prefetch();
                connection.read.prefetch();
                connection.out.prefetch();
                self.engine.shared.clients.prefetch(connection.slot);
                // It counts as lent, and events are noted for it, until its turn has come.
                received.push(connection);
            }
            Job::Write(connection) => {
                crew.client_is_back();
                self.after_write(connection);
            }
            Job::Poll(poll) => {
                self.outside.totals.io_polls += 1;
                self.outside.totals.loop_events += poll.events.len() as u64;
                poll.events.iter().for_each(|event| self.on_event(*event));
                if let Some(crew) = self.outside.crew.as_mut() {
                    crew.poll_is_back(poll);
                }
            }
            Job::Free(_) => {}
        }
    }

    /// How many of the first of these clients have sent as many requests as are executed together.
    fn full_batch(&self, received: &[Box<Connection<Socket<P>>>]) -> Option<usize> {
        let mut left = self.engine.shared.config.settings().prefetch_batch_max.max(1);
        let is_last = |len: usize| {
            left = left.saturating_sub(len);
            left == 0
        };
        received.iter().map(|connection| connection.parsed.len()).position(is_last).map(|last| last + 1)
    }

    /// Executes what the first so many clients have sent, after the memory of their keys was asked for.
    fn execute_batch(&mut self, received: &mut Vec<Box<Connection<Socket<P>>>>, count: usize) {
        let is_worth_it = count > 1 || received.first().is_some_and(|first| first.parsed.is_pipeline());
        if is_worth_it && self.engine.shared.config.settings().prefetch_batch_max > 1 {
            self.fetch(&mut received[..count]);
        }
        // The first command's time begins here; each other's, where the one before ends.
        self.outside.now.advance_to(self.outside.mono_us());
        for connection in received.drain(..count) {
            self.after_read(connection);
        }
    }

    /// Asks for the memory of the keys of the first requests of each client.
    fn fetch(&mut self, clients: &mut [Box<Connection<Socket<P>>>]) {
        let mut places = core::mem::take(&mut self.places);
        for connection in clients.iter() {
            let keys = connection.parsed.keys_first(self.db_of(connection.slot), &mut places);
            self.outside.totals.io_prefetch_entries += keys as u64;
        }
        self.outside.totals.io_prefetch_batches += 1;
        for part in [Prefetch::First, Prefetch::Second] {
            self.engine.keyspace.prefetch_all(&places, part);
        }
        places.clear();
        self.places = places;
        for step in Parsed::STEPS_AFTER_ENTRY {
            for connection in &mut *clients {
                let (db, connection) = (self.db_of(connection.slot), &mut **connection);
                let buf = connection.read.pending();
                connection.parsed.fetch_first(step, buf, &self.engine.keyspace, db);
            }
        }
    }

    fn after_read(&mut self, mut connection: Box<Connection<Socket<P>>>) {
        let notes = self.outside.connections.take_back(connection.slot);
        // Had it been listed, the flush found it lent; what waits is sent below.
        connection.flush_listed = false;
        self.outside.count_traffic(&mut connection);
        if notes.doomed || connection.gone {
            self.outside.close(connection, &mut self.engine);
            return;
        }
        connection.out.push(&notes.deliveries);
        self.note_resumed(&connection, &notes);
        let outcome = self.execute_received(&mut connection);
        connection.limits = self.limits(connection.slot);
        self.send_or_put(connection, outcome.is_err());
    }

    fn after_write(&mut self, mut connection: Box<Connection<Socket<P>>>) {
        let notes = self.outside.connections.take_back(connection.slot);
        // Had it been listed, the flush found it lent; what waits is sent below.
        connection.flush_listed = false;
        self.outside.count_traffic(&mut connection);
        if notes.doomed || connection.gone {
            self.outside.close(connection, &mut self.engine);
            return;
        }
        connection.out.give_back(&mut self.pools);
        let marks = self.outside.connections.note_marks(&mut connection);
        // Without room, the poller tells when there is some; it may have done so already.
        let may_write = connection.out.is_empty() || marks.has(Marks::WRITABLE);
        connection.out.push(&notes.deliveries);
        self.note_resumed(&connection, &notes);
        if may_write {
            self.send_or_put(connection, false);
        } else {
            self.put_ready(connection);
        }
    }

    /// Has values lent to a client's replies, which a thread will send, if they begin with the next byte.
    pub(crate) fn begin_lending(&mut self, connection: &mut Connection<Socket<P>>) {
        if connection.out.is_empty() && self.outside.lends() {
            let own = connection.out.take_loan().or_else(|| self.pools.loans.pop());
            let loan = own.unwrap_or_else(|| Box::new(self.engine.keyspace.new_loan()));
            self.engine.begin_lending(loan);
        }
    }

    /// Ends that. Returns the length of what was lent.
    pub(crate) fn end_lending(&mut self, connection: &mut Connection<Socket<P>>) -> usize {
        let Some(loan) = self.engine.end_lending() else { return 0 };
        let len = loan.len();
        connection.out.lend(loan);
        len
    }

    /// A client that went on while it was lent goes on at the end of this turn.
    fn note_resumed(&mut self, connection: &Connection<Socket<P>>, notes: &Notes) {
        if notes.resumed {
            self.outside.resumed.push(connection.slot);
        }
    }

    /// Has a client's replies sent, if there are any, or puts it back.
    fn send_or_put(&mut self, mut connection: Box<Connection<Socket<P>>>, gone: bool) {
        if gone || (connection.closing != Closing::No && connection.out.is_empty()) {
            self.outside.close(connection, &mut self.engine);
            return;
        }
        if connection.out.is_empty() {
            self.outside.connections.note_marks(&mut connection);
            connection.out.give_back(&mut self.pools);
            self.put_ready(connection);
            return;
        }
        self.outside.send_out(connection, &mut self.engine);
    }

    fn put_ready(&mut self, connection: Box<Connection<Socket<P>>>) {
        // One that waits for keys or for the end of a pause, too: its end is told only once.
        if connection.may_read_more {
            self.outside.ready.push(connection.slot);
        }
        self.outside.charge(&connection, &mut self.engine);
        self.outside.connections.put(connection);
    }

    /// Has an I/O thread free the large values that were removed in this turn.
    pub(crate) fn hand_over_garbage(&mut self) {
        let Some(crew) = self.outside.crew.as_mut() else { return };
        let mut garbage = Vec::new();
        let bytes = self.engine.keyspace.take_garbage(&mut garbage);
        if garbage.is_empty() {
            return;
        }
        let count = garbage.len() as u64;
        match crew.free(garbage, bytes) {
            Ok(()) => self.outside.totals.io_freed += count,
            // Without room, or without threads that run, it is freed here: strings now, objects in steps.
            Err(mut garbage) => {
                garbage.retain(|one| matches!(one, Garbage::Object(_)));
                self.engine.keyspace.frees_lazily = true;
                self.engine.keyspace.put_garbage(garbage);
            }
        }
    }

    /// Brings the number of threads to what the configuration says.
    pub(crate) fn fit_threads(&mut self) {
        let wanted = self.engine.shared.config.settings().io_threads.saturating_sub(1);
        let have = self.outside.crew.as_ref().map_or(0, Crew::len);
        if wanted == have {
            self.outside.draining = false;
            return;
        }
        if wanted > have {
            let cpus = self.engine.shared.config.text("server-cpulist");
            let outside = &mut self.outside;
            let hasher = self.engine.keyspace.hasher();
            self.engine.keyspace.keep_garbage(true);
            let crew = outside.crew.get_or_insert_with(|| {
                Crew::new(&outside.poller, &outside.clock, &outside.connections.resting, hasher)
            });
            if let Err(error) = crew.grow(wanted, &cpus) {
                outside.log(LogLevel::Warning, format_args!("Failed creating an I/O thread: {error}"));
                let count = crew_len(outside) + 1;
                self.engine.shared.config.set_by_host("io-threads", &count.to_string());
            }
            return;
        }
        // Whatever is lent comes back first; the loop goes on meanwhile.
        self.outside.draining = wanted == 0;
        let Some(crew) = self.outside.crew.as_mut() else { return };
        let is_out = crew.clients_out() > 0 || crew.is_poll_out();
        if wanted == 0 && is_out {
            // Somebody must finish what is in the inbox.
            crew.set_running(1);
            return;
        }
        crew.set_running(crew.running().min(wanted));
        if crew.fits_outbox() && (wanted..have).all(|index| crew.is_private_empty(index)) {
            crew.shrink(wanted);
            self.outside.draining = false;
            self.engine.keyspace.keep_garbage(wanted > 0);
        }
    }
}

fn crew_len<P: Platform>(outside: &Outside<P>) -> usize {
    outside.crew.as_ref().map_or(0, Crew::len)
}

impl<P: Platform> Outside<P> {
    /// Clients are lent now.
    #[inline]
    pub(crate) fn lends(&self) -> bool {
        !self.draining && self.crew.as_ref().is_some_and(|crew| crew.running() > 0)
    }

    /// Something has come back from an I/O thread.
    pub(crate) fn has_results(&self) -> bool {
        self.crew.as_ref().is_some_and(Crew::has_results)
    }

    /// Wakes threads for the jobs of this turn.
    pub(crate) fn announce_jobs(&mut self) {
        if let Some(crew) = self.crew.as_mut() {
            crew.announce();
        }
    }

    /// Sends what waits for a client, or lends it for that; over a full inbox it is done here.
    pub(crate) fn send_out(&mut self, mut connection: Box<Connection<Socket<P>>>, engine: &mut Engine) {
        // Who may be closed for what it holds is looked at after each step.
        connection.rests = connection.limits.is_authenticated()
            && !connection.paused
            && connection.closing == Closing::No
            && engine.shared.config.settings().maxmemory_clients.is_none();
        // Who sends it all leaves nothing for the flush, which would find the client lent or at rest; and what comes up for one that
        // rests lists it again.
        connection.flush_listed = false;
        let (slot, held) = (connection.slot, connection.io_use_sending());
        let refused = match self.crew.as_mut() {
            Some(crew) if !self.draining && crew.running() > 0 => crew.lend_write(connection).err(),
            _ => Some(connection),
        };
        match refused {
            None => {
                if engine.shared.config.settings().maxmemory_clients.is_some() {
                    engine.shared.charge(slot, &held);
                }
                self.connections.lend(slot, held);
            }
            Some(mut connection) => {
                // No thread will find what was marked for it while it was lent before.
                self.connections.note_marks(&mut connection);
                if connection.may_read_more {
                    self.ready.push(slot);
                }
                self.flush_and_put(connection, engine);
            }
        }
    }

    /// Decides how many threads run.
    pub(crate) fn scale_threads(&mut self, engine: &Engine, events: usize) {
        let Some(crew) = self.crew.as_mut().filter(|crew| crew.len() > 0) else { return };
        let (now_us, running, len) = (self.now.mono_us, crew.running(), crew.len());
        if engine.shared.config.settings().io_threads_always_active {
            if events > 0 && running < len {
                crew.set_running(len);
            }
            return;
        }
        let totals = &self.totals;
        let load = || crew.load_without_threads(totals.loop_cycles, totals.loop_events);
        let is_busy = self.ignition.sample(now_us, load);
        if running == 0 {
            if is_busy {
                crew.set_running(1);
                self.scaler.changed(now_us);
            }
            return;
        }
        match self.scaler.sample(now_us, || crew.depth(), running, len, is_busy) {
            Decision::Keep => return,
            Decision::Grow => crew.set_running(running + 1),
            Decision::Shrink if !crew.is_private_empty(running - 1) => return,
            Decision::Shrink if running == 1 && (crew.clients_out() > 0 || crew.is_poll_out()) => return,
            Decision::Shrink => crew.set_running(running - 1),
        }
        self.scaler.changed(now_us);
    }

    /// With `io-threads-always-active`, and when nothing is lent: all go to sleep before the loop waits.
    pub(crate) fn rest_threads(&mut self, engine: &Engine) {
        if let Some(crew) = self.crew.as_mut()
            && crew.running() > 0
            && engine.shared.config.settings().io_threads_always_active
            && crew.clients_out() == 0
            && !crew.is_poll_out()
        {
            crew.set_running(0);
        }
    }
}
