//! Runs one test: opens the connections, starts the threads, tells of them while they run, adds up what they bring back.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::mpsc::{self, RecvTimeoutError};

use vireo_core::platform::{Clock as _, CpuSampler as _, Poller as _, Wake as _};

use crate::connection::Connection;
use crate::dial::Dialer;
use crate::failure::Failure;
use crate::latency::{DIGITS, Latency};
use crate::numbers::{Counters, Numbers};
use crate::options::{Amount, Options, Style};
use crate::pace::{Closed, End, Pace, Rate, Schedule, Window, tolerance};
use crate::platform::{Clock, Cpu, Poller, Waker};
use crate::progress::{INTERVAL_NS, Progress, Shows};
use crate::worker::{Job, Part, Published, Worker};
use crate::workload::{Filler, Workload};

/// A schedule begins so long after its threads were started.
const LEAD_NS: u64 = 5_000_000;
/// What all tests of a run share.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub options: &'a Options,
    pub dialer: &'a Dialer,
    pub clock: &'a Clock,
    pub counters: &'a Counters,
    /// Of the first thread; the others have the numbers that follow.
    pub seed: u64,
}

/// What came out of a test.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub title: String,
    pub payload_len: usize,
    /// Replies that count.
    pub requests: u64,
    /// From the end of the warm-up to the last of them.
    pub elapsed_ns: u64,
    pub latency: Latency,
    /// By kind, where there are several.
    pub kinds: Vec<(String, Latency)>,
    /// Of a test by a schedule.
    pub schedule: Option<Kept>,
    /// Requests without a reply at the end of the time.
    pub unanswered: u64,
    /// Requests per second, four times a second.
    pub rates: Vec<f64>,
    /// Processor time of this program, in microseconds: of its own and in the system.
    pub user_us: u64,
    pub system_us: u64,
}

/// How a schedule was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Requests per second that were asked for.
    pub target: u64,
    /// How long after its time each batch began.
    pub late: Latency,
    /// Requests that were never sent.
    pub unsent: u64,
    /// How far behind it was at the end.
    pub behind_ns: u64,
    /// It was kept to the end.
    pub is_kept: bool,
}

impl Bench<'_> {
    /// Runs a test.
    ///
    /// # Errors
    /// [`Failure`], which ends the program.
    pub(crate) fn run(&self, workload: &Workload) -> Result<Outcome, Failure> {
        let load = &self.options.load;
        if !workload.is_sendable(load.pipeline) {
            let why = "What is to be sent at once is too long: choose a smaller -P or -d.";
            return Err(Failure::Asked(why.to_owned()));
        }
        let count = load.threads.max(1).min(load.clients);
        let mut connections: Vec<Vec<Connection>> = (0..count).map(|_| Vec::new()).collect();
        for index in 0..load.clients {
            if let Some(of_thread) = connections.get_mut(index % count) {
                of_thread.push(Connection::new(self.dialer.open()?));
            }
        }
        let pollers = (0..count).map(|_| Poller::new()).collect::<Result<Vec<_>, _>>();
        let pollers = pollers.map_err(|error| Failure::System(format!("Opening a poller: {error}")))?;
        let threads: Vec<Published> = (0..count).map(|_| Published::default()).collect();
        let (begun, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let job = Job {
            workload,
            dialer: self.dialer,
            clock: self.clock,
            pipeline: load.pipeline,
            keep_alive: load.keep_alive,
            digits: self.options.output.digits,
            stop: &stop,
        };
        let cpu = Cpu::process();
        let window = self.window(workload);
        let mut progress = self.progress(workload, &threads, &window);
        let parts = std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let starts = connections.into_iter().zip(pollers.iter().zip(&threads)).enumerate();
            for (index, (connections, (poller, published))) in starts {
                let pace = self.pace(workload, window, &begun, index, count);
                let filler = self.filler(workload, index);
                let worker = Worker::new(&job, published, poller, pace, filler, connections);
                let sender = sender.clone();
                // Nobody is left to hear of it only where all others have ended.
                scope.spawn(move || drop(sender.send(worker.run())));
            }
            drop(sender);
            let wakers: Vec<Waker> = pollers.iter().map(Poller::waker).collect();
            wait(&receiver, self.clock, &mut progress, || {
                // ORDERING: the flag alone is read.
                stop.store(true, Ordering::Relaxed);
                wakers.iter().for_each(Waker::wake);
            })
        })?;
        progress.end();
        let spent = Cpu::process();
        let mut outcome = self.add_up(workload, parts, &window, progress.rates);
        outcome.user_us = spent.user_us.saturating_sub(cpu.user_us);
        outcome.system_us = spent.system_us.saturating_sub(cpu.system_us);
        Ok(outcome)
    }

    fn window(&self, workload: &Workload) -> Window {
        let load = &self.options.load;
        let lead = if load.rate.is_some() { LEAD_NS } else { 0 };
        let start_ns = self.clock.monotonic_ns() + lead;
        let measured_ns = start_ns.saturating_add(ns(load.warmup_s));
        let end = match load.amount {
            //= valkey 9.1 benchmark: whole batches are sent, also where that is more than was asked for
            Amount::Requests(requests) => {
                End::Batches(requests.div_ceil((workload.replies(load.pipeline) as u64).max(1)))
            }
            Amount::Seconds(seconds) => End::At(measured_ns.saturating_add(ns(seconds))),
        };
        Window { start_ns, measured_ns, end }
    }

    fn progress<'a>(
        &self,
        workload: &'a Workload,
        threads: &'a [Published],
        window: &Window,
    ) -> Progress<'a> {
        let shows = match (self.options.output.style, window.end) {
            (Style::Csv, _) => Shows::Nothing,
            (_, End::Batches(_)) => Shows::Requests,
            (_, End::At(_)) => Shows::Seconds,
        };
        Progress::new(&workload.title, threads, window.start_ns, window.measured_ns, shows)
    }

    fn pace<'a>(
        &self,
        workload: &Workload,
        window: Window,
        begun: &'a AtomicU64,
        thread: usize,
        threads: usize,
    ) -> Pace<'a> {
        let load = &self.options.load;
        match load.rate {
            None => Pace::Closed(Closed::new(window, begun)),
            Some(per_second) => {
                let batch = workload.replies(load.pipeline) as u64;
                let (threads, thread) = (threads as u64, thread as u64);
                Pace::Open(Schedule::new(window, Rate { per_second, batch, threads, thread }))
            }
        }
    }

    fn filler<'a>(&'a self, workload: &'a Workload, thread: usize) -> Filler<'a> {
        let (keys, seed) = (&self.options.keys, self.seed.wrapping_add(thread as u64));
        let numbers = |range, seed| Numbers::new(range, keys.order, seed, self.counters);
        // Kinds are drawn from a generator of their own: without -r there are no other numbers.
        let draw = numbers(1, !seed);
        Filler::new(workload, self.options.load.pipeline, keys.range.map(|range| numbers(range, seed)), draw)
    }

    fn add_up(&self, workload: &Workload, parts: Vec<Part>, window: &Window, rates: Vec<f64>) -> Outcome {
        let digits = self.options.output.digits;
        let mut all = Part {
            latency: Latency::new(digits),
            kinds: vec![Latency::new(digits); if workload.is_mixed() { workload.kinds.len() } else { 0 }],
            late: Latency::new(DIGITS),
            last_ns: window.measured_ns,
            unanswered: 0,
            left: 0,
            behind_ns: 0,
        };
        for part in parts {
            all.latency.merge(&part.latency);
            all.kinds.iter_mut().zip(&part.kinds).for_each(|(all, one)| all.merge(one));
            all.late.merge(&part.late);
            all.last_ns = all.last_ns.max(part.last_ns);
            all.unanswered += part.unanswered;
            all.left += part.left;
            all.behind_ns = all.behind_ns.max(part.behind_ns);
        }
        let names = workload.kinds.iter().map(|kind| kind.name.clone());
        let requests = all.latency.count();
        let elapsed_ns = all.last_ns.saturating_sub(window.measured_ns);
        Outcome {
            title: workload.title.clone(),
            payload_len: workload.payload_len,
            requests,
            elapsed_ns,
            kinds: names.zip(all.kinds).collect(),
            schedule: self.options.load.rate.map(|target| Kept {
                target,
                unsent: all.left * workload.replies(self.options.load.pipeline) as u64,
                behind_ns: all.behind_ns,
                is_kept: all.behind_ns <= tolerance(elapsed_ns),
                late: all.late,
            }),
            latency: all.latency,
            unanswered: all.unanswered,
            rates,
            user_us: 0,
            system_us: 0,
        }
    }
}

/// Waits for all threads, and tells of them; when one has failed, the others are stopped.
fn wait(
    receiver: &mpsc::Receiver<Result<Part, Failure>>,
    clock: &Clock,
    progress: &mut Progress<'_>,
    stop: impl Fn(),
) -> Result<Vec<Part>, Failure> {
    let (mut parts, mut failure) = (Vec::new(), None);
    let mut next_ns = clock.monotonic_ns() + INTERVAL_NS;
    loop {
        let now = clock.monotonic_ns();
        if now >= next_ns {
            progress.tick(now);
            next_ns = now + INTERVAL_NS;
        }
        match receiver.recv_timeout(Duration::from_nanos(next_ns - now.min(next_ns))) {
            Ok(Ok(part)) => parts.push(part),
            Ok(Err(failed)) => {
                failure.get_or_insert(failed);
                stop();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    failure.map_or(Ok(parts), Err)
}

/// Seconds that an option names.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "options are between 0 and a year"
)]
fn ns(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
