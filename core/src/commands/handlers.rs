//! The functions behind the command table, under the names that its generator expects.

pub(super) use super::client::*;
pub(super) use super::command::*;
pub(super) use super::commandlog::*;
pub(super) use super::config::*;
pub(super) use super::connection::*;
pub(super) use super::counter::*;
pub(super) use super::debug::debug;
pub(super) use super::expire::*;
pub(super) use super::generic::*;
pub(super) use super::help::help;
pub(super) use super::info::info;
pub(super) use super::latency::*;
pub(super) use super::lcs::lcs;
pub(super) use super::lolwut::lolwut;
pub(super) use super::memory::*;
pub(super) use super::monitor::monitor;
pub(super) use super::object::*;
pub(super) use super::scan::scan;
pub(super) use super::shutdown::shutdown;
pub(super) use super::string::*;
pub(super) use super::time::time;

use crate::engine::{Args, CmdError, CmdResult, Ctx};

/// A container without a subcommand: its arity refuses that before.
pub(super) fn container(_cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    Err(CmdError::SYNTAX)
}
