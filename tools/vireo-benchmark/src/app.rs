//! From the command line to results.

use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use vireo_core::platform::{Clock as _, Event, Poller as _, System as _};

use crate::dial::{Dialer, ServerConfig};
use crate::failure::{Failure, words};
use crate::numbers::Counters;
use crate::options::{Asked, Options, Refused, Style, parse};
use crate::platform::{Clock, Poller, System};
use crate::run::{Bench, Outcome};
use crate::suite::{Entry, Test, mixed, selected};
use crate::template::{Data, Template};
use crate::usage::{USAGE, VERSION};
use crate::workload::Workload;
use crate::{chart, json, report};

/// Descriptors for other things than connections.
const RESERVED_FILES: usize = 64;
/// Longest argument from standard input.
const STDIN_LEN_MAX: u64 = 512 << 20;

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    match parse(&arguments) {
        Ok(Asked::Help) => emit(USAGE),
        Ok(Asked::Version) => emit(&format!("{VERSION}\n")),
        Ok(Asked::Run(options)) => {
            if let Err(failure) = run(&options) {
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
        }
        //= valkey 9.1 benchmark: the help of a wrong option goes to standard output, and the status is 1
        Err(Refused::Option(name)) => {
            emit(&format!("Invalid option \"{name}\" or option argument missing\n\n{USAGE}"));
            return ExitCode::FAILURE;
        }
        Err(Refused::Because(why)) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Prints, whether or not somebody reads it.
pub(crate) fn emit(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn run(options: &Options) -> Result<(), Failure> {
    options.warnings.iter().for_each(|warning| eprintln!("{warning}"));
    let plan = plan(options)?;
    check_files(options)?;
    let clock = Clock::new();
    let dialer = Dialer::new(&options.place, &options.session)?;
    let server = dialer.server_config()?;
    if server.is_none() {
        eprintln!("WARNING: Could not fetch server CONFIG");
    }
    if !options.load.keep_alive {
        eprintln!(
            "WARNING: Keepalive disabled. Closed connections hold their ports for a while: with many of them, \
             allow the system to use ports again (Linux: net.ipv4.tcp_tw_reuse)."
        );
    }
    if options.idle {
        return idle(options, &dialer);
    }
    if options.output.style == Style::Csv {
        emit(&format!("{}\n", report::CSV_HEAD));
    }
    let counters = Counters::default();
    let seed = options.keys.seed.unwrap_or_else(random_seed);
    let bench = Bench { options, dialer: &dialer, clock: &clock, counters: &counters, seed };
    loop {
        let outcomes = round(&bench, &plan, server.as_ref())?;
        write_files(options, &outcomes, seed)?;
        if !options.forever {
            return Ok(());
        }
    }
}

/// What is to be done.
enum Plan {
    /// The one test that was described.
    One(Test),
    /// Some of ours.
    Tests(Vec<&'static Entry>),
}

/// All tests once.
fn round(bench: &Bench<'_>, plan: &Plan, server: Option<&ServerConfig>) -> Result<Vec<Outcome>, Failure> {
    let options = bench.options;
    let mut outcomes = Vec::new();
    let mut run = |test: &Test| -> Result<(), Failure> {
        if let Some(request) = &test.before {
            bench.dialer.ask_once(&request.bytes)?;
        }
        let outcome = bench.run(&test.workload)?;
        emit(&report::report(&outcome, options, server));
        report::warnings(&outcome).iter().for_each(|warning| eprintln!("{warning}"));
        outcomes.push(outcome);
        Ok(())
    };
    match plan {
        Plan::One(test) => run(test)?,
        Plan::Tests(entries) => {
            let numbers = options.keys.range.is_some();
            entries.iter().try_for_each(|entry| run(&entry.test(&options.content, numbers)))?;
        }
    }
    //= valkey 9.1 benchmark: an empty line ends a series of tests
    if options.content.command.is_empty() && options.output.style != Style::Csv {
        emit("\n");
    }
    Ok(outcomes)
}

/// What is to be sent.
fn plan(options: &Options) -> Result<Plan, Failure> {
    let content = &options.content;
    if !content.command.is_empty() {
        let title = content.command.join(&b' ');
        let mut command = content.command.clone();
        if content.last_from_stdin {
            command.push(read_stdin()?);
        }
        let template =
            Template::sequence(&command, &mut Data::new(content.data_len)).map_err(Failure::Asked)?;
        let payload_len = template.bytes.len();
        let workload = Workload::of_one(String::from_utf8_lossy(&title), payload_len, template);
        return Ok(Plan::One(Test { workload, before: None }));
    }
    if let Some(mix) = &content.mix {
        let workload = mixed(mix, content, options.keys.range.is_some()).map_err(Failure::Asked)?;
        return Ok(Plan::One(Test { workload, before: None }));
    }
    let (tests, unknown) = selected(content.tests.as_deref());
    unknown.iter().for_each(|name| eprintln!("WARNING: There is no test \"{name}\"."));
    if tests.is_empty() {
        return Err(Failure::Asked("There is no test to run.".to_owned()));
    }
    Ok(Plan::Tests(tests))
}

fn read_stdin() -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(STDIN_LEN_MAX + 1).read_to_end(&mut text);
    match read {
        Ok(_) if text.len() as u64 <= STDIN_LEN_MAX => Ok(text),
        Ok(_) => Err(Failure::Asked("The argument from standard input is too long.".to_owned())),
        Err(error) => Err(Failure::Asked(format!("Reading from standard input: {}", words(&error)))),
    }
}

/// Finds out before the work what would fail after it.
fn check_files(options: &Options) -> Result<(), Failure> {
    let wanted = options.load.clients + RESERVED_FILES;
    let most = System::raise_open_files(wanted as u64);
    if most < wanted as u64 {
        return Err(Failure::System(format!(
            "{} connections need {wanted} open files, and the system allows {most}.",
            options.load.clients
        )));
    }
    for path in options.output.json.iter().chain(&options.output.chart) {
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
        opened.map_err(|error| Failure::Asked(format!("Cannot write {path}: {}", words(&error))))?;
    }
    Ok(())
}

fn write_files(options: &Options, outcomes: &[Outcome], seed: u64) -> Result<(), Failure> {
    let write = |path: &String, text: Result<String, String>| {
        let written = text.and_then(|text| std::fs::write(path, text).map_err(|error| words(&error)));
        written.map_err(|why| Failure::Asked(format!("Cannot write {path}: {why}")))
    };
    if let Some(path) = &options.output.json {
        write(path, json::results(outcomes, options, seed))?;
    }
    if let Some(path) = &options.output.chart {
        write(path, chart::chart(outcomes))?;
    }
    Ok(())
}

fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    System::entropy(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Opens connections and keeps them until one fails.
fn idle(options: &Options, dialer: &Dialer) -> Result<(), Failure> {
    let count = options.load.clients;
    emit(&format!("Creating {count} idle connections and waiting forever (Ctrl+C when done)\n"));
    let system = |error| Failure::System(format!("Watching a connection: {error}"));
    let poller = Poller::new().map_err(system)?;
    let mut sockets = Vec::with_capacity(count);
    for index in 0..count {
        let socket = dialer.open()?;
        poller.register(&socket, index as u64).map_err(system)?;
        sockets.push(socket);
    }
    loop {
        emit(&format!("clients: {}\r", sockets.len()));
        let mut is_closed = false;
        let each = &mut |event: Event| is_closed |= event.closed;
        poller.wait(Some(crate::progress::INTERVAL_NS), each).map_err(system)?;
        if is_closed {
            return Err(Failure::Closed);
        }
    }
}
