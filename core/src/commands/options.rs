//! The options that SET, GETEX, MSETEX, HSETEX and HGETEX share: conditions and expiry.

use core::ops::Range;

use crate::engine::{Args, CmdError, Ctx};
use crate::keyspace::ExpireChange;

/// Which command's options are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Set,
    GetEx,
    MsetEx,
    HashSetEx,
    HashGetEx,
}

/// When the value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Condition<'a> {
    #[default]
    Always,
    IfMissing,
    IfPresent,
    IfEqual(&'a [u8]),
}

/// Options, read but not judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) condition: Condition<'a>,
    /// The same on every field.
    pub(super) field_condition: Condition<'a>,
    pub(super) get: bool,
    pub(super) persist: bool,
    keep_ttl: bool,
    expire: Option<(Unit, &'a [u8])>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    ms: i64,
    absolute: bool,
}

/// A moment of expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expire {
    /// ms since 1970.
    pub(super) at: i64,
    /// It was given as a moment, not as a distance from now.
    pub(super) absolute: bool,
}

impl<'a> Options<'a> {
    /// Reads the options from argument `from` on.
    pub(super) fn parse(args: &Args<'a>, from: usize, form: Form) -> Result<Self, CmdError> {
        Self::parse_until(args, from..args.len(), form)
    }

    /// Reads the options that a range of arguments is.
    pub(super) fn parse_until(args: &Args<'a>, range: Range<usize>, form: Form) -> Result<Self, CmdError> {
        let mut options = Self::default();
        let Range { start: mut index, end } = range;
        while index < end {
            let next = args.get(index + 1).filter(|_| index + 1 < end);
            index += options.take(args, index, next, form).ok_or(CmdError::SYNTAX)?;
        }
        Ok(options)
    }

    /// Takes one option; returns how many arguments it is, `None` when it does not belong here.
    fn take(&mut self, args: &Args<'a>, index: usize, next: Option<&'a [u8]>, form: Form) -> Option<usize> {
        let sets = !matches!(form, Form::GetEx | Form::HashGetEx);
        let sets_fields = form == Form::HashSetEx;
        let free = self.condition == Condition::Always;
        let timeless = !self.keep_ttl && !self.persist;
        if args.is(index, "NX") && sets && (free || self.condition == Condition::IfMissing) {
            self.condition = Condition::IfMissing;
        } else if args.is(index, "XX") && sets && (free || self.condition == Condition::IfPresent) {
            self.condition = Condition::IfPresent;
        } else if args.is(index, "FNX") && sets_fields && self.field_condition != Condition::IfPresent {
            self.field_condition = Condition::IfMissing;
        } else if args.is(index, "FXX") && sets_fields && self.field_condition != Condition::IfMissing {
            self.field_condition = Condition::IfPresent;
        } else if args.is(index, "IFEQ") && form == Form::Set && free {
            self.condition = Condition::IfEqual(next?);
            return Some(2);
        } else if args.is(index, "GET") && form == Form::Set {
            self.get = true;
        } else if args.is(index, "KEEPTTL") && sets && !self.persist && self.expire.is_none() {
            self.keep_ttl = true;
        } else if args.is(index, "PERSIST") && !sets && !self.keep_ttl && self.expire.is_none() {
            self.persist = true;
        } else if timeless {
            let unit = Unit::named(args, index)?;
            if self.expire.is_some_and(|(other, _)| other != unit) {
                return None;
            }
            self.expire = Some((unit, next?));
            return Some(2);
        } else {
            return None;
        }
        Some(1)
    }

    /// The moment of expiry, judged.
    pub(super) fn expire(&self, cx: &mut Ctx<'_>) -> Result<Option<Expire>, CmdError> {
        let Some((unit, text)) = self.expire else { return Ok(None) };
        let value = crate::num::parse_i64(text).ok_or(CmdError::NOT_INTEGER)?;
        let at = expire_at(value, unit.ms, if unit.absolute { 0 } else { cx.now.unix_ms() });
        match at {
            Some(at) => Ok(Some(Expire { at, absolute: unit.absolute })),
            None => Err(invalid_expire(cx)),
        }
    }

    /// The moment of expiry of fields, judged: 0 is none that is wrong, but one that has passed.
    pub(super) fn field_expire(&self, cx: &mut Ctx<'_>) -> Result<Option<i64>, CmdError> {
        let Some((unit, text)) = self.expire else { return Ok(None) };
        let value = crate::num::parse_i64(text).ok_or(CmdError::NOT_INTEGER)?;
        let at = field_expire_at(value, unit.ms, if unit.absolute { 0 } else { cx.now.unix_ms() });
        if at.is_some() { Ok(at) } else { Err(invalid_expire(cx)) }
    }

    /// The fields' expiries stay.
    pub(super) fn keeps_ttl(&self) -> bool {
        self.keep_ttl
    }

    /// What becomes of the key's expiry.
    pub(super) fn change(&self, expire: Option<Expire>) -> ExpireChange {
        match expire {
            Some(expire) => ExpireChange::At(expire.at),
            None if self.keep_ttl => ExpireChange::Keep,
            None => ExpireChange::Clear,
        }
    }
}

impl Unit {
    fn named(args: &Args<'_>, index: usize) -> Option<Self> {
        [("EX", 1000, false), ("PX", 1, false), ("EXAT", 1000, true), ("PXAT", 1, true)]
            .into_iter()
            .find(|(name, _, _)| args.is(index, name))
            .map(|(_, ms, absolute)| Self { ms, absolute })
    }
}

/// A positive time in units of `ms` from `base` on; `None` when it is not positive or overflows.
pub(super) fn expire_at(value: i64, ms: i64, base: i64) -> Option<i64> {
    if value <= 0 { None } else { value.checked_mul(ms)?.checked_add(base) }
}

/// A time in units of `ms` from `base` on; `None` when it is negative or overflows.
pub(super) fn field_expire_at(value: i64, ms: i64, base: i64) -> Option<i64> {
    if value < 0 { None } else { value.checked_mul(ms)?.checked_add(base) }
}

/// The error of a bad time, which names the command.
#[cold]
pub(super) fn invalid_expire(cx: &mut Ctx<'_>) -> CmdError {
    let name = cx.command.full_name;
    cx.fail(format_args!("ERR invalid expire time in '{name}' command"))
}
