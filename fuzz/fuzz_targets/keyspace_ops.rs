//! The keyspace does what a naive oracle does, whatever the operations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vireo_core::keyspace::model::{Op, run};

/// An operation from the next bytes.
fn op(data: &mut &[u8]) -> Option<Op> {
    let (&[kind, a, b, c], rest) = data.split_first_chunk::<4>()?;
    let key = u16::from_le_bytes([a, b & 1]);
    let len = usize::from(c) * if b & 2 == 0 { 1 } else { 9 };
    let len = len.min(rest.len());
    let value = rest[..len].to_vec();
    *data = &rest[len.min(32)..];
    Some(match kind % 13 {
        0 | 1 => Op::Set(key, value, (b & 4 != 0).then_some(c)),
        2 => Op::Get(key),
        3 => Op::Delete(key),
        4 => Op::Expire(key, c),
        5 => Op::Persist(key),
        6 => Op::Append(key, value),
        7 => Op::Rename(key, u16::from(c)),
        8 => Op::Advance(c / 8),
        9 => Op::Scan(c / 16),
        10 => Op::Lend(key),
        11 => Op::Return(c),
        _ => Op::ExpireStep(c),
    })
}

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let ops: Vec<Op> = core::iter::from_fn(|| op(&mut rest)).collect();
    run(&ops, 1);
});
