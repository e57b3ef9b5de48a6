//! The floor under every server of this protocol: the server's event loop, pollers and sockets, and a constant for an answer.
//!
//! Nothing is parsed: told how long a request is ([`options`]), it counts bytes and sends as many replies as whole requests have
//! come ([`script`]). Each readable client is read from once and written to once in a turn, as the server does ([`responder`]). What
//! a request costs here, it costs any server that waits for readiness, reads and writes; the rest is a server's own work. `ci/bench`
//! gives its results beside it.

mod options;
mod responder;
mod script;

use std::process::ExitCode;

use vireo_backend::Backend;
use vireo_core::platform::IoError;

use crate::options::{Asked, Options, USAGE, VERSION, parse};
use crate::responder::Responder;

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match parse(&arguments) {
        Ok(Asked::Help) => print!("{USAGE}"),
        Ok(Asked::Version) => println!("{VERSION}"),
        Ok(Asked::Run(options)) => {
            if let Err(error) = run(&options) {
                eprintln!("vireo-floor: {error}");
                return ExitCode::FAILURE;
            }
        }
        Err(why) => {
            eprintln!("vireo-floor: {why}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Answers until it is killed.
fn run(options: &Options) -> Result<(), IoError> {
    let mut responder = Responder::<Backend>::new(options)?;
    println!("Listening on {}", responder.address()?);
    loop {
        responder.turn()?;
    }
}
