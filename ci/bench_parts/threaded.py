"""Two I/O threads, 512-byte values, 400 clients: the main thread's busy time beside the CPU time. With any load generator."""
import statistics

import load
from servers import Server


def send(options, server, test, pipeline, requests, more=()):
    """The main thread's busy time and all CPU time a request, us."""
    sizes = ["-c", "400", "-P", str(pipeline), "-n", str(requests), "-r", str(options.keys), "-d", "512"]
    busy, cpu = server.busy(), server.exact_cpu()
    load.run(options, server, [*sizes, "-t", test, *more])
    return (server.busy() - busy) / requests * 1e6, (server.exact_cpu() - cpu) / requests * 1e6


def run(options, binaries, folder, report):
    servers = [Server(binary, folder, ("--io-threads", "2")) for binary in binaries]
    for server in servers:
        send(options, server, "set", 16, options.keys, ("--sequential",))
        server.settle_threads()
    for pipeline in (1, 16):
        for test in ("get", "set"):
            requests = options.requests // (4 if pipeline == 1 else 1)
            rounds = [[send(options, server, test, pipeline, requests) for server in servers] for _ in range(options.rounds)]
            for index, name in enumerate(("main thread us", "CPU us")):
                values = [statistics.median(pair[index] for pair in column) for column in zip(*rounds)]
                report.line("threaded", f"{name} a {test.upper()}, I/O threads, pipeline {pipeline}", values)
    for server in servers:
        server.stop()
