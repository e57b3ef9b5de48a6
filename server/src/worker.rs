//! An I/O thread's own side: takes jobs, does them, sends them back, sleeps when there are none.
//!
//! ```text
//!                          ┌──────────── the poller tells ───────────┐
//!                          ▼                                         │
//!  main thread ──read──► read ──► main thread ──write──► write ──► rests
//!                          ▲    executes                   │
//!                          └──────── more has come ────────┘
//! ```
//! A client whose replies are sent rests with the threads: whichever of them polls and is told that there is something to
//! read calls it ([`vireo_core::offload::Place`]) and reads at once. The main thread hears of it again when there are
//! requests to execute; if it has something for the client meanwhile, it calls it, too.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::Arc;

use vireo_core::keyspace::{Garbage, KeyHasher};
use vireo_core::offload::{Job, Marks, Word};
use vireo_core::platform::{Clock, Event, Platform, Poller, Threads, Wake};
use vireo_core::queue::{mpsc, spmc, spsc};

use crate::client_io::{receive, transmit};
use crate::connection::{Connection, Connections, HAS_INPUT, Resting, marks_of};
use crate::out_buf::Pools;
use crate::parsed::Rules;
use crate::serve::Socket;
use crate::workers::{GarbageBag, Jobs, PlatformWord, Poll};

/// Private jobs that a thread does before it looks at the shared inbox.
const PRIVATE_BATCH: usize = 32;
/// Allocations that a thread frees before it looks at its inboxes again: some 50 us.
const FREE_BATCH: usize = 512;
/// Same, beside each shared job while there are some: under a load that never pauses, too, what is removed must go.
const FREE_BATCH_BUSY: usize = 16;
/// Looks at empty inboxes before a thread goes to sleep: a few microseconds.
const IDLE_LOOKS: u32 = 400;
/// Times that it then lets others run, before it sleeps: waking it costs the main thread more.
const IDLE_YIELDS: u32 = 20;
/// Jobs after which a busy thread writes down how long it has worked.
const BOOKKEEPING_JOBS: u32 = 64;
/// Results after which a busy thread tells the main thread of them, if that sleeps: half of them are writes that are done,
/// and of the rest the main thread executes sixteen together.
const UNTOLD_MAX: u32 = 32;
/// A buffer for whole replies that has grown beyond this is given back.
const WHOLE_KEEP_LEN: usize = 256 * 1024;
/// Requests that a thread parses at once.
const REQUESTS_MAX: usize = 512;

/// The main thread needs no waking.
pub(crate) const AWAKE: u8 = 0;
/// It waits in the poller.
pub(crate) const POLLS: u8 = 1;
/// It is parked.
pub(crate) const PARKED: u8 = 2;

/// What all threads share besides the queues.
pub(crate) struct Signals<W, U> {
    /// Threads with a smaller index take shared jobs.
    pub(crate) running: AtomicUsize,
    /// How the main thread waits for results and wants to be woken.
    pub(crate) main_waits: AtomicU8,
    /// Objects that threads have freed, and what was held by all they have freed.
    pub(crate) objects_freed: AtomicU64,
    pub(crate) bytes_freed: AtomicU64,
    pub(crate) waker: W,
    pub(crate) unparker: U,
}

/// The signals of a platform.
pub(crate) type PlatformSignals<P> =
    Signals<<<P as Platform>::Poller as Poller>::Waker, <<P as Platform>::Threads as Threads>::Unparker>;

/// What the main thread and one I/O thread share.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) asleep: AtomicBool,
    pub(crate) stop: AtomicBool,
    pub(crate) active_us: AtomicU64,
    pub(crate) books: Books,
}

/// What a thread has done. It alone writes it, often: nothing else lies in its lines of the cache.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Books {
    socket_reads: AtomicU64,
    socket_writes: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Clients read from, those of them that were lent for that, and clients written to.
    reads: AtomicU64,
    reads_lent: AtomicU64,
    writes: AtomicU64,
    /// Clients that it called to read from, and clients that it left to rest.
    called: AtomicU64,
    rested: AtomicU64,
}

/// What threads have done, as told to the main thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) socket_reads: u64,
    pub(crate) socket_writes: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) reads: u64,
    pub(crate) reads_lent: u64,
    pub(crate) writes: u64,
}

impl Books {
    fn add(counter: &AtomicU64, count: u64) {
        // ORDERING: one thread writes it; pairs with the Acquire in `came_to_rest`.
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Release);
    }

    /// Counts what was read from and written to a client.
    fn count_traffic<S>(&self, client: &mut Connection<S>) {
        let traffic = client.take_traffic();
        for (counter, count) in [
            (&self.socket_reads, traffic.reads.into()),
            (&self.socket_writes, traffic.writes.into()),
            (&self.bytes_in, traffic.bytes_in),
            (&self.bytes_out, traffic.bytes_out),
        ] {
            if count > 0 {
                Self::add(counter, count);
            }
        }
    }

    /// Adds what the thread has done.
    pub(crate) fn add_to(&self, done: &mut Done) {
        for (counter, sum) in [
            (&self.socket_reads, &mut done.socket_reads),
            (&self.socket_writes, &mut done.socket_writes),
            (&self.bytes_in, &mut done.bytes_in),
            (&self.bytes_out, &mut done.bytes_out),
            (&self.reads, &mut done.reads),
            (&self.reads_lent, &mut done.reads_lent),
            (&self.writes, &mut done.writes),
        ] {
            // ORDERING: statistics only.
            *sum += counter.load(Ordering::Relaxed);
        }
    }

    /// Clients that it was told to have something to read, and called.
    pub(crate) fn called(&self) -> u64 {
        // ORDERING: statistics only.
        self.called.load(Ordering::Relaxed)
    }

    /// How many clients came to rest here, less those that were called. Never tells of a client that came to rest before
    /// it tells of it being called.
    pub(crate) fn came_to_rest(&self) -> u64 {
        // ORDERING: pairs with the stores in `add`: whoever is seen to rest has been seen to be called before.
        let rested = self.rested.load(Ordering::Acquire);
        rested.wrapping_sub(self.called())
    }
}

/// A thread that panics would leave the main thread waiting for its clients for ever.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

type PlatformClient<P> = Box<Connection<Socket<P>>>;

/// An I/O thread's own side.
pub(crate) struct Runner<P: Platform> {
    pub(crate) index: usize,
    pub(crate) inbox: spmc::BoxedConsumer<PlatformWord<P>>,
    pub(crate) private: spsc::BoxedConsumer<PlatformWord<P>>,
    pub(crate) outbox: mpsc::BoxedProducer<PlatformWord<P>>,
    pub(crate) signals: Arc<PlatformSignals<P>>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) scratch: Box<[u8]>,
    /// Replies with the values that were lent for them.
    pub(crate) whole: Vec<u8>,
    /// Clients that rest.
    pub(crate) resting: Arc<Resting<Socket<P>>>,
    /// Clients that this thread has called and not read from yet.
    pub(crate) called: Vec<PlatformClient<P>>,
    pub(crate) pools: Pools,
    pub(crate) hasher: KeyHasher,
    /// What is being freed, the last first: in steps, as clients wait for this thread too.
    pub(crate) garbage: Vec<GarbageBag>,
    /// Results that the main thread was not woken for yet.
    pub(crate) untold: u32,
}

impl<P: Platform> Runner<P> {
    /// Works until it is told to stop.
    pub(crate) fn run(mut self, clock: &P::Clock) {
        let _ends_the_process = AbortOnPanic;
        let mut idle = 0;
        let mut busy_since_us: Option<u64> = None;
        let mut steps = 0;
        loop {
            if self.step() {
                idle = 0;
                steps += 1;
                let since_us = *busy_since_us.get_or_insert_with(|| clock.monotonic_ns() / 1000);
                if steps >= BOOKKEEPING_JOBS {
                    busy_since_us = Some(self.note_active(clock, since_us));
                    steps = 0;
                }
                continue;
            }
            if let Some(since_us) = busy_since_us.take() {
                self.note_active(clock, since_us);
                steps = 0;
            }
            // ORDERING: pairs with the main thread's store in `shrink`.
            if self.desk.stop.load(Ordering::Acquire) && self.outbox.flush() {
                return;
            }
            idle += 1;
            if idle < IDLE_LOOKS {
                core::hint::spin_loop();
            } else if idle < IDLE_LOOKS + IDLE_YIELDS {
                P::Threads::yield_now();
            } else {
                self.sleep();
                idle = 0;
            }
        }
    }

    fn note_active(&self, clock: &P::Clock, since_us: u64) -> u64 {
        let now_us = clock.monotonic_ns() / 1000;
        // ORDERING: statistics only; at least one, so that short work shows.
        self.desk.active_us.fetch_add(now_us.saturating_sub(since_us).max(1), Ordering::Relaxed);
        now_us
    }

    /// Does what there is to do: private jobs first, then one that is shared. Returns whether there was something.
    fn step(&mut self) -> bool {
        if self.outbox.holds_back() {
            // Over a full outbox no further work is taken.
            if !self.outbox.flush() {
                P::Threads::yield_now();
                return true;
            }
            self.untold += 1;
        }
        let mut did = false;
        for _ in 0..PRIVATE_BATCH {
            let Some(word) = self.private.pop() else { break };
            self.work(word);
            did = true;
        }
        if self.may_take_shared()
            && let Some(word) = self.inbox.pop()
        {
            if self.inbox.is_empty() {
                // The main thread can bring more while the last is done.
                self.tell_main();
            }
            self.work(word);
            self.free_some(FREE_BATCH_BUSY);
            return true;
        }
        self.tell_main();
        self.free_some(FREE_BATCH) || did
    }

    /// Frees part of what there is to free, about so many allocations. Returns whether there was something.
    fn free_some(&mut self, batch: usize) -> bool {
        let Some(bag) = self.garbage.last_mut() else { return false };
        let is_small = match bag.garbage.last_mut() {
            // Nothing is left of it then but itself.
            Some(Garbage::Object(object)) => object.dismantle(batch) > 0,
            Some(Garbage::Bytes(_)) | None => true,
        };
        if is_small {
            bag.garbage.pop();
        }
        if bag.garbage.is_empty() {
            let (objects, bytes) = (bag.objects, bag.bytes);
            self.garbage.pop();
            // ORDERING: statistics only.
            self.signals.objects_freed.fetch_add(objects, Ordering::Relaxed);
            // ORDERING: statistics only.
            self.signals.bytes_freed.fetch_add(bytes, Ordering::Relaxed);
        }
        true
    }

    fn may_take_shared(&self) -> bool {
        // ORDERING: a late reading only means that one more job, or one fewer, is taken here.
        self.index < self.signals.running.load(Ordering::Relaxed)
    }

    fn work(&mut self, word: PlatformWord<P>) {
        match word.into_job() {
            Job::Read(client) => self.read(client),
            Job::Write(client) => self.write(client),
            Job::Poll(poll) => self.poll(poll),
            Job::Free(bag) => self.garbage.push(*bag),
        }
    }

    /// Reads from a client that was lent for that.
    fn read(&mut self, mut client: PlatformClient<P>) {
        self.receive(&mut client);
        Books::add(&self.desk.books.reads_lent, 1);
        self.send_back(Job::Read(client));
    }

    /// Reads from a client and parses. Returns whether that is something for the main thread.
    fn receive(&mut self, client: &mut Connection<Socket<P>>) -> bool {
        let rules = Rules { limits: client.limits, requests_max: REQUESTS_MAX, hasher: self.hasher };
        let has_come = receive::<P::Net>(client, &mut self.scratch, &rules);
        if has_come {
            client.out.bring(&mut self.pools);
        }
        let books = &self.desk.books;
        books.count_traffic(client);
        Books::add(&books.reads, 1);
        has_come || client.gone
    }

    /// Writes to a client. When all is sent it rests, unless the main thread wants it back.
    fn write(&mut self, mut client: PlatformClient<P>) {
        client.gone = transmit::<P::Net>(&mut client, &mut self.whole).is_err();
        if self.whole.capacity() > WHOLE_KEEP_LEN {
            self.whole = Vec::new();
        }
        client.out.give_back(&mut self.pools);
        let books = &self.desk.books;
        books.count_traffic(&mut client);
        Books::add(&books.writes, 1);
        if client.rests && !client.gone && client.out.is_empty() {
            self.rest(client);
        } else {
            self.send_back(Job::Write(client));
        }
    }

    /// Has a client rest, as soon as nothing more has come for it.
    fn rest(&mut self, mut client: PlatformClient<P>) {
        let number = client.slot.0;
        loop {
            // Until nothing more has come: a read that was interrupted says nothing of that.
            while client.may_read_more {
                if self.receive(&mut client) {
                    return self.send_back(Job::Read(client));
                }
            }
            match self.resting.at(number).leave(client) {
                Ok(()) => return Books::add(&self.desk.books.rested, 1),
                Err((back, marks)) => {
                    client = back;
                    client.note(marks);
                    if marks.has(Marks::WANTED) {
                        return self.send_back(Job::Write(client));
                    }
                }
            }
        }
    }

    /// Polls once; clients that rest are read from at once, if there is something, the rest is for the main thread.
    fn poll(&mut self, mut poll: Box<Poll<P>>) {
        let Poll { poller, events } = &mut *poll;
        // What went wrong will show when the main thread polls itself.
        let _ = poller.wait(Some(0), &mut |event| {
            if !self.call(&event) {
                events.push(event);
            }
        });
        // The next may poll while this one reads.
        self.send_back(Job::Poll(poll));
        let mut called = core::mem::take(&mut self.called);
        for mut client in called.drain(..) {
            if self.receive(&mut client) {
                self.send_back(Job::Read(client));
            } else {
                self.rest(client);
            }
        }
        self.called = called;
    }

    /// Calls the client that an event is of, to read from it. `false` when it does not rest or has nothing to read.
    fn call(&mut self, event: &Event) -> bool {
        let Some(number) = Connections::<Socket<P>>::slot_of(event.token) else { return false };
        let marks = marks_of(event);
        if !marks.has(HAS_INPUT) {
            return false;
        }
        let Some(mut client) = self.resting.at(number).call(Marks::default()) else { return false };
        client.note(marks);
        vireo_core::prefetch_slice(core::slice::from_ref(&*client));
        Books::add(&self.desk.books.called, 1);
        self.called.push(client);
        true
    }

    fn send_back(&mut self, job: Job<Jobs<P>>) {
        let mut word = Word::new(job);
        while let Err(again) = self.outbox.push(word) {
            word = again;
            self.outbox.flush();
            self.tell_main();
            P::Threads::yield_now();
        }
        self.untold += 1;
        if self.untold >= UNTOLD_MAX {
            self.tell_main();
        }
    }

    /// Wakes the main thread if it waits and there is something that it was not told.
    fn tell_main(&mut self) {
        if core::mem::take(&mut self.untold) == 0 {
            return;
        }
        // ORDERING: pairs with the fence in `Crew::begin_wait`.
        fence(Ordering::SeqCst);
        let waits = &self.signals.main_waits;
        // ORDERING: the fence above; the swap claims the wake-up.
        if waits.load(Ordering::Relaxed) == AWAKE {
            return;
        }
        // ORDERING: see above.
        match waits.swap(AWAKE, Ordering::Relaxed) {
            POLLS => self.signals.waker.wake(),
            PARKED => self.signals.unparker.wake(),
            _ => {}
        }
    }

    /// Sleeps until there is something to do.
    fn sleep(&mut self) {
        // ORDERING: with the fence, pairs with `Crew::announce`: either it sees this, or the job is seen below.
        self.desk.asleep.store(true, Ordering::Relaxed);
        // ORDERING: see above.
        fence(Ordering::SeqCst);
        let has_work = !self.private.is_empty() || (self.may_take_shared() && !self.inbox.is_empty());
        // ORDERING: pairs with the main thread's stores in `announce` and `shrink`.
        while !has_work && self.desk.asleep.load(Ordering::Acquire) && !self.desk.stop.load(Ordering::Acquire)
        {
            P::Threads::park();
        }
        // ORDERING: only this thread and a waker that has been seen write it.
        self.desk.asleep.store(false, Ordering::Relaxed);
    }
}
