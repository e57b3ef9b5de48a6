//! What the keyspace is told of time and of how to keep access clocks.

use super::context::Moment;
use super::session::{Session, SessionFlags};
use crate::config::Config;
use crate::keyspace::Now;

/// The keyspace's view of a moment for a command of this client.
#[inline]
pub(super) fn keyspace_now(now: Moment, session: &Session, config: &Config) -> Now {
    let _ = (session.flags.contains(SessionFlags::NO_TOUCH), config);
    Now { unix_ms: now.unix_ms(), ..Now::default() }
}
