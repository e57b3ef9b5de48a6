//! What the backends of all Unix systems share: errors, files and threads, which std and rustix know alike on each of them.
#![cfg(unix)]

extern crate alloc;

mod error;
mod files;
mod threads;

pub use self::error::{io_error, std_error};
pub use self::files::{UnixFile, UnixFiles};
pub use self::threads::{UnixThread, UnixThreads, UnixUnparker};
