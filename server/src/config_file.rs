//! The configuration file: reading it, its includes, standard input and the options of the command line, and
//! writing it anew.
//!
//! All directives are read before one that asks for what is not built is refused: a later line may take it back
//! (`vireo-server valkey.conf --save ""`). `dir` takes effect at its line, as in the reference: paths in later lines
//! start there. Source: Valkey 9.1 `config.c` (`loadServerConfig*`).

use core::fmt;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use vireo_core::commands::table::{self, Command};
use vireo_core::config::{self, Config, RewriteExtent, split_words};
use vireo_core::glob::{Case, glob_match};
use vireo_core::platform::{Files, IoErrorKind};

use crate::args::RunArgs;
use crate::usage::VERSION;

/// Files that include one another may nest so deep.
const INCLUDE_DEPTH_MAX: usize = 16;
/// Permissions of a new configuration file.
const FILE_MODE: u32 = 0o644;
const NO_USERS: &str = "ACL users are not supported by this version of Vireo";
/// Directives of older versions, with one argument, that are passed over.
const DEPRECATED: [&str; 7] = [
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "lua-replicate-commands",
    "io-threads-do-reads",
    "dynamic-hz",
    "events-per-io-thread",
    "sanitize-dump-payload",
];

/// Commands by the names that `rename-command` gave or took, lower case; `None` hides one.
pub(crate) type Renamed = BTreeMap<Vec<u8>, Option<&'static Command>>;

/// Why the configuration cannot be used.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// A file cannot be read.
    Unreadable {
        /// Its path.
        path: String,
        /// The system's words.
        why: String,
    },
    /// A line is wrong.
    Line(Place, String),
    /// All lines together are wrong.
    Whole(String),
}

/// Where a line stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file, or in words what is not a file.
    file: String,
    /// Its number from one.
    line: usize,
    /// The line itself.
    text: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => {
                write!(f, "Fatal error, can't open config file '{path}': {why}")
            }
            Self::Line(place, why) => write!(
                f,
                "\n*** FATAL CONFIG FILE ERROR (Version {VERSION}) ***\n\
                 Reading the configuration file, at line {} of {}\n>>> '{}'\n{why}",
                place.line, place.file, place.text
            ),
            Self::Whole(why) => write!(f, "\n*** FATAL CONFIG FILE ERROR (Version {VERSION}) ***\n{why}"),
        }
    }
}

/// What the files and options say.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All directives.
    pub(crate) config: Config,
    /// Commands with other names.
    pub(crate) renamed: Renamed,
    /// Absolute path of the configuration file.
    pub(crate) path: Option<PathBuf>,
    /// Where each directive was set last.
    places: BTreeMap<&'static str, Place>,
    /// A `user` line that lets everybody do everything.
    open_user: Option<Place>,
}

/// Reads the file, standard input and options, in this order; the last word counts.
pub(crate) fn load<F: Files>(run: &RunArgs) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    if let Some(file) = &run.file {
        // Kept absolute: the working folder may change before it is written anew.
        let path = Path::new(OsStr::from_bytes(file));
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        loaded.take_all::<F>(Source::file::<F>(&path, 0)?)?;
        loaded.path = Some(path);
    }
    if run.stdin {
        let mut text = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut text);
        read.map_err(|error| LoadError::Unreadable { path: "-".to_owned(), why: error_text(&error) })?;
        loaded.take_all::<F>(Source::text("standard input", text))?;
    }
    loaded.take_all::<F>(Source::text("the command line", run.lines.clone()))?;
    loaded.finish()?;
    Ok(loaded)
}

/// A text that is being read line by line.
struct Source {
    name: String,
    text: Vec<u8>,
    /// Bytes of it that are read.
    read: usize,
    /// Lines of it that are read.
    line: usize,
    depth: usize,
}

impl Source {
    fn text(name: &str, text: Vec<u8>) -> Self {
        Self { name: name.to_owned(), text, read: 0, line: 0, depth: 0 }
    }

    fn file<F: Files>(path: &Path, depth: usize) -> Result<Self, LoadError> {
        let name = path.display().to_string();
        match F::read(path.as_os_str().as_bytes()) {
            Ok(text) => Ok(Self { depth, ..Self::text(&name, text) }),
            Err(error) => Err(LoadError::Unreadable { path: name, why: error.to_string() }),
        }
    }

    /// The next line without blanks around it, and where it stands.
    fn next_line(&mut self) -> Option<Place> {
        let rest = self.text.get(self.read..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = rest.get(..end.unwrap_or(rest.len()))?.trim_ascii();
        let text = String::from_utf8_lossy(line).into_owned();
        self.line += 1;
        self.read += end.map_or(rest.len(), |end| end + 1);
        Some(Place { file: self.name.clone(), line: self.line, text })
    }

    /// The bytes of the line read last.
    fn line_bytes(&self) -> &[u8] {
        let before = self.text.get(..self.read).unwrap_or(b"");
        let line = before.strip_suffix(b"\n").unwrap_or(before);
        line.rsplit(|&byte| byte == b'\n').next().unwrap_or(b"").trim_ascii()
    }
}

impl Loaded {
    /// Takes all lines of a text, with those of the files it includes in their places.
    fn take_all<F: Files>(&mut self, first: Source) -> Result<(), LoadError> {
        let mut open = vec![first];
        while let Some(source) = open.last_mut() {
            let Some(place) = source.next_line() else {
                open.pop();
                continue;
            };
            let line = source.line_bytes().to_vec();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let depth = source.depth + 1;
            match self.take(&line, &place) {
                Ok(None) => {}
                Ok(Some(_)) if depth > INCLUDE_DEPTH_MAX => {
                    return Err(LoadError::Line(place, "Too many nested include files".to_owned()));
                }
                Ok(Some(included)) => {
                    for path in expand(&included).iter().rev() {
                        open.push(Source::file::<F>(path, depth)?);
                    }
                }
                Err(why) => return Err(LoadError::Line(place, why)),
            }
        }
        Ok(())
    }

    /// Takes a line. Returns what it includes.
    fn take(&mut self, line: &[u8], place: &Place) -> Result<Option<Vec<u8>>, String> {
        let mut words =
            split_words(line).ok_or_else(|| "Unbalanced quotes in configuration line".to_owned())?;
        let Some(name) = words.first_mut() else { return Ok(None) };
        name.make_ascii_lowercase();
        if Config::directive(name).is_some() {
            let directive = self.config.set_line(&words).map_err(|error| error.reason().to_owned())?;
            self.places.insert(directive.name, place.clone());
            if directive.name == "dir" {
                self.change_folder()?;
            }
            return Ok(None);
        }
        let is_deprecated = |name: &[u8]| DEPRECATED.iter().any(|old| name == old.as_bytes());
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match *words {
            [name, _] if is_deprecated(name) => Ok(None),
            [b"include", pattern] => Ok(Some(pattern.to_vec())),
            [b"rename-command", old, new] => self.rename(old, new).map(|()| None),
            [b"user", ref user @ ..] if grants_all(user) => {
                self.open_user = Some(place.clone());
                Ok(None)
            }
            [b"user", _, ..] => Err(NO_USERS.to_owned()),
            [b"loadmodule", _, ..] => Err("modules are not supported by this version of Vireo".to_owned()),
            [b"sentinel", ..] => Err("sentinel directive while not in sentinel mode".to_owned()),
            [name] if name.contains(&b'.') => Err("Module config specified without value".to_owned()),
            [name, ..] if name.contains(&b'.') => {
                Err("modules are not supported by this version of Vireo".to_owned())
            }
            _ => Err("Bad directive or wrong number of arguments".to_owned()),
        }
    }

    fn change_folder(&mut self) -> Result<(), String> {
        let folder = self.config.value("dir").unwrap_or(b".").to_vec();
        std::env::set_current_dir(OsStr::from_bytes(&folder)).map_err(|error| error_text(&error))
    }

    fn command(&self, name: &[u8]) -> Option<&'static Command> {
        match self.renamed.get(&name.to_ascii_lowercase()) {
            Some(renamed) => *renamed,
            None => table::lookup(name),
        }
    }

    fn rename(&mut self, old: &[u8], new: &[u8]) -> Result<(), String> {
        let command = self.command(old).ok_or("No such command in rename-command")?;
        self.renamed.insert(old.to_ascii_lowercase(), None);
        if new.is_empty() {
            return Ok(());
        }
        if self.command(new).is_some() {
            return Err("Target command name already exists".to_owned());
        }
        self.renamed.insert(new.to_ascii_lowercase(), Some(command));
        Ok(())
    }

    /// What is checked when all is read.
    fn finish(&mut self) -> Result<(), LoadError> {
        if let Some((name, why)) = self.config.unbuilt() {
            let place = self.places.get(name).cloned().unwrap_or_default();
            return Err(LoadError::Line(place, why));
        }
        if let Some(place) = self.open_user.take_if(|_| !self.config.settings().requirepass.is_empty()) {
            return Err(LoadError::Line(place, NO_USERS.to_owned()));
        }
        let log = self.config.text("logfile");
        if !log.is_empty() {
            let opened = OpenOptions::new().create(true).append(true).open(&log);
            opened.map_err(|error| {
                LoadError::Whole(format!("Can't open the log file: {}", error_text(&error)))
            })?;
        }
        self.config.set_by_host("dir", &working_folder());
        Ok(())
    }
}

/// The working folder, as CONFIG GET `dir` shows it; empty when it is gone.
pub(crate) fn working_folder() -> String {
    std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default()
}

/// Whether a `user` line says what holds without it, as CONFIG REWRITE of Valkey puts it into every file.
fn grants_all(words: &[&[u8]]) -> bool {
    let Some((b"default", rules)) = words.split_first().map(|(name, rules)| (*name, rules)) else {
        return false;
    };
    let needed: [&[u8]; 5] = [b"on", b"nopass", b"~*", b"&*", b"+@all"];
    let harmless: [&[u8]; 2] = [b"sanitize-payload", b"skip-sanitize-payload"];
    needed.iter().all(|rule| rules.contains(rule))
        && rules.iter().all(|rule| needed.contains(rule) || harmless.contains(rule))
}

/// The files that an include names: one, or those that a pattern matches, by name.
fn expand(pattern: &[u8]) -> Vec<PathBuf> {
    let is_pattern = |text: &[u8]| text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    let as_path = |text: &[u8]| PathBuf::from(OsStr::from_bytes(text));
    if !is_pattern(pattern) {
        return vec![as_path(pattern)];
    }
    let mut found = vec![if pattern.starts_with(b"/") { as_path(b"/") } else { PathBuf::new() }];
    for part in pattern.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        found = if is_pattern(part) {
            found.iter().flat_map(|folder| matches_in(folder, part)).collect()
        } else {
            found.iter().map(|folder| folder.join(as_path(part))).collect()
        };
        //= valkey 9.1 include: a pattern that matches nothing is no error
        found.retain(|path| path.exists());
    }
    found
}

/// What a folder has that the pattern matches, by name. Hidden entries match only a pattern that begins with a dot.
fn matches_in(folder: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(listed).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().into_vec());
    let mut names: Vec<Vec<u8>> = names
        .filter(|name| name.starts_with(b".") == pattern.starts_with(b"."))
        .filter(|name| glob_match(pattern, name, Case::Sensitive))
        .collect();
    names.sort_unstable();
    names.iter().map(|name| folder.join(OsStr::from_bytes(name))).collect()
}

/// The system's words for an error, without its number.
pub(crate) fn error_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// Writes a configuration file anew, in place of the old one at once.
pub(crate) fn rewrite<F: Files>(path: &str, config: &Config, extent: RewriteExtent) -> Result<(), String> {
    let old = match F::read(path.as_bytes()) {
        Ok(old) => old,
        Err(error) if error.kind == IoErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    let scratch = format!("{path}.{}.tmp", std::process::id());
    replace::<F>(path, &scratch, &config::rewrite(&old, config, extent)).inspect_err(|_| {
        // The scratch file is of no use to anybody; that it cannot be removed changes nothing.
        let _ = F::remove(scratch.as_bytes());
    })
}

/// Puts a text into a file so that a crash at any moment leaves the old text or the new one.
fn replace<F: Files>(path: &str, scratch: &str, text: &[u8]) -> Result<(), String> {
    let mut file = F::create(scratch.as_bytes(), FILE_MODE).map_err(|error| error.to_string())?;
    let mut left = text;
    while !left.is_empty() {
        match F::write(&mut file, left) {
            Ok(0) => return Err("the file takes nothing more".to_owned()),
            Ok(count) => left = left.get(count..).unwrap_or(b""),
            Err(error) if error.kind == IoErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).as_os_str().as_bytes();
    F::sync(&mut file)
        .and_then(|()| F::rename(scratch.as_bytes(), path.as_bytes()))
        .and_then(|()| F::sync_folder(folder))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vireo_backend::Backend;
    use vireo_core::platform::Platform;

    use super::{LoadError, Loaded, RewriteExtent, Source, load, rewrite};
    use crate::args::RunArgs;

    type Files = <Backend as Platform>::Files;

    fn read(text: &str) -> Result<Loaded, (usize, String)> {
        let mut loaded = Loaded::default();
        let taken = loaded.take_all::<Files>(Source::text("test", text.as_bytes().to_vec()));
        match taken.and_then(|()| loaded.finish()) {
            Ok(()) => Ok(loaded),
            Err(LoadError::Line(place, why)) => Err((place.line, why)),
            Err(other) => Err((0, other.to_string())),
        }
    }

    fn load_file(file: &Path, lines: &str) -> Result<Loaded, LoadError> {
        let file = Some(file.as_os_str().as_encoded_bytes().to_vec());
        load::<Files>(&RunArgs { file, stdin: false, lines: lines.into() })
    }

    #[test]
    fn lines_and_quotes() {
        let loaded = read(
            "# comment\n\n  PORT 7001\r\nrequirepass \"a b\"\nbind 127.0.0.1 -::1\nsave ''\ndynamic-hz yes\n\
             client-output-buffer-limit normal 1 2 3\nuser default on nopass sanitize-payload ~* &* +@all",
        );
        assert!(loaded.is_err_and(|(line, _)| line == 9), "a password and a user line contradict each other");
        let loaded =
            read("user default on nopass ~* &* +@all\nPort 7001\nbind 127.0.0.1 -::1\nlogfile \"\"").unwrap();
        assert_eq!(loaded.config.text("port"), "7001");
        assert_eq!(loaded.config.text("bind"), "127.0.0.1 -::1");
        assert_eq!(loaded.config.text("dir"), std::env::current_dir().unwrap().display().to_string());
    }

    #[test]
    fn wrong_lines_are_told_with_their_number() {
        let bad = [
            ("port 1\nno-such yes\n", "Bad directive or wrong number of arguments"),
            ("\nport\n", "wrong number of arguments"),
            ("\nport 1 2\n", "wrong number of arguments"),
            ("\nport x\n", "argument couldn't be parsed into an integer"),
            ("\nport \"1\n", "Unbalanced quotes in configuration line"),
            ("\nsave 3600 1\nport 1", "saving to disk is not supported by this version of Vireo"),
            ("\nappendonly yes\n", "append-only files are not supported by this version of Vireo"),
            ("\nuser alice on\n", "ACL users are not supported by this version of Vireo"),
            ("\nloadmodule x.so\n", "modules are not supported by this version of Vireo"),
            ("\nmod.option 1\n", "modules are not supported by this version of Vireo"),
            ("\nmod.option\n", "Module config specified without value"),
            ("\nsentinel monitor\n", "sentinel directive while not in sentinel mode"),
            ("\nrename-command no-such x\n", "No such command in rename-command"),
            ("\nrename-command GET SET\n", "Target command name already exists"),
            ("\ndir /no/such/folder\n", "No such file or directory"),
            ("\ninclude\n", "Bad directive or wrong number of arguments"),
            ("\ndynamic-hz yes no\n", "Bad directive or wrong number of arguments"),
        ];
        for (text, why) in bad {
            assert_eq!(read(text).map(|_| ()), Err((2, why.to_owned())), "{text}");
        }
        let error = "Can't open the log file: No such file or directory";
        assert!(read("logfile /no/such/folder/log").is_err_and(|(_, why)| why.ends_with(error)));
    }

    #[test]
    fn what_is_not_built_may_be_taken_back() {
        assert!(read("save 900 1\nappendonly yes\nsave \"\"\nappendonly no").is_ok());
    }

    #[test]
    fn commands_get_other_names() {
        let loaded =
            read("rename-command GET Fetch\nrename-command SET GET\nrename-command FLUSHALL \"\"").unwrap();
        assert_eq!(loaded.command(b"FETCH").map(|command| command.name), Some("get"));
        assert_eq!(loaded.command(b"get").map(|command| command.name), Some("set"));
        assert!(loaded.command(b"set").is_none() && loaded.command(b"flushall").is_none());
        assert!(loaded.command(b"del").is_some());
    }

    #[test]
    fn includes_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("conf.d")).unwrap();
        std::fs::write(at("conf.d/20.conf"), "port 20\nhz 20").unwrap();
        std::fs::write(at("conf.d/10.conf"), "port 10\ntimeout 10").unwrap();
        std::fs::write(at("conf.d/.hidden.conf"), "wrong").unwrap();
        let shown = folder.path().display();
        let main = format!("include {shown}/conf.[d]/*.conf\ninclude {shown}/none*\ntimeout 1\n");
        std::fs::write(at("main.conf"), main).unwrap();
        let loaded = load_file(&at("main.conf"), "hz 30").unwrap();
        let texts = ["port", "timeout", "hz"].map(|name| loaded.config.text(name));
        assert_eq!(texts, ["20", "1", "30"]);
        assert_eq!(loaded.path.as_deref(), Some(at("main.conf").as_path()));
    }

    #[test]
    fn errors_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let shown = folder.path().display();
        std::fs::write(at("loop.conf"), format!("include {shown}/loop.conf\n")).unwrap();
        let told = load_file(&at("loop.conf"), "").unwrap_err().to_string();
        assert!(told.ends_with("Too many nested include files"), "{told}");
        std::fs::write(at("outer.conf"), format!("port 1\ninclude {shown}/inner.conf\n")).unwrap();
        let told = load_file(&at("outer.conf"), "").unwrap_err().to_string();
        let missing =
            format!("Fatal error, can't open config file '{shown}/inner.conf': No such file or directory");
        assert_eq!(told, missing);
        std::fs::write(at("inner.conf"), "# x\n\n  foo  bar \n").unwrap();
        let told = load_file(&at("outer.conf"), "").unwrap_err().to_string();
        let expected = format!(
            "\n*** FATAL CONFIG FILE ERROR (Version {}) ***\n\
             Reading the configuration file, at line 3 of {shown}/inner.conf\n\
             >>> 'foo  bar'\nBad directive or wrong number of arguments",
            super::VERSION
        );
        assert_eq!(told, expected);
        let told = load_file(&at("inner.conf"), "port \"6379\" \"6380\" ").unwrap_err().to_string();
        assert!(told.contains("FATAL CONFIG FILE ERROR"));
        std::fs::write(at("inner.conf"), "").unwrap();
        let told = load_file(&at("inner.conf"), "hz 1\nport \"6379\" \"6380\" ").unwrap_err().to_string();
        assert!(
            told.contains("at line 2 of the command line\n>>> 'port \"6379\" \"6380\"'\nwrong number"),
            "{told}"
        );
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vireo.conf");
        std::fs::write(&path, "# mine\ntimeout 1\n").unwrap();
        let mut loaded = load_file(&path, "").unwrap();
        loaded.config.set_by_host("timeout", "5");
        rewrite::<Files>(path.to_str().unwrap(), &loaded.config, RewriteExtent::Changed).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("# mine\ntimeout 5\n"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no scratch file stays");
        assert_eq!(load_file(&path, "").unwrap().config.text("timeout"), "5");
        std::fs::remove_file(&path).unwrap();
        rewrite::<Files>(path.to_str().unwrap(), &loaded.config, RewriteExtent::Changed).unwrap();
        assert!(path.exists(), "a file that is gone is written anew");
        let gone = folder.path().join("no/such.conf");
        let gone = rewrite::<Files>(gone.to_str().unwrap(), &loaded.config, RewriteExtent::Changed);
        assert_eq!(gone, Err("No such file or directory".into()));
    }
}
