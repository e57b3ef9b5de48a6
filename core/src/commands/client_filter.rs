//! Filters of CLIENT LIST and CLIENT KILL.

use alloc::vec::Vec;
use core::mem::discriminant;

use super::client::flag_letters;
use crate::engine::{Args, ClientId, CmdError, Ctx, Session, SessionFlags};
use crate::num;

/// Which clients are meant. An absent field means all.
#[derive(Debug, Default)]
pub(super) struct Filter {
    tests: Vec<(Test, bool)>,
    max_age_s: Option<i64>,
    min_idle_s: Option<i64>,
    pub(super) skip_me: Option<bool>,
}

/// A test on one property; the flag beside it says whether it is to be turned round.
#[derive(Debug)]
enum Test {
    Ids(Vec<ClientId>),
    Type(ClientType),
    Addr(Vec<u8>),
    LocalAddr(Vec<u8>),
    LoggedIn,
    Name(Vec<u8>),
    LibName(Vec<u8>),
    LibVer(Vec<u8>),
    Flags(Vec<u8>),
    Ip(Vec<u8>),
    Redirect,
    Db(u32),
}

/// What CLIENT calls the type of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientType {
    Normal,
    Subscriber,
    /// A primary or a replica, of which there are none yet.
    Link,
}

impl Filter {
    /// The old form of CLIENT KILL.
    pub(super) fn by_addr(addr: &[u8]) -> Self {
        Self { tests: [(Test::Addr(addr.to_vec()), true)].into(), skip_me: Some(false), ..Self::default() }
    }

    /// Reads filters from argument `from` on. Of filters on the same property the last counts.
    pub(super) fn parse(cx: &mut Ctx<'_>, args: &Args<'_>, from: usize) -> Result<Self, CmdError> {
        let (mut filter, mut index) = (Self::default(), from);
        while index < args.len() {
            let upper = args.at(index).to_ascii_uppercase();
            let (name, wanted) = match upper.strip_prefix(b"NOT-") {
                Some(rest) => (rest, false),
                None => (upper.as_slice(), true),
            };
            index += 1;
            if name == b"ID" {
                let ids = parse_ids(args, &mut index)?;
                filter.add_ids(ids, wanted);
                continue;
            }
            let value = args.get(index).ok_or(CmdError::SYNTAX)?;
            index += 1;
            match name {
                b"SKIPME" if wanted => filter.skip_me = Some(yes_or_no(value)?),
                b"MAXAGE" if wanted => filter.max_age_s = Some(positive(cx, value, "maxage")?),
                b"IDLE" if wanted => filter.min_idle_s = Some(positive(cx, value, "idle")?),
                _ => filter.add(Test::parse(cx, name, value, wanted)?, wanted),
            }
        }
        Ok(filter)
    }

    fn add(&mut self, test: Test, wanted: bool) {
        let kind = discriminant(&test);
        self.tests.retain(|(old, old_wanted)| discriminant(old) != kind || *old_wanted != wanted);
        self.tests.push((test, wanted));
    }

    fn add_ids(&mut self, ids: Vec<ClientId>, wanted: bool) {
        for (test, old_wanted) in &mut self.tests {
            if let Test::Ids(known) = test
                && *old_wanted == wanted
            {
                known.extend(ids);
                return;
            }
        }
        self.tests.push((Test::Ids(ids), wanted));
    }

    /// Whether a client is meant.
    pub(super) fn passes(&self, session: &Session, is_me: bool, now_ms: i64) -> bool {
        let seconds = |from: i64| (now_ms - from).max(0) / 1000;
        !(is_me && self.skip_me == Some(true))
            && self.max_age_s.is_none_or(|age| seconds(session.created_ms) >= age)
            && self.min_idle_s.is_none_or(|idle| seconds(session.last_interaction_ms) >= idle)
            && self.tests.iter().all(|(test, wanted)| test.passes(session) == *wanted)
    }
}

impl Test {
    fn parse(cx: &mut Ctx<'_>, name: &[u8], value: &[u8], wanted: bool) -> Result<Self, CmdError> {
        let own = value.to_vec();
        let not = if wanted { "" } else { "NOT-" };
        Ok(match name {
            b"TYPE" => match value.to_ascii_lowercase().as_slice() {
                b"normal" => Self::Type(ClientType::Normal),
                b"pubsub" => Self::Type(ClientType::Subscriber),
                b"master" | b"primary" | b"slave" | b"replica" => Self::Type(ClientType::Link),
                _ => return Err(cx.fail_bytes(&[b"ERR Unknown client type '", value, b"'"])),
            },
            b"ADDR" => Self::Addr(own),
            b"LADDR" => Self::LocalAddr(own),
            b"USER" if value == b"default" => Self::LoggedIn,
            b"USER" => return Err(cx.fail_bytes(&[b"ERR No such user '", value, b"'"])),
            b"NAME" => Self::Name(own),
            b"LIB-NAME" => Self::LibName(own),
            b"LIB-VER" => Self::LibVer(own),
            b"FLAGS" if value.iter().all(|letter| FLAG_LETTERS.contains(letter)) => Self::Flags(own),
            b"CAPA" if value.iter().all(|letter| *letter == b'r') => Self::Redirect,
            b"FLAGS" | b"CAPA" => return Err(unknown_letters(cx, name, value, wanted)),
            b"IP" => Self::Ip(own),
            b"DB" => {
                let db = num::parse_i64(value).filter(|&db| i32::try_from(db).is_ok());
                let databases = cx.shared.config.settings().databases;
                match db.map(u32::try_from) {
                    Some(Ok(db)) if db < databases => Self::Db(db),
                    Some(_) => {
                        let last = databases - 1;
                        return Err(
                            cx.fail(format_args!("ERR {not}DB number should be between 0 and {last}"))
                        );
                    }
                    None => {
                        return Err(cx.fail(format_args!("ERR {not}DB is not an integer or out of range")));
                    }
                }
            }
            _ => return Err(CmdError::SYNTAX),
        })
    }

    fn passes(&self, session: &Session) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(&session.id),
            Self::Type(wanted) => *wanted == type_of(session),
            Self::Addr(addr) => session.addr.as_bytes() == addr,
            Self::LocalAddr(addr) => session.laddr.as_bytes() == addr,
            Self::LoggedIn => session.authenticated,
            Self::Name(name) => session.name == *name,
            Self::LibName(name) => session.lib_name == *name,
            Self::LibVer(version) => session.lib_ver == *version,
            Self::Flags(letters) => {
                let own = flag_letters(session);
                letters.iter().all(|letter| own.as_bytes().contains(letter))
            }
            Self::Ip(ip) => ip_of(&session.addr).is_some_and(|own| own.as_bytes() == ip),
            Self::Redirect => session.flags.contains(SessionFlags::CAPA_REDIRECT),
            Self::Db(db) => session.db == *db,
        }
    }
}

fn type_of(session: &Session) -> ClientType {
    if session.is_subscriber() { ClientType::Subscriber } else { ClientType::Normal }
}

/// The address without its port, and without the brackets around one of version 6.
fn ip_of(addr: &str) -> Option<&str> {
    let (ip, _) = addr.rsplit_once(':')?;
    Some(ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(ip))
}

/// The letters that FLAGS knows; those of states that we do not have match nobody.
const FLAG_LETTERS: &[u8] = b"OSMPxbtRBdcuAUreTIiEN";

fn unknown_letters(cx: &mut Ctx<'_>, name: &[u8], value: &[u8], wanted: bool) -> CmdError {
    let what: &[u8] = if name == b"CAPA" { b"capa" } else { b"flags" };
    let place = if wanted { b"provided".to_vec() } else { [b"NOT-", name].concat() };
    cx.fail_bytes(&[b"ERR Unknown ", what, b" found in the ", &place, b" filter: ", value])
}

/// The numbers from argument `index` on, which moves behind them; there may be none.
fn parse_ids(args: &Args<'_>, index: &mut usize) -> Result<Vec<ClientId>, CmdError> {
    let mut ids = Vec::new();
    while let Some(number) = args.get(*index).and_then(num::parse_i64) {
        match ClientId::try_from(number) {
            Ok(id) if id > 0 => ids.push(id),
            _ => return Err(CmdError::Text("ERR client-id should be greater than 0")),
        }
        *index += 1;
    }
    Ok(ids)
}

fn yes_or_no(text: &[u8]) -> Result<bool, CmdError> {
    match text.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(CmdError::SYNTAX),
    }
}

fn positive(cx: &mut Ctx<'_>, text: &[u8], what: &str) -> Result<i64, CmdError> {
    match num::parse_i64(text) {
        Some(value) if value > 0 => Ok(value),
        Some(_) => Err(cx.fail(format_args!("ERR {what} should be greater than 0"))),
        None => Err(cx.fail(format_args!("ERR {what} is not an integer or out of range"))),
    }
}
