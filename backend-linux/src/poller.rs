//! Readiness by epoll; wakes by an eventfd, or, built with `--cfg without_linux_extras`, through a pipe as elsewhere.

use alloc::sync::Arc;
use core::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use vireo_backend_unix::io_error;
use vireo_core::platform::{Event, IoError, Poller, Wake};

/// Events fetched by one call.
const EVENTS_MAX: usize = 1024;
/// Token of the eventfd.
const WAKE_TOKEN: u64 = u64::MAX;

/// An epoll instance.
pub struct LinuxPoller {
    epoll: OwnedFd,
    /// Its reading end, where it is a pipe.
    wake_read: Option<OwnedFd>,
    wake: Arc<OwnedFd>,
}

/// The end that is written to; the one that is watched, where that is another.
fn wake_ends() -> Result<(OwnedFd, Option<OwnedFd>), Errno> {
    if cfg!(without_linux_extras) {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        return Ok((write, Some(read)));
    }
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(|wake| (wake, None))
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

impl core::fmt::Debug for LinuxPoller {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LinuxPoller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl LinuxPoller {
    /// A pipe that is full would take no more wakes, and so tell of none.
    fn empty_pipe(&self) {
        let mut into = [0; 512];
        let Some(pipe) = &self.wake_read else { return };
        while rustix::io::read(pipe, &mut into).is_ok_and(|count| count == into.len()) {}
    }
}

impl Poller for LinuxPoller {
    type Socket = OwnedFd;
    type Waker = LinuxWaker;

    fn new() -> Result<Self, IoError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(io_error)?;
        let (wake, wake_read) = wake_ends().map_err(io_error)?;
        // Edge triggered: each wake is told once, and the counter need not be read.
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, wake_read.as_ref().unwrap_or(&wake), EventData::new_u64(WAKE_TOKEN), flags)
            .map_err(io_error)?;
        Ok(Self { epoll, wake_read, wake: Arc::new(wake) })
    }

    fn register(&self, socket: &OwnedFd, token: u64) -> Result<(), IoError> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, socket, EventData::new_u64(token), flags).map_err(io_error)
    }

    fn register_listener(&self, socket: &OwnedFd, token: u64) -> Result<(), IoError> {
        epoll::add(&self.epoll, socket, EventData::new_u64(token), EventFlags::IN).map_err(io_error)
    }

    fn deregister(&self, socket: &OwnedFd) -> Result<(), IoError> {
        epoll::delete(&self.epoll, socket).map_err(io_error)
    }

    fn wait(&self, timeout_ns: Option<u64>, each: &mut dyn FnMut(Event)) -> Result<(), IoError> {
        let mut space = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_MAX];
        let timeout = timeout_ns.map(timespec);
        let events: &[epoll::Event] = match epoll::wait(self.epoll.as_fd(), &mut space[..], timeout.as_ref())
        {
            Ok((events, _)) => events,
            Err(Errno::INTR) => &[],
            Err(errno) => return Err(io_error(errno)),
        };
        for event in events {
            let (token, flags) = (event.data.u64(), event.flags);
            if token == WAKE_TOKEN {
                self.empty_pipe();
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
