//! From what a user wrote to the normal text of a value, or the reference's words for what is wrong with it.
//!
//! Source: Valkey 9.1 `config.c` (the `*ConfigSet` functions), `util.c` (`memtoull`).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::directive::{Directive, Kind};
use super::special;
use crate::num;

/// Turns of the periodic work in a second: least and most.
const HZ_MIN: i64 = 1;
const HZ_MAX: i64 = 500;
/// Longest number in a size, digits.
const MEMORY_DIGITS_MAX: usize = 127;

type Normal = Result<Vec<u8>, String>;

impl Directive {
    /// Checks the arguments and returns the text to keep; `old` is the present one. Directives of one argument get
    /// exactly one.
    ///
    /// # Errors
    /// What is wrong with them, in the reference's words.
    pub(super) fn normalize(&self, args: &[&[u8]], old: &[u8]) -> Normal {
        let first = args.first().copied().unwrap_or(b"");
        match self.kind {
            Kind::Bool => choice(first, &["yes", "no"]).ok_or("argument must be 'yes' or 'no'".to_string()),
            Kind::Choice(words) => choice(first, words).ok_or_else(|| choice_error(words)),
            Kind::Flags(words) => flag_words(args, words),
            Kind::Int { min, max } => signed(integer(first)?, min, max),
            Kind::Unsigned { min, max } => {
                let value = integer(first)?;
                //= valkey 9.1: a negative number wraps, and is shown negative where every bit pattern is allowed
                unsigned(value.cast_unsigned(), min, max)?;
                Ok(value.to_string().into_bytes())
            }
            Kind::Hz => {
                signed(integer(first)?, 0, i64::from(i32::MAX))?;
                Ok(integer(first)?.clamp(HZ_MIN, HZ_MAX).to_string().into_bytes())
            }
            Kind::Memory { min, max } => {
                let value = parse_memory(first).ok_or("argument must be a memory value")?;
                signed(value.cast_signed(), min, max)
            }
            Kind::UnsignedMemory { min, max } => {
                unsigned(parse_memory(first).ok_or("argument must be a memory value")?, min, max)
            }
            Kind::SignedMemory { min, max } => {
                let value = parse_memory(first).map(u64::cast_signed).or_else(|| num::parse_i64(first));
                signed(value.ok_or("argument must be a memory value")?, min, max)
            }
            Kind::MemoryOrPercent { min, max } => memory_or_percent(first, min, max),
            Kind::Octal { max } => octal(first, max),
            Kind::Text { check, .. } => check.check(self.name, first).map(|()| first.to_vec()),
            Kind::Special(special) => special::normalize(special, args, old),
        }
    }
}

fn choice(text: &[u8], words: &[&str]) -> Option<Vec<u8>> {
    let word = words.iter().find(|word| text.eq_ignore_ascii_case(word.as_bytes()))?;
    //= valkey 9.1 oom-score-adj: "relative" is another word for "yes"
    let word = if *word == "relative" { &"yes" } else { word };
    Some(word.as_bytes().to_vec())
}

fn choice_error(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

fn flag_words(args: &[&[u8]], words: &[&str]) -> Normal {
    let mut given = alloc::vec![false; words.len()];
    for arg in args {
        let index = words.iter().position(|word| arg.eq_ignore_ascii_case(word.as_bytes()));
        let place = index.and_then(|index| given.get_mut(index));
        *place.ok_or_else(|| choice_error(words))? = true;
    }
    if args.is_empty() {
        return Err(choice_error(words));
    }
    let mut shown: Vec<&str> =
        words.iter().zip(&given).skip(1).filter(|(_, given)| **given).map(|(word, _)| *word).collect();
    if shown.contains(&"save") && shown.contains(&"nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_string());
    }
    if shown.is_empty() {
        shown.extend(words.first());
    }
    Ok(shown.join(" ").into_bytes())
}

fn integer(text: &[u8]) -> Result<i64, String> {
    num::parse_i64(text).ok_or_else(|| "argument couldn't be parsed into an integer".to_string())
}

fn signed(value: i64, min: i64, max: i64) -> Normal {
    if (min..=max).contains(&value) {
        Ok(value.to_string().into_bytes())
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

fn unsigned(value: u64, min: u64, max: u64) -> Normal {
    if (min..=max).contains(&value) {
        Ok(value.to_string().into_bytes())
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

/// A size: digits and `b k kb m mb g gb` in any case. `None` when it is not one or does not fit 64 bits.
///
/// The reference lets a product of number and unit wrap around; here that is no size.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let unit_at = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(unit_at)?;
    let factor = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if digits.len() > MEMORY_DIGITS_MAX {
        return None;
    }
    //= valkey 9.1: no digits at all are zero
    let number =
        if digits.is_empty() { 0 } else { core::str::from_utf8(digits).ok()?.parse::<u64>().ok()? };
    number.checked_mul(factor)
}

fn memory_or_percent(text: &[u8], min: i64, max: i64) -> Normal {
    if let Some(size) = parse_memory(text) {
        return signed_size(size.cast_signed(), min, max);
    }
    let share = text.strip_suffix(b"%").and_then(num::parse_i64).filter(|share| *share >= 0);
    match share {
        Some(0) => Ok(b"0".to_vec()),
        Some(share) if share > min.saturating_neg() => {
            Err(format!("percentage argument must be less or equal to {}", min.saturating_neg()))
        }
        Some(share) => Ok(format!("{share}%").into_bytes()),
        None => Err("argument must be a memory or percent value".to_string()),
    }
}

/// A size beyond the signed range counts as a share, as in the reference: too large a one.
fn signed_size(value: i64, min: i64, max: i64) -> Normal {
    if value >= 0 {
        return signed(value, 0, max);
    }
    if value < min {
        return Err(format!("percentage argument must be less or equal to {}", min.saturating_neg()));
    }
    Ok(format!("{}%", value.saturating_neg()).into_bytes())
}

fn octal(text: &[u8], max: u32) -> Normal {
    let value = special::c_integer(text, 8).ok_or("argument couldn't be parsed as an octal number")?;
    match u32::try_from(value).ok().filter(|value| *value <= max) {
        Some(value) => Ok(format!("{value:o}").into_bytes()),
        None => Err(format!("argument must be between 0 and {max:o} inclusive")),
    }
}
