//! LCS: the longest common subsequence of two strings, by the usual table of lengths.

use alloc::vec::Vec;

use super::string::copy_of;
use crate::engine::{Args, CmdError, CmdResult, Ctx};

struct LcsOptions {
    idx: bool,
    len: bool,
    with_match_len: bool,
    min_match_len: i64,
}

/// A common run: where it begins and ends in both strings, ends included.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]`
pub(crate) fn lcs(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const NOT_STRINGS: CmdError = CmdError::Text("ERR The specified keys must contain string values");
    // Both are looked up, and so counted, before either is an error.
    let (a, b) = (copy_of(cx, args.at(1)), copy_of(cx, args.at(2)));
    let (a, b) = (a.map_err(|_| NOT_STRINGS)?, b.map_err(|_| NOT_STRINGS)?);
    let options = parse(args)?;
    if options.len && options.idx {
        return Err(CmdError::Text("ERR If you want both the length and indexes, please just use IDX."));
    }
    let table = Table::new(&a, &b, cx.shared.config.settings().proto_max_bulk_len)?;
    let (text, matches) = table.trace(&a, &b, options.min_match_len);
    if options.idx {
        reply_matches(cx, &matches, options.with_match_len);
        cx.reply.bulk(b"len");
        cx.reply.count(text.len());
    } else if options.len {
        cx.reply.count(text.len());
    } else {
        cx.reply.bulk(&text);
    }
    Ok(())
}

fn parse(args: &Args<'_>) -> Result<LcsOptions, CmdError> {
    let mut options = LcsOptions { idx: false, len: false, with_match_len: false, min_match_len: 0 };
    let mut index = 3;
    while index < args.len() {
        if args.is(index, "IDX") {
            options.idx = true;
        } else if args.is(index, "LEN") {
            options.len = true;
        } else if args.is(index, "WITHMATCHLEN") {
            options.with_match_len = true;
        } else if args.is(index, "MINMATCHLEN") && index + 1 < args.len() {
            options.min_match_len = args.int(index + 1)?.max(0);
            index += 1;
        } else {
            return Err(CmdError::SYNTAX);
        }
        index += 1;
    }
    Ok(options)
}

fn reply_matches(cx: &mut Ctx<'_>, matches: &[Match], with_len: bool) {
    cx.reply.map(2);
    cx.reply.bulk(b"matches");
    cx.reply.array(matches.len());
    for found in matches {
        cx.reply.array(2 + usize::from(with_len));
        for (start, end) in [found.a, found.b] {
            cx.reply.array(2);
            cx.reply.count(start);
            cx.reply.count(end);
        }
        if with_len {
            cx.reply.count(found.a.1 - found.a.0 + 1);
        }
    }
}

/// Lengths of the longest common subsequences of all prefixes.
struct Table {
    cells: Vec<u32>,
    width: usize,
}

impl Table {
    fn new(a: &[u8], b: &[u8], bytes_max: u64) -> Result<Self, CmdError> {
        const TOO_LARGE: CmdError =
            CmdError::Text("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        const NO_MEMORY: CmdError =
            CmdError::Text("ERR Insufficient memory, failed allocating transient memory for LCS");
        let width = b.len() + 1;
        let count = (a.len() + 1).checked_mul(width).ok_or(TOO_LARGE)?;
        if (count as u64).saturating_mul(4) > bytes_max {
            return Err(TOO_LARGE);
        }
        let mut cells = Vec::new();
        cells.try_reserve_exact(count).map_err(|_| NO_MEMORY)?;
        cells.resize(count, 0);
        let mut table = Self { cells, width };
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let length =
                    if x == y { table.at(i, j) + 1 } else { table.at(i, j + 1).max(table.at(i + 1, j)) };
                table.cells[(i + 1) * width + j + 1] = length;
            }
        }
        Ok(table)
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }

    /// The subsequence, and its runs of at least `min` bytes, the last first.
    fn trace(&self, a: &[u8], b: &[u8], min: i64) -> (Vec<u8>, Vec<Match>) {
        let (mut i, mut j) = (a.len(), b.len());
        let (mut text, mut matches): (Vec<u8>, Vec<Match>) = (Vec::new(), Vec::new());
        let mut run: Option<Match> = None;
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                text.push(a[i - 1]);
                (i, j) = (i - 1, j - 1);
                match &mut run {
                    Some(run) if run.a.0 == i + 1 && run.b.0 == j + 1 => (run.a.0, run.b.0) = (i, j),
                    _ => close(&mut matches, run.replace(Match { a: (i, i), b: (j, j) }), min),
                }
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        close(&mut matches, run, min);
        text.reverse();
        (text, matches)
    }
}

fn close(matches: &mut Vec<Match>, run: Option<Match>, min: i64) {
    if let Some(run) = run
        && i64::try_from(run.a.1 - run.a.0 + 1).unwrap_or(i64::MAX) >= min
    {
        matches.push(run);
    }
}
