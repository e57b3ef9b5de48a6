//! The digits of doubles, as the reference finds them: mostly the shortest that read back as the same double, but in one of a
//! thousand cases a digit more, or not the nearest of the shortest. Scores are told and stored with these digits.
//!
//! The double and the bounds of what reads back as it are multiplied by a power of ten, so that their exponents become small;
//! then digits are taken off until what is left is within the bounds.
//!
//! Source: Florian Loitsch, "Printing floating-point numbers quickly and accurately with integers", 2010, Grisu2; the
//! order of its steps is that of the fpconv library, on which digits depend.

use heapless::Vec;

/// Digits of a double: at most 17 and one more on the way.
pub(super) type Digits = Vec<u8, 20>;

/// The lowest power of ten in the table, and the distance to the next one.
const POWER_MIN: i32 = -348;
const POWER_STEP: i32 = 8;
/// Within these bounds the products' exponents lie.
const EXPONENT_MIN: i32 = -60;
const EXPONENT_MAX: i32 = -32;
/// The bit that normal doubles do not store.
const HIDDEN: u64 = 1 << 52;

/// The first 64 bits of each power of ten, rounded.
#[rustfmt::skip]
const POWERS: [u64; 87] = [
    0xfa8f_d5a0_081c_0288, 0xbaae_e17f_a23e_bf76, 0x8b16_fb20_3055_ac76, 0xcf42_894a_5dce_35ea,
    0x9a6b_b0aa_5565_3b2d, 0xe61a_cf03_3d1a_45df, 0xab70_fe17_c79a_c6ca, 0xff77_b1fc_bebc_dc4f,
    0xbe56_91ef_416b_d60c, 0x8dd0_1fad_907f_fc3c, 0xd351_5c28_3155_9a83, 0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb, 0xaecc_4991_4078_536d, 0x823c_1279_5db6_ce57, 0xc210_9436_4dfb_5637,
    0x9096_ea6f_3848_984f, 0xd774_85cb_2582_3ac7, 0xa086_cfcd_97bf_97f4, 0xef34_0a98_172a_ace5,
    0xb238_67fb_2a35_b28e, 0x84c8_d4df_d2c6_3f3b, 0xc5dd_4427_1ad3_cdba, 0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584, 0xa3ab_6658_0d5f_daf6, 0xf3e2_f893_dec3_f126, 0xb5b5_ada8_aaff_80b8,
    0x8762_5f05_6c7c_4a8b, 0xc9bc_ff60_34c1_3053, 0x964e_858c_91ba_2655, 0xdff9_7724_7029_7ebd,
    0xa6df_bd9f_b8e5_b88f, 0xf8a9_5fcf_8874_7d94, 0xb944_7093_8fa8_9bcf, 0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6, 0x993f_e2c6_d07b_7fac, 0xe45c_10c4_2a2b_3b06, 0xaa24_2499_6973_92d3,
    0xfd87_b5f2_8300_ca0e, 0xbce5_0864_9211_1aeb, 0x8cbc_cc09_6f50_88cc, 0xd1b7_1758_e219_652c,
    0x9c40_0000_0000_0000, 0xe8d4_a510_0000_0000, 0xad78_ebc5_ac62_0000, 0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3, 0x8f7e_32ce_7bea_5c70, 0xd5d2_38a4_abe9_8068, 0x9f4f_2726_179a_2245,
    0xed63_a231_d4c4_fb27, 0xb0de_6538_8cc8_ada8, 0x83c7_088e_1aab_65db, 0xc45d_1df9_4271_1d9a,
    0x924d_692c_a61b_e758, 0xda01_ee64_1a70_8dea, 0xa26d_a399_9aef_774a, 0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877, 0x865b_8692_5b9b_c5c2, 0xc835_53c5_c896_5d3d, 0x952a_b45c_fa97_a0b3,
    0xde46_9fbd_99a0_5fe3, 0xa59b_c234_db39_8c25, 0xf6c6_9a72_a398_9f5c, 0xb7dc_bf53_54e9_bece,
    0x88fc_f317_f222_41e2, 0xcc20_ce9b_d35c_78a5, 0x9816_5af3_7b21_53df, 0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396, 0xfb9b_7cd9_a4a7_443c, 0xbb76_4c4c_a7a4_4410, 0x8bab_8eef_b640_9c1a,
    0xd01f_ef10_a657_842c, 0x9b10_a4e5_e991_3129, 0xe710_9bfb_a19c_0c9d, 0xac28_20d9_623b_f429,
    0x8044_4b5e_7aa7_cf85, 0xbf21_e440_03ac_dd2d, 0x8e67_9c2f_5e44_ff8f, 0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9, 0xeb96_bf6e_badf_77d9, 0xaf87_023b_9bf0_ee6b,
];

/// A number `mantissa × 2^exponent`.
#[derive(Clone, Copy, Debug)]
struct Number {
    mantissa: u64,
    exponent: i32,
}

impl Number {
    /// Half of the product's bits, rounded.
    fn times(self, other: Self) -> Self {
        let product = u128::from(self.mantissa) * u128::from(other.mantissa) + (1 << 63);
        let mantissa = u64::try_from(product >> 64).unwrap_or(u64::MAX);
        Self { mantissa, exponent: self.exponent + other.exponent + 64 }
    }
}

/// A power of ten that brings an exponent within the bounds, and which one.
fn power_for(exponent: i32) -> (Number, i32) {
    #[expect(clippy::cast_possible_truncation, reason = "cut towards zero, as there")]
    let about = (f64::from(-(exponent + 87)) * 0.301_029_995_663_981_14) as i32;
    let mut index = (about - POWER_MIN) / POWER_STEP;
    loop {
        let power = POWER_MIN + index * POWER_STEP;
        // floor(power × log2(10)) - 63: where the first bit is the top one.
        let power_exponent = ((power * 217_706) >> 16) - 63;
        let product = exponent + power_exponent + 64;
        if product < EXPONENT_MIN {
            index += 1;
        } else if product > EXPONENT_MAX {
            index -= 1;
        } else {
            let mantissa = usize::try_from(index).ok().and_then(|index| POWERS.get(index)).copied();
            return (Number { mantissa: mantissa.unwrap_or_default(), exponent: power_exponent }, power);
        }
    }
}

/// The digits of a positive finite double, and the power of ten of the last one.
pub(super) fn digits_of(value: f64) -> (Digits, i32) {
    let bits = value.to_bits();
    let fraction = bits & (HIDDEN - 1);
    let (mantissa, exponent) = match i32::try_from(bits >> 52).unwrap_or(0) {
        0 => (fraction, -1074),
        biased => (fraction | HIDDEN, biased - 1075),
    };
    // The bounds lie in the middle to the neighbours; below a power of two they are half as far away.
    let shift = (2 * mantissa + 1).leading_zeros();
    let top = exponent - 1 - i32::try_from(shift).unwrap_or(0);
    let upper = Number { mantissa: (2 * mantissa + 1) << shift, exponent: top };
    let number = Number { mantissa: mantissa << (shift + 1), exponent: top };
    let lower =
        if mantissa == HIDDEN { ((4 * mantissa) - 1) << (shift - 1) } else { (2 * mantissa - 1) << shift };
    let lower = Number { mantissa: lower, exponent: top };

    let (power, ten) = power_for(top);
    let (number, upper, lower) = (number.times(power), upper.times(power), lower.times(power));
    // The products are wrong by one at the most.
    let upper = Number { mantissa: upper.mantissa - 1, ..upper };
    let mut digits = Digits::new();
    let last = take_digits(&mut digits, number.mantissa, upper, lower.mantissa + 1);
    (digits, last - ten)
}

/// Takes digits off the upper bound until the rest is within the bounds. Returns the power of ten of the last one.
fn take_digits(digits: &mut Digits, number: u64, upper: Number, lower: u64) -> i32 {
    let shift = upper.exponent.unsigned_abs();
    let (mut delta, distance) = (upper.mantissa - lower, upper.mantissa - number);
    let (mut whole, mut part) = (upper.mantissa >> shift, upper.mantissa & ((1 << shift) - 1));
    let mut unit = 1_000_000_000;
    for place in (0..10).rev() {
        push(digits, whole / unit);
        whole %= unit;
        let rest = (whole << shift) + part;
        if rest <= delta {
            approach(digits, Gap { delta, rest, unit: unit << shift, distance });
            return place;
        }
        unit /= 10;
    }
    let mut scale = 1u64;
    let mut place = 0;
    loop {
        (part, delta, scale) = (part.wrapping_mul(10), delta.wrapping_mul(10), scale.wrapping_mul(10));
        place -= 1;
        push(digits, part >> shift);
        part &= (1 << shift) - 1;
        // Twenty digits are never needed: the bounds grow tenfold with each.
        if part < delta || digits.is_full() {
            approach(
                digits,
                Gap { delta, rest: part, unit: 1 << shift, distance: distance.wrapping_mul(scale) },
            );
            return place;
        }
    }
}

fn push(digits: &mut Digits, digit: u64) {
    if digit > 0 || !digits.is_empty() {
        let _ = digits.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// What is left between the digits so far and the upper bound.
struct Gap {
    /// Between the bounds.
    delta: u64,
    rest: u64,
    /// One in the last digit.
    unit: u64,
    /// From the number itself to the upper bound.
    distance: u64,
}

/// Lowers the last digit as long as that brings the digits nearer to the number.
fn approach(digits: &mut Digits, gap: Gap) {
    let Gap { delta, mut rest, unit, distance } = gap;
    while rest < distance && delta - rest >= unit {
        let next = rest.wrapping_add(unit);
        if next >= distance && distance - rest <= next - distance {
            return;
        }
        if let Some(last) = digits.last_mut() {
            *last -= 1;
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::digits_of;
    use crate::rng::Rng;

    fn text(value: f64) -> String {
        let (digits, exponent) = digits_of(value);
        format!("{}e{exponent}", String::from_utf8(digits.to_vec()).unwrap())
    }

    #[test]
    fn digits_read_back() {
        let mut rng = Rng::new(4);
        for _ in 0..if cfg!(miri) { 200 } else { 200_000 } {
            let value = f64::from_bits(rng.next_u64() >> 1);
            if value.is_finite() && value > 0.0 {
                assert_eq!(text(value).parse(), Ok(value));
            }
        }
    }

    #[test]
    fn digits_are_those_of_the_reference() {
        let cases = [
            (0.1, "1e-1"),
            ("8186.7313256621655".parse().unwrap(), "81867313256621655e-13"),
            (900_719_925_474_099.2, "9007199254740993e-1"),
            (95.890_979_436_939_22, "9589097943693922e-14"),
            (5e-324, "5e-324"),
            (f64::MAX, "17976931348623157e292"),
            (f64::MIN_POSITIVE, "22250738585072014e-324"),
            (1e22, "1e22"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }
}
