//! What Linux tells of itself and the process; signals, limits, entropy.
#![expect(unsafe_code, reason = "signal handlers are not in rustix")]

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use vireo_core::platform::{Signal, System, Wake};

/// Linux.
#[derive(Clone, Copy, Debug)]
pub struct LinuxSystem;

/// The signal that came last: 0 none, 1 terminate, 2 interrupt.
static CAUGHT: AtomicU8 = AtomicU8::new(0);
/// Ends the main thread's wait.
static WAKER: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

extern "C" fn on_signal(number: libc::c_int) {
    let code = if number == libc::SIGINT { 2 } else { 1 };
    if CAUGHT.swap(code, Ordering::SeqCst) == 2 && code == 2 {
        // A second Ctrl-C before the first was served: the user does not want to wait.
        // SAFETY: _exit is async-signal-safe and does not return.
        unsafe { libc::_exit(1) }
    }
    if let Some(wake) = WAKER.get() {
        wake();
    }
}

fn handle(number: libc::c_int, handler: libc::sighandler_t) {
    // SAFETY: an all-zero sigaction is valid: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: the action is live and its handler is async-signal-safe: an atomic and one write.
    unsafe { libc::sigaction(number, &raw const action, core::ptr::null_mut()) };
}

/// A number of the system's, which has as many bits as a pointer there.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

impl System for LinuxSystem {
    const POLLER_NAME: &'static str = "epoll";

    fn name(into: &mut dyn fmt::Write) {
        let uname = rustix::system::uname();
        let (system, release, machine) = (uname.sysname(), uname.release(), uname.machine());
        let text = |part: &core::ffi::CStr| part.to_string_lossy().into_owned();
        // Writing into a string cannot fail.
        let _ = write!(into, "{} {} {}", text(system), text(release), text(machine));
    }

    fn resident_bytes() -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
        pages.unwrap_or(0) * u64::try_from(rustix::param::page_size()).unwrap_or(4096)
    }

    fn total_memory_bytes() -> u64 {
        let info = rustix::system::sysinfo();
        wide(info.totalram).saturating_mul(info.mem_unit.into())
    }

    fn raise_open_files(wanted: u64) -> u64 {
        let limit = getrlimit(Resource::Nofile);
        let have = limit.current.unwrap_or(u64::MAX);
        if have >= wanted {
            return have;
        }
        // Above the hard limit only a privileged process gets; below it everybody.
        let hard = limit.maximum.unwrap_or(u64::MAX);
        for target in [wanted, hard.min(wanted)] {
            let new = Rlimit { current: Some(target), maximum: Some(hard.max(target)) };
            if setrlimit(Resource::Nofile, new).is_ok() {
                return target;
            }
        }
        have
    }

    fn entropy(mut into: &mut [u8]) {
        while !into.is_empty() {
            let count = getrandom(&mut *into, GetRandomFlags::empty()).unwrap_or(0);
            into = &mut into[count..];
        }
    }

    fn catch_signals<W: Wake + 'static>(waker: W) {
        let _ = WAKER.set(Box::new(move || waker.wake()));
        let handler = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        handle(libc::SIGTERM, handler);
        handle(libc::SIGINT, handler);
        handle(libc::SIGHUP, libc::SIG_IGN);
        handle(libc::SIGPIPE, libc::SIG_IGN);
    }

    fn take_signal() -> Option<Signal> {
        match CAUGHT.load(Ordering::SeqCst) {
            0 => None,
            code => {
                CAUGHT.store(0, Ordering::SeqCst);
                Some(if code == 2 { Signal::Interrupt } else { Signal::Terminate })
            }
        }
    }
}
