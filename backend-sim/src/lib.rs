//! Vireo's platform boundary in a simulation: a network, a disk, clocks and threads that a seed decides.
//!
//! Whatever is generic over the platform runs in here unchanged, its threads included. Everything that could differ
//! between two runs is drawn from the seed, so a seed that has found a bug finds it again. Around the program are
//! [`Actor`]s: clients, and whoever watches over them.
//!
//! The files have the names that the other backends have; beside them stand the world (`world.rs`), who runs
//! (`schedule.rs`), what is on its way (`network.rs`),
//! what is not on the disk yet (`disk.rs`) and what goes wrong ([`Faults`]).
//!
//! Sources: FoundationDB's simulation ("FoundationDB: A Distributed Unbundled Transactional Key Value Store", 2021, 4);
//! for [`Order::Priorities`], Burckhardt and others, "A Randomized Scheduler with Probabilistic Guarantees of Finding
//! Bugs", 2010, from which it departs by changing priorities at random instead of at few points.

#![expect(clippy::std_instead_of_alloc, reason = "threads need std, and `alloc` here is its allocator")]

mod actor;
mod clock;
mod cpu;
mod dice;
mod disk;
mod error;
mod faults;
mod files;
mod net;
mod network;
mod peer;
mod poller;
mod run;
mod schedule;
mod system;
#[cfg(test)]
mod tests;
mod threads;
mod trace;
mod wall;
mod world;

use vireo_core::platform::Platform;

pub use self::actor::{Actor, ConnId, Scene, Told};
pub use self::clock::SimClock;
pub use self::cpu::SimCpu;
pub use self::dice::Dice;
pub use self::disk::Contents;
pub use self::faults::{Faults, Order, Planted};
pub use self::files::{DISK_SLOW_MAX_NS, SimFile, SimFiles};
pub use self::net::{SimNet, SimSocket};
pub use self::network::Line;
pub use self::poller::{SimPoller, SimWaker};
pub use self::run::{Outcome, Setup, run};
pub use self::schedule::STALL_MAX_NS;
pub use self::system::SimSystem;
pub use self::threads::{SimThread, SimThreads, SimUnparker};
pub use self::world::SECOND_NS;

/// The simulated system.
#[derive(Clone, Copy, Debug)]
pub struct Sim;

impl Platform for Sim {
    type Net = SimNet;
    type Poller = SimPoller;
    type Clock = SimClock;
    type Threads = SimThreads;
    type Files = SimFiles;
    type Cpu = SimCpu;
    type System = SimSystem;
}
