"""Servers under measurement: how they are started, asked and watched. The floor is one of them, which answers a constant."""
import atexit
import contextlib
import os
import socket
import subprocess
import sys
import time

from machine import OTHERS, SERVER

PAGE = os.sysconf("SC_PAGE_SIZE")
# Everything on that watches requests, though nobody hears the notifications; and all of it off.
WATCHED = [
    *("--latency-tracking", "yes", "--slowlog-log-slower-than", "10000", "--latency-monitor-threshold", "100"),
    *("--commandlog-request-larger-than", "1048576", "--commandlog-reply-larger-than", "1048576"),
    *("--notify-keyspace-events", "KEA"),
]
UNWATCHED = [
    *("--latency-tracking", "no", "--slowlog-log-slower-than", "-1", "--latency-monitor-threshold", "0"),
    *("--commandlog-request-larger-than", "-1", "--commandlog-reply-larger-than", "-1"),
]
# What is said of a thread that has ended.
GONE = (FileNotFoundError, ProcessLookupError)


def encode(*words):
    """A request."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_words(binary, port, more=()):
    return [binary, "--port", str(port), "--save", "", "--bind", "127.0.0.1", *more]


class Process:
    """A program on the server's processor that listens on a port."""

    def __init__(self, folder, words, port):
        self.port = port
        self.words = ["taskset", "-c", str(SERVER), *words]
        self.process = subprocess.Popen(self.words, cwd=folder, stdout=subprocess.DEVNULL)
        # Whatever ends the script ends the servers.
        atexit.register(self.process.kill)
        for _ in range(3000):
            try:
                self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=120)
                return
            except OSError:
                time.sleep(0.02)
        sys.exit(f"{words[0]} does not start")

    def threads(self):
        """Of each thread: its folder, its number, its name."""
        folder = f"/proc/{self.process.pid}/task"
        for thread in os.listdir(folder):
            # One that has just ended is none.
            with contextlib.suppress(*GONE), open(f"{folder}/{thread}/comm", encoding="ascii") as name:
                yield f"{folder}/{thread}", thread, name.read().strip()

    def exact_cpu(self):
        """CPU seconds of all threads, by the scheduler's own count."""
        total = 0
        for folder, _, _ in self.threads():
            with contextlib.suppress(*GONE), open(f"{folder}/schedstat", encoding="ascii") as stat:
                total += int(stat.read().split()[0])
        return total / 1e9

    def busy(self):
        """Busy seconds of the main thread; None where that is not told."""
        return None

    def settle_threads(self):
        """Puts threads where they belong."""

    def rss(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * PAGE

    def stop(self):
        self.sock.close()
        self.process.kill()
        self.process.wait()


class Server(Process):
    """A server of this protocol; `under` is a program that runs it."""

    def __init__(self, binary, folder, more=(), under=()):
        port = free_port()
        super().__init__(folder, [*under, *server_words(binary, port, more)], port)

    def line(self):
        text = b""
        while not text.endswith(b"\r\n"):
            piece = self.sock.recv(1)
            if not piece:
                sys.exit(f"{self.words} closed its connection")
            text += piece
        return text[:-2]

    def ask(self, *words):
        """Sends a command whose reply is a line or a string; returns that."""
        self.sock.sendall(encode(*words))
        head = self.line()
        if head.startswith(b"-"):
            sys.exit(f"{words}: {head.decode()}")
        if not head.startswith(b"$"):
            return head[1:]
        left, text = int(head[1:]) + 2, b""
        while len(text) < left:
            text += self.sock.recv(left - len(text))
        return text[:-2]

    def info(self, name, section="memory"):
        """A number of INFO; None where it is not told."""
        for line in self.ask("INFO", section).decode().splitlines():
            if line.startswith(name + ":"):
                return float(line.split(":")[1])
        return None

    def busy(self):
        return self.info("used_active_time_main_thread", "cpu")

    def send(self, requests):
        """Sends many requests at once and returns all their replies; an error ends the script."""
        self.sock.sendall(b"".join(requests) + b"PING\r\n")
        text = b""
        while not text.endswith(b"+PONG\r\n"):
            text += self.sock.recv(1 << 18)
        if text.startswith(b"-") or b"\r\n-" in text:
            sys.exit(f"an error among replies: {text[text.index(b'-'):][:200]}")
        return text.removesuffix(b"+PONG\r\n")

    def fill(self, requests, batch=5000):
        part = []
        for request in requests:
            part.append(request)
            if len(part) == batch:
                self.send(part)
                part = []
        self.send(part)

    def used(self):
        return self.info("used_memory")

    def empty(self):
        """Removes all keys, and waits until their memory is given back."""
        self.ask("FLUSHALL")
        used, before = self.used(), None
        while used != before:
            time.sleep(0.2)
            used, before = self.used(), used

    def settle_threads(self):
        for _, thread, name in self.threads():
            if name.startswith("io_thd"):
                with contextlib.suppress(*GONE):
                    os.sched_setaffinity(int(thread), {OTHERS})


class Floor(Process):
    """Answers a constant to requests of a length."""

    def __init__(self, binary, folder, request_len, reply):
        port = free_port()
        super().__init__(folder, [binary, "--port", str(port), "--request-len", str(request_len), *reply], port)
