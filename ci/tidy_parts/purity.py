"""What the core and the server must do without: std, the system, clocks, threads, sleeping, maps in random order.

clippy.toml forbids the plain calls of the clock, of spawning and of sleeping everywhere, and std's maps; what it cannot see is looked
for here: other ways to the same things, std by its name in the core, and exceptions that somebody gave himself."""
import re

OUTSIDE = {
    "clock": r"\bstd::time::(?:\{[^}]*)?\b(?:Instant|SystemTime)\b|\b(?:rustix::time|libc)::(?:clock_gettime|gettimeofday|time\b\s*\()",
    "thread": r"\bstd::thread\b(?!_local|::panicking)|\blibc::(?:pthread_create|fork)\b",
    "sleep": r"\b(?:libc|rustix::thread)::(?:nanosleep|clock_nanosleep|usleep|sleep)\b|\bpark_timeout\b",
    "chance": r"\brustix::rand\b|\blibc::(?:getrandom|getentropy|arc4random\w*|rand)\b|\bRandomState\b",
}
# Everything that must replay from a seed; what lies below them is the backends' business.
REPLAYS = ("core/src/", "server/src/")
EXCEPTED = re.compile(r"#!?\[(?:cfg_attr\([^\n]*?)?(?:expect|allow)\s*\(([^\]]*?\bclippy::disallowed_(?:methods|types|macros)\b)")
STD = re.compile(r"\bextern\s+crate\s+std\b|(?<![\w:])(?:::)?std::")


def check(sources, kept):
    for source in sources:
        if source.path.startswith("core/src/"):
            yield from core(source)
        if source.path.startswith(REPLAYS):
            for what, pattern in OUTSIDE.items():
                for match in re.finditer(pattern, source.live):
                    if not kept.allows("outside", f"{what} {source.path}"):
                        line = source.line_of(match.start())
                        yield f"{source.path}:{line}: `{match[0]}`: a {what} of its own; it comes from the platform"
        for match in EXCEPTED.finditer(source.code):
            if not kept.allows("excepted", source.path):
                yield f"{source.path}:{source.line_of(match.start())}: an exception from clippy.toml's list that nobody knows of"
        if re.search(r"#\[ignore\b", source.code):
            yield f"{source.path}: a test that is switched off"


def core(source):
    for match in STD.finditer(source.live):
        yield f"{source.path}:{source.line_of(match.start())}: std in the core"
    if match := re.search(r"\btarget_(?:os|family|env|vendor)\b|\bcfg\((?:unix|windows)\b", source.live):
        yield f"{source.path}:{source.line_of(match.start())}: the core asks for the system it is built for"
    if source.path == "core/src/lib.rs" and not re.search(r"^#!\[no_std\]$", source.code, re.M):
        yield f"{source.path}: no unconditional #![no_std]"


def heads(sources):
    for source in sources:
        if not source.text.startswith("//!"):
            yield f"{source.path}:1: does not begin with `//!`: what is it, and what does it keep?"
