//! What a directive is, and how its text is checked and put into its normal form.
//!
//! Values are kept as the text that CONFIG GET answers; [`super::Settings`] holds the parsed ones that the
//! server reads often.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bitflags::bitflags;

use crate::num;

bitflags! {
    /// Properties of a directive.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// Set at start-up only.
        const IMMUTABLE = 1;
        /// Its value is a secret.
        const SENSITIVE = 2;
        /// Takes several arguments.
        const MULTI_ARG = 4;
        /// Shown only when asked for by name.
        const HIDDEN = 8;
        /// Changed at run time only with `enable-protected-configs`.
        const PROTECTED = 16;
        /// Setting it again has an effect even when the value is the same.
        const VOLATILE = 32;
    }
}

/// Kind of a directive's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words; the first stands for none.
    Flags(&'static [&'static str]),
    /// A whole number.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A size: `100mb`, `1gb`.
    Memory {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A size, or a share of `maxmemory`: `5%`.
    MemoryOrPercent,
    /// File permissions.
    Octal,
    /// Any text.
    Text,
    /// With rules of its own.
    Special(Special),
}

/// Directives with rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A folder.
    Dir,
    /// Save points.
    Save,
    /// Limits by class of client.
    OutputLimits,
    /// Three increasing scores.
    OomValues,
    /// Classes of events, by letter.
    Notify,
    /// Any words.
    Words,
    /// Percentiles.
    Percentiles,
}

/// What Vireo makes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is honoured.
    Now,
    /// It tunes a feature that is not built yet: kept, shown and rewritten, without effect.
    Later,
    /// It would turn on a feature that is not built yet: any value but the one for "off" is refused.
    Refused {
        /// The value for "off".
        off: &'static str,
        /// What is missing, in words.
        feature: &'static str,
    },
}

/// A directive.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// An older name; empty when there is none.
    pub alias: &'static str,
    /// Kind of its value.
    pub kind: Kind,
    /// Its value when nothing is said.
    pub default: &'static str,
    /// Properties.
    pub flags: Flags,
    /// What Vireo makes of it.
    pub effect: Effect,
}

impl Directive {
    /// Checks the arguments and returns the text to keep; `old` is the present one.
    ///
    /// # Errors
    /// What is wrong with them, in the reference's words.
    pub(super) fn normalize(&self, args: &[&[u8]], old: &[u8]) -> Result<Vec<u8>, String> {
        if args.len() != 1 && !self.flags.contains(Flags::MULTI_ARG) {
            return Err("wrong number of arguments".to_string());
        }
        let joined = args.join(&b' ');
        let text = match self.kind {
            Kind::Bool => choice(&joined, &["yes", "no"]).ok_or("argument must be 'yes' or 'no'")?,
            Kind::Choice(words) => choice(&joined, words).ok_or_else(|| choice_error(words))?,
            Kind::Flags(words) => flag_words(&joined, words).ok_or_else(|| choice_error(words))?,
            Kind::Int { min, max } => {
                let value = num::parse_i64(&joined).ok_or("argument couldn't be parsed into an integer")?;
                bounded(value, min, max)?
            }
            Kind::Memory { min, max } => {
                let value = parse_memory(&joined).filter(|&value| value >= 0 || min < 0);
                bounded(value.ok_or("argument must be a memory value")?, min, max)?
            }
            Kind::MemoryOrPercent => memory_or_percent(&joined)?,
            Kind::Octal => {
                let value =
                    core::str::from_utf8(&joined).ok().and_then(|text| u32::from_str_radix(text, 8).ok());
                let value = value.ok_or("argument couldn't be parsed as an octal number")?;
                if value > 0o777 {
                    return Err("argument must be between 0 and 777 inclusive".to_string());
                }
                format!("{value:o}").into_bytes()
            }
            Kind::Text => joined,
            Kind::Special(special) => special.normalize(args, &joined, old)?,
        };
        if let Effect::Refused { off, feature } = self.effect
            && text != off.as_bytes()
        {
            return Err(format!("{feature}: not supported by this version of Vireo"));
        }
        Ok(text)
    }
}

fn choice(text: &[u8], words: &[&str]) -> Option<Vec<u8>> {
    let word = words.iter().find(|word| text.eq_ignore_ascii_case(word.as_bytes()))?;
    Some(word.as_bytes().to_vec())
}

fn choice_error(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

fn flag_words(text: &[u8], words: &[&str]) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    for word in text.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
        found.push(words.iter().position(|known| word.eq_ignore_ascii_case(known.as_bytes()))?);
    }
    found.retain(|&index| index != 0);
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        found.push(0);
    }
    let text: Vec<&str> = found.iter().filter_map(|&index| words.get(index).copied()).collect();
    Some(text.join(" ").into_bytes())
}

fn bounded(value: i64, min: i64, max: i64) -> Result<Vec<u8>, String> {
    if (min..=max).contains(&value) {
        Ok(value.to_string().into_bytes())
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

/// A size: digits and `k kb m mb g gb` in any case.
pub fn parse_memory(text: &[u8]) -> Option<i64> {
    let unit_at = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'-').unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
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
    core::str::from_utf8(digits).ok()?.parse::<i64>().ok()?.checked_mul(factor)
}

fn memory_or_percent(text: &[u8]) -> Result<Vec<u8>, String> {
    if let Some(share) = text.strip_suffix(b"%") {
        let share = num::parse_i64(share).filter(|share| (0..=100).contains(share));
        let share = share.ok_or("percentage argument must be less or equal to 100")?;
        return Ok(format!("{share}%").into_bytes());
    }
    let value = parse_memory(text).ok_or("argument must be a memory or percent value")?;
    bounded(value, 0, i64::MAX)
}

/// Letters of `notify-keyspace-events`, in the order in which they are shown.
const NOTIFY_LETTERS: &[u8] = b"g$lshzxetdnKEm";

impl Special {
    fn normalize(self, args: &[&[u8]], joined: &[u8], old: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Dir | Self::Words => Ok(joined.to_vec()),
            Self::Save => save_points(joined),
            Self::OutputLimits => output_limits(joined, old),
            Self::OomValues => oom_values(joined),
            Self::Notify => notify(joined),
            Self::Percentiles => percentiles(args, joined),
        }
    }
}

fn words(text: &[u8]) -> Vec<&[u8]> {
    text.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect()
}

fn save_points(text: &[u8]) -> Result<Vec<u8>, String> {
    let words = words(text);
    let numbers: Option<Vec<i64>> = words.iter().map(|word| num::parse_i64(word)).collect();
    match numbers {
        Some(numbers) if numbers.len() % 2 == 0 && numbers.chunks(2).all(|p| p[0] >= 1 && p[1] >= 0) => {
            Ok(words.join(&b' '))
        }
        _ => Err("Invalid save parameters".to_string()),
    }
}

/// Classes of clients with output limits, as they are shown.
pub(super) const OUTPUT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

fn output_limits(text: &[u8], old: &[u8]) -> Result<Vec<u8>, String> {
    let given = words(text);
    if given.is_empty() || !given.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_string());
    }
    let old_text = String::from_utf8_lossy(old).into_owned();
    let mut fields: Vec<String> = old_text.split(' ').map(ToString::to_string).collect();
    for group in given.chunks(4) {
        let name = if group[0].eq_ignore_ascii_case(b"replica") { b"slave" } else { group[0] };
        let class = OUTPUT_CLASSES.iter().position(|class| name.eq_ignore_ascii_case(class.as_bytes()));
        let Some(class) = class else {
            return Err("Invalid client class specified in buffer limit configuration.".to_string());
        };
        let (hard, soft) = (parse_memory(group[1]), parse_memory(group[2]));
        let seconds = num::parse_i64(group[3]);
        let (Some(hard), Some(soft), Some(seconds)) = (hard, soft, seconds) else {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.".to_string()
            );
        };
        if hard < 0 || soft < 0 || seconds < 0 {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.".to_string()
            );
        }
        for (offset, value) in [hard, soft, seconds].into_iter().enumerate() {
            if let Some(field) = fields.get_mut(class * 4 + 1 + offset) {
                *field = value.to_string();
            }
        }
    }
    Ok(fields.join(" ").into_bytes())
}

fn oom_values(text: &[u8]) -> Result<Vec<u8>, String> {
    let words = words(text);
    let numbers: Option<Vec<i64>> = words.iter().map(|word| num::parse_i64(word)).collect();
    let numbers = numbers.filter(|all| all.len() == 3 && all.iter().all(|n| (-2000..=2000).contains(n)));
    let Some(numbers) = numbers else {
        return Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_string());
    };
    if !numbers.is_sorted() {
        return Err("The oom-score-adj-values should be in non-decreasing order.".to_string());
    }
    Ok(words.join(&b' '))
}

fn notify(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut on: Vec<u8> = Vec::new();
    for &letter in text {
        match letter {
            b'A' => on.extend_from_slice(b"g$lshzxetd"),
            letter if NOTIFY_LETTERS.contains(&letter) => on.push(letter),
            _ => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_string()),
        }
    }
    let has = |letter: &u8| on.contains(letter);
    let mut shown: Vec<u8> = NOTIFY_LETTERS.iter().copied().filter(has).collect();
    if b"g$lshzxetd".iter().all(has) {
        shown.retain(|letter| !b"g$lshzxetd".contains(letter));
        shown.insert(0, b'A');
    }
    Ok(shown)
}

fn percentiles(args: &[&[u8]], joined: &[u8]) -> Result<Vec<u8>, String> {
    if args.len() == 1 && joined.is_empty() {
        return Ok(Vec::new());
    }
    let all: Option<Vec<f64>> = words(joined).iter().map(|word| num::parse_f64(word)).collect();
    match all {
        Some(all) if all.iter().all(|p| (0.0..=100.0).contains(p)) => {
            let mut scratch = num::DoubleText::new();
            let texts: Vec<Vec<u8>> = all.iter().map(|&value| scratch.format(value).to_vec()).collect();
            Ok(texts.join(&b' '))
        }
        _ => Err("latency-tracking-info-percentiles should consist of valid percentiles".to_string()),
    }
}
