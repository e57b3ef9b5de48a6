//! From the command line to a running server.

use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vireo_core::config::Config;
use vireo_core::engine::Engine;
use vireo_core::engine::host::{HostFacts, LogLevel};
use vireo_core::platform::{Clock, Platform, Poller, System, Threads};

use crate::args::{self, Asked, RunArgs};
use crate::config_file::{self, Loaded};
use crate::outside::Outside;
use crate::process::{self, Process, Supervisor};
use crate::serve::Server;
use crate::usage::{COMMIT, USAGE, VERSION, logo, version_line};
use crate::{alloc, allocator, blocks, log, memtest, syscheck};

/// A limit of memory below this is probably a mistake.
const MAXMEMORY_SUSPECT: u64 = 1 << 20;
/// Descriptors kept for other things than clients.
pub(crate) const RESERVED_FILES: u64 = 32;

/// Runs the server on a platform, as the command line says.
pub fn main<P: Platform>() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    match args::parse(&arguments) {
        Asked::Version => println!("{}", version_line()),
        Asked::Help => print!("{USAGE}"),
        Asked::CheckSystem => return exit_code(syscheck::check::<P>()),
        Asked::TestMemory(mebibytes) => return exit_code(memtest::test(mebibytes)),
        Asked::Unsupported(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
        Asked::Run(run_args) => return start::<P>(&run_args, !arguments.is_empty()),
    }
    ExitCode::SUCCESS
}

fn exit_code(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn start<P: Platform>(run: &RunArgs, has_arguments: bool) -> ExitCode {
    let loaded = match config_file::load::<P::Files>(run) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let config = &loaded.config;
    log::configure(config);
    let without_huge_pages = || config.is_on("disable-thp") && process::disable_huge_pages();
    for warning in syscheck::warnings(without_huge_pages) {
        log::note(LogLevel::Warning, format_args!("{warning}"));
    }
    let supervisor = Supervisor::begin(config);
    let in_background = config.is_on("daemonize") && supervisor == Supervisor::None;
    if in_background {
        process::daemonize();
    }
    tell_start(&loaded, has_arguments);
    start_helpers::<P>(config);
    process::keep_files_alone();
    match open::<P>(&loaded, Process::new(config, supervisor, in_background)) {
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

/// Runs the server in a program that goes on when it has been told to stop: in a simulation.
///
/// The process around it is left alone. I/O threads have to be ended before (`CONFIG SET io-threads 1`).
///
/// # Errors
/// Why it cannot run.
pub fn run_within<P: Platform>(arguments: &[Vec<u8>]) -> Result<(), String> {
    let Asked::Run(run) = args::parse(arguments) else { return Err("not asked to run".to_owned()) };
    let loaded = config_file::load::<P::Files>(&run).map_err(|error| error.to_string())?;
    log::configure(&loaded.config);
    let process = Process::new(&loaded.config, Supervisor::None, false);
    start_helpers::<P>(&loaded.config);
    let mut server = open::<P>(&loaded, process)?;
    server.run();
    let Server { engine, outside, .. } = &mut server;
    for slot in outside.connections.slots() {
        outside.close_slot(slot, engine);
    }
    for unix in [false, true] {
        outside.listeners.close(&outside.poller, unix);
    }
    Ok(())
}

fn unix_us<P: Platform>() -> i64 {
    P::Clock::new().unix_us()
}

/// Starts the threads that need no files, before there are any, on the processors that are meant for them.
fn start_helpers<P: Platform>(config: &Config) {
    let warn = |what: core::fmt::Arguments<'_>| log::note(LogLevel::Warning, what);
    let cpus = config.text("server-cpulist");
    if !cpus.is_empty() && !P::Threads::set_affinity(&cpus) {
        warn(format_args!("Cannot run on the processors of server-cpulist {cpus}"));
    }
    if let Err(why) = allocator::set_background(config.is_on("jemalloc-bg-thread")) {
        warn(format_args!("No thread for jemalloc-bg-thread: {why}"));
    }
    if let Err(why) = blocks::start() {
        warn(format_args!("No thread for memory that is ready: {why}"));
    }
}

/// Builds the server and opens its listeners.
fn open<P: Platform>(loaded: &Loaded, process: Process) -> Result<Server<P>, String> {
    let poller = P::Poller::new().map_err(|error| format!("Failed creating the event loop: {error}"))?;
    let clock = P::Clock::new();
    P::System::catch_signals(poller.waker());
    let facts = facts::<P>(&clock, loaded.path.as_deref(), process.supervisor);
    let mut outside: Outside<P> = Outside::new(poller, clock, facts, process);
    outside.refresh_clock();
    outside.log(LogLevel::Notice, format_args!("monotonic clock: {}", outside.facts.monotonic_clock));
    let mut config = loaded.config.clone();
    fit_clients::<P>(&outside, &mut config)?;
    outside.process.announce(&mut config, &outside.facts.config_file);
    tell_mode(&config);
    let mut engine = Engine::new(config, core::array::from_fn(|_| random::<P>()));
    engine.shared.stats.started_us = outside.now.mono_us;
    engine.shared.stats.started_unix_s = outside.now.unix_s();
    engine.shared.renamed.extend(loaded.renamed.clone());
    listen(&mut outside, &engine.shared.config)?;
    tell_ready(&outside, &engine.shared.config);
    settle::<P>(&mut outside, &engine.shared.config);
    outside.marks.startup = alloc::used();
    Ok(Server::new(engine, outside))
}

/// What is done once the server can be reached.
fn settle<P: Platform>(outside: &mut Outside<P>, config: &Config) {
    let maxmemory = config.settings().maxmemory;
    if maxmemory > 0 && maxmemory < MAXMEMORY_SUSPECT {
        outside.log(
            LogLevel::Warning,
            format_args!(
                "WARNING: You specified a maxmemory value that is less than 1MB (current value is {maxmemory} \
                 bytes). Are you sure this is what you really want?"
            ),
        );
    }
    // The log has the reason when the system refuses.
    let _ = outside.process.oom.apply(config);
}

fn random<P: Platform>() -> u64 {
    let mut bytes = [0; 8];
    P::System::entropy(&mut bytes);
    u64::from_ne_bytes(bytes)
}

fn facts<P: Platform>(clock: &P::Clock, file: Option<&Path>, supervisor: Supervisor) -> HostFacts {
    let mut os = String::new();
    P::System::name(&mut os);
    let run_id: String = (0..3).map(|_| format!("{:016x}", random::<P>())).collect();
    HostFacts {
        os,
        multiplexing_api: P::System::POLLER_NAME,
        pid: std::process::id(),
        executable: std::env::current_exe()
            .map(|path: PathBuf| path.display().to_string())
            .unwrap_or_default(),
        config_file: file.map(|path| path.display().to_string()).unwrap_or_default(),
        monotonic_clock: clock.name().to_owned(),
        total_system_memory: P::System::total_memory_bytes(),
        supervised: supervisor.name(),
        run_id: run_id.chars().take(40).collect(),
        allocator: allocator::name(),
        compiler: "1.95",
        commit: "",
    }
}

fn tell_start(loaded: &Loaded, has_arguments: bool) {
    let (pid, bits) = (std::process::id(), usize::BITS);
    log::note(LogLevel::Notice, format_args!("oO0OoO0OoO0Oo Vireo is starting oO0OoO0OoO0Oo"));
    log::note(
        LogLevel::Notice,
        format_args!(
            "Vireo version={VERSION}, bits={bits}, commit={COMMIT}, modified=0, pid={pid}, just started"
        ),
    );
    if has_arguments {
        log::note(LogLevel::Notice, format_args!("Configuration loaded"));
    } else {
        let advice = "No config file specified, using the default config. In order to specify a config file use \
                      vireo-server /path/to/valkey.conf";
        log::note(LogLevel::Warning, format_args!("Warning: {advice}"));
    }
    for warning in loaded.config.warnings() {
        log::note(LogLevel::Warning, format_args!("{warning}"));
    }
}

/// The logo for people, or one line.
fn tell_mode(config: &Config) {
    use std::io::IsTerminal;
    let port = config.number("port");
    let to_people = !config.is_on("syslog-enabled")
        && config.text("logfile").is_empty()
        && std::io::stdout().is_terminal();
    if to_people || config.is_on("always-show-logo") {
        log::write_raw(LogLevel::Notice, &logo(port, std::process::id()));
    } else {
        log::note(LogLevel::Notice, format_args!("Running mode=standalone, port={port}."));
    }
    if let Some(warning) = syscheck::backlog_warning(config.number("tcp-backlog")) {
        log::note(LogLevel::Warning, format_args!("{warning}"));
    }
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
    let (socket, group) = (config.text("unixsocket"), config.text("unixsocketgroup"));
    if !socket.is_empty() && !group.is_empty() {
        process::set_socket_group(&socket, &group)
            .map_err(|why| format!("Failed giving the Unix socket to its group: {why}"))?;
    }
    if outside.listeners.is_empty() {
        return Err("Configured to not listen anywhere, exiting.".to_owned());
    }
    Ok(())
}

fn tell_ready<P: Platform>(outside: &Outside<P>, config: &Config) {
    outside.log(LogLevel::Notice, format_args!("Server initialized"));
    if config.number("port") != 0 {
        outside.log(LogLevel::Notice, format_args!("Ready to accept connections tcp"));
    }
    if !config.text("unixsocket").is_empty() {
        outside.log(LogLevel::Notice, format_args!("Ready to accept connections unix"));
    }
    outside.process.supervisor.tell("STATUS=Ready to accept connections\n");
    outside.process.supervisor.tell("READY=1\n");
}

/// The orderly end.
fn stop<P: Platform>(server: &mut Server<P>) {
    let outside = &mut server.outside;
    outside.process.supervisor.tell("STOPPING=1\n");
    if let Some(path) = outside.process.pid_file.take() {
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
