//! Readiness by kqueue; wakes through a pipe, which every system with kqueue has.
//!
//! kqueue reports reading and writing apart; the events of one wait are merged by token, as the contract says.
#![expect(unsafe_code, reason = "kevent takes raw descriptors")]

use alloc::sync::Arc;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::event::Timespec;
use rustix::io::Errno;
use vireo_backend_unix::io_error;
use vireo_core::platform::{Event, IoError, Poller, Wake};

use crate::kqueue::{Event as Kevent, EventFilter, EventFlags, kevent_timespec, kqueue};
use crate::net::prepare;

/// Events fetched by one call.
const EVENTS_MAX: usize = 1024;
/// Token of the pipe.
const WAKE_TOKEN: u64 = u64::MAX;

const _: () =
    assert!(size_of::<*mut c_void>() == size_of::<u64>(), "tokens travel in the pointer of an event");

/// A kqueue.
pub struct BsdPoller {
    queue: OwnedFd,
    wake_read: OwnedFd,
    wake_write: Arc<OwnedFd>,
}

/// Ends a wait by writing to the pipe.
#[derive(Clone, Debug)]
pub struct BsdWaker(Arc<OwnedFd>);

impl Wake for BsdWaker {
    fn wake(&self) {
        // A full pipe means that wakes are pending already.
        let _ = rustix::io::write(&*self.0, &[1]);
    }
}

impl core::fmt::Debug for BsdPoller {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BsdPoller").field("queue", &self.queue).finish_non_exhaustive()
    }
}

fn udata(token: u64) -> *mut c_void {
    ptr::without_provenance_mut(usize::try_from(token).unwrap_or(usize::MAX))
}

impl BsdPoller {
    /// Changes one filter of a socket.
    fn change(&self, filter: EventFilter, token: u64, flags: EventFlags) -> Result<(), IoError> {
        let change = [Kevent::new(filter, flags, udata(token))];
        let mut none: [MaybeUninit<Kevent>; 0] = [];
        // SAFETY: the descriptor in the filter is open: the caller borrows its socket.
        match unsafe { kevent_timespec(&self.queue, &change, &mut none[..], None) } {
            Ok(_) => Ok(()),
            Err(Errno::NOENT) if flags.contains(EventFlags::DELETE) => Ok(()),
            Err(errno) => Err(io_error(errno)),
        }
    }
}

impl BsdPoller {
    /// Empties the pipe: what stays there would end the next waits, too.
    fn forget_wakes(&self) {
        let mut into = [0; 512];
        while rustix::io::read(&self.wake_read, &mut into).is_ok_and(|count| count == into.len()) {}
    }
}

impl Poller for BsdPoller {
    type Socket = OwnedFd;
    type Waker = BsdWaker;

    fn new() -> Result<Self, IoError> {
        let queue = kqueue().map_err(io_error)?;
        let (wake_read, wake_write) = rustix::pipe::pipe().map_err(io_error)?;
        prepare(&wake_read).map_err(io_error)?;
        prepare(&wake_write).map_err(io_error)?;
        let wake_write = Arc::new(wake_write);
        let poller = Self { queue, wake_read, wake_write };
        poller.change(EventFilter::Read(poller.wake_read.as_raw_fd()), WAKE_TOKEN, EventFlags::ADD)?;
        Ok(poller)
    }

    fn register(&self, socket: &OwnedFd, token: u64) -> Result<(), IoError> {
        let flags = EventFlags::ADD | EventFlags::CLEAR;
        self.change(EventFilter::Read(socket.as_raw_fd()), token, flags)?;
        self.change(EventFilter::Write(socket.as_raw_fd()), token, flags)
    }

    fn register_listener(&self, socket: &OwnedFd, token: u64) -> Result<(), IoError> {
        self.change(EventFilter::Read(socket.as_raw_fd()), token, EventFlags::ADD)
    }

    fn deregister(&self, socket: &OwnedFd) -> Result<(), IoError> {
        self.change(EventFilter::Read(socket.as_raw_fd()), 0, EventFlags::DELETE)?;
        self.change(EventFilter::Write(socket.as_raw_fd()), 0, EventFlags::DELETE)
    }

    fn wait(&self, timeout_ns: Option<u64>, each: &mut dyn FnMut(Event)) -> Result<(), IoError> {
        let mut space = [const { MaybeUninit::<Kevent>::uninit() }; EVENTS_MAX];
        let timeout = timeout_ns.map(|ns| Timespec {
            tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(ns % 1_000_000_000).unwrap_or(0),
        });
        // SAFETY: there are no changes, so no descriptor is named.
        let waited = unsafe { kevent_timespec(self.queue.as_fd(), &[], &mut space[..], timeout.as_ref()) };
        let events: &[Kevent] = match waited {
            Ok((events, _)) => events,
            Err(Errno::INTR) => &[],
            Err(errno) => return Err(io_error(errno)),
        };
        let mut merged = Vec::with_capacity(events.len());
        for event in events {
            let token = event.udata().addr() as u64;
            if token == WAKE_TOKEN {
                self.forget_wakes();
                continue;
            }
            merged.push(Event {
                token,
                readable: matches!(event.filter(), EventFilter::Read(_)),
                writable: matches!(event.filter(), EventFilter::Write(_)),
                closed: event.flags().contains(EventFlags::EOF),
            });
        }
        merged.sort_unstable_by_key(|event| event.token);
        for same in merged.chunk_by(|a, b| a.token == b.token) {
            each(Event {
                token: same[0].token,
                readable: same.iter().any(|event| event.readable),
                writable: same.iter().any(|event| event.writable),
                closed: same.iter().any(|event| event.closed),
            });
        }
        Ok(())
    }

    fn waker(&self) -> BsdWaker {
        BsdWaker(Arc::clone(&self.wake_write))
    }
}
