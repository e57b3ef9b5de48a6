//! I/O threads: how the main thread lends clients to them and gets them back.
//!
//! ```text
//!               shared inbox (spmc): read, write, poll
//!  main thread ─────────────────────────────────────────► whichever thread is free
//!      ▲        private inboxes (spsc): free
//!      └──────── outbox (mpsc): everything that comes back
//! ```
//! A job is a box that moves: who holds a client's I/O half may touch its input and output, nobody else can. A job that
//! finds the inbox full comes back to the main thread, which does it itself.
//!
//! Nobody spins for long: a thread without work sleeps until the main thread unparks it, and the main thread asks to be
//! woken through the poller before it waits there. Both follow the same pattern: the sleeper says so, then looks once
//! more for work; the other brings work, then looks for sleepers.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::Arc;

use vireo_core::engine::host::GarbageOut;
use vireo_core::keyspace::{Garbage, KeyHasher};
use vireo_core::offload::{Job, Kinds, Load, Word};
use vireo_core::platform::{Clock, CpuSampler, Event, IoError, Platform, Poller, Thread, Threads, Wake};
use vireo_core::queue::{mpsc, spmc, spsc};

use crate::client_io::{receive, transmit};
use crate::connection::Connection;
use crate::parsed::Rules;
use crate::serve::Socket;

/// Most I/O threads, the main thread aside.
pub(crate) const WORKERS_MAX: usize = 255;
const INBOX_LEN: usize = 4096;
const OUTBOX_LEN: usize = 16384;
const PRIVATE_LEN: usize = 4096;
/// Private jobs that a thread does before it looks at the shared inbox.
const PRIVATE_BATCH: usize = 32;
/// Allocations that a thread frees before it looks at its inboxes again: some 50 us.
const FREE_BATCH: usize = 512;
/// Looks at empty inboxes before a thread goes to sleep: a few microseconds.
const IDLE_LOOKS: u32 = 400;
/// Times that it then lets others run, before it sleeps: waking it costs the main thread more.
const IDLE_YIELDS: u32 = 20;
/// Jobs after which a busy thread writes down how long it has worked.
const BOOKKEEPING_JOBS: u32 = 64;
/// Bytes that a thread reads at once.
const SCRATCH_LEN: usize = 64 * 1024;
/// Results that are taken together.
const TAKE_MAX: usize = 16;
/// Cache lines of a client's I/O half that are fetched when it comes back.
const CLIENT_LINES: usize = 6;
/// Requests that a thread parses at once.
const REQUESTS_MAX: usize = 512;

/// What the jobs of a platform carry.
pub(crate) struct Jobs<P>(core::marker::PhantomData<P>);

/// The poller on its way.
pub(crate) struct Poll<P: Platform> {
    poller: Arc<P::Poller>,
    /// What it told.
    pub(crate) events: Vec<Event>,
}

/// Large values on their way.
pub(crate) struct GarbageBag {
    garbage: Vec<Garbage>,
    /// How many of them are objects, which count as lazily freed.
    objects: u64,
    /// What they hold.
    bytes: u64,
}

impl<P: Platform> Kinds for Jobs<P> {
    type Client = Connection<Socket<P>>;
    type Poll = Poll<P>;
    type Garbage = GarbageBag;
}

/// A job of a platform.
pub(crate) type PlatformWord<P> = Word<Jobs<P>>;

/// What all threads share besides the queues.
struct Signals<W> {
    /// Threads with a smaller index take shared jobs.
    running: AtomicUsize,
    /// The main thread waits in the poller and wants to be woken.
    main_waits: AtomicBool,
    /// Objects that threads have freed, and what was held by all they have freed.
    objects_freed: AtomicU64,
    bytes_freed: AtomicU64,
    waker: W,
}

/// What the main thread and one I/O thread share.
#[derive(Debug, Default)]
struct Desk {
    asleep: AtomicBool,
    stop: AtomicBool,
    active_us: AtomicU64,
}

/// An I/O thread as the main thread sees it.
struct Worker<P: Platform> {
    thread: <P::Threads as Threads>::Thread,
    private: spsc::BoxedProducer<PlatformWord<P>>,
    desk: Arc<Desk>,
}

/// The I/O threads as the main thread sees them.
pub(crate) struct Crew<P: Platform> {
    inbox: spmc::BoxedProducer<PlatformWord<P>>,
    outbox: mpsc::BoxedConsumer<PlatformWord<P>>,
    /// What a new thread gets.
    inbox_end: spmc::BoxedConsumer<PlatformWord<P>>,
    outbox_end: mpsc::BoxedProducer<PlatformWord<P>>,
    signals: Arc<Signals<<P::Poller as Poller>::Waker>>,
    workers: Vec<Worker<P>>,
    /// By thread; kept when a thread ends, so that its time is not forgotten.
    desks: Vec<Arc<Desk>>,
    clock: Arc<P::Clock>,
    hasher: KeyHasher,
    poll: Option<Box<Poll<P>>>,
    /// Clients that are lent.
    clients_out: usize,
    /// Jobs put in since sleepers were last looked for.
    unannounced: usize,
    next_private: usize,
    /// Objects that were given to threads to be freed, and what all they were given held.
    objects_out: u64,
    bytes_out: u64,
}

impl<P: Platform> Crew<P> {
    /// Queues without threads.
    pub(crate) fn new(poller: &Arc<P::Poller>, clock: &Arc<P::Clock>, hasher: KeyHasher) -> Self {
        let (inbox, inbox_end) = spmc::Ring::with_capacity(INBOX_LEN).into_shared();
        let (outbox_end, outbox) = mpsc::Ring::with_capacity(OUTBOX_LEN).into_shared();
        let signals = Signals {
            running: AtomicUsize::new(0),
            main_waits: AtomicBool::new(false),
            objects_freed: AtomicU64::new(0),
            bytes_freed: AtomicU64::new(0),
            waker: poller.waker(),
        };
        Self {
            inbox,
            outbox,
            inbox_end,
            outbox_end,
            signals: Arc::new(signals),
            workers: Vec::new(),
            desks: Vec::new(),
            clock: Arc::clone(clock),
            hasher,
            poll: Some(Box::new(Poll { poller: Arc::clone(poller), events: Vec::new() })),
            clients_out: 0,
            unannounced: 0,
            next_private: 0,
            objects_out: 0,
            bytes_out: 0,
        }
    }

    /// How many threads there are.
    pub(crate) fn len(&self) -> usize {
        self.workers.len()
    }

    /// How many of them take jobs.
    pub(crate) fn running(&self) -> usize {
        // ORDERING: only the main thread writes it.
        self.signals.running.load(Ordering::Relaxed)
    }

    /// Clients that are lent.
    pub(crate) fn clients_out(&self) -> usize {
        self.clients_out
    }

    /// Jobs that no thread has taken yet, about.
    pub(crate) fn depth(&self) -> usize {
        self.inbox.len()
    }

    /// Time that each thread has worked, µs.
    pub(crate) fn active_us(&self) -> impl Iterator<Item = u64> + '_ {
        // ORDERING: statistics only.
        self.desks.iter().take(self.workers.len()).map(|desk| desk.active_us.load(Ordering::Relaxed))
    }

    /// What the main thread would have done so far if it were alone, as the ignition rule wants it: its own work, which
    /// is little while it waits for threads, and theirs.
    pub(crate) fn load_without_threads(&self, turns: u64, events: u64) -> Load {
        // ORDERING: statistics only.
        let theirs = || self.desks.iter().map(|desk| desk.active_us.load(Ordering::Relaxed)).sum::<u64>();
        match P::Cpu::thread() {
            Some(own) => Load::Busy(own.user_us + own.system_us + theirs()),
            None => Load::Events { turns, events },
        }
    }

    /// Starts threads until there are so many.
    pub(crate) fn grow(&mut self, count: usize, cpus: &str) -> Result<(), IoError> {
        while self.workers.len() < count.min(WORKERS_MAX) {
            let index = self.workers.len();
            if self.desks.len() == index {
                self.desks.push(Arc::default());
            }
            let desk = Arc::clone(&self.desks[index]);
            // ORDERING: the thread that reads them is started below.
            desk.stop.store(false, Ordering::Relaxed);
            let (private, private_end) = spsc::Ring::with_capacity(PRIVATE_LEN).into_shared();
            let runner: Runner<P> = Runner {
                index,
                inbox: self.inbox_end.clone(),
                private: private_end,
                outbox: self.outbox_end.another(),
                signals: Arc::clone(&self.signals),
                desk: Arc::clone(&desk),
                scratch: vec![0; SCRATCH_LEN].into_boxed_slice(),
                garbage: Vec::new(),
                hasher: self.hasher,
            };
            let (clock, cpus) = (Arc::clone(&self.clock), cpus.to_owned());
            let thread = P::Threads::spawn(&format!("io_thd_{}", index + 1), move || {
                let _ends_the_process = AbortOnPanic;
                if !cpus.is_empty() {
                    // The main thread has told when that is not possible.
                    P::Threads::set_affinity(&cpus);
                }
                runner.run(&*clock);
            })?;
            self.workers.push(Worker { thread, private, desk });
        }
        Ok(())
    }

    /// Ends threads until there are so few. Nothing may be lent, and no more than `count` may run.
    pub(crate) fn shrink(&mut self, count: usize) {
        while self.workers.len() > count {
            let Some(worker) = self.workers.pop() else { return };
            // ORDERING: pairs with the thread's load, before it ends.
            worker.desk.stop.store(true, Ordering::Release);
            worker.thread.unpark();
            worker.thread.join();
        }
    }

    /// Lets so many threads take jobs.
    pub(crate) fn set_running(&mut self, count: usize) {
        let count = count.min(self.workers.len());
        // ORDERING: pairs with the fence of a thread that goes to sleep: it sees the new number or is woken.
        self.signals.running.store(count, Ordering::SeqCst);
        self.unannounced += count;
        self.announce();
    }

    /// All that is lent has room in the outbox, so that no thread waits for the main thread to empty it.
    pub(crate) fn fits_outbox(&self) -> bool {
        self.clients_out < OUTBOX_LEN / 2
    }

    /// A thread has no private jobs left.
    pub(crate) fn is_private_empty(&self, index: usize) -> bool {
        self.workers.get(index).is_none_or(|worker| worker.private.is_empty())
    }

    /// Lends a client to be read from.
    ///
    /// # Errors
    /// The client, when the inbox is full.
    #[inline]
    pub(crate) fn lend_read(
        &mut self,
        client: Box<Connection<Socket<P>>>,
    ) -> Result<(), Box<Connection<Socket<P>>>> {
        self.lend(Job::Read(client))
    }

    /// Lends a client to be written to.
    ///
    /// # Errors
    /// The client, when the inbox is full.
    #[inline]
    pub(crate) fn lend_write(
        &mut self,
        client: Box<Connection<Socket<P>>>,
    ) -> Result<(), Box<Connection<Socket<P>>>> {
        self.lend(Job::Write(client))
    }

    fn lend(&mut self, job: Job<Jobs<P>>) -> Result<(), Box<Connection<Socket<P>>>> {
        match self.inbox.push(Word::new(job)) {
            Ok(()) => {
                self.clients_out += 1;
                self.unannounced += 1;
                Ok(())
            }
            Err(word) => match word.into_job() {
                Job::Read(client) | Job::Write(client) => Err(client),
                Job::Poll(_) | Job::Free(_) => unreachable!("a client was lent"),
            },
        }
    }

    /// Has somebody poll, unless somebody does or there is no room for the job.
    pub(crate) fn lend_poll(&mut self) {
        let Some(poll) = self.poll.take() else { return };
        let pushed = if self.running() > 9 {
            // With many threads the shared inbox may be long; the private ones are looked at first.
            self.next_private = (self.next_private + 1) % self.running();
            self.workers[self.next_private].private.push(Word::new(Job::Poll(poll)))
        } else {
            self.inbox.push(Word::new(Job::Poll(poll)))
        };
        match pushed.map_err(Word::into_job) {
            Ok(()) => self.unannounced += 1,
            Err(Job::Poll(poll)) => self.poll = Some(poll),
            Err(_) => unreachable!("the poller was lent"),
        }
    }

    /// Somebody has the poller.
    pub(crate) fn is_poll_out(&self) -> bool {
        self.poll.is_none()
    }

    /// The poller is back, its events dealt with.
    pub(crate) fn poll_is_back(&mut self, mut poll: Box<Poll<P>>) {
        poll.events.clear();
        self.poll = Some(poll);
    }

    /// Has a thread free things that hold so many bytes; they come back when none has room for them.
    pub(crate) fn free(&mut self, garbage: Vec<Garbage>, bytes: u64) -> Result<(), Vec<Garbage>> {
        let running = self.running();
        if running == 0 {
            return Err(garbage);
        }
        self.next_private = (self.next_private + 1) % running;
        let objects = garbage.iter().filter(|one| matches!(one, Garbage::Object(_))).count() as u64;
        let job = Job::Free(Box::new(GarbageBag { garbage, objects, bytes }));
        match self.workers[self.next_private].private.push(Word::new(job)) {
            Ok(()) => {
                self.unannounced += 1;
                self.objects_out += objects;
                self.bytes_out += bytes;
                Ok(())
            }
            Err(word) => match word.into_job() {
                Job::Free(bag) => Err(bag.garbage),
                _ => unreachable!("garbage was sent"),
            },
        }
    }

    /// How far that has come.
    pub(crate) fn garbage(&self) -> GarbageOut {
        // ORDERING: statistics only; what is read late counts as pending a little longer.
        let objects_freed = self.signals.objects_freed.load(Ordering::Relaxed);
        // ORDERING: see above.
        let bytes_freed = self.signals.bytes_freed.load(Ordering::Relaxed);
        GarbageOut {
            objects_pending: self.objects_out.saturating_sub(objects_freed),
            objects_freed,
            bytes_pending: self.bytes_out.saturating_sub(bytes_freed),
        }
    }

    /// Wakes as many sleepers as there are jobs that nobody was told of.
    pub(crate) fn announce(&mut self) {
        if self.unannounced == 0 {
            return;
        }
        // ORDERING: pairs with the fence in `Runner::sleep`: either it sees the jobs, or this sees it asleep.
        fence(Ordering::SeqCst);
        let mut left = core::mem::take(&mut self.unannounced);
        for worker in &self.workers[..self.running()] {
            if left == 0 {
                break;
            }
            // ORDERING: the fence above; the swap claims the wake-up.
            if worker.desk.asleep.load(Ordering::Relaxed) && worker.desk.asleep.swap(false, Ordering::AcqRel)
            {
                worker.thread.unpark();
                left -= 1;
            }
        }
    }

    /// Something has come back.
    pub(crate) fn has_results(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Takes some of what has come back and begins to fetch it: other processors have written it.
    pub(crate) fn take(&mut self, into: &mut Vec<PlatformWord<P>>) {
        while into.len() < TAKE_MAX {
            let Some(word) = self.outbox.pop() else { return };
            word.prefetch(CLIENT_LINES);
            into.push(word);
        }
    }

    /// Takes note of a client that is back.
    pub(crate) fn client_is_back(&mut self) {
        self.clients_out -= 1;
    }

    /// Asks to be woken while waiting in the poller. `false` when something is there already.
    pub(crate) fn begin_wait(&self) -> bool {
        // ORDERING: with the fence, pairs with `Runner::tell_main`: either it sees this, or the result is seen below.
        self.signals.main_waits.store(true, Ordering::Relaxed);
        // ORDERING: see above.
        fence(Ordering::SeqCst);
        !self.has_results()
    }

    /// The wait is over.
    pub(crate) fn end_wait(&self) {
        // ORDERING: a wake too many ends one wait early, no more.
        self.signals.main_waits.store(false, Ordering::Relaxed);
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

/// An I/O thread's own side.
struct Runner<P: Platform> {
    index: usize,
    inbox: spmc::BoxedConsumer<PlatformWord<P>>,
    private: spsc::BoxedConsumer<PlatformWord<P>>,
    outbox: mpsc::BoxedProducer<PlatformWord<P>>,
    signals: Arc<Signals<<P::Poller as Poller>::Waker>>,
    desk: Arc<Desk>,
    scratch: Box<[u8]>,
    hasher: KeyHasher,
    /// What is being freed, the last first: in steps, as clients wait for this thread too.
    garbage: Vec<GarbageBag>,
}

impl<P: Platform> Runner<P> {
    fn run(mut self, clock: &P::Clock) {
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
        // Over a full outbox no further work is taken.
        if !self.outbox.flush() {
            P::Threads::yield_now();
            return true;
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
            self.work(word);
            did = true;
        }
        self.free_some() || did
    }

    /// Frees part of what there is to free. Returns whether there was something.
    fn free_some(&mut self) -> bool {
        let Some(bag) = self.garbage.last_mut() else { return false };
        let is_small = match bag.garbage.last_mut() {
            // Nothing is left of it then but itself.
            Some(Garbage::Object(object)) => object.dismantle(FREE_BATCH) > 0,
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
        let back = match word.into_job() {
            Job::Read(mut client) => {
                let rules = Rules { limits: client.limits, requests_max: REQUESTS_MAX, hasher: self.hasher };
                receive::<P::Net>(&mut client, &mut self.scratch, &rules);
                Job::Read(client)
            }
            Job::Write(mut client) => {
                client.gone = transmit::<P::Net>(&mut client).is_err();
                Job::Write(client)
            }
            Job::Poll(mut poll) => {
                let events = &mut poll.events;
                // What went wrong will show when the main thread polls itself.
                let _ = poll.poller.wait(Some(0), &mut |event| events.push(event));
                Job::Poll(poll)
            }
            Job::Free(bag) => {
                self.garbage.push(*bag);
                return;
            }
        };
        let mut word = Word::new(back);
        while let Err(again) = self.outbox.push(word) {
            word = again;
            self.outbox.flush();
            P::Threads::yield_now();
        }
        self.tell_main();
    }

    /// Wakes the main thread if it waits.
    fn tell_main(&self) {
        // ORDERING: pairs with the fence in `Crew::begin_wait`.
        fence(Ordering::SeqCst);
        let waits = &self.signals.main_waits;
        // ORDERING: the fence above; the swap claims the wake-up.
        if waits.load(Ordering::Relaxed) && waits.swap(false, Ordering::Relaxed) {
            self.signals.waker.wake();
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
