//! INFO: which sections are asked for, and their order.

use alloc::string::String;
use alloc::vec::Vec;

use super::info_sections as sections;
use crate::engine::{Args, CmdResult, Ctx};

type Section = fn(&mut String, &mut Ctx<'_>);

/// All sections in order: name, whether it is shown when nothing is asked for, and what writes it.
const SECTIONS: [(&str, bool, Section); 13] = [
    ("server", true, sections::server),
    ("clients", true, sections::clients),
    ("memory", true, sections::memory),
    ("persistence", true, sections::persistence),
    ("stats", true, sections::stats),
    ("replication", true, sections::replication),
    ("cpu", true, sections::cpu),
    ("modules", true, sections::modules),
    ("commandstats", false, sections::commandstats),
    ("errorstats", true, sections::errorstats),
    ("latencystats", false, sections::latencystats),
    ("cluster", true, sections::cluster),
    ("keyspace", true, sections::keyspace),
];

/// `INFO [section ...]`
pub(crate) fn info(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let asked: Vec<String> =
        args.iter_from(1).map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
    let has = |name: &str| asked.iter().any(|other| other == name);
    let everything = has("all") || has("everything");
    let default = asked.is_empty() || has("default");
    let mut text = String::with_capacity(8192);
    let shown = SECTIONS
        .into_iter()
        .filter(|(name, by_default, _)| everything || (default && *by_default) || has(name));
    // This one is for those who know its name.
    let debug = [("debug", false, sections::debug as Section)].into_iter().filter(|_| has("debug"));
    for (_, _, write) in shown.chain(debug) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        write(&mut text, cx);
    }
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}
