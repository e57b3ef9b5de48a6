//! Glob patterns of KEYS, SCAN and CONFIG GET: `*`, `?`, `[a-z]`, `[^a]`, `\x`.
//!
//! Iterative: a star remembers where it stood and only the last one is ever tried again, so the time is
//! bounded by pattern times text. Source: Valkey `stringmatchlen`, whose answers for odd patterns (an open
//! bracket, a trailing backslash) are kept.

/// Whether letters of other case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They differ.
    Sensitive,
    /// They are the same.
    Insensitive,
}

/// A pattern with more stars than this before its last matches nothing, as in the reference.
const STARS_MAX: usize = 1000;

/// Whether all of `text` matches `pattern`. Time O(pattern × text), no allocation.
pub fn glob_match(pattern: &[u8], text: &[u8], case: Case) -> bool {
    matches_in_steps(pattern, text, case, || ())
}

/// [`glob_match`], which tells of each step that it takes.
#[inline]
fn matches_in_steps(pattern: &[u8], text: &[u8], case: Case, mut step: impl FnMut()) -> bool {
    //= valkey 9.1: against an empty text only the empty pattern matches, and `*` when it stands alone
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t, mut stars) = (0, 0, 0);
    // Where to go on when a match fails: behind the last star, one byte of text later than before.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        step();
        if pattern.get(p) == Some(&b'*') {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            retry = Some((p, t));
        } else if let Some(next) = match_one(&pattern[p..], text[t], case) {
            p += next;
            t += 1;
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            (p, t) = (star, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Matches one byte against the element at the start of `pattern`; returns how long the element is.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    let same = |a: u8| a == byte || (case == Case::Insensitive && a.eq_ignore_ascii_case(&byte));
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (matched, len) = match_class(class, byte, case);
            matched.then_some(len + 1)
        }
        [b'\\', escaped, ..] => same(*escaped).then_some(2),
        [plain, ..] => same(*plain).then_some(1),
    }
}

/// Matches a byte against what stands behind `[`; returns the verdict and the length up to and with `]`.
fn match_class(class: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut matched = false;
    loop {
        match &class[at..] {
            // An open class ends with the pattern.
            [] => break,
            [b'\\', escaped, ..] => {
                matched |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                let (mut low, mut high) = (*from.min(to), *from.max(to));
                let mut tested = byte;
                if case == Case::Insensitive {
                    (low, high, tested) =
                        (low.to_ascii_lowercase(), high.to_ascii_lowercase(), byte.to_ascii_lowercase());
                }
                matched |= (low..=high).contains(&tested);
                at += 3;
            }
            [plain, ..] => {
                matched |= *plain == byte || (case == Case::Insensitive && plain.eq_ignore_ascii_case(&byte));
                at += 1;
            }
        }
    }
    (matched != negated, at)
}

/// Checks that a pattern matches what a naive matcher says it matches, in as many steps as are promised.
///
/// # Panics
/// When it does not.
#[cfg(all(feature = "alloc", any(test, fuzzing)))]
pub fn check_glob(pattern: &[u8], text: &[u8]) {
    for case in [Case::Sensitive, Case::Insensitive] {
        let mut steps = 0;
        let matched = matches_in_steps(pattern, text, case, || steps += 1);
        assert_eq!(matched, naive::matches(pattern, text, case), "{case:?}");
        assert_eq!(matched, glob_match(pattern, text, case));
        assert!(steps <= (pattern.len() + 2) * (text.len() + 1), "{steps} steps");
    }
}

/// A matcher that follows all ways through a pattern at once.
#[cfg(all(feature = "alloc", any(test, fuzzing)))]
mod naive {
    use alloc::vec::Vec;

    use super::{Case, STARS_MAX};

    /// The bytes that an element of a pattern matches; a star is `None`.
    type Element = Option<[bool; 256]>;

    pub(super) fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
        if text.is_empty() {
            return pattern.is_empty();
        }
        let elements = elements(pattern, case);
        let stars = elements.windows(2).filter(|pair| pair[0].is_none() && pair[1].is_some()).count();
        if stars > STARS_MAX {
            return false;
        }
        // How much of the text what is read of the pattern may match.
        let mut reached: Vec<bool> = (0..=text.len()).map(|len| len == 0).collect();
        for element in elements {
            let before = reached.clone();
            for len in 0..=text.len() {
                reached[len] = match &element {
                    None => before[len] || (len > 0 && reached[len - 1]),
                    Some(bytes) => len > 0 && before[len - 1] && bytes[usize::from(text[len - 1])],
                };
            }
        }
        reached[text.len()]
    }

    fn elements(mut pattern: &[u8], case: Case) -> Vec<Element> {
        let mut elements = Vec::new();
        while let Some((&first, rest)) = pattern.split_first() {
            pattern = rest;
            elements.push(match (first, rest) {
                (b'*', _) => None,
                (b'?', _) => Some([true; 256]),
                (b'[', _) => Some(class(&mut pattern, case)),
                (b'\\', [escaped, ..]) => {
                    pattern = &rest[1..];
                    Some(range(*escaped, *escaped, case))
                }
                _ => Some(range(first, first, case)),
            });
        }
        elements
    }

    /// The bytes between two.
    fn range(from: u8, to: u8, case: Case) -> [bool; 256] {
        let folded = |byte: u8| if case == Case::Insensitive { byte.to_ascii_lowercase() } else { byte };
        let (low, high) = (folded(from.min(to)), folded(from.max(to)));
        core::array::from_fn(|byte| u8::try_from(byte).is_ok_and(|byte| (low..=high).contains(&folded(byte))))
    }

    /// A class up to its bracket, or to the pattern's end.
    fn class(pattern: &mut &[u8], case: Case) -> [bool; 256] {
        let negated = pattern.first() == Some(&b'^');
        let mut rest = &pattern[usize::from(negated)..];
        let mut bytes = [false; 256];
        loop {
            let (taken, len) = match rest {
                [] | [b']', ..] => break,
                //= valkey 9.1: an escaped letter of a class has its case, whatever else has
                [b'\\', escaped, ..] => (range(*escaped, *escaped, Case::Sensitive), 2),
                [from, b'-', to, ..] => (range(*from, *to, case), 3),
                [plain, ..] => (range(*plain, *plain, case), 1),
            };
            bytes.iter_mut().zip(taken).for_each(|(byte, taken)| *byte |= taken);
            rest = &rest[len..];
        }
        *pattern = rest.get(1..).unwrap_or(b"");
        bytes.map(|matched| matched != negated)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Case, check_glob, glob_match};
    use crate::rng::Rng;

    #[test]
    fn random_patterns_match_what_a_naive_matcher_says() {
        let mut rng = Rng::new(5);
        let mut some = |len: u64, alphabet: &[u8]| -> Vec<u8> {
            let len = rng.below(len);
            (0..len).map(|_| alphabet[usize::try_from(rng.below(alphabet.len() as u64)).unwrap()]).collect()
        };
        for _ in 0..20_000 {
            check_glob(&some(12, b"**?[]^-\\\\aAbz\xff"), &some(10, b"aAbBz]\\\xff"));
        }
        for stars in [999, 1000, 1001, 1002] {
            let text = b"a".repeat(1100);
            check_glob(&b"*a".repeat(stars), &text);
            check_glob(&[&b"*a".repeat(stars)[..], b"*"].concat(), &text);
        }
    }

    #[test]
    fn patterns() {
        let cases: [(&str, &str, bool); 22] = [
            ("*", "abc", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("?", "a", true),
            ("?", "ab", false),
            ("h[ae]llo", "hello", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hbllo", true),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hxllo", false),
            ("[abc", "a", true),
            ("a\\", "a\\", true),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
            ("", "", true),
            ("", "a", false),
            ("a**", "a", true),
            ("[\\]]", "]", true),
            ("*[0-9]", "x7", true),
            ("a?", "a", false),
            ("abc", "ab", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                glob_match(pattern.as_bytes(), text.as_bytes(), Case::Sensitive),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(glob_match(b"MAX*", b"maxclients", Case::Insensitive));
    }

    //= security CVE-2024-31228: many stars take bounded time
    #[test]
    fn many_stars_are_bounded() {
        let pattern = b"*?".repeat(5_000);
        let text = b"a".repeat(20_000);
        assert!(!glob_match(&[&pattern[..], b"b"].concat(), &text, Case::Sensitive));
    }
}
