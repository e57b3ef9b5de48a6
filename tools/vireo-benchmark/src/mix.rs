//! Several kinds of requests in one test, each with its weight: `--mix get:80,set:20`.

/// Largest weight of one kind.
const WEIGHT_MAX: u32 = 1_000_000;
/// Most kinds: each keeps latencies of its own.
const KINDS_MAX: usize = 32;

/// Kinds of requests, by the names of tests, and how often each comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mix {
    /// As it was asked for: the test's title.
    pub text: String,
    /// Names of tests, lower case, and weights.
    pub parts: Vec<(String, u32)>,
}

impl Mix {
    /// Reads `name:weight,name:weight`; a name without weight counts once.
    ///
    /// # Errors
    /// Words for the user.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts: Vec<(String, u32)> = Vec::new();
        for part in text.split(',') {
            let (name, weight) = part.split_once(':').unwrap_or((part, "1"));
            let name = name.trim().to_ascii_lowercase();
            let weight = weight.trim().parse().ok().filter(|weight| (1..=WEIGHT_MAX).contains(weight));
            let Some(weight) = weight.filter(|_| !name.is_empty()) else {
                return Err(format!(
                    "Invalid part \"{part}\" of option --mix: NAME:WEIGHT is needed, a weight from 1 to {WEIGHT_MAX}."
                ));
            };
            if parts.iter().any(|(other, _)| *other == name) {
                return Err(format!("Option --mix names {name} twice."));
            }
            parts.push((name, weight));
        }
        if parts.len() > KINDS_MAX {
            return Err(format!("Option --mix takes at most {KINDS_MAX} kinds of requests."));
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

#[cfg(test)]
mod tests {
    use super::Mix;

    #[test]
    fn names_and_weights() {
        let mix = Mix::parse("GET:80, set:20,incr").unwrap();
        assert_eq!(mix.parts, [("get".into(), 80), ("set".into(), 20), ("incr".into(), 1)]);
        for bad in ["", "get:0", "get:x", ":3", "get:-1", "get,,set", "get:1000001"] {
            assert!(Mix::parse(bad).unwrap_err().contains("NAME:WEIGHT"), "{bad}");
        }
        assert!(Mix::parse("get,GET:2").unwrap_err().contains("twice"));
        let many: Vec<String> = (0..33).map(|number| format!("k{number}")).collect();
        assert!(Mix::parse(&many.join(",")).unwrap_err().contains("at most"));
    }
}
