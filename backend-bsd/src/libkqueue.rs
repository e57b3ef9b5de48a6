//! kqueue on Linux, from libkqueue, under the names that `rustix` has for it on the systems that have their own.
//!
//! For tests alone (`--cfg kqueue_on_linux`, `ci/cross kqueue`): it lets this backend run where there is no BSD. What libkqueue
//! 2.3.1 does otherwise than a system is made up for here: two filters on one descriptor fail with "Bad address", so the one for
//! writing lies on a duplicate; time-outs are cut to milliseconds, so they are rounded up to them. What cannot be made up for: a
//! socket's pending error is taken when its end is told, and many queues in many threads can lock each other up.
#![expect(unsafe_code, reason = "a library of C")]

use core::ffi::{c_int, c_short, c_uint, c_ushort, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use rustix::event::Timespec;
use rustix::io::Errno;

/// `struct kevent` in the layout of FreeBSD before 12, OpenBSD and macOS.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    ident: usize,
    filter: c_short,
    flags: c_ushort,
    fflags: c_uint,
    data: isize,
    udata: *mut c_void,
}

#[link(name = "kqueue", kind = "static")]
unsafe extern "C" {
    #[link_name = "kqueue"]
    fn c_kqueue() -> c_int;
    #[link_name = "kevent"]
    fn c_kevent(
        queue: c_int,
        changes: *const Event,
        change_count: c_int,
        events: *mut Event,
        event_count: c_int,
        timeout: *const libc::timespec,
    ) -> c_int;
}

/// What is waited for, and on which descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventFilter {
    Read(RawFd),
    Write(RawFd),
    Unknown,
}

const READ: c_short = -1;
const WRITE: c_short = -2;

/// `EV_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventFlags(c_ushort);

impl EventFlags {
    pub(crate) const ADD: Self = Self(1);
    pub(crate) const DELETE: Self = Self(2);
    pub(crate) const CLEAR: Self = Self(0x20);
    pub(crate) const EOF: Self = Self(0x8000);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOr for EventFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Event {
    pub(crate) fn new(filter: EventFilter, flags: EventFlags, udata: *mut c_void) -> Self {
        let (filter, number) = match filter {
            EventFilter::Read(number) => (READ, number),
            EventFilter::Write(number) => (WRITE, number),
            EventFilter::Unknown => (0, -1),
        };
        let ident = usize::try_from(number).unwrap_or(usize::MAX);
        Self { ident, filter, flags: flags.0, fflags: 0, data: 0, udata }
    }

    pub(crate) fn filter(&self) -> EventFilter {
        let number = RawFd::try_from(self.ident).unwrap_or(-1);
        match self.filter {
            READ => EventFilter::Read(number),
            WRITE => EventFilter::Write(number),
            _ => EventFilter::Unknown,
        }
    }

    pub(crate) fn flags(&self) -> EventFlags {
        EventFlags(self.flags)
    }

    pub(crate) fn udata(&self) -> *mut c_void {
        self.udata
    }
}

/// Duplicates that writing is watched on, by queue and descriptor.
static DUPLICATES: Mutex<BTreeMap<(RawFd, usize), OwnedFd>> = Mutex::new(BTreeMap::new());

/// The change on the descriptor that it really concerns, and a duplicate to be closed behind it.
fn moved(queue: RawFd, mut change: Event) -> Result<(Event, Option<OwnedFd>), Errno> {
    let mut gone = None;
    if change.filter == WRITE {
        let mut duplicates = DUPLICATES.lock().map_err(|_| Errno::IO)?;
        let key = (queue, change.ident);
        if EventFlags(change.flags).contains(EventFlags::DELETE) {
            gone = Some(duplicates.remove(&key).ok_or(Errno::NOENT)?);
        } else {
            let number = RawFd::try_from(change.ident).map_err(|_| Errno::BADF)?;
            // SAFETY: whoever changes a filter borrows its descriptor.
            let socket = unsafe { rustix::fd::BorrowedFd::borrow_raw(number) };
            duplicates.insert(key, rustix::io::fcntl_dupfd_cloexec(socket, 0)?);
        }
        let duplicate = gone.as_ref().or_else(|| duplicates.get(&key)).map_or(-1, AsRawFd::as_raw_fd);
        change.ident = usize::try_from(duplicate).map_err(|_| Errno::BADF)?;
    }
    Ok((change, gone))
}

/// A new queue.
pub(crate) fn kqueue() -> Result<OwnedFd, Errno> {
    // SAFETY: a call without arguments.
    let number = unsafe { c_kqueue() };
    if number < 0 {
        return Err(last_error());
    }
    // A queue that had this number before may have gone with sockets in it.
    DUPLICATES.lock().map_err(|_| Errno::IO)?.retain(|&(queue, _), _| queue != number);
    // SAFETY: the call has just made this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes changes, then waits for events.
///
/// # Safety
/// Descriptors in the changes are open.
pub(crate) unsafe fn kevent_timespec<'a>(
    queue: impl AsFd,
    changes: &[Event],
    events: &'a mut [MaybeUninit<Event>],
    timeout: Option<&Timespec>,
) -> Result<(&'a [Event], ()), Errno> {
    let number = queue.as_fd().as_raw_fd();
    let timeout = timeout.map(|time| {
        let ms = (time.tv_nsec + 999_999) / 1_000_000;
        libc::timespec { tv_sec: time.tv_sec + ms / 1000, tv_nsec: ms % 1000 * 1_000_000 }
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    for &change in changes {
        let (change, _gone) = moved(number, change)?;
        // SAFETY: one change is there, and no room for events is named.
        let status = unsafe { c_kevent(number, &raw const change, 1, ptr::null_mut(), 0, ptr::null()) };
        if status < 0 {
            return Err(last_error());
        }
    }
    if events.is_empty() {
        return Ok((&[], ()));
    }
    let room = c_int::try_from(events.len()).unwrap_or(c_int::MAX);
    // SAFETY: the room is as large as it is said to be.
    let count = unsafe { c_kevent(number, ptr::null(), 0, events.as_mut_ptr().cast(), room, timeout) };
    let count = usize::try_from(count).map_err(|_| last_error())?;
    // SAFETY: the call has filled so many.
    Ok((unsafe { core::slice::from_raw_parts(events.as_ptr().cast(), count) }, ()))
}

fn last_error() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}
