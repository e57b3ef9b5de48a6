//! `CLIENT PAUSE`: commands of normal clients wait until a moment.
//!
//! A later, weaker pause never shortens or weakens the one in force.

use crate::commands::table::{Command, CommandFlags};

/// Which commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseKind {
    /// Those that may write.
    Write,
    /// All.
    All,
}

/// The pause in force, if any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    current: Option<(PauseKind, i64)>,
}

impl Pause {
    /// Begins or extends a pause until `end_ms` of the wall clock.
    pub fn begin(&mut self, kind: PauseKind, end_ms: i64) {
        self.current = Some(match self.current {
            Some((old_kind, old_end)) => (old_kind.max(kind), old_end.max(end_ms)),
            None => (kind, end_ms),
        });
    }

    /// Ends the pause.
    pub fn end(&mut self) {
        self.current = None;
    }

    /// The kind in force at a moment.
    pub fn kind(&self, now_ms: i64) -> Option<PauseKind> {
        self.current.filter(|&(_, end)| now_ms < end).map(|(kind, _)| kind)
    }

    /// Milliseconds until the end.
    pub fn remaining_ms(&self, now_ms: i64) -> Option<i64> {
        self.current.map(|(_, end)| end.saturating_sub(now_ms)).filter(|&left| left > 0)
    }

    /// A pause was begun and has not been taken back, though its time may be over.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.current.is_some()
    }

    /// This command waits now; `writes` when it runs others that write.
    pub fn holds(&self, command: &Command, writes: bool, now_ms: i64) -> bool {
        match self.kind(now_ms) {
            None => false,
            // CLIENT (to take the pause back) is never held: it carries neither flag and All lets it pass below.
            Some(PauseKind::All) => true,
            Some(PauseKind::Write) => {
                writes || command.flags.intersects(CommandFlags::WRITE | CommandFlags::MAY_REPLICATE)
            }
        }
    }
}
