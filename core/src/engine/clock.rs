//! What the keyspace is told of time and of how to keep access clocks.

use super::context::Moment;
use super::session::{Session, SessionFlags};
use super::shared::Shared;
use crate::config::Config;
use crate::keyspace::{AccessPolicy, Now};

/// The keyspace's view of a moment for what no client asks for: it leaves no mark on keys.
#[inline]
pub(super) fn plain(now: Moment, config: &Config) -> Now {
    let access = config.settings().access.unwrap_or(AccessPolicy::Lru);
    Now { touch: false, ..Now::new(now.unix_ms(), access) }
}

/// The keyspace's view of a moment for a command of this client.
#[inline]
pub(super) fn keyspace_now(now: Moment, session: &Session, shared: &Shared) -> Now {
    let (settings, plain) = (shared.config.settings(), plain(now, &shared.config));
    Now {
        //= valkey 9.1 CLIENT PAUSE: nothing expires while clients are paused
        //= valkey 9.1 import-mode: what has expired stays, for the source of the import to remove
        keeps_expired: settings.import_mode
            || shared.pause.is_set() && shared.pause.kind(plain.unix_ms).is_some(),
        sees_expired: settings.import_mode && session.flags.contains(SessionFlags::IMPORT_SOURCE),
        touch: !session.flags.contains(SessionFlags::NO_TOUCH),
        ..plain
    }
}
