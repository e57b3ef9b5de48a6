//! The log: Valkey's line formats, to standard output, a file or the system's log.
//!
//! `PID:ROLE DD Mon YYYY hh:mm:ss.mmm LEVEL MESSAGE`, local time; or one record of `logfmt` or JSON a line. The file is
//! opened anew for each line, so that whoever rotates it need not tell the server. Lines are written at
//! once and one by one.
#![expect(unsafe_code, reason = "local time and syslog are libc's")]

use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicU8, Ordering};
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Mutex;

use vireo_core::config::Config;
use vireo_core::engine::host::LogLevel;

/// Longest message, bytes.
const MESSAGE_LEN_MAX: usize = 1024;
/// Above every level: nothing is written.
const NOTHING: u8 = 4;

/// The lowest level that is written, apart from the rest so that asking costs nothing.
static THRESHOLD: AtomicU8 = AtomicU8::new(LogLevel::Notice as u8);
static LOG: Mutex<Log> =
    Mutex::new(Log { path: String::new(), format: Format::Legacy, time: TimeFormat::Legacy, syslog: false });

struct Log {
    /// Where lines go; empty: standard output.
    path: String,
    format: Format,
    time: TimeFormat,
    syslog: bool,
}

/// How a line is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Legacy,
    Logfmt,
    Json,
}

/// How a moment is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeFormat {
    Legacy,
    Iso8601,
    Milliseconds,
}

/// Takes level, place and formats from the configuration; at start-up and after each change of them.
pub(crate) fn configure(config: &Config) {
    let threshold = match config.value("loglevel") {
        Some(b"debug") => LogLevel::Debug as u8,
        Some(b"verbose") => LogLevel::Verbose as u8,
        Some(b"warning") => LogLevel::Warning as u8,
        Some(b"nothing") => NOTHING,
        _ => LogLevel::Notice as u8,
    };
    // ORDERING: a lone number; a thread that sees it late writes or drops a line more.
    THRESHOLD.store(threshold, Ordering::Relaxed);
    let Ok(mut log) = LOG.lock() else { return };
    let syslog = config.is_on("syslog-enabled");
    if syslog && !log.syslog {
        open_syslog(&config.text("syslog-ident"), &config.text("syslog-facility"));
    }
    *log = Log {
        path: config.text("logfile"),
        format: match config.value("log-format") {
            Some(b"logfmt") => Format::Logfmt,
            Some(b"json") => Format::Json,
            _ => Format::Legacy,
        },
        time: match config.value("log-timestamp-format") {
            Some(b"iso8601") => TimeFormat::Iso8601,
            Some(b"milliseconds") => TimeFormat::Milliseconds,
            _ => TimeFormat::Legacy,
        },
        syslog,
    };
}

fn open_syslog(ident: &str, facility: &str) {
    let facility = match facility.strip_prefix("local").and_then(|digit| digit.parse::<i32>().ok()) {
        Some(digit) => (16 + digit) << 3,
        None => libc::LOG_USER,
    };
    let ident = CString::new(ident).unwrap_or_default();
    // SAFETY: the C library keeps the pointer, so the text is given up for good.
    unsafe { libc::openlog(ident.into_raw(), libc::LOG_PID | libc::LOG_NDELAY | libc::LOG_NOWAIT, facility) };
}

/// Whether lines of a level are written.
pub(crate) fn wants(level: LogLevel) -> bool {
    // ORDERING: see the store in `configure`.
    level as u8 >= THRESHOLD.load(Ordering::Relaxed)
}

/// Writes a line.
pub(crate) fn write(level: LogLevel, unix_us: i64, message: fmt::Arguments<'_>) {
    if !wants(level) {
        return;
    }
    let message = shortened(message.to_string());
    let Ok(log) = LOG.lock() else { return };
    let line = log.format.line(level, &log.time.text(unix_us), &message);
    log.put(&line);
    if log.syslog {
        send_to_syslog(level, &message);
    }
}

/// Writes a line where no clock is at hand.
pub(crate) fn note(level: LogLevel, message: fmt::Arguments<'_>) {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    write(level, now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000), message);
}

/// Writes a text as it is.
pub(crate) fn write_raw(level: LogLevel, text: &str) {
    if wants(level)
        && let Ok(log) = LOG.lock()
    {
        log.put(text);
    }
}

/// A message cut to the reference's length, at a character's end.
fn shortened(mut message: String) -> String {
    if message.len() >= MESSAGE_LEN_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_LEN_MAX - 1));
    }
    message
}

impl Log {
    fn put(&self, text: &str) {
        // A log that cannot be written to is nothing the server can do about.
        let _ = if self.path.is_empty() {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        } else {
            let opened = OpenOptions::new().create(true).append(true).open(&self.path);
            opened.and_then(|mut file| file.write_all(text.as_bytes()))
        };
    }
}

impl Format {
    fn line(self, level: LogLevel, time: &str, message: &str) -> String {
        let pid = std::process::id();
        let (mark, word) = match level {
            LogLevel::Debug => ('.', "debug"),
            LogLevel::Verbose => ('-', "verbose"),
            LogLevel::Notice => ('*', "notice"),
            LogLevel::Warning => ('#', "warning"),
        };
        //= valkey 9.1 log-format: records call "verbose" "info"
        let word = if word == "verbose" { "info" } else { word };
        match self {
            Self::Legacy => format!("{pid}:M {time} {mark} {message}\n"),
            Self::Logfmt => {
                let message = message.replace('"', "'").replace(['\n', '\r'], " ");
                format!("pid={pid} role=primary timestamp=\"{time}\" level={word} message=\"{message}\"\n")
            }
            Self::Json => {
                let message = json_text(message);
                format!(
                    "{{\"pid\":{pid},\"role\":\"primary\",\"timestamp\":\"{time}\",\"level\":\"{word}\",\
                     \"message\":{message}}}\n"
                )
            }
        }
    }
}

fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '\\' | '"' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\0'..='\u{1f}' => {
                // Writing into a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

fn send_to_syslog(level: LogLevel, message: &str) {
    let priority = match level {
        LogLevel::Debug => libc::LOG_DEBUG,
        LogLevel::Verbose => libc::LOG_INFO,
        LogLevel::Notice => libc::LOG_NOTICE,
        LogLevel::Warning => libc::LOG_WARNING,
    };
    let Ok(text) = CString::new(message.replace('\0', " ")) else { return };
    // SAFETY: both are C strings, and the first asks for exactly one.
    unsafe { libc::syslog(priority, c"%s".as_ptr(), text.as_ptr()) };
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl TimeFormat {
    /// A moment, µs since 1970, in local time.
    fn text(self, unix_us: i64) -> String {
        let milliseconds = unix_us.rem_euclid(1_000_000) / 1000;
        if self == Self::Milliseconds {
            return unix_us.div_euclid(1000).to_string();
        }
        let tm = local_time(unix_us.div_euclid(1_000_000));
        let (day, year) = (tm.tm_mday, i64::from(tm.tm_year) + 1900);
        let clock = format!("{:02}:{:02}:{:02}.{milliseconds:03}", tm.tm_hour, tm.tm_min, tm.tm_sec);
        if self == Self::Iso8601 {
            let offset = zone_offset(tm.tm_gmtoff);
            return format!("{year}-{:02}-{day:02}T{clock}{offset}", tm.tm_mon + 1);
        }
        let month = usize::try_from(tm.tm_mon).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"");
        format!("{day:02} {month} {year} {clock}")
    }
}

fn local_time(unix_s: i64) -> libc::tm {
    // Where libc counts seconds in 32 bits, its calendar ends in 2038, and so does the log's.
    let unix_s = libc::time_t::try_from(unix_s).unwrap_or(libc::time_t::MAX);
    // SAFETY: an all-zero tm is a valid value of that plain struct.
    let mut tm: libc::tm = unsafe { core::mem::zeroed() };
    // SAFETY: both pointers are to live values; the call fills the second.
    unsafe { libc::localtime_r(&raw const unix_s, &raw mut tm) };
    tm
}

/// `+hh:mm` of a distance from universal time, in seconds.
fn zone_offset(seconds: impl Into<i64>) -> String {
    let seconds: i64 = seconds.into();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use vireo_core::engine::host::LogLevel;

    use super::{Format, TimeFormat, shortened, zone_offset};

    #[test]
    fn one_line_in_each_format() {
        let pid = std::process::id();
        let line = |format: Format| format.line(LogLevel::Verbose, "T", "a \"b\"\n\u{1}\\");
        assert_eq!(line(Format::Legacy), format!("{pid}:M T - a \"b\"\n\u{1}\\\n"));
        let logfmt = "role=primary timestamp=\"T\" level=info message=\"a 'b' \u{1}\\\"\n";
        assert_eq!(line(Format::Logfmt), format!("pid={pid} {logfmt}"));
        let json = r#""role":"primary","timestamp":"T","level":"info","message":"a \"b\"\n\u0001\\"}"#;
        assert_eq!(line(Format::Json), format!("{{\"pid\":{pid},{json}\n"));
    }

    #[test]
    fn moments() {
        assert_eq!(TimeFormat::Milliseconds.text(1_700_000_000_123_999), "1700000000123");
        let legacy = TimeFormat::Legacy.text(1_700_000_000_123_999);
        assert!(legacy.contains(" Nov 2023 ") && legacy.ends_with(":20.123"), "{legacy}");
        let iso = TimeFormat::Iso8601.text(1_700_000_000_123_999);
        assert!(iso.starts_with("2023-11-1") && iso.contains(":20.123"), "{iso}");
        assert_eq!(zone_offset(-12_600), "-03:30");
        assert_eq!(zone_offset(0), "+00:00");
        assert_eq!(zone_offset(20_700), "+05:45");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(shortened("x".repeat(2000)).len(), 1023);
        assert_eq!(shortened("é".repeat(600)).len(), 1022);
        assert_eq!(shortened("short".into()), "short");
    }
}
