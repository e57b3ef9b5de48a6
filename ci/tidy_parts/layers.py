"""Directions: which package may use which, what a backend sees of the core, and which room of the core uses which.

The order of the core's rooms is that of ARCHITECTURE.md's map; what goes against it stands in the kept list."""
import json
import os
import re
import subprocess

TOOLS = {"vireo-core", "vireo-backend"}
# Our packages, and those of ours that each may depend on.
MAY_USE = {
    "vireo-core": set(),
    "vireo-backend-unix": {"vireo-core"},
    "vireo-backend-linux": {"vireo-core", "vireo-backend-unix"},
    "vireo-backend-bsd": {"vireo-core", "vireo-backend-unix"},
    "vireo-backend-macos": {"vireo-core", "vireo-backend-bsd"},
    "vireo-backend-suite": {"vireo-core"},
    "vireo-backend-sim": {"vireo-core"},
    "vireo-backend": {"vireo-backend-linux", "vireo-backend-bsd", "vireo-backend-macos"},
    "vireo-server": {"vireo-core", "vireo-backend"},
    "vireo-benchmark": TOOLS,
    "vireo-floor": TOOLS,
    "vireo-fuzz": {"vireo-core", "vireo-server", "vireo-backend-sim"},
}
# What tests alone may use.
TESTS_MAY_USE = {"vireo-backend-suite", "vireo-backend-sim"}
# Rooms of the core that these folders may use; who is not named may use all.
ROOMS = {"backend-suite": {"platform"}, "backend-sim": {"platform"}, "backend": {"platform"}, "backend-unix": {"platform"}, "backend-linux": {"platform"}, "backend-bsd": {"platform"}, "backend-macos": {"platform"}}
USE = re.compile(r"\bvireo_core::(?:\{([^;]*?)\}\s*;|(\w+))", re.S)
OWN = re.compile(r"\bcrate::(?:\{([^;]*?)\}\s*;|(\w+))", re.S)
MAP = re.compile(r"^core/.*?(?=^\S)", re.S | re.M)


def firsts(match):
    """The rooms that a path names: one, or the first word of each part of a group."""
    if match[2]:
        return [match[2]]
    flat, depth = "", 0
    for letter in match[1]:
        depth += (letter == "{") - (letter == "}")
        flat += letter if depth == 0 else ""
    return re.findall(r"(?:^|,)\s*(\w+)", flat)


def packages(root):
    """(name, manifest, names it depends on) of every package of ours."""
    for manifest in ("Cargo.toml", "fuzz/Cargo.toml"):
        command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", os.path.join(root, manifest)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for package in told["packages"]:
            path = os.path.relpath(package["manifest_path"], root)
            needed = {needed["name"] for needed in package["dependencies"] if needed["kind"] != "dev"}
            tests = {needed["name"] for needed in package["dependencies"] if needed["kind"] == "dev"}
            yield package["name"], path, needed | (tests - TESTS_MAY_USE)


def check(root, sources, kept):
    found = list(packages(root))
    ours = {name for name, _, _ in found}
    for name, path, needed in found:
        if name not in MAY_USE:
            yield f"{path}: what {name} may depend on is not written down in ci/tidy_parts/layers.py"
        for other in sorted((needed & ours) - MAY_USE.get(name, ours)):
            yield f"{path}: {name} must not depend on {other}"
    for source in sources:
        allowed = ROOMS.get(source.path.split("/")[0])
        for match in USE.finditer(source.code) if allowed else ():
            for room in firsts(match):
                if room not in allowed:
                    yield f"{source.path}:{source.line_of(match.start())}: uses vireo_core::{room}; a backend uses {', '.join(allowed)} alone"
    yield from rooms(root, sources, kept)


def rooms(root, sources, kept):
    """The rooms of the core, each using only what stands before it in the map."""
    with open(os.path.join(root, "ARCHITECTURE.md"), encoding="utf-8") as file:
        shown = MAP.search(file.read())
    order = re.findall(r"^  src/(\w+)", shown[0] if shown else "", re.M)
    for source in sources:
        if not source.path.startswith("core/src/") or not source.live:
            continue
        here = source.path.split("/")[2].removesuffix(".rs")
        if here == "lib":
            continue
        if here not in order:
            yield f"{source.path}: ARCHITECTURE.md's map does not show core/src/{here}"
            continue
        for match in OWN.finditer(source.live):
            for room in firsts(match):
                upward = room in order and order.index(room) > order.index(here)
                if upward and not kept.allows("upward", f"core/{here} core/{room}"):
                    line = source.line_of(match.start())
                    yield f"{source.path}:{line}: core/{here} uses core/{room}, which ARCHITECTURE.md's map has behind it"
