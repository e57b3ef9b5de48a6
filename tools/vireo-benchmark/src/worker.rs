//! One thread of a test: its connections, its part of the pace, its event loop.
//!
//! Each turn begins what is due on connections that are free, waits for readiness or the next moment of the schedule, and reads
//! what has come. A reply's time is taken when the read that brought it has returned. Nothing spins: a wait ends by an event, or
//! when the next batch is due.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::collections::VecDeque;

use vireo_core::platform::{Clock as _, Event, Poller as _};

use crate::alarm::{Alarm, Until};
use crate::connection::Connection;
use crate::dial::Dialer;
use crate::failure::Failure;
use crate::latency::{DIGITS, Latency};
use crate::pace::{End, Next, Pace};
use crate::platform::{Clock, Poller};
use crate::workload::{Filler, Workload};

/// Batches that are begun before it is looked for replies again.
const BURST_MAX: usize = 64;
/// Bytes of one read.
const READ_LEN: usize = 64 * 1024;
/// How long replies are awaited when the time is over.
const GRACE_NS: u64 = 10_000_000_000;

/// What the others see of a thread while it runs. Padded: each thread writes its own often.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Published {
    /// Replies, and their latencies added up: during the warm-up, and since.
    pub warmup: Tally,
    pub measured: Tally,
}

/// A count and a sum.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    count: AtomicU64,
    sum_ns: AtomicU64,
}

impl Tally {
    /// Counts requests that took this long each.
    // ORDERING: both are shown only, and nothing else is read by them.
    pub(crate) fn add(&self, count: u64, ns: u64) {
        // One thread writes, so that it need not be one step.
        self.count.store(self.count.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        let sum = self.sum_ns.load(Ordering::Relaxed).saturating_add(ns.saturating_mul(count));
        self.sum_ns.store(sum, Ordering::Relaxed);
    }

    /// Count and sum.
    pub(crate) fn get(&self) -> (u64, u64) {
        // ORDERING: shown only, as said above.
        (self.count.load(Ordering::Relaxed), self.sum_ns.load(Ordering::Relaxed))
    }
}

/// What a thread works with; the same for all.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub workload: &'a Workload,
    pub dialer: &'a Dialer,
    pub clock: &'a Clock,
    pub pipeline: usize,
    pub keep_alive: bool,
    pub digits: u8,
    /// Somebody failed.
    pub stop: &'a AtomicBool,
}

/// What a thread brings back.
#[derive(Debug)]
pub(crate) struct Part {
    pub latency: Latency,
    /// By kind, where there are several.
    pub kinds: Vec<Latency>,
    /// How long after its time each batch of a schedule began.
    pub late: Latency,
    /// When the last reply came.
    pub last_ns: u64,
    /// Requests without a reply when it gave up.
    pub unanswered: u64,
    /// Batches of the schedule that were never begun.
    pub left: u64,
    /// How far behind its schedule it was at the end.
    pub behind_ns: u64,
}

/// A thread's state.
pub(crate) struct Worker<'a> {
    job: &'a Job<'a>,
    published: &'a Published,
    poller: &'a Poller,
    pace: Pace<'a>,
    filler: Filler<'a>,
    connections: Vec<Connection>,
    /// Connections without a batch, the one that waits longest first.
    free: VecDeque<usize>,
    busy: usize,
    is_over: bool,
    input: Vec<u8>,
    part: Part,
}

impl<'a> Worker<'a> {
    /// A thread's state at the beginning.
    pub(crate) fn new(
        job: &'a Job<'a>,
        published: &'a Published,
        poller: &'a Poller,
        pace: Pace<'a>,
        filler: Filler<'a>,
        connections: Vec<Connection>,
    ) -> Self {
        let kinds = if job.workload.is_mixed() { job.workload.kinds.len() } else { 0 };
        let part = Part {
            latency: Latency::new(job.digits),
            kinds: vec![Latency::new(job.digits); kinds],
            late: Latency::new(DIGITS),
            last_ns: 0,
            unanswered: 0,
            left: 0,
            behind_ns: 0,
        };
        let free = (0..connections.len()).collect();
        let input = vec![0; READ_LEN];
        Self { job, published, poller, pace, filler, connections, free, busy: 0, is_over: false, input, part }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// [`Failure`]; the others are to be stopped then.
    pub(crate) fn run(mut self) -> Result<Part, Failure> {
        let poller = self.poller;
        let system = |why: String| Failure::System(format!("Waiting for the server: {why}"));
        let mut alarm = Alarm::new(poller, self.job.clock).map_err(system)?;
        for (index, connection) in self.connections.iter().enumerate() {
            register(self.poller, connection, index)?;
        }
        let mut events: Vec<Event> = Vec::new();
        while let Some(until) = self.begin_due()? {
            let waited = alarm.wait(until, &mut |event| events.push(event));
            waited.map_err(|error| system(error.to_string()))?;
            // ORDERING: the flag alone is read.
            if self.job.stop.load(Ordering::Relaxed) {
                break;
            }
            for event in events.drain(..) {
                self.on_event(event)?;
            }
        }
        Ok(self.finish())
    }

    /// Begins what is due. Returns how long to wait then; `None` when all is over.
    fn begin_due(&mut self) -> Result<Option<Until>, Failure> {
        let mut due = None;
        for _ in 0..BURST_MAX {
            if self.is_over {
                break;
            }
            let Some(&index) = self.free.front() else { break };
            let now = self.job.clock.monotonic_ns();
            match self.pace.next(now) {
                Next::Begin(from) => {
                    self.free.pop_front();
                    self.begin(index, from, now)?;
                }
                Next::Wait(until) => {
                    due = Some(until);
                    break;
                }
                Next::Over => self.is_over = true,
            }
        }
        if self.is_over && self.busy == 0 {
            return Ok(None);
        }
        if due.is_none() && !self.is_over && !self.free.is_empty() {
            return Ok(Some(Until::Now));
        }
        if let End::At(end) = self.pace.window().end {
            let limit = end.saturating_add(GRACE_NS);
            if self.job.clock.monotonic_ns() >= limit {
                return Ok(None);
            }
            due = Some(due.map_or(limit, |due| due.min(limit)));
        }
        Ok(Some(due.map_or(Until::Event, Until::At)))
    }

    /// Begins a batch on a connection.
    fn begin(&mut self, index: usize, from: u64, now: u64) -> Result<(), Failure> {
        let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
        let batch = self.filler.next();
        connection.begin(from, self.job.workload.replies(self.job.pipeline), batch.kinds);
        self.busy += 1;
        if from >= self.pace.window().measured_ns {
            let late = now.saturating_sub(from);
            self.part.late.record(late, 1);
            self.part.behind_ns = late;
        }
        if connection.socket.is_some() {
            return connection.send(batch.bytes);
        }
        let socket = self.job.dialer.begin()?;
        connection.open(socket, self.job.dialer.greeting(), &batch);
        register(self.poller, connection, index)
    }

    fn on_event(&mut self, event: Event) -> Result<(), Failure> {
        let index = usize::try_from(event.token).unwrap_or(usize::MAX);
        let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
        let Some(socket) = &connection.socket else { return Ok(()) };
        if connection.is_opening {
            if event.closed
                && let Some(failure) = self.job.dialer.why_not(socket)
            {
                return Err(failure);
            }
            connection.is_opening = false;
        }
        if event.writable {
            connection.send_rest()?;
        }
        if event.readable || event.closed {
            self.on_readable(index)?;
        }
        Ok(())
    }

    /// Reads what has come. A read that does not fill the buffer has taken all there was; what comes later is told.
    fn on_readable(&mut self, index: usize) -> Result<(), Failure> {
        let mut input = core::mem::take(&mut self.input);
        let read = self.read(index, &mut input);
        self.input = input;
        read
    }

    fn read(&mut self, index: usize, input: &mut [u8]) -> Result<(), Failure> {
        loop {
            let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
            let Some(count) = connection.read(input)? else { return Ok(()) };
            let now = self.job.clock.monotonic_ns();
            let was_busy = connection.awaited > 0;
            let arrived = connection.take(input.get(..count).unwrap_or(&[]))?;
            let is_done = was_busy && connection.awaited == 0;
            self.record(index, arrived.replies, arrived.kinds, now);
            if is_done {
                self.on_done(index)?;
            }
            if count < input.len() {
                return Ok(());
            }
        }
    }

    /// Books replies that came at a time.
    fn record(&mut self, index: usize, replies: usize, kinds: core::ops::Range<usize>, now: u64) {
        let Some(connection) = self.connections.get(index).filter(|_| replies > 0) else { return };
        let (count, latency) = (replies as u64, now.saturating_sub(connection.begun_ns));
        if connection.begun_ns < self.pace.window().measured_ns {
            self.published.warmup.add(count, latency);
            return;
        }
        self.published.measured.add(count, latency);
        self.part.latency.record(latency, count);
        self.part.last_ns = now;
        for &kind in connection.kinds(kinds) {
            if let Some(of_kind) = self.part.kinds.get_mut(usize::from(kind)) {
                of_kind.record(latency, 1);
            }
        }
    }

    /// All replies to a batch have come: the connection is free, and taken at once if something is due.
    fn on_done(&mut self, index: usize) -> Result<(), Failure> {
        self.busy -= 1;
        if let Some(connection) = self.connections.get_mut(index).filter(|_| !self.job.keep_alive) {
            connection.socket = None;
        }
        if !self.is_over {
            let now = self.job.clock.monotonic_ns();
            match self.pace.next(now) {
                Next::Begin(from) => return self.begin(index, from, now),
                Next::Wait(_) => {}
                Next::Over => self.is_over = true,
            }
        }
        self.free.push_back(index);
        Ok(())
    }

    fn finish(mut self) -> Part {
        self.part.unanswered = self.connections.iter().map(|connection| connection.awaited as u64).sum();
        self.part.left = self.pace.left();
        self.part.behind_ns = self.pace.behind_ns().unwrap_or(self.part.behind_ns);
        self.part
    }
}

fn register(poller: &Poller, connection: &Connection, index: usize) -> Result<(), Failure> {
    let Some(socket) = &connection.socket else { return Ok(()) };
    poller
        .register(socket, index as u64)
        .map_err(|error| Failure::System(format!("Watching a connection: {error}")))
}
