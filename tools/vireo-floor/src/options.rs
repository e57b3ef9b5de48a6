//! What the command line asks for.

/// What `--version` prints.
pub(crate) const VERSION: &str = concat!("vireo-floor ", env!("CARGO_PKG_VERSION"));

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Usage: vireo-floor --request-len BYTES [--reply TEXT | --value-len BYTES] [--port PORT]

Answers a constant to every so many bytes, on the loopback address, with the server's event loop and
without reading what has come: the least that a request costs.

 --request-len <n>  bytes of one request
 --reply <text>     the reply, a line: +OK if nothing else is said
 --value-len <n>    the reply is a string of so many bytes instead, as GET answers
 --port <port>      the port; 0, which is taken without this, is any that is free
 --help             this text
 --version          the version

A connection that begins with CONFIG, as load generators' do, is answered an error to each such request.
";

/// Longest request and longest value.
const LEN_MAX: usize = 1 << 30;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub port: u16,
    pub request_len: usize,
    /// One reply, whole.
    pub reply: Vec<u8>,
}

/// What the command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// To answer.
    Run(Options),
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// Words for the user.
pub(crate) fn parse(arguments: &[String]) -> Result<Asked, String> {
    let mut options = Options { port: 0, request_len: 0, reply: b"+OK\r\n".to_vec() };
    let (mut words, mut has_reply) = (arguments.iter(), false);
    while let Some(name) = words.next() {
        match name.as_str() {
            "--help" => return Ok(Asked::Help),
            "--version" => return Ok(Asked::Version),
            _ => {}
        }
        let value = words.next().ok_or_else(|| format!("{name} is no option, or its value is missing"))?;
        if matches!(name.as_str(), "--reply" | "--value-len") && core::mem::replace(&mut has_reply, true) {
            return Err("there is one reply: --reply or --value-len".to_owned());
        }
        match name.as_str() {
            "--port" => options.port = number(name, value, 0, u16::MAX.into())?,
            "--request-len" => options.request_len = number(name, value, 1, LEN_MAX)?,
            "--reply" => options.reply = format!("{value}\r\n").into_bytes(),
            "--value-len" => options.reply = bulk(number(name, value, 0, LEN_MAX)?),
            _ => return Err(format!("there is no option {name}")),
        }
    }
    if options.request_len == 0 {
        return Err("--request-len is needed".to_owned());
    }
    Ok(Asked::Run(options))
}

/// A string of so many bytes, as it is sent.
fn bulk(len: usize) -> Vec<u8> {
    let mut reply = format!("${len}\r\n").into_bytes();
    reply.resize(reply.len() + len, b'x');
    reply.extend_from_slice(b"\r\n");
    reply
}

fn number<N: TryFrom<usize>>(name: &str, value: &str, least: usize, most: usize) -> Result<N, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| format!("{name} needs a number from {least} to {most}, not \"{value}\""))
}

#[cfg(test)]
mod tests {
    use super::{Asked, Options, parse};

    fn asked(line: &str) -> Result<Asked, String> {
        parse(&line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn command_lines() {
        let run = |port, request_len, reply: &[u8]| {
            Ok(Asked::Run(Options { port, request_len, reply: reply.to_vec() }))
        };
        assert_eq!(asked("--request-len 36"), run(0, 36, b"+OK\r\n"));
        assert_eq!(asked("--port 65535 --request-len 14 --reply +PONG"), run(65535, 14, b"+PONG\r\n"));
        assert_eq!(asked("--value-len 3 --request-len 1"), run(0, 1, b"$3\r\nxxx\r\n"));
        assert_eq!(asked("--value-len 0 --request-len 1"), run(0, 1, b"$0\r\n\r\n"));
        assert_eq!((asked("--help"), asked("--port 1 --version")), (Ok(Asked::Help), Ok(Asked::Version)));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (line, words) in [
            ("", "--request-len is needed"),
            ("--request-len 0", "--request-len needs a number from 1 to 1073741824, not \"0\""),
            ("--request-len 1 --port 65536", "--port needs a number from 0 to 65535, not \"65536\""),
            ("--request-len", "--request-len is no option, or its value is missing"),
            ("--nosuch 1", "there is no option --nosuch"),
            ("--request-len 1 --reply a --value-len 1", "there is one reply: --reply or --value-len"),
        ] {
            assert_eq!(asked(line), Err(words.to_owned()), "{line}");
        }
    }
}
