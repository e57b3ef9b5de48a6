"""The ledger of unsafe code: every file that opens it says why, and ARCHITECTURE.md names it; no other file has any.

Also that each package takes part in the workspace's lints, without which `unsafe_code` would not be denied, and that every atomic
access weaker than SeqCst says what it pairs with."""
import glob
import os
import re

OPENED = re.compile(r"#(!?)\[[^\n]*?\b(?:expect|allow)\s*\(\s*(?:[\w:]+\s*,\s*)*unsafe_code\b")
REASON = re.compile(r"unsafe_code\b[^\]]*?reason\s*=\s*\"([^\"]*)\"", re.S)
NAMED = re.compile(r"`([\w./{},*-]+)`")
FUNCTION_HEAD = re.compile(r"\s*(?:pub(?:\(\w+\))? )?(?:const )?(?:unsafe )?fn ")
WEAK = re.compile(r"\b(?:Ordering::)?(?:Relaxed|Acquire|Release|AcqRel)\b(?!\s*[,}]\s*(?:\w+::)?\w*\s*;)")


def expanded(name):
    """`a/{b,c}.rs` as its parts."""
    match = re.search(r"\{([^}]*)\}", name)
    if not match:
        return [name]
    return [path for part in match[1].split(",") for path in expanded(name[: match.start()] + part + name[match.end() :])]


def named_paths(root):
    """The files that the section "Unsafe code" of ARCHITECTURE.md names; there, a package's `src` is left out."""
    with open(os.path.join(root, "ARCHITECTURE.md"), encoding="utf-8") as file:
        section = re.search(r"^## Unsafe code\n(.*?)^## ", file.read() + "\n## ", re.S | re.M)
    if not section:
        return None
    paths = set()
    for name in NAMED.findall(section[1]):
        for path in expanded(name):
            package, _, inner = path.partition("/")
            if inner.endswith(".rs"):
                paths.add(f"{package}/src/{inner}")
    return paths


def opened(sources):
    """Path of every file that opens unsafe code, with (line, whole file, reason or None) of each place."""
    ledger = {}
    for source in sources:
        for match in OPENED.finditer(source.code):
            # The reason is a string, so it stands in the text alone.
            reason = REASON.match(source.text, source.text.index("unsafe_code", match.start()))
            place = (source.line_of(match.start()), bool(match[1]), reason[1] if reason else None)
            ledger.setdefault(source.path, []).append(place)
    return ledger


def above(path):
    """The files whose modules the module in this file lies in."""
    while "/src/" in path:
        folder = os.path.dirname(path)
        parent = f"{folder}/mod.rs" if not path.endswith("/mod.rs") else f"{os.path.dirname(folder)}/mod.rs"
        yield from (parent, f"{os.path.dirname(parent)}.rs")
        path = parent


def check(root, sources):
    ledger, named = opened(sources), named_paths(root)
    if named is None:
        yield 'ARCHITECTURE.md: there is no section "Unsafe code"'
        return
    for path, places in ledger.items():
        for line, _, reason in places:
            if not reason:
                yield f"{path}:{line}: opens unsafe code without a reason"
        if path not in named:
            yield f'{path}:{places[0][0]}: opens unsafe code and is not named in ARCHITECTURE.md, "Unsafe code"'
    for path in sorted(named - set(ledger)):
        yield f'ARCHITECTURE.md: "Unsafe code" names {path}, which opens none'
    whole = {path for path, places in ledger.items() if any(place[1] for place in places)}
    for source in sources:
        if source.path in ledger or any(path in whole for path in above(source.path)):
            continue
        if match := re.search(r"\bunsafe\b", source.code):
            yield f"{source.path}:{source.line_of(match.start())}: unsafe code in a file that does not open it"
    yield from orderings(sources)
    yield from lints(root)


def orderings(sources):
    for source in sources:
        lines = source.text.split("\n")
        for number, line in enumerate(source.live.split("\n")):
            if WEAK.search(line) and not line.lstrip().startswith(("use ", "pub use ")) and not explained(lines, number):
                yield f"{source.path}:{number + 1}: a weaker ordering than SeqCst without `// ORDERING:` above it"


def explained(lines, number):
    """Whether a comment that says `ORDERING:` stands above this line, in its function or in the comment above that."""
    in_head = False
    for line in reversed(lines[max(0, number - 15) : number + 1]):
        if in_head and not line.lstrip().startswith(("//", "#[")):
            return False
        if "ORDERING:" in line:
            return True
        in_head = in_head or bool(FUNCTION_HEAD.match(line))
    return False


def lints(root):
    for path in sorted(glob.glob(os.path.join(root, "**", "Cargo.toml"), recursive=True)):
        name = os.path.relpath(path, root)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if "target" in name.split("/") or "[package]" not in text or "\n[workspace]" in text:
            continue
        if not re.search(r"^\[lints\]\nworkspace = true$", text, re.M):
            yield f"{name}: does not take the workspace's lints (`[lints]`, `workspace = true`)"
