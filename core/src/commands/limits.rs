//! Bounds of replies whose size a client chooses by one number alone.

/// Elements that SRANDMEMBER, HRANDFIELD and ZRANDMEMBER tell when they may repeat. The reference writes without end.
pub(super) const REPEATED_MAX: u64 = 1 << 24;
/// Bytes of such a reply.
pub(super) const REPEATED_LEN_MAX: usize = 512 << 20;
