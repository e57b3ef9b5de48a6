//! The value of an entry: how it is kept, as it is stored, read and left over.

use super::entry::len_len;
use super::large::SharedBytes;
use crate::types::Object;

/// Longest value that is kept inside the entry.
pub(super) const INLINE_LEN_MAX: usize = 512;
/// The reference keeps key, expiry and value together up to so many bytes, its own overhead included.
const EMBEDDED_LEN_MAX: usize = 128;

/// Layouts of the value, bits 3..7 of the first byte.
pub(super) const INT: u8 = 0;
pub(super) const EMBSTR: u8 = 1;
pub(super) const RAW_INLINE: u8 = 2;
pub(super) const SHARED: u8 = 3;
pub(super) const OBJECT: u8 = 4;
/// An object was here.
pub(super) const TAKEN: u8 = 5;

/// A value to be stored.
#[derive(Debug)]
pub(super) enum NewValue<'v> {
    Int(i64),
    /// `embstr` when short.
    Bytes(&'v [u8]),
    /// `raw` however short.
    Raw(&'v [u8]),
    Shared(SharedBytes),
    Object(Object),
}

/// What an entry that is freed leaves for others to free.
#[derive(Debug)]
pub enum Garbage {
    /// A large string.
    Bytes(SharedBytes),
    /// Any other value.
    Object(Object),
}

impl NewValue<'_> {
    /// Its layout.
    pub(super) fn layout(&self) -> u8 {
        match self {
            Self::Int(_) => INT,
            Self::Shared(_) => SHARED,
            Self::Object(_) => OBJECT,
            Self::Bytes(bytes) | Self::Raw(bytes) if bytes.len() > INLINE_LEN_MAX => SHARED,
            Self::Bytes(_) => EMBSTR,
            Self::Raw(_) => RAW_INLINE,
        }
    }

    /// This value under a key of `key_len` bytes: `raw` from now on where it is not `embstr` there.
    ///
    //= valkey 9.1 OBJECT ENCODING: embstr while key, value and expiry fit 128 bytes with their headers
    pub(super) fn under_key(self, key_len: usize, expiry: Expiry) -> Self {
        let Self::Bytes(bytes) = self else { return self };
        let key_header = if key_len < 32 { 1 } else { 3 };
        let alone = bytes.len().saturating_add(key_len) + key_header + 14;
        // The reference gives a value at least eight bytes; where that passes its limit, its allocator leaves room for
        // an expiry that comes later.
        let has_spare = alone + 4usize.saturating_sub(bytes.len()) > EMBEDDED_LEN_MAX;
        let len = match expiry {
            Expiry::None => alone,
            Expiry::Added if has_spare => alone,
            Expiry::Added | Expiry::Replaced => alone + 8,
        };
        if len <= EMBEDDED_LEN_MAX { self } else { Self::Raw(bytes) }
    }

    /// Bytes in the entry: the part before the key, and the part behind it.
    pub(super) fn lens(&self) -> (usize, usize) {
        match (self, self.layout()) {
            (Self::Bytes(bytes) | Self::Raw(bytes), EMBSTR | RAW_INLINE) => {
                (len_len(bytes.len()), bytes.len())
            }
            (Self::Object(_), _) => (size_of::<Object>(), 0),
            _ => (8, 0),
        }
    }
}

/// What a change of value meets or brings of an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// There is none.
    None,
    /// It gets one.
    Added,
    /// The key had one before, whatever it has now.
    Replaced,
}

impl Expiry {
    /// From whether there is one before and after the change.
    pub(super) fn of(before: bool, after: bool) -> Self {
        match (before, after) {
            (true, _) => Self::Replaced,
            (false, true) => Self::Added,
            (false, false) => Self::None,
        }
    }
}

/// A string value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringView<'a> {
    /// Kept as an integer.
    Int(i64),
    /// Kept as bytes.
    Bytes(&'a [u8]),
}

#[cfg(test)]
mod tests {
    use super::{Expiry, NewValue};

    /// Each line was asked of valkey-server 9.1.2 with OBJECT ENCODING.
    #[test]
    fn what_stays_embstr() {
        let cases = [
            (1, 112, Expiry::None, true),
            (1, 113, Expiry::None, false),
            (31, 82, Expiry::None, true),
            (32, 80, Expiry::None, false),
            (32, 79, Expiry::None, true),
            (1, 104, Expiry::Added, true),
            (1, 105, Expiry::Added, false),
            (1, 105, Expiry::Replaced, false),
            (108, 3, Expiry::Added, true),
            (108, 3, Expiry::Replaced, false),
        ];
        for (key_len, len, expiry, is_embstr) in cases {
            let value = [b'v'; 200];
            let kept = NewValue::Bytes(&value[..len]).under_key(key_len, expiry);
            assert_eq!(matches!(kept, NewValue::Bytes(_)), is_embstr, "{key_len} {len} {expiry:?}");
        }
    }
}
