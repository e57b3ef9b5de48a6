//! Bytes and estimates of the reference, a plain array of registers as oracle, and forged values.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::check::check_value;
use super::{Encoding, HllError, REGISTERS, Registers, STALE, place};
use super::{add, cached, count, create, dense_registers, encoding, to_dense};
use crate::rng::Rng;

const LEN_MAX: usize = 3000;

fn with_elements(range: core::ops::Range<u32>) -> Vec<u8> {
    let mut value = create();
    for index in range {
        add(&mut value, std::format!("element-{index}").as_bytes(), LEN_MAX).unwrap();
    }
    value
}

/// FNV-1a.
#[cfg(not(miri))]
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn union(values: &[&[u8]]) -> Registers {
    let mut registers = Registers::new();
    values.iter().for_each(|value| registers.merge(value).unwrap());
    registers
}

/// What GET gives from Valkey 9.1.2 after the same PFADD, PFCOUNT and PFMERGE.
#[test]
#[cfg(not(miri))]
fn bytes_of_the_reference() {
    let (mut a, mut b, mut c) = (with_elements(0..20), with_elements(20..800), with_elements(800..5000));
    for (value, cardinality) in [(&mut a, 20), (&mut b, 771), (&mut c, 4183)] {
        let first = count(value).unwrap();
        assert!(first.written);
        assert_eq!(first.cardinality, cardinality);
        assert!(!count(value).unwrap().written);
    }
    assert_eq!((a.len(), digest(&a)), (77, 0xe9e5_334b_3c88_3655));
    assert_eq!((b.len(), digest(&b)), (1490, 0xdb06_73a7_70e0_13b8));
    assert_eq!((c.len(), digest(&c)), (12_304, 0x0174_2ee5_f236_9411));
    assert_eq!(union(&[&a, &b, &c]).count(), 4972);
    let mut merged = create();
    union(&[&merged, &a, &b]).store(&mut merged, LEN_MAX).unwrap();
    assert_eq!((merged.len(), digest(&merged)), (1525, 0x4c02_e5d6_8769_279a));
    let text = super::sparse_text(&a).unwrap().unwrap();
    assert!(text.starts_with(b"Z:1677 v:2,1 Z:148 v:3,1 Z:809 v:2,1 Z:922 v:1,1 z:45 v:1,1"));
    assert_eq!(create(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff");
}

/// Sixteen thousand plain bytes.
struct Model(Box<[u8; REGISTERS]>);

impl Model {
    fn add(&mut self, element: &[u8]) -> bool {
        let (index, count) = place(element);
        let risen = self.0[index] < count;
        self.0[index] = self.0[index].max(count);
        risen
    }

    fn check(&self, value: &[u8]) {
        assert_eq!(union(&[value]).as_slice(), self.0.as_slice());
        let mut dense = value.to_vec();
        assert_eq!(to_dense(&mut dense).unwrap(), encoding(value) == Ok(Encoding::Sparse));
        assert!(dense_registers(&dense).unwrap().eq(self.0.iter().copied()));
        let (mut value, registers) = (value.to_vec(), union(&[value]));
        assert_eq!(count(&mut value).unwrap().cardinality, registers.count().cast_signed());
        super::invalidate(&mut dense);
        assert_eq!(count(&mut dense).unwrap().cardinality, registers.count().cast_signed());
    }
}

#[test]
fn agrees_with_plain_bytes() {
    let mut rng = Rng::new(21);
    for round in 0..if cfg!(miri) { 1 } else { 20 } {
        let (mut value, mut model) = (create(), Model(Box::new([0; REGISTERS])));
        let len_max = [LEN_MAX, 0, 200, 20_000][round % 4];
        let universe = 1 << (4 + rng.below(14));
        for step in 0..if cfg!(miri) { 30 } else { 2000 } {
            let element = rng.below(universe).to_le_bytes();
            assert_eq!(add(&mut value, &element, len_max), Ok(model.add(&element)));
            assert!(encoding(&value) == Ok(Encoding::Dense) || value.len() <= len_max.max(18));
            if !cfg!(miri) && step % 499 == 0 {
                model.check(&value);
            }
        }
        model.check(&value);
    }
}

#[test]
fn unions_agree_with_the_largest_registers() {
    let mut rng = Rng::new(22);
    for _ in 0..if cfg!(miri) { 1 } else { 30 } {
        let (mut values, mut model) = (Vec::new(), Model(Box::new([0; REGISTERS])));
        for _ in 0..3 {
            let mut value = create();
            for _ in 0..rng.below(if cfg!(miri) { 10 } else { 900 }) {
                let element = rng.below(5000).to_le_bytes();
                add(&mut value, &element, LEN_MAX).unwrap();
                model.add(&element);
            }
            if rng.below(6) == 0 {
                to_dense(&mut value).unwrap();
            }
            values.push(value);
        }
        let any_dense = values.iter().any(|value| encoding(value) == Ok(Encoding::Dense));
        let registers = union(&values.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut target = values.swap_remove(0);
        count(&mut target).unwrap();
        registers.store(&mut target, LEN_MAX).unwrap();
        assert_eq!(cached(&target), None);
        assert!(!any_dense || encoding(&target) == Ok(Encoding::Dense));
        model.check(&target);
    }
}

//= security CVE-2025-32023: runs that add up to more than all registers
#[test]
fn forged_bytes_are_refused_or_read() {
    let mut rng = Rng::new(23);
    let origin = with_elements(0..if cfg!(miri) { 4 } else { 40 });
    for _ in 0..if cfg!(miri) { 3 } else { 1500 } {
        let mut value = origin.clone();
        for _ in 0..=rng.below(3) {
            let at = usize::try_from(rng.below(value.len() as u64)).unwrap();
            match rng.below(4) {
                0 => value.truncate(at.max(1)),
                1 => value[at] = rng.next_u64().to_le_bytes()[0],
                2 => value.insert(at, rng.next_u64().to_le_bytes()[0]),
                _ => value.extend_from_within(at..),
            }
        }
        check_value(&value, &rng.next_u64().to_le_bytes());
    }
}

#[test]
fn headers() {
    let mut dense = create();
    to_dense(&mut dense).unwrap();
    let with = |value: &[u8], at: usize, byte: u8| {
        let mut value = value.to_vec();
        value[at] = byte;
        value
    };
    let refused =
        [vec![], b"HYLL".to_vec(), with(&create(), 0, b'h'), with(&create(), 4, 2), with(&create(), 4, 0)];
    for value in refused.into_iter().chain([dense[..12_303].to_vec(), [&dense[..], b"x"].concat()]) {
        assert_eq!(encoding(&value), Err(HllError::NotHll));
    }
    // The cached cardinality is believed without a look at the runs.
    let mut cut = with(&create()[..17], 15, 0);
    assert_eq!(count(&mut cut).map(|count| count.cardinality), Ok(0));
    cut[15] = STALE;
    assert_eq!(count(&mut cut), Err(HllError::Corrupted));
    // An XZERO without its second byte reads as one of that byte 0, but cannot be changed.
    let mut open = create();
    open[17] = 0xfe;
    open.push(0x40);
    assert_eq!(Registers::new().merge(&open), Ok(()));
    assert_eq!(
        super::sparse::set(&mut open, 16_383, 1, 100, &mut Default::default()),
        Err(HllError::Corrupted)
    );
    assert_eq!(HllError::NotHll.text(), "WRONGTYPE Key is not a valid HyperLogLog string value.");
    assert_eq!(HllError::Corrupted.text(), "INVALIDOBJ Corrupted HLL object detected");
}

/// Registers that no hash makes: the reference casts an infinite estimate to the smallest integer.
#[test]
fn estimates_beyond_all_bounds() {
    let mut value = create();
    to_dense(&mut value).unwrap();
    value[16..].fill(0xff);
    super::invalidate(&mut value);
    assert_eq!(count(&mut value).map(|count| count.cardinality), Ok(i64::MIN));
    assert_eq!(cached(&value), None);
}
