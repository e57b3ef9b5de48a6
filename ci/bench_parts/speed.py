"""GET, SET and a mix of them: rate, latencies, CPU time a request, beside the reference and the floor."""
import statistics
import sys
from dataclasses import dataclass

import load
from servers import UNWATCHED, WATCHED, Floor, Server, encode

# All values together, at most: fewer keys where values are long.
PAYLOAD_MAX = 1 << 30
ZIPF = "0.99"
# What watches requests.
WATCH = {"": [], ", all that watches on": WATCHED, ", all that watches off": UNWATCHED}
KEY = b"key:" + b"0" * 12


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    test: str
    value: int = 64
    pipeline: int = 1
    clients: int = 50
    threads: int = 1
    zipf: bool = False
    watch: str = ""
    quick: bool = False

    def name(self):
        test = "80 % GET, 20 % SET" if self.test == "mix" else self.test.upper()
        more = (f", {self.threads} I/O threads" if self.threads > 1 else "") + (", Zipf keys" if self.zipf else "") + self.watch
        return f"{test}, {self.value} bytes, pipeline {self.pipeline}, {self.clients} clients{more}"

    def keys(self, most):
        return max(1, min(most, PAYLOAD_MAX // self.value))

    def words(self, most):
        """The load generator's options but for how long and which numbers."""
        test = ["--mix", "get:80,set:20"] if self.test == "mix" else ["-t", self.test]
        zipf = ["--zipf", ZIPF] if self.zipf else []
        sizes = ["-c", self.clients, "-P", self.pipeline, "-d", self.value, "-r", self.keys(most)]
        return [*test, *map(str, sizes), *zipf]

    def floor(self):
        """Length of a request, and the reply that the server would give; None for requests of several lengths."""
        if self.test == "get":
            return len(encode(b"GET", KEY)), ["--value-len", str(self.value)]
        if self.test == "set":
            return len(encode(b"SET", KEY, b"x" * self.value)), ["--reply", "+OK"]
        return None


def cases():
    """Each line changes one thing or two; the first lines are what others are compared with."""
    for pipeline in (1, 10, 64):
        yield from (Case(test, pipeline=pipeline, quick=True) for test in ("get", "set", "mix"))
    for value in (16, 512, 1024, 4096, 65536):
        pipeline = 1 if value > 4096 else 10
        yield from (Case(test, value=value, pipeline=pipeline) for test in ("get", "set"))
    for pipeline in (1, 10):
        yield from (Case(test, pipeline=pipeline, clients=400) for test in ("get", "set"))
    yield from (Case(test, pipeline=10, zipf=True) for test in ("get", "set", "mix"))
    for pipeline in (1, 10):
        yield from (Case(test, value=512, pipeline=pipeline, clients=400, threads=2) for test in ("get", "set"))
    yield from (Case(test, pipeline=10, watch=watch) for watch in list(WATCH)[1:] for test in ("get", "set"))


class Speed:
    """Goes through the cases; servers are kept for all cases of the same options and values."""

    def __init__(self, options, binaries, folder):
        self.options, self.binaries, self.folder = options, binaries, folder
        self.servers, self.kind = [], None

    def prepare(self, case):
        kind = (case.threads, case.value, case.watch)
        if kind == self.kind:
            return
        self.close()
        more = [*(["--io-threads", str(case.threads)] if case.threads > 1 else []), *WATCH[case.watch]]
        self.servers = [Server(binary, self.folder, more) for binary in self.binaries]
        for server in self.servers:
            load.run(self.options, server, load.fill_words(case.keys(self.options.keys), case.value))
        self.kind = kind

    def close(self):
        for server in self.servers:
            server.stop()
        self.servers, self.kind = [], None

    def run(self, case):
        """Samples of each round, a list for each server; the floor's last, None where there is none."""
        self.prepare(case)
        script = case.floor()
        floor = Floor(self.options.floor, self.folder, *script) if script else None
        everyone = self.servers + ([floor] if floor else [])
        words = case.words(self.options.keys)
        warm = [load.results(self.options, one, [*words, "--duration", str(self.options.seconds / 2)]) for one in everyone]
        rate = min(test["requests_per_second"] for test in warm[: len(self.servers)])
        amount = ["-n", str(max(case.clients * case.pipeline * 4, int(rate * self.options.seconds)))]
        samples = [[] for _ in everyone]
        for turn in range(self.options.rounds):
            for one, column in zip(everyone, samples):
                column.append(load.measured(self.options, one, [*words, *amount, "--seed", str(turn)]))
        if floor:
            floor.stop()
        return samples + ([] if floor else [None]), ["vireo-benchmark", *words, *amount]


def median(samples, what):
    """The middle of all rounds; None where nothing was told."""
    values = [sample[what] for sample in samples or [] if sample[what] is not None]
    return statistics.median(values) if values else None


def run(options, binaries, folder, report):
    """All cases that are wanted."""
    wanted = [case for case in cases() if (case.quick or not options.quick) and options.wants("speed: " + case.name())]
    wanted.sort(key=lambda case: (case.threads, case.value != 64, case.value, case.watch))
    speed = Speed(options, binaries, folder)
    try:
        for case in wanted:
            samples, words = speed.run(case)
            cpu = [median(column, "cpu") for column in samples]
            told = " ".join("-" if value is None else f"{value:.3f}" for value in cpu)
            print(f"{case.name()}: CPU us a request {told}", file=sys.stderr, flush=True)
            report.speed(case.name(), case.keys(options.keys), samples, words)
    finally:
        speed.close()
