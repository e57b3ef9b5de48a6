//! Bytes of several clients to the whole server, I/O threads included, in the simulation: whatever they are, the server
//! answers in whole replies, and when all clients are gone nothing of them is left.
#![no_main]

mod crowd;

use crowd::{Crowd, Script};
use libfuzzer_sys::fuzz_target;
use vireo_backend_sim::{Contents, SECOND_NS, Setup, Sim, run};

#[global_allocator]
static ALLOCATOR: vireo_server::alloc::Counted = vireo_server::alloc::Counted;

/// A run is over by then.
const END_NS: u64 = 2000 * SECOND_NS;

/// The server's options. What ends the process or changes it is known to the watcher alone; what is large is small.
const OPTIONS: &str = "--port 6379 --bind 127.0.0.1 --loglevel nothing --set-proc-title no --tcp-keepalive 0 \
    --rename-command CONFIG VIREO-CONFIG --rename-command SHUTDOWN VIREO-SHUTDOWN --proto-max-bulk-len 1mb \
    --io-threads-always-active yes --min-string-size-avoid-copy-reply-threaded 100";

fuzz_target!(|data: &[u8]| {
    let Some(script) = Script::new(data) else { return };
    let threads = format!("--io-threads {} --client-output-buffer-limit normal 4mb 0 0", script.io_threads);
    let words = OPTIONS.split_ascii_whitespace().chain(threads.split(' '));
    let arguments: Vec<Vec<u8>> = words.map(|word| word.as_bytes().to_vec()).collect();
    let setup = Setup {
        seed: script.seed,
        faults: script.faults.clone(),
        files: Contents::new(),
        actors: vec![Box::new(Crowd::new(script))],
        end_ns: END_NS,
        trace_to: None,
    };
    let outcome = run(setup, move || vireo_server::boot::run_within::<Sim>(&arguments).expect("it runs"));
    let left = (outcome.sockets_open, outcome.threads_left);
    if outcome.failure.is_some() || left != (0, 0) {
        let why = outcome.failure.as_deref().unwrap_or("sockets and threads are left");
        panic!("{}\n{why} {left:?}", outcome.last.join("\n"));
    }
});
