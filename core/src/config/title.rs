//! Templates of process titles: text with `{variables}`; `{{` stands for a brace.

use alloc::vec::Vec;

/// The template with its variables filled in, blanks at both ends removed. `None` when it ends inside a variable
/// or `variable` does not know one.
pub fn expand_title(template: &[u8], variable: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(template.len());
    let mut rest = template;
    while let Some(brace) = rest.iter().position(|&byte| byte == b'{') {
        let (before, after) = rest.split_at_checked(brace)?;
        out.extend_from_slice(before);
        let after = after.get(1..)?;
        if let Some(after) = after.strip_prefix(b"{") {
            out.push(b'{');
            rest = after;
            continue;
        }
        let end = after.iter().position(|&byte| byte == b'}')?;
        out.extend_from_slice(&variable(after.get(..end)?)?);
        rest = after.get(end.saturating_add(1)..)?;
    }
    out.extend_from_slice(rest);
    let start = out.iter().position(|&byte| byte != b' ').unwrap_or(out.len());
    let end = out.iter().rposition(|&byte| byte != b' ').map_or(start, |last| last.saturating_add(1));
    out.get(start..end).map(<[u8]>::to_vec)
}

/// Whether a template's variables exist and something is left when those that may be empty are.
pub(super) fn is_valid(template: &[u8]) -> bool {
    let expanded = expand_title(template, |name| match name {
        b"title" | b"server-mode" | b"unixsocket" => Some(Vec::new()),
        b"listen-addr" | b"config-file" | b"port" | b"tls-port" => Some(b"-".to_vec()),
        _ => None,
    });
    expanded.is_some_and(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{expand_title, is_valid};

    #[test]
    fn variables_are_filled_in() {
        let value = |name: &[u8]| (name == b"port").then(|| b"6379".to_vec());
        let expand = |template: &[u8]| expand_title(template, value);
        assert_eq!(expand(b" a {port}{{b ").as_deref(), Some(&b"a 6379{b"[..]));
        assert_eq!(expand(b"{port").as_deref(), None);
        assert_eq!(expand(b"{").as_deref(), None);
        assert_eq!(expand(b"{unknown}").as_deref(), None);
        assert_eq!(expand(b"   ").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_template_must_leave_something() {
        assert!(is_valid(b"{title} {listen-addr} {server-mode}"));
        assert!(is_valid(b"--my--title"));
        assert!(!is_valid(b"{title}"));
        assert!(!is_valid(b"{invalid}"));
        assert!(!is_valid(b""));
    }
}
