//! System errors as the boundary knows them.

use core::fmt;

use rustix::io::Errno;
use vireo_core::platform::{IoError, IoErrorKind};

fn describe(code: i32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = std::io::Error::from_raw_os_error(code).to_string();
    // std appends " (os error N)", which log lines do not carry.
    f.write_str(text.split(" (os error").next().unwrap_or(&text))
}

/// The boundary's error for a system's.
pub fn io_error(errno: Errno) -> IoError {
    let kind = match errno {
        Errno::AGAIN => IoErrorKind::WouldBlock,
        Errno::INTR => IoErrorKind::Interrupted,
        Errno::CONNRESET | Errno::PIPE | Errno::NOTCONN | Errno::TIMEDOUT => IoErrorKind::Closed,
        Errno::CONNABORTED | Errno::PROTO | Errno::PERM => IoErrorKind::AcceptFailed,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => IoErrorKind::Exhausted,
        Errno::ADDRINUSE => IoErrorKind::AddrInUse,
        Errno::ADDRNOTAVAIL => IoErrorKind::AddrNotAvailable,
        Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::NOPROTOOPT | Errno::SOCKTNOSUPPORT => {
            IoErrorKind::Unsupported
        }
        Errno::NOENT => IoErrorKind::NotFound,
        _ => IoErrorKind::Other,
    };
    IoError { kind, code: errno.raw_os_error(), describe }
}

/// The boundary's error for one that std reports.
pub fn std_error(error: &std::io::Error) -> IoError {
    io_error(Errno::from_raw_os_error(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())))
}
