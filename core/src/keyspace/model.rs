//! The keyspace against a naive oracle: the same function is the unit test and the fuzz target.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{AccessPolicy, ExpireChange, HashSeed, Keyspace, Layout, Loan, Now, StringView};

/// An operation on a small set of keys.
#[derive(Clone, Debug)]
pub enum Op {
    /// SET with an expiry or none.
    Set(u16, Vec<u8>, Option<u8>),
    /// GET.
    Get(u16),
    /// DEL.
    Delete(u16),
    /// EXPIRE.
    Expire(u16, u8),
    /// PERSIST.
    Persist(u16),
    /// APPEND.
    Append(u16, Vec<u8>),
    /// RENAME.
    Rename(u16, u16),
    /// Time passes.
    Advance(u8),
    /// A step of active expiry.
    ExpireStep(u8),
    /// A step of a scan.
    Scan(u8),
    /// FLUSHDB.
    Flush,
    /// A reply takes a value from where it lies.
    Lend(u16),
    /// One of these replies is sent, if there are many; all with zero.
    Return(u8),
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

/// A scan that is under way: what was there all the time must be seen.
#[derive(Default)]
struct ScanWatch {
    cursor: u64,
    constant: BTreeSet<Vec<u8>>,
    seen: BTreeSet<Vec<u8>>,
}

/// Replies that are on their way while others are sent.
const LENT_MAX: usize = 8;

/// Values that are lent, and what each was then.
type Lent = Vec<(Loan, Vec<u8>)>;

/// Keys that there can be.
const KEYS: u16 = if cfg!(miri) { 32 } else { 512 };

fn key_of(number: u16) -> Vec<u8> {
    alloc::format!("key:{}", number % KEYS).into_bytes()
}

/// Runs operations on both and compares after each.
///
/// # Panics
/// When they disagree.
pub fn run(ops: &[Op], shard_bits: u8) {
    let mut keyspace = Keyspace::new(Layout { databases: 2, shard_bits }, HashSeed([7; 16]));
    let (mut model, mut scan, mut lent) = (Model::new(), ScanWatch::default(), Lent::new());
    let mut now_ms = 1_000_000i64;
    for (count, op) in ops.iter().enumerate() {
        if let Op::Advance(ms) = op {
            now_ms += i64::from(*ms);
        }
        model.retain(|_, (_, at)| at.is_none_or(|at| now_ms <= at));
        match op {
            Op::Lend(number) => lend(&mut keyspace, &mut lent, *number, now_ms),
            Op::Return(index) if lent.len() > LENT_MAX => give_back(&mut lent, usize::from(*index)),
            Op::Return(0) => (0..lent.len()).for_each(|_| give_back(&mut lent, 0)),
            Op::Return(_) => {}
            _ => apply(&mut keyspace, &mut model, &mut scan, op, now_ms),
        }
        scan.constant.retain(|key| model.contains_key(key));
        if count % 64 == 0 {
            keyspace.check();
        }
    }
    keyspace.check();
    while keyspace.reclaim_step(8) {}
    let keys = keyspace.keys(0, Now::new(now_ms, AccessPolicy::Lru));
    let mut all = Model::new();
    keys.for_each(|entry| {
        if !keys.is_expired(entry) {
            all.insert(entry.key().to_vec(), (text(entry.string()), entry.expire_at()));
        }
    });
    assert_eq!(all, model);
    // What was lent outlives its key and its database; then nothing of it is left.
    (0..KEYS).for_each(|number| lend(&mut keyspace, &mut lent, number, now_ms));
    let mut keys = keyspace.keys(0, Now::new(now_ms, AccessPolicy::Lru));
    for number in 0..KEYS {
        let bytes = key_of(number);
        let key = keys.key(&bytes);
        keys.delete(key);
    }
    keyspace.flush(0);
    while keyspace.reclaim_step(8) {}
    assert!(keyspace.to_reclaim() >= usize::from(!lent.is_empty()));
    (0..lent.len()).for_each(|_| give_back(&mut lent, 0));
    while keyspace.reclaim_step(8) {}
    assert_eq!(keyspace.to_reclaim(), 0);
}

fn lend(keyspace: &mut Keyspace, lent: &mut Lent, number: u16, now_ms: i64) {
    let mut loan = keyspace.new_loan();
    let mut keys = keyspace.keys(0, Now::new(now_ms, AccessPolicy::Lru));
    let bytes = key_of(number);
    let key = keys.key(&bytes);
    if keys.lend(key, &mut loan, |_| 1) {
        let value = keys.read(key).map(|entry| text(entry.string()));
        lent.push((loan, value.unwrap_or_default()));
    }
}

fn give_back(lent: &mut Lent, index: usize) {
    if let Some(index) = index.checked_rem(lent.len()) {
        let (loan, value) = lent.swap_remove(index);
        let mut whole = Vec::new();
        loan.fill(b"<>", &mut whole);
        assert_eq!(whole, [b"<", &value[..], b">"].concat());
    }
}

fn text(view: StringView<'_>) -> Vec<u8> {
    match view {
        StringView::Int(value) => alloc::format!("{value}").into_bytes(),
        StringView::Bytes(bytes) => bytes.to_vec(),
    }
}

fn apply(keyspace: &mut Keyspace, model: &mut Model, scan: &mut ScanWatch, op: &Op, now_ms: i64) {
    let now = Now::new(now_ms, AccessPolicy::Lru);
    let mut keys = keyspace.keys(0, now);
    match op {
        Op::Set(number, value, ttl) => {
            let bytes = key_of(*number);
            let key = keys.key(&bytes);
            let at = ttl.map(|ttl| now_ms + i64::from(ttl));
            let existed = keys.set_string(key, value, at.map_or(ExpireChange::Clear, ExpireChange::At));
            assert_eq!(existed, model.insert(bytes, (value.clone(), at)).is_some());
        }
        Op::Get(number) => {
            let bytes = key_of(*number);
            let key = keys.key(&bytes);
            let got = keys.read(key).map(|entry| (text(entry.string()), entry.expire_at()));
            assert_eq!(got.as_ref(), model.get(&bytes));
        }
        Op::Delete(number) => {
            let bytes = key_of(*number);
            let key = keys.key(&bytes);
            assert_eq!(keys.delete(key), model.remove(&bytes).is_some());
        }
        Op::Expire(number, ttl) => expire(&mut keys, model, *number, Some(now_ms + i64::from(*ttl))),
        Op::Persist(number) => expire(&mut keys, model, *number, None),
        Op::Append(number, tail) => {
            let bytes = key_of(*number);
            let key = keys.key(&bytes);
            let value = &mut model.entry(bytes.clone()).or_default().0;
            let from = value.len();
            value.extend_from_slice(tail);
            keys.resize_raw(key, value.len(), |into| into[from..].copy_from_slice(tail));
        }
        Op::Rename(from, to) => {
            let (from, to) = (key_of(*from), key_of(*to));
            let (from_key, to_key) = (keys.key(&from), keys.key(&to));
            let copied = keys.copy_out(from_key);
            assert_eq!(copied.is_some(), model.contains_key(&from));
            if let Some(copied) = copied.filter(|_| from != to) {
                keys.delete(from_key);
                keys.put_copy(to_key, copied);
                let moved = model.remove(&from).unwrap_or_default();
                model.insert(to, moved);
            }
        }
        Op::Advance(_) | Op::Lend(_) | Op::Return(_) => {}
        Op::ExpireStep(budget) => {
            let is_due = keyspace.next_due_ms(now_ms).is_some_and(|at| at < now_ms);
            let step = keyspace.expire_step(now_ms, usize::from(*budget));
            assert_eq!(step.done() > 0, is_due && *budget > 0);
        }
        Op::Scan(count) => scan_step(keyspace, model, scan, usize::from(*count), now),
        Op::Flush => {
            keyspace.flush(0);
            model.clear();
        }
    }
}

fn expire(keys: &mut super::Keys<'_>, model: &mut Model, number: u16, at: Option<i64>) {
    let bytes = key_of(number);
    let key = keys.key(&bytes);
    assert_eq!(keys.set_expire(key, at), model.contains_key(&bytes));
    if let Some((_, expire)) = model.get_mut(&bytes) {
        *expire = at;
    }
}

fn scan_step(keyspace: &mut Keyspace, model: &Model, scan: &mut ScanWatch, count: usize, now: Now) {
    if scan.cursor == 0 {
        scan.constant = model.keys().cloned().collect();
        scan.seen.clear();
    }
    let keys = keyspace.keys(0, now);
    let seen = &mut scan.seen;
    scan.cursor = keys.scan(scan.cursor, count, |entry| {
        seen.insert(entry.key().to_vec());
    });
    if scan.cursor == 0 {
        let missed: Vec<_> = scan.constant.difference(&scan.seen).collect();
        assert!(missed.is_empty(), "SCAN missed {missed:?}");
    }
}

/// Operations that a stream of random numbers makes; the mix changes so that the table grows and shrinks.
pub fn random_ops(seed: u64, count: usize) -> Vec<Op> {
    let mut rng = crate::rng::Rng::new(seed);
    let mut ops = Vec::with_capacity(count);
    for index in 0..count {
        let key = u16::try_from(rng.below(512)).unwrap_or(0);
        let small = u8::try_from(rng.below(200)).unwrap_or(0);
        let len = match rng.below(20) {
            0 => rng.below(2000),
            1..4 => rng.below(300),
            _ => rng.below(40),
        };
        let value: Vec<u8> = match rng.below(4) {
            0 => alloc::format!("{}", rng.next_u64().cast_signed() >> rng.below(64)).into_bytes(),
            _ => (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect(),
        };
        let growing = index / 1500 % 2 == 0;
        ops.push(match rng.below(20) {
            0..6 if growing => Op::Set(key, value, (small < 60).then_some(small)),
            0..6 => Op::Delete(key),
            6..8 => Op::Get(key),
            8 => Op::Expire(key, small),
            9 => Op::Persist(key),
            10 => Op::Append(key, value),
            11 => Op::Rename(key, u16::try_from(rng.below(512)).unwrap_or(0)),
            12 => Op::Advance(small / 32),
            13 => Op::ExpireStep(small / 8),
            14..17 => Op::Scan(small / 16),
            17 => Op::Lend(key),
            18 => Op::Return(small),
            _ if small == 0 => Op::Flush,
            _ => Op::Set(key, value, None),
        });
    }
    ops
}

#[cfg(test)]
mod tests {
    use super::{random_ops, run};

    #[test]
    fn random_operations_agree_with_the_oracle() {
        let (seeds, count) = if cfg!(miri) { (1, 120) } else { (12, 8_000) };
        for seed in 0..seeds {
            run(&random_ops(seed, count), u8::try_from(seed % 3).unwrap());
        }
    }
}
