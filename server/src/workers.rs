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
//! woken before it waits, in the poller or, while the threads have enough to do, parked. Both follow the same pattern: the
//! sleeper says so, then looks once more for work; the other brings work, then looks for sleepers. Results are told of
//! together: when there is nothing more to do, or one last job, or when there are many.

use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::Arc;

use vireo_core::engine::host::GarbageOut;
use vireo_core::keyspace::{Garbage, KeyHasher};
use vireo_core::offload::{Job, Kinds, Load, Word};
use vireo_core::platform::{CpuSampler, Event, IoError, Platform, Poller, Thread, Threads};
use vireo_core::queue::{mpsc, spmc, spsc};

use crate::connection::{Connection, Resting};
use crate::out_buf::Pools;
use crate::serve::Socket;
use crate::worker::{AWAKE, Desk, Done, PARKED, POLLS, PlatformSignals, Runner, Signals};

/// Most I/O threads, the main thread aside.
pub(crate) const WORKERS_MAX: usize = 255;
const INBOX_LEN: usize = 4096;
const OUTBOX_LEN: usize = 16384;
const PRIVATE_LEN: usize = 4096;
/// Bytes that a thread reads at once.
const SCRATCH_LEN: usize = 64 * 1024;
/// Results that are taken together.
const TAKE_MAX: usize = 16;
/// Cache lines of a client's I/O half that are fetched when it comes back.
const CLIENT_LINES: usize = 6;

/// What the jobs of a platform carry.
pub(crate) struct Jobs<P>(core::marker::PhantomData<P>);

/// The poller on its way.
pub(crate) struct Poll<P: Platform> {
    pub(crate) poller: Arc<P::Poller>,
    /// What it told.
    pub(crate) events: Vec<Event>,
}

/// Large values on their way.
pub(crate) struct GarbageBag {
    pub(crate) garbage: Vec<Garbage>,
    /// How many of them are objects, which count as lazily freed.
    pub(crate) objects: u64,
    /// What they hold.
    pub(crate) bytes: u64,
}

impl<P: Platform> Kinds for Jobs<P> {
    type Client = Connection<Socket<P>>;
    type Poll = Poll<P>;
    type Garbage = GarbageBag;
}

/// A job of a platform.
pub(crate) type PlatformWord<P> = Word<Jobs<P>>;

/// An I/O thread as the main thread sees it.
struct Worker<P: Platform> {
    thread: <P::Threads as Threads>::Thread,
    private: spsc::BoxedProducer<PlatformWord<P>>,
    desk: Arc<Desk>,
}

impl<P: Platform> Worker<P> {
    /// Wakes it if it is asleep, after a fence. Returns whether it was.
    fn wake(&self) -> bool {
        // ORDERING: the caller's fence; the swap claims the wake-up.
        let wakes =
            self.desk.asleep.load(Ordering::Relaxed) && self.desk.asleep.swap(false, Ordering::AcqRel);
        if wakes {
            self.thread.unpark();
        }
        wakes
    }
}

/// The I/O threads as the main thread sees them.
pub(crate) struct Crew<P: Platform> {
    inbox: spmc::BoxedProducer<PlatformWord<P>>,
    outbox: mpsc::BoxedConsumer<PlatformWord<P>>,
    /// What a new thread gets.
    inbox_end: spmc::BoxedConsumer<PlatformWord<P>>,
    outbox_end: mpsc::BoxedProducer<PlatformWord<P>>,
    signals: Arc<PlatformSignals<P>>,
    workers: Vec<Worker<P>>,
    /// By thread; kept when a thread ends, so that its time is not forgotten.
    desks: Vec<Arc<Desk>>,
    clock: Arc<P::Clock>,
    hasher: KeyHasher,
    resting: Arc<Resting<Socket<P>>>,
    poll: Option<Box<Poll<P>>>,
    /// Clients that were lent so far.
    reads_lent: u64,
    writes_lent: u64,
    /// Clients that came back.
    clients_back: u64,
    /// Jobs put in since sleepers were last looked for.
    unannounced: usize,
    next_private: usize,
    /// Objects that were given to threads to be freed, and what all they were given held.
    objects_out: u64,
    bytes_out: u64,
}

impl<P: Platform> Crew<P> {
    /// Queues without threads.
    pub(crate) fn new(
        poller: &Arc<P::Poller>,
        clock: &Arc<P::Clock>,
        resting: &Arc<Resting<Socket<P>>>,
        hasher: KeyHasher,
    ) -> Self {
        let (inbox, inbox_end) = spmc::Ring::with_capacity(INBOX_LEN).into_shared();
        let (outbox_end, outbox) = mpsc::Ring::with_capacity(OUTBOX_LEN).into_shared();
        let signals = Signals {
            running: AtomicUsize::new(0),
            main_waits: AtomicU8::new(AWAKE),
            objects_freed: AtomicU64::new(0),
            bytes_freed: AtomicU64::new(0),
            waker: poller.waker(),
            unparker: P::Threads::unparker(),
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
            resting: Arc::clone(resting),
            poll: Some(Box::new(Poll { poller: Arc::clone(poller), events: Vec::new() })),
            reads_lent: 0,
            writes_lent: 0,
            clients_back: 0,
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

    /// Clients that wait for a thread, that one works on, or that are on their way back; those that rest are none of them.
    pub(crate) fn clients_out(&self) -> u64 {
        // In this order: see `Books::came_to_rest`.
        let rest: u64 = self.desks.iter().map(|desk| desk.books.came_to_rest()).fold(0, u64::wrapping_add);
        (self.reads_lent + self.writes_lent).wrapping_sub(self.clients_back).wrapping_sub(rest)
    }

    /// What all threads have done, those included that have ended.
    pub(crate) fn done(&self) -> Done {
        let mut done = Done::default();
        self.desks.iter().for_each(|desk| desk.books.add_to(&mut done));
        done
    }

    /// Clients that were lent to be read from and written to.
    pub(crate) fn lent(&self) -> (u64, u64) {
        (self.reads_lent, self.writes_lent)
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
            None => {
                // Those that a thread has dealt with without the main thread's doing.
                let called: u64 = self.desks.iter().map(|desk| desk.books.called()).sum();
                Load::Events { turns, events: events + called }
            }
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
                whole: Vec::new(),
                resting: Arc::clone(&self.resting),
                called: Vec::new(),
                pools: Pools::default(),
                garbage: Vec::new(),
                untold: 0,
                hasher: self.hasher,
            };
            let (clock, cpus) = (Arc::clone(&self.clock), cpus.to_owned());
            let thread = P::Threads::spawn(&format!("io_thd_{}", index + 1), move || {
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
        self.clients_out() < OUTBOX_LEN as u64 / 2
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
        self.lend(Job::Read(client)).inspect(|()| self.reads_lent += 1)
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
        self.lend(Job::Write(client)).inspect(|()| self.writes_lent += 1)
    }

    fn lend(&mut self, job: Job<Jobs<P>>) -> Result<(), Box<Connection<Socket<P>>>> {
        match self.inbox.push(Word::new(job)) {
            Ok(()) => {
                self.unannounced += 1;
                Ok(())
            }
            Err(word) => match word.into_job() {
                Job::Read(client) | Job::Write(client) => Err(client),
                Job::Poll(_) | Job::Free(_) => unreachable!("a client was lent"),
            },
        }
    }

    /// Has somebody poll, unless somebody does, or nobody takes jobs, or there is no room for this one.
    pub(crate) fn lend_poll(&mut self) {
        if self.running() == 0 {
            return;
        }
        let Some(poll) = self.poll.take() else { return };
        let is_private = self.running() > 9;
        let pushed = if is_private {
            // With many threads the shared inbox may be long; the private ones are looked at first.
            self.next_private = (self.next_private + 1) % self.running();
            self.workers[self.next_private].private.push(Word::new(Job::Poll(poll)))
        } else {
            self.inbox.push(Word::new(Job::Poll(poll)))
        };
        match pushed.map_err(Word::into_job) {
            Ok(()) if is_private => self.announce_private(),
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
                self.announce_private();
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
        // ORDERING: pairs with the fence in `Runner::sleep` (worker.rs): either it sees the jobs, or this sees it asleep.
        fence(Ordering::SeqCst);
        let mut left = core::mem::take(&mut self.unannounced);
        for worker in &self.workers[..self.running()] {
            if left == 0 {
                break;
            }
            left -= usize::from(worker.wake());
        }
    }

    /// Wakes the thread that has got a private job: no other could do it, and it may be told soon to take no more of those
    /// that are shared.
    fn announce_private(&self) {
        // ORDERING: as in `announce`.
        fence(Ordering::SeqCst);
        self.workers[self.next_private].wake();
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
        self.clients_back += 1;
    }

    /// Asks to be woken while waiting in the poller. `false` when something is there already.
    pub(crate) fn begin_wait(&self) -> bool {
        self.ask_to_be_woken(POLLS);
        !self.has_results()
    }

    fn ask_to_be_woken(&self, how: u8) {
        // ORDERING: with the fence, pairs with `Runner::tell_main`: either it sees this, or what the caller looks for next
        // is seen.
        self.signals.main_waits.store(how, Ordering::Relaxed);
        // ORDERING: see above.
        fence(Ordering::SeqCst);
    }

    /// The threads have more to do than they can begin now.
    pub(crate) fn has_backlog(&self) -> bool {
        self.inbox.len() > self.running()
    }

    /// Sleeps until a thread tells of results, while one has the poller.
    pub(crate) fn park(&self, timeout_ns: u64) {
        self.ask_to_be_woken(PARKED);
        // Whoever takes a job from now on tells of it, and so does whoever has the poller and has not sent it back.
        if !self.inbox.is_empty() || !self.has_results() {
            P::Threads::park_for(timeout_ns);
        }
        self.end_wait();
    }

    /// The wait is over.
    pub(crate) fn end_wait(&self) {
        // ORDERING: a wake too many ends one wait early, no more.
        self.signals.main_waits.store(AWAKE, Ordering::Relaxed);
    }
}
