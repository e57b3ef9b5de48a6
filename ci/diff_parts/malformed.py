"""Broken requests, each on its own connection that is half-closed behind them."""
from wire import encode


def compare(servers, r, count):
    """Sends so many; returns the first request that was answered differently with both answers, or None."""
    for _ in range(count):
        data = broken(r)
        cut = r.randint(0, len(data))
        (a, a_whole), (b, b_whole) = (server.conversation(data, cut) for server in servers)
        lost = not a_whole and b.startswith(a) or not b_whole and a.startswith(b)
        if a != b and not lost:
            return [b"malformed", data[:300], b"%d" % cut], a, b
    return None


def broken(r):
    """Some good requests with one or two faults."""
    if r.random() < 0.02:
        # Closed at once: what came before may or may not be answered.
        return r.choice([b"POST / HTTP/1.1\r\n\r\n", b"Host: x\r\n\r\n"])
    good = [encode(x) for x in ([b"PING"], [b"SET", b"k", b"v"], [b"GET", b"k"], [b"ECHO", b"world"])] + [b"PING\r\n", b'ECHO "a b"\r\n', b"\r\n", b"*0\r\n"]
    bad = [b"*-1\r\n", b"*x\r\n", b"*\r\n", b"*1\r\n", b"*2147483648\r\n", b"*99999999999999999999\r\n", b"*1 \r\n", b"*+1\r\n$4\r\nPING\r\n", b"*01\r\n$4\r\nPING\r\n",
           b"*1\r\n!4\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$x\r\n", b"*1\r\n$4x\r\nPING\r\n", b"*1\r\n$99999999999\r\n", b"*1\r\n$04\r\nPING\r\n", b"*1\r\n\r\n", b"*1\n$4\nPING\n",
           b"*1\r\n$4\r\nPINGxx", b"$4\r\nPING\r\n", b"*" + b"1" * 300000, b"*1\r\n$" + b"1" * 300000, b"x" * 300000, b'ECHO "open\r\n', b"ECHO 'a'b\r\n", b'ECHO "a"b\r\n', b'ECHO "\\x4', b"\0\r\n",
           b"PING\0\r\n", b"GET / HTTP/1.1\r\n\r\n", b"%1\r\n", b"~1\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n", bytes(r.randrange(255) for _ in range(r.randint(1, 40))), b"*1\r\n$0\r\n\r\n",
           b"QUIT\r\n", b"*2\r\n$3\r\nGET\r\n$-5\r\n"]
    parts = [r.choice(good) for _ in range(r.randint(0, 3))] + [r.choice(bad)] + [r.choice(good + bad) for _ in range(r.randint(0, 2))]
    data = b"".join(parts)
    if r.random() < 0.3 and len(data) < 2000:
        at = r.randrange(len(data))
        data = data[:at] + bytes([r.randrange(255)]) + data[at + 1 :]
    return data
