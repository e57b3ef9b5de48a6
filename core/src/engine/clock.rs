//! What the keyspace is told of time and of how to keep access clocks.

use super::context::Moment;
use super::session::{Session, SessionFlags};
use crate::config::Config;
use crate::keyspace::{AccessPolicy, Now};

/// The keyspace's view of a moment for what no client asks for: it leaves no mark on keys.
pub(super) fn plain(now: Moment, config: &Config) -> Now {
    Now {
        unix_ms: now.unix_ms(),
        access: config.settings().access.unwrap_or(AccessPolicy::Lru),
        touch: false,
    }
}

/// The keyspace's view of a moment for a command of this client.
#[inline]
pub(super) fn keyspace_now(now: Moment, session: &Session, config: &Config) -> Now {
    Now {
        unix_ms: now.unix_ms(),
        access: config.settings().access.unwrap_or(AccessPolicy::Lru),
        touch: !session.flags.contains(SessionFlags::NO_TOUCH),
    }
}
