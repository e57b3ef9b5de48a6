//! Random operations.

use alloc::vec::Vec;

use super::Op;
use crate::rng::Rng;
use crate::types::stream::{Ack, AddId, ClaimRules, CountRule, Missing, StreamId, TrimMode, TrimTo};

/// An ID not far from `around`, the milliseconds that the stream has reached.
pub(super) fn some_id(rng: &mut Rng, around: u64) -> StreamId {
    match rng.below(24) {
        0 => StreamId::MIN,
        1 => StreamId::MAX,
        _ => StreamId::new((around + rng.below(20)).saturating_sub(17), rng.below(8)),
    }
}

/// The `count`th of random operations that keep to IDs near each other, so that they meet.
pub fn some_op(rng: &mut Rng, count: u64) -> Op {
    let (around, id) = (count / 10, some_id(rng, count / 10));
    let mut small = |bound: u64| u8::try_from(rng.below(bound)).unwrap_or(0);
    let (group, who, shape, count) = (small(2), small(3), small(60), small(6));
    let mode = match small(4) {
        0 => TrimMode::Nodes { limit: None },
        1 => TrimMode::Nodes { limit: Some(u64::from(small(12))) },
        _ => TrimMode::Exact,
    };
    let missing = if small(2) == 0 { Missing::Skip } else { Missing::Create };
    let idle_ms_min = i64::from(small(3)) * 20;
    let now_ms = 1000 + i64::from(small(200)) * 20;
    let rule = [CountRule::Add, CountRule::Keep, CountRule::Set(u64::from(small(9)))][usize::from(small(3))];
    let rules =
        ClaimRules { now_ms, idle_ms_min, delivery_time: now_ms - i64::from(small(3)), count: rule, missing };
    let bounded = StreamId::new(id.ms.min(around), id.seq);
    match small(32) {
        0..=9 => Op::Add(AddId::AutoSeq(around), shape),
        10 => Op::Add(AddId::Exact(bounded), shape),
        11..=13 => Op::Delete(id),
        14 => Op::Trim(TrimTo::MaxLen(u64::from(shape)), mode),
        15 => Op::Trim(TrimTo::MinId(StreamId::new(bounded.ms.saturating_sub(4), id.seq)), mode),
        16 if shape < 10 => Op::SetId(bounded, None),
        16 if shape < 20 => Op::SetId(bounded, Some(StreamId::new(1, 0))),
        17 if shape < 5 => Op::SetGroup(group, id),
        17 if shape < 8 => Op::RemoveGroup(group),
        16..=17 if shape < 30 => Op::SetGroup(group, StreamId::MIN),
        18..=19 => Op::CreateConsumer(group, who),
        20 if shape < 10 => Op::DeleteConsumer(group, who),
        20..=23 => {
            Op::Deliver(group, who, usize::from(count), if shape < 50 { Ack::Wanted } else { Ack::None })
        }
        24..=25 => Op::History(group, who, id, usize::from(count)),
        26 => Op::Ack(group, id),
        27..=29 => {
            Op::Claim(group, who, Vec::from([id, id.saturating_next(), StreamId::new(id.ms / 2, 0)]), rules)
        }
        _ => Op::AutoClaim(group, who, id, u64::from(count), rules),
    }
}
