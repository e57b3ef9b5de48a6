//! The configuration file: reading it, its includes and the options of the command line, and writing it anew.

use std::io::Read;
use std::path::Path;

use vireo_core::commands::table::{self, Command};
use vireo_core::config::{self, Config, split_words};

/// Files that include one another may nest so deep.
const INCLUDE_DEPTH_MAX: usize = 16;

/// A line that is wrong.
#[derive(Debug)]
pub(crate) struct FileError {
    /// The file; "command line" for options.
    pub(crate) file: String,
    /// Its number from one; 0 when the file itself is at fault.
    pub(crate) line: usize,
    /// The line itself.
    pub(crate) text: String,
    /// What is wrong.
    pub(crate) why: String,
}

/// What the files and options say.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All directives.
    pub(crate) config: Config,
    /// `rename-command`: old name and new; an empty new name hides the command.
    pub(crate) renamed: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Loaded {
    /// The commands that have other names now.
    pub(crate) fn renamed_commands(&self) -> Vec<(Vec<u8>, Option<&'static Command>)> {
        let mut all = Vec::new();
        for (old, new) in &self.renamed {
            all.push((old.to_ascii_lowercase(), None));
            if !new.is_empty() {
                all.push((new.to_ascii_lowercase(), table::lookup(old)));
            }
        }
        all
    }

    /// Reads a file.
    pub(crate) fn load_file(&mut self, path: &Path, depth: usize) -> Result<(), FileError> {
        let failed =
            |why: String| FileError { file: path.display().to_string(), line: 0, text: String::new(), why };
        if depth > INCLUDE_DEPTH_MAX {
            return Err(failed("too many nested includes".to_owned()));
        }
        let text = std::fs::read(path).map_err(|error| failed(format!("can't open config file: {error}")))?;
        self.load_text(&text, &path.display().to_string(), depth)
    }

    /// Reads a file from standard input.
    pub(crate) fn load_stdin(&mut self) -> Result<(), FileError> {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).map_err(|error| FileError {
            file: "standard input".to_owned(),
            line: 0,
            text: String::new(),
            why: error.to_string(),
        })?;
        self.load_text(&text, "standard input", 0)
    }

    /// Takes the lines of a text.
    pub(crate) fn load_text(&mut self, text: &[u8], file: &str, depth: usize) -> Result<(), FileError> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            self.load_line(line, depth).map_err(|failure| match failure {
                Failure::Here(why) => FileError {
                    file: file.to_owned(),
                    line: index + 1,
                    text: String::from_utf8_lossy(line).into_owned(),
                    why,
                },
                Failure::Included(error) => error,
            })?;
        }
        Ok(())
    }

    fn load_line(&mut self, line: &[u8], depth: usize) -> Result<(), Failure> {
        let here = |why: &str| Failure::Here(why.to_owned());
        let words = split_words(line).ok_or_else(|| here("Unbalanced quotes in configuration line"))?;
        let Some((name, args)) = words.split_first() else { return Ok(()) };
        match name.to_ascii_lowercase().as_slice() {
            b"include" if args.len() == 1 => self.include(&args[0], depth),
            b"rename-command" if args.len() == 2 => {
                if table::lookup(&args[0]).is_none() {
                    return Err(here("No such command in rename-command"));
                }
                self.renamed.push((args[0].clone(), args[1].clone()));
                Ok(())
            }
            b"user" => Err(here("ACL users: not supported by this version of Vireo")),
            b"loadmodule" => Err(here("modules: not supported by this version of Vireo")),
            _ => self.set(&words),
        }
    }

    fn set(&mut self, words: &[Vec<u8>]) -> Result<(), Failure> {
        let outcome = self.config.set_line(words);
        outcome.map(drop).map_err(|error| Failure::Here(error.reason().to_owned()))?;
        match self.config.unbuilt() {
            Some((_, why)) => Err(Failure::Here(why)),
            None => Ok(()),
        }
    }

    fn include(&mut self, pattern: &[u8], depth: usize) -> Result<(), Failure> {
        let pattern = String::from_utf8_lossy(pattern).into_owned();
        let path = Path::new(&pattern);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.contains(['*', '?', '[']) {
            return self.load_file(path, depth + 1).map_err(Failure::Included);
        }
        // The last part may be a pattern; nothing that matches is no error.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut found: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
        found.sort_by_key(std::fs::DirEntry::file_name);
        for entry in found {
            let matches = vireo_core::glob::glob_match(
                name.as_bytes(),
                entry.file_name().to_string_lossy().as_bytes(),
                vireo_core::glob::Case::Sensitive,
            );
            if matches {
                self.load_file(&entry.path(), depth + 1).map_err(Failure::Included)?;
            }
        }
        Ok(())
    }
}

/// Where a line failed.
enum Failure {
    Here(String),
    Included(FileError),
}

/// Writes a configuration file anew, in place of the old one at once.
pub(crate) fn rewrite(path: &str, config: &Config) -> Result<(), String> {
    let old = match std::fs::read(path) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    let text = config::rewrite(&old, config);
    let scratch = format!("{path}.{}-tmp", std::process::id());
    let write = || -> std::io::Result<()> {
        std::fs::write(&scratch, &text)?;
        std::fs::File::open(&scratch)?.sync_all()?;
        std::fs::rename(&scratch, path)
    };
    write().map_err(|error| {
        // The scratch file is of no use to anybody; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&scratch);
        error.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::Loaded;

    #[test]
    fn lines_quotes_and_errors() {
        let mut loaded = Loaded::default();
        let text = b"# comment\n\nport 7001\nrequirepass \"a b\"\nbind 127.0.0.1 -::1\nsave \"\"\nrename-command FLUSHALL \"\"\n";
        loaded.load_text(text, "test", 0).unwrap();
        assert_eq!(loaded.config.text("port"), "7001");
        assert_eq!(loaded.config.text("requirepass"), "a b");
        assert_eq!(loaded.config.text("bind"), "127.0.0.1 -::1");
        assert_eq!(loaded.renamed_commands().len(), 1);
        let bad: [(&[u8], &str); 5] = [
            (b"port 1\nno-such yes\n", "Bad directive or wrong number of arguments"),
            (b"\nport\n", "wrong number of arguments"),
            (b"\nport 1 2\n", "wrong number of arguments"),
            (b"\nport x\n", "argument couldn't be parsed into an integer"),
            (b"\nsave 3600 1\n", "saving to disk is not supported by this version of Vireo"),
        ];
        for (text, why) in bad {
            let error = Loaded::default().load_text(text, "test", 0).unwrap_err();
            assert_eq!((error.line, error.why.as_str()), (2, why));
        }
    }
}
