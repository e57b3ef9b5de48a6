//! Commands about the connection itself: greeting, password, database, farewell.

use super::generic::database;
use crate::engine::{Args, CmdError, CmdResult, Ctx, SessionFlags};
use crate::num;
use crate::resp::Proto;

/// The server name that clients look for: Vireo stands in for this.
pub(super) const COMPAT_NAME: &str = "valkey";
/// The version whose behaviour Vireo has.
pub(super) const COMPAT_VERSION: &str = "9.1.2";
/// The Redis version that clients compare with, as the reference states it.
pub(super) const REDIS_VERSION: &str = "7.2.4";

/// `PING [message]`
pub(crate) fn ping(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let listens = cx.session.is_subscriber() && cx.session.proto == Proto::Resp2;
    match args.len() {
        //= valkey 9.1 PING: a subscriber that speaks RESP2 gets an array
        1 | 2 if listens => {
            cx.reply.array(2);
            cx.reply.bulk(b"pong");
            cx.reply.bulk(args.get(1).unwrap_or(b""));
        }
        1 => cx.reply.status(b"PONG"),
        2 => cx.reply.bulk(args.at(1)),
        _ => return Err(CmdError::Text("ERR wrong number of arguments for 'ping' command")),
    }
    Ok(())
}

/// ECHO message
pub(crate) fn echo(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    cx.reply.bulk(args.at(1));
    Ok(())
}

/// SELECT database
pub(crate) fn select(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let db = database(cx, args.at(1))?;
    cx.session.db = u32::try_from(db).unwrap_or(0);
    cx.reply.ok();
    Ok(())
}

/// QUIT
pub(crate) fn quit(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.ok();
    cx.session.flags.insert(SessionFlags::CLOSE_AFTER_REPLY);
    Ok(())
}

/// READONLY: what it allows is up to replicas; a client may say it to any server.
pub(crate) fn readonly(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.session.flags.insert(SessionFlags::READONLY);
    cx.reply.ok();
    Ok(())
}

/// READWRITE
pub(crate) fn readwrite(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.session.flags.remove(SessionFlags::READONLY);
    cx.reply.ok();
    Ok(())
}

/// RESET
pub(crate) fn reset(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    let slot = cx.session.slot;
    cx.shared.monitors.retain(|&monitor| monitor != slot);
    let open = cx.shared.config.settings().requirepass.is_empty();
    super::transaction::leave(cx);
    cx.shared.pubsub.unsubscribe_all(cx.session);
    cx.shared.disable_tracking(cx.session);
    cx.session.reset(open);
    cx.reply.set_proto(Proto::Resp2);
    cx.reply.status(b"RESET");
    Ok(())
}

/// `AUTH [username] password`
pub(crate) fn auth(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const NO_PASSWORD: CmdError = CmdError::Text(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
         configuration is correct?",
    );
    (1..args.len()).for_each(|index| cx.redact(index));
    match args.len() {
        2 if cx.shared.config.settings().requirepass.is_empty() => return Err(NO_PASSWORD),
        2 => log_in(cx, b"default", args.at(1))?,
        3 => log_in(cx, args.at(1), args.at(2))?,
        _ => return Err(CmdError::SYNTAX),
    }
    cx.reply.ok();
    Ok(())
}

/// Checks a user's password; the only user is `default`.
fn log_in(cx: &mut Ctx<'_>, user: &[u8], password: &[u8]) -> CmdResult {
    const WRONG: CmdError = CmdError::Text("WRONGPASS invalid username-password pair or user is disabled.");
    let wanted = &cx.shared.config.settings().requirepass;
    if user != b"default" || !(wanted.is_empty() || same_secret(wanted, password)) {
        cx.shared.stats.denied_auth += 1;
        return Err(WRONG);
    }
    cx.session.authenticated = true;
    cx.session.flags.insert(SessionFlags::EVER_AUTHENTICATED);
    Ok(())
}

/// Compares in a time that depends on the lengths alone, so that nothing can be learned byte by byte.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b.iter().chain(core::iter::repeat(&0))).fold(0, |sum, (x, y)| sum | (x ^ y));
    core::hint::black_box(differing) == 0 && a.len() == b.len()
}

/// `HELLO [protover [AUTH username password] [SETNAME name]]`
pub(crate) fn hello(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let proto = match args.get(1) {
        None => None,
        Some(text) => {
            let version = num::parse_i64(text)
                .ok_or(CmdError::Text("ERR Protocol version is not an integer or out of range"))?;
            match version {
                2 => Some(Proto::Resp2),
                3 => Some(Proto::Resp3),
                _ => return Err(CmdError::Text("NOPROTO unsupported protocol version")),
            }
        }
    };
    let (mut login, mut name, mut index) = (None, None, 2);
    while index < args.len() {
        let more = args.len() - 1 - index;
        if args.is(index, "AUTH") && more >= 2 {
            cx.redact(index + 1);
            cx.redact(index + 2);
            login = Some((args.at(index + 1), args.at(index + 2)));
            index += 2;
        } else if args.is(index, "SETNAME") && more >= 1 {
            let given = args.at(index + 1);
            super::client::check_name(given)?;
            name = Some(given);
            index += 1;
        } else {
            return Err(cx.fail_bytes(&[b"ERR Syntax error in HELLO option '", args.at(index), b"'"]));
        }
        index += 1;
    }
    if let Some((user, password)) = login {
        log_in(cx, user, password)?;
    }
    if !cx.session.authenticated {
        return Err(CmdError::Text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        ));
    }
    if let Some(name) = name {
        cx.session.name = name.to_vec();
    }
    if let Some(proto) = proto {
        cx.session.proto = proto;
        cx.shared.pubsub.set_proto(cx.session);
        cx.reply.set_proto(proto);
    }
    introduce(cx);
    Ok(())
}

fn introduce(cx: &mut Ctx<'_>) {
    let zone = cx.shared.config.text("availability-zone");
    let redis = cx.shared.config.settings().extended_redis_compatibility;
    let (name, version) = if redis { ("redis", REDIS_VERSION) } else { (COMPAT_NAME, COMPAT_VERSION) };
    let (proto, id) = (if cx.session.proto == Proto::Resp3 { 3 } else { 2 }, cx.session.id);
    cx.reply.map(7 + usize::from(!zone.is_empty()));
    for (field, value) in [("server", name), ("version", version)] {
        cx.reply.bulk(field.as_bytes());
        cx.reply.bulk(value.as_bytes());
    }
    cx.reply.bulk(b"proto");
    cx.reply.integer(proto);
    cx.reply.bulk(b"id");
    cx.reply.unsigned(id);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        cx.reply.bulk(field.as_bytes());
        cx.reply.bulk(value.as_bytes());
    }
    cx.reply.bulk(b"modules");
    cx.reply.array(0);
    if !zone.is_empty() {
        cx.reply.bulk(b"availability_zone");
        cx.reply.bulk(zone.as_bytes());
    }
}
