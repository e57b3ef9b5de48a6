//! A hint to the processor that memory will be needed soon.

/// What one prefetch fetches, where that is known how.
#[cfg(feature = "alloc")]
pub(crate) const LINE_LEN: usize = 64;

/// Asks the processor to fetch a cache line; nothing where that is not known how.
#[inline]
pub(crate) fn prefetch(pointer: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        #[expect(unsafe_code, reason = "a hint to the processor")]
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(pointer.cast());
        }
    }
    let _ = pointer;
}

/// Same, for a line that will be written to: other processors give up theirs at once.
#[inline]
pub(crate) fn prefetch_write(pointer: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        #[expect(unsafe_code, reason = "a hint to the processor")]
        // SAFETY: a prefetch never faults, whatever the address; processors that do not know it skip it.
        unsafe {
            core::arch::asm!("prefetchw [{}]", in(reg) pointer, options(nostack, preserves_flags));
        }
    }
    let _ = pointer;
}

/// Same, for what a slice begins with.
#[inline]
pub fn prefetch_slice<T>(slice: &[T]) {
    prefetch(slice.as_ptr().cast());
}

/// Same, for all of a slice.
#[cfg(feature = "alloc")]
#[inline]
pub(crate) fn prefetch_whole<T>(slice: &[T]) {
    let start = slice.as_ptr().cast::<u8>();
    let before = start.addr() % LINE_LEN;
    for offset in (0..before + size_of_val(slice)).step_by(LINE_LEN) {
        prefetch(start.wrapping_sub(before).wrapping_add(offset));
    }
}

/// Same, for what a slice begins with that will be written to.
#[inline]
pub fn prefetch_slice_write<T>(slice: &[T]) {
    prefetch_write(slice.as_ptr().cast());
}
