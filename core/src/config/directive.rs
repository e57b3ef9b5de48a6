//! What a directive is: its kind with bounds, its flags, and what Vireo makes of it.
//!
//! A value is kept as its normal text, the text that CONFIG GET answers; [`super::Settings`] holds the parsed ones
//! that the server reads often. So there is one representation to set, show, compare, rewrite and take back.

use alloc::format;
use alloc::string::String;

use bitflags::bitflags;

use super::check::Check;

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
        /// Shown only when asked for by its full name.
        const HIDDEN = 8;
        /// Changed at run time only with `enable-protected-configs`.
        const PROTECTED = 16;
        /// Setting it again has an effect even when the value is the same.
        const VOLATILE = 32;
        /// Told in crash reports.
        const DEBUG = 64;
        /// Not changed while a data set loads.
        const DENY_LOADING = 128;
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
    /// A whole number of a type without sign.
    Unsigned {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Turns of the periodic work in a second: any number of 0 or more, taken as 1 to 500.
    Hz,
    /// A size: `100mb`, `1gb`.
    Memory {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A size of a type without sign.
    UnsignedMemory {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A size, or a negative number with a meaning of its own.
    SignedMemory {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A size, or a share of `maxmemory`: `5%`.
    MemoryOrPercent {
        /// Largest share, negated.
        min: i64,
        /// Largest size.
        max: i64,
    },
    /// File permissions.
    Octal {
        /// Largest.
        max: u32,
    },
    /// Any text.
    Text {
        /// Empty means "not set".
        optional: bool,
        /// What it must look like.
        check: Check,
    },
    /// With rules of its own.
    Special(Special),
}

/// Directives with rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// The working folder.
    Dir,
    /// Save points.
    Save,
    /// Limits of output buffers by class of client.
    OutputLimits,
    /// Three scores.
    OomValues,
    /// Classes of keyspace events, by letter.
    Notify,
    /// Addresses to listen on.
    Bind,
    /// The primary.
    ReplicaOf,
    /// Percentiles.
    Percentiles,
}

/// What Vireo makes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Honoured; changeable at run time unless immutable.
    Live,
    /// Honoured, at start-up.
    Startup,
    /// It tunes a feature that is not built yet: kept, shown and rewritten, without effect.
    Later,
    /// It would turn on a feature that is not built yet, whose silent absence would do harm: any value but the
    /// one for "off" is refused.
    Unbuilt {
        /// The value for "off".
        off: &'static str,
        /// What is missing, with its verb: "append-only files are".
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
    /// Why this value is refused, if it would turn on what is not built yet.
    pub(super) fn unbuilt(&self, value: &[u8]) -> Option<String> {
        match self.effect {
            Effect::Unbuilt { off, feature } if value != off.as_bytes() => {
                Some(format!("{feature} not supported by this version of Vireo"))
            }
            _ => None,
        }
    }
}
