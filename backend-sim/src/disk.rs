//! The disk: what programs see of it, and what would be left of it if power were lost now.
//!
//! Nothing is on the disk for certain until it is synced: neither a file's bytes nor its name. Of what is not, power that is lost
//! leaves any part: of several changes the later ones alone, of one write single sectors.
//! Sources: Pillai and others, "All File Systems Are Not Created Equal", 2014 (which orders systems keep, and that none is
//! certain); Rebello and others, "Can Applications Recover from fsync Failures?", 2020 (what a sync that fails leaves).

use std::collections::BTreeMap;

use crate::dice::Dice;

/// What a disk writes whole or not at all, bytes.
const SECTOR_LEN: usize = 512;

/// Files by their paths.
pub type Contents = BTreeMap<Vec<u8>, Vec<u8>>;
/// Numbers of files by their paths.
type Names = BTreeMap<Vec<u8>, usize>;

/// A change of a file that is not on the disk yet.
#[derive(Debug)]
enum Change {
    Emptied,
    /// Bytes were written at a place.
    Written(usize, Vec<u8>),
}

/// A change of names that is not on the disk yet: one that goes, one that a file gets.
#[derive(Debug)]
struct Naming {
    gone: Option<Vec<u8>>,
    given: Option<(Vec<u8>, usize)>,
}

#[derive(Debug, Default)]
struct File {
    seen: Vec<u8>,
    kept: Vec<u8>,
    pending: Vec<Change>,
}

/// The disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: Names,
    kept_names: Names,
    namings: Vec<Naming>,
}

impl Naming {
    fn apply(&self, names: &mut Names) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, number)) = &self.given {
            names.insert(name.clone(), *number);
        }
    }

    fn is_in(&self, folder: &[u8]) -> bool {
        let given = self.given.as_ref().map(|(name, _)| name);
        given.or(self.gone.as_ref()).is_some_and(|name| folder_of(name) == folder)
    }
}

fn folder_of(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => b"/",
        Some(at) => &path[..at],
        None => b".",
    }
}

fn put(text: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    text.resize(text.len().max(at + bytes.len()), 0);
    text[at..at + bytes.len()].copy_from_slice(bytes);
}

impl File {
    /// What is left of it when power is lost: of each change that is pending, or each sector of it, what the dice say.
    fn survivor(&self, torn: bool, dice: &mut Dice) -> Vec<u8> {
        let mut text = self.kept.clone();
        for change in &self.pending {
            match change {
                Change::Emptied => {
                    if dice.one_in(2) {
                        text.clear();
                    }
                }
                Change::Written(at, bytes) => {
                    let mut done = 0;
                    while done < bytes.len() {
                        let from = at + done;
                        let sector = if torn { SECTOR_LEN - from % SECTOR_LEN } else { bytes.len() };
                        let len = sector.min(bytes.len() - done);
                        if dice.one_in(2) {
                            put(&mut text, from, &bytes[done..done + len]);
                        }
                        done += len;
                    }
                }
            }
        }
        text
    }
}

impl Disk {
    /// A disk with files on it.
    pub(crate) fn new(contents: Contents) -> Self {
        let mut disk = Self::default();
        for (path, text) in contents {
            disk.names.insert(path, disk.files.len());
            disk.files.push(File { seen: text.clone(), kept: text, pending: Vec::new() });
        }
        disk.kept_names = disk.names.clone();
        disk
    }

    pub(crate) fn read(&self, path: &[u8]) -> Option<&[u8]> {
        self.names.get(path).map(|&number| self.files[number].seen.as_slice())
    }

    /// Makes a file, or empties the one that is there. Returns its number.
    pub(crate) fn create(&mut self, path: &[u8]) -> usize {
        if let Some(&number) = self.names.get(path) {
            self.files[number].seen.clear();
            self.files[number].pending.push(Change::Emptied);
            return number;
        }
        self.files.push(File::default());
        let number = self.files.len() - 1;
        self.name(Naming { gone: None, given: Some((path.to_vec(), number)) });
        number
    }

    pub(crate) fn write(&mut self, number: usize, at: usize, bytes: &[u8]) {
        let file = &mut self.files[number];
        put(&mut file.seen, at, bytes);
        file.pending.push(Change::Written(at, bytes.to_vec()));
    }

    /// What was written is on the disk from now on.
    pub(crate) fn sync(&mut self, number: usize) {
        let file = &mut self.files[number];
        for change in file.pending.drain(..) {
            match change {
                Change::Emptied => file.kept.clear(),
                Change::Written(at, bytes) => put(&mut file.kept, at, &bytes),
            }
        }
    }

    /// The system gives up what it could not write: no later sync will bring it to the disk, though it is still seen.
    pub(crate) fn forget(&mut self, number: usize) {
        self.files[number].pending.clear();
    }

    /// Renames a file; `false` when there is none.
    pub(crate) fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        let number = self.names.get(from).copied();
        if let Some(number) = number {
            self.name(Naming { gone: Some(from.to_vec()), given: Some((to.to_vec(), number)) });
        }
        number.is_some()
    }

    /// Removes a name; `false` when there is none.
    pub(crate) fn remove(&mut self, path: &[u8]) -> bool {
        let is_there = self.names.contains_key(path);
        if is_there {
            self.name(Naming { gone: Some(path.to_vec()), given: None });
        }
        is_there
    }

    /// The names in a folder are on the disk from now on.
    pub(crate) fn sync_folder(&mut self, folder: &[u8]) {
        let kept = &mut self.kept_names;
        self.namings.extract_if(.., |naming| naming.is_in(folder)).for_each(|naming| naming.apply(kept));
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.namings.push(naming);
    }

    /// What a program would read.
    pub(crate) fn seen(&self) -> Contents {
        self.names.iter().map(|(path, &number)| (path.clone(), self.files[number].seen.clone())).collect()
    }

    /// What would be left if power were lost now. `torn`: of a write, any of its sectors.
    pub(crate) fn after_power_loss(&self, torn: bool, dice: &mut Dice) -> Contents {
        let mut names = self.kept_names.clone();
        for naming in &self.namings {
            if dice.one_in(2) {
                naming.apply(&mut names);
            }
        }
        names.into_iter().map(|(path, number)| (path, self.files[number].survivor(torn, dice))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Contents, Disk, folder_of};
    use crate::dice::Dice;

    const PATH: &[u8] = b"/a/file";

    fn disk() -> Disk {
        Disk::new(Contents::from([(PATH.to_vec(), b"old".to_vec())]))
    }

    /// All that may be left.
    fn survivors(disk: &Disk, torn: bool) -> BTreeSet<Contents> {
        let mut dice = Dice::new(1, 9);
        (0..300).map(|_| disk.after_power_loss(torn, &mut dice)).collect()
    }

    fn texts(disk: &Disk, torn: bool) -> Vec<Vec<u8>> {
        let texts: BTreeSet<Vec<u8>> =
            survivors(disk, torn).into_iter().map(|files| files[PATH].clone()).collect();
        texts.into_iter().collect()
    }

    #[test]
    fn what_is_not_synced_may_be_lost_and_torn() {
        let mut disk = disk();
        let number = disk.create(PATH);
        disk.write(number, 0, &[b'x'; 1024]);
        assert_eq!(disk.read(PATH), Some(&[b'x'; 1024][..]));
        let left = texts(&disk, false);
        assert_eq!(left, [&b""[..], b"old", &[b'x'; 1024]]);
        let left = texts(&disk, true);
        assert!(left.len() > 4 && left.contains(&vec![b'x'; 512]), "sectors are kept one by one");
        assert!(left.contains(&[vec![0; 512], vec![b'x'; 512]].concat()));
        disk.sync(number);
        assert_eq!(texts(&disk, true), [[b'x'; 1024]]);
    }

    #[test]
    fn a_sync_that_fails_may_lose_what_was_written_for_good() {
        let mut disk = disk();
        let number = disk.create(PATH);
        disk.write(number, 0, b"new");
        disk.forget(number);
        disk.sync(number);
        assert_eq!(disk.read(PATH), Some(&b"new"[..]));
        assert_eq!(texts(&disk, true), [b"old"]);
    }

    #[test]
    fn names_are_kept_with_their_folder() {
        let mut disk = disk();
        let number = disk.create(b"/a/new");
        disk.write(number, 0, b"new");
        disk.sync(number);
        assert!(disk.rename(b"/a/new", PATH) && !disk.rename(b"/a/none", PATH));
        assert!(disk.read(b"/a/new").is_none());
        assert_eq!(texts(&disk, true), [b"new", b"old"]);
        disk.sync_folder(b"/");
        assert_eq!(texts(&disk, true).len(), 2, "that was another folder");
        disk.sync_folder(b"/a");
        let both = Contents::from([(PATH.to_vec(), b"new".to_vec())]);
        assert_eq!(survivors(&disk, true), BTreeSet::from([both.clone()]));
        assert!(disk.remove(PATH) && !disk.remove(PATH) && disk.seen().is_empty());
        assert_eq!(survivors(&disk, true), BTreeSet::from([both, Contents::new()]));
        assert_eq!([folder_of(b"/x"), folder_of(b"x"), folder_of(b"a/x")], [&b"/"[..], b".", b"a"]);
    }
}
