//! The functions behind the command table, under the names that its generator expects.

pub(super) use super::bitfield::{bitfield, bitfield_ro};
pub(super) use super::bits::{bitcount, bitop, bitpos, getbit, setbit};
pub(super) use super::client::*;
pub(super) use super::client_tracking::*;
pub(super) use super::command::*;
pub(super) use super::commandlog::*;
pub(super) use super::config::*;
pub(super) use super::connection::*;
pub(super) use super::counter::*;
pub(super) use super::debug::debug;
pub(super) use super::expire::*;
pub(super) use super::generic::*;
pub(super) use super::geo::*;
pub(super) use super::hash::*;
pub(super) use super::hash_ex::*;
pub(super) use super::hash_expire::*;
pub(super) use super::hash_read::*;
pub(super) use super::help::help;
pub(super) use super::hyperloglog::*;
pub(super) use super::info::info;
pub(super) use super::latency::*;
pub(super) use super::lcs::lcs;
pub(super) use super::list::*;
pub(super) use super::list_blocking::*;
pub(super) use super::lolwut::lolwut;
pub(super) use super::memory::*;
pub(super) use super::monitor::monitor;
pub(super) use super::object::*;
pub(super) use super::pubsub::*;
pub(super) use super::scan::scan;
pub(super) use super::sets::{sadd, scard, sismember, smembers, smismember, smove, srem, sscan};
pub(super) use super::sets_algebra::*;
pub(super) use super::sets_random::*;
pub(super) use super::shutdown::shutdown;
pub(super) use super::sort::{sort, sort_ro};
pub(super) use super::stream::*;
pub(super) use super::string::*;
pub(super) use super::time::time;
pub(super) use super::transaction::*;
pub(super) use super::zset::*;

use crate::engine::{Args, CmdError, CmdResult, Ctx};

/// A container without a subcommand: its arity refuses that before.
pub(super) fn container(_cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    Err(CmdError::SYNTAX)
}
