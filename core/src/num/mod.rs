//! Numbers as users write and read them: strict integers, doubles in the reference's layout, and the
//! 80-bit floats of INCRBYFLOAT.

mod double;
mod extended;
mod grisu;
mod int;

pub use self::double::{DoubleText, general_text, parse_f64, parse_f64_lossy};
pub use self::extended::{Extended, ExtendedText};
pub use self::int::{parse_i64, parse_u64};
