//! Reading any bytes as a HyperLogLog: for tests and fuzzing.

use super::{Encoding, Registers, add, cached, count, dense_registers, encoding, sparse_text, to_dense};

/// `hll-sparse-max-bytes`.
const LEN_MAX: usize = 3000;

/// Checks that whatever is asked of a string that a client made ends without a panic, and that what is refused is left
/// as it was.
///
/// # Panics
/// When it does not.
pub fn check_value(value: &[u8], element: &[u8]) {
    let mut registers = Registers::new();
    let merged = registers.merge(value);
    assert_eq!(to_dense(&mut value.to_vec()).map(drop), merged);
    let counted = count(&mut value.to_vec()).map(drop);
    assert!(counted == merged || cached(value).is_some());
    assert_eq!(sparse_text(value).is_ok(), encoding(value).is_ok());
    assert_eq!(dense_registers(value).is_ok(), encoding(value).is_ok());
    let mut target = value.to_vec();
    if registers.store(&mut target, LEN_MAX).is_ok() {
        assert!(encoding(&target).is_ok());
    }
    let mut longer = value.to_vec();
    match add(&mut longer, element, LEN_MAX) {
        Ok(true) => assert!(encoding(&longer).is_ok()),
        Ok(false) | Err(_) => assert_eq!(longer, value),
    }
    if encoding(value) == Ok(Encoding::Dense) {
        assert_eq!(merged, Ok(()), "any registers of six bits are some");
    }
}
