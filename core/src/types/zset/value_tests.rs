//! A sorted set in both encodings against a naive oracle.

use alloc::vec::Vec;

use super::{Bounds, Change, LexValue, Limit, Rules, Score, Window, Zset};
use crate::keyspace::{HashSeed, KeyHasher};
use crate::rng::Rng;

fn rules(entries_max: usize) -> Rules {
    Rules { entries_max, member_len_max: 20, hasher: KeyHasher::new(HashSeed([7; 16])) }
}

fn pick(rng: &mut Rng, bound: u64) -> usize {
    usize::try_from(rng.below(bound)).unwrap()
}

fn text(zset: &Zset, ranks: core::ops::Range<usize>) -> Vec<(Vec<u8>, f64)> {
    let pairs = zset.iter(ranks);
    pairs.map(|(member, score)| (member.text(&mut itoa::Buffer::new()).to_vec(), score)).collect()
}

/// What a range selects of elements that are in order, by looking at each one.
fn naive(model: &[(f64, Vec<u8>)], bounds: &Bounds<'_>, window: Window) -> Vec<usize> {
    let inside = |(score, member): &(f64, Vec<u8>)| match bounds {
        Bounds::Score(min, max) => {
            (*score > min.value.get() || (*score == min.value.get() && !min.is_open))
                && (*score < max.value.get() || (*score == max.value.get() && !max.is_open))
        }
        Bounds::Lex(min, max) => {
            let member = LexValue::Bytes(member);
            (member > min.value || (member == min.value && !min.is_open))
                && (member < max.value || (member == max.value && !max.is_open))
        }
    };
    let mut ranks: Vec<usize> = (0..model.len()).filter(|&rank| inside(&model[rank])).collect();
    if window.reverse {
        ranks.reverse();
    }
    let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
    let mut ranks: Vec<usize> =
        ranks.into_iter().skip(usize::try_from(window.offset).unwrap()).take(limit).collect();
    ranks.sort_unstable();
    ranks
}

fn select_agrees(zset: &Zset, model: &[(f64, Vec<u8>)], rng: &mut Rng, by_score: bool) {
    let words: [&[u8]; 5] = [b"", b"1", b"2x", b"9", b"m5"];
    let mut lex = || {
        let value = match rng.below(5) {
            0 => LexValue::Lowest,
            1 => LexValue::Highest,
            _ => LexValue::Bytes(words[pick(rng, 5)]),
        };
        Limit { value, is_open: rng.below(2) == 0 }
    };
    let (low, high) = (lex(), lex());
    let mut score = || {
        let value = Score::new(rng.below(8) as f64 - 2.0).unwrap();
        Limit { value, is_open: rng.below(2) == 0 }
    };
    let bounds = if by_score { Bounds::Score(score(), score()) } else { Bounds::Lex(low, high) };
    let window = Window {
        offset: i64::try_from(rng.below(4)).unwrap(),
        limit: i64::try_from(rng.below(6)).unwrap() - 1,
        reverse: rng.below(2) == 0,
    };
    let ranks: Vec<usize> = zset.select(&bounds, window).collect();
    assert_eq!(ranks, naive(model, &bounds, window), "{bounds:?} {window:?} {model:?}");
}

#[test]
fn both_encodings_agree_with_the_oracle() {
    let rounds = if cfg!(miri) { 60 } else { 3000 };
    for (seed, scores) in [(1, 6), (2, 6), (3, 1), (4, 1)] {
        let (mut rng, mut model) = (Rng::new(seed), Vec::<(f64, Vec<u8>)>::new());
        let rules = rules(if seed % 2 == 0 { 0 } else { 1000 });
        let mut zset = Zset::new();
        for _ in 0..rounds {
            let member = match rng.below(3) {
                0 => alloc::format!("{}", rng.below(30)),
                _ => alloc::format!("m{}", rng.below(30)),
            };
            let at = model.iter().position(|(_, other)| other == member.as_bytes());
            match rng.below(10) {
                0..5 => {
                    let score = rng.below(scores) as f64;
                    let expected = match at.map(|at| model.remove(at).0) {
                        None => Change::Added,
                        Some(old) if old == score => Change::Unchanged,
                        Some(_) => Change::Updated,
                    };
                    model.push((score, member.clone().into_bytes()));
                    model.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
                    let score = Score::new(score).unwrap();
                    assert_eq!(zset.insert(member.as_bytes(), score, &rules), expected);
                }
                5..8 => {
                    assert_eq!(zset.remove(member.as_bytes()), at.is_some());
                    if let Some(at) = at {
                        model.remove(at);
                    }
                }
                8 => {
                    let start = pick(&mut rng, model.len() as u64 + 1);
                    let most = if rng.below(3) == 0 { 40 } else { 4 };
                    let end = (start + pick(&mut rng, most)).min(model.len());
                    zset.remove_range(start..end, &mut Vec::new());
                    model.drain(start..end);
                    zset.tidy(pick(&mut rng, 20));
                }
                _ => assert_eq!(zset.rank(member.as_bytes()), at.map(|at| (at, model[at].0))),
            }
            assert_eq!(zset.len(), model.len());
            assert!(text(&zset, 0..zset.len()).into_iter().eq(model.iter().cloned().map(|(a, b)| (b, a))));
            select_agrees(&zset, &model, &mut rng, scores > 1);
            if let Zset::Large(large) = &zset {
                large.check();
            }
        }
        assert_eq!(zset.encoding(), if seed % 2 == 0 { "skiplist" } else { "listpack" });
    }
}

#[test]
fn encodings_change_as_in_the_reference() {
    let (rules, one) = (rules(3), Score::new(1.0).unwrap());
    let mut zset = Zset::new();
    zset.prepare(3, 20, &rules);
    for member in [b"a", b"b", b"c"] {
        assert_eq!(zset.insert(member, one, &rules), Change::Added);
    }
    assert_eq!(
        (zset.encoding(), zset.insert(b"a", Score::new(2.0).unwrap(), &rules)),
        ("listpack", Change::Updated)
    );
    let copy = zset.clone();
    assert_eq!((zset.insert(b"d", one, &rules), zset.encoding()), (Change::Added, "skiplist"));
    assert!(zset.remove(b"d"));
    assert_eq!(zset.encoding(), "skiplist");
    let small = zset.settle(&rules);
    assert_eq!((small.encoding(), text(&small, 0..9)), ("listpack", text(&copy, 0..9)));
    let mut long = copy;
    assert_eq!((long.insert(&[b'x'; 21], one, &rules), long.encoding()), (Change::Added, "skiplist"));
    assert!(!matches!(long.clone().settle(&rules), Zset::Small(_)));
    let mut many = Zset::new();
    many.prepare(4, 0, &rules);
    assert_eq!(many.encoding(), "skiplist");
}
