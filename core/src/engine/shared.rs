//! What all clients share: configuration, statistics, logs, the registry of clients.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::blocking::{Blocking, Wait};
use super::client_memory::ClientMemory;
use super::commandlog::CommandLogs;
use super::host::HostRequest;
use super::latency::LatencyMonitor;
use super::pause::Pause;
use super::pubsub::PubSub;
use super::session::{ClientSlot, Clients};
use super::stats::Stats;
use super::tracking::Tracking;
use super::watch::Watches;
use crate::commands::table::Command;
use crate::config::Config;
use crate::keyspace::{Loan, SharedBytes};
use crate::rng::Rng;

/// Bytes for a client, another or the one whose command runs: a MONITOR line, a message, the reply of one that waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who gets them.
    pub to: ClientSlot,
    /// Encoded for the receiver's protocol.
    pub bytes: Vec<u8>,
}

/// What all clients share.
#[derive(Debug)]
pub struct Shared {
    /// Directives and their values.
    pub config: Config,
    /// All sessions, but the one whose command runs.
    pub clients: Clients,
    /// What they hold.
    pub client_memory: ClientMemory,
    /// Counters for INFO.
    pub stats: Stats,
    /// Slow commands, large requests, large replies.
    pub commandlogs: CommandLogs,
    /// Latency events over the threshold.
    pub latency: LatencyMonitor,
    /// `CLIENT PAUSE`.
    pub pause: Pause,
    /// Clients in MONITOR mode.
    pub monitors: Vec<ClientSlot>,
    /// Bytes for other clients, to be fetched after each command.
    pub deliveries: Vec<Delivery>,
    /// Large values of the replies being written, and where in the reply buffer each belongs: they are sent from where they
    /// lie, without a copy.
    pub references: Vec<(usize, SharedBytes)>,
    /// Where smaller values are lent, if the reply is sent by a thread that puts them in.
    pub(crate) loan: Option<Box<Loan>>,
    /// Who watches which key.
    pub watches: Watches,
    /// Who waits for which key.
    pub blocking: Blocking,
    /// Who listens to what.
    pub pubsub: PubSub,
    /// Who may hold a copy of which key.
    pub tracking: Tracking,
    /// The running command found nothing to give: its client waits.
    pub(super) wait: Option<Wait>,
    /// Arguments of the command that waits, by index, as they are to be when it runs again.
    pub(super) replaced: Vec<(usize, Vec<u8>)>,
    /// The running command was EXEC: the queue runs next.
    pub runs_queue: bool,
    /// What the server must do, to be fetched after each command.
    pub requests: Vec<HostRequest>,
    /// Randomness of RANDOMKEY, LOLWUT and the like; seeded once.
    pub rng: Rng,
    /// Commands under other names (`rename-command`), lower case; `None` hides one.
    pub renamed: BTreeMap<Vec<u8>, Option<&'static Command>>,
    /// Elements of lists from this length on get nodes of their own; 0: the default (`DEBUG QUICKLIST-PACKED-THRESHOLD`).
    pub list_plain_len_min: usize,
    /// Expired keys go without being looked at (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: bool,
    /// Arguments of the running command that MONITOR and the command log must not show, a bit each.
    pub redacted: u64,
}

impl Shared {
    /// Keys and fields go when their time has come, though nobody asks for them.
    pub fn expires_actively(&self) -> bool {
        self.active_expire && !self.config.settings().import_mode
    }
}
