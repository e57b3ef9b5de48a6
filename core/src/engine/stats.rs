//! Counters for INFO: totals, per command, per error code.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::commands::table::{COMMAND_COUNT, Command};

/// Counters of one command.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandStats {
    /// Times executed.
    pub calls: u64,
    /// Time spent, µs.
    pub duration_us: u64,
    /// Times refused before execution.
    pub rejected: u64,
    /// Times it answered an error.
    pub failed: u64,
}

/// Counters for INFO.
#[derive(Debug)]
pub struct Stats {
    /// Commands executed.
    pub commands_processed: u64,
    /// Error replies sent.
    pub error_replies: u64,
    /// Changes of the data set.
    pub dirty: u64,
    /// By command id.
    pub commands: Vec<CommandStats>,
    /// By error code.
    pub errors: BTreeMap<Vec<u8>, u64>,
}

impl Default for Stats {
    fn default() -> Self {
        let mut commands = Vec::new();
        commands.resize(COMMAND_COUNT, CommandStats::default());
        Self { commands_processed: 0, error_replies: 0, dirty: 0, commands, errors: BTreeMap::new() }
    }
}

impl Stats {
    /// Counters of a command.
    #[inline]
    pub fn of(&mut self, command: &Command) -> &mut CommandStats {
        &mut self.commands[usize::from(command.id.0)]
    }

    /// Counts an error reply by the code that begins its line (without the `-`).
    #[cold]
    pub fn count_error(&mut self, line: &[u8]) {
        self.error_replies += 1;
        let end = line.iter().take(32).position(|&byte| byte == b' ');
        let code = end.and_then(|end| line.get(..end)).unwrap_or(b"ERR");
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else {
            self.errors.insert(code.to_vec(), 1);
        }
    }
}
