"""The load generator: its command lines, and what came of a run."""
import json
import os
import subprocess
import tempfile

from machine import CLIENT, version

# Shares of its processor from which on the load generator, not the server, is what limits a rate.
SATURATED = 0.97


def command(options, server, words):
    return ["taskset", "-c", str(CLIENT), options.benchmark, "-p", str(server.port), "-q", *words]


def run(options, server, words):
    """Sends requests; what the generator prints is left aside."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command(options, server, words), check=True, **quiet)


def is_ours(options):
    """The generator writes results for programs."""
    return version(options.benchmark).startswith("vireo-benchmark")


def results(options, server, words):
    """Sends requests; returns the results of the one test."""
    handle, path = tempfile.mkstemp(suffix=".json")
    os.close(handle)
    try:
        run(options, server, ["--json", path, *words])
        with open(path, encoding="utf-8") as text:
            return json.load(text)["tests"][0]
    finally:
        os.unlink(path)


def measured(options, server, words):
    """One measured run: rate, latencies in ms, and the server's CPU and busy time a request in us."""
    server.settle_threads()
    busy, cpu = server.busy(), server.exact_cpu()
    test = results(options, server, words)
    cpu_s, requests = server.exact_cpu() - cpu, test["requests"]
    client_s = test["client_user_seconds"] + test["client_system_seconds"]
    latency = test["latency_ms"]
    return {
        "rate": test["requests_per_second"],
        "p50": latency["p50"],
        "p99": latency["p99"],
        "p99.9": latency["p99.9"],
        "max": latency["max"],
        "cpu": cpu_s / requests * 1e6,
        "main": None if busy is None else (server.busy() - busy) / requests * 1e6,
        "client_share": client_s / max(test["seconds"], 1e-9),
        "server_share": cpu_s / max(test["seconds"], 1e-9),
        "kept": test["schedule"]["kept"] if test["schedule"] else None,
    }


def fill_words(keys, value):
    """Writes every key once, values of a length."""
    pipeline = 64 if value <= 1024 else 4
    return ["-t", "set", "-d", str(value), "-r", str(keys), "-n", str(keys), "--sequential", "-P", str(pipeline), "-c", "20"]
