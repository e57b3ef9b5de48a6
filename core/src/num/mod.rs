//! Numbers as users write and read them: strict integers, doubles in the reference's layout, and the
//! 80-bit floats of INCRBYFLOAT.

mod double;
mod extended;
mod int;

pub use self::double::{DoubleText, parse_f64};
pub use self::extended::{Extended, ExtendedText};
pub use self::int::{parse_i64, parse_u64};
