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
    //= valkey 9.1: against an empty text only the empty pattern matches, and `*` when it stands alone
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t, mut stars) = (0, 0, 0);
    // Where to go on when a match fails: behind the last star, one byte of text later than before.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
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

#[cfg(test)]
mod tests {
    use super::{Case, glob_match};

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
