//! Lifetimes of keys.

use super::options::invalid_expire;
use crate::config::NotifyClasses;
use crate::engine::{Args, CmdError, CmdResult, Ctx};

/// How a time is given.
#[derive(Clone, Copy)]
struct TimeForm {
    unit_ms: i64,
    absolute: bool,
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(crate) fn expire(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_expire(cx, args, TimeForm { unit_ms: 1000, absolute: false })
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(crate) fn pexpire(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_expire(cx, args, TimeForm { unit_ms: 1, absolute: false })
}

/// `EXPIREAT key seconds [NX | XX | GT | LT]`
pub(crate) fn expireat(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_expire(cx, args, TimeForm { unit_ms: 1000, absolute: true })
}

/// `PEXPIREAT key milliseconds [NX | XX | GT | LT]`
pub(crate) fn pexpireat(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    set_expire(cx, args, TimeForm { unit_ms: 1, absolute: true })
}

/// Conditions on the present expiry.
#[derive(Default)]
pub(super) struct ExpireIf {
    pub(super) nx: bool,
    pub(super) xx: bool,
    pub(super) gt: bool,
    pub(super) lt: bool,
}

impl ExpireIf {
    /// Reads the conditions from argument 3 up to `end`.
    pub(super) fn parse(cx: &mut Ctx<'_>, args: &Args<'_>, end: usize) -> Result<Self, CmdError> {
        let mut condition = Self::default();
        for index in 3..end {
            let flag = if args.is(index, "NX") {
                &mut condition.nx
            } else if args.is(index, "XX") {
                &mut condition.xx
            } else if args.is(index, "GT") {
                &mut condition.gt
            } else if args.is(index, "LT") {
                &mut condition.lt
            } else {
                return Err(cx.fail_bytes(&[b"ERR Unsupported option ", args.at(index)]));
            };
            *flag = true;
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(CmdError::Text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.gt && condition.lt {
            return Err(CmdError::Text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// A key without expiry lives for ever: nothing is later than that, everything earlier.
    fn is_met(&self, now: Option<i64>, new: i64) -> bool {
        let broken = self.nx && now.is_some()
            || self.xx && now.is_none()
            || self.gt && now.is_none_or(|now| new <= now)
            || self.lt && now.is_some_and(|now| new >= now);
        !broken
    }
}

fn set_expire(cx: &mut Ctx<'_>, args: &Args<'_>, form: TimeForm) -> CmdResult {
    let condition = ExpireIf::parse(cx, args, args.len())?;
    let value = args.int(2)?;
    let base = if form.absolute { 0 } else { cx.now.unix_ms() };
    //= security vk#4312: a time near the end of the range does not wrap
    let at = value.checked_mul(form.unit_ms).and_then(|at| at.checked_add(base));
    let Some(at) = at else { return Err(invalid_expire(cx)) };
    let at = at.max(0);
    let key = cx.key(args, 1);
    let met = cx.keys.find_write(key).is_some_and(|entry| condition.is_met(entry.expire_at(), at));
    if met {
        if at <= cx.past_ms() {
            cx.keys.delete_expired(key);
            cx.changed(NotifyClasses::EXPIRED, "expired", key.bytes);
        } else {
            cx.keys.set_expire(key, Some(at));
            cx.changed(NotifyClasses::GENERIC, "expire", key.bytes);
        }
    }
    cx.reply.integer(i64::from(met));
    Ok(())
}

/// PERSIST key
pub(crate) fn persist(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let key = cx.key(args, 1);
    let had = cx.keys.find_write(key).is_some_and(|entry| entry.expire_at().is_some());
    if had {
        cx.keys.set_expire(key, None);
        cx.changed(NotifyClasses::GENERIC, "persist", key.bytes);
    }
    cx.reply.integer(i64::from(had));
    Ok(())
}

/// What is told of an expiry.
#[derive(Clone, Copy)]
enum Told {
    Left { unit_ms: i64 },
    Moment { unit_ms: i64 },
}

/// TTL key
pub(crate) fn ttl(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    tell(cx, args, Told::Left { unit_ms: 1000 })
}

/// PTTL key
pub(crate) fn pttl(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    tell(cx, args, Told::Left { unit_ms: 1 })
}

/// EXPIRETIME key
pub(crate) fn expiretime(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    tell(cx, args, Told::Moment { unit_ms: 1000 })
}

/// PEXPIRETIME key
pub(crate) fn pexpiretime(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    tell(cx, args, Told::Moment { unit_ms: 1 })
}

fn tell(cx: &mut Ctx<'_>, args: &Args<'_>, told: Told) -> CmdResult {
    let key = cx.key(args, 1);
    let answer = match cx.keys.read_no_touch(key).map(|entry| entry.expire_at()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => {
            let (time, unit_ms) = match told {
                Told::Left { unit_ms } => ((at - cx.now.unix_ms()).max(0), unit_ms),
                Told::Moment { unit_ms } => (at, unit_ms),
            };
            // Rounded to the nearest second.
            if unit_ms == 1000 { time.saturating_add(500) / 1000 } else { time }
        }
    };
    cx.reply.integer(answer);
    Ok(())
}
