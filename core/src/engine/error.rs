//! Error replies of commands.
//!
//! A client's mistake is an error reply and the connection lives. Users match these texts, so they are
//! static and stand here once; the few that carry an argument are written by the command itself.

use crate::keyspace::WrongType;

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CmdError {
    /// The whole error line without the leading `-`, its code included.
    Text(&'static str),
    /// The command has written its own error line.
    Replied,
}

/// Outcome of a command: its reply, written, or an error to write.
pub type CmdResult = Result<(), CmdError>;

impl From<WrongType> for CmdError {
    fn from(_: WrongType) -> Self {
        Self::WRONG_TYPE
    }
}

impl CmdError {
    /// Operation against a value of another type.
    pub const WRONG_TYPE: Self =
        Self::Text("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// Arguments that do not fit together.
    pub const SYNTAX: Self = Self::Text("ERR syntax error");
    /// Not a 64-bit integer.
    pub const NOT_INTEGER: Self = Self::Text("ERR value is not an integer or out of range");
    /// Not a positive 64-bit integer.
    pub const NOT_POSITIVE: Self = Self::Text("ERR value is out of range, must be positive");
    /// Outside the range of the argument.
    pub const OUT_OF_RANGE: Self = Self::Text("ERR value is out of range");
    /// Not a floating-point number.
    pub const NOT_FLOAT: Self = Self::Text("ERR value is not a valid float");
    /// The key does not exist.
    pub const NO_SUCH_KEY: Self = Self::Text("ERR no such key");
    /// Source and destination are one key.
    pub const SAME_OBJECT: Self = Self::Text("ERR source and destination objects are the same");
    /// Database number outside the configured ones.
    pub const DB_OUT_OF_RANGE: Self = Self::Text("ERR DB index is out of range");
    /// A password is needed first.
    pub const NO_AUTH: Self = Self::Text("NOAUTH Authentication required.");
    /// At the memory limit.
    pub const OOM: Self = Self::Text("OOM command not allowed when used memory > 'maxmemory'.");
    /// The result would pass the largest string.
    pub const STRING_TOO_LONG: Self =
        Self::Text("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
}
