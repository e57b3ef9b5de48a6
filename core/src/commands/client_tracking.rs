//! CLIENT TRACKING and its kin: client-side caching, as its users see it.

use alloc::vec::Vec;

use crate::engine::tracking::{Overlap, overlap};
use crate::engine::{Args, ClientId, CmdError, CmdResult, Ctx, Session, SessionFlags};

/// What CLIENT TRACKING was given behind ON or OFF.
struct Options<'a> {
    redirect: Option<ClientId>,
    mode: SessionFlags,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(cx: &Ctx<'_>, args: &Args<'a>) -> Result<Self, CmdError> {
        let mut options = Self { redirect: None, mode: SessionFlags::empty(), prefixes: Vec::new() };
        let mut index = 3;
        while index < args.len() {
            let value = args.get(index + 1);
            match (args.at(index).to_ascii_uppercase().as_slice(), value) {
                (b"REDIRECT", Some(_)) => {
                    options.set_redirect(cx, args, index + 1)?;
                    index += 1;
                }
                (b"PREFIX", Some(prefix)) => {
                    options.prefixes.push(prefix);
                    index += 1;
                }
                (b"BCAST", _) => options.mode |= SessionFlags::TRACKING_BCAST,
                (b"OPTIN", _) => options.mode |= SessionFlags::TRACKING_OPTIN,
                (b"OPTOUT", _) => options.mode |= SessionFlags::TRACKING_OPTOUT,
                (b"NOLOOP", _) => options.mode |= SessionFlags::TRACKING_NOLOOP,
                _ => return Err(CmdError::SYNTAX),
            }
            index += 1;
        }
        Ok(options)
    }

    fn set_redirect(&mut self, cx: &Ctx<'_>, args: &Args<'a>, index: usize) -> CmdResult {
        if self.redirect.is_some() {
            return Err(CmdError::Text("ERR A client can only redirect to a single other client"));
        }
        let id = ClientId::try_from(args.int(index)?).ok();
        self.redirect = id.filter(|&id| cx.shared.clients.slot_of(id).is_some());
        if self.redirect.is_none() {
            return Err(CmdError::Text("ERR The client ID you want redirect to does not exist"));
        }
        Ok(())
    }

    /// Refuses options that do not go together, or not with how the client tracks already.
    fn check(&self, cx: &mut Ctx<'_>) -> CmdResult {
        const BCAST: SessionFlags = SessionFlags::TRACKING_BCAST;
        const OPTIN: SessionFlags = SessionFlags::TRACKING_OPTIN;
        const OPTOUT: SessionFlags = SessionFlags::TRACKING_OPTOUT;
        let (mode, before) = (self.mode, cx.session.flags);
        if !mode.contains(BCAST) && !self.prefixes.is_empty() {
            return Err(CmdError::Text("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if before.contains(SessionFlags::TRACKING) && before.contains(BCAST) != mode.contains(BCAST) {
            return Err(CmdError::Text(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if mode.contains(BCAST) && mode.intersects(OPTIN | OPTOUT) {
            return Err(CmdError::Text("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if mode.contains(OPTIN | OPTOUT) {
            return Err(CmdError::Text("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if (mode.contains(OPTIN) && before.contains(OPTOUT))
            || (mode.contains(OPTOUT) && before.contains(OPTIN))
        {
            return Err(CmdError::Text(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        self.check_prefixes(cx)
    }

    fn check_prefixes(&self, cx: &mut Ctx<'_>) -> CmdResult {
        let none = alloc::collections::BTreeSet::new();
        let own = cx.session.tracking.as_ref().map_or(&none, |state| &state.prefixes);
        let (first, with, second) = match overlap(own, &self.prefixes) {
            None => return Ok(()),
            Some(Overlap::WithOwn(first, own)) => (first, b"an existing".as_slice(), own.to_vec()),
            Some(Overlap::Within(first, second)) => {
                (first, b"another provided".as_slice(), self.prefixes[second].to_vec())
            }
        };
        Err(cx.fail_bytes(&[
            b"ERR Prefix '",
            up_to_nul(self.prefixes[first]),
            b"' overlaps with ",
            with,
            b" prefix '",
            up_to_nul(&second),
            b"'. Prefixes for a single client must not overlap.",
        ]))
    }
}

/// A name as the reference prints it in errors.
fn up_to_nul(name: &[u8]) -> &[u8] {
    name.split(|&byte| byte == 0).next().unwrap_or(name)
}

/// `CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix] ... [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`
pub(crate) fn client_tracking(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let options = Options::parse(cx, args)?;
    if args.is(2, "ON") {
        options.check(cx)?;
        cx.shared.enable_tracking(cx.session, options.redirect, options.mode, &options.prefixes);
    } else if args.is(2, "OFF") {
        cx.shared.disable_tracking(cx.session);
    } else {
        return Err(CmdError::SYNTAX);
    }
    cx.reply.ok();
    Ok(())
}

/// CLIENT CACHING YES | NO
pub(crate) fn client_caching(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let flags = &mut cx.session.flags;
    if !flags.contains(SessionFlags::TRACKING) {
        return Err(CmdError::Text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    }
    let (mode, error) = if args.is(2, "YES") {
        let text = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
        (SessionFlags::TRACKING_OPTIN, text)
    } else if args.is(2, "NO") {
        let text = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
        (SessionFlags::TRACKING_OPTOUT, text)
    } else {
        return Err(CmdError::SYNTAX);
    };
    if !flags.contains(mode) {
        return Err(CmdError::Text(error));
    }
    flags.insert(SessionFlags::TRACKING_CACHING);
    cx.reply.ok();
    Ok(())
}

/// Whom a client redirects to: 0 is nobody, -1 that it does not track.
pub(super) fn redirect(session: &Session) -> i64 {
    if !session.flags.contains(SessionFlags::TRACKING) {
        return -1;
    }
    let id = session.tracking.as_ref().and_then(|state| state.redirect).unwrap_or(0);
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// CLIENT GETREDIR
pub(crate) fn client_getredir(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    cx.reply.integer(redirect(cx.session));
    Ok(())
}

/// CLIENT TRACKINGINFO
pub(crate) fn client_trackinginfo(cx: &mut Ctx<'_>, _args: &Args<'_>) -> CmdResult {
    let flags = cx.session.flags;
    let asked = flags.contains(SessionFlags::TRACKING_CACHING);
    let (optin, optout) =
        (flags.contains(SessionFlags::TRACKING_OPTIN), flags.contains(SessionFlags::TRACKING_OPTOUT));
    let words = [
        (true, if flags.contains(SessionFlags::TRACKING) { "on" } else { "off" }),
        (flags.contains(SessionFlags::TRACKING_BCAST), "bcast"),
        (optin, "optin"),
        (optin && asked, "caching-yes"),
        (optout, "optout"),
        (optout && asked, "caching-no"),
        (flags.contains(SessionFlags::TRACKING_NOLOOP), "noloop"),
        (flags.contains(SessionFlags::TRACKING_BROKEN), "broken_redirect"),
    ];
    cx.reply.map(3);
    cx.reply.bulk(b"flags");
    cx.reply.set(words.iter().filter(|(is, _)| *is).count());
    words.iter().filter(|(is, _)| *is).for_each(|(_, word)| cx.reply.bulk(word.as_bytes()));
    cx.reply.bulk(b"redirect");
    cx.reply.integer(redirect(cx.session));
    cx.reply.bulk(b"prefixes");
    let state = cx.session.tracking.as_ref();
    cx.reply.array(state.map_or(0, |state| state.prefixes.len()));
    state.into_iter().flat_map(|state| &state.prefixes).for_each(|prefix| cx.reply.bulk(prefix));
    Ok(())
}
