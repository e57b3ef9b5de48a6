//! The process as its surroundings see it: background, supervision, pid file, title, out-of-memory score, crashes.
#![expect(unsafe_code, reason = "fork, setsid, prctl, group names and the memory of the title are libc's")]

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use vireo_core::config::{Config, expand_title};
use vireo_core::engine::host::{CrashKind, LogLevel};

use crate::config_file::error_text;
use crate::log;

/// The pid file of a server in the background that was given none.
const DEFAULT_PID_FILE: &str = "/var/run/vireo.pid";
/// The kernel's bounds of a score.
const OOM_SCORE_MAX: i64 = 1000;
const OOM_SCORE_FILE: &str = "/proc/self/oom_score_adj";

/// What the server has told its surroundings, and will take back.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) supervisor: Supervisor,
    pub(crate) oom: OomScore,
    /// The pid file that is to be removed at the end.
    pub(crate) pid_file: Option<String>,
    title: Option<Title>,
}

impl Process {
    /// Gets ready to speak. No other thread may run yet.
    pub(crate) fn new(config: &Config, supervisor: Supervisor, in_background: bool) -> Self {
        Self {
            supervisor,
            oom: OomScore::default(),
            pid_file: pid_file(config, in_background),
            title: config.is_on("set-proc-title").then(Title::claim),
        }
    }

    /// Writes the pid file and shows the title.
    pub(crate) fn announce(&self, config: &mut Config, config_file: &str) {
        if let Some(path) = &self.pid_file {
            write_pid_file(path);
            config.set_by_host("pidfile", path);
        }
        self.show_title(config, config_file);
    }

    /// Shows the title that the configuration's template gives, if titles are wanted.
    pub(crate) fn show_title(&self, config: &Config, config_file: &str) {
        if let Some(title) = &self.title {
            title.show(config, config_file);
        }
    }
}

/// What watches over the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supervisor {
    /// Nothing that wants to be told.
    None,
    /// Upstart, told by stopping.
    Upstart,
    /// systemd, told over its socket.
    Systemd,
}

impl Supervisor {
    /// What `supervised` asks for, if it is really there; told that the server is loading.
    pub(crate) fn begin(config: &Config) -> Self {
        let upstart = std::env::var_os("UPSTART_JOB").is_some();
        let systemd = std::env::var_os("NOTIFY_SOCKET").is_some();
        match config.text("supervised").as_str() {
            "auto" if upstart => {
                log::note(LogLevel::Verbose, format_args!("Upstart supervision detected."));
                Self::upstart(upstart)
            }
            "auto" if systemd => {
                log::note(LogLevel::Verbose, format_args!("Systemd supervision detected."));
                Self::systemd()
            }
            "upstart" => Self::upstart(upstart),
            "systemd" => Self::systemd(),
            _ => Self::None,
        }
    }

    fn upstart(is_there: bool) -> Self {
        if !is_there {
            let line = format_args!("upstart supervision requested, but UPSTART_JOB not found!");
            log::note(LogLevel::Warning, line);
            return Self::None;
        }
        log::note(LogLevel::Notice, format_args!("supervised by upstart, will stop to signal readiness."));
        // SAFETY: stopping this process is what upstart waits for.
        unsafe { libc::raise(libc::SIGSTOP) };
        // SAFETY: no other thread runs yet that could read the environment.
        unsafe { std::env::remove_var("UPSTART_JOB") };
        Self::Upstart
    }

    fn systemd() -> Self {
        if !Self::Systemd.tell("STATUS=Vireo is loading...\n") {
            return Self::None;
        }
        log::note(
            LogLevel::Notice,
            format_args!(
                "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and \
                 TimeoutStopSec in your service unit."
            ),
        );
        Self::Systemd
    }

    /// Its name, as INFO shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no",
            Self::Upstart => "upstart",
            Self::Systemd => "systemd",
        }
    }

    /// Tells systemd of a change of state. Returns whether it heard; nobody else listens.
    pub(crate) fn tell(self, state: &str) -> bool {
        if self != Self::Systemd {
            return false;
        }
        let Some(address) = std::env::var_os("NOTIFY_SOCKET") else {
            let line = format_args!("systemd supervision error: NOTIFY_SOCKET not found!");
            log::note(LogLevel::Warning, line);
            return false;
        };
        let sent = UnixDatagram::unbound().and_then(|socket| match address.as_bytes().split_first() {
            Some((b'@', name)) => send_abstract(&socket, name, state),
            _ => socket.send_to(state.as_bytes(), Path::new(&address)),
        });
        if let Err(error) = &sent {
            let why = error_text(error);
            log::note(LogLevel::Warning, format_args!("systemd supervision error: sd_notify: {why}"));
        }
        sent.is_ok()
    }
}

#[cfg(target_os = "linux")]
fn send_abstract(socket: &UnixDatagram, name: &[u8], state: &str) -> std::io::Result<usize> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    socket.send_to_addr(state.as_bytes(), &address)
}

#[cfg(not(target_os = "linux"))]
fn send_abstract(_: &UnixDatagram, _: &[u8], _: &str) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Goes to the background: the parent ends, the child leaves the terminal. No other thread may run yet.
pub(crate) fn daemonize() {
    // SAFETY: no other thread runs yet, so the child has all it needs.
    let child = unsafe { libc::fork() };
    if child != 0 {
        std::process::exit(i32::from(child < 0));
    }
    // SAFETY: a plain call without arguments.
    unsafe { libc::setsid() };
    // SAFETY: the path is a C string.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
    if null < 0 {
        return;
    }
    for number in 0..3 {
        // SAFETY: both are open descriptors of this process.
        unsafe { libc::dup2(null, number) };
    }
    if null > 2 {
        // SAFETY: opened above and known to nobody else.
        unsafe { libc::close(null) };
    }
}

/// The pid file that the configuration asks for; a server in the background always has one.
fn pid_file(config: &Config, in_background: bool) -> Option<String> {
    let named = config.text("pidfile");
    match named.is_empty() {
        false => Some(named),
        true if in_background => Some(DEFAULT_PID_FILE.to_owned()),
        true => None,
    }
}

/// Writes the pid file. A failure is for the log, not a reason to end.
fn write_pid_file(path: &str) {
    if let Err(error) = std::fs::write(path, format!("{}\n", std::process::id())) {
        let why = error_text(&error);
        log::note(LogLevel::Warning, format_args!("Failed to write PID file: {why}"));
    }
}

/// Keeps huge pages away from this process. Returns whether the system could.
pub(crate) fn disable_huge_pages() -> bool {
    #[cfg(target_os = "linux")]
    {
        // Memory that asks for huge pages keeps them; older kernels know only all or nothing.
        const EXCEPT_ADVISED: libc::c_ulong = 2;
        // SAFETY: takes plain numbers and changes a flag of this process alone.
        let all_but_advised = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, EXCEPT_ADVISED, 0, 0) == 0 };
        // SAFETY: as above.
        all_but_advised || unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

/// Parts the open files of this thread, and of those that it will start, from those of the threads that run already, where the system
/// can. While threads share their files, each system call has to hold the one that it is about, which requests that come alone notice.
pub(crate) fn keep_files_alone() {
    #[cfg(target_os = "linux")]
    {
        const UNSHARE: libc::c_uint = 2;
        // Which is allowed in containers that forbid `unshare`. There is no file of this number, so none is closed.
        // SAFETY: takes plain numbers, and the threads that run already use no file that is opened or closed later.
        let _ = unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, UNSHARE) };
    }
}

/// Gives the file of a unix socket to a group, by name.
pub(crate) fn set_socket_group(path: &str, group: &str) -> Result<(), String> {
    let name = CString::new(group).map_err(|_| "invalid group name".to_owned())?;
    // SAFETY: the name is a C string; the result is looked at before any other call.
    let found = unsafe { libc::getgrnam(name.as_ptr()) };
    if found.is_null() {
        return Err(format!("group '{group}' not found"));
    }
    // SAFETY: not null, and valid until the next look-up.
    let number = unsafe { (*found).gr_gid };
    std::os::unix::fs::chown(path, None, Some(number)).map_err(|error| error_text(&error))
}

/// The score by which the kernel chooses what to kill when memory runs out (`oom-score-adj`).
#[derive(Debug, Default)]
pub(crate) struct OomScore {
    /// What it was before the server set it.
    before: Option<i64>,
}

impl OomScore {
    /// Puts what the configuration says into effect.
    ///
    /// # Errors
    /// The reason that CONFIG SET answers; the log has the details.
    pub(crate) fn apply(&mut self, config: &Config) -> Result<(), String> {
        self.try_apply(config).map_err(|(what, error)| {
            let why = error_text(&error);
            log::note(LogLevel::Warning, format_args!("Unable to {what} oom_score_adj: {why}"));
            "Failed to set current oom_score_adj. Check server logs.".to_owned()
        })
    }

    fn try_apply(&mut self, config: &Config) -> Result<(), (&'static str, std::io::Error)> {
        let write = |score: i64| {
            std::fs::write(OOM_SCORE_FILE, format!("{score}\n")).map_err(|error| ("write", error))
        };
        let mode = config.text("oom-score-adj");
        if mode == "no" {
            return match self.before.take() {
                Some(before) => write(before),
                None => Ok(()),
            };
        }
        let before = match self.before {
            Some(before) => before,
            None => std::fs::read_to_string(OOM_SCORE_FILE)
                .map_err(|error| ("read", error))?
                .trim()
                .parse()
                .unwrap_or(0),
        };
        self.before = Some(before);
        // The first of the three is a primary's.
        let own: i64 = config
            .text("oom-score-adj-values")
            .split(' ')
            .next()
            .and_then(|own| own.parse().ok())
            .unwrap_or(0);
        let score = if mode == "absolute" { own } else { own.saturating_add(before) };
        write(score.clamp(-OOM_SCORE_MAX, OOM_SCORE_MAX))
    }
}

/// The title of the process, as `ps` shows it: the memory that held its arguments and environment.
///
/// Afterwards, `std::env::args` is no more what it was.
#[derive(Debug)]
struct Title {
    /// How the server was called.
    program: OsString,
    area: Option<TitleArea>,
}

/// Where the system looks for the title.
#[derive(Debug)]
struct TitleArea {
    start: usize,
    len_bytes: usize,
}

impl Title {
    /// Takes the memory of the title over. No other thread may run yet.
    fn claim() -> Self {
        let program = std::env::args_os().next().unwrap_or_default();
        let area = title_area();
        if area.is_some() {
            for (name, value) in std::env::vars_os() {
                // The C library keeps a changed variable elsewhere, so all move out of the way.
                // SAFETY: no other thread runs yet that could read the environment.
                unsafe { std::env::set_var(name, value) };
            }
        }
        Self { program, area }
    }

    /// Shows the title that the configuration's template gives.
    fn show(&self, config: &Config, config_file: &str) {
        let template = config.text("proc-title-template");
        let title = expand_title(template.as_bytes(), |name| self.variable(name, config, config_file));
        if let (Some(title), Some(area)) = (title, &self.area) {
            area.write(&title);
        }
    }

    fn variable(&self, name: &[u8], config: &Config, config_file: &str) -> Option<Vec<u8>> {
        let port = config.text("port");
        let text = match name {
            b"title" => return Some(self.program.as_bytes().to_vec()),
            b"listen-addr" if port == "0" => format!("unixsocket:{}", config.text("unixsocket")),
            b"listen-addr" => {
                let bind = config.text("bind");
                let first = bind.split(' ').next().filter(|first| !first.is_empty()).unwrap_or("*");
                format!("{first}:{port}")
            }
            b"server-mode" => String::new(),
            b"config-file" if config_file.is_empty() => "-".to_owned(),
            b"config-file" => config_file.to_owned(),
            b"port" => port,
            b"tls-port" => config.text("tls-port"),
            b"unixsocket" => config.text("unixsocket"),
            _ => return None,
        };
        Some(text.into_bytes())
    }
}

/// The arguments and, if it follows them, the environment.
#[cfg(target_os = "linux")]
fn title_area() -> Option<TitleArea> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The fields after the program's name, which may hold anything: proc(5) counts the first of them 3.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let field =
        |number: usize| fields.get(number.checked_sub(3)?)?.parse::<usize>().ok().filter(|at| *at != 0);
    let (arguments, arguments_end) = (field(48)?, field(49)?);
    let (environment, environment_end) = (field(50)?, field(51)?);
    let end = if environment == arguments_end { environment_end } else { arguments_end };
    Some(TitleArea { start: arguments, len_bytes: end.checked_sub(arguments).filter(|len| *len > 1)? })
}

#[cfg(not(target_os = "linux"))]
fn title_area() -> Option<TitleArea> {
    None
}

impl TitleArea {
    fn write(&self, title: &[u8]) {
        let start = core::ptr::with_exposed_provenance_mut::<u8>(self.start);
        let len = title.len().min(self.len_bytes - 1);
        // SAFETY: the kernel says that the area is this process's, writable and so long; nothing of Rust's borrows
        // it: the arguments are read before, and the environment has moved.
        unsafe { start.write_bytes(0, self.len_bytes) };
        // SAFETY: as above; `len` is less than the area, and the title lies elsewhere.
        unsafe { start.copy_from_nonoverlapping(title.as_ptr(), len) };
    }
}

/// Ends the process as the named failure would (DEBUG SEGFAULT and its kin).
pub(crate) fn crash(kind: CrashKind) {
    match kind {
        // SAFETY: ending the process by the signal is what is asked for.
        CrashKind::Segfault => unsafe {
            libc::raise(libc::SIGSEGV);
        },
        CrashKind::Panic => panic!("DEBUG PANIC was asked for"),
        CrashKind::Oom => std::process::abort(),
    }
}

#[cfg(test)]
mod tests {
    use vireo_core::config::Config;

    use super::{DEFAULT_PID_FILE, Supervisor, Title, pid_file, set_socket_group};

    #[test]
    fn pid_files() {
        let mut config = Config::new();
        assert_eq!(pid_file(&config, false), None);
        assert_eq!(pid_file(&config, true).as_deref(), Some(DEFAULT_PID_FILE));
        config.set_by_host("pidfile", "/x.pid");
        assert_eq!(pid_file(&config, false).as_deref(), Some("/x.pid"));
    }

    #[test]
    fn titles() {
        let title = Title { program: "vireo-server".into(), area: None };
        let mut config = Config::new();
        let show = |config: &Config, name: &str| {
            title.variable(name.as_bytes(), config, "").map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(show(&config, "listen-addr").as_deref(), Some("*:6379"));
        assert_eq!(show(&config, "config-file").as_deref(), Some("-"));
        assert_eq!(show(&config, "server-mode").as_deref(), Some(""));
        assert_eq!(show(&config, "other"), None);
        config.set_by_host("bind", "127.0.0.1 ::1");
        assert_eq!(show(&config, "listen-addr").as_deref(), Some("127.0.0.1:6379"));
        config.set_by_host("port", "0");
        config.set_by_host("unixsocket", "/s");
        assert_eq!(show(&config, "listen-addr").as_deref(), Some("unixsocket:/s"));
    }

    #[test]
    fn nobody_supervises_unasked() {
        assert_eq!(Supervisor::begin(&Config::new()), Supervisor::None);
        assert!(!Supervisor::None.tell("READY=1\n"));
    }

    #[test]
    fn unknown_groups_are_told() {
        let why = set_socket_group("/dev/null", "no-such-group-here").unwrap_err();
        assert_eq!(why, "group 'no-such-group-here' not found");
    }
}
