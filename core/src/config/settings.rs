//! The values that the server reads often, parsed; refreshed after each change.

use alloc::vec::Vec;

use bitflags::bitflags;

use super::Config;
use crate::keyspace::AccessPolicy;
use crate::num;

/// The smallest limit on the memory of all clients, bytes.
const MAXMEMORY_CLIENTS_MIN: u64 = 128 * 1024;

/// Who may use a protected command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtectedAction {
    /// Nobody.
    #[default]
    No,
    /// Everybody.
    Yes,
    /// Clients of this machine.
    Local,
}

impl ProtectedAction {
    /// Whether a client may, by whether it is of this machine.
    pub fn allows(self, local: bool) -> bool {
        match self {
            Self::Yes => true,
            Self::Local => local,
            Self::No => false,
        }
    }
}

/// Limits on the replies that wait for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Closed at once above this, bytes; 0: no limit.
    pub hard_bytes: u64,
    /// Closed when above this for some time, bytes; 0: no limit.
    pub soft_bytes: u64,
    /// That time, seconds.
    pub soft_seconds: u64,
}

/// Up to what sizes values keep their compact encodings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactLimits {
    /// Of a list's listpacks: entries, or a class of bytes when negative.
    pub list_listpack_size: i32,
    /// Nodes at either end of a list that are not compressed; 0: none is.
    pub list_compress_depth: u16,
    /// Fields of a hash.
    pub hash_listpack_entries: usize,
    /// Bytes of each field and value of a hash.
    pub hash_listpack_value: usize,
    /// Members of a set of integers.
    pub set_intset_entries: usize,
    /// Members of a set.
    pub set_listpack_entries: usize,
    /// Bytes of each member of a set.
    pub set_listpack_value: usize,
    /// Members of a sorted set.
    pub zset_listpack_entries: usize,
    /// Bytes of each member of a sorted set.
    pub zset_listpack_value: usize,
    /// Bytes of a stream's nodes; 0: no limit.
    pub stream_node_bytes: usize,
    /// Entries of a stream's nodes; 0: no limit.
    pub stream_node_entries: usize,
    /// Bytes of a sparse HyperLogLog.
    pub hll_sparse_bytes: usize,
}

/// By what keys are chosen that go when memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictBy {
    /// Those unused for longest.
    Lru,
    /// Those used least often.
    Lfu,
    /// Chance.
    Random,
    /// Those that expire next.
    Ttl,
}

/// Which keys go when memory is full (`maxmemory-policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionPolicy {
    /// By what they are chosen.
    pub by: EvictBy,
    /// Only keys that have an expiry go.
    pub volatile: bool,
}

bitflags! {
    /// Classes of keyspace events (`notify-keyspace-events`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct NotifyClasses: u16 {
        /// `K`: told on the key's channel.
        const KEYSPACE = 1;
        /// `E`: told on the event's channel.
        const KEYEVENT = 1 << 1;
        /// `g`: commands of any type.
        const GENERIC = 1 << 2;
        /// `$`: string commands.
        const STRING = 1 << 3;
        /// `l`: list commands.
        const LIST = 1 << 4;
        /// `s`: set commands.
        const SET = 1 << 5;
        /// `h`: hash commands.
        const HASH = 1 << 6;
        /// `z`: sorted set commands.
        const ZSET = 1 << 7;
        /// `x`: keys that expired.
        const EXPIRED = 1 << 8;
        /// `e`: keys that were evicted.
        const EVICTED = 1 << 9;
        /// `t`: stream commands.
        const STREAM = 1 << 10;
        /// `m`: keys that were not there.
        const KEY_MISS = 1 << 11;
        /// `d`: types of modules.
        const MODULE = 1 << 13;
        /// `n`: new keys.
        const NEW = 1 << 14;
    }

    /// How a signal stops the server (`shutdown-on-sigterm`, `shutdown-on-sigint`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ShutdownFlags: u8 {
        /// Save though no save points are set.
        const SAVE = 1;
        /// Do not save.
        const NOSAVE = 2;
        /// Do not wait for replicas.
        const NOW = 4;
        /// Stop though something failed.
        const FORCE = 8;
        /// Do not stop a primary that others need.
        const SAFE = 16;
        /// Hand over first.
        const FAILOVER = 32;
    }
}

impl NotifyClasses {
    /// What `A` stands for.
    pub const ALL: Self = Self::GENERIC
        .union(Self::STRING)
        .union(Self::LIST)
        .union(Self::SET)
        .union(Self::HASH)
        .union(Self::ZSET)
        .union(Self::EXPIRED)
        .union(Self::EVICTED)
        .union(Self::STREAM)
        .union(Self::MODULE);

    fn of(letters: &[u8]) -> Self {
        letters.iter().fold(Self::empty(), |classes, letter| {
            classes
                | match letter {
                    b'A' => Self::ALL,
                    b'K' => Self::KEYSPACE,
                    b'E' => Self::KEYEVENT,
                    b'g' => Self::GENERIC,
                    b'$' => Self::STRING,
                    b'l' => Self::LIST,
                    b's' => Self::SET,
                    b'h' => Self::HASH,
                    b'z' => Self::ZSET,
                    b'x' => Self::EXPIRED,
                    b'e' => Self::EVICTED,
                    b't' => Self::STREAM,
                    b'm' => Self::KEY_MISS,
                    b'd' => Self::MODULE,
                    b'n' => Self::NEW,
                    _ => Self::empty(),
                }
        })
    }
}

impl ShutdownFlags {
    fn of(words: &[u8]) -> Self {
        words.split(|&byte| byte == b' ').fold(Self::empty(), |flags, word| {
            flags
                | match word {
                    b"save" => Self::SAVE,
                    b"nosave" => Self::NOSAVE,
                    b"now" => Self::NOW,
                    b"force" => Self::FORCE,
                    b"safe" => Self::SAFE,
                    b"failover" => Self::FAILOVER,
                    _ => Self::empty(),
                }
        })
    }
}

/// The values that the server reads often.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "each is the directive of its name")]
pub struct Settings {
    pub proto_max_bulk_len: u64,
    pub client_query_buffer_limit: u64,
    pub timeout_s: u64,
    pub tcp_keepalive_s: u32,
    pub maxclients: u64,
    pub maxmemory: u64,
    /// What all clients may hold together, bytes, by `maxmemory-clients`; `None`: no limit.
    pub maxmemory_clients: Option<u64>,
    /// How access to keys is kept, by `maxmemory-policy`, `lfu-log-factor` and `lfu-decay-time`.
    pub access: Option<AccessPolicy>,
    /// Slow, large request, large reply: threshold (negative: off) and length.
    pub commandlog: [(i64, u64); 3],
    pub latency_monitor_threshold: u64,
    pub latency_tracking: bool,
    pub latency_percentiles: Vec<f64>,
    pub hz: u64,
    /// Normal, replica, pubsub.
    pub output_limits: [OutputLimit; 3],
    pub requirepass: Vec<u8>,
    pub protected_mode: bool,
    pub databases: u32,
    pub hide_user_data_from_log: bool,
    pub extended_redis_compatibility: bool,
    pub enable_debug_command: ProtectedAction,
    pub enable_protected_configs: ProtectedAction,
    pub max_new_connections_per_cycle: u64,
    pub import_mode: bool,
    pub notify: NotifyClasses,
    /// Up to what sizes values keep their compact encodings.
    pub compact: CompactLimits,
    /// Which keys go when memory is full; `None`: none does.
    pub eviction: Option<EvictionPolicy>,
    /// How many keys are looked at to choose one.
    pub maxmemory_samples: usize,
    /// How much time eviction may take, 0 to 100.
    pub eviction_tenacity: u64,
    pub shutdown_on_sigterm: ShutdownFlags,
    pub shutdown_on_sigint: ShutdownFlags,
    pub busy_reply_threshold_ms: u64,
    pub active_expire_effort: u32,
    /// Threads that do I/O, the main thread included.
    pub io_threads: usize,
    pub io_threads_always_active: bool,
    pub prefetch_batch_max: usize,
    /// Values from this length on are sent from where they lie.
    pub reference_from_len: usize,
    /// Keys that may be remembered for client-side caching; 0: any number.
    pub tracking_table_max_keys: usize,
    pub lazyfree_lazy_eviction: bool,
    pub lazyfree_lazy_expire: bool,
    pub lazyfree_lazy_server_del: bool,
    pub lazyfree_lazy_user_del: bool,
    pub lazyfree_lazy_user_flush: bool,
}

/// Reads values of a configuration, whose texts are in normal form.
struct Reader<'a>(&'a Config);

impl Reader<'_> {
    fn text(&self, name: &str) -> &[u8] {
        self.0.value(name).unwrap_or(b"")
    }

    fn int(&self, name: &str) -> i64 {
        self.0.number(name)
    }

    fn size(&self, name: &str) -> u64 {
        num::parse_u64(self.text(name)).unwrap_or(0)
    }

    fn small(&self, name: &str) -> u32 {
        u32::try_from(self.size(name)).unwrap_or(u32::MAX)
    }

    //= valkey 9.1 min-io-threads-avoid-copy-reply: with so many threads any size, else by one of two limits
    fn reference_from_len(&self) -> usize {
        let (threads, any_from) = (self.size("io-threads"), self.size("min-io-threads-avoid-copy-reply"));
        if any_from > 0 && threads >= any_from {
            return 0;
        }
        let alone = threads <= 1;
        let name = if alone {
            "min-string-size-avoid-copy-reply"
        } else {
            "min-string-size-avoid-copy-reply-threaded"
        };
        usize::try_from(self.size(name)).ok().filter(|&len| len > 0).unwrap_or(usize::MAX)
    }

    //= valkey 9.1 maxmemory-clients: a share counts only with maxmemory; no limit is so small that nobody gets through
    fn maxmemory_clients(&self) -> Option<u64> {
        let (text, all) = (self.text("maxmemory-clients"), self.size("maxmemory"));
        let limit = match text.strip_suffix(b"%") {
            Some(share) => {
                let share = num::parse_u64(share).unwrap_or(0);
                u64::try_from(u128::from(all).saturating_mul(u128::from(share)) / 100).unwrap_or(u64::MAX)
            }
            None => num::parse_u64(text).unwrap_or(0),
        };
        (limit > 0).then_some(limit.max(MAXMEMORY_CLIENTS_MIN))
    }

    fn yes(&self, name: &str) -> bool {
        self.0.is_on(name)
    }

    fn protected(&self, name: &str) -> ProtectedAction {
        match self.text(name) {
            b"yes" => ProtectedAction::Yes,
            b"local" => ProtectedAction::Local,
            _ => ProtectedAction::No,
        }
    }

    fn access(&self) -> AccessPolicy {
        if !self.text("maxmemory-policy").ends_with(b"lfu") {
            return AccessPolicy::Lru;
        }
        AccessPolicy::Lfu {
            log_factor: self.small("lfu-log-factor"),
            decay_minutes: self.small("lfu-decay-time"),
        }
    }

    fn commandlog(&self) -> [(i64, u64); 3] {
        [
            (self.int("commandlog-execution-slower-than"), self.size("commandlog-slow-execution-max-len")),
            (self.int("commandlog-request-larger-than"), self.size("commandlog-large-request-max-len")),
            (self.int("commandlog-reply-larger-than"), self.size("commandlog-large-reply-max-len")),
        ]
    }

    fn eviction(&self) -> Option<EvictionPolicy> {
        let text = self.text("maxmemory-policy");
        let (volatile, by) = match text.strip_prefix(b"volatile-") {
            Some(by) => (true, by),
            None => (false, text.strip_prefix(b"allkeys-")?),
        };
        let by = match by {
            b"lru" => EvictBy::Lru,
            b"lfu" => EvictBy::Lfu,
            b"ttl" => EvictBy::Ttl,
            _ => EvictBy::Random,
        };
        Some(EvictionPolicy { by, volatile })
    }

    fn compact(&self) -> CompactLimits {
        let size = |name| usize::try_from(self.size(name)).unwrap_or(usize::MAX);
        CompactLimits {
            list_listpack_size: i32::try_from(self.int("list-max-listpack-size")).unwrap_or(-2),
            //= valkey 9.1 list-compress-depth: a list keeps 16 bits of it
            list_compress_depth: u16::try_from(self.int("list-compress-depth")).unwrap_or(u16::MAX),
            hash_listpack_entries: size("hash-max-listpack-entries"),
            hash_listpack_value: size("hash-max-listpack-value"),
            set_intset_entries: size("set-max-intset-entries"),
            set_listpack_entries: size("set-max-listpack-entries"),
            set_listpack_value: size("set-max-listpack-value"),
            zset_listpack_entries: size("zset-max-listpack-entries"),
            zset_listpack_value: size("zset-max-listpack-value"),
            stream_node_bytes: size("stream-node-max-bytes"),
            stream_node_entries: size("stream-node-max-entries"),
            hll_sparse_bytes: size("hll-sparse-max-bytes"),
        }
    }

    fn percentiles(&self) -> Vec<f64> {
        let text = self.text("latency-tracking-info-percentiles");
        text.split(|&byte| byte == b' ').filter_map(num::parse_f64).collect()
    }

    fn output_limits(&self) -> [OutputLimit; 3] {
        let words: Vec<&[u8]> = self.text("client-output-buffer-limit").split(|&byte| byte == b' ').collect();
        let mut limits = [OutputLimit::default(); 3];
        for (limit, words) in limits.iter_mut().zip(words.chunks(4)) {
            if let [_, hard, soft, seconds] = *words {
                let number = |word| num::parse_u64(word).unwrap_or(0);
                *limit = OutputLimit {
                    hard_bytes: number(hard),
                    soft_bytes: number(soft),
                    soft_seconds: number(seconds),
                };
            }
        }
        limits
    }
}

impl Settings {
    pub(super) fn new(config: &Config) -> Self {
        let of = Reader(config);
        Self {
            proto_max_bulk_len: of.size("proto-max-bulk-len"),
            client_query_buffer_limit: of.size("client-query-buffer-limit"),
            timeout_s: of.size("timeout"),
            tcp_keepalive_s: of.small("tcp-keepalive"),
            maxclients: of.size("maxclients"),
            maxmemory: of.size("maxmemory"),
            maxmemory_clients: of.maxmemory_clients(),
            access: Some(of.access()),
            commandlog: of.commandlog(),
            latency_monitor_threshold: of.size("latency-monitor-threshold"),
            latency_tracking: of.yes("latency-tracking"),
            latency_percentiles: of.percentiles(),
            hz: of.size("hz"),
            output_limits: of.output_limits(),
            requirepass: of.text("requirepass").to_vec(),
            protected_mode: of.yes("protected-mode"),
            databases: of.small("databases"),
            hide_user_data_from_log: of.yes("hide-user-data-from-log"),
            extended_redis_compatibility: of.yes("extended-redis-compatibility"),
            enable_debug_command: of.protected("enable-debug-command"),
            enable_protected_configs: of.protected("enable-protected-configs"),
            max_new_connections_per_cycle: of.size("max-new-connections-per-cycle"),
            import_mode: of.yes("import-mode"),
            notify: NotifyClasses::of(of.text("notify-keyspace-events")),
            shutdown_on_sigterm: ShutdownFlags::of(of.text("shutdown-on-sigterm")),
            shutdown_on_sigint: ShutdownFlags::of(of.text("shutdown-on-sigint")),
            busy_reply_threshold_ms: of.size("busy-reply-threshold"),
            active_expire_effort: of.small("active-expire-effort"),
            io_threads: of.small("io-threads") as usize,
            io_threads_always_active: of.yes("io-threads-always-active"),
            prefetch_batch_max: of.small("prefetch-batch-max-size") as usize,
            reference_from_len: of.reference_from_len(),
            tracking_table_max_keys: usize::try_from(of.size("tracking-table-max-keys"))
                .unwrap_or(usize::MAX),
            lazyfree_lazy_eviction: of.yes("lazyfree-lazy-eviction"),
            lazyfree_lazy_expire: of.yes("lazyfree-lazy-expire"),
            lazyfree_lazy_server_del: of.yes("lazyfree-lazy-server-del"),
            lazyfree_lazy_user_del: of.yes("lazyfree-lazy-user-del"),
            lazyfree_lazy_user_flush: of.yes("lazyfree-lazy-user-flush"),
            compact: of.compact(),
            eviction: of.eviction(),
            maxmemory_samples: of.small("maxmemory-samples") as usize,
            eviction_tenacity: of.size("maxmemory-eviction-tenacity"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Origin};
    use super::{NotifyClasses, OutputLimit, ProtectedAction, ShutdownFlags};
    use crate::keyspace::AccessPolicy;

    #[test]
    fn follow_every_change() {
        let mut config = Config::new();
        let defaults = config.settings();
        assert_eq!((defaults.maxclients, defaults.databases, defaults.hz), (10_000, 16, 10));
        assert_eq!(defaults.output_limits[1].hard_bytes, 256 << 20);
        assert_eq!(defaults.commandlog, [(10_000, 128), (1 << 20, 128), (1 << 20, 128)]);
        assert_eq!(defaults.latency_percentiles, [50.0, 99.0, 99.9]);
        assert_eq!(defaults.enable_debug_command, ProtectedAction::No);
        assert_eq!(defaults.maxmemory_clients, None);
        for (maxmemory, clients, limit) in [
            ("0", "5%", None),
            ("100mb", "5%", Some(5 << 20)),
            ("100mb", "0%", None),
            ("1mb", "1%", Some(128 * 1024)),
            ("0", "1", Some(128 * 1024)),
            ("0", "3mb", Some(3 << 20)),
            ("18446744073709551615", "100%", Some(u64::MAX)),
        ] {
            let pairs =
                [(b"maxmemory".as_slice(), maxmemory.as_bytes()), (b"maxmemory-clients", clients.as_bytes())];
            config.set_many(&pairs, Origin::Startup).unwrap();
            assert_eq!(config.settings().maxmemory_clients, limit, "{clients} of {maxmemory}");
        }
        let pairs: [(&[u8], &[u8]); 9] = [
            (b"maxmemory", b"9223372036854775808"),
            (b"maxmemory-policy", b"allkeys-lfu"),
            (b"hz", b"1000"),
            (b"notify-keyspace-events", b"AKn"),
            (b"shutdown-on-sigterm", b"now nosave"),
            (b"client-output-buffer-limit", b"normal 1 2 3"),
            (b"enable-debug-command", b"local"),
            (b"slowlog-log-slower-than", b"-1"),
            (b"latency-tracking-info-percentiles", b""),
        ];
        config.set_many(&pairs, Origin::Startup).unwrap();
        let settings = config.settings();
        assert_eq!((settings.maxmemory, settings.hz), (1 << 63, 500));
        assert_eq!(settings.access, Some(AccessPolicy::Lfu { log_factor: 10, decay_minutes: 1 }));
        assert_eq!(settings.notify, NotifyClasses::ALL | NotifyClasses::KEYSPACE | NotifyClasses::NEW);
        assert_eq!(settings.shutdown_on_sigterm, ShutdownFlags::NOW | ShutdownFlags::NOSAVE);
        let limit = OutputLimit { hard_bytes: 1, soft_bytes: 2, soft_seconds: 3 };
        assert_eq!(settings.output_limits[0], limit);
        assert_eq!(settings.enable_debug_command, ProtectedAction::Local);
        assert_eq!(settings.commandlog[0].0, -1);
        assert!(settings.latency_percentiles.is_empty());
    }
}
