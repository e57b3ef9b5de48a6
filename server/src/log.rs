//! The log: Valkey's line format, to standard output, a file or the system's log.
//!
//! `PID:ROLE DD Mon YYYY hh:mm:ss.mmm LEVEL MESSAGE`, local time. Lines are written at once and one by one.
#![expect(unsafe_code, reason = "local time and syslog are libc's")]

use alloc_crate::ffi::CString;
use core::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Mutex;

use vireo_core::config::Config;
use vireo_core::engine::host::LogLevel;

struct Log {
    level: Option<LogLevel>,
    file: Option<File>,
    syslog: bool,
}

static LOG: Mutex<Log> = Mutex::new(Log { level: Some(LogLevel::Notice), file: None, syslog: false });

/// Takes level and place from the configuration.
pub(crate) fn configure(config: &Config) -> Result<(), String> {
    let level = match config.text("loglevel").as_str() {
        "debug" => Some(LogLevel::Debug),
        "verbose" => Some(LogLevel::Verbose),
        "warning" => Some(LogLevel::Warning),
        "nothing" => None,
        _ => Some(LogLevel::Notice),
    };
    let path = config.text("logfile");
    let file = if path.is_empty() {
        None
    } else {
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        Some(opened.map_err(|error| format!("Can't open the log file: {error}"))?)
    };
    let syslog = config.text("syslog-enabled") == "yes";
    if syslog {
        open_syslog(&config.text("syslog-ident"), &config.text("syslog-facility"));
    }
    if let Ok(mut log) = LOG.lock() {
        *log = Log { level, file, syslog };
    }
    Ok(())
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
    LOG.lock().is_ok_and(|log| log.level.is_some_and(|from| level >= from))
}

/// Writes a line.
pub(crate) fn write(level: LogLevel, unix_us: i64, message: fmt::Arguments<'_>) {
    let Ok(mut log) = LOG.lock() else { return };
    if log.level.is_none_or(|from| level < from) {
        return;
    }
    let mark = match level {
        LogLevel::Debug => '.',
        LogLevel::Verbose => '-',
        LogLevel::Notice => '*',
        LogLevel::Warning => '#',
    };
    let line = format!("{}:M {} {mark} {message}\n", std::process::id(), LocalTime(unix_us));
    // A log that cannot be written to is nothing the server can do about.
    let _ = match &mut log.file {
        Some(file) => file.write_all(line.as_bytes()),
        None => std::io::stdout().lock().write_all(line.as_bytes()),
    };
    if log.syslog {
        send_to_syslog(level, &message.to_string());
    }
}

/// Writes text as it is.
pub(crate) fn write_plain(text: fmt::Arguments<'_>) {
    let Ok(mut log) = LOG.lock() else { return };
    // As above: nothing to be done about it.
    let _ = match &mut log.file {
        Some(file) => file.write_fmt(text),
        None => std::io::stdout().lock().write_fmt(text),
    };
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

/// A moment as the log prints it.
struct LocalTime(i64);

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds: libc::time_t = self.0.div_euclid(1_000_000);
        // SAFETY: an all-zero tm is a valid value of that plain struct.
        let mut tm: libc::tm = unsafe { core::mem::zeroed() };
        // SAFETY: both pointers are to live values; the call fills the second.
        unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
        let month = usize::try_from(tm.tm_mon).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"");
        write!(
            f,
            "{:02} {month} {} {:02}:{:02}:{:02}.{:03}",
            tm.tm_mday,
            tm.tm_year + 1900,
            tm.tm_hour,
            tm.tm_min,
            tm.tm_sec,
            self.0.rem_euclid(1_000_000) / 1000
        )
    }
}
