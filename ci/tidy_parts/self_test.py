"""Plants one violation after the other in a copy of the tree, and sees each found: a check that finds nothing is none."""
import contextlib
import os
import shutil
import subprocess
import tempfile

LONG = "".join(f"    let _{number} = {number};\n" for number in range(71))
# (file, what is put behind its text, what the complaint must say); a file that is not there is made.
APPENDED = [
    ("core/src/glob.rs", '#[expect(unsafe_code, reason = "planted")]\nfn planted() {}\n', "core/src/glob.rs:%: opens unsafe code and is not named"),
    ("server/src/log.rs", "#[expect(unsafe_code)]\nfn planted() {}\n", "server/src/log.rs:%: opens unsafe code without a reason"),
    ("core/src/glob.rs", "fn planted() { unsafe { core::hint::unreachable_unchecked() } }\n", "core/src/glob.rs:%: unsafe code in a file that does not open it"),
    ("core/src/glob.rs", "fn planted(a: &AtomicU64) { a.load(Ordering::Relaxed); }\n", "core/src/glob.rs:%: a weaker ordering"),
    ("core/src/glob.rs", "// a line\n" * 600, "core/src/glob.rs: % lines without tests"),
    ("core/src/commands/table/rows.rs", "// a line\n", "core/src/commands/table/rows.rs: % lines without tests"),
    ("server/tests/tracking.rs", "// a line\n" * 400, "server/tests/tracking.rs: % lines, 1000 are allowed"),
    ("core/src/glob.rs", f"fn planted() {{\n{LONG}}}\n", "core/src/glob.rs:%: function planted has 71 lines"),
    ("core/src/num/mod.rs", "use crate::keyspace::Keys;\n", "core/src/num/mod.rs:%: core/num uses core/keyspace"),
    ("core/src/glob.rs", "use crate::{num, engine::{Ctx, Host}};\n", "core/src/glob.rs:%: core/glob uses core/engine"),
    ("core/src/planted.rs", "//! Planted.\n", "core/src/planted.rs: ARCHITECTURE.md's map does not show core/src/planted"),
    ("backend-linux/src/net.rs", "use vireo_core::resp::Reply;\n", "backend-linux/src/net.rs:%: uses vireo_core::resp"),
    ("backend-bsd/src/net.rs", "use vireo_core::{platform::Net, queue::spsc};\n", "backend-bsd/src/net.rs:%: uses vireo_core::queue"),
    ("core/src/glob.rs", "fn planted() { std::process::exit(1) }\n", "core/src/glob.rs:%: std in the core"),
    ("core/src/num/mod.rs", "extern crate std;\n", "core/src/num/mod.rs:%: std in the core"),
    ("core/src/glob.rs", '#[cfg(target_os = "linux")]\nfn planted() {}\n', "core/src/glob.rs:%: the core asks for the system"),
    ("server/src/boot.rs", "fn planted() { std::thread::Builder::new(); }\n", "server/src/boot.rs:%: `std::thread`: a thread"),
    ("server/src/boot.rs", "fn planted() { rustix::time::clock_gettime(1); }\n", "server/src/boot.rs:%: `rustix::time::clock_gettime`: a clock"),
    ("server/src/boot.rs", "use std::time::{Duration, Instant};\n", "server/src/boot.rs:%: `std::time::{Duration, Instant`: a clock"),
    ("server/src/boot.rs", "fn planted() { unsafe_free(libc::usleep) }\n", "server/src/boot.rs:%: `libc::usleep`: a sleep"),
    ("server/src/boot.rs", "use rustix::rand::getrandom;\n", "server/src/boot.rs:%: `rustix::rand`: a chance"),
    ("server/src/boot.rs", '#[expect(clippy::disallowed_methods, reason = "planted")]\nfn p() {}\n', "server/src/boot.rs:%: an exception from clippy.toml"),
    ("server/tests/types.rs", "#[test]\n#[ignore]\nfn planted() {}\n", "server/tests/types.rs: a test that is switched off"),
    ("server/src/planted.rs", "// Planted.\n", "server/src/planted.rs:1: does not begin with `//!`"),
    ("ci/tidy.kept", "\n# Planted.\nfile 700 core/src/glob.rs\n", "`file core/src/glob.rs` is needed no more"),
    ("ci/tidy.kept", "\nexcepted core/src/glob.rs\n", "`excepted core/src/glob.rs` has no reason above it"),
]
# (file, what is taken out, what stands there instead, what the complaint must say)
REPLACED = [
    ("ARCHITECTURE.md", "`core/offload/job.rs`", "boxes", "core/src/offload/job.rs:%: opens unsafe code and is not named"),
    ("ARCHITECTURE.md", "`core/prefetch.rs`", "`core/{prefetch,glob}.rs`", '"Unsafe code" names core/src/glob.rs, which opens none'),
    ("ARCHITECTURE.md", "## Unsafe code", "## Elsewhere", 'there is no section "Unsafe code"'),
    ("backend-linux/Cargo.toml", "[dependencies]", "[dependencies]\nvireo-backend.workspace = true", "vireo-backend-linux must not depend on vireo-backend"),
    ("server/Cargo.toml", "vireo-backend.workspace = true", 'vireo-backend.workspace = true\nvireo-backend-linux.workspace = true', "vireo-server must not depend on vireo-backend-linux"),
    ("tools/vireo-floor/Cargo.toml", 'name = "vireo-floor"', 'name = "vireo-ceiling"', "what vireo-ceiling may depend on is not written down"),
    ("server/Cargo.toml", "[lints]\nworkspace = true", "", "server/Cargo.toml: does not take the workspace's lints"),
    ("core/src/lib.rs", "#![no_std]", "#![cfg_attr(not(test), no_std)]", "core/src/lib.rs: no unconditional #![no_std]"),
    ("ci/tidy.kept", "file 213", "file 999", "lower it"),
]
# Code that must not be complained of.
INNOCENT = """
// std::thread, unsafe and `extern crate std` in words.
const _: &str = "unsafe { std::process::exit(1) } // no comment: \\" #[ignore] ";
const _: &[u8] = br#"std:: "unsafe" "#;
const _: (char, u8) = ('"', b'\\'');
fn planted<'a>(text: &'a str) -> &'a str { /* std:: /* nested */ unsafe */ text }
#[cfg(all(test, not(loom)))]
mod planted { fn now() { std::thread::yield_now(); } }
"""


def copied(root, folder):
    """The tree's files, as git knows them, without what no check reads."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, check=True, capture_output=True, text=True)
    for path in listed.stdout.splitlines():
        if path.endswith((".rs", ".toml", ".md", ".kept", ".lock")) and os.path.exists(os.path.join(root, path)):
            os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
            shutil.copyfile(os.path.join(root, path), os.path.join(folder, path))


@contextlib.contextmanager
def planted(tree, path, change):
    """A file as `change` makes it, for a while."""
    full = os.path.join(tree, path)
    before = None
    if os.path.exists(full):
        with open(full, encoding="utf-8") as file:
            before = file.read()
    after = change(before or "")
    assert after != before, f"{path}: nothing was planted"
    with open(full, "w", encoding="utf-8") as file:
        file.write(after)
    try:
        yield
    finally:
        if before is None:
            os.remove(full)
        else:
            with open(full, "w", encoding="utf-8") as file:
                file.write(before)


def said(found, expected):
    """Whether a complaint says this; `%` stands for a number."""
    head, _, tail = expected.partition("%")
    return any(head in line and tail in line[line.index(head) :] for line in found)


def rounds():
    """The plants, as lists of (path, change, expected): one of each file at a time, and what concerns all files alone."""
    left = list(APPENDED)
    while left:
        first = {}
        for plant in left:
            first.setdefault(plant[0], plant)
        left = [plant for plant in left if plant not in first.values()]
        yield [(path, lambda text, more=more: text + more, expected) for path, more, expected in first.values()]
    for path, old, new, expected in REPLACED:
        yield [(path, lambda text, old=old, new=new: text.replace(old, new), expected)]


def lowers(tree, complaints, kept_list, load):
    """Whether `--lower` makes of a list that allows too much the one that is needed."""
    path = kept_list(tree).path
    with open(path, encoding="utf-8") as file:
        needed = file.read()
    with planted(tree, "ci/tidy.kept", lambda text: text.replace("file 2", "file 7") + "\n# Planted.\nexcepted core/src/glob.rs\n"):
        kept = kept_list(tree)
        complaints(tree, kept, load(tree))
        kept.lower()
        with open(path, encoding="utf-8") as file:
            if file.read() == needed:
                return True
    print("tidy: --lower does not lower the list to what is needed")
    return False


def run(root, complaints, kept_list, load):
    """Status of the self-test."""
    missed = count = 0
    with tempfile.TemporaryDirectory() as tree:
        copied(root, tree)

        def look(plants):
            with contextlib.ExitStack() as stack:
                for path, change, _ in plants:
                    stack.enter_context(planted(tree, path, change))
                kept = kept_list(tree)
                return [*complaints(tree, kept, load(tree)), *kept.stale()]

        for line in look([("core/src/glob.rs", lambda text: text + INNOCENT, None)]):
            print(f"tidy: complained of without reason: {line}")
            missed += 1
        missed += not lowers(tree, complaints, kept_list, load)
        for plants in rounds():
            found = look(plants)
            for path, _, expected in plants:
                count += 1
                if not said(found, expected):
                    print(f"tidy: planted in {path} and not found: {expected}")
                    missed += 1
    print(f"tidy: self-test: {count} violations planted, {count - missed} found")
    return 1 if missed else 0
