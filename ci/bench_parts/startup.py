"""Start-up time: from the start of the process until it answers PING, and until --version has ended."""
import contextlib
import socket
import statistics
import subprocess
import time

from machine import CLIENT, SERVER, pinned
from servers import free_port, server_words

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
GIVEN_UP_S = 30


def spawn(words, folder):
    with pinned(SERVER):
        began = time.perf_counter()
        return subprocess.Popen(words, cwd=folder, **QUIET), began


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"PING\r\n")
        return client.recv(16).startswith(b"+PONG")
    return False


def until_pong(words, port, folder):
    """Milliseconds; nobody listened there before."""
    process, began = spawn(words, folder)
    while not answers(port):
        if process.poll() is not None or time.perf_counter() - began > GIVEN_UP_S:
            raise SystemExit(f"{words} does not start")
        time.sleep(0.0002)
    took = time.perf_counter() - began
    process.kill()
    process.wait()
    return took * 1000


def until_exit(words, folder):
    process, began = spawn(words, folder)
    process.wait()
    return (time.perf_counter() - began) * 1000


def pong_times(options, binaries, folder):
    """One time of each server, and the floor's."""
    times = []
    for binary in binaries:
        port = free_port()
        times.append(until_pong(server_words(binary, port), port, folder))
    port = free_port()
    floor = [options.floor, "--port", str(port), "--request-len", "6", "--reply", "+PONG"]
    return [*times, until_pong(floor, port, folder)]


def run(options, binaries, folder, report):
    rounds = 3 if options.quick else max(10, options.rounds)
    measures = {
        "start until PONG": lambda: pong_times(options, binaries, folder),
        "--version until exit": lambda: [until_exit([one, "--version"], folder) for one in [*binaries, options.floor]],
    }
    with pinned(CLIENT):
        for name, measure in measures.items():
            if options.wants("start-up: " + name):
                # The first reads the program from the disk.
                columns = zip(*[measure() for _ in range(rounds + 1)][1:])
                report.line("start-up", f"ms, {name}", [statistics.median(column) for column in columns], digits=2)
