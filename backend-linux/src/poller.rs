//! Readiness by epoll, level triggered; wakes by an eventfd.

use alloc::sync::Arc;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use vireo_core::platform::{Event, Interest, IoError, Poller, Wake};

use crate::error::io_error;

/// Events fetched by one call.
const EVENTS_MAX: usize = 1024;
/// Token of the eventfd.
const WAKE_TOKEN: u64 = u64::MAX;

/// An epoll instance.
pub struct LinuxPoller {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    events: Vec<epoll::Event>,
}

/// Ends a wait by writing to the eventfd.
#[derive(Clone, Debug)]
pub struct LinuxWaker(Arc<OwnedFd>);

impl Wake for LinuxWaker {
    fn wake(&self) {
        // A full counter means that a wake is pending already.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN | EventFlags::RDHUP, interest.read);
    flags.set(EventFlags::OUT, interest.write);
    flags
}

impl core::fmt::Debug for LinuxPoller {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LinuxPoller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Poller for LinuxPoller {
    type Socket = OwnedFd;
    type Waker = LinuxWaker;

    fn new() -> Result<Self, IoError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(io_error)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io_error)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE_TOKEN), EventFlags::IN).map_err(io_error)?;
        Ok(Self { epoll, wake: Arc::new(wake), events: Vec::with_capacity(EVENTS_MAX) })
    }

    fn register(&self, socket: &OwnedFd, token: u64, interest: Interest) -> Result<(), IoError> {
        epoll::add(&self.epoll, socket, EventData::new_u64(token), flags(interest)).map_err(io_error)
    }

    fn modify(&self, socket: &OwnedFd, token: u64, interest: Interest) -> Result<(), IoError> {
        epoll::modify(&self.epoll, socket, EventData::new_u64(token), flags(interest)).map_err(io_error)
    }

    fn deregister(&self, socket: &OwnedFd) -> Result<(), IoError> {
        epoll::delete(&self.epoll, socket).map_err(io_error)
    }

    fn wait(&mut self, timeout_ns: Option<u64>, each: &mut dyn FnMut(Event)) -> Result<(), IoError> {
        self.events.clear();
        let timeout = timeout_ns.map(timespec);
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(self.epoll.as_fd(), spare, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(io_error(errno)),
        }
        for event in &self.events {
            let (token, flags) = (event.data.u64(), event.flags);
            if token == WAKE_TOKEN {
                let _ = rustix::io::read(&*self.wake, &mut [0u8; 8]);
                continue;
            }
            each(Event {
                token,
                readable: flags.contains(EventFlags::IN),
                writable: flags.contains(EventFlags::OUT),
                closed: flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP),
            });
        }
        Ok(())
    }

    fn waker(&self) -> LinuxWaker {
        LinuxWaker(Arc::clone(&self.wake))
    }
}

/// Nanoseconds as the kernel takes them; what passes its range is for ever in practice.
fn timespec(ns: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ns % 1_000_000_000).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use vireo_core::platform::{Clock, Event, Interest, Poller, Wake};

    use super::LinuxPoller;
    use crate::LinuxClock;

    fn wait(poller: &mut LinuxPoller, timeout_ns: Option<u64>) -> Vec<Event> {
        let mut events = Vec::new();
        poller.wait(timeout_ns, &mut |event| events.push(event)).unwrap();
        events
    }

    fn pair() -> (OwnedFd, OwnedFd) {
        let (a, b) = UnixStream::pair().unwrap();
        (a.into(), b.into())
    }

    #[test]
    fn level_triggered_and_merged() {
        let mut poller = LinuxPoller::new().unwrap();
        let (a, b) = pair();
        poller.register(&a, 7, Interest { read: true, write: false }).unwrap();
        assert_eq!(wait(&mut poller, Some(0)), []);
        rustix::io::write(&b, b"x").unwrap();
        for _ in 0..2 {
            let expected = Event { token: 7, readable: true, writable: false, closed: false };
            assert_eq!(wait(&mut poller, None), [expected]);
        }
        poller.modify(&a, 8, Interest { read: true, write: true }).unwrap();
        let both = Event { token: 8, readable: true, writable: true, closed: false };
        assert_eq!(wait(&mut poller, None), [both]);
        drop(b);
        assert!(wait(&mut poller, None)[0].closed);
        poller.deregister(&a).unwrap();
        assert_eq!(wait(&mut poller, Some(0)), []);
    }

    #[test]
    fn a_wake_from_another_thread_ends_a_wait() {
        let mut poller = LinuxPoller::new().unwrap();
        let waker = poller.waker();
        std::thread::scope(|scope| {
            scope.spawn(move || waker.wake());
            assert_eq!(wait(&mut poller, None), []);
        });
        // One wake ends one wait.
        assert_eq!(wait(&mut poller, Some(1000)), []);
    }

    #[test]
    fn a_time_out_is_never_early() {
        let (mut poller, clock) = (LinuxPoller::new().unwrap(), LinuxClock::new());
        let began = clock.monotonic_ns();
        wait(&mut poller, Some(3_000_000));
        assert!(clock.monotonic_ns() - began >= 3_000_000);
    }
}
