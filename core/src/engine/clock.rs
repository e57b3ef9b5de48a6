//! What the keyspace is told of time and of how to keep access clocks.

use super::context::Moment;
use super::session::{Session, SessionFlags};
use super::shared::Shared;
use crate::config::Config;
use crate::keyspace::{AccessPolicy, Now};

/// The keyspace's view of a moment for what no client asks for: it leaves no mark on keys.
pub(super) fn plain(now: Moment, config: &Config) -> Now {
    Now {
        unix_ms: now.unix_ms(),
        access: config.settings().access.unwrap_or(AccessPolicy::Lru),
        touch: false,
        keeps_expired: false,
    }
}

/// The keyspace's view of a moment for a command of this client.
#[inline]
pub(super) fn keyspace_now(now: Moment, session: &Session, shared: &Shared) -> Now {
    Now {
        unix_ms: now.unix_ms(),
        access: shared.config.settings().access.unwrap_or(AccessPolicy::Lru),
        //= valkey 9.1 CLIENT PAUSE: nothing expires while clients are paused
        keeps_expired: shared.pause.is_set() && shared.pause.kind(now.unix_ms()).is_some(),
        touch: !session.flags.contains(SessionFlags::NO_TOUCH),
    }
}
