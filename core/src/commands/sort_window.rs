//! Sorting no more of a slice than a window of it: what LIMIT leaves.
//!
//! Quicksort that forgets the parts outside the window. Rows that compare equal come out in an order that depends on
//! every step, and clients see it; so pivots, swaps and bounds are those of the reference. Where its depth shows that it
//! becomes quadratic, which takes an input made for that, a part is sorted by merging instead.
//!
//! Source: Bentley and McIlroy, "Engineering a sort function", 1993; Valkey 9.1 pqsort.c.

use alloc::vec;
use core::cmp::Ordering;
use core::ops::Range;

/// Shorter parts are sorted by insertion.
const INSERTION_LEN_MAX: usize = 6;
/// Longer parts take the median of nine for a pivot, not of three.
const MEDIAN_OF_THREE_LEN_MAX: usize = 40;
/// Partitions inside each other before a part is merged; chance makes far fewer.
const DEPTH_MAX: u32 = 128;

/// Puts into `window` of `rows` what a full sort would have there, up to the order of equal rows.
pub(super) fn sort_window<T>(rows: &mut [T], window: Range<usize>, compare: impl Fn(&T, &T) -> Ordering) {
    let mut parts = vec![(0..rows.len(), 0)];
    while let Some((part, depth)) = parts.pop() {
        let slice = &mut rows[part.clone()];
        if slice.len() <= INSERTION_LEN_MAX {
            insertion_sort(slice, &compare);
        } else if depth > DEPTH_MAX {
            slice.sort_by(&compare);
        } else {
            let (less, more) = partition(slice, &compare);
            let sides = [part.start..part.start + less, part.end - more..part.end];
            let wanted = |side: &Range<usize>| side.start < window.end && window.start < side.end;
            let sides = sides.into_iter().filter(|side| side.len() > 1 && wanted(side));
            parts.extend(sides.map(|side| (side, depth + 1)));
        }
    }
}

fn insertion_sort<T>(rows: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) {
    for end in 1..rows.len() {
        let mut at = end;
        while at > 0 && compare(&rows[at - 1], &rows[at]).is_gt() {
            rows.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Moves rows below the pivot to the front, above it to the back; returns how many these are.
///
/// ```text
/// while it runs   ┌ = ┬ < ┬   ?   ┬ > ┬ = ┐     equal rows wait at both ends
///                 1   a   b       c   d
/// after           ┌ <   ┬    =    ┬     > ┐
/// ```
fn partition<T>(rows: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let len = rows.len();
    rows.swap(0, pivot(rows, compare));
    // `c` and `d` are one behind the last row of their part.
    let (mut a, mut b, mut c, mut d) = (1, 1, len, len);
    loop {
        while b < c {
            let order = compare(&rows[b], &rows[0]);
            if order.is_gt() {
                break;
            }
            if order.is_eq() {
                rows.swap(a, b);
                a += 1;
            }
            b += 1;
        }
        while b < c {
            let order = compare(&rows[c - 1], &rows[0]);
            if order.is_lt() {
                break;
            }
            if order.is_eq() {
                rows.swap(c - 1, d - 1);
                d -= 1;
            }
            c -= 1;
        }
        if b >= c {
            break;
        }
        rows.swap(b, c - 1);
        b += 1;
        c -= 1;
    }
    let (less, more) = (b - a, d - c);
    swap_ends(&mut rows[..b], a.min(less));
    swap_ends(&mut rows[b..], more.min(len - d));
    (less, more)
}

/// Swaps the first `count` rows with the last ones, in order.
fn swap_ends<T>(rows: &mut [T], count: usize) {
    let (front, back) = rows.split_at_mut(rows.len() - count);
    front[..count].swap_with_slice(back);
}

fn pivot<T>(rows: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let (len, middle) = (rows.len(), rows.len() / 2);
    if len == INSERTION_LEN_MAX + 1 {
        return middle;
    }
    let median = |a: usize, b: usize, c: usize| median(rows, [a, b, c], compare);
    if len <= MEDIAN_OF_THREE_LEN_MAX {
        return median(0, middle, len - 1);
    }
    let step = len / 8;
    let low = median(0, step, 2 * step);
    let high = median(len - 1 - 2 * step, len - 1 - step, len - 1);
    median(low, median(middle - step, middle, middle + step), high)
}

fn median<T>(rows: &[T], [a, b, c]: [usize; 3], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let order = |x: usize, y: usize| compare(&rows[x], &rows[y]);
    if order(a, b).is_lt() {
        if order(b, c).is_lt() {
            b
        } else if order(a, c).is_lt() {
            c
        } else {
            a
        }
    } else if order(b, c).is_gt() {
        b
    } else if order(a, c).is_lt() {
        a
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::sort_window;
    use crate::rng::Rng;

    #[test]
    fn agrees_with_a_full_sort() {
        let mut rng = Rng::new(3);
        for _ in 0..if cfg!(miri) { 50 } else { 3000 } {
            let len = usize::try_from(rng.below(1 + rng.clone().below(300))).unwrap();
            let distinct = 1 + rng.below(1 + len as u64 * 2);
            let mut rows: Vec<u64> = (0..len).map(|_| rng.below(distinct)).collect();
            let mut sorted = rows.clone();
            sorted.sort_unstable();
            let start = usize::try_from(rng.below(len as u64 + 1)).unwrap();
            let end = start + usize::try_from(rng.below((len - start) as u64 + 1)).unwrap();
            sort_window(&mut rows, start..end, Ord::cmp);
            assert_eq!(rows[start..end], sorted[start..end]);
            rows.sort_unstable();
            assert_eq!(rows, sorted, "no row is lost");
        }
    }
}
