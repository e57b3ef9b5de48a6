//! The periodic work: expiry, freeing of flushed data, sampling, idle clients, shrinking of buffers.
//!
//! Each piece has a budget; no call holds the loop longer than about a millisecond.

use vireo_core::engine::host::{Host, LogLevel};
use vireo_core::engine::{ClientSlot, Engine};
use vireo_core::offload::Marks;
use vireo_core::platform::Platform;

use crate::alloc;
use crate::outside::Outside;

/// Keys that are removed between two looks at the clock, for which each may bring an event to many clients.
const EXPIRE_BATCH: usize = 16;
/// Allocations that are freed between two looks at the clock.
const RECLAIM_BATCH: usize = 512;
/// What one turn of the loop spends on each of both at the most, µs, but for the batch that passes it.
const STEP_US: u64 = 250;
/// Pairs of keys and clients that one turn forgets, of what clients had read that are gone.
const FORGET_BATCH: usize = 256;
/// Rates are sampled so often.
const SAMPLE_EVERY_US: u64 = 100_000;
/// The walk over all clients takes about a second.
const CLIENTS_PER_RUN_MIN: usize = 5;
/// A buffer of requests is given back when its client has been idle so long.
const IDLE_BUFFER_US: u64 = 2_000_000;

impl<P: Platform> Outside<P> {
    /// How long the loop may wait: until the periodic work or the next expiry is due.
    pub(crate) fn wait_timeout_ns(&self, engine: &mut Engine) -> u64 {
        if !self.ready.is_empty()
            || !self.flush_list.is_empty()
            || self.pause_changed
            || engine.is_evicting()
            || !self.resumed.is_empty()
            || engine.keyspace.to_reclaim() > 0
            || engine.shared.tracking.is_cleaning()
            || self.may_evict_clients(engine)
        {
            return 0;
        }
        let cron_us = self.cron_due_us.saturating_sub(self.now.mono_us);
        let expiry_us = if self.may_expire(engine) {
            // A key is gone one millisecond after its time at the earliest.
            let due = engine
                .keyspace
                .next_due_ms(self.now.unix_ms())
                .map(|at| at.saturating_add(1).saturating_mul(1000));
            due.map_or(u64::MAX, |due_us| u64::try_from(due_us.saturating_sub(self.now.unix_us)).unwrap_or(0))
        } else {
            u64::MAX
        };
        let waits_us = engine.shared.blocking.first_deadline_ms().map_or(u64::MAX, |at| {
            u64::try_from(at.saturating_mul(1000).saturating_sub(self.now.unix_us)).unwrap_or(0)
        });
        cron_us.min(expiry_us).min(waits_us).saturating_mul(1000)
    }

    /// Removes keys whose time has come, and frees part of what was flushed.
    pub(crate) fn expire_due(&mut self, engine: &mut Engine) {
        if engine.keyspace.to_reclaim() > 0 {
            self.reclaim(engine);
        }
        engine.shared.tracking.clean_step(FORGET_BATCH);
        let mut now = self.now;
        engine.serve_freed(&mut now, self);
        if engine.is_evicting() {
            let began_us = self.mono_us();
            engine.make_room(self.now, self);
            let longest = &mut engine.shared.stats.longest;
            longest.evict_us = longest.evict_us.max(self.mono_us().saturating_sub(began_us));
        }
        engine.end_overdue_waits(self.now);
        if !self.may_expire(engine) {
            return;
        }
        let now_ms = self.now.unix_ms();
        if engine.keyspace.next_due_ms(now_ms).is_none_or(|at| at >= now_ms) {
            // A key that is given a time which has passed goes at once, so nothing more becomes due in this millisecond.
            self.done_to_ms = now_ms;
            return;
        }
        self.expire(engine);
    }

    /// Keys go when their time comes.
    fn may_expire(&self, engine: &Engine) -> bool {
        engine.shared.expires_actively() && !engine.shared.pause.is_set() && !self.switches.pause_cron
    }

    /// Frees part of what waits for it.
    fn reclaim(&mut self, engine: &mut Engine) {
        let (before, began_us) = (engine.keyspace.to_reclaim(), self.mono_us());
        let spent_us = loop {
            let goes_on = engine.keyspace.reclaim_step(RECLAIM_BATCH);
            let spent_us = self.mono_us().saturating_sub(began_us);
            if !goes_on || spent_us >= STEP_US {
                break spent_us;
            }
        };
        let is_awaited = engine.shared.blocking.is_memory_awaited();
        let stats = &mut engine.shared.stats;
        if !is_awaited {
            stats.reclaimed += before.saturating_sub(engine.keyspace.to_reclaim()) as u64;
        }
        stats.longest.reclaim_us = stats.longest.reclaim_us.max(spent_us);
    }

    /// Removes keys whose time has come.
    fn expire(&mut self, engine: &mut Engine) {
        let (began_us, mut now) = (self.mono_us(), self.now);
        let (spent_us, is_cut_short) = loop {
            let done = engine.expire_step(&mut now, EXPIRE_BATCH, self);
            let spent_us = self.mono_us().saturating_sub(began_us);
            if done < EXPIRE_BATCH || spent_us >= STEP_US {
                break (spent_us, done >= EXPIRE_BATCH);
            }
        };
        let stats = &mut engine.shared.stats;
        stats.expire_us += spent_us;
        stats.expire_cap_reached += u64::from(is_cut_short);
        stats.longest.expire_us = stats.longest.expire_us.max(spent_us);
    }

    /// There may be something due that was not at the last turn.
    pub(crate) fn may_be_due(&self, engine: &Engine) -> bool {
        self.now.unix_ms() != self.done_to_ms
            || engine.keyspace.to_reclaim() > 0
            || engine.is_evicting()
            || engine.shared.tracking.is_cleaning()
    }

    /// The periodic work has come due.
    pub(crate) fn cron_is_due(&self) -> bool {
        self.now.mono_us >= self.cron_due_us
    }

    /// One run of the periodic work.
    pub(crate) fn cron(&mut self, engine: &mut Engine) {
        let began_us = self.mono_us();
        self.periodic(engine);
        let spent_us = self.mono_us().saturating_sub(began_us);
        let longest = &mut engine.shared.stats.longest;
        longest.cron_us = longest.cron_us.max(spent_us);
    }

    fn periodic(&mut self, engine: &mut Engine) {
        let hz = engine.shared.config.settings().hz;
        self.cron_due_us = self.now.mono_us + 1_000_000 / hz;
        self.marks.peak = self.marks.peak.max(alloc::used() + engine.keyspace.slot_bytes());
        if self.switches.pause_cron {
            return;
        }
        if self.now.mono_us.saturating_sub(engine.shared.stats.sampled_us()) >= SAMPLE_EVERY_US {
            let totals = self.net();
            engine.shared.stats.sample(self.now.mono_us, &totals);
        }
        if engine.shared.tracking.clients() > 0 {
            engine.shared.limit_tracked_keys();
        }
        engine.keyspace.settle_loans();
        self.scale_threads(engine, 0);
        let slots = self.connections.slots_len();
        let share = slots / usize::try_from(hz).unwrap_or(1);
        for _ in 0..share.max(CLIENTS_PER_RUN_MIN).min(slots) {
            self.cron_cursor = (self.cron_cursor + 1) % slots;
            let slot = ClientSlot(u32::try_from(self.cron_cursor).unwrap_or(0));
            self.look_after(slot, engine);
        }
    }

    /// Looks after one client: closes it when it is idle or over a soft limit too long, gives its unused buffers back.
    fn look_after(&mut self, slot: ClientSlot, engine: &mut Engine) {
        let timeout_s = engine.shared.config.settings().timeout_s;
        let now_us = self.now.mono_us;
        if self.connections.call(slot, Marks::default()) {
            // What it held before, and what has come for it since, is the best there is.
            let io = self.connections.io_use(slot);
            engine.shared.charge(slot, &io);
            return;
        }
        let Some(mut connection) = self.connections.take(slot) else { return };
        self.count_traffic(&mut connection);
        if self.over_output_limit(&mut connection, engine) {
            self.close(connection, engine);
            return;
        }
        let idle_us = now_us.saturating_sub(connection.active_us);
        let is_idle = idle_us > IDLE_BUFFER_US;
        if connection.read.shrink(is_idle) || is_idle {
            // The next read would ask for that memory again.
            connection.expects = 0;
        }
        if is_idle {
            connection.parsed.shrink();
        }
        if is_idle && !self.switches.keep_reply_buffers {
            connection.out.shrink();
        }
        connection.reply_peak = 0;
        engine.shared.charge(slot, &connection.io_use());
        let paused = connection.paused;
        self.connections.put(connection);
        //= valkey 9.1 timeout: clients that listen (MONITOR, pub/sub) are never idle
        let listens = engine.shared.monitors.contains(&slot)
            || engine.shared.clients.get(slot).is_some_and(|session| session.is_subscriber());
        if timeout_s > 0 && idle_us > timeout_s.saturating_mul(1_000_000) && !paused && !listens {
            self.log(LogLevel::Verbose, format_args!("Closing idle client"));
            self.close_slot(slot, engine);
        }
    }
}
