//! Why a run ends early, in the reference's words where it has any.

use core::fmt;

/// What went wrong. All of them end the program with a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection: where to, and why not.
    Connect(String, String),
    /// The server refused what opens a session: where, and its words.
    Refused(String, String),
    /// The server answered an error.
    Reply(String),
    /// The server closed a connection.
    Closed,
    /// Bytes that are no reply, or a reply to nothing.
    Protocol(&'static str),
    /// Reading or writing failed.
    Io(String),
    /// The system would not let us.
    System(String),
    /// Something that was asked for cannot be done.
    Asked(String),
}

//= valkey 9.1 benchmark: errors are told on stderr in these words, and the exit status is 1
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(place, why) => write!(f, "Could not connect to server at {place}: {why}"),
            Self::Refused(place, words) => write!(f, "Node {place} replied with error:\n{words}"),
            Self::Reply(words) => write!(f, "Error from server: {words}"),
            Self::Closed => write!(f, "Error: Server closed the connection"),
            Self::Protocol(what) => write!(f, "Error: Protocol error, {what}"),
            Self::Io(why) => write!(f, "Error: {why}"),
            Self::System(why) | Self::Asked(why) => write!(f, "{why}"),
        }
    }
}

/// The system's words, without the number that std appends.
pub(crate) fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    text.split(" (os error").next().unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Failure, words};

    #[test]
    fn words_of_the_reference() {
        let refused =
            words(&std::io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error()));
        assert_eq!(
            Failure::Connect("127.0.0.1:1".into(), refused).to_string(),
            "Could not connect to server at 127.0.0.1:1: Connection refused"
        );
        assert_eq!(Failure::Reply("ERR no".into()).to_string(), "Error from server: ERR no");
        assert_eq!(Failure::Closed.to_string(), "Error: Server closed the connection");
        let lookup = std::io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(words(&lookup), "Name or service not known");
    }
}
