//! The command line: `vireo-server [FILE] [--name value ...] [-]`.
//!
//! Options become lines of configuration that are read after the file and standard input. A word that begins with
//! `--` starts a line, unless the name before it still has no value: so `--proc-title-template --my-title` works,
//! and the value is the word with its dashes. Name and values may stand in one word: `"--bind a b"`.
//! Source: Valkey 9.1 `server.c` (`main`).

use vireo_core::config::{push_quoted, split_words};

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
    /// Write and read back so many MiB of memory.
    TestMemory(usize),
    /// Say that this cannot be done.
    Unsupported(&'static str),
}

/// How to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RunArgs {
    /// The configuration file.
    pub(crate) file: Option<Vec<u8>>,
    /// Read a configuration from standard input too.
    pub(crate) stdin: bool,
    /// Directives, a line each, to be taken after the file.
    pub(crate) lines: Vec<u8>,
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(args: &[Vec<u8>]) -> Asked {
    match args.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Asked::Version,
        Some(b"-h" | b"--help") => return Asked::Help,
        Some(b"--check-system") => return Asked::CheckSystem,
        Some(b"--test-memory") => return test_memory(args),
        _ => {}
    }
    if args.iter().any(|arg| arg == b"--sentinel") {
        return Asked::Unsupported("Sentinel mode is not supported by this version of Vireo");
    }
    Asked::Run(run_args(args))
}

fn test_memory(args: &[Vec<u8>]) -> Asked {
    let mebibytes = match args {
        [_, size] => str::from_utf8(size).ok().and_then(|size| size.parse().ok()).filter(|size| *size > 0),
        _ => None,
    };
    mebibytes.map_or(
        Asked::Unsupported(
            "Please specify the amount of memory to test in megabytes.\n\
             Example: vireo-server --test-memory 4096\n",
        ),
        Asked::TestMemory,
    )
}

fn run_args(args: &[Vec<u8>]) -> RunArgs {
    let mut run = RunArgs::default();
    let mut from = 0;
    if let Some(first) = args.first()
        && !first.starts_with(b"-")
    {
        run.file = Some(first.clone());
        from = 1;
    }
    // The name before has a value, or needs none.
    let mut complete = true;
    for (index, word) in args.iter().enumerate().skip(from) {
        let is_last = index + 1 == args.len();
        if word == b"-" && (index == 0 || is_last) {
            run.stdin = true;
        } else if let Some(line) = word.strip_prefix(b"--").filter(|_| complete) {
            if !run.lines.is_empty() {
                run.lines.push(b'\n');
            }
            run.lines.extend_from_slice(line);
            run.lines.push(b' ');
            complete = split_words(word).is_none_or(|words| words.len() != 1);
            let next_is_option = args.get(index + 1).is_some_and(|next| next.starts_with(b"--"));
            //= valkey 9.1: `--save` without a value sets no save points, even before another option
            if !complete && word.eq_ignore_ascii_case(b"--save") && (next_is_option || is_last) {
                run.lines.extend_from_slice(b"\"\"");
                complete = true;
            }
        } else {
            push_quoted(&mut run.lines, word);
            run.lines.push(b' ');
            complete = true;
        }
    }
    run
}

#[cfg(test)]
mod tests {
    use super::{Asked, RunArgs, parse};

    fn asked(words: &[&str]) -> Asked {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        parse(&words)
    }

    fn run(words: &[&str]) -> RunArgs {
        match asked(words) {
            Asked::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    fn lines(words: &[&str]) -> Vec<String> {
        let text = String::from_utf8(run(words).lines).unwrap();
        text.split('\n').map(|line| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn one_word_questions() {
        assert_eq!(asked(&["--version"]), Asked::Version);
        assert_eq!(asked(&["-v", "x"]), Asked::Version);
        assert_eq!(asked(&["-h"]), Asked::Help);
        assert_eq!(asked(&["--check-system"]), Asked::CheckSystem);
        assert_eq!(asked(&["--test-memory", "16"]), Asked::TestMemory(16));
        for wrong in [&["--test-memory"][..], &["--test-memory", "x"], &["--test-memory", "1", "2"]] {
            assert!(matches!(asked(wrong), Asked::Unsupported(_)));
        }
        assert!(matches!(asked(&["a.conf", "--sentinel"]), Asked::Unsupported(_)));
    }

    #[test]
    fn file_and_standard_input() {
        assert_eq!(run(&[]), RunArgs::default());
        assert_eq!(run(&["a.conf"]).file.as_deref(), Some(&b"a.conf"[..]));
        assert!(run(&["-"]).stdin);
        assert!(run(&["-", "--port", "1"]).stdin);
        assert!(run(&["a.conf", "--port", "1", "-"]).stdin);
        assert_eq!(lines(&["a.conf", "--logfile", "-", "--port", "1"]), ["logfile \"-\"", "port \"1\""]);
        assert_eq!(lines(&["a.conf", "loglevel", "verbose"]), ["\"loglevel\" \"verbose\""]);
    }

    #[test]
    fn options_become_lines() {
        let cases: [(&[&str], &[&str]); 14] = [
            (&["--port", "7000", "--bind", "a", "b"], &["port \"7000\"", "bind \"a\" \"b\""]),
            (&["--maxmemory 700mb", "--hz '10'"], &["maxmemory 700mb", "hz '10'"]),
            (&["--port", "6379", "6380"], &["port \"6379\" \"6380\""]),
            (&["--port", "--loglevel", "verbose"], &["port \"--loglevel\" \"verbose\""]),
            (&["--port", "--bla", "--loglevel", "verbose"], &["port \"--bla\"", "loglevel \"verbose\""]),
            (&["--port"], &["port"]),
            (&["--save"], &["save \"\""]),
            (&["--save", "--loglevel", "verbose"], &["save \"\"", "loglevel \"verbose\""]),
            (&["--save", "", "--port", "1"], &["save \"\"", "port \"1\""]),
            (&["--save", "100", "100"], &["save \"100\" \"100\""]),
            (
                &["--proc-title-template", "--save", "--save", ""],
                &["proc-title-template \"--save\"", "save \"\""],
            ),
            (&["--proc-title-template --x", "--port 1"], &["proc-title-template --x", "port 1"]),
            (
                &["--shutdown-on-sigint", "nosave force", "now"],
                &["shutdown-on-sigint \"nosave force\" \"now\""],
            ),
            (&["--requirepass", "a \"b\""], &["requirepass \"a \\\"b\\\"\""]),
        ];
        for (words, expected) in cases {
            assert_eq!(lines(words), expected, "{words:?}");
        }
    }
}
