//! A value alone on its cache line, so that writing it does not take the neighbours from other processors.

use core::ops::{Deref, DerefMut};

/// Bytes of a cache line. Apple's and some of ARM's and POWER's have 128.
pub const LINE_LEN: usize =
    if cfg!(any(target_arch = "aarch64", target_arch = "powerpc64")) { 128 } else { 64 };

/// A value alone on its cache line.
#[cfg_attr(any(target_arch = "aarch64", target_arch = "powerpc64"), repr(align(128)))]
#[cfg_attr(not(any(target_arch = "aarch64", target_arch = "powerpc64")), repr(align(64)))]
#[derive(Debug, Default)]
pub struct Padded<T>(pub T);

const _: () = {
    assert!(align_of::<Padded<u8>>() == LINE_LEN);
    assert!(size_of::<Padded<u8>>() == LINE_LEN);
    assert!(size_of::<Padded<[u8; 65]>>().is_multiple_of(LINE_LEN));
};

impl<T> Deref for Padded<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Padded<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
