//! Series of changes of several values at once.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::super::{Change, Config, Flags, Origin, RewriteExtent};
use super::file::check_rewrite;
use super::{Bytes, assert_same, defaults, turn_off_unbuilt, values};

/// Changes of one run, so that it stays short.
const CHANGES_MAX: usize = 32;
/// Longest value that is the fuzzer's bytes.
const RAW_LEN_MAX: u8 = 40;

/// CONFIG SET, its arguments as a client sends them.
struct Request {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    origin: Origin,
}

impl Request {
    /// A change of one to four values.
    fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        let head = bytes.next()?;
        let origin = match head % 4 {
            0 => Origin::Startup,
            1 => Origin::Runtime { local: false },
            _ => Origin::Runtime { local: true },
        };
        let pairs = (0..=head / 4 % 4).map_while(|_| pair(bytes)).collect();
        Some(Self { pairs, origin })
    }

    fn set(&self, config: &mut Config) -> Option<Vec<Change>> {
        let pairs: Vec<(&[u8], &[u8])> =
            self.pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        match config.set_many(&pairs, self.origin) {
            Ok(changes) => Some(changes),
            Err(error) => {
                assert!(error.message().starts_with(b"ERR ") && !error.reason().is_empty());
                None
            }
        }
    }

    /// What the values are when each is set alone, in turn; nothing when one is refused or named twice.
    fn one_by_one(&self, before: &Config) -> Option<Config> {
        let mut config = before.clone();
        for (count, (name, value)) in self.pairs.iter().enumerate() {
            let earlier = self.pairs.iter().take(count);
            if earlier.into_iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return None;
            }
            config.set_many(&[(name.as_slice(), value.as_slice())], self.origin).ok()?;
        }
        Some(config)
    }

    /// Sets several values. Returns whether they were taken.
    fn check(&self, config: &mut Config) -> bool {
        let before = config.clone();
        let expected = self.one_by_one(&before);
        let changes = self.set(config);
        assert_eq!(changes.is_some(), expected.is_some());
        assert_same(config, expected.as_ref().unwrap_or(&before));
        let Some(changes) = changes else { return false };
        let named = |name: &str| {
            self.pairs
                .iter()
                .any(|(asked, _)| Config::directive(asked).is_some_and(|known| known.name == name))
        };
        assert!(changes.iter().all(|change| named(change.name)));
        for ((directive, old), new) in Config::directives().iter().zip(&before.values).zip(&config.values) {
            let told = changes.iter().find(|change| change.name == directive.name);
            assert!(told.map_or(old == new, |change| *old == change.old), "{}", directive.name);
        }
        let mut back = config.clone();
        back.revert(&changes);
        assert_same(&back, &before);
        true
    }
}

/// A directive, or what is none, with a value.
fn pair(bytes: &mut Bytes<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let (index, form) = (bytes.next()?, bytes.next()?);
    let directive = Config::directives().get(usize::from(index));
    let raw = |bytes: &mut Bytes<'_>| {
        let len = bytes.next().unwrap_or(0) % RAW_LEN_MAX;
        bytes.take(usize::from(len)).to_vec()
    };
    let Some(directive) = directive else { return Some((raw(bytes), raw(bytes))) };
    let name = if form & 1 != 0 && !directive.alias.is_empty() { directive.alias } else { directive.name };
    let name = if form & 2 != 0 { name.to_ascii_uppercase() } else { name.to_string() };
    let value = if form >= 192 { raw(bytes) } else { values::some_value(directive.kind, form / 4, bytes) };
    Some((name.into_bytes(), value))
}

/// Checks that several values are set together or not at all, that changes are told as they are and can be taken back, that
/// what is shown can be set again and changes nothing, and that a file says the same. Returns how many changes were made.
///
/// # Panics
/// When it is not so.
pub fn check_changes(data: &[u8]) -> usize {
    let mut bytes = Bytes(data);
    let mut config = defaults();
    let requests = core::iter::from_fn(|| Request::take(&mut bytes)).take(CHANGES_MAX);
    let made = requests.filter(|request| request.check(&mut config)).count();
    for pattern in data.chunks(8).take(4) {
        check_asked(&config, pattern);
    }
    check_shown(&config);
    turn_off_unbuilt(&mut config);
    let extent = if data.len().is_multiple_of(64) { RewriteExtent::All } else { RewriteExtent::Changed };
    check_rewrite(b"", &[], &config, extent);
    made
}

/// What a pattern finds is shown as it is by name, and by name only once.
fn check_asked(config: &Config, pattern: &[u8]) {
    let found = config.matching(&[pattern, b"*port*"]);
    assert!(found.is_sorted_by(|(a, _), (b, _)| a < b));
    for (name, value) in &found {
        assert_eq!(config.matching(&[name]).as_slice(), [(*name, value.clone())]);
    }
}

/// All that is shown, set again at once.
fn check_shown(config: &Config) {
    let names: Vec<&[u8]> = Config::directives().iter().map(|known| known.name.as_bytes()).collect();
    let shown = config.matching(&names);
    assert_eq!(shown.len(), names.len(), "a name finds hidden ones too");
    let can_be_set = |name: &[u8], value: &[u8]| match name {
        //= valkey 9.1 CONFIG GET notify-keyspace-events: `n` is not shown beside `A`
        b"notify-keyspace-events" => !value.starts_with(b"A"),
        // Whoever has no primary is shown with an empty text, which is no primary.
        b"replicaof" => !value.is_empty(),
        _ => true,
    };
    let pairs: Vec<(&[u8], &[u8])> = shown.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    let pairs: Vec<(&[u8], &[u8])> =
        pairs.into_iter().filter(|(name, value)| can_be_set(name, value)).collect();
    let mut again = config.clone();
    let changes = again.set_many(&pairs, Origin::Startup);
    assert_same(&again, config);
    let is_volatile = |change: &Change| {
        Config::directive(change.name.as_bytes()).is_some_and(|known| known.flags.contains(Flags::VOLATILE))
    };
    assert!(changes.is_ok_and(|changes| changes.iter().all(is_volatile)));
}
