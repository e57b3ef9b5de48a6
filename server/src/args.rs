//! The command line: a configuration file, then directives as options.
//!
//! `vireo-server [FILE | -] [--name value ...]`. A word that begins with `--` starts a directive; the words up to
//! the next one are its arguments.

use vireo_core::config::push_quoted;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Run.
    Run(RunArgs),
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
    /// Judge the system.
    CheckSystem,
    /// Say that this cannot be done.
    Unsupported(&'static str),
}

/// How to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RunArgs {
    /// The configuration file.
    pub(crate) file: Option<String>,
    /// Read a configuration from standard input too.
    pub(crate) stdin: bool,
    /// Directives, a line each, to be taken after the file.
    pub(crate) lines: Vec<u8>,
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(args: &[String]) -> Asked {
    if let [only] = args {
        match only.as_str() {
            "-v" | "--version" => return Asked::Version,
            "-h" | "--help" => return Asked::Help,
            "--check-system" => return Asked::CheckSystem,
            _ => {}
        }
    }
    match args.first().map(String::as_str) {
        Some("--test-memory") => {
            return Asked::Unsupported("--test-memory is not supported; use memtester or memtest86+");
        }
        Some("--sentinel") => {
            return Asked::Unsupported("Sentinel mode is not supported by this version of Vireo");
        }
        _ => {}
    }
    let mut run = RunArgs::default();
    let mut rest = args;
    if let [first, tail @ ..] = args
        && !first.starts_with("--")
    {
        if first == "-" {
            run.stdin = true;
        } else {
            run.file = Some(first.clone());
        }
        rest = tail;
    }
    let mut open = false;
    for word in rest {
        if word == "-" && !open {
            run.stdin = true;
        } else if let Some(name) = word.strip_prefix("--") {
            run.lines.push(b'\n');
            run.lines.extend_from_slice(name.as_bytes());
            open = true;
        } else {
            run.lines.push(b' ');
            push_quoted(&mut run.lines, word.as_bytes());
        }
    }
    run.lines.push(b'\n');
    Asked::Run(run)
}

/// The usage text.
pub(crate) const USAGE: &str = "\
Usage: vireo-server [FILE] [OPTIONS] [-]

  FILE              a configuration file; every directive is described by CONFIG GET and Valkey's manual
  -                 read further directives from standard input
  --NAME VALUE...   any directive as an option, taken after the file
  -v, --version     print the version and end
  -h, --help        print this and end
  --check-system    judge whether this machine suits a server, and end

Examples:
  vireo-server                                   run with the defaults, on port 6379
  vireo-server /etc/valkey/valkey.conf
  vireo-server --port 7000 --bind 127.0.0.1 --save \"\"
  vireo-server valkey.conf --loglevel verbose
  echo 'maxmemory 128mb' | vireo-server -
";

#[cfg(test)]
mod tests {
    use super::{Asked, parse};

    fn run(words: &[&str]) -> (Option<String>, bool, String) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match parse(&words) {
            Asked::Run(run) => (run.file, run.stdin, String::from_utf8(run.lines).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_options_and_quotes() {
        assert_eq!(run(&[]), (None, false, "\n".into()));
        let (file, _, lines) = run(&["a.conf", "--port", "7000", "--save", "", "--bind", "a", "b"]);
        assert_eq!(file.as_deref(), Some("a.conf"));
        assert_eq!(lines, "\nport \"7000\"\nsave \"\"\nbind \"a\" \"b\"\n");
        assert!(run(&["-", "--port", "1"]).1);
        assert_eq!(parse(&["--version".into()]), Asked::Version);
        assert_eq!(parse(&["-h".into()]), Asked::Help);
    }
}
