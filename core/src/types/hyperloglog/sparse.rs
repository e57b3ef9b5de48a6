//! Registers as runs.
//!
//! ```text
//! ZERO   ┌ 00 n n n n n n ┐                     n + 1 registers of 0       (1 to 64)
//! XZERO  ┌ 01 n n n n n n ┬ n n n n n n n n ┐   n + 1 registers of 0       (1 to 16,384)
//! VAL    ┌ 1 v v v v v n n ┐                    n + 1 registers of v + 1   (1 to 4 of 1 to 32)
//! ```
//! The runs cover all 16,384 registers in order. Which runs come out depends on the order of insertions:
//! [`set`] splits and joins exactly as the reference does, so that the bytes are the same.
//! Bytes that a client forged are refused where they would be misread. An XZERO at the very end without its
//! second byte reads as if that were 0, as in the reference.

use alloc::vec::Vec;

use super::estimate::Histogram;
use super::{HEADER_LEN, HllError, REGISTERS};

/// The largest value that a VAL can hold.
pub(super) const VALUE_MAX: u8 = 32;
const XZERO: u8 = 0x40;
const VAL: u8 = 0x80;
const ZERO_LEN_MAX: usize = 64;
const VAL_LEN_MAX: usize = 4;
/// Runs looked at for joining after a change.
const JOIN_SCAN: usize = 5;
/// Spare bytes for later splits, at most.
const RESERVE_MAX: usize = 300;

/// Registers of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) len: usize,
    /// 0 for ZERO and XZERO.
    pub(super) value: u8,
    /// Bytes that it takes.
    pub(super) size: usize,
}

/// The run that starts with the first of `runs`.
pub(super) fn read(runs: &[u8]) -> Option<Run> {
    let &first = runs.first()?;
    Some(if first & VAL != 0 {
        Run { len: usize::from(first & 3) + 1, value: (first >> 2 & 31) + 1, size: 1 }
    } else if first & XZERO != 0 {
        let low = runs.get(1).copied().unwrap_or(0);
        Run { len: usize::from(u16::from_be_bytes([first & 63, low])) + 1, value: 0, size: 2 }
    } else {
        Run { len: usize::from(first) + 1, value: 0, size: 1 }
    })
}

/// Calls `each` with the first register and the run, for all runs; refuses runs that do not cover exactly all
/// registers. What `each` saw before a refusal is of runs within bounds.
pub(super) fn for_each_run(runs: &[u8], mut each: impl FnMut(usize, Run)) -> Result<(), HllError> {
    let (mut rest, mut index) = (runs, 0);
    while let Some(run) = read(rest) {
        if index + run.len > REGISTERS {
            return Err(HllError::Corrupted);
        }
        each(index, run);
        index += run.len;
        rest = rest.get(run.size..).unwrap_or_default();
    }
    if index == REGISTERS { Ok(()) } else { Err(HllError::Corrupted) }
}

/// The histogram of the registers.
pub(super) fn histogram(runs: &[u8]) -> Result<Histogram, HllError> {
    let mut histogram = [0; 64];
    for_each_run(runs, |_, run| {
        histogram[usize::from(run.value)] += u32::try_from(run.len).unwrap_or(0);
    })?;
    Ok(histogram)
}

/// Where the run before the last change starts: from there a search for a higher register may go on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    at: usize,
    first: usize,
}

/// What became of a register that was to be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// It was that high.
    No,
    /// It is now.
    Yes,
    /// It does not fit in here: nothing changed, the dense encoding is due.
    TooLarge,
}

/// A run with its place: where it starts, its first register, and the run before it.
struct Found {
    run: Run,
    at: usize,
    first: usize,
    before: Option<Cursor>,
}

/// Raises a register to `count` (1 to 32), in a value of at most `len_max` bytes, header included.
///
/// The indices of the calls that share a cursor must rise.
pub(super) fn set(
    value: &mut Vec<u8>,
    index: usize,
    count: u8,
    len_max: usize,
    cursor: &mut Cursor,
) -> Result<Raised, HllError> {
    let found = find(&value[HEADER_LEN..], index, *cursor).ok_or(HllError::Corrupted)?;
    *cursor = found.before.unwrap_or_default();
    if found.run.value >= count {
        return Ok(Raised::No);
    }
    let runs = split(&found, index, count);
    let at = HEADER_LEN + found.at;
    if runs.len() > found.run.size && value.len() + runs.len() - found.run.size > len_max {
        return Ok(Raised::TooLarge);
    }
    if at + found.run.size > value.len() {
        return Err(HllError::Corrupted);
    }
    if value.capacity() - value.len() < runs.len() {
        value.reserve_exact(runs.len() + value.len().min(RESERVE_MAX));
    }
    value.splice(at..at + found.run.size, runs);
    join(value, HEADER_LEN + cursor.at);
    Ok(Raised::Yes)
}

/// The run of a register.
fn find(runs: &[u8], index: usize, from: Cursor) -> Option<Found> {
    let Cursor { mut at, mut first } = from;
    let mut before = None;
    loop {
        let run = read(runs.get(at..)?)?;
        if index < first + run.len {
            // A cursor that stands on the run itself does not know the one before it.
            if before.is_none() && at > 0 {
                (at, first) = (0, 0);
                continue;
            }
            return Some(Found { run, at, first, before });
        }
        before = Some(Cursor { at, first });
        at += run.size;
        first += run.len;
    }
}

/// The runs in place of the found one: what was before the register, itself, what was after it.
fn split(found: &Found, index: usize, count: u8) -> heapless::Vec<u8, 5> {
    let mut runs = heapless::Vec::new();
    put(&mut runs, index - found.first, found.run.value);
    put(&mut runs, 1, count);
    put(&mut runs, found.first + found.run.len - 1 - index, found.run.value);
    runs
}

/// Appends a run of at most 16,384 registers. At most two of the three runs of a split take two bytes.
fn put(runs: &mut heapless::Vec<u8, 5>, len: usize, value: u8) {
    let Some(more) = len.checked_sub(1) else { return };
    let [high, low] = u16::try_from(more).unwrap_or(0).to_be_bytes();
    let pushed = if value > 0 {
        runs.push(VAL | (value - 1) << 2 | low)
    } else if len > ZERO_LEN_MAX {
        runs.push(XZERO | high).and_then(|()| runs.push(low))
    } else {
        runs.push(low)
    };
    debug_assert!(pushed.is_ok());
}

/// Joins neighbouring VAL of one value, where they fit into one, among the few runs from `at` on.
fn join(value: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_SCAN {
        let Some(run) = value.get(at..).and_then(read) else { return };
        let next = value.get(at + run.size..).and_then(read);
        match next
            .filter(|next| run.value > 0 && next.value == run.value && run.len + next.len <= VAL_LEN_MAX)
        {
            Some(next) => {
                let low = u8::try_from(run.len + next.len - 1).unwrap_or(0);
                value[at] = VAL | (run.value - 1) << 2 | low;
                value.remove(at + 1);
            }
            None => at += run.size,
        }
    }
}

/// The runs as text: `z:len`, `Z:len` and `v:value,len`, with blanks between.
pub(super) fn text(runs: &[u8]) -> Vec<u8> {
    let (mut text, mut rest) = (Vec::new(), runs);
    while let (Some(run), Some(&first)) = (read(rest), rest.first()) {
        if !text.is_empty() {
            text.push(b' ');
        }
        let mut digits = itoa::Buffer::new();
        if run.value > 0 {
            text.extend_from_slice(b"v:");
            text.extend_from_slice(digits.format(run.value).as_bytes());
            text.push(b',');
        } else {
            text.extend_from_slice(if first & XZERO == 0 { b"z:" } else { b"Z:" });
        }
        text.extend_from_slice(digits.format(run.len).as_bytes());
        rest = rest.get(run.size..).unwrap_or_default();
    }
    text
}
