//! What `--help` and `--version` print.

use crate::allocator;

/// Version of the server.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Version of Valkey whose behaviour is followed.
pub(crate) const VALKEY_VERSION: &str = "9.1.2";
/// Commit the server was built from, when the build said so.
pub(crate) const COMMIT: &str = match option_env!("VIREO_BUILD_COMMIT") {
    Some(commit) => commit,
    None => "00000000",
};

/// The usage text.
pub(crate) const USAGE: &str = "\
Usage: vireo-server [/path/to/valkey.conf] [options] [-]
       vireo-server -                    read the configuration from standard input
       vireo-server -v or --version
       vireo-server -h or --help
       vireo-server --test-memory <megabytes>
       vireo-server --check-system       does this machine suit a server?

Every directive of the configuration file is an option too: --name value. Options are
taken after the file and standard input; the last one counts.

Examples:
       vireo-server (run with the default configuration, on port 6379)
       echo 'maxmemory 128mb' | vireo-server -
       vireo-server /etc/valkey/6379.conf
       vireo-server --port 7777 --bind 127.0.0.1 --save \"\"
       vireo-server --port 0 --unixsocket /tmp/vireo.sock
       vireo-server /etc/myvalkey.conf --loglevel verbose -
       vireo-server /etc/myvalkey.conf --loglevel verbose
";

/// The line that `--version` prints.
pub(crate) fn version_line() -> String {
    format!(
        "Vireo server v={VERSION} sha={COMMIT}:0 malloc={} bits={} compatible=valkey-{VALKEY_VERSION}",
        allocator::name(),
        usize::BITS
    )
}

/// The logo that a terminal, or `always-show-logo`, gets in place of the line about the mode.
///
/// Test harnesses of Valkey look for ` PID: <number>` in it.
pub(crate) fn logo(port: i64, pid: u32) -> String {
    let bits = usize::BITS;
    format!(
        r#"
           __
        .-'o `=-      Vireo {VERSION} ({COMMIT}/0) {bits} bit
       /   _  )
      /  .' `'        Running in standalone mode
     /  /  /          Port: {port}
    /  `--'           PID: {pid}
   /_.-"|\ |\
  `"   -"--"--

"#
    )
}

#[cfg(test)]
mod tests {
    use super::{USAGE, logo, version_line};

    #[test]
    fn the_logo_names_the_process() {
        assert!(logo(6379, 42).contains(" PID: 42\n"));
        assert!(logo(6379, 42).contains("Port: 6379"));
    }

    #[test]
    fn texts_name_what_they_should() {
        assert!(version_line().starts_with("Vireo server v="));
        assert!(USAGE.contains("--check-system") && USAGE.contains("--test-memory"));
    }
}
