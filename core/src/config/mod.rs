//! Configuration: every directive of Valkey 9.1 as data, its value, and the rules of changing it.
//!
//! Pure: reading files and acting on changes is the server's. A change goes this way: [`Config::set_many`] checks
//! and keeps all new values or none, and says what has changed; the host puts that into effect; if it cannot,
//! [`Config::revert`] takes the changes back. At start-up, lines go through [`Config::set_line`] one by one, and
//! [`Config::unbuilt`] tells at the end whether something is asked for that Vireo does not have yet.
//!
//! Invariant: every value is in normal form, the text that printing its meaning gives.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod check;
mod directive;
#[cfg(any(test, fuzzing))]
pub mod model;
mod rewrite;
mod settings;
mod special;
mod split;
mod table;
mod title;
mod value;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use self::check::Check;
pub use self::directive::{Directive, Effect, Flags, Kind, Special};
pub use self::rewrite::{RewriteExtent, rewrite};
pub use self::settings::{
    CompactLimits, EvictBy, EvictionPolicy, NotifyClasses, OutputLimit, ProtectedAction, Settings,
    ShutdownFlags,
};
pub use self::split::{push_quoted, split_words};
pub use self::title::expand_title;
pub use self::value::parse_memory;

use self::table::DIRECTIVES;
use crate::glob::{Case, glob_match};

/// A directive whose value has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: &'static str,
    /// What it was.
    pub old: Vec<u8>,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file or the command line.
    Startup,
    /// CONFIG SET.
    Runtime {
        /// By a client of this machine.
        local: bool,
    },
}

/// Why a setting was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no such directive.
    Unknown(Vec<u8>),
    /// The value or the moment is wrong, in words, after the directive.
    Refused(Vec<u8>, String),
}

/// All values.
#[derive(Clone)]
pub struct Config {
    /// By directive, in the table's order.
    values: Vec<Vec<u8>>,
    settings: Settings,
    /// A `save` line was read: the next adds to it.
    has_save_line: bool,
}

impl core::fmt::Debug for Config {
    /// Some values are secrets: none is shown.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// A directive by the name it was called.
#[derive(Clone, Copy)]
struct Named {
    index: usize,
    directive: &'static Directive,
    /// Its name or its older name, whichever was used.
    name: &'static str,
}

fn find(name: &[u8]) -> Option<Named> {
    if let Ok(index) = DIRECTIVES.binary_search_by(|directive| directive.name.as_bytes().cmp(name)) {
        let directive = DIRECTIVES.get(index)?;
        return Some(Named { index, directive, name: directive.name });
    }
    DIRECTIVES.iter().enumerate().find_map(|(index, directive)| {
        let names = [directive.name, directive.alias].into_iter().filter(|known| !known.is_empty());
        let name = names.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
        Some(Named { index, directive, name })
    })
}

impl Config {
    /// The defaults.
    pub fn new() -> Self {
        let values = DIRECTIVES.iter().map(|directive| directive.default.as_bytes().to_vec()).collect();
        let mut config = Self { values, settings: Settings::default(), has_save_line: false };
        config.settings = Settings::new(&config);
        config
    }

    /// The values that are read often, parsed.
    #[inline]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All directives, by name.
    pub fn directives() -> &'static [Directive] {
        DIRECTIVES
    }

    /// The directive of a name, in any case, or of an older name.
    pub fn directive(name: &[u8]) -> Option<&'static Directive> {
        find(name).map(|named| named.directive)
    }

    /// The normal text of a value.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values.get(find(name.as_bytes())?.index).map(Vec::as_slice)
    }

    /// The text of a value, for directives whose values are plain text.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.value(name).unwrap_or(b"")).into_owned()
    }

    /// Whether a directive of yes and no says yes.
    pub fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some(b"yes")
    }

    /// The number a directive is set to; 0 for what is no number or not below 2^63.
    pub fn number(&self, name: &str) -> i64 {
        self.value(name).and_then(crate::num::parse_i64).unwrap_or(0)
    }

    /// CONFIG GET: names and texts of all values that one of the patterns matches, by name.
    ///
    /// A name without wildcards comes back as it was asked for.
    pub fn matching<'a>(&'a self, patterns: &[&'a [u8]]) -> Vec<(&'a [u8], Cow<'a, [u8]>)> {
        let mut found: Vec<(&[u8], usize)> = Vec::new();
        let mut add = |name: &'a [u8], index: usize| {
            if !found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                found.push((name, index));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| matches!(byte, b'[' | b'*' | b'?')) {
                if let Some(named) = find(pattern) {
                    add(pattern, named.index);
                }
                continue;
            }
            for (index, directive) in DIRECTIVES.iter().enumerate() {
                if directive.flags.contains(Flags::HIDDEN) {
                    continue;
                }
                for name in [directive.name, directive.alias].map(str::as_bytes) {
                    if !name.is_empty() && glob_match(pattern, name, Case::Insensitive) {
                        add(name, index);
                    }
                }
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(name, index)| (name, self.shown(index))).collect()
    }

    /// The text of a value as CONFIG GET shows it.
    fn shown(&self, index: usize) -> Cow<'_, [u8]> {
        let value = self.values.get(index).map_or(b"".as_slice(), Vec::as_slice);
        match DIRECTIVES.get(index).map(|directive| directive.kind) {
            Some(Kind::Special(Special::Notify)) => Cow::Owned(special::shown_notify(value)),
            _ => Cow::Borrowed(value),
        }
    }

    /// CONFIG SET: sets several values, all or none, and returns those that have changed.
    ///
    /// # Errors
    /// The first that is wrong; nothing has changed then.
    pub fn set_many(&mut self, pairs: &[(&[u8], &[u8])], origin: Origin) -> Result<Vec<Change>, ConfigError> {
        let mut planned: Vec<Named> = Vec::new();
        for (name, _) in pairs {
            let named = find(name).ok_or_else(|| ConfigError::Unknown(name.to_vec()))?;
            let refused = |why: &str| Err(ConfigError::Refused(name.to_vec(), why.to_string()));
            if let Some(why) = self.forbidden(named.directive, origin) {
                return refused(why);
            }
            //= valkey 9.1 CONFIG SET: a directive may be named once by each of its names
            if planned.iter().any(|other| other.name == named.name) {
                return refused("duplicate parameter");
            }
            planned.push(named);
        }
        let mut changes = Vec::new();
        for (named, (_, value)) in planned.into_iter().zip(pairs) {
            match self.set_one(named, value, origin) {
                Ok(change) => changes.extend(change),
                Err(why) => {
                    self.revert(&changes);
                    return Err(ConfigError::Refused(named.name.into(), why));
                }
            }
        }
        self.settings = Settings::new(self);
        Ok(changes)
    }

    fn forbidden(&self, directive: &Directive, origin: Origin) -> Option<&'static str> {
        let Origin::Runtime { local } = origin else { return None };
        if directive.flags.contains(Flags::IMMUTABLE) {
            return Some("can't set immutable config");
        }
        let allowed = self.settings.enable_protected_configs.allows(local);
        (directive.flags.contains(Flags::PROTECTED) && !allowed).then_some("can't set protected config")
    }

    /// Sets one value of CONFIG SET; several arguments are separated by single blanks.
    fn set_one(&mut self, named: Named, value: &[u8], origin: Origin) -> Result<Option<Change>, String> {
        let multiple = named.directive.flags.contains(Flags::MULTI_ARG);
        let args: Vec<&[u8]> = match (multiple, value.is_empty()) {
            (true, true) => Vec::new(),
            (true, false) => value.split(|&byte| byte == b' ').collect(),
            (false, _) => Vec::from([value]),
        };
        let normal = named.directive.normalize(&args, self.value(named.directive.name).unwrap_or(b""))?;
        if matches!(origin, Origin::Runtime { .. })
            && let Some(why) = named.directive.unbuilt(&normal)
        {
            return Err(why);
        }
        Ok(self.replace(named, normal))
    }

    fn replace(&mut self, named: Named, normal: Vec<u8>) -> Option<Change> {
        let place = self.values.get_mut(named.index)?;
        let old = core::mem::replace(place, normal);
        let changed = old != *place || named.directive.flags.contains(Flags::VOLATILE);
        changed.then_some(Change { name: named.directive.name, old })
    }

    /// Sets a value by the words of a configuration line, the name first.
    ///
    /// A value that would turn on what is not built yet is kept here, since a later line may take it back:
    /// [`Config::unbuilt`] finds it.
    ///
    /// # Errors
    /// What is wrong with the line, in the reference's words.
    pub fn set_line(&mut self, words: &[Vec<u8>]) -> Result<&'static Directive, ConfigError> {
        let (name, args) = words.split_first().ok_or(ConfigError::Unknown(Vec::new()))?;
        let named = find(name).ok_or_else(|| ConfigError::Unknown(name.clone()))?;
        let refused = |why: String| ConfigError::Refused(named.name.into(), why);
        let multiple = named.directive.flags.contains(Flags::MULTI_ARG);
        let inner = match args {
            // One argument of several words, as `--bind "a b"` gives, is taken apart.
            [only] if multiple && !only.is_empty() => split_words(only)
                .ok_or_else(|| refused("Unbalanced quotes in configuration line".to_string()))?,
            [_] => args.to_vec(),
            _ if multiple => args.to_vec(),
            _ => return Err(refused("wrong number of arguments".to_string())),
        };
        let args: Vec<&[u8]> = inner.iter().map(Vec::as_slice).collect();
        let old = self.value(named.directive.name).unwrap_or(b"");
        let mut normal = named.directive.normalize(&args, old).map_err(refused)?;
        if let Kind::Special(Special::Save) = named.directive.kind {
            //= valkey 9.1: `save` lines add up; the first takes the default's place, an empty one all others'
            if self.has_save_line && !old.is_empty() && !normal.is_empty() {
                normal = [old, b" ", &normal].concat();
            }
            self.has_save_line = true;
        }
        self.replace(named, normal);
        self.settings = Settings::new(self);
        Ok(named.directive)
    }

    /// The first directive whose value would turn on what is not built yet, and the reason for refusing it.
    pub fn unbuilt(&self) -> Option<(&'static str, String)> {
        let mut pairs = DIRECTIVES.iter().zip(&self.values);
        pairs.find_map(|(directive, value)| Some((directive.name, directive.unbuilt(value)?)))
    }

    /// Keeps a value that the host has found out: the working folder, a lowered `maxclients`. No checks.
    pub fn set_by_host(&mut self, name: &str, value: &str) {
        if let Some(named) = find(name.as_bytes()) {
            self.replace(named, value.as_bytes().to_vec());
            self.settings = Settings::new(self);
        }
    }

    /// Takes changes back.
    pub fn revert(&mut self, changes: &[Change]) {
        // From the last to the first: one directive may have changed twice, by its two names.
        for change in changes.iter().rev() {
            let place = find(change.name.as_bytes()).and_then(|named| self.values.get_mut(named.index));
            if let Some(place) = place {
                place.clone_from(&change.old);
            }
        }
        self.settings = Settings::new(self);
    }

    /// Directives that were given another value than the default and have no effect yet.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let pairs = DIRECTIVES.iter().zip(&self.values);
        pairs
            .filter(|(directive, value)| {
                directive.effect == Effect::Later && value.as_slice() != directive.default.as_bytes()
            })
            .map(|(directive, _)| directive.name)
            .collect()
    }

    /// What to warn the operator of at start-up, a line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let idle = self.without_effect();
        if !idle.is_empty() {
            lines.push(format!(
                "WARNING: this version of Vireo keeps these directives but does not act on them yet: {}",
                idle.join(", ")
            ));
        }
        lines
    }
}

impl ConfigError {
    /// A refusal by the host, for the first change it could not put into effect.
    pub fn refused(name: &str, why: &str) -> Self {
        Self::Refused(name.into(), why.to_string())
    }

    /// The error line of CONFIG SET.
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::Unknown(name) => {
                [b"ERR Unknown option or number of arguments for CONFIG SET - '", name.as_slice(), b"'"]
                    .concat()
            }
            Self::Refused(name, why) => {
                let head = b"ERR CONFIG SET failed (possibly related to argument '".as_slice();
                [head, name, b"') - ", why.as_bytes()].concat()
            }
        }
    }

    /// The reason in words, for the configuration file's errors.
    pub fn reason(&self) -> &str {
        match self {
            Self::Unknown(_) => "Bad directive or wrong number of arguments",
            Self::Refused(_, why) => why,
        }
    }
}

#[cfg(test)]
mod tests;
