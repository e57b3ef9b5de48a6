"""What was measured, as Markdown and as a picture; every number of every round as JSON beside it."""
import json
import os
import shlex
import statistics
import sys

import chart
import load
from machine import CLIENT, OTHERS, SERVER, describe, revision, short_version, version
from servers import server_words
from speed import median

TITLES = {
    "tail": "Latency at a fixed rate",
    "types": "Commands of the data types: CPU time a request, pipeline 64",
    "memory": "Memory",
    "idle": "Idle connections",
    "start-up": "Start-up",
    "threaded": "I/O threads",
}
NOTES = [
    "CPU time is the server process's own, all threads, user and system, by the scheduler's count. The floor is `vireo-floor`: the same "
    "event loop and backend, one read and one write for each readable client, a constant answer, nothing parsed. What a request costs "
    "there it costs any server that waits for readiness, reads and writes. It answers requests of one length, so mixes have no floor.",
    "Times are medians over the rounds, and so are ratios, each of them of the two servers in one round, with the lowest and the highest "
    "of the rounds. Servers take turns within a round, with the same random numbers; what ran before the first round is not counted.",
    "† The load generator, one thread on one processor, was busy for at least 97 % of the time: the rate is its own limit, not the "
    "server's, and CPU time is what tells servers apart.",
    "Requests a second and latencies here are those of a closed loop: a connection sends when its last reply has come.",
]
SHARED = "The processors are too few: I/O threads share one with the load generator, which servers whose threads spin lose most by."


class Lines:
    """Prints each line of a table as soon as it is known."""

    def __init__(self, labels):
        both = len(labels) > 1
        print(f"| what | {' | '.join(labels)} |{' ratio |' if both else ''}\n|{'---|' * (len(labels) + 1 + both)}")

    @staticmethod
    def line(section, name, values, digits=3):
        del section
        ratio = f" {values[0] / values[1]:.2f} |" if len(values) > 1 else ""
        print(f"| {name} | {' | '.join(f'{value:.{digits}f}' for value in values)} |{ratio}", flush=True)


def cell(value, digits=3):
    return "" if value is None else f"{value:.{digits}f}"


def ratio(ours, theirs):
    return "" if ours is None or not theirs else f"{ours / theirs:.2f}"


def paired(ours, theirs, what):
    """Ratios of two servers' samples, round by round; none where one of them was not told."""
    pairs = [(a[what], b[what]) for a, b in zip(ours, theirs or [])]
    return [a / b for a, b in pairs if a is not None and b]


def middle(ratios):
    return f"{statistics.median(ratios):.2f}" if ratios else ""


class Report:
    """Collects everything of one run."""

    def __init__(self, options, binaries):
        self.options, self.binaries = options, binaries
        self.labels = [short_version(binary) for binary in binaries]
        self.has_reference = len(binaries) > 1
        self.cases, self.lines, self.notes = [], [], []
        self.machine = describe()
        self.ended_early = False

    def speed(self, name, keys, samples, words):
        self.cases.append({"name": name, "keys": keys, "words": words, "samples": samples})

    def line(self, section, name, values, digits=3):
        self.lines.append((section, name, list(values), digits))
        print(f"{name}: {' '.join(cell(value, digits) for value in values)}", file=sys.stderr, flush=True)

    def note(self, text):
        self.notes.append(text)

    # CPU time

    def cpu_head(self):
        ours, floor = self.labels[0], "floor"
        if not self.has_reference:
            return [f"us of CPU a request, {ours}", floor, "ours / floor", "main thread"]
        theirs = self.labels[1]
        names = [f"us of CPU a request, {ours}", theirs, floor, f"ours / {theirs}", "lowest and highest", "ours / floor"]
        return [*names, "main thread, ours", theirs, "ratio"]

    def cpu_cells(self, case):
        *servers, floor = case["samples"]
        cpu, main = ([median(column, what) for column in servers] for what in ("cpu", "main"))
        to_floor = middle(paired(servers[0], floor, "cpu"))
        if not self.has_reference:
            return [cell(cpu[0]), cell(median(floor, "cpu")), to_floor, cell(main[0])]
        ratios = paired(*servers, "cpu")
        between = f"{min(ratios):.2f} to {max(ratios):.2f}"
        cells = [*map(cell, cpu), cell(median(floor, "cpu")), middle(ratios), between, to_floor]
        return [*cells, *map(cell, main), middle(paired(*servers, "main"))]

    # Rates and latencies

    def rate_head(self):
        if not self.has_reference:
            return ["requests/s", "p50 ms", "p99 ms", "p99.9 ms"]
        pairs = [[f"{what}, ours", self.labels[1]] for what in ("requests/s", "p50 ms", "p99 ms", "p99.9 ms")]
        return [*pairs[0], "ratio", *(name for pair in pairs[1:] for name in pair)]

    def rate_cells(self, case):
        servers = case["samples"][:-1]
        rates = [median(column, "rate") for column in servers]
        marks = ["†" if median(column, "client_share") >= load.SATURATED else "" for column in servers]
        cells = [f"{rate:.0f}{mark}" for rate, mark in zip(rates, marks)]
        if self.has_reference:
            cells.append(middle(paired(*servers, "rate")))
        return cells + [cell(median(column, what)) for what in ("p50", "p99", "p99.9") for column in servers]

    # The whole

    def tables(self):
        """All tables as Markdown."""
        parts = []
        if self.cases:
            for title, head, cells in (("CPU time", self.cpu_head, self.cpu_cells), ("Rate and latency", self.rate_head, self.rate_cells)):
                parts.append(table(title, ["", "keys", *head()], [self.named(case, cells) for case in self.cases]))
        for section, title in TITLES.items():
            lines = [line for line in self.lines if line[0] == section]
            if lines:
                parts.append(table(title, ["", *self.plain_head(lines[0])], [self.plain(line) for line in lines]))
        return "\n".join(parts)

    @staticmethod
    def named(case, cells):
        return [case["name"], str(case["keys"]), *cells(case)]

    def has_floor(self, line):
        """The last value of a line is the floor's."""
        return len(line[2]) > len(self.binaries)

    def plain_head(self, line):
        ratios = [f"ours / {label}" for label in self.labels[1:]]
        return [*self.labels, "floor", *ratios, "ours / floor"] if self.has_floor(line) else [*self.labels, *ratios]

    def plain(self, line):
        _, name, values, digits = line
        return [name, *(cell(value, digits) for value in values), *(ratio(values[0], value) for value in values[1:])]

    def environment(self):
        options = self.options
        programs = [*self.binaries, options.benchmark, options.floor]
        rows = [*self.machine, *((os.path.basename(one), version(one)) for one in programs), ("tree", revision())]
        rows += [("rounds", f"{options.rounds}, each run about {options.seconds} s")]
        return "\n".join(f"* {what}: {which}" for what, which in rows)

    def commands(self):
        shown = [f"{case['name']}:\n  {' '.join(case['words'])}" for case in self.cases]
        if not shown:
            return ""
        first = f"taskset -c {SERVER} {shlex.join(server_words(os.path.basename(self.options.ours), 'PORT'))}"
        shown.insert(0, f"The servers, --io-threads 2 added where the name says so:\n  {first}")
        head = "<details><summary>Command lines</summary>\n\n```\n"
        return head + "\n".join(shown) + "\n```\n\n</details>\n"

    def write(self, folder, name):
        """The results file, the picture and the numbers; returns the path of the first."""
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, name)
        early = "The run was ended early: the tables are not complete.\n\n" if self.ended_early else ""
        picture = f"![Server CPU time a request]({name}.svg)\n\n" if self.cases else ""
        shared = [SHARED] if OTHERS == CLIENT else []
        notes = "\n\n".join((NOTES + shared if self.cases else []) + self.notes)
        command = "```sh\n" + " ".join(["ci/bench", *(os.path.basename(word) if os.path.isabs(word) else word for word in sys.argv[1:])]) + "\n```\n"
        parts = [f"# {name}\n\n{command}", early + self.environment() + "\n", picture + self.tables(), notes + "\n", self.commands()]
        with open(path + ".md", "w", encoding="utf-8") as text:
            text.write("\n".join(part for part in parts if part.strip()))
        with open(path + ".json", "w", encoding="utf-8") as text:
            json.dump({"cases": self.cases, "lines": self.lines, "machine": self.machine}, text, separators=(",", ":"))
            text.write("\n")
        if self.cases:
            with open(path + ".svg", "w", encoding="utf-8") as text:
                text.write(chart.draw(self))
        return path + ".md"


def table(title, head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return f"## {title}\n\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
