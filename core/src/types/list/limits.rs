//! How large the parts of a list may be: the rules behind `list-max-listpack-size`.
//!
//! A negative value bounds a listpack's bytes (-1 to -5: 4, 8, 16, 32, 64 KiB; below -5 as -5), a positive one its
//! entries, together with 8 KiB. Zero is one entry. A quicklist keeps the settings it was made with, those of compression
//! (`list-compress-depth`) among them. Source: Valkey `quicklist.c`.

/// Bound of a listpack's bytes where its entries are counted.
const COUNTED_BYTES_MAX: usize = 8192;
/// What an entry is taken to need beside its string.
pub(super) const ENTRY_OVERHEAD: usize = 8;

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// `list-max-listpack-size`.
    pub max_listpack_size: i32,
    /// Elements from this length on get a node of their own; 0: those that are too long for a listpack. For `DEBUG
    /// QUICKLIST-PACKED-THRESHOLD`.
    pub plain_len_min: usize,
    /// `list-compress-depth`: so many nodes at either end are not compressed, and all others are; 0: none is.
    pub compress_depth: u16,
}

/// What a listpack may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) entries: usize,
}

impl Default for ListLimits {
    fn default() -> Self {
        Self { max_listpack_size: -2, plain_len_min: 0, compress_depth: 0 }
    }
}

impl ListLimits {
    /// What a listpack may have, without the bound that goes with counting.
    pub(super) fn bounds(self) -> Bounds {
        let class = match self.max_listpack_size {
            0 => return Bounds { bytes: usize::MAX, entries: 1 },
            entries @ 1.. => {
                return Bounds { bytes: usize::MAX, entries: usize::try_from(entries).unwrap_or(usize::MAX) };
            }
            negative => negative.max(-5).unsigned_abs(),
        };
        Bounds { bytes: 2048 << class, entries: usize::MAX }
    }

    /// The bytes that a listpack may have.
    fn bytes_max(self) -> usize {
        if self.max_listpack_size < 0 { self.bounds().bytes } else { COUNTED_BYTES_MAX }
    }

    /// Whether a listpack with so many bytes and entries is too large.
    #[inline]
    pub(super) fn exceeded_by(self, bytes: usize, entries: usize) -> bool {
        bytes > self.bytes_max() || entries > self.bounds().entries
    }

    /// Whether an element of this length gets a node of its own.
    #[inline]
    pub(super) fn is_large(self, len: usize) -> bool {
        if self.plain_len_min == 0 { len > self.bytes_max() } else { len >= self.plain_len_min }
    }

    /// Whether a listpack with so many bytes and entries takes another element of this length.
    #[inline]
    pub(super) fn leave_room(self, bytes: usize, entries: usize, len: usize) -> bool {
        !self.is_large(len) && !self.exceeded_by(bytes + len + ENTRY_OVERHEAD, entries + 1)
    }

    /// The settings as a quicklist keeps them.
    pub(super) fn kept(self) -> Self {
        Self { max_listpack_size: self.max_listpack_size.clamp(-5, i32::from(i16::MAX)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, ListLimits};

    #[test]
    fn sizes_and_counts() {
        let limits = |max_listpack_size| ListLimits { max_listpack_size, ..ListLimits::default() };
        let sizes =
            [(-1, 4096), (-2, 8192), (-3, 16384), (-4, 32768), (-5, 65536), (-6, 65536), (i32::MIN, 65536)];
        for (value, bytes) in sizes {
            assert_eq!(limits(value).bounds(), Bounds { bytes, entries: usize::MAX });
            assert!(limits(value).exceeded_by(bytes + 1, 1) && !limits(value).exceeded_by(bytes, 1 << 20));
            assert!(limits(value).is_large(bytes + 1) && !limits(value).is_large(bytes));
        }
        for (value, entries) in [(0, 1), (1, 1), (128, 128), (i32::MAX, 0x7fff_ffff)] {
            assert_eq!(limits(value).bounds(), Bounds { bytes: usize::MAX, entries });
            assert!(limits(value).exceeded_by(0, entries + 1) && !limits(value).exceeded_by(8192, entries));
            assert!(limits(value).exceeded_by(8193, 1));
            assert!(limits(value).is_large(8193) && !limits(value).is_large(8192));
        }
        assert!(ListLimits { plain_len_min: 5, ..limits(-2) }.is_large(5));
        assert_eq!(limits(40_000).kept(), limits(32_767));
        assert_eq!(limits(-9).kept(), limits(-5));
    }
}
