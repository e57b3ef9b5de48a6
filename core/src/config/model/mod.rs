//! What must hold of a configuration whatever is done to it, for tests and fuzzing: files that are read and written anew
//! ([`check_file`]), and changes of several values at once ([`check_changes`]).
#![expect(clippy::arithmetic_side_effects, reason = "a check may panic")]

mod changes;
mod file;
mod values;

pub use self::changes::check_changes;
pub use self::file::check_file;

use super::{Config, Effect};

/// The host sets the working folder before anything is shown or written.
const FOLDER: &str = "/data";

/// The defaults, as the host has them.
fn defaults() -> Config {
    let mut config = Config::new();
    config.set_by_host("dir", FOLDER);
    config
}

/// Checks that two configurations say the same, and that what is parsed of them follows their texts.
fn assert_same(config: &Config, other: &Config) {
    for ((directive, value), other) in Config::directives().iter().zip(&config.values).zip(&other.values) {
        assert!(
            value == other,
            "{} \"{}\" \"{}\"",
            directive.name,
            value.escape_ascii(),
            other.escape_ascii()
        );
    }
    assert!(config.settings == other.settings, "{:?}\n{:?}", config.settings, other.settings);
}

/// Turns off what is not built: with one of these on the server does not start, and writes no file.
fn turn_off_unbuilt(config: &mut Config) {
    for directive in Config::directives() {
        let value = config.value(directive.name).unwrap_or(b"");
        if let Effect::Unbuilt { off, .. } = directive.effect
            && directive.unbuilt(value).is_some()
        {
            config.set_by_host(directive.name, off);
        }
    }
    assert_eq!(config.unbuilt(), None);
}

/// The fuzzer's bytes, taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// So many bytes, or all that are left.
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{check_changes, check_file};
    use crate::rng::Rng;

    fn some_bytes(rng: &mut Rng, len: u64, alphabet: &[u8]) -> Vec<u8> {
        let byte = |rng: &mut Rng| match rng.below(4) {
            0 => u8::try_from(rng.below(256)).unwrap_or(0),
            _ => usize::try_from(rng.below(alphabet.len() as u64))
                .map_or(0, |at| alphabet.get(at).copied().unwrap_or(0)),
        };
        (0..rng.below(len)).map(|_| byte(rng)).collect()
    }

    #[test]
    fn random_lines_survive_being_written_anew() {
        let mut rng = Rng::new(41);
        let known = super::Config::directives();
        let mut accepted = 0;
        for _ in 0..150 {
            let mut text = Vec::new();
            for _ in 0..rng.below(8) {
                let at = usize::try_from(rng.below(known.len() as u64)).unwrap();
                text.extend_from_slice(known.get(at).unwrap().name.as_bytes());
                text.push(b' ');
                text.extend(some_bytes(&mut rng, 12, b" \"'\\x07yesno1%kmgb\t\n"));
                text.push(b'\n');
            }
            accepted += u32::from(check_file(&text));
        }
        assert!(accepted > 10, "{accepted}");
    }

    #[test]
    fn random_changes_are_made_together_or_not_at_all() {
        let mut rng = Rng::new(42);
        let made: usize = (0..60).map(|_| check_changes(&some_bytes(&mut rng, 400, b"\x00\x05"))).sum();
        assert!(made > 200, "{made}");
    }

    //= valkey 9.1: a file that CONFIG REWRITE has written is read
    #[test]
    fn odd_files() {
        for text in [
            &b""[..],
            b"\n\n\nport 1\n\n\n# a\n\n",
            b"include \"x\ninclude x\nINCLUDE y\nrename-command GET \"\"\nuser default on\nno-such 1\n#b",
            b"port 1\nport 2\nPort \"3\"\nsave 1 1\nsave 2 2\nsave ''\n",
            b"dir \"a\\x00b\\\"\\n\"\nlogfile ' # '\nproc-title-template \"\\x7f{title}\"\n",
            b"client-output-buffer-limit normal 1 2 3 slave 4kb 5 6\nclient-output-buffer-limit pubsub 0 0 0",
            b"bind 'a\"b' c\nbind \"a b\" c\nbind \"a\\x00\" '\t' c\nbind 'it\\'s' c\n",
            b"latency-tracking-info-percentiles 0.0000001 100 -0\nbind\nshutdown-on-sigterm now save\n",
        ] {
            check_file(text);
        }
        assert!(check_file(b"bind a b -c\nmaxmemory-clients 7%\n"));
        assert!(!check_file(b"bind a ''\n") && !check_file(b"port 'x\n"));
    }
}
