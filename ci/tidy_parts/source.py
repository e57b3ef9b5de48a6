"""A Rust file as the checks see it: its text, its code without comments and strings, and which of it is test code."""
import functools
import os
import re

# Comments, strings and characters, in one pass so that none is taken for another. A lifetime ('a) is no character.
TOKEN = re.compile(
    r"""(?P<line>//[^\n]*)|(?P<block>/\*)|(?P<raw>\b(?:b|c|br|cr|r)(?P<hashes>\#*)")|(?P<string>(?:\b[bc])?"(?:\\.|[^"\\])*")"""
    r"""|(?P<char>\bb?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'|'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])')""",
    re.S,
)
# `any` counts only beside other ways of testing: what a feature turns on as well is no test code; what needs a feature besides is.
TEST_ANY = r"any\((?:test|fuzzing|loom|miri|[,\s])+\)"
TEST_CFG = re.compile(rf"#\[cfg\((?:test|all\(test\b[^\]]*|{TEST_ANY}|all\(feature\s*=\s*,\s*{TEST_ANY}\))\)\]\s*")
MODULE = re.compile(r"(?:pub(?:\([a-z]+\))?\s+)?mod\s+(\w+)\s*;")
FUNCTION = re.compile(r"\bfn\s+(\w+)")


@functools.lru_cache(maxsize=None)
def blanked(text):
    """The text with comments and the insides of strings made blank: every offset and every line stays where it is."""
    out, at = [], 0
    while match := TOKEN.search(text, at):
        start, end = match.span()
        if match["block"]:
            end = block_end(text, end)
        elif match["raw"]:
            close = text.find('"' + match["hashes"], end)
            end = len(text) if close < 0 else close + 1 + len(match["hashes"])
        out += [text[at:start], re.sub(r"[^\n]", " ", text[start:end])]
        at = end
    return "".join(out) + text[at:]


def block_end(text, at):
    """Where a block comment ends whose begin has been read; such comments nest."""
    depth = 1
    for match in re.finditer(r"/\*|\*/", text[at:]):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return at + match.end()
    return len(text)


def item_end(code, at):
    """Where the item ends that begins here: behind its braces, or behind its semicolon."""
    depth = 0
    for match in re.compile(r"[{}()\[\];]").finditer(code, at):
        if match[0] in "{([":
            depth += 1
        elif match[0] in "})]":
            depth -= 1
            if depth == 0 and match[0] == "}":
                return match.end()
        elif depth == 0:
            return match.end()
    return len(code)


@functools.lru_cache(maxsize=None)
def functions(code):
    """(name, line, lines of code) of every function, comments and empty lines not counted, as clippy counts."""
    found = []
    for match in FUNCTION.finditer(code):
        body = code[match.end() : item_end(code, match.end())]
        if body.endswith("}"):
            inner = body[body.index("{") + 1 : -1].split("\n")
            found.append((match[1], code.count("\n", 0, match.start()) + 1, sum(1 for line in inner if line.strip())))
    return found


class Source:
    """One file; `path` is relative to the root of the tree."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8") as file:
            self.text = file.read()
        self.code = blanked(self.text)
        # Set by `mark_tests` for a file that only tests contain.
        self.is_test = bool({"tests", "benches"} & set(path.split("/")[:-1])) and "/src/" not in f"/{path}"
        self.test_modules = []
        self.live = self.without_tests()

    def without_tests(self):
        """The code with items under `cfg(test)` made blank; counts the lines that are not theirs."""
        live, self.lines = self.code, self.text.count("\n")
        for match in TEST_CFG.finditer(self.code):
            end = item_end(self.code, match.end())
            item = self.code[match.end() : end]
            if name := MODULE.search(item.split("{")[0]):
                self.test_modules.append(name[1])
            self.lines -= 0 if self.is_test else self.text.count("\n", match.start(), end) + 1
            live = live[: match.start()] + re.sub(r"[^\n]", " ", live[match.start() : end]) + live[end:]
        return "" if self.is_test else live

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def children(self, name):
        """Paths that the module `name` of this file may have."""
        folder, file = os.path.split(self.path)
        stem = file.removesuffix(".rs")
        inner = folder if stem in ("mod", "lib", "main") else f"{folder}/{stem}"
        return [f"{inner}/{name}.rs", f"{inner}/{name}/mod.rs"]


def mark_tests(sources):
    """Marks the files of modules that are declared under `cfg(test)`, and all below them."""
    by_path = {source.path: source for source in sources}
    todo = [(source, name) for source in sources for name in source.test_modules]
    while todo:
        source, name = todo.pop()
        for path in source.children(name):
            child = by_path.get(path)
            if child and not child.is_test:
                child.is_test, child.live = True, ""
                todo += [(child, found) for found in MODULE.findall(child.code)]


def load(root, skip):
    """Every Rust file of the tree, but those in the folders named in `skip`."""
    sources = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in skip and not name.startswith("."))
        for name in sorted(files):
            if name.endswith(".rs"):
                sources.append(Source(root, os.path.relpath(os.path.join(folder, name), root)))
    mark_tests(sources)
    return sources
