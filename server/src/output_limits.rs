//! How many bytes of replies may wait for a client: `client-output-buffer-limit`, and what strangers get.
//!
//! Looked at after each batch of a client's requests, and as soon as a single reply passes the first reply buffer.

use vireo_core::config::OutputLimit;
use vireo_core::engine::host::LogLevel;
use vireo_core::engine::{ClientSlot, Engine, SessionFlags};
use vireo_core::platform::Platform;

use crate::client_io::Gone;
use crate::connection::Connection;
use crate::outside::Outside;
use crate::serve::Socket;

/// What a client that never logged in may have waiting, beyond what the first reply buffer holds.
const UNAUTHENTICATED_OUT_MAX: usize = crate::connection::REPLY_BUFFER_LEN + 1024;
/// Limits on replies up to this are kept over a whole batch of requests, though some of its replies could be sent.
const HELD_BACK_MAX: u64 = 1024 * 1024;

impl<P: Platform> Outside<P> {
    /// Refuses to hold more replies than allowed.
    pub(crate) fn check_output_limits(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        engine: &Engine,
    ) -> Result<(), Gone> {
        if self.over_output_limit(connection, engine) { Err(Gone) } else { Ok(()) }
    }

    /// Whether the replies that wait pass a limit.
    pub(crate) fn over_output_limit(
        &mut self,
        connection: &mut Connection<Socket<P>>,
        engine: &Engine,
    ) -> bool {
        if connection.out.is_empty() {
            connection.over_soft_limit_since_us = None;
            return false;
        }
        let held = connection.out.len();
        self.totals.reply_buffer_max = self.totals.reply_buffer_max.max(held as u64);
        if held < self.output_limit_min(engine) {
            connection.over_soft_limit_since_us = None;
            return false;
        }
        let limit = output_limit(connection.slot, engine);
        let soft = limit.soft_bytes > 0 && held as u64 >= limit.soft_bytes;
        if !soft {
            connection.over_soft_limit_since_us = None;
        }
        let since = soft.then(|| *connection.over_soft_limit_since_us.get_or_insert(self.now.mono_us));
        let too_long = since.is_some_and(|since| {
            self.now.mono_us.saturating_sub(since) > limit.soft_seconds.saturating_mul(1_000_000)
        });
        if too_long {
            self.tell_output_limit(connection, engine);
        }
        too_long || self.is_reply_too_large(connection, held, engine)
    }

    /// Who has less waiting is over no limit, whoever it is.
    fn output_limit_min(&self, engine: &Engine) -> usize {
        if self.switches.enforce_reply_list {
            return 0;
        }
        let limits = &engine.shared.config.settings().output_limits;
        let bytes =
            limits.iter().flat_map(|limit| [limit.hard_bytes, limit.soft_bytes]).filter(|&bytes| bytes > 0);
        bytes.fold(UNAUTHENTICATED_OUT_MAX, |least, bytes| {
            least.min(usize::try_from(bytes).unwrap_or(usize::MAX))
        })
    }

    //= valkey 9.1 client-output-buffer-limit: what passes the first reply buffer counts, sent or not
    /// Whether replies of this length pass a limit that holds at once.
    pub(crate) fn is_reply_too_large(
        &mut self,
        connection: &Connection<Socket<P>>,
        held: usize,
        engine: &Engine,
    ) -> bool {
        let over = self.is_over_hard_limit(connection.slot, held, engine);
        if over {
            self.tell_output_limit(connection, engine);
        }
        over
    }

    /// Same, without telling anybody.
    pub(crate) fn is_over_hard_limit(&self, slot: ClientSlot, held: usize, engine: &Engine) -> bool {
        let hard_bytes = output_limit(slot, engine).hard_bytes;
        let session = engine.shared.clients.get(slot);
        //= security CVE-2025-21605: who never logged in and does not read is not given more memory
        let stranger = session.is_some_and(|session| {
            !session.authenticated && !session.flags.contains(SessionFlags::EVER_AUTHENTICATED)
        });
        let stranger_over = stranger && (self.switches.enforce_reply_list || held > UNAUTHENTICATED_OUT_MAX);
        stranger_over || (hard_bytes > 0 && held as u64 >= hard_bytes)
    }

    //= valkey 9.1 client-output-buffer-limit: replies of one batch count together; past a small limit none of them is sent
    /// The limit on a client's replies is so small that those of a batch wait for its end.
    pub(crate) fn holds_replies_back(&self, slot: ClientSlot, engine: &Engine) -> bool {
        (1..=HELD_BACK_MAX).contains(&output_limit(slot, engine).hard_bytes)
    }

    fn tell_output_limit(&mut self, connection: &Connection<Socket<P>>, engine: &Engine) {
        let line = self.line_of(connection, engine);
        self.tell_closed_for_output(&line);
    }

    /// Tells that a client is closed for the length of its replies.
    pub(crate) fn tell_closed_for_output(&mut self, line: &str) {
        self.totals.output_buffer_limit_disconnections += 1;
        self.log(
            LogLevel::Warning,
            format_args!("Client {line} closed for overcoming of output buffer limits."),
        );
    }
}

/// The limit on replies that wait for a client: subscribers have one of their own.
fn output_limit(slot: ClientSlot, engine: &Engine) -> OutputLimit {
    let is_subscriber = engine.shared.clients.get(slot).is_some_and(|session| session.is_subscriber());
    engine.shared.config.settings().output_limits[if is_subscriber { 2 } else { 0 }]
}
