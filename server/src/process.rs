//! The process as its surroundings see it: background, pid file, readiness, crashes.
#![expect(unsafe_code, reason = "fork, setsid and raw descriptors are libc's")]

use std::os::unix::net::UnixDatagram;

use vireo_core::engine::host::CrashKind;

/// Goes to the background: the parent ends, the child leaves the terminal.
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
    if null >= 0 {
        for number in 0..3 {
            // SAFETY: both are open descriptors of this process.
            unsafe { libc::dup2(null, number) };
        }
    }
}

/// Writes the pid file. A failure is for the log, not a reason to end.
pub(crate) fn write_pid_file(path: &str) -> std::io::Result<()> {
    std::fs::write(path, format!("{}\n", std::process::id()))
}

/// Tells systemd about this process, if it asked.
pub(crate) fn notify_systemd(state: &str) -> bool {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return false };
    let Ok(socket) = UnixDatagram::unbound() else { return false };
    let path = address.to_string_lossy().into_owned();
    let sent = match path.strip_prefix('@') {
        Some(name) => send_abstract(&socket, name, state),
        None => socket.send_to(state.as_bytes(), &path),
    };
    sent.is_ok()
}

#[cfg(target_os = "linux")]
fn send_abstract(socket: &UnixDatagram, name: &str, state: &str) -> std::io::Result<usize> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    socket.send_to_addr(state.as_bytes(), &address)
}

#[cfg(not(target_os = "linux"))]
fn send_abstract(_: &UnixDatagram, _: &str, _: &str) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::Unsupported.into())
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
