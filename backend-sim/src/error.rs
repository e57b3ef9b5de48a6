//! Errors as the boundary knows them.

use core::fmt;

use vireo_core::platform::{IoError, IoErrorKind};

fn describe(code: i32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "simulated error {code}")
}

/// An error of a class.
pub(crate) fn io_error(kind: IoErrorKind) -> IoError {
    IoError { kind, code: kind as i32, describe }
}
