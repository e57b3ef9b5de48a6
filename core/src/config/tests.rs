//! Tests of setting and showing values.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Config, ConfigError, Effect, Origin, split_words};

const LOCAL: Origin = Origin::Runtime { local: true };

fn set(config: &mut Config, name: &str, value: &str) -> Result<(), String> {
    match config.set_many(&[(name.as_bytes(), value.as_bytes())], LOCAL) {
        Ok(_) => Ok(()),
        Err(error) => Err(String::from_utf8(error.message()).unwrap()),
    }
}

fn get(config: &Config, patterns: &[&str]) -> Vec<(String, String)> {
    let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    config.matching(&patterns).into_iter().map(|(name, value)| (text(name), text(&value))).collect()
}

fn line(config: &mut Config, line: &str) -> Result<(), String> {
    let words = split_words(line.as_bytes()).unwrap();
    config.set_line(&words).map(|_| ()).map_err(|error| error.reason().to_string())
}

#[test]
fn the_table_is_sorted_and_its_defaults_are_normal() {
    let config = Config::new();
    let table = Config::directives();
    assert!(table.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!(table.len(), 225);
    for directive in table {
        let words: Vec<&[u8]> = directive.default.split(' ').map(str::as_bytes).collect();
        let words = if directive.flags.contains(super::Flags::MULTI_ARG) {
            words
        } else {
            Vec::from([directive.default.as_bytes()])
        };
        if !matches!(directive.name, "dir" | "replicaof") {
            let normal = directive.normalize(&words, directive.default.as_bytes());
            assert_eq!(normal.as_deref(), Ok(directive.default.as_bytes()), "{}", directive.name);
        }
        assert_eq!(directive.unbuilt(directive.default.as_bytes()), None);
        assert!(!directive.name.eq_ignore_ascii_case(directive.alias));
    }
    assert_eq!(config.unbuilt(), None);
    assert!(config.without_effect().is_empty());
    assert!(config.warnings().is_empty());
}

#[test]
fn values_are_put_into_normal_form() {
    let mut config = Config::new();
    let good = [
        ("maxmemory", "100mb", "104857600"),
        ("MAXMEMORY", "1K", "1000"),
        ("maxmemory", "", "0"),
        ("maxmemory", "18446744073709551615", "18446744073709551615"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "0%", "0"),
        ("maxmemory-clients", "1gb", "1073741824"),
        ("timeout", "5", "5"),
        ("hz", "0", "1"),
        ("hz", "501", "500"),
        ("latency-tracking", "NO", "no"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("oom-score-adj", "RELATIVE", "yes"),
        ("shutdown-on-sigint", "nosave force now", "nosave now force"),
        ("shutdown-on-sigint", "default now", "now"),
        ("cluster-blacklist-ttl", "-1", "-1"),
        ("slot-migration-max-failover-repl-bytes", "-1", "-1"),
        ("latency-tracking-info-percentiles", "99.9 50.0", "99.9 50"),
        ("slowlog-max-len", "10", "10"),
        ("proc-title-template", "{title} x", "{title} x"),
        ("cluster-announce-hostname", "a-b.c", "a-b.c"),
        ("save", "", ""),
    ];
    for (name, value, shown) in good {
        assert_eq!(set(&mut config, name, value), Ok(()), "{name}");
        assert_eq!(config.text(name), shown, "{name}");
    }
}

#[test]
fn wrong_values_get_the_reference_s_words() {
    let mut config = Config::new();
    let bad = [
        ("timeout", "x", "argument couldn't be parsed into an integer"),
        ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("timeout", "1kb", "argument couldn't be parsed into an integer"),
        ("maxclients", "-1", "argument must be between 1 and 4294967295 inclusive"),
        ("maxmemory", "-1", "argument must be a memory value"),
        ("maxmemory", "1tb", "argument must be a memory value"),
        ("maxmemory", "99999999999gb", "argument must be a memory value"),
        ("proto-max-bulk-len", "1", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("maxmemory-clients", "200%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients", "x", "argument must be a memory or percent value"),
        ("maxmemory-clients", "-5%", "argument must be a memory or percent value"),
        (
            "slot-migration-max-failover-repl-bytes",
            "-2",
            "argument must be between -1 and 9223372036854775807 inclusive",
        ),
        ("latency-tracking", "on", "argument must be 'yes' or 'no'"),
        (
            "loglevel",
            "loud",
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
        ),
        (
            "shutdown-on-sigterm",
            "now  force",
            "argument(s) must be one of the following: default, save, nosave, now, force, safe, failover",
        ),
        (
            "shutdown-on-sigterm",
            "save nosave",
            "shutdown options SAVE and NOSAVE can't be used simultaneously",
        ),
        ("databases", "4", "can't set immutable config"),
        ("dir", "/tmp", "can't set protected config"),
        ("proc-title-template", "{x}", "template format is invalid or contains unknown variables"),
        ("cluster-announce-client-ipv4", "1.2.3", "Invalid IPv4 address"),
        ("cluster-announce-client-ipv6", "::x", "Invalid IPv6 address"),
        (
            "cluster-announce-hostname",
            "a b",
            "Hostnames may only contain alphanumeric characters, hyphens or dots",
        ),
        ("cluster-announce-ip", "a|b", "cluster-announce-ip contains invalid character"),
        ("cluster-announce-human-nodename", "a,b", "Announced human node name contained invalid character"),
        ("appendonly", "yes", "append-only files are not supported by this version of Vireo"),
        ("io-threads", "257", "argument must be between 1 and 256 inclusive"),
        ("save", "3600 1", "saving to disk is not supported by this version of Vireo"),
        ("save", "3600", "Invalid save parameters"),
    ];
    for (name, value, why) in bad {
        let expected =
            alloc::format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
        assert_eq!(set(&mut config, name, value), Err(expected), "{name}");
    }
    let unknown = "ERR Unknown option or number of arguments for CONFIG SET - 'No-Such'";
    assert_eq!(set(&mut config, "No-Such", "1"), Err(unknown.into()));
}

#[test]
fn a_refused_value_is_told_by_the_table_s_name_and_a_refused_change_by_the_user_s() {
    let mut config = Config::new();
    assert!(set(&mut config, "TIMEOUT", "x").unwrap_err().contains("'timeout'"));
    assert!(set(&mut config, "Slowlog-Max-Len", "x").unwrap_err().contains("'slowlog-max-len'"));
    assert!(set(&mut config, "DATABASES", "4").unwrap_err().contains("'DATABASES'"));
}

#[test]
fn several_are_set_together_or_not_at_all() {
    let mut config = Config::new();
    let pairs: [(&[u8], &[u8]); 2] = [(b"timeout", b"7"), (b"maxmemory", b"x")];
    assert!(config.set_many(&pairs, LOCAL).is_err());
    assert_eq!((config.text("timeout"), config.settings().timeout_s), ("0".into(), 0));
    let pairs: [(&[u8], &[u8]); 3] = [(b"timeout", b"7"), (b"hz", b"50"), (b"maxclients", b"10000")];
    let changes = config.set_many(&pairs, LOCAL).unwrap();
    assert_eq!(changes.iter().map(|change| change.name).collect::<Vec<_>>(), ["timeout", "hz"]);
    assert_eq!(config.settings().hz, 50);
    config.revert(&changes);
    assert_eq!((config.text("timeout"), config.settings().hz), ("0".into(), 10));
}

#[test]
fn both_names_may_be_set_at_once_but_none_twice() {
    let mut config = Config::new();
    let both: [(&[u8], &[u8]); 2] =
        [(b"slowlog-max-len", b"1"), (b"commandlog-slow-execution-max-len", b"2")];
    let changes = config.set_many(&both, LOCAL).unwrap();
    assert_eq!(config.text("slowlog-max-len"), "2");
    config.revert(&changes);
    assert_eq!(config.text("slowlog-max-len"), "128");
    let twice: [(&[u8], &[u8]); 2] = [(b"maxmemory", b"1"), (b"Maxmemory", b"2")];
    let error = ConfigError::refused("Maxmemory", "duplicate parameter");
    assert_eq!(config.set_many(&twice, LOCAL), Err(error));
}

#[test]
fn protected_ones_need_permission() {
    let mut config = Config::new();
    let dir: [(&[u8], &[u8]); 1] = [(b"dir", b"/tmp")];
    line(&mut config, "enable-protected-configs local").unwrap();
    assert!(config.set_many(&dir, Origin::Runtime { local: false }).is_err());
    assert_eq!(config.set_many(&dir, LOCAL).map(|changes| changes.len()), Ok(1));
    line(&mut config, "enable-protected-configs yes").unwrap();
    assert!(config.set_many(&dir, Origin::Runtime { local: false }).is_ok());
}

#[test]
fn getting_by_name_and_pattern() {
    let mut config = Config::new();
    let names = |found: Vec<(String, String)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(get(&config, &["*of", "maxmemory", "MAXMEMORY"])),
        ["maxmemory", "replicaof", "slaveof"]
    );
    assert_eq!(get(&config, &["TimeOut"]), [("TimeOut".to_string(), "0".to_string())]);
    assert!(get(&config, &["key-load-dela?"]).is_empty());
    assert_eq!(get(&config, &["key-load-delay"]).len(), 1);
    assert!(get(&config, &["none", ""]).is_empty());
    let all = get(&config, &["*"]);
    assert!(all.is_sorted());
    assert!(all.iter().any(|(name, _)| name == "slowlog-max-len"));
    set(&mut config, "notify-keyspace-events", "AnK").unwrap();
    assert_eq!(get(&config, &["notify*"]), [("notify-keyspace-events".to_string(), "AK".to_string())]);
}

#[test]
fn lines_of_a_file() {
    let mut config = Config::new();
    for text in [
        "Port 7000",
        "bind \"127.0.0.1 -::1\"",
        "save 900 1",
        "save 300 10",
        "shutdown-on-sigint nosave now",
        "client-output-buffer-limit normal 1 2 3",
        "client-output-buffer-limit pubsub 4 5 6",
        "slaveof no one",
        "requirepass \"a b\"",
        "hash-max-ziplist-entries 7",
    ] {
        assert_eq!(line(&mut config, text), Ok(()), "{text}");
    }
    let shown = [
        ("port", "7000"),
        ("bind", "127.0.0.1 -::1"),
        ("save", "900 1 300 10"),
        ("shutdown-on-sigint", "nosave now"),
        ("client-output-buffer-limit", "normal 1 2 3 slave 268435456 67108864 60 pubsub 4 5 6"),
        ("requirepass", "a b"),
        ("hash-max-listpack-entries", "7"),
    ];
    for (name, value) in shown {
        assert_eq!(config.text(name), value);
    }
    assert_eq!(config.unbuilt().map(|(name, _)| name), Some("save"));
    line(&mut config, "save \"\"").unwrap();
    assert_eq!(config.unbuilt(), None);
    let bad = [
        ("port", "wrong number of arguments"),
        ("port 1 2", "wrong number of arguments"),
        ("foo bar", "Bad directive or wrong number of arguments"),
        ("save 1", "Invalid save parameters"),
        ("replicaof x y", "Invalid primary port"),
        ("replicaof x", "wrong number of arguments"),
    ];
    for (text, error) in bad {
        assert_eq!(line(&mut config, text), Err(error.into()), "{text}");
    }
}

#[test]
fn what_is_not_built_is_told() {
    let mut config = Config::new();
    line(&mut config, "appendfsync always").unwrap();
    line(&mut config, "maxmemory-clients 1gb").unwrap();
    assert_eq!(config.without_effect(), ["appendfsync"]);
    assert_eq!(config.warnings().len(), 1);
    line(&mut config, "replicaof 127.0.0.1 6379").unwrap();
    let why = "replication is not supported by this version of Vireo";
    assert_eq!(config.unbuilt(), Some(("replicaof", why.to_string())));
    let unbuilt = |name: &str| Config::directive(name.as_bytes()).map(|found| found.effect);
    assert!(matches!(unbuilt("appendonly"), Some(Effect::Unbuilt { .. })));
}
