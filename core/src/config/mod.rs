//! Configuration: every directive of Valkey 9.1 as data, and its value.
//!
//! Pure: reading files and acting on changes is the server's.

mod directive;
mod rewrite;
mod settings;
mod split;
mod table;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use self::directive::{Directive, Effect, Flags, Kind, parse_memory};
pub use self::rewrite::rewrite;
pub use self::settings::{OutputLimit, ProtectedAction, Settings};
pub use self::split::{push_quoted, split_words};

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
    /// It was named twice.
    Duplicate(Vec<u8>),
    /// The value or the moment is wrong, in words.
    Refused(Vec<u8>, String),
}

/// All values.
#[derive(Clone, Debug)]
pub struct Config {
    values: Vec<Vec<u8>>,
    settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

fn index_of(name: &[u8]) -> Option<usize> {
    DIRECTIVES.iter().position(|d| {
        name.eq_ignore_ascii_case(d.name.as_bytes())
            || (!d.alias.is_empty() && name.eq_ignore_ascii_case(d.alias.as_bytes()))
    })
}

impl Config {
    /// The defaults.
    pub fn new() -> Self {
        let values = DIRECTIVES.iter().map(|directive| directive.default.as_bytes().to_vec()).collect();
        let mut config = Self { values, settings: Settings::default() };
        config.settings = Settings::new(&config);
        config
    }

    /// The values that are read often, parsed.
    #[inline]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All directives.
    pub fn directives() -> &'static [Directive] {
        DIRECTIVES
    }

    /// The directive of a name, in any case, or of an older name.
    pub fn directive(name: &[u8]) -> Option<&'static Directive> {
        DIRECTIVES.get(index_of(name)?)
    }

    /// The text of a value.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values.get(index_of(name.as_bytes())?).map(Vec::as_slice)
    }

    /// The text of a value, for directives whose values are plain text.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.value(name).unwrap_or(b"")).into_owned()
    }

    /// Names (older ones too) and texts of all values that one of the patterns matches.
    pub fn matching<'a>(&'a self, patterns: &[&[u8]]) -> Vec<(&'static str, &'a [u8])> {
        let mut found = Vec::new();
        for (directive, value) in DIRECTIVES.iter().zip(&self.values) {
            for name in [directive.name, directive.alias] {
                let hidden = directive.flags.contains(Flags::HIDDEN);
                let asked = |pattern: &&[u8]| {
                    let literal = pattern.eq_ignore_ascii_case(name.as_bytes());
                    literal || (!hidden && glob_match(pattern, name.as_bytes(), Case::Insensitive))
                };
                if !name.is_empty() && patterns.iter().any(asked) {
                    found.push((name, value.as_slice()));
                }
            }
        }
        found
    }

    /// Sets several values, all or none, and returns those that have changed.
    ///
    /// # Errors
    /// The first that is wrong; nothing has changed then.
    pub fn set_many(
        &mut self,
        pairs: &[(&[u8], &[&[u8]])],
        origin: Origin,
    ) -> Result<Vec<Change>, ConfigError> {
        let mut planned: Vec<(usize, Vec<u8>)> = Vec::new();
        for (name, _) in pairs {
            let index = index_of(name).ok_or_else(|| ConfigError::Unknown(name.to_vec()))?;
            self.permit(index, name, origin)?;
            if planned.iter().any(|(other, _)| *other == index) {
                return Err(ConfigError::Duplicate(name.to_vec()));
            }
            planned.push((index, Vec::new()));
        }
        for ((index, text), (name, args)) in planned.iter_mut().zip(pairs) {
            let refused = |why| ConfigError::Refused(name.to_vec(), why);
            *text = DIRECTIVES[*index].normalize(args, &self.values[*index]).map_err(refused)?;
        }
        let mut changes = Vec::new();
        for (index, text) in planned {
            let directive = &DIRECTIVES[index];
            let old = core::mem::replace(&mut self.values[index], text);
            if old != self.values[index] || directive.flags.contains(Flags::VOLATILE) {
                changes.push(Change { name: directive.name, old });
            }
        }
        self.settings = Settings::new(self);
        Ok(changes)
    }

    fn permit(&self, index: usize, name: &[u8], origin: Origin) -> Result<(), ConfigError> {
        let Origin::Runtime { local } = origin else { return Ok(()) };
        let flags = DIRECTIVES[index].flags;
        let refused = |why: &str| Err(ConfigError::Refused(name.to_vec(), why.to_string()));
        if flags.contains(Flags::IMMUTABLE) {
            return refused("can't set immutable config");
        }
        let allowed = match self.settings.enable_protected_configs {
            ProtectedAction::Yes => true,
            ProtectedAction::Local => local,
            ProtectedAction::No => false,
        };
        if flags.contains(Flags::PROTECTED) && !allowed {
            return refused("can't set protected config");
        }
        Ok(())
    }

    /// Takes changes back.
    pub fn revert(&mut self, changes: &[Change]) {
        for change in changes {
            if let Some(index) = index_of(change.name.as_bytes()) {
                self.values[index].clone_from(&change.old);
            }
        }
        self.settings = Settings::new(self);
    }

    /// Directives that were given another value than the default and have no effect yet.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let pairs = DIRECTIVES.iter().zip(&self.values);
        pairs
            .filter(|(d, value)| d.effect == Effect::Later && *value != d.default.as_bytes())
            .map(|(directive, _)| directive.name)
            .collect()
    }
}

impl ConfigError {
    /// The error line of CONFIG SET.
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::Unknown(name) => {
                [b"ERR Unknown option or number of arguments for CONFIG SET - '", name.as_slice(), b"'"]
                    .concat()
            }
            Self::Duplicate(name) => Self::related(name, "duplicate parameter"),
            Self::Refused(name, why) => Self::related(name, why),
        }
    }

    fn related(name: &[u8], why: &str) -> Vec<u8> {
        let head = b"ERR CONFIG SET failed (possibly related to argument '".as_slice();
        [head, name, b"') - ", why.as_bytes()].concat()
    }

    /// The reason in words, for the configuration file's errors.
    pub fn reason(&self) -> String {
        match self {
            Self::Unknown(_) => "Bad directive or wrong number of arguments".to_string(),
            Self::Duplicate(name) => format!("duplicate parameter '{}'", String::from_utf8_lossy(name)),
            Self::Refused(_, why) => why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::{Config, Origin, rewrite};

    fn set(config: &mut Config, name: &str, value: &str) -> Result<(), String> {
        let origin = Origin::Runtime { local: true };
        match config.set_many(&[(name.as_bytes(), &[value.as_bytes()])], origin) {
            Ok(_) => Ok(()),
            Err(error) => Err(String::from_utf8(error.message()).unwrap()),
        }
    }

    #[test]
    fn values_are_checked_and_put_into_normal_form() {
        let mut config = Config::new();
        let good = [
            ("maxmemory", "100mb", "104857600"),
            ("MAXMEMORY", "1K", "1000"),
            ("timeout", "5", "5"),
            ("latency-tracking", "NO", "no"),
            ("notify-keyspace-events", "KEA", "AKE"),
            (
                "client-output-buffer-limit",
                "normal 1mb 2kb 3",
                "normal 1048576 2048 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            ),
            ("latency-tracking-info-percentiles", "99.9 50.0", "99.9 50"),
            ("slowlog-max-len", "10", "10"),
        ];
        for (name, value, shown) in good {
            assert_eq!(set(&mut config, name, value), Ok(()));
            assert_eq!(config.text(name), shown, "{name}");
        }
        let bad = [
            ("no-such", "1", "ERR Unknown option or number of arguments for CONFIG SET - 'no-such'"),
            (
                "timeout",
                "x",
                "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer",
            ),
            (
                "timeout",
                "-1",
                "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 inclusive",
            ),
            (
                "latency-tracking",
                "on",
                "ERR CONFIG SET failed (possibly related to argument 'latency-tracking') - argument must be 'yes' or 'no'",
            ),
            (
                "databases",
                "4",
                "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
            ),
            (
                "enable-debug-command",
                "yes",
                "ERR CONFIG SET failed (possibly related to argument 'enable-debug-command') - can't set immutable config",
            ),
            (
                "appendonly",
                "yes",
                "ERR CONFIG SET failed (possibly related to argument 'appendonly') - append-only files: not supported by this version of Vireo",
            ),
        ];
        for (name, value, error) in bad {
            assert_eq!(set(&mut config, name, value), Err(error.into()), "{name}");
        }
    }

    #[test]
    fn several_are_set_together_or_not_at_all() {
        let mut config = Config::new();
        let pairs: [(&[u8], &[&[u8]]); 2] = [(b"timeout", &[b"7"]), (b"maxmemory", &[b"x"])];
        assert!(config.set_many(&pairs, Origin::Startup).is_err());
        assert_eq!(config.text("timeout"), "0");
        let pairs: [(&[u8], &[&[u8]]); 2] = [(b"timeout", &[b"7"]), (b"hz", &[b"50"])];
        let changes = config.set_many(&pairs, Origin::Startup).unwrap();
        assert_eq!((changes.len(), config.settings().hz), (2, 50));
        config.revert(&changes);
        assert_eq!((config.text("timeout"), config.settings().hz), ("0".into(), 10));
    }

    #[test]
    fn a_rewritten_file_keeps_comments_and_order() {
        let mut config = Config::new();
        for (name, value) in [("maxmemory", "200mb"), ("timeout", "5"), ("requirepass", "a\"b")] {
            set(&mut config, name, value).unwrap();
        }
        let old = b"# top\nport 6379\n\ntimeout 1\n# in between\ntimeout 2\ninclude other.conf\n";
        let new = rewrite(old, &config);
        let expected = "# top\nport 6379\n\ntimeout 5\n# in between\ninclude other.conf\n\
                        # Generated by CONFIG REWRITE\nmaxmemory 200mb\nrequirepass \"a\\\"b\"\n";
        assert_eq!(String::from_utf8(new.clone()).unwrap(), expected);
        assert_eq!(rewrite(&new, &config), new);
        let _: Vec<&str> = config.without_effect();
    }
}
