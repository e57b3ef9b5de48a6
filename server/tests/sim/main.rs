//! The whole server in a simulation: clients that know what each reply must be, and everything that can go wrong around it.
//!
//! A seed decides which faults are on, who the clients are and what they do, how the server is configured, and which
//! thread runs when. Checkers are apart from the workload: `linear.rs` (shared keys), `own.rs` (keys of one client),
//! `book.rs` (queues, expiry), `roles.rs` (messages, waits), `keeper.rs` (what the disk keeps), `director.rs` (what is left
//! when all are gone).
//!
//! `VIREO_SIM_SEEDS=1000 VIREO_SIM_FROM=1 cargo test --profile quick -p vireo-server --test sim seeds` runs so many seeds;
//! `VIREO_SIM_TRACE=FILE` writes every step of them there.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::std_instead_of_alloc, reason = "a test links std")]

mod book;
mod client;
mod director;
mod keeper;
mod linear;
mod own;
mod roles;
mod value;
mod wire;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vireo_backend_sim::{Actor, Contents, Dice, Faults, Outcome, Planted, SECOND_NS, Setup, Sim, run};

use book::{Figures, Shelf};
use client::Client;
use director::{Director, Plan};
use keeper::Keeper;
use roles::{Listener, Popper};

#[global_allocator]
static ALLOCATOR: vireo_server::alloc::Counted = vireo_server::alloc::Counted;

/// Seeds that run where nobody says how many.
const SEEDS: u64 = 8;
/// A run is over by then.
const END_NS: u64 = 3000 * SECOND_NS;

/// Who says nothing for so long is closed, in some runs: longer than any client is silent.
const IDLE_S: u64 = 4;

/// How a run is made up.
struct Cast {
    clients: u64,
    poppers: u64,
    /// There is no room for all clients at once.
    is_full: bool,
    /// Somebody has the configuration file written.
    has_keeper: bool,
    rounds: u64,
    think_ns: u64,
    options: Vec<String>,
    plan: Plan,
}

impl Cast {
    fn of_seed(seed: u64, faults: &Faults) -> Self {
        let mut dice = Dice::new(seed, 4);
        let clients = if dice.one_in(100) { 1500 } else { [3, 10, 30, 100, 300][dice.index(5)] };
        // With more than nine threads that run, whoever polls is told so apart from the others.
        let threads_max = if dice.one_in(8) { 14 } else { [1, 2, 4, 8][dice.index(4)] };
        let mut options = vec![
            format!("--io-threads {}", dice.between(1, threads_max)),
            format!("--io-threads-always-active {}", if dice.one_in(4) { "no" } else { "yes" }),
            format!("--min-string-size-avoid-copy-reply-threaded {}", [100, 5000, 65536][dice.index(3)]),
            format!("--hz {}", [10, 100][dice.index(2)]),
        ];
        let limits_clients = dice.one_in(3);
        if limits_clients {
            options.push("--maxmemory-clients 100mb".to_owned());
        }
        if dice.one_in(4) {
            options.push(format!("--timeout {IDLE_S}"));
        }
        let is_full = dice.one_in(8);
        if is_full {
            options.push(format!("--maxclients {}", clients / 2 + 10));
        }
        let plan = Plan {
            threads_max,
            kills: dice.one_in(3),
            // Pauses and waits end by the wall clock, as in the reference: one that jumps back lengthens them.
            pauses: dice.one_in(4) && !faults.clock_jumps,
            sleeps: dice.one_in(4),
            clients: usize::try_from(clients).unwrap(),
            limits_clients,
        };
        Self {
            clients,
            poppers: if faults.clock_jumps { 0 } else { dice.below(6) },
            is_full,
            // From a stream of its own, so that the seeds without are what they were before there was a disk.
            has_keeper: Dice::new(seed, 6).one_in(3),
            rounds: (400 / clients).clamp(2, 40),
            think_ns: [10_000, 5_000_000, 300_000_000][dice.index(3)],
            options,
            plan,
        }
    }

    fn actors(&self, seed: u64, shelf: &Shelf) -> Vec<Box<dyn Actor>> {
        let mut book = shelf.book();
        let listeners = 2;
        book.kills = self.plan.kills || self.is_full;
        book.clients_left = usize::try_from(self.clients + self.poppers).unwrap();
        book.listeners_left = 2;
        drop(book);
        let mut actors: Vec<Box<dyn Actor>> =
            vec![Box::new(Director::new(seed, self.plan.clone(), shelf.clone()))];
        if self.has_keeper {
            actors.push(Box::new(Keeper::new(seed, shelf.clone())));
        }
        for number in 1..=self.clients {
            let client = Client::new(number, seed, self.rounds, self.think_ns, shelf.clone());
            actors.push(Box::new(client));
        }
        for number in 0..self.poppers {
            actors.push(Box::new(Popper::new(number, seed, self.rounds, shelf.clone())));
        }
        for channel in 0..listeners {
            actors.push(Box::new(Listener::new(channel, shelf.clone())));
        }
        actors
    }

    /// The server's command line.
    fn arguments(&self) -> Vec<Vec<u8>> {
        let always = [
            "--port 6379",
            "--bind 127.0.0.1",
            "--save \"\"",
            "--loglevel nothing",
            "--set-proc-title no",
            "--enable-debug-command yes",
            "--notify-keyspace-events Ex",
        ];
        let file = self.has_keeper.then_some(keeper::CONFIG_FILE);
        let all = file.into_iter().chain(always).chain(self.options.iter().map(String::as_str));
        all.flat_map(|option| option.split(' ').map(|word| word.trim_matches('"').as_bytes().to_vec()))
            .collect()
    }
}

/// One at a time: the log's level and the counted memory are the process's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn simulate(seed: u64, faults: Faults) -> (Outcome, Figures) {
    let cast = Cast::of_seed(seed, &faults);
    let shelf = Shelf::default();
    let trace_to = std::env::var_os("VIREO_SIM_TRACE").map(|path| {
        let file = BufWriter::new(File::create(path).unwrap());
        Box::new(file) as Box<dyn Write + Send>
    });
    let files = if cast.has_keeper { keeper::disk() } else { Contents::new() };
    let actors = cast.actors(seed, &shelf);
    let setup = Setup { seed, faults, files, actors, end_ns: END_NS, trace_to };
    let arguments = cast.arguments();
    let mut outcome = run(setup, move || {
        vireo_server::boot::run_within::<Sim>(&arguments).unwrap();
    });
    let left = (outcome.sockets_open, outcome.threads_left);
    if outcome.failure.is_none() && left != (0, 0) {
        outcome.failure = Some(format!("sockets and threads that are left: {left:?}"));
    }
    let figures = shelf.book().figures;
    (outcome, figures)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What whoever has to find the bug needs.
fn report(seed: u64, faults: &Faults, outcome: &Outcome) -> String {
    format!(
        "the last steps of seed {seed}:\n{}\nfaults: {faults}\nseed {seed} has failed: {}\nagain: \
         VIREO_SIM_FROM={seed} VIREO_SIM_SEEDS=1 cargo test -p vireo-server --test sim seeds",
        outcome.last.join("\n"),
        outcome.failure.as_deref().unwrap_or("it has not"),
    )
}

#[test]
fn seeds() {
    let _alone = alone();
    let from = number("VIREO_SIM_FROM", 1);
    for seed in from..from + number("VIREO_SIM_SEEDS", SEEDS) {
        let faults = Faults::of_seed(seed);
        let (outcome, figures) = simulate(seed, faults.clone());
        assert!(outcome.failure.is_none(), "{}", report(seed, &faults, &outcome));
        println!(
            "seed {seed}: {} s, {} calls, {} switches, {figures:?}",
            outcome.virtual_ns / SECOND_NS,
            outcome.calls,
            outcome.switches
        );
    }
}

/// Seeds that have found bugs of the server's:
/// a client that was lent for writing while it was listed for a flush, and rested then, was told of nothing any more.
const FINDERS: [u64; 1] = [100_293];

#[test]
fn what_was_found_stays_mended() {
    let _alone = alone();
    for seed in FINDERS {
        let faults = Faults::of_seed(seed);
        let (outcome, _) = simulate(seed, faults.clone());
        assert!(outcome.failure.is_none(), "{}", report(seed, &faults, &outcome));
    }
}

#[test]
fn a_seed_repeats() {
    let _alone = alone();
    for seed in 1..4 {
        let faults = Faults::of_seed(seed);
        let (first, second) = (simulate(seed, faults.clone()).0, simulate(seed, faults).0);
        assert_eq!(first, second, "seed {seed}");
    }
    let other = simulate(9, Faults::of_seed(9)).0;
    assert_ne!(other.trace, simulate(10, Faults::of_seed(10)).0.trace);
}

/// Seeds within which each planted bug is found.
const PLANTED_SEEDS_MAX: u64 = 10;

#[test]
fn planted_bugs_are_found() {
    let _alone = alone();
    let all = [
        Planted::ReplyDropped,
        Planted::RepliesSwapped,
        Planted::EventLost,
        Planted::WakeLost,
        Planted::WallClockAhead,
        Planted::SyncLost,
    ];
    for planted in all {
        let found = (1..=PLANTED_SEEDS_MAX).find_map(|seed| {
            let faults = Faults { planted: Some(planted), ..Faults::of_seed(seed) };
            simulate(seed, faults).0.failure.map(|why| (seed, why))
        });
        let Some((seed, why)) = found else {
            panic!("{planted:?} is not found within {PLANTED_SEEDS_MAX} seeds");
        };
        println!("{planted:?} is found by seed {seed}: {}", why.lines().next().unwrap_or(""));
    }
}
