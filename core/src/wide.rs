//! Loops over many bytes, compiled a second time for processors with wider vectors.
//!
//! A program for any x86-64 is compiled for its first processors: vectors of 16 bytes and few instructions on them. What is
//! wider is the compiler's work all the same: such a loop is plain code, and nothing but the choice is made here.

#[cfg(all(target_arch = "x86_64", not(miri)))]
cpufeatures::new!(avx2, "avx2");

/// Whether the processor has vectors of 32 bytes.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
pub(crate) fn has_avx2() -> bool {
    avx2::get()
}

/// Declares a function that uses vectors of 32 bytes where the processor has them. For loops over hundreds of bytes and more; what
/// they call must be `#[inline(always)]`, or it is compiled for the first processors alone.
macro_rules! wide {
    ($(#[$attribute:meta])* $visible:vis fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        $visible fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn plain($($argument: $type),*) $(-> $result)? $body

            #[cfg(all(target_arch = "x86_64", not(miri)))]
            {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $type),*) $(-> $result)? {
                    plain($($argument),*)
                }
                if $crate::wide::has_avx2() {
                    #[expect(unsafe_code, reason = "a call of what is compiled for processors with AVX2")]
                    // SAFETY: this processor has been asked and has it.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    };
}
pub(crate) use wide;

#[cfg(test)]
mod tests {
    wide! {
        fn sum(bytes: &[u8]) -> u64 {
            bytes.iter().map(|byte| u64::from(*byte)).sum()
        }
    }

    #[test]
    fn what_is_wide_gives_the_same() {
        let bytes: [u8; 300] = core::array::from_fn(|at| at.to_le_bytes()[0]);
        assert_eq!(sum(&bytes), 255 * 256 / 2 + 43 * 44 / 2);
    }
}
