//! `--test-memory`: writes patterns into memory and reads them back.
//!
//! Finds gross faults only: the system chooses which memory it is. For more, a test that boots by itself.

/// Words of an MiB.
const WORDS_PER_MIB: usize = (1 << 20) / size_of::<u64>();

/// A pattern by the place of the word.
type Pattern = fn(u64) -> u64;

const PATTERNS: [(&str, Pattern); 4] = [
    ("addresses", |at| at),
    ("checkerboard", |at| if at.is_multiple_of(2) { 0x5555_5555_5555_5555 } else { 0xaaaa_aaaa_aaaa_aaaa }),
    ("ones and zeros", |at| if at.is_multiple_of(2) { 0 } else { u64::MAX }),
    ("noise", mixed),
];

/// Random-looking bits of a number (the finisher of SplitMix64).
fn mixed(at: u64) -> u64 {
    let at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let at = (at ^ (at >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let at = (at ^ (at >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    at ^ (at >> 31)
}

/// Tests so many MiB and prints what came of each pattern. Returns whether all was well.
pub(crate) fn test(mebibytes: usize) -> bool {
    let mut words: Vec<u64> = Vec::new();
    let count = mebibytes.saturating_mul(WORDS_PER_MIB);
    if words.try_reserve_exact(count).is_err() {
        eprintln!("Unable to allocate {mebibytes} megabytes.");
        return false;
    }
    words.resize(count, 0);
    let mut all_well = true;
    for (name, pattern) in PATTERNS {
        let wrong = count_wrong(&mut words, pattern);
        all_well &= wrong == 0;
        println!("[{name}]...{}", if wrong == 0 { "OK".to_owned() } else { format!("{wrong} words WRONG") });
    }
    if all_well {
        println!("\nYour memory passed this test. It is short: memtest86+ or memtester tell more.");
    } else {
        println!("\nMEMORY ERROR DETECTED: do not run a server on this machine.");
    }
    all_well
}

fn count_wrong(words: &mut [u64], pattern: Pattern) -> usize {
    for (at, word) in (0u64..).zip(words.iter_mut()) {
        *word = pattern(at);
    }
    // The compiler must not conclude what was written.
    let words = core::hint::black_box(words);
    (0u64..).zip(words.iter()).filter(|(at, word)| **word != pattern(*at)).count()
}

#[cfg(test)]
mod tests {
    use super::{PATTERNS, count_wrong, test};

    #[test]
    fn good_memory_passes() {
        assert!(test(1));
        assert!(PATTERNS.iter().all(|(_, pattern)| count_wrong(&mut [0; 100], *pattern) == 0));
    }

    #[test]
    fn too_much_is_told() {
        assert!(!test(usize::MAX));
    }
}
