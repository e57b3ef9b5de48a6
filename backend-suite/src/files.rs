//! Files.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use vireo_core::platform::{Files, IoErrorKind, Platform};

/// A file is made, written, read, replaced by a rename, emptied and removed; what is not there is told as such.
pub fn files_are_written_and_replaced<P: Platform>() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).as_os_str().as_bytes().to_vec();
    let (old, new) = (path("old"), path("n\u{e9}w"));
    for missing in [
        P::Files::read(&new).map(drop),
        P::Files::remove(&new),
        P::Files::rename(&new, &old),
        P::Files::create(&path("no/such"), 0o600).map(drop),
    ] {
        assert_eq!(missing.map_err(|error| error.kind), Err(IoErrorKind::NotFound));
    }
    for (path, text) in [(&old, &b"old"[..]), (&new, b"the new text")] {
        let mut file = P::Files::create(path, 0o600).unwrap();
        let mut left = text;
        while !left.is_empty() {
            left = &left[P::Files::write(&mut file, left).unwrap()..];
        }
        P::Files::sync(&mut file).unwrap();
        assert_eq!(P::Files::read(path).unwrap(), text);
    }
    let mode = std::fs::metadata(folder.path().join("old")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    P::Files::rename(&new, &old).unwrap();
    P::Files::sync_folder(folder.path().as_os_str().as_bytes()).unwrap();
    assert_eq!(P::Files::read(&old).unwrap(), b"the new text");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    drop(P::Files::create(&old, 0o600).unwrap());
    assert_eq!(P::Files::read(&old).unwrap(), b"");
    P::Files::remove(&old).unwrap();
    assert!(P::Files::read(folder.path().as_os_str().as_bytes()).is_err(), "a folder is no file");
}
