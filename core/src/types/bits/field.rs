//! BITFIELD: integers of 1 to 64 bits at any bit of a string, the top bit first.

use super::OFFSET_ERROR;
use crate::num::parse_i64;

/// The error of a type that is none.
pub const TYPE_ERROR: &str =
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

/// Width and sign: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    signed: bool,
    bits: u8,
}

/// What happens to a value that does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Its low bits are kept.
    #[default]
    Wrap,
    /// The nearest value that fits is taken.
    Sat,
    /// Nothing is written.
    Fail,
}

/// A field before and after it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// What SET replies.
    pub before: i64,
    /// What INCRBY replies.
    pub after: i64,
}

impl Overflow {
    /// `WRAP`, `SAT` or `FAIL`, in letters of any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let names: [(&[u8], _); 3] = [(b"wrap", Self::Wrap), (b"sat", Self::Sat), (b"fail", Self::Fail)];
        names.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, overflow)| overflow)
    }
}

impl FieldType {
    /// `i` or `u`, in that case, and the width.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (signed, bits_max) = match text.first()? {
            b'i' => (true, 64),
            b'u' => (false, 63),
            _ => return None,
        };
        let bits = u8::try_from(parse_i64(&text[1..])?).ok()?;
        (1..=bits_max).contains(&bits).then_some(Self { signed, bits })
    }

    /// Its width.
    pub fn bits(self) -> u64 {
        u64::from(self.bits)
    }

    /// Reads an offset: of a bit, or behind `#` of a field of this width. `len_max` as of
    /// [`parse_offset`](super::parse_offset). Where the reference's product overflows and wraps around to some
    /// other field, this refuses.
    ///
    /// # Errors
    /// The error line.
    pub fn parse_offset(self, text: &[u8], len_max: u64) -> Result<u64, &'static str> {
        let offset = match text.strip_prefix(b"#") {
            Some(index) => parse_i64(index).and_then(|index| index.checked_mul(i64::from(self.bits))),
            None => parse_i64(text),
        };
        let offset = offset.and_then(|offset| u64::try_from(offset).ok());
        offset.filter(|offset| offset / 8 < len_max).ok_or(OFFSET_ERROR)
    }

    /// The last bit of a field at `offset`.
    pub fn last_bit(self, offset: u64) -> u64 {
        offset.saturating_add(self.bits() - 1)
    }

    /// The field at `offset`.
    pub fn get(self, bytes: &[u8], offset: u64) -> i64 {
        let window = Window::of(self, offset);
        self.value_of(window.load(bytes))
    }

    /// Writes `value`; `None` when it does not fit and `overflow` is `Fail`. Bits behind the end of `bytes`
    /// are lost: [`grow`](super::grow) to [`last_bit`](Self::last_bit) first.
    pub fn set(self, bytes: &mut [u8], offset: u64, value: i64, overflow: Overflow) -> Option<Written> {
        let before = self.get(bytes, offset);
        //= valkey 9.1 BITFIELD: SET with SAT takes a value 2^63 or more below the largest one as too large
        let (_, max) = self.bounds();
        if self.signed && self.bits < 64 && overflow == Overflow::Sat && max.checked_sub(value).is_none() {
            return self.write(bytes, offset, before, max);
        }
        //= valkey 9.1 BITFIELD: a negative value for an unsigned field is taken as a huge one
        let value = if self.signed { i128::from(value) } else { i128::from(value.cast_unsigned()) };
        self.write(bytes, offset, before, self.fit(value, overflow)?)
    }

    /// Adds `increment`; `None` when the sum does not fit and `overflow` is `Fail`. Bits behind the end of
    /// `bytes` are lost, as of [`set`](Self::set).
    pub fn incr_by(
        self,
        bytes: &mut [u8],
        offset: u64,
        increment: i64,
        overflow: Overflow,
    ) -> Option<Written> {
        let before = self.get(bytes, offset);
        let sum = i128::from(before) + i128::from(increment);
        self.write(bytes, offset, before, self.fit(sum, overflow)?)
    }

    fn write(self, bytes: &mut [u8], offset: u64, before: i64, after: i64) -> Option<Written> {
        Window::of(self, offset).store(bytes, after.cast_unsigned());
        Some(Written { before, after })
    }

    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.bounds();
        match overflow {
            Overflow::Fail => i64::try_from(value).ok().filter(|fit| (min..=max).contains(fit)),
            Overflow::Sat => i64::try_from(value.clamp(i128::from(min), i128::from(max))).ok(),
            #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
            Overflow::Wrap => Some(self.value_of(value.cast_unsigned() as u64)),
        }
    }

    fn bounds(self) -> (i64, i64) {
        if self.signed {
            let max = i64::MAX >> (64 - self.bits);
            (-max - 1, max)
        } else {
            (0, i64::MAX >> (63 - self.bits))
        }
    }

    /// The value of the low bits of `raw`.
    fn value_of(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        let top = raw << unused;
        if self.signed { top.cast_signed() >> unused } else { (top >> unused).cast_signed() }
    }
}

/// The at most nine bytes in which a field lies.
struct Window {
    from: usize,
    len: usize,
    /// Bits behind the field in the last byte.
    shift: u32,
    mask: u128,
}

impl Window {
    fn of(field: FieldType, offset: u64) -> Self {
        let skip = offset % 8 + field.bits();
        let len = skip.div_ceil(8);
        let from = usize::try_from(offset / 8).unwrap_or(usize::MAX);
        let shift = u32::try_from(len * 8 - skip).unwrap_or(0);
        let mask = u128::from(u64::MAX >> (64 - field.bits));
        Self { from, len: usize::try_from(len).unwrap_or(9), shift, mask }
    }

    /// The field in the low bits, bytes behind the end as zeros.
    fn load(&self, bytes: &[u8]) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "the mask has at most 64 bits")]
        let raw = (self.load_bytes(bytes) >> self.shift & self.mask) as u64;
        raw
    }

    fn store(&self, bytes: &mut [u8], raw: u64) {
        let kept = self.load_bytes(bytes) & !(self.mask << self.shift);
        let window = kept | (u128::from(raw) & self.mask) << self.shift;
        let window = window.to_be_bytes();
        let target = bytes.get_mut(self.from..).unwrap_or_default();
        target.iter_mut().zip(&window[16 - self.len..]).for_each(|(byte, new)| *byte = *new);
    }

    fn load_bytes(&self, bytes: &[u8]) -> u128 {
        let source = bytes.get(self.from..).unwrap_or_default();
        let mut window = [0; 16];
        window[16 - self.len..].iter_mut().zip(source).for_each(|(byte, stored)| *byte = *stored);
        u128::from_be_bytes(window)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::{FieldType, Overflow};
    use crate::rng::Rng;
    use crate::types::bits::{get, grow, set};

    fn read_bits(bytes: &[u8], offset: u64, bits: u64) -> u64 {
        (offset..offset + bits).fold(0, |value, at| value << 1 | u64::from(get(bytes, at)))
    }

    fn random_value(rng: &mut Rng) -> i64 {
        let value = rng.next_u64().cast_signed() >> rng.below(64);
        match rng.below(16) {
            0 => i64::MIN,
            1 => i64::MAX,
            _ => value,
        }
    }

    #[test]
    fn agrees_with_bit_by_bit() {
        let (mut rng, mut bytes): (_, Vec<u8>) = (Rng::new(5), vec![]);
        for round in 0..if cfg!(miri) { 300 } else { 20_000 } {
            let signed = rng.below(2) == 1;
            let bits = 1 + rng.below(if signed { 64 } else { 63 });
            let name = std::format!("{}{bits}", if signed { 'i' } else { 'u' });
            let field = FieldType::parse(name.as_bytes()).unwrap();
            let (offset, value) = (rng.below(200), random_value(&mut rng));
            let overflow =
                [Overflow::Wrap, Overflow::Sat, Overflow::Fail][usize::try_from(rng.below(3)).unwrap()];
            if round % 1000 == 0 {
                bytes.clear();
            }
            grow(&mut bytes, field.last_bit(offset));
            let raw = read_bits(&bytes, offset, bits);
            let negative = signed && raw >> (bits - 1) == 1;
            let before = i128::from(raw) - if negative { 1 << bits } else { 0 };
            assert_eq!(i128::from(field.get(&bytes, offset)), before);
            let add = rng.below(2) == 1;
            let wanted = match (add, signed) {
                (true, _) => before + i128::from(value),
                (false, true) => i128::from(value),
                (false, false) => i128::from(value.cast_unsigned()),
            };
            let (min, max) =
                if signed { (-1 << (bits - 1), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
            let wrapped = min + (wanted - min).rem_euclid(1 << bits);
            let after = match overflow {
                Overflow::Sat if signed && !add && max - wanted > i128::from(i64::MAX) && bits < 64 => {
                    Some(max)
                }
                Overflow::Wrap => Some(wrapped),
                Overflow::Sat => Some(wanted.clamp(min, max)),
                Overflow::Fail => (wrapped == wanted).then_some(wanted),
            };
            let mut expected = bytes.clone();
            for bit in 0..bits {
                let one = after.unwrap_or(before) >> (bits - 1 - bit) & 1 == 1;
                set(&mut expected, offset + bit, one);
            }
            let written = if add {
                field.incr_by(&mut bytes, offset, value, overflow)
            } else {
                field.set(&mut bytes, offset, value, overflow)
            };
            assert_eq!(written.map(|field| i128::from(field.after)), after, "{name} {value} {overflow:?}");
            assert!(written.is_none_or(|field| i128::from(field.before) == before));
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn types_and_offsets() {
        for refused in ["", "i", "u", "i0", "i65", "u64", "I8", "i08", "i-1", "x8", "u300"] {
            assert_eq!(FieldType::parse(refused.as_bytes()), None, "{refused}");
        }
        let field = FieldType::parse(b"u63").unwrap();
        assert_eq!(field.parse_offset(b"#3", 100), Ok(189));
        assert_eq!(field.parse_offset(b"799", 100), Ok(799));
        for refused in ["800", "#13", "#", "", "#-1", "#9223372036854775807"] {
            assert!(field.parse_offset(refused.as_bytes(), 100).is_err(), "{refused}");
        }
        assert_eq!(field.get(b"", 1 << 60), 0);
    }

    //= valkey 9.1 BITFIELD: a negative value for an unsigned field is taken as a huge one
    //= valkey 9.1 BITFIELD: SET with SAT takes a value 2^63 or more below the largest one as too large
    #[test]
    fn values_that_turn_around() {
        let field = FieldType::parse(b"u8").unwrap();
        assert_eq!(field.set(&mut [7], 0, -1, Overflow::Sat).map(|field| field.after), Some(255));
        assert_eq!(field.set(&mut [7], 0, -1, Overflow::Fail), None);
        assert_eq!(field.incr_by(&mut [7], 0, -8, Overflow::Sat).map(|field| field.after), Some(0));
        let field = FieldType::parse(b"i8").unwrap();
        assert_eq!(field.set(&mut [7], 0, i64::MIN, Overflow::Sat).map(|field| field.after), Some(127));
        assert_eq!(
            field.set(&mut [7], 0, i64::MIN + 128, Overflow::Sat).map(|field| field.after),
            Some(-128)
        );
    }
}
