//! CLIENT: commands about connections, one's own and others'.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::client_filter::Filter;
use super::client_tracking::redirect;
use crate::engine::host::IoUse;
use crate::engine::pubsub::{self, Topic};
use crate::engine::{
    Args, ClientSlot, CmdError, CmdResult, Ctx, EndOfWait, HostRequest, PauseKind, Session, SessionFlags,
    Shared,
};
use crate::num;
use crate::resp::Proto;

const BAD_NAME: CmdError =
    CmdError::Text("ERR Client names cannot contain spaces, newlines or special characters.");

/// Printable and without blanks, since it will stand in lines of CLIENT LIST.
fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// Refuses a name that CLIENT LIST could not show.
pub(super) fn check_name(name: &[u8]) -> CmdResult {
    if is_plain(name) { Ok(()) } else { Err(BAD_NAME) }
}

/// CLIENT ID
pub(crate) fn client_id(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.unsigned(cx.session.id);
    Ok(())
}

/// CLIENT GETNAME
pub(crate) fn client_getname(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    match cx.session.name.as_slice() {
        b"" => cx.reply.null(),
        name => cx.reply.bulk(name),
    }
    Ok(())
}

/// CLIENT SETNAME name
pub(crate) fn client_setname(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    check_name(args.at(2))?;
    cx.session.name = args.at(2).to_vec();
    cx.reply.ok();
    Ok(())
}

/// CLIENT SETINFO LIB-NAME name | LIB-VER version
pub(crate) fn client_setinfo(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let is_name = args.is(2, "LIB-NAME");
    if !is_name && !args.is(2, "LIB-VER") {
        return Err(cx.fail_bytes(&[b"ERR Unrecognized option '", args.at(2), b"'"]));
    }
    if !is_plain(args.at(3)) {
        let rest = b" cannot contain spaces, newlines or special characters.";
        return Err(cx.fail_bytes(&[b"ERR ", args.at(2), rest]));
    }
    let field = if is_name { &mut cx.session.lib_name } else { &mut cx.session.lib_ver };
    *field = args.at(3).to_vec();
    cx.reply.ok();
    Ok(())
}

fn switch(cx: &mut Ctx<'_>, args: &Args<'_>, flag: SessionFlags) -> CmdResult {
    let on = if args.is(2, "ON") {
        true
    } else if args.is(2, "OFF") {
        false
    } else {
        return Err(CmdError::SYNTAX);
    };
    cx.session.flags.set(flag, on);
    cx.reply.ok();
    Ok(())
}

/// CLIENT NO-EVICT ON | OFF
pub(crate) fn client_no_evict(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    switch(cx, args, SessionFlags::NO_EVICT)
}

/// CLIENT NO-TOUCH ON | OFF
pub(crate) fn client_no_touch(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    switch(cx, args, SessionFlags::NO_TOUCH)
}

/// CLIENT REPLY ON | OFF | SKIP
pub(crate) fn client_reply(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let flags = &mut cx.session.flags;
    if args.is(2, "ON") {
        flags.remove(SessionFlags::REPLY_OFF | SessionFlags::REPLY_SKIP);
        cx.reply.ok();
    } else if args.is(2, "OFF") {
        flags.insert(SessionFlags::REPLY_OFF);
    } else if args.is(2, "SKIP") {
        flags.set(SessionFlags::REPLY_SKIP_NEXT, !flags.contains(SessionFlags::REPLY_OFF));
    } else {
        return Err(CmdError::SYNTAX);
    }
    Ok(())
}

/// CLIENT CAPA capability ...: unknown ones are ignored, as the reference does.
pub(crate) fn client_capa(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let redirect = (2..args.len()).any(|index| args.is(index, "redirect"));
    if redirect {
        cx.session.flags.insert(SessionFlags::CAPA_REDIRECT);
    }
    cx.reply.ok();
    Ok(())
}

/// CLIENT IMPORT-SOURCE ON | OFF
pub(crate) fn client_import_source(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let is_off = args.is(2, "OFF");
    if !is_off && !cx.shared.config.settings().import_mode {
        return Err(CmdError::Text("ERR Server is not in import mode"));
    }
    if !is_off && !args.is(2, "ON") {
        return Err(CmdError::SYNTAX);
    }
    cx.session.flags.set(SessionFlags::IMPORT_SOURCE, !is_off);
    cx.reply.ok();
    Ok(())
}

/// `CLIENT PAUSE timeout [WRITE | ALL]`
pub(crate) fn client_pause(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let kind = match args.len() {
        3 => PauseKind::All,
        4 if args.is(3, "ALL") => PauseKind::All,
        4 if args.is(3, "WRITE") => PauseKind::Write,
        4 => return Err(CmdError::Text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(CmdError::SYNTAX),
    };
    let timeout =
        num::parse_i64(args.at(2)).ok_or(CmdError::Text("ERR timeout is not an integer or out of range"))?;
    if timeout < 0 {
        return Err(CmdError::Text("ERR timeout is negative"));
    }
    let end = timeout.checked_add(cx.now.unix_ms());
    let end = end.ok_or(CmdError::Text("ERR timeout is out of range"))?;
    cx.shared.pause.begin(kind, end);
    cx.shared.requests.push(HostRequest::PauseChanged);
    cx.reply.ok();
    Ok(())
}

/// CLIENT UNPAUSE
pub(crate) fn client_unpause(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.shared.pause.end();
    cx.shared.requests.push(HostRequest::PauseChanged);
    cx.reply.ok();
    Ok(())
}

/// CLIENT INFO
pub(crate) fn client_info(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let io = io_use_of(cx, args, cx.session.slot);
    let line = client_line(cx.session, &io, cx.now.unix_ms()) + "\n";
    cx.reply.verbatim(b"txt", line.as_bytes());
    Ok(())
}

/// `CLIENT LIST [filters]`
pub(crate) fn client_list(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() == 3 {
        return Err(CmdError::SYNTAX);
    }
    let filter = Filter::parse(cx, args, 2)?;
    let mut text = String::new();
    for slot in matching(cx, &filter) {
        let io = io_use_of(cx, args, slot);
        if let Some(session) = session_at(cx, slot) {
            text.push_str(&client_line(session, &io, cx.now.unix_ms()));
            text.push('\n');
        }
    }
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// CLIENT KILL address | filters
pub(crate) fn client_kill(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let old_form = args.len() == 3;
    let mut filter = if old_form { Filter::by_addr(args.at(2)) } else { Filter::parse(cx, args, 2)? };
    if !old_form {
        filter.skip_me.get_or_insert(true);
    }
    let slots = matching(cx, &filter);
    for &slot in &slots {
        if slot == cx.session.slot {
            cx.session.flags.insert(SessionFlags::CLOSE_AFTER_REPLY);
        } else {
            // From now on it is served nothing more, though the outside closes it only when this command is over.
            if let Some(session) = cx.shared.clients.get_mut(slot) {
                session.flags.insert(SessionFlags::CLOSE_ASAP);
            }
            cx.shared.requests.push(HostRequest::Kill(slot));
        }
    }
    if !old_form {
        cx.reply.count(slots.len());
    } else if slots.is_empty() {
        return Err(CmdError::Text("ERR No such client"));
    } else {
        cx.reply.ok();
    }
    Ok(())
}

/// `CLIENT UNBLOCK id [TIMEOUT | ERROR]`
pub(crate) fn client_unblock(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const REASON: CmdError = CmdError::Text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    let how = match args.len() {
        3 => EndOfWait::Timeout,
        4 if args.is(3, "TIMEOUT") => EndOfWait::Timeout,
        4 if args.is(3, "ERROR") => EndOfWait::Unblocked,
        4 => return Err(REASON),
        _ => return Err(CmdError::SYNTAX),
    };
    let id = u64::try_from(args.int(2)?).ok();
    let slot = id.and_then(|id| cx.shared.clients.slot_of(id));
    let now = cx.now;
    let ended = slot.is_some_and(|slot| cx.shared.end_wait(slot, how, now));
    cx.reply.integer(i64::from(ended));
    Ok(())
}

/// What a client's I/O half holds; the running one holds the arguments of this command, too.
fn io_use_of(cx: &mut Ctx<'_>, args: &Args<'_>, slot: ClientSlot) -> IoUse {
    let mut io = cx.host.io_use(slot);
    if slot == cx.session.slot {
        // They lie in its read buffer, or in the one that clients share.
        io.argv_mem += args.iter_from(0).map(<[u8]>::len).sum::<usize>();
    }
    io
}

/// The session in a slot, the running one too.
fn session_at<'a>(cx: &'a Ctx<'_>, slot: ClientSlot) -> Option<&'a Session> {
    if slot == cx.session.slot { Some(cx.session) } else { cx.shared.clients.get(slot) }
}

/// Clients that a filter means. One that is being closed is as good as gone, even if an I/O thread still has it.
fn matching(cx: &Ctx<'_>, filter: &Filter) -> Vec<ClientSlot> {
    let passes = |slot: &ClientSlot| {
        session_at(cx, *slot)
            .filter(|session| !session.flags.contains(SessionFlags::CLOSE_ASAP))
            .is_some_and(|session| filter.passes(session, *slot == cx.session.slot, cx.now.unix_ms()))
    };
    cx.shared.clients.slots().filter(passes).collect()
}

/// The letters of a client's state; `N` when there is nothing to say.
pub(super) fn flag_letters(session: &Session) -> String {
    let states = [
        (session.flags.contains(SessionFlags::MONITOR), 'O'),
        (session.is_subscriber(), 'P'),
        (session.multi.is_some(), 'x'),
        (session.blocked.is_some() || session.flags.contains(SessionFlags::PAUSED), 'b'),
        (session.flags.contains(SessionFlags::TRACKING), 't'),
        (session.flags.contains(SessionFlags::TRACKING_BROKEN), 'R'),
        (session.flags.contains(SessionFlags::TRACKING_BCAST), 'B'),
        (session.flags.contains(SessionFlags::DIRTY_CAS), 'd'),
    ];
    let letters = [
        (SessionFlags::CLOSE_AFTER_REPLY, 'c'),
        (SessionFlags::CLOSE_ASAP, 'A'),
        (SessionFlags::UNIX_SOCKET, 'U'),
        (SessionFlags::READONLY, 'r'),
        (SessionFlags::NO_EVICT, 'e'),
        (SessionFlags::NO_TOUCH, 'T'),
        (SessionFlags::IMPORT_SOURCE, 'I'),
    ];
    let more = letters.map(|(flag, letter)| (session.flags.contains(flag), letter));
    let text: String = states.iter().chain(&more).filter(|(is, _)| *is).map(|(_, letter)| letter).collect();
    if text.is_empty() { "N".into() } else { text }
}

/// The line of a client, as CLIENT LIST and the log print it.
pub fn client_line(session: &Session, io: &IoUse, now_ms: i64) -> String {
    let mut line = String::with_capacity(400);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seconds = |from: i64| (now_ms - from).max(0) / 1000;
    let events = match (io.reading, io.writing) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "",
    };
    let multi = session.multi.as_ref();
    let multi_bytes = multi.map_or(0, |multi| multi.memory());
    let memory = Shared::client_claim(session, io);
    // Writing into a string cannot fail.
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} capa={} db={} sub={} psub={} ssub={} multi={} \
         watch={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs={} rbp={} obl={} oll={} omem={} tot-mem={memory} \
         events={events} cmd={} user=default redir={} resp={} lib-name={} lib-ver={} tot-net-in={} tot-net-out={} \
         tot-cmds={}",
        session.id,
        session.addr,
        session.laddr,
        session.fd,
        text(&session.name),
        seconds(session.created_ms),
        seconds(session.last_interaction_ms),
        flag_letters(session),
        if session.flags.contains(SessionFlags::CAPA_REDIRECT) { "r" } else { "" },
        session.db,
        pubsub::count(session, Topic::Channel),
        pubsub::count(session, Topic::Pattern),
        pubsub::count(session, Topic::Shard),
        multi.map_or(-1, |multi| multi.len().cast_signed()),
        session.watched.len(),
        io.query_len,
        io.query_free,
        io.argv_mem,
        multi_bytes,
        io.reply_capacity,
        io.reply_peak,
        io.reply_len,
        io.reply_chunks,
        io.reply_chunk_bytes,
        session.last_command.map_or("NULL", |command| command.full_name),
        redirect(session),
        if session.proto == Proto::Resp3 { 3 } else { 2 },
        text(&session.lib_name),
        text(&session.lib_ver),
        io.net_in,
        io.net_out,
        session.commands_processed,
    );
    line
}
