//! Filters of CLIENT LIST and CLIENT KILL.

use alloc::vec::Vec;

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
    Normal(bool),
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

impl Filter {
    /// The old form of CLIENT KILL.
    pub(super) fn by_addr(addr: &[u8]) -> Self {
        Self { tests: [(Test::Addr(addr.to_vec()), true)].into(), skip_me: Some(false), ..Self::default() }
    }

    /// Reads filters from argument `from` on.
    pub(super) fn parse(cx: &mut Ctx<'_>, args: &Args<'_>, from: usize) -> Result<Self, CmdError> {
        let (mut filter, mut index) = (Self::default(), from);
        while index < args.len() {
            let value = args.get(index + 1).ok_or(CmdError::SYNTAX)?;
            let name = args.at(index).to_ascii_uppercase();
            let (name, wanted) = match name.strip_prefix(b"NOT-") {
                Some(rest) => (rest, false),
                None => (name.as_slice(), true),
            };
            index += 2;
            match name {
                b"ID" => {
                    let mut ids = Vec::from([parse_id(value)?]);
                    // Several ids may follow one another.
                    while let Some(id) = args.get(index).and_then(|arg| parse_id(arg).ok()) {
                        ids.push(id);
                        index += 1;
                    }
                    filter.tests.push((Test::Ids(ids), wanted));
                }
                b"SKIPME" if wanted => filter.skip_me = Some(yes_or_no(value)?),
                b"MAXAGE" if wanted => filter.max_age_s = Some(positive(value, "maxage")?),
                b"IDLE" if wanted => filter.min_idle_s = Some(positive(value, "idle")?),
                _ => filter.tests.push((Test::parse(cx, name, value)?, wanted)),
            }
        }
        Ok(filter)
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
    fn parse(cx: &mut Ctx<'_>, name: &[u8], value: &[u8]) -> Result<Self, CmdError> {
        let own = value.to_vec();
        Ok(match name {
            b"TYPE" => match value.to_ascii_lowercase().as_slice() {
                b"normal" => Self::Normal(true),
                b"master" | b"primary" | b"slave" | b"replica" | b"pubsub" => Self::Normal(false),
                _ => return Err(cx.fail_bytes(&[b"ERR Unknown client type '", value, b"'"])),
            },
            b"ADDR" => Self::Addr(own),
            b"LADDR" => Self::LocalAddr(own),
            b"USER" if value == b"default" => Self::LoggedIn,
            b"USER" => return Err(cx.fail_bytes(&[b"ERR No such user '", value, b"'"])),
            b"NAME" => Self::Name(own),
            b"LIB-NAME" => Self::LibName(own),
            b"LIB-VER" => Self::LibVer(own),
            b"FLAGS" if value.iter().all(|letter| b"OSMPxbtiBRcuAUrIEeTN".contains(letter)) => {
                Self::Flags(own)
            }
            b"FLAGS" => return Err(CmdError::Text("ERR Unknown flags found in the provided filter")),
            b"IP" => Self::Ip(own),
            b"CAPA" if value == b"r" => Self::Redirect,
            b"CAPA" => return Err(CmdError::Text("ERR Unknown capa found in the provided filter")),
            b"DB" => {
                let db = num::parse_i64(value).and_then(|db| u32::try_from(db).ok());
                let databases = cx.shared.config.settings().databases;
                Self::Db(db.filter(|db| *db < databases).ok_or(CmdError::DB_OUT_OF_RANGE)?)
            }
            _ => return Err(CmdError::SYNTAX),
        })
    }

    fn passes(&self, session: &Session) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(&session.id),
            Self::Normal(normal) => *normal,
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
            Self::Ip(ip) => session.addr.rsplit_once(':').is_some_and(|(own, _)| own.as_bytes() == ip),
            Self::Redirect => session.flags.contains(SessionFlags::CAPA_REDIRECT),
            Self::Db(db) => session.db == *db,
        }
    }
}

fn parse_id(text: &[u8]) -> Result<ClientId, CmdError> {
    let id = num::parse_i64(text).and_then(|id| ClientId::try_from(id).ok()).filter(|&id| id > 0);
    id.ok_or(CmdError::Text("ERR client-id should be greater than 0"))
}

fn yes_or_no(text: &[u8]) -> Result<bool, CmdError> {
    match text.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(CmdError::SYNTAX),
    }
}

fn positive(text: &[u8], what: &str) -> Result<i64, CmdError> {
    let age = what == "maxage";
    let not_integer = if age {
        "ERR maxage is not an integer or out of range"
    } else {
        "ERR idle is not an integer or out of range"
    };
    let too_small =
        if age { "ERR maxage should be greater than 0" } else { "ERR idle should be greater than 0" };
    let value = num::parse_i64(text).ok_or(CmdError::Text(not_integer))?;
    if value > 0 { Ok(value) } else { Err(CmdError::Text(too_small)) }
}
