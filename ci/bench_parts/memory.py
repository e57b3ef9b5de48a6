"""Bytes a key, an element and an idle connection."""
import resource
import socket
import time

from servers import Server, encode

# Descriptors that a server and this script need for other things than connections.
RESERVED = 200


def strings(count, value, ttl):
    for number in range(count):
        words = [b"SET", b"key:%012d" % number, b"val:%0*d" % (value - 4, number)]
        yield encode(*words, *([b"EX", b"100000"] if ttl else []))


def elements(kind, count, key):
    """Requests that make a key of so many elements, those of a sorted set in no order."""
    for number in range(count):
        yield encode(
            *{
                "hash": [b"HSET", key, b"f%08d" % number, b"value:%010d" % number],
                "set": [b"SADD", key, b"m%08d" % number],
                "numbers": [b"SADD", key, b"%d" % (number * 7919 % 1_000_003)],
                "zset": [b"ZADD", key, b"%d" % (number * 7919 % 1_000_003), b"m%08d" % number],
                "list": [b"RPUSH", key, b"value:%010d" % number],
                "stream": [b"XADD", key, b"%d-0" % (1_700_000_000_000 + number), b"field", b"value:%010d" % number],
            }[kind]
        )


ELEMENTS = [
    ("hash", "hash field of 9+16"),
    ("set", "set element of 9"),
    ("numbers", "set element, a number"),
    ("zset", "sorted set element of 9"),
    ("list", "list element of 16"),
    ("stream", "stream entry, one field of 5+16"),
]


def keys_bytes(binary, folder, count, value, ttl):
    """Bytes a key by used_memory and by resident memory."""
    server = Server(binary, folder)
    before, rss = server.used(), server.rss()
    server.fill(strings(count, value, ttl))
    result = (server.used() - before) / count, (server.rss() - rss) / count
    server.stop()
    return result


def element_bytes(binary, folder, kind, keys, count):
    """Bytes an element by used_memory, by resident memory and, of one key, by MEMORY USAGE."""
    server = Server(binary, folder)
    before, rss = server.used(), server.rss()
    for number in range(keys):
        server.fill(elements(kind, count, b"%s:%d" % (kind.encode(), number)))
    usage = int(server.ask("MEMORY", "USAGE", f"{kind}:0", "SAMPLES", 0)) / count
    result = (server.used() - before) / (keys * count), (server.rss() - rss) / (keys * count), usage
    server.stop()
    return result


def report_all(report, section, name, results):
    for how, *values in zip(("used_memory", "RSS", "MEMORY USAGE"), *results):
        report.line(section, f"bytes {name}, {how}", values, digits=1)


def run(options, binaries, folder, report):
    """Keys with strings, then elements of each other type: one large key, and many small ones."""
    million = min(1_000_000, options.keys)
    for value, ttl in ((16, False), (16, True), (64, False)):
        name = f"key, 16+{value}{' with TTL' if ttl else ''}, {million} keys"
        if options.wants("memory: " + name):
            report_all(report, "memory", "a " + name, [keys_bytes(binary, folder, million, value, ttl) for binary in binaries])
    for kind, what in ELEMENTS:
        for keys, count in ((1, million), (min(20_000, options.keys // 10), 10)):
            name = f"{what}, {keys} keys of {count}"
            if options.wants("memory: " + name):
                report_all(report, "memory", "a " + name, [element_bytes(binary, folder, kind, keys, count) for binary in binaries])


def connect(port, count):
    """Clients that have each asked once."""
    clients = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
        client.sendall(b"PING\r\n")
        client.recv(16)
        clients.append(client)
    return clients


def at_rest(server, rest_s, most_s):
    """Waits until used_memory has not changed by more than a thousandth for some time."""
    used, since, end = server.used(), time.monotonic(), time.monotonic() + most_s
    while time.monotonic() < min(since + rest_s, end):
        time.sleep(0.5)
        now = server.used()
        if abs(now - used) > used / 1000:
            used, since = now, time.monotonic()


def idle_bytes(binary, folder, count, rest_s):
    server = Server(binary, folder, ["--maxclients", str(count + RESERVED)])
    at_rest(server, 1, 5)
    before, rss = server.used(), server.rss()
    clients = connect(server.port, count)
    at_rest(server, rest_s, 60)
    result = (server.used() - before) / count, (server.rss() - rss) / count
    server.stop()
    for client in clients:
        client.close()
    return result


def idle(options, binaries, folder, report):
    """Many connections that have asked once and then rest, as long as it takes servers to give buffers back."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = 1 << 20 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    count = min(1000 if options.quick else 10_000, limit - 2 * RESERVED)
    rest_s = 1 if options.quick else 8
    name = f"idle connection, {count} of them, at rest for {rest_s} s"
    if options.wants("idle: " + name):
        report_all(report, "idle", "an " + name, [idle_bytes(binary, folder, count, rest_s) for binary in binaries])
