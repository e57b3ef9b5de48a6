//! The values that the server reads often, parsed.

use alloc::vec::Vec;

use super::Config;
use crate::keyspace::AccessPolicy;
use crate::num;

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

/// The values that the server reads often.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each is the directive of its name")]
pub struct Settings {
    pub proto_max_bulk_len: u64,
    pub client_query_buffer_limit: u64,
    pub timeout_s: u64,
    pub tcp_keepalive_s: u32,
    pub maxclients: u64,
    pub maxmemory: u64,
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
}

impl Settings {
    /// Parses the texts, which were checked when they were set.
    pub(super) fn new(config: &Config) -> Self {
        let text = |name: &str| config.value(name).unwrap_or(b"");
        let int = |name: &str| num::parse_i64(text(name)).unwrap_or(0);
        let size = |name: &str| u64::try_from(int(name)).unwrap_or(0);
        let yes = |name: &str| text(name) == b"yes";
        let protected = |name: &str| match text(name) {
            b"yes" => ProtectedAction::Yes,
            b"local" => ProtectedAction::Local,
            _ => ProtectedAction::No,
        };
        let small = |name: &str| u32::try_from(int(name)).unwrap_or(0);
        let policy = text("maxmemory-policy");
        let access = if policy.ends_with(b"lfu") {
            AccessPolicy::Lfu { log_factor: small("lfu-log-factor"), decay_minutes: small("lfu-decay-time") }
        } else {
            AccessPolicy::Lru
        };
        Self {
            proto_max_bulk_len: size("proto-max-bulk-len"),
            client_query_buffer_limit: size("client-query-buffer-limit"),
            timeout_s: size("timeout"),
            tcp_keepalive_s: small("tcp-keepalive"),
            maxclients: size("maxclients"),
            maxmemory: size("maxmemory"),
            access: Some(access),
            commandlog: [
                (int("commandlog-execution-slower-than"), size("commandlog-slow-execution-max-len")),
                (int("commandlog-request-larger-than"), size("commandlog-large-request-max-len")),
                (int("commandlog-reply-larger-than"), size("commandlog-large-reply-max-len")),
            ],
            latency_monitor_threshold: size("latency-monitor-threshold"),
            latency_tracking: yes("latency-tracking"),
            latency_percentiles: floats(text("latency-tracking-info-percentiles")),
            hz: size("hz").clamp(1, 500),
            output_limits: output_limits(text("client-output-buffer-limit")),
            requirepass: text("requirepass").to_vec(),
            protected_mode: yes("protected-mode"),
            databases: small("databases"),
            hide_user_data_from_log: yes("hide-user-data-from-log"),
            extended_redis_compatibility: yes("extended-redis-compatibility"),
            enable_debug_command: protected("enable-debug-command"),
            enable_protected_configs: protected("enable-protected-configs"),
            max_new_connections_per_cycle: size("max-new-connections-per-cycle"),
        }
    }
}

fn floats(text: &[u8]) -> Vec<f64> {
    text.split(|&byte| byte == b' ').filter_map(num::parse_f64).collect()
}

fn output_limits(text: &[u8]) -> [OutputLimit; 3] {
    let words: Vec<&[u8]> = text.split(|&byte| byte == b' ').collect();
    let number = |index: usize| {
        words
            .get(index)
            .and_then(|word| num::parse_i64(word))
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(0)
    };
    core::array::from_fn(|class| OutputLimit {
        hard_bytes: number(class * 4 + 1),
        soft_bytes: number(class * 4 + 2),
        soft_seconds: number(class * 4 + 3),
    })
}
