//! Bounds of what a client chooses by one number alone.

use crate::engine::CmdError;
use crate::num;

/// Elements that SRANDMEMBER, HRANDFIELD and ZRANDMEMBER tell when they may repeat. The reference writes without end.
pub(super) const REPEATED_MAX: u64 = 1 << 24;
/// Bytes of such a reply.
pub(super) const REPEATED_LEN_MAX: usize = 512 << 20;

/// A count that may be negative but has an opposite: the least integer of all is none.
pub(super) fn count_of_either_sign(bytes: &[u8]) -> Result<i64, CmdError> {
    const TOO_LOW: CmdError = CmdError::Text(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    let count = num::parse_i64(bytes).ok_or(CmdError::NOT_INTEGER)?;
    if count == i64::MIN { Err(TOO_LOW) } else { Ok(count) }
}
