//! Ends a thread's wait when the next batch is due, to the microsecond.
//!
//! The poller of Linux counts time-outs in milliseconds (finer ones need a system call that not every kernel has), which would make
//! every batch of a schedule half a millisecond late. So a timer that is a descriptor is watched beside the sockets. kqueue's
//! time-outs are fine enough as they are.

use vireo_core::platform::{Clock as _, Event, IoError, Poller as _};

use crate::platform::{Clock, Poller};

/// When a wait ends if nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// At once.
    Now,
    /// At a time of the clock; a little earlier is possible.
    At(u64),
    /// Never.
    Event,
}

/// A thread's alarm, on its poller.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Alarm<'a> {
    poller: &'a Poller,
    clock: &'a Clock,
    timer: std::os::fd::OwnedFd,
    /// The time for which it is set.
    set_for: Option<u64>,
}

/// A thread's alarm, on its poller.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(crate) struct Alarm<'a> {
    poller: &'a Poller,
    clock: &'a Clock,
}

/// The timer's own events; no connection has this number.
#[cfg(target_os = "linux")]
const TOKEN: u64 = u64::MAX - 1;

#[cfg(target_os = "linux")]
impl<'a> Alarm<'a> {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// The system's, in words.
    pub(crate) fn new(poller: &'a Poller, clock: &'a Clock) -> Result<Self, String> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags);
        let timer = timer.map_err(|error| crate::failure::words(&error.into()))?;
        poller.register(&timer, TOKEN).map_err(|error| error.to_string())?;
        Ok(Self { poller, clock, timer, set_for: None })
    }

    /// Waits for events, at most until a time.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn wait(&mut self, until: Until, each: &mut dyn FnMut(Event)) -> Result<(), IoError> {
        let timeout_ns = match until {
            Until::Now => Some(0),
            Until::Event => None,
            Until::At(time) => self.set(time),
        };
        let set_for = &mut self.set_for;
        self.poller.wait(timeout_ns, &mut |event| {
            // Edge triggered: an expiry is told once, and setting the timer again forgets it.
            if event.token == TOKEN { *set_for = None } else { each(event) }
        })
    }

    /// Sets the timer; returns the time-out that is needed beside it.
    fn set(&mut self, time: u64) -> Option<u64> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        if self.set_for == Some(time) {
            return None;
        }
        let left = time.saturating_sub(self.clock.monotonic_ns());
        if left == 0 {
            return Some(0);
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec {
            tv_sec: i64::try_from(left / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(left % 1_000_000_000).unwrap_or(0),
        };
        let new = Itimerspec { it_interval: zero, it_value: value };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &new).is_err() {
            return Some(left);
        }
        self.set_for = Some(time);
        None
    }
}

#[cfg(not(target_os = "linux"))]
impl<'a> Alarm<'a> {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// None here.
    pub(crate) fn new(poller: &'a Poller, clock: &'a Clock) -> Result<Self, String> {
        Ok(Self { poller, clock })
    }

    /// Waits for events, at most until a time.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn wait(&mut self, until: Until, each: &mut dyn FnMut(Event)) -> Result<(), IoError> {
        let timeout_ns = match until {
            Until::Now => Some(0),
            Until::Event => None,
            Until::At(time) => Some(time.saturating_sub(self.clock.monotonic_ns())),
        };
        self.poller.wait(timeout_ns, each)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use vireo_core::platform::{Clock as _, Poller as _};

    use super::{Alarm, Until};
    use crate::platform::{Clock, Poller};

    #[test]
    fn waits_end_at_their_time_or_by_an_event() {
        let (poller, clock) = (Poller::new().unwrap(), Clock::new());
        let mut alarm = Alarm::new(&poller, &clock).unwrap();
        // With time-outs in milliseconds, each of these would be at least 0.7 ms late.
        let late = (0..200).map(|_| {
            let due = clock.monotonic_ns() + 300_000;
            while clock.monotonic_ns() < due {
                alarm.wait(Until::At(due), &mut |event| panic!("{event:?}")).unwrap();
            }
            clock.monotonic_ns() - due
        });
        let least = late.min().unwrap();
        assert!(least < 500_000, "{least}");
        alarm.wait(Until::Now, &mut |event| panic!("{event:?}")).unwrap();
        // An event ends a wait before its time, and the same time may be waited for again.
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let theirs: OwnedFd = theirs.into();
        poller.register(&theirs, 7).unwrap();
        let mut tokens = Vec::new();
        alarm.wait(Until::Event, &mut |event| tokens.push(event.token)).unwrap();
        let due = clock.monotonic_ns() + 3_600_000_000_000;
        for _ in 0..2 {
            ours.write_all(b"x").unwrap();
            alarm.wait(Until::At(due), &mut |event| tokens.push(event.token)).unwrap();
        }
        assert_eq!(tokens, [7, 7, 7]);
        // An earlier time takes the place of a later one.
        let due = clock.monotonic_ns() + 1_000_000;
        while clock.monotonic_ns() < due {
            alarm.wait(Until::At(due), &mut |event| panic!("{event:?}")).unwrap();
        }
    }
}
