//! An element of a listpack, as it is read and as it is given to be stored.

use crate::num::parse_i64;

/// A string, or the integer that it was stored as.
///
/// Two elements compare as they are stored; whether an element is a certain string, [`Element::is`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A string that is an integer's text.
    Int(i64),
    /// Any other string. To be stored it may be an integer's text too.
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// Returns whether it is this string; no text is made for that.
    #[inline]
    pub fn is(self, bytes: &[u8]) -> bool {
        match self {
            Self::Int(value) => parse_i64(bytes) == Some(value),
            Self::Bytes(own) => own == bytes,
        }
    }

    /// Returns the string; an integer's text is written to `scratch`.
    #[inline]
    pub fn text<'s>(self, scratch: &'s mut itoa::Buffer) -> &'s [u8]
    where
        'a: 's,
    {
        match self {
            Self::Int(value) => scratch.format(value).as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Returns the integer that the string is, in the one way to write it.
    #[inline]
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bytes(bytes) => parse_i64(bytes),
        }
    }

    /// Returns the string's length.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Int(value) => {
                let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
                digits as usize + usize::from(value < 0)
            }
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Returns whether the string is empty.
    pub fn is_empty(self) -> bool {
        self == Self::Bytes(b"")
    }
}

impl From<i64> for Element<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a [u8]> for Element<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Element<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Element;

    #[test]
    fn integers_and_their_texts() {
        for value in [0, 9, 10, -1, -10, 4095, i64::MAX, i64::MIN] {
            let element = Element::from(value);
            let mut scratch = itoa::Buffer::new();
            let text = element.text(&mut scratch);
            assert!(element.is(text) && Element::from(text).is(text));
            assert_eq!((element.len(), Element::from(text).integer()), (text.len(), Some(value)));
            assert!(!element.is(b"") && !element.is(b"+1") && !element.is(b"01") && !element.is_empty());
        }
        assert!(Element::from(b"").is_empty());
    }
}
