//! From the command line to a running server.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vireo_core::config::Config;
use vireo_core::engine::Engine;
use vireo_core::engine::host::{HostFacts, LogLevel};
use vireo_core::platform::{Clock, Platform, Poller, System};

use crate::args::{self, Asked, RunArgs};
use crate::config_file::{FileError, Loaded};
use crate::outside::Outside;
use crate::serve::Server;
use crate::{alloc, allocator, log, process, syscheck};

/// Version of the server.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Descriptors kept for other things than clients.
pub(crate) const RESERVED_FILES: u64 = 32;

/// Runs the server on a platform, as the command line says.
pub fn main<P: Platform>() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    match args::parse(&arguments) {
        Asked::Version => println!("{}", version_line()),
        Asked::Help => print!("{}", args::USAGE),
        Asked::CheckSystem => return ExitCode::from(u8::from(!syscheck::check::<P::Clock>())),
        Asked::Unsupported(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
        Asked::Run(run_args) => return start::<P>(&run_args),
    }
    ExitCode::SUCCESS
}

fn version_line() -> String {
    format!(
        "Vireo server v={VERSION} malloc={} bits={} compatible=valkey-9.1.2",
        allocator::name(),
        usize::BITS
    )
}

fn load(run: &RunArgs) -> Result<Loaded, FileError> {
    let mut loaded = Loaded::default();
    if let Some(file) = &run.file {
        loaded.load_file(Path::new(file), 0)?;
    }
    if run.stdin {
        loaded.load_stdin()?;
    }
    loaded.load_text(&run.lines, "command line", 0)?;
    Ok(loaded)
}

fn tell_config_error(error: &FileError) {
    eprintln!("\n*** FATAL CONFIG FILE ERROR (Vireo {VERSION}) ***");
    if error.line > 0 {
        eprintln!("Reading the configuration file {}, at line {}", error.file, error.line);
        eprintln!(">>> '{}'", error.text);
    } else {
        eprintln!("Reading the configuration file {}", error.file);
    }
    eprintln!("{}", error.why);
}

fn start<P: Platform>(run: &RunArgs) -> ExitCode {
    let loaded = match load(run) {
        Ok(loaded) => loaded,
        Err(error) => {
            tell_config_error(&error);
            return ExitCode::FAILURE;
        }
    };
    // Paths are made absolute before the working folder changes.
    let file = run.file.as_ref().and_then(|file| std::fs::canonicalize(file).ok()).unwrap_or_default();
    let config = &loaded.config;
    if let Err(why) = settle_in(config) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    match open::<P>(&loaded, &file) {
        Ok(mut server) => {
            server.run();
            stop(&mut server);
            ExitCode::SUCCESS
        }
        Err(why) => {
            log::write(LogLevel::Warning, unix_us::<P>(), format_args!("{why}"));
            ExitCode::FAILURE
        }
    }
}

/// Log, working folder, background.
fn settle_in(config: &Config) -> Result<(), String> {
    if config.text("daemonize") == "yes" && config.text("supervised") == "no" {
        process::daemonize();
    }
    log::configure(config)?;
    let folder = config.text("dir");
    if !folder.is_empty() {
        std::env::set_current_dir(&folder).map_err(|error| format!("Can't chdir to '{folder}': {error}"))?;
    }
    Ok(())
}

fn unix_us<P: Platform>() -> i64 {
    P::Clock::new().unix_us()
}

/// Builds the server and opens its listeners.
fn open<P: Platform>(loaded: &Loaded, file: &Path) -> Result<Server<P>, String> {
    let poller = P::Poller::new().map_err(|error| format!("Failed creating the event loop: {error}"))?;
    let clock = P::Clock::new();
    P::System::catch_signals(poller.waker());
    let facts = facts::<P>(&clock, file, &loaded.config);
    let mut outside: Outside<P> = Outside::new(poller, clock, facts);
    outside.refresh_clock();
    let mut config = loaded.config.clone();
    tell_start(&outside, loaded, file);
    fit_clients::<P>(&outside, &mut config)?;
    let mut engine = Engine::new(config, core::array::from_fn(|_| random::<P>()));
    engine.shared.stats.started_us = outside.now.mono_us;
    engine.shared.stats.started_unix_s = outside.now.unix_s();
    engine.shared.renamed.extend(loaded.renamed_commands());
    listen(&mut outside, &engine.shared.config)?;
    tell_ready(&outside, &engine.shared.config);
    outside.marks.startup = alloc::used();
    Ok(Server::new(engine, outside))
}

fn random<P: Platform>() -> u64 {
    let mut bytes = [0; 8];
    P::System::entropy(&mut bytes);
    u64::from_ne_bytes(bytes)
}

fn facts<P: Platform>(clock: &P::Clock, file: &Path, config: &Config) -> HostFacts {
    let mut os = String::new();
    P::System::name(&mut os);
    let run_id: String = (0..3).map(|_| format!("{:016x}", random::<P>())).collect();
    let systemd = std::env::var_os("NOTIFY_SOCKET").is_some();
    let supervised = match config.text("supervised").as_str() {
        "systemd" => "systemd",
        "upstart" => "upstart",
        "auto" if systemd => "systemd",
        _ => "no",
    };
    HostFacts {
        os,
        multiplexing_api: P::System::POLLER_NAME,
        pid: std::process::id(),
        executable: std::env::current_exe()
            .map(|path: PathBuf| path.display().to_string())
            .unwrap_or_default(),
        config_file: file.display().to_string(),
        monotonic_clock: clock.name().to_owned(),
        total_system_memory: P::System::total_memory_bytes(),
        supervised,
        run_id: run_id.chars().take(40).collect(),
        allocator: allocator::name(),
        compiler: "1.95",
        commit: "",
    }
}

fn tell_start<P: Platform>(outside: &Outside<P>, loaded: &Loaded, file: &Path) {
    let pid = std::process::id();
    outside.log(LogLevel::Notice, format_args!("oO0OoO0OoO0Oo Vireo is starting oO0OoO0OoO0Oo"));
    outside.log(
        LogLevel::Notice,
        format_args!(
            "Vireo version={VERSION}, bits={}, commit=00000000, modified=0, pid={pid}, just started",
            usize::BITS
        ),
    );
    if file.as_os_str().is_empty() {
        let advice = "no config file specified, using the default config. In order to specify a config file use \
                      vireo-server /path/to/valkey.conf";
        outside.log(LogLevel::Warning, format_args!("Warning: {advice}"));
    } else {
        outside.log(LogLevel::Notice, format_args!("Configuration loaded"));
    }
    for warning in loaded.config.warnings() {
        outside.log(LogLevel::Warning, format_args!("{warning}"));
    }
    outside.log(LogLevel::Notice, format_args!("monotonic clock: {}", outside.facts.monotonic_clock));
}

/// As many clients as the system's limit on open files allows.
fn fit_clients<P: Platform>(outside: &Outside<P>, config: &mut Config) -> Result<(), String> {
    let wanted = config.settings().maxclients;
    let got = P::System::raise_open_files(wanted + RESERVED_FILES);
    if got >= wanted + RESERVED_FILES {
        return Ok(());
    }
    let possible = got.saturating_sub(RESERVED_FILES);
    if possible == 0 {
        return Err(format!("The limit of {got} open files is too low to serve even one client"));
    }
    config.set_by_host("maxclients", &possible.to_string());
    outside.log(
        LogLevel::Warning,
        format_args!(
            "maxclients has been reduced to {possible}: the limit of open files is {got} and cannot be raised"
        ),
    );
    Ok(())
}

fn listen<P: Platform>(outside: &mut Outside<P>, config: &Config) -> Result<(), String> {
    let tcp = outside.listeners.listen_tcp(&outside.poller, config);
    if let Err(error) = tcp {
        outside.log(
            LogLevel::Warning,
            format_args!(
                "Warning: Could not create server TCP listening socket {}: bind: {}",
                error.place, error.why
            ),
        );
        return Err(format!("Failed listening on port {} (tcp), aborting.", config.text("port")));
    }
    if let Err(error) = outside.listeners.listen_unix(&outside.poller, config) {
        return Err(format!("Failed opening Unix socket: {}: {}", error.place, error.why));
    }
    if outside.listeners.is_empty() {
        return Err("Configured to not listen anywhere, exiting.".to_owned());
    }
    Ok(())
}

fn tell_ready<P: Platform>(outside: &Outside<P>, config: &Config) {
    let port = config.text("port");
    let asked = config.text("always-show-logo") == "yes";
    if asked || (std::io::stdout().is_terminal() && config.text("logfile").is_empty()) {
        log::write_plain(format_args!("{}", banner(&port)));
    } else {
        outside.log(LogLevel::Notice, format_args!("Running mode=standalone, port={port}."));
    }
    outside.log(LogLevel::Notice, format_args!("Server initialized"));
    let pid_file = pid_file(config);
    if let Some(path) = pid_file
        && let Err(error) = process::write_pid_file(&path)
    {
        outside.log(LogLevel::Warning, format_args!("Failed to write PID file {path}: {error}"));
    }
    if port != "0" {
        outside.log(LogLevel::Notice, format_args!("Ready to accept connections tcp"));
    }
    if !config.text("unixsocket").is_empty() {
        outside.log(LogLevel::Notice, format_args!("Ready to accept connections unix"));
    }
    if outside.facts.supervised == "systemd" {
        process::notify_systemd("READY=1\nSTATUS=Ready to accept connections\n");
    }
}

/// What a person at a terminal sees first.
fn banner(port: &str) -> String {
    let (bits, pid) = (usize::BITS, std::process::id());
    format!(
        "\n   \\  |  /     Vireo {VERSION} ({bits} bit)\n    \\ | /      Running in standalone mode\n  ~~ \\|/ ~~    \
         Port: {port}\n      |        PID: {pid}\n\n"
    )
}

/// The pid file, if one is to be written.
fn pid_file(config: &Config) -> Option<String> {
    let named = config.text("pidfile");
    match (named.is_empty(), config.text("daemonize") == "yes") {
        (false, _) => Some(named),
        (true, true) => Some("/var/run/vireo.pid".to_owned()),
        (true, false) => None,
    }
}

/// The orderly end.
fn stop<P: Platform>(server: &mut Server<P>) {
    let outside = &mut server.outside;
    if outside.facts.supervised == "systemd" {
        process::notify_systemd("STOPPING=1\n");
    }
    if let Some(path) = pid_file(&server.engine.shared.config) {
        outside.log(LogLevel::Notice, format_args!("Removing the pid file."));
        // Somebody else may have removed it, which is as well.
        let _ = std::fs::remove_file(path);
    }
    let socket = server.engine.shared.config.text("unixsocket");
    if !socket.is_empty() {
        outside.log(LogLevel::Notice, format_args!("Removing the unix socket file."));
        let _ = std::fs::remove_file(socket);
    }
    outside.log(LogLevel::Warning, format_args!("Vireo is now ready to exit, bye bye..."));
    // Dropping millions of keys one by one would only delay the end: the system takes all back at once.
    std::process::exit(0);
}
