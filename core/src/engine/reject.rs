//! The checks that come before a command runs, and what the client is told when one fails.
//!
//! The order is the reference's: a client without a password learns nothing about commands.

use alloc::vec::Vec;

use super::context::{Args, Moment};
use super::host::{Host, LogLevel};
use super::session::Session;
use super::shared::Shared;
use super::{CmdError, Engine, Room};
use crate::commands::table::{self, Command, CommandFlags};
use crate::config::ProtectedAction;
use crate::resp::{Proto, Reply};

/// Why a request was refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// Something that speaks HTTP, tricked into talking to us: closed without a word.
    SecurityAttack,
    Unauthenticated,
    UnknownCommand,
    UnknownSubcommand,
    WrongArity(&'static Command),
    DebugDisabled,
    OutOfMemory,
    /// Within a transaction.
    NotInTransaction(&'static Command),
    /// By a subscriber that speaks RESP2.
    Subscribed(&'static Command),
}

/// Bytes of an unknown command's name and arguments that are repeated in the error.
const ECHO_LEN_MAX: usize = 128;

impl Shared {
    /// The command that a request names, its subcommand included; `None` when there is none.
    #[inline]
    pub(super) fn lookup(&self, args: &Args<'_>) -> Option<&'static Command> {
        let command = if self.renamed.is_empty() {
            args.known_command().or_else(|| table::lookup(args.at(0)))?
        } else {
            self.lookup_renamed(args.at(0))?
        };
        if command.subcommands.is_empty() || args.len() < 2 {
            return Some(command);
        }
        table::lookup_sub(command, args.at(1))
    }

    /// A top-level command by the name users must use.
    #[cold]
    pub(crate) fn lookup_renamed(&self, name: &[u8]) -> Option<&'static Command> {
        match self.renamed.get(&name.to_ascii_lowercase()) {
            Some(renamed) => *renamed,
            None => table::lookup(name),
        }
    }
}

impl Engine {
    /// Why this request may not run, if so.
    #[inline]
    pub(super) fn refusal(
        &mut self,
        found: Option<&'static Command>,
        session: &Session,
        args: &Args<'_>,
        now: Moment,
        host: &mut dyn Host,
    ) -> Option<Refusal> {
        let Some(command) = found else { return Some(self.why_unknown(session, args)) };
        if !session.authenticated && !command.flags.contains(CommandFlags::NO_AUTH) {
            return Some(Refusal::Unauthenticated);
        }
        let (arity, argc) = (isize::from(command.arity), args.len().cast_signed());
        if (arity > 0 && arity != argc) || argc < -arity {
            return Some(Refusal::WrongArity(command));
        }
        if command.flags.contains(CommandFlags::PROTECTED) && !self.allows_debug(session) {
            return Some(Refusal::DebugDisabled);
        }
        //= valkey 9.1 maxmemory: any command has room made, but only those that need memory are refused
        if self.shared.config.settings().maxmemory != 0
            && self.make_room(now, host) == Room::Full
            && needs_memory(command, session)
        {
            return Some(Refusal::OutOfMemory);
        }
        if self.shared.tracking.clients() > 0 {
            self.shared.limit_tracked_keys();
        }
        if session.multi.is_some() && command.flags.contains(CommandFlags::NO_MULTI) {
            return Some(Refusal::NotInTransaction(command));
        }
        if session.is_subscriber() && session.proto == Proto::Resp2 && !runs_for_subscribers(command) {
            return Some(Refusal::Subscribed(command));
        }
        None
    }

    /// A refused command makes the transaction fail that it was to be part of; a refused EXEC ends it.
    pub(super) fn fail_transaction(
        &mut self,
        session: &mut Session,
        found: Option<&'static Command>,
        out: &mut Vec<u8>,
        start: usize,
    ) {
        if let Some(multi) = &mut session.multi {
            multi.failed = true;
        }
        //= valkey 9.1 EXEC: refused, it says so even where there is no transaction
        if found.is_some_and(|command| command.name == "exec") {
            session.multi = None;
            self.shared.watches.unwatch(session);
            let line = out.split_off(start);
            let reason = line[1..].trim_ascii_end();
            let reason = reason.strip_prefix(b"ERR ").unwrap_or(reason);
            let mut reply = Reply::new(out, session.proto);
            reply.error_parts(&[b"EXECABORT Transaction discarded because of: ", reason]);
        }
    }

    #[cold]
    fn why_unknown(&self, session: &Session, args: &Args<'_>) -> Refusal {
        if args.is(0, "host:") || args.is(0, "post") {
            return Refusal::SecurityAttack;
        }
        if !session.authenticated {
            return Refusal::Unauthenticated;
        }
        let container = self.shared.lookup_renamed(args.at(0));
        if args.len() >= 2 && container.is_some() {
            return Refusal::UnknownSubcommand;
        }
        Refusal::UnknownCommand
    }

    #[cold]
    fn allows_debug(&self, session: &Session) -> bool {
        match self.shared.config.settings().enable_debug_command {
            ProtectedAction::Yes => true,
            ProtectedAction::No => false,
            ProtectedAction::Local => session.is_loopback,
        }
    }
}

/// A command is refused when memory is full; EXEC, if one of its transaction would be.
fn needs_memory(command: &Command, session: &Session) -> bool {
    command.flags.contains(CommandFlags::DENYOOM)
        || (command.name == "exec" && session.multi.as_ref().is_some_and(|multi| multi.needs_memory()))
}

/// Commands that a subscriber may give that speaks RESP2.
fn runs_for_subscribers(command: &Command) -> bool {
    const NAMES: [&str; 9] = [
        "ping",
        "subscribe",
        "ssubscribe",
        "sunsubscribe",
        "unsubscribe",
        "psubscribe",
        "punsubscribe",
        "reset",
        "quit",
    ];
    NAMES.contains(&command.full_name)
}

/// Writes the error of a refused request.
#[cold]
pub(super) fn answer(refusal: &Refusal, args: &Args<'_>, reply: &mut Reply<'_>) {
    match refusal {
        Refusal::SecurityAttack => {}
        Refusal::Unauthenticated => fixed(reply, CmdError::NO_AUTH),
        Refusal::OutOfMemory => fixed(reply, CmdError::OOM),
        Refusal::NotInTransaction(command) => reply.error_parts(&[
            b"ERR Command '",
            command.full_name.as_bytes(),
            b"' not allowed inside a transaction",
        ]),
        Refusal::Subscribed(command) => reply.error_parts(&[
            b"ERR Can't execute '",
            command.full_name.as_bytes(),
            b"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        ]),
        Refusal::DebugDisabled => reply.error(
            b"ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run \
              it from a local connection, otherwise you need to set this option in the configuration file, and \
              then restart the server."
            ),
        Refusal::UnknownSubcommand => {
            let upper = args.at(0).to_ascii_uppercase();
            reply.error_parts(&[
                b"ERR unknown subcommand '",
                c_string(args.at(1), ECHO_LEN_MAX),
                b"'. Try ",
                c_string(&upper, usize::MAX),
                b" HELP.",
            ]);
        }
        Refusal::UnknownCommand => reply.error(&unknown_command(args)),
        Refusal::WrongArity(command) => {
            let name = command.full_name.as_bytes();
            reply.error_parts(&[b"ERR wrong number of arguments for '", name, b"' command"]);
        }
    }
}

fn fixed(reply: &mut Reply<'_>, error: CmdError) {
    if let CmdError::Text(text) = error {
        reply.error(text.as_bytes());
    }
}

//= valkey 9.1: an unknown command is told with its first arguments, about 128 bytes of them
fn unknown_command(args: &Args<'_>) -> Vec<u8> {
    let mut line = b"ERR unknown command '".to_vec();
    line.extend_from_slice(c_string(args.at(0), ECHO_LEN_MAX));
    line.extend_from_slice(b"', with args beginning with: ");
    let mut echoed = 0;
    for arg in args.iter_from(1) {
        if echoed >= ECHO_LEN_MAX {
            break;
        }
        let shown = c_string(arg, ECHO_LEN_MAX - echoed);
        line.push(b'\'');
        line.extend_from_slice(shown);
        line.extend_from_slice(b"' ");
        echoed += shown.len() + 3;
    }
    line
}

/// The part of a name before its first NUL, and no more than `len_max` of it, as the reference prints it.
fn c_string(bytes: &[u8], len_max: usize) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end.min(len_max)]
}

/// Tells the operator that something which speaks HTTP has connected.
#[cold]
pub(super) fn log_security_attack(session: &Session, host: &mut dyn Host) {
    host.log(
        LogLevel::Warning,
        format_args!(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Vireo. \
             This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your \
             server. Connection from {} aborted.",
            session.addr
        ),
    );
}
