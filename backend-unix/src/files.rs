//! Files, by std.

use alloc::vec::Vec;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use vireo_core::platform::{Files, IoError};

use crate::error::std_error;

/// Files of the system.
#[derive(Clone, Copy, Debug)]
pub struct UnixFiles;

/// A file that is being written.
#[derive(Debug)]
pub struct UnixFile(File);

fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// The boundary's outcome for std's.
fn outcome<T>(outcome: std::io::Result<T>) -> Result<T, IoError> {
    outcome.map_err(|error| std_error(&error))
}

impl Files for UnixFiles {
    type File = UnixFile;

    fn read(path: &[u8]) -> Result<Vec<u8>, IoError> {
        outcome(std::fs::read(as_path(path)))
    }

    fn create(path: &[u8], permissions: u32) -> Result<UnixFile, IoError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(permissions);
        outcome(options.open(as_path(path))).map(UnixFile)
    }

    fn write(file: &mut UnixFile, bytes: &[u8]) -> Result<usize, IoError> {
        outcome(file.0.write(bytes))
    }

    fn sync(file: &mut UnixFile) -> Result<(), IoError> {
        outcome(file.0.sync_all())
    }

    fn rename(from: &[u8], to: &[u8]) -> Result<(), IoError> {
        outcome(std::fs::rename(as_path(from), as_path(to)))
    }

    fn remove(path: &[u8]) -> Result<(), IoError> {
        outcome(std::fs::remove_file(as_path(path)))
    }

    fn sync_folder(path: &[u8]) -> Result<(), IoError> {
        outcome(File::open(as_path(path)).and_then(|folder| folder.sync_all()))
    }
}
