"""The tail at a fixed rate: the same requests a second for all, half of what the slower server can do, while the table doubles and
other keys expire. Latency counts from the moment at which a request was due."""
import itertools
import statistics
import time

import load
from servers import Floor, Server, encode

PIPELINE = 10
CLIENTS = 50
VALUE = 64
# The longest that filling takes, a key: nothing is to expire before the measurement.
FILL_S = 1 / 150_000


def words(prefix, keys, more):
    sizes = ["-c", CLIENTS, "-P", PIPELINE, "-d", VALUE, "-r", keys]
    # A command of one's own stands last.
    return [*map(str, sizes), "--sequential", *more, "SET", f"{prefix}:__rand_int__", "__data__"]


def expiring(count, first_s, length_s):
    """Keys that expire one after the other within some time."""
    for number in range(count):
        at = int((first_s + length_s * number / count) * 1000)
        yield encode(b"SET", b"exp:%012d" % number, b"x", b"PXAT", b"%d" % at)


class Plan:
    """How many keys, and how long."""

    def __init__(self, options):
        # A table of 10 million is reached from half of that: each doubling of a table lies somewhere in between.
        self.end = max(1000, options.keys * 10 // 3)
        self.start = self.end // 2
        self.expiring = self.end // 10
        self.seconds = 1 if options.quick else 15


def highest_rate(options, binaries, folder):
    """Requests a second of the slower server as fast as replies come."""
    rates = []
    for binary in binaries:
        server = Server(binary, folder)
        test = load.results(options, server, words("grow", 10_000_000, ["--duration", "1", "--warmup", "0.3"]))
        rates.append(test["requests_per_second"])
        server.stop()
    return min(rates)


def prepared(options, binary, folder, plan):
    """A server with the first half of the keys and those that will expire; it is their time when this returns."""
    server = Server(binary, folder)
    fill = ["-n", str(plan.start), "-P", "64"]
    load.run(options, server, words("base", plan.start, fill))
    first_s = time.time() + plan.expiring * FILL_S + 0.5
    server.fill(expiring(plan.expiring, first_s, plan.seconds))
    time.sleep(max(0, first_s - time.time()))
    return server


def run(options, binaries, folder, report):
    name = "SET at half of the maximum rate, the table growing, keys expiring"
    if not options.wants("tail: " + name):
        return
    plan = Plan(options)
    # As many keys as are wanted in the time, but no higher a rate than half of the highest.
    rate = int(highest_rate(options, binaries, folder) / 2)
    plan.seconds = min(plan.seconds, max(1, round((plan.end - plan.start) / rate)))
    request = len(encode(b"SET", b"grow:" + b"0" * 12, b"x" * VALUE))
    timed = words("grow", plan.end, ["--rps", str(rate), "--duration", str(plan.seconds)])
    samples = [[] for _ in range(len(binaries) + 1)]
    for _ in range(min(options.rounds, 5)):
        for column, binary in itertools.zip_longest(samples, binaries):
            server = prepared(options, binary, folder, plan) if binary else Floor(options.floor, folder, request, ["--reply", "+OK"])
            column.append(load.measured(options, server, timed))
            server.stop()
    grown = plan.start + rate * plan.seconds
    report.note(
        f"Fixed rate: {rate} requests a second in batches of {PIPELINE} for {plan.seconds} s, from {plan.start} keys to {grown}, while "
        f"{plan.expiring} others expire: `{' '.join(['vireo-benchmark', *timed])}`"
    )
    for what in ("p50", "p99", "p99.9", "max"):
        values = [statistics.median(sample[what] for sample in column) for column in samples]
        report.line("tail", f"{what} ms, {name}", values)
    late = [sum(not sample["kept"] for sample in column) for column in samples]
    if any(late):
        counts = ", ".join(f"{label} in {count}" for label, count in zip([*report.labels, "the floor"], late))
        runs = f"Fixed rate: of {len(samples[0])} runs each, the rate was not kept by {counts}"
        report.note(runs + ": latencies there are those of a queue that grew.")
